/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fake_kernel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static size_t row_size(const struct plan_table *t)
{
	return t->key_size + t->value_size;
}

void fake_kernel_init(struct fake_kernel *k, const struct plan *like)
{
	memset(k, 0, sizeof(*k));
	for (int i = 0; i < PLAN_TABLE_COUNT; i++) {
		struct plan_table *t = &k->held[i];

		t->key_size = like->table[i].key_size;
		t->value_size = like->table[i].value_size;
		t->rows = calloc(FAKE_ROWS_MAX, row_size(t));
		if (!t->rows)
			abort();
		k->ctx[i] = (struct fake_ctx){ k, (enum plan_table_id)i };
	}
}

void fake_kernel_fini(struct fake_kernel *k)
{
	for (int i = 0; i < PLAN_TABLE_COUNT; i++)
		free(k->held[i].rows);
}

void fake_kernel_fail(struct fake_kernel *k, unsigned int nth)
{
	k->op_count = 0;
	k->changes = 0;
	k->calls = 0;
	k->fail_at = nth;
}

void fake_kernel_batch(struct fake_kernel *k, size_t many)
{
	k->many = many;
}

static void note(struct fake_ctx *c, enum fake_op_kind kind, const uint8_t *key)
{
	struct fake_kernel *k = c->kernel;
	struct fake_op *op = &k->op[k->op_count];

	if (k->op_count == FAKE_LOG_MAX)
		abort();
	*op = (struct fake_op){ .kind = kind, .table = c->id };
	if (key)
		memcpy(&op->key, key, sizeof(op->key));
	k->op_count++;
}

static int observe(void *ctx, struct plan_table *ret_actual, struct err *e)
{
	struct fake_ctx *c = ctx;
	struct plan_table t = c->kernel->held[c->id];

	if (c->kernel->fail_observe[c->id])
		return err_set(e, -EIO, "the fake kernel does not answer");
	note(c, FAKE_OBSERVE, NULL);
	t.rows = malloc(t.count * row_size(&t) + 1);
	if (!t.rows)
		return -ENOMEM;
	memcpy(t.rows, c->kernel->held[c->id].rows, t.count * row_size(&t));
	*ret_actual = t;
	return 0;
}

/* Index of the key, or where it belongs. */
static size_t find(const struct plan_table *t, const uint8_t *key, bool *ret_found)
{
	size_t i = 0;

	while (i < t->count && memcmp(plan_row(t, i), key, t->key_size) < 0)
		i++;
	*ret_found = i < t->count && !memcmp(plan_row(t, i), key, t->key_size);
	return i;
}

static bool fails(struct fake_kernel *k)
{
	return ++k->changes == k->fail_at;
}

static int put(void *ctx, const uint8_t *key, const uint8_t *value, bool exists, struct err *e)
{
	struct fake_ctx *c = ctx;
	struct plan_table *t = &c->kernel->held[c->id];
	bool found;
	size_t i = find(t, key, &found), size = row_size(t);

	if (c->kernel->later[c->id])
		return APPLY_LATER;
	if (fails(c->kernel))
		return err_set(e, -EIO, "the fake kernel refuses");
	if (c->kernel->foreign[c->id][key[0]])
		return err_set(e, -EEXIST, "there is a foreign object of that name");
	if (found != exists || (!found && t->count == FAKE_ROWS_MAX))
		abort(); /* apply said something else than we hold */
	if (!found) {
		memmove(t->rows + (i + 1) * size, t->rows + i * size, (t->count - i) * size);
		t->count++;
	}
	memcpy(t->rows + i * size, key, t->key_size);
	memcpy(t->rows + i * size + t->key_size, value, t->value_size);
	note(c, found ? FAKE_UPDATE : FAKE_ADD, key);
	return 0;
}

static int take(void *ctx, const uint8_t *key, const uint8_t *value, struct err *e)
{
	struct fake_ctx *c = ctx;
	struct plan_table *t = &c->kernel->held[c->id];
	bool found;
	size_t i = find(t, key, &found), size = row_size(t);

	if (c->kernel->later[c->id])
		return APPLY_LATER;
	if (fails(c->kernel))
		return err_set(e, -EIO, "the fake kernel refuses");
	if (!found || memcmp(plan_row(t, i) + t->key_size, value, t->value_size))
		abort(); /* apply must remove what it saw */
	memmove(t->rows + i * size, t->rows + (i + 1) * size, (t->count - i - 1) * size);
	t->count--;
	note(c, FAKE_REMOVE, key);
	return 0;
}

static int upsert(void *ctx, const uint8_t *key, const uint8_t *value, bool exists, struct err *e)
{
	((struct fake_ctx *)ctx)->kernel->calls++;
	return put(ctx, key, value, exists, e);
}

static int remove_row(void *ctx, const uint8_t *key, const uint8_t *value, struct err *e)
{
	((struct fake_ctx *)ctx)->kernel->calls++;
	return take(ctx, key, value, e);
}

static size_t upsert_many(void *ctx, const struct apply_row *rows, size_t count)
{
	struct fake_kernel *k = ((struct fake_ctx *)ctx)->kernel;
	size_t done = 0;

	k->calls++;
	while (done < count && done < k->many &&
	       !put(ctx, rows[done].key, rows[done].value, rows[done].exists, &(struct err){ 0 }))
		done++;
	return done;
}

static size_t remove_many(void *ctx, const struct apply_row *rows, size_t count)
{
	struct fake_kernel *k = ((struct fake_ctx *)ctx)->kernel;
	size_t done = 0;

	k->calls++;
	while (done < count && done < k->many &&
	       !take(ctx, rows[done].key, rows[done].value, &(struct err){ 0 }))
		done++;
	return done;
}

void fake_kernel_drivers(struct fake_kernel *k, struct driver ret_driver[PLAN_TABLE_COUNT])
{
	for (int i = 0; i < PLAN_TABLE_COUNT; i++) {
		ret_driver[i] = (struct driver){
			.name = "fake",
			.observe = observe,
			.upsert = upsert,
			.remove = remove_row,
			.upsert_many = k->many ? upsert_many : NULL,
			.remove_many = k->many ? remove_many : NULL,
			.ctx = &k->ctx[i],
		};
	}
}

bool fake_kernel_holds(const struct fake_kernel *k, const struct plan *p)
{
	for (int i = 0; i < PLAN_TABLE_COUNT; i++) {
		const struct plan_table *t = &p->table[i];

		if (k->held[i].count != t->count ||
		    (t->count && memcmp(k->held[i].rows, t->rows, t->count * row_size(t))))
			return false;
	}
	return true;
}

unsigned int fake_kernel_changes(const struct fake_kernel *k)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < k->op_count; i++)
		n += k->op[i].kind != FAKE_OBSERVE;
	return n;
}
