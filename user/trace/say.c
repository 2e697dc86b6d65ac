// SPDX-License-Identifier: GPL-2.0-or-later
/* Decisions in words, and the names of those they are about. */
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "inside.h"

void say(const struct at *at, const char *fmt, ...)
{
	struct trace_step *s = &at->t->step[at->t->step_count];
	va_list args;

	if (at->t->step_count == TRACE_STEPS_MAX)
		return;
	*s = (struct trace_step){ .node = at->n->id, .program = at->program };
	va_start(args, fmt);
	vsnprintf(s->text, sizeof(s->text), fmt, args);
	va_end(args);
	at->t->step_count++;
}

static const char *name_of(const struct view *v, uint32_t vni, const struct ov_addr *a)
{
	for (size_t i = 0; v && i < v->endpoint_count; i++)
		if (v->endpoint[i].net->net->vni == vni && !addr_cmp(&v->endpoint[i].ep->addr, a) &&
		    !v->endpoint[i].addr_lost && !v->endpoint[i].net->vni_lost)
			return v->endpoint[i].ep->name;
	for (size_t i = 0; v && i < v->service_count; i++)
		if (v->service[i].net->net->vni == vni && !addr_cmp(&v->service[i].svc->vip, a) &&
		    !v->service[i].vip_lost && !v->service[i].net->vni_lost)
			return v->service[i].display;
	return "";
}

const char *who(const struct trace *t, uint32_t vni, const struct ov_addr *a, char out[WHO_MAX])
{
	const char *name = name_of(t->view, vni, a);
	char text[ADDR_TEXT_MAX];

	addr_format(a, text);
	if (*name)
		snprintf(out, WHO_MAX, "%s (%s)", name, text);
	else
		snprintf(out, WHO_MAX, "%s", text);
	return out;
}

const char *which_node(const struct trace *t, const struct ov_addr *vtep, char out[WHO_MAX])
{
	const struct view *v = t->view;
	char text[ADDR_TEXT_MAX];

	addr_format(vtep, text);
	for (size_t i = 0; v && i < v->node_count; i++)
		if (!v->node[i].name_lost && !addr_cmp(&v->node[i].node->addr, vtep)) {
			snprintf(out, WHO_MAX, "node %s (%s)", v->node[i].node->name, text);
			return out;
		}
	snprintf(out, WHO_MAX, "the node at %s", text);
	return out;
}

const char *port_text(uint8_t protocol, uint16_t port, char out[PORT_TEXT_MAX])
{
	if (protocol == IPPROTO_ICMP)
		snprintf(out, PORT_TEXT_MAX, "ping");
	else if (is_carried(protocol))
		snprintf(out, PORT_TEXT_MAX, "%s port %u", protocol_to_str(protocol), port);
	else
		snprintf(out, PORT_TEXT_MAX, "IP protocol %u", protocol);
	return out;
}

enum ov_verdict decide(const struct at *at, enum ov_verdict verdict)
{
	at->t->verdict = at->t->why = verdict;
	return verdict;
}

enum ov_verdict refuse(const struct at *at, const struct trace_packet *p, enum ov_verdict why)
{
	bool is_tcp = p->protocol == IPPROTO_TCP;

	say(at, "the sender is told at once, by %s",
	    is_tcp ? "a TCP reset" : "ICMP \"port unreachable\"");
	decide(at, is_tcp ? OV_FWD_RESET : OV_FWD_UNREACHABLE);
	at->t->why = why;
	return at->t->verdict;
}

bool is_carried(uint8_t protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP;
}

bool is_group(const struct ov_addr *a)
{
	uint32_t v4 = addr_v4(a);

	return v4 >> 28 == 0xe || v4 == UINT32_MAX;
}

bool trace_is_delivered(const struct trace *t)
{
	switch (t->verdict) {
	case OV_FWD_TOO_BIG:
	case OV_FWD_RESET:
	case OV_FWD_UNREACHABLE:
	case OV_FWD_CUT:
		return false;
	default:
		return !ov_verdict_is_drop(t->verdict);
	}
}
