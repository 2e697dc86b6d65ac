/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "response.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"

#define HEAD_MAX 65536

struct text {
	const char *at, *end;
};

static bool starts_with(const struct text *t, const char *word)
{
	size_t len = strlen(word);

	return (size_t)(t->end - t->at) >= len && !strncasecmp(t->at, word, len);
}

/* "HTTP/1.x NNN". Returns the status, or -EBADMSG. */
static int parse_status(const struct text *line)
{
	const char *p = line->at + 9;
	int status = 0;

	if (!starts_with(line, "HTTP/1.") || line->end - line->at < 12 || p[-1] != ' ')
		return -EBADMSG;
	for (int i = 0; i < 3; i++) {
		if (p[i] < '0' || p[i] > '9')
			return -EBADMSG;
		status = status * 10 + (p[i] - '0');
	}
	return status >= 100 && status <= 599 ? status : -EBADMSG;
}

static unsigned int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned int)(c - '0');
	c |= 0x20; /* lower case */
	return c >= 'a' && c <= 'f' ? (unsigned int)(c - 'a' + 10) : 99;
}

/* A number up to RESPONSE_MAX, of the base given; stops at the first other character. */
static int parse_number(struct text *t, unsigned int base, size_t *ret_value)
{
	const char *from = t->at;
	size_t value = 0;

	for (; t->at < t->end; t->at++) {
		unsigned int digit = digit_of(*t->at);

		if (digit >= base)
			break;
		value = value * base + digit;
		if (value > RESPONSE_MAX)
			return -EBADMSG;
	}
	if (t->at == from)
		return -EBADMSG;
	*ret_value = value;
	return 0;
}

/* Cuts a line off *rest, without its line end. False when there is no whole one. */
static bool next_line(struct text *rest, struct text *ret_line)
{
	const char *newline = memchr(rest->at, '\n', (size_t)(rest->end - rest->at));

	if (!newline)
		return false;
	*ret_line = (struct text){ rest->at, newline };
	if (newline > rest->at && newline[-1] == '\r')
		ret_line->end--;
	rest->at = newline + 1;
	return true;
}

static void skip_blank(struct text *t)
{
	while (t->at < t->end && (*t->at == ' ' || *t->at == '\t'))
		t->at++;
}

struct head {
	int status;
	bool has_length, chunked;
	size_t length;
};

static int parse_header(struct text line, struct head *h)
{
	if (starts_with(&line, "content-length:")) {
		line.at += strlen("content-length:");
		skip_blank(&line);
		h->has_length = true;
		return parse_number(&line, 10, &h->length);
	}
	if (starts_with(&line, "transfer-encoding:")) {
		line.at += strlen("transfer-encoding:");
		skip_blank(&line);
		h->chunked = true;
		return starts_with(&line, "chunked") ? 0 : -EBADMSG;
	}
	return 0;
}

/* 1 and *rest at the body; 0: not whole yet; -EBADMSG. */
static int parse_head(struct text *rest, struct head *ret_head)
{
	const char *from = rest->at;
	struct head h = { 0 };
	struct text line;
	bool first = true;

	while (next_line(rest, &line)) {
		int r;

		if (!first && line.at == line.end) {
			*ret_head = h;
			return 1;
		}
		r = first ? h.status = parse_status(&line) : parse_header(line, &h);
		if (r < 0)
			return r;
		first = false;
	}
	return rest->end - from > HEAD_MAX ? -EBADMSG : 0;
}

/* 1 when the last chunk was seen; 0: more is needed. */
static int parse_chunks(struct text *rest, struct buf *out)
{
	struct text line;
	size_t len;

	while (next_line(rest, &line)) {
		if (parse_number(&line, 16, &len))
			return -EBADMSG;
		if (!len)
			return 1; /* trailers are not for us */
		if ((size_t)(rest->end - rest->at) < len)
			return 0;
		buf_put(out, rest->at, len);
		rest->at += len;
		if (!next_line(rest, &line))
			return 0;
		if (line.at != line.end)
			return -EBADMSG;
	}
	return 0;
}

static int parse_body(const struct head *h, struct text *rest, bool eof, struct buf *out)
{
	size_t have = (size_t)(rest->end - rest->at);

	if (h->chunked)
		return parse_chunks(rest, out);
	if (h->has_length && have < h->length)
		return 0;
	if (!h->has_length && !eof)
		return 0;
	buf_put(out, rest->at, h->has_length ? h->length : have);
	return 1;
}

int response_parse(const char *data, size_t len, bool eof, struct response *ret_response)
{
	_cleanup_(buf_fini) struct buf body = { 0 };
	struct text rest = { data, data + len };
	struct head head;
	int r = parse_head(&rest, &head);

	if (r > 0)
		r = parse_body(&head, &rest, eof, &body);
	if (!r && eof)
		return -EBADMSG; /* cut short */
	if (r <= 0)
		return r;
	if (body.failed)
		return -ENOMEM;
	ret_response->status = head.status;
	ret_response->body = body;
	body = (struct buf){ 0 };
	return 1;
}
