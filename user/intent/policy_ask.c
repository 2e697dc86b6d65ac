/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a person says of a rule: words into a record's values. */
#include "room.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- selectors ---- */

static int take_service(const struct view *v, const struct view_network *vn, const char *ref,
			struct selector *s, struct err *e)
{
	const struct view_service *vs = view_service_on(v, vn, ref);
	bool ambiguous;

	if (!vs)
		vs = view_service_find(v, ref, &ambiguous);
	if (!vs)
		return err_set(e, -ENOENT,
			       "there is no service \"%.63s\" on network %s; `overlayctl service ls` "
			       "shows the services",
			       ref, vn->display);
	if (vs->net != vn)
		return err_set(e, -EINVAL,
			       "service %s is of network %s, and a rule of network %s never meets "
			       "it; name a service of %s",
			       vs->display, vs->net->display, vn->display, vn->display);
	s->id = vs->svc->id;
	return 0;
}

/* Names of endpoints need not be unique, and a rule about one of two would be about the wrong one. */
static int find_endpoint(const struct view *v, const struct view_network *vn, const char *ref,
			 const struct view_endpoint **ret_endpoint, struct err *e)
{
	const struct view_endpoint *found = NULL;

	for (size_t i = 0; i < v->endpoint_count; i++) {
		if (v->endpoint[i].net != vn || strcmp(v->endpoint[i].ep->name, ref))
			continue;
		if (found)
			return err_set(e, -EINVAL,
				       "network %s has several endpoints %.63s; name one by its id "
				       "from `overlayctl endpoint ls`, or all by a label",
				       vn->display, ref);
		found = &v->endpoint[i];
	}
	*ret_endpoint = found ? found : view_endpoint_find(v, ref);
	return 0;
}

static int take_endpoint(const struct view *v, const struct view_network *vn, const char *ref,
			 struct selector *s, struct err *e)
{
	const struct view_endpoint *ve = NULL;
	int r = *ref ? find_endpoint(v, vn, ref, &ve, e) : 0;
	char id[ID_TEXT_MAX];

	if (r < 0)
		return r;
	if (!ve)
		return err_set(e, -ENOENT,
			       "there is no endpoint \"%.63s\" on network %s; `overlayctl endpoint ls` "
			       "shows the endpoints",
			       ref, vn->display);
	if (ve->net != vn)
		return err_set(e, -EINVAL,
			       "endpoint %s is on network %s, and a rule of network %s never meets "
			       "it; name an endpoint of %s",
			       endpoint_text(ve->ep, id), ve->net->display, vn->display,
			       vn->display);
	s->id = ve->ep->id;
	return 0;
}

static int take_label(const char *text, struct label *label, struct err *e)
{
	int r = check_label(text, e);

	if (r == 0)
		strcpy(label->text, text);
	return r;
}

/* The kind whose word stands before the '='; *ret_rest is what is behind it. */
static uint8_t kind_of(const char *text, const char **ret_rest)
{
	uint8_t kind = SELECTOR_SERVICE;

	if (!strcmp(text, selector_kind_to_str(SELECTOR_ANY)))
		return SELECTOR_ANY;
	for (; kind <= SELECTOR_CIDR; kind++) {
		const char *word = selector_kind_to_str(kind);
		size_t len = strlen(word);

		if (strncmp(text, word, len) || text[len] != '=')
			continue;
		*ret_rest = text + len + 1;
		break;
	}
	return kind;
}

int take_selector(const struct view *v, const struct view_network *vn, const char *side,
		  const char *text, struct selector *s, struct label *label, struct err *e)
{
	const char *rest;

	s->kind = kind_of(text, &rest);
	switch (s->kind) {
	case SELECTOR_ANY:
		return 0;
	case SELECTOR_SERVICE:
		return take_service(v, vn, rest, s, e);
	case SELECTOR_ENDPOINT:
		return take_endpoint(v, vn, rest, s, e);
	case SELECTOR_LABEL:
		return take_label(rest, label, e);
	case SELECTOR_CIDR:
		return parse_prefix("cidr", rest, &s->cidr, e);
	default:
		return err_set(e, -EINVAL,
			       "--%s \"%.80s\" selects nobody; write service=NAME, label=KEY=VALUE, "
			       "endpoint=NAME, cidr=PREFIX or any",
			       side, text);
	}
}

/* ---- ports ---- */

static int parse_protocol(const char *text, uint8_t *ret_protocol)
{
	*ret_protocol = POLICY_PROTOCOL_ANY;
	if (!strcmp(text, "any"))
		return 0;
	*ret_protocol = IPPROTO_ICMP;
	return strcmp(text, "icmp") ? protocol_parse(text, strlen(text), ret_protocol) : 0;
}

/* "80" or "8000-8100" */
static int parse_range(const char *text, size_t len, struct policy_port *p)
{
	char copy[12], *dash;
	uint64_t first, last;

	if (len >= sizeof(copy))
		return -EINVAL;
	snprintf(copy, sizeof(copy), "%.*s", (int)len, text);
	dash = strchr(copy, '-');
	if (dash)
		*dash++ = '\0';
	if (parse_number(copy, UINT16_MAX, &first) < 0 ||
	    parse_number(dash ? dash : copy, UINT16_MAX, &last) < 0 || !first || last < first)
		return -EINVAL;
	p->first = (uint16_t)first;
	p->last = (uint16_t)last;
	return 0;
}

static int parse_port(const char *text, struct policy_port *ret_port, struct err *e)
{
	struct policy_port p = { .protocol = IPPROTO_TCP, .last = UINT16_MAX };
	const char *slash = strchrnul(text, '/');
	int r = 0;

	if (!parse_protocol(text, &p.protocol)) {
		*ret_port = p;
		return 0;
	}
	p.protocol = IPPROTO_TCP;
	r = parse_range(text, (size_t)(slash - text), &p);
	if (r == 0 && *slash)
		r = protocol_parse(slash + 1, strlen(slash + 1), &p.protocol);
	if (r < 0)
		return err_set(e, -EINVAL,
			       "port \"%.40s\" is neither PORT, PORT-PORT, PORT/PROTOCOL nor "
			       "PORT-PORT/PROTOCOL (1 to 65535; tcp, udp or sctp), nor tcp, udp, sctp, "
			       "icmp or any",
			       text);
	*ret_port = p;
	return 0;
}

static int port_cmp(const void *a, const void *b)
{
	const struct policy_port *x = a, *y = b;

	if (x->protocol != y->protocol)
		return (int)x->protocol - (int)y->protocol;
	return x->first != y->first ? (int)x->first - (int)y->first : (int)x->last - (int)y->last;
}

/* Sorted, so that two rules that say the same are the same; every port is written as none. */
static int settle_ports(struct policy *p, struct policy_detail *d, struct err *e)
{
	char text[POLICY_PORT_TEXT_MAX];

	qsort(d->port, p->port_count, sizeof(*d->port), port_cmp);
	for (uint8_t i = 1; i < p->port_count; i++)
		if (!port_cmp(&d->port[i - 1], &d->port[i]))
			return err_set(e, -EINVAL, "port %s is given twice; give it once",
				       policy_port_format(&d->port[i], text));
	if (!p->port_count || d->port[0].protocol != POLICY_PROTOCOL_ANY)
		return 0;
	if (p->port_count > 1)
		return err_set(e, -EINVAL, "port any means every other one, too: leave those out, or it");
	p->port_count = 0;
	d->port[0] = (struct policy_port){ 0 };
	return 0;
}

int take_policy_ports(const struct policy_ask *ask, struct policy *p, struct policy_detail *d,
		      struct err *e)
{
	if (ask->port_count > POLICY_PORT_MAX)
		return err_set(e, -EINVAL,
			       "%zu ports are given and a rule may have %d; write ranges, or more "
			       "than one rule",
			       ask->port_count, POLICY_PORT_MAX);
	for (size_t i = 0; i < ask->port_count; i++) {
		int r = parse_port(ask->port[i], &d->port[p->port_count++], e);

		if (r < 0)
			return r;
	}
	return settle_ports(p, d, e);
}
