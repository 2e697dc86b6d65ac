/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `overlayctl top`: the busiest endpoints and services of this node. The daemon gives totals;
 * rates are the difference of two readings.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "ctl.h"

#define INTERVAL_DEFAULT 2
#define INTERVAL_MAX 3600
#define ROWS_MAX 10      /* of each table, where nobody says how many fit */
#define ROWS_AROUND 6    /* lines of a screen that are no rows */
#define WIDTH_MAX 512

/* What is on the way to a terminal: a screen is drawn at once, and cut at its width. */
struct screen {
	FILE *f;
	size_t width, rows;
	bool live;           /* redrawn in place */
};

static struct screen screen_of(struct ctl *c, bool once)
{
	struct screen s = { .f = c->out, .width = WIDTH_MAX, .rows = ROWS_MAX };
	struct winsize w = { 0 };
	int fd = fileno(c->out);

	if (fd < 0 || !isatty(fd))
		return s;
	s.live = !once && !c->json;
	if (!ioctl(fd, TIOCGWINSZ, &w) && w.ws_col && w.ws_row) {
		s.width = w.ws_col < WIDTH_MAX ? w.ws_col : WIDTH_MAX;
		s.rows = w.ws_row > ROWS_AROUND + 2 ? (w.ws_row - ROWS_AROUND) / 2u : 1;
	}
	return s;
}

/* Characters, not bytes: a cut inside one would be no UTF-8. Nothing in a name may steer the terminal. */
static void put_line(const struct screen *s, const char *text)
{
	size_t column = 0;

	for (; *text; text++) {
		bool begins = ((unsigned char)*text & 0xc0) != 0x80;

		column += begins;
		if (column > s->width)
			break;
		fputc((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text, s->f);
	}
	fputs(s->live ? "\033[K\n" : "\n", s->f);
}

/* ---- rates ---- */

static json_int_t count_of(const json_t *row, const char *direction, const char *what)
{
	return ctl_number(json_object_get(json_object_get(row, "Traffic"), direction), what);
}

static const json_t *find_row(const json_t *rows, const char *id)
{
	const json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
		if (!strcmp(ctl_text(row, "ID"), id))
			return row;
	return NULL;
}

/* A second. What went back began anew meanwhile: all of it is new. */
static double rate(json_int_t now, json_int_t was, double seconds)
{
	return (double)(now >= was ? now - was : now) / seconds;
}

static json_t *rates_of(const json_t *row, const json_t *old, double seconds)
{
	json_t *r = json_object();
	static const struct {
		const char *name, *direction, *what;
	} rates[] = {
		{ "SentPackets", "Sent", "Packets" }, { "SentBytes", "Sent", "Bytes" },
		{ "ReceivedPackets", "Received", "Packets" }, { "ReceivedBytes", "Received", "Bytes" },
		{ "DroppedPackets", "Dropped", "Packets" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rates); i++)
		json_object_set_new(r, rates[i].name, json_real(rate(
			count_of(row, rates[i].direction, rates[i].what),
			count_of(old, rates[i].direction, rates[i].what), seconds)));
	if (json_object_get(row, "Total"))
		json_object_set_new(r, "NewFlows", json_real(rate(ctl_number(row, "Total"),
								 ctl_number(old, "Total"), seconds)));
	return r;
}

static double number(const json_t *row, const char *name)
{
	return json_number_value(json_object_get(json_object_get(row, "PerSecond"), name));
}

static double weight(const json_t *row)
{
	return number(row, "SentBytes") + number(row, "ReceivedBytes") + number(row, "NewFlows");
}

static int busiest_first(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	double u = weight(x), v = weight(y);
	int order = (u < v) - (u > v);

	return order ? order : strcmp(ctl_text(x, "Name"), ctl_text(y, "Name"));
}

/* The rows of `now` with their rates, busiest first. Who was not there before has none yet. */
static json_t *with_rates(const json_t *now, const json_t *before, double seconds)
{
	size_t count = json_array_size(now), i;
	_cleanup_(freep) json_t **order = calloc(count + 1, sizeof(*order));
	json_t *sorted = json_array(), *row;

	if (!order)
		return sorted;
	json_array_foreach(now, i, row) {
		const json_t *old = find_row(before, ctl_text(row, "ID"));

		json_object_set_new(row, "PerSecond", rates_of(row, old ? old : row, seconds));
		order[i] = row;
	}
	qsort(order, count, sizeof(*order), busiest_first);
	for (i = 0; i < count; i++)
		json_array_append(sorted, order[i]);
	return sorted;
}

/* ---- what is drawn ---- */

/* "1.2M": three figures and a decimal prefix. */
static const char *human(double n, char out[16])
{
	static const char prefixes[] = " kMGTP";
	int p = 0;

	while (n >= 999.5 && prefixes[p + 1]) {
		n /= 1000;
		p++;
	}
	if (!p)
		snprintf(out, 16, "%.0f", n);
	else
		snprintf(out, 16, n < 9.95 ? "%.1f%c" : "%.0f%c", n, prefixes[p]);
	return out;
}

static void put_endpoints(const struct screen *s, const json_t *rows)
{
	char line[WIDTH_MAX + 64], n[5][16];
	const json_t *row;
	size_t i;

	put_line(s, "ENDPOINT          NETWORK         SENT pkt/s     B/s   RECEIVED pkt/s     B/s   DROPPED/s");
	json_array_foreach(rows, i, row) {
		if (i == s->rows)
			break;
		snprintf(line, sizeof(line), "%-17.17s %-15.15s %10s %7s   %14s %7s   %9s",
			 *ctl_text(row, "Name") ? ctl_text(row, "Name") : ctl_text(row, "IP"),
			 ctl_text(row, "Network"), human(number(row, "SentPackets"), n[0]),
			 human(number(row, "SentBytes"), n[1]), human(number(row, "ReceivedPackets"), n[2]),
			 human(number(row, "ReceivedBytes"), n[3]), human(number(row, "DroppedPackets"), n[4]));
		put_line(s, line);
	}
}

static void put_services(const struct screen *s, const json_t *rows)
{
	char line[WIDTH_MAX + 64], n[4][16];
	const json_t *row;
	size_t i;

	put_line(s, "SERVICE           NETWORK          FLOWS   new/s   TO BACKENDS HERE B/s   FROM THEM B/s");
	json_array_foreach(rows, i, row) {
		if (i == s->rows)
			break;
		snprintf(line, sizeof(line), "%-17.17s %-15.15s %6s %7s   %20s   %13s", ctl_text(row, "Name"),
			 ctl_text(row, "Network"), human((double)ctl_number(row, "Active"), n[0]),
			 human(number(row, "NewFlows"), n[1]), human(number(row, "ReceivedBytes"), n[2]),
			 human(number(row, "SentBytes"), n[3]));
		put_line(s, line);
	}
}

static void draw(struct ctl *c, const struct screen *s, const json_t *shown)
{
	char line[WIDTH_MAX];

	if (c->json) {
		json_dumpf(shown, c->out, JSON_COMPACT);
		fputc('\n', c->out);
		return;
	}
	if (s->live)
		fputs("\033[H", s->f);
	snprintf(line, sizeof(line), "overlayctl top   %s   rates of the last %.1f s", ctl_text(shown, "Time"),
		 json_number_value(json_object_get(shown, "Seconds")));
	put_line(s, line);
	put_line(s, "");
	put_endpoints(s, json_object_get(shown, "Endpoints"));
	put_line(s, "");
	put_services(s, json_object_get(shown, "Services"));
	if (s->live)
		fputs("\033[J", s->f);
}

/* ---- the loop ---- */

static volatile sig_atomic_t stopped;

static void on_stop(int signo)
{
	(void)signo;
	stopped = 1;
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
	struct screen s = screen_of(c, once); /* anew each time: a window may change its size */
	json_t *shown = json_pack("{s:s, s:f, s:o, s:o}", "Time", ctl_text(now->value, "Time"),
				  "Seconds", seconds, "Endpoints",
				  with_rates(json_object_get(now->value, "Endpoints"),
					     json_object_get(before->value, "Endpoints"), seconds),
				  "Services",
				  with_rates(json_object_get(now->value, "Services"),
					     json_object_get(before->value, "Services"), seconds));

	draw(c, &s, shown);
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
	return status;
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
	snprintf(line, sizeof(line), "--interval \"%.20s\" is no number of seconds from 1 to %d", text, INTERVAL_MAX);
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
	struct screen s = screen_of(c, once);
	struct sigaction stop = { .sa_handler = on_stop };
	int status;

	if (!interval)
		return EXIT_WRONG_USAGE;
	if (!path)
		return ctl_error(c, "out of memory");
	if (!s.live && !c->json) /* into a file or a pipe: one table */
		once = true;
	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	if (s.live)
		fputs("\033[?25l\033[2J", c->out);
	status = watch(c, path, interval, once);
	if (s.live)
		fputs("\033[?25h", c->out);
	return status;
}
