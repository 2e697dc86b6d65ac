/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Flows from outside, between the node they entered by and the backend's node. They
 * travel in the network's own VNI with the client's address. A source MAC that no
 * endpoint has (IEEE 802c: locally administered, unicast) says so, and which of the
 * node's addresses the client called:
 *
 *   06:4d:<address>   the destination is the backend's; answers go back through the tunnel
 *   06:44:<address>   direct return: the port is still the published one, and answers
 *                     leave from the backend's node
 *
 * What a tail call is to know travels in skb->cb.
 */
#pragma once

#include "lib/parse.h"
#include "maps/defs.bpf.h"

#define MESH_MAC 0x06
#define MESH_BACK 0x4d
#define MESH_DIRECT 0x44

static __always_inline int mesh_is_marked(const __u8 *mac)
{
	return mac[0] == MESH_MAC && (mac[1] == MESH_BACK || mac[1] == MESH_DIRECT);
}

static __always_inline int mesh_is_direct(const __u8 *mac)
{
	return mac[1] == MESH_DIRECT;
}

static __always_inline void mesh_mac(__u8 mac[ETH_ALEN], __u8 kind, __be32 called)
{
	mac[0] = MESH_MAC;
	mac[1] = kind;
	__builtin_memcpy(mac + 2, &called, sizeof(called));
}

static __always_inline __be32 mesh_called(const __u8 *mac)
{
	__be32 called;

	__builtin_memcpy(&called, mac + 2, sizeof(called));
	return called;
}

/* skb->cb, from the program that jumps to the one that is jumped to. */
enum mesh_cb {
	CB_BYTES,  /* of the packet as it came in */
	CB_VNI,
	CB_VIA,    /* OV_CALL_ARRIVE: where answers go, as in struct ov_flow; network order */
	CB_NODE,   /* OV_CALL_ARRIVE: the node it entered by; network order */
	CB_DIRECT, /* OV_CALL_ARRIVE: CB_VIA is the address called; else the node it entered by */
};
