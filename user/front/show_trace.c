/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A trace as JSON: the packet, each decision, and what came of it. */
#include <netinet/in.h>

#include "json.h"
#include "show.h"
#include "trace/steps.h"

static json_t *step_row(const struct scene *s, const struct trace_step *step)
{
	const struct view_node *vn = view_node_by_id(s->view, &step->node);

	return json_pack("{s:o, s:s, s:o}", "Node", json_text(vn ? vn->node->name : ""), "Program",
			 step->program, "Text", json_text(step->text));
}

static json_t *steps(const struct scene *s, const struct trace *t)
{
	json_t *all = json_array();

	for (size_t i = 0; all && i < t->step_count; i++)
		json_push(&all, step_row(s, &t->step[i]));
	return all;
}

static json_t *packet(const struct trace_packet *p)
{
	const char *protocol = p->protocol == IPPROTO_ICMP ? "icmp" : protocol_to_str(p->protocol);

	return json_pack("{s:i, s:o, s:o, s:s, s:i, s:i, s:i}", "VNI", (int)p->vni,
			 "Source", json_addr(&p->src), "Destination", json_addr(&p->dst),
			 "Protocol", protocol, "SourcePort", (int)p->sport, "DestinationPort",
			 (int)p->dport, "Size", (int)p->size);
}

/* `Reason` is why a sender is answered instead of its packet delivered. */
json_t *show_trace(const struct scene *s, const struct trace *t, const struct trace_packet *p)
{
	const struct verdict_text *verdict = show_verdict((int)t->verdict);
	const struct verdict_text *why = show_verdict((int)t->why);

	return json_pack("{s:o, s:o, s:s, s:s, s:s, s:s, s:s, s:b, s:b}", "Packet", packet(p),
			 "Steps", steps(s, t), "Verdict", verdict->name, "Meaning", verdict->meaning,
			 "Reason", why == verdict ? "" : why->name,
			 "ReasonMeaning", why == verdict ? "" : why->meaning, "Mend", why->mend,
			 "Delivered", trace_is_delivered(t), "Certain", !t->is_open);
}
