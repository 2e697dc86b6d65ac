/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Maps `masq` (HASH) and `masq_brief` (LRU_HASH): containers in the world outside.
 * A packet that leaves takes its node's address and a port of config.masq_first to
 * masq_last. As with flows, there is one entry for both directions: it is found by the
 * answer, and the port of a packet that leaves is where its hash says, or one of the
 * OV_MASQ_TRIES that follow in steps of its hash.
 *
 * `masq` has what is established (TCP) and is never evicted; `masq_brief` all else.
 */
#pragma once

#include "types.h"

struct ov_masq_key {
	struct ov_addr remote;
	__be16 remote_port;  /* 0 for ping */
	__be16 port;         /* at this node; for ping the identifier */
	__u8 protocol;       /* IPPROTO_* */
	__u8 pad[3];
};

struct ov_masq {
	struct ov_addr inside;
	struct ov_addr outside; /* this node's address that it goes by */
	__u32 vni;           /* of `inside`; 0: it is this host itself, calling from 127.0.0.0/8 */
	__u32 incarnation;   /* of the endpoint; 0 with vni 0 */
	__u32 seen;          /* as in struct ov_flow */
	__u32 flags;         /* OV_FLOW_REPLIED, _FIN_CLIENT, _FIN_BACKEND, _CLOSED */
	__be16 inside_port;
	__u16 pad;
};

#define OV_MASQ_TRIES 16
#define OV_MASQ_REST 3 /* seconds of silence: a closed one's port may be another's, if none is free */
#define OV_MASQ_FIRST 61000 /* above what Linux gives its own sockets (32768 to 60999) */
#define OV_MASQ_LAST 65535

/* What ov_reap_masq is run with. Results are enum ov_reap_result. */
struct ov_reap_masq {
	struct ov_masq_key key; /* in */
	__u32 result;           /* out */
};
_Static_assert(sizeof(struct ov_masq_key) == 24, "ov_masq_key is ABI");
_Static_assert(sizeof(struct ov_masq) == 52, "ov_masq is ABI");
_Static_assert(sizeof(struct ov_reap_masq) == 28, "ov_reap_masq is ABI");
