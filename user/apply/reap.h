/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Takes what is over out of the data path's maps: flows that were idle too long or
 * whose backend or client is gone, the same of containers' connections to the outside, and
 * counts of VIPs and backends that are no more. The maps have one writer, so the programs
 * ov_reap, ov_reap_masq and ov_reap_stats decide and delete; here they are only pointed at
 * what looks over.
 *
 * A round reads all of the maps, a batch a step, so that no step takes long.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "apply/kernel.h"

#define REAP_BATCH 4096 /* entries a step */

struct reaper;

struct reap_hooks {
	/* A TCP flow that began here and outlived its backend; its client may be waiting in silence. */
	void (*on_orphan)(void *arg, const struct ov_flow_key *key, const struct ov_flow *flow);
	void *arg;
};

struct reap_stats {
	uint64_t flows, masq;                /* seen in this round */
	uint64_t expired, orphans, leftovers; /* removed; left for now; counts removed */
};

/* Borrows the kernel. 0 or -ENOMEM. */
int reap_new(struct kernel *k, const struct reap_hooks *hooks, struct reaper **ret_reaper);
void reap_free(struct reaper *r);

/* A round begins with the next step, whether or not one is under way. */
void reap_restart(struct reaper *r);
/*
 * One batch; now_ns is CLOCK_MONOTONIC. *ret_done: it was the round's last, and the
 * next step begins another. After an error the round begins anew.
 */
int reap_step(struct reaper *r, uint64_t now_ns, bool *ret_done);
/* Of the round under way, or of the last one when none is. */
const struct reap_stats *reap_round(const struct reaper *r);
