/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rates: what two readings of totals differ by, a second. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "top.h"

static json_int_t count_of(const json_t *row, const char *direction, const char *what)
{
	return ctl_number(json_object_get(json_object_get(row, "Traffic"), direction), what);
}

/* Where it was is likely where it is: there may be 10,000 of them. */
static const json_t *find_row(const json_t *rows, size_t likely, const char *id)
{
	const json_t *row = json_array_get(rows, likely);
	size_t i;

	if (row && !strcmp(ctl_text(row, "ID"), id))
		return row;
	json_array_foreach(rows, i, row)
		if (!strcmp(ctl_text(row, "ID"), id))
			return row;
	return NULL;
}

/* A second. */
static double rate(json_int_t now, json_int_t was, enum top_kind kind, double seconds)
{
	if (now >= was)
		return (double)(now - was) / seconds;
	return kind == TOP_SUMS ? 0 : (double)now / seconds;
}

static json_t *rates_of(const json_t *row, const json_t *old, enum top_kind kind, double seconds)
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
			count_of(old, rates[i].direction, rates[i].what), kind, seconds)));
	if (json_object_get(row, "Total"))
		json_object_set_new(r, "NewFlows", json_real(rate(ctl_number(row, "Total"),
								 ctl_number(old, "Total"), kind, seconds)));
	return r;
}

double top_number(const json_t *row, const char *name)
{
	return json_number_value(json_object_get(json_object_get(row, "PerSecond"), name));
}

static double weight(const json_t *row)
{
	return top_number(row, "SentBytes") + top_number(row, "ReceivedBytes") + top_number(row, "NewFlows");
}

static int busiest_first(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	double u = weight(x), v = weight(y);
	int order = (u < v) - (u > v);

	return order ? order : strcmp(ctl_text(x, "Name"), ctl_text(y, "Name"));
}

json_t *top_rates(const json_t *now, const json_t *before, enum top_kind kind, double seconds)
{
	size_t count = json_array_size(now), i;
	_cleanup_(freep) json_t **order = calloc(count + 1, sizeof(*order));
	json_t *sorted = json_array(), *row;

	if (!order)
		return sorted;
	json_array_foreach(now, i, row) {
		const json_t *old = find_row(before, i, ctl_text(row, "ID"));

		json_object_set_new(row, "PerSecond", rates_of(row, old ? old : row, kind, seconds));
		order[i] = row;
	}
	qsort(order, count, sizeof(*order), busiest_first);
	for (i = 0; i < count; i++)
		json_array_append(sorted, order[i]);
	return sorted;
}
