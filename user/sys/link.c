/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "link.h"

#include <endian.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/veth.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "nl.h"

#define DUMP_TRIES 8 /* a dump overtaken by changes this often means a very busy host */

/* ---- reading ---- */

static void read_text(const struct nlattr *attr, char *out, size_t size)
{
	size_t len = mnl_attr_get_payload_len(attr);

	if (len >= size)
		len = size - 1;
	memcpy(out, mnl_attr_get_payload(attr), len);
	out[len] = '\0';
}

static uint32_t read_u32(const struct nlattr *attr)
{
	return mnl_attr_get_payload_len(attr) >= 4 ? mnl_attr_get_u32(attr) : 0;
}

static uint8_t read_u8(const struct nlattr *attr)
{
	return mnl_attr_get_payload_len(attr) >= 1 ? mnl_attr_get_u8(attr) : 0;
}

static void read_vxlan(const struct nlattr *data, struct link_info *l)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, data) {
		if (mnl_attr_get_type(attr) == IFLA_VXLAN_COLLECT_METADATA)
			l->vxlan_external = read_u8(attr);
		else if (mnl_attr_get_type(attr) == IFLA_VXLAN_PORT &&
			 mnl_attr_get_payload_len(attr) >= 2)
			l->vxlan_port = be16toh(mnl_attr_get_u16(attr));
	}
}

static void read_kind(const struct nlattr *info, struct link_info *l)
{
	const struct nlattr *attr, *data = NULL;

	mnl_attr_for_each_nested(attr, info) {
		if (mnl_attr_get_type(attr) == IFLA_INFO_KIND)
			read_text(attr, l->kind, sizeof(l->kind));
		else if (mnl_attr_get_type(attr) == IFLA_INFO_DATA)
			data = attr;
	}
	if (data && !strcmp(l->kind, "vxlan"))
		read_vxlan(data, l);
}

/* One of net.ipv4.conf.<device>.*; the kernel counts them from 1. */
static bool is_set(const struct nlattr *conf, unsigned int which)
{
	const uint32_t *value = mnl_attr_get_payload(conf);

	return mnl_attr_get_payload_len(conf) >= 4 * which && value[which - 1];
}

static void read_ipv4(const struct nlattr *spec, struct link_info *l)
{
	const struct nlattr *family, *attr;

	mnl_attr_for_each_nested(family, spec) {
		if (mnl_attr_get_type(family) != AF_INET)
			continue;
		mnl_attr_for_each_nested(attr, family) {
			if (mnl_attr_get_type(attr) != IFLA_INET_CONF)
				continue;
			l->forwarding = is_set(attr, IPV4_DEVCONF_FORWARDING);
			l->accept_local = is_set(attr, IPV4_DEVCONF_ACCEPT_LOCAL);
			l->route_localnet = is_set(attr, IPV4_DEVCONF_ROUTE_LOCALNET);
		}
	}
}

static void read_ipv6(const struct nlattr *spec, struct link_info *l)
{
	const struct nlattr *family, *attr;

	mnl_attr_for_each_nested(family, spec) {
		if (mnl_attr_get_type(family) != AF_INET6)
			continue;
		l->has_ipv6 = true;
		mnl_attr_for_each_nested(attr, family) {
			const int32_t *conf = mnl_attr_get_payload(attr);

			if (mnl_attr_get_type(attr) == IFLA_INET6_ADDR_GEN_MODE)
				l->addr_gen_mode = read_u8(attr);
			else if (mnl_attr_get_type(attr) == IFLA_INET6_CONF &&
				 mnl_attr_get_payload_len(attr) > 4 * DEVCONF_DISABLE_IPV6)
				l->ipv6_disabled = conf[DEVCONF_DISABLE_IPV6];
		}
	}
}

static void read_attr(const struct nlattr *attr, struct link_info *l)
{
	const struct nlattr *inner;

	switch (mnl_attr_get_type(attr)) {
	case IFLA_IFNAME: read_text(attr, l->name, sizeof(l->name)); break;
	case IFLA_IFALIAS: read_text(attr, l->alias, sizeof(l->alias)); break;
	case IFLA_MTU: l->mtu = read_u32(attr); break;
	case IFLA_GROUP: l->group = read_u32(attr); break;
	case IFLA_LINK: l->peer_ifindex = read_u32(attr); break;
	case IFLA_LINK_NETNSID: l->peer_nsid = (int32_t)read_u32(attr); break;
	case IFLA_LINKINFO: read_kind(attr, l); break;
	case IFLA_AF_SPEC:
		read_ipv4(attr, l);
		read_ipv6(attr, l);
		break;
	case IFLA_ADDRESS:
		if (mnl_attr_get_payload_len(attr) == 6)
			memcpy(l->mac, mnl_attr_get_payload(attr), 6);
		break;
	case IFLA_XDP:
		mnl_attr_for_each_nested(inner, attr)
			if (mnl_attr_get_type(inner) == IFLA_XDP_ATTACHED)
				l->xdp_attached = read_u8(inner);
		break;
	}
}

static void read_link(const struct nlmsghdr *msg, struct link_info *ret_link)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(msg);
	struct link_info l = {
		.ifindex = (uint32_t)ifi->ifi_index,
		.flags = ifi->ifi_flags,
		.type = ifi->ifi_type,
		.peer_nsid = LINK_NSID_NONE,
	};
	const struct nlattr *attr;

	mnl_attr_for_each(attr, msg, sizeof(*ifi))
		read_attr(attr, &l);
	*ret_link = l;
}

static bool is_link(const struct nlmsghdr *msg)
{
	return msg->nlmsg_type == RTM_NEWLINK &&
	       mnl_nlmsg_get_payload_len(msg) >= sizeof(struct ifinfomsg);
}

static int on_link(const struct nlmsghdr *msg, void *arg)
{
	if (is_link(msg))
		read_link(msg, arg);
	return 0;
}

static struct nlmsghdr *begin_link(struct nl *n, uint16_t type, uint16_t flags, uint32_t ifindex)
{
	struct nlmsghdr *msg = nl_begin(n, type, flags);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(msg, sizeof(*ifi));

	ifi->ifi_index = (int)ifindex;
	return msg;
}

int link_get(struct nl *n, const char *name, struct link_info *ret_link)
{
	struct nlmsghdr *msg = begin_link(n, RTM_GETLINK, 0, 0);

	mnl_attr_put_strz(msg, IFLA_IFNAME, name);
	mnl_attr_put_u32(msg, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	return nl_talk(n, on_link, ret_link);
}

int link_get_index(struct nl *n, uint32_t ifindex, int32_t nsid, struct link_info *ret_link)
{
	struct nlmsghdr *msg = begin_link(n, RTM_GETLINK, 0, ifindex);

	if (nsid != LINK_NSID_NONE)
		mnl_attr_put_u32(msg, IFLA_TARGET_NETNSID, (uint32_t)nsid);
	mnl_attr_put_u32(msg, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	return nl_talk(n, on_link, ret_link);
}

struct list {
	struct link_info *item;
	size_t count, cap;
};

static int add_link(const struct nlmsghdr *msg, void *arg)
{
	struct list *l = arg;

	if (!is_link(msg))
		return 0;
	if (l->count == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 64;
		struct link_info *grown = reallocarray(l->item, cap, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		l->item = grown;
		l->cap = cap;
	}
	read_link(msg, &l->item[l->count++]);
	return 0;
}

static int by_index(const void *a, const void *b)
{
	const struct link_info *x = a, *y = b;

	return x->ifindex < y->ifindex ? -1 : x->ifindex > y->ifindex;
}

int link_list(struct nl *n, struct link_info **ret_list, size_t *ret_count)
{
	struct list l = { 0 };
	int r = -EAGAIN;

	for (int i = 0; i < DUMP_TRIES && r == -EAGAIN; i++) {
		struct nlmsghdr *msg = begin_link(n, RTM_GETLINK, NLM_F_DUMP, 0);

		mnl_attr_put_u32(msg, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
		l.count = 0;
		r = nl_talk(n, add_link, &l);
	}
	if (r) {
		free(l.item);
		return r;
	}
	if (l.count)
		qsort(l.item, l.count, sizeof(*l.item), by_index);
	*ret_list = l.item;
	*ret_count = l.count;
	return 0;
}

/* ---- making ---- */

int link_add_veth(struct nl *n, const struct link_veth *v)
{
	struct nlmsghdr *msg = begin_link(n, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0);
	struct nlattr *info, *data, *peer;

	mnl_attr_put_strz(msg, IFLA_IFNAME, v->name);
	mnl_attr_put_u32(msg, IFLA_MTU, v->mtu);
	mnl_attr_put_u32(msg, IFLA_GROUP, LINK_GROUP_OURS);
	info = mnl_attr_nest_start(msg, IFLA_LINKINFO);
	mnl_attr_put_strz(msg, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(msg, IFLA_INFO_DATA);
	peer = mnl_attr_nest_start(msg, VETH_INFO_PEER);
	mnl_nlmsg_put_extra_header(msg, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(msg, IFLA_IFNAME, v->peer_name);
	mnl_attr_put(msg, IFLA_ADDRESS, 6, v->peer_mac);
	mnl_attr_put_u32(msg, IFLA_MTU, v->peer_mtu);
	mnl_attr_put_u32(msg, IFLA_NET_NS_FD, (uint32_t)v->peer_netns);
	mnl_attr_nest_end(msg, peer);
	mnl_attr_nest_end(msg, data);
	mnl_attr_nest_end(msg, info);
	return nl_talk(n, NULL, NULL);
}

int link_add_vxlan(struct nl *n, const char *name, uint16_t port, uint32_t mtu)
{
	struct nlmsghdr *msg = begin_link(n, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0);
	struct nlattr *info, *data;

	mnl_attr_put_strz(msg, IFLA_IFNAME, name);
	mnl_attr_put_u32(msg, IFLA_MTU, mtu);
	mnl_attr_put_u32(msg, IFLA_GROUP, LINK_GROUP_OURS);
	info = mnl_attr_nest_start(msg, IFLA_LINKINFO);
	mnl_attr_put_strz(msg, IFLA_INFO_KIND, "vxlan");
	data = mnl_attr_nest_start(msg, IFLA_INFO_DATA);
	mnl_attr_put_u8(msg, IFLA_VXLAN_COLLECT_METADATA, 1);
	mnl_attr_put_u16(msg, IFLA_VXLAN_PORT, htobe16(port));
	mnl_attr_put_u8(msg, IFLA_VXLAN_LEARNING, 0);
	mnl_attr_put_u8(msg, IFLA_VXLAN_UDP_CSUM, 0);
	mnl_attr_put_u8(msg, IFLA_VXLAN_UDP_ZERO_CSUM6_TX, 1);
	mnl_attr_put_u8(msg, IFLA_VXLAN_UDP_ZERO_CSUM6_RX, 1);
	mnl_attr_nest_end(msg, data);
	mnl_attr_nest_end(msg, info);
	return nl_talk(n, NULL, NULL);
}

/* ---- changing ---- */

int link_set_up(struct nl *n, uint32_t ifindex, bool up)
{
	struct nlmsghdr *msg = begin_link(n, RTM_NEWLINK, 0, ifindex);
	struct ifinfomsg *ifi = mnl_nlmsg_get_payload(msg);

	ifi->ifi_change = IFF_UP;
	ifi->ifi_flags = up ? IFF_UP : 0;
	return nl_talk(n, NULL, NULL);
}

int link_set_mtu(struct nl *n, uint32_t ifindex, uint32_t mtu)
{
	struct nlmsghdr *msg = begin_link(n, RTM_NEWLINK, 0, ifindex);

	mnl_attr_put_u32(msg, IFLA_MTU, mtu);
	return nl_talk(n, NULL, NULL);
}

int link_set_mac(struct nl *n, uint32_t ifindex, const uint8_t mac[6])
{
	struct nlmsghdr *msg = begin_link(n, RTM_NEWLINK, 0, ifindex);

	mnl_attr_put(msg, IFLA_ADDRESS, 6, mac);
	return nl_talk(n, NULL, NULL);
}

int link_set_alias(struct nl *n, uint32_t ifindex, const char *alias)
{
	struct nlmsghdr *msg = begin_link(n, RTM_NEWLINK, 0, ifindex);

	mnl_attr_put_str(msg, IFLA_IFALIAS, alias);
	return nl_talk(n, NULL, NULL);
}

int link_no_autoaddress(struct nl *n, uint32_t ifindex)
{
	struct nlmsghdr *msg = begin_link(n, RTM_NEWLINK, 0, ifindex);
	struct nlattr *spec = mnl_attr_nest_start(msg, IFLA_AF_SPEC);
	struct nlattr *family = mnl_attr_nest_start(msg, AF_INET6);
	int r;

	mnl_attr_put_u8(msg, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(msg, family);
	mnl_attr_nest_end(msg, spec);
	r = nl_talk(n, NULL, NULL);
	return r == -EAFNOSUPPORT ? 0 : r;
}

int link_delete(struct nl *n, uint32_t ifindex)
{
	int r;

	begin_link(n, RTM_DELLINK, 0, ifindex);
	r = nl_talk(n, NULL, NULL);
	return r == -ENODEV ? 0 : r;
}

int link_delete_group(struct nl *n, uint32_t group)
{
	struct nlmsghdr *msg = begin_link(n, RTM_DELLINK, 0, 0);
	int r;

	mnl_attr_put_u32(msg, IFLA_GROUP, group);
	r = nl_talk(n, NULL, NULL);
	return r == -ENODEV ? 0 : r;
}
