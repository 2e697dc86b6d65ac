/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who owns what: blocks of a view as segments without overlap. */
#include "ring.h"

#include <errno.h>
#include <stdlib.h>

uint64_t ring_offset(const struct network *n, const struct ov_addr *a)
{
	return addr_distance(&n->subnet.addr, a);
}

/* Index of the first block of a network at or behind an address. */
static size_t lower_bound(const struct view *v, const struct id *network, const struct ov_addr *a)
{
	size_t low = 0, high = v->block_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int c = id_cmp(&v->block[mid]->network, network);

		if (c < 0 || (!c && addr_cmp(&v->block[mid]->start, a) < 0))
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

const struct block *const *ring_blocks(const struct view *v, const struct network *n,
				       size_t *ret_count)
{
	static const struct ov_addr zero;
	size_t from = lower_bound(v, &n->id, &zero), to = from;

	while (to < v->block_count && id_equal(&v->block[to]->network, &n->id))
		to++;
	*ret_count = to - from;
	return (const struct block *const *)v->block + from;
}

/* A block that others made up, out of bounds or backwards, counts for nothing anywhere. */
static bool block_is_sane(const struct network *n, const struct block *b)
{
	return prefix_contains(&n->subnet, &b->start) && prefix_contains(&n->subnet, &b->last) &&
	       addr_cmp(&b->start, &b->last) <= 0;
}

const struct block *ring_block_at(const struct view *v, const struct network *n,
				  const struct ov_addr *a)
{
	struct ov_addr behind = addr_add(a, 1);
	size_t i = lower_bound(v, &n->id, &behind);

	while (i-- > 0 && id_equal(&v->block[i]->network, &n->id))
		if (block_is_sane(n, v->block[i]) && addr_cmp(&v->block[i]->last, a) >= 0)
			return v->block[i];
	return NULL;
}

const struct id *ipam_owner(const struct view *v, const struct network *n, const struct ov_addr *a)
{
	const struct block *b = prefix_contains(&n->subnet, a) ? ring_block_at(v, n, a) : NULL;

	return b ? &b->owner : NULL;
}

/*
 * Blocks overlap only when this node has not heard of everything yet, or after a
 * removed node's last grants came to light. Then the one with the greatest start
 * counts: it was cut out of the other.
 */
struct sweep {
	struct ring *ring;
	const struct block **open; /* a stack: the innermost on top */
	size_t open_count;
	uint64_t pos;
};

/* Emits what the open blocks cover from pos up to (not including) `until`. */
static void sweep_to(struct sweep *s, const struct network *n, uint64_t until)
{
	while (s->open_count && s->pos < until) {
		const struct block *top = s->open[s->open_count - 1];
		uint64_t last = ring_offset(n, &top->last);

		if (last >= until) {
			last = until - 1;
		} else {
			s->open_count--;
			if (last < s->pos)
				continue;
		}
		s->ring->segment[s->ring->count++] =
			(struct segment){ .first = s->pos, .last = last, .block = top };
		s->pos = last + 1;
	}
}

int ring_build(const struct view *v, const struct network *n, struct ring *ret_ring)
{
	struct ov_addr end = prefix_last(&n->subnet);
	struct ring ring = { 0 };
	struct sweep s = { .ring = &ring };
	size_t count;
	const struct block *const *b = ring_blocks(v, n, &count);

	/* Each block opens one segment and may resume one that it interrupted. */
	ring.segment = calloc(2 * count + 1, sizeof(*ring.segment));
	s.open = calloc(count + 1, sizeof(*s.open));
	if (!ring.segment || !s.open) {
		free(ring.segment);
		free(s.open);
		return -ENOMEM;
	}
	for (size_t i = 0; i < count; i++) {
		if (!block_is_sane(n, b[i]))
			continue;
		sweep_to(&s, n, ring_offset(n, &b[i]->start));
		s.pos = ring_offset(n, &b[i]->start);
		s.open[s.open_count++] = b[i];
	}
	sweep_to(&s, n, ring_offset(n, &end) + 1);
	free(s.open);
	*ret_ring = ring;
	return 0;
}

uint64_t ipam_owned(const struct view *v, const struct network *n, const struct id *node)
{
	struct ring ring;
	uint64_t sum = 0;

	if (ring_build(v, n, &ring) < 0)
		return 0;
	for (size_t i = 0; i < ring.count; i++)
		if (id_equal(&ring.segment[i].block->owner, node))
			sum += ring.segment[i].last - ring.segment[i].first + 1;
	free(ring.segment);
	return sum;
}

size_t ipam_takeover(const struct view *v, const struct id *from, const struct id *to,
		     struct block *ret_blocks, size_t max)
{
	size_t count = 0;

	for (size_t i = 0; i < v->block_count && count < max; i++) {
		if (!id_equal(&v->block[i]->owner, from))
			continue;
		ret_blocks[count] = *v->block[i];
		ret_blocks[count++].owner = *to;
	}
	return count;
}
