/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Gives a part of this node's addresses to another node. */
#include "ring.h"

#include <errno.h>

#include "base/cleanup.h"

/* The cut: what is given, out of which segment. */
struct cut {
	const struct network *n;
	const struct ring *ring;
	const struct segment *segment; /* one of ring's */
	uint64_t first, last;
};

static struct block part(const struct cut *c, uint64_t first, uint64_t last, const struct id *owner)
{
	return (struct block){ .network = c->n->id,
			       .owner = *owner,
			       .start = addr_add(&c->n->subnet.addr, first),
			       .last = addr_add(&c->n->subnet.addr, last) };
}

/* Where a block goes on behind blocks that lie inside it; 0 when it does not. */
static uint64_t resumes_at(const struct cut *c)
{
	const struct segment *end = c->ring->segment + c->ring->count;

	for (const struct segment *g = c->segment + 1; g < end; g++)
		if (g->block == c->segment->block)
			return g->first;
	return 0;
}

/*
 * The given part gets a block of its own, and what is left is written anew with
 * its exact end: nobody's ownership ever follows from a record that is missing.
 * The order matters when a write fails half way: what lies behind is cut off
 * first and the head is shortened last, so that no address is without an owner.
 */
static int cut_block(const struct cut *c, const struct id *self, const struct id *to,
		     struct block ret_blocks[IPAM_GRANT_MAX])
{
	uint64_t start = ring_offset(c->n, &c->segment->block->start);
	uint64_t resume = resumes_at(c);
	int count = 0;

	if (c->last < c->segment->last)
		ret_blocks[count++] = part(c, c->last + 1, c->segment->last, self);
	if (resume)
		ret_blocks[count++] =
			part(c, resume, ring_offset(c->n, &c->segment->block->last), self);
	ret_blocks[count++] = part(c, c->first, c->last, to);
	if (c->first > start)
		ret_blocks[count++] = part(c, start, c->first - 1, self);
	return count;
}

static int grant_wanted(const struct view *v, const struct network *n, const struct id *self,
			const struct id *to, const struct ov_addr *wanted,
			struct block ret_blocks[IPAM_GRANT_MAX])
{
	const struct id *owner = ipam_owner(v, n, wanted);
	struct cut c = { .n = n };
	struct ring ring;
	struct user user;
	int r;

	if (!owner || !id_equal(owner, self))
		return -EPERM;
	if (ipam_is_reserved(n, wanted) || ring_user(v, n, wanted, &user))
		return -EADDRINUSE;
	r = ring_build(v, n, &ring);
	if (r < 0)
		return r;
	c.ring = &ring;
	c.first = c.last = ring_offset(n, wanted);
	for (size_t i = 0; i < ring.count; i++)
		if (ring.segment[i].first <= c.first && c.first <= ring.segment[i].last)
			c.segment = &ring.segment[i];
	r = c.segment ? cut_block(&c, self, to, ret_blocks) : -EPERM;
	free(ring.segment);
	return r;
}

int ipam_grant(const struct view *v, const struct network *n, const struct id *self,
	       const struct id *to, const struct ov_addr *wanted, uint64_t now_ms,
	       struct block ret_blocks[IPAM_GRANT_MAX])
{
	_cleanup_(space_fini) struct space s = { 0 };
	const struct run *best = NULL;
	int r;

	if (wanted)
		return grant_wanted(v, n, self, to, wanted, ret_blocks);
	r = space_build(v, n, now_ms, &s);
	if (r < 0)
		return r;
	for (size_t i = 0; i < s.run_count; i++)
		if (id_equal(&s.run[i].segment->block->owner, self) &&
		    (!best || run_len(&s.run[i]) > run_len(best)))
			best = &s.run[i];
	if (!best)
		return -ENOSPC;
	return cut_block(&(struct cut){ .n = n,
					.ring = &s.ring,
					.segment = best->segment,
					.first = best->first + run_len(best) / 2,
					.last = best->last },
			 self, to, ret_blocks);
}
