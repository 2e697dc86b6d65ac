/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Services, from a client of this host to a VIP: client -> VIP becomes client ->
 * backend.
 *
 * The client's address is never touched, but for a backend that calls its own
 * service and is given itself: to that one the VIP is who calls.
 */
#pragma once

#include "lib/call.h"
#include "lib/fragment.h"
#include "lib/icmp.h"
#include "lib/quote.h"
#include "lib/reset.h"

/* Beside verdicts: the packet is rewritten, and the caller sends it to the backend. */
#define VIP_SEND 0x2000

/*
 * Functions are kept apart (__noinline) where their keys would otherwise add to
 * the stack of all that calls them.
 */
static __noinline const struct ov_service *call_service(const struct call *call)
{
	if (!call)
		return NULL;
	if (!(call->vip->flags & OV_ENDPOINT_PORTS))
		return service_lookup_v4(call->addr, call->wish->vni, 0, 0);
	return service_lookup_v4(call->addr, call->wish->vni, call->l4.dport, call->l4.protocol);
}

/*
 * A connection that began when its port was not declared, or had no target: it goes
 * on to the port that it calls. 0 and *at.
 */
static __noinline int call_find_older(struct call *call, struct found *at)
{
	if (!call || !at || call->l4.protocol == IPPROTO_UDP || (call->l4.event & L4_OPENS))
		return -1;
	call_fill_key(call, call->l4.sport, call->l4.dport);
	*at = flow_find(&call->wish->key);
	if (at->flow && at->flow->vip_port == call->l4.dport)
		return 0;
	at->flow = NULL;
	return -1;
}

/* Of a call to the VIP: the backend, or a verdict below 0, or CALL_REFUSE. */
static __always_inline int call_route(struct call *call, struct target *t)
{
	int has_ports = call->vip->flags & OV_ENDPOINT_PORTS;
	const struct ov_service *svc = has_ports ? call_service(call) : NULL;
	int result = CALL_NEW;

	t->to.port = svc && svc->target_port ? svc->target_port : call->l4.dport;
	call_fill_key(call, call->l4.sport, t->to.port);

	struct found at = flow_find(&call->wish->key);

	if (has_ports && !(svc && at.flow)) {
		at.flow = NULL; /* of a port that is not declared only connections count */
		if (call_find_older(call, &at) == 0)
			t->to.port = call->l4.dport;
		else if (!svc)
			return -OV_DROP_NO_PORT;
	}
	if (at.flow)
		result = call_continue(call, &at, t);
	else if (call->l4.protocol != IPPROTO_UDP && !(call->l4.event & L4_OPENS))
		return CALL_REFUSE;
	if (result != CALL_NEW && result != CALL_MOVES)
		return result;
	if (!svc && !has_ports)
		svc = call_service(call);
	if (!svc)
		return -OV_DROP_NO_BACKEND;

	int verdict = call_begin(call, svc, t);

	if (verdict == 0 && result == CALL_MOVES)
		flow_count(OV_FLOW_MOVED);
	return verdict;
}

/*
 * A segment to an address that nobody has: if that was a VIP, and the segment is of a
 * connection to it, its client is to be told; REFUSE(why). Else `otherwise`.
 */
static __noinline int vip_is_gone(struct __sk_buff *skb, const struct ov_device *dev, int otherwise)
{
	struct cursor c = cursor_skb(skb);
	struct vip_scratch *scratch;
	struct iphdr *ip;
	__u32 zero = 0;
	struct l4 l4;

	scratch = bpf_map_lookup_elem(&vip_scratch, &zero);
	if (!scratch || !dev || !cursor_take(&c, struct ethhdr) || parse_ipv4(&c, &ip) < 0 ||
	    ip->protocol != IPPROTO_TCP || fragment_is_later(ip))
		return otherwise;

	__be32 client = ip->saddr, vip = ip->daddr;

	if (l4_parse(&c, ip, &l4) < 0)
		return otherwise;
	flow_key_fill(&scratch->wish.key, dev->vni, client, vip, IPPROTO_TCP, l4.sport, l4.dport);
	return flow_find(&scratch->wish.key).flow ? REFUSE(OV_DROP_NO_FLOW) : otherwise;
}

/* ---- a backend that was given itself ---- */

/*
 * Its answers go to the VIP, with the ports the other way round. 0 when the
 * packet is one; the flow is then at *at.
 */
static __noinline int hairpin_find(struct call *call, struct found *at)
{
	if (!addr_equals_v4(&call->dev->service, call->addr))
		return -1;
	call_fill_key(call, call->l4.dport, call->l4.sport);
	*at = flow_find(&call->wish->key);
	if (!at->flow || !addr_equals_v4(&at->flow->backend, call->client) ||
	    at->flow->incarnation != call->dev->incarnation ||
	    flow_is_expired(at->flow, call->l4.protocol, flow_now()))
		return -1;
	/* A new call from the very port it serves is no answer. */
	return call->l4.event & L4_OPENS ? -1 : 0;
}

/* VIP:vip_port -> client, out of the device it came in on. */
static __noinline int hairpin_answer(struct __sk_buff *skb, struct call *call, __u32 vip_port)
{
	struct end from_src = { call->client, call->l4.sport };
	struct end to_src = { call->addr, vip_port };
	struct end from_dst = { call->addr, call->l4.dport };
	struct end to_dst = { call->client, call->l4.dport };
	__u8 mac[ETH_ALEN];
	int verdict;

	verdict = nat_end(skb, &call->l4, SIDE_SRC, &from_src, &to_src);
	if (verdict == 0)
		verdict = nat_end(skb, &call->l4, SIDE_DST, &from_dst, &to_dst);
	vip_mac(call->addr, mac);
	if (verdict == 0)
		verdict = nat_macs(skb, mac, call->dev->mac);
	if (verdict < 0)
		return verdict;
	bpf_redirect(skb->ifindex, 0);
	return OV_FWD_LOCAL;
}

/* The call itself: VIP:client_port -> its own address. */
static __noinline int hairpin_call(struct __sk_buff *skb, struct call *call,
					const struct target *t)
{
	struct end from = { call->client, call->l4.sport };
	struct end to = { call->addr, call->l4.sport };
	__u8 mac[ETH_ALEN];
	int verdict = nat_end(skb, &call->l4, SIDE_SRC, &from, &to);

	vip_mac(call->addr, mac);
	if (verdict == 0)
		verdict = nat_macs(skb, mac, t->ep->mac);
	if (verdict < 0)
		return verdict;
	bpf_redirect(skb->ifindex, 0);
	return OV_FWD_LOCAL;
}

/* ---- rewriting ---- */

static __always_inline int call_rewrite(struct __sk_buff *skb, struct call *call, struct target *t)
{
	struct end from = { call->addr, call->l4.dport };
	int verdict = nat_end(skb, &call->l4, SIDE_DST, &from, &t->to);

	if (verdict < 0)
		return verdict;
	if (t->ep->ifindex == skb->ifindex)
		return hairpin_call(skb, call, t);
	verdict = nat_macs(skb, NULL, t->ep->mac);
	return verdict < 0 ? verdict : VIP_SEND;
}

/* A later fragment goes where the first one went. */
static __noinline int fragment_forward(struct __sk_buff *skb, __u32 vni, const struct iphdr *ip,
				       struct target *t)
{
	const struct ov_fragment *f = fragment_find(vni, ip);

	if (!f || !t)
		return -OV_DROP_FRAGMENT;
	t->ep = endpoint_lookup_v4(vni, addr_v4(&f->dst));
	if (!t->ep || t->ep->ifindex == skb->ifindex) /* to itself: not worth the code */
		return -OV_DROP_FRAGMENT;
	if (nat_ipv4(skb, sizeof(struct ethhdr), SIDE_DST, addr_v4(&f->dst)) < 0 ||
	    nat_macs(skb, NULL, t->ep->mac) < 0)
		return -OV_DROP_NAT_FAILED;
	return VIP_SEND;
}

/* Whose reply the client complains about. 0 and *t, or a negative verdict. */
static __always_inline int error_find(struct call *call, const struct quoted *q, struct target *t)
{
	const struct ov_service *svc;

	if (q->ip.saddr != call->addr || q->ip.daddr != call->client)
		return -OV_DROP_NO_FLOW;
	call->l4 = (struct l4){ .protocol = q->ip.protocol, .dport = q->sport, .sport = q->dport };
	t->to.port = q->sport;
	svc = call->vip->flags & OV_ENDPOINT_PORTS ? call_service(call) : NULL;
	if (svc && svc->target_port)
		t->to.port = svc->target_port;
	call_fill_key(call, call->l4.sport, t->to.port);

	struct found at = flow_find(&call->wish->key);

	if (!at.flow)
		return -OV_DROP_NO_FLOW;
	t->ep = backend_lookup(call->wish->vni, &at.flow->backend);
	if (!backend_is_alive(t->ep, at.flow->incarnation, &call->wish->key.vip))
		return -OV_DROP_NO_FLOW;
	t->to.addr = addr_v4(&at.flow->backend);
	return 0;
}

/* The client complains about a reply: VIP and its port inside become the backend's. */
static __noinline int error_forward(struct __sk_buff *skb, struct call *call,
				    const struct iphdr *ip, struct quoted *q, struct target *t)
{
	__u32 icmp_at = sizeof(struct ethhdr) + ip->ihl * 4;
	__be16 quoted_port = q->sport;
	int verdict = error_find(call, q, t);

	if (verdict < 0)
		return verdict;
	if (t->ep->ifindex == skb->ifindex)
		return -OV_DROP_NO_FLOW;
	if (quoted_rewrite(skb, icmp_at, SIDE_SRC, quoted_port, &t->to) < 0 ||
	    nat_ipv4(skb, sizeof(struct ethhdr), SIDE_DST, t->to.addr) < 0 ||
	    nat_macs(skb, NULL, t->ep->mac) < 0)
		return -OV_DROP_NAT_FAILED;
	return VIP_SEND;
}

/* c stands behind the IPv4 header's fixed part, all of L4 is linear. */
static __always_inline int vip_forward_l4(struct __sk_buff *skb, struct cursor *c,
					  struct iphdr *ip, struct call *call, struct target *t)
{
	int is_first = fragment_is_first(ip);
	int result = l4_parse(c, ip, &call->l4);
	struct found at;

	if (result < 0)
		return result;
	if ((call->dev->flags & OV_ENDPOINT_BACKEND) && hairpin_find(call, &at) == 0) {
		__be16 vip_port = at.flow->vip_port;

		flow_advance(&call->wish->key, &at, call->l4.event, 0, flow_now());
		return hairpin_answer(skb, call, vip_port);
	}
	result = call_route(call, t);
	if (result == CALL_REFUSE)
		return REFUSE(OV_DROP_NO_FLOW);
	if (result == -OV_DROP_NO_BACKEND || result == -OV_DROP_NO_PORT ||
	    result == -OV_DROP_FLOW_CLASH)
		return REFUSE(-result);
	if (result < 0)
		return result;
	if (is_first)
		fragment_remember(call->wish->vni, ip, call->client, t->to.addr);
	return call_rewrite(skb, call, t);
}

static __always_inline void wish_from_here(struct wish *w, __u32 vni)
{
	w->vni = vni;
	w->rows = vni;
	w->origin = 0;
}

/*
 * A packet of an endpoint to a VIP of its network. Returns a verdict; or VIP_SEND,
 * with the backend in *t; or REFUSE(why). The caller does the latter two: from
 * here the stack would not suffice.
 */
static __noinline int vip_forward(struct __sk_buff *skb, const struct ov_device *dev,
				  const struct ov_endpoint *vip, struct target *t)
{
	struct cursor at = cursor_skb(skb), *c = &at;
	struct ethhdr *eth = cursor_take(c, struct ethhdr);
	struct vip_scratch *scratch;
	struct iphdr *ip;
	__u32 zero = 0;

	if (!eth || parse_ipv4(c, &ip) < 0)
		return -OV_DROP_MALFORMED;
	scratch = bpf_map_lookup_elem(&vip_scratch, &zero);
	if (!scratch || !dev || !vip || !t) /* cannot be: the verifier wants to see it */
		return -OV_DROP_NAT_FAILED;

	struct call call = {
		.dev = dev,
		.vip = vip,
		.client = ip->saddr,
		.addr = ip->daddr,
		.wish = &scratch->wish,
		.flow = &scratch->flow,
	};

	wish_from_here(call.wish, dev->vni);
	if (fragment_is_later(ip))
		return fragment_forward(skb, dev->vni, ip, t);
	if (l4_is_carried(ip->protocol))
		return vip_forward_l4(skb, c, ip, &call, t);

	struct cursor peek = *c;
	struct quoted *q = icmp_quoted(&peek, ip);

	if (q)
		return error_forward(skb, &call, ip, q, t);
	if (ip->protocol != IPPROTO_ICMP)
		return -OV_DROP_VIP_PROTOCOL;

	int verdict = icmp_answer_echo(skb, c, eth, ip, vip->mac);

	return verdict == -OV_DROP_UNKNOWN_DST ? -OV_DROP_VIP_PROTOCOL : verdict;
}
