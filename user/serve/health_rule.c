/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "health_rule.h"

enum endpoint_health health_rule_take(struct health_rule *r, enum endpoint_health known,
				      bool passed)
{
	enum endpoint_health found = passed ? ENDPOINT_HEALTHY : ENDPOINT_UNHEALTHY;

	if (found != r->found || found == known)
		r->count = 0;
	r->found = (uint8_t)found;
	if (found == known)
		return ENDPOINT_UNTRIED;
	if (r->count < HEALTH_RESULTS)
		r->count++;
	return known == ENDPOINT_UNTRIED || r->count == HEALTH_RESULTS ? found : ENDPOINT_UNTRIED;
}

uint64_t health_offset(const struct id *endpoint, uint64_t period_ms)
{
	uint64_t random; /* as ids are */

	memcpy(&random, endpoint->b, sizeof(random));
	return random % period_ms;
}

uint64_t health_next(const struct id *endpoint, uint64_t period_ms, uint64_t after)
{
	uint64_t offset = health_offset(endpoint, period_ms);

	if (after < offset)
		return offset;
	return after + period_ms - (after - offset) % period_ms;
}
