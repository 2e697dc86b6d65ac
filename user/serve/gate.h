/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lets one log line a second through for each source; the rest is counted. */
#pragma once

#include "base/addr.h"

#define GATE_SOURCES 64 /* remembered; with more, the one silent longest is forgotten */
#define GATE_INTERVAL_MS 1000

struct gate {
	struct {
		struct ov_addr addr;
		uint64_t at;
		uint32_t held_back;
		bool used;
	} source[GATE_SOURCES];
};

/* True: speak, and *ret_held_back lines of this source were not spoken since the last one. */
bool gate_pass(struct gate *g, const struct ov_addr *addr, uint64_t now, uint32_t *ret_held_back);
