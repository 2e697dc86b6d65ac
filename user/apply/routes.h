/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A container's routes, shared by routes.c and routes_default.c. Private to them. */
#pragma once

#include "drivers.h"
#include "sys/route.h"

#define ROUTE_TABLE_FIRST 0x6f760000u /* "ov" in ASCII; ifindexes are added, not or-ed */
#define ROUTE_METRIC_INTERNAL 0x6f76u /* of default routes that lead into an internal network */

/* The table of that interface alone. */
static inline uint32_t routes_table_of(uint32_t ifindex)
{
	return ROUTE_TABLE_FIRST + ifindex;
}

/* ---- routes_default.c ---- */

/* A default route, in that table. */
bool default_is(const struct route_info *r, uint32_t table);
/* Ours, in the table of its interface. */
bool default_offered(const struct route_info *r);
/* Table main has the default route that it should have. */
bool default_is_right(const struct routes *s);
/* Sees to that. 0 or a negative errno. */
int default_settle(struct nl *nl);
