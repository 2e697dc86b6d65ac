/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "watchd.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "front/show_watch.h"
#include "sys/ring.h"
#include "watchd_inside.h"

struct watchd {
	struct loop *loop;
	struct store *store;
	void (*changed)(void *arg);
	void *arg;
	struct watcher *watchers;
	size_t count;
	int ring_map;          /* -1: none */
	struct ring *ring;
	struct loop_io *io;
	struct watch_names *names;
	uint64_t names_serial; /* of the store, when names were made */
};

int watchd_new(struct loop *loop, struct store *store, void (*changed)(void *arg), void *arg,
	       struct watchd **ret_watchd)
{
	struct watchd *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->loop = loop;
	w->store = store;
	w->changed = changed;
	w->arg = arg;
	w->ring_map = -1;
	*ret_watchd = w;
	return 0;
}

/* ---- one who watches ---- */

static void wake_by(void *ctx, void (*more)(void *arg), void *arg)
{
	struct watcher *c = ctx;

	c->more = more;
	c->more_arg = arg;
}

static void close_watcher(void *ctx)
{
	struct watcher *c = ctx, **at;
	struct watchd *w = c->w;

	for (at = &w->watchers; *at && *at != c; at = &(*at)->next)
		;
	if (*at)
		*at = c->next;
	w->count--;
	buf_fini(&c->queue);
	free(c);
	w->changed(w->arg);
}

int watchd_add(struct watchd *w, const struct watch_filter *filter, struct control_stream *ret_stream,
	       struct err *e)
{
	struct watcher *c;

	if (w->count >= WATCHD_CLIENTS_MAX)
		return err_set(e, -EBUSY, "%d clients watch already, and no more can: end one of them",
			       WATCHD_CLIENTS_MAX);
	c = calloc(1, sizeof(*c));
	if (!c)
		return err_set(e, -ENOMEM, "out of memory");
	c->w = w;
	c->filter = *filter;
	c->next = w->watchers;
	w->watchers = c;
	w->count++;
	*ret_stream = (struct control_stream){ c, watcher_read, wake_by, close_watcher };
	w->changed(w->arg);
	return 0;
}

struct ov_watch watchd_want(const struct watchd *w)
{
	const struct watch_filter *filter[WATCHD_CLIENTS_MAX];
	size_t count = 0;

	for (const struct watcher *c = w->watchers; c; c = c->next)
		filter[count++] = &c->filter;
	return watch_filter_union(filter, count);
}

/* ---- records ---- */

static const struct watch_names *names_now(struct watchd *w)
{
	struct watch_names *fresh;

	if (w->names && w->names_serial == store_serial(w->store))
		return w->names;
	if (watch_names_build(store_view(w->store), &fresh))
		return w->names; /* older ones are better than none */
	watch_names_free(w->names);
	w->names = fresh;
	w->names_serial = store_serial(w->store);
	return fresh;
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static char *line_of(const struct watch_record *r, struct watchd *w, uint32_t snap)
{
	char device[IF_NAMESIZE] = "";
	struct watch_place place = {
		.names = names_now(w),
		.device = device,
		.wall_ns = clock_ns(CLOCK_REALTIME),
		.now_ns = clock_ns(CLOCK_MONOTONIC),
	};
	json_t *value;
	char *text;

	if (!place.names)
		return NULL;
	if (!if_indextoname(r->head.ifindex, device))
		device[0] = '\0';
	value = show_watch(r, &place, snap);
	text = value ? json_dumps(value, JSON_COMPACT) : NULL;
	json_decref(value);
	return text;
}

/* The same line for all who want the same of it. */
static void hand_out(struct watchd *w, const struct watch_record *r)
{
	_cleanup_(freep) char *line = NULL;
	uint32_t snap = 0;

	for (struct watcher *c = w->watchers; c; c = c->next) {
		if (!watch_filter_takes(&c->filter, &r->head))
			continue;
		if (!line || snap != c->filter.snap) {
			free(line);
			snap = c->filter.snap;
			line = line_of(r, w, snap);
		}
		if (line)
			watcher_put_line(c, line, strlen(line));
		else
			c->owed.lines++;
	}
}

void watchd_tell(struct watchd *w, const void *record, size_t size)
{
	struct watch_record r;

	if (!watch_record_parse(record, size, &r))
		hand_out(w, &r);
}

static void on_record(void *arg, const void *data, size_t size)
{
	watchd_tell(arg, data, size);
}

static void on_ready(void *arg, unsigned int events)
{
	struct watchd *w = arg;

	(void)events;
	ring_read(w->ring, WATCHD_BATCH);
}

static void drop_ring(struct watchd *w)
{
	loop_io_free(TAKE_PTR(w->io));
	ring_close(TAKE_PTR(w->ring));
	w->ring_map = -1;
}

int watchd_ring(struct watchd *w, int map_fd)
{
	int r;

	if (map_fd == w->ring_map)
		return 0;
	drop_ring(w);
	if (map_fd < 0)
		return 0;
	r = ring_open(map_fd, on_record, w, &w->ring);
	if (!r)
		r = loop_io_new(w->loop, ring_fd(w->ring), LOOP_IN, on_ready, w, &w->io);
	if (r)
		drop_ring(w);
	else
		w->ring_map = map_fd;
	return r;
}

bool watchd_has_ring(const struct watchd *w)
{
	return w->ring_map >= 0;
}

/* ---- what was not told ---- */

void watchd_lost(struct watchd *w, uint64_t lost)
{
	for (struct watcher *c = w->watchers; c; c = c->next) {
		c->owed.ring += lost;
		watcher_say_owed(c);
	}
}

void watchd_left_out(struct watchd *w, uint8_t verdict, uint64_t count)
{
	for (struct watcher *c = w->watchers; c; c = c->next) {
		if (c->filter.capture) /* packets are all told */
			continue;
		c->owed.left_out[verdict] += count;
		watcher_say_owed(c);
	}
}

void watchd_beat(struct watchd *w)
{
	for (struct watcher *c = w->watchers; c; c = c->next) {
		watcher_say_owed(c);
		if (!watcher_queued(c))
			watcher_put_line(c, "", 0);
	}
}

void watchd_free(struct watchd *w)
{
	if (!w)
		return;
	drop_ring(w);
	while (w->watchers)
		close_watcher(w->watchers);
	watch_names_free(w->names);
	free(w);
}
