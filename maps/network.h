/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Map `networks` (HASH): VNI -> what endpoints of that network share. */
#pragma once

#include "types.h"

#define OV_NETWORK_ENCRYPTED 1u /* never in the clear on a wire; maps/ipsec.h */
#define OV_NETWORK_INTERNAL  2u /* no way out of the overlay, but for answers to published ports */

/* Key: the 24-bit VNI in host order. */
struct ov_network_key {
	__u32 vni;
};

struct ov_network {
	struct ov_addr gateway;
	__u8 gateway_mac[6];
	__u16 mtu;            /* largest inner IP packet, bytes */
	__u32 flags;          /* OV_NETWORK_* */
	__u8 prefix_len;      /* of the subnet, in bits of the 16-byte form (IPv4 /24 = 120) */
	__u8 pad[3];
};
_Static_assert(sizeof(struct ov_network_key) == 4, "ov_network_key is ABI");
_Static_assert(sizeof(struct ov_network) == 32, "ov_network is ABI");
