/* SPDX-License-Identifier: GPL-2.0 */
/* Of a backend's packet: the flow that it answers. */
#pragma once

#include "lib/flow.h"

struct reply { /* a packet from a backend that may be of a flow to its VIP */
	__u32 vni;
	__u32 incarnation; /* of the backend */
	struct ov_addr vip;
};

/* The flow that the packet answers, at *at; -1 when there is none. */
static __always_inline int reply_find(struct ov_flow_key *k, const struct reply *r, __be32 backend,
				      __u8 event, __u32 now, struct found *at)
{
	*at = flow_find(k);
	if (!at->flow || !addr_equals_v4(&at->flow->backend, backend) ||
	    at->flow->incarnation != r->incarnation ||
	    flow_is_expired(at->flow, k->protocol, now))
		return -1;
	if (!(event & L4_ANSWER) || !(at->flow->flags & OV_FLOW_CLOSED))
		return 0;
	/*
	 * Answers the opening of a connection past the VIP, from the same port as one that
	 * ended; the rest of it must not be taken for the old one either.
	 */
	bpf_map_delete_elem(&brief, k);
	return -1;
}
