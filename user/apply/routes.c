/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A container's ways out, of which each endpoint has two:
 *
 *   table main         default via GATEWAY         of one of them (routes_default.c)
 *   table T            SUBNET dev IFNAME; default via GATEWAY dev IFNAME
 *   rule 28534         from ADDRESS lookup T
 *
 * with T = ROUTE_TABLE_FIRST + the ifindex of the interface in the container. By its rule a
 * container that is on several networks answers by the one on which it was called. The
 * subnet is in T as well, or neighbours would be looked for behind the gateway.
 *
 * Everything has protocol ROUTE_PROTOCOL_OURS; what has another is never touched. Routes go
 * with their device, rules do not: so rules are removed before the device is, and one whose
 * device is gone all the same is removed by the next endpoint that is mended there.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "routes.h"
#include "sys/nl.h"

#define RULE_PRIORITY 0x6f76          /* 28534: before the rules of `main` and `default` */

void routes_fini(struct routes *s)
{
	free(s->route);
	free(s->rule);
	*s = (struct routes){ 0 };
}

int routes_look(struct nl *nl, struct routes *ret_routes)
{
	_cleanup_(routes_fini) struct routes s = { 0 };
	int r = route_list(nl, &s.route, &s.route_count);

	if (!r)
		r = rule_list(nl, &s.rule, &s.rule_count);
	if (r)
		return r;
	*ret_routes = s;
	s = (struct routes){ 0 };
	return 0;
}

/* ---- what should be there ---- */

static struct rule_info rule_of(uint32_t ifindex, const struct ov_addr *addr)
{
	return (struct rule_info){ .priority = RULE_PRIORITY, .table = routes_table_of(ifindex),
				   .from = *addr, .protocol = ROUTE_PROTOCOL_OURS };
}

static struct route_info default_of(uint32_t table, uint32_t ifindex, const struct plan_device *d)
{
	return (struct route_info){ .table = table, .ifindex = ifindex, .to = addr_from_v4(0),
				    .metric = d->internal ? ROUTE_METRIC_INTERNAL : 0,
				    .gateway = d->gateway, .prefix_len = ADDR_V4_BITS,
				    .protocol = ROUTE_PROTOCOL_OURS };
}

static struct route_info subnet_of(uint32_t ifindex, const struct ov_addr *addr, uint8_t prefix_len)
{
	struct route_info r = { .table = routes_table_of(ifindex), .ifindex = ifindex,
				.prefix_len = prefix_len, .protocol = ROUTE_PROTOCOL_OURS };

	for (int bit = 0; bit < prefix_len; bit++)
		r.to.b[bit / 8] |= addr->b[bit / 8] & 0x80 >> bit % 8;
	return r;
}

static bool same_rule(const struct rule_info *a, const struct rule_info *b)
{
	return a->priority == b->priority && a->table == b->table && !addr_cmp(&a->from, &b->from) &&
	       a->mark == b->mark && a->mask == b->mask && a->protocol == b->protocol;
}

static bool same_route(const struct route_info *a, const struct route_info *b)
{
	return a->table == b->table && a->ifindex == b->ifindex && a->metric == b->metric &&
	       a->prefix_len == b->prefix_len && a->protocol == b->protocol &&
	       !addr_cmp(&a->to, &b->to) && !addr_cmp(&a->gateway, &b->gateway) &&
	       !addr_cmp(&a->source, &b->source);
}

static bool has_rule(const struct routes *s, const struct rule_info *want)
{
	for (size_t i = 0; i < s->rule_count; i++)
		if (same_rule(&s->rule[i], want))
			return true;
	return false;
}

static bool has_route(const struct routes *s, const struct route_info *want)
{
	for (size_t i = 0; i < s->route_count; i++)
		if (same_route(&s->route[i], want))
			return true;
	return false;
}

/* ---- what is there ---- */

/* Ours, of that interface, in its own table or as the default of all. */
static bool is_ours(const struct route_info *r, uint32_t ifindex)
{
	return r->protocol == ROUTE_PROTOCOL_OURS && r->ifindex == ifindex;
}

/* The default route of the interface's own table; NULL when it has none. */
static const struct route_info *own_default(const struct routes *s, uint32_t ifindex)
{
	for (size_t i = 0; i < s->route_count; i++)
		if (s->route[i].ifindex == ifindex && default_offered(&s->route[i]))
			return &s->route[i];
	return NULL;
}

/* True when everything is there for the gateway of `own`, and nothing for another one. */
static bool is_right(const struct routes *s, uint32_t ifindex, const struct plan_device *d,
		     const struct route_info *own)
{
	struct rule_info rule = rule_of(ifindex, &d->addr);
	struct route_info subnet = subnet_of(ifindex, &d->addr, d->prefix_len);

	if (!has_rule(s, &rule) || !has_route(s, &subnet) || !default_is_right(s))
		return false;
	for (size_t i = 0; i < s->route_count; i++)
		if (is_ours(&s->route[i], ifindex) && s->route[i].prefix_len == ADDR_V4_BITS &&
		    (addr_cmp(&s->route[i].gateway, &own->gateway) ||
		     s->route[i].metric != own->metric))
			return false;
	for (size_t i = 0; i < s->rule_count; i++)
		if (s->rule[i].protocol == ROUTE_PROTOCOL_OURS && s->rule[i].table == rule.table &&
		    !same_rule(&s->rule[i], &rule))
			return false;
	return true;
}

void routes_read(const struct routes *s, uint32_t ifindex, struct plan_device *row)
{
	const struct route_info *own = own_default(s, ifindex);

	if (!own || !is_right(s, ifindex, row, own))
		return;
	row->gateway = own->gateway;
	row->internal = own->metric == ROUTE_METRIC_INTERNAL;
}

/* ---- mending ---- */

/* Ours is in the way of nothing else: the table is the interface's own. */
static int remove_routes(struct nl *nl, const struct routes *s, uint32_t ifindex,
			 const struct route_info *keep, size_t keep_count)
{
	int r = 0;

	for (size_t i = 0; i < s->route_count && !r; i++) {
		bool kept = !is_ours(&s->route[i], ifindex);

		for (size_t k = 0; k < keep_count; k++)
			kept |= same_route(&s->route[i], &keep[k]);
		if (!kept)
			r = route_delete(nl, &s->route[i]);
	}
	return r;
}

/* The interface's, and those of interfaces that are no more. */
static int remove_rules(struct nl *nl, const struct routes *s, uint32_t ifindex,
			const struct rule_info *keep)
{
	int r = 0;

	for (size_t i = 0; i < s->rule_count && !r; i++) {
		const struct rule_info *rule = &s->rule[i];
		struct link_info l;

		if (rule->protocol != ROUTE_PROTOCOL_OURS || rule->table <= ROUTE_TABLE_FIRST ||
		    (keep && same_rule(rule, keep)))
			continue;
		if (rule->table == routes_table_of(ifindex) ||
		    link_get_index(nl, rule->table - ROUTE_TABLE_FIRST, LINK_NSID_NONE, &l) == -ENODEV)
			r = rule_delete(nl, rule);
	}
	return r;
}

int routes_remove(struct nl *nl, uint32_t ifindex)
{
	_cleanup_(routes_fini) struct routes s = { 0 };
	int r = routes_look(nl, &s);

	if (!r)
		r = remove_rules(nl, &s, ifindex, NULL);
	if (!r)
		r = remove_routes(nl, &s, ifindex, NULL, 0);
	return r ? r : default_settle(nl);
}

static int add_missing(struct nl *nl, const struct routes *s, const struct route_info *want,
		       size_t count, const struct rule_info *rule)
{
	int r = 0;

	for (size_t i = 0; i < count && !r; i++)
		if (!has_route(s, &want[i]))
			r = route_add(nl, &want[i]);
	if (!r && !has_rule(s, rule)) /* the last: a rule into an empty table would do nothing */
		r = rule_add(nl, rule);
	return r;
}

int routes_mend(struct nl *nl, uint32_t ifindex, const struct plan_device *want)
{
	_cleanup_(routes_fini) struct routes s = { 0 };
	struct rule_info rule = rule_of(ifindex, &want->addr);
	struct route_info route[] = {
		subnet_of(ifindex, &want->addr, want->prefix_len), /* the gateway is found by it */
		default_of(routes_table_of(ifindex), ifindex, want),
		default_of(RT_TABLE_MAIN, ifindex, want), /* kept, but never added here */
	};
	int r;

	if (addr_is_zero(&want->gateway))
		return routes_remove(nl, ifindex);
	r = routes_look(nl, &s);
	if (!r)
		r = remove_rules(nl, &s, ifindex, &rule);
	if (!r)
		r = remove_routes(nl, &s, ifindex, route, ARRAY_SIZE(route));
	if (!r)
		r = add_missing(nl, &s, route, 2, &rule);
	return r ? r : default_settle(nl);
}
