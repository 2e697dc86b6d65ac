/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The gateway's voice: it answers pings, and tells senders of packets that are
 * too large (RFC 792, RFC 1191). Replies go back out of the device they came in on.
 */
#pragma once

#include "lib/endpoint.h"
#include "lib/parse.h"

#define REPLY_TTL 64 /* RFC 1700's default */

/*
 * What an error quotes: more than the header and 8 bytes that RFC 792 asks for
 * (RFC 1812 4.3.2.3), and a constant because the verifier wants one. It holds
 * every IPv4 and the smallest TCP header, so a partial checksum's field stays
 * inside and bpf_skb_change_tail agrees.
 */
#define ICMP_QUOTE_BYTES 128

static __always_inline void eth_turn_round(struct ethhdr *eth)
{
	__u8 mac[ETH_ALEN];

	__builtin_memcpy(mac, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, mac, ETH_ALEN);
}

/*
 * Echo to the gateway. Swapping the addresses leaves all sums as they are; the
 * helper mends the type's, also where the checksum is still partial.
 */
static __always_inline int icmp_answer_echo(struct __sk_buff *skb, struct cursor *c,
					    struct ethhdr *eth, struct iphdr *ip,
					    const struct ov_network *net)
{
	__u32 offset = sizeof(*eth) + ip->ihl * 4;

	if (ip->protocol != IPPROTO_ICMP || ipv4_is_fragment(ip))
		return -OV_DROP_UNKNOWN_DST;
	if (!mac_equal(eth->h_dest, net->gateway_mac))
		return -OV_DROP_WRONG_DST_MAC;
	if (parse_ipv4_options(c, ip) < 0)
		return -OV_DROP_MALFORMED;

	struct icmp_header *icmp = cursor_take(c, struct icmp_header);

	if (!icmp)
		return -OV_DROP_MALFORMED;
	if (icmp->type != ICMP_ECHO || icmp->code != 0)
		return -OV_DROP_UNKNOWN_DST;

	__be32 asker = ip->saddr;

	ip->saddr = ip->daddr;
	ip->daddr = asker;
	eth_turn_round(eth);
	icmp->type = ICMP_ECHOREPLY;
	if (bpf_l4_csum_replace(skb, offset + offsetof(struct icmp_header, checksum),
				bpf_htons(ICMP_ECHO << 8), bpf_htons(ICMP_ECHOREPLY << 8), 2))
		return -OV_DROP_MALFORMED;

	bpf_redirect(skb->ifindex, 0);
	return OV_FWD_ECHO_REPLY;
}

/* RFC 1122 3.2.2: no error about an error, nor about a fragment that is not the first. */
static __always_inline int icmp_may_complain(struct cursor *c, const struct iphdr *ip)
{
	if ((ip->frag_off & bpf_htons(IP_OFFSET)) || bpf_ntohs(ip->tot_len) < ICMP_QUOTE_BYTES)
		return 0;
	if (ip->protocol != IPPROTO_ICMP)
		return 1;
	if (parse_ipv4_options(c, ip) < 0)
		return 0;

	struct icmp_header *icmp = cursor_take(c, struct icmp_header);

	return icmp && icmp->type == ICMP_ECHO; /* the one query people send large */
}

struct icmp_error {
	struct ethhdr eth;
	struct iphdr ip;
	struct icmp_header icmp;
	__u8 quote[ICMP_QUOTE_BYTES];
} __attribute__((packed));

#define ICMP_ERROR_HEADERS (sizeof(struct iphdr) + sizeof(struct icmp_header))

static __always_inline __u16 csum_fold(__s64 sum)
{
	sum = (sum & 0xffff) + ((__u32)sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static __always_inline void icmp_fill_too_big(struct icmp_error *e, const struct ov_network *net,
					      __be32 to, __u16 mtu)
{
	eth_turn_round(&e->eth);
	__builtin_memcpy(e->eth.h_source, net->gateway_mac, ETH_ALEN);
	e->ip = (struct iphdr){
		.version = 4,
		.ihl = 5,
		.tot_len = bpf_htons(ICMP_ERROR_HEADERS + ICMP_QUOTE_BYTES),
		.ttl = REPLY_TTL,
		.protocol = IPPROTO_ICMP,
		.saddr = addr_v4(&net->gateway),
		.daddr = to,
	};
	e->ip.check = ipv4_checksum(&e->ip);
	e->icmp = (struct icmp_header){ .type = ICMP_DEST_UNREACH, .code = ICMP_FRAG_NEEDED };
	e->icmp.mtu = bpf_htons(mtu);

	void *from = &e->icmp; /* to the end of the quote */

	e->icmp.checksum = csum_fold(bpf_csum_diff(NULL, 0, from,
						   sizeof(e->icmp) + ICMP_QUOTE_BYTES, 0));
}

/*
 * Cuts the packet down to the quote, makes room before it, and sends it back.
 * The stack's checksum of a quoted packet may still be partial; veth and netkit
 * carry that to the receiver, which takes it for verified.
 */
static __always_inline int icmp_answer_too_big(struct __sk_buff *skb, struct cursor *c,
					       const struct iphdr *ip, const struct ov_device *dev)
{
	const struct ov_network *net = network_lookup(dev->vni);
	__be32 sender = ip->saddr;

	if (!(ip->frag_off & bpf_htons(IP_DF)) || !net || !icmp_may_complain(c, ip))
		return -OV_DROP_TOO_BIG;
	if (bpf_skb_change_tail(skb, sizeof(struct ethhdr) + ICMP_QUOTE_BYTES, 0) ||
	    bpf_skb_adjust_room(skb, ICMP_ERROR_HEADERS, BPF_ADJ_ROOM_MAC, 0))
		return -OV_DROP_TOO_BIG;

	struct icmp_error *e = (void *)(long)skb->data;

	if ((void *)(e + 1) > (void *)(long)skb->data_end)
		return -OV_DROP_TOO_BIG;

	icmp_fill_too_big(e, net, sender, dev->mtu);
	bpf_redirect(skb->ifindex, 0);
	return OV_FWD_TOO_BIG;
}
