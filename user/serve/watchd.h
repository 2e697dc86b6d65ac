/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Those who watch: each has a filter and a bounded queue of lines that its connection is
 * fed from. Records of the data path's ring become lines once, for all who want them.
 * Who does not read loses lines, hears how many, and holds up nobody.
 */
#pragma once

#include "base/err.h"
#include "front/control.h"
#include "loop/loop.h"
#include "store/store.h"
#include "watch/watch.h"

struct watchd;

#define WATCHD_CLIENTS_MAX 16
#define WATCHD_QUEUE_MAX (4u << 20) /* bytes of one client that has not read */
#define WATCHD_BATCH 512            /* records a wake-up: then others have their turn */

/* `changed`: what should be watched is another thing now (watchd_want). Borrows all. */
int watchd_new(struct loop *loop, struct store *store, void (*changed)(void *arg), void *arg,
	       struct watchd **ret_watchd);
void watchd_free(struct watchd *w);

/* One more who watches; it ends with the stream's close. 0, or a sentence. */
int watchd_add(struct watchd *w, const struct watch_filter *filter, struct control_stream *ret_stream,
	       struct err *e);
/* What all of them want together; `until` is left 0. flags 0: nobody watches. */
struct ov_watch watchd_want(const struct watchd *w);

/* The ring to read from (borrowed), or -1: there is none any more. 0 or a negative errno. */
int watchd_ring(struct watchd *w, int map_fd);
bool watchd_has_ring(const struct watchd *w);
/* A record from elsewhere than the ring. */
void watchd_tell(struct watchd *w, const void *record, size_t size);
/* What was not told since the last time; everybody who watches hears it. */
void watchd_lost(struct watchd *w, uint64_t lost);
void watchd_left_out(struct watchd *w, uint8_t verdict, uint64_t count);
/* A sign of life for all: so that one who has gone away is noticed. */
void watchd_beat(struct watchd *w);
