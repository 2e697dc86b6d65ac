/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Flows to services: on the node of the client, and of flows that come from outside,
 * on the node they entered by and on the backend's. And flows that policy has judged
 * (policy.h), on the nodes of both ends. All maps here are written by the
 * data path alone; user space reads them, and has entries removed by running
 * the program ov_reap.
 *
 * One flow is one entry, found by both of its directions: a packet to the VIP
 * has client and VIP in it, a reply comes from a backend, whose row in
 * `endpoints` names its VIP. So there is no pair that could lose a half. The
 * port in the key is the backend's, because a reply has no other.
 *
 *   brief  (LRU_HASH)  flows not established yet, closed ones, and all of UDP: what
 *                      the kernel may forget, least recently used first
 *   flows  (HASH)      TCP and SCTP, once the client has answered the backend's
 *                      answer: never evicted. When it is full, further ones stay
 *                      in `brief` (OV_FLOW_OVERFLOW)
 *
 * A flood of SYNs churns `brief` and touches no established flow.
 *
 * A flow that policy judges (OV_FLOW_POLICY) is an entry of its own, between the two ends as
 * they are: client and backend, where there is a VIP. `client` is the numerically smaller
 * address, with its port (of equal ones the smaller port), and OV_FLOW_SECOND says that the other
 * end began it. The first byte of `vip` is OV_FLOW_POLICY_MARK, which no address of ours
 * begins with: a service's flow is never taken for it. Of a ping the identifier is the port of
 * who asks; what has no ports has 0. A flow that is denied from its beginning
 * leaves no entry.
 */
#pragma once

#include "policy.h"
#include "types.h"

struct ov_flow_key {
	struct ov_addr client;
	struct ov_addr vip;
	__u8 vni[3];         /* network order */
	__u8 protocol;       /* IPPROTO_* */
	__be16 client_port;
	__be16 backend_port;
} __attribute__((aligned(4))); /* for programs, which read addresses by words */

static inline __u32 ov_flow_key_vni(const struct ov_flow_key *k)
{
	return (__u32)k->vni[0] << 16 | (__u32)k->vni[1] << 8 | k->vni[2];
}

#define OV_FLOW_REPLIED     1u
#define OV_FLOW_FIN_CLIENT  2u
#define OV_FLOW_FIN_BACKEND 4u
#define OV_FLOW_CLOSED      8u  /* both have finished, or one has reset */
#define OV_FLOW_NO_ROOM    16u  /* belongs into `flows`, but that was full */
#define OV_FLOW_ENTRY      32u  /* entered here, by a published port: `via` is the address called */
#define OV_FLOW_TUNNEL     64u  /* entered at another node, the one at `via`: answers go back there */
#define OV_FLOW_DSR       128u  /* entered at another node; answers go straight out, from `via` */
#define OV_FLOW_DIRECT    256u /* beside OV_FLOW_ENTRY: it is OV_FLOW_DSR at the backend's node */
#define OV_FLOW_POLICY    512u /* no service's: `judged` says what policy made of it */
#define OV_FLOW_SECOND   1024u /* beside OV_FLOW_POLICY: the end at `vip` began it */
#define OV_FLOW_MIDDLE   2048u /* beside OV_FLOW_POLICY: met in its middle; who began it is unknown */

#define OV_FLOW_POLICY_MARK 1

/* What policy made of a flow. One that is denied was allowed before, and is refused from then on. */
struct ov_flow_judged {
	struct ov_policy by; /* as it was in force then: when another is, the flow is judged anew */
	__u32 rule;          /* ov_rule.id; 0: by the default */
	__u8 verdict;        /* OV_POLICY_*; a denied one passes all the same in audit */
	__u8 pad[3];
};

struct ov_flow {
	struct ov_addr backend;        /* zero with OV_FLOW_POLICY */
	union {
		struct ov_addr via;    /* see the flags; zero: a call to the VIP */
		struct ov_flow_judged judged; /* with OV_FLOW_POLICY */
	};
	__u32 incarnation;   /* of the backend, as in struct ov_endpoint; with OV_FLOW_POLICY both
			      * ends' in exclusive or, 0 for who is no endpoint */
	__u32 seen;          /* last packet of either direction, in ticks */
	__u32 flags;         /* OV_FLOW_*, set by atomic operations */
	__be16 vip_port;     /* what the client calls */
	__u16 pad;
};

/* A tick is 2^30 ns of CLOCK_MONOTONIC, about 1.07 s. */
#define OV_TICK_SHIFT 30
#define OV_TICKS(seconds) ((__u32)(((__u64)(seconds) * 1000000000ull) >> OV_TICK_SHIFT))

/* Idle times after which a flow is no more, in seconds (nf_conntrack's defaults). */
#define OV_IDLE_TCP 432000    /* with an answer: five days */
#define OV_IDLE_SYN 60        /* without */
#define OV_IDLE_CLOSED 60
#define OV_IDLE_UDP 120       /* with an answer */
#define OV_IDLE_UDP_ASKED 30  /* without */

/* Map `affinity` (LRU_HASH): which backend a client had last. */
struct ov_affinity_key {
	struct ov_addr vip;
	struct ov_addr client;
	__u32 vni;
};

struct ov_affinity {
	struct ov_addr backend;
	__u32 incarnation;
	__u32 seen;          /* in ticks */
};

/*
 * Map `fragments` (LRU_HASH): what the first fragment of a datagram was rewritten
 * to. Later ones carry no port, so they follow it.
 */
struct ov_fragment_key {
	struct ov_addr src, dst; /* as they came */
	__u8 vni[3];             /* network order */
	__u8 protocol;
	__be16 id;               /* of the IPv4 header */
	__u16 is_judged;         /* 1: policy let the first one pass, and that is all; else 0 */
} __attribute__((aligned(4)));

struct ov_fragment {
	struct ov_addr src, dst; /* as they leave */
	__u32 vni;               /* not 0: from outside, and dst is an endpoint there; or
				  * to outside, and dst is the node that it goes back through */
} __attribute__((aligned(4)));

/* Map `service_stats` (HASH). */
struct ov_service_stats_key {
	struct ov_addr vip;
	__u32 vni;
};

struct ov_service_stats {
	__u64 turn;          /* round robin's place */
	__u64 flows;         /* ever begun from this node */
};

/* Map `backend_stats` (HASH): flows from this node. */
struct ov_backend_stats_key {
	struct ov_addr vip;
	struct ov_addr backend;
	__u32 vni;
};

struct ov_backend_stats {
	__s64 active;        /* in `flows` */
	__u64 total;         /* ever begun */
};

/* Map `flow_counters` (PERCPU_ARRAY of __u64). */
enum ov_flow_counter {
	OV_FLOW_BORN,        /* flows begun */
	OV_FLOW_ENTERED,     /* put into `flows` */
	OV_FLOW_LEFT,        /* taken out of `flows`: closed, expired, backend gone */
	OV_FLOW_OVERFLOW,    /* `flows` was full: kept in `brief` instead (a flow counts once) */
	OV_FLOW_MOVED,       /* began anew at another backend, because the first was gone */
	OV_FLOW_COUNTER_COUNT,
};

/* What ov_reap (a syscall program) is run with. */
struct ov_reap {
	struct ov_flow_key key; /* in */
	__u32 result;           /* out: enum ov_reap_result */
};

enum ov_reap_result {
	OV_REAP_NONE,        /* there is no such flow any more */
	OV_REAP_KEPT,        /* it is alive */
	OV_REAP_EXPIRED,     /* it was idle too long and is removed */
	OV_REAP_ORPHAN,      /* its backend is gone; it stays a while, so that its client hears */
};
/* What ov_reap_stats is run with: it removes counts of who is gone and has no flow left. */
struct ov_reap_stats {
	struct ov_backend_stats_key key; /* in; with `backend` zero: of service_stats */
	__u32 result;                    /* out: OV_REAP_NONE, _KEPT or _EXPIRED (removed) */
};

/* Seconds without a packet after which a flow without its backend or client is removed. */
#define OV_ORPHAN_IDLE 60

_Static_assert(sizeof(struct ov_flow_key) == 40, "ov_flow_key is ABI");
_Static_assert(sizeof(struct ov_flow) == 48, "ov_flow is ABI");
_Static_assert(sizeof(struct ov_flow_judged) == 16, "ov_flow_judged is ABI");
_Static_assert(sizeof(struct ov_affinity_key) == 36, "ov_affinity_key is ABI");
_Static_assert(sizeof(struct ov_affinity) == 24, "ov_affinity is ABI");
_Static_assert(sizeof(struct ov_fragment_key) == 40, "ov_fragment_key is ABI");
_Static_assert(sizeof(struct ov_fragment) == 36, "ov_fragment is ABI");
_Static_assert(sizeof(struct ov_service_stats_key) == 20, "ov_service_stats_key is ABI");
_Static_assert(sizeof(struct ov_service_stats) == 16, "ov_service_stats is ABI");
_Static_assert(sizeof(struct ov_backend_stats_key) == 36, "ov_backend_stats_key is ABI");
_Static_assert(sizeof(struct ov_backend_stats) == 16, "ov_backend_stats is ABI");
_Static_assert(sizeof(struct ov_reap) == 44, "ov_reap is ABI");
_Static_assert(sizeof(struct ov_reap_stats) == 40, "ov_reap_stats is ABI");
