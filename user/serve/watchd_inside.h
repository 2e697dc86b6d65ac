/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What watchd.c and watchd_queue.c share. */
#pragma once

#include "base/bytes.h"
#include "watchd.h"

struct watcher {
	struct watcher *next;
	struct watchd *w;
	struct watch_filter filter;
	struct buf queue;
	size_t read;           /* bytes of the queue that are gone */
	struct {               /* what it missed and has not heard of */
		uint64_t lines; /* for which the queue had no room */
		uint64_t ring;  /* records for which the ring had none */
		uint64_t left_out[OV_VERDICT_COUNT];
	} owed;
	void (*more)(void *arg);
	void *more_arg;
};

/* Bytes that it has not read. */
size_t watcher_queued(const struct watcher *c);
/* A whole line or none; wakes its connection. */
void watcher_put_line(struct watcher *c, const char *line, size_t len);
/* A line for each thing that is owed; what finds no room stays owed. */
void watcher_say_owed(struct watcher *c);
/* For its stream; ctx is the watcher. */
size_t watcher_read(void *ctx, char *buf, size_t max);
