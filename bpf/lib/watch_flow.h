/* SPDX-License-Identifier: GPL-2.0 */
/* The table of flows seen, and records of those that begin and end; only while somebody watches. */
#pragma once

#include "lib/watch_tell.h"

/* 1 when b sends. */
static __always_inline int watch_flow_key(struct ov_watch_scratch *s)
{
	__be32 src = s->in.src, dst = s->out.dst;
	__be16 sport = s->in.sport, dport = s->out.dport;
	int from_b = src > dst || (src == dst && sport > dport);
	struct ov_watch_flow_key *k = &s->key;

	addr_set_v4(&k->a, from_b ? dst : src);
	addr_set_v4(&k->b, from_b ? src : dst);
	k->a_port = from_b ? dport : sport;
	k->b_port = from_b ? sport : dport;
	k->vni = s->vni;
	k->protocol = s->in.protocol;
	return from_b;
}

static __noinline int watch_tell_flow(struct ov_watch_scratch *s, const struct ov_watch_flow *f,
				      __u32 kind)
{
	struct ov_watch_record *r;
	__u32 captured, length;

	if (!s || !f)
		return 0;
	r = &s->record;
	captured = r->captured; /* the packet is told after it */
	length = r->length;
	watch_fill(s, kind, f->verdict);
	if (f->flags & OV_WATCH_FLOW_FROM_B) {
		addr_copy(&r->src, &s->key.b);
		addr_copy(&r->dst, &s->key.a);
		r->sport = s->key.b_port;
		r->dport = s->key.a_port;
		r->bytes[0] = f->bytes[1];
		r->bytes[1] = f->bytes[0];
		r->packets[0] = f->packets[1];
		r->packets[1] = f->packets[0];
	} else {
		addr_copy(&r->src, &s->key.a);
		addr_copy(&r->dst, &s->key.b);
		r->sport = s->key.a_port;
		r->dport = s->key.b_port;
		r->bytes[0] = f->bytes[0];
		r->bytes[1] = f->bytes[1];
		r->packets[0] = f->packets[0];
		r->packets[1] = f->packets[1];
	}
	addr_copy(&r->called, &f->called);
	addr_copy(&r->peer, &f->peer);
	r->called_port = f->called_port;
	r->rtt = f->rtt;
	r->ifindex = f->ifindex;
	r->captured = 0;
	if (kind == OV_WATCH_CLOSED && (s->in.tcp & WATCH_RST))
		r->flags |= OV_WATCH_RST;
	watch_send(s, 0);
	r->captured = captured;
	r->length = length;
	return 0;
}

/* What is known of a flow by its first packet. */
static __always_inline void watch_flow_begin(struct ov_watch_scratch *s, int from_b, __u32 verdict)
{
	struct ov_watch_flow *f = &s->fresh;
	int is_answer = (s->in.tcp & (WATCH_SYN | WATCH_ACK)) == (WATCH_SYN | WATCH_ACK);

	__builtin_memset(f, 0, sizeof(*f));
	f->flags = from_b ^ is_answer ? OV_WATCH_FLOW_FROM_B : 0;
	f->ifindex = s->ifindex;
	f->verdict = verdict;
	if (s->peer)
		addr_set_v4(&f->peer, s->peer);
	if (s->in.dst != s->out.dst || s->in.dport != s->out.dport) {
		addr_set_v4(&f->called, s->in.dst);
		f->called_port = s->in.dport;
	}
}

static __always_inline void watch_flow_count(struct ov_watch_scratch *s, struct ov_watch_flow *f,
					     int from_b)
{
	f->seen = s->now;
	if (from_b) {
		__sync_fetch_and_add(&f->bytes[1], s->bytes);
		__sync_fetch_and_add(&f->packets[1], 1);
	} else {
		__sync_fetch_and_add(&f->bytes[0], s->bytes);
		__sync_fetch_and_add(&f->packets[0], 1);
	}
}

/* 1 when that was the flow's end. */
static __always_inline int watch_flow_tcp(struct ov_watch_scratch *s, struct ov_watch_flow *f,
					  int from_b)
{
	__u8 tcp = s->in.tcp;

	if ((tcp & (WATCH_SYN | WATCH_ACK)) == WATCH_SYN)
		f->syn = s->now;
	if ((tcp & (WATCH_SYN | WATCH_ACK)) == (WATCH_SYN | WATCH_ACK) && f->syn && !f->rtt)
		f->rtt = s->now - f->syn;
	if (tcp & WATCH_FIN)
		f->flags |= from_b ? OV_WATCH_FLOW_FIN << 1 : OV_WATCH_FLOW_FIN;
	if (!(tcp & WATCH_RST) && (f->flags & (OV_WATCH_FLOW_FIN * 3)) != OV_WATCH_FLOW_FIN * 3)
		return 0;
	f->flags |= OV_WATCH_FLOW_CLOSED;
	return 1;
}

static __noinline int watch_flow(struct ov_watch_scratch *s, __u32 verdict)
{
	struct ov_watch_flow *f;
	__u32 zero = 0, is_new = 0;
	int from_b, opens;
	void *table = bpf_map_lookup_elem(&watch_flows, &zero);

	if (!table || !s || !s->in.is_ip || !s->out.is_ip)
		return 0;
	from_b = watch_flow_key(s);
	opens = (s->in.tcp & (WATCH_SYN | WATCH_ACK)) == WATCH_SYN;
	f = bpf_map_lookup_elem(table, &s->key);
	if (f && (f->flags & OV_WATCH_FLOW_CLOSED) && !opens)
		return 0; /* last words */
	if (!f || (f->flags & OV_WATCH_FLOW_CLOSED)) {
		watch_flow_begin(s, from_b, verdict);
		bpf_map_update_elem(table, &s->key, &s->fresh, BPF_ANY);
		f = bpf_map_lookup_elem(table, &s->key);
		is_new = 1;
	}
	if (!f)
		return 0;
	watch_flow_count(s, f, from_b);
	if (is_new)
		watch_tell_flow(s, f, s->in.protocol != IPPROTO_TCP || (s->in.tcp & WATCH_SYN) ?
				OV_WATCH_NEW : OV_WATCH_SEEN);
	if (s->in.protocol == IPPROTO_TCP && watch_flow_tcp(s, f, from_b))
		watch_tell_flow(s, f, OV_WATCH_CLOSED);
	return 0;
}
