/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "loop.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <time.h>

/*
 * Events handled between two rounds of the before-wait hooks. Large enough that
 * a burst of datagrams is one batch, small enough that a flood cannot keep the
 * hooks (where plans are applied) from ever running.
 */
#define BATCH_MAX 64

/* How late a timer may be, so that neighbours share a wake-up. */
#define TIMER_SLACK_US 1000

struct loop_hook {
	struct loop_hook *next;
	void (*fn)(void *arg);
	void *arg;
};

struct loop_signal {
	struct loop_signal *next;
	sd_event_source *source;
	void (*fn)(void *arg, int signo);
	void *arg;
};

struct loop {
	sd_event *event;
	struct loop_hook *hooks, **hooks_end; /* in the order they were added */
	struct loop_signal *signals;
	bool stopped;
	int code;
};

struct loop_io {
	sd_event_source *source;
	void (*fn)(void *arg, unsigned int events);
	void *arg;
};

struct loop_timer {
	sd_event_source *source;
	void (*fn)(void *arg);
	void *arg;
};

int loop_new(struct loop **ret_loop)
{
	struct loop *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	l->hooks_end = &l->hooks;
	r = sd_event_new(&l->event);
	if (r >= 0)
		r = sd_event_set_watchdog(l->event, true); /* nothing unless the unit asks */
	if (r < 0) {
		loop_free(l);
		return r;
	}
	*ret_loop = l;
	return 0;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	while (l->hooks) {
		struct loop_hook *next = l->hooks->next;

		free(l->hooks);
		l->hooks = next;
	}
	while (l->signals) {
		struct loop_signal *next = l->signals->next;

		sd_event_source_disable_unref(l->signals->source);
		free(l->signals);
		l->signals = next;
	}
	sd_event_unref(l->event);
	free(l);
}

/* Waits for one event, then takes what else is ready. sd_event_run handles one source a call. */
static int run_batch(struct loop *l)
{
	int r = sd_event_run(l->event, UINT64_MAX);

	for (int i = 1; i < BATCH_MAX && r > 0 && !l->stopped; i++)
		r = sd_event_run(l->event, 0);
	return r;
}

int loop_run(struct loop *l)
{
	while (!l->stopped) {
		int r;

		for (struct loop_hook *h = l->hooks; h && !l->stopped; h = h->next)
			h->fn(h->arg);
		if (l->stopped)
			break;
		r = run_batch(l);
		if (r < 0)
			return r;
	}
	l->stopped = false; /* a loop can be run again */
	return l->code;
}

void loop_stop(struct loop *l, int code)
{
	if (l->stopped)
		return; /* the first reason counts */
	l->stopped = true;
	l->code = code;
}

static uint64_t clock_ms(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Read afresh, not sd-event's time of the wake-up: a slow callback must not stop the clock. */
uint64_t loop_now_ms(struct loop *l)
{
	(void)l;
	return clock_ms(CLOCK_MONOTONIC);
}

uint64_t loop_wall_ms(struct loop *l)
{
	(void)l;
	return clock_ms(CLOCK_REALTIME);
}

static uint32_t to_epoll(unsigned int events)
{
	return (events & LOOP_IN ? EPOLLIN : 0u) | (events & LOOP_OUT ? EPOLLOUT : 0u);
}

/* The callback may free io: nothing here touches it afterwards (sd-event keeps its own source). */
static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct loop_io *io = userdata;
	unsigned int events = revents & EPOLLOUT ? LOOP_OUT : 0;

	(void)source;
	(void)fd;
	if (revents & (EPOLLIN | EPOLLERR | EPOLLHUP | EPOLLRDHUP))
		events |= LOOP_IN;
	io->fn(io->arg, events);
	return 0;
}

int loop_io_new(struct loop *l, int fd, unsigned int events,
		void (*fn)(void *arg, unsigned int events), void *arg, struct loop_io **ret_io)
{
	struct loop_io *io = calloc(1, sizeof(*io));
	int r;

	if (!io)
		return -ENOMEM;
	io->fn = fn;
	io->arg = arg;
	r = sd_event_add_io(l->event, &io->source, fd, to_epoll(events), on_io, io);
	if (r < 0) {
		free(io);
		return r;
	}
	if (!events)
		loop_io_set(io, 0);
	*ret_io = io;
	return 0;
}

/* Without events the source is off: epoll would report hang-ups for ever even to an empty mask. */
void loop_io_set(struct loop_io *io, unsigned int events)
{
	if (events)
		sd_event_source_set_io_events(io->source, to_epoll(events));
	sd_event_source_set_enabled(io->source, events ? SD_EVENT_ON : SD_EVENT_OFF);
}

void loop_io_free(struct loop_io *io)
{
	if (!io)
		return;
	sd_event_source_disable_unref(io->source);
	free(io);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct loop_timer *t = userdata;

	(void)source;
	(void)usec;
	t->fn(t->arg);
	return 0;
}

int loop_timer_new(struct loop *l, uint64_t at, void (*fn)(void *arg), void *arg,
		   struct loop_timer **ret_timer)
{
	struct loop_timer *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	t->fn = fn;
	t->arg = arg;
	r = sd_event_add_time(l->event, &t->source, CLOCK_MONOTONIC, 0, TIMER_SLACK_US, on_timer, t);
	if (r < 0) {
		free(t);
		return r;
	}
	loop_timer_set(t, at);
	*ret_timer = t;
	return 0;
}

void loop_timer_set(struct loop_timer *t, uint64_t at)
{
	if (at > UINT64_MAX / 1000 - 1) { /* never, or as good as */
		sd_event_source_set_enabled(t->source, SD_EVENT_OFF);
		return;
	}
	sd_event_source_set_time(t->source, at * 1000);
	sd_event_source_set_enabled(t->source, SD_EVENT_ONESHOT);
}

void loop_timer_free(struct loop_timer *t)
{
	if (!t)
		return;
	sd_event_source_disable_unref(t->source);
	free(t);
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	struct loop_signal *s = userdata;

	(void)info;
	s->fn(s->arg, sd_event_source_get_signal(source));
	return 0;
}

/* sd-event reads signals from a signalfd and wants them blocked beforehand. */
static int block_signal(int signo)
{
	sigset_t set;

	sigemptyset(&set);
	if (sigaddset(&set, signo) < 0)
		return -errno;
	return -pthread_sigmask(SIG_BLOCK, &set, NULL);
}

int loop_signal(struct loop *l, int signo, void (*fn)(void *arg, int signo), void *arg)
{
	struct loop_signal *s;
	int r = block_signal(signo);

	if (r < 0)
		return r;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->fn = fn;
	s->arg = arg;
	r = sd_event_add_signal(l->event, &s->source, signo, on_signal, s);
	if (r < 0) {
		free(s);
		return r;
	}
	s->next = l->signals;
	l->signals = s;
	return 0;
}

int loop_before_wait(struct loop *l, void (*fn)(void *arg), void *arg)
{
	struct loop_hook *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->fn = fn;
	h->arg = arg;
	*l->hooks_end = h;
	l->hooks_end = &h->next;
	return 0;
}

void loop_notify(const char *state)
{
	/* Type=notify-reload (systemd 253) wants to know when the reload began. */
	if (!strncmp(state, "RELOADING=1", 11))
		sd_notifyf(0, "%s\nMONOTONIC_USEC=%" PRIu64, state, clock_ms(CLOCK_MONOTONIC) * 1000);
	else
		sd_notify(0, state);
}
