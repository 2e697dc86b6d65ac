/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Health checks of this node's backends, made from inside the endpoint's own
 * namespace to its own address: TCP connect, or HTTP GET answered with 200..399.
 *
 * Three results in a row that differ from what is known change it (one, for the
 * first result ever), so that one lost packet moves nothing. At most 64 checks are
 * under way at a time; one is over after 2 seconds or its interval, whichever is less.
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
		void (*on_change)(void *arg, const struct id *endpoint,
				  enum endpoint_health health),
		void *arg, struct healthd **ret_healthd);
void healthd_free(struct healthd *h);
/* Checks just these from now on; sorted by endpoint. What goes on keeps its rhythm and count.
 * On -ENOMEM it checks what it did before. */
int healthd_set_targets(struct healthd *h, const struct health_target *target, size_t count);

struct healthd_counters {
	uint64_t checks; /* begun */
	uint64_t failed; /* of these, not passed */
	uint64_t unable; /* of these, without a result: this daemon lacked memory or descriptors */
	uint64_t waited; /* came late, because as many as may be were under way */
};
const struct healthd_counters *healthd_counters(const struct healthd *h);
