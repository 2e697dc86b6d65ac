/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a plan makes of policy; tests/unit/test_policy_compile.c has what the rows say. */
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <string.h>

#include "base/cleanup.h"
#include "plan/plan.h"
#include "policy/policy.h"
#include "tests/lib/plan_shop.h"

/* The shop's backend here (30), a caller elsewhere, and a rule that lets it call port 80. */
static struct item *world_with_rule(struct world *w)
{
	struct item *rule;

	shop_new(w);
	world_label(world_endpoint(w, 0x200000, 2, 20, "10.10.0.4"), "tier=web");
	rule = world_policy(w, 0x11110000, 20, false, "label=tier=web", "service=40");
	world_policy_port(rule, IPPROTO_TCP, 80, 81);
	return rule;
}

static struct plan planned(const struct world *w)
{
	_cleanup_(view_fini) struct view v = world_view(w);
	struct id self = world_id(PLAN_SELF);
	struct shop_host h;
	struct plan p;

	cr_assert_eq(plan_build(&v, shop_host(&h), &self, &p), 0);
	return p;
}

static unsigned int flagged(const struct plan *p, enum plan_table_id id, size_t at)
{
	unsigned int count = 0;

	for (size_t i = 0; i < p->table[id].count; i++) {
		uint16_t flags;

		memcpy(&flags, plan_row(&p->table[id], i) + p->table[id].key_size + at, sizeof(flags));
		count += (flags & OV_ENDPOINT_POLICY) != 0;
	}
	return count;
}

Test(plan_policy, flags_every_row_of_the_network_and_no_other)
{
	_cleanup_(world_fini) struct world w = { 0 };
	_cleanup_(plan_fini) struct plan p = { 0 };

	world_with_rule(&w);
	world_network(&w, 21, "other", "10.21.0.0/24", 5000);
	world_endpoint(&w, 0x300000, 2, 21, "10.21.0.4");
	p = planned(&w);
	cr_assert_eq(flagged(&p, PLAN_ENDPOINTS, offsetof(struct ov_endpoint, flags)),
		     p.table[PLAN_ENDPOINTS].count - 1);
	cr_assert_eq(p.table[PLAN_MAP_DEVICES].count, 1);
	cr_assert_eq(flagged(&p, PLAN_MAP_DEVICES, offsetof(struct ov_device, flags)), 1);
	cr_assert_eq(p.table[PLAN_POLICY_SETS].count, 1);
	cr_assert_eq(p.table[PLAN_POLICY_SUBJECTS].count, 3, "two backends and the caller");
	cr_assert_eq(p.table[PLAN_POLICY_RULES].count, 1, "80 and 81 are one prefix");
	cr_assert_eq(p.broken, 0);
}

Test(plan_policy, without_rules_there_is_no_row_and_no_flag)
{
	_cleanup_(world_fini) struct world w = { 0 };
	_cleanup_(plan_fini) struct plan p = { 0 };

	shop_new(&w);
	p = planned(&w);
	cr_assert_eq(p.table[PLAN_POLICY_SETS].count + p.table[PLAN_POLICY_RULES].count +
		     p.table[PLAN_POLICY_SUBJECTS].count, 0);
	cr_assert_eq(flagged(&p, PLAN_ENDPOINTS, offsetof(struct ov_endpoint, flags)), 0);
}

/* A rule outlives whom it names, and with it the flag: the network does not fall open. */
Test(plan_policy, a_rule_about_nobody_still_flags_its_network)
{
	_cleanup_(world_fini) struct world w = { 0 };
	_cleanup_(plan_fini) struct plan p = { 0 };

	shop_new(&w);
	world_policy(&w, 0x11110000, 20, true, "service=77", "any");
	p = planned(&w);
	cr_assert_eq(p.table[PLAN_POLICY_SETS].count, 1);
	cr_assert_eq(p.table[PLAN_POLICY_RULES].count, 0);
	cr_assert_eq(flagged(&p, PLAN_ENDPOINTS, offsetof(struct ov_endpoint, flags)),
		     p.table[PLAN_ENDPOINTS].count);
}

Test(plan_policy, as_text)
{
	_cleanup_(world_fini) struct world w = { 0 };
	struct shop_host h;

	shop_new(&w);
	world_policy(&w, 0x11110000, 20, true, "cidr=192.0.2.0/24", "any");
	expect_lines(&w, shop_host(&h), "rule subject ruleset",
		"rule vni=4096 set=d2bf625f b481b6dd>00000000 any deny by eeee1111\n"
		"subject 192.0.2.0/24 vni=4096 set=d2bf625f class=b481b6dd\n"
		"ruleset vni=4096 set=d2bf625f allow\n");
}

Test(plan_policy, tells_of_a_network_whose_rules_do_not_fit)
{
	_cleanup_(world_fini) struct world w = { 0 };
	_cleanup_(plan_fini) struct plan p = { 0 };
	struct ov_policy value;

	shop_new(&w);
	for (unsigned int i = 0; i <= 2 * POLICY_RULES_MAX; i++)
		world_policy(&w, 0x11110000 + i, 20, true, "any", "any");
	p = planned(&w);
	cr_assert_eq(p.broken, 1);
	cr_assert_str_eq(p.broken_name, "app-net");
	cr_assert_eq(p.table[PLAN_POLICY_SETS].count, 1);
	memcpy(&value, plan_row(&p.table[PLAN_POLICY_SETS], 0) + sizeof(struct ov_policy_key),
	       sizeof(value));
	cr_assert_eq(value.flags, OV_POLICY_BROKEN);
	cr_assert_eq(p.table[PLAN_POLICY_RULES].count, 0);
}

/* A set of rules is whole before it is named, and named before it is asked for. */
Test(plan_policy, tables_stand_in_the_order_that_leaves_no_half_set)
{
	cr_assert_lt(PLAN_POLICY_RULES, PLAN_POLICY_SUBJECTS);
	cr_assert_lt(PLAN_POLICY_SUBJECTS, PLAN_POLICY_SETS);
	cr_assert_lt(PLAN_POLICY_SETS, PLAN_MAP_DEVICES);
	cr_assert_lt(PLAN_POLICY_SETS, PLAN_ENDPOINTS);
}
