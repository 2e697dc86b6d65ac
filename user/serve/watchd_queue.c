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

static bool put(struct watcher *c, const char *line, size_t len)
{
	size_t before = c->queue.len;

	if (watcher_queued(c) + len + 1 > WATCHD_QUEUE_MAX)
		return false;
	buf_put(&c->queue, line, len);
	buf_put(&c->queue, "\n", 1);
	if (c->queue.failed) { /* out of memory: this line goes, and those before it stay whole */
		c->queue.len = before;
		c->queue.failed = false;
		return false;
	}
	if (c->more)
		c->more(c->more_arg);
	return true;
}

void watcher_put_line(struct watcher *c, const char *line, size_t len)
{
	if (!put(c, line, len))
		c->owed.lines++;
}

/* False: it is still owed. */
static bool put_notice(struct watcher *c, json_t *notice)
{
	_cleanup_(freep) char *text = notice ? json_dumps(notice, JSON_COMPACT) : NULL;

	json_decref(notice);
	return text && put(c, text, strlen(text));
}

void watcher_say_owed(struct watcher *c)
{
	if (c->owed.lines && put_notice(c, show_watch_lost("client", c->owed.lines)))
		c->owed.lines = 0;
	if (c->owed.ring && put_notice(c, show_watch_lost("ring", c->owed.ring)))
		c->owed.ring = 0;
	for (int v = 0; v < OV_VERDICT_COUNT; v++)
		if (c->owed.left_out[v] &&
		    put_notice(c, show_watch_left_out((uint8_t)v, c->owed.left_out[v])))
			c->owed.left_out[v] = 0;
}

/* Bytes that are gone make room before the queue grows. */
static void shift(struct watcher *c)
{
	memmove(c->queue.data, c->queue.data + c->read, watcher_queued(c));
	c->queue.len -= c->read;
	c->read = 0;
}

size_t watcher_read(void *ctx, char *buf, size_t max)
{
	struct watcher *c = ctx;
	size_t n;

	if (!watcher_queued(c))
		watcher_say_owed(c);
	n = watcher_queued(c) < max ? watcher_queued(c) : max;
	if (n)
		memcpy(buf, c->queue.data + c->read, n);
	c->read += n;
	if (c->read)
		shift(c);
	if (n)
		watcher_say_owed(c); /* now there is room, and in a flood at no other time */
	return n;
}
