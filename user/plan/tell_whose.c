/* SPDX-License-Identifier: GPL-2.0-or-later */
/* To whom a row belongs. */
#include "plan/tell_inside.h"

static struct whose of_device(const uint8_t *row)
{
	COPY(struct plan_device_key, key, row);

	return (struct whose){ .endpoint = key.endpoint };
}

static struct whose of_attach(const uint8_t *row)
{
	COPY(struct plan_attach_key, key, row);

	return (struct whose){ .ifindex = key.ifindex };
}

static struct whose of_network(const uint8_t *row)
{
	COPY(struct ov_network_key, key, row);

	return (struct whose){ .vni = key.vni };
}

static struct whose of_map_device(const uint8_t *row)
{
	COPY(struct ov_device_key, key, row);
	COPY(struct ov_device, value, row + sizeof(key));

	return (struct whose){ .ifindex = key.ifindex, .vni = value.vni, .addr = value.addr };
}

static struct whose of_endpoint(const uint8_t *row)
{
	COPY(struct ov_endpoint_key, key, row);

	return (struct whose){ .vni = key.vni, .addr = key.addr };
}

static struct whose of_backend(const uint8_t *row)
{
	COPY(struct ov_backend_key, key, row);
	COPY(struct ov_backend, value, row + sizeof(key));

	return (struct whose){ .vni = key.vni & ~OV_VNI_LOCAL, .addr = value.addr };
}

static struct whose of_choices(const uint8_t *row)
{
	COPY(struct ov_choices_key, key, row);

	return (struct whose){ .vni = key.vni & ~OV_VNI_LOCAL, .addr = key.vip };
}

static struct whose of_service(const uint8_t *row)
{
	COPY(struct ov_service_key, key, row);

	return (struct whose){ .vni = key.vni, .addr = key.vip };
}

static struct whose of_published(const uint8_t *row)
{
	COPY(struct ov_published, value, row + sizeof(struct ov_published_key));

	return (struct whose){ .vni = value.vni, .addr = value.vip };
}

/* Tables that are not here belong to the node. */
static struct whose (*const whose_row[PLAN_TABLE_COUNT])(const uint8_t *row) = {
	[PLAN_DEVICES] = of_device,         [PLAN_ATTACH] = of_attach,
	[PLAN_NETWORKS] = of_network,       [PLAN_MAP_DEVICES] = of_map_device,
	[PLAN_ENDPOINTS] = of_endpoint,     [PLAN_BACKENDS] = of_backend,
	[PLAN_CHOICES] = of_choices,        [PLAN_SERVICES] = of_service,
	[PLAN_PUBLISHED] = of_published,
};

struct whose tell_whose(const struct facts *f, enum plan_table_id table, const uint8_t *row)
{
	struct whose w = whose_row[table] ? whose_row[table](row) : (struct whose){ 0 };

	for (size_t i = 0; i < f->device_count && w.ifindex; i++)
		if (f->device[i].ifindex == w.ifindex)
			w.endpoint = f->device[i].endpoint;
	return w;
}

static bool is_of_endpoint(const struct view *v, const struct id *endpoint, const struct whose *w)
{
	const struct view_endpoint *ve = view_endpoint_by_id(v, endpoint);

	if (!id_is_zero(&w->endpoint))
		return id_equal(&w->endpoint, endpoint);
	return ve && w->vni && w->vni == ve->net->net->vni && !addr_cmp(&w->addr, &ve->ep->addr);
}

static bool is_of_network(const struct view *v, const struct id *network, const struct whose *w)
{
	const struct view_network *vn = view_network_by_id(v, network);
	const struct view_endpoint *ve =
		id_is_zero(&w->endpoint) ? NULL : view_endpoint_by_id(v, &w->endpoint);

	if (ve)
		return id_equal(&ve->ep->network, network);
	return vn && w->vni && w->vni == vn->net->vni;
}

bool plan_row_is_of(const struct view *v, const struct facts *f, const struct repair_scope *scope,
		    enum plan_table_id table, const uint8_t *row)
{
	struct whose w = tell_whose(f, table, row);

	return (id_is_zero(&scope->network) || is_of_network(v, &scope->network, &w)) &&
	       (id_is_zero(&scope->endpoint) || is_of_endpoint(v, &scope->endpoint, &w));
}
