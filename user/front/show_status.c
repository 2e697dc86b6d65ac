/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "base/cleanup.h"
#include "control.h"
#include "json.h"
#include "show.h"

static json_t *self_node(const struct scene *s)
{
	const struct view_node *n = view_node_by_id(s->view, s->self);

	return json_pack("{s:o, s:o, s:o}", "ID", json_id(s->self),
			 "Name", json_text(n ? n->node->name : ""),
			 "Address", n ? json_addr(&n->node->addr) : json_string(""));
}

/* Other nodes by what gossip thinks of them. */
static json_t *peer_counts(const struct scene *s)
{
	size_t counts[MEMBER_LEFT + 1] = { 0 }, unknown = 0;

	for (size_t i = 0; i < s->view->node_count; i++) {
		const struct id *id = &s->view->node[i].node->id;
		const struct member *m = s->gossip ? gossip_member(s->gossip, id) : NULL;

		if (id_equal(id, s->self))
			continue;
		if (m && m->status <= MEMBER_LEFT)
			counts[m->status]++;
		else
			unknown++;
	}
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "Alive", json_count(counts[MEMBER_ALIVE]),
			 "Suspect", json_count(counts[MEMBER_SUSPECT]),
			 "Dead", json_count(counts[MEMBER_DEAD]),
			 "Left", json_count(counts[MEMBER_LEFT]), "Unknown", json_count(unknown));
}

static json_t *endpoint_counts(const struct scene *s)
{
	size_t local = 0;

	for (size_t i = 0; i < s->view->endpoint_count; i++)
		local += id_equal(&s->view->endpoint[i].ep->node, s->self);
	return json_pack("{s:o, s:o}", "Local", json_count(local),
			 "Total", json_count(s->view->endpoint_count));
}

/* Counters keep their names of gossip.h, which metrics use too. */
static json_t *gossip_state(const struct scene *s)
{
	const struct gossip_counters *c;
	json_t *all = json_object();
	int bad;

	if (!s->gossip)
		return all;
	c = gossip_counters(s->gossip);
	bad = json_object_set_new(all, "in_sync", json_boolean(gossip_in_sync(s->gossip)));
#define COUNTER(name) bad |= json_object_set_new(all, #name, json_count(c->name))
	COUNTER(datagrams_in);
	COUNTER(datagrams_out);
	COUNTER(calls_in);
	COUNTER(calls_out);
	COUNTER(refused_seal);
	COUNTER(refused_version);
	COUNTER(refused_malformed);
	COUNTER(refused_record);
	COUNTER(refused_removed);
	COUNTER(over_limit);
	COUNTER(probes_failed);
	COUNTER(suspicions);
	COUNTER(refutations);
	COUNTER(syncs);
	COUNTER(records_in);
	COUNTER(records_out);
#undef COUNTER
	if (bad) {
		json_decref(all);
		return NULL;
	}
	return all;
}

static void warn_of_claims(const struct scene *s, json_t **all)
{
	const struct view *v = s->view;
	char line[320], a[ADDR_TEXT_MAX], id[ID_TEXT_MAX];

	for (size_t i = 0; i < v->node_count; i++) {
		if (!v->node[i].name_lost)
			continue;
		snprintf(line, sizeof(line),
			 "node %s (%s, %.12s) has the name or address of another node and is not a "
			 "peer: start it with another --node and --advertise", v->node[i].node->name,
			 addr_format(&v->node[i].node->addr, a), id_format(&v->node[i].node->id, id));
		json_push(all, json_text(line));
	}
	for (size_t i = 0; i < v->network_count; i++) {
		if (!v->network[i].vni_lost)
			continue;
		snprintf(line, sizeof(line),
			 "network %s lost VNI %u to an older network and carries nothing until its "
			 "creator gives it a new one", v->network[i].display, v->network[i].net->vni);
		json_push(all, json_text(line));
	}
	for (size_t i = 0; i < v->endpoint_count; i++) {
		const struct view_endpoint *ve = &v->endpoint[i];

		if (!ve->addr_lost)
			continue;
		snprintf(line, sizeof(line),
			 "endpoint %.12s on network %s lost address %s to an older endpoint: detach it "
			 "and attach it again", id_format(&ve->ep->id, id), ve->net->display,
			 addr_format(&ve->ep->addr, a));
		json_push(all, json_text(line));
	}
}

static void warn_of_vips(const struct scene *s, json_t **all)
{
	const struct view *v = s->view;
	char line[320], a[ADDR_TEXT_MAX];

	for (size_t i = 0; i < v->service_count; i++) {
		const struct view_service *vs = &v->service[i];

		if (!vs->vip_lost)
			continue;
		snprintf(line, sizeof(line),
			 "service %s on network %s lost its VIP %s to something older and is not "
			 "served: remove it and create it again", vs->display, vs->net->display,
			 addr_format(&vs->svc->vip, a));
		json_push(all, json_text(line));
	}
}

static void warn_of_subnets(const struct scene *s, const struct reach_list *reach, json_t **all)
{
	char line[320], subnet[PREFIX_TEXT_MAX], to[PREFIX_TEXT_MAX];

	for (size_t i = 0; i < s->view->network_count; i++) {
		const struct view_network *vn = &s->view->network[i];
		const struct reach *r = reach_overlap(reach, &vn->net->subnet);

		if (!r)
			continue;
		snprintf(line, sizeof(line),
			 "network %s has the subnet %s, which overlaps %s of this host's interface %s: "
			 "containers and hosts there may not reach each other; create the network anew "
			 "with another --subnet", vn->display, prefix_format(&vn->net->subnet, subnet),
			 prefix_format(&r->to, to), r->device);
		json_push(all, json_text(line));
	}
}

static json_t *warnings(const struct scene *s, const struct control_facts *f)
{
	json_t *all = json_array();

	for (size_t i = 0; i < f->warning_count && i < ARRAY_SIZE(f->warning); i++)
		json_push(&all, json_text(f->warning[i]));
	warn_of_claims(s, &all);
	warn_of_vips(s, &all);
	warn_of_subnets(s, &f->reach, &all);
	show_taken_ports(s, f, &all);
	show_lost_ports(s->view, &all);
	return all;
}

static json_t *text_or_empty(const char *text)
{
	return json_text(text ? text : "");
}

static json_t *whole_status(const struct scene *s, const struct control_facts *f)
{
	const struct cluster *cluster = s->view->cluster;

	return json_pack("{s:o, s:o, s:o, s:o, s:{s:o, s:i}, s:i, s:i, s:o, s:o, s:{s:o, s:o, s:b}, s:o, s:o, "
			 "s:o, s:o, s:o, s:{s:o, s:o}, s:{s:o, s:o, s:o}, s:{s:o, s:o}, s:o}",
			 "Version", text_or_empty(f->version), "Started", json_time(f->started_ms),
			 "Cluster", cluster ? json_id(&cluster->id) : json_string(""),
			 "Node", self_node(s),
			 "Uplink", "Name", text_or_empty(f->uplink), "MTU", (int)f->uplink_mtu,
			 "VXLANPort", (int)f->vxlan_port, "GossipPort", (int)f->gossip_port,
			 "PinDir", text_or_empty(f->pin_dir),
			 "AttachMode", text_or_empty(f->attach_mode),
			 "XDP", "Mode", text_or_empty(f->xdp_mode), "Why", text_or_empty(f->xdp_why),
			 "Entry", f->xdp_entry,
			 "Peers", peer_counts(s), "Networks", json_count(s->view->network_count),
			 "Services", json_count(s->view->service_count),
			 "Endpoints", endpoint_counts(s), "Gossip", gossip_state(s),
			 "Joins", "Answered", json_count(f->joins_answered),
			 "Refused", json_count(f->joins_refused),
			 "Store", "Serial", json_count(store_serial(s->store)),
			 "Records", json_count(store_count(s->store)),
			 "Generation", json_count(store_generation(s->store)),
			 "Plans", "Applied", json_count(f->plans_applied),
			 "RowsFailed", json_count(f->rows_failed),
			 "Warnings", warnings(s, f));
}

json_t *show_status(const struct scene *s, const struct control_facts *f)
{
	json_t *flows = json_pack("{s:o, s:o, s:o}", "Used", json_count(f->flows_used),
				  "Max", json_count(f->flows_max),
				  "Overflow", json_count(f->flows_overflow));
	json_t *masquerade = json_pack("{s:i, s:i}", "First", (int)f->masquerade_first,
				       "Last", (int)f->masquerade_last);
	json_t *all = whole_status(s, f);

	/* All in any case: what is set is owned by `all`, even when that is NULL. */
	if (json_object_set_new(all, "Flows", flows) | json_object_set_new(all, "Masquerade", masquerade) |
	    json_object_set_new(all, "KeyRing", show_ring(s)) |
	    json_object_set_new(all, "Repairs", show_repairs(&f->repairs))) {
		json_decref(all);
		return NULL;
	}
	return all;
}

/* ---- drops ---- */

static const struct verdict_text verdict_texts[] = {
#define X(number, name, meaning, mend) { number, #name, meaning, mend },
	OV_VERDICTS(X)
#undef X
};

const struct verdict_text *show_verdict(int number)
{
	for (size_t i = 0; i < ARRAY_SIZE(verdict_texts); i++)
		if (verdict_texts[i].number == number)
			return &verdict_texts[i];
	return &verdict_texts[0];
}

static json_t *verdict_row(const struct verdict_text *t, const struct ov_counter *c)
{
	return json_pack("{s:s, s:o, s:o, s:s, s:s}", "Name", t->name, "Packets",
			 json_count(c->packets), "Bytes", json_count(c->bytes), "Meaning", t->meaning,
			 "Mend", t->mend);
}

json_t *show_drops(const struct ov_counter counter[OV_VERDICT_COUNT], bool only_drops)
{
	json_t *drops = json_array(), *others = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(verdict_texts); i++) {
		const struct verdict_text *t = &verdict_texts[i];

		if (ov_verdict_is_drop(t->number))
			json_push(&drops, verdict_row(t, &counter[t->number]));
		else if (!only_drops)
			json_push(&others, verdict_row(t, &counter[t->number]));
	}
	return json_pack("{s:o, s:o}", "Drops", drops, "Verdicts", others);
}
