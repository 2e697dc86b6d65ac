/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "route.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "nl.h"

#define DUMP_TRIES 8

/* Items of one size, as they come. */
struct list {
	size_t size, count, cap;
	uint8_t *item;
};

static int push(struct list *l, const void *item)
{
	if (l->count == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 8;
		uint8_t *grown = reallocarray(l->item, cap, l->size);

		if (!grown)
			return -ENOMEM;
		l->item = grown;
		l->cap = cap;
	}
	memcpy(l->item + l->count++ * l->size, item, l->size);
	return 0;
}

static struct ov_addr read_addr(const struct nlattr *attr)
{
	struct ov_addr a = { 0 };

	if (mnl_attr_get_payload_len(attr) == 4) {
		a = addr_from_v4(0);
		memcpy(a.b + 12, mnl_attr_get_payload(attr), 4);
	}
	return a;
}

static uint32_t read_u32(const struct nlattr *attr)
{
	return mnl_attr_get_payload_len(attr) >= 4 ? mnl_attr_get_u32(attr) : 0;
}

/* Asks with headers of one size, all zero but the family: strict checking takes no other. */
static int dump(struct nl *n, uint16_t type, size_t header,
		int (*fn)(const struct nlmsghdr *msg, void *arg), struct list *l)
{
	int r = -EAGAIN;

	for (int i = 0; i < DUMP_TRIES && r == -EAGAIN; i++) {
		struct nlmsghdr *msg = nl_begin(n, type, NLM_F_DUMP);
		uint8_t *family = mnl_nlmsg_put_extra_header(msg, header);

		*family = AF_INET; /* first byte of struct rtmsg and of struct fib_rule_hdr */
		l->count = 0;
		r = nl_talk(n, fn, l);
	}
	if (r) {
		free(l->item);
		l->item = NULL;
	}
	return r;
}

/* ---- routes ---- */

static int add_route(const struct nlmsghdr *msg, void *arg)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(msg);
	struct route_info r = { .to = addr_from_v4(0) };
	const struct nlattr *attr;

	if (msg->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(msg) < sizeof(*rtm))
		return 0;
	r.table = rtm->rtm_table;
	r.protocol = rtm->rtm_protocol;
	r.prefix_len = ADDR_V4_BITS + rtm->rtm_dst_len;
	mnl_attr_for_each(attr, msg, sizeof(*rtm)) {
		switch (mnl_attr_get_type(attr)) {
		case RTA_TABLE: r.table = read_u32(attr); break;
		case RTA_OIF: r.ifindex = read_u32(attr); break;
		case RTA_DST: r.to = read_addr(attr); break;
		case RTA_GATEWAY: r.gateway = read_addr(attr); break;
		case RTA_PRIORITY: r.metric = read_u32(attr); break;
		case RTA_PREFSRC: r.source = read_addr(attr); break;
		}
	}
	return r.table == RT_TABLE_LOCAL ? 0 : push(arg, &r);
}

int route_list(struct nl *n, struct route_info **ret_list, size_t *ret_count)
{
	struct list l = { .size = sizeof(struct route_info) };
	int r = dump(n, RTM_GETROUTE, sizeof(struct rtmsg), add_route, &l);

	if (!r) {
		*ret_list = (struct route_info *)l.item;
		*ret_count = l.count;
	}
	return r;
}

static int change_route(struct nl *n, uint16_t type, uint16_t flags, const struct route_info *r)
{
	struct nlmsghdr *msg = nl_begin(n, type, flags);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(msg, sizeof(*rtm));
	bool has_gateway = !addr_is_zero(&r->gateway);

	rtm->rtm_family = AF_INET;
	rtm->rtm_type = RTN_UNICAST;
	rtm->rtm_protocol = r->protocol;
	rtm->rtm_scope = has_gateway ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
	rtm->rtm_dst_len = r->prefix_len - ADDR_V4_BITS;
	mnl_attr_put_u32(msg, RTA_TABLE, r->table);
	mnl_attr_put_u32(msg, RTA_OIF, r->ifindex);
	if (r->metric)
		mnl_attr_put_u32(msg, RTA_PRIORITY, r->metric);
	if (rtm->rtm_dst_len)
		mnl_attr_put(msg, RTA_DST, 4, r->to.b + 12);
	if (has_gateway)
		mnl_attr_put(msg, RTA_GATEWAY, 4, r->gateway.b + 12);
	if (!addr_is_zero(&r->source))
		mnl_attr_put(msg, RTA_PREFSRC, 4, r->source.b + 12);
	return nl_talk(n, NULL, NULL);
}

int route_add(struct nl *n, const struct route_info *r)
{
	return change_route(n, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, r);
}

int route_delete(struct nl *n, const struct route_info *r)
{
	int err = change_route(n, RTM_DELROUTE, 0, r);

	return err == -ESRCH ? 0 : err;
}

/* ---- rules ---- */

static int add_rule(const struct nlmsghdr *msg, void *arg)
{
	const struct fib_rule_hdr *h = mnl_nlmsg_get_payload(msg);
	struct rule_info r = { 0 };
	const struct nlattr *attr;

	if (msg->nlmsg_type != RTM_NEWRULE || mnl_nlmsg_get_payload_len(msg) < sizeof(*h) ||
	    h->action != FR_ACT_TO_TBL)
		return 0;
	r.table = h->table;
	mnl_attr_for_each(attr, msg, sizeof(*h)) {
		switch (mnl_attr_get_type(attr)) {
		case FRA_TABLE: r.table = read_u32(attr); break;
		case FRA_FWMARK: r.mark = read_u32(attr); break;
		case FRA_FWMASK: r.mask = read_u32(attr); break;
		case FRA_PRIORITY: r.priority = read_u32(attr); break;
		case FRA_SRC: r.from = h->src_len == 32 ? read_addr(attr) : r.from; break;
		case FRA_PROTOCOL:
			if (mnl_attr_get_payload_len(attr) >= 1)
				r.protocol = mnl_attr_get_u8(attr);
			break;
		}
	}
	return push(arg, &r);
}

int rule_list(struct nl *n, struct rule_info **ret_list, size_t *ret_count)
{
	struct list l = { .size = sizeof(struct rule_info) };
	int r = dump(n, RTM_GETRULE, sizeof(struct fib_rule_hdr), add_rule, &l);

	if (!r) {
		*ret_list = (struct rule_info *)l.item;
		*ret_count = l.count;
	}
	return r;
}

static int change_rule(struct nl *n, uint16_t type, uint16_t flags, const struct rule_info *r)
{
	struct nlmsghdr *msg = nl_begin(n, type, flags);
	struct fib_rule_hdr *h = mnl_nlmsg_put_extra_header(msg, sizeof(*h));

	h->family = AF_INET;
	h->action = FR_ACT_TO_TBL;
	h->src_len = addr_is_zero(&r->from) ? 0 : 32;
	if (h->src_len)
		mnl_attr_put(msg, FRA_SRC, 4, r->from.b + 12);
	if (r->mask) {
		mnl_attr_put_u32(msg, FRA_FWMARK, r->mark);
		mnl_attr_put_u32(msg, FRA_FWMASK, r->mask);
	}
	mnl_attr_put_u32(msg, FRA_TABLE, r->table);
	mnl_attr_put_u32(msg, FRA_PRIORITY, r->priority);
	mnl_attr_put_u8(msg, FRA_PROTOCOL, r->protocol);
	return nl_talk(n, NULL, NULL);
}

int rule_add(struct nl *n, const struct rule_info *r)
{
	return change_rule(n, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, r);
}

int rule_delete(struct nl *n, const struct rule_info *r)
{
	int err = change_rule(n, RTM_DELRULE, 0, r);

	return err == -ENOENT ? 0 : err;
}
