/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parts of `overlayctl top`: rates out of totals, and the screen. */
#pragma once

#include "ctl.h"

/* What is on the way to a terminal: a screen is drawn at once, and cut at its width. */
struct screen {
	FILE *f;
	size_t width, rows;  /* rows: of each table */
	bool live;           /* redrawn in place */
};

struct screen top_screen(struct ctl *c, bool once);
/* {Time, Seconds, Endpoints, Services} as tables, or as a line of JSON. */
void top_draw(struct ctl *c, const struct screen *s, const json_t *shown);
/* What it means that a total is less than it was. */
enum top_kind {
	TOP_COUNTERS, /* it began anew: all of it is new */
	TOP_SUMS,     /* of a service's backends: one has left with its share, and nobody knows the rest */
};

/* The rows of `now` with their rates as "PerSecond", busiest first. Who was not there before has none yet. */
json_t *top_rates(const json_t *now, const json_t *before, enum top_kind kind, double seconds);
/* One of a row's rates. */
double top_number(const json_t *row, const char *name);
