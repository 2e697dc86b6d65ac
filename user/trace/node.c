// SPDX-License-Identifier: GPL-2.0-or-later
#include "node.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Numbers that no two devices of a made-up node share. */
enum { UPLINK = 2, TUNNEL = 3, FIRST_DEVICE = 16 };

void far_node_fini(struct far_node *f)
{
	plan_fini(&f->plan);
	free(f->away);
	free(f->device);
	free(f->route);
	free(f->policy);
	memset(f, 0, sizeof(*f));
}

static void fill_away(struct far_node *f, const struct facts *ours)
{
	size_t count = 0;

	for (size_t i = 0; i < ours->away.count; i++)
		if (!id_equal(&ours->away.id[i], &f->node.id))
			f->away[count++] = ours->away.id[i];
	f->facts.away = (struct id_set){ .id = f->away, .count = count };
}

static void fill_devices(struct far_node *f, const struct view *v)
{
	size_t count = 0;

	for (size_t i = 0; i < v->endpoint_count; i++)
		if (id_equal(&v->endpoint[i].ep->node, &f->node.id)) {
			f->device[count] = (struct fact_device){
				.endpoint = v->endpoint[i].ep->id,
				.ifindex = FIRST_DEVICE + (uint32_t)count,
			};
			count++;
		}
	f->facts.device = f->device;
	f->facts.device_count = count;
}

/* Both begin with the address by which they are sorted. */
static int by_address(const void *a, const void *b)
{
	return addr_cmp(a, b);
}
_Static_assert(offsetof(struct fact_route, to) == 0, "sorted by it");
_Static_assert(offsetof(struct ipsec_policy, dst) == 0, "sorted by it");

static void fill_peers(struct far_node *f, const struct view *v)
{
	struct pair pair;

	for (size_t i = 0; i < v->node_count; i++) {
		const struct node *n = v->node[i].node;

		if (id_equal(&n->id, &f->node.id) || addr_is_zero(&n->addr))
			continue;
		f->route[f->facts.route_count++] = (struct fact_route){ n->addr, n->addr };
		if (!view_pair(v, &f->node.id, &n->id, &pair) || !pair.spi_out)
			continue;
		f->policy[f->facts.policy_count++] =
			(struct ipsec_policy){ .dst = n->addr, .spi = pair.spi_out };
	}
	qsort(f->route, f->facts.route_count, sizeof(*f->route), by_address);
	qsort(f->policy, f->facts.policy_count, sizeof(*f->policy), by_address);
	f->facts.route = f->route;
	f->facts.policy = f->policy;
	f->facts.is_ipsec_able = true;
}

static void fill_host(struct far_node *f, const struct facts *ours, const struct node *n)
{
	f->address = (struct fact_address){ n->addr, UPLINK };
	f->link = (struct fact_link){ .ifindex = UPLINK, .addr = n->addr };
	f->facts.uplink_ifindex = UPLINK;
	f->facts.tunnel_ifindex = TUNNEL;
	f->facts.uplink_mtu = n->uplink_mtu;
	f->facts.vtep = n->addr;
	f->facts.vxlan_port = n->vxlan_port ? n->vxlan_port : ours->vxlan_port;
	f->facts.masq_first = ours->masq_first;
	f->facts.masq_last = ours->masq_last;
	f->facts.address = &f->address;
	f->facts.link = &f->link;
	f->facts.address_count = f->facts.link_count = 1;
}

static int take_room(struct far_node *f, const struct view *v, const struct facts *ours)
{
	f->away = calloc(ours->away.count + 1, sizeof(*f->away));
	f->device = calloc(v->endpoint_count + 1, sizeof(*f->device));
	f->route = calloc(v->node_count + 1, sizeof(*f->route));
	f->policy = calloc(v->node_count + 1, sizeof(*f->policy));
	return f->away && f->device && f->route && f->policy ? 0 : -ENOMEM;
}

int far_node_make(const struct view *v, const struct facts *ours, const struct view_node *vn,
		  struct far_node *ret)
{
	int r;

	*ret = (struct far_node){ .node = { .id = vn->node->id, .vtep = vn->node->addr } };
	r = take_room(ret, v, ours);
	if (!r) {
		fill_host(ret, ours, vn->node);
		fill_away(ret, ours);
		fill_devices(ret, v);
		fill_peers(ret, v);
		r = plan_build(v, &ret->facts, &ret->node.id, &ret->plan);
	}
	ret->node.plan = &ret->plan;
	if (r)
		far_node_fini(ret);
	return r;
}
