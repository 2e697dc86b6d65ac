/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the data path counted on this node, as observed: from apply/ to people (front/). */
#pragma once

#include <stddef.h>
#include <stdlib.h>

#include "base/id.h"
#include "maps/traffic.h"

struct traffic_endpoint {
	struct id endpoint;
	struct ov_counter sent, received, dropped; /* as in struct ov_endpoint_stats */
};

struct traffic_drop {
	struct id endpoint; /* zero: of none that is here now */
	uint32_t vni;       /* 0: of no network */
	uint16_t place, reason;
	struct ov_counter count;
};

struct traffic {
	size_t endpoint_count, drop_count;
	struct traffic_endpoint *endpoint; /* of this host, sorted by endpoint */
	struct traffic_drop *drop;
	struct ov_counter passage[OV_PASSAGE_COUNT];
};

static inline void traffic_fini(struct traffic *t)
{
	free(t->endpoint);
	free(t->drop);
}

static inline void counter_add(struct ov_counter *to, const struct ov_counter *c)
{
	to->packets += c->packets;
	to->bytes += c->bytes;
}
