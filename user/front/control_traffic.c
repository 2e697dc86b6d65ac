/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests about what was counted. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "control_call.h"
#include "show_traffic.h"

int call_traffic(const struct call *call, struct traffic *ret_traffic, struct err *e)
{
	const struct control_host *h = &call->c->host;

	*ret_traffic = (struct traffic){ 0 };
	return h->read_traffic ? h->read_traffic(h->ctx, ret_traffic, e) : 0;
}

static bool asks_endpoint(const struct call *call)
{
	return call->req->query && !strncmp(call->req->query, "endpoint=", strlen("endpoint="));
}

/* Of a network, or of an endpoint of this node. */
static int read_drops_of(const struct call *call, const char *ref,
			 struct ov_counter counter[OV_VERDICT_COUNT], struct err *e)
{
	_cleanup_(traffic_fini) struct traffic t = { 0 };
	const struct view_endpoint *ve = NULL;
	const struct view_network *n = NULL;
	struct scene s = call_scene(call);
	int r = asks_endpoint(call) ? call_find_endpoint(&s, ref, &ve, e) :
				      intent_find_network(s.view, ref, &n, e);

	if (!r && ve && !id_equal(&ve->ep->node, s.self))
		r = err_set(e, -EINVAL, "endpoint \"%s\" lives on another node: ask there, its drops are "
			    "counted where it lives", ref);
	if (!r)
		r = call_traffic(call, &t, e);
	if (!r)
		traffic_drops(&t, n, ve ? &ve->ep->id : NULL, counter);
	return r;
}

void control_get_drops(struct call *call)
{
	struct ov_counter counter[OV_VERDICT_COUNT] = { 0 };
	const struct control_host *h = &call->c->host;
	char ref[CONTROL_REF_MAX + 1];
	struct err e = { 0 };
	int r = call_filter(call, asks_endpoint(call) ? "endpoint" : "network",
			    "drops are listed by network or endpoint", ref, &e);
	bool is_filtered = r == 1;

	if (is_filtered)
		r = read_drops_of(call, ref, counter, &e);
	else if (!r)
		r = h->read_counters(h->ctx, counter, &e);
	if (r)
		call_fail(call, r, &e);
	else
		call_done(call, 200, show_drops(counter, is_filtered));
}

static int read_traffic(struct call *call, const char *ref, json_t **ret_value, struct err *e)
{
	_cleanup_(traffic_fini) struct traffic t = { 0 };
	_cleanup_(freep) struct lb_row *lb = NULL;
	const struct control_host *h = &call->c->host;
	const struct view_network *n = NULL;
	struct scene s = call_scene(call);
	size_t lb_count = 0;
	int r = ref ? intent_find_network(s.view, ref, &n, e) : 0;

	if (!r)
		r = call_traffic(call, &t, e);
	if (!r)
		r = h->read_lb(h->ctx, &lb, &lb_count, e);
	if (!r)
		*ret_value = show_traffic(&s, &t, lb, lb_count, n);
	return r;
}

void control_get_traffic(struct call *call)
{
	char ref[CONTROL_REF_MAX + 1];
	json_t *value = NULL;
	struct err e = { 0 };
	int r = call_filter(call, "network", "traffic is listed by network", ref, &e);

	if (r >= 0)
		r = read_traffic(call, r ? ref : NULL, &value, &e);
	if (r)
		call_fail(call, r, &e);
	else
		call_done(call, 200, value);
}
