/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The screen of `overlayctl top`: two tables, cut at the terminal's width. */
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "top.h"

#define ROWS_MAX 10      /* of each table, where nobody says how many fit */
#define ROWS_AROUND 6    /* lines of a screen that are no rows */
#define WIDTH_MAX 512

struct screen top_screen(struct ctl *c, bool once)
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
			 ctl_text(row, "Network"), human(top_number(row, "SentPackets"), n[0]),
			 human(top_number(row, "SentBytes"), n[1]), human(top_number(row, "ReceivedPackets"), n[2]),
			 human(top_number(row, "ReceivedBytes"), n[3]), human(top_number(row, "DroppedPackets"), n[4]));
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
			 human(top_number(row, "NewFlows"), n[1]), human(top_number(row, "ReceivedBytes"), n[2]),
			 human(top_number(row, "SentBytes"), n[3]));
		put_line(s, line);
	}
}

void top_draw(struct ctl *c, const struct screen *s, const json_t *shown)
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
