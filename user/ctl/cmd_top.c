/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `overlayctl top`: the busiest endpoints and services of this node. The daemon gives totals;
 * rates are the difference of two readings.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "base/cleanup.h"
#include "ctl.h"
#include "top.h"

#define INTERVAL_DEFAULT 2
#define INTERVAL_MAX 3600

static volatile sig_atomic_t stopped;

static void on_stop(int signo)
{
	(void)signo;
	stopped = 1;
}

/* A daemon that hangs is waited for no longer either. */
static void catch_signals(struct ctl *c)
{
	struct sigaction stop = { .sa_handler = on_stop };

	stopped = 0;
	if (c->stop)
		*c->stop = &stopped;
	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
}

static double clock_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

struct reading {
	json_t *value;
	double at;
};

/* 0, or an exit status after having said why. */
static int take(struct ctl *c, const char *path, struct reading *r)
{
	json_t *value = NULL;
	int status = ctl_ask(c, "GET", path, NULL, &value);

	if (status)
		return status;
	json_decref(r->value);
	r->value = value;
	r->at = clock_seconds();
	return 0;
}

static void show(struct ctl *c, bool once, const struct reading *before, const struct reading *now)
{
	double seconds = now->at - before->at > 0.001 ? now->at - before->at : 0.001;
	struct screen s = top_screen(c, once); /* anew each time: a window may change its size */
	json_t *shown = json_pack("{s:s, s:f, s:o, s:o}", "Time", ctl_text(now->value, "Time"),
				  "Seconds", seconds, "Endpoints",
				  top_rates(json_object_get(now->value, "Endpoints"),
					    json_object_get(before->value, "Endpoints"), TOP_COUNTERS,
					    seconds),
				  "Services",
				  top_rates(json_object_get(now->value, "Services"),
					    json_object_get(before->value, "Services"), TOP_SUMS,
					    seconds));

	top_draw(c, &s, shown);
	fflush(c->out);
	json_decref(shown);
}

/* Ends early, and says so, when a signal came. */
static bool wait_seconds(unsigned long seconds)
{
	struct timespec left = { .tv_sec = (time_t)seconds };

	while (!stopped && nanosleep(&left, &left) && errno == EINTR)
		;
	return !stopped;
}

static int watch(struct ctl *c, const char *path, unsigned long interval, bool once)
{
	struct reading before = { 0 }, now = { 0 };
	int status = take(c, path, &before);

	while (!status && wait_seconds(interval)) {
		status = take(c, path, &now);
		if (status)
			break;
		show(c, once, &before, &now);
		if (once || ferror(c->out))
			break;
		json_decref(before.value);
		before = now;
		now.value = NULL;
	}
	json_decref(before.value);
	json_decref(now.value);
	return stopped ? 0 : status;
}

/* Seconds, or 0 after having said what is wrong. */
static unsigned long interval_of(struct ctl *c, const char *text)
{
	char *end, line[120];
	unsigned long n = strtoul(text, &end, 10);

	if (!*text)
		return c->json ? 1 : INTERVAL_DEFAULT;
	if (*text >= '0' && *text <= '9' && !*end && n >= 1 && n <= INTERVAL_MAX)
		return n;
	snprintf(line, sizeof(line), "--interval \"%.20s\" is no number of seconds from 1 to %d", text,
		 INTERVAL_MAX);
	ctl_error(c, line);
	return 0;
}

static char *traffic_path(const char *network)
{
	_cleanup_(freep) char *ref = ctl_escape(network);
	char *path = NULL;

	if (!ref || asprintf(&path, *network ? "/v1/traffic?network=%s" : "/v1/traffic%s", ref) < 0)
		return NULL;
	return path;
}

int cmd_top(struct ctl *c, const struct ctl_input *in)
{
	_cleanup_(freep) char *path = traffic_path(ctl_text(in->fields, "network"));
	unsigned long interval = interval_of(c, ctl_text(in->fields, "interval"));
	bool once = json_is_true(json_object_get(in->fields, "once"));
	struct screen s = top_screen(c, once);
	int status;

	if (!interval)
		return EXIT_WRONG_USAGE;
	if (!path)
		return ctl_error(c, "out of memory");
	if (!s.live && !c->json) /* into a file or a pipe: one table */
		once = true;
	catch_signals(c);
	if (s.live)
		fputs("\033[?25l\033[2J", c->out);
	status = watch(c, path, interval, once);
	if (s.live)
		fputs("\033[?25h", c->out);
	return status;
}
