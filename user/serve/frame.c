/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static size_t head_size(const struct frame *f)
{
	return f->narrow ? 2 : sizeof(f->head);
}

bool frame_is_complete(const struct frame *f)
{
	return f->head_len == head_size(f) && f->body.len == f->len;
}

static int start_body(struct frame *f)
{
	f->len = 0;
	for (size_t i = 0; i < head_size(f); i++)
		f->len = f->len << 8 | f->head[i];
	if (f->len > f->max)
		return -EMSGSIZE;
	if (!f->secret || !f->len)
		return 0;
	f->body.data = malloc(f->len);
	if (!f->body.data)
		return -ENOMEM;
	f->body.cap = f->len;
	return 0;
}

/* Takes what is missing of the head. Returns bytes used or a negative errno. */
static ssize_t feed_head(struct frame *f, const uint8_t *p, size_t len)
{
	size_t want = head_size(f) - f->head_len, n = len < want ? len : want;
	int r = 0;

	if (!n)
		return 0;
	memcpy(f->head + f->head_len, p, n);
	f->head_len += (uint8_t)n;
	if (f->head_len == head_size(f))
		r = start_body(f);
	return r < 0 ? r : (ssize_t)n;
}

ssize_t frame_feed(struct frame *f, const void *data, size_t len)
{
	const uint8_t *p = data;
	ssize_t used = feed_head(f, p, len);
	size_t n;

	if (used < 0 || f->head_len < head_size(f))
		return used;
	n = f->len - f->body.len;
	if (n > len - (size_t)used)
		n = len - (size_t)used;
	buf_put(&f->body, p + used, n);
	return f->body.failed ? -ENOMEM : used + (ssize_t)n;
}

void frame_fini(struct frame *f)
{
	frame_wipe(&f->body);
	f->head_len = 0;
}

void frame_put(struct buf *out, const void *data, size_t len)
{
	buf_u32(out, (uint32_t)len);
	buf_put(out, data, len);
}

void frame_wipe(struct buf *b)
{
	if (b->data)
		explicit_bzero(b->data, b->cap);
	buf_fini(b);
}
