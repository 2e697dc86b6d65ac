/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "uri.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/id.h"

int uri_decode(const char *text, size_t len, char *out, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < len; i++) {
		char hex[3] = "";
		uint8_t c = (uint8_t)text[i];

		if (c == '%') {
			if (len - i < 3)
				return -EINVAL;
			memcpy(hex, text + i + 1, 2);
			if (hex_parse(hex, &c, 1))
				return -EINVAL;
			i += 2;
		}
		if (!c || used + 1 >= size)
			return -EINVAL;
		out[used++] = (char)c;
	}
	out[used] = '\0';
	return 0;
}

/* Walks "k=v&k=v": the next pair from *at. False at the end. */
static bool next_pair(const char **at, const char **ret_key, size_t *ret_key_len,
		      const char **ret_value, size_t *ret_value_len)
{
	size_t len = strcspn(*at, "&");
	const char *equals = memchr(*at, '=', len);

	if (!**at)
		return false;
	*ret_key = *at;
	*ret_key_len = equals ? (size_t)(equals - *at) : len;
	*ret_value = equals ? equals + 1 : *at + len;
	*ret_value_len = (size_t)(*at + len - *ret_value);
	*at += len + ((*at)[len] == '&');
	return true;
}

int uri_query(const char *query, const char *key, char *out, size_t size)
{
	const char *at = query, *k, *v;
	size_t klen, vlen;

	while (next_pair(&at, &k, &klen, &v, &vlen))
		if (klen == strlen(key) && !memcmp(k, key, klen))
			return uri_decode(v, vlen, out, size);
	return -ENOENT;
}

size_t uri_query_unknown(const char *query, const char *known, const char **ret_key)
{
	const char *at = query, *k, *v;
	size_t klen, vlen;

	while (next_pair(&at, &k, &klen, &v, &vlen)) {
		if (klen && (klen != strlen(known) || memcmp(k, known, klen))) {
			*ret_key = k;
			return klen;
		}
	}
	return 0;
}
