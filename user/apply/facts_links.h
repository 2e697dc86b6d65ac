/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What this host is to the outside: its addresses, and the devices that have them. */
#pragma once

#include <stddef.h>

#include "base/err.h"
#include "model/reach.h"
#include "plan/plan.h"
#include "sys/link.h"

struct nl;

struct host_links {
	struct fact_address *address; /* sorted by addr */
	struct fact_link *link;       /* sorted by ifindex */
	struct reach *reach;          /* as the kernel lists them */
	size_t address_count, link_count, reach_count;
};

/* `list` are all devices, by ifindex. 0, or a sentence. */
int host_links_read(struct nl *nl, const struct link_info *list, size_t count,
		    struct host_links *ret_links, struct err *e);
void host_links_fini(struct host_links *h);
