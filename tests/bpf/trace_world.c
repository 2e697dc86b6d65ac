// SPDX-License-Identifier: GPL-2.0-or-later
#include "trace_world.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/made_world.h"
#include "trace/trace.h"

struct tw_node {
	struct trace_node n;
	struct plan plan;
	struct facts f;
	struct fact_device device[TW_DEVICES];
	struct fact_route route[TW_NODES];
	struct fact_address address;
	struct fact_link link;
	struct ipsec_policy policy[TW_NODES];
	struct id away[TW_NODES];
};

struct tw {
	struct tw_host host;
	struct rng *rng;
	struct world world;
	struct view view;
	struct tw_node node[TW_NODES];
	int now; /* whose rows are in the maps; -1: nobody's */
};

enum tw_map {
#define X(name, ...) MAP_##name,
	OV_MAPS(X)
#undef X
};

#define BLUE 100u
#define RED 200u
#define ID(kind, i) (((kind) << 24) + ((unsigned int)(i) << 16))
enum { NODE_KIND = 1, NETWORK_KIND, ENDPOINT_KIND, SERVICE_KIND, POLICY_KIND };

static bool once_in(struct tw *tw, uint32_t n)
{
	return rng_below(tw->rng, n) == 0;
}

static struct ov_addr vtep_of(uint32_t node)
{
	return addr_from_v4(0xc0000201 + node);
}

/* ---- what is in the state ---- */

static void make_networks(struct tw *tw)
{
	struct network *blue = &world_network(&tw->world, ID(NETWORK_KIND, 0), "blue",
					      "10.10.0.0/24", BLUE)->network;
	struct network *red = &world_network(&tw->world, ID(NETWORK_KIND, 1), "red",
					     "10.10.0.0/24", RED)->network;

	blue->internal = once_in(tw, 4);
	red->policy_deny = once_in(tw, 4);
	blue->policy_audit = once_in(tw, 6);
	red->encrypted = once_in(tw, 2);
	if (once_in(tw, 3))
		red->mtu = 576;
}

static void publish_some(struct tw *tw, int i, struct service *s, struct service_detail *d)
{
	struct publish *p = &d->publish[0];

	if (once_in(tw, 3))
		return;
	s->publish_count = 1;
	p->mode = once_in(tw, 3) ? PUBLISH_HOST : PUBLISH_INGRESS;
	p->protocol = once_in(tw, 3) ? IPPROTO_UDP : IPPROTO_TCP;
	p->published = (uint16_t)(30080 + i);
	p->target = 8080;
	if (once_in(tw, 4))
		p->addr = vtep_of(rng_below(tw->rng, TW_NODES));
	if (once_in(tw, 3)) {
		p->allow_count = 1;
		cr_assert_eq(prefix_parse("198.51.100.0/25", &p->allow[0]), 0);
	}
}

static void make_service(struct tw *tw, int i)
{
	unsigned int network = ID(NETWORK_KIND, i % 2);
	bool is_vip = !once_in(tw, 5);
	char name[16], vip[32];

	snprintf(name, sizeof(name), "svc%d", i);
	snprintf(vip, sizeof(vip), "10.10.0.%d", 100 + i);

	struct item *it = world_service(&tw->world, ID(SERVICE_KIND, i), network, name,
					is_vip ? vip : NULL);
	struct service *s = &it->service;
	struct service_detail d = { 0 };

	s->algorithm = once_in(tw, 2) ? OV_LB_MAGLEV : (uint8_t)rng_below(tw->rng, OV_LB_COUNT);
	s->affinity_s = once_in(tw, 5) ? 60 : 0;
	s->prefer_local = once_in(tw, 4);
	s->dsr = once_in(tw, 3);
	if (is_vip && once_in(tw, 2)) {
		d.port_count = 2;
		d.port[0] = (struct service_port){ 80, 8080, IPPROTO_TCP };
		d.port[1] = (struct service_port){ 53, 53, IPPROTO_UDP };
	}
	publish_some(tw, i, s, &d);
	world_service_detail(it, &d);
}

static void make_endpoint(struct tw *tw, int i)
{
	unsigned int network = rng_below(tw->rng, 2);
	char addr[32];

	snprintf(addr, sizeof(addr), "10.10.0.%d", 2 + i);

	struct endpoint *ep = &world_endpoint(&tw->world, ID(ENDPOINT_KIND, i),
					      ID(NODE_KIND, rng_below(tw->rng, TW_NODES)),
					      ID(NETWORK_KIND, network), addr)->endpoint;

	snprintf(ep->name, sizeof(ep->name), "ep%d", i);
	ep->draining = once_in(tw, 6);
	ep->weight = (uint16_t)(1 + rng_below(tw->rng, 3));
	if (once_in(tw, 10)) /* of a service of the other network it is none's */
		network ^= 1;
	if (!once_in(tw, 4))
		ep->service = world_id(ID(SERVICE_KIND, 2 * rng_below(tw->rng, 2) + network));
}

/* Some services, some addresses (ours and outside), anybody. */
static const char *any_selector(struct tw *tw, char out[32])
{
	static const char *const fixed[] = { "any", "cidr=10.10.0.0/29", "cidr=10.10.0.8/29",
					     "cidr=198.51.100.0/26", "cidr=192.0.2.0/30" };

	if (once_in(tw, 2))
		return fixed[rng_below(tw->rng, 5)];
	snprintf(out, 32, "service=%u", ID(SERVICE_KIND, rng_below(tw->rng, TW_SERVICES)));
	return out;
}

static void make_policy(struct tw *tw)
{
	for (unsigned int i = 0; i < rng_below(tw->rng, 5); i++) {
		char from[32], to[32];
		struct item *it = world_policy(&tw->world, ID(POLICY_KIND, i),
					       ID(NETWORK_KIND, rng_below(tw->rng, 2)),
					       once_in(tw, 2), any_selector(tw, from),
					       any_selector(tw, to));

		if (once_in(tw, 2))
			world_policy_port(it, once_in(tw, 2) ? IPPROTO_TCP : IPPROTO_UDP,
					  once_in(tw, 2) ? 8080 : 50, 8081);
	}
}

static void make_state(struct tw *tw)
{
	char name[16], addr[32];

	for (int i = 0; i < TW_NODES; i++) {
		snprintf(name, sizeof(name), "host-%d", i);
		snprintf(addr, sizeof(addr), "192.0.2.%d", 1 + i);
		world_node(&tw->world, ID(NODE_KIND, i), name, addr);
	}
	make_networks(tw);
	for (int i = 0; i < TW_SERVICES; i++)
		make_service(tw, i);
	for (int i = 0; i < TW_ENDPOINTS; i++)
		make_endpoint(tw, i);
	if (once_in(tw, 2))
		make_policy(tw);
	tw->view = world_view(&tw->world);
}

/* ---- what a node knows of its host ---- */

static void find_devices(struct tw *tw, struct tw_node *n)
{
	for (size_t i = 0; i < tw->view.endpoint_count; i++) {
		const struct endpoint *ep = tw->view.endpoint[i].ep;
		size_t at = n->f.device_count;

		if (!id_equal(&ep->node, &n->n.id) || at == TW_DEVICES || once_in(tw, 20))
			continue;
		n->device[at] = (struct fact_device){ ep->id, tw->host.device[at] };
		n->f.device_count++;
	}
}

static void find_peers(struct tw *tw, struct tw_node *n)
{
	for (int i = 0; i < TW_NODES; i++) {
		struct ov_addr to = vtep_of((uint32_t)i);

		if (!addr_cmp(&to, &n->n.vtep))
			continue;
		if (!once_in(tw, 12))
			n->route[n->f.route_count++] = (struct fact_route){ to, to };
		if (!once_in(tw, 4))
			n->policy[n->f.policy_count++] = (struct ipsec_policy){ to, 4096 };
		if (once_in(tw, 12))
			n->away[n->f.away.count++] = world_id(ID(NODE_KIND, i));
	}
}

static void make_plan(struct tw *tw, struct tw_node *n, int i)
{
	n->n = (struct trace_node){ .id = world_id(ID(NODE_KIND, i)),
				    .vtep = vtep_of((uint32_t)i), .plan = &n->plan,
				    .is_self = i == 0 };
	n->address = (struct fact_address){ n->n.vtep, tw->host.uplink_ifindex };
	n->link = (struct fact_link){ tw->host.uplink_ifindex, n->n.vtep, false };
	n->f = (struct facts){
		.uplink_ifindex = tw->host.uplink_ifindex, .uplink_mtu = 1500, .vtep = n->n.vtep,
		.vxlan_port = 4789, .tunnel_ifindex = tw->host.tunnel_ifindex,
		.away = { .id = n->away }, .device = n->device, .route = n->route,
		.address = &n->address, .link = &n->link, .address_count = 1, .link_count = 1,
		.masq_first = OV_MASQ_FIRST, .masq_last = OV_MASQ_LAST, .is_ipsec_able = true,
		.policy = n->policy,
	};
	find_devices(tw, n);
	find_peers(tw, n);
	cr_assert_eq(plan_build(&tw->view, &n->f, &n->n.id, &n->plan), 0);
}

/* ---- a plan that is late ---- */

static uint8_t *any_row(struct tw *tw, struct plan_table *t, size_t *ret_index)
{
	*ret_index = t->count ? rng_below(tw->rng, (uint32_t)t->count) : 0;
	return t->count ? t->rows + *ret_index * (t->key_size + t->value_size) : NULL;
}

static void lose_row(struct tw *tw, struct plan_table *t)
{
	size_t size = t->key_size + t->value_size, i;
	uint8_t *row = any_row(tw, t, &i);

	if (row)
		memmove(row, row + size, (--t->count - i) * size);
}

static void change_endpoint(struct tw *tw, struct plan_table *t)
{
	size_t i;
	uint8_t *row = any_row(tw, t, &i);
	struct ov_endpoint *ep = (void *)(row + t->key_size);

	if (!row)
		return;
	switch (rng_below(tw->rng, 5)) {
	case 0:
		ep->vtep = vtep_of(rng_below(tw->rng, TW_NODES));
		break;
	case 1:
		ep->mac[5] ^= 1;
		break;
	case 2:
		ep->flags ^= OV_ENDPOINT_ENCRYPTED;
		break;
	case 3:
		ep->flags ^= ep->flags & OV_ENDPOINT_PUBLISHED;
		break;
	default:
		ep->incarnation++;
	}
}

static void bend(struct tw *tw, struct plan *p)
{
	static const enum plan_table_id losing[] = { PLAN_NETWORKS, PLAN_PEERS, PLAN_MAP_DEVICES,
						     PLAN_ENDPOINTS, PLAN_SERVICES,
						     PLAN_ADDRESSES, PLAN_PUBLISHED,
						     PLAN_POLICY_SETS, PLAN_POLICY_RULES };

	for (int i = 0; i < 3; i++)
		if (once_in(tw, 4))
			lose_row(tw, &p->table[losing[rng_below(tw->rng, 9)]]);
	for (int i = 0; i < 4; i++)
		if (once_in(tw, 3))
			change_endpoint(tw, &p->table[PLAN_ENDPOINTS]);
}

struct tw *tw_make(const struct tw_host *host, struct rng *rng)
{
	struct tw *tw = calloc(1, sizeof(*tw));

	cr_assert(tw);
	tw->host = *host;
	tw->rng = rng;
	tw->now = -1;
	make_state(tw);
	for (int i = 0; i < TW_NODES; i++)
		make_plan(tw, &tw->node[i], i);
	if (once_in(tw, 2))
		for (int i = 0; i < TW_NODES; i++)
			bend(tw, &tw->node[i].plan);
	return tw;
}

void tw_free(struct tw *tw)
{
	for (int i = 0; i < TW_NODES; i++)
		plan_fini(&tw->node[i].plan);
	view_fini(&tw->view);
	world_fini(&tw->world);
	free(tw);
}

int tw_at(const struct ov_addr *vtep)
{
	uint32_t node = addr_v4(vtep) - 0xc0000201;

	return node < TW_NODES ? (int)node : -1;
}

bool tw_sender(struct tw *tw, int node, struct tw_sender *ret)
{
	const struct tw_node *n = &tw->node[node];
	const struct view_endpoint *ve;
	size_t i;

	if (!n->f.device_count)
		return false;
	i = rng_below(tw->rng, (uint32_t)n->f.device_count);
	ve = view_endpoint_by_id(&tw->view, &n->device[i].endpoint);
	*ret = (struct tw_sender){ .vni = ve->net->net->vni, .ifindex = n->device[i].ifindex,
				   .addr = ve->ep->addr };
	memcpy(ret->mac, ve->ep->mac, sizeof(ret->mac));
	return true;
}

void tw_mac(const struct tw *tw, int node, uint32_t vni, const struct ov_addr *a, uint8_t ret[6])
{
	const struct plan_table *t = &tw->node[node].plan.table[PLAN_ENDPOINTS];
	struct ov_endpoint_key key = { .addr = *a, .vni = vni };

	mac_from_addr(a, ret);
	for (size_t i = 0; i < t->count; i++)
		if (!memcmp(plan_row(t, i), &key, sizeof(key)))
			memcpy(ret, ((const struct ov_endpoint *)(plan_row(t, i) + sizeof(key)))->mac, 6);
}

/* ---- as trace has it ---- */

static void look(struct tw *tw, int node, struct trace *t)
{
	t->view = &tw->view;
	t->away = &tw->node[node].f.away;
}

void tw_trace_endpoint(struct tw *tw, int node, struct trace *t, const struct trace_packet *p,
		       struct trace_hop *hop)
{
	look(tw, node, t);
	trace_endpoint(t, &tw->node[node].n, p, hop);
}

void tw_trace_front(struct tw *tw, int node, struct trace *t, const struct trace_packet *p,
		    bool is_loop, struct trace_hop *hop)
{
	look(tw, node, t);
	trace_front(t, &tw->node[node].n, p, is_loop, hop);
}

void tw_trace_uplink(struct tw *tw, int node, struct trace *t, const struct trace_hop *hop)
{
	look(tw, node, t);
	trace_uplink(t, &tw->node[node].n, hop);
}

/* ---- into the maps ---- */

static void empty(int fd)
{
	uint8_t key[64];

	while (bpf_map_get_next_key(fd, NULL, key) == 0)
		cr_assert_eq(bpf_map_delete_elem(fd, key), 0);
}

static void load(struct tw *tw, enum tw_map map, const struct plan_table *t)
{
	if (map != MAP_config)
		empty(tw->host.map[map]);
	for (size_t i = 0; i < t->count; i++) {
		const uint8_t *row = plan_row(t, i);

		cr_assert_eq(bpf_map_update_elem(tw->host.map[map], row, row + t->key_size,
						 BPF_ANY), 0);
	}
}

void tw_become(struct tw *tw, int node)
{
	static const struct {
		enum plan_table_id table;
		enum tw_map map;
	} pairs[] = {
		{ PLAN_CONFIG, MAP_config }, { PLAN_NETWORKS, MAP_networks },
		{ PLAN_POLICY_RULES, MAP_policy_rules },
		{ PLAN_POLICY_SUBJECTS, MAP_policy_subjects },
		{ PLAN_POLICY_SETS, MAP_policy }, { PLAN_PEERS, MAP_peers }, { PLAN_MAP_DEVICES, MAP_devices },
		{ PLAN_ENDPOINTS, MAP_endpoints }, { PLAN_BACKENDS, MAP_backends },
		{ PLAN_CHOICES, MAP_choices }, { PLAN_SERVICES, MAP_services },
		{ PLAN_ADDRESSES, MAP_addresses }, { PLAN_LINKS, MAP_links },
		{ PLAN_ALLOWED, MAP_allowed }, { PLAN_PUBLISHED, MAP_published },
	};

	if (tw->now == node)
		return;
	tw->now = node;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		load(tw, pairs[i].map, &tw->node[node].plan.table[pairs[i].table]);
}
