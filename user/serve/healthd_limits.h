/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The bounds and the pace of healthd, for tests that must not wait for real seconds. */
#pragma once

#include "healthd.h"

struct healthd_limits {
	unsigned int under_way; /* checks at one time; the others wait for their turn */
	uint64_t second_ms;     /* how long a second of an interval is */
	uint64_t timeout_ms;    /* of a check; less when its interval is shorter */
	uint64_t first_ms;      /* a backend nobody has looked at is tried within this */
};
extern const struct healthd_limits HEALTHD_LIMITS;

int healthd_new_limited(struct loop *loop, const struct healthd_limits *limits,
			void (*on_change)(void *arg, const struct id *endpoint,
					  enum endpoint_health health),
			void *arg, struct healthd **ret_healthd);
