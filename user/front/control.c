/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a request line to a handler, and from a handler's result to an answer. */
#include "control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "control_call.h"
#include "uri.h"

#define PREFIX "/v1/"
#define REF "*" /* in a route: any name or id */

static const struct route {
	const char *method, *first, *second; /* second: NULL for none */
	bool takes_query;
	void (*handler)(struct call *call);
} routes[] = {
	{ "GET", "status", NULL, false, control_get_status },
	{ "GET", "doctor", NULL, false, control_get_doctor },
	{ "GET", "drops", NULL, true, control_get_drops },
	{ "GET", "traffic", NULL, true, control_get_traffic },
	{ "GET", "nodes", NULL, false, control_get_nodes },
	{ "GET", "nodes", REF, false, control_get_node },
	{ "DELETE", "nodes", REF, false, control_delete_node },
	{ "GET", "cluster", "token", false, control_get_token },
	{ "POST", "cluster", "token", false, control_rotate_token },
	{ "POST", "cluster", "leave", false, control_leave },
	{ "GET", "networks", NULL, false, control_get_networks },
	{ "POST", "networks", NULL, false, control_create_network },
	{ "GET", "networks", REF, false, control_get_network },
	{ "DELETE", "networks", REF, false, control_delete_network },
	{ "GET", "endpoints", NULL, true, control_get_endpoints },
	{ "POST", "endpoints", NULL, false, control_attach },
	{ "GET", "endpoints", REF, false, control_get_endpoint },
	{ "PATCH", "endpoints", REF, false, control_update_endpoint },
	{ "DELETE", "endpoints", REF, false, control_detach },
	{ "GET", "services", NULL, false, control_get_services },
	{ "POST", "services", NULL, false, control_create_service },
	{ "GET", "services", REF, false, control_get_service },
	{ "PATCH", "services", REF, false, control_update_service },
	{ "DELETE", "services", REF, false, control_delete_service },
	{ "GET", "trace", NULL, true, control_get_trace },
	{ "GET", "lb", NULL, true, control_get_lb },
	{ "GET", "policies", NULL, true, control_get_policies },
	{ "POST", "policies", NULL, false, control_create_policy },
	{ "POST", "policies", "default", false, control_set_policy_default },
	{ "DELETE", "policies", REF, false, control_delete_policy },
	{ "GET", "keys", NULL, false, control_get_keys },
	{ "POST", "keys", "rotate", false, control_rotate_keys },
	{ "POST", "repair", NULL, false, control_repair },
	{ "POST", "monitor", NULL, false, control_monitor },
	{ "POST", "capture", NULL, false, control_capture },
};

int control_new(struct store *store, struct gossip *gossip, struct intent *intent,
		const struct control_host *host, struct control **ret_control)
{
	struct control *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->store = store;
	c->gossip = gossip;
	c->intent = intent;
	c->host = *host;
	*ret_control = c;
	return 0;
}

/* ---- the life of a call ---- */

static void call_unlink(struct call *call)
{
	if (call->prev)
		call->prev->next = call->next;
	else if (call->c)
		call->c->calls = call->next;
	if (call->next)
		call->next->prev = call->prev;
	call->prev = call->next = NULL;
}

static void call_free(struct call *call)
{
	call_unlink(call);
	text_list_fini(&call->aliases);
	text_list_fini(&call->labels);
	text_list_fini(&call->options);
	text_list_fini(&call->ports);
	text_list_fini(&call->publish);
	text_list_fini(&call->publish_add);
	text_list_fini(&call->publish_rm);
	json_decref(call->body);
	free(call);
}

bool call_is_over(struct call *call)
{
	if (call->c)
		return false;
	call_free(call);
	return true;
}

static void on_removed(void *arg, const struct err *e)
{
	struct call *call = arg;

	if (call_is_over(call))
		return;
	if (e)
		call_fail(call, e->code, e);
	else
		call_done(call, 200, json_pack("{s:o}", call->id_key, json_id(&call->id)));
}

void call_when_removed(struct call *call, const char *key)
{
	struct control_host *h = &call->c->host;

	call->id_key = key;
	h->when_applied(h->ctx, &call->id, on_removed, call);
}

int call_filter(const struct call *call, const char *key, const char *listed,
		char ret_ref[CONTROL_REF_MAX + 1], struct err *e)
{
	const char *query = call->req->query ? call->req->query : "", *unknown;
	size_t len = uri_query_unknown(query, key, &unknown);
	int r;

	if (len)
		return err_set(e, -EINVAL, "unknown parameter \"%.*s\": %s",
			       (int)(len < 64 ? len : 64), unknown, listed);
	r = uri_query(query, key, ret_ref, CONTROL_REF_MAX + 1);
	if (r && r != -ENOENT)
		return err_set(e, r, "the parameter \"%s\" holds a bad %%-escape or is too long", key);
	return !r;
}

struct scene call_scene(const struct call *call)
{
	return control_scene(call->c);
}

struct scene control_scene(struct control *c)
{
	return (struct scene){
		.view = store_view(c->store),
		.store = c->store,
		.gossip = c->gossip,
		.self = store_self(c->store),
		.now = c->host.now(c->host.ctx),
		.wall = c->host.wall(c->host.ctx),
	};
}

static void answer(struct call *call, int status, json_t *value)
{
	_cleanup_(freep) char *text = value ? json_dumps(value, JSON_COMPACT) : NULL;

	json_decref(value);
	if (text)
		call->reply(call->arg, status, text);
	else
		call->reply(call->arg, 500, "{\"Error\":\"overlayd is out of memory: try again\"}");
}

void call_done(struct call *call, int http_status, json_t *value)
{
	answer(call, http_status, value);
	call_free(call);
}

static int status_of(int code)
{
	switch (-code) {
	case EINVAL:
	case EDOM:
		return 400;
	case ENOENT:
		return 404;
	case EEXIST:
	case EADDRINUSE:
	case EBUSY:
	case ENOSPC:
	case EPERM:
	case EOPNOTSUPP:
		return 409;
	case EAGAIN:
	case EHOSTUNREACH:
	case ETIMEDOUT:
	case ECANCELED:
		return 503;
	default:
		return 500;
	}
}

static json_t *error_value(const char *sentence)
{
	return json_pack("{s:o}", "Error", json_text(sentence));
}

void call_fail(struct call *call, int code, const struct err *e)
{
	const char *sentence = e && e->text[0] ? e->text : strerror(-code);

	call_done(call, status_of(code), error_value(sentence));
}

void call_stream(struct call *call)
{
	call->start_stream(call->arg, &call->stream);
	call_free(call);
}

void control_free(struct control *c)
{
	if (!c)
		return;
	while (c->calls) {
		struct call *call = c->calls;

		call_unlink(call);
		call->c = NULL;
		answer(call, 503, error_value("overlayd is stopping: ask again when it runs"));
	}
	free(c);
}

/* ---- routing ---- */

/* Splits "/v1/first[/second]", decoding second. 0, or -ENOENT / -EINVAL with a sentence. */
static int split_path(const char *path, char first[CONTROL_REF_MAX + 1], struct call *call,
		      bool *ret_has_second, struct err *e)
{
	const char *at = path + strlen(PREFIX), *slash;

	if (strncmp(path, PREFIX, strlen(PREFIX)))
		return err_set(e, -ENOENT, "there is no %.200s: every path begins with /v1/", path);
	slash = strchrnul(at, '/');
	*ret_has_second = *slash;
	if (uri_decode(at, (size_t)(slash - at), first, CONTROL_REF_MAX + 1) ||
	    (*slash && uri_decode(slash + 1, strlen(slash + 1), call->ref, sizeof(call->ref))))
		return err_set(e, -EINVAL, "the path %.200s holds a bad %%-escape or a name longer "
			       "than %d characters", path, CONTROL_REF_MAX);
	if (*slash && (!call->ref[0] || strchr(slash + 1, '/')))
		return err_set(e, -ENOENT, "there is no %.200s", path);
	return 0;
}

static bool route_fits(const struct route *r, const char *first, bool has_second, const char *second)
{
	if (strcmp(r->first, first) || !!r->second != has_second)
		return false;
	return !has_second || !strcmp(r->second, REF) || !strcmp(r->second, second);
}

/* Sets *ret_known when the path exists for some method. */
static const struct route *find_route(const char *method, const char *first, bool has_second,
				      const char *second, bool *ret_known)
{
	*ret_known = false;
	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		if (!route_fits(&routes[i], first, has_second, second))
			continue;
		*ret_known = true;
		if (!strcmp(routes[i].method, method))
			return &routes[i];
	}
	return NULL;
}

static void refuse_method(struct call *call)
{
	struct err e = { 0 };

	err_set(&e, -EINVAL, "%.20s is not possible on %.200s", call->req->method, call->req->path);
	call_done(call, 405, error_value(e.text));
}

static void dispatch(struct call *call)
{
	const struct control_request *req = call->req;
	char first[CONTROL_REF_MAX + 1];
	const struct route *route;
	bool has_second = false, known;
	struct err e = { 0 };
	int r;

	r = split_path(req->path, first, call, &has_second, &e);
	if (r) {
		call_fail(call, r, &e);
		return;
	}
	route = find_route(req->method, first, has_second, call->ref, &known);
	if (!route && known) {
		refuse_method(call);
		return;
	}
	if (!route)
		r = err_set(&e, -ENOENT, "there is no %.200s", req->path);
	else if (req->query && *req->query && !route->takes_query)
		r = err_set(&e, -EINVAL, "%.200s takes no parameters, and \"%.64s\" was given", req->path,
			    req->query);
	if (r)
		call_fail(call, r, &e);
	else
		route->handler(call);
}

void control_handle(struct control *c, const struct control_request *req,
		    void (*reply)(void *arg, int http_status, const char *text), void *arg)
{
	struct call *call = calloc(1, sizeof(*call));

	if (!call) {
		reply(arg, 500, "{\"Error\":\"overlayd is out of memory: try again\"}");
		return;
	}
	call->c = c;
	call->req = req;
	call->reply = reply;
	call->start_stream = req->stream;
	call->arg = arg;
	call->next = c->calls;
	if (call->next)
		call->next->prev = call;
	c->calls = call;
	dispatch(call);
}
