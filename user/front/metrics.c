/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What Prometheus reads. Names follow its conventions: overlayd_, base units, _total for
 * counters. Rows are bounded by METRICS_ROWS_MAX a family; what is left out is counted.
 */
#include "metrics.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "control_call.h"
#include "exposition.h"
#include "show_traffic.h"

struct metrics {
	struct buf *b;
	struct scene s;
	const struct control_facts *f;
	struct ov_counter counter[OV_VERDICT_COUNT];
	struct traffic traffic;
	struct lb_row *lb;
	struct key_row *keys;
	size_t lb_count, key_count;
	uint64_t left_out;
};

static void metrics_fini(struct metrics *m)
{
	traffic_fini(&m->traffic);
	free(m->lb);
	free(m->keys);
}

/* How many of `count` rows are shown. */
static size_t bounded(struct metrics *m, size_t count)
{
	if (count <= METRICS_ROWS_MAX)
		return count;
	m->left_out += count - METRICS_ROWS_MAX;
	return METRICS_ROWS_MAX;
}

static void put_one(struct metrics *m, const char *name, const char *type, const char *help, uint64_t value)
{
	exposition_family(m->b, name, type, help);
	SAMPLE(m->b, name, value, { 0 });
}

/* ---- the node ---- */

static void put_node(struct metrics *m)
{
	const struct view_node *n = view_node_by_id(m->s.view, m->s.self);

	exposition_family(m->b, "overlayd_build_info", "gauge", "The version that runs, and on which node.");
	SAMPLE(m->b, "overlayd_build_info", 1, { "version", m->f->version },
	       { "node", n ? n->node->name : "" });
	exposition_family(m->b, "overlayd_start_time_seconds", "gauge",
			  "When the daemon started, since 1970.");
	exposition_seconds(m->b, "overlayd_start_time_seconds", m->f->started_ms * 1000000u);
	put_one(m, "overlayd_networks", "gauge", "Networks of the cluster.", m->s.view->network_count);
	put_one(m, "overlayd_services", "gauge", "Services of the cluster.", m->s.view->service_count);
	put_one(m, "overlayd_endpoints", "gauge", "Endpoints of the cluster.", m->s.view->endpoint_count);
	put_one(m, "overlayd_local_endpoints", "gauge", "Endpoints of this node with a device.",
		m->traffic.endpoint_count);
	put_one(m, "overlayd_warnings", "gauge", "Warnings of the daemon about this host, as in overlayctl status.",
		m->f->warning_count);
}

static const struct {
	int number;
	const char *name;
} verdicts[] = {
#define X(number, name, ...) { number, #name },
	OV_VERDICTS(X)
#undef X
};

/* One family: drops without their prefix, or all other verdicts. */
static void put_verdicts(struct metrics *m, const char *name, const char *help, bool drops, bool bytes)
{
	exposition_family(m->b, name, "counter", help);
	for (size_t i = 0; i < ARRAY_SIZE(verdicts); i++) {
		const struct ov_counter *c = &m->counter[verdicts[i].number];

		if (ov_verdict_is_drop(verdicts[i].number) != drops)
			continue;
		SAMPLE(m->b, name, bytes ? c->bytes : c->packets,
		       { drops ? "reason" : "verdict", verdicts[i].name + (drops ? strlen("DROP_") : 0) });
	}
}

static const char *const passages[OV_PASSAGE_COUNT] = {
	[OV_ENTER_ENDPOINT] = "endpoint", [OV_ENTER_UPLINK] = "uplink", [OV_ENTER_FRONT] = "front",
	[OV_ENTER_TUNNEL] = "tunnel", [OV_ENTER_XDP] = "xdp", [OV_LEAVE_XDP] = "xdp",
	[OV_LEAVE_KERNEL] = "kernel", [OV_LEAVE_LOOPBACK] = "loopback",
};

static void put_passages(struct metrics *m, const char *name, const char *help, const char *label,
			 int first, int end)
{
	exposition_family(m->b, name, "counter", help);
	for (int i = first; i < end; i++)
		SAMPLE(m->b, name, m->traffic.passage[i].packets, { label, passages[i] });
}

static void put_packets(struct metrics *m)
{
	put_verdicts(m, "overlayd_verdict_packets_total", "Packets by what became of them, drops aside.",
		     false, false);
	put_verdicts(m, "overlayd_verdict_bytes_total", "Bytes by what became of them, drops aside.", false, true);
	put_verdicts(m, "overlayd_dropped_packets_total", "Packets dropped, by reason (overlayctl drops).",
		     true, false);
	put_verdicts(m, "overlayd_dropped_bytes_total", "Bytes dropped, by reason.", true, true);
	put_passages(m, "overlayd_entered_packets_total", "Packets that entered a program.", "program", 0,
		     OV_ENTER_COUNT);
	put_passages(m, "overlayd_handed_on_packets_total",
		     "Packets that a program handed on without a verdict.", "to", OV_ENTER_COUNT,
		     OV_PASSAGE_COUNT);
}

/* ---- networks ---- */

/* Which counter of a sum, by its place in struct traffic_endpoint. */
static const struct {
	const char *packets, *bytes, *help;
	size_t offset;
} directions[] = {
	{ "sent_packets_total", "sent_bytes_total", "sent by endpoints here",
	  offsetof(struct traffic_endpoint, sent) },
	{ "received_packets_total", "received_bytes_total", "given to endpoints here",
	  offsetof(struct traffic_endpoint, received) },
	{ "sent_dropped_packets_total", "sent_dropped_bytes_total", "sent by endpoints here and dropped",
	  offsetof(struct traffic_endpoint, dropped) },
};

static void put_network_family(struct metrics *m, const struct traffic_endpoint *sum, size_t d, bool bytes)
{
	char name[80], help[80];

	snprintf(name, sizeof(name), "overlayd_network_%s", bytes ? directions[d].bytes : directions[d].packets);
	snprintf(help, sizeof(help), "%s %s.", bytes ? "Bytes" : "Packets", directions[d].help);
	exposition_family(m->b, name, "counter", help);
	for (size_t i = 0, end = bounded(m, m->s.view->network_count); i < end; i++) {
		const struct ov_counter *c = (const void *)((const char *)&sum[i] + directions[d].offset);

		SAMPLE(m->b, name, bytes ? c->bytes : c->packets,
		       { "network", m->s.view->network[i].display });
	}
}

static void put_networks(struct metrics *m)
{
	const struct view *v = m->s.view;
	_cleanup_(freep) struct traffic_endpoint *sum = calloc(v->network_count + 1, sizeof(*sum));

	if (!sum)
		m->b->failed = true;
	for (size_t i = 0; sum && i < m->traffic.endpoint_count; i++) {
		const struct traffic_endpoint *t = &m->traffic.endpoint[i];
		const struct view_endpoint *ve = view_endpoint_by_id(v, &t->endpoint);

		if (ve)
			traffic_add(&sum[ve->net - v->network], t);
	}
	for (size_t d = 0; sum && d < ARRAY_SIZE(directions); d++) {
		put_network_family(m, sum, d, false);
		put_network_family(m, sum, d, true);
	}
}

/* ---- services and their backends ---- */

enum flow_figure { FLOWS_ACTIVE, FLOWS_EVER, FLOWS_BACKENDS };

static uint64_t figure_of(const struct flow_sum *sum, enum flow_figure which)
{
	return which == FLOWS_ACTIVE ? sum->active : which == FLOWS_EVER ? sum->total : sum->backends;
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
	put_service_family(m, sum, "overlayd_service_flows_total", "counter",
			   "Flows from this node to a service.", FLOWS_EVER);
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
		if (!id_equal(&v->node[i].node->id, m->s.self))
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

/* ---- maps, gossip, the daemon's own work ---- */

static void put_maps(struct metrics *m)
{
	exposition_family(m->b, "overlayd_map_entries", "gauge", "Rows of a map of the data path.");
	for (size_t i = 0; i < m->f->map_count; i++)
		SAMPLE(m->b, "overlayd_map_entries", m->f->map[i].used, { "map", m->f->map[i].name });
	SAMPLE(m->b, "overlayd_map_entries", m->f->flows_used, { "map", "flows" });
	exposition_family(m->b, "overlayd_map_max_entries", "gauge", "Rows that a map can hold.");
	for (size_t i = 0; i < m->f->map_count; i++)
		SAMPLE(m->b, "overlayd_map_max_entries", m->f->map[i].max, { "map", m->f->map[i].name });
	SAMPLE(m->b, "overlayd_map_max_entries", m->f->flows_max, { "map", "flows" });
	put_one(m, "overlayd_flow_overflows_total", "counter",
		"Flows that found the map full and may be forgotten.", m->f->flows_overflow);
}

static void put_members(struct metrics *m)
{
	uint64_t counts[MEMBER_LEFT + 1] = { 0 };
	const struct member *members;
	size_t n = gossip_members(m->s.gossip, &members);

	for (size_t i = 0; i < n; i++)
		counts[members[i].status]++;
	exposition_family(m->b, "overlayd_gossip_members", "gauge", "Other nodes, by what gossip thinks of them.");
	for (int i = 0; i <= MEMBER_LEFT; i++)
		SAMPLE(m->b, "overlayd_gossip_members", counts[i],
		       { "status", member_status_to_str((enum member_status)i) });
}

static void put_gossip(struct metrics *m)
{
	const struct gossip_counters *c;

	if (!m->s.gossip)
		return;
	put_members(m);
	put_one(m, "overlayd_gossip_in_sync", "gauge",
		"Whether the last exchange with a member found nothing to fetch.",
		gossip_in_sync(m->s.gossip));
	c = gossip_counters(m->s.gossip);
#define COUNTER(field, help) \
	put_one(m, "overlayd_gossip_" #field "_total", "counter", help, c->field)
	COUNTER(datagrams_in, "Datagrams received.");
	COUNTER(datagrams_out, "Datagrams sent.");
	COUNTER(calls_in, "Streams served.");
	COUNTER(calls_out, "Streams begun.");
	COUNTER(refused_seal, "Messages that no key opens.");
	COUNTER(refused_version, "Messages of another version.");
	COUNTER(refused_malformed, "Messages that are none.");
	COUNTER(refused_record, "Records that their writer may not write.");
	COUNTER(refused_removed, "Messages of removed nodes.");
	COUNTER(over_limit, "Times that a table or queue was full.");
	COUNTER(probes_failed, "Probes that nobody answered.");
	COUNTER(suspicions, "Members that became suspect.");
	COUNTER(refutations, "Times that this node said it is alive after all.");
	COUNTER(syncs, "Digest exchanges.");
	COUNTER(records_in, "Records that were news.");
	COUNTER(records_out, "Records sent.");
#undef COUNTER
}

static void put_daemon(struct metrics *m)
{
	const struct control_facts *f = m->f;

	put_one(m, "overlayd_reconciles_total", "counter", "Plans made and applied to the kernel.", f->plans_applied);
	exposition_family(m->b, "overlayd_reconcile_seconds_total", "counter",
			  "Time spent with planning and applying.");
	exposition_seconds(m->b, "overlayd_reconcile_seconds_total", f->reconcile_ns);
	exposition_family(m->b, "overlayd_last_reconcile_seconds", "gauge", "How long the last one took.");
	exposition_seconds(m->b, "overlayd_last_reconcile_seconds", f->last_reconcile_ns);
	put_one(m, "overlayd_reconcile_failed_rows_total", "counter",
		"Rows of plans that the kernel did not take.", f->rows_failed);
	exposition_family(m->b, "overlayd_joins_total", "counter", "Nodes that asked to join by this one.");
	SAMPLE(m->b, "overlayd_joins_total", f->joins_answered, { "result", "answered" });
	SAMPLE(m->b, "overlayd_joins_total", f->joins_refused, { "result", "refused" });
	put_one(m, "overlayd_store_records", "gauge", "Records in the store, removed ones included.",
		store_count(m->s.store));
	put_one(m, "overlayd_store_changes_total", "counter", "Changes of the store since the start.",
		store_serial(m->s.store));
	put_one(m, "overlayd_metrics_left_out_rows", "gauge",
		"Samples that this page leaves out, because a family has too many.", m->left_out);
}

static int read_all(struct control *c, struct metrics *m, struct err *e)
{
	const struct control_host *h = &c->host;
	int r = h->read_counters(h->ctx, m->counter, e);

	if (!r && h->read_traffic)
		r = h->read_traffic(h->ctx, &m->traffic, e);
	if (!r)
		r = h->read_lb(h->ctx, &m->lb, &m->lb_count, e);
	return r ? r : h->read_keys(h->ctx, &m->keys, &m->key_count, e);
}

int metrics_text(struct control *c, struct buf *out, struct err *e)
{
	_cleanup_(metrics_fini) struct metrics m = { .b = out, .f = c->host.facts };
	int r = read_all(c, &m, e);

	if (r)
		return r;
	m.s = control_scene(c);
	put_node(&m);
	put_packets(&m);
	put_networks(&m);
	put_services(&m);
	put_backends(&m);
	put_peers(&m);
	put_maps(&m);
	put_gossip(&m);
	put_daemon(&m);
	return out->failed ? err_set(e, -ENOMEM, "out of memory") : 0;
}
