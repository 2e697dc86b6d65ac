/* SPDX-License-Identifier: GPL-2.0 */
/* How large what a packet becomes on the wire is. */
#pragma once

#include "lib/parse.h"

/*
 * The largest IP packet this becomes. A super-packet is cut to gso_size of
 * payload behind its own headers; where the sender sized the parts one by one
 * (GSO_BY_FRAGS) its stack has done this.
 */
static __always_inline int packet_size(struct __sk_buff *skb, struct cursor *c,
				       const struct iphdr *ip)
{
	__u32 gso_size = skb->gso_size;
	__u32 header = ip->ihl * 4;

	if (!gso_size)
		return bpf_ntohs(ip->tot_len);
	if (gso_size == GSO_BY_FRAGS)
		return 0;
	if (ip->protocol == IPPROTO_UDP)
		return header + sizeof(struct udphdr) + gso_size;
	if (ip->protocol != IPPROTO_TCP)
		return header + gso_size;

	struct cursor l4 = *c;

	if (parse_ipv4_options(&l4, ip) < 0)
		return -OV_DROP_MALFORMED;

	const __u8 *tcp = cursor_take_bytes(&l4, TCP_HEADER_MIN);

	if (!tcp)
		return -OV_DROP_MALFORMED;
	return header + (tcp[12] >> 4) * 4 + gso_size; /* data offset, RFC 9293 3.1 */
}
