/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Map `config` (ARRAY, one entry): what every program must know of this node. */
#pragma once

#include "types.h"

#define OV_CONFIG_READY 1u /* all fields are filled; programs drop until it is set */
#define OV_CONFIG_XDP_ENTRY 2u /* XDP sees packets with complete sums, and may rewrite them */
/* Somebody watches (watch.h). Here, because every program reads this row for every packet. */
#define OV_CONFIG_WATCHED 4u

struct ov_config {
	struct ov_addr vtep;   /* our outer source address */
	__u32 flags;           /* OV_CONFIG_* */
	__u32 uplink_ifindex;
	__u32 tunnel_ifindex;  /* the idle collect-metadata device */
	__be16 vxlan_port;     /* network order, as it stands on the wire */
	__u16 masq_first;      /* ports that stand for containers outside, host order */
	__u16 masq_last;
	__u16 pad;
};
_Static_assert(sizeof(struct ov_config) == 36, "ov_config is ABI");
