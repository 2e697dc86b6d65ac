/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Map rows. Keys and values are the ABI types of maps/ and go to the kernel as
 * they are. Everything in a pinned map below our directory is ours: apply is
 * its only writer, so that it does not change while it is read.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "drivers.h"

#define ENOTSUPP 524 /* the kernel's own: this map has no such operation */
#define VALUE_MAX 512 /* bytes of the largest value of maps/ */
#define BATCH_ROWS 4096 /* must hold the fullest hash bucket; grown when it does not */

_Static_assert(sizeof(struct ov_choices) <= VALUE_MAX, "no value is larger");

static const uint8_t *zeroes(size_t size)
{
	static const uint8_t zero[VALUE_MAX];

	return size <= sizeof(zero) ? zero : NULL;
}

static int map_failed(const struct map_ctx *m, const char *what, int r, struct err *e)
{
	if (r == -E2BIG || r == -ENOSPC) /* a hash or a trie */
		return err_set(e, r, "the map %s is full: this build holds no more entries",
			       bpf_map_name(m->map));
	return err_set(e, r, "the map %s could not be %s: %s", bpf_map_name(m->map), what,
		       strerror(-r));
}

static int observe_array(const struct map_ctx *m, int fd, struct plan_table *t, size_t *cap)
{
	uint8_t value[VALUE_MAX] = { 0 };
	uint32_t key = 0;
	int r = bpf_map_lookup_elem(fd, &key, value);

	if (r || !memcmp(value, zeroes(m->value_size), m->value_size))
		return r;
	return rows_push(t, cap, &key, value);
}

static int observe_one_by_one(const struct map_ctx *m, int fd, struct plan_table *t, size_t *cap)
{
	uint8_t key[64], next[64], value[VALUE_MAX];
	int r = bpf_map_get_next_key(fd, NULL, next);

	while (!r) {
		memcpy(key, next, m->key_size);
		r = bpf_map_lookup_elem(fd, key, value);
		if (!r)
			r = rows_push(t, cap, key, value);
		if (!r)
			r = bpf_map_get_next_key(fd, key, next);
	}
	return r == -ENOENT ? 0 : r;
}

struct batch {
	uint8_t *keys, *values;
	uint32_t size;
};

static void batch_fini(struct batch *b)
{
	free(b->keys);
	free(b->values);
}

static int batch_grow(const struct map_ctx *m, struct batch *b)
{
	uint32_t size = b->size ? b->size * 2 : BATCH_ROWS;
	uint8_t *keys = reallocarray(b->keys, size, m->key_size);
	uint8_t *values;

	if (!keys)
		return -ENOMEM;
	b->keys = keys;
	values = reallocarray(b->values, size, m->value_size);
	if (!values)
		return -ENOMEM;
	b->values = values;
	b->size = size;
	return 0;
}

/* -EINVAL or -ENOTSUPP (524, kernel-internal) at the first batch: the kernel cannot do it. */
static int observe_batch(const struct map_ctx *m, int fd, struct plan_table *t, size_t *cap)
{
	_cleanup_(batch_fini) struct batch b = { 0 };
	uint32_t at = 0, next = 0, count;
	bool begun = false;
	int r = batch_grow(m, &b);

	while (!r) {
		int got;

		count = b.size;
		got = bpf_map_lookup_batch(fd, begun ? &at : NULL, &next, b.keys, b.values, &count, NULL);
		if (got == -ENOSPC) { /* one bucket alone is larger */
			r = batch_grow(m, &b);
			continue;
		}
		if (got && got != -ENOENT)
			return got;
		for (uint32_t i = 0; i < count && !r; i++)
			r = rows_push(t, cap, b.keys + i * m->key_size, b.values + i * m->value_size);
		if (got == -ENOENT)
			return r;
		at = next;
		begun = true;
	}
	return r;
}

int map_read(const struct map_ctx *m, struct plan_table *ret_rows, struct err *e)
{
	struct plan_table t = { .key_size = m->key_size, .value_size = m->value_size };
	int fd = bpf_map_fd(m->bpf, m->map), r;
	size_t cap = 0;

	if (m->is_array) {
		r = observe_array(m, fd, &t, &cap);
	} else if (m->is_trie) {
		r = observe_one_by_one(m, fd, &t, &cap);
	} else {
		r = observe_batch(m, fd, &t, &cap);
		if (r && r != -ENOMEM) {
			t.count = 0;
			r = observe_one_by_one(m, fd, &t, &cap);
		}
	}
	if (r) {
		free(t.rows);
		return map_failed(m, "read", r, e);
	}
	rows_sort(&t);
	*ret_rows = t;
	return 0;
}

static int observe(void *ctx, struct plan_table *ret_actual, struct err *e)
{
	return map_read(ctx, ret_actual, e);
}

static int upsert(void *ctx, const uint8_t *key, const uint8_t *value, bool exists, struct err *e)
{
	const struct map_ctx *m = ctx;
	int r = bpf_map_update_elem(bpf_map_fd(m->bpf, m->map), key, value, BPF_ANY);

	(void)exists;
	return r ? map_failed(m, "written", r, e) : 0;
}

static int remove_row(void *ctx, const uint8_t *key, const uint8_t *value, struct err *e)
{
	const struct map_ctx *m = ctx;
	int fd = bpf_map_fd(m->bpf, m->map), r;

	(void)value;
	if (m->is_array)
		r = bpf_map_update_elem(fd, key, zeroes(m->value_size), BPF_ANY);
	else
		r = bpf_map_delete_elem(fd, key);
	return r && r != -ENOENT ? map_failed(m, "changed", r, e) : 0;
}

/* ---- many rows a call ---- */

/*
 * BPF_MAP_UPDATE_BATCH and BPF_MAP_DELETE_BATCH take keys and values apart, stop at the
 * first row that fails and tell how many they had done.
 */
static size_t do_batch(struct map_ctx *m, const struct apply_row *rows, uint32_t count,
		       bool remove)
{
	_cleanup_(freep) uint8_t *keys = malloc(count * m->key_size);
	_cleanup_(freep) uint8_t *values = malloc(count * m->value_size);
	int fd = bpf_map_fd(m->bpf, m->map), r;
	uint32_t done = count;

	if (!keys || !values)
		return 0;
	for (uint32_t i = 0; i < count; i++) {
		memcpy(keys + i * m->key_size, rows[i].key, m->key_size);
		memcpy(values + i * m->value_size, rows[i].value, m->value_size);
	}
	r = remove ? bpf_map_delete_batch(fd, keys, &done, NULL) :
		     bpf_map_update_batch(fd, keys, values, &done, NULL);
	if (r && done == count) { /* not even begun */
		m->no_batch |= r == -EINVAL || r == -ENOTSUPP;
		return 0;
	}
	return done;
}

static size_t upsert_many(void *ctx, const struct apply_row *rows, size_t count)
{
	struct map_ctx *m = ctx;

	return m->no_batch ? 0 : do_batch(m, rows, (uint32_t)count, false);
}

static size_t remove_many(void *ctx, const struct apply_row *rows, size_t count)
{
	struct map_ctx *m = ctx;

	return m->no_batch || m->is_array ? 0 : do_batch(m, rows, (uint32_t)count, true);
}

void map_driver(struct map_ctx *ctx, struct driver *ret_driver)
{
	*ret_driver = (struct driver){
		.name = bpf_map_name(ctx->map),
		.observe = observe,
		.upsert = upsert,
		.remove = remove_row,
		.upsert_many = upsert_many,
		.remove_many = remove_many,
		.ctx = ctx,
	};
}
