/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Services, from a backend to a client on this host: backend -> client becomes
 * VIP -> client.
 */
#pragma once

#include "lib/fragment.h"
#include "lib/quote.h"
#include "lib/reply.h"

static __always_inline int reply_error(struct __sk_buff *skb, struct iphdr *ip, struct quoted *q,
				       const struct reply *r)
{
	__u32 icmp_at = sizeof(struct ethhdr) + ip->ihl * 4;
	__be16 quoted_port = q->dport;
	struct ov_flow_key k;
	struct found at;
	__u8 mac[ETH_ALEN];

	if (q->ip.saddr != ip->daddr || q->ip.daddr != ip->saddr)
		return 0;
	flow_key_fill(&k, r->vni, ip->daddr, addr_v4(&r->vip), q->ip.protocol, q->sport, q->dport);
	if (reply_find(&k, r, ip->saddr, 0, flow_now(), &at))
		return 0;

	struct end to = { addr_v4(&r->vip), at.flow->vip_port };

	vip_mac(to.addr, mac);
	if (quoted_rewrite(skb, icmp_at, SIDE_DST, quoted_port, &to) < 0 ||
	    nat_ipv4(skb, sizeof(struct ethhdr), SIDE_SRC, to.addr) < 0)
		return -OV_DROP_NAT_FAILED;
	return nat_macs(skb, mac, NULL);
}

static __always_inline int reply_l4(struct __sk_buff *skb, struct cursor *c, struct iphdr *ip,
				    const struct reply *r)
{
	__be32 client = ip->daddr;
	int is_first = fragment_is_first(ip);
	__u32 now = flow_now();
	struct ov_flow_key k;
	struct found at;
	struct l4 l4;
	__u8 mac[ETH_ALEN];

	if (l4_parse(c, ip, &l4) < 0)
		return 0; /* no reply of ours; the receiver will judge it */
	flow_key_fill(&k, r->vni, client, addr_v4(&r->vip), l4.protocol, l4.dport, l4.sport);
	if (reply_find(&k, r, ip->saddr, l4.event, now, &at)) {
		if (is_first) /* an older datagram's fragments had the same id */
			fragment_forget(r->vni, ip);
		return 0;
	}

	struct end from = { ip->saddr, l4.sport };
	struct end to = { addr_v4(&r->vip), at.flow->vip_port };

	if (is_first)
		fragment_remember(r->vni, ip, to.addr, client);
	flow_advance(&k, &at, l4.event, 0, now);
	if (nat_end(skb, &l4, SIDE_SRC, &from, &to) < 0)
		return -OV_DROP_NAT_FAILED;
	vip_mac(to.addr, mac);
	return nat_macs(skb, mac, NULL);
}

static __always_inline int reply_fragment(struct __sk_buff *skb, const struct iphdr *ip,
					  const struct reply *r)
{
	const struct ov_fragment *f = fragment_find(r->vni, ip);
	__u8 mac[ETH_ALEN];

	if (!f)
		return 0;
	vip_mac(addr_v4(&f->src), mac);
	if (nat_ipv4(skb, sizeof(struct ethhdr), SIDE_SRC, addr_v4(&f->src)) < 0)
		return -OV_DROP_NAT_FAILED;
	return nat_macs(skb, mac, NULL);
}

/*
 * A packet from a backend to an endpoint of this host. The frame begins with the
 * inner Ethernet header. Packet pointers die. 0 (rewritten, or none of a flow to
 * the VIP) or a negative verdict.
 */
static __noinline int vip_reply(struct __sk_buff *skb, struct reply *r)
{
	struct iphdr *ip;

	if (!r)
		return 0;
	l4_make_linear(skb);

	struct cursor c = cursor_skb(skb);

	if (!cursor_take(&c, struct ethhdr) || parse_ipv4(&c, &ip) < 0)
		return -OV_DROP_MALFORMED;
	if (fragment_is_later(ip))
		return reply_fragment(skb, ip, r);
	if (l4_is_carried(ip->protocol))
		return reply_l4(skb, &c, ip, r);

	struct quoted *q = icmp_quoted(&c, ip);

	return q ? reply_error(skb, ip, q, r) : 0;
}
