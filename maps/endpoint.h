/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Map `endpoints` (HASH): (VNI, address) -> where it lives. Every endpoint of
 * the cluster has one entry on every node, and so has every service's VIP.
 *
 * Map `devices` (HASH): ifindex of the host side of an endpoint device -> who
 * is behind it. It is what anti-spoofing believes; nothing in a packet is.
 */
#pragma once

#include "types.h"

/* Flags of both maps' values. */
#define OV_ENDPOINT_VIP     1u /* a service's address: nobody lives here, see `services` */
#define OV_ENDPOINT_BACKEND 2u /* of the VIP service whose address is in `service` */
#define OV_ENDPOINT_CLOSED  4u /* takes no new flow, also no SYN sent again; old ones go on */
#define OV_ENDPOINT_AWAY    8u /* its node is thought dead: UDP moves, TCP waits */
#define OV_ENDPOINT_PORTS  16u /* with VIP: only the ports that `services` names */
#define OV_ENDPOINT_PUBLISHED 32u /* with BACKEND: the service has a published port */
#define OV_ENDPOINT_ENCRYPTED 64u /* of an encrypted network (OV_NETWORK_ENCRYPTED) */
#define OV_ENDPOINT_POLICY 128u /* its network has rules or denies: see `policy` (policy.h) */

struct ov_endpoint_key {
	struct ov_addr addr;
	__u32 vni; /* host order */
};

struct ov_endpoint {
	struct ov_addr vtep;    /* the owner node's outer address; zero for a VIP */
	struct ov_addr service; /* VIP whose backend it is (OV_ENDPOINT_BACKEND), else zero */
	__u32 ifindex;          /* host side of the device; 0 when it lives elsewhere */
	__u32 incarnation;      /* first four bytes of its id: who has the address next differs */
	__u8 mac[6];
	__u16 flags;            /* OV_ENDPOINT_* */
};

struct ov_device_key {
	__u32 ifindex;
};

struct ov_device {
	struct ov_addr addr;
	struct ov_addr service; /* as in struct ov_endpoint */
	__u32 vni;
	__u8 mac[6];
	__u16 mtu;              /* largest IP packet it may send, bytes */
	__u32 incarnation;      /* as in struct ov_endpoint */
	__u16 flags;            /* OV_ENDPOINT_BACKEND, _PUBLISHED, _ENCRYPTED, _POLICY */
	__u16 pad;
};
_Static_assert(sizeof(struct ov_endpoint_key) == 20, "ov_endpoint_key is ABI");
_Static_assert(sizeof(struct ov_endpoint) == 48, "ov_endpoint is ABI");
_Static_assert(sizeof(struct ov_device_key) == 4, "ov_device_key is ABI");
_Static_assert(sizeof(struct ov_device) == 52, "ov_device is ABI");
