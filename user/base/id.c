/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "id.h"

#include <errno.h>
#include <stdlib.h>

bool id_is_zero(const struct id *id)
{
	static const struct id zero;

	return id_equal(id, &zero);
}

const char *hex_format(const void *data, size_t len, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++) {
		out[2 * i] = digits[p[i] >> 4];
		out[2 * i + 1] = digits[p[i] & 15];
	}
	out[2 * len] = '\0';
	return out;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int hex_parse(const char *text, void *ret_data, size_t len)
{
	uint8_t *p = ret_data;

	if (strlen(text) != 2 * len)
		return -EINVAL;
	for (size_t i = 0; i < len; i++)
		if (digit(text[2 * i]) < 0 || digit(text[2 * i + 1]) < 0)
			return -EINVAL;
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(digit(text[2 * i]) << 4 | digit(text[2 * i + 1]));
	return 0;
}

const char *id_format(const struct id *id, char out[ID_TEXT_MAX])
{
	return hex_format(id->b, 16, out);
}

int id_parse(const char *text, struct id *ret_id)
{
	return hex_parse(text, ret_id->b, 16);
}

static int by_id(const void *a, const void *b)
{
	return id_cmp(a, b);
}

bool id_set_has(const struct id_set *set, const struct id *id)
{
	return set->count && bsearch(id, set->id, set->count, sizeof(*id), by_id);
}
