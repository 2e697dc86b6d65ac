/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "health_http.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A shape of bytes: '0' stands for a digit, '_' for the end of a word, all else for itself. */
static const char status_shape[] = "HTTP/1.0 000_";
#define STATUS_LEN (sizeof(status_shape) - 1)
#define STATUS_CODE_AT 9

static char *put_path(char *out, const char *path)
{
	for (; *path; path++) {
		unsigned char c = (unsigned char)*path;

		if (c > ' ' && c < 0x7f)
			*out++ = (char)c;
		else
			out += sprintf(out, "%%%02X", c);
	}
	return out;
}

static int put_host(char *out, const struct sockname *to)
{
	char text[ADDR_TEXT_MAX];

	addr_format(&to->addr, text);
	return sprintf(out, addr_is_v4(&to->addr) ? "%s:%u" : "[%s]:%u", text, to->port);
}

size_t health_request(const struct sockname *to, const char *path, char out[HEALTH_REQUEST_MAX])
{
	char *p = out;

	p += sprintf(p, "GET ");
	p = put_path(p, path);
	p += sprintf(p, " HTTP/1.1\r\nHost: ");
	p += put_host(p, to);
	p += sprintf(p, "\r\nUser-Agent: overlayd-health\r\nConnection: close\r\n\r\n");
	return (size_t)(p - out);
}

static bool fits(char shape, char c)
{
	switch (shape) {
	case '0':
		return c >= '0' && c <= '9';
	case '_':
		return c == ' ' || c == '\r' || c == '\n';
	default:
		return c == shape;
	}
}

/* One status line's beginning: the status, 0 when there is too little of it, -EBADMSG. */
static int parse_status(const char *p, size_t len)
{
	int status = 0;

	for (size_t i = 0; i < len && i < STATUS_LEN; i++) {
		if (!fits(status_shape[i], p[i]))
			return -EBADMSG;
		if (i >= STATUS_CODE_AT && i < STATUS_CODE_AT + 3)
			status = status * 10 + (p[i] - '0');
	}
	if (len < STATUS_LEN)
		return 0;
	return status < 100 ? -EBADMSG : status;
}

/* Behind the empty line that ends the head of an answer; NULL when it has not come. */
static const char *find_end(const char *p, const char *end)
{
	for (; p < end; p++) {
		if (*p != '\n')
			continue;
		if (end - p > 1 && p[1] == '\n')
			return p + 2;
		if (end - p > 2 && p[1] == '\r' && p[2] == '\n')
			return p + 3;
	}
	return NULL;
}

int health_response(const void *data, size_t len)
{
	const char *p = data, *end = p + (len < HEALTH_RESPONSE_MAX ? len : HEALTH_RESPONSE_MAX);
	int status = 0;

	while (p) {
		status = parse_status(p, (size_t)(end - p));
		if (status < 100 || status > 199)
			break;
		p = find_end(p, end);
		status = 0;
	}
	return !status && len >= HEALTH_RESPONSE_MAX ? -EBADMSG : status;
}
