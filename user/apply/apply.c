/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "apply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "classless.h"
#include "drift.h"
#include "drivers.h"

struct apply {
	struct driver driver[PLAN_TABLE_COUNT];
	struct plan_table seen[PLAN_TABLE_COUNT]; /* what the kernel held when last looked at */
	bool known[PLAN_TABLE_COUNT];             /* false: look before the next run */
	bool has_seen[PLAN_TABLE_COUNT];          /* false: never looked at */
	struct drift drift[PLAN_TABLE_COUNT];
	void (*on_mended)(void *arg, const struct apply_mended *m);
	void *mended_arg;
};

struct run {
	struct apply *a;
	const struct plan *plan;
	void (*on_error)(void *arg, enum plan_table_id table, const uint8_t *key,
			 const struct err *e);
	void *arg;
	struct apply_stats stats;
	bool stale[PLAN_TABLE_COUNT]; /* something failed: what was seen is no longer sure */
	struct plan_table failed[PLAN_TABLE_COUNT]; /* keys of those rows */
	size_t failed_room[PLAN_TABLE_COUNT];
	bool is_set_in_doubt; /* what is in force may lack the class of who is new */
	bool is_out_of_memory;
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

void apply_forget(struct apply *a)
{
	memset(a->known, 0, sizeof(a->known));
}

/* As if it had never been looked at. */
static void drop_all(struct apply *a)
{
	apply_forget(a);
	for (int i = 0; i < PLAN_TABLE_COUNT; i++) {
		free(a->seen[i].rows);
		a->seen[i] = (struct plan_table){ 0 };
		a->has_seen[i] = false;
		drift_fini(&a->drift[i]);
	}
}

void apply_free(struct apply *a)
{
	if (!a)
		return;
	drop_all(a);
	free(a);
}

void apply_when_mended(struct apply *a, void (*fn)(void *arg, const struct apply_mended *m),
		       void *arg)
{
	a->on_mended = fn;
	a->mended_arg = arg;
}

/* The row is not as it was taken to be: the table is looked at again. */
static void note_unsure(struct run *run, enum plan_table_id id, const uint8_t *key)
{
	struct plan_table *keys = &run->failed[id];

	run->stale[id] = true;
	keys->key_size = run->plan->table[id].key_size;
	if (key && rows_push(keys, &run->failed_room[id], key, key))
		run->is_out_of_memory = true;
}

static void failed(struct run *run, enum plan_table_id id, const uint8_t *key, int code,
		   struct err *e)
{
	err_set(e, code, "%s: %s", run->a->driver[id].name, strerror(-code));
	note_unsure(run, id, key);
	run->stats.failed++;
	run->first = run->first ? run->first : code;
	if (run->on_error)
		run->on_error(run->arg, id, key, e);
}

/* Reads the table, and finds what is not as it was left. */
static int look(struct apply *a, enum plan_table_id id, const struct apply_scope *scope, struct err *e)
{
	struct driver *d = &a->driver[id];
	struct plan_table now = { 0 };
	int r = d->observe(d->ctx, &now, e);

	if (r)
		return r;
	if (a->has_seen[id])
		r = drift_look(&a->drift[id], &a->seen[id], &now, scope);
	if (r) {
		free(now.rows);
		return err_set(e, r, "out of memory");
	}
	free(a->seen[id].rows);
	a->seen[id] = now;
	a->known[id] = a->has_seen[id] = true;
	return 0;
}

int apply_look(struct apply *a, enum plan_table_id id, const struct apply_scope *scope,
	       size_t *ret_rows, struct err *e)
{
	struct apply_scope of_table = scope ? *scope : (struct apply_scope){ 0 };
	int r = 0;

	of_table.table = id;
	if (a->known[id])
		r = look(a, id, scope ? &of_table : NULL, e);
	*ret_rows = a->drift[id].changed.count;
	return r;
}

static bool fits(const struct plan_table *a, const struct plan_table *b)
{
	return a->key_size == b->key_size && a->value_size == b->value_size;
}

/* Looks at the kernel where that is needed. False: this table must be left out of the run. */
static bool observe(struct run *run, enum plan_table_id id)
{
	const struct plan_table *want = &run->plan->table[id], *seen = &run->a->seen[id];
	struct err e = { 0 };
	int r = 0;

	if (!run->a->known[id])
		r = look(run->a, id, NULL, &e);
	if (!r && !fits(seen, want))
		r = err_set(&e, -EPROTO, "%s: plan and driver disagree about the rows (%zu+%zu and "
			    "%zu+%zu bytes)", run->a->driver[id].name, want->key_size,
			    want->value_size, seen->key_size, seen->value_size);
	if (r)
		failed(run, id, NULL, r, &e);
	return !r;
}

static size_t row_size(const struct plan_table *t)
{
	return t->key_size + t->value_size;
}

static void push_row(struct plan_table *t, const uint8_t *row)
{
	memcpy(t->rows + t->count++ * row_size(t), row, row_size(t));
}

static void tell_mended(struct run *run, enum plan_table_id id, const uint8_t *key,
			const uint8_t *found, const uint8_t *wanted)
{
	struct apply_mended m = { id, APPLY_DIFFERED, key, found, wanted };
	struct apply *a = run->a;

	if (!a->on_mended || !a->drift[id].changed.count || !table_find(&a->drift[id].changed, key))
		return;
	if (!found)
		m.wrong = APPLY_MISSING;
	else if (!wanted)
		m.wrong = APPLY_EXTRA;
	a->on_mended(a->mended_arg, &m);
}

/* Somebody removed what the plan does not ask for any more, because it is gone. */
static void tell_renewed(struct run *run, enum plan_table_id id)
{
	const struct plan_table *changed = &run->a->drift[id].changed;

	for (size_t i = 0; i < changed->count && run->a->driver[id].is_renewed; i++) {
		const uint8_t *key = plan_row(changed, i);

		if (!table_find(&run->a->seen[id], key) && !table_find(&run->plan->table[id], key))
			tell_mended(run, id, key, NULL, NULL);
	}
}

static void count_done(struct run *run, enum plan_table_id id, const struct apply_row *row)
{
	tell_mended(run, id, row->key, row->found, run->doing == REMOVE ? NULL : row->key);
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

static void wait_for_another_plan(struct run *run, enum plan_table_id id, const uint8_t *key)
{
	note_unsure(run, id, key);
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
		wait_for_another_plan(run, id, row->key);
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

static void do_later(struct run *run, enum plan_table_id id, const uint8_t *row, const uint8_t *found)
{
	size_t key_size = run->plan->table[id].key_size;

	run->todo[run->todo_count++] = (struct apply_row){ row, row + key_size, found, found };
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
	else if (!old && (row_is_classless(&run->failed[PLAN_POLICY_SUBJECTS], id, new) ||
			  (run->is_set_in_doubt && row_has_class(run->plan, id, new))))
		wait_for_another_plan(run, id, new);
	else
		do_later(run, id, new, old);
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

	tell_renewed(run, id);
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

/* is_due: of the rows that are not wanted, which (NULL: all). */
static void remove_rows(struct run *run, enum plan_table_id id,
			bool (*is_due)(const struct plan *p, const uint8_t *row))
{
	const struct plan_table *want = &run->plan->table[id];
	struct plan_table *seen = &run->a->seen[id];
	size_t kept = 0, j = 0;

	run->doing = REMOVE;
	for (size_t i = 0; i < seen->count; i++) {
		uint8_t *row = seen->rows + i * row_size(seen);

		while (j < want->count && row_cmp(want, j, seen, i) < 0)
			j++;
		if ((j == want->count || row_cmp(want, j, seen, i)) && (!is_due || is_due(run->plan, row))) {
			do_later(run, id, row, row);
			continue;
		}
		do_all(run, id); /* before the row takes the place of one of them */
		memmove(seen->rows + kept++ * row_size(seen), row, row_size(seen));
	}
	do_all(run, id);
	seen->count = kept;
	run->doing = PUT;
}

/* With `is_settled` all that was found wrong is right now, but for rows that failed. */
static void finish(struct run *run, enum plan_table_id id, bool is_settled)
{
	run->failed[id].key_size = run->plan->table[id].key_size;
	if (is_settled && drift_settle(&run->a->drift[id], &run->failed[id]))
		run->is_out_of_memory = true;
	free(run->failed[id].rows);
	if (run->stale[id])
		run->a->known[id] = false;
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
		else if (i == PLAN_POLICY_SUBJECTS || i == PLAN_POLICY_SETS)
			run.is_set_in_doubt = true;
		if (i == PLAN_POLICY_SETS && run.stale[i])
			run.is_set_in_doubt = true;
		/* Before `policy` has flows judged anew: by what they were the answer would stand. */
		if (i == PLAN_POLICY_SUBJECTS && !r && may_remove && usable[i] && !is_held_back(&run, i))
			remove_rows(&run, i, subject_is_classless_now);
	}
	for (int i = PLAN_TABLE_COUNT - 1; i >= 0 && !r && may_remove; i--)
		if (usable[i] && !is_held_back(&run, (enum plan_table_id)i))
			remove_rows(&run, (enum plan_table_id)i, NULL);
	for (int i = 0; i < PLAN_TABLE_COUNT; i++)
		finish(&run, (enum plan_table_id)i, usable[i] && may_remove);
	if (r || run.is_out_of_memory) {
		drop_all(a);
		return r ? r : -ENOMEM;
	}
	*ret_stats = run.stats;
	return run.first;
}
