/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Services as people and programs see them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "json.h"
#include "show.h"

int show_away(const struct scene *s, struct id **ret_ids, struct id_set *ret_away)
{
	const struct view *v = s->view;
	struct id *ids = calloc(v->node_count + 1, sizeof(*ids));
	size_t count = 0;

	if (!ids)
		return -ENOMEM;
	for (size_t i = 0; i < v->node_count; i++) {
		const struct id *id = &v->node[i].node->id;
		const struct member *m = s->gossip ? gossip_member(s->gossip, id) : NULL;

		if (m && !id_equal(id, s->self) &&
		    (m->status == MEMBER_DEAD || m->status == MEMBER_LEFT))
			ids[count++] = *id; /* sorted, as the view is */
	}
	*ret_ids = ids;
	*ret_away = (struct id_set){ count, ids };
	return 0;
}

const char *show_backend_state(const struct view_endpoint *ve, const struct id_set *away)
{
	if (view_endpoint_serves(ve, away))
		return "serving";
	if (ve->addr_lost)
		return "lost";
	if (id_set_has(away, &ve->ep->node))
		return "away";
	if (ve->ep->draining)
		return "draining";
	return ve->ep->health == ENDPOINT_UNTRIED ? "untried" : "unhealthy";
}

uint16_t show_weight(const struct endpoint *ep)
{
	return ep->weight ? ep->weight : 1;
}

/* ---- words ---- */

static const char *health_text(const struct service *s, const struct service_detail *d,
			       char out[HEALTH_PATH_MAX_LEN + 16])
{
	if (s->health == HEALTH_NONE)
		return "none";
	snprintf(out, HEALTH_PATH_MAX_LEN + 16, "%s:%u%s", s->health == HEALTH_TCP ? "tcp" : "http",
		 s->health_port, d->health_path);
	return out;
}

static json_t *ports(const struct service_detail *d)
{
	json_t *all = json_array();

	for (int i = 0; i < d->port_count; i++)
		json_push(&all, json_pack("{s:s, s:i, s:i}", "Protocol",
					  protocol_to_str(d->port[i].protocol),
					  "Port", d->port[i].port, "TargetPort", d->port[i].target));
	return all;
}

/* Docker's counter of changes: here milliseconds of the last one, and a running number. */
static json_t *version(const struct stamp *stamp)
{
	return json_count(stamp->hi * 1000 + (stamp->lo < 999 ? stamp->lo : 999));
}

/* ---- counting ---- */

struct tally {
	size_t serving, all;
};

static struct tally *tally_services(const struct view *v, const struct id_set *away)
{
	struct tally *t = calloc(v->service_count + 1, sizeof(*t));

	for (size_t i = 0; t && i < v->endpoint_count; i++) {
		const struct view_endpoint *ve = &v->endpoint[i];

		if (!ve->service)
			continue;
		t[ve->service - v->service].all++;
		t[ve->service - v->service].serving += view_endpoint_serves(ve, away);
	}
	return t;
}

/* ---- one service ---- */

static json_t *backend(const struct scene *s, const struct view_endpoint *ve,
		       const struct id_set *away)
{
	const struct endpoint *ep = ve->ep;
	const struct view_node *vn = view_node_by_id(s->view, &ep->node);

	return json_pack("{s:o, s:o, s:o, s:o, s:i, s:s, s:s, s:b}", "ID", json_id(&ep->id),
			 "Name", json_text(ep->name), "Node", json_text(vn ? vn->node->name : ""),
			 "IP", json_addr(&ep->addr), "Weight", show_weight(ep),
			 "State", show_backend_state(ve, away),
			 "Health", ve->service->svc->health == HEALTH_NONE ?
				   "none" : endpoint_health_to_str(ep->health),
			 "Draining", ep->draining);
}

static int by_addr(const void *a, const void *b)
{
	const struct view_endpoint *x = *(const struct view_endpoint *const *)a;
	const struct view_endpoint *y = *(const struct view_endpoint *const *)b;
	int order = addr_cmp(&x->ep->addr, &y->ep->addr);

	return order ? order : id_cmp(&x->ep->id, &y->ep->id);
}

static json_t *backends(const struct scene *s, const struct view_service *vs,
			const struct id_set *away)
{
	const struct view *v = s->view;
	_cleanup_(freep) const struct view_endpoint **order =
		calloc(v->endpoint_count + 1, sizeof(*order));
	json_t *all = json_array();
	size_t count = 0;

	if (!order)
		json_push(&all, NULL);
	for (size_t i = 0; order && i < v->endpoint_count; i++)
		if (v->endpoint[i].service == vs)
			order[count++] = &v->endpoint[i];
	if (order)
		qsort(order, count, sizeof(*order), by_addr);
	for (size_t i = 0; all && i < count; i++)
		json_push(&all, backend(s, order[i], away));
	return all;
}

static json_t *virtual_ips(const struct view_service *vs)
{
	struct prefix p = { .addr = vs->svc->vip, .len = vs->net->net->subnet.len };

	if (addr_is_zero(&p.addr))
		return json_array();
	return json_pack("[{s:o, s:o}]", "NetworkID", json_id(&vs->svc->network), "Addr",
			 json_prefix(&p));
}

json_t *show_service(const struct scene *s, const struct view_service *vs)
{
	const struct service *svc = vs->svc;
	char health[HEALTH_PATH_MAX_LEN + 16];
	_cleanup_(freep) struct tally *t = NULL;
	_cleanup_(freep) struct id *ids = NULL;
	const char *mode = service_mode_to_str(svc->mode);
	struct service_detail d;
	struct id_set away;

	if (show_away(s, &ids, &away) < 0 || !(t = tally_services(s->view, &away)))
		return NULL;
	service_detail_decode(vs->item, &d);
	return json_pack("{s:o, s:{s:o}, s:o, s:o, s:{s:o, s:{s:{s:o}}, s:{s:s, s:o}}, "
			 "s:{s:{s:s}, s:o, s:o}, s:o, s:s, s:o, s:b, s:b, s:s, s:i, s:b, s:o}",
			 "ID", json_id(&svc->id), "Version", "Index", version(&vs->item->stamp),
			 "CreatedAt", json_time(svc->created_ms),
			 "UpdatedAt", json_time(vs->item->stamp.hi),
			 "Spec", "Name", json_text(vs->display),
			 "Mode", "Replicated", "Replicas",
			 json_count(t[vs - s->view->service].all),
			 "EndpointSpec", "Mode", mode, "Ports", ports(&d),
			 "Endpoint", "Spec", "Mode", mode, "Ports", show_published(vs, &d),
			 "VirtualIPs", virtual_ips(vs),
			 "Network", json_text(vs->net->display),
			 "Algorithm", lb_to_str(svc->algorithm),
			 "Affinity", json_count(svc->affinity_s), "PreferLocal", svc->prefer_local,
			 "DSR", svc->dsr, "Health", health_text(svc, &d, health),
			 "HealthInterval", (int)svc->health_interval_s, "VIPLost", vs->vip_lost,
			 "Backends", backends(s, vs, &away));
}

/* ---- all of them ---- */

static json_t *service_row(const struct view_service *vs, const struct tally *t)
{
	const struct service *svc = vs->svc;
	char replicas[48], text[SHOW_PORTS_MAX];
	struct service_detail d;

	service_detail_decode(vs->item, &d);
	snprintf(replicas, sizeof(replicas), "%zu/%zu", t->serving, t->all);
	return json_pack("{s:o, s:o, s:o, s:o, s:s, s:s, s:o, s:s, s:s, s:b, s:o}",
			 "ID", json_id(&svc->id), "Name", json_text(vs->display),
			 "Network", json_text(vs->net->display), "NetworkID", json_id(&svc->network),
			 "Mode", service_mode_to_str(svc->mode), "Replicas", replicas,
			 "VIP", json_addr(&svc->vip), "Ports", show_ports_text(svc, &d, text),
			 "Algorithm", lb_to_str(svc->algorithm), "VIPLost", vs->vip_lost,
			 "Created", json_time(svc->created_ms));
}

static int by_name(const void *a, const void *b)
{
	const struct view_service *x = *(const struct view_service *const *)a;
	const struct view_service *y = *(const struct view_service *const *)b;
	int order = strcmp(x->display, y->display);

	if (!order)
		order = strcmp(x->net->display, y->net->display);
	return order ? order : id_cmp(&x->svc->id, &y->svc->id);
}

json_t *show_services(const struct scene *s)
{
	const struct view *v = s->view;
	_cleanup_(freep) const struct view_service **order =
		calloc(v->service_count + 1, sizeof(*order));
	_cleanup_(freep) struct tally *t = NULL;
	_cleanup_(freep) struct id *ids = NULL;
	json_t *rows = json_array();
	struct id_set away;

	if (!order || show_away(s, &ids, &away) < 0 || !(t = tally_services(v, &away)))
		json_push(&rows, NULL);
	for (size_t i = 0; t && i < v->service_count; i++)
		order[i] = &v->service[i];
	if (t)
		qsort(order, v->service_count, sizeof(*order), by_name);
	for (size_t i = 0; rows && i < v->service_count; i++)
		json_push(&rows, service_row(order[i], &t[order[i] - v->service]));
	return rows;
}
