/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses without arbitration: a ring of tokens for each network.
 *
 * A subnet's range is cut by tokens (model.h: struct block); each node gives out
 * addresses only from ranges it owns, and only the owner of a range may cut it
 * or give it away. So no two nodes can ever give the same address, whoever can
 * or cannot talk to whom. The idea is Weave Net's IPAM ring; ours starts without
 * a vote: the node that creates a network writes the first tokens.
 *
 * Pure functions over a view: they answer, and say which BLOCK records to write.
 */
#pragma once

#include "base/err.h"
#include "model/view.h"

/* An address released less than this long ago is not given out again, unless asked for by name. */
#define IPAM_HOLD_MS 30000
/* Most tokens one answer writes. */
#define IPAM_GRANT_MAX 4

/*
 * The range addresses come from, network, broadcast and gateway not excluded:
 * first and last address of ip_range. ipam_is_reserved says which of them are
 * never given: network and broadcast address of the subnet, and the gateway.
 */
void ipam_bounds(const struct network *n, struct ov_addr *ret_first, struct ov_addr *ret_last);
bool ipam_is_reserved(const struct network *n, const struct ov_addr *a);

/*
 * First tokens of a new network, cut in equal, power-of-two aligned shares among
 * `nodes` (creator first) as far as each share would have at least IPAM_SHARE_MIN
 * addresses; the creator takes all otherwise. Returns how many were written.
 * max >= count of nodes.
 */
#define IPAM_SHARE_MIN 16
size_t ipam_first_blocks(const struct network *n, const struct id *nodes, size_t count,
			 struct block *ret_blocks, size_t max);

/* Owner of an address by the ring; NULL when outside ip_range or before the first token is known. */
const struct id *ipam_owner(const struct view *v, const struct network *n, const struct ov_addr *a);

enum ipam_answer {
	IPAM_OK,         /* *ret_addr is free and ours */
	IPAM_ASK,        /* ours is used up (or the wanted one is another's): ask ret_node for it */
	IPAM_FAILED,     /* sentence in *e: exhausted, in use, outside the subnet, reserved */
};

/*
 * Picks an address for node `self`: `wanted` when given, else next-fit after the
 * address given last, so that a freed one rests longest. For IPAM_ASK, the nodes
 * worth asking are those in `skip` left out, the owner of the most space first.
 */
enum ipam_answer ipam_pick(const struct view *v, const struct network *n, const struct id *self,
			   const struct ov_addr *wanted, uint64_t now_ms, const struct id *skip,
			   size_t skip_count, struct ov_addr *ret_addr, struct id *ret_node,
			   struct err *e);

/*
 * What `self` gives to `to`: the wanted address alone, or the upper half of its
 * largest free run (all of it when that is one address). Returns how many BLOCK
 * bodies were written (each to be stored by store_write under key_of_block), or
 * -ENOSPC, -EADDRINUSE (wanted is given out), -EPERM (wanted is not ours).
 */
int ipam_grant(const struct view *v, const struct network *n, const struct id *self,
	       const struct id *to, const struct ov_addr *wanted, uint64_t now_ms,
	       struct block ret_blocks[IPAM_GRANT_MAX]);

/* Addresses of ip_range in use (cluster-wide) and free to give, reserved ones left out. */
void ipam_usage(const struct view *v, const struct network *n, uint64_t *ret_used,
		uint64_t *ret_free);

/* Tokens that `self` must write to take over those of a removed node. Returns count, at most max. */
size_t ipam_takeover(const struct view *v, const struct id *removed, const struct id *self,
		     struct block *ret_blocks, size_t max);
