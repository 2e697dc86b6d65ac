// SPDX-License-Identifier: GPL-2.0
/*
 * TC ingress of the host side of every endpoint device: all that an endpoint
 * sends. Nothing gets past: each packet is redirected or dropped, so a container
 * never reaches the host's own stack.
 */
#include "lib/compat.h"
#include "lib/config.h"
#include "lib/encap.h"
#include "lib/endpoint.h"
#include "lib/icmp.h"
#include "lib/neighbour.h"
#include "lib/mesh.h"
#include "lib/parse.h"
#include "lib/policy.h"
#include "lib/send.h"
#include "lib/size.h"
#include "lib/verdict.h"
#include "lib/vip_call.h"
#include "lib/vip_fast_call.h"
#include "lib/vip_reply.h"

/* No endpoint has the address: the gateway answers pings, and is all that is left. */
static __always_inline int answer_as_gateway(struct __sk_buff *skb, struct cursor *c,
					     struct ethhdr *eth, struct iphdr *ip,
					     const struct ov_device *dev)
{
	const struct ov_network *net = network_lookup(dev->vni);

	if (!net || !addr_equals_v4(&net->gateway, ip->daddr))
		return -OV_DROP_UNKNOWN_DST;
	return icmp_answer_echo(skb, c, eth, ip, net->gateway_mac);
}

/* Who sends it is who the device belongs to. */
static __always_inline int check_source(const struct ethhdr *eth, const struct iphdr *ip,
					const struct ov_device *dev)
{
	if (!mac_equal(eth->h_source, dev->mac))
		return -OV_DROP_SPOOFED_MAC;
	if (!addr_equals_v4(&dev->addr, ip->saddr))
		return -OV_DROP_SPOOFED_IP;
	if (mac_is_group(eth->h_dest) || ipv4_is_group(ip->daddr))
		return -OV_DROP_MULTICAST;
	return 0;
}

/*
 * Nobody has the address: out of the overlay, if it is not of this network and the frame
 * is for the gateway. Else the gateway answers pings, and is all that is left.
 */
static __always_inline int leave_network(struct __sk_buff *skb, struct cursor *c,
					 struct ethhdr *eth, struct iphdr *ip,
					 const struct ov_device *dev)
{
	const struct ov_network *net = network_lookup(dev->vni);
	int verdict;

	if (net && !network_has_v4(net, ip->daddr) && !ipv4_is_loopback(ip->daddr) &&
	    !ipv4_is_this(ip->daddr)) {
		if (!mac_equal(eth->h_dest, net->gateway_mac))
			return -OV_DROP_WRONG_DST_MAC;
		bpf_tail_call(skb, &calls, OV_CALL_EGRESS);
		return -OV_DROP_NOT_READY;
	}
	verdict = answer_as_gateway(skb, c, eth, ip, dev);
	return verdict == -OV_DROP_UNKNOWN_DST ? vip_is_gone(skb, dev, verdict) : verdict;
}

/* A backend's answer to a client on this host; others are put right where the client is. */
static __always_inline int restore_vip(struct __sk_buff *skb, const struct ov_device *dev)
{
	struct reply r = { .vni = dev->vni, .incarnation = dev->incarnation };

	addr_copy(&r.vip, &dev->service);
	return vip_reply(skb, &r);
}

/*
 * What policy no longer allows becomes a reset to its sender, from whom it was for; and from
 * the VIP, if that was called.
 */
static __noinline int cut(struct __sk_buff *skb)
{
	const struct ov_device *dev = device_lookup(skb->ifindex);
	const struct ov_endpoint *from;
	struct iphdr *ip;
	int verdict = 0;

	if (!dev || reset_answer(skb, OV_DROP_POLICY) < 0)
		return -OV_DROP_POLICY;

	struct cursor c = cursor_skb(skb);

	if (!cursor_take(&c, struct ethhdr) || parse_ipv4(&c, &ip) < 0)
		return -OV_DROP_POLICY;
	from = endpoint_lookup_v4(dev->vni, ip->saddr);
	if (from && (from->flags & OV_ENDPOINT_BACKEND)) {
		struct reply r = { .vni = dev->vni, .incarnation = from->incarnation };

		addr_copy(&r.vip, &from->service);
		verdict = vip_reply(skb, &r);
	}
	return verdict < 0 ? verdict : OV_FWD_CUT;
}

static __always_inline int forward_ipv4(struct __sk_buff *skb, struct cursor *c, struct ethhdr *eth,
					const struct ov_config *cfg, const struct ov_device *dev)
{
	struct iphdr *ip;
	int verdict = parse_ipv4(c, &ip);

	if (verdict < 0)
		return verdict;
	verdict = check_source(eth, ip, dev);
	if (verdict < 0)
		return verdict;

	const struct ov_endpoint *dst = endpoint_lookup_v4(dev->vni, ip->daddr);

	if (!dst)
		return leave_network(skb, c, eth, ip, dev);
	if (!mac_equal(eth->h_dest, dst->mac))
		return -OV_DROP_WRONG_DST_MAC;

	int size = packet_size(skb, c, ip);

	if (size < 0)
		return size;
	if (size > dev->mtu)
		return icmp_answer_too_big(skb, c, ip, dev);

	struct manner how = { ip->protocol, ip->tos };
	struct target t = { .ep = dst };

	if (dst->flags & OV_ENDPOINT_VIP) {
		verdict = vip_call_plain(skb, dev, dst, &t.ep);
		if (verdict == VIP_GENERAL)
			verdict = vip_forward(skb, dev, dst, &t);
		else if (verdict == 0)
			verdict = VIP_SEND;
		if (verdict != VIP_SEND)
			return verdict;
	}
	if (dev->flags & OV_ENDPOINT_POLICY) {
		verdict = policy_check(skb, dev->vni, dev->incarnation ^ t.ep->incarnation,
				       POLICY_SENDER);
		if (verdict)
			return verdict;
	}
	if (!(dst->flags & OV_ENDPOINT_VIP) && dst->ifindex && (dev->flags & OV_ENDPOINT_BACKEND)) {
		verdict = restore_vip(skb, dev);
		if (verdict < 0)
			return verdict;
	}
	return send_on(skb, cfg, t.ep, dev->vni, &how);
}

static __always_inline int decide(struct __sk_buff *skb, const struct ov_config *cfg)
{
	if (!config_is_ready(cfg))
		return -OV_DROP_NOT_READY;

	const struct ov_device *dev = device_lookup(skb->ifindex);

	if (!dev)
		return -OV_DROP_UNKNOWN_DEVICE;
	endpoint_sent(skb->ifindex, skb->len);
	if (skb->vlan_present) /* the tag is no longer in the frame: it looks like plain IPv4 */
		return -OV_DROP_NOT_IP;

	l4_make_linear(skb);

	struct cursor c = cursor_skb(skb);
	struct ethhdr *eth = cursor_take(&c, struct ethhdr);

	if (!eth)
		return -OV_DROP_MALFORMED;
	if (eth->h_proto == bpf_htons(ETH_P_IP))
		return forward_ipv4(skb, &c, eth, cfg, dev);
	if (eth->h_proto == bpf_htons(ETH_P_ARP))
		return neighbour_answer(skb, &c, eth, dev);
	return parse_not_ipv4(eth->h_proto);
}

SEC("tc")
int ov_endpoint(struct __sk_buff *skb)
{
	const struct ov_config *cfg = config_row();
	__u32 bytes = skb->len; /* before anything is pushed */
	int verdict;

	watch_enter_tc(skb, cfg, WATCH_ENDPOINT);
	stats_pass(OV_ENTER_ENDPOINT, bytes);
	verdict = decide(skb, cfg);
	if (verdict == POLICY_CUT)
		verdict = cut(skb);
	else if (verdict >= REFUSE(0)) /* a service does not take it */
		verdict = refuse(skb, REFUSE_WHY(verdict));
	if (verdict < 0)
		drop_tally(0, skb->ifindex, OV_DROP_AT_ENDPOINT, verdict, bytes);
	return verdict_exit_tc(skb, cfg, verdict, bytes);
}

char LICENSE[] SEC("license") = "GPL";
