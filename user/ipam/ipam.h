/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses without arbitration: a ring of tokens for each network.
 *
 * A subnet is cut into blocks (model.h: struct block); each node gives out
 * addresses only from blocks it owns, and only the owner of a block may cut it
 * or give it away. So no two nodes can ever give the same address, whoever can
 * or cannot talk to whom. The idea is Weave Net's IPAM ring; ours starts without
 * a vote: the node that creates a network writes the first blocks.
 *
 * Pure functions over a view: they answer, and say which BLOCK records to write.
 * README.md says why this holds with records that arrive one by one.
 */
#pragma once

#include "base/err.h"
#include "model/view.h"

/* An address released less than this long ago is not given out again, unless asked for by name. */
#define IPAM_HOLD_MS 30000
/* Most blocks one answer writes. */
#define IPAM_GRANT_MAX 4

/*
 * The range addresses are picked from: first and last address of ip_range. The
 * rest of the subnet has owners too, but is given only to those who ask for an
 * address by name. ipam_is_reserved says which addresses are never given:
 * network and broadcast address of the subnet, and the gateway.
 */
void ipam_bounds(const struct network *n, struct ov_addr *ret_first, struct ov_addr *ret_last);
bool ipam_is_reserved(const struct network *n, const struct ov_addr *a);

/*
 * First blocks of a new network: ip_range is cut in equal, power-of-two aligned
 * shares of at least IPAM_SHARE_MIN addresses, dealt in order to `nodes` (creator
 * first) as far as they go. What of the subnet is outside ip_range is the
 * creator's. Returns how many were written; max >= count + IPAM_FIRST_EXTRA.
 */
#define IPAM_SHARE_MIN 16
#define IPAM_FIRST_EXTRA 2
size_t ipam_first_blocks(const struct network *n, const struct id *nodes, size_t count,
			 struct block *ret_blocks, size_t max);

/* Owner of an address by the blocks; NULL outside the subnet, and where none is known. */
const struct id *ipam_owner(const struct view *v, const struct network *n, const struct ov_addr *a);

enum ipam_answer {
	IPAM_OK,         /* *ret_addr is free and ours */
	IPAM_ASK,        /* ours is used up (or the wanted one is another's): ask ret_node for it */
	IPAM_FAILED,     /* sentence in *e: exhausted, in use, outside the subnet, reserved, or
			  * what is free belongs to nodes in `skip` */
};

/*
 * Picks an address for node `self`: `wanted` when given, else next-fit after the
 * address given last, so that a freed one rests longest. IPAM_ASK names the owner
 * of the most free space first; those in `skip` were asked in vain, or are known
 * to be away. Before any block of the network is known here, its writer is asked.
 */
enum ipam_answer ipam_pick(const struct view *v, const struct network *n, const struct id *self,
			   const struct ov_addr *wanted, uint64_t now_ms, const struct id *skip,
			   size_t skip_count, struct ov_addr *ret_addr, struct id *ret_node,
			   struct err *e);

/*
 * What `self` gives to `to`: the wanted address alone, or the upper half of its
 * largest free run (all of it when that is one address). Returns how many BLOCK
 * bodies were written (each to be stored by store_write under key_of_block, all
 * in one commit), or -ENOSPC, -EADDRINUSE (wanted is given out or reserved),
 * -EPERM (wanted is not ours), -ENOMEM.
 */
int ipam_grant(const struct view *v, const struct network *n, const struct id *self,
	       const struct id *to, const struct ov_addr *wanted, uint64_t now_ms,
	       struct block ret_blocks[IPAM_GRANT_MAX]);

/* How many addresses of the subnet `node` owns, by what `v` knows. */
uint64_t ipam_owned(const struct view *v, const struct network *n, const struct id *node);

/* Addresses of ip_range in use (cluster-wide) and free to give, reserved ones left out. */
void ipam_usage(const struct view *v, const struct network *n, uint64_t *ret_used,
		uint64_t *ret_free);

/* All blocks of `from`, named as `to`'s: after a removal, before leaving. At most max. */
size_t ipam_takeover(const struct view *v, const struct id *from, const struct id *to,
		     struct block *ret_blocks, size_t max);
