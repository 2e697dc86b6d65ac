/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counts beside the verdicts', written by the data path alone, that let a reader check
 * that no packet is lost between them. bpf/README.md ("Counters that add up") says who
 * counts what.
 *
 *   passages        (PERCPU_ARRAY)  what entered our programs, and what they handed on without
 *                                   a verdict: entered = handed on + all of `counters`
 *   endpoint_slots  (PERCPU_ARRAY)  what an endpoint of this host sent and was given; at its
 *                                   ifindex modulo OV_ENDPOINT_SLOTS, if nobody is there yet
 *   endpoint_stats  (PERCPU_HASH)   the same of those that found their slot taken
 *   drop_stats      (LRU_HASH)      drops by network, endpoint or place, and reason
 */
#pragma once

#include "counter.h"
#include "verdict.h"

enum ov_passage {
	/* Entered, each packet where a hook first gave it to a program of ours. */
	OV_ENTER_ENDPOINT,  /* from an endpoint's device */
	OV_ENTER_UPLINK,
	OV_ENTER_FRONT,     /* another device of the host, loopback included */
	OV_ENTER_TUNNEL,
	OV_ENTER_XDP,
	OV_ENTER_COUNT,
	/* Handed on: it enters again, and gets its verdict there. */
	OV_LEAVE_XDP = OV_ENTER_COUNT, /* passed by XDP: to OV_ENTER_UPLINK, merged by GRO perhaps */
	OV_LEAVE_KERNEL,    /* to the kernel's VXLAN socket, and out of it to OV_ENTER_TUNNEL */
	OV_LEAVE_LOOPBACK,  /* to the loopback device: OV_ENTER_FRONT */
	OV_PASSAGE_COUNT,
};

/*
 * An array's lookup is a few instructions, a hash's takes 25 ns; hence the slots. Each CPU
 * gives its own away, so an endpoint's counts are the sum of the slots with its ifindex and of all
 * CPUs' values under its key (where only the CPU that made the entry has written its ifindex).
 * ifindex is of the host side of its device: one that is made anew begins at 0.
 */
#define OV_ENDPOINT_SLOTS 512 /* a power of two */

struct ov_endpoint_stats_key {
	__u32 ifindex;
};

struct ov_endpoint_stats {
	__u32 ifindex;              /* whose; 0: nobody's */
	__u32 pad;
	struct ov_counter sent;     /* all it sent, as it was then */
	struct ov_counter received; /* given to it from another endpoint, a peer, outside or this host */
	struct ov_counter dropped;  /* of `sent` */
	__u64 pad_to_a_line;
};

enum ov_drop_place {
	OV_DROP_AT_ENDPOINT, /* sent by an endpoint of this host; the key names it */
	OV_DROP_AT_TUNNEL,   /* came from a peer, or claimed to */
	OV_DROP_AT_OUTSIDE,  /* came from outside the overlay, or from this host */
	OV_DROP_PLACE_COUNT,
};

struct ov_drop_stats_key {
	__u32 vni;     /* 0: of no network that exists here, or not known that early */
	__u32 ifindex; /* OV_DROP_AT_ENDPOINT: of its device; else 0 */
	__u16 place;   /* enum ov_drop_place */
	__u16 reason;  /* OV_DROP_* */
};

/* What ov_reap_endpoint is run with: it removes the counts of a device that is gone. */
struct ov_reap_endpoint {
	struct ov_endpoint_stats_key key; /* in */
	__u32 cpu;                        /* in: whose slot; each has one */
	__u32 result;                     /* out: OV_REAP_KEPT or _EXPIRED (removed) */
};

_Static_assert(sizeof(struct ov_endpoint_stats_key) == 4, "ov_endpoint_stats_key is ABI");
_Static_assert(sizeof(struct ov_endpoint_stats) == 64, "ov_endpoint_stats is ABI");
_Static_assert(sizeof(struct ov_drop_stats_key) == 12, "ov_drop_stats_key is ABI");
_Static_assert(sizeof(struct ov_reap_endpoint) == 12, "ov_reap_endpoint is ABI");
