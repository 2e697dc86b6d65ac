/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests about the daemon, its nodes and its cluster. */
#include <errno.h>
#include <string.h>

#include "control_call.h"

void control_get_status(struct call *call)
{
	struct scene s = call_scene(call);

	call_done(call, 200, show_status(&s, call->c->host.facts));
}

void control_get_nodes(struct call *call)
{
	struct scene s = call_scene(call);

	call_done(call, 200, show_nodes(&s));
}

/* By name, or by full id: of two nodes with one name the loser can only be meant so. */
static const struct view_node *find_node(const struct view *v, const char *ref)
{
	const struct view_node *n = view_node_by_name(v, ref);
	struct id id;

	if (!n && !id_parse(ref, &id))
		n = view_node_by_id(v, &id);
	return n;
}

void control_get_node(struct call *call)
{
	struct scene s = call_scene(call);
	const struct view_node *n = find_node(s.view, call->ref);
	struct err e = { 0 };

	if (n)
		call_done(call, 200, show_node(&s, n));
	else
		call_fail(call, err_set(&e, -ENOENT, "there is no node \"%s\": `overlayctl node ls` "
					"lists them", call->ref), &e);
}

void control_delete_node(struct call *call)
{
	struct control_host *h = &call->c->host;
	struct err e = { 0 };
	int r = intent_node_rm(call->c->intent, call->ref, h->wall(h->ctx), &e);

	if (r)
		call_fail(call, r, &e);
	else
		call_done(call, 200, json_pack("{s:o}", "Name", json_text(call->ref)));
}

void control_get_token(struct call *call)
{
	const struct cluster *cluster = store_view(call->c->store)->cluster;
	char text[TOKEN_TEXT_MAX];
	struct err e = { 0 };

	if (!cluster) {
		call_fail(call, err_set(&e, -EAGAIN, "this node belongs to no cluster yet: it is still "
					"joining"), &e);
		return;
	}
	call_done(call, 200, json_pack("{s:s}", "Token", token_format(cluster->token_secret, text)));
	explicit_bzero(text, sizeof(text));
}

/* Requests without parameters: an empty body, or an object without members. */
static int no_parameters(struct call *call, struct err *e)
{
	int r = 0;

	if (call->req->body_len)
		r = json_parse_body(call->req->body, call->req->body_len, &call->body, e);
	return r ? r : json_decode(call->body, NULL, 0, NULL, e);
}

void control_rotate_token(struct call *call)
{
	struct control_host *h = &call->c->host;
	struct err e = { 0 };
	int r = no_parameters(call, &e);

	if (!r)
		r = intent_token_rotate(call->c->intent, h->wall(h->ctx), &e);
	if (r)
		call_fail(call, r, &e);
	else
		control_get_token(call);
}

void control_leave(struct call *call)
{
	struct control_host h = call->c->host;
	struct err e = { 0 };
	int r = no_parameters(call, &e);

	if (!r)
		r = intent_leave(call->c->intent, h.wall(h.ctx), &e);
	if (r) {
		call_fail(call, r, &e);
		return;
	}
	call_done(call, 200, json_object());
	h.shut_down(h.ctx);
}
