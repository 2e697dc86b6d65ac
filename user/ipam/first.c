/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The first blocks of a new network. */
#include "ipam.h"

static struct block block_of(const struct network *n, struct ov_addr start, struct ov_addr last,
			     const struct id *owner)
{
	return (struct block){ .network = n->id, .start = start, .last = last, .owner = *owner };
}

/* Largest power of two of shares with IPAM_SHARE_MIN addresses each, no more than needed. */
static uint64_t share_count(uint64_t size, size_t nodes)
{
	uint64_t shares = 1;

	while (shares < nodes && size / (shares * 2) >= IPAM_SHARE_MIN)
		shares *= 2;
	return shares;
}

size_t ipam_first_blocks(const struct network *n, const struct id *nodes, size_t count,
			 struct block *ret_blocks, size_t max)
{
	struct ov_addr first, last, end = prefix_last(&n->subnet);
	uint64_t size, shares, owners, before;
	size_t written = 0;

	if (!count || max < count + IPAM_FIRST_EXTRA)
		return 0;
	ipam_bounds(n, &first, &last);
	size = addr_distance(&first, &last) + 1;
	shares = share_count(size, count);
	owners = count < shares ? count : shares;
	before = addr_distance(&n->subnet.addr, &first);
	if (before)
		ret_blocks[written++] = block_of(n, n->subnet.addr,
						 addr_add(&n->subnet.addr, before - 1), &nodes[0]);
	for (uint64_t i = 0; i < owners; i++) {
		/* With three nodes and four shares, somebody's neighbours are one block of two. */
		uint64_t from = i * shares / owners * (size / shares);
		uint64_t to = (i + 1) * shares / owners * (size / shares) - 1;

		ret_blocks[written++] =
			block_of(n, addr_add(&first, from), addr_add(&first, to), &nodes[i]);
	}
	if (addr_cmp(&last, &end) < 0)
		ret_blocks[written++] = block_of(n, addr_add(&last, 1), end, &nodes[0]);
	return written;
}
