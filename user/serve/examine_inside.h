/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside of the examination: a socket of VXLAN probes, and one in a container. */
#pragma once

#include "serve/examine.h"

#define AGAIN_MS 700    /* what has not come back by then is sent again */
#define SIZES_MAX 24

struct sized {
	uint16_t size;
	uint64_t nonce;
	bool answered;
};

struct way { /* to one peer: examine_way.c */
	const struct examine_config *c;
	uint64_t began_at;
	int udp;               /* of the VXLAN probes */
	struct doctor_peer *p;
	uint16_t mtu;          /* of the smaller uplink of both */
	uint32_t ping;
	struct ask *ask;       /* under way */
	uint64_t asked_at;
	size_t count;
	struct sized probe[SIZES_MAX];
};


/* p, c, began_at and udp are set. */
void way_begin(struct way *w);
/* Looks what has come back; with `again` what has not is sent once more. */
void way_tick(struct way *w, bool again);
bool way_is_satisfied(const struct way *w);
void way_end(struct way *w);

/* ---- examine_vxlan.c ---- */
#define VXLAN_PROBE_SMALL 128 /* bytes of IP packet: fits every path */

/* The fd or a negative errno. */
int vxlan_probe_socket(const struct ov_addr *from);
/* A request of that size, IP header included. 0 or a negative errno. */
int vxlan_probe_send(int fd, const struct ov_addr *to, uint16_t port, uint64_t nonce, uint16_t size);

/* ---- examine_dns.c ---- */
struct examine_dns;
/* Asks, and writes what comes of it into *in, which outlives it. NULL: in->error says why. */
struct examine_dns *examine_dns_new(struct loop *loop, struct doctor_inside *in, uint16_t number);
void examine_dns_ask(struct examine_dns *d); /* again: datagrams are lost */
void examine_dns_free(struct examine_dns *d);
