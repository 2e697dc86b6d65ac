/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is counted beside verdicts (maps/traffic.h): on the way of a packet that is forwarded
 * one lookup where an endpoint sends and one where an endpoint is given something; the rest
 * only of drops.
 */
#pragma once

#include "lib/compat.h"
#include "maps/defs.bpf.h"

static __always_inline void stats_add(struct ov_counter *c, __u32 bytes)
{
	c->packets++;
	c->bytes += bytes;
}

static __always_inline void stats_pass(__u32 passage, __u32 bytes)
{
	struct ov_counter *c = bpf_map_lookup_elem(&passages, &passage);

	if (c)
		stats_add(c, bytes);
}

/* The first packet of an endpoint. Apart, for the stack of those that follow. */
static __noinline int endpoint_stats_begin(__u32 ifindex, __u32 bytes, __u32 is_sent)
{
	struct ov_endpoint_stats *s, none = {};

	bpf_map_update_elem(&endpoint_stats, &ifindex, &none, BPF_NOEXIST);
	s = bpf_map_lookup_elem(&endpoint_stats, &ifindex);
	if (s)
		stats_add(is_sent ? &s->sent : &s->received, bytes);
	return 0;
}

static __always_inline void endpoint_sent(__u32 ifindex, __u32 bytes)
{
	struct ov_endpoint_stats *s = bpf_map_lookup_elem(&endpoint_stats, &ifindex);

	if (s)
		stats_add(&s->sent, bytes);
	else
		endpoint_stats_begin(ifindex, bytes, 1);
}

static __always_inline void endpoint_received(__u32 ifindex, __u32 bytes)
{
	struct ov_endpoint_stats *s = bpf_map_lookup_elem(&endpoint_stats, &ifindex);

	if (s)
		stats_add(&s->received, bytes);
	else
		endpoint_stats_begin(ifindex, bytes, 0);
}

/* Atomic: an LRU_HASH entry is all CPUs'. */
static __always_inline void drop_stats_add(const struct ov_drop_stats_key *k, __u32 bytes)
{
	struct ov_counter *c = bpf_map_lookup_elem(&drop_stats, k), none = {};

	if (!c) {
		bpf_map_update_elem(&drop_stats, k, &none, BPF_NOEXIST);
		c = bpf_map_lookup_elem(&drop_stats, k);
	}
	if (!c)
		return;
	__sync_fetch_and_add(&c->packets, 1);
	__sync_fetch_and_add(&c->bytes, bytes);
}

/*
 * From an endpoint here (its device's ifindex), or ifindex 0. Rows are made only of what exists:
 * a forger has 16 million VNIs to fill the map with.
 */
static __noinline int drop_tally(__u32 vni, __u32 ifindex, __u32 place, int verdict, __u32 bytes)
{
	struct ov_drop_stats_key k = { .place = place, .reason = -verdict };
	const struct ov_device *dev = bpf_map_lookup_elem(&devices, &ifindex);
	struct ov_endpoint_stats *s;

	if (dev) {
		k.vni = dev->vni;
		k.ifindex = ifindex;
		s = bpf_map_lookup_elem(&endpoint_stats, &ifindex);
		if (s)
			stats_add(&s->dropped, bytes);
	} else if (bpf_map_lookup_elem(&networks, &vni)) {
		k.vni = vni;
	}
	drop_stats_add(&k, bytes);
	return 0;
}
