/* SPDX-License-Identifier: GPL-2.0 */
/*
 * To the world outside the overlay, and to this host itself. What goes to an address
 * of this host is put into its loopback device, where ov_front meets it.
 */
#pragma once

#include "lib/endpoint.h"
#include "lib/nat.h"
#include "lib/verdict.h"

#define LOOPBACK_IFINDEX 1 /* of every network namespace */

static __always_inline const struct ov_address *own_address(__be32 addr)
{
	struct ov_address_key k;

	addr_set_v4(&k.addr, addr);
	return bpf_map_lookup_elem(&addresses, &k);
}

/* Frames of the loopback device have no addresses (drivers/net/loopback.c). */
static __always_inline int loopback_send(struct __sk_buff *skb)
{
	const __u8 none[ETH_ALEN] = {};

	if (nat_macs(skb, none, none) < 0)
		return -OV_DROP_NAT_FAILED;
	bpf_redirect(LOOPBACK_IFINDEX, BPF_F_INGRESS);
	return VERDICT_LOOPBACK;
}

/* From an address of this host (or of another, whose place we take) to a client. */
static __always_inline int outside_send(struct __sk_buff *skb, const struct ov_config *cfg,
					__be32 from, __be32 to)
{
	const struct ov_address *a;

	if (ipv4_is_loopback(to) || own_address(to))
		return loopback_send(skb);
	/* By the device that has the address: as the client's packets came, whatever the routes. */
	a = own_address(from);
	bpf_redirect_neigh(a ? a->ifindex : cfg->uplink_ifindex, NULL, 0, 0);
	return OV_FWD_OUTSIDE;
}
