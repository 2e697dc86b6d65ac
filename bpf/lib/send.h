/* SPDX-License-Identifier: GPL-2.0 */
/* From an endpoint of this host to wherever the destination lives. */
#pragma once

#include "lib/deliver.h"
#include "lib/encap.h"

/* What of the packet's header decides how it is sent. */
struct manner {
	__u8 protocol, tos;
};

/* Kept apart for its stack: many ways lead here. */
static __noinline int send_on(struct __sk_buff *skb, const struct ov_config *cfg,
			      const struct ov_endpoint *dst, __u32 vni, struct manner *how)
{
	if (!cfg || !dst || !how)
		return -OV_DROP_NOT_READY;
	if (dst->ifindex)
		return deliver_local(skb, dst);
	return encap_send(skb, cfg, dst, vni, how->protocol, how->tos);
}
