/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a new flow to a service's VIP is sent to. Three maps, read once a flow:
 *
 *   services  (VIP, port) -> algorithm, how many backends, how long the sequence
 *   choices   (VIP, chunk) -> 256 places of that sequence, each a backend's index
 *   backends  (VIP, index) -> who that is
 *
 * The sequence ("choices") is a Maglev table (Eisenbud et al., NSDI 2016) for
 * OV_LB_MAGLEV, and for round robin and random each backend as often as its
 * weight, evenly mixed. With least-conn there is none: backends are compared.
 * Only backends that take new flows are listed. All ports of one VIP share the
 * latter two maps.
 */
#pragma once

#include "types.h"

enum ov_lb {
	OV_LB_MAGLEV,     /* by the hash of the flow: alike on every node */
	OV_LB_RR,         /* in turn, per node */
	OV_LB_RANDOM,
	OV_LB_LEAST_CONN, /* fewest active connections from this node, by weight */
	OV_LB_COUNT,
};

struct ov_service_key {
	struct ov_addr vip;
	__u32 vni;
	__be16 port;     /* 0: the row for every port that has none of its own */
	__u8 protocol;   /* IPPROTO_*; 0 with port 0 */
	__u8 pad;
};

struct ov_service {
	__u32 choices;      /* length of the sequence; 0: there is none */
	__u32 backends;     /* indexes 0..backends-1; 0: no backend takes new flows */
	__u32 affinity_s;   /* a client stays with its backend until idle that long; 0: no affinity */
	__be16 target_port; /* at the backend; 0: as the client sent */
	__u8 algorithm;     /* enum ov_lb */
	__u8 pad;
};

struct ov_backend_key {
	struct ov_addr vip;
	__u32 vni;
	__u32 index;
};

struct ov_backend {
	struct ov_addr addr;
	__u32 incarnation; /* as in struct ov_endpoint */
	__u16 weight;      /* 1.. */
	__u16 pad;
};

/*
 * Few large rows: what it takes to write a service is mostly a cost per row. A
 * Maglev table of 2 backends (251 places) is one.
 */
#define OV_CHOICES_PER_CHUNK 256

struct ov_choices_key {
	struct ov_addr vip;
	__u32 vni;
	__u32 chunk; /* place / OV_CHOICES_PER_CHUNK */
};

struct ov_choices {
	__u16 backend[OV_CHOICES_PER_CHUNK]; /* indexes; 0 behind the end */
};
_Static_assert(sizeof(struct ov_service_key) == 24, "ov_service_key is ABI");
_Static_assert(sizeof(struct ov_service) == 16, "ov_service is ABI");
_Static_assert(sizeof(struct ov_backend_key) == 24, "ov_backend_key is ABI");
_Static_assert(sizeof(struct ov_backend) == 24, "ov_backend is ABI");
_Static_assert(sizeof(struct ov_choices_key) == 24, "ov_choices_key is ABI");
_Static_assert(sizeof(struct ov_choices) == 512, "ov_choices is ABI");
