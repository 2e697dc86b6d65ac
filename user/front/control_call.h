/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside front/: one request on its way to its answer. */
#pragma once

#include <jansson.h>

#include "control.h"
#include "json.h"
#include "model/traffic.h"
#include "show.h"

struct control {
	struct store *store;
	struct gossip *gossip;
	struct intent *intent;
	struct control_host host;
	struct call *calls; /* not answered yet */
};

/* Largest name, id or path segment that a path or query can carry. */
#define CONTROL_REF_MAX 255

/*
 * Exactly one callback is outstanding for a call that is not answered. When the
 * control goes first the call is answered then, `c` becomes NULL, and the
 * callback only releases it.
 */
struct call {
	struct call *prev, *next;
	struct control *c;
	void (*reply)(void *arg, int http_status, const char *text);
	void *arg;
	void (*start_stream)(void *arg, const struct control_stream *s); /* of the request */
	struct control_stream stream;      /* of those that have one, until it is started */
	const struct control_request *req; /* valid inside control_handle only */
	char ref[CONTROL_REF_MAX + 1];     /* what the path names, decoded; "" without */
	json_t *body;
	struct text_list aliases, labels, options, ports, publish, publish_add, publish_rm;
	struct id id;                      /* what was made or removed */
	const char *id_key;                /* of the answer, when it was removed */
};

struct scene call_scene(const struct call *call);
struct scene control_scene(struct control *c);
/* Each of these answers and releases the call; value is stolen, NULL means out of memory. */
void call_done(struct call *call, int http_status, json_t *value);
void call_fail(struct call *call, int code, const struct err *e);
/* Answers with call->stream. */
void call_stream(struct call *call);
/*
 * The one parameter `key` that a listing takes: 1 and what it names, or 0 without it. Another
 * parameter, or a bad escape, is -EINVAL with a sentence; `listed`: "endpoints are listed by
 * network", say.
 */
int call_filter(const struct call *call, const char *key, const char *listed,
		char ret_ref[CONTROL_REF_MAX + 1], struct err *e);
/*
 * By name, full id or unambiguous id prefix. Names are unique in their network only: of
 * several endpoints with one name, this node's own is meant, as intent_detach
 * means it. -ENOENT, or -EINVAL when that is not one.
 */
int call_find_endpoint(const struct scene *s, const char *ref,
		       const struct view_endpoint **ret_endpoint, struct err *e);
/*
 * Answers with call->id, which was removed, once the kernel has let go of it. `key` is as Docker
 * spells it for such a thing: "ID" or "Id".
 */
void call_when_removed(struct call *call, const char *key);
/* Refuses a callback that comes too late: true when the call was released. */
bool call_is_over(struct call *call);

/* As struct control_host's; nothing counted where the host cannot tell. traffic_fini releases it. */
int call_traffic(const struct call *call, struct traffic *ret_traffic, struct err *e);

/* Handlers, by route. */
void control_get_status(struct call *call);
void control_get_drops(struct call *call);
void control_get_trace(struct call *call);
void control_get_doctor(struct call *call);
void control_get_traffic(struct call *call);
void control_get_nodes(struct call *call);
void control_get_node(struct call *call);
void control_delete_node(struct call *call);
void control_get_token(struct call *call);
void control_rotate_token(struct call *call);
void control_leave(struct call *call);
void control_get_networks(struct call *call);
void control_get_network(struct call *call);
void control_create_network(struct call *call);
void control_delete_network(struct call *call);
void control_get_endpoints(struct call *call);
void control_get_endpoint(struct call *call);
void control_attach(struct call *call);
void control_detach(struct call *call);
void control_update_endpoint(struct call *call);
void control_get_services(struct call *call);
void control_get_service(struct call *call);
void control_create_service(struct call *call);
void control_update_service(struct call *call);
void control_delete_service(struct call *call);
void control_get_lb(struct call *call);
void control_get_keys(struct call *call);
void control_rotate_keys(struct call *call);
void control_get_policies(struct call *call);
void control_create_policy(struct call *call);
void control_delete_policy(struct call *call);
void control_set_policy_default(struct call *call);
void control_repair(struct call *call);
void control_monitor(struct call *call);
void control_capture(struct call *call);
