// SPDX-License-Identifier: GPL-2.0
/*
 * BPF_PROG_TEST_RUN hands the same packet to every repetition. This program makes it
 * the next packet of another flow before it calls the program under test.
 */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "lb_wrap.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct lb_wrap);
} lb_state SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} lb_target SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} lb_target_xdp SEC(".maps");

/* Offsets into an Ethernet frame with an IPv4 header without options. */
#define ETH_DST 0
#define IP_DST 30
#define PORTS 34

/* The bytes of the next flow's packet. */
static __always_inline void next_packet(struct lb_wrap *w, __u8 *p)
{
	__u32 n = w->next;
	__be16 client = bpf_htons(LB_CLIENT_PORT(w, n));
	__be16 service = bpf_htons(LB_SERVICE_PORT(w, n));

	w->next = n + 1 >= w->flows ? 0 : n + 1;
#pragma unroll
	for (int i = 0; i < LB_FRAME / 8; i++)
		((__u64 *)p)[i] = ((__u64 *)w->frame)[i];
	*(__be16 *)(p + PORTS) = w->is_reply ? service : client;
	*(__be16 *)(p + PORTS + 2) = w->is_reply ? client : service;
	if (w->services > 1) {
		__be32 vip = bpf_htonl(w->vip + n % w->services);

		*(__be16 *)(p + ETH_DST + 2) = (__u16)vip;
		*(__be16 *)(p + ETH_DST + 4) = (__u16)(vip >> 16);
		*(__be16 *)(p + IP_DST) = (__u16)vip;
		*(__be16 *)(p + IP_DST + 2) = (__u16)(vip >> 16);
	}
}

SEC("tc")
int lb_wrap(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct lb_wrap *w = bpf_map_lookup_elem(&lb_state, &zero);
	__u8 *p = (void *)(long)skb->data;

	if (!w || p + LB_FRAME > (__u8 *)(long)skb->data_end)
		return -1;
	next_packet(w, p);
	bpf_tail_call(skb, &lb_target, 0);
	return -1;
}

/* What the program put in front of the last packet is taken off first. */
SEC("xdp.frags")
int lb_wrap_xdp(struct xdp_md *xdp)
{
	__u32 zero = 0, len = xdp->data_end - xdp->data;
	struct lb_wrap *w = bpf_map_lookup_elem(&lb_state, &zero);
	__u8 *p;

	if (!w || (len > LB_FRAME && bpf_xdp_adjust_head(xdp, len - LB_FRAME)))
		return -1;
	p = (void *)(long)xdp->data;
	if (p + LB_FRAME > (__u8 *)(long)xdp->data_end)
		return -1;
	next_packet(w, p);
	bpf_tail_call(xdp, &lb_target_xdp, 0);
	return -1;
}

char LICENSE[] SEC("license") = "GPL";
