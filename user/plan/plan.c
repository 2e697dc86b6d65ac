/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "plan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "build.h"
#include "table.h"

static const uint32_t only_key; /* of tables with one row */

static void build_fini(struct build *b)
{
	free(b->is_peer);
	free(b->vip);
	free(b->balance);
	free(b->backend);
	free(b->has_policy);
	policy_book_fini(&b->policy);
	plan_fini(&b->plan);
}

void plan_device_name(const struct id *endpoint, char out[16])
{
	char hex[ID_TEXT_MAX];

	memset(out, 0, 16);
	memcpy(out, OV_DEVICE_PREFIX, sizeof(OV_DEVICE_PREFIX) - 1);
	memcpy(out + sizeof(OV_DEVICE_PREFIX) - 1, id_format(endpoint, hex), OV_DEVICE_DIGITS);
}
_Static_assert(sizeof(OV_DEVICE_PREFIX) - 1 + OV_DEVICE_DIGITS <= IFNAME_MAX_LEN,
	       "a device name fits IFNAMSIZ");

uint32_t build_device(const struct build *b, const struct id *endpoint)
{
	const struct facts *f = b->f;
	size_t low = 0, high = f->device_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (id_cmp(&f->device[mid].endpoint, endpoint) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == f->device_count || !id_equal(&f->device[low].endpoint, endpoint))
		return 0;
	/* An alias can be forged by root; it never makes an endpoint of our own devices. */
	if (f->device[low].ifindex == f->uplink_ifindex ||
	    f->device[low].ifindex == f->tunnel_ifindex)
		return 0;
	return f->device[low].ifindex;
}

static const struct fact_route *find_route(const struct facts *f, const struct ov_addr *to)
{
	size_t low = 0, high = f->route_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int diff = addr_cmp(&f->route[mid].to, to);

		if (!diff)
			return &f->route[mid];
		if (diff < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static void add_tunnel(struct build *b)
{
	struct plan_tunnel t = { .port = b->f->vxlan_port };

	table_add(build_table(b, PLAN_TUNNEL), &only_key, &t);
}

static void add_config(struct build *b)
{
	struct ov_config c;

	memset(&c, 0, sizeof(c));
	c.vtep = b->f->vtep;
	c.uplink_ifindex = b->f->uplink_ifindex;
	c.tunnel_ifindex = b->f->tunnel_ifindex;
	c.vxlan_port = htons(b->f->vxlan_port);
	c.masq_first = b->f->masq_first;
	c.masq_last = b->f->masq_last;
	if (c.uplink_ifindex && c.tunnel_ifindex && !addr_is_zero(&c.vtep))
		c.flags = OV_CONFIG_READY | (b->f->xdp_sums ? OV_CONFIG_XDP_ENTRY : 0) |
			  (b->f->watch.flags ? OV_CONFIG_WATCHED : 0);
	table_add(build_table(b, PLAN_CONFIG), &only_key, &c);
}

static void add_watch(struct build *b)
{
	if (b->f->watch.flags)
		table_add(build_table(b, PLAN_WATCH), &only_key, &b->f->watch);
}

static void add_network(struct build *b, const struct network *n)
{
	struct ov_network_key key = { .vni = n->vni };
	struct ov_network value;

	memset(&value, 0, sizeof(value));
	value.gateway = n->gateway;
	mac_from_addr(&n->gateway, value.gateway_mac);
	value.mtu = view_network_mtu(b->v, n);
	value.flags = (n->encrypted ? OV_NETWORK_ENCRYPTED : 0) |
		      (n->internal ? OV_NETWORK_INTERNAL : 0);
	value.prefix_len = n->subnet.len;
	table_add(build_table(b, PLAN_NETWORKS), &key, &value);
}

/* A node that cannot be reached, or that claims our own address, is no peer. */
static void add_peer(struct build *b, size_t index)
{
	const struct view_node *n = &b->v->node[index];
	struct ov_peer_key key = { .vtep = n->node->addr };
	const struct fact_route *route = find_route(b->f, &n->node->addr);
	struct ov_peer value;

	if (n->name_lost || id_equal(&n->node->id, b->self) || !route ||
	    addr_is_zero(&n->node->addr) || !addr_cmp(&n->node->addr, &b->f->vtep))
		return;
	memset(&value, 0, sizeof(value));
	value.next_hop = route->next_hop;
	value.flags = ipsec_has_policy(b, &key.vtep) ? OV_PEER_ENCRYPTED : 0;
	table_add(build_table(b, PLAN_PEERS), &key, &value);
	b->is_peer[index] = true;
}

bool build_is_local(const struct build *b, const struct view_endpoint *ve)
{
	return id_equal(&ve->ep->node, b->self);
}

const struct view_node *build_peer(const struct build *b, const struct view_endpoint *ve)
{
	const struct view_node *n = view_node_by_id(b->v, &ve->ep->node);

	return n && b->is_peer[n - b->v->node] ? n : NULL;
}

bool build_has_claims(const struct view_endpoint *ve)
{
	return !ve->addr_lost && !ve->net->vni_lost && !addr_is_zero(&ve->ep->addr);
}

/* An internal network leads nowhere, but for answers to clients of a published port. */
static struct ov_addr gateway_of(const struct build *b, const struct view_endpoint *ve)
{
	const struct network *net = ve->net->net;
	struct ov_addr service, none = { 0 };

	if (net->internal && !(service_flags(b, ve, &service) & OV_ENDPOINT_PUBLISHED))
		return none;
	return net->gateway;
}

static void add_device(struct build *b, const struct view_endpoint *ve)
{
	const struct endpoint *ep = ve->ep;
	struct plan_device_key key = { .endpoint = ep->id };
	struct plan_device value;
	struct endpoint_detail detail;

	endpoint_detail_decode(ve->item, &detail);
	memset(&value, 0, sizeof(value));
	plan_device_name(&ep->id, value.name);
	strcpy(value.ifname, ep->ifname);
	strcpy(value.netns, detail.netns);
	value.netns_dev = ep->netns_dev;
	value.netns_ino = ep->netns_ino;
	value.addr = ep->addr;
	value.gateway = gateway_of(b, ve);
	value.internal = ve->net->net->internal && !addr_is_zero(&value.gateway);
	value.prefix_len = ve->net->net->subnet.len;
	memcpy(value.mac, ep->mac, sizeof(value.mac));
	value.mtu = view_network_mtu(b->v, ve->net->net);
	table_add(build_table(b, PLAN_DEVICES), &key, &value);
}

static void add_map_device(struct build *b, const struct view_endpoint *ve, uint32_t ifindex)
{
	struct ov_device_key key = { .ifindex = ifindex };
	struct ov_device value;

	memset(&value, 0, sizeof(value));
	value.addr = ve->ep->addr;
	value.vni = ve->net->net->vni;
	memcpy(value.mac, ve->ep->mac, sizeof(value.mac));
	value.mtu = view_network_mtu(b->v, ve->net->net);
	value.incarnation = service_incarnation(&ve->ep->id);
	value.flags = service_flags(b, ve, &value.service) &
		      (OV_ENDPOINT_BACKEND | OV_ENDPOINT_PUBLISHED | OV_ENDPOINT_ENCRYPTED |
		       OV_ENDPOINT_POLICY);
	table_add(build_table(b, PLAN_MAP_DEVICES), &key, &value);
}

static void add_endpoint(struct build *b, const struct view_endpoint *ve, uint32_t ifindex,
			 const struct ov_addr *vtep)
{
	struct ov_endpoint_key key = { .addr = ve->ep->addr, .vni = ve->net->net->vni };
	struct ov_endpoint value;

	memset(&value, 0, sizeof(value));
	value.vtep = *vtep;
	value.ifindex = ifindex;
	value.incarnation = service_incarnation(&ve->ep->id);
	memcpy(value.mac, ve->ep->mac, sizeof(value.mac));
	value.flags = service_flags(b, ve, &value.service);
	table_add(build_table(b, PLAN_ENDPOINTS), &key, &value);
}

static void add_attach(struct build *b, uint32_t ifindex, enum plan_hook hook,
		       enum plan_program program)
{
	struct plan_attach_key key = { .ifindex = ifindex, .hook = hook };
	struct plan_attach value = { .program = program,
				     .xdp_mode = hook == HOOK_XDP ? b->f->xdp_mode : 0 };

	if (ifindex)
		table_add(build_table(b, PLAN_ATTACH), &key, &value);
}

/*
 * On every other device that the outside may come by, whether or not a port is published
 * now: answers to containers come by them, flows outlive the publish they began by, and a
 * program put on only when needed is there a grace period (14 ms a device) late. What it
 * costs a device that carries nothing of ours is one look-up a packet.
 */
static void add_fronts(struct build *b)
{
	const struct facts *f = b->f;

	for (size_t i = 0; i < f->link_count; i++)
		if (f->link[i].ifindex != f->uplink_ifindex &&
		    f->link[i].ifindex != f->tunnel_ifindex)
			add_attach(b, f->link[i].ifindex, HOOK_TC_INGRESS, PROGRAM_FRONT);
}

static void add_local(struct build *b, const struct view_endpoint *ve)
{
	uint32_t ifindex = build_device(b, &ve->ep->id);

	add_device(b, ve);
	if (!ifindex)
		return;
	add_map_device(b, ve, ifindex);
	add_endpoint(b, ve, ifindex, &b->f->vtep);
	add_attach(b, ifindex, HOOK_TC_INGRESS, PROGRAM_ENDPOINT);
}

static void add_remote(struct build *b, const struct view_endpoint *ve)
{
	const struct view_node *n = build_peer(b, ve);

	if (n)
		add_endpoint(b, ve, 0, &n->node->addr);
}

static int reserve(struct build *b)
{
	const struct view *v = b->v;
	size_t local = 0;
	int err = 0;

	for (size_t i = 0; i < v->endpoint_count; i++)
		local += build_is_local(b, &v->endpoint[i]);
	const size_t max[PLAN_TABLE_COUNT] = {
		[PLAN_TUNNEL] = 1,
		[PLAN_DEVICES] = local,
		[PLAN_SAS] = b->f->sa_count,
		[PLAN_POLICIES] = b->f->policy_count * OV_SA_LANES + 1, /* that which blocks */
		[PLAN_CONFIG] = 1,
		[PLAN_WATCH] = 1,
		[PLAN_NETWORKS] = v->network_count,
		[PLAN_PEERS] = v->node_count,
		[PLAN_MAP_DEVICES] = local,
		[PLAN_ENDPOINTS] = v->endpoint_count + v->service_count,
		[PLAN_ADDRESSES] = b->f->address_count,
		[PLAN_LINKS] = b->f->link_count,
		[PLAN_ATTACH] = local + 3 + b->f->link_count, /* uplink TC and XDP, tunnel */
	};
	for (int i = 0; i < PLAN_TABLE_COUNT && !err; i++)
		err = table_reserve(&b->plan.table[i], max[i]);
	b->is_peer = calloc(v->node_count + 1, sizeof(*b->is_peer));
	if (!err)
		err = services_init(b);
	if (!err)
		err = policies_init(b);
	publish_init(b);
	return b->is_peer ? err : -ENOMEM;
}

static int fill(struct build *b)
{
	const struct view *v = b->v;

	add_tunnel(b);
	ipsec_add(b);
	add_config(b);
	policies_add(b);
	add_watch(b);
	for (size_t i = 0; i < v->network_count; i++)
		if (!v->network[i].vni_lost)
			add_network(b, v->network[i].net);
	for (size_t i = 0; i < v->node_count; i++)
		add_peer(b, i);
	for (size_t i = 0; i < v->endpoint_count; i++) {
		if (!build_has_claims(&v->endpoint[i]))
			continue;
		if (build_is_local(b, &v->endpoint[i]))
			add_local(b, &v->endpoint[i]);
		else
			add_remote(b, &v->endpoint[i]);
	}
	add_attach(b, b->f->uplink_ifindex, HOOK_TC_INGRESS, PROGRAM_UPLINK);
	add_attach(b, b->f->tunnel_ifindex, HOOK_TC_INGRESS, PROGRAM_TUNNEL);
	if (b->f->xdp_mode != OV_XDP_OFF)
		add_attach(b, b->f->uplink_ifindex, HOOK_XDP, b->f->xdp_mode == OV_XDP_GENERIC ?
			   PROGRAM_UPLINK_GENERIC : PROGRAM_UPLINK_XDP);
	add_fronts(b);
	publish_add_host(b);
	return services_add(b);
}

int plan_build(const struct view *v, const struct facts *f, const struct id *self,
	       struct plan *ret_plan)
{
	_cleanup_(build_fini) struct build b = { .v = v, .f = f, .self = self };

	tables_init(&b.plan);
	if (reserve(&b) || fill(&b))
		return -ENOMEM;
	for (int i = 0; i < PLAN_TABLE_COUNT; i++)
		table_sort(&b.plan.table[i]);
	*ret_plan = b.plan;
	memset(&b.plan, 0, sizeof(b.plan));
	return 0;
}
