/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses that a node has to ask another one for: nodes that come late, answers that are
 * lost, owners that die, one address that two want.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "addresses.h"
#include "base/cleanup.h"

/* ---- who comes late ---- */

Test(ipam_sim, late_joiner_gets_space_ahead_of_need_and_keeps_it_when_cut_off)
{
	FLEET(f, 3, 5);

	fleet_create(f, 0, "net", "10.1.0.0/24");
	fleet_create(f, 0, "tiny", "10.2.0.0/29");
	fleet_run_until_equal(f);
	size_t late = cluster_add(f->c, 1);
	fleet_start_intent(f, late);
	fleet_run(f, 10000);
	cr_assert_geq(owned(f, late, "net"), IPAM_SHARE_MIN);
	cr_assert_eq(owned(f, late, "tiny"), 0, "eight addresses are not split ahead of need");
	fleet_run_until_equal(f);
	check_complete(f, "net", 256);
	for (size_t i = 0; i < 3; i++)
		cluster_cut(f->c, late, i);
	fleet_run(f, 30000);
	cr_assert_eq(fleet_attach(f, late, "net", NULL)->e.code, 0);
	const struct attempt *a = fleet_attach(f, late, "tiny", NULL);
	cr_assert_eq(a->e.code, -EHOSTUNREACH);
	cr_assert_not_null(strstr(a->e.text, "n0, which has some, cannot be asked now"), "%s",
			   a->e.text);
}

Test(ipam_sim, late_joiner_that_attaches_at_once_is_served)
{
	FLEET(f, 3, 6);

	f->ahead = false;
	fleet_create(f, 0, "net", "10.1.0.0/29");
	fleet_run_until_equal(f);
	size_t late = cluster_add(f->c, 0);
	fleet_start_intent(f, late);
	cr_assert(cluster_wait(f->c, cluster_is_settled, 60000));
	struct attempt *a = fleet_attach(f, late, "net", NULL);
	cr_assert_eq(a->times, 0);
	fleet_run(f, 2000);
	endpoint(f, a);
	fleet_run_until_equal(f);
	check_complete(f, "net", 8);
}

Test(ipam_sim, many_attaches_at_once_wait_in_line_for_one_grant)
{
	FLEET(f, 3, 7);
	uint64_t calls;

	f->ahead = false;
	fleet_create(f, 0, "net", "10.1.0.0/24");
	fleet_run_until_equal(f);
	size_t late = cluster_add(f->c, 0);
	fleet_start_intent(f, late);
	cr_assert(cluster_wait(f->c, cluster_is_settled, 60000));
	calls = gossip_counters(cluster_node(f->c, late)->gossip)->calls_out;
	for (int i = 0; i < 30; i++)
		fleet_attach(f, late, "net", NULL);
	cr_assert_eq(count_attached(f), 0);
	calls = gossip_counters(cluster_node(f->c, late)->gossip)->calls_out - calls;
	cr_assert_eq(calls, 1, "thirty wishes, one question");
	fleet_run(f, 3000);
	check_all_answered(f);
	cr_assert_eq(count_attached(f), 30);
	check_nothing_twice(f, "net", 256);
}

Test(ipam_sim, line_is_bounded)
{
	FLEET(f, 2, 8);

	f->ahead = false;
	fleet_create(f, 0, "net", "10.1.0.0/20");
	fleet_run_until_equal(f);
	size_t late = cluster_add(f->c, 0);
	fleet_start_intent(f, late);
	cr_assert(cluster_wait(f->c, cluster_is_settled, 60000));
	for (int i = 0; i < INTENT_WAITING_MAX; i++)
		cr_assert_eq(fleet_attach(f, late, "net", NULL)->times, 0);
	cr_assert_eq(fleet_attach(f, late, "net", NULL)->e.code, -EAGAIN);
	fleet_run(f, 5000);
	cr_assert_eq(count_attached(f), INTENT_WAITING_MAX);
}

/* ---- loss ---- */

Test(ipam_sim, subnet_is_given_to_the_last_address_under_loss)
{
	FLEET(f, 10, 9);

	fleet_create(f, 0, "net", "10.1.0.0/25");
	fleet_run_until_equal(f);
	cluster_loss(f->c, 30);
	f->lost_replies = 30;
	/* Two nodes alone use everything, so that all others must give what they have. */
	for (int i = 0; i < 400 && count_attached(f) < 125; i++) {
		fleet_attach(f, i % 2, "net", NULL);
		fleet_run(f, 1000);
	}
	cr_assert_eq(count_attached(f), 125);
	check_nothing_twice(f, "net", 128);
	fleet_run(f, 30000);
	const struct attempt *a = fleet_attach(f, 5, "net", NULL);
	fleet_run(f, 12000);
	cr_assert_eq(a->e.code, -ENOSPC);
	cr_assert_not_null(strstr(a->e.text, "no free address left in 10.1.0.0/25 (125 in use)"),
			   "%s", a->e.text);
	check_all_answered(f);
	cluster_loss(f->c, 0);
	fleet_run_until_equal(f);
	check_complete(f, "net", 128);
}

/*
 * n0 has not heard that n1 gave an address away, so it takes what n1 says it owns
 * for a lost reply and repeats itself; n1 must not take that for the last word.
 */
Test(ipam_sim, asked_node_with_old_news_is_asked_again_at_once)
{
	FLEET(f, 2, 17);
	struct attempt *a;

	f->ahead = false;
	fleet_create(f, 0, "net", "10.1.0.0/27"); /* n0: .0 to .15; n1: the rest */
	fleet_run_until_equal(f);
	fleet_start_intent(f, cluster_add(f->c, 0));
	for (int i = 0; i < 14; i++)
		fleet_attach(f, 1, "net", NULL);
	fleet_run_until_equal(f);
	for (size_t i = 1; i < 3; i++)
		cluster_link_loss(f->c, i, 0, 100); /* datagrams; calls get through */
	a = fleet_attach(f, 2, "net", "10.1.0.30");
	cluster_run(f->c, 100);
	endpoint(f, a);
	a = fleet_attach(f, 1, "net", NULL);
	cluster_run(f->c, 100);
	cr_assert_lt(addr_v4(&endpoint(f, a)->addr), 0x0a010010u);
	check_nothing_twice(f, "net", 32);
}

Test(ipam_sim, owner_that_dies_while_asked_is_named)
{
	FLEET(f, 2, 10);

	f->ahead = false;
	fleet_create(f, 0, "net", "10.1.0.0/29");
	fleet_run_until_equal(f);
	cluster_cut(f->c, 0, 1); /* gossip has not noticed yet */
	struct attempt *a = fleet_attach(f, 1, "net", NULL);
	cr_assert_eq(a->times, 0);
	f->ahead = true;
	fleet_run(f, INTENT_DEADLINE_MS + 1000);
	cr_assert_eq(a->times, 1);
	cr_assert_not_null(strstr(a->e.text, "n0"), "%s", a->e.text);
	cr_assert(a->e.code == -EHOSTUNREACH || a->e.code == -ETIMEDOUT);
}

Test(ipam_sim, daemon_that_stops_answers_those_who_wait)
{
	FLEET(f, 2, 11);

	f->ahead = false;
	fleet_create(f, 0, "net", "10.1.0.0/29");
	fleet_run_until_equal(f);
	struct attempt *a = fleet_attach(f, 1, "net", NULL);
	cr_assert_eq(a->times, 0);
	cluster_crash(f->c, 1); /* gossip goes before the intents */
	cr_assert_eq(a->e.code, -ECANCELED);
	intent_free(f->intent[1]);
	cluster_restart(f->c, 1, true);
	fleet_start_intent(f, 1);
	fleet_run_until_equal(f);
	a = fleet_attach(f, 1, "net", NULL);
	cr_assert_eq(a->times, 0);
	intent_free(f->intent[1]); /* and the other way round */
	cr_assert_eq(a->e.code, -ECANCELED);
	cr_assert_eq(a->times, 1);
	cluster_crash(f->c, 1);
	cluster_restart(f->c, 1, true);
	fleet_start_intent(f, 1);
	fleet_run_until_equal(f);
	a = fleet_attach(f, 1, "net", NULL);
	fleet_run(f, 3000);
	endpoint(f, a);
	check_all_answered(f);
}

/* ---- asked by name ---- */

Test(ipam_sim, address_asked_for_by_name_comes_from_its_owner)
{
	FLEET(f, 3, 12);
	struct attempt *a[3];

	fleet_create(f, 0, "net", "10.1.0.0/24");
	fleet_run_until_equal(f);
	a[0] = fleet_attach(f, 0, "net", "10.1.0.250");
	a[1] = fleet_attach(f, 1, "net", "10.1.0.251");
	a[2] = fleet_attach(f, 2, "net", "10.1.0.10");
	fleet_run(f, 2000);
	cr_assert_eq(addr_v4(&endpoint(f, a[0])->addr), 0x0a0100fau);
	cr_assert_eq(addr_v4(&endpoint(f, a[1])->addr), 0x0a0100fbu);
	cr_assert_eq(addr_v4(&endpoint(f, a[2])->addr), 0x0a01000au);
	fleet_run_until_equal(f);
	check_complete(f, "net", 256);
}

Test(ipam_sim, two_nodes_ask_for_one_address_and_one_gets_it)
{
	FLEET(f, 3, 13);

	fleet_create(f, 0, "net", "10.1.0.0/24");
	fleet_run_until_equal(f);
	for (int i = 0; i < 10; i++) {
		char ip[32];
		struct attempt *a, *b;

		snprintf(ip, sizeof(ip), "10.1.0.%d", 20 + i);
		a = fleet_attach(f, 1, "net", ip);
		b = fleet_attach(f, 2, "net", ip);
		fleet_run(f, 12000);
		cr_assert_eq(a->times + b->times, 2);
		cr_assert_eq((a->e.code == 0) + (b->e.code == 0), 1, "%s / %s", a->e.text,
			     b->e.text);
	}
	check_nothing_twice(f, "net", 256);
}

Test(ipam_sim, wanted_address_of_a_cut_off_node_is_refused_naming_it)
{
	FLEET(f, 3, 14);

	fleet_create(f, 0, "net", "10.1.0.0/24");
	fleet_run_until_equal(f);
	cluster_split(f->c, 2);
	fleet_run(f, 30000);
	struct attempt *a = fleet_attach(f, 0, "net", last_owned(f, 2, "net"));
	cr_assert_eq(a->times, 1, "who is known to be away is not waited for");
	cr_assert_eq(a->e.code, -EHOSTUNREACH);
	cr_assert_not_null(strstr(a->e.text, "belongs to node n2"), "%s", a->e.text);
	struct attempt *b = fleet_attach(f, 0, "net", last_owned(f, 1, "net"));
	fleet_run(f, 2000);
	endpoint(f, b);
}
