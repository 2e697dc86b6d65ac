/* SPDX-License-Identifier: GPL-2.0 */
/* Into the namespace of an endpoint of this host, without another queue where that can be. */
#pragma once

#include <linux/if_packet.h>

#include "lib/endpoint.h"
#include "lib/verdict.h"

/*
 * To the container on this host. Its MAC is not our device's, so the packet counts as
 * another host's; kernels before 6.15 keep that across the redirect and drop it.
 */
static __always_inline int deliver_local(struct __sk_buff *skb, const struct ov_endpoint *dst)
{
	endpoint_received(dst->ifindex, skb->len);
	bpf_skb_change_type(skb, PACKET_HOST);
	bpf_redirect_peer(dst->ifindex, 0);
	return OV_FWD_LOCAL;
}

/*
 * What came from another node. What was decrypted has a state with
 * it that the namespace's own policies would refuse; older kernels (the fix is of 2025)
 * take it off only on the way through the device.
 */
static __always_inline int deliver_arrived(struct __sk_buff *skb, const struct ov_endpoint *dst)
{
	endpoint_received(dst->ifindex, skb->len);
	if (dst->flags & OV_ENDPOINT_ENCRYPTED)
		bpf_redirect(dst->ifindex, 0);
	else
		bpf_redirect_peer(dst->ifindex, 0);
	return OV_FWD_DECAP;
}
