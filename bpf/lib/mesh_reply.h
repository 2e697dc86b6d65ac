/* SPDX-License-Identifier: GPL-2.0 */
/*
 * From a backend to a client outside: backend -> client becomes what the client called
 * -> client, on the node where the flow entered.
 */
#pragma once

#include "lib/encap.h"
#include "lib/fragment.h"
#include "lib/outside.h"
#include "lib/reply.h"

#define MESH_NOT_OURS 0x2001 /* beside verdicts: of no flow from outside */

struct mesh_origin { /* what is needed of a flow; its entry may move as its packets are followed */
	__be32 via;
	__be16 vip_port;
	__u32 flags;
};

/* Through the tunnel, as it is, to the node it entered by. */
static __noinline int mesh_send_back(struct __sk_buff *skb, const struct ov_config *cfg, __u32 vni,
				     __be32 node, __u32 manner)
{
	struct ov_endpoint at = {};

	if (!cfg)
		return -OV_DROP_NOT_READY;
	addr_set_v4(&at.vtep, node);
	return encap_send(skb, cfg, &at, vni, manner >> 8, manner);
}

/* The flow that the packet answers. 0, or MESH_NOT_OURS. */
static __noinline int mesh_reply_find(const struct iphdr *ip, const struct l4 *l4,
				      const struct reply *r, struct mesh_origin *ret)
{
	__u32 now = flow_now();
	struct ov_flow_key k;
	struct found at;

	if (!ip || !l4 || !r || !ret)
		return MESH_NOT_OURS;
	flow_key_fill(&k, r->vni, ip->daddr, addr_v4(&r->vip), l4->protocol, l4->dport, l4->sport);
	if (reply_find(&k, r, ip->saddr, l4->event, now, &at) || !(at.flow->flags & FLOW_ORIGIN))
		return MESH_NOT_OURS;
	ret->via = addr_v4(&at.flow->via);
	ret->vip_port = at.flow->vip_port;
	ret->flags = at.flow->flags;
	flow_advance(&k, &at, l4->event, 0, now);
	return 0;
}

/*
 * A packet of a backend to an address that is no endpoint's. A verdict, or MESH_NOT_OURS:
 * untouched.
 */
static __always_inline int mesh_reply(struct __sk_buff *skb, const struct ov_config *cfg,
				      const struct reply *r)
{
	struct cursor c = cursor_skb(skb);
	struct mesh_origin o = {};
	struct iphdr *ip;
	struct l4 l4;

	if (!cursor_take(&c, struct ethhdr) || parse_ipv4(&c, &ip) < 0)
		return -OV_DROP_MALFORMED;
	if (!l4_is_carried(ip->protocol) || fragment_is_later(ip))
		return MESH_NOT_OURS;

	struct end backend = { .addr = ip->saddr };
	__u32 manner = ip->protocol << 8 | ip->tos;
	__be32 client = ip->daddr;

	if (l4_parse(&c, ip, &l4) < 0)
		return -OV_DROP_MALFORMED;
	if (mesh_reply_find(ip, &l4, r, &o))
		return MESH_NOT_OURS;
	if (o.flags & OV_FLOW_TUNNEL)
		return mesh_send_back(skb, cfg, r->vni, o.via, manner);
	backend.port = l4.sport;

	struct end to = { o.via, o.vip_port };
	int verdict = nat_end(skb, &l4, SIDE_SRC, &backend, &to);

	return verdict < 0 ? verdict : outside_send(skb, cfg, to.addr, client);
}
