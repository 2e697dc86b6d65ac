/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Metrics that have a row for each endpoint, service, backend and peer. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "exposition.h"
#include "metrics_inside.h"
#include "show_traffic.h"

/* How many of `count` rows are shown. */
static size_t bounded(struct metrics *m, size_t count)
{
	if (count <= METRICS_ROWS_MAX)
		return count;
	m->left_out += count - METRICS_ROWS_MAX;
	return METRICS_ROWS_MAX;
}

/*
 * Counters are of what counts itself, an endpoint or a backend. A sum over those that are there
 * falls when one goes, and who reads it takes all that is left for new.
 */

/* ---- endpoints, by network ---- */

/* Which counter, by its place in struct traffic_endpoint. */
static const struct {
	const char *packets, *bytes, *help;
	size_t offset;
} directions[] = {
	{ "sent_packets_total", "sent_bytes_total", "sent by an endpoint here",
	  offsetof(struct traffic_endpoint, sent) },
	{ "received_packets_total", "received_bytes_total", "given to an endpoint here",
	  offsetof(struct traffic_endpoint, received) },
	{ "sent_dropped_packets_total", "sent_dropped_bytes_total", "sent by an endpoint here and dropped",
	  offsetof(struct traffic_endpoint, dropped) },
};

static void put_endpoint_family(struct metrics *m, size_t d, bool bytes)
{
	char name[80], help[80], id[ID_TEXT_MAX];

	snprintf(name, sizeof(name), "overlayd_endpoint_%s", bytes ? directions[d].bytes : directions[d].packets);
	snprintf(help, sizeof(help), "%s %s.", bytes ? "Bytes" : "Packets", directions[d].help);
	exposition_family(m->b, name, "counter", help);
	for (size_t i = 0, end = bounded(m, m->traffic.endpoint_count); i < end; i++) {
		const struct traffic_endpoint *t = &m->traffic.endpoint[i];
		const struct ov_counter *c = (const void *)((const char *)t + directions[d].offset);
		const struct view_endpoint *ve = view_endpoint_by_id(m->s.view, &t->endpoint);

		if (ve)
			SAMPLE(m->b, name, bytes ? c->bytes : c->packets, { "network", ve->net->display },
			       { "endpoint", *ve->ep->name ? ve->ep->name : id_format(&t->endpoint, id) });
	}
}

static void put_endpoints(struct metrics *m)
{
	for (size_t d = 0; d < ARRAY_SIZE(directions); d++) {
		put_endpoint_family(m, d, false);
		put_endpoint_family(m, d, true);
	}
}

/* ---- services and their backends ---- */

enum flow_figure { FLOWS_ACTIVE, FLOWS_EVER, FLOWS_BACKENDS };

static uint64_t figure_of(const struct flow_sum *sum, enum flow_figure which)
{
	return which == FLOWS_ACTIVE ? sum->active : sum->backends;
}

static void put_service_flows(struct metrics *m)
{
	const char *name = "overlayd_service_flows_total";
	size_t room = METRICS_ROWS_MAX;
	char backend[ADDR_TEXT_MAX];

	exposition_family(m->b, name, "counter", "Flows from this node to a service, by backend.");
	for (size_t i = 0; i < m->s.view->service_count; i++) {
		const struct view_service *vs = &m->s.view->service[i];
		const struct lb_row *row;
		size_t count = traffic_flow_rows(m->lb, m->lb_count, vs, &row);

		for (; count; count--, row++) {
			if (row->is_empty)
				continue;
			if (!room) {
				m->left_out++;
				continue;
			}
			room--;
			SAMPLE(m->b, name, row->total, { "service", vs->display },
			       { "network", vs->net->display },
			       { "backend", addr_format(&row->backend, backend) });
		}
	}
}

static void put_service_family(struct metrics *m, const struct flow_sum *sum, const char *name,
			       const char *type, const char *help, enum flow_figure which)
{
	exposition_family(m->b, name, type, help);
	for (size_t i = 0, end = bounded(m, m->s.view->service_count); i < end; i++) {
		const struct view_service *vs = &m->s.view->service[i];

		SAMPLE(m->b, name, figure_of(&sum[i], which), { "service", vs->display },
		       { "network", vs->net->display });
	}
}

static void put_services(struct metrics *m)
{
	const struct view *v = m->s.view;
	_cleanup_(freep) struct flow_sum *sum = calloc(v->service_count + 1, sizeof(*sum));

	if (!sum) {
		m->b->failed = true;
		return;
	}
	for (size_t i = 0; i < v->service_count; i++)
		sum[i] = traffic_flows(m->lb, m->lb_count, &v->service[i]);
	put_service_family(m, sum, "overlayd_service_active_flows", "gauge",
			   "Established flows from this node to a service.", FLOWS_ACTIVE);
	put_service_flows(m);
	put_service_family(m, sum, "overlayd_service_backends", "gauge",
			   "Backends of a service that take new flows.", FLOWS_BACKENDS);
}

static void put_backend_family(struct metrics *m, const char *name, const char *type, const char *help,
			       enum flow_figure which)
{
	char vip[ADDR_TEXT_MAX], backend[ADDR_TEXT_MAX], vni[16];

	exposition_family(m->b, name, type, help);
	for (size_t i = 0, end = bounded(m, m->lb_count); i < end; i++) {
		const struct lb_row *r = &m->lb[i];

		if (!i || r->vni != r[-1].vni || addr_cmp(&r->vip, &r[-1].vip)) {
			snprintf(vni, sizeof(vni), "%u", r->vni);
			addr_format(&r->vip, vip);
		}
		if (!r->is_empty)
			SAMPLE(m->b, name, which == FLOWS_ACTIVE ? r->active : r->total, { "vni", vni },
			       { "vip", vip }, { "backend", addr_format(&r->backend, backend) });
	}
}

static void put_backends(struct metrics *m)
{
	put_backend_family(m, "overlayd_backend_active_flows", "gauge",
			   "Established flows from this node to a backend.", FLOWS_ACTIVE);
	put_backend_family(m, "overlayd_backend_flows_total", "counter", "Flows from this node to a backend.",
			   FLOWS_EVER);
}

/* ---- peers ---- */

#define PEER_KEYS(X)                                                                             \
	X(sent, "overlayd_peer_esp_sent_packets_total", "Packets sent to a peer by the SAs that are there.") \
	X(received, "overlayd_peer_esp_received_packets_total",                                    \
	  "Packets received from a peer by the SAs that are there.")                               \
	X(replayed, "overlayd_peer_esp_replayed_packets_total", "Packets of a peer refused as replayed.") \
	X(failed, "overlayd_peer_esp_failed_packets_total", "Packets of a peer that did not decrypt.") \
	X(no_sa, "overlayd_peer_no_key_packets_total", "Packets to a peer dropped for want of keys.") \
	X(cleartext, "overlayd_peer_cleartext_packets_total", "Packets from a peer dropped as not encrypted.")

static const char *peer_name(const struct metrics *m, const struct id *peer)
{
	const struct view_node *n = view_node_by_id(m->s.view, peer);

	return n ? n->node->name : "";
}

static void put_peers(struct metrics *m)
{
	const struct view *v = m->s.view;

	exposition_family(m->b, "overlayd_peer_up", "gauge", "Whether gossip thinks a peer alive.");
	for (size_t i = 0, end = bounded(m, v->node_count); i < end; i++)
		/* Who lost its name is no peer, and would be another's series once more. */
		if (!v->node[i].name_lost && !id_equal(&v->node[i].node->id, m->s.self))
			SAMPLE(m->b, "overlayd_peer_up",
			       !strcmp(show_node_status(&m->s, &v->node[i].node->id), "alive"),
			       { "peer", v->node[i].node->name });
#define X(field, name, help)                                                                     \
	exposition_family(m->b, name, "counter", help);                                          \
	for (size_t i = 0, end = bounded(m, m->key_count); i < end; i++)                                    \
		SAMPLE(m->b, name, m->keys[i].field, { "peer", peer_name(m, &m->keys[i].peer) });
	PEER_KEYS(X)
#undef X
}

void metrics_put_rows(struct metrics *m)
{
	put_endpoints(m);
	put_services(m);
	put_backends(m);
	put_peers(m);
}
