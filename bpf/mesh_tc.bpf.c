// SPDX-License-Identifier: GPL-2.0
/*
 * Flows from outside, behind the tunnel (lib/mesh.h). Jumped to by ov_uplink and
 * ov_tunnel, which have accepted the packet and taken its outer header off:
 *
 *   ov_arrive   at the backend's node: remembers by which node the flow entered
 *   ov_return   at that node: an answer leaves for the client outside
 */
#include "lib/compat.h"
#include "lib/config.h"
#include "lib/deliver.h"
#include "lib/mesh.h"
#include "lib/mesh_reply.h"
#include "lib/policy.h"
#include "lib/publish.h"
#include "lib/reset.h"
#include "lib/verdict.h"

struct arrived { /* a packet for a backend of this node */
	const struct ov_endpoint *dst;
	__be32 addr;      /* the backend's */
	__be32 via;       /* the node it entered by; direct: what the client called there */
	__u32 origin;     /* OV_FLOW_TUNNEL or OV_FLOW_DSR */
	__be16 port;      /* as it arrived */
	__u8 event;
};

/* Whether the flow that has the key keeps it from this packet. */
static __always_inline int flow_is_anothers(const struct ov_flow *f, const struct arrived *a)
{
	if ((f->flags & FLOW_ORIGIN) != a->origin || f->vip_port != a->port)
		return 1;
	/* A client's way in may change (a router fails), but a live flow is not opened by another. */
	return (a->event & L4_OPENS) && (f->flags & OV_FLOW_REPLIED) &&
	       !(addr_equals_v4(&f->via, a->via) && addr_equals_v4(&f->backend, a->addr));
}

static __always_inline int flow_is_past(const struct ov_flow *f, const struct ov_flow_key *k,
					const struct arrived *a)
{
	if (flow_is_expired(f, k->protocol, flow_now()) || f->incarnation != a->dst->incarnation)
		return 1;
	if (a->event & L4_OPENS)
		return f->flags & (OV_FLOW_CLOSED | OV_FLOW_FIN_CLIENT);
	return (f->flags & FLOW_ORIGIN) != a->origin; /* it enters elsewhere from now on */
}

static __always_inline int arrive_begin(struct ov_flow_key *k, const struct arrived *a)
{
	struct ov_flow f = {
		.incarnation = a->dst->incarnation,
		.seen = flow_now(),
		.flags = a->origin,
		.vip_port = a->port,
	};

	addr_set_v4(&f.backend, a->addr);
	addr_set_v4(&f.via, a->via);
	bpf_map_update_elem(&brief, k, &f, BPF_ANY);
	return 0;
}

/* 0 or a negative verdict. */
static __noinline int arrive_follow(struct ov_flow_key *k, const struct arrived *a)
{
	struct found at;

	if (!k || !a)
		return -OV_DROP_NOT_READY;
	at = flow_find(k);
	if (at.flow && flow_is_past(at.flow, k, a)) {
		flow_forget(k, &at);
		at.flow = NULL;
	}
	if (!at.flow)
		return arrive_begin(k, a);
	if (flow_is_anothers(at.flow, a))
		return -OV_DROP_FLOW_CLASH;
	if (!addr_equals_v4(&at.flow->via, a->via))
		addr_set_v4(&at.flow->via, a->via);
	if (!addr_equals_v4(&at.flow->backend, a->addr))
		addr_set_v4(&at.flow->backend, a->addr);
	flow_advance(k, &at, a->event, 1, flow_now());
	return 0;
}

/*
 * Direct return: what the client called is still in the packet. Whether it is direct the
 * entry node says, and not our row: flows stay as they began when the service changes.
 */
static __always_inline int arrive_direct(struct __sk_buff *skb, const struct l4 *l4, __be32 called,
					 __be32 backend, __be16 *ret_target)
{
	struct ov_published_key k;
	const struct ov_published *row = publish_find(&k, called, l4->dport, l4->protocol);

	if (!row)
		return -OV_DROP_NOT_PUBLISHED;
	*ret_target = row->service.target_port;

	struct end from = { backend, l4->dport }, to = { backend, *ret_target };

	return nat_end(skb, l4, SIDE_DST, &from, &to);
}

static __always_inline int arrive_l4(struct __sk_buff *skb, struct cursor *c, struct iphdr *ip,
				     const struct ov_endpoint *dst)
{
	__u32 vni = skb->cb[CB_VNI], is_direct = skb->cb[CB_DIRECT];
	struct arrived a = {
		.dst = dst,
		.addr = ip->daddr,
		.via = skb->cb[CB_VIA],
		.origin = is_direct ? OV_FLOW_DSR : OV_FLOW_TUNNEL,
	};
	struct ov_flow_key k;
	__be32 client = ip->saddr;
	__be16 target;
	struct l4 l4;
	int verdict = l4_parse(c, ip, &l4);

	if (verdict < 0)
		return verdict;
	a.port = target = l4.dport;
	a.event = l4.event;
	if (is_direct)
		verdict = arrive_direct(skb, &l4, a.via, a.addr, &target);
	if (verdict < 0)
		return verdict;
	flow_key_fill(&k, vni, client, addr_v4(&dst->service), l4.protocol, l4.sport, target);
	return arrive_follow(&k, &a);
}

/*
 * The client has the same port in use towards another address of the service: told at
 * once, and from the backend, as if that refused; by the node that this packet came by.
 * Whether it is TCP is looked at here: a test of something that the caller knew before
 * arrive_follow, 6.1's verifier once took for always false, and left this function out.
 */
static __noinline int arrive_refuse(struct __sk_buff *skb, const struct ov_endpoint *dst,
				    const struct ov_network *net, __u32 vni, __be32 node)
{
	const struct ov_config *cfg = config_row();
	int verdict;

	if (!config_is_ready(cfg) || !dst || !net || reset_answer(skb, OV_DROP_FLOW_CLASH) < 0 ||
	    nat_macs(skb, dst->mac, net->gateway_mac) < 0)
		return -OV_DROP_FLOW_CLASH;
	verdict = mesh_send_back(skb, cfg, vni, node, IPPROTO_TCP << 8);
	return verdict < 0 ? verdict : OV_FWD_RESET;
}

static __always_inline int arrive(struct __sk_buff *skb)
{
	__u32 vni = skb->cb[CB_VNI];
	const struct ov_network *net = network_lookup(vni);
	const struct ov_endpoint *dst;
	struct iphdr *ip;
	int verdict = 0;

	l4_make_linear(skb);

	struct cursor c = cursor_skb(skb);

	if (!net || !cursor_take(&c, struct ethhdr) || parse_ipv4(&c, &ip) < 0)
		return -OV_DROP_MALFORMED;
	dst = endpoint_lookup_v4(vni, ip->daddr);
	if (!dst || !dst->ifindex)
		return -OV_DROP_NOT_LOCAL;
	/* Later fragments follow the first, and errors need no flow of their own. */
	if (l4_is_carried(ip->protocol) && !fragment_is_later(ip))
		verdict = arrive_l4(skb, &c, ip, dst);
	if (verdict == -OV_DROP_FLOW_CLASH)
		return arrive_refuse(skb, dst, net, vni, skb->cb[CB_NODE]);
	if (verdict == 0 && (dst->flags & OV_ENDPOINT_POLICY))
		verdict = policy_check(skb, vni, dst->incarnation, POLICY_OUTSIDE);
	if (verdict == 0)
		verdict = nat_macs(skb, net->gateway_mac, dst->mac);
	if (verdict < 0)
		return verdict;
	bpf_skb_change_type(skb, PACKET_HOST);
	return deliver_arrived(skb, dst);
}

SEC("tc")
int ov_arrive(struct __sk_buff *skb)
{
	const struct ov_config *cfg = config_row();
	__u32 bytes = skb->cb[CB_BYTES], vni = skb->cb[CB_VNI];
	int verdict = arrive(skb);

	if (verdict < 0)
		drop_tally(vni, 0, OV_DROP_AT_TUNNEL, verdict, bytes);
	return verdict_exit_tc(skb, cfg, verdict, bytes);
}

static __always_inline int leave(struct __sk_buff *skb, const struct ov_config *cfg)
{
	struct reply r = { .vni = skb->cb[CB_VNI] };
	const struct ov_endpoint *src;
	struct iphdr *ip;
	int verdict;

	if (!config_is_ready(cfg))
		return -OV_DROP_NOT_READY;
	l4_make_linear(skb);

	struct cursor c = cursor_skb(skb);

	if (!cursor_take(&c, struct ethhdr) || parse_ipv4(&c, &ip) < 0)
		return -OV_DROP_MALFORMED;
	src = endpoint_lookup_v4(r.vni, ip->saddr);
	if (!src)
		return -OV_DROP_WRONG_PEER;
	r.incarnation = src->incarnation;
	addr_copy(&r.vip, &src->service);
	verdict = mesh_reply(skb, cfg, &r);
	return verdict == MESH_NOT_OURS ? -OV_DROP_NOT_FROM_HERE : verdict;
}

SEC("tc")
int ov_return(struct __sk_buff *skb)
{
	const struct ov_config *cfg = config_row();
	__u32 bytes = skb->cb[CB_BYTES], vni = skb->cb[CB_VNI];
	int verdict = leave(skb, cfg);

	if (verdict < 0)
		drop_tally(vni, 0, OV_DROP_AT_TUNNEL, verdict, bytes);
	return verdict_exit_tc(skb, cfg, verdict, bytes);
}

char LICENSE[] SEC("license") = "GPL";
