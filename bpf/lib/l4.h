/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a flow is told by: ports, and what a packet does to the flow. Of TCP that
 * is its flags; SCTP's chunks (RFC 9260) are put in the same words.
 */
#pragma once

#include <linux/tcp.h>

#include "lib/parse.h"

#define L4_OPENS  1u /* SYN without ACK, INIT: begins a flow */
#define L4_FIN    2u
#define L4_RST    4u
#define L4_ANSWER 8u /* SYN with ACK, INIT ACK */

struct l4 {
	__be16 sport, dport;
	__u8 protocol;
	__u8 event;   /* L4_* */
	__u16 offset; /* from the frame's start */
};

struct sctp_first { /* common header, and the first chunk's type */
	__be16 sport, dport;
	__be32 tag, checksum;
	__u8 chunk, flags;
	__be16 length;
};

enum { SCTP_INIT = 1, SCTP_INIT_ACK = 2, SCTP_ABORT = 6, SCTP_SHUTDOWN_COMPLETE = 14 };

struct quoted { /* RFC 792: the header and the first 8 bytes of what an error is about */
	struct iphdr ip;
	__be16 sport, dport;
	__be32 rest;
};

/*
 * What is read of a packet, without and with IP options, and of ICMP with what it
 * quotes. Not a byte more is made linear: moving payload out of its page costs a
 * bulk sender a third of its speed.
 */
#define L4_LINEAR (sizeof(struct ethhdr) + sizeof(struct iphdr) + TCP_HEADER_MIN)
#define L4_LINEAR_MAX (sizeof(struct ethhdr) + IPV4_HEADER_MAX + TCP_HEADER_MIN)
#define ICMP_LINEAR_MAX \
	(sizeof(struct ethhdr) + IPV4_HEADER_MAX + sizeof(struct icmp_header) + sizeof(struct quoted))

/* Of a frame that begins with an Ethernet header. Packet pointers die. */
static __always_inline void l4_make_linear(struct __sk_buff *skb)
{
	skb_make_linear(skb, L4_LINEAR);

	struct cursor c = cursor_skb(skb);
	struct ethhdr *eth = cursor_take(&c, struct ethhdr);
	struct iphdr *ip = cursor_take(&c, struct iphdr);

	if (!eth || !ip || eth->h_proto != bpf_htons(ETH_P_IP))
		return;
	if (ip->protocol == IPPROTO_ICMP)
		skb_make_linear(skb, ICMP_LINEAR_MAX);
	else if (ip->ihl > 5)
		skb_make_linear(skb, L4_LINEAR_MAX);
}

static __always_inline __u8 sctp_event(__u8 chunk)
{
	switch (chunk) {
	case SCTP_INIT:
		return L4_OPENS;
	case SCTP_INIT_ACK:
		return L4_ANSWER;
	case SCTP_ABORT:
	case SCTP_SHUTDOWN_COMPLETE:
		return L4_RST; /* nothing follows */
	default:
		return 0;
	}
}

static __always_inline __u8 tcp_event(const struct tcphdr *tcp)
{
	if (tcp->rst)
		return L4_RST;
	return (tcp->syn ? (tcp->ack ? L4_ANSWER : L4_OPENS) : 0) | (tcp->fin ? L4_FIN : 0);
}

static __always_inline int l4_is_carried(__u8 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP;
}

/* Whether its flows are connections, which are opened and closed. */
static __always_inline int l4_connects(__u8 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_SCTP;
}

/* c stands behind the fixed part of the IPv4 header. 0 or a negative verdict. */
static __always_inline int l4_parse(struct cursor *c, const struct iphdr *ip, struct l4 *ret)
{
	const struct sctp_first *sctp;
	const struct tcphdr *tcp;
	const struct udphdr *udp;

	ret->protocol = ip->protocol;
	ret->offset = sizeof(struct ethhdr) + ip->ihl * 4;
	ret->event = 0;
	if (parse_ipv4_options(c, ip) < 0)
		return -OV_DROP_MALFORMED;

	switch (ip->protocol) {
	case IPPROTO_TCP:
		tcp = cursor_take(c, struct tcphdr);
		if (!tcp)
			return -OV_DROP_MALFORMED;
		ret->sport = tcp->source;
		ret->dport = tcp->dest;
		ret->event = tcp_event(tcp);
		return 0;
	case IPPROTO_UDP:
		udp = cursor_take(c, struct udphdr);
		if (!udp)
			return -OV_DROP_MALFORMED;
		ret->sport = udp->source;
		ret->dport = udp->dest;
		return 0;
	case IPPROTO_SCTP:
		sctp = cursor_take(c, struct sctp_first);
		if (!sctp)
			return -OV_DROP_MALFORMED;
		ret->sport = sctp->sport;
		ret->dport = sctp->dport;
		ret->event = sctp_event(sctp->chunk);
		return 0;
	default:
		return -OV_DROP_VIP_PROTOCOL;
	}
}
