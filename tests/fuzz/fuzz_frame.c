/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames of a stream: the first byte says of which kind, and in which pieces the rest arrives. */
#include <stdlib.h>
#include <string.h>

/* serve/ does I/O and is not linked into fuzz targets; this file of it does none. */
#include "serve/frame.c"

#define MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame f = { .max = MAX };
	size_t piece, at = 0;

	if (!size)
		return 0;
	f.secret = data[0] & 1;
	f.narrow = data[0] & 0x80;
	piece = (size_t)(data[0] >> 1) + 1;
	data++;
	size--;
	while (at < size && !frame_is_complete(&f)) {
		size_t n = size - at < piece ? size - at : piece;
		ssize_t used = frame_feed(&f, data + at, n);

		if (used < 0) {
			frame_fini(&f);
			return 0;
		}
		if ((size_t)used < n && !frame_is_complete(&f))
			abort();
		at += (size_t)used;
	}
	if (f.body.len > MAX || (f.body.len && memcmp(f.body.data, data + (f.narrow ? 2 : 4), f.body.len)))
		abort();
	frame_fini(&f);
	return 0;
}
