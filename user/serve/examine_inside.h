/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside of the examination: a socket of VXLAN probes, and one in a container. */
#pragma once

#include "serve/examine.h"

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
