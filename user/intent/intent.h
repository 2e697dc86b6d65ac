/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A user's wish, validated and turned into records of this node. The only room
 * that writes the store on a person's behalf. Everything is checked before
 * anything is written; a refusal is one sentence in *e and changes nothing.
 *
 * Nothing here touches the kernel: what was written is applied by the usual way.
 */
#pragma once

#include "base/err.h"
#include "gossip/gossip.h"
#include "ipam/ipam.h"
#include "model/reach.h"
#include "store/store.h"

struct intent;

/*
 * Requests on gossip_call carry one of these first.
 *
 * CALL_IPAM_GRANT: give me addresses of a network.
 *   request: u8 1 | 16 network | u8 has wanted | 16 wanted | u64 how many addresses
 *            of the network the asker knows to be its own. When the asked node
 *            knows of more, an earlier reply was lost: it is repeated.
 *   reply:   u8 errno, 0 when given | u16 count | records: the blocks given, or
 *            what the asker seems not to know (another owner, who uses it)
 */
#define CALL_IPAM_GRANT 1
/* An attach or a new service waits no longer than this for other nodes' addresses. */
#define INTENT_DEADLINE_MS 10000
/* Of these, so many may wait at one time. */
#define INTENT_WAITING_MAX 256

/* A namespace as the person named it, resolved by the caller (NAME, PATH or PID). */
struct netns_ref {
	char path[NETNS_MAX_LEN + 1]; /* absolute, stable */
	uint64_t dev, ino;
};

struct network_ask {
	const char *name;
	const char *subnet, *gateway, *ip_range; /* text as typed, NULL when not given */
	bool internal;
	size_t opt_count;
	const char *const *opt;                  /* "key=value" or "key" */
};

struct attach_ask {
	const char *network;
	struct netns_ref netns;
	const char *ifname;                      /* NULL: eth0 */
	const char *ip, *mac, *name, *service, *weight; /* NULL when not given */
	size_t alias_count, label_count;
	const char *const *alias, *const *label;
};

struct service_ask {
	const char *name;             /* update: which one */
	const char *network;          /* create only */
	const char *mode;             /* "vip", "dnsrr"; NULL: vip; create only */
	const char *algorithm;        /* "maglev", "rr", "random", "least-conn"; NULL: maglev, or as it is */
	const char *affinity;         /* "client-ip", "client-ip=SECONDS", "none"; NULL: none, or as it is */
	const char *prefer;           /* "local", "none"; NULL: none, or as it is */
	const char *vip;              /* this address and no other; create only */
	const char *health;           /* "tcp:PORT", "http:PORT/PATH", "none"; NULL: none, or as it is */
	const char *health_interval;  /* seconds; NULL: HEALTH_INTERVAL_S */
	size_t port_count, opt_count, publish_count, publish_add_count, publish_rm_count;
	const char *const *port;      /* "PORT[:TARGET][/PROTO]" or "any"; update: "+..." adds, "-..."
				       * takes away, without a sign the list is replaced */
	const char *const *opt;       /* "dsr", "dsr=true", "dsr=false" */
	const char *const *publish;   /* "published=80,target=8080" or "80:8080"; create only */
	const char *const *publish_add; /* update only, as the next */
	const char *const *publish_rm;  /* or "PORT[/PROTO]" alone, one of its two numbers */
};
#define AFFINITY_S 10800 /* three hours, as Kubernetes */
#define HEALTH_INTERVAL_S 5

/* A rule. Nothing is NULL; ports are "P[-Q][/PROTO]", a protocol alone or "any". */
struct policy_ask {
	const char *network;
	bool deny;
	const char *from, *to;        /* "service=S", "label=K=V", "endpoint=E", "cidr=C", "any" */
	size_t port_count;            /* 0: every port of every protocol */
	const char *const *port;
};

struct policy_default_ask {
	const char *network;
	const char *verdict;          /* "allow" or "deny"; NULL: as it is */
	const char *audit;            /* "on" or "off"; NULL: as it is */
};

/* store and gossip are borrowed. gossip may be NULL in tests with one node. */
int intent_new(struct store *store, struct gossip *gossip, struct rng *rng,
	       struct intent **ret_intent);
/*
 * A fact of this host: whether a process listens on a port of it, on `addr` (zero: on
 * any address; a listener on every address counts for each). Asked before a port is published, so
 * that the person hears of it. NULL, as at first: nobody is asked.
 */
typedef bool (*intent_port_taken_fn)(void *arg, uint8_t protocol, const struct ov_addr *addr,
				     uint16_t port);
void intent_ask_ports(struct intent *in, intent_port_taken_fn port_taken, void *arg);
/*
 * Another one: whether this host can take part in encrypted networks. 0, or an error that
 * names what it lacks as a clause ("this kernel has no ESP (...)"). Asked with each wish that
 * needs it, for a module may be loaded later. NULL, as at first: it cannot.
 */
typedef int (*intent_can_encrypt_fn)(void *arg, struct err *e);
void intent_ask_encryption(struct intent *in, intent_can_encrypt_fn can_encrypt, void *arg);
/*
 * A fact of this host, too: the subnets that it is in, with which a new network's must not
 * overlap. Borrowed, and looked at with each wish. NULL, as at first: nothing is known.
 */
void intent_know_reach(struct intent *in, const struct reach_list *reach);
/* Attaches that wait are told -ECANCELED. May be freed before gossip or after it. */
void intent_free(struct intent *in);

/* First start without --join: makes the CLUSTER and RING records with fresh keys and token. */
int intent_cluster_create(struct intent *in, uint64_t wall_ms, struct err *e);
/* Moves the key of gossip out of a CLUSTER record of an earlier daemon. Nothing to do: 0. */
int intent_ring_adopt(struct intent *in, uint64_t wall_ms, struct err *e);
/*
 * The next step of the key ring, if the records allow one (gossip/rotate.h, where it is said whose
 * turn it is, too). 0 also when there is none.
 */
int intent_ring_step(struct intent *in, uint64_t wall_ms, struct err *e);
/* Says that this node seals and opens by the ring that is in the store. Said already: 0. */
int intent_ring_confirm(struct intent *in, uint64_t wall_ms, struct err *e);
int intent_token_rotate(struct intent *in, uint64_t wall_ms, struct err *e);
/* This node's own NODE record, rewritten when it differs. */
int intent_node_announce(struct intent *in, const struct node *self, uint64_t wall_ms,
			 struct err *e);
/* Tombstones a node that is not alive, and takes over its address blocks. */
int intent_node_rm(struct intent *in, const char *name, uint64_t wall_ms, struct err *e);
/* This node's endpoints and record become tombstones; its blocks go to another node. */
int intent_leave(struct intent *in, uint64_t wall_ms, struct err *e);

/*
 * What this node says of its keys (ipsec/): its KEY record, made_ms filled here (NULL: it is as
 * it was), and those of its PAIRS records that changed.
 */
int intent_keys_write(struct intent *in, const struct node_key *key, const struct pairs_whole *pairs,
		      size_t count, uint64_t wall_ms, struct err *e);
/* Tells all nodes to make fresh keys; the ring of gossip gets one, too. */
int intent_epoch_begin(struct intent *in, uint64_t wall_ms, struct err *e);
/*
 * The same, as a person's wish. SAs are of pairs of nodes, and the key ring of gossip is everybody's, so
 * all are rotated, whichever network is named; that it is there and encrypted is checked all the same.
 */
int intent_key_rotate(struct intent *in, const char *network, uint64_t wall_ms, uint64_t *ret_epoch,
		      struct err *e);

int intent_network_create(struct intent *in, const struct network_ask *ask, uint64_t wall_ms,
			  struct id *ret_id, struct err *e);
/* As view_network_find; -ENOENT. */
int intent_find_network(const struct view *v, const char *ref,
			const struct view_network **ret_network, struct err *e);
int intent_network_rm(struct intent *in, const char *ref, uint64_t wall_ms, struct err *e);

/*
 * Attaches an endpoint. `done` is called exactly once, perhaps before this
 * returns, with the endpoint's id once its record is committed, or with the
 * error (ret_id NULL). Asks other nodes for addresses when ours are used up.
 */
void intent_attach(struct intent *in, const struct attach_ask *ask, uint64_t now,
		   uint64_t wall_ms,
		   void (*done)(void *arg, const struct id *id, const struct err *e), void *arg);
/*
 * A service. Its VIP is picked like an endpoint's address, perhaps by asking
 * other nodes; `done` as in intent_attach, with the service's id.
 */
void intent_service_create(struct intent *in, const struct service_ask *ask, uint64_t now,
			   uint64_t wall_ms,
			   void (*done)(void *arg, const struct id *id, const struct err *e),
			   void *arg);
/*
 * What ask leaves NULL stays. A port list without a sign replaces; published ports are
 * taken away before others are added. *ret_id for the answer.
 */
int intent_service_update(struct intent *in, const struct service_ask *ask, uint64_t wall_ms,
			  struct id *ret_id, struct err *e);
/* Its backends stay attached, as nobody's. */
/* As view_service_find; -ENOENT, or -EINVAL when several networks have one of that name. */
int intent_find_service(const struct view *v, const char *ref,
			const struct view_service **ret_service, struct err *e);
int intent_service_rm(struct intent *in, const char *ref, uint64_t wall_ms, struct err *e);
/* An endpoint of ours joins a service of its network (NULL: leaves its one), with a weight. */
int intent_endpoint_join(struct intent *in, const char *endpoint, const char *service,
			 const char *weight, uint64_t wall_ms, struct id *ret_id, struct err *e);
/* An endpoint of ours takes no new flows, or takes them again. */
int intent_endpoint_drain(struct intent *in, const char *ref, bool drain, uint64_t wall_ms,
			  struct id *ret_id, struct err *e);
/* What the health check found. Nothing is written when it is known. */
int intent_endpoint_health(struct intent *in, const struct id *id, enum endpoint_health health,
			   uint64_t wall_ms, struct err *e);
/* A rule of a network; refused when it says what another says, or the opposite of it. */
int intent_policy_add(struct intent *in, const struct policy_ask *ask, uint64_t wall_ms,
		      struct id *ret_id, struct err *e);
int intent_policy_rm(struct intent *in, const char *ref, uint64_t wall_ms, struct id *ret_id,
		     struct err *e);
/* What becomes of flows that no rule names. */
int intent_policy_default(struct intent *in, const struct policy_default_ask *ask,
			  uint64_t wall_ms, struct id *ret_network, struct err *e);
int intent_detach(struct intent *in, const char *ref, uint64_t wall_ms, struct err *e);
/* An endpoint of ours whose namespace is gone. */
int intent_endpoint_vanished(struct intent *in, const struct id *id, uint64_t wall_ms,
			     struct err *e);
/*
 * Lets go of what was lost, and picks up what nobody has: a network of ours that
 * lost its VNI to an older one (view.h) gets a new one, blocks of a node that we
 * removed, and that came to light since, become ours. Cheap when nothing changed.
 */
int intent_heal_claims(struct intent *in, uint64_t wall_ms, struct err *e);

/*
 * To be called about once a second: ends attaches that waited too long, and asks
 * for addresses ahead of need, in networks where this node owns none and others
 * have plenty, so that it can attach even when it is cut off later.
 */
void intent_ask_ahead(struct intent *in, uint64_t now, uint64_t wall_ms);

/* Another node's request, for gossip_config.on_call. */
int intent_on_call(struct intent *in, const struct id *from, struct cursor request,
		   uint64_t wall_ms, struct buf *reply);
