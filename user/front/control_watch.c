/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests that are answered for as long as the client listens: monitor and capture. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "control_call.h"
#include "watch/watch.h"

struct watch_ask {
	const char *network, *from, *to, *port, *snaplen;
	bool drops;
};

static const struct field ask_fields[] = {
	{ "Network", FIELD_TEXT, offsetof(struct watch_ask, network) },
	{ "From", FIELD_TEXT, offsetof(struct watch_ask, from) },
	{ "To", FIELD_TEXT, offsetof(struct watch_ask, to) },
	{ "Port", FIELD_TEXT, offsetof(struct watch_ask, port) },
	{ "Snaplen", FIELD_TEXT, offsetof(struct watch_ask, snaplen) },
	{ "Drops", FIELD_FLAG, offsetof(struct watch_ask, drops) },
};

static int take_network(const struct call *call, const char *ref,
			const struct view_network **ret_network, struct err *e)
{
	return ref ? intent_find_network(store_view(call->c->store), ref, ret_network, e) : 0;
}

/* Of that name on that network: this node's own, or else any. */
static const struct view_endpoint *endpoint_on(const struct scene *s, const struct view_network *on,
					       const char *name)
{
	const struct view_endpoint *any = NULL;

	for (size_t i = 0; *name && i < s->view->endpoint_count; i++) {
		const struct view_endpoint *ve = &s->view->endpoint[i];

		if (ve->net != on || strcmp(ve->ep->name, name))
			continue;
		if (id_equal(&ve->ep->node, s->self))
			return ve;
		any = any ? any : ve;
	}
	return any;
}

/* Names are unique in their network only: who names the network has said which one is meant. */
static bool find_on(const struct scene *s, const struct view_network *on, const char *name,
		    struct ov_addr *ret_addr)
{
	const struct view_endpoint *ve = endpoint_on(s, on, name);
	const struct view_service *service = ve ? NULL : view_service_on(s->view, on, name);

	if (ve)
		*ret_addr = ve->ep->addr;
	if (service)
		*ret_addr = service->svc->vip;
	return ve || service;
}

/* On whatever network; *ret_net is NULL when there is none. An error: several are meant. */
static int find_anywhere(const struct scene *s, const char *ref, const struct view_network **ret_net,
			 struct ov_addr *ret_addr, struct err *e)
{
	const struct view_service *service;
	const struct view_endpoint *ve;
	struct err endpoints = { 0 }, services = { 0 };
	int r = call_find_endpoint(s, ref, &ve, &endpoints);

	*ret_net = NULL;
	if (!r) {
		*ret_addr = ve->ep->addr;
		*ret_net = ve->net;
	} else if (r == -EINVAL) {
		return err_set(e, r, "%s", endpoints.text);
	} else if (!(r = intent_find_service(s->view, ref, &service, &services))) {
		*ret_addr = service->svc->vip;
		*ret_net = service->net;
	}
	return r == -EINVAL ? err_set(e, r, "%s", services.text) : 0;
}

/* An endpoint or a service, by name: its address, and on its network alone. */
static int take_named(struct call *call, const char *what, const char *text,
		      const struct view_network **on, struct ov_addr *ret_addr, struct err *e)
{
	const struct view_network *net = *on;
	struct scene s = call_scene(call);
	int r = net && find_on(&s, net, text, ret_addr) ? 0 : find_anywhere(&s, text, &net, ret_addr, e);

	if (r)
		return r;
	if (!net || addr_is_zero(ret_addr))
		return err_set(e, -ENOENT, "%s \"%.64s\" is no address, no endpoint and no service with a "
			       "VIP: `overlayctl endpoint ls` and `service ls` list them", what, text);
	if (*on && *on != net)
		return err_set(e, -EINVAL, "%s \"%.64s\" is on network %s, and another one was given",
			       what, text, net->display);
	*on = net;
	return 0;
}

static int take_end(struct call *call, const char *what, const char *text,
		    const struct view_network **on, struct ov_addr *ret_addr, struct err *e)
{
	if (!text || !addr_parse(text, ret_addr))
		return 0;
	return take_named(call, what, text, on, ret_addr, e);
}

static int take_number(const char *text, unsigned long max, unsigned long *ret)
{
	char *rest;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	*ret = strtoul(text, &rest, 10);
	return *rest || errno || !*ret || *ret > max ? -EINVAL : 0;
}

static int take_protocol(const char *text, uint8_t *ret)
{
	static const struct {
		const char *name;
		uint8_t number;
	} known[] = { { "tcp", IPPROTO_TCP }, { "udp", IPPROTO_UDP }, { "sctp", IPPROTO_SCTP },
		      { "icmp", IPPROTO_ICMP } };

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (!strcmp(text, known[i].name)) {
			*ret = known[i].number;
			return 0;
		}
	return -EINVAL;
}

/* PORT, PORT/PROTO or PROTO. */
static int take_port(const char *text, struct watch_filter *f, struct err *e)
{
	_cleanup_(freep) char *port = text ? strdup(text) : NULL;
	char *slash = port ? strchr(port, '/') : NULL;
	unsigned long n = 0;
	int r;

	if (!text)
		return 0;
	if (!port)
		return err_set(e, -ENOMEM, "out of memory");
	if (slash)
		*slash = '\0';
	if (!slash && !take_protocol(port, &f->protocol))
		return 0;
	r = take_number(port, 65535, &n);
	if (!r && slash)
		r = take_protocol(slash + 1, &f->protocol);
	f->port = (uint16_t)n;
	return r ? err_set(e, -EINVAL, "the port \"%.64s\" is not one: give PORT, PORT/PROTO or PROTO, "
			   "PROTO being tcp, udp, sctp or icmp", text) : 0;
}

static int take_snaplen(const char *text, struct watch_filter *f, struct err *e)
{
	unsigned long n = 0;

	if (text && (take_number(text, OV_WATCH_SNAP_MAX, &n) || n < 64))
		return err_set(e, -EINVAL, "the snap length \"%.64s\" is not within 64 and %u bytes", text,
			       OV_WATCH_SNAP_MAX);
	f->snap = (uint32_t)n;
	return 0;
}

static int take_filter(struct call *call, struct watch_filter *f, struct err *e)
{
	const struct view_network *on = NULL;
	struct watch_ask ask = { 0 };
	int r = 0;

	if (call->req->body_len)
		r = json_parse_body(call->req->body, call->req->body_len, &call->body, e);
	if (!r)
		r = json_decode(call->body, ask_fields, ARRAY_SIZE(ask_fields), &ask, e);
	if (r || (r = take_network(call, ask.network, &on, e)) ||
	    (r = take_end(call, "From", ask.from, &on, &f->from, e)) ||
	    (r = take_end(call, "To", ask.to, &on, &f->to, e)) || (r = take_port(ask.port, f, e)))
		return r;
	f->vni = on ? on->net->vni : 0;
	f->drops = ask.drops;
	return take_snaplen(ask.snaplen, f, e);
}

static void close_stream(struct control_stream *s)
{
	if (s->close)
		s->close(s->ctx);
	*s = (struct control_stream){ 0 };
}

/* The kernel holds the wish, or could not: other rows' failures do not matter here. */
static void on_applied(void *arg, const struct err *failed)
{
	struct call *call = arg;
	struct control_host *h;
	struct err e = { 0 };

	if (!call->c)
		close_stream(&call->stream);
	if (call_is_over(call))
		return;
	h = &call->c->host;
	if (h->watch_is_on(h->ctx)) {
		call_stream(call);
		return;
	}
	close_stream(&call->stream);
	err_set(&e, failed ? failed->code : -EIO, "%s", failed ? failed->text :
		"the programs could not be told what is to be watched: the daemon's log says why");
	call_fail(call, e.code, &e);
}

static void begin(struct call *call, bool capture)
{
	struct watch_filter filter = { .capture = capture };
	struct control_host *h = &call->c->host;
	struct err e = { 0 };
	int r = take_filter(call, &filter, &e);

	if (!r && !call->req->stream)
		r = err_set(&e, -EOPNOTSUPP, "there is no way to answer for long here");
	if (!r)
		r = h->watch(h->ctx, &filter, &call->stream, &e);
	if (r)
		call_fail(call, r, &e);
	else
		h->when_applied(h->ctx, NULL, on_applied, call);
}

void control_monitor(struct call *call)
{
	begin(call, false);
}

void control_capture(struct call *call)
{
	begin(call, true);
}
