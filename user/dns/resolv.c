/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolv.h"

#include <string.h>

#define KEYWORD "nameserver"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* As glibc: the keyword at the very beginning, white space, the address; the rest does not count. */
static bool parse_line(const char *at, const char *end, struct ov_addr *ret_addr)
{
	char text[ADDR_TEXT_MAX];
	size_t len = 0;

	if (end - at <= (ptrdiff_t)strlen(KEYWORD) || memcmp(at, KEYWORD, strlen(KEYWORD)))
		return false;
	at += strlen(KEYWORD);
	if (!is_blank(*at))
		return false;
	while (at < end && is_blank(*at))
		at++;
	while (at + len < end && !is_blank(at[len]))
		len++;
	if (!len || len >= sizeof(text))
		return false;
	memcpy(text, at, len);
	text[len] = '\0';
	return !addr_parse(text, ret_addr);
}

size_t resolv_parse(const char *text, size_t len, struct dns_upstream ret_upstream[DNS_UPSTREAM_MAX])
{
	const char *end = text + len;
	size_t count = 0;

	for (const char *at = text; at < end && count < DNS_UPSTREAM_MAX;) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		const char *stop = newline ? newline : end;
		struct ov_addr addr;

		if (parse_line(at, stop, &addr))
			ret_upstream[count++] = (struct dns_upstream){ addr, RESOLV_PORT };
		at = newline ? newline + 1 : end;
	}
	return count;
}
