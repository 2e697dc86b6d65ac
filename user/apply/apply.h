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
	const uint8_t *found; /* the whole row that exists, or NULL */
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
	bool is_renewed; /* a row that somebody removed does not come back: plans name another one */
};

#define APPLY_MANY 1024 /* rows offered at once, at most */

struct apply_stats {
	unsigned int same, added, updated, removed, failed, later;
	unsigned int gone[PLAN_TABLE_COUNT]; /* rows that are no more as they were, by table */
};

/* driver[] is indexed by enum plan_table_id and borrowed. 0 or -ENOMEM. */
int apply_new(const struct driver driver[PLAN_TABLE_COUNT], struct apply **ret_apply);
void apply_free(struct apply *a); /* forgets; the kernel keeps everything */

/*
 * The next run looks at all tables. What they held when they were looked at last still tells
 * which changes are somebody else's.
 */
void apply_forget(struct apply *a);

/* ---- what somebody else changed ---- */

enum apply_wrong { APPLY_MISSING, APPLY_DIFFERED, APPLY_EXTRA };

struct apply_mended {
	enum plan_table_id table;
	enum apply_wrong wrong;
	const uint8_t *key;
	/* Whole rows. NULL: there was none; none should be, or (APPLY_MISSING) another one replaces it. */
	const uint8_t *found, *wanted;
};

/*
 * From now on told of each row that a run put right after somebody else had changed it, once.
 * What changes with the plan is none of them, and at the first look at a table nothing is.
 */
void apply_when_mended(struct apply *a, void (*fn)(void *arg, const struct apply_mended *m),
		       void *arg);

/* Which rows are looked at; others pass for what they were. */
struct apply_scope {
	bool (*has)(void *arg, enum plan_table_id table, const uint8_t *row);
	void *arg;
	enum plan_table_id table; /* set by apply_look */
};

/*
 * Looks at one table now, all of it when scope is NULL, and changes nothing: the next run mends.
 * Sets *ret_rows to how many rows are wrong. A table that the next run looks at in any case is
 * left to it. 0, or a negative errno with a sentence.
 */
int apply_look(struct apply *a, enum plan_table_id id, const struct apply_scope *scope,
	       size_t *ret_rows, struct err *e);

/*
 * Makes the kernel hold the plan. With `may_remove` false nothing is deleted
 * (before in-sync). `on_error` is called for each row that failed, whose key is
 * followed by its value; with key NULL when a whole table could not be read, which
 * then is left as it is.
 * Returns 0 when everything holds, or the first error.
 */
int apply_run(struct apply *a, const struct plan *p, bool may_remove,
	      void (*on_error)(void *arg, enum plan_table_id table, const uint8_t *key,
			       const struct err *e),
	      void *arg, struct apply_stats *ret_stats);
