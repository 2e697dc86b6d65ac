/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Published ports that are not open on this node, because a process has them. */
#include <stdio.h>

#include "control.h"
#include "json.h"
#include "show.h"

static bool is_taken(const struct control_facts *f, const struct publish *p)
{
	for (size_t i = 0; i < f->taken_count; i++)
		if (f->taken[i].port == p->published && f->taken[i].protocol == p->protocol &&
		    !addr_cmp(&f->taken[i].addr, &p->addr))
			return true;
	return false;
}

static void warn(const struct view_service *vs, const struct publish *p, json_t **all)
{
	char line[320], addr[ADDR_TEXT_MAX], on[ADDR_TEXT_MAX + 8] = "";

	if (!addr_is_zero(&p->addr))
		snprintf(on, sizeof(on), " of %s", addr_format(&p->addr, addr));
	snprintf(line, sizeof(line),
		 "port %u/%s%s of service %s is not open on this node: a process has it (`ss -anp` "
		 "shows which); stop it, or publish another port", p->published,
		 protocol_to_str(p->protocol), on, vs->display);
	json_push(all, json_text(line));
}

void show_taken_ports(const struct scene *s, const struct control_facts *f, json_t **all)
{
	for (size_t i = 0; f->taken_count && i < s->view->service_count; i++) {
		const struct view_service *vs = &s->view->service[i];
		struct service_detail detail;

		if (!vs->svc->publish_count)
			continue;
		service_detail_decode(vs->item, &detail);
		for (unsigned int p = 0; p < vs->svc->publish_count; p++)
			if (!(vs->publish_lost & 1u << p) && is_taken(f, &detail.publish[p]))
				warn(vs, &detail.publish[p], all);
	}
}
