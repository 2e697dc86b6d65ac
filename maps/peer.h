/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Map `peers` (HASH): outer address of another node -> how to reach it. An
 * address without an entry is no node of the cluster; its packets are refused.
 */
#pragma once

#include "types.h"

/* Policies and SAs towards it are wanted: what is of an encrypted network may go there. */
#define OV_PEER_ENCRYPTED 1u

struct ov_peer_key {
	struct ov_addr vtep;
};

struct ov_peer {
	struct ov_addr next_hop; /* on the uplink: the peer itself or a router */
	__u32 flags;             /* OV_PEER_* */
	__u32 pad;
};
/*
 * Map `peer_drops` (LRU_HASH, owned by the data path): packets of encrypted networks, to
 * and from that node, that were dropped. In `counters` they are too.
 */
struct ov_peer_drops {
	__u64 no_sa;             /* DROP_NO_SA */
	__u64 cleartext;         /* DROP_CLEARTEXT */
};
_Static_assert(sizeof(struct ov_peer_drops) == 16, "ov_peer_drops is ABI");
_Static_assert(sizeof(struct ov_peer_key) == 16, "ov_peer_key is ABI");
_Static_assert(sizeof(struct ov_peer) == 24, "ov_peer is ABI");
