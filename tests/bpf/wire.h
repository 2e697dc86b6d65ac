/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two hosts on a real (veth) wire with the programs attached, and real traffic:
 * what test runs cannot show is segmentation, checksum offload, neighbours and
 * what becomes of a redirect.
 *
 *	pod one, pod two -- host a (192.0.2.1) ==== host b (192.0.2.2) -- pod far
 *
 * Every namespace is anonymous, so nothing is left behind however a test ends.
 */
#pragma once

#include <stdbool.h>

#include "env.h"

enum wire_kind {
	WIRE_SUPER_PACKETS, /* veth as it is: 64 KiB segments cross uncut */
	WIRE_LIKE_A_NIC,    /* cut on sending, put together on receiving */
	WIRE_PLAIN,         /* cut on sending, never put together */
};

struct host {
	int ns;
	struct env env;
};

struct wire {
	struct host a, b;
	int one, two, far; /* pods: blue_one, blue_two on a; blue_far on b */
	uint32_t vni;
};

void wire_open(struct wire *w, enum wire_kind kind);
void wire_close(struct wire *w);
/* Puts ov_uplink_xdp on both uplinks. flags: XDP_FLAGS_*. */
void wire_attach_xdp(struct wire *w, uint32_t flags);

void ns_enter(int ns);
/* Runs a command in that namespace, asserts that it succeeds. */
void ns_run(int ns, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Each fails the test when traffic does not arrive whole within a deadline. */
void flow_ping(int from, const struct actor *to, size_t size);
void flow_tcp(int from, int to_ns, const struct actor *to, size_t bytes);
/* count datagrams of size bytes; segments > 1: that many in one send (UDP_SEGMENT). */
void flow_udp(int from, int to_ns, const struct actor *to, size_t size, int count, int segments);
/* Sends a frame as it is. */
void flow_raw(int from, const void *frame, size_t len);
/* The same with nothing but the Ethernet header in linear memory. */
void flow_raw_paged(int from, const void *frame, size_t len);
/* Waits until the counter has that value, or fails. */
void expect_packets(const struct host *h, enum ov_verdict verdict, uint64_t packets);
