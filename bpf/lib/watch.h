/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Told to whoever watches: flows, drops and packets (maps/watch.h). While nobody does, a
 * packet pays watch_is_on twice: one branch, on a row that the program reads anyway. All else is
 * in functions that are not static, so that the verifier goes through each once, and keeps
 * what it has in a per-CPU entry and not on the stack, which belongs to the data path.
 *
 *   watch_in    at a program's start: the packet as it came; its inner one, of VXLAN
 *   watch_out   at its exit, with the one verdict: the packet as it leaves. Events and
 *               packets are told here, so that each record carries the verdict
 *
 * A flow is (who really sends, who really receives): the source before and the destination
 * after rewriting. So both directions name the same two, whatever stands in between.
 */
#pragma once

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>

#include "lib/compat.h"
#include "lib/config.h"
#include "lib/endpoint.h"
#include "lib/mesh.h"
#include "maps/defs.bpf.h"

enum watch_place { WATCH_ENDPOINT, WATCH_UPLINK, WATCH_TUNNEL, WATCH_FRONT, WATCH_XDP };

#define WATCH_OUTER (sizeof(struct watch_vxlan)) /* behind it the inner frame begins */
#define WATCH_SECOND 1000000000ull
#define WATCH_TCP_FLAGS 13 /* from the header's start */
#define WATCH_FIN 0x01
#define WATCH_SYN 0x02
#define WATCH_RST 0x04
#define WATCH_ACK 0x10

struct watch_plain { /* a frame's first headers, in scratch->head */
	struct ethhdr eth;
	struct iphdr ip;
	__be16 sport, dport;
	__u8 tcp;
} __attribute__((packed, aligned(2)));

struct watch_vxlan {
	struct ethhdr eth;
	struct iphdr ip;
	struct udphdr udp;
	__be32 flags, vni;
} __attribute__((packed, aligned(2)));
_Static_assert(sizeof(struct watch_vxlan) <= 78 && sizeof(struct bpf_tunnel_key) <= 78,
	       "they fit scratch->head");

static __always_inline const struct ov_watch *watch_row(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&watch, &zero);
}

static __always_inline int watch_is_on(void)
{
	__u32 zero = 0;
	const struct ov_config *cfg = bpf_map_lookup_elem(&config, &zero);

	return cfg && (cfg->flags & OV_CONFIG_WATCHED);
}

static __always_inline struct ov_watch_scratch *watch_scratch_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&watch_scratch, &zero);
}

/* is_xdp is a constant wherever this is used. */
static __always_inline long watch_load(void *ctx, int is_xdp, __u32 at, void *to, __u32 size)
{
	return is_xdp ? bpf_xdp_load_bytes(ctx, at, to, size) : bpf_skb_load_bytes(ctx, at, to, size);
}

static __always_inline __u32 watch_frame(void *ctx, int is_xdp)
{
	return is_xdp ? bpf_xdp_get_buff_len(ctx) : ((struct __sk_buff *)ctx)->len;
}

/* ---- what a packet says ---- */

static __always_inline void watch_parse_ports(void *ctx, int is_xdp, struct watch_plain *h, __u32 at,
					      struct ov_watch_end *ret)
{
	if (ret->protocol != IPPROTO_TCP && ret->protocol != IPPROTO_UDP &&
	    ret->protocol != IPPROTO_SCTP)
		return;
	if (watch_load(ctx, is_xdp, at, &h->sport, 4))
		return;
	ret->sport = h->sport;
	ret->dport = h->dport;
	if (ret->protocol == IPPROTO_TCP && !watch_load(ctx, is_xdp, at + WATCH_TCP_FLAGS, &h->tcp, 1))
		ret->tcp = h->tcp;
}

/* The frame that begins at `at`. Later fragments have no ports. */
static __always_inline void watch_parse(void *ctx, int is_xdp, struct ov_watch_scratch *s, __u32 at,
					struct ov_watch_end *ret)
{
	struct watch_plain *h = (void *)s->head;

	__builtin_memset(ret, 0, sizeof(*ret));
	if (watch_load(ctx, is_xdp, at, h, sizeof(h->eth) + sizeof(h->ip)) ||
	    h->eth.h_proto != bpf_htons(ETH_P_IP))
		return;
	ret->is_ip = 1;
	ret->src = h->ip.saddr;
	ret->dst = h->ip.daddr;
	ret->protocol = h->ip.protocol;
	ret->length = bpf_ntohs(h->ip.tot_len);
	if (!(h->ip.frag_off & bpf_htons(IP_OFFSET)))
		watch_parse_ports(ctx, is_xdp, h, at + sizeof(h->eth) + h->ip.ihl * 4, ret);
}

/* Where the inner frame begins, if it is VXLAN for this node; else 0. */
static __always_inline __u32 watch_pop(void *ctx, int is_xdp, struct ov_watch_scratch *s)
{
	const struct ov_config *cfg = config_ready();
	struct watch_vxlan *h = (void *)s->head;

	if (!cfg || watch_load(ctx, is_xdp, 0, h, sizeof(*h)) || h->eth.h_proto != bpf_htons(ETH_P_IP) ||
	    h->ip.protocol != IPPROTO_UDP || h->ip.ihl != 5 || h->udp.dest != cfg->vxlan_port ||
	    !addr_equals_v4(&cfg->vtep, h->ip.daddr))
		return 0;
	s->peer = h->ip.saddr;
	s->vni = bpf_ntohl(h->vni) >> 8;
	return WATCH_OUTER;
}

/* Begins a packet: 0 when it is not to be looked at. */
static __always_inline struct ov_watch_scratch *watch_begin(__u32 place, __u32 ifindex)
{
	struct ov_watch_scratch *s = watch_scratch_get();
	const struct ov_watch *w = watch_row();

	if (!s || !w)
		return NULL;
	s->now = bpf_ktime_get_ns();
	s->armed = s->now < w->until;
	s->place = place;
	s->vni = 0;
	s->peer = 0;
	s->ifindex = ifindex;
	s->record.captured = 0;
	return s->armed ? s : NULL;
}

/* The packet as it is now, as much of it as is wanted, behind the record. */
static __always_inline void watch_take(void *ctx, int is_xdp, struct ov_watch_scratch *s)
{
	const struct ov_watch *w = watch_row();
	__u32 size = watch_frame(ctx, is_xdp);

	s->record.captured = 0;
	s->record.length = size;
	if (!w || !(w->flags & OV_WATCH_CAPTURE))
		return;
	if (size > w->snap)
		size = w->snap;
	if (size > OV_WATCH_SNAP_MAX)
		size = OV_WATCH_SNAP_MAX;
	asm volatile("" : "+r"(size)); /* what is tested is what is used */
	if (size < 1 || size > OV_WATCH_SNAP_MAX)
		return;
	if (!watch_load(ctx, is_xdp, 0, s->packet, size))
		s->record.captured = size;
}

static __always_inline void watch_seen(void *ctx, int is_xdp, struct ov_watch_scratch *s, __u32 at)
{
	__u32 size = watch_frame(ctx, is_xdp);

	watch_parse(ctx, is_xdp, s, at, &s->in);
	s->bytes = s->in.length;
	if (!s->bytes && size > at + sizeof(struct ethhdr)) /* a super-packet over 64 KiB says 0 */
		s->bytes = size - at - sizeof(struct ethhdr);
	watch_take(ctx, is_xdp, s);
}

static __always_inline void watch_tunnel_key(struct __sk_buff *skb, struct ov_watch_scratch *s)
{
	struct bpf_tunnel_key *key = (void *)(s->head + 2);

	if (bpf_skb_get_tunnel_key(skb, key, sizeof(*key), 0))
		return;
	s->peer = bpf_htonl(key->remote_ipv4);
	s->vni = key->tunnel_id;
}

__noinline int watch_in_tc(struct __sk_buff *skb, __u32 place)
{
	struct ov_watch_scratch *s = watch_begin(place, skb->ifindex);
	const struct ov_device *dev;
	__u32 at = 0;

	if (!s)
		return 0;
	if (place == WATCH_ENDPOINT) {
		dev = device_lookup(skb->ifindex);
		s->vni = dev ? dev->vni : 0;
	} else if (place == WATCH_UPLINK) {
		at = watch_pop(skb, 0, s);
	} else if (place == WATCH_TUNNEL) {
		watch_tunnel_key(skb, s);
	} else {
		skb->cb[CB_VNI] = 0; /* no network, until ov_front decides on one */
	}
	watch_seen(skb, 0, s, at);
	return 0;
}

__noinline int watch_in_xdp(struct xdp_md *xdp)
{
	struct ov_watch_scratch *s = watch_begin(WATCH_XDP, xdp->ingress_ifindex);

	if (s)
		watch_seen(xdp, 1, s, watch_pop(xdp, 1, s));
	return 0;
}

/* ---- telling ---- */

static __noinline int watch_send(struct ov_watch_scratch *s, __u32 captured)
{
	__u32 zero = 0, kind;
	__u64 *lost;
	void *ring = bpf_map_lookup_elem(&watch_ring, &zero);

	if (!s)
		return 0;
	asm volatile("" : "+r"(captured));
	if (captured > OV_WATCH_SNAP_MAX)
		return 0;
	kind = s->record.kind;
	if (ring && !bpf_ringbuf_output(ring, &s->record, sizeof(s->record) + captured, 0))
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

/* ---- flows ---- */

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

/* ---- at the exit ---- */

static __always_inline int watch_is_refusal(__u32 verdict)
{
	return verdict == OV_FWD_TOO_BIG || verdict == OV_FWD_RESET ||
	       verdict == OV_FWD_UNREACHABLE || verdict == OV_FWD_CUT;
}

static __always_inline int watch_is_end(const struct ov_addr *wanted, __be32 one, __be32 other)
{
	return !(ADDR_WORD(wanted, 2) | ADDR_WORD(wanted, 3)) || addr_equals_v4(wanted, one) ||
	       addr_equals_v4(wanted, other);
}

/* One of those who watch may want it: in either direction, under what name soever. */
static __noinline int watch_wants(struct ov_watch_scratch *s, int is_drop)
{
	const struct ov_watch *w = watch_row();
	const struct ov_watch_end *i, *o;

	if (!s || !w || ((w->flags & OV_WATCH_DROPS) && !is_drop) || (w->vni && w->vni != s->vni) ||
	    (w->protocol && w->protocol != s->in.protocol))
		return 0;
	i = &s->in;
	o = &s->out;
	if (w->port && w->port != i->sport && w->port != i->dport && w->port != o->sport &&
	    w->port != o->dport)
		return 0;
	return (watch_is_end(&w->from, i->src, o->src) && watch_is_end(&w->to, i->dst, o->dst)) ||
	       (watch_is_end(&w->from, i->dst, o->dst) && watch_is_end(&w->to, i->src, o->src));
}

/* The packet as it leaves; behind an outer header where it has got one. */
static __always_inline void watch_left(void *ctx, int is_xdp, struct ov_watch_scratch *s, int verdict)
{
	struct watch_vxlan *h = (void *)s->head;

	if (verdict != OV_FWD_ENCAP) {
		watch_parse(ctx, is_xdp, s, 0, &s->out);
		return;
	}
	if (!watch_load(ctx, is_xdp, 0, h, sizeof(*h))) {
		s->vni = bpf_ntohl(h->vni) >> 8;
		s->peer = h->ip.daddr;
	}
	watch_parse(ctx, is_xdp, s, WATCH_OUTER, &s->out);
}

static __always_inline void watch_packets(void *ctx, int is_xdp, struct ov_watch_scratch *s,
					  __u32 verdict, int is_drop)
{
	watch_fill(s, OV_WATCH_PACKET, verdict);
	watch_fill_packet(s, &s->in);
	watch_send(s, s->record.captured);
	if (is_drop)
		return;
	watch_take(ctx, is_xdp, s);
	s->record.flags |= OV_WATCH_OUT;
	watch_fill_packet(s, &s->out);
	watch_send(s, s->record.captured);
}

/* `verdict` as programs return it; drops are negative. */
static __always_inline int watch_judged(void *ctx, int is_xdp, int verdict)
{
	struct ov_watch_scratch *s = watch_scratch_get();
	const struct ov_watch *w = watch_row();
	__u32 why = verdict < 0 ? -verdict : verdict;
	int is_drop = verdict < 0, is_told;

	if (!s || !w || !s->armed)
		return 0;
	s->armed = 0;
	if (verdict == VERDICT_HOST)
		verdict = why = OV_FWD_HOST;
	if (verdict == OV_PASS_FOREIGN || why >= OV_VERDICT_COUNT)
		return 0; /* not ours, or judged by another program */
	is_told = is_drop || watch_is_refusal(why);
	if (is_told || verdict == OV_FWD_ECHO_REPLY)
		s->out = s->in; /* it goes nowhere, or back */
	else
		watch_left(ctx, is_xdp, s, verdict);
	if (!watch_wants(s, is_told))
		return 0;
	if (w->flags & OV_WATCH_EVENTS) {
		if (is_told)
			watch_tell_end(s, why, is_drop ? OV_WATCH_DROP : OV_WATCH_REFUSED);
		else
			watch_flow(s, why);
	}
	if (w->flags & OV_WATCH_CAPTURE)
		watch_packets(ctx, is_xdp, s, why, is_drop);
	return 0;
}

__noinline int watch_out_tc(struct __sk_buff *skb, int verdict)
{
	struct ov_watch_scratch *s = watch_scratch_get();

	if (s && s->place == WATCH_FRONT && !s->vni) /* known once it is decided */
		s->vni = skb->cb[CB_VNI];
	return watch_judged(skb, 0, verdict);
}

__noinline int watch_out_xdp(struct xdp_md *xdp, int verdict)
{
	return watch_judged(xdp, 1, verdict);
}

/* ---- the two hooks ---- */

static __always_inline void watch_enter_tc(struct __sk_buff *skb, __u32 place)
{
	if (watch_is_on())
		watch_in_tc(skb, place);
}

static __always_inline void watch_enter_xdp(struct xdp_md *xdp)
{
	if (watch_is_on())
		watch_in_xdp(xdp);
}

static __always_inline void watch_exit_tc(struct __sk_buff *skb, int verdict)
{
	if (watch_is_on())
		watch_out_tc(skb, verdict);
}

static __always_inline void watch_exit_xdp(struct xdp_md *xdp, int verdict)
{
	if (watch_is_on())
		watch_out_xdp(xdp, verdict);
}
