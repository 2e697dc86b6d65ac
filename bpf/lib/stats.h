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

/* The slot where the endpoint's counts may be; NULL never but for the verifier. */
static __always_inline struct ov_endpoint_stats *endpoint_slot(__u32 ifindex)
{
	__u32 at = ifindex & (OV_ENDPOINT_SLOTS - 1);

	return bpf_map_lookup_elem(&endpoint_slots, &at);
}

/* Another endpoint may have the slot. */
static __always_inline struct ov_endpoint_stats *endpoint_stats_find(__u32 ifindex)
{
	struct ov_endpoint_stats *s = endpoint_slot(ifindex);

	return s && s->ifindex == ifindex ? s : bpf_map_lookup_elem(&endpoint_stats, &ifindex);
}

/* The endpoint is not at its slot: it gets that, or an entry elsewhere. */
static __noinline int endpoint_stats_other(__u32 ifindex, __u32 bytes, __u32 is_sent)
{
	struct ov_endpoint_stats *s = endpoint_slot(ifindex), none = { .ifindex = ifindex };

	if (s && !s->ifindex) {
		s->ifindex = ifindex;
	} else {
		s = bpf_map_lookup_elem(&endpoint_stats, &ifindex);
		if (!s) {
			bpf_map_update_elem(&endpoint_stats, &ifindex, &none, BPF_NOEXIST);
			s = bpf_map_lookup_elem(&endpoint_stats, &ifindex);
		}
	}
	if (s && is_sent)
		stats_add(&s->sent, bytes);
	else if (s)
		stats_add(&s->received, bytes);
	return 0;
}

static __always_inline void endpoint_sent(__u32 ifindex, __u32 bytes)
{
	struct ov_endpoint_stats *s = endpoint_slot(ifindex);

	if (s && s->ifindex == ifindex)
		stats_add(&s->sent, bytes);
	else
		endpoint_stats_other(ifindex, bytes, 1);
}

static __always_inline void endpoint_received(__u32 ifindex, __u32 bytes)
{
	struct ov_endpoint_stats *s = endpoint_slot(ifindex);

	if (s && s->ifindex == ifindex)
		stats_add(&s->received, bytes);
	else
		endpoint_stats_other(ifindex, bytes, 0);
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
	const struct ov_device *dev = ifindex ? bpf_map_lookup_elem(&devices, &ifindex) : NULL;
	struct ov_endpoint_stats *s;

	if (dev) {
		k.vni = dev->vni;
		k.ifindex = ifindex;
		s = endpoint_stats_find(ifindex);
		if (s)
			stats_add(&s->dropped, bytes);
	} else if (bpf_map_lookup_elem(&networks, &vni)) {
		k.vni = vni;
	}
	drop_stats_add(&k, bytes);
	return 0;
}
