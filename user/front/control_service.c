/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests about services, their backends and what balances. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "control_call.h"
#include "uri.h"

struct service_body {
	const char *name, *network, *mode, *algorithm, *affinity, *prefer, *vip, *health, *interval;
	struct text_list ports, options, publish, publish_add, publish_rm;
};

static const struct field service_fields[] = {
	{ "Name", FIELD_TEXT, offsetof(struct service_body, name) },
	{ "Network", FIELD_TEXT, offsetof(struct service_body, network) },
	{ "EndpointMode", FIELD_TEXT, offsetof(struct service_body, mode) },
	{ "Algorithm", FIELD_TEXT, offsetof(struct service_body, algorithm) },
	{ "Affinity", FIELD_TEXT, offsetof(struct service_body, affinity) },
	{ "Prefer", FIELD_TEXT, offsetof(struct service_body, prefer) },
	{ "VIP", FIELD_TEXT, offsetof(struct service_body, vip) },
	{ "Health", FIELD_TEXT, offsetof(struct service_body, health) },
	{ "HealthInterval", FIELD_TEXT, offsetof(struct service_body, interval) },
	{ "Ports", FIELD_LIST, offsetof(struct service_body, ports) },
	{ "Options", FIELD_OPTS, offsetof(struct service_body, options) },
	{ "Publish", FIELD_LIST, offsetof(struct service_body, publish) },
	{ "PublishAdd", FIELD_LIST, offsetof(struct service_body, publish_add) },
	{ "PublishRm", FIELD_LIST, offsetof(struct service_body, publish_rm) },
};

void control_get_services(struct call *call)
{
	struct scene s = call_scene(call);

	call_done(call, 200, show_services(&s));
}

void control_get_service(struct call *call)
{
	struct scene s = call_scene(call);
	const struct view_service *vs;
	struct err e = { 0 };
	int r = intent_find_service(s.view, call->ref, &vs, &e);

	if (r)
		call_fail(call, r, &e);
	else
		call_done(call, 200, show_service(&s, vs));
}

/* The call releases them. */
static void keep_lists(struct call *call, const struct service_body *b, struct service_ask *ask)
{
#define KEEP(list, asked)                                                       \
	call->list = b->list, ask->asked##_count = call->list.count,            \
	ask->asked = (const char *const *)call->list.item
	KEEP(ports, port);
	KEEP(options, opt);
	KEEP(publish, publish);
	KEEP(publish_add, publish_add);
	KEEP(publish_rm, publish_rm);
#undef KEEP
}

static int decode(struct call *call, struct service_body *b, struct service_ask *ask, struct err *e)
{
	int r = json_parse_body(call->req->body, call->req->body_len, &call->body, e);

	if (!r)
		r = json_decode(call->body, service_fields, ARRAY_SIZE(service_fields), b, e);
	*ask = (struct service_ask){
		.name = b->name,
		.network = b->network,
		.mode = b->mode,
		.algorithm = b->algorithm,
		.affinity = b->affinity,
		.prefer = b->prefer,
		.vip = b->vip,
		.health = b->health,
		.health_interval = b->interval,
	};
	keep_lists(call, b, ask);
	return r;
}

/* ---- create: decode -> record (perhaps after asking other nodes) -> kernel -> answer ---- */

static void answer_service(struct call *call, int status)
{
	struct scene s = call_scene(call);
	const struct view_service *vs = view_service_by_id(s.view, &call->id);
	struct err e = { 0 };

	if (vs)
		call_done(call, status, show_service(&s, vs));
	else
		call_fail(call, err_set(&e, -EBUSY, "the service was removed again meanwhile"), &e);
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
		answer_service(call, 201);
		return;
	}
	h = &call->c->host;
	intent_service_rm(call->c->intent, id_format(&call->id, id), h->wall(h->ctx), NULL);
	call_fail(call, e->code, e);
}

static void on_recorded(void *arg, const struct id *id, const struct err *e)
{
	struct call *call = arg;
	struct control_host *h;

	if (call_is_over(call))
		return;
	if (!id) {
		call_fail(call, e ? e->code : -EIO, e);
		return;
	}
	call->id = *id;
	h = &call->c->host;
	/* Its own id: another thing's failing row is no reason to refuse a service. */
	h->when_applied(h->ctx, &call->id, on_created, call);
}

void control_create_service(struct call *call)
{
	struct control_host *h = &call->c->host;
	struct service_body b = { 0 };
	struct service_ask ask;
	struct err e = { 0 };
	int r = decode(call, &b, &ask, &e);

	if (!r && !b.name)
		r = err_set(&e, -EINVAL, "field \"Name\" is missing: a service needs a name");
	if (!r && !b.network)
		r = err_set(&e, -EINVAL, "field \"Network\" is missing: say which network the service "
			    "is on");
	if (r)
		call_fail(call, r, &e);
	else
		intent_service_create(call->c->intent, &ask, h->now(h->ctx), h->wall(h->ctx),
				      on_recorded, call);
}

/* ---- update, rm ---- */

static void on_updated(void *arg, const struct err *e)
{
	struct call *call = arg;

	if (call_is_over(call))
		return;
	if (e)
		call_fail(call, e->code, e);
	else
		answer_service(call, 200);
}

void control_update_service(struct call *call)
{
	struct control_host *h = &call->c->host;
	struct service_body b = { 0 };
	struct service_ask ask;
	struct err e = { 0 };
	int r = decode(call, &b, &ask, &e);

	if (!r && b.name)
		r = err_set(&e, -EINVAL, "a service keeps its name: leave the field \"Name\" out");
	ask.name = call->ref;
	if (!r)
		r = intent_service_update(call->c->intent, &ask, h->wall(h->ctx), &call->id, &e);
	if (r)
		call_fail(call, r, &e);
	else
		h->when_applied(h->ctx, &call->id, on_updated, call);
}

void control_delete_service(struct call *call)
{
	struct control_host *h = &call->c->host;
	const struct view_service *vs;
	char id[ID_TEXT_MAX];
	struct err e = { 0 };
	int r = intent_find_service(store_view(call->c->store), call->ref, &vs, &e);

	if (!r) {
		call->id = vs->svc->id;
		r = intent_service_rm(call->c->intent, id_format(&call->id, id), h->wall(h->ctx),
				      &e);
	}
	if (r)
		call_fail(call, r, &e);
	else
		call_when_removed(call, "ID");
}

/* ---- what balances ---- */

static int read_filter(const struct call *call, const struct view *v,
		       const struct view_service **ret_only, struct err *e)
{
	char ref[CONTROL_REF_MAX + 1];
	int r = call_filter(call, "service", "rows are listed by service", ref, e);

	if (r <= 0)
		return r;
	return intent_find_service(v, ref, ret_only, e);
}

void control_get_lb(struct call *call)
{
	_cleanup_(freep) struct lb_row *rows = NULL;
	struct control_host *h = &call->c->host;
	const struct view_service *only = NULL;
	struct scene s = call_scene(call);
	struct err e = { 0 };
	size_t count = 0;
	int r = read_filter(call, s.view, &only, &e);

	if (!r && h->read_lb)
		r = h->read_lb(h->ctx, &rows, &count, &e);
	if (r)
		call_fail(call, r, &e);
	else
		call_done(call, 200, show_lb(&s, rows, count, only));
}
