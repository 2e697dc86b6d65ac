/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random clusters of three nodes whose plans are put into the test's maps, to hold trace/ and the
 * programs together. Plans are bent at random, too: rows go or change, as they may on a node that
 * is late, so that refusals are met. What state is made of stays inside: its names and env.h's
 * are the same.
 */
#pragma once

#include "base/rng.h"
#include "trace/steps.h"

#define TW_NODES 3 /* at 192.0.2.1 and so on */
#define TW_ENDPOINTS 14 /* from 10.10.0.2 on, in blue (VNI 100) and red (200) */
#define TW_SERVICES 4 /* from 10.10.0.100 on; publish 30080 and so on */
#define TW_DEVICES 7 /* real ones, that endpoints of one node can have */

struct tw;

struct tw_host { /* what programs and rows are to name */
	const int *map; /* file descriptors, in the order of maps/schema.h */
	uint32_t uplink_ifindex, tunnel_ifindex;
	uint32_t device[TW_DEVICES];
};

struct tw *tw_make(const struct tw_host *host, struct rng *rng);
void tw_free(struct tw *tw);
/* The maps are that node's from now on. */
void tw_become(struct tw *tw, int node);
/* By outer address; -1: none of ours. */
int tw_at(const struct ov_addr *vtep);

struct tw_sender {
	uint32_t vni, ifindex;
	struct ov_addr addr;
	uint8_t mac[6];
};
/* Some endpoint with a device on that node. False: there is none. */
bool tw_sender(struct tw *tw, int node, struct tw_sender *ret);

/* What the node answers when that address is asked for by ARP; else 02:42 and the address. */
void tw_mac(const struct tw *tw, int node, uint32_t vni, const struct ov_addr *a, uint8_t ret[6]);

/* The programs as trace has them, over that node's plan. */
void tw_trace_endpoint(struct tw *tw, int node, struct trace *t, const struct trace_packet *p,
		       struct trace_hop *hop);
void tw_trace_front(struct tw *tw, int node, struct trace *t, const struct trace_packet *p,
		    bool is_loop, struct trace_hop *hop);
void tw_trace_uplink(struct tw *tw, int node, struct trace *t, const struct trace_hop *hop);
