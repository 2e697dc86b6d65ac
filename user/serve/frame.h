/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages on a stream: u32 length (big-endian; u16 where DNS is spoken, RFC 1035
 * 4.2.2) and that many bytes. The reader takes bytes as they come, in any pieces,
 * and holds no more than arrived.
 */
#pragma once

#include <sys/types.h>

#include "base/bytes.h"

struct frame {
	uint32_t max;     /* longer ones are refused */
	bool narrow;      /* the length is a u16 */
	bool secret;      /* one allocation, so that no copy is left behind by growing */
	uint8_t head[4];
	uint8_t head_len; /* bytes of head that are here, 4 or 2 in all */
	uint32_t len;     /* as announced, once head is complete */
	struct buf body;
};

/* Returns the bytes used (fewer than len only when the frame is complete), -EMSGSIZE or -ENOMEM. */
ssize_t frame_feed(struct frame *f, const void *data, size_t len);
bool frame_is_complete(const struct frame *f);
void frame_fini(struct frame *f); /* wipes and frees */

/* Appends a message with its length to out. */
void frame_put(struct buf *out, const void *data, size_t len);
/* buf_fini, after overwriting everything that is in it. */
void frame_wipe(struct buf *b);
