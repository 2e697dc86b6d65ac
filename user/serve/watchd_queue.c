/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The queue of one who watches: whole lines, up to a bound. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "front/show_watch.h"
#include "watchd_inside.h"

size_t watcher_queued(const struct watcher *c)
{
	return c->queue.len - c->read;
}

void watcher_put_line(struct watcher *c, const char *line, size_t len)
{
	if (watcher_queued(c) + len + 1 > WATCHD_QUEUE_MAX) {
		c->lost++;
		return;
	}
	buf_put(&c->queue, line, len);
	buf_put(&c->queue, "\n", 1);
	if (c->more)
		c->more(c->more_arg);
}

void watcher_put_json(struct watcher *c, json_t *value)
{
	_cleanup_(freep) char *text = value ? json_dumps(value, JSON_COMPACT) : NULL;

	json_decref(value);
	if (text)
		watcher_put_line(c, text, strlen(text));
	else
		c->lost++;
}

/* Bytes that are gone make room before the queue grows. */
static void shift(struct watcher *c)
{
	memmove(c->queue.data, c->queue.data + c->read, watcher_queued(c));
	c->queue.len -= c->read;
	c->read = 0;
	if (c->queue.failed) { /* out of memory somewhere within a line: nothing of it is whole */
		buf_fini(&c->queue);
		c->lost++;
	}
}

/* It had been full, and has room again. */
static void say_lost(struct watcher *c)
{
	uint64_t lost = c->lost - c->told;

	if (!lost || watcher_queued(c) > WATCHD_QUEUE_MAX / 2)
		return;
	c->told = c->lost;
	watcher_put_json(c, show_watch_lost("client", lost));
}

size_t watcher_read(void *ctx, char *buf, size_t max)
{
	struct watcher *c = ctx;
	size_t n;

	say_lost(c);
	n = watcher_queued(c) < max ? watcher_queued(c) : max;
	if (n)
		memcpy(buf, c->queue.data + c->read, n);
	c->read += n;
	if (c->read)
		shift(c);
	return n;
}
