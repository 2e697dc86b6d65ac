/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What watchd.c and watchd_queue.c share. */
#pragma once

#include <jansson.h>

#include "base/bytes.h"
#include "watchd.h"

struct watcher {
	struct watcher *next;
	struct watchd *w;
	struct watch_filter filter;
	struct buf queue;
	size_t read;           /* bytes of the queue that are gone */
	uint64_t lost, told;   /* lines for which the queue had no room; of them it has heard */
	void (*more)(void *arg);
	void *more_arg;
};

/* Bytes that it has not read. */
size_t watcher_queued(const struct watcher *c);
/* A whole line or none; wakes its connection. */
void watcher_put_line(struct watcher *c, const char *line, size_t len);
/* Releases value; NULL counts as a line that was lost. */
void watcher_put_json(struct watcher *c, json_t *value);
/* For its stream; ctx is the watcher. */
size_t watcher_read(void *ctx, char *buf, size_t max);
