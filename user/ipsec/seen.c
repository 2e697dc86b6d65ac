/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was read of the kernel, by peer. */
#include "ipsec/inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int key_cmp(const struct group *g, const struct ov_addr *peer, bool is_out, uint32_t spi)
{
	int diff = addr_cmp(&g->peer, peer);

	if (!diff)
		diff = (int)g->is_out - (int)is_out;
	return diff ? diff : (g->spi > spi) - (g->spi < spi);
}

static int group_cmp(const void *a, const void *b)
{
	const struct group *y = b;

	return key_cmp(a, &y->peer, y->is_out, y->spi);
}

static struct group group_of(const struct fact_sa *f, const struct ov_addr *vtep)
{
	bool is_out = addr_cmp(&f->sa.dst, vtep);

	return (struct group){
		.peer = is_out ? f->sa.dst : f->sa.src,
		.is_out = is_out,
		.spi = spi_base(f->sa.spi),
		.lanes = (uint8_t)(1u << (f->sa.spi & OV_SPI_LANE_MASK)),
		.packets = f->packets,
		.most = f->packets,
		.replayed = f->replayed,
		.failed = f->failed,
		.by_nic = f->by_nic,
	};
}

static void merge(struct group *into, const struct group *g)
{
	into->lanes |= g->lanes;
	into->packets += g->packets;
	into->most = g->most > into->most ? g->most : into->most;
	into->replayed += g->replayed;
	into->failed += g->failed;
	into->by_nic = into->by_nic && g->by_nic;
}

/* SAs of an address that is not ours any more are in no group: nobody wants them. */
int seen_init(struct seen *seen, const struct ipsec_facts *f)
{
	size_t count = 0, last = 0;

	*seen = (struct seen){ .group = calloc(f->sa_count + 1, sizeof(*seen->group)) };
	if (!seen->group)
		return -ENOMEM;
	for (size_t i = 0; i < f->sa_count; i++)
		if (!addr_cmp(&f->sa[i].sa.dst, &f->vtep) || !addr_cmp(&f->sa[i].sa.src, &f->vtep))
			seen->group[count++] = group_of(&f->sa[i], &f->vtep);
	qsort(seen->group, count, sizeof(*seen->group), group_cmp);
	for (size_t i = 1; i < count; i++) {
		if (!group_cmp(&seen->group[last], &seen->group[i]))
			merge(&seen->group[last], &seen->group[i]);
		else
			seen->group[++last] = seen->group[i];
	}
	seen->count = count ? last + 1 : 0;
	return 0;
}

void seen_fini(struct seen *seen)
{
	free(seen->group);
	*seen = (struct seen){ 0 };
}

static size_t lower_bound(const struct seen *seen, const struct ov_addr *peer, bool is_out,
			  uint32_t spi)
{
	size_t low = 0, high = seen->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (key_cmp(&seen->group[mid], peer, is_out, spi) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

const struct group *seen_of(const struct seen *seen, const struct ov_addr *peer, bool is_out,
			    size_t *ret_count)
{
	size_t first = lower_bound(seen, peer, is_out, 0), end = first;

	while (end < seen->count && !addr_cmp(&seen->group[end].peer, peer) &&
	       seen->group[end].is_out == is_out)
		end++;
	*ret_count = end - first;
	return &seen->group[first];
}

const struct group *seen_find(const struct seen *seen, const struct ov_addr *peer, bool is_out,
			      uint32_t spi)
{
	size_t at = lower_bound(seen, peer, is_out, spi);

	return at < seen->count && !key_cmp(&seen->group[at], peer, is_out, spi) ? &seen->group[at] :
										   NULL;
}

bool seen_all(const struct seen *seen, const struct ov_addr *peer, bool is_out, uint32_t spi)
{
	const struct group *g = spi ? seen_find(seen, peer, is_out, spi) : NULL;

	return g && g->lanes == ALL_LANES;
}

bool seen_spi_in(const struct seen *seen, uint32_t spi)
{
	for (size_t i = 0; i < seen->count; i++)
		if (!seen->group[i].is_out && seen->group[i].spi == spi)
			return true;
	return false;
}

/* The first policy towards dst or behind; they are sorted. */
static size_t policy_bound(const struct ipsec_facts *f, const struct ov_addr *dst)
{
	size_t low = 0, high = f->policy_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (addr_cmp(&f->policy[mid].dst, dst) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

void sending_read(struct sending *s, const struct ipsec_facts *f, const struct ov_addr *peer)
{
	*s = (struct sending){ 0 };
	for (size_t i = policy_bound(f, peer);
	     i < f->policy_count && !addr_cmp(&f->policy[i].dst, peer); i++)
		if (f->policy[i].lane < OV_SA_LANES)
			s->lane[f->policy[i].lane] = spi_base(f->policy[i].spi);
	for (unsigned int lane = 1; lane < OV_SA_LANES; lane++)
		s->is_mixed |= s->lane[lane] != s->lane[0];
}

bool sending_with(const struct sending *s, uint32_t spi)
{
	for (unsigned int lane = 0; lane < OV_SA_LANES; lane++)
		if (spi && s->lane[lane] == spi)
			return true;
	return false;
}
