/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What results of health checks mean, and when a backend's turn is. Pure: no
 * socket, no clock, no randomness.
 */
#pragma once

#include "model/model.h"

/* So many equal results in a row change what is known. */
#define HEALTH_RESULTS 3

struct health_rule {
	uint8_t found; /* enum endpoint_health: the last result */
	uint8_t count; /* results in a row equal to it and other than what was known */
};

/*
 * Takes a result. Returns what is to be reported now, ENDPOINT_UNTRIED when
 * nothing is. As long as `known` does not follow, each further equal result is
 * reported again.
 */
enum endpoint_health health_rule_take(struct health_rule *r, enum endpoint_health known,
				      bool passed);

/*
 * An endpoint's checks come at moments that its id chooses: a thousand of them
 * spread over the interval, and each keeps its place whatever the others do.
 * Returns the first such moment later than `after`.
 */
uint64_t health_next(const struct id *endpoint, uint64_t period_ms, uint64_t after);
/* Where in a period the endpoint's moment is: 0..period_ms - 1. */
uint64_t health_offset(const struct id *endpoint, uint64_t period_ms);
