/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Endpoint devices: a veth pair, our side named ov<id> and never up before a
 * program is on it (drv_attach.c), the other side in the container with its
 * final name, MAC, MTU and address.
 *
 * The alias of our side says everything that cannot be read back:
 *
 *   overlayd endpoint <32 hex digits> <dev>:<ino> <path of the namespace>
 *
 * The rest is asked of the kernel across the namespace boundary: our side tells
 * the number (nsid) of the peer's namespace and the peer's ifindex, and rtnetlink
 * answers for another namespace by number. Only routes and rules (routes.c) are
 * looked at inside. What is found wrong marks the row (`pad`, or a zero gateway),
 * which makes it differ from the plan's and be mended in place.
 */
#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "device.h"
#include "sys/netns.h"
#include "sys/nl.h"

static int fix_outside(struct nl *nl, const struct link_info *l, const char *alias, struct err *e)
{
	char path[80];
	int r = 0;

	/* A second belt: the program lets nothing through to the stack, and the stack forwards nothing. */
	snprintf(path, sizeof(path), "net/ipv4/conf/%s/forwarding", l->name);
	sysctl_write(path, "0");
	if (strcmp(l->alias, alias))
		r = link_set_alias(nl, l->ifindex, alias);
	if (!r && l->has_ipv6 && l->addr_gen_mode != IN6_ADDR_GEN_MODE_NONE)
		r = link_no_autoaddress(nl, l->ifindex);
	if (!r && l->mtu != HOST_MTU)
		r = link_set_mtu(nl, l->ifindex, HOST_MTU);
	return r ? err_set(e, r, "the device %s could not be set up: %s", l->name, nl_why(nl)) : 0;
}

static int open_netns(const struct plan_device *want, int *ret_fd, struct err *e)
{
	_cleanup_(closep) int fd = -1;
	uint64_t dev, ino;
	int r = netns_open(want->netns, &fd);

	if (r)
		return err_set(e, r, "the namespace %s of the endpoint is gone (%s): detach the endpoint",
			       want->netns, strerror(-r));
	r = netns_identify(fd, &dev, &ino);
	if (!r && (dev != want->netns_dev || ino != want->netns_ino))
		r = -ESTALE;
	if (r)
		return err_set(e, r, "%s is another namespace now than when the endpoint was attached: "
			       "detach the endpoint and attach it again", want->netns);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int create_failed(struct nl *nl, const struct plan_device *want, int r, struct err *e)
{
	if (r == -EEXIST)
		return err_set(e, r, "the namespace %s already has an interface %s: choose another name "
			       "with --ifname", want->netns, want->ifname);
	if (r == -EOPNOTSUPP)
		return err_set(e, r, "this kernel has no veth devices: load the module veth");
	return err_set(e, r, "the device %s could not be made: %s", want->name, nl_why(nl));
}

/* All or nothing: a device whose inside could not be set up is removed again. */
static int create(struct nl *nl, const struct id *endpoint, const struct plan_device *want, int netns,
		  struct err *e)
{
	struct link_veth veth = {
		.name = want->name,
		.mtu = HOST_MTU,
		.peer_name = want->ifname,
		.peer_netns = netns,
		.peer_mac = want->mac,
		.peer_mtu = want->mtu,
	};
	char alias[LINK_ALIAS_MAX + 1];
	struct link_info l = { 0 };
	int r = link_add_veth(nl, &veth);

	if (r)
		return create_failed(nl, want, r, e);
	r = link_get(nl, want->name, &l);
	if (r)
		return err_set(e, r, "the device %s is gone as soon as it was made: %s", want->name,
			       nl_why(nl));
	device_format_alias(endpoint, want, alias);
	r = fix_outside(nl, &l, alias, e);
	if (!r)
		r = device_make_inside(netns, want, e);
	if (r)
		link_delete(nl, l.ifindex);
	return r;
}

/* Our device for that endpoint under a name it should not have. */
static int find_renamed(struct nl *nl, const struct id *endpoint, struct link_info *ret_link)
{
	_cleanup_(freep) struct link_info *list = NULL;
	size_t count = 0;
	int r = link_list(nl, &list, &count);

	for (size_t i = 0; !r && i < count; i++) {
		const char *rest;
		struct id id;

		if (!strcmp(list[i].kind, "veth") && device_parse_alias(list[i].alias, &id, &rest) &&
		    id_equal(&id, endpoint)) {
			*ret_link = list[i];
			return 0;
		}
	}
	return r ? r : -ENODEV;
}

static int find_device(struct nl *nl, const struct id *endpoint, const struct plan_device *want,
		       bool exists, struct link_info *ret_link, struct err *e)
{
	struct link_info l = { 0 };
	const char *rest;
	struct id id;
	int r = link_get(nl, want->name, &l);

	if (r == -ENODEV && exists)
		r = find_renamed(nl, endpoint, &l);
	if (r == -ENODEV)
		return r;
	if (r)
		return err_set(e, r, "the device %s could not be read: %s", want->name, nl_why(nl));
	if (!is_half_made(&l) && (!device_parse_alias(l.alias, &id, &rest) || !id_equal(&id, endpoint)))
		return err_set(e, -EEXIST, "there is a device %s that is not ours: remove or rename it",
			       want->name);
	*ret_link = l;
	return 0;
}

/* True when both ends are where they should be, so that mending in place is enough. */
static bool is_in_place(struct nl *nl, const struct link_info *l, const struct plan_device *want,
			int netns)
{
	struct link_info peer = { 0 };
	int32_t nsid;

	return !is_half_made(l) && !strcmp(l->name, want->name) && l->peer_nsid != LINK_NSID_NONE &&
	       !netns_nsid(nl, netns, &nsid) && nsid == l->peer_nsid &&
	       !link_get_index(nl, l->peer_ifindex, nsid, &peer) && !strcmp(peer.name, want->ifname);
}

static int upsert(void *ctx, const uint8_t *key, const uint8_t *value, bool exists, struct err *e)
{
	_cleanup_(closep) int netns = -1;
	char alias[LINK_ALIAS_MAX + 1];
	struct plan_device_key k;
	struct link_info l = { 0 };
	struct plan_device want;
	struct nl *nl = ctx;
	int found, r;

	memcpy(&k, key, sizeof(k));
	memcpy(&want, value, sizeof(want));
	found = find_device(nl, &k.endpoint, &want, exists, &l, e);
	if (found && found != -ENODEV)
		return found;
	r = open_netns(&want, &netns, e);
	if (r)
		return r;
	if (!found && is_in_place(nl, &l, &want, netns)) {
		device_format_alias(&k.endpoint, &want, alias);
		r = fix_outside(nl, &l, alias, e);
		return r ? r : device_make_inside(netns, &want, e);
	}
	if (!found) {
		device_leave(nl, &l);
		r = link_delete(nl, l.ifindex);
		if (r)
			return err_set(e, r, "the device %s could not be removed: %s", l.name, nl_why(nl));
	}
	return create(nl, &k.endpoint, &want, netns, e);
}

/* By the name that was seen, and only if it still is what was seen. */
static int remove_row(void *ctx, const uint8_t *key, const uint8_t *value, struct err *e)
{
	struct plan_device_key k, now;
	struct link_info l = { 0 };
	struct plan_device row;
	const char *rest;
	struct nl *nl = ctx;
	int r;

	memcpy(&k, key, sizeof(k));
	memcpy(&row, value, sizeof(row));
	r = link_get(nl, row.name, &l);
	if (r == -ENODEV)
		return 0;
	if (!r) {
		bool ours = is_half_made(&l) ? device_parse_name(l.name, &now.endpoint)
					     : device_parse_alias(l.alias, &now.endpoint, &rest);

		if (!ours || !id_equal(&now.endpoint, &k.endpoint))
			return 0;
		device_leave(nl, &l);
		r = link_delete(nl, l.ifindex);
	}
	return r ? err_set(e, r, "the device %s could not be removed: %s", row.name, nl_why(nl)) : 0;
}

void device_driver(struct nl *nl, struct driver *ret_driver)
{
	*ret_driver = (struct driver){
		.name = "device",
		.observe = device_observe,
		.upsert = upsert,
		.remove = remove_row,
		.ctx = nl,
	};
}
