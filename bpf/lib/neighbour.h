/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ARP (RFC 826) answered from the maps, never flooded. Every address of a
 * network is known on every node, so there is nobody to ask.
 */
#pragma once

#include "lib/endpoint.h"
#include "lib/parse.h"

static __always_inline int arp_parse(struct cursor *c, struct arp_ipv4 **ret_arp)
{
	struct arp_ipv4 *arp = cursor_take(c, struct arp_ipv4);

	if (!arp || arp->hardware != bpf_htons(ARPHRD_ETHER) ||
	    arp->protocol != bpf_htons(ETH_P_IP) || arp->hardware_len != ETH_ALEN ||
	    arp->protocol_len != 4)
		return -OV_DROP_MALFORMED;

	*ret_arp = arp;
	return 0;
}

/* The sender must be who the device belongs to. 0.0.0.0 is a probe (RFC 5227). */
static __always_inline int arp_check_sender(const struct ethhdr *eth, const struct arp_ipv4 *arp,
					    const struct ov_device *dev)
{
	if (!mac_equal(eth->h_source, dev->mac) || !mac_equal(arp->sender_mac, dev->mac))
		return -OV_DROP_SPOOFED_MAC;
	if (arp->sender_ip && !addr_equals_v4(&dev->addr, arp->sender_ip))
		return -OV_DROP_SPOOFED_IP;
	if (arp->op != bpf_htons(ARPOP_REQUEST) ||
	    addr_equals_v4(&dev->addr, arp->target_ip))
		return -OV_DROP_ARP_OTHER;
	return 0;
}

/* The MAC of an address of the network, NULL when nobody has it. */
static __always_inline const __u8 *neighbour_lookup_v4(__u32 vni, __be32 addr)
{
	const struct ov_endpoint *ep = endpoint_lookup_v4(vni, addr);

	if (ep)
		return ep->mac;

	const struct ov_network *net = network_lookup(vni);

	return net && addr_equals_v4(&net->gateway, addr) ? net->gateway_mac : NULL;
}

/* Turns the request into its reply, in place. */
static __always_inline void arp_make_reply(struct ethhdr *eth, struct arp_ipv4 *arp,
					   const __u8 *mac)
{
	__be32 asked = arp->target_ip;

	__builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, mac, ETH_ALEN);
	arp->op = bpf_htons(ARPOP_REPLY);
	__builtin_memcpy(arp->target_mac, arp->sender_mac, ETH_ALEN);
	arp->target_ip = arp->sender_ip;
	__builtin_memcpy(arp->sender_mac, mac, ETH_ALEN);
	arp->sender_ip = asked;
}

/* c stands behind the Ethernet header. */
static __always_inline int neighbour_answer(struct __sk_buff *skb, struct cursor *c,
					    struct ethhdr *eth, const struct ov_device *dev)
{
	struct arp_ipv4 *arp;
	int verdict = arp_parse(c, &arp);

	if (verdict < 0)
		return verdict;
	verdict = arp_check_sender(eth, arp, dev);
	if (verdict < 0)
		return verdict;

	const __u8 *mac = neighbour_lookup_v4(dev->vni, arp->target_ip);

	if (!mac)
		return -OV_DROP_ARP_UNKNOWN;

	arp_make_reply(eth, arp, mac);
	bpf_redirect(skb->ifindex, 0);
	return OV_FWD_ARP_REPLY;
}
