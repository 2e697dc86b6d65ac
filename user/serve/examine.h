/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One examination: probes the ways to every peer and asks for a name in every container of
 * this host, all at the same time, and ends when everything has come back or after
 * EXAMINE_MS. What it meets it writes into the struct doctor_seen; what that means is
 * doctor/'s to say.
 *
 *   gossip_ping            UDP of the gossip port
 *   gossip_call            TCP of it; the peer calls back, tells its clock, its state, what arrived
 *   a VXLAN probe          the VXLAN port and the path's MTU (user/doctor/README.md)
 *   a DNS question         127.0.0.11 in the container
 */
#pragma once

#include "base/rng.h"
#include "doctor/doctor.h"
#include "loop/loop.h"
#include "serve/gossipd.h"

#define EXAMINE_MS 5000
#define EXAMINE_PEERS_MAX 128  /* asked in one examination; the others are marked as skipped */
#define EXAMINE_INSIDE_MAX 256

struct examine;

struct examine_config {
	struct loop *loop;
	struct gossip *gossip;
	struct gossipd *gossipd;
	struct store *store;
	struct rng *rng;
	struct ov_addr vtep;
	uint16_t uplink_mtu, vxlan_port;
	/* Whether the data path saw the answer to a probe of ours; *ret_bytes: of the frame. */
	bool (*is_answered)(void *ctx, uint64_t nonce);
	void *ctx;
};

/*
 * *s holds the peers and the containers to be looked at; it is borrowed until `done` or
 * examine_free. `done` is called once, later, and may call examine_free. 0 or -ENOMEM.
 */
int examine_start(const struct examine_config *config, struct doctor_seen *s,
		  void (*done)(void *arg), void *arg, struct examine **ret_examine);
void examine_free(struct examine *x);
