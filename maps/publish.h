/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Published ports, and this node's own addresses and devices.
 *
 *   published  (HASH)  (address, port) -> the service that answers there
 *   allowed    (LPM)   who may call it, where not everybody may
 *   addresses  (HASH)  this node's own addresses
 *   links      (HASH)  devices by which the world outside is reached
 *
 * A port is looked up with a zero address first: its row says whether there are
 * rows for single addresses, so a packet to a port that is not published costs one
 * lookup.
 */
#pragma once

#include "service.h"

struct ov_published_key {
	struct ov_addr addr; /* zero: every address of this node */
	__be16 port;
	__u8 protocol;       /* IPPROTO_* */
	__u8 pad;
};

#define OV_PUBLISHED_LOCAL      1u /* host mode: only backends of this node */
#define OV_PUBLISHED_ALLOW      2u /* only clients in `allowed` */
#define OV_PUBLISHED_DSR        4u /* answers do not come back through this node */
#define OV_PUBLISHED_BY_ADDRESS 8u /* with a zero address: look for the address's own row first */
#define OV_PUBLISHED_NOWHERE   16u /* with BY_ADDRESS: and there is nothing at all others */

struct ov_published {
	struct ov_addr vip;
	__u32 vni;
	__u32 flags;            /* OV_PUBLISHED_* */
	struct ov_service service; /* target_port is never 0 */
};

/*
 * With OV_PUBLISHED_LOCAL the rows of `choices` and `backends` are those with this bit
 * in their VNI: backends of this node alone.
 */
#define OV_VNI_LOCAL 0x80000000u

/*
 * A service without a VIP may publish ports of host mode. In place of the VIP its rows and
 * flows have this and 28 bits of its id: a multicast address, which is nobody's and which no
 * packet to a service has.
 */
#define OV_STAND_IN 0xe0000000u /* host order */

struct ov_allowed_key {
	__u32 prefix_len;    /* in bits, of what follows: 160 and the client's */
	struct ov_addr addr; /* of the row of `published` */
	__be16 port;
	__u8 protocol;
	__u8 pad;
	struct ov_addr client;
};

#define OV_ALLOWED_PREFIX 160u /* bits before the client's address */

struct ov_address_key {
	struct ov_addr addr;
};

struct ov_address {
	__u32 ifindex;       /* by which answers from it leave */
	__u32 flags;         /* 0 */
};

struct ov_link_key {
	__u32 ifindex;
};

struct ov_link {
	struct ov_addr addr; /* in whose name containers go out by it */
};
_Static_assert(sizeof(struct ov_published_key) == 20, "ov_published_key is ABI");
_Static_assert(sizeof(struct ov_published) == 40, "ov_published is ABI");
_Static_assert(sizeof(struct ov_allowed_key) == 40, "ov_allowed_key is ABI");
_Static_assert(sizeof(struct ov_address_key) == 16, "ov_address_key is ABI");
_Static_assert(sizeof(struct ov_address) == 8, "ov_address is ABI");
_Static_assert(sizeof(struct ov_link_key) == 4, "ov_link_key is ABI");
_Static_assert(sizeof(struct ov_link) == 16, "ov_link is ABI");
