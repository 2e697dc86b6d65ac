/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Fragments through a VIP. The first one has the ports and is judged like any
 * packet; what became of its addresses is remembered, and the rest follow it.
 */
#pragma once

#include "lib/endpoint.h"
#include "lib/nat.h"

static __always_inline int fragment_is_first(const struct iphdr *ip)
{
	return (ip->frag_off & bpf_htons(IP_MF | IP_OFFSET)) == bpf_htons(IP_MF);
}

static __always_inline int fragment_is_later(const struct iphdr *ip)
{
	return (ip->frag_off & bpf_htons(IP_OFFSET)) != 0;
}

static __always_inline void fragment_key_fill(struct ov_fragment_key *k, __u32 vni,
					      const struct iphdr *ip)
{
	addr_set_v4(&k->src, ip->saddr);
	addr_set_v4(&k->dst, ip->daddr);
	k->vni[0] = vni >> 16;
	k->vni[1] = vni >> 8;
	k->vni[2] = vni;
	k->protocol = ip->protocol;
	k->id = ip->id;
	k->is_judged = 0;
}

/* ip: as it came; src and dst: as it leaves; dst_vni: as in struct ov_fragment. */
static __always_inline void fragment_remember_at(__u32 vni, const struct iphdr *ip, __be32 src,
						 __be32 dst, __u32 dst_vni)
{
	struct ov_fragment_key k;
	struct ov_fragment f;

	fragment_key_fill(&k, vni, ip);
	addr_set_v4(&f.src, src);
	addr_set_v4(&f.dst, dst);
	f.vni = dst_vni;
	bpf_map_update_elem(&fragments, &k, &f, BPF_ANY);
}

static __always_inline void fragment_remember(__u32 vni, const struct iphdr *ip, __be32 src,
					      __be32 dst)
{
	fragment_remember_at(vni, ip, src, dst, 0);
}

static __always_inline void fragment_forget(__u32 vni, const struct iphdr *ip)
{
	struct ov_fragment_key k;

	fragment_key_fill(&k, vni, ip);
	bpf_map_delete_elem(&fragments, &k);
}

static __always_inline const struct ov_fragment *fragment_find(__u32 vni, const struct iphdr *ip)
{
	struct ov_fragment_key k;

	fragment_key_fill(&k, vni, ip);
	return bpf_map_lookup_elem(&fragments, &k);
}
