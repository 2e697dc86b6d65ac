/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rules of policy in a cluster: made and removed on both sides of a split, they are the same
 * on every node after it, and so are the rows that every node compiles of them.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "policy/policy.h"
#include "tests/lib/fleet.h"

#define NODES 4

static struct id ruled(struct fleet *f, size_t i, bool deny, const char *from)
{
	struct policy_ask ask = { .network = "net", .deny = deny, .from = from, .to = "any" };
	struct err e = { 0 };
	struct id id;

	cr_assert_eq(intent_policy_add(f->intent[i], &ask, cluster_wall(f->c, i), &id, &e), 0, "%s",
		     e.text);
	cluster_settle(f->c, i);
	return id;
}

static void unruled(struct fleet *f, size_t i, const struct id *id)
{
	char text[ID_TEXT_MAX];
	struct err e = { 0 };
	struct id gone;

	cr_assert_eq(intent_policy_rm(f->intent[i], id_format(id, text), cluster_wall(f->c, i), &gone,
				      &e), 0, "%s", e.text);
	cluster_settle(f->c, i);
}

static struct policy_book compiled(struct fleet *f, size_t i)
{
	struct policy_book b = { 0 };

	cr_assert_eq(policy_compile(fleet_view(f, i), NULL, &b), 0);
	return b;
}

static void expect_same_rows(struct fleet *f, size_t rules)
{
	_cleanup_(policy_book_fini) struct policy_book first = compiled(f, 0);

	cr_assert_eq(first.rule_count, rules);
	for (size_t i = 1; i < NODES; i++) {
		_cleanup_(policy_book_fini) struct policy_book b = compiled(f, i);

		cr_assert_eq(b.head_count, 1);
		cr_assert_eq(memcmp(&b.head[0].value, &first.head[0].value, sizeof(b.head[0].value)), 0);
		cr_assert_eq(b.rule_count, rules);
		cr_assert_eq(memcmp(b.rule, first.rule, rules * sizeof(*b.rule)), 0, "node %zu", i);
	}
}

Test(policy_sim, rules_of_both_sides_of_a_split_are_all_there_after_it)
{
	for (uint64_t seed = 1; seed <= 5; seed++) {
		_cleanup_(fleet_freep) struct fleet *f = fleet_networked(NODES, seed);
		struct id shared = ruled(f, 0, false, "cidr=10.1.0.0/25");

		fleet_heal(f);
		cluster_split(f->c, 2);
		ruled(f, 0, true, "cidr=10.1.0.16/28");
		ruled(f, 1, false, "label=tier=web"); /* of nobody: a rule, and no row */
		ruled(f, 3, true, "cidr=10.1.0.32/28");
		unruled(f, 2, &shared);
		fleet_heal(f);
		for (size_t i = 0; i < NODES; i++)
			cr_assert_eq(fleet_view(f, i)->policy_count, 3);
		expect_same_rows(f, 2);
	}
}

/* Either side refused the other's had it known: together they say what denying beats. */
Test(policy_sim, what_one_side_allowed_and_the_other_denied_is_denied_everywhere)
{
	_cleanup_(fleet_freep) struct fleet *f = fleet_networked(NODES, 7);

	cluster_split(f->c, 2);
	ruled(f, 0, false, "cidr=10.1.0.0/25");
	ruled(f, 3, true, "cidr=10.1.0.0/25");
	fleet_heal(f);
	expect_same_rows(f, 1);
	_cleanup_(policy_book_fini) struct policy_book b = compiled(f, 2);
	cr_assert_eq(b.rule[0].value.verdict, OV_POLICY_DENY);
}
