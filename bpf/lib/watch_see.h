/* SPDX-License-Identifier: GPL-2.0 */
/* For those who watch: what a packet says of itself, read into the per-CPU scratch entry. */
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

/* Without it, to measure what it costs that one could watch: tests/bench/run watch. */
#ifdef OV_WITHOUT_WATCH
#define watch_is_on(cfg) 0
#else
static __always_inline int watch_is_on(const struct ov_config *cfg)
{
	return cfg && (cfg->flags & OV_CONFIG_WATCHED);
}
#endif

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
	const struct ov_config *cfg = config_row();
	struct watch_vxlan *h = (void *)s->head;

	if (!config_is_ready(cfg) || watch_load(ctx, is_xdp, 0, h, sizeof(*h)) || h->eth.h_proto != bpf_htons(ETH_P_IP) ||
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
	__u64 size = watch_frame(ctx, is_xdp); /* 64 bits: 6.1 knows no bounds of 32 */

	s->record.captured = 0;
	s->record.length = size;
	if (!w || !(w->flags & OV_WATCH_CAPTURE))
		return;
	if (size > w->snap)
		size = w->snap;
	if (size > OV_WATCH_SNAP_MAX)
		size = OV_WATCH_SNAP_MAX;
	/*
	 * What is tested is what is used; and by order, because 6.1 learns nothing from "not 0",
	 * nor from one test that the compiler makes of the two.
	 */
	asm volatile("" : "+r"(size));
	if (size < sizeof(struct ethhdr))
		return;
	asm volatile("" : "+r"(size));
	if (size > OV_WATCH_SNAP_MAX)
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
