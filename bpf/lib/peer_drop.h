/* SPDX-License-Identifier: GPL-2.0 */
/* Drops that are counted by peer, too: whose keys are missing, who sends in the clear. */
#pragma once

#include "lib/endpoint.h"

/* The peer, from where the packet is dropped to where it is counted; it goes no further then. */
#define CB_PEER 0

static __always_inline int peer_drop(struct __sk_buff *skb, __be32 peer, int why)
{
	skb->cb[CB_PEER] = peer;
	return why;
}

static __always_inline struct ov_peer_drops *peer_drops_get(__be32 peer)
{
	struct ov_peer_drops *d, none = {};
	struct ov_peer_key k;

	addr_set_v4(&k.vtep, peer);
	d = bpf_map_lookup_elem(&peer_drops, &k);
	if (d)
		return d;
	bpf_map_update_elem(&peer_drops, &k, &none, BPF_NOEXIST);
	return bpf_map_lookup_elem(&peer_drops, &k);
}

static __noinline int peer_drop_count(__be32 peer, int why)
{
	struct ov_peer_drops *d = peer_drops_get(peer);

	if (!d)
		return 0;
	if (why == -OV_DROP_NO_SA)
		__sync_fetch_and_add(&d->no_sa, 1);
	else
		__sync_fetch_and_add(&d->cleartext, 1);
	return 0;
}
