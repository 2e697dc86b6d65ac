/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Counts of traffic, of one endpoint, network or service, and all that live here. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "json.h"
#include "show_traffic.h"

static json_t *counter(const struct ov_counter *c)
{
	return json_pack("{s:o, s:o}", "Packets", json_count(c->packets), "Bytes", json_count(c->bytes));
}

static json_t *sums(const struct traffic_endpoint *t)
{
	return json_pack("{s:o, s:o, s:o}", "Sent", counter(&t->sent), "Received", counter(&t->received),
			 "Dropped", counter(&t->dropped));
}

void traffic_add(struct traffic_endpoint *to, const struct traffic_endpoint *t)
{
	counter_add(&to->sent, &t->sent);
	counter_add(&to->received, &t->received);
	counter_add(&to->dropped, &t->dropped);
}

/* Steals traffic. */
static json_t *with_traffic(json_t *row, json_t *traffic)
{
	if (!row || json_object_set_new(row, "Traffic", traffic)) {
		if (!row)
			json_decref(traffic);
		json_decref(row);
		return NULL;
	}
	return row;
}

static int by_endpoint(const void *id, const void *row)
{
	return id_cmp(id, &((const struct traffic_endpoint *)row)->endpoint);
}

const struct traffic_endpoint *traffic_of(const struct traffic *t, const struct id *endpoint)
{
	if (!t->endpoint_count)
		return NULL;
	return bsearch(endpoint, t->endpoint, t->endpoint_count, sizeof(*t->endpoint), by_endpoint);
}

json_t *show_endpoint_traffic(json_t *row, const struct traffic *t, const struct id *endpoint)
{
	const struct traffic_endpoint *of = traffic_of(t, endpoint);

	return of ? with_traffic(row, sums(of)) : row;
}

struct traffic_endpoint traffic_of_network(const struct scene *s, const struct traffic *t,
					   const struct view_network *n)
{
	struct traffic_endpoint sum = { 0 };

	for (size_t i = 0; i < t->endpoint_count; i++) {
		const struct view_endpoint *ve = view_endpoint_by_id(s->view, &t->endpoint[i].endpoint);

		if (ve && ve->net == n)
			traffic_add(&sum, &t->endpoint[i]);
	}
	return sum;
}

struct ov_counter traffic_drops_from_peers(const struct traffic *t, uint32_t vni)
{
	struct ov_counter sum = { 0 };

	for (size_t i = 0; i < t->drop_count; i++)
		if (t->drop[i].vni == vni && t->drop[i].place == OV_DROP_AT_TUNNEL)
			counter_add(&sum, &t->drop[i].count);
	return sum;
}

json_t *show_network_traffic(json_t *row, const struct scene *s, const struct traffic *t,
			     const struct view_network *n)
{
	struct traffic_endpoint sum = traffic_of_network(s, t, n);
	struct ov_counter peers = traffic_drops_from_peers(t, n->net->vni);
	json_t *all = sums(&sum);

	/* In any case: what is set is owned by `all`. */
	json_object_set_new(all, "DroppedFromPeers", counter(&peers));
	return with_traffic(row, all);
}

void traffic_drops(const struct traffic *t, const struct view_network *n, const struct id *endpoint,
		   struct ov_counter ret_counter[OV_VERDICT_COUNT])
{
	memset(ret_counter, 0, OV_VERDICT_COUNT * sizeof(*ret_counter));
	for (size_t i = 0; i < t->drop_count; i++) {
		const struct traffic_drop *d = &t->drop[i];

		if (d->reason >= OV_VERDICT_COUNT || (n && d->vni != n->net->vni) ||
		    (endpoint && !id_equal(&d->endpoint, endpoint)))
			continue;
		counter_add(&ret_counter[d->reason], &d->count);
	}
}

/* ---- all of them ---- */

static json_t *endpoint_row(const struct scene *s, const struct traffic_endpoint *t)
{
	const struct view_endpoint *ve = view_endpoint_by_id(s->view, &t->endpoint);

	if (!ve) /* it is being detached */
		return NULL;
	return with_traffic(json_pack("{s:o, s:o, s:o, s:o, s:o}", "ID", json_id(&t->endpoint),
				      "Name", json_text(ve->ep->name), "IP", json_addr(&ve->ep->addr),
				      "Network", json_text(ve->net->display), "Service",
				      json_text(ve->service ? ve->service->display : "")), sums(t));
}

static json_t *endpoint_rows(const struct scene *s, const struct traffic *t,
			     const struct view_network *only)
{
	json_t *rows = json_array();

	for (size_t i = 0; rows && i < t->endpoint_count; i++) {
		const struct view_endpoint *ve = view_endpoint_by_id(s->view, &t->endpoint[i].endpoint);

		if (ve && (!only || ve->net == only))
			json_push(&rows, endpoint_row(s, &t->endpoint[i]));
	}
	return rows;
}

static int vip_cmp(const struct lb_row *row, uint32_t vni, const struct ov_addr *vip)
{
	if (row->vni != vni)
		return row->vni < vni ? -1 : 1;
	return addr_cmp(&row->vip, vip);
}

size_t traffic_flow_rows(const struct lb_row *rows, size_t count, const struct view_service *vs,
			 const struct lb_row **ret_first)
{
	size_t low = 0, high = count, end;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (vip_cmp(&rows[mid], vs->net->net->vni, &vs->svc->vip) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	for (end = low; end < count && !vip_cmp(&rows[end], vs->net->net->vni, &vs->svc->vip); end++)
		;
	*ret_first = rows + low;
	return end - low;
}

struct flow_sum traffic_flows(const struct lb_row *rows, size_t count, const struct view_service *vs)
{
	struct flow_sum sum = { 0 };
	const struct lb_row *row;

	for (count = traffic_flow_rows(rows, count, vs, &row); count; count--, row++) {
		sum.active += row->active;
		sum.total += row->total;
		sum.backends += !row->is_empty && !row->is_old;
	}
	return sum;
}

struct traffic_endpoint *traffic_of_services(const struct scene *s, const struct traffic *t)
{
	struct traffic_endpoint *sum = calloc(s->view->service_count + 1, sizeof(*sum));

	for (size_t i = 0; sum && i < t->endpoint_count; i++) {
		const struct view_endpoint *ve = view_endpoint_by_id(s->view, &t->endpoint[i].endpoint);

		if (ve && ve->service)
			traffic_add(&sum[ve->service - s->view->service], &t->endpoint[i]);
	}
	return sum;
}

static json_t *service_rows(const struct scene *s, const struct traffic *t, const struct lb_row *lb,
			    size_t lb_count, const struct view_network *only)
{
	_cleanup_(freep) struct traffic_endpoint *sum = traffic_of_services(s, t);
	json_t *rows = json_array();

	if (!sum)
		json_push(&rows, NULL);
	for (size_t i = 0; rows && i < s->view->service_count; i++) {
		const struct view_service *vs = &s->view->service[i];
		struct flow_sum flows = traffic_flows(lb, lb_count, vs);

		if (only && vs->net != only)
			continue;
		json_push(&rows, with_traffic(
			json_pack("{s:o, s:o, s:o, s:o, s:o}", "ID", json_id(&vs->svc->id),
				  "Name", json_text(vs->display), "Network", json_text(vs->net->display),
				  "Active", json_count(flows.active), "Total", json_count(flows.total)),
			sums(&sum[i])));
	}
	return rows;
}

json_t *show_traffic(const struct scene *s, const struct traffic *t, const struct lb_row *lb,
		     size_t lb_count, const struct view_network *only)
{
	return json_pack("{s:o, s:o, s:o}", "Time", json_time(s->wall),
			 "Endpoints", endpoint_rows(s, t, only),
			 "Services", service_rows(s, t, lb, lb_count, only));
}
