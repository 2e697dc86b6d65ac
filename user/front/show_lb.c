/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What balances now, as `ipvsadm -L -n` shows it: the kernel's rows with the state's names. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "json.h"
#include "show.h"

/* Who has which address: services and endpoints, sorted by (VNI, address). */
struct holder {
	uint32_t vni;
	struct ov_addr addr;
	const struct view_endpoint *endpoint;
	const struct view_service *service;
};

struct holders {
	size_t count;
	struct holder *at;
};

static int holder_cmp(const void *a, const void *b)
{
	const struct holder *x = a, *y = b;

	if (x->vni != y->vni)
		return x->vni < y->vni ? -1 : 1;
	return addr_cmp(&x->addr, &y->addr);
}

static void holders_fini(struct holders *h)
{
	free(h->at);
}

static struct holders holders_of(const struct view *v)
{
	struct holders h = { .at = calloc(v->endpoint_count + v->service_count + 1, sizeof(*h.at)) };

	for (size_t i = 0; h.at && i < v->endpoint_count; i++)
		if (!v->endpoint[i].addr_lost && !v->endpoint[i].net->vni_lost)
			h.at[h.count++] = (struct holder){ .vni = v->endpoint[i].net->net->vni,
							   .addr = v->endpoint[i].ep->addr,
							   .endpoint = &v->endpoint[i] };
	for (size_t i = 0; h.at && i < v->service_count; i++)
		if (!v->service[i].vip_lost && !v->service[i].net->vni_lost &&
		    !addr_is_zero(&v->service[i].svc->vip))
			h.at[h.count++] = (struct holder){ .vni = v->service[i].net->net->vni,
							   .addr = v->service[i].svc->vip,
							   .service = &v->service[i] };
	if (h.at)
		qsort(h.at, h.count, sizeof(*h.at), holder_cmp);
	return h;
}

static const struct holder *find(const struct holders *h, uint32_t vni, const struct ov_addr *a)
{
	static const struct holder nobody;
	struct holder key = { .vni = vni, .addr = *a };
	const struct holder *found = bsearch(&key, h->at, h->count, sizeof(key), holder_cmp);

	return found ? found : &nobody;
}

/* A row's service may be removed already, while its last flows go on. */
static json_t *lb_row(const struct scene *s, const struct holders *h, const struct lb_row *r,
		      const struct view_service *vs)
{
	const struct view_endpoint *ve = r->is_empty ? NULL : find(h, r->vni, &r->backend)->endpoint;
	const struct view_node *vn = ve ? view_node_by_id(s->view, &ve->ep->node) : NULL;

	return json_pack("{s:o, s:o, s:o, s:i, s:s, s:o, s:o, s:o, s:i, s:o, s:o, s:b}",
			 "VIP", json_addr(&r->vip), "Service", json_text(vs ? vs->display : ""),
			 "Network", json_text(vs ? vs->net->display : ""), "VNI", (int)r->vni,
			 "Algorithm", lb_to_str(r->algorithm),
			 "Backend", r->is_empty ? json_string("") : json_addr(&r->backend),
			 "Name", json_text(ve ? ve->ep->name : ""),
			 "Node", json_text(vn ? vn->node->name : ""), "Weight", (int)r->weight,
			 "Active", json_count(r->active), "Total", json_count(r->total),
			 "Old", r->is_old);
}

json_t *show_lb(const struct scene *s, const struct lb_row *rows, size_t count,
		const struct view_service *only)
{
	_cleanup_(holders_fini) struct holders h = holders_of(s->view);
	json_t *all = json_array();

	if (!h.at)
		json_push(&all, NULL);
	for (size_t i = 0; all && i < count; i++) {
		const struct view_service *vs = find(&h, rows[i].vni, &rows[i].vip)->service;

		if (!only || vs == only)
			json_push(&all, lb_row(s, &h, &rows[i], vs));
	}
	return all;
}
