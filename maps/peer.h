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
_Static_assert(sizeof(struct ov_peer_key) == 16, "ov_peer_key is ABI");
_Static_assert(sizeof(struct ov_peer) == 24, "ov_peer is ABI");
