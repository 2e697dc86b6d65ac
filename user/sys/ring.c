/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ring.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>

struct ring {
	struct ring_buffer *rb;
	void (*fn)(void *arg, const void *data, size_t size);
	void *arg;
	size_t left; /* records in this round */
};

/* An error stops libbpf behind the record that was just handed out. */
static int on_sample(void *ctx, void *data, size_t size)
{
	struct ring *r = ctx;

	r->fn(r->arg, data, size);
	return --r->left ? 0 : -EAGAIN;
}

int ring_open(int map_fd, void (*fn)(void *arg, const void *data, size_t size), void *arg,
	      struct ring **ret_ring)
{
	struct ring *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->fn = fn;
	r->arg = arg;
	r->rb = ring_buffer__new(map_fd, on_sample, r, NULL);
	if (!r->rb) {
		int err = errno ? -errno : -EIO;

		free(r);
		return err;
	}
	*ret_ring = r;
	return 0;
}

void ring_close(struct ring *r)
{
	if (!r)
		return;
	ring_buffer__free(r->rb);
	free(r);
}

int ring_fd(const struct ring *r)
{
	return ring_buffer__epoll_fd(r->rb);
}

void ring_read(struct ring *r, size_t max)
{
	r->left = max;
	ring_buffer__consume(r->rb);
}
