/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who is who: devices, endpoints, networks, peers, and addresses in their
 * 16-byte form (IPv4 mapped, RFC 4291 2.5.5.2).
 */
#pragma once

#include "lib/compat.h"
#include "maps/defs.bpf.h"

/* Words of an address. Map values and our stack copies are aligned for it. */
#define ADDR_WORD(a, i) (((const __u32 *)(a)->b)[i])
#define ADDR_V4_PREFIX bpf_htonl(0x0000ffff)

static __always_inline void addr_set_v4(struct ov_addr *a, __be32 v4)
{
	__u32 *w = (__u32 *)a->b;

	w[0] = 0;
	w[1] = 0;
	w[2] = ADDR_V4_PREFIX;
	w[3] = v4;
}

static __always_inline int addr_is_mapped(const struct ov_addr *a)
{
	return !(ADDR_WORD(a, 0) | ADDR_WORD(a, 1) | (ADDR_WORD(a, 2) ^ ADDR_V4_PREFIX));
}

static __always_inline __be32 addr_v4(const struct ov_addr *a)
{
	return ADDR_WORD(a, 3);
}

static __always_inline int addr_equals_v4(const struct ov_addr *a, __be32 v4)
{
	return addr_is_mapped(a) && addr_v4(a) == v4;
}

/* Word by word: an address alone counts as unaligned, and would be copied byte by byte. */
static __always_inline void addr_copy(struct ov_addr *to, const struct ov_addr *from)
{
	__u32 *w = (__u32 *)to->b;

	w[0] = ADDR_WORD(from, 0);
	w[1] = ADDR_WORD(from, 1);
	w[2] = ADDR_WORD(from, 2);
	w[3] = ADDR_WORD(from, 3);
}

static __always_inline int addr_equals(const struct ov_addr *a, const struct ov_addr *b)
{
	return !((ADDR_WORD(a, 0) ^ ADDR_WORD(b, 0)) | (ADDR_WORD(a, 1) ^ ADDR_WORD(b, 1)) |
		 (ADDR_WORD(a, 2) ^ ADDR_WORD(b, 2)) | (ADDR_WORD(a, 3) ^ ADDR_WORD(b, 3)));
}

static __always_inline const struct ov_device *device_lookup(__u32 ifindex)
{
	struct ov_device_key key = { .ifindex = ifindex };

	return bpf_map_lookup_elem(&devices, &key);
}

static __always_inline const struct ov_endpoint *endpoint_lookup_v4(__u32 vni, __be32 addr)
{
	struct ov_endpoint_key key = { .vni = vni };

	addr_set_v4(&key.addr, addr);
	return bpf_map_lookup_elem(&endpoints, &key);
}

static __always_inline const struct ov_network *network_lookup(__u32 vni)
{
	struct ov_network_key key = { .vni = vni };

	return bpf_map_lookup_elem(&networks, &key);
}

static __always_inline int network_has_v4(const struct ov_network *net, __be32 addr)
{
	__u32 host_bits = 128 - net->prefix_len;
	__u32 mask = host_bits < 32 ? ~0u << host_bits : 0;

	return !((addr_v4(&net->gateway) ^ addr) & bpf_htonl(mask));
}

static __always_inline const struct ov_peer *peer_lookup(const struct ov_addr *vtep)
{
	return bpf_map_lookup_elem(&peers, vtep);
}

static __always_inline const struct ov_peer *peer_lookup_v4(__be32 vtep)
{
	struct ov_peer_key key;

	addr_set_v4(&key.vtep, vtep);
	return bpf_map_lookup_elem(&peers, &key);
}
