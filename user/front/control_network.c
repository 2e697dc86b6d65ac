/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests about networks. */
#include <errno.h>

#include "base/cleanup.h"
#include "control_call.h"
#include "show_traffic.h"

struct network_body {
	const char *name, *subnet, *gateway, *ip_range;
	bool internal;
	struct text_list options;
};

static const struct field network_fields[] = {
	{ "Name", FIELD_TEXT, offsetof(struct network_body, name) },
	{ "Subnet", FIELD_TEXT, offsetof(struct network_body, subnet) },
	{ "Gateway", FIELD_TEXT, offsetof(struct network_body, gateway) },
	{ "IPRange", FIELD_TEXT, offsetof(struct network_body, ip_range) },
	{ "Internal", FIELD_FLAG, offsetof(struct network_body, internal) },
	{ "Options", FIELD_OPTS, offsetof(struct network_body, options) },
};

void control_get_networks(struct call *call)
{
	struct scene s = call_scene(call);

	call_done(call, 200, show_networks(&s));
}

void control_get_network(struct call *call)
{
	struct scene s = call_scene(call);
	const struct view_network *n;
	_cleanup_(traffic_fini) struct traffic t = { 0 };
	struct err e = { 0 };
	int r = intent_find_network(s.view, call->ref, &n, &e);

	if (!r)
		r = call_traffic(call, &t, &e);
	if (r)
		call_fail(call, r, &e);
	else
		call_done(call, 200, show_network_traffic(show_network(&s, n), &s, &t, n));
}

/* What could not be applied is taken back: nothing half made. */
static void on_created(void *arg, const struct err *e)
{
	struct call *call = arg;
	struct control_host *h;
	char id[ID_TEXT_MAX];

	if (call_is_over(call))
		return;
	if (!e) {
		call_done(call, 201, json_pack("{s:o}", "Id", json_id(&call->id)));
		return;
	}
	h = &call->c->host;
	intent_network_rm(call->c->intent, id_format(&call->id, id), h->wall(h->ctx), NULL);
	call_fail(call, e->code, e);
}

static int decode(struct call *call, struct network_body *b, struct err *e)
{
	int r = json_parse_body(call->req->body, call->req->body_len, &call->body, e);

	if (!r)
		r = json_decode(call->body, network_fields, ARRAY_SIZE(network_fields), b, e);
	call->options = b->options; /* the call releases it */
	if (!r && !b->name)
		r = err_set(e, -EINVAL, "field \"Name\" is missing: a network needs a name");
	return r;
}

void control_create_network(struct call *call)
{
	struct control_host *h = &call->c->host;
	struct network_body b = { 0 };
	struct network_ask ask;
	struct err e = { 0 };
	int r = decode(call, &b, &e);

	ask = (struct network_ask){
		.name = b.name,
		.subnet = b.subnet,
		.gateway = b.gateway,
		.ip_range = b.ip_range,
		.internal = b.internal,
		.opt_count = call->options.count,
		.opt = (const char *const *)call->options.item,
	};
	if (!r)
		r = intent_network_create(call->c->intent, &ask, h->wall(h->ctx), &call->id, &e);
	if (r) {
		call_fail(call, r, &e);
		return;
	}
	/* Its own id: another thing's failing row is no reason to refuse a network. */
	h->when_applied(h->ctx, &call->id, on_created, call);
}

void control_delete_network(struct call *call)
{
	struct control_host *h = &call->c->host;
	const struct view_network *n = view_network_find(store_view(call->c->store), call->ref);
	struct err e = { 0 };
	int r;

	if (n)
		call->id = n->net->id;
	r = intent_network_rm(call->c->intent, call->ref, h->wall(h->ctx), &e);
	if (r)
		call_fail(call, r, &e);
	else
		call_when_removed(call, "Id");
}
