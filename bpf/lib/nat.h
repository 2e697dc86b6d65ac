/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Rewriting one end of a packet, sums included. The helper for the transport
 * checksum knows whether it is still partial (only the pseudo header is summed)
 * or complete, and mends either; SCTP's covers no address, but the port (lib/sctp.h).
 */
#pragma once

#include "lib/sctp.h"

struct end {
	__be32 addr;
	__be16 port;
};

enum side { SIDE_SRC, SIDE_DST };

static __always_inline __u16 csum_replace(__u16 check, __be32 from, __be32 to)
{
	__u32 sum = (__u16)~check + (__u16)~from + (__u16)~(from >> 16) + (__u16)to +
		    (__u16)(to >> 16); /* RFC 1624, eqn. 3 */

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* Changes an address of the IPv4 header that stands at `offset`. Packet pointers stay. */
static __always_inline int nat_ipv4(struct __sk_buff *skb, __u32 offset, enum side side, __be32 to)
{
	struct iphdr *ip = (void *)(long)skb->data + offset;

	if ((void *)(ip + 1) > (void *)(long)skb->data_end)
		return -OV_DROP_NAT_FAILED;

	__be32 *addr = side == SIDE_SRC ? &ip->saddr : &ip->daddr;

	ip->check = csum_replace(ip->check, *addr, to);
	*addr = to;
	return 0;
}

static __always_inline int nat_l4_sum(struct __sk_buff *skb, const struct l4 *l4,
				      const struct end *from, const struct end *to)
{
	__u32 at = l4->offset + (l4->protocol == IPPROTO_TCP ? offsetof(struct tcphdr, check) :
							       offsetof(struct udphdr, check));
	/* A UDP sum of 0 means none was made, and stays so. */
	__u64 udp = l4->protocol == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0;

	if (bpf_l4_csum_replace(skb, at, from->addr, to->addr, BPF_F_PSEUDO_HDR | udp | 4))
		return -OV_DROP_NAT_FAILED;
	if (from->port != to->port && bpf_l4_csum_replace(skb, at, from->port, to->port, udp | 2))
		return -OV_DROP_NAT_FAILED;
	return 0;
}

/* Address and port of one side become `to`. Packet pointers die. 0 or a negative verdict. */
static __always_inline int nat_end(struct __sk_buff *skb, const struct l4 *l4, enum side side,
				   const struct end *from, const struct end *to)
{
	__u32 where = side == SIDE_SRC ? 0 : sizeof(__be16);
	int verdict = 0;

	if (l4->protocol != IPPROTO_SCTP)
		verdict = nat_l4_sum(skb, l4, from, to);
	else if (from->port != to->port)
		verdict = sctp_mend(skb, l4, where, from->port ^ to->port);
	if (verdict < 0)
		return verdict;
	if (from->port != to->port && bpf_skb_store_bytes(skb, l4->offset + where, &to->port, sizeof(to->port), 0))
		return -OV_DROP_NAT_FAILED;
	return nat_ipv4(skb, sizeof(struct ethhdr), side, to->addr);
}

/* The Ethernet addresses that go with it; NULL: as it is. */
static __always_inline int nat_macs(struct __sk_buff *skb, const __u8 *src, const __u8 *dst)
{
	struct ethhdr *eth = (void *)(long)skb->data;

	if ((void *)(eth + 1) > (void *)(long)skb->data_end)
		return -OV_DROP_NAT_FAILED;
	if (src)
		__builtin_memcpy(eth->h_source, src, ETH_ALEN);
	if (dst)
		__builtin_memcpy(eth->h_dest, dst, ETH_ALEN);
	return 0;
}

/* The MAC of a VIP: 02:42 and its address, as user/base/addr.h makes it. */
static __always_inline void vip_mac(__be32 vip, __u8 mac[ETH_ALEN])
{
	mac[0] = 0x02;
	mac[1] = 0x42;
	__builtin_memcpy(mac + 2, &vip, sizeof(vip));
}
