/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads endpoint devices back. What is found wrong marks the row (`pad`, or a zero
 * gateway), which makes it differ from the plan's and be mended in place.
 */
#include <linux/if_link.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "device.h"
#include "sys/address.h"
#include "sys/netns.h"
#include "sys/nl.h"

/* The namespace whose routes were looked at last: endpoints of one come together. */
struct visited {
	uint64_t dev, ino;
	struct routes routes;
};

static int visit_to_look(void *arg)
{
	_cleanup_(nl_closep) struct nl *nl = NULL;
	int r = nl_open(&nl);

	return r ? r : routes_look(nl, arg);
}

static void read_routes(struct visited *v, int netns, uint32_t ifindex, struct plan_device *row)
{
	if (v->dev != row->netns_dev || v->ino != row->netns_ino) {
		routes_fini(&v->routes);
		v->ino = 0;
		if (netns_run(netns, visit_to_look, &v->routes))
			return;
		v->dev = row->netns_dev;
		v->ino = row->netns_ino;
	}
	routes_read(&v->routes, ifindex, row);
}

static void read_address(struct nl *nl, uint32_t ifindex, int32_t nsid, struct plan_device *row)
{
	_cleanup_(freep) struct address_info *list = NULL;
	size_t count = 0;

	if (address_list(nl, ifindex, nsid, &list, &count) || !count)
		return;
	row->addr = list[0].addr;
	row->prefix_len = list[0].prefix_len;
}

static bool is_right_inside(const struct link_info *peer)
{
	return (peer->flags & IFF_UP) && (!peer->has_ipv6 || peer->ipv6_disabled);
}

/* What the container holds, as far as it can be seen from here; what cannot stays zero. */
static void read_inside(struct nl *nl, const struct link_info *l, struct plan_device *row)
{
	struct link_info peer = { 0 }, lo = { 0 };

	if (l->peer_nsid == LINK_NSID_NONE ||
	    link_get_index(nl, l->peer_ifindex, l->peer_nsid, &peer))
		return;
	memcpy(row->ifname, peer.name, sizeof(row->ifname));
	memcpy(row->mac, peer.mac, sizeof(row->mac));
	row->mtu = peer.mtu > UINT16_MAX ? UINT16_MAX : (uint16_t)peer.mtu;
	read_address(nl, l->peer_ifindex, l->peer_nsid, row);
	if (is_right_inside(&peer) && !link_get_index(nl, LOOPBACK_IFINDEX, l->peer_nsid, &lo) &&
	    (lo.flags & IFF_UP))
		row->pad = 0;
}

static bool is_right_outside(const struct link_info *l)
{
	return l->mtu == HOST_MTU &&
	       (!l->has_ipv6 || l->addr_gen_mode == IN6_ADDR_GEN_MODE_NONE);
}

/* False when the device is none of ours. */
static bool read_device(struct nl *nl, const struct link_info *l, struct visited *visited,
			struct plan_device_key *ret_key, struct plan_device *ret_row)
{
	struct plan_device row = { .pad = PLAN_DEVICE_INSIDE };
	_cleanup_(closep) int netns = -1;
	const char *rest = "";

	memset(ret_key, 0, sizeof(*ret_key));
	if (is_half_made(l)) {
		if (!device_parse_name(l->name, &ret_key->endpoint))
			return false;
	} else if (strcmp(l->kind, "veth") || !device_parse_alias(l->alias, &ret_key->endpoint, &rest)) {
		return false;
	}
	memcpy(row.name, l->name, sizeof(row.name));
	device_netns(nl, l, rest, &row, &netns);
	read_inside(nl, l, &row);
	if (netns >= 0)
		read_routes(visited, netns, l->peer_ifindex, &row);
	if (!is_right_outside(l))
		row.pad |= PLAN_DEVICE_OUTSIDE;
	*ret_row = row;
	return true;
}

int device_observe(void *ctx, struct plan_table *ret_actual, struct err *e)
{
	struct plan_table t = { .key_size = sizeof(struct plan_device_key),
				.value_size = sizeof(struct plan_device) };
	_cleanup_(freep) struct link_info *list = NULL;
	struct visited visited = { 0 };
	struct nl *nl = ctx;
	size_t count = 0, cap = 0;
	int r = link_list(nl, &list, &count);

	if (r)
		return err_set(e, r, "the devices could not be listed: %s", nl_why(nl));
	for (size_t i = 0; i < count && !r; i++) {
		struct plan_device_key key;
		struct plan_device row;

		if (read_device(nl, &list[i], &visited, &key, &row))
			r = rows_push(&t, &cap, &key, &row);
	}
	routes_fini(&visited.routes);
	if (r) {
		free(t.rows);
		return r;
	}
	rows_sort(&t);
	*ret_actual = t;
	return 0;
}
