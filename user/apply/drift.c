/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "drift.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "drivers.h"

void drift_fini(struct drift *d)
{
	free(d->changed.rows);
	free(d->unsure.rows);
	*d = (struct drift){ 0 };
}

const uint8_t *table_find(const struct plan_table *t, const uint8_t *key)
{
	size_t low = 0, high = t->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int c = memcmp(plan_row(t, mid), key, t->key_size);

		if (!c)
			return plan_row(t, mid);
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

struct look {
	const struct drift *d;
	const struct apply_scope *scope;
	struct plan_table next, changed;
	size_t next_room, changed_room;
};

static bool is_in_scope(const struct look *l, const uint8_t *row)
{
	return l->scope->has(l->scope->arg, l->scope->table, row);
}

/* A row of both, or of one: what is NULL is not there. */
static int look_at(struct look *l, const uint8_t *was, const uint8_t *now)
{
	const struct plan_table *t = &l->next;
	const uint8_t *row = now ? now : was;
	bool same = was && now && !memcmp(was, now, t->key_size + t->value_size);
	bool outside = !same && l->scope && !(was && is_in_scope(l, was)) &&
		       !(now && is_in_scope(l, now));
	int r = 0;

	if (!same && !outside && !table_find(&l->d->unsure, row))
		r = rows_push(&l->changed, &l->changed_room, row, row);
	row = outside ? was : now;
	if (!r && l->scope && row)
		r = rows_push(&l->next, &l->next_room, row, row + t->key_size);
	return r;
}

static int look_at_all(struct look *l, const struct plan_table *was, const struct plan_table *now)
{
	size_t i = 0, j = 0;
	int r = 0;

	while ((i < was->count || j < now->count) && !r) {
		int c = i == was->count ? 1 : j == now->count ? -1 :
			memcmp(plan_row(was, i), plan_row(now, j), was->key_size);

		r = look_at(l, c <= 0 ? plan_row(was, i) : NULL, c >= 0 ? plan_row(now, j) : NULL);
		i += c <= 0;
		j += c >= 0;
	}
	return r;
}

static void sort_unique(struct plan_table *t)
{
	size_t kept = 0;

	rows_sort(t);
	for (size_t i = 0; i < t->count; i++) {
		if (kept && !memcmp(plan_row(t, kept - 1), plan_row(t, i), t->key_size))
			continue;
		memmove(t->rows + kept++ * t->key_size, plan_row(t, i), t->key_size);
	}
	t->count = kept;
}

/* What was known to be changed before still is: a look may come before the mend. */
static int add_earlier(struct look *l)
{
	const struct plan_table *earlier = &l->d->changed;
	int r = 0;

	for (size_t i = 0; i < earlier->count && !r; i++)
		r = rows_push(&l->changed, &l->changed_room, plan_row(earlier, i), plan_row(earlier, i));
	if (earlier->count)
		sort_unique(&l->changed);
	return r;
}

int drift_look(struct drift *d, const struct plan_table *was, struct plan_table *now,
	       const struct apply_scope *scope)
{
	struct look l = { .d = d, .scope = scope, .next = { now->key_size, now->value_size },
			  .changed = { .key_size = now->key_size } };
	int r = look_at_all(&l, was, now);

	if (!r)
		r = add_earlier(&l);
	if (r) {
		free(l.next.rows);
		free(l.changed.rows);
		return r;
	}
	free(d->changed.rows);
	d->changed = l.changed;
	if (!scope)
		return 0;
	free(now->rows);
	*now = l.next;
	return 0;
}

int drift_settle(struct drift *d, struct plan_table *failed)
{
	struct drift next = { { .key_size = failed->key_size }, { .key_size = failed->key_size } };
	size_t changed_room = 0, unsure_room = 0;
	int r = 0;

	sort_unique(failed);
	for (size_t i = 0; i < failed->count && !r; i++) {
		const uint8_t *key = plan_row(failed, i);

		r = table_find(&d->changed, key) ? rows_push(&next.changed, &changed_room, key, key) :
						   rows_push(&next.unsure, &unsure_room, key, key);
	}
	drift_fini(r ? &next : d);
	if (!r)
		*d = next;
	return r;
}
