/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bytes.h"

#include <stdlib.h>
#include <string.h>

void buf_fini(struct buf *b)
{
	free(b->data);
	*b = (struct buf){ 0 };
}

void buf_reset(struct buf *b)
{
	b->len = 0;
	b->failed = false;
}

static bool reserve(struct buf *b, size_t more)
{
	size_t want = b->len + more, cap = b->cap ? b->cap : 256;
	uint8_t *data;

	if (b->failed)
		return false;
	if (want <= b->cap)
		return true;
	while (cap < want)
		cap *= 2;
	data = realloc(b->data, cap);
	if (!data) {
		b->failed = true;
		return false;
	}
	b->data = data;
	b->cap = cap;
	return true;
}

void buf_put(struct buf *b, const void *data, size_t len)
{
	if (!len || !reserve(b, len))
		return;
	memcpy(b->data + b->len, data, len);
	b->len += len;
}

/* Writes the low `bytes` bytes of v, most significant first. */
static void put_be(struct buf *b, uint64_t v, int bytes)
{
	uint8_t be[8];

	for (int i = 0; i < bytes; i++)
		be[i] = (uint8_t)(v >> (8 * (bytes - 1 - i)));
	buf_put(b, be, (size_t)bytes);
}

void buf_u8(struct buf *b, uint8_t v)
{
	put_be(b, v, 1);
}

void buf_u16(struct buf *b, uint16_t v)
{
	put_be(b, v, 2);
}

void buf_u32(struct buf *b, uint32_t v)
{
	put_be(b, v, 4);
}

void buf_u64(struct buf *b, uint64_t v)
{
	put_be(b, v, 8);
}

void buf_blob(struct buf *b, const void *data, size_t len)
{
	if (len > UINT16_MAX) {
		b->failed = true;
		return;
	}
	buf_u16(b, (uint16_t)len);
	buf_put(b, data, len);
}

void buf_str(struct buf *b, const char *s)
{
	buf_blob(b, s, strlen(s));
}

void buf_patch_u16(struct buf *b, size_t at, uint16_t v)
{
	if (at + 2 > b->len)
		return;
	b->data[at] = (uint8_t)(v >> 8);
	b->data[at + 1] = (uint8_t)v;
}

void buf_patch_u32(struct buf *b, size_t at, uint32_t v)
{
	buf_patch_u16(b, at, (uint16_t)(v >> 16));
	buf_patch_u16(b, at + 2, (uint16_t)v);
}

const uint8_t *cursor_take(struct cursor *c, size_t len)
{
	const uint8_t *at = c->p;

	if (c->bad || cursor_left(c) < len) {
		c->bad = true;
		return NULL;
	}
	c->p += len;
	return at;
}

void cursor_get(struct cursor *c, void *out, size_t len)
{
	const uint8_t *at = cursor_take(c, len);

	if (at)
		memcpy(out, at, len);
	else
		memset(out, 0, len);
}

static uint64_t get_be(struct cursor *c, size_t bytes)
{
	const uint8_t *at = cursor_take(c, bytes);
	uint64_t v = 0;

	for (size_t i = 0; at && i < bytes; i++)
		v = v << 8 | at[i];
	return v;
}

uint8_t cursor_u8(struct cursor *c)
{
	return (uint8_t)get_be(c, 1);
}

uint16_t cursor_u16(struct cursor *c)
{
	return (uint16_t)get_be(c, 2);
}

uint32_t cursor_u32(struct cursor *c)
{
	return (uint32_t)get_be(c, 4);
}

uint64_t cursor_u64(struct cursor *c)
{
	return get_be(c, 8);
}

struct cursor cursor_blob(struct cursor *c)
{
	size_t len = cursor_u16(c);
	const uint8_t *at = cursor_take(c, len);

	return at ? cursor_of(at, len) : (struct cursor){ .bad = true };
}

void cursor_str(struct cursor *c, char *out, size_t size)
{
	struct cursor s = cursor_blob(c);
	size_t len = cursor_left(&s);

	out[0] = '\0';
	if (s.bad || len >= size || memchr(s.p, '\0', len)) {
		c->bad = true;
		return;
	}
	memcpy(out, s.p, len);
	out[len] = '\0';
}
