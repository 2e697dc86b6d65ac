/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a person calls that to which a row belongs. */
#include <arpa/inet.h>
#include <stdio.h>

#include "plan/tell_inside.h"

static const struct view_network *network_of_vni(const struct view *v, uint32_t vni)
{
	for (size_t i = 0; i < v->network_count && vni; i++)
		if (v->network[i].net->vni == vni && !v->network[i].vni_lost)
			return &v->network[i];
	return NULL;
}

static const struct view_endpoint *endpoint_at(const struct view *v, const struct view_network *vn,
					       const struct ov_addr *addr)
{
	for (size_t i = 0; i < v->endpoint_count && vn; i++)
		if (v->endpoint[i].net == vn && !v->endpoint[i].addr_lost &&
		    !addr_cmp(&v->endpoint[i].ep->addr, addr))
			return &v->endpoint[i];
	return NULL;
}

static const struct view_service *service_at(const struct view *v, const struct view_network *vn,
					     const struct ov_addr *vip)
{
	for (size_t i = 0; i < v->service_count && vn && !addr_is_zero(vip); i++)
		if (v->service[i].net == vn && !v->service[i].vip_lost &&
		    !addr_cmp(&v->service[i].svc->vip, vip))
			return &v->service[i];
	return NULL;
}

void plan_tell_endpoint(const struct view_endpoint *ve, struct repair_line *l)
{
	char id[ID_TEXT_MAX];

	l->endpoint = ve->ep->id;
	l->network = ve->ep->network;
	if (ve->ep->name[0])
		snprintf(l->name, sizeof(l->name), "endpoint %s on network %s", ve->ep->name,
			 ve->net->display);
	else
		snprintf(l->name, sizeof(l->name), "endpoint %.*s on network %s", ID_SHORT,
			 id_format(&ve->ep->id, id), ve->net->display);
}

static void name_in_network(const struct view *v, const struct whose *w, struct repair_line *l)
{
	const struct view_network *vn = network_of_vni(v, w->vni);
	const struct view_endpoint *ve = endpoint_at(v, vn, &w->addr);
	const struct view_service *vs = service_at(v, vn, &w->addr);
	char addr[ADDR_TEXT_MAX];

	if (vn)
		l->network = vn->net->id;
	if (ve)
		plan_tell_endpoint(ve, l);
	else if (vs)
		snprintf(l->name, sizeof(l->name), "service %s on network %s", vs->display, vn->display);
	else if (!vn)
		snprintf(l->name, sizeof(l->name), "VNI %u, which is no network's", w->vni);
	else if (addr_is_zero(&w->addr))
		snprintf(l->name, sizeof(l->name), "network %s", vn->display);
	else
		snprintf(l->name, sizeof(l->name), "address %s on network %s",
			 addr_format(&w->addr, addr), vn->display);
}

static void name_ifindex(const struct facts *f, uint32_t ifindex, struct repair_line *l)
{
	if (ifindex == f->uplink_ifindex)
		snprintf(l->name, sizeof(l->name), "the uplink");
	else if (ifindex == f->tunnel_ifindex)
		snprintf(l->name, sizeof(l->name), "the tunnel device " OV_TUNNEL_NAME);
	else
		snprintf(l->name, sizeof(l->name), "the device with number %u", ifindex);
}

static void name_node(const struct view *v, const struct ov_addr *addr, struct repair_line *l)
{
	char text[ADDR_TEXT_MAX];

	for (size_t i = 0; i < v->node_count; i++)
		if (!addr_cmp(&v->node[i].node->addr, addr) && !v->node[i].name_lost) {
			snprintf(l->name, sizeof(l->name), "node %s", v->node[i].node->name);
			return;
		}
	snprintf(l->name, sizeof(l->name), "node at %s", addr_format(addr, text));
}

static void name_port(const struct ov_addr *addr, uint16_t port, uint8_t protocol,
		      struct repair_line *l)
{
	const char *word = protocol == IPPROTO_TCP ? "tcp" : protocol == IPPROTO_UDP ? "udp" : "sctp";
	char text[ADDR_TEXT_MAX];

	snprintf(l->name, sizeof(l->name), "published port %s%s%u/%s",
		 addr_is_zero(addr) ? "" : addr_format(addr, text), addr_is_zero(addr) ? "" : ":",
		 ntohs(port), word);
}

/* By the node at its other end; of one to us that is in the value, if there is one. */
static void name_sa(const struct view *v, const struct facts *f, const uint8_t *key,
		    const uint8_t *row, struct repair_line *l)
{
	COPY(struct plan_sa_key, k, key);
	struct plan_sa value = { .src = k.dst };

	if (row)
		memcpy(&value, row + sizeof(k), sizeof(value));
	name_node(v, addr_cmp(&k.dst, &f->vtep) ? &k.dst : &value.src, l);
}

/* Rows that belong to the node, by their keys. */
static void name_of_node(const struct view *v, const struct facts *f, enum plan_table_id table,
			 const uint8_t *key, const uint8_t *row, struct repair_line *l)
{
	char addr[ADDR_TEXT_MAX];

	if (table == PLAN_PEERS) {
		COPY(struct ov_peer_key, k, key);
		name_node(v, &k.vtep, l);
	} else if (table == PLAN_ADDRESSES) {
		COPY(struct ov_address_key, k, key);
		snprintf(l->name, sizeof(l->name), "address %s of this host", addr_format(&k.addr, addr));
	} else if (table == PLAN_LINKS) {
		COPY(struct ov_link_key, k, key);
		name_ifindex(f, k.ifindex, l);
	} else if (table == PLAN_ALLOWED) {
		COPY(struct ov_allowed_key, k, key);
		name_port(&k.addr, k.port, k.protocol, l);
	} else if (table == PLAN_PUBLISHED) {
		COPY(struct ov_published_key, k, key);
		name_port(&k.addr, k.port, k.protocol, l);
	} else if (table == PLAN_SAS) {
		name_sa(v, f, key, row, l);
	} else if (table == PLAN_POLICIES) {
		COPY(struct plan_policy_key, k, key);
		name_node(v, &k.dst, l);
		if (k.lane == PLAN_LANE_BLOCK)
			snprintf(l->name, sizeof(l->name), "encrypted networks");
	} else {
		snprintf(l->name, sizeof(l->name), "this node");
	}
}

void tell_name(const struct view *v, const struct facts *f, enum plan_table_id table,
	       const uint8_t *key, const uint8_t *row, struct repair_line *l)
{
	struct whose w = row ? tell_whose(f, table, row) : (struct whose){ 0 };
	const struct view_endpoint *ve =
		id_is_zero(&w.endpoint) ? NULL : view_endpoint_by_id(v, &w.endpoint);
	char id[ID_TEXT_MAX];

	if (ve)
		plan_tell_endpoint(ve, l);
	else if (!id_is_zero(&w.endpoint))
		snprintf(l->name, sizeof(l->name), "endpoint %.*s, which is none of this node's", ID_SHORT,
			 id_format(&w.endpoint, id));
	else if (w.vni)
		name_in_network(v, &w, l);
	else if (w.ifindex)
		name_ifindex(f, w.ifindex, l);
	else
		name_of_node(v, f, table, key, row, l);
}
