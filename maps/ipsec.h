/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Encrypted networks: what the programs, the kernel's XFRM and the controller agree
 * upon. No map: the SAs themselves live in XFRM.
 *
 * A frame for another node leaves by the tunnel device with a mark that names the
 * purpose and a lane. XFRM policies match on that mark, one a peer and lane, and turn the
 * VXLAN packet into ESP in tunnel mode (RFC 4303). Lanes are several SAs of one pair:
 * flows are spread over them, so that a receiver with several queues or CPUs decrypts
 * with more than one.
 *
 * A packet that was decrypted is known by its state's reqid (bpf_skb_get_xfrm_state),
 * which nothing on the wire can set.
 */
#pragma once

#include "types.h"

#define OV_SA_LANES 4u             /* SAs of a pair and direction; a power of 2 */
#define OV_IPSEC_MARK      0x6f760000u /* "ov"; the low byte is the lane */
#define OV_IPSEC_MARK_MASK 0xffff00ffu /* of one lane's policy */
#define OV_IPSEC_BLOCK_MASK 0xffff0000u /* of the policy that blocks what no lane's takes */
#define OV_IPSEC_REQID     0x6f760001u /* of every SA and policy of ours */

/*
 * An SPI is chosen by the receiver: a random number whose low bits are the lane. Below 256
 * they are reserved (RFC 4303 section 2.1).
 */
#define OV_SPI_LANE_MASK (OV_SA_LANES - 1)
_Static_assert((OV_SA_LANES & OV_SPI_LANE_MASK) == 0, "lanes are the low bits of an SPI");
