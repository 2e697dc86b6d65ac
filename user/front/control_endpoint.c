/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests about endpoints. Attaching is answered when the kernel holds it. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "control_call.h"
#include "show_traffic.h"
#include "uri.h"

struct endpoint_body {
	const char *network, *netns, *ifname, *ip, *mac, *name, *service, *weight;
	struct text_list aliases, labels;
};

static const struct field endpoint_fields[] = {
	{ "Network", FIELD_TEXT, offsetof(struct endpoint_body, network) },
	{ "Netns", FIELD_TEXT, offsetof(struct endpoint_body, netns) },
	{ "IfName", FIELD_TEXT, offsetof(struct endpoint_body, ifname) },
	{ "IP", FIELD_TEXT, offsetof(struct endpoint_body, ip) },
	{ "MAC", FIELD_TEXT, offsetof(struct endpoint_body, mac) },
	{ "Name", FIELD_TEXT, offsetof(struct endpoint_body, name) },
	{ "Aliases", FIELD_LIST, offsetof(struct endpoint_body, aliases) },
	{ "Service", FIELD_TEXT, offsetof(struct endpoint_body, service) },
	{ "Weight", FIELD_TEXT, offsetof(struct endpoint_body, weight) },
	{ "Labels", FIELD_MAP, offsetof(struct endpoint_body, labels) },
};

/* Reads ?network=REF; *ret_only stays NULL without it. */
static int read_filter(const struct call *call, const struct view *v,
		       const struct view_network **ret_only, struct err *e)
{
	char ref[CONTROL_REF_MAX + 1];
	int r = call_filter(call, "network", "endpoints are listed by network", ref, e);

	if (r <= 0)
		return r;
	return intent_find_network(v, ref, ret_only, e);
}

void control_get_endpoints(struct call *call)
{
	struct scene s = call_scene(call);
	const struct view_network *only = NULL;
	struct err e = { 0 };
	int r = read_filter(call, s.view, &only, &e);

	if (r)
		call_fail(call, r, &e);
	else
		call_done(call, 200, show_endpoints(&s, only));
}

int call_find_endpoint(const struct scene *s, const char *ref,
		       const struct view_endpoint **ret_endpoint, struct err *e)
{
	const struct view_endpoint *found = NULL;
	const struct view *v = s->view;
	struct id id;

	for (size_t i = 0; i < v->endpoint_count && id_parse(ref, &id); i++) {
		const struct view_endpoint *ve = &v->endpoint[i];

		if (strcmp(ve->ep->name, ref) || !id_equal(&ve->ep->node, s->self))
			continue;
		if (found)
			return err_set(e, -EINVAL, "endpoint \"%s\" is on network %s and on network %s: say "
				       "which one by its id from `overlayctl endpoint ls`", ref,
				       found->net->display, ve->net->display);
		found = ve;
	}
	if (!found)
		found = view_endpoint_find(v, ref);
	if (!found)
		return err_set(e, -ENOENT, "there is no endpoint \"%s\": `overlayctl endpoint ls` lists "
			       "them", ref);
	*ret_endpoint = found;
	return 0;
}

void control_get_endpoint(struct call *call)
{
	struct scene s = call_scene(call);
	const struct view_endpoint *ep;
	struct err e = { 0 };
	_cleanup_(traffic_fini) struct traffic t = { 0 };
	int r = call_find_endpoint(&s, call->ref, &ep, &e);

	if (!r)
		r = call_traffic(call, &t, &e);
	if (r)
		call_fail(call, r, &e);
	else
		call_done(call, 200, show_endpoint_traffic(show_endpoint(&s, ep), &t, &ep->ep->id));
}

/* ---- attach: decode -> record (perhaps after asking other nodes) -> kernel -> answer ---- */

static void on_applied(void *arg, const struct err *e)
{
	struct call *call = arg;
	const struct view_endpoint *ep;
	struct control_host *h;
	char id[ID_TEXT_MAX];
	struct err gone = { 0 };
	struct scene s;

	if (call_is_over(call))
		return;
	id_format(&call->id, id);
	if (e) { /* nothing half made: the record goes again, and with it what the kernel got */
		h = &call->c->host;
		intent_detach(call->c->intent, id, h->wall(h->ctx), NULL);
		call_fail(call, e->code, e);
		return;
	}
	s = call_scene(call);
	ep = view_endpoint_by_id(s.view, &call->id);
	if (ep)
		call_done(call, 201, show_endpoint(&s, ep));
	else
		call_fail(call, err_set(&gone, -EBUSY, "endpoint %.12s was detached again while it was "
					"being attached", id), &gone);
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
	h->when_applied(h->ctx, &call->id, on_applied, call);
}

static int decode(struct call *call, struct endpoint_body *b, struct err *e)
{
	int r = json_parse_body(call->req->body, call->req->body_len, &call->body, e);

	if (!r)
		r = json_decode(call->body, endpoint_fields, ARRAY_SIZE(endpoint_fields), b, e);
	call->aliases = b->aliases; /* the call releases them */
	call->labels = b->labels;
	if (!r && !b->network)
		r = err_set(e, -EINVAL, "field \"Network\" is missing: say which network to attach to");
	if (!r && !b->netns)
		r = err_set(e, -EINVAL, "field \"Netns\" is missing: say which namespace to attach");
	return r;
}

void control_attach(struct call *call)
{
	struct control_host *h = &call->c->host;
	struct endpoint_body b = { 0 };
	struct attach_ask ask = { 0 };
	struct err e = { 0 };
	int r = decode(call, &b, &e);

	if (!r)
		r = h->resolve_netns(h->ctx, b.netns, &ask.netns, &e);
	if (r) {
		call_fail(call, r, &e);
		return;
	}
	ask.network = b.network;
	ask.ifname = b.ifname;
	ask.ip = b.ip;
	ask.mac = b.mac;
	ask.name = b.name;
	ask.service = b.service;
	ask.weight = b.weight;
	ask.alias_count = call->aliases.count;
	ask.alias = (const char *const *)call->aliases.item;
	ask.label_count = call->labels.count;
	ask.label = (const char *const *)call->labels.item;
	intent_attach(call->c->intent, &ask, h->now(h->ctx), h->wall(h->ctx), on_recorded, call);
}

void control_detach(struct call *call)
{
	struct scene s = call_scene(call);
	const struct view_endpoint *ep;
	char id[ID_TEXT_MAX];
	struct err e = { 0 };
	int r = call_find_endpoint(&s, call->ref, &ep, &e);

	if (!r) {
		call->id = ep->ep->id;
		r = intent_detach(call->c->intent, id_format(&call->id, id), s.wall, &e);
	}
	if (r)
		call_fail(call, r, &e);
	else
		call_when_removed(call, "ID");
}

/* ---- backends: {Service, Weight} or {Drain} ---- */

struct backend_body {
	const char *service, *weight;
	bool drain;
};

static const struct field backend_fields[] = {
	{ "Service", FIELD_TEXT, offsetof(struct backend_body, service) },
	{ "Weight", FIELD_TEXT, offsetof(struct backend_body, weight) },
	{ "Drain", FIELD_FLAG, offsetof(struct backend_body, drain) },
};

static void on_changed(void *arg, const struct err *e)
{
	struct call *call = arg;
	const struct view_endpoint *ep;
	struct err gone = { 0 };
	struct scene s;

	if (call_is_over(call))
		return;
	if (e) {
		call_fail(call, e->code, e);
		return;
	}
	s = call_scene(call);
	ep = view_endpoint_by_id(s.view, &call->id);
	if (ep)
		call_done(call, 200, show_endpoint(&s, ep));
	else
		call_fail(call, err_set(&gone, -EBUSY, "the endpoint was detached meanwhile"), &gone);
}

static int decode_backend(struct call *call, struct backend_body *b, bool *ret_is_drain,
			  struct err *e)
{
	int r = json_parse_body(call->req->body, call->req->body_len, &call->body, e);

	if (!r)
		r = json_decode(call->body, backend_fields, ARRAY_SIZE(backend_fields), b, e);
	if (r)
		return r;
	*ret_is_drain = json_is_boolean(json_object_get(call->body, "Drain"));
	if (*ret_is_drain && (b->service || b->weight))
		return err_set(e, -EINVAL, "fields \"Drain\" and \"%s\" do not go together: send them one "
			       "after the other", b->service ? "Service" : "Weight");
	if (!*ret_is_drain && !b->service)
		return err_set(e, -EINVAL, "field \"Service\" or \"Drain\" is missing: say what to "
			       "change of the endpoint");
	return 0;
}

void control_update_endpoint(struct call *call)
{
	struct control_host *h = &call->c->host;
	struct scene s = call_scene(call);
	struct backend_body b = { 0 };
	const struct view_endpoint *ep;
	struct err e = { 0 };
	char id[ID_TEXT_MAX];
	bool is_drain;
	int r = decode_backend(call, &b, &is_drain, &e);

	if (!r)
		r = call_find_endpoint(&s, call->ref, &ep, &e);
	if (r) {
		call_fail(call, r, &e);
		return;
	}
	id_format(&ep->ep->id, id);
	r = is_drain ? intent_endpoint_drain(call->c->intent, id, b.drain, s.wall, &call->id, &e) :
		       intent_endpoint_join(call->c->intent, id, *b.service ? b.service : NULL,
					    b.weight, s.wall, &call->id, &e);
	if (r)
		call_fail(call, r, &e);
	else
		h->when_applied(h->ctx, &call->id, on_changed, call);
}
