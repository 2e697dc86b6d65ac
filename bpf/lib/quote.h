/* SPDX-License-Identifier: GPL-2.0 */
/* ICMP errors (RFC 792) about packets of a flow: what they quote is rewritten too. */
#pragma once

#include "lib/nat.h"

static __always_inline int icmp_is_error(__u8 type)
{
	return type == ICMP_DEST_UNREACH || type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETERPROB;
}

/*
 * The quote of an error, NULL when it is none about something that services
 * carry. Quotes with IP options are left alone: nothing we send has any.
 */
static __always_inline struct quoted *icmp_quoted(struct cursor *c, const struct iphdr *ip)
{
	if (ip->protocol != IPPROTO_ICMP || ipv4_is_fragment(ip) || parse_ipv4_options(c, ip) < 0)
		return NULL;

	struct icmp_header *icmp = cursor_take(c, struct icmp_header);

	if (!icmp || !icmp_is_error(icmp->type))
		return NULL;

	struct quoted *q = cursor_take(c, struct quoted);

	return q && q->ip.ihl == 5 && l4_is_carried(q->ip.protocol) ? q : NULL;
}

/*
 * Rewrites one end of a quoted packet. The IP header's sum makes up for the
 * address, so that the ICMP sum over both stays; a port it must be told of.
 */
static __always_inline int quoted_rewrite(struct __sk_buff *skb, __u32 icmp_at, enum side side,
					  __be16 from_port, const struct end *to)
{
	__u32 at = icmp_at + sizeof(struct icmp_header);
	__u32 port_at = at + sizeof(struct iphdr) + (side == SIDE_SRC ? 0 : sizeof(__be16));

	if (from_port != to->port) {
		if (bpf_l4_csum_replace(skb, icmp_at + offsetof(struct icmp_header, checksum),
					from_port, to->port, 2) ||
		    bpf_skb_store_bytes(skb, port_at, &to->port, sizeof(to->port), 0))
			return -OV_DROP_NAT_FAILED;
	}
	return nat_ipv4(skb, at & 0xff, side, to->addr);
}
