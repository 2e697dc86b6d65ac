/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one event loop (sd-event underneath). Callbacks run on the only thread
 * and never block. Sources belong to their creator and are freed by loop_free
 * functions below, also from inside their own callback.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct loop_io;
struct loop_timer;

#define LOOP_IN 1u
#define LOOP_OUT 2u

int loop_new(struct loop **ret_loop);
void loop_free(struct loop *l);
int loop_run(struct loop *l);             /* until loop_stop; returns its code */
void loop_stop(struct loop *l, int code);

uint64_t loop_now_ms(struct loop *l);     /* CLOCK_MONOTONIC */
uint64_t loop_wall_ms(struct loop *l);    /* CLOCK_REALTIME, since 1970 */

/* fd is borrowed. events: LOOP_IN | LOOP_OUT. Errors and hang-ups come as LOOP_IN. */
int loop_io_new(struct loop *l, int fd, unsigned int events,
		void (*fn)(void *arg, unsigned int events), void *arg, struct loop_io **ret_io);
void loop_io_set(struct loop_io *io, unsigned int events);
void loop_io_free(struct loop_io *io);

/* Fires once at `at` (loop_now_ms scale), again after loop_timer_set. UINT64_MAX: never. */
int loop_timer_new(struct loop *l, uint64_t at, void (*fn)(void *arg), void *arg,
		   struct loop_timer **ret_timer);
void loop_timer_set(struct loop_timer *t, uint64_t at);
void loop_timer_free(struct loop_timer *t);

/* Blocks the signal and calls fn from the loop. Lives as long as the loop. */
int loop_signal(struct loop *l, int signo, void (*fn)(void *arg, int signo), void *arg);
/* Calls fn before every wait: the place where work that piled up is done once. */
int loop_before_wait(struct loop *l, void (*fn)(void *arg), void *arg);

/* READY=1, STATUS=..., RELOADING=1... to the service manager; nothing without one. */
void loop_notify(const char *state);
