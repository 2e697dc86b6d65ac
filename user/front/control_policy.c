/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests about policy. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "control_call.h"

static int read_filter(const struct call *call, const struct view *v,
		       const struct view_network **ret_only, struct err *e)
{
	char ref[CONTROL_REF_MAX + 1];
	int r = call_filter(call, "network", "rules are listed by network", ref, e);

	if (r <= 0)
		return r;
	return intent_find_network(v, ref, ret_only, e);
}

void control_get_policies(struct call *call)
{
	_cleanup_(freep) struct policy_row *rows = NULL;
	struct control_host *h = &call->c->host;
	const struct view_network *only = NULL;
	struct scene s = call_scene(call);
	struct err e = { 0 };
	size_t count = 0;
	int r = read_filter(call, s.view, &only, &e);

	if (!r)
		r = h->read_policy(h->ctx, &rows, &count, &e);
	if (r)
		call_fail(call, r, &e);
	else
		call_done(call, 200, show_policies(&s, rows, count, only));
}

/* ---- a rule ---- */

struct policy_body {
	const char *network, *action, *from, *to;
	struct text_list ports;
};

static const struct field policy_fields[] = {
	{ "Network", FIELD_TEXT, offsetof(struct policy_body, network) },
	{ "Action", FIELD_TEXT, offsetof(struct policy_body, action) },
	{ "From", FIELD_TEXT, offsetof(struct policy_body, from) },
	{ "To", FIELD_TEXT, offsetof(struct policy_body, to) },
	{ "Ports", FIELD_LIST, offsetof(struct policy_body, ports) },
};

static int check_body(const struct policy_body *b, struct err *e)
{
	const char *missing = !b->network ? "Network" : !b->action ? "Action" :
			      !b->from ? "From" : !b->to ? "To" : NULL;

	if (missing)
		return err_set(e, -EINVAL, "field \"%s\" is missing: a rule needs Network, Action, From "
			       "and To", missing);
	if (strcmp(b->action, "allow") && strcmp(b->action, "deny"))
		return err_set(e, -EINVAL, "action \"%.40s\" is neither allow nor deny", b->action);
	return 0;
}

/* A rule that the kernel does not hold yet stays: denying late is better than never. */
static void on_added(void *arg, const struct err *e)
{
	struct call *call = arg;

	if (call_is_over(call))
		return;
	if (e)
		call_fail(call, e->code, e);
	else
		call_done(call, 201, json_pack("{s:o}", "ID", json_id(&call->id)));
}

/* The id of a network that was found, or zero. */
static struct id network_id(const struct call *call, const char *ref)
{
	const struct view_network *vn = view_network_find(store_view(call->c->store), ref);

	return vn ? vn->net->id : (struct id){ 0 };
}

void control_create_policy(struct call *call)
{
	struct control_host *h = &call->c->host;
	struct id network;
	struct policy_body b = { 0 };
	struct policy_ask ask;
	struct err e = { 0 };
	int r = json_parse_body(call->req->body, call->req->body_len, &call->body, &e);

	if (!r)
		r = json_decode(call->body, policy_fields, ARRAY_SIZE(policy_fields), &b, &e);
	call->ports = b.ports; /* the call releases it */
	if (!r)
		r = check_body(&b, &e);
	if (!r) {
		ask = (struct policy_ask){
			.network = b.network, .deny = !strcmp(b.action, "deny"), .from = b.from,
			.to = b.to, .port_count = call->ports.count,
			.port = (const char *const *)call->ports.item,
		};
		r = intent_policy_add(call->c->intent, &ask, h->wall(h->ctx), &call->id, &e);
	}
	if (r) {
		call_fail(call, r, &e);
		return;
	}
	network = network_id(call, b.network);
	h->when_applied(h->ctx, &network, on_added, call);
}

void control_delete_policy(struct call *call)
{
	struct control_host *h = &call->c->host;
	struct err e = { 0 };
	int r = intent_policy_rm(call->c->intent, call->ref, h->wall(h->ctx), &call->id, &e);

	if (r)
		call_fail(call, r, &e);
	else
		call_when_removed(call, "ID");
}

/* ---- a network's default ---- */

static const struct field default_fields[] = {
	{ "Network", FIELD_TEXT, offsetof(struct policy_default_ask, network) },
	{ "Action", FIELD_TEXT, offsetof(struct policy_default_ask, verdict) },
	{ "Audit", FIELD_TEXT, offsetof(struct policy_default_ask, audit) },
};

static void on_changed(void *arg, const struct err *e)
{
	struct call *call = arg;
	struct scene s;
	const struct view_network *vn;

	if (call_is_over(call))
		return;
	s = call_scene(call);
	vn = view_network_by_id(s.view, &call->id);
	if (e)
		call_fail(call, e->code, e);
	else
		call_done(call, 200, vn ? show_network_policy(s.view, vn) : json_object());
}

void control_set_policy_default(struct call *call)
{
	struct control_host *h = &call->c->host;
	struct policy_default_ask ask = { 0 };
	struct err e = { 0 };
	int r = json_parse_body(call->req->body, call->req->body_len, &call->body, &e);

	if (!r)
		r = json_decode(call->body, default_fields, ARRAY_SIZE(default_fields), &ask, &e);
	if (!r && !ask.network)
		r = err_set(&e, -EINVAL, "field \"Network\" is missing: say whose default is to change");
	if (!r)
		r = intent_policy_default(call->c->intent, &ask, h->wall(h->ctx), &call->id, &e);
	if (r)
		call_fail(call, r, &e);
	else
		h->when_applied(h->ctx, &call->id, on_changed, call);
}
