/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What Prometheus reads. Names follow its conventions: overlayd_, base units, _total for
 * counters. Rows are bounded by METRICS_ROWS_MAX a family; what is left out is counted.
 */
#include "metrics.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "exposition.h"
#include "metrics_inside.h"

static void metrics_fini(struct metrics *m)
{
	traffic_fini(&m->traffic);
	free(m->lb);
	free(m->keys);
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

static void put_lag(struct metrics *m, const struct gossip_counters *c)
{
	static const uint32_t bound[GOSSIP_LAG_BOUNDS] = GOSSIP_LAG_BOUNDS_MS;
	uint64_t count = 0;
	char le[16];

	exposition_family(m->b, "overlayd_gossip_record_lag_seconds", "histogram",
			  "From the writing of a shared record elsewhere to its arrival here, by both clocks.");
	for (int i = 0; i < GOSSIP_LAG_BOUNDS; i++) {
		count += c->lag[i];
		snprintf(le, sizeof(le), "%g", bound[i] / 1e3);
		SAMPLE(m->b, "overlayd_gossip_record_lag_seconds_bucket", count, { "le", le });
	}
	count += c->lag[GOSSIP_LAG_BOUNDS];
	SAMPLE(m->b, "overlayd_gossip_record_lag_seconds_bucket", count, { "le", "+Inf" });
	exposition_seconds(m->b, "overlayd_gossip_record_lag_seconds_sum", c->lag_ms * 1000000u);
	SAMPLE(m->b, "overlayd_gossip_record_lag_seconds_count", count, { NULL, NULL });
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
	put_lag(m, c);
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
	metrics_put_rows(&m);
	put_maps(&m);
	put_gossip(&m);
	put_daemon(&m);
	return out->failed ? err_set(e, -ENOMEM, "out of memory") : 0;
}
