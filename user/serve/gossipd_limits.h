/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The bounds of gossipd, for tests that must not wait for real deadlines. */
#pragma once

#include "exchange.h"
#include "gossipd.h"

struct gossipd_limits {
	struct exchange_limits in, out;
	unsigned int datagrams_per_wake;
	unsigned int accepts_per_wake;
};
extern const struct gossipd_limits GOSSIPD_LIMITS;

int gossipd_new_limited(struct loop *loop, struct gossip *gossip, struct store *store,
			const struct sockname *bind, const struct gossipd_limits *limits,
			struct gossipd **ret_gossipd, struct err *e);
