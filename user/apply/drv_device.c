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
#include <inttypes.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "drivers.h"
#include "sys/address.h"
#include "sys/netns.h"
#include "sys/nl.h"

/*
 * Our side takes any size (the maximum of veth): what exceeds the network's MTU
 * must reach the program, which answers and counts it; the kernel would drop it
 * in silence.
 */
#define HOST_MTU 65535
#define LOOPBACK_IFINDEX 1 /* in every namespace (LOOPBACK_IFINDEX of net/flow.h) */
#define DAMAGED 1

/* ---- names and marks ---- */

bool is_tunnel(const struct link_info *l)
{
	return !strcmp(l->alias, TUNNEL_ALIAS) && !strcmp(l->kind, "vxlan");
}

static bool parse_alias(const char *alias, struct id *ret_endpoint, const char **ret_rest)
{
	char hex[ID_TEXT_MAX] = "";
	size_t len = strlen(ENDPOINT_ALIAS);
	struct id id;

	if (strncmp(alias, ENDPOINT_ALIAS, len) || strlen(alias + len) < ID_TEXT_MAX - 1)
		return false;
	memcpy(hex, alias + len, ID_TEXT_MAX - 1);
	if (id_parse(hex, &id))
		return false;
	*ret_endpoint = id;
	*ret_rest = alias + len + ID_TEXT_MAX - 1;
	return true;
}

bool endpoint_of_link(const struct link_info *l, struct id *ret_endpoint)
{
	const char *rest;

	return !strcmp(l->kind, "veth") && parse_alias(l->alias, ret_endpoint, &rest);
}

bool is_endpoint(const struct link_info *l)
{
	struct id id;

	return endpoint_of_link(l, &id);
}

/* "ov" and OV_DEVICE_DIGITS hex digits; the digits come as the first bytes of an id. */
static bool parse_name(const char *name, struct id *ret_endpoint)
{
	struct id id = { 0 };

	if (strncmp(name, OV_DEVICE_PREFIX, strlen(OV_DEVICE_PREFIX)) ||
	    strlen(name) != strlen(OV_DEVICE_PREFIX) + OV_DEVICE_DIGITS ||
	    hex_parse(name + strlen(OV_DEVICE_PREFIX), id.b, OV_DEVICE_DIGITS / 2))
		return false;
	*ret_endpoint = id;
	return true;
}

bool is_half_made(const struct link_info *l)
{
	struct id id;

	if (l->group != LINK_GROUP_OURS || l->alias[0])
		return false;
	return (!strcmp(l->kind, "veth") && parse_name(l->name, &id)) ||
	       (!strcmp(l->kind, "vxlan") && !strcmp(l->name, OV_TUNNEL_NAME));
}

/* A path too long for an alias is cut: the row then differs and is looked at again, no more. */
#define ALIAS_PATH_MAX 162 /* LINK_ALIAS_MAX less the text, 32 digits and two numbers of 20 */


static void format_alias(const struct id *endpoint, const struct plan_device *d,
			 char out[LINK_ALIAS_MAX + 1])
{
	char hex[ID_TEXT_MAX];

	snprintf(out, LINK_ALIAS_MAX + 1, ENDPOINT_ALIAS "%s %" PRIu64 ":%" PRIu64 " %.*s",
		 id_format(endpoint, hex), d->netns_dev, d->netns_ino, ALIAS_PATH_MAX, d->netns);
}

/* ---- reading back ---- */

/* The namespace named by the alias, if the peer is really there; else *ret_fd stays as it is. */
static void read_netns(struct nl *nl, const struct link_info *l, const char *rest,
		       struct plan_device *row, int *ret_fd)
{
	_cleanup_(closep) int fd = -1;
	char path[NETNS_MAX_LEN + 1];
	uint64_t dev, ino, dev_now, ino_now;
	int32_t nsid;

	if (sscanf(rest, " %" SCNu64 ":%" SCNu64 " %255[^\n]", &dev, &ino, path) != 3)
		return;
	if (netns_open(path, &fd) || netns_identify(fd, &dev_now, &ino_now) || dev != dev_now ||
	    ino != ino_now || netns_nsid(nl, fd, &nsid) || nsid == LINK_NSID_NONE ||
	    nsid != l->peer_nsid)
		return;
	memcpy(row->netns, path, strlen(path) + 1);
	row->netns_dev = dev;
	row->netns_ino = ino;
	*ret_fd = TAKE_FD(fd);
}

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

static int visit_to_leave(void *arg)
{
	_cleanup_(nl_closep) struct nl *nl = NULL;
	uint32_t *ifindex = arg;
	int r = nl_open(&nl);

	return r ? r : routes_remove(nl, *ifindex);
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
	struct plan_device row = { .pad = DAMAGED };
	_cleanup_(closep) int netns = -1;
	const char *rest = "";

	memset(ret_key, 0, sizeof(*ret_key));
	if (is_half_made(l)) {
		if (!parse_name(l->name, &ret_key->endpoint))
			return false;
	} else if (strcmp(l->kind, "veth") || !parse_alias(l->alias, &ret_key->endpoint, &rest)) {
		return false;
	}
	memcpy(row.name, l->name, sizeof(row.name));
	read_netns(nl, l, rest, &row, &netns);
	read_inside(nl, l, &row);
	if (netns >= 0)
		read_routes(visited, netns, l->peer_ifindex, &row);
	if (!is_right_outside(l))
		row.pad = DAMAGED;
	*ret_row = row;
	return true;
}

static int observe(void *ctx, struct plan_table *ret_actual, struct err *e)
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

/* ---- inside the container ---- */

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

static int make_inside(int netns, const struct plan_device *want, struct err *e)
{
	struct inside in = { .want = want, .e = e };
	int r = netns_run(netns, work_inside, &in);

	if (r && !in.entered)
		err_set(e, r, "the namespace %s could not be entered: %s", want->netns, strerror(-r));
	return r;
}

/* ---- our side ---- */

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
	format_alias(endpoint, want, alias);
	r = fix_outside(nl, &l, alias, e);
	if (!r)
		r = make_inside(netns, want, e);
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

		if (!strcmp(list[i].kind, "veth") && parse_alias(list[i].alias, &id, &rest) &&
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
	if (!is_half_made(&l) && (!parse_alias(l.alias, &id, &rest) || !id_equal(&id, endpoint)))
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
		format_alias(&k.endpoint, &want, alias);
		r = fix_outside(nl, &l, alias, e);
		return r ? r : make_inside(netns, &want, e);
	}
	if (!found) {
		device_leave(nl, &l);
		r = link_delete(nl, l.ifindex);
		if (r)
			return err_set(e, r, "the device %s could not be removed: %s", l.name, nl_why(nl));
	}
	return create(nl, &k.endpoint, &want, netns, e);
}

void device_leave(struct nl *nl, const struct link_info *l)
{
	uint32_t ifindex = l->peer_ifindex;
	_cleanup_(closep) int netns = -1;
	struct plan_device row;
	struct id endpoint;
	const char *rest;

	if (!parse_alias(l->alias, &endpoint, &rest))
		return;
	read_netns(nl, l, rest, &row, &netns);
	/* What stays by an error is a rule without a table: it catches nothing. */
	if (netns >= 0 && netns_run(netns, visit_to_leave, &ifindex))
		log_debug("the rule of %s in %s could not be removed", l->name, row.netns);
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
		bool ours = is_half_made(&l) ? parse_name(l.name, &now.endpoint)
					     : parse_alias(l.alias, &now.endpoint, &rest);

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
		.observe = observe,
		.upsert = upsert,
		.remove = remove_row,
		.ctx = nl,
	};
}
