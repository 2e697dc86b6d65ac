/* SPDX-License-Identifier: GPL-2.0 */
/*
 * From a backend to a client outside: backend -> client becomes what the client called
 * -> client, on the node where the flow entered.
 */
#pragma once

#include "lib/encap.h"
#include "lib/fragment.h"
#include "lib/outside.h"
#include "lib/quote.h"
#include "lib/reply.h"

#define MESH_NOT_OURS 0x2001 /* beside verdicts: of no flow from outside */

struct mesh_origin { /* what is needed of a flow; its entry may move as its packets are followed */
	__be32 via;
	__be16 vip_port;
	__u32 flags;
};

/* Not on the stack, as lib/call.h says. */
struct mesh_scratch {
	struct ov_flow_key key;
	struct mesh_origin origin;
	struct l4 l4;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mesh_scratch);
} mesh_scratch SEC(".maps");

static __always_inline struct mesh_scratch *mesh_scratch_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&mesh_scratch, &zero);
}

/* Through the tunnel, as it is, to the node it entered by. */
static __noinline int mesh_send_back(struct __sk_buff *skb, const struct ov_config *cfg, __u32 vni,
				     __be32 node, __u32 manner)
{
	const struct ov_network *net = network_lookup(vni);
	struct ov_endpoint at = {};

	if (!cfg || !net)
		return -OV_DROP_NOT_READY;
	addr_set_v4(&at.vtep, node);
	if (net->flags & OV_NETWORK_ENCRYPTED)
		at.flags = OV_ENDPOINT_ENCRYPTED;
	return encap_send(skb, cfg, &at, vni, manner >> 8, manner);
}

/* The flow that a packet with s->l4 answers, at s->origin. 0, or MESH_NOT_OURS. */
static __noinline int mesh_reply_find(struct mesh_scratch *s, __be32 backend, __be32 client,
				      const struct reply *r)
{
	__u32 now = flow_now();
	struct found at;

	if (!s || !r)
		return MESH_NOT_OURS;
	flow_key_fill(&s->key, r->vni, client, addr_v4(&r->vip), s->l4.protocol, s->l4.dport,
		      s->l4.sport);
	if (reply_find(&s->key, r, backend, s->l4.event, now, &at) ||
	    !(at.flow->flags & FLOW_ORIGIN))
		return MESH_NOT_OURS;
	s->origin.via = addr_v4(&at.flow->via);
	s->origin.vip_port = at.flow->vip_port;
	s->origin.flags = at.flow->flags;
	flow_advance(&s->key, &at, s->l4.event, 0, now);
	return 0;
}

/* In place of the backend: what the client called. */
static __always_inline int mesh_leave(struct __sk_buff *skb, const struct ov_config *cfg,
				      __be32 from, __be32 client)
{
	if (nat_ipv4(skb, sizeof(struct ethhdr), SIDE_SRC, from) < 0)
		return -OV_DROP_NAT_FAILED;
	return outside_send(skb, cfg, from, client);
}

/* Later fragments follow the first. */
static __noinline int mesh_reply_fragment(struct __sk_buff *skb, const struct ov_config *cfg,
					  const struct iphdr *ip, __u32 vni)
{
	const struct ov_fragment *f = fragment_find(vni, ip);

	if (!f || !cfg)
		return MESH_NOT_OURS;
	if (f->vni)
		return mesh_send_back(skb, cfg, vni, addr_v4(&f->dst), ip->protocol << 8 | ip->tos);
	return mesh_leave(skb, cfg, addr_v4(&f->src), addr_v4(&f->dst));
}

static __always_inline void mesh_remember(const struct iphdr *ip, __u32 vni, const struct mesh_origin *o)
{
	if (!fragment_is_first(ip))
		return;
	if (o->flags & OV_FLOW_TUNNEL)
		fragment_remember_at(vni, ip, ip->saddr, o->via, vni);
	else
		fragment_remember_at(vni, ip, o->via, ip->daddr, 0);
}

/* The backend complains about a packet of the client: backend and port inside, too, become what it called. */
static __noinline int mesh_reply_error(struct __sk_buff *skb, const struct ov_config *cfg,
				       const struct iphdr *ip, const struct quoted *q,
				       const struct reply *r)
{
	struct mesh_scratch *s = mesh_scratch_get();
	__u32 icmp_at = sizeof(struct ethhdr) + ip->ihl * 4;
	__u32 manner = ip->protocol << 8 | ip->tos;
	__be32 client = ip->daddr;
	__be16 port = q->dport;

	if (!s || !r || q->ip.saddr != ip->daddr || q->ip.daddr != ip->saddr)
		return MESH_NOT_OURS;
	s->l4 = (struct l4){ .protocol = q->ip.protocol, .sport = q->dport, .dport = q->sport };
	if (mesh_reply_find(s, ip->saddr, client, r))
		return MESH_NOT_OURS;
	if (s->origin.flags & OV_FLOW_TUNNEL)
		return mesh_send_back(skb, cfg, r->vni, s->origin.via, manner);

	struct end to = { s->origin.via, s->origin.vip_port };

	if (quoted_rewrite(skb, icmp_at, SIDE_DST, port, &to) < 0)
		return -OV_DROP_NAT_FAILED;
	return mesh_leave(skb, cfg, to.addr, client);
}

static __noinline int mesh_reply_l4(struct __sk_buff *skb, const struct ov_config *cfg,
				    const struct reply *r)
{
	struct mesh_scratch *s = mesh_scratch_get();
	struct cursor c = cursor_skb(skb);
	struct iphdr *ip;

	if (!s || !cfg || !r || !cursor_take(&c, struct ethhdr) || parse_ipv4(&c, &ip) < 0 ||
	    l4_parse(&c, ip, &s->l4) < 0)
		return -OV_DROP_MALFORMED;

	struct end backend = { ip->saddr, s->l4.sport };
	__u32 manner = ip->protocol << 8 | ip->tos;
	__be32 client = ip->daddr;

	if (mesh_reply_find(s, ip->saddr, client, r))
		return MESH_NOT_OURS;
	mesh_remember(ip, r->vni, &s->origin);
	if (s->origin.flags & OV_FLOW_TUNNEL)
		return mesh_send_back(skb, cfg, r->vni, s->origin.via, manner);

	struct end to = { s->origin.via, s->origin.vip_port };
	int verdict = nat_end(skb, &s->l4, SIDE_SRC, &backend, &to);

	return verdict < 0 ? verdict : outside_send(skb, cfg, to.addr, client);
}

/*
 * A packet of a backend to an address that is no endpoint's. A verdict, or MESH_NOT_OURS:
 * untouched.
 */
static __always_inline int mesh_reply(struct __sk_buff *skb, const struct ov_config *cfg,
				      const struct reply *r)
{
	struct cursor c = cursor_skb(skb);
	struct quoted *q;
	struct iphdr *ip;

	if (!cursor_take(&c, struct ethhdr) || parse_ipv4(&c, &ip) < 0)
		return -OV_DROP_MALFORMED;
	if (fragment_is_later(ip))
		return mesh_reply_fragment(skb, cfg, ip, r->vni);
	if (l4_is_carried(ip->protocol))
		return mesh_reply_l4(skb, cfg, r);
	q = icmp_quoted(&c, ip);
	return q ? mesh_reply_error(skb, cfg, ip, q, r) : MESH_NOT_OURS;
}
