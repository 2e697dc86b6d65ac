/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "address.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "link.h"
#include "nl.h"

#define DUMP_TRIES 8

static struct ov_addr from_wire(const struct nlattr *attr)
{
	struct ov_addr a = addr_from_v4(0);

	memcpy(a.b + 12, mnl_attr_get_payload(attr), 4);
	return a;
}

static bool is_v4_attr(const struct nlattr *attr)
{
	return mnl_attr_get_payload_len(attr) == 4;
}

struct list {
	uint32_t ifindex;
	struct address_info *item;
	size_t count, cap;
	bool ipv6;
};

static int push(struct list *l, const struct address_info *a)
{
	if (l->count == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 4;
		struct address_info *grown = reallocarray(l->item, cap, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		l->item = grown;
		l->cap = cap;
	}
	l->item[l->count++] = *a;
	return 0;
}

static int add_address(const struct nlmsghdr *msg, void *arg)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(msg);
	struct address_info a = { 0 };
	const struct nlattr *attr;
	struct list *l = arg;
	bool local = false, found = false;

	if (msg->nlmsg_type != RTM_NEWADDR || mnl_nlmsg_get_payload_len(msg) < sizeof(*ifa) ||
	    (l->ifindex && ifa->ifa_index != l->ifindex))
		return 0;
	if (ifa->ifa_family == AF_INET6) {
		l->ipv6 |= ifa->ifa_scope == RT_SCOPE_UNIVERSE;
		return 0;
	}
	mnl_attr_for_each(attr, msg, sizeof(*ifa)) {
		unsigned int type = mnl_attr_get_type(attr);

		/* On a point-to-point link IFA_ADDRESS is the other end and IFA_LOCAL is ours. */
		if (is_v4_attr(attr) && (type == IFA_LOCAL || (type == IFA_ADDRESS && !local))) {
			a.addr = from_wire(attr);
			local = type == IFA_LOCAL;
			found = true;
		}
	}
	a.ifindex = ifa->ifa_index;
	a.prefix_len = ADDR_V4_BITS + ifa->ifa_prefixlen;
	a.scope = ifa->ifa_scope;
	a.secondary = ifa->ifa_flags & IFA_F_SECONDARY;
	return found ? push(l, &a) : 0;
}

static int dump(struct nl *n, uint8_t family, int32_t nsid, struct list *l)
{
	int r = -EAGAIN;

	for (int i = 0; i < DUMP_TRIES && r == -EAGAIN; i++) {
		struct nlmsghdr *msg = nl_begin(n, RTM_GETADDR, NLM_F_DUMP);
		struct ifaddrmsg *ifa = mnl_nlmsg_put_extra_header(msg, sizeof(*ifa));

		ifa->ifa_family = family;
		ifa->ifa_index = l->ifindex;
		if (nsid != LINK_NSID_NONE)
			mnl_attr_put_u32(msg, IFA_TARGET_NETNSID, (uint32_t)nsid);
		l->count = 0;
		r = nl_talk(n, add_address, l);
	}
	return r;
}

int address_list(struct nl *n, uint32_t ifindex, int32_t nsid, struct address_info **ret_list,
		 size_t *ret_count)
{
	struct list l = { .ifindex = ifindex };
	int r = dump(n, AF_INET, nsid, &l);

	if (r) {
		free(l.item);
		return r;
	}
	*ret_list = l.item;
	*ret_count = l.count;
	return 0;
}

bool address_has_ipv6(struct nl *n, uint32_t ifindex)
{
	struct list l = { .ifindex = ifindex };

	return !dump(n, AF_INET6, LINK_NSID_NONE, &l) && l.ipv6;
}

static int change(struct nl *n, uint16_t type, uint16_t flags, uint32_t ifindex,
		  const struct ov_addr *a, uint8_t prefix_len)
{
	struct nlmsghdr *msg = nl_begin(n, type, flags);
	struct ifaddrmsg *ifa = mnl_nlmsg_put_extra_header(msg, sizeof(*ifa));

	ifa->ifa_family = AF_INET;
	ifa->ifa_prefixlen = prefix_len - ADDR_V4_BITS;
	ifa->ifa_index = ifindex;
	mnl_attr_put(msg, IFA_LOCAL, 4, a->b + 12);
	mnl_attr_put(msg, IFA_ADDRESS, 4, a->b + 12);
	return nl_talk(n, NULL, NULL);
}

int address_add(struct nl *n, uint32_t ifindex, const struct ov_addr *a, uint8_t prefix_len)
{
	return change(n, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, ifindex, a, prefix_len);
}

int address_delete(struct nl *n, uint32_t ifindex, const struct ov_addr *a, uint8_t prefix_len)
{
	return change(n, RTM_DELADDR, 0, ifindex, a, prefix_len);
}

struct way {
	uint8_t type;
	uint32_t ifindex;
	bool has_gateway;
	struct ov_addr gateway;
};

static int on_route(const struct nlmsghdr *msg, void *arg)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(msg);
	const struct nlattr *attr;
	struct way *w = arg;

	if (msg->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(msg) < sizeof(*rtm))
		return 0;
	w->type = rtm->rtm_type;
	mnl_attr_for_each(attr, msg, sizeof(*rtm)) {
		if (mnl_attr_get_type(attr) == RTA_OIF && mnl_attr_get_payload_len(attr) >= 4) {
			w->ifindex = mnl_attr_get_u32(attr);
		} else if (mnl_attr_get_type(attr) == RTA_GATEWAY && is_v4_attr(attr)) {
			w->gateway = from_wire(attr);
			w->has_gateway = true;
		}
	}
	return 0;
}

int route_get(struct nl *n, const struct ov_addr *to, uint32_t *ret_ifindex,
	      struct ov_addr *ret_next_hop)
{
	return route_get_marked(n, to, 0, ret_ifindex, ret_next_hop);
}

int route_get_marked(struct nl *n, const struct ov_addr *to, uint32_t mark, uint32_t *ret_ifindex,
		     struct ov_addr *ret_next_hop)
{
	struct nlmsghdr *msg = nl_begin(n, RTM_GETROUTE, 0);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(msg, sizeof(*rtm));
	struct way w = { 0 };
	int r;

	if (!addr_is_v4(to))
		return -ENETUNREACH;
	rtm->rtm_family = AF_INET;
	rtm->rtm_dst_len = 32;
	mnl_attr_put(msg, RTA_DST, 4, to->b + 12);
	if (mark)
		mnl_attr_put_u32(msg, RTA_MARK, mark);
	r = nl_talk(n, on_route, &w);
	if (r)
		return r;
	if (w.type != RTN_UNICAST || !w.ifindex)
		return -EADDRNOTAVAIL;
	*ret_ifindex = w.ifindex;
	*ret_next_hop = w.has_gateway ? w.gateway : *to;
	return 0;
}
