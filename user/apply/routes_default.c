/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A container's default route. Each of its endpoints offers one, in the table of its
 * interface; one of them stands in `main` as well, as long as nobody else has put one there.
 * The lowest metric wins, then the interface that came first. That of an internal network
 * has a metric that every other one beats: it leads nowhere but back to those who call a
 * published port.
 *
 * All is told from the tables of the interfaces, so it does not matter who removed what.
 */
#include <errno.h>

#include "base/cleanup.h"
#include "routes.h"
#include "sys/nl.h"

bool default_is(const struct route_info *r, uint32_t table)
{
	return r->table == table && r->prefix_len == ADDR_V4_BITS;
}

bool default_offered(const struct route_info *r)
{
	return r->protocol == ROUTE_PROTOCOL_OURS && r->ifindex &&
	       default_is(r, routes_table_of(r->ifindex));
}

static bool beats(const struct route_info *a, const struct route_info *b)
{
	return !b || a->metric < b->metric || (a->metric == b->metric && a->ifindex < b->ifindex);
}

struct defaults {
	const struct route_info *best; /* of those on offer */
	const struct route_info *last; /* in main: ours, of an internal network */
	const struct route_info *main; /* in main: any other */
};

static struct defaults find_defaults(const struct route_info *route, size_t count)
{
	struct defaults d = { 0 };

	for (size_t i = 0; i < count; i++) {
		const struct route_info *r = &route[i];

		if (default_offered(r) && beats(r, d.best))
			d.best = r;
		if (!default_is(r, RT_TABLE_MAIN))
			continue;
		if (r->protocol == ROUTE_PROTOCOL_OURS && r->metric == ROUTE_METRIC_INTERNAL)
			d.last = r;
		else
			d.main = r;
	}
	return d;
}

/* Nothing better than what main has is on offer. */
static bool is_enough(const struct defaults *d)
{
	return d->main || !d->best || (d->last && d->best->metric == ROUTE_METRIC_INTERNAL);
}

bool default_is_right(const struct routes *s)
{
	struct defaults d = find_defaults(s->route, s->route_count);

	return is_enough(&d) && !d.main == !!d.last;
}

/* The better one comes before the other goes, so that the container is never without. */
int default_settle(struct nl *nl)
{
	_cleanup_(freep) struct route_info *route = NULL;
	size_t count = 0;
	int r = route_list(nl, &route, &count);
	struct route_info add;
	struct defaults d;

	if (r)
		return r;
	d = find_defaults(route, count);
	if (!is_enough(&d)) {
		add = *d.best;
		add.table = RT_TABLE_MAIN;
		r = route_add(nl, &add);
		if (r && r != -EEXIST)
			return r;
		d.main = add.metric == ROUTE_METRIC_INTERNAL ? NULL : &add;
	}
	return d.main && d.last ? route_delete(nl, d.last) : 0;
}
