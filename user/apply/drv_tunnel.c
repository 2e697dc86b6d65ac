/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The idle tunnel device: a collect-metadata vxlan device that carries almost
 * nothing. Its socket on the port is what makes GRO look inside our packets,
 * and UDP super-packets travel through it (bpf/README.md).
 *
 * With it come the settings by which the kernel's routing serves our programs: they ask
 * for routes as if packets came in by this device, which is refused unless it forwards;
 * and they put packets for clients of this host into `lo`, with addresses of this host
 * or of 127.0.0.0/8 in them, which are refused there as forged unless it is told so.
 */
#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "drivers.h"
#include "sys/netns.h"
#include "sys/nl.h"

/* The largest IP packet less the outer headers: a smaller MTU would cut GSO packets up early. */
#define TUNNEL_MTU (65535 - 50)

static bool is_right(const struct link_info *l)
{
	return is_tunnel(l) && l->vxlan_external && (l->flags & IFF_UP) && l->mtu == TUNNEL_MTU &&
	       (!l->has_ipv6 || l->addr_gen_mode == IN6_ADDR_GEN_MODE_NONE);
}

/* Of this namespace; loopback has the same name in each. */
static bool is_routing_right(struct nl *nl, const struct link_info *tunnel)
{
	struct link_info lo = { 0 };

	return tunnel->forwarding && !link_get(nl, "lo", &lo) && lo.accept_local &&
	       lo.route_localnet;
}

/* What is of the device goes with it; what is of loopback is put back when all is taken down. */
static int set_routing(struct bpf_objects *bpf, struct err *e)
{
	static const char *const settings[] = {
		"net/ipv4/conf/" OV_TUNNEL_NAME "/forwarding",
		"net/ipv4/conf/lo/accept_local",
		"net/ipv4/conf/lo/route_localnet",
	};

	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		int r = i ? bpf_set_on(bpf, settings[i]) : sysctl_write(settings[i], "1");

		if (r)
			return err_set(e, r, "/proc/sys/%s could not be set to 1 (%s), so published ports and "
				       "ways out of the overlay do not work: mount /proc/sys writable", settings[i],
				       strerror(-r));
	}
	return 0;
}

static int observe(void *ctx, struct plan_table *ret_actual, struct err *e)
{
	struct plan_table t = { .key_size = 4, .value_size = sizeof(struct plan_tunnel) };
	struct plan_tunnel row = { 0 };
	struct link_info l = { 0 };
	struct nl *nl = ((struct tunnel_ctx *)ctx)->nl;
	uint32_t key = 0;
	size_t cap = 0;
	int r = link_get(nl, OV_TUNNEL_NAME, &l);

	if (r && r != -ENODEV)
		return err_set(e, r, "the device %s could not be read: %s", OV_TUNNEL_NAME, nl_why(nl));
	if (!r && (is_tunnel(&l) || is_half_made(&l))) {
		row.port = l.vxlan_port;
		row.pad = (uint16_t)((is_right(&l) ? 0 : PLAN_TUNNEL_DEVICE) |
				     (is_routing_right(nl, &l) ? 0 : PLAN_TUNNEL_ROUTING));
		if (rows_push(&t, &cap, &key, &row))
			return -ENOMEM;
	}
	*ret_actual = t;
	return 0;
}

/* Who else has the port? A vxlan device can be named, a plain socket cannot. */
static int port_taken(struct nl *nl, uint16_t port, int r, struct err *e)
{
	_cleanup_(freep) struct link_info *list = NULL;
	size_t count = 0;

	if (!link_list(nl, &list, &count)) {
		for (size_t i = 0; i < count; i++) {
			if (!strcmp(list[i].kind, "vxlan") && list[i].vxlan_port == port &&
			    strcmp(list[i].name, OV_TUNNEL_NAME))
				return err_set(e, r, "UDP port %u is in use by the vxlan device %s: remove it, "
					       "or start every node with another --vxlan-port", port,
					       list[i].name);
		}
	}
	return err_set(e, r, "UDP port %u is in use by another socket: free it (`ss -lun` shows it), or "
		       "start every node with another --vxlan-port", port);
}

static int mend(struct nl *nl, const struct link_info *l, uint16_t port, struct err *e)
{
	int r = 0;

	if (strcmp(l->alias, TUNNEL_ALIAS))
		r = link_set_alias(nl, l->ifindex, TUNNEL_ALIAS);
	if (!r && l->has_ipv6 && l->addr_gen_mode != IN6_ADDR_GEN_MODE_NONE)
		r = link_no_autoaddress(nl, l->ifindex);
	if (!r && l->mtu != TUNNEL_MTU)
		r = link_set_mtu(nl, l->ifindex, TUNNEL_MTU);
	if (r)
		return err_set(e, r, "the tunnel device %s could not be set up: %s", OV_TUNNEL_NAME,
			       nl_why(nl));
	if (l->flags & IFF_UP)
		return 0;
	r = link_set_up(nl, l->ifindex, true);
	if (r == -EADDRINUSE)
		return port_taken(nl, port, r, e);
	return r ? err_set(e, r, "the tunnel device %s could not be set up: %s", OV_TUNNEL_NAME,
			   nl_why(nl)) : 0;
}

static int create(struct nl *nl, uint16_t port, struct err *e)
{
	struct link_info l = { 0 };
	int r = link_add_vxlan(nl, OV_TUNNEL_NAME, port, TUNNEL_MTU);

	/* EEXIST: the name is free, so it is another external device on the port. */
	if (r == -EEXIST || r == -EADDRINUSE)
		return port_taken(nl, port, -EADDRINUSE, e);
	if (r == -EOPNOTSUPP)
		return err_set(e, r, "this kernel has no vxlan devices: load the module vxlan");
	if (!r)
		r = link_get(nl, OV_TUNNEL_NAME, &l);
	if (r)
		return err_set(e, r, "the tunnel device %s could not be made: %s", OV_TUNNEL_NAME,
			       nl_why(nl));
	r = mend(nl, &l, port, e);
	if (r)
		link_delete(nl, l.ifindex);
	return r;
}

static int put_device(struct nl *nl, uint16_t port, struct err *e)
{
	struct link_info l = { 0 };
	int r = link_get(nl, OV_TUNNEL_NAME, &l);

	if (r == -ENODEV)
		return create(nl, port, e);
	if (r)
		return err_set(e, r, "the device %s could not be read: %s", OV_TUNNEL_NAME, nl_why(nl));
	if (!is_tunnel(&l) && !is_half_made(&l))
		return err_set(e, -EEXIST, "there is a device %s that is not ours: remove or rename it",
			       OV_TUNNEL_NAME);
	if (l.vxlan_external && l.vxlan_port == port)
		return mend(nl, &l, port, e);
	/* The port and the mode of a vxlan device are fixed at birth. */
	r = link_delete(nl, l.ifindex);
	if (r)
		return err_set(e, r, "the tunnel device %s could not be removed: %s", OV_TUNNEL_NAME,
			       nl_why(nl));
	return create(nl, port, e);
}

static int upsert(void *ctx, const uint8_t *key, const uint8_t *value, bool exists, struct err *e)
{
	const struct tunnel_ctx *c = ctx;
	struct plan_tunnel want;
	int r;

	(void)key;
	(void)exists;
	memcpy(&want, value, sizeof(want));
	r = put_device(c->nl, want.port, e);
	return r ? r : set_routing(c->bpf, e); /* without them the device is of use still, and stays */
}

static int remove_row(void *ctx, const uint8_t *key, const uint8_t *value, struct err *e)
{
	struct link_info l = { 0 };
	struct nl *nl = ((struct tunnel_ctx *)ctx)->nl;
	int r = link_get(nl, OV_TUNNEL_NAME, &l);

	(void)key;
	(void)value;
	if (r == -ENODEV || (!r && !is_tunnel(&l) && !is_half_made(&l)))
		return 0;
	if (!r)
		r = link_delete(nl, l.ifindex);
	return r ? err_set(e, r, "the tunnel device %s could not be removed: %s", OV_TUNNEL_NAME,
			   nl_why(nl)) : 0;
}

void tunnel_driver(struct tunnel_ctx *ctx, struct driver *ret_driver)
{
	*ret_driver = (struct driver){
		.name = "tunnel",
		.observe = observe,
		.upsert = upsert,
		.remove = remove_row,
		.ctx = ctx,
	};
}
