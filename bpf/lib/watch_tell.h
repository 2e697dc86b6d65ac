/* SPDX-License-Identifier: GPL-2.0 */
/* Records for those who watch, of single packets; and how many drops are told. */
#pragma once

#include "lib/watch_see.h"

static __noinline int watch_send(struct ov_watch_scratch *s, __u32 captured)
{
	__u64 *lost, size = captured; /* 64 bits: 6.1 knows no bounds of 32 */
	__u32 zero = 0, kind;
	void *ring = bpf_map_lookup_elem(&watch_ring, &zero);

	if (!s)
		return 0;
	asm volatile("" : "+r"(size));
	if (size > OV_WATCH_SNAP_MAX)
		return 0;
	kind = s->record.kind;
	if (ring && !bpf_ringbuf_output(ring, &s->record, sizeof(s->record) + size, 0))
		return 0;
	lost = bpf_map_lookup_elem(&watch_lost, &kind);
	if (lost)
		(*lost)++;
	return 0;
}

/* All of a record but who, how much and the packet. */
static __always_inline void watch_fill(struct ov_watch_scratch *s, __u32 kind, __u32 verdict)
{
	struct ov_watch_record *r = &s->record;

	r->version = OV_WATCH_VERSION;
	r->kind = kind;
	r->verdict = verdict;
	r->protocol = s->in.protocol;
	r->flags = s->place == WATCH_XDP ? OV_WATCH_XDP : 0;
	r->at = s->now;
	r->vni = s->vni;
	r->ifindex = s->ifindex;
	__builtin_memset(&r->src, 0, sizeof(r->src) * 3);
	__builtin_memset(&r->peer, 0, sizeof(r->peer));
	if (s->peer)
		addr_set_v4(&r->peer, s->peer);
	r->called_port = 0;
	r->pad = 0;
	r->rtt = 0;
}

/* Of a single packet: as `e` says, and how large it is. */
static __always_inline void watch_fill_packet(struct ov_watch_scratch *s, const struct ov_watch_end *e)
{
	struct ov_watch_record *r = &s->record;

	if (e->is_ip) {
		addr_set_v4(&r->src, e->src);
		addr_set_v4(&r->dst, e->dst);
	}
	r->sport = e->sport;
	r->dport = e->dport;
	r->protocol = e->protocol;
	r->bytes[0] = s->bytes;
	r->packets[0] = 1;
	r->bytes[1] = 0;
	r->packets[1] = 0;
}

static __always_inline int watch_may_tell(__u32 verdict, __u64 now)
{
	struct ov_watch_rate *r = bpf_map_lookup_elem(&watch_rates, &verdict);

	if (!r)
		return 0;
	if (now - r->since >= WATCH_SECOND) {
		r->since = now;
		r->told = 0;
	}
	if (r->told >= OV_WATCH_TOLD_A_SECOND) {
		r->left_out++;
		return 0;
	}
	r->told++;
	return 1;
}

static __noinline int watch_tell_end(struct ov_watch_scratch *s, __u32 verdict, __u32 kind)
{
	__u32 captured, length;

	if (!s || !watch_may_tell(verdict, s->now))
		return 0;
	captured = s->record.captured; /* the packet is told after it */
	length = s->record.length;
	watch_fill(s, kind, verdict);
	watch_fill_packet(s, &s->in);
	s->record.captured = 0;
	watch_send(s, 0);
	s->record.captured = captured;
	s->record.length = length;
	return 0;
}
