/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What records mean: the bodies, decoded. Plain structs, no pointers to free;
 * lists are bounded and counted. There are as many items as records, so what few
 * readers want of an endpoint (struct endpoint_detail) is decoded when asked for.
 *
 * Bodies are TLV: u8 type, u16 length, value; unknown types are skipped, a
 * missing field is zero. A body that breaks a bound is refused whole
 * (-EBADMSG), so that nothing half-read is ever acted on.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "maps/service.h"
#include "model/record.h"

#define NAME_MAX_LEN 63 /* letters, digits, '-', '_', '.'; begins with a letter or digit */
#define NETNS_MAX_LEN 255
#define IFNAME_MAX_LEN 15
#define ALIAS_MAX 8
#define LABEL_MAX 8
#define LABEL_MAX_LEN 127

/*
 * VNIs we assign; 24 bits on the wire (RFC 7348). Low ones are left to people's own choice, the
 * last one is OV_PROBE_VNI (maps/probe.h).
 */
#define VNI_MIN 1
#define VNI_AUTO_MIN 4096
#define VNI_MAX 0xfffffe

struct node {
	struct id id;
	char name[NAME_MAX_LEN + 1];
	struct ov_addr addr;      /* advertised: outer address and gossip address */
	uint16_t gossip_port;
	uint16_t vxlan_port;
	uint16_t uplink_mtu;      /* bytes of IP packet on the uplink */
	char version[32];         /* of its overlayd */
	uint64_t joined_ms;       /* since 1970, by its own clock */
};

struct network {
	struct id id;
	char name[NAME_MAX_LEN + 1];
	struct prefix subnet;
	struct prefix ip_range;   /* addresses are taken from here; equals subnet unless asked */
	struct ov_addr gateway;
	uint32_t vni;
	uint16_t mtu;             /* asked for; 0 = computed from the uplinks */
	bool internal, encrypted;
	bool policy_deny;         /* flows that no rule names */
	bool policy_audit;        /* what policy denies passes, and is counted */
	uint64_t created_ms;
};

/*
 * The id of an encrypted network ends with a mark, and one with the mark is never taken for
 * unencrypted: a record that says so is refused by every node. So who can forge records
 * cannot have an encrypted network's packets sent in the clear.
 */
#define NETWORK_ID_MARK_LEN 4
void network_id_mark(struct id *id, bool encrypted);
bool network_id_is_marked(const struct id *id);

#define SERVICE_PORT_MAX 16
#define HEALTH_PATH_MAX_LEN 127
#define WEIGHT_MAX 100 /* of a backend; 1 unless asked */

#define SERVICE_PUBLISH_MAX 32
#define PUBLISH_ALLOW_MAX 16
#define PUBLISH_DYNAMIC_FIRST 30000 /* where a port is taken from when none is named, as Docker does */
#define PUBLISH_DYNAMIC_LAST 32767

#define HEALTH_INTERVAL_S_MAX 3600

enum service_mode { SERVICE_VIP, SERVICE_DNSRR };
enum health_kind { HEALTH_NONE, HEALTH_TCP, HEALTH_HTTP };

/* A declared port. Host order. */
struct service_port {
	uint16_t port, target; /* target: at the backend; equals port unless asked */
	uint8_t protocol;      /* IPPROTO_TCP, _UDP or _SCTP */
};

/* A published port. Host order. */
enum publish_mode { PUBLISH_INGRESS, PUBLISH_HOST };

struct publish {
	uint8_t mode;                /* enum publish_mode */
	uint8_t protocol;            /* as in struct service_port */
	uint16_t published, target;  /* never 0 */
	struct ov_addr addr;         /* the node's address it is bound to; zero: every one */
	uint8_t allow_count;         /* 0: everybody */
	struct prefix allow[PUBLISH_ALLOW_MAX];
};

struct service {
	struct id id;
	struct id network;
	char name[NAME_MAX_LEN + 1]; /* unique in its network */
	struct ov_addr vip;          /* zero: it is dnsrr */
	uint8_t mode;                /* enum service_mode */
	uint8_t algorithm;           /* enum ov_lb */
	bool prefer_local;           /* backends on the client's node first */
	bool dsr;                    /* answers to clients outside leave from the backend's node */
	uint8_t publish_count;       /* of the detail's */
	uint32_t affinity_s;         /* 0: none */
	uint8_t health;              /* enum health_kind */
	uint16_t health_port;
	uint16_t health_interval_s;
	uint64_t created_ms;
};

/* The long rest of a service, decoded when asked for. */
struct service_detail {
	uint8_t port_count;          /* 0: every port */
	struct service_port port[SERVICE_PORT_MAX];
	struct publish publish[SERVICE_PUBLISH_MAX]; /* publish_count of struct service */
	char health_path[HEALTH_PATH_MAX_LEN + 1]; /* of HEALTH_HTTP: begins with '/' */
};

/* What its own node says of a backend's health. */
enum endpoint_health { ENDPOINT_UNTRIED, ENDPOINT_HEALTHY, ENDPOINT_UNHEALTHY };

struct label {
	char text[LABEL_MAX_LEN + 1]; /* K=V */
};

struct endpoint {
	struct id id;
	struct id node;           /* owner */
	struct id network;
	struct ov_addr addr;
	uint8_t mac[6];
	char name[NAME_MAX_LEN + 1]; /* empty when none */
	uint64_t netns_dev, netns_ino;   /* which namespace netns was at attach */
	char ifname[IFNAME_MAX_LEN + 1]; /* in the container */
	uint64_t created_ms;
	struct id service;        /* whose backend it is; zero: none's */
	uint16_t weight;          /* 1..WEIGHT_MAX; 0 counts as 1 */
	uint8_t health;           /* enum endpoint_health; counts where the service checks */
	bool draining;            /* no new flows */
};

/* The long rest of an endpoint: ten times as big, and wanted of few. */
struct endpoint_detail {
	uint8_t alias_count, label_count;
	char alias[ALIAS_MAX][NAME_MAX_LEN + 1];
	struct label label[LABEL_MAX];
	char netns[NETNS_MAX_LEN + 1];   /* path on its node */
};

/*
 * A token of one network's ring: owner has start..last. The end is spelled out,
 * because records travel one by one: a node that has not heard of the next token
 * yet must not believe that it owns what lies behind it (ipam/README.md).
 */
struct block {
	struct id network;
	struct ov_addr start, last;
	struct id owner;
};

#define RING_KEYS_MAX 3
#define GOSSIP_KEY_LEN 32 /* crypto_aead_xchacha20poly1305_ietf_KEYBYTES */
#define TOKEN_SECRET_LEN 32

/* One record for the whole cluster. Secret: never printed, never logged, wiped after use. */
struct cluster {
	struct id id;
	/* The ring, of a daemon that had no RING record yet; who meets it moves it there. */
	uint8_t key_count;
	uint8_t key[RING_KEYS_MAX][GOSSIP_KEY_LEN];
	uint8_t token_secret[TOKEN_SECRET_LEN];
};

/*
 * The keys that seal gossip, one record for the whole cluster, as secret as CLUSTER. How they are
 * replaced is in gossip/rotate.h. Not part of CLUSTER, for the reason of struct epoch.
 */
enum ring_phase {
	RING_STEADY, /* one key */
	RING_ADDED,  /* {old, new}: all are to open with the new one */
	RING_MOVED,  /* {new, old}: all are to seal with it */
};

struct gossip_ring {
	uint64_t epoch;                              /* the cluster's, when the newest key was made */
	uint8_t phase;                               /* enum ring_phase */
	uint8_t key_count;                           /* key[0] seals, all open */
	uint8_t key[RING_KEYS_MAX][GOSSIP_KEY_LEN];
};

/* Which version of the RING record: no two have the same stamp and writer. */
struct ring_version {
	struct stamp stamp;
	struct id writer;
};

/* What a node says of the ring: the version by which it seals and opens. */
struct ring_ack {
	struct id node;
	struct ring_version version;
};

/*
 * Encrypted networks (ipsec/). No secret is in any of these: a node's private key never
 * leaves its memory.
 */
#define PUBLIC_KEY_LEN 32 /* X25519, RFC 7748 */

struct node_key {
	struct id node;
	uint64_t epoch;           /* the cluster's, when it was made */
	uint64_t generation;      /* of the node's start */
	uint64_t made_ms;         /* since 1970, by its own clock */
	uint8_t public_key[PUBLIC_KEY_LEN];
};

/* What a node says of its SAs with one other node. SPIs are lane 0's (maps/ipsec.h). */
struct pair {
	struct id peer;
	uint64_t session;         /* the newest it knows: it never begins with an older one; 0: none */
	uint32_t spi_in;          /* its inbound SAs of that session; 0: not in its kernel */
	uint32_t spi_out;         /* with which it sends now, whichever session's; 0: it does not */
};

/*
 * Pairs are in one of PAIRS_CHUNKS records, by the first bits of the peer's id, so that of a
 * hundred nodes a record fits a datagram, and of a thousand a record.
 */
#define PAIRS_CHUNKS 8
#define PAIRS_MAX 230

struct pairs {
	struct id node;
	uint8_t chunk;            /* < PAIRS_CHUNKS */
	uint8_t count;            /* of the detail's */
};

/* The pairs themselves, sorted by peer. */
struct pairs_detail {
	struct pair pair[PAIRS_MAX];
};

/* What a PAIRS' body holds. */
struct pairs_whole {
	struct pairs p;
	struct pairs_detail d;
};

/*
 * One record for the whole cluster: with each number all nodes make fresh keys. Not part of the
 * CLUSTER record, because it is written without anybody asking: in a split the newer of two
 * versions would bring back a join token that was replaced in the other half.
 */
struct epoch {
	uint64_t number;
	uint64_t began_ms;
};

/*
 * Whom a rule means. A name would mean somebody else once it is given anew, so services and
 * endpoints are meant by id.
 */
enum selector_kind { SELECTOR_ANY, SELECTOR_SERVICE, SELECTOR_LABEL, SELECTOR_ENDPOINT, SELECTOR_CIDR };

struct selector {
	uint8_t kind;             /* enum selector_kind */
	struct id id;             /* of SELECTOR_SERVICE and _ENDPOINT; else zero */
	struct prefix cidr;       /* of SELECTOR_CIDR; else zero */
};

#define POLICY_PORT_MAX 16
#define POLICY_PROTOCOL_ANY 0 /* struct policy_port: every protocol, and all its ports */

/* Host order. ICMP has no ports: it has all of them. */
struct policy_port {
	uint8_t protocol;         /* POLICY_PROTOCOL_ANY or IPPROTO_ICMP, _TCP, _UDP, _SCTP */
	uint16_t first, last;
};

/* A rule. It is made and removed, and never changed. */
struct policy {
	struct id id;
	struct id network;
	uint64_t created_ms;
	bool deny;
	uint8_t port_count;       /* of the detail's; 0: every protocol and port */
	struct selector from, to;
};

/* The long rest of a rule, decoded when asked for. */
struct policy_detail {
	struct label from_label, to_label; /* of SELECTOR_LABEL; else empty */
	struct policy_port port[POLICY_PORT_MAX];
};

/* Decoded body with the header fields a reader needs. */
struct item {
	struct record_key key;
	bool tombstone;
	uint16_t body_len;
	struct stamp stamp;
	struct id writer;
	uint64_t seen_ms; /* this node's clock when it learned of this version */
	const uint8_t *body; /* borrowed: of the record it was decoded from */
	union {
		struct cluster cluster;
		struct node node;
		struct network network;
		struct endpoint endpoint;
		struct block block;
		struct service service;
		struct node_key node_key;
		struct pairs pairs;
		struct epoch epoch;
		struct gossip_ring ring;
		struct ring_ack ring_ack;
		struct policy policy;
	};
};

void node_encode(struct buf *out, const struct node *n);
void network_encode(struct buf *out, const struct network *n);
void endpoint_encode(struct buf *out, const struct endpoint *e, const struct endpoint_detail *d);
void block_encode(struct buf *out, const struct block *b);
void service_encode(struct buf *out, const struct service *s, const struct service_detail *d);
void cluster_encode(struct buf *out, const struct cluster *c);
void node_key_encode(struct buf *out, const struct node_key *k);
void pairs_encode(struct buf *out, const struct pairs *p, const struct pairs_detail *d);
void epoch_encode(struct buf *out, const struct epoch *e);
void ring_encode(struct buf *out, const struct gossip_ring *r);
void ring_ack_encode(struct buf *out, const struct ring_ack *a);
void policy_encode(struct buf *out, const struct policy *p, const struct policy_detail *d);
/*
 * Fills *ret_item from a record, identity taken from the key; borrows its body, which is
 * checked to the end, details included. 0 or -EBADMSG.
 */
int item_decode(const struct record *r, uint64_t seen_ms, struct item *ret_item);
/* Of an ENDPOINT, from its body. Cannot fail: item_decode refuses what could not be read here. */
void endpoint_detail_decode(const struct item *it, struct endpoint_detail *ret_detail);
/* The same of a SERVICE. */
void service_detail_decode(const struct item *it, struct service_detail *ret_detail);

/* The same of a POLICY. */
void policy_detail_decode(const struct item *it, struct policy_detail *ret_detail);
/* The same of PAIRS. */
void pairs_detail_decode(const struct item *it, struct pairs_detail *ret_detail);
/* One of them, without decoding the others. False when there is none. */
bool pairs_find(const struct item *it, const struct id *peer, struct pair *ret_pair);
uint8_t pairs_chunk_of(const struct id *peer);

/* The node that owns an item of an owned kind; zero id for those that anybody writes. */
struct id item_owner(const struct item *it);

/* 0, or -EINVAL with a sentence; `what` is the word for it ("network name"). */
int name_check(const char *what, const char *name, struct err *e);

/* Words that people type and read: "maglev", "dnsrr", "tcp", "healthy"... */
const char *lb_to_str(uint8_t lb);             /* enum ov_lb; "unknown" beyond it */
int lb_parse(const char *text, uint8_t *ret_lb); /* 0 or -EINVAL */
const char *service_mode_to_str(uint8_t mode);
const char *endpoint_health_to_str(uint8_t health);
const char *publish_mode_to_str(uint8_t mode);
const char *ring_phase_to_str(uint8_t phase);
const char *protocol_to_str(uint8_t protocol); /* IPPROTO_TCP, _UDP, _SCTP */
int protocol_parse(const char *text, size_t len, uint8_t *ret_protocol);

/*
 * Whether two claims of a port cannot both be had: one protocol and number, and one
 * address, or every address, of which each is one. The mode does not matter.
 */
bool publish_clashes(const struct publish *a, const struct publish *b);
/* As Docker writes it: "*:80->8080/tcp", "192.0.2.1:80->8080/tcp". Returns out. */
#define PUBLISH_TEXT_MAX (ADDR_TEXT_MAX + 24)
const char *publish_format(const struct publish *p, char out[PUBLISH_TEXT_MAX]);

/* Every protocol, or a whole one: no port of it is left out. */
bool policy_port_is_whole(const struct policy_port *p);
/* As people type it: "any", "icmp", "tcp", "80/tcp", "8000-8100/udp". Returns out. */
#define POLICY_PORT_TEXT_MAX 20
const char *policy_port_format(const struct policy_port *p, char out[POLICY_PORT_TEXT_MAX]);
/* The word before the '=' of a selector: "service", "label", "endpoint", "cidr"; "any". */
const char *selector_kind_to_str(uint8_t kind);

/* Join token as people type it: "ov1-" and 64 hex digits (256 random bits). */
#define TOKEN_TEXT_MAX 72
const char *token_format(const uint8_t secret[TOKEN_SECRET_LEN], char out[TOKEN_TEXT_MAX]);
int token_parse(const char *text, uint8_t ret_secret[TOKEN_SECRET_LEN]);
