/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The only writer of kernel state. Holds what it last saw of each table,
 * compares it with a plan by one merge of two sorted lists, and carries out the
 * difference in dependency order: additions table by table, then removals in
 * reverse. A row that fails does not stop the others; it is reported, and tried
 * again with the next plan.
 */
#pragma once

#include <errno.h>
#include <stdbool.h>

#include "base/err.h"
#include "plan/plan.h"

struct apply;

/*
 * What a driver's upsert or remove returns, without a sentence, when a row must wait for
 * another plan. That is no failure and nobody is told; the table is looked at again.
 */
#define APPLY_LATER (-EINPROGRESS)

struct apply_row {
	const uint8_t *key, *value;
	bool exists; /* with another value; to be removed: always */
};

/*
 * One driver a kernel object kind: it sees single rows, never both sides.
 * `observe` reads back what the kernel holds of ours (foreign objects are not
 * reported) into rows sorted like the plan's. All return 0 or a negative errno.
 *
 * Where one call can do many rows, `upsert_many` and `remove_many` (or NULL) do as
 * many of them as they can, from the first on, and return how many that were. The
 * next row is then done by itself, which says what is wrong with it, and those
 * after it are offered again.
 */
struct driver {
	const char *name;
	int (*observe)(void *ctx, struct plan_table *ret_actual, struct err *e);
	int (*upsert)(void *ctx, const uint8_t *key, const uint8_t *value, bool exists, struct err *e);
	int (*remove)(void *ctx, const uint8_t *key, const uint8_t *value, struct err *e);
	size_t (*upsert_many)(void *ctx, const struct apply_row *rows, size_t count);
	size_t (*remove_many)(void *ctx, const struct apply_row *rows, size_t count);
	void *ctx;
};

#define APPLY_MANY 1024 /* rows offered at once, at most */

struct apply_stats {
	unsigned int same, added, updated, removed, failed, later;
	unsigned int gone[PLAN_TABLE_COUNT]; /* rows that are no more as they were, by table */
};

/* driver[] is indexed by enum plan_table_id and borrowed. 0 or -ENOMEM. */
int apply_new(const struct driver driver[PLAN_TABLE_COUNT], struct apply **ret_apply);
void apply_free(struct apply *a); /* forgets; the kernel keeps everything */

/* Drops what was seen of all tables, so that the next run observes afresh. */
void apply_forget(struct apply *a);

/*
 * Makes the kernel hold the plan. With `may_remove` false nothing is deleted
 * (before in-sync). `on_error` is called for each row that failed; with key NULL
 * when a whole table could not be read, which then is left as it is.
 * Returns 0 when everything holds, or the first error.
 */
int apply_run(struct apply *a, const struct plan *p, bool may_remove,
	      void (*on_error)(void *arg, enum plan_table_id table, const uint8_t *key,
			       const struct err *e),
	      void *arg, struct apply_stats *ret_stats);
