/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Puts the kernel right, and says what was wrong. */
#include <errno.h>

#include "base/cleanup.h"
#include "control_call.h"

struct repair_ask_body {
	const char *network, *endpoint; /* NULL: not named */
};

static const struct field repair_fields[] = {
	{ "Network", FIELD_TEXT, offsetof(struct repair_ask_body, network) },
	{ "Endpoint", FIELD_TEXT, offsetof(struct repair_ask_body, endpoint) },
};

static int take_network(const struct scene *s, const char *ref, struct repair_scope *scope,
			struct err *e)
{
	const struct view_network *vn;
	int r = intent_find_network(s->view, ref, &vn, e);

	if (!r)
		scope->network = vn->net->id;
	return r;
}

static int take_endpoint(const struct scene *s, const char *ref, struct repair_scope *scope,
			 struct err *e)
{
	const struct view_endpoint *ve = NULL;
	const struct view_node *vn;
	int r = call_find_endpoint(s, ref, &ve, e);

	if (r)
		return r;
	vn = view_node_by_id(s->view, &ve->ep->node);
	if (!id_equal(&ve->ep->node, s->self))
		return err_set(e, -EINVAL, "endpoint \"%s\" is on node %s: repair it there", ref,
			       vn ? vn->node->name : "that is gone");
	if (!id_is_zero(&scope->network) && !id_equal(&scope->network, &ve->ep->network))
		return err_set(e, -EINVAL, "endpoint \"%s\" is on network %s: leave --network away, or name "
			       "that one", ref, ve->net->display);
	scope->endpoint = ve->ep->id;
	return 0;
}

static int read_scope(struct call *call, struct repair_scope *ret_scope, struct err *e)
{
	struct repair_ask_body ask = { 0 };
	struct scene s = call_scene(call);
	int r = 0;

	if (call->req->body_len)
		r = json_parse_body(call->req->body, call->req->body_len, &call->body, e);
	if (!r)
		r = json_decode(call->body, repair_fields, ARRAY_SIZE(repair_fields), &ask, e);
	if (!r && ask.network)
		r = take_network(&s, ask.network, ret_scope, e);
	if (!r && ask.endpoint)
		r = take_endpoint(&s, ask.endpoint, ret_scope, e);
	return r;
}

static void on_repaired(void *arg, const struct repair_report *report, const struct err *e)
{
	struct call *call = arg;

	if (call_is_over(call))
		return;
	if (e)
		call_fail(call, e->code, e);
	else
		call_done(call, 200, show_repair(report));
}

void control_repair(struct call *call)
{
	struct control_host *h = &call->c->host;
	struct repair_scope scope = { 0 };
	struct err e = { 0 };
	int r = read_scope(call, &scope, &e);

	if (r)
		call_fail(call, r, &e);
	else
		h->repair(h->ctx, &scope, on_repaired, call);
}
