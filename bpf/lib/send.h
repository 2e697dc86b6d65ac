/* SPDX-License-Identifier: GPL-2.0 */
/* From an endpoint of this host to wherever the destination lives. */
#pragma once

#include "lib/encap.h"

/*
 * To the container on this host. Its MAC is not our device's, so the packet counts as
 * another host's; kernels before 6.15 keep that across the redirect and drop it.
 */
static __always_inline int deliver_local(struct __sk_buff *skb, const struct ov_endpoint *dst)
{
	bpf_skb_change_type(skb, PACKET_HOST);
	bpf_redirect_peer(dst->ifindex, 0);
	return OV_FWD_LOCAL;
}

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
