/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "plan_shop.h"

struct item *shop_backend(struct world *w, unsigned int number, unsigned int node, const char *at)
{
	struct item *it = world_endpoint(w, number, node, 20, at);

	it->endpoint.service = world_id(SHOP);
	return it;
}

struct item *shop_new(struct world *w)
{
	world_node(w, 1, "host-a", "192.0.2.1");
	world_node(w, 2, "host-b", "192.0.2.2");
	world_network(w, 20, "app-net", "10.10.0.0/24", 4096);
	shop_backend(w, 0x1e0000, 1, "10.10.0.2");
	shop_backend(w, 0x1f0000, 2, "10.10.0.3");
	return world_service(w, SHOP, 20, "shop", "10.10.0.100");
}

const struct facts *shop_host(struct shop_host *h)
{
	struct ov_addr other = world_addr("192.0.2.2");

	*h = (struct shop_host){
		.device = { { .endpoint = world_id(0x1e0000), .ifindex = 7 } },
		.route = { { other, other } },
		.f = { .uplink_ifindex = 2, .uplink_mtu = 1500, .vtep = world_addr("192.0.2.1"),
		       .vxlan_port = 4789, .tunnel_ifindex = 3, .device_count = 1, .route_count = 1 },
	};
	h->f.device = h->device;
	h->f.route = h->route;
	h->f.address = h->address;
	h->f.link = h->link;
	h->f.taken = h->taken;
	h->f.away.id = h->away;
	return &h->f;
}
