/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The room's inner form of one network: addresses as offsets from the subnet's
 * base, so that a /8 is arithmetic and not a bitmap of 16 million.
 *
 *   ring    who owns what: segments without overlap, sorted
 *   busy    offsets not to be given now, sorted: in use, reserved, held
 *   space   both, and the free runs that follow from them
 */
#pragma once

#include "ipam.h"

struct segment {
	uint64_t first, last;
	const struct block *block; /* borrowed from the view */
};

struct ring {
	size_t count;
	struct segment *segment;
};

struct busy {
	size_t count;
	size_t in_use, held;       /* of those, addresses of the living and of tombstones */
	uint64_t *at;
};

/* Addresses of ip_range that one node may give now, all of one segment. */
struct run {
	uint64_t first, last;
	const struct segment *segment;
};

struct space {
	struct ring ring;
	struct busy busy;
	size_t run_count;
	struct run *run;           /* sorted by address */
};

/* The network's blocks in the view: the first and how many. */
const struct block *const *ring_blocks(const struct view *v, const struct network *n,
				       size_t *ret_count);
uint64_t ring_offset(const struct network *n, const struct ov_addr *a);
/* The innermost block that covers an address; NULL when none does. */
const struct block *ring_block_at(const struct view *v, const struct network *n,
				  const struct ov_addr *a);

/* 0 or -ENOMEM. */
int ring_build(const struct view *v, const struct network *n, struct ring *ret_ring);
int space_build(const struct view *v, const struct network *n, uint64_t now_ms,
		struct space *ret_space);
void space_fini(struct space *s);
static inline uint64_t run_len(const struct run *r)
{
	return r->last - r->first + 1;
}

/* Who has an address of a network: an endpoint, or a service as its VIP. */
struct user {
	const struct view_endpoint *endpoint;
	const struct view_service *service;
};
/* False when nobody living has it. */
bool ring_user(const struct view *v, const struct network *n, const struct ov_addr *a,
	       struct user *ret_user);
/* The address that an ENDPOINT or SERVICE item claims in a network; NULL when none. */
const struct ov_addr *ring_claim(const struct item *it, const struct network *n);
