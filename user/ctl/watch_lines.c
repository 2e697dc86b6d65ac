/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "watch_lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client.h"

static volatile sig_atomic_t stopped; /* a signal handler has no argument */

static void on_signal(int signo)
{
	(void)signo;
	stopped = 1;
}

/* Without SA_RESTART, so that waiting for a line ends. */
static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	stopped = 0;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

struct listener {
	bool (*begun)(void *arg);
	bool (*event)(void *arg, const json_t *line);
	void *arg;
	bool garbled;
};

static bool on_begun(void *arg)
{
	struct listener *l = arg;

	return !l->begun || l->begun(l->arg);
}

static bool on_line(void *arg, const char *text, size_t len)
{
	struct listener *l = arg;
	json_t *line = json_loadb(text, len, 0, NULL);
	bool more;

	l->garbled = !line;
	if (!line)
		return false;
	more = l->event(l->arg, line);
	json_decref(line);
	return more;
}

int watch_lines(struct ctl *c, const char *path, const json_t *body,
		bool (*begun)(void *arg), bool (*event)(void *arg, const json_t *line), void *arg)
{
	struct listener l = { begun, event, arg, false };
	const struct client_listener listener = { on_begun, on_line, &l };
	json_t *value = NULL;
	struct err e = { 0 };
	int status = 0;

	catch_signals();
	if (c->stream(c->ctx, path, body, &stopped, &listener, &status, &value, &e))
		return ctl_error(c, e.text);
	if (status != 200)
		return ctl_refused(c, status, value);
	return l.garbled ? ctl_error(c, "overlayd sent a line that is not JSON: is it of this version?") : 0;
}

bool watch_count_losses(struct watch_losses *l, const json_t *line)
{
	const char *event = ctl_text(line, "Event");
	json_int_t count = ctl_number(line, "Count");

	if (!strcmp(event, "left-out"))
		l->left_out += count;
	else if (strcmp(event, "lost"))
		return false;
	else if (!strcmp(ctl_text(line, "Where"), "ring"))
		l->ring += count;
	else
		l->client += count;
	return true;
}

const char *watch_end_text(const json_t *end, char *out, size_t size)
{
	const char *name = ctl_text(end, "Name"), *ip = ctl_text(end, "IP");
	json_int_t port = ctl_number(end, "Port");

	if (port)
		snprintf(out, size, "%s:%" JSON_INTEGER_FORMAT, *name ? name : *ip ? ip : "-", port);
	else
		snprintf(out, size, "%s", *name ? name : *ip ? ip : "-");
	return out;
}

const char *watch_time_text(const json_t *line, char out[16])
{
	json_int_t ns = ctl_number(line, "Nanoseconds");
	time_t seconds = (time_t)(ns / 1000000000);
	char clock[16] = "";
	struct tm tm;

	if (localtime_r(&seconds, &tm))
		strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	snprintf(out, 16, "%.8s.%03d", clock, (int)(ns / 1000000 % 1000));
	return out;
}
