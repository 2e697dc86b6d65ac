/* SPDX-License-Identifier: GPL-2.0 */
/* Policy at the receiver's node. */
#pragma once

#include "lib/decap.h"
#include "lib/policy.h"

/* Popped, and not yet restored to the VIP. 0 or a negative verdict. */
static __always_inline int decap_policy(struct __sk_buff *skb, const struct arrival *a, __u32 vni)
{
	if (!(a->dst->flags & OV_ENDPOINT_POLICY))
		return 0;
	return policy_check(skb, vni, a->src->incarnation ^ a->dst->incarnation, POLICY_RECEIVER);
}
