/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bytes going out (buf, grows) and bytes coming in (cursor, never trusts).
 * Integers are big-endian. Both carry a sticky failure, so that a codec reads
 * as a list of fields and checks once at its end.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	uint8_t *data; /* owned; NULL when empty */
	size_t len, cap;
	bool failed;   /* out of memory: what was written since is lost */
};

void buf_fini(struct buf *b); /* frees and zeroes; harmless on {0} */
void buf_reset(struct buf *b); /* len = 0, keeps the memory */
void buf_put(struct buf *b, const void *data, size_t len);
void buf_u8(struct buf *b, uint8_t v);
void buf_u16(struct buf *b, uint16_t v);
void buf_u32(struct buf *b, uint32_t v);
void buf_u64(struct buf *b, uint64_t v);
void buf_str(struct buf *b, const char *s);                    /* u16 length, bytes, no NUL */
void buf_blob(struct buf *b, const void *data, size_t len);     /* u16 length, bytes */
void buf_patch_u16(struct buf *b, size_t at, uint16_t v);
void buf_patch_u32(struct buf *b, size_t at, uint32_t v);

struct cursor {
	const uint8_t *p, *end;
	bool bad; /* something was missing or too long; values read are zero */
};

static inline struct cursor cursor_of(const void *data, size_t len)
{
	return (struct cursor){ .p = data, .end = len ? (const uint8_t *)data + len : data };
}
static inline size_t cursor_left(const struct cursor *c)
{
	return (size_t)(c->end - c->p);
}
/* Borrows len bytes of the input; NULL (and bad) when they are not there. */
const uint8_t *cursor_take(struct cursor *c, size_t len);
void cursor_get(struct cursor *c, void *out, size_t len);
uint8_t cursor_u8(struct cursor *c);
uint16_t cursor_u16(struct cursor *c);
uint32_t cursor_u32(struct cursor *c);
uint64_t cursor_u64(struct cursor *c);
/* Reads a u16-counted string into out with a NUL; bad when it would not fit or holds a NUL. */
void cursor_str(struct cursor *c, char *out, size_t size);
/* A u16-counted run of bytes as a cursor of its own. */
struct cursor cursor_blob(struct cursor *c);
