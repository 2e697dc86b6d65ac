/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whom this host reaches without the overlay, as observed: from its addresses (apply/) to those
 * who choose subnets (intent/) and to people (front/).
 */
#pragma once

#include <stddef.h>

#include "base/addr.h"

struct reach {
	struct prefix to;
	char device[16];
};

struct reach_list {
	size_t count;
	const struct reach *item;
};

/* The first that has addresses in common with the subnet; NULL: none. */
const struct reach *reach_overlap(const struct reach_list *l, const struct prefix *subnet);
