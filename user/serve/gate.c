/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "gate.h"

/* The source's place, or the one to be given to it. */
static size_t find_place(const struct gate *g, const struct ov_addr *addr)
{
	size_t place = 0;

	for (size_t i = 0; i < GATE_SOURCES; i++) {
		if (!g->source[i].used || !addr_cmp(&g->source[i].addr, addr))
			return i;
		if (g->source[i].at < g->source[place].at)
			place = i;
	}
	return place;
}

bool gate_pass(struct gate *g, const struct ov_addr *addr, uint64_t now, uint32_t *ret_held_back)
{
	size_t i = find_place(g, addr);
	bool known = g->source[i].used && !addr_cmp(&g->source[i].addr, addr);

	if (known && now - g->source[i].at < GATE_INTERVAL_MS) {
		g->source[i].held_back++;
		return false;
	}
	*ret_held_back = known ? g->source[i].held_back : 0;
	g->source[i].addr = *addr;
	g->source[i].at = now;
	g->source[i].held_back = 0;
	g->source[i].used = true;
	return true;
}
