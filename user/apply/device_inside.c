/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The side of an endpoint's device that is in the container. */
#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "device.h"
#include "sys/address.h"
#include "sys/netns.h"
#include "sys/nl.h"

static int fix_address(struct nl *nl, uint32_t ifindex, const struct plan_device *want)
{
	_cleanup_(freep) struct address_info *list = NULL;
	size_t count = 0;
	int r = address_list(nl, ifindex, LINK_NSID_NONE, &list, &count);

	if (r)
		return r;
	for (size_t i = 0; i < count; i++)
		if (!addr_cmp(&list[i].addr, &want->addr) && list[i].prefix_len == want->prefix_len)
			return 0; /* what somebody added beside it is not our business */
	for (size_t i = 0; i < count; i++) {
		r = address_delete(nl, ifindex, &list[i].addr, list[i].prefix_len);
		if (r && r != -EADDRNOTAVAIL) /* a secondary goes with its primary */
			return r;
	}
	return address_add(nl, ifindex, &want->addr, want->prefix_len);
}

/*
 * Best effort: a container may have no IPv6, or a read-only /proc/sys; the
 * interface makes itself no address either way (link_no_autoaddress).
 */
static void disable_ipv6(const char *ifname)
{
	char path[80];

	snprintf(path, sizeof(path), "net/ipv6/conf/%s/disable_ipv6", ifname);
	sysctl_write(path, "1");
}

/* Changes what differs and nothing else. Runs in the container's namespace. */
static int fix_inside(struct nl *nl, const struct plan_device *want)
{
	struct link_info l = { 0 }, lo = { 0 };
	int r = link_get(nl, want->ifname, &l);

	/* First of all the MTU: below 1280 there is no IPv6, and above it starts anew with defaults. */
	if (!r && l.mtu != want->mtu)
		r = link_set_mtu(nl, l.ifindex, want->mtu);
	if (!r && l.has_ipv6 && l.addr_gen_mode != IN6_ADDR_GEN_MODE_NONE)
		r = link_no_autoaddress(nl, l.ifindex);
	disable_ipv6(want->ifname);
	if (!r && memcmp(l.mac, want->mac, sizeof(l.mac)))
		r = link_set_mac(nl, l.ifindex, want->mac);
	if (!r)
		r = fix_address(nl, l.ifindex, want);
	if (!r && !(l.flags & IFF_UP))
		r = link_set_up(nl, l.ifindex, true);
	if (!r)
		r = routes_mend(nl, l.ifindex, want);
	if (!r)
		r = link_get_index(nl, LOOPBACK_IFINDEX, LINK_NSID_NONE, &lo);
	if (!r && !(lo.flags & IFF_UP))
		r = link_set_up(nl, LOOPBACK_IFINDEX, true);
	return r;
}

struct inside {
	const struct plan_device *want;
	bool entered;
	struct err *e;
};

static int work_inside(void *arg)
{
	_cleanup_(nl_closep) struct nl *nl = NULL;
	struct inside *in = arg;
	int r = nl_open(&nl);

	if (r)
		return r;
	in->entered = true;
	r = fix_inside(nl, in->want);
	return r ? err_set(in->e, r, "%s in the namespace %s could not be set up: %s", in->want->ifname,
			   in->want->netns, nl_why(nl)) : 0;
}

int device_make_inside(int netns, const struct plan_device *want, struct err *e)
{
	struct inside in = { .want = want, .e = e };
	int r = netns_run(netns, work_inside, &in);

	if (r && !in.entered)
		err_set(e, r, "the namespace %s could not be entered: %s", want->netns, strerror(-r));
	return r;
}

/* ---- leaving ---- */

static int visit_to_leave(void *arg)
{
	_cleanup_(nl_closep) struct nl *nl = NULL;
	uint32_t *ifindex = arg;
	int r = nl_open(&nl);

	return r ? r : routes_remove(nl, *ifindex);
}

void device_leave(struct nl *nl, const struct link_info *l)
{
	uint32_t ifindex = l->peer_ifindex;
	_cleanup_(closep) int netns = -1;
	struct plan_device row;
	struct id endpoint;
	const char *rest;

	if (!device_parse_alias(l->alias, &endpoint, &rest))
		return;
	device_netns(nl, l, rest, &row, &netns);
	/* What stays by an error is a rule without a table: it catches nothing. */
	if (netns >= 0 && netns_run(netns, visit_to_leave, &ifindex))
		log_debug("the rule of %s in %s could not be removed", l->name, row.netns);
}
