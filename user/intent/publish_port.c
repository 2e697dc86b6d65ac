/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which published ports are free: of other services, of overlayd, of this node's processes. */
#include "room.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define DYNAMIC_COUNT (PUBLISH_DYNAMIC_LAST - PUBLISH_DYNAMIC_FIRST + 1)
#define PORT_TEXT_MAX (ADDR_TEXT_MAX + 16) /* "192.0.2.1:80/tcp" */

/* Who may have a port: what the questions of this file are asked of. */
struct claimants {
	struct intent *in;
	const struct view *v;
	const struct service_draft *draft;
	uint8_t tcp[DYNAMIC_COUNT / 8 + 1], udp[DYNAMIC_COUNT / 8 + 1]; /* bits: somebody's */
};

static const char *port_text(const struct publish *p, char out[PORT_TEXT_MAX])
{
	char addr[ADDR_TEXT_MAX] = "";

	if (!addr_is_zero(&p->addr))
		addr_format(&p->addr, addr);
	snprintf(out, PORT_TEXT_MAX, "%s%s%u/%s", addr, *addr ? ":" : "", p->published,
		 protocol_to_str(p->protocol));
	return out;
}

static bool is_dynamic(const struct service_draft *draft, unsigned int i)
{
	return draft->dynamic & 1u << i;
}

/* Whatever the address: a chosen port is for every one. */
static void mark(struct claimants *c, const struct publish *p)
{
	unsigned int at = p->published - PUBLISH_DYNAMIC_FIRST;

	if (p->published < PUBLISH_DYNAMIC_FIRST || p->published > PUBLISH_DYNAMIC_LAST)
		return;
	if (p->protocol == IPPROTO_TCP)
		c->tcp[at / 8] |= (uint8_t)(1 << at % 8);
	else if (p->protocol == IPPROTO_UDP)
		c->udp[at / 8] |= (uint8_t)(1 << at % 8);
}

/* ---- other services ---- */

static int check_other(const struct service_draft *draft, const struct view_service *vs,
		       const struct publish *other, struct err *e)
{
	char port[PORT_TEXT_MAX], text[PUBLISH_TEXT_MAX];

	for (unsigned int i = draft->kept; i < draft->s.publish_count; i++) {
		if (is_dynamic(draft, i) || !publish_clashes(&draft->d.publish[i], other))
			continue;
		return err_set(e, -EADDRINUSE,
			       "port %s is published by service %s of network %s already (%s); "
			       "choose another port, or take it away there",
			       port_text(&draft->d.publish[i], port), vs->display, vs->net->display,
			       publish_format(other, text));
	}
	return 0;
}

/* Also what another service lost: it may get it back, being older. */
static int check_others(struct claimants *c, struct err *e)
{
	struct service_detail d;
	int r = 0;

	for (size_t i = 0; i < c->v->service_count && r == 0; i++) {
		const struct view_service *vs = &c->v->service[i];

		if (!vs->svc->publish_count || id_equal(&vs->svc->id, &c->draft->s.id))
			continue;
		service_detail_decode(vs->item, &d);
		for (int j = 0; j < vs->svc->publish_count && r == 0; j++) {
			mark(c, &d.publish[j]);
			r = check_other(c->draft, vs, &d.publish[j], e);
		}
	}
	return r;
}

/* ---- overlayd, and this node's processes ---- */

/* What nodes speak to each other by, at any node: published, it would cut them off. */
static const char *use_of(const struct view *v, const struct publish *p)
{
	for (size_t i = 0; i < v->node_count; i++) {
		const struct node *n = v->node[i].node;

		if (p->published == n->gossip_port && p->protocol != IPPROTO_SCTP)
			return "gossip";
		if (p->published == n->vxlan_port && p->protocol == IPPROTO_UDP)
			return "VXLAN";
	}
	return NULL;
}

static bool is_listened_on(const struct intent *in, const struct publish *p)
{
	return in->port_taken &&
	       in->port_taken(in->port_taken_arg, p->protocol, &p->addr, p->published);
}

static int check_node(const struct claimants *c, const struct publish *p, struct err *e)
{
	const char *use = use_of(c->v, p);
	char port[PORT_TEXT_MAX];

	if (use)
		return err_set(e, -EADDRINUSE,
			       "port %s is overlayd's own, for %s between the nodes; choose "
			       "another port",
			       port_text(p, port), use);
	if (is_listened_on(c->in, p))
		return err_set(e, -EADDRINUSE,
			       "a process on this node listens on port %s already; choose "
			       "another port, or stop it",
			       port_text(p, port));
	return 0;
}

/* ---- choosing ---- */

static bool is_free(const struct claimants *c, const struct publish *p)
{
	unsigned int at = p->published - PUBLISH_DYNAMIC_FIRST;
	const uint8_t *bits = p->protocol == IPPROTO_TCP ? c->tcp : c->udp;

	return !(bits[at / 8] & 1 << at % 8) && !use_of(c->v, p) && !is_listened_on(c->in, p);
}

/* From where the service's id says: two nodes that choose at the same time rarely meet. */
static int choose(struct claimants *c, struct publish *p, struct err *e)
{
	const uint8_t *id = c->draft->s.id.b;
	unsigned int start = ((unsigned int)id[0] << 16 | id[1] << 8 | id[2]) % DYNAMIC_COUNT;

	for (unsigned int i = 0; i < DYNAMIC_COUNT; i++) {
		p->published = (uint16_t)(PUBLISH_DYNAMIC_FIRST + (start + i) % DYNAMIC_COUNT);
		if (!is_free(c, p))
			continue;
		mark(c, p);
		return 0;
	}
	return err_set(e, -ENOSPC,
		       "no %s port between %d and %d is free to be published; name one with "
		       "published=PORT",
		       protocol_to_str(p->protocol), PUBLISH_DYNAMIC_FIRST, PUBLISH_DYNAMIC_LAST);
}

int settle_publish(struct intent *in, const struct view *v, struct service_draft *draft,
		   struct err *e)
{
	struct claimants c = { .in = in, .v = v, .draft = draft };
	const struct view_network *vn = view_network_by_id(v, &draft->s.network);
	struct publish *list = draft->d.publish;
	int r;

	if (draft->kept == draft->s.publish_count)
		return 0;
	r = vn ? check_encryption(in, vn, e) : 0; /* this node's callers would not get through */
	if (r == 0)
		r = check_others(&c, e);
	for (unsigned int i = 0; i < draft->s.publish_count && r == 0; i++) {
		if (is_dynamic(draft, i))
			continue;
		mark(&c, &list[i]);
		if (i >= draft->kept)
			r = check_node(&c, &list[i], e);
	}
	for (unsigned int i = draft->kept; i < draft->s.publish_count && r == 0; i++)
		if (is_dynamic(draft, i))
			r = choose(&c, &list[i], e);
	return r;
}
