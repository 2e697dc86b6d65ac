/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a packet would meet. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "control_call.h"
#include "uri.h"

enum { FROM, TO, SIZE, SPORT, BACKEND, PARAMETERS };
static const char *const parameter[PARAMETERS] = { "from", "to", "size", "sport", "backend" };

struct values {
	char text[PARAMETERS][CONTROL_REF_MAX + 1];
	bool is_given[PARAMETERS];
};

static bool is_known(const char *key, size_t len)
{
	for (int i = 0; i < PARAMETERS; i++)
		if (strlen(parameter[i]) == len && !memcmp(parameter[i], key, len))
			return true;
	return false;
}

static int check_keys(const char *query, struct err *e)
{
	while (*query) {
		size_t pair = strcspn(query, "&"), len = strcspn(query, "=&");

		if (len && !is_known(query, len))
			return err_set(e, -EINVAL, "unknown parameter \"%.*s\": a trace takes from, to, "
				       "size, sport and backend", (int)(len < 64 ? len : 64), query);
		query += pair + (query[pair] == '&');
	}
	return 0;
}

static int read_values(const struct call *call, struct values *ret, struct err *e)
{
	const char *query = call->req->query ? call->req->query : "";
	int r = check_keys(query, e);

	for (int i = 0; i < PARAMETERS && !r; i++) {
		r = uri_query(query, parameter[i], ret->text[i], sizeof(ret->text[i]));
		ret->is_given[i] = !r;
		if (r && r != -ENOENT)
			return err_set(e, r, "the parameter \"%s\" holds a bad %%-escape or is too long",
				       parameter[i]);
		r = 0;
	}
	if (!r && !(ret->is_given[FROM] && ret->is_given[TO]))
		return err_set(e, -EINVAL, "a trace needs from=ENDPOINT and to=HOST[:PORT[/PROTO]]");
	return r;
}

/* From an endpoint, or from an address outside the overlay. */
static int find_sender(const struct scene *s, const char *text, const struct view_endpoint **ret,
		       struct err *e)
{
	struct ov_addr addr;

	*ret = NULL;
	return addr_parse(text, &addr) ? call_find_endpoint(s, text, ret, e) : 0;
}

static const char *given(const struct values *v, int i)
{
	return v->is_given[i] ? v->text[i] : NULL;
}

void control_get_trace(struct call *call)
{
	_cleanup_(freep) struct trace *t = calloc(1, sizeof(*t));
	struct control_host *h = &call->c->host;
	struct scene s = call_scene(call);
	struct values v = { 0 };
	struct trace_packet p;
	struct err e = { 0 };
	struct trace_ask ask = { 0 };
	int r = t ? read_values(call, &v, &e) : -ENOMEM;

	if (!r)
		r = find_sender(&s, v.text[FROM], &ask.from, &e);
	ask.from_text = v.text[FROM];
	ask.to = v.text[TO];
	ask.size = given(&v, SIZE);
	ask.sport = given(&v, SPORT);
	ask.backend = given(&v, BACKEND);
	if (!r)
		r = h->trace(h->ctx, &ask, t, &p, &e);
	if (r)
		call_fail(call, r, &e);
	else
		call_done(call, 200, show_trace(&s, t, &p));
}
