/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Told to whoever watches: flows, drops and packets (maps/watch.h). While nobody does, a
 * packet pays watch_is_on twice: one branch, on a row that the program has at hand. All else is
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

#include "lib/watch_flow.h"

/* ---- at the start ---- */

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

/* ---- at the exit ---- */

/*
 * Read from memory after a call: a test of what was known before a call of a function that is
 * __noinline and static, 6.1 has taken for always false.
 */
#define WATCH_AGAIN(field) (*(volatile __typeof__(field) *)&(field))

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
					  __u32 verdict)
{
	watch_fill(s, OV_WATCH_PACKET, verdict);
	watch_fill_packet(s, &s->in);
	watch_send(s, s->record.captured);
	if (WATCH_AGAIN(s->is_drop))
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
	s->is_told = is_told;
	s->is_drop = is_drop;
	if (is_told || verdict == OV_FWD_ECHO_REPLY)
		s->out = s->in; /* it goes nowhere, or back */
	else
		watch_left(ctx, is_xdp, s, verdict);
	if (!watch_wants(s, is_told))
		return 0;
	if (w->flags & OV_WATCH_EVENTS) {
		if (WATCH_AGAIN(s->is_told))
			watch_tell_end(s, why, WATCH_AGAIN(s->is_drop) ? OV_WATCH_DROP : OV_WATCH_REFUSED);
		else
			watch_flow(s, why);
	}
	if (w->flags & OV_WATCH_CAPTURE)
		watch_packets(ctx, is_xdp, s, why);
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

static __always_inline void watch_enter_tc(struct __sk_buff *skb, const struct ov_config *cfg,
					   __u32 place)
{
	if (watch_is_on(cfg))
		watch_in_tc(skb, place);
}

static __always_inline void watch_enter_xdp(struct xdp_md *xdp, const struct ov_config *cfg)
{
	if (watch_is_on(cfg))
		watch_in_xdp(xdp);
}

static __always_inline void watch_exit_tc(struct __sk_buff *skb, const struct ov_config *cfg,
					  int verdict)
{
	if (watch_is_on(cfg))
		watch_out_tc(skb, verdict);
}

static __always_inline void watch_exit_xdp(struct xdp_md *xdp, const struct ov_config *cfg,
					   int verdict)
{
	if (watch_is_on(cfg))
		watch_out_xdp(xdp, verdict);
}
