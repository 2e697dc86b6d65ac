/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Published ports as people and programs see them. */
#include <stdio.h>

#include "json.h"
#include "show.h"

static json_t *filters(const struct publish *p)
{
	json_t *all = json_array();

	for (int i = 0; i < p->allow_count; i++)
		json_push(&all, json_prefix(&p->allow[i]));
	return all;
}

static json_t *address(const struct publish *p)
{
	return addr_is_zero(&p->addr) ? json_string("") : json_addr(&p->addr);
}

json_t *show_published(const struct view_service *vs, const struct service_detail *d)
{
	json_t *all = json_array();

	for (unsigned int i = 0; i < vs->svc->publish_count; i++) {
		const struct publish *p = &d->publish[i];

		json_push(&all, json_pack("{s:s, s:i, s:i, s:s, s:o, s:o, s:b}",
					  "Protocol", protocol_to_str(p->protocol),
					  "TargetPort", p->target, "PublishedPort", p->published,
					  "PublishMode", publish_mode_to_str(p->mode),
					  "Address", address(p), "Allow", filters(p),
					  "Lost", (int)(vs->publish_lost >> i & 1)));
	}
	return all;
}

/* As --port takes it: "80:8080/tcp". */
static const char *declared_text(const struct service_port *p, char out[PUBLISH_TEXT_MAX])
{
	if (p->target == p->port)
		snprintf(out, PUBLISH_TEXT_MAX, "%u/%s", p->port, protocol_to_str(p->protocol));
	else
		snprintf(out, PUBLISH_TEXT_MAX, "%u:%u/%s", p->port, p->target,
			 protocol_to_str(p->protocol));
	return out;
}

const char *show_ports_text(const struct service *s, const struct service_detail *d,
			    char out[SHOW_PORTS_MAX])
{
	char one[PUBLISH_TEXT_MAX];
	size_t len = 0;

	*out = '\0';
	for (int i = 0; i < s->publish_count; i++)
		len += (size_t)snprintf(out + len, SHOW_PORTS_MAX - len, "%s%s%s", len ? ", " : "",
					publish_format(&d->publish[i], one),
					d->publish[i].mode == PUBLISH_HOST ? " (host)" : "");
	for (int i = 0; i < d->port_count; i++)
		len += (size_t)snprintf(out + len, SHOW_PORTS_MAX - len, "%s%s", len ? ", " : "",
					declared_text(&d->port[i], one));
	return out;
}

/* ---- lost ones ---- */

/* The service that has what another one lost; there always is one. */
static const char *winner(const struct view *v, const struct view_service *loser,
			  const struct publish *what)
{
	for (size_t i = 0; i < v->service_count; i++) {
		const struct view_service *vs = &v->service[i];
		struct service_detail d;

		if (vs == loser || !vs->svc->publish_count)
			continue;
		service_detail_decode(vs->item, &d);
		for (unsigned int j = 0; j < vs->svc->publish_count; j++)
			if (!(vs->publish_lost >> j & 1) && publish_clashes(&d.publish[j], what))
				return vs->display;
	}
	return loser->display;
}

static void warn_of_one(const struct view *v, const struct view_service *vs,
			const struct publish *p, json_t **all)
{
	char line[512], port[PUBLISH_TEXT_MAX];

	snprintf(line, sizeof(line),
		 "service %s on network %s lost its published port %s to service %s, which has "
		 "claimed it longer, and does not answer there: take it away with `overlayctl "
		 "service update --publish-rm`, and publish another one",
		 vs->display, vs->net->display, publish_format(p, port), winner(v, vs, p));
	json_push(all, json_text(line));
}

void show_lost_ports(const struct view *v, json_t **all)
{
	for (size_t i = 0; i < v->service_count; i++) {
		const struct view_service *vs = &v->service[i];
		struct service_detail d;

		if (!vs->publish_lost)
			continue;
		service_detail_decode(vs->item, &d);
		for (unsigned int j = 0; j < vs->svc->publish_count; j++)
			if (vs->publish_lost >> j & 1)
				warn_of_one(v, vs, &d.publish[j], all);
	}
}
