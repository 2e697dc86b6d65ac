/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "apply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

struct apply {
	struct driver driver[PLAN_TABLE_COUNT];
	struct plan_table seen[PLAN_TABLE_COUNT]; /* what the kernel held when last looked at */
	bool known[PLAN_TABLE_COUNT];             /* false: look before the next run */
};

struct run {
	struct apply *a;
	const struct plan *plan;
	void (*on_error)(void *arg, enum plan_table_id table, const uint8_t *key,
			 const struct err *e);
	void *arg;
	struct apply_stats stats;
	bool stale[PLAN_TABLE_COUNT]; /* something failed: what was seen is no longer sure */
	int first;
	enum { PUT, REMOVE } doing;
	size_t todo_count;
	struct apply_row todo[APPLY_MANY]; /* of one table, in its order */
};

int apply_new(const struct driver driver[PLAN_TABLE_COUNT], struct apply **ret_apply)
{
	struct apply *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	memcpy(a->driver, driver, sizeof(a->driver));
	*ret_apply = a;
	return 0;
}

static void forget_table(struct apply *a, enum plan_table_id id)
{
	free(a->seen[id].rows);
	a->seen[id] = (struct plan_table){ 0 };
	a->known[id] = false;
}

void apply_forget(struct apply *a)
{
	for (int i = 0; i < PLAN_TABLE_COUNT; i++)
		forget_table(a, (enum plan_table_id)i);
}

void apply_free(struct apply *a)
{
	if (!a)
		return;
	apply_forget(a);
	free(a);
}

static void failed(struct run *run, enum plan_table_id id, const uint8_t *key, int code,
		   struct err *e)
{
	err_set(e, code, "%s: %s", run->a->driver[id].name, strerror(-code));
	run->stale[id] = true;
	run->stats.failed++;
	run->first = run->first ? run->first : code;
	if (run->on_error)
		run->on_error(run->arg, id, key, e);
}

/* Looks at the kernel where that is needed. False: this table must be left out of the run. */
static bool observe(struct run *run, enum plan_table_id id)
{
	const struct plan_table *want = &run->plan->table[id];
	struct driver *d = &run->a->driver[id];
	struct plan_table seen = { 0 };
	struct err e = { 0 };
	int r;

	if (run->a->known[id])
		return true;
	forget_table(run->a, id);
	r = d->observe(d->ctx, &seen, &e);
	if (!r && (seen.key_size != want->key_size || seen.value_size != want->value_size)) {
		free(seen.rows);
		r = err_set(&e, -EPROTO, "%s: plan and driver disagree about the rows (%zu+%zu and "
			    "%zu+%zu bytes)", d->name, want->key_size, want->value_size,
			    seen.key_size, seen.value_size);
	}
	if (r) {
		failed(run, id, NULL, r, &e);
		return false;
	}
	run->a->seen[id] = seen;
	run->a->known[id] = true;
	return true;
}

static size_t row_size(const struct plan_table *t)
{
	return t->key_size + t->value_size;
}

static void push_row(struct plan_table *t, const uint8_t *row)
{
	memcpy(t->rows + t->count++ * row_size(t), row, row_size(t));
}

static void count_done(struct run *run, enum plan_table_id id, const struct apply_row *row)
{
	if (!row->exists) {
		run->stats.added++;
		return;
	}
	run->stats.gone[id]++;
	if (run->doing == REMOVE)
		run->stats.removed++;
	else
		run->stats.updated++;
}

static void wait_for_another_plan(struct run *run, enum plan_table_id id)
{
	run->stale[id] = true;
	run->stats.later++;
}

static void do_one(struct run *run, enum plan_table_id id, const struct apply_row *row)
{
	struct driver *d = &run->a->driver[id];
	struct err e = { 0 };
	int r;

	if (run->doing == REMOVE)
		r = d->remove(d->ctx, row->key, row->value, &e);
	else
		r = d->upsert(d->ctx, row->key, row->value, row->exists, &e);
	if (r == APPLY_LATER)
		wait_for_another_plan(run, id);
	else if (r)
		failed(run, id, row->key, r, &e);
	else
		count_done(run, id, row);
}

static void do_all(struct run *run, enum plan_table_id id)
{
	struct driver *d = &run->a->driver[id];
	size_t (*many)(void *, const struct apply_row *, size_t) =
		run->doing == REMOVE ? d->remove_many : d->upsert_many;

	for (size_t i = 0; i < run->todo_count; i++) {
		size_t left = run->todo_count - i;
		size_t done = many && left > 1 ? many(d->ctx, run->todo + i, left) : 0;

		for (; done; done--)
			count_done(run, id, &run->todo[i++]);
		if (i < run->todo_count)
			do_one(run, id, &run->todo[i]);
	}
	run->todo_count = 0;
}

static void do_later(struct run *run, enum plan_table_id id, const uint8_t *row, bool exists)
{
	size_t key_size = run->plan->table[id].key_size;

	run->todo[run->todo_count++] = (struct apply_row){ row, row + key_size, exists };
	if (run->todo_count == APPLY_MANY)
		do_all(run, id);
}

/*
 * One row that is wanted; `old` is what is there or NULL. It counts as seen from now on:
 * if it fails, its table is looked at again before that matters.
 */
static void put_row(struct run *run, enum plan_table_id id, const uint8_t *old, const uint8_t *new,
		    struct plan_table *next)
{
	push_row(next, new);
	if (old && !memcmp(old, new, row_size(next)))
		run->stats.same++;
	else
		do_later(run, id, new, old != NULL);
}

/* Order of the two rows at hand; a table at its end comes after everything. */
static int row_cmp(const struct plan_table *a, size_t i, const struct plan_table *b, size_t j)
{
	if (i == a->count || j == b->count)
		return i == a->count ? 1 : -1;
	return memcmp(plan_row(a, i), plan_row(b, j), a->key_size);
}

/*
 * A set of rules of which some row could not be written must not come into force, and the rows of
 * the one that is stay: what names sets, and what they are made of, waits for another run.
 */
static bool is_held_back(const struct run *run, enum plan_table_id id)
{
	bool parts = run->stale[PLAN_POLICY_RULES] || run->stale[PLAN_POLICY_SUBJECTS];

	if (id == PLAN_POLICY_RULES || id == PLAN_POLICY_SUBJECTS)
		return parts || run->stale[PLAN_POLICY_SETS];
	return id == PLAN_POLICY_SETS && parts;
}

/* One merge over both sorted lists. Rows that are only seen stay for remove_rows. */
static int put_rows(struct run *run, enum plan_table_id id)
{
	const struct plan_table *want = &run->plan->table[id];
	struct plan_table *seen = &run->a->seen[id], next = *seen;
	size_t i = 0, j = 0;

	next.count = 0;
	next.rows = calloc(seen->count + want->count + 1, row_size(want) ? row_size(want) : 1);
	if (!next.rows)
		return -ENOMEM;
	while (i < seen->count || j < want->count) {
		int c = row_cmp(seen, i, want, j);

		if (c < 0) {
			push_row(&next, plan_row(seen, i++));
		} else {
			put_row(run, id, c ? NULL : plan_row(seen, i), plan_row(want, j++), &next);
			i += !c;
		}
	}
	do_all(run, id);
	free(seen->rows);
	*seen = next;
	return 0;
}

static void remove_rows(struct run *run, enum plan_table_id id)
{
	const struct plan_table *want = &run->plan->table[id];
	struct plan_table *seen = &run->a->seen[id];
	size_t kept = 0, j = 0;

	for (size_t i = 0; i < seen->count; i++) {
		uint8_t *row = seen->rows + i * row_size(seen);

		while (j < want->count && row_cmp(want, j, seen, i) < 0)
			j++;
		if (j == want->count || row_cmp(want, j, seen, i)) {
			do_later(run, id, row, true);
			continue;
		}
		do_all(run, id); /* before the row takes the place of one of them */
		memmove(seen->rows + kept++ * row_size(seen), row, row_size(seen));
	}
	do_all(run, id);
	seen->count = kept;
}

int apply_run(struct apply *a, const struct plan *p, bool may_remove,
	      void (*on_error)(void *arg, enum plan_table_id table, const uint8_t *key,
			       const struct err *e),
	      void *arg, struct apply_stats *ret_stats)
{
	struct run run = { .a = a, .plan = p, .on_error = on_error, .arg = arg };
	bool usable[PLAN_TABLE_COUNT] = { false };
	int r = 0;

	for (int i = 0; i < PLAN_TABLE_COUNT && !r; i++) {
		usable[i] = observe(&run, (enum plan_table_id)i);
		if (usable[i] && !is_held_back(&run, (enum plan_table_id)i))
			r = put_rows(&run, (enum plan_table_id)i);
	}
	run.doing = REMOVE;
	for (int i = PLAN_TABLE_COUNT - 1; i >= 0 && !r && may_remove; i--)
		if (usable[i] && !is_held_back(&run, (enum plan_table_id)i))
			remove_rows(&run, (enum plan_table_id)i);
	for (int i = 0; i < PLAN_TABLE_COUNT; i++)
		if (run.stale[i])
			forget_table(a, (enum plan_table_id)i);
	if (r) {
		apply_forget(a);
		return r;
	}
	*ret_stats = run.stats;
	return run.first;
}
