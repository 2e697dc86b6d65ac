/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads the facts a plan is built from. The only place that turns the host into struct facts. */
#pragma once

#include "base/err.h"
#include "model/reach.h"
#include "plan/plan.h"

struct facts_source; /* netlink sockets and the uplink's name */

int facts_open(const char *uplink, struct facts_source **ret_source, struct err *e);
void facts_close(struct facts_source *s);

/* First IPv4 address of the uplink, its MTU. Unknown interface, down, no address: a sentence. */
int facts_uplink(struct facts_source *s, struct ov_addr *ret_addr, uint16_t *ret_mtu,
		 uint32_t *ret_ifindex, char driver[32], struct err *e);
/* Decides --xdp auto by driver. Writes the reason as a clause for the log. */
enum ov_xdp_mode facts_xdp_auto(const char *driver, char why[160]);
/* Whether packets have complete sums in that mode, so that XDP may rewrite them. */
bool facts_xdp_sums(const char *driver, enum ov_xdp_mode mode);

/*
 * Fills the kernel-read part of *f (devices, tunnel, routes to the peers given, this host's
 * addresses and links). Who listens on ports and the masquerade range are the caller's.
 * Arrays belong to the source and live until the next call.
 */
int facts_read(struct facts_source *s, const struct ov_addr *peers, size_t peer_count,
	       struct facts *f, struct err *e);

/*
 * The subnets that this host has addresses in, as of the last facts_read; good until the next. Routes
 * by gateways are left out: there may be a million of them, and most are wider than what is there.
 */
struct reach_list facts_reach(const struct facts_source *s);

/* Becomes readable when links, addresses, routes or IPsec change; drain with facts_drain. */
int facts_fd(const struct facts_source *s);
/* True when something changed that a plan may depend on. */
bool facts_drain(struct facts_source *s);
/* True, once, when SAs or policies were removed: what apply/ saw of them may be no more. */
bool facts_lost_ipsec(struct facts_source *s);

/* NAME (below /run/netns), PATH or PID to a stable path, device and inode. */
int facts_netns(const char *text, char ret_path[NETNS_MAX_LEN + 1], uint64_t *ret_dev,
		uint64_t *ret_ino, struct err *e);
/* True when that path still leads to that namespace. */
bool facts_netns_alive(const char *path, uint64_t dev, uint64_t ino);

/*
 * 0, or -EOPNOTSUPP with a clause when a setting of the host makes the kernel pass IPsec by.
 * What the kernel lacks is kernel_can_encrypt's to say.
 */
int facts_can_encrypt(struct err *e);
/*
 * Of the ports from..to, the first and the last from which this host may call by itself: those of
 * ip_local_port_range that are not reserved. False when there is none, or nothing can be read.
 */
bool facts_local_ports(uint16_t from, uint16_t to, uint16_t *ret_first, uint16_t *ret_last);
