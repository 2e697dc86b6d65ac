/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which decisions a packet would meet, on every node it comes by, without sending one: the
 * data path's rules (bpf/) once more, over the rows of plans instead of maps. The packet is
 * the first of a new flow; what the kernel remembers of older flows is not asked.
 *
 * Pure: a view, this host's facts and a packet in, steps and a verdict out.
 */
#pragma once

#include "plan/plan.h"
#include "trace/steps.h"

_Static_assert(TRACE_KEY_MAX >= sizeof(struct ov_allowed_key), "holds any key of the data path");

/* One node's tables. */
struct trace_node {
	struct id id;
	struct ov_addr vtep;
	const struct plan *plan;
	bool is_self;           /* its rows are remembered in trace.row */
};

/* The programs, one by one; each adds its steps and sets verdict and why. */
enum ov_verdict trace_endpoint(struct trace *t, const struct trace_node *n,
			       const struct trace_packet *p, struct trace_hop *ret_hop);
enum ov_verdict trace_uplink(struct trace *t, const struct trace_node *n,
			     const struct trace_hop *hop);
enum ov_verdict trace_front(struct trace *t, const struct trace_node *n,
			    const struct trace_packet *p, bool is_loop, struct trace_hop *ret_hop);

/*
 * The whole way, beginning with this node's plan (made of the same view and facts), which has to
 * live as long as trace.row is read. Of other nodes plans are made with facts made up as far as a
 * record does not tell them. 0 or -ENOMEM.
 */
int trace_run(const struct view *v, const struct facts *f, const struct id *self,
	      const struct plan *plan, const struct trace_packet *p, struct trace *t);
