/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "facts.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "drivers.h"
#include "facts_links.h"
#include "facts_watch.h"
#include "sys/address.h"
#include "sys/ethtool.h"
#include "sys/nl.h"

struct facts_source {
	char uplink[IFNAMSIZ];
	struct nl *nl;
	struct host_watch watch;
	bool lost_ipsec; /* SAs or policies were removed, and facts_lost_ipsec did not say so yet */
	struct fact_device *device;
	struct fact_route *route;
	struct host_links links;
};

int facts_open(const char *uplink, struct facts_source **ret_source, struct err *e)
{
	struct facts_source *s;
	int r;

	if (!*uplink || strlen(uplink) >= sizeof(s->uplink))
		return err_set(e, -EINVAL, "\"%s\" cannot be an interface's name: at most %d characters",
			       uplink, IFNAMSIZ - 1);
	s = calloc(1, sizeof(*s));
	if (!s)
		return err_set(e, -ENOMEM, "out of memory");
	strcpy(s->uplink, uplink);
	r = host_watch_open(&s->watch);
	if (!r)
		r = nl_open(&s->nl);
	if (r) {
		facts_close(s);
		return err_set(e, r, "no netlink socket: %s", strerror(-r));
	}
	*ret_source = s;
	return 0;
}

void facts_close(struct facts_source *s)
{
	if (!s)
		return;
	nl_close(s->nl);
	host_watch_close(&s->watch);
	free(s->device);
	free(s->route);
	host_links_fini(&s->links);
	free(s);
}

/* ---- uplink ---- */

static int get_uplink(struct facts_source *s, struct link_info *ret_link, struct err *e)
{
	struct link_info l = { 0 };
	int r = link_get(s->nl, s->uplink, &l);

	if (r == -ENODEV)
		return err_set(e, r, "there is no interface %s: `ip link` lists them", s->uplink);
	if (r)
		return err_set(e, r, "the interface %s could not be read: %s", s->uplink, nl_why(s->nl));
	*ret_link = l;
	return 0;
}

static int first_address(struct facts_source *s, uint32_t ifindex, struct ov_addr *ret_addr,
			 struct err *e)
{
	_cleanup_(freep) struct address_info *list = NULL;
	size_t count = 0;
	int r = address_list(s->nl, ifindex, LINK_NSID_NONE, &list, &count);

	if (r)
		return err_set(e, r, "the addresses of %s could not be read: %s", s->uplink,
			       nl_why(s->nl));
	for (size_t i = 0; i < count; i++) {
		if (list[i].secondary || list[i].scope != RT_SCOPE_UNIVERSE)
			continue;
		*ret_addr = list[i].addr;
		return 0;
	}
	if (address_has_ipv6(s->nl, ifindex))
		return err_set(e, -EADDRNOTAVAIL, "%s has only IPv6 addresses, and tunnels run over IPv4 so "
			       "far: give it an IPv4 address", s->uplink);
	return err_set(e, -EADDRNOTAVAIL, "%s has no IPv4 address: give it one with `ip addr add`",
		       s->uplink);
}

static uint16_t mtu16(uint32_t mtu)
{
	return mtu > UINT16_MAX ? UINT16_MAX : (uint16_t)mtu;
}

int facts_uplink(struct facts_source *s, struct ov_addr *ret_addr, uint16_t *ret_mtu,
		 uint32_t *ret_ifindex, char driver[32], struct err *e)
{
	struct link_info l;
	struct ov_addr addr;
	int r = get_uplink(s, &l, e);

	if (r)
		return r;
	if (!(l.flags & IFF_UP))
		return err_set(e, -ENETDOWN, "%s is down: run `ip link set %s up`", s->uplink, s->uplink);
	r = first_address(s, l.ifindex, &addr, e);
	if (r)
		return r;
	ethtool_driver(s->uplink, driver);
	*ret_addr = addr;
	*ret_mtu = mtu16(l.mtu);
	*ret_ifindex = l.ifindex;
	return 0;
}

/*
 * Drivers whose native hook runs before an skb is allocated, so that refusing a
 * packet there is cheaper than in tc, and that keep their offloads with a
 * program attached. Not here although they have a native hook:
 *   veth        turns the peer's TSO off and copies every packet into a new
 *               buffer: one TCP stream measured 0.25 of bare veth against 0.90
 *               with tc alone (bpf/README.md)
 *   virtio_net  turns the guest's receive offloads (GRO_HW, TSO) off
 *   ena         needs half of the queues for itself, and an MTU of 3498 at most
 * The ones listed were not measured here: docs of the drivers and Katran's and
 * Cilium's practice speak for them; --xdp off and generic are always there.
 */
static const char *const native_drivers[] = {
	"bnxt_en", "gve", "i40e", "ice", "ixgbe", "ixgbevf", "mlx4_en", "mlx5_core", "nfp", "qede", "sfc",
};

static bool is_native_driver(const char *driver)
{
	for (size_t i = 0; i < ARRAY_SIZE(native_drivers); i++)
		if (!strcmp(driver, native_drivers[i]))
			return true;
	return false;
}

enum ov_xdp_mode facts_xdp_auto(const char *driver, char why[160])
{
	if (is_native_driver(driver)) {
		snprintf(why, 160, "the driver %s refuses packets in its own XDP hook before memory "
			 "is spent on them", driver);
		return OV_XDP_NATIVE;
	}
	if (!strcmp(driver, "veth"))
		snprintf(why, 160, "XDP on veth turns TSO off at the other end and copies every packet: "
			 "a TCP stream falls to a quarter");
	else if (!strcmp(driver, "virtio_net"))
		snprintf(why, 160, "XDP turns the receive offloads of virtio_net off");
	else if (!strcmp(driver, "ena"))
		snprintf(why, 160, "XDP takes half of ena's queues and its jumbo frames");
	else
		snprintf(why, 160, "no gain is known for the driver \"%.40s\"; tc does the same work",
			 *driver ? driver : "unknown");
	return OV_XDP_OFF;
}

/*
 * Of a packet that came over a wire the sum is complete. One that never left the machine
 * may have it still to be made, and no program can tell: veth hands those over as they are,
 * and so does generic mode. virtio_net and ena have the host make them while a program is attached.
 */
bool facts_xdp_sums(const char *driver, enum ov_xdp_mode mode)
{
	return mode == OV_XDP_NATIVE &&
	       (is_native_driver(driver) || !strcmp(driver, "virtio_net") || !strcmp(driver, "ena"));
}

/* ---- what a plan needs ---- */

static int by_endpoint(const void *a, const void *b)
{
	const struct fact_device *x = a, *y = b;

	return id_cmp(&x->endpoint, &y->endpoint);
}

static int by_target(const void *a, const void *b)
{
	const struct fact_route *x = a, *y = b;

	return addr_cmp(&x->to, &y->to);
}

static int pick_devices(struct facts_source *s, const struct link_info *list, size_t count,
			struct facts *f, struct err *e)
{
	struct fact_device *device;
	size_t n = 0;

	device = calloc(count + 1, sizeof(*device));
	if (!device)
		return err_set(e, -ENOMEM, "out of memory");
	f->tunnel_ifindex = 0;
	for (size_t i = 0; i < count; i++) {
		if (is_tunnel(&list[i]) && !strcmp(list[i].name, OV_TUNNEL_NAME))
			f->tunnel_ifindex = list[i].ifindex;
		else if (endpoint_of_link(&list[i], &device[n].endpoint))
			device[n++].ifindex = list[i].ifindex;
	}
	qsort(device, n, sizeof(*device), by_endpoint);
	free(s->device);
	s->device = device;
	f->device = device;
	f->device_count = n;
	return 0;
}

static int pick_links(struct facts_source *s, const struct link_info *list, size_t count,
		      struct facts *f, struct err *e)
{
	struct host_links now = { 0 };
	int r = host_links_read(s->nl, list, count, &now, e);

	if (r)
		return r;
	host_links_fini(&s->links);
	s->links = now;
	f->address = now.address;
	f->address_count = now.address_count;
	f->link = now.link;
	f->link_count = now.link_count;
	return 0;
}

static int read_devices(struct facts_source *s, struct facts *f, struct err *e)
{
	_cleanup_(freep) struct link_info *list = NULL;
	size_t count = 0;
	int r = link_list(s->nl, &list, &count);

	if (r)
		return err_set(e, r, "the devices could not be listed: %s", nl_why(s->nl));
	r = pick_links(s, list, count, f, e);
	return r ? r : pick_devices(s, list, count, f, e);
}

static int read_routes(struct facts_source *s, const struct ov_addr *peers, size_t peer_count,
		       struct facts *f, struct err *e)
{
	struct fact_route *route = calloc(peer_count + 1, sizeof(*route));
	size_t n = 0;

	if (!route)
		return err_set(e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < peer_count; i++) {
		uint32_t ifindex;

		/* No route, or by another interface: our programs cannot send there. */
		if (route_get(s->nl, &peers[i], &ifindex, &route[n].next_hop) ||
		    ifindex != f->uplink_ifindex)
			continue;
		route[n++].to = peers[i];
	}
	qsort(route, n, sizeof(*route), by_target);
	free(s->route);
	s->route = route;
	f->route = route;
	f->route_count = n;
	return 0;
}

int facts_read(struct facts_source *s, const struct ov_addr *peers, size_t peer_count,
	       struct facts *f, struct err *e)
{
	struct link_info l;
	int r = get_uplink(s, &l, e);

	if (r)
		return r;
	f->uplink_ifindex = l.ifindex;
	f->uplink_mtu = mtu16(l.mtu);
	/* Each part is replaced as a whole or stays as it was, with the arrays it points to. */
	r = read_devices(s, f, e);
	return r ? r : read_routes(s, peers, peer_count, f, e);
}

struct reach_list facts_reach(const struct facts_source *s)
{
	return (struct reach_list){ s->links.reach_count, s->links.reach };
}

/* ---- changes ---- */

int facts_fd(const struct facts_source *s)
{
	return s->watch.epoll;
}

bool facts_drain(struct facts_source *s)
{
	return host_watch_drain(&s->watch, &s->lost_ipsec);
}

bool facts_lost_ipsec(struct facts_source *s)
{
	bool lost = s->lost_ipsec;

	s->lost_ipsec = false;
	return lost;
}
