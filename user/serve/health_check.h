/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One health check, from its connect inside the endpoint's namespace to its result. */
#pragma once

#include "healthd.h"

struct health_check;

/*
 * Begins a check that is over at `deadline` at the latest. `done` is called
 * once, later, and frees nothing itself: result is 0 when it passed, a negative
 * errno, or the HTTP status that was not good enough. 0 or a negative errno:
 * then the check has failed for that reason already.
 */
int health_check_start(struct loop *loop, const struct health_target *target, uint64_t deadline,
		       void (*done)(void *arg, int result), void *arg,
		       struct health_check **ret_check);
void health_check_free(struct health_check *c); /* NULL is fine */

/* A result for people: "nothing listens there". Returns out. */
#define HEALTH_RESULT_TEXT_MAX 80
const char *health_result_format(int result, char out[HEALTH_RESULT_TEXT_MAX]);
