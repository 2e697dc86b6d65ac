/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Other nodes' tables, as far as they can be told from here. Private to trace/. */
#pragma once

#include "inside.h"

/* A node and what its plan was made of. */
struct far_node {
	struct trace_node node;
	struct plan plan;
	struct facts facts;
	struct id *away;
	struct fact_device *device;
	struct fact_route *route;
	struct ipsec_policy *policy;
	struct fact_address address;
	struct fact_link link;
};

/*
 * Plans for that node from the view, with these stand-ins for its facts: all its endpoints' devices
 * are there, every other node is next to it, it has one address, no process of it has a published
 * port, it thinks away whom we do (but itself), and its SAs are as its record says. 0 or -ENOMEM.
 */
int far_node_make(const struct view *v, const struct facts *ours, const struct view_node *vn,
		  struct far_node *ret);
void far_node_fini(struct far_node *f);
