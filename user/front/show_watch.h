/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was told by the data path, as JSON. NULL: out of memory. */
#pragma once

#include <jansson.h>

#include "watch/watch.h"

/* Where and when records are of; borrowed for one call. */
struct watch_place {
	const struct watch_names *names;
	const char *device;       /* the name of its ifindex */
	uint64_t wall_ns, now_ns; /* one moment, by the wall clock and by CLOCK_MONOTONIC */
};

/* snap: bytes of a packet that are shown at most; 0: all. */
json_t *show_watch(const struct watch_record *r, const struct watch_place *p, uint32_t snap);
/* Records that found no room, where: "ring", "client". */
json_t *show_watch_lost(const char *where, uint64_t count);
/* Drops and refusals of a verdict that were too many to be told. */
json_t *show_watch_left_out(uint8_t verdict, uint64_t count);
