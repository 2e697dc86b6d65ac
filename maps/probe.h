/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Probes of the VXLAN port: frames of a reserved VNI between the daemons and the
 * programs of two nodes. A request is sent back by the program that gets it, as
 * large as it came; an answer is noted and goes no further.
 *
 *   outer IPv4, UDP, VXLAN (OV_PROBE_VNI) | Ethernet (OV_PROBE_ETHERTYPE) | ov_probe | padding
 */
#pragma once

#include "types.h"

#define OV_PROBE_VNI 0xffffffu     /* no network may have it */
#define OV_PROBE_ETHERTYPE 0x88b5  /* "Local Experimental 1", IEEE 802 */
#define OV_PROBE_MAGIC 0x6f767072u /* "ovpr" */

enum ov_probe_kind { OV_PROBE_REQUEST = 1, OV_PROBE_ANSWER };

struct ov_probe { /* as on the wire */
	__be32 magic;
	__be32 kind;
	__u64 nonce;      /* the asking daemon's, random; its bytes are never turned round */
};

/* Map `probes` (LRU_HASH, owned by the data path): what arrived here. */
struct ov_probe_key {
	__u64 nonce;
	__u32 kind;       /* enum ov_probe_kind */
	__u32 pad;
};

struct ov_probe_seen {
	__u64 at_ns;      /* since the host started */
	__u32 bytes;      /* of the frame, outer Ethernet header included */
	__u32 pad;
};
_Static_assert(sizeof(struct ov_probe) == 16, "ov_probe is on the wire");
_Static_assert(sizeof(struct ov_probe_key) == 16, "ov_probe_key is ABI");
_Static_assert(sizeof(struct ov_probe_seen) == 16, "ov_probe_seen is ABI");
