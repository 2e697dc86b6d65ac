// SPDX-License-Identifier: GPL-2.0-or-later
/* Which backend a new flow gets: bpf/lib/service.h. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "inside.h"
#include "maps/flow_hash.h"

#define NAMES_MAX 160 /* of backends, in one step */

static uint32_t hash_of(const struct wish *w)
{
	struct ov_flow_key k = { .client = w->p->src, .vip = *w->vip,
				 .vni = { w->vni >> 16, w->vni >> 8, w->vni },
				 .protocol = w->p->protocol, .client_port = htons(w->p->sport),
				 .backend_port = htons(w->target) };
	uint32_t words[sizeof(k) / 4];

	/* The hash reads words, which the compiler takes for other memory than the fields. */
	memcpy(words, &k, sizeof(k));
	return ov_flow_hash((const struct ov_flow_key *)words);
}

static const struct ov_backend *by_place(const struct at *at, const struct wish *w, uint32_t place)
{
	const struct ov_choices *c = row_choices(at, w->rows, w->vip, place / OV_CHOICES_PER_CHUNK);

	return c ? row_backend(at, w->rows, w->vip, c->backend[place % OV_CHOICES_PER_CHUNK]) : NULL;
}

static const struct ov_backend *by_address(const struct at *at, const struct wish *w,
					   const struct ov_addr *wanted)
{
	for (uint32_t i = 0; i < w->service->backends; i++) {
		const struct ov_backend *b = row_backend(at, w->rows, w->vip, i);

		if (b && !addr_cmp(&b->addr, wanted))
			return b;
	}
	return NULL;
}

/* "web-1 (10.10.0.9), web-2 (10.10.0.10) and 3 more" */
static void list_backends(const struct at *at, const struct wish *w, char out[NAMES_MAX])
{
	uint32_t count = w->service->backends, shown = 0;
	size_t len = 0;

	out[0] = '\0';
	for (; shown < count && len < NAMES_MAX / 2; shown++) {
		const struct ov_backend *b = row_backend(at, w->rows, w->vip, shown);
		char name[WHO_MAX];

		if (b)
			len += (size_t)snprintf(out + len, NAMES_MAX - len, "%s%.60s", len ? ", " : "",
						who(at->t, w->vni, &b->addr, name));
	}
	if (shown < count)
		snprintf(out + len, NAMES_MAX - len, " and %u more", count - shown);
}

static const char *how(uint8_t algorithm)
{
	switch (algorithm) {
	case OV_LB_MAGLEV:
		return "by the hash of the flow (maglev)";
	case OV_LB_RR:
		return "in turn (rr)";
	case OV_LB_RANDOM:
		return "at random";
	default:
		return "by fewest connections (least-conn)";
	}
}

/* What decides is known of a Maglev table when the flow is, and of a service of one backend. */
static bool is_open(const struct wish *w)
{
	const struct ov_service *s = w->service;

	return s->affinity_s || (s->backends > 1 && (s->algorithm != OV_LB_MAGLEV || !w->p->sport));
}

static const struct ov_backend *pick(const struct at *at, const struct wish *w)
{
	const struct ov_service *s = w->service;
	const struct ov_backend *wanted;
	char name[WHO_MAX];

	if (!s->backends || (s->algorithm != OV_LB_LEAST_CONN && !s->choices))
		return NULL;
	if (is_open(w) && !addr_is_zero(&w->p->follow)) {
		wanted = by_address(at, w, &w->p->follow);
		if (wanted)
			return wanted;
		say(at, "%s is not among the backends that take new flows",
		    who(at->t, w->vni, &w->p->follow, name));
	}
	if (s->algorithm == OV_LB_LEAST_CONN)
		return row_backend(at, w->rows, w->vip, 0);
	if (s->algorithm == OV_LB_MAGLEV && w->p->sport)
		return by_place(at, w, hash_of(w) % s->choices);
	return by_place(at, w, 0);
}

static void say_choice(const struct at *at, const struct wish *w, const struct ov_backend *b)
{
	const struct ov_service *s = w->service;
	char name[WHO_MAX], names[NAMES_MAX];

	who(at->t, w->vni, &b->addr, name);
	if (s->affinity_s)
		say(at, "affinity: a client stays with its backend until it was idle for %u s; a new one "
		    "is dealt", s->affinity_s);
	if (s->backends == 1) {
		say(at, "one backend takes new flows: %s, port %u", name, w->target);
		return;
	}
	if (s->algorithm == OV_LB_MAGLEV && w->p->sport) {
		say(at, "dealt %s among %u: %s, port %u", how(s->algorithm), s->backends, name,
		    w->target);
		return;
	}
	list_backends(at, w, names);
	say(at, "dealt %s to one of %u: %s; followed: %s, port %u", how(s->algorithm), s->backends,
	    names, name, w->target);
}

/* Why the service's backend gets no new flows; NULL: it does, or is none of it. */
static const char *why_not(const struct at *at, const struct wish *w, const struct view_endpoint *ve)
{
	if (!ve->service || ve->net->net->vni != w->vni || addr_cmp(&ve->service->svc->vip, w->vip) ||
	    view_endpoint_serves(ve, at->t->away))
		return NULL;
	if (ve->addr_lost)
		return "lost its address";
	if (ve->ep->draining)
		return "drained";
	return id_set_has(at->t->away, &ve->ep->node) ? "its node is away" : "not healthy";
}

static void say_others(const struct at *at, const struct wish *w)
{
	const struct view *v = at->t->view;
	char text[NAMES_MAX] = "", name[WHO_MAX];
	size_t len = 0, more = 0;

	for (size_t i = 0; v && i < v->endpoint_count; i++) {
		const char *why = why_not(at, w, &v->endpoint[i]);

		if (why && len > NAMES_MAX / 2)
			more++;
		else if (why)
			len += (size_t)snprintf(text + len, NAMES_MAX - len, "%s%.40s: %s",
						len ? ", " : "",
						who(at->t, w->vni, &v->endpoint[i].ep->addr, name), why);
	}
	if (more)
		say(at, "left out of new flows: %s, and %zu more", text, more);
	else if (len)
		say(at, "left out of new flows: %s", text);
}

static bool is_alive(const struct ov_endpoint *ep, const struct ov_backend *b,
		     const struct ov_addr *vip)
{
	return ep && (ep->flags & OV_ENDPOINT_BACKEND) && ep->incarnation == b->incarnation &&
	       !addr_cmp(&ep->service, vip);
}

const struct ov_endpoint *service_choose(const struct at *at, const struct wish *w,
					 struct ov_addr *ret_backend)
{
	const struct ov_backend *b = pick(at, w);
	const struct ov_endpoint *ep;

	say_others(at, w);
	if (!b) {
		say(at, "no backend takes new flows");
		return NULL;
	}
	say_choice(at, w, b);
	if (is_open(w))
		at->t->is_open = true;
	at->t->has_backend = true;
	ep = row_endpoint(at, w->vni, &b->addr);
	if (!is_alive(ep, b, w->vip)) {
		say(at, "that backend is being removed this moment");
		return NULL;
	}
	*ret_backend = b->addr;
	return ep;
}
