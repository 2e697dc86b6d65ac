/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Services, the short way: a packet that only carries data of a flow that goes on as
 * it is. That is nearly all there are, so it has few instructions of its own, in one
 * piece: between two packets of a slow flow a stack runs that is larger than the
 * instruction cache, and each line of code costs a miss.
 *
 * Whatever is unusual in the least (IP options, fragments, SYN, FIN, RST, SCTP, a flow
 * or backend that is not as it was) takes the general way, vip_call.h and vip_reply.h,
 * which could do these, too. Nothing is decided here that it would decide otherwise.
 */
#pragma once

#include "lib/flow.h"
#include "lib/nat.h"

#define VIP_GENERAL 1 /* beside 0 (rewritten) and negative verdicts: not touched */

struct plain { /* a packet with nothing unusual in it */
	__be32 src, dst;
	__be16 sport, dport;
	__u8 protocol;
};

#define PLAIN_L4 (sizeof(struct ethhdr) + sizeof(struct iphdr))
#define TCP_UNUSUAL 0x07 /* FIN, SYN, RST: RFC 9293 3.1 */

/* 0, or VIP_GENERAL. */
static __always_inline int plain_parse(struct __sk_buff *skb, struct plain *ret)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct iphdr *ip = data + sizeof(struct ethhdr);
	struct udphdr *ports = data + PLAIN_L4;

	if ((void *)(ports + 1) > end || ip->ihl != 5 || ip->version != 4 || ipv4_is_fragment(ip) ||
	    (ip->protocol != IPPROTO_TCP && ip->protocol != IPPROTO_UDP))
		return VIP_GENERAL;
	if (ip->protocol == IPPROTO_TCP) {
		__u8 *tcp = data + PLAIN_L4;

		if ((void *)(tcp + TCP_HEADER_MIN) > end || (tcp[13] & TCP_UNUSUAL))
			return VIP_GENERAL;
	}
	*ret = (struct plain){
		.src = ip->saddr,
		.dst = ip->daddr,
		.sport = ports->source,
		.dport = ports->dest,
		.protocol = ip->protocol,
	};
	return 0;
}

/* Keys live in functions of their own, so that they share their place on the stack. */
static __always_inline struct ov_flow *plain_flow(__u32 vni, __be32 client, __be32 vip,
						  __u8 protocol, __be16 client_port,
						  __be16 backend_port)
{
	struct ov_flow_key k;

	flow_key_fill(&k, vni, client, vip, protocol, client_port, backend_port);
	if (protocol == IPPROTO_TCP)
		return bpf_map_lookup_elem(&flows, &k);
	return bpf_map_lookup_elem(&brief, &k);
}

/* One end, and the MAC that goes with it. Packet pointers die. 0 or a negative verdict. */
static __always_inline int plain_rewrite(struct __sk_buff *skb, const struct plain *p,
					 enum side side, const struct end *to, const __u8 *mac)
{
	struct l4 l4 = { .protocol = p->protocol, .offset = PLAIN_L4 };
	struct end from = side == SIDE_SRC ? (struct end){ p->src, p->sport } :
					     (struct end){ p->dst, p->dport };
	int verdict = nat_end(skb, &l4, side, &from, to);

	if (verdict < 0)
		return verdict;
	return side == SIDE_SRC ? nat_macs(skb, mac, NULL) : nat_macs(skb, NULL, mac);
}

/* Of a reply: whether there is a flow that is not established. UDP's has been looked for. */
static __always_inline int plain_is_brief(__u32 vni, const struct plain *p,
					  const struct ov_addr *vip)
{
	struct ov_flow_key k;

	if (p->protocol != IPPROTO_TCP)
		return 0;
	flow_key_fill(&k, vni, p->dst, addr_v4(vip), p->protocol, p->dport, p->sport);
	return bpf_map_lookup_elem(&brief, &k) != NULL;
}

/* From a backend of `vip` to a client here. 0, VIP_GENERAL or a negative verdict. */
static __always_inline int vip_reply_plain(struct __sk_buff *skb, __u32 vni, __u32 incarnation,
					   const struct ov_addr *vip)
{
	struct ov_flow *f;
	struct plain p;
	__u8 mac[ETH_ALEN];
	__u32 now;

	if (plain_parse(skb, &p))
		return VIP_GENERAL;
	f = plain_flow(vni, p.dst, addr_v4(vip), p.protocol, p.dport, p.sport);
	if (!f && !plain_is_brief(vni, &p, vip))
		return 0; /* past the VIP */
	now = flow_now();
	if (!f || !(f->flags & OV_FLOW_REPLIED) || f->incarnation != incarnation ||
	    !addr_equals_v4(&f->backend, p.src) || flow_is_expired(f, p.protocol, now))
		return VIP_GENERAL;

	struct end to = { addr_v4(vip), f->vip_port };

	flow_touch(f, now);
	vip_mac(to.addr, mac);
	return plain_rewrite(skb, &p, SIDE_SRC, &to, mac);
}
