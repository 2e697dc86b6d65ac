/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Map `endpoints` (HASH): (VNI, address) -> where it lives. Every endpoint of
 * the cluster has one entry on every node.
 *
 * Map `devices` (HASH): ifindex of the host side of an endpoint device -> who
 * is behind it. It is what anti-spoofing believes; nothing in a packet is.
 */
#pragma once

#include "types.h"

struct ov_endpoint_key {
	struct ov_addr addr;
	__u32 vni; /* host order */
};

struct ov_endpoint {
	struct ov_addr vtep;  /* the owner node's outer address */
	__u32 ifindex;        /* host side of the device; 0 when it lives elsewhere */
	__u8 mac[6];
	__u16 flags;          /* none yet */
};

struct ov_device_key {
	__u32 ifindex;
};

struct ov_device {
	struct ov_addr addr;
	__u32 vni;
	__u8 mac[6];
	__u16 mtu;            /* largest IP packet it may send, bytes */
};
_Static_assert(sizeof(struct ov_endpoint_key) == 20, "ov_endpoint_key is ABI");
_Static_assert(sizeof(struct ov_endpoint) == 28, "ov_endpoint is ABI");
_Static_assert(sizeof(struct ov_device_key) == 4, "ov_device_key is ABI");
_Static_assert(sizeof(struct ov_device) == 28, "ov_device is ABI");
