/* SPDX-License-Identifier: GPL-2.0 */
/*
 * SCTP's checksum (RFC 9260 section 6.8, CRC32c) when a port changes. It covers the ports,
 * and all that follows; but a CRC is linear: the sum changes by the CRC, begun with 0, of
 * what was changed, moved on past the bytes behind it. Those need not be read.
 *
 * Moving on past n bytes multiplies by x^(8n) modulo the polynomial (zlib's crc32_combine
 * does the same), one factor for each bit of n.
 */
#pragma once

#include "lib/l4.h"

#define CRC32C 0x82f63b78u /* Castagnoli's polynomial, lowest bit first */

/*
 * a * b. Not static: the verifier goes through it once, and forgets what it knows of the
 * bits; else it would try all ways through sctp_sum_diff. Without branches, for the same reason.
 */
__noinline __u32 crc_multiply(__u32 a, __u32 b)
{
	__u32 product = 0;

	for (int i = 31; i >= 0; i--) {
		product ^= b & -(a >> i & 1);
		b = (b >> 1) ^ (CRC32C & -(b & 1));
	}
	return product;
}

/* x^(8 * 2^k), k = 0 to 15. */
#define CRC_FACTORS(X)                                                                            \
	X(0, 0x00800000) X(1, 0x00008000) X(2, 0x82f63b78) X(3, 0x6ea2d55c)                       \
	X(4, 0x18b8ea18) X(5, 0x510ac59a) X(6, 0xb82be955) X(7, 0xb8fdb1e7)                       \
	X(8, 0x88e56f72) X(9, 0x74c360a4) X(10, 0xe4172b16) X(11, 0x0d65762a)                     \
	X(12, 0x35d73a62) X(13, 0x28461564) X(14, 0xbf455269) X(15, 0xe2ea32dc)

/*
 * By what the sum changes when the two bytes `diff` (in the order of memory) are added to
 * a packet with `behind` bytes after them.
 */
static __always_inline __u32 sctp_sum_diff(__u32 diff, __u32 behind)
{
	/* As if the two bytes were the last: x^16 times them. */
	__u32 sum = crc_multiply(0x00008000, diff & 0xffff);

#define X(k, factor)           \
	if (behind & 1u << k)  \
		sum = crc_multiply(factor, sum);
	CRC_FACTORS(X)
#undef X
	return sum;
}

#define SCTP_SUM_AT 8

/*
 * The port at `where` of the header changes by `diff`. 0 or a negative verdict. A sum of
 * 0 is still to be made, by whoever sends it at last; that of a fragment covers what is
 * not here.
 */
static __noinline int sctp_mend(struct __sk_buff *skb, const struct l4 *l4, __u32 where,
				__u32 diff)
{
	struct iphdr *ip = (void *)(long)skb->data + sizeof(struct ethhdr);
	__u32 at, end, sum_at;
	__le32 sum;

	if (!l4 || (void *)(ip + 1) > (void *)(long)skb->data_end || ipv4_is_fragment(ip))
		return -OV_DROP_NAT_FAILED;
	at = l4->offset + where;
	end = sizeof(struct ethhdr) + bpf_ntohs(ip->tot_len);
	sum_at = l4->offset + SCTP_SUM_AT;
	if (end < at + sizeof(__be16) || bpf_skb_load_bytes(skb, sum_at, &sum, sizeof(sum)))
		return -OV_DROP_NAT_FAILED;
	if (!sum)
		return 0;
	/* The sum is stored lowest byte first, as this machine has it. */
	sum ^= sctp_sum_diff(diff, end - at - sizeof(__be16));
	return bpf_skb_store_bytes(skb, sum_at, &sum, sizeof(sum), 0) ? -OV_DROP_NAT_FAILED : 0;
}
