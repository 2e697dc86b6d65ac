/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A page of metrics while it is made. */
#pragma once

#include "control_call.h"
#include "metrics.h"

struct metrics {
	struct buf *b;
	struct scene s;
	const struct control_facts *f;
	struct ov_counter counter[OV_VERDICT_COUNT];
	struct traffic traffic;
	struct lb_row *lb;
	struct key_row *keys;
	size_t lb_count, key_count;
	uint64_t left_out;
};

/* Rows of networks, services, backends and peers. */
void metrics_put_rows(struct metrics *m);
