/* SPDX-License-Identifier: GPL-2.0-or-later */
/* 128-bit ids, shown as 32 hex digits: random, a node's a hash (model/identity.h). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ID_TEXT_MAX 33
#define ID_SHORT 12 /* hex digits in listings, as Docker */

struct id {
	uint8_t b[16];
};

static inline int id_cmp(const struct id *a, const struct id *b)
{
	return memcmp(a->b, b->b, 16);
}
static inline bool id_equal(const struct id *a, const struct id *b)
{
	return !id_cmp(a, b);
}
bool id_is_zero(const struct id *id);

/* Some ids, sorted, borrowed. */
struct id_set {
	size_t count;
	const struct id *id;
};
bool id_set_has(const struct id_set *set, const struct id *id);

const char *id_format(const struct id *id, char out[ID_TEXT_MAX]);
/* Exactly 32 hex digits. 0 or -EINVAL. */
int id_parse(const char *text, struct id *ret_id);

/* Hex of any length; out holds 2 * len + 1. hex_parse wants exactly 2 * len digits. */
const char *hex_format(const void *data, size_t len, char *out);
int hex_parse(const char *text, void *ret_data, size_t len);
