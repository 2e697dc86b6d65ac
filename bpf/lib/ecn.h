/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Congestion marks across the tunnel, RFC 6040.
 *
 * Going in, "normal mode" (4.1): the outer header gets the inner mark as it is,
 * so the whole TOS byte is copied. Coming out (4.2):
 *
 *     inner \ outer   Not-ECT   ECT(0)    ECT(1)    CE
 *     Not-ECT         Not-ECT   Not-ECT   Not-ECT   drop
 *     ECT(0)          ECT(0)    ECT(0)    ECT(1)    CE
 *     ECT(1)          ECT(1)    ECT(1)    ECT(1)    CE
 *     CE              CE        CE        CE        CE
 */
#pragma once

#include "lib/parse.h"

#define ECN_MASK 3
#define ECN_NOT_ECT 0
#define ECN_ECT1 1
#define ECN_ECT0 2
#define ECN_CE 3

/* Changes TOS and mends the checksum (RFC 1624, eqn. 3: HC' = ~(~HC + ~m + m')). */
static __always_inline void ipv4_set_tos(struct iphdr *ip, __u8 tos)
{
	__u32 sum = (__u16)~ip->check + (__u16)~bpf_htons(ip->tos) + bpf_htons(tos);

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	ip->check = ~sum;
	ip->tos = tos;
}

static __always_inline int ecn_decapsulate(struct iphdr *inner, __u8 outer_tos)
{
	__u8 outer = outer_tos & ECN_MASK;
	__u8 mark = inner->tos & ECN_MASK;

	if (outer == ECN_NOT_ECT || outer == ECN_ECT0)
		return 0;
	if (mark == ECN_NOT_ECT)
		return outer == ECN_CE ? -OV_DROP_ECN : 0;
	if (mark != ECN_CE && (outer == ECN_CE || mark == ECN_ECT0))
		ipv4_set_tos(inner, (inner->tos & ~ECN_MASK) | outer);
	return 0;
}
