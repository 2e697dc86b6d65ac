/* SPDX-License-Identifier: GPL-2.0 */
/*
 * "Connection refused" in the name of a VIP: a TCP reset as RFC 9293 3.10.7.1
 * makes one for a segment that belongs to no connection, and ICMP "port
 * unreachable" for the rest.
 */
#pragma once

#include "lib/icmp.h"
#include "lib/nat.h"

struct tcp_reset {
	struct ethhdr eth;
	struct iphdr ip;
	struct tcphdr tcp;
} __attribute__((packed));

static __always_inline __u16 reset_checksum(struct tcp_reset *r)
{
	__be32 pseudo[3] = { r->ip.saddr, r->ip.daddr,
			     bpf_htonl(IPPROTO_TCP << 16 | sizeof(r->tcp)) };
	__s64 sum = bpf_csum_diff(NULL, 0, pseudo, sizeof(pseudo), 0);
	void *tcp = &r->tcp;

	return csum_fold(bpf_csum_diff(NULL, 0, tcp, sizeof(r->tcp), sum));
}

/* What the segment takes of sequence space. */
static __always_inline __u32 segment_length(const struct tcp_reset *s)
{
	return bpf_ntohs(s->ip.tot_len) - s->ip.ihl * 4 - s->tcp.doff * 4 + s->tcp.syn + s->tcp.fin;
}

static __always_inline void reset_fill(struct tcp_reset *r, const struct tcp_reset *seen,
				       __u32 length)
{
	r->eth = seen->eth;
	eth_turn_round(&r->eth);
	r->ip = (struct iphdr){
		.version = 4,
		.ihl = 5,
		.tot_len = bpf_htons(sizeof(r->ip) + sizeof(r->tcp)),
		.frag_off = bpf_htons(IP_DF),
		.ttl = REPLY_TTL,
		.protocol = IPPROTO_TCP,
		.saddr = seen->ip.daddr,
		.daddr = seen->ip.saddr,
	};
	r->ip.check = ipv4_checksum(&r->ip);
	r->tcp = (struct tcphdr){
		.source = seen->tcp.dest,
		.dest = seen->tcp.source,
		.doff = sizeof(r->tcp) / 4,
		.rst = 1,
	};
	if (seen->tcp.ack) {
		r->tcp.seq = seen->tcp.ack_seq;
	} else {
		r->tcp.ack = 1;
		r->tcp.ack_seq = bpf_htonl(bpf_ntohl(seen->tcp.seq) + length);
	}
	r->tcp.check = reset_checksum(r);
}

/* Answers a TCP segment with a reset, out of where it came in. `otherwise`: when it cannot be. */
static __noinline int reset_answer(struct __sk_buff *skb, int otherwise)
{
	struct tcp_reset seen, *r;
	__u32 length;

	if (bpf_skb_load_bytes(skb, 0, &seen, sizeof(seen)) || seen.ip.protocol != IPPROTO_TCP ||
	    seen.ip.ihl != 5 || seen.tcp.rst)
		return -otherwise;
	length = segment_length(&seen);
	if (bpf_skb_change_tail(skb, sizeof(*r), 0))
		return -otherwise;
	r = (void *)(long)skb->data;
	if ((void *)(r + 1) > (void *)(long)skb->data_end)
		return -otherwise;
	reset_fill(r, &seen, length);
	bpf_redirect(skb->ifindex, 0);
	return OV_FWD_RESET;
}

/*
 * The service does not take this packet: says so to the sender where there is a way to.
 * Not static: the verifier goes through it once by itself.
 */
__noinline int refuse(struct __sk_buff *skb, int why)
{
	struct cursor c = cursor_skb(skb);
	struct ethhdr *eth = cursor_take(&c, struct ethhdr);
	struct iphdr *ip = cursor_take(&c, struct iphdr);
	__u8 mac[ETH_ALEN];

	if (!eth || !ip)
		return -why;

	struct complaint what = {
		.from = ip->daddr,
		.to = ip->saddr,
		.mac = mac,
		.code = ICMP_PORT_UNREACH,
	};

	if (ip->protocol == IPPROTO_TCP)
		return reset_answer(skb, why);
	if (ip->ihl != 5 || ipv4_is_fragment(ip))
		return -why;
	__builtin_memcpy(mac, eth->h_dest, ETH_ALEN);
	return icmp_complain(skb, &what, ICMP_QUOTE_MIN) ? -why : OV_FWD_UNREACHABLE;
}
