/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "xfrm_inside.h"

static uint8_t prefix_len(const struct ov_addr *a)
{
	if (addr_is_zero(a))
		return 0;
	return xfrm_family(a) == AF_INET ? 32 : 128;
}

static void put_selector(struct xfrm_selector *s, const struct xfrm_policy *p)
{
	s->family = xfrm_family(&p->dst);
	s->prefixlen_s = prefix_len(&p->src);
	s->prefixlen_d = prefix_len(&p->dst);
	xfrm_put_addr(&s->saddr, &p->src);
	xfrm_put_addr(&s->daddr, &p->dst);
	if (!p->port)
		return;
	s->proto = IPPROTO_UDP;
	s->dport = htons(p->port);
	s->dport_mask = 0xffff;
}

static void put_mark(struct nlmsghdr *msg, const struct xfrm_policy *p)
{
	struct xfrm_mark m = { .v = p->mark, .m = p->mask };

	mnl_attr_put(msg, XFRMA_MARK, sizeof(m), &m);
}

/* That SA and no other: no key daemon is asked for one, and none of another SPI is taken. */
static void put_template(struct nlmsghdr *msg, const struct xfrm_policy *p)
{
	struct xfrm_user_tmpl t = {
		.id = { .spi = htonl(p->spi), .proto = IPPROTO_ESP },
		.family = xfrm_family(&p->dst),
		.reqid = p->reqid,
		.mode = XFRM_MODE_TUNNEL,
		.aalgos = ~0u, .ealgos = ~0u, .calgos = ~0u,
	};

	xfrm_put_addr(&t.id.daddr, &p->dst);
	xfrm_put_addr(&t.saddr, &p->src);
	mnl_attr_put(msg, XFRMA_TMPL, sizeof(t), &t);
}

int xfrm_policy_set(struct nl *n, const struct xfrm_policy *p)
{
	struct nlmsghdr *msg = xfrm_begin(n, XFRM_MSG_UPDPOLICY, 0);
	struct xfrm_userpolicy_info *info = mnl_nlmsg_put_extra_header(msg, sizeof(*info));

	put_selector(&info->sel, p);
	xfrm_no_limits(&info->lft);
	info->priority = p->priority;
	info->dir = XFRM_POLICY_OUT;
	info->action = p->is_block ? XFRM_POLICY_BLOCK : XFRM_POLICY_ALLOW;
	put_mark(msg, p);
	if (!p->is_block)
		put_template(msg, p);
	return nl_talk(n, NULL, NULL);
}

int xfrm_policy_delete(struct nl *n, const struct xfrm_policy *p)
{
	struct nlmsghdr *msg = xfrm_begin(n, XFRM_MSG_DELPOLICY, 0);
	struct xfrm_userpolicy_id *id = mnl_nlmsg_put_extra_header(msg, sizeof(*id));
	int r;

	put_selector(&id->sel, p);
	id->dir = XFRM_POLICY_OUT;
	put_mark(msg, p);
	r = nl_talk(n, NULL, NULL);
	return r == -ENOENT ? 0 : r;
}

/* ---- list ---- */

struct policy_list {
	size_t count, cap;
	struct xfrm_policy *item;
};

static int push(struct policy_list *l, const struct xfrm_policy *p)
{
	if (l->count == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 16;
		struct xfrm_policy *grown = reallocarray(l->item, cap, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		l->item = grown;
		l->cap = cap;
	}
	l->item[l->count++] = *p;
	return 0;
}

static struct ov_addr read_end(const xfrm_address_t *a, uint8_t len, uint16_t family)
{
	return len ? xfrm_read_addr(a, family) : (struct ov_addr){ 0 };
}

static void read_attr(const struct nlattr *attr, struct xfrm_policy *p)
{
	struct xfrm_mark m;
	struct xfrm_user_tmpl t;

	if (mnl_attr_get_type(attr) == XFRMA_MARK && mnl_attr_get_payload_len(attr) >= sizeof(m)) {
		memcpy(&m, mnl_attr_get_payload(attr), sizeof(m));
		p->mark = m.v;
		p->mask = m.m;
	}
	if (mnl_attr_get_type(attr) == XFRMA_TMPL && mnl_attr_get_payload_len(attr) >= sizeof(t)) {
		memcpy(&t, mnl_attr_get_payload(attr), sizeof(t));
		p->spi = ntohl(t.id.spi);
		p->reqid = t.reqid;
	}
}

/* The kernel's messages are aligned to 4 bytes, these structs to 8. */
static int add_policy(const struct nlmsghdr *msg, void *arg)
{
	struct xfrm_userpolicy_info info;
	const struct nlattr *attr;
	struct xfrm_policy p;

	if (msg->nlmsg_type != XFRM_MSG_NEWPOLICY || mnl_nlmsg_get_payload_len(msg) < sizeof(info))
		return 0;
	memcpy(&info, mnl_nlmsg_get_payload(msg), sizeof(info));
	if (info.dir != XFRM_POLICY_OUT)
		return 0;
	p = (struct xfrm_policy){
		.src = read_end(&info.sel.saddr, info.sel.prefixlen_s, info.sel.family),
		.dst = read_end(&info.sel.daddr, info.sel.prefixlen_d, info.sel.family),
		.port = ntohs(info.sel.dport),
		.priority = info.priority,
		.is_block = info.action == XFRM_POLICY_BLOCK,
	};
	mnl_attr_for_each(attr, msg, sizeof(info))
		read_attr(attr, &p);
	return push(arg, &p);
}

int xfrm_policy_list(struct nl *n, struct xfrm_policy **ret_list, size_t *ret_count)
{
	struct policy_list l = { 0 };
	int r = -EAGAIN;

	for (int i = 0; i < XFRM_DUMP_TRIES && r == -EAGAIN; i++) {
		xfrm_begin(n, XFRM_MSG_GETPOLICY, NLM_F_DUMP);
		l.count = 0;
		r = nl_talk(n, add_policy, &l);
	}
	if (r) {
		free(l.item);
		return r;
	}
	*ret_list = l.item;
	*ret_count = l.count;
	return 0;
}
