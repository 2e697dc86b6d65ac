/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "drivers.h"

int rows_push(struct plan_table *t, size_t *cap, const void *key, const void *value)
{
	size_t size = t->key_size + t->value_size;
	uint8_t *row;

	if (t->count == *cap) {
		size_t more = *cap ? *cap * 2 : 64;
		uint8_t *grown = reallocarray(t->rows, more, size);

		if (!grown)
			return -ENOMEM;
		t->rows = grown;
		*cap = more;
	}
	row = t->rows + t->count++ * size;
	memcpy(row, key, t->key_size);
	memcpy(row + t->key_size, value, t->value_size);
	return 0;
}

static int by_key(const void *a, const void *b, void *key_size)
{
	return memcmp(a, b, *(size_t *)key_size);
}

void rows_sort(struct plan_table *t)
{
	if (t->count)
		qsort_r(t->rows, t->count, t->key_size + t->value_size, by_key, &t->key_size);
}
