/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of this room share. */
#pragma once

#include "base/cleanup.h"
#include "intent.h"

struct ask; /* a grant asked of another node, under way */
struct job; /* a wish that may wait for an address */

struct intent {
	struct store *store;
	struct gossip *gossip; /* NULL: alone */
	struct rng *rng;
	uint64_t now, wall;    /* as last told: gossip's callbacks bring no time along */
	struct ask *asks;
	struct job *jobs, **jobs_end; /* first come, first served */
	size_t job_count;
	struct id ahead;       /* network last asked for ahead of need */
	uint64_t healed_serial;
	intent_port_taken_fn port_taken; /* NULL: nobody is asked */
	void *port_taken_arg;
	intent_can_encrypt_fn can_encrypt; /* NULL: this node cannot */
	void *can_encrypt_arg;
	const struct reach_list *reach; /* never NULL */
};

/* ---- room.c ---- */
const struct id *self_id(const struct intent *in);
/* By name where it is known, else its id; "h2" or 32 digits. */
const char *node_text(const struct view *v, const struct id *id, char out[ID_TEXT_MAX]);
/* By name, else its short id. */
const char *endpoint_text(const struct endpoint *e, char out[ID_TEXT_MAX]);
struct id draw_id(struct intent *in);
/* Whether a node is worth a call: a living member, as far as gossip knows. */
bool node_is_up(const struct intent *in, const struct id *id);
/* Refuses once this node's own record is a tombstone. */
int check_not_removed(const struct intent *in, struct err *e);
/* Decimal digits alone, at most max. 0 or -EINVAL. */
int parse_number(const char *text, uint64_t max, uint64_t *ret_number);
/* An IPv4 address, as of an endpoint or a VIP. */
int parse_addr(const char *text, struct ov_addr *ret_addr, struct err *e);
int find_network(const struct view *v, const char *ref, const struct view_network **ret_network,
		 struct err *e);

int write_network(struct intent *in, const struct network *n, bool tombstone, uint64_t wall_ms,
		  struct err *e);
int write_endpoint(struct intent *in, const struct endpoint *ep, const struct endpoint_detail *d,
		   uint64_t wall_ms, struct err *e);
/* Its tombstone, which keeps the body. 0, also when there is no such endpoint, or an error. */
int bury_endpoint(struct intent *in, const struct id *id, uint64_t wall_ms, struct err *e);
int write_service(struct intent *in, const struct service *s, const struct service_detail *d,
		  uint64_t wall_ms, struct err *e);
int bury_service(struct intent *in, const struct id *id, uint64_t wall_ms, struct err *e);
int write_policy(struct intent *in, const struct policy *p, const struct policy_detail *d,
		 uint64_t wall_ms, struct err *e);
int bury_policy(struct intent *in, const struct id *id, uint64_t wall_ms, struct err *e);
int write_node(struct intent *in, const struct node *n, bool tombstone, uint64_t wall_ms,
	       struct err *e);
int write_blocks(struct intent *in, const struct block *blocks, size_t count, uint64_t wall_ms,
		 struct err *e);
/* Everything of one node handed to another: the blocks, read before anything is written. */
int hand_blocks(struct intent *in, const struct id *from, const struct id *to, uint64_t wall_ms,
		struct err *e);

/* Whether this node can take part in encrypted networks: 0, or an error whose text says why not. */
int can_encrypt(const struct intent *in, struct err *why);
/* Refuses what this node cannot do in that network, because it is encrypted. */
int check_encryption(const struct intent *in, const struct view_network *vn, struct err *e);

/* ---- ring.c ---- */
/* Of a buffer that held a secret record in the clear. */
void secret_fini(struct buf *b);
void ring_wipe(struct gossip_ring *ring);
/* Written, not committed. */
int write_ring(struct intent *in, const struct gossip_ring *ring, uint64_t wall_ms, struct err *e);

/* ---- network_opt.c ---- */
/* Also draws a VNI when none is asked for. */
int take_options(struct intent *in, const struct network_ask *ask, const struct view *v,
		 struct network *n, struct err *e);
/* A VNI that no network has. 0 or -ENOSPC. */
int draw_vni(struct intent *in, const struct view *v, uint32_t *ret_vni);

/* ---- network.c ---- */
/* An IPv4 prefix without host bits; `what` it is for: "subnet". */
int parse_prefix(const char *what, const char *text, struct prefix *ret_prefix, struct err *e);

/* ---- attach.c ---- */
/* KEY=VALUE that a record takes. */
int check_label(const char *label, struct err *e);

/* ---- policy.c ---- */
/* "allow" or "deny" */
int take_verdict(const char *text, bool *ret_deny, struct err *e);

/* ---- policy_ask.c ---- */
/* Whom `text` means on that network; `side` is the option's name. */
int take_selector(const struct view *v, const struct view_network *vn, const char *side,
		  const char *text, struct selector *s, struct label *label, struct err *e);
int take_policy_ports(const struct policy_ask *ask, struct policy *p, struct policy_detail *d,
		      struct err *e);

/* ---- job.c ---- */
typedef void (*job_done_fn)(void *arg, const struct id *id, const struct err *e);

/* What differs between an endpoint and a service. */
struct job_kind {
	size_t size;            /* of the struct that begins with the job */
	const char *under_way;  /* "the endpoint was being attached" */
	/* Against the state, which may have moved since. 0, or a negative errno with a sentence. */
	int (*check)(struct job *j, const struct view *v, const struct view_network *vn,
		     struct err *e);
	/* Writes the record with j->addr; what was written and cannot be committed is taken back. */
	int (*record)(struct job *j, const struct view *v, struct err *e);
	void (*take_back)(struct job *j, struct err *e);
};

struct job {
	struct intent *in;
	const struct job_kind *kind;
	struct id id, network; /* what is made, and where its address comes from */
	struct ov_addr addr;   /* wanted, when has_addr; then the one picked */
	bool has_addr;
	bool no_addr;          /* needs none: a dnsrr service */
	bool insist; /* the last answer taught us nothing: a repetition will not do */
	uint64_t deadline;
	struct id *skip; /* nodes asked in vain, or away */
	size_t skip_count, skip_cap;
	const struct ask *ask; /* what it waits for */
	struct job *next;
	job_done_fn done;
	void *arg;
};

/* Zeroed but for what is common; NULL when out of memory, of which done was told. */
struct job *job_new(struct intent *in, const struct job_kind *kind, uint64_t now, uint64_t wall_ms,
		    job_done_fn done, void *arg);
/* Its id, network and ask are filled: goes as far as it can; the job is not the caller's any more. */
void job_go(struct job *j);
/* Tells done, and frees the job. */
void job_finish(struct job *j, const struct id *id, const struct err *e);
/* Goes on with a job whose ask has ended; `refused` is the node to leave out from now on. */
void job_resume(struct job *j, const struct id *refused, bool news);
void job_cancel(struct job *j);
void job_list_append(struct intent *in, struct job *j);
void jobs_expire(struct intent *in);
void jobs_cancel(struct intent *in);
/* Takes those that wait for an ask off the list, in order. */
struct job *jobs_take_waiting(struct intent *in, const struct ask *a);
struct job *job_next(const struct job *j);

/* ---- detach.c ---- */
bool is_own_endpoint(const struct intent *in, const struct view_endpoint *ve);
/*
 * An endpoint of this node, by full id, name, or a prefix of the id; `command` is
 * what to run where it lives. A name is unique in its network only: of several
 * endpoints with one name an own one is meant, if there is just one.
 */
int find_own_endpoint(const struct intent *in, const char *ref, const char *command,
		      const struct view_endpoint **ret_endpoint, struct err *e);

/* ---- backend.c ---- */
/* A service as an endpoint of a network may join it: of that network. */
int find_service_of(const struct view *v, const struct view_network *vn, const char *ref,
		    const struct view_service **ret_service, struct err *e);
int parse_weight(const char *text, uint16_t *ret_weight, struct err *e);

/* ---- service.c ---- */
/* Whether two names of one network are one in DNS: case aside, and "tasks.S" is S's too. */
bool name_is_services(const char *service, const char *name);
/* Refuses a name that DNS could not tell from a service's. `what`: "an endpoint". */
int check_no_service(const struct view *v, const struct view_network *vn, const char *what,
		     const char *name, struct err *e);

/* ---- service_ask.c ---- */
struct service_draft {
	struct service s;
	struct service_detail d;
	uint8_t kept;     /* of its published ports, so many were there before; first in the list */
	uint32_t dynamic; /* bit i: published port i is to be chosen */
};
/* What can be judged by the ask alone, of a new service: all but the network. */
int service_ask_take(const struct service_ask *ask, struct service_draft *draft, struct err *e);
/* Bends a service that there is. */
int service_ask_bend(const struct service_ask *ask, struct service_draft *draft, struct err *e);

/* ---- publish_ask.c ---- */
int take_publish(const struct service_ask *ask, struct service_draft *draft, struct err *e);
/* Of the ports it publishes by now. */
int take_service_options(const struct service_ask *ask, struct service *s, struct err *e);

/* ---- publish_port.c ---- */
/*
 * Chooses the ports that are to be chosen, and refuses those that are somebody's.
 * May be repeated when the state has moved: it chooses anew.
 */
int settle_publish(struct intent *in, const struct view *v, struct service_draft *draft,
		   struct err *e);

/* ---- grant.c ---- */
/*
 * Asks a node, or joins an ask under way for the same thing. `insist`: do not
 * repeat an earlier reply. 0, or a negative errno when it cannot be asked.
 */
int ask_node(struct intent *in, const struct network *n, const struct id *node,
	     const struct ov_addr *wanted, bool insist, struct ask **ret_ask);
const struct id *ask_whom(const struct ask *a);
size_t ask_count(const struct intent *in);
bool ask_is_under_way(const struct intent *in, const struct id *network);
void asks_orphan(struct intent *in);
/* Merges a reply. 0 or a negative errno; ret_news: something in it was not known. */
int grant_reply_take(struct intent *in, struct cursor reply, bool *ret_news);
