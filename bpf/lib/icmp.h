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
 * What "fragmentation needed" quotes: more than the header and 8 bytes that
 * RFC 792 asks for (RFC 1812 4.3.2.3), and a constant because the verifier wants
 * one. It holds every IPv4 and the smallest TCP header, so a partial checksum's
 * field stays inside and bpf_skb_change_tail agrees. "Unreachable" answers small
 * packets, and quotes what RFC 792 says.
 */
#define ICMP_QUOTE_BYTES 128
#define ICMP_QUOTE_MIN (sizeof(struct iphdr) + 8)

static __always_inline void eth_turn_round(struct ethhdr *eth)
{
	__u8 mac[ETH_ALEN];

	__builtin_memcpy(mac, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, mac, ETH_ALEN);
}

/*
 * Echo to the gateway or a VIP. Swapping the addresses leaves all sums as they are; the
 * helper mends the type's, also where the checksum is still partial.
 */
static __always_inline int icmp_answer_echo(struct __sk_buff *skb, struct cursor *c,
					    struct ethhdr *eth, struct iphdr *ip,
					    const __u8 *our_mac)
{
	__u32 offset = sizeof(*eth) + ip->ihl * 4;

	if (ip->protocol != IPPROTO_ICMP || ipv4_is_fragment(ip))
		return -OV_DROP_UNKNOWN_DST;
	if (!mac_equal(eth->h_dest, our_mac))
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

/* Who complains about what. */
struct complaint {
	__be32 from, to;
	const __u8 *mac; /* of `from` */
	__u8 code;       /* of "destination unreachable" */
	__u16 mtu;
};

struct icmp_error {
	struct ethhdr eth;
	struct iphdr ip;
	struct icmp_header icmp;
} __attribute__((packed));

#define ICMP_ERROR_HEADERS (sizeof(struct iphdr) + sizeof(struct icmp_header))

static __always_inline __u16 csum_fold(__s64 sum)
{
	sum = (sum & 0xffff) + ((__u32)sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* `quote` bytes follow e. */
static __always_inline void icmp_fill_error(struct icmp_error *e, const struct complaint *c,
					    const __u32 quote)
{
	eth_turn_round(&e->eth);
	__builtin_memcpy(e->eth.h_source, c->mac, ETH_ALEN);
	e->ip = (struct iphdr){
		.version = 4,
		.ihl = 5,
		.tot_len = bpf_htons(ICMP_ERROR_HEADERS + quote),
		.ttl = REPLY_TTL,
		.protocol = IPPROTO_ICMP,
		.saddr = c->from,
		.daddr = c->to,
	};
	e->ip.check = ipv4_checksum(&e->ip);
	e->icmp = (struct icmp_header){ .type = ICMP_DEST_UNREACH, .code = c->code };
	e->icmp.mtu = bpf_htons(c->mtu);

	void *from = &e->icmp; /* to the end of the quote */

	e->icmp.checksum = csum_fold(bpf_csum_diff(NULL, 0, from, sizeof(e->icmp) + quote, 0));
}

/*
 * Cuts the packet down to the quote, makes room before it, and sends it back.
 * The stack's checksum of a quoted packet may still be partial; veth and netkit
 * carry that to the receiver, which takes it for verified. 0, or -1 when the
 * kernel does not let us; `quote` must be a constant.
 */
static __always_inline int icmp_complain(struct __sk_buff *skb, const struct complaint *c,
					 const __u32 quote)
{
	if (bpf_skb_change_tail(skb, sizeof(struct ethhdr) + quote, 0) ||
	    bpf_skb_adjust_room(skb, ICMP_ERROR_HEADERS, BPF_ADJ_ROOM_MAC, 0))
		return -1;

	struct icmp_error *e = (void *)(long)skb->data;

	if ((void *)(e + 1) + quote > (void *)(long)skb->data_end)
		return -1;

	icmp_fill_error(e, c, quote);
	bpf_redirect(skb->ifindex, 0);
	return 0;
}

static __always_inline int icmp_answer_too_big(struct __sk_buff *skb, struct cursor *c,
					       const struct iphdr *ip, const struct ov_device *dev)
{
	const struct ov_network *net = network_lookup(dev->vni);

	if (!(ip->frag_off & bpf_htons(IP_DF)) || !net || !icmp_may_complain(c, ip))
		return -OV_DROP_TOO_BIG;

	struct complaint what = {
		.from = addr_v4(&net->gateway),
		.to = ip->saddr,
		.mac = net->gateway_mac,
		.code = ICMP_FRAG_NEEDED,
		.mtu = dev->mtu,
	};

	return icmp_complain(skb, &what, ICMP_QUOTE_BYTES) ? -OV_DROP_TOO_BIG : OV_FWD_TOO_BIG;
}
