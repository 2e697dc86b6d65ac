/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the daemon sees for the systematic check, but for the probes (serve/examine). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "agent/agent.h"
#include "apply/look.h"
#include "base/cleanup.h"

/* ---- what this node knows without asking anybody ---- */

static void see_self(struct agent *a, struct doctor_seen *s)
{
	const struct control_facts *f = &a->status;
	struct utsname name;

	if (!uname(&name))
		snprintf(s->release, sizeof(s->release), "%.63s", name.release);
	snprintf(s->attach_mode, sizeof(s->attach_mode), "%s", f->attach_mode);
	snprintf(s->xdp_mode, sizeof(s->xdp_mode), "%s", f->xdp_mode);
	snprintf(s->xdp_why, sizeof(s->xdp_why), "%.159s", f->xdp_why);
	snprintf(s->uplink, sizeof(s->uplink), "%.15s", f->uplink);
	snprintf(s->uplink_error, sizeof(s->uplink_error), "%s", a->uplink_error.text);
	snprintf(s->version, sizeof(s->version), "%s", f->version);
	s->uplink_mtu = a->facts.uplink_mtu;
	s->vxlan_port = f->vxlan_port;
	s->gossip_port = f->gossip_port;
}

static void see_encryption(struct agent *a, struct doctor_seen *s)
{
	struct err why = { 0 };

	s->has_encrypted = view_has_encrypted(store_view(a->store));
	s->can_encrypt = agent_can_encrypt(a, &why) >= 0;
	snprintf(s->encrypt_why, sizeof(s->encrypt_why), "%.199s", why.text);
}

static void see_errors(struct agent *a, struct doctor_seen *s)
{
	for (size_t i = 0; i < a->error_count; i++) {
		struct doctor_object *o = doctor_object_add(s, FAULT_ROW,
							    plan_table_to_str(a->error[i].table));

		if (o)
			snprintf(o->detail, sizeof(o->detail), "%.159s", a->error[i].err.text);
	}
}

static void see_ports(struct agent *a, struct doctor_seen *s)
{
	unsigned int sockets = look_udp_port(s->vxlan_port), own = a->facts.tunnel_ifindex != 0;
	char name[96];

	for (size_t i = 0; i < a->status.taken_count; i++) {
		const struct control_port *p = &a->status.taken[i];

		snprintf(name, sizeof(name), "%u/%s", p->port, protocol_to_str(p->protocol));
		doctor_object_add(s, FAULT_PORT_TAKEN, name);
	}
	snprintf(name, sizeof(name), "%u sockets on UDP %u besides the tunnel device's", sockets - own,
		 s->vxlan_port);
	if (sockets > own)
		doctor_object_add(s, FAULT_VXLAN_SOCKET, name);
}

static int by_target(const void *to, const void *route)
{
	return addr_cmp(to, &((const struct fact_route *)route)->to);
}

static bool has_route(const struct facts *f, const struct ov_addr *to)
{
	return f->route_count && bsearch(to, f->route, f->route_count, sizeof(*f->route), by_target);
}

/* Also when it is this node itself. */
static void see_lost(const struct node *n, struct doctor_seen *s)
{
	struct doctor_object *o = doctor_object_add(s, FAULT_NODE_LOST, n->name);
	char addr[ADDR_TEXT_MAX], id[ID_TEXT_MAX];

	if (o)
		snprintf(o->detail, sizeof(o->detail), "%s, %.*s", addr_format(&n->addr, addr),
			 ID_SHORT, id_format(&n->id, id));
}

static void see_peers(struct agent *a, struct doctor_seen *s)
{
	const struct view *v = store_view(a->store);

	for (size_t i = 0; i < v->node_count; i++) {
		const struct node *n = v->node[i].node;
		const struct member *m = gossip_member(a->gossip, &n->id);
		struct doctor_peer *p;

		if (v->node[i].name_lost)
			see_lost(n, s);
		if (id_equal(&n->id, store_self(a->store)) || v->node[i].name_lost)
			continue;
		p = doctor_peer_add(s, n);
		if (p)
			p->has_route = has_route(&a->facts, &n->addr);
		if (p && m)
			snprintf(p->status, sizeof(p->status), "%s", member_status_to_str(m->status));
	}
}

/* One with no name of its own asks for its address; all that counts is that it is answered. */
static const char *name_to_ask(const struct endpoint *ep, char out[NAME_MAX_LEN + 1])
{
	uint32_t ip = addr_v4(&ep->addr);

	if (ep->name[0])
		return ep->name;
	snprintf(out, NAME_MAX_LEN + 1, "%u.%u.%u.%u.in-addr.arpa", ip & 0xff, ip >> 8 & 0xff,
		 ip >> 16 & 0xff, ip >> 24);
	return out;
}

static void see_inside(struct agent *a, struct doctor_seen *s)
{
	const struct view *v = store_view(a->store);
	char name[NAME_MAX_LEN + 1];

	for (size_t i = 0; i < v->endpoint_count; i++) {
		const struct endpoint *ep = v->endpoint[i].ep;
		struct endpoint_detail detail;

		if (!id_equal(&ep->node, store_self(a->store)) || v->endpoint[i].addr_lost)
			continue;
		endpoint_detail_decode(v->endpoint[i].item, &detail);
		doctor_inside_add(s, name_to_ask(ep, name), detail.netns);
	}
}

static void note_sent(struct doctor_peer *p, const struct key_row *row)
{
	p->esp_sent = row->sent;
}

/*
 * What was sent is read before it is asked what arrived, at both ends (a peer's answer comes in
 * between): else packets of these seconds would be taken for lost.
 */
static void see_keys(struct agent *a, void (*note)(struct doctor_peer *p, const struct key_row *row))
{
	_cleanup_(freep) struct key_row *rows = NULL;
	struct doctor_seen *s = &a->doctor.seen;
	struct err e = { 0 };
	size_t count = 0;

	if (!s->has_encrypted || agent_keys_report(a, &rows, &count, &e) < 0)
		return;
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < s->peer_count; j++)
			if (id_equal(&rows[i].peer, &s->peer[j].id))
				note(&s->peer[j], &rows[i]);
}

static int see_kernel(struct agent *a, struct doctor_seen *s)
{
	struct look_at at = { .driver = a->driver, .facts = &a->facts };
	struct plan plan = { 0 };
	int r = plan_build(store_view(a->store), &a->facts, store_self(a->store), &plan);

	if (r < 0)
		return r;
	at.plan = &plan;
	kernel_look(a->kernel, &at, s);
	plan_fini(&plan);
	return 0;
}

int agent_doctor_see(struct agent *a)
{
	struct doctor_seen *s = &a->doctor.seen;

	see_self(a, s);
	see_encryption(a, s);
	see_errors(a, s);
	see_ports(a, s);
	see_peers(a, s);
	see_inside(a, s);
	see_keys(a, note_sent);
	return see_kernel(a, s);
}

/* ---- what is known only when the examination is over ---- */

static uint64_t sums_before(const struct doctor_state *d, const char *netns)
{
	for (size_t i = 0; i < d->sums_count; i++)
		if (!strcmp(d->sums[i].netns, netns))
			return d->sums[i].count;
	return 0;
}

/* Counters only grow; what is told is what came since the last examination. */
static void see_sums(struct doctor_state *d)
{
	struct doctor_sums *now = calloc(d->seen.inside_count + 1, sizeof(*now));
	size_t count = 0;

	for (size_t i = 0; now && i < d->seen.inside_count; i++) {
		struct doctor_inside *in = &d->seen.inside[i];
		uint64_t before = sums_before(d, in->netns), is;

		if (look_bad_sums(in->netns, &is))
			continue;
		in->bad_sums = is >= before ? is - before : is; /* another namespace there by now */
		snprintf(now[count].netns, sizeof(now[count].netns), "%s", in->netns);
		now[count++].count = is;
	}
	if (!now)
		return;
	free(d->sums);
	d->sums = now;
	d->sums_count = count;
}

static void note_received(struct doctor_peer *p, const struct key_row *row)
{
	p->by_esp = true;
	p->esp_received = row->received;
}

void agent_doctor_see_more(struct agent *a)
{
	see_sums(&a->doctor);
	see_keys(a, note_received);
}
