/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests about the keys of encrypted networks. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "control_call.h"

void control_get_keys(struct call *call)
{
	_cleanup_(freep) struct key_row *rows = NULL;
	struct control_host *h = &call->c->host;
	struct scene s = call_scene(call);
	struct err e = { 0 };
	size_t count = 0;
	int r = h->read_keys(h->ctx, &rows, &count, &e);

	if (r < 0)
		call_fail(call, r, &e);
	else
		call_done(call, 200, show_keys(&s, rows, count));
}

struct rotate_ask {
	const char *network; /* NULL: none is named */
};

static const struct field rotate_fields[] = {
	{ "Network", FIELD_TEXT, offsetof(struct rotate_ask, network) },
};

void control_rotate_keys(struct call *call)
{
	struct control_host *h = &call->c->host;
	struct rotate_ask ask = { 0 };
	struct err e = { 0 };
	uint64_t epoch;
	int r = 0;

	if (call->req->body_len)
		r = json_parse_body(call->req->body, call->req->body_len, &call->body, &e);
	if (!r)
		r = json_decode(call->body, rotate_fields, ARRAY_SIZE(rotate_fields), &ask, &e);
	if (!r)
		r = intent_key_rotate(call->c->intent, ask.network, h->wall(h->ctx), &epoch, &e);
	if (r)
		call_fail(call, r, &e);
	else
		call_done(call, 200, json_pack("{s:o}", "Epoch", json_count(epoch)));
}
