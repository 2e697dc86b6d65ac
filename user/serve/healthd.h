/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Health checks of this node's backends, made from inside the endpoint's own
 * namespace to its own address: TCP connect, or HTTP GET answered with 200..399.
 *
 * Three results in a row that differ from what is known change it (one, for the
 * first result ever), so that one lost packet moves nothing.
 */
#pragma once

#include "base/err.h"
#include "loop/loop.h"
#include "model/model.h"

struct healthd;

struct health_target {
	struct id endpoint;
	const char *netns;           /* path */
	uint64_t netns_dev, netns_ino;
	struct ov_addr addr;
	uint8_t kind;                /* enum health_kind, not NONE */
	uint16_t port;
	uint16_t interval_s;
	const char *path;            /* of HEALTH_HTTP */
	uint8_t known;               /* enum endpoint_health, as recorded */
};

/* on_change is called from the loop, with ENDPOINT_HEALTHY or _UNHEALTHY. */
int healthd_new(struct loop *loop,
		void (*on_change)(void *arg, const struct id *endpoint, enum endpoint_health health),
		void *arg, struct healthd **ret_healthd);
void healthd_free(struct healthd *h);
/* Checks just these from now on; sorted by endpoint. What goes on keeps its rhythm and count. */
int healthd_set_targets(struct healthd *h, const struct health_target *target, size_t count);
