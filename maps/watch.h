/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What somebody watches: flows as they happen, and packets.
 *
 *   watch          ARRAY, one entry: who wants what. All zero: nobody looks
 *   watch_ring     slot for the ring of records, and
 *   watch_flows    slot for the table of flows seen: there only while somebody watches
 *   watch_scratch  of the packet at hand, from a program's start to its exit
 *   watch_rates    by verdict: how many drops were told this second, how many left out
 *   watch_lost     by kind: records for which the ring had no room
 *
 * While nobody watches a packet pays one test of OV_CONFIG_WATCHED, at its start and its end.
 * A record of the ring is struct ov_watch_record, and behind it `captured` bytes of a packet.
 */
#pragma once

#include "types.h"
#include "verdict.h"

#define OV_WATCH_VERSION 1
#define OV_WATCH_RING_BYTES (8u << 20)
#define OV_WATCH_FLOWS 65536u
#define OV_WATCH_SNAP_MAX 2048u      /* bytes of a packet; what is longer is cut */
#define OV_WATCH_TOLD_A_SECOND 100u  /* drops and refusals of one verdict, on each CPU */

#define OV_WATCH_EVENTS 1u
#define OV_WATCH_CAPTURE 2u
#define OV_WATCH_DROPS 4u /* nothing but drops and refusals */

/* Of several who watch the union: what is told is at least what each of them wants. */
struct ov_watch {
	__u64 until;          /* ns, CLOCK_MONOTONIC: then it is off, whoever set it */
	struct ov_addr from;  /* zero: any; and `to` may be the sender, for answers */
	struct ov_addr to;
	__u32 flags;          /* OV_WATCH_* */
	__u32 vni;            /* 0: every network */
	__u32 snap;           /* bytes of a packet, OV_WATCH_SNAP_MAX at most */
	__be16 port;          /* of either end; 0: any */
	__u8 protocol;        /* 0: any */
	__u8 pad;
};

enum ov_watch_kind {
	OV_WATCH_NEW = 1, /* a flow's first packet; of TCP its SYN */
	OV_WATCH_SEEN,    /* a TCP flow that had begun before anybody watched */
	OV_WATCH_CLOSED,  /* both ends have closed, or one has reset */
	OV_WATCH_IDLE,    /* never in the ring: the daemon's, of a flow long silent */
	OV_WATCH_DROP,
	OV_WATCH_REFUSED, /* its sender was told by a RST or an ICMP error */
	OV_WATCH_PACKET,
	OV_WATCH_KIND_COUNT,
};

#define OV_WATCH_OUT 1u /* of a packet: as it leaves; else as it came */
#define OV_WATCH_XDP 2u /* XDP gave the verdict */
#define OV_WATCH_RST 4u /* of a flow: closed by a reset */

struct ov_watch_record {
	__u8 version, kind, verdict, protocol;
	__u32 flags;
	__u64 at;              /* ns, CLOCK_MONOTONIC */
	__u32 vni;             /* 0: not of one network */
	__u32 ifindex;         /* the device that it came by */
	struct ov_addr src;    /* of a flow: who began it; all zero: not IPv4 */
	struct ov_addr dst;
	struct ov_addr called; /* what src sent to, where dst stands behind it; else zero */
	struct ov_addr peer;   /* the node at the tunnel's other end; else zero */
	__be16 sport, dport, called_port;
	__u16 pad;
	__u64 bytes[2];        /* of IP packets, from src and from dst */
	__u64 packets[2];
	__u64 rtt;             /* ns from SYN to SYN-ACK as seen here; 0: not known */
	__u32 length;          /* of a packet: its frame's */
	__u32 captured;        /* bytes of it that follow */
};

/* Table of flows seen: both directions find one entry, the lower end is `a`. */
struct ov_watch_flow_key {
	struct ov_addr a, b;
	__be16 a_port, b_port;
	__u32 vni;
	__u32 protocol;
};

#define OV_WATCH_FLOW_FIN 1u    /* of a; of b the bit above */
#define OV_WATCH_FLOW_CLOSED 4u /* told already */
#define OV_WATCH_FLOW_FROM_B 8u /* b began it */

struct ov_watch_flow {
	__u64 seen;      /* ns, CLOCK_MONOTONIC */
	__u64 syn;       /* when the last SYN went */
	__u64 rtt;
	__u64 bytes[2];  /* from a, from b */
	__u64 packets[2];
	struct ov_addr called, peer;
	__be16 called_port;
	__u16 pad;
	__u32 flags;     /* OV_WATCH_FLOW_* */
	__u32 ifindex;
	__u32 verdict;
};

struct ov_watch_end { /* of a packet: what it says of itself */
	__be32 src, dst;
	__be16 sport, dport;
	__u32 length;    /* IPv4: its total length */
	__u8 protocol;
	__u8 tcp;        /* flags */
	__u8 is_ip;
	__u8 pad;
};

struct ov_watch_scratch {
	__u64 now;
	__u32 armed;     /* the packet was seen as it came */
	__u32 place;     /* enum watch_place */
	__u32 vni;
	__be32 peer;
	__u32 ifindex;
	__u32 bytes;     /* of the IP packet */
	__u32 is_told;   /* dropped or refused */
	__u32 is_drop;
	struct ov_watch_end in, out;
	struct ov_watch_flow_key key;
	struct ov_watch_flow fresh;
	__u8 pad[2];
	__u8 head[78];   /* headers being parsed; so the IPv4 header behind Ethernet's is aligned */
	struct ov_watch_record record;
	__u8 packet[OV_WATCH_SNAP_MAX]; /* right behind the record: they leave together */
};

struct ov_watch_rate {
	__u64 since;     /* ns: when this second began */
	__u64 left_out;  /* ever */
	__u32 told;      /* in this second */
	__u32 pad;
};

_Static_assert(sizeof(struct ov_watch) == 56, "ov_watch is ABI");
_Static_assert(sizeof(struct ov_watch_record) == 144, "ov_watch_record is ABI");
_Static_assert(sizeof(struct ov_watch_flow_key) == 44, "ov_watch_flow_key is ABI");
_Static_assert(sizeof(struct ov_watch_flow) == 104, "ov_watch_flow is ABI");
_Static_assert(sizeof(struct ov_watch_rate) == 24, "ov_watch_rate is ABI");
