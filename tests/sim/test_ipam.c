/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses in a cluster: real stores, gossip and intents; splits, nodes that leave or never
 * come back, anything in any order. After each story: no address was given twice, no address
 * has two owners, and once healed all nodes agree.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "addresses.h"
#include "base/cleanup.h"

/* ---- partitions ---- */

static void both_sides_attach(size_t nodes, size_t cut_at, uint64_t seed)
{
	FLEET(f, nodes, seed);

	fleet_create(f, 0, "net", "10.1.0.0/24");
	fleet_run_until_equal(f);
	cluster_split(f->c, cut_at);
	for (int round = 0; round < 12; round++) {
		for (size_t i = 0; i < nodes; i++)
			fleet_attach(f, i, "net", NULL);
		fleet_run(f, 2000);
		check_nothing_twice(f, "net", 256);
	}
	check_all_answered(f);
	cr_assert_eq(count_attached(f), 12 * nodes, "each side has addresses of its own");
	cluster_heal_all(f->c);
	fleet_run_until_equal(f);
	check_complete(f, "net", 256);
	cr_assert_eq(fleet_view(f, 0)->endpoint_count, 12 * nodes);
}

Test(ipam_sim, both_sides_of_a_split_attach_and_no_address_is_double_3)
{
	both_sides_attach(3, 1, 1);
}

Test(ipam_sim, both_sides_of_a_split_attach_and_no_address_is_double_5)
{
	both_sides_attach(5, 2, 2);
}

Test(ipam_sim, both_sides_of_a_split_attach_and_no_address_is_double_10)
{
	both_sides_attach(10, 4, 3);
}

Test(ipam_sim, network_made_on_each_side_of_a_split_works_on_both)
{
	FLEET(f, 4, 4);

	cluster_split(f->c, 2);
	fleet_run(f, 30000);
	fleet_create(f, 0, "net", "10.1.0.0/24");
	fleet_create(f, 2, "net", "10.1.0.0/24");
	fleet_run(f, 3000);
	for (size_t i = 0; i < 4; i++)
		cr_assert_eq(fleet_attach(f, i, "net", NULL)->times, 1);
	cr_assert_eq(count_attached(f), 4);
	cluster_heal_all(f->c);
	fleet_run_until_equal(f);
	cr_assert_eq(fleet_view(f, 3)->network_count, 2, "two networks of one name, each with its own");
	cr_assert_eq(fleet_view(f, 3)->endpoint_count, 4);
	for (size_t i = 0; i < 2; i++)
		cr_assert_not(fleet_view(f, 3)->network[i].vni_lost);
}

/* ---- services ---- */

Test(ipam_sim, both_sides_of_a_split_make_services_and_no_vip_is_an_endpoints_address)
{
	FLEET(f, 4, 21);

	fleet_create(f, 0, "net", "10.1.0.0/24");
	fleet_run_until_equal(f);
	cluster_split(f->c, 2);
	for (int round = 0; round < 6; round++) {
		for (size_t i = 0; i < 4; i++) {
			fleet_serve(f, i, "net", NULL);
			fleet_attach(f, i, "net", NULL);
			fleet_serve(f, i, "net", NULL);
		}
		fleet_run(f, 2000);
		check_nothing_twice(f, "net", 256);
	}
	check_all_answered(f);
	cr_assert_eq(count_attached(f), 72, "each side has addresses of its own");
	cluster_heal_all(f->c);
	fleet_run_until_equal(f);
	check_complete(f, "net", 256);
	cr_assert_eq(fleet_view(f, 3)->service_count, 48);
	cr_assert_eq(fleet_view(f, 3)->endpoint_count, 24);
}

Test(ipam_sim, a_node_without_addresses_asks_for_a_vip)
{
	FLEET(f, 3, 22);
	struct attempt *one, *wanted;
	char text[ADDR_TEXT_MAX];

	f->ahead = false;
	fleet_create(f, 0, "net", "10.1.0.0/29");
	fleet_run_until_equal(f);
	cr_assert_eq(owned(f, 2, "net"), 0);
	one = fleet_serve(f, 2, "net", NULL);
	cr_assert_eq(one->times, 0, "it waits for the owner's answer");
	fleet_run(f, 3000);
	cr_assert_eq(one->times, 1);
	cr_assert_not(id_is_zero(&one->id), "%s", one->e.text);
	wanted = fleet_serve(f, 1, "net", "10.1.0.2");
	fleet_run(f, 3000);
	cr_assert_eq(wanted->times, 1);
	cr_assert_str_eq(addr_format(&view_service_by_id(fleet_view(f, 1), &wanted->id)->svc->vip, text),
			 "10.1.0.2");
	fleet_run_until_equal(f);
	check_complete(f, "net", 8);
}

Test(ipam_sim, a_vip_that_another_node_gave_is_refused_naming_its_service)
{
	FLEET(f, 2, 23);
	struct attempt *first, *second;

	fleet_create(f, 0, "net", "10.1.0.0/24");
	fleet_run_until_equal(f);
	first = fleet_serve(f, 0, "net", "10.1.0.9");
	second = fleet_attach(f, 1, "net", "10.1.0.9"); /* before it can have heard of the service */
	fleet_run(f, 3000);
	cr_assert_not(id_is_zero(&first->id), "%s", first->e.text);
	cr_assert_eq(second->times, 1);
	cr_assert_not_null(strstr(second->e.text, "is the VIP of service s0"), "%s",
			   second->e.text);
	check_complete(f, "net", 256);
}

Test(ipam_sim, services_and_endpoints_fill_a_subnet_to_the_last_address_and_use_it_again)
{
	FLEET(f, 3, 24);
	struct attempt *again;
	char id[ID_TEXT_MAX];
	size_t at, got;

	fleet_create(f, 0, "net", "10.1.0.0/26");
	fleet_run_until_equal(f);
	for (int i = 0; i < 61; i++) {
		if (i % 2)
			fleet_serve(f, (size_t)i % 3, "net", NULL);
		else
			fleet_attach(f, (size_t)i % 3, "net", NULL);
		fleet_run(f, 1000);
		check_nothing_twice(f, "net", 64);
	}
	got = count_attached(f);
	cr_assert_eq(got, 61, "%zu of 61: %s", got, f->attempt[60].e.text);
	cr_assert(id_is_zero(&fleet_serve(f, 1, "net", NULL)->id));
	fleet_run(f, 12000);
	check_all_answered(f);
	at = 1; /* a service, made on node 1, removed elsewhere */
	cr_assert_eq(intent_service_rm(f->intent[2], id_format(&f->attempt[at].id, id),
				       cluster_wall(f->c, 2), NULL), 0);
	cluster_settle(f->c, 2);
	fleet_run(f, IPAM_HOLD_MS + 2000);
	again = fleet_attach(f, 0, "net", NULL);
	fleet_run(f, 12000);
	cr_assert_not(id_is_zero(&again->id), "%s", again->e.text);
	fleet_run_until_equal(f);
	check_complete(f, "net", 64);
}

Test(ipam_sim, a_service_removed_on_one_side_and_changed_on_the_other_stays_removed)
{
	FLEET(f, 4, 25);
	struct service_ask change = { .name = "s0", .algorithm = "rr" };
	struct attempt *service, *taker;
	struct id id;

	fleet_create(f, 0, "net", "10.1.0.0/24");
	fleet_run_until_equal(f);
	service = fleet_serve(f, 0, "net", "10.1.0.9");
	fleet_run_until_equal(f);
	cluster_split(f->c, 2);
	cr_assert_eq(intent_service_rm(f->intent[0], "s0", cluster_wall(f->c, 0), NULL), 0);
	cluster_settle(f->c, 0);
	fleet_run(f, 2000);
	cr_assert_eq(intent_service_update(f->intent[3], &change, cluster_wall(f->c, 3), &id, NULL),
		     0);
	cluster_settle(f->c, 3);
	taker = fleet_attach(f, 0, "net", "10.1.0.9");
	fleet_run(f, 2000);
	cr_assert_not(id_is_zero(&taker->id), "%s", taker->e.text);
	cluster_heal_all(f->c);
	fleet_run_until_equal(f);
	for (size_t i = 0; i < 4; i++)
		cr_assert_null(view_service_by_id(fleet_view(f, i), &service->id));
	check_complete(f, "net", 256);
}

/* ---- removal ---- */

Test(ipam_sim, removed_nodes_addresses_are_used_again)
{
	FLEET(f, 3, 15);
	struct err e = { 0 };

	fleet_create(f, 0, "net", "10.1.0.0/26");
	fleet_run_until_equal(f);
	cr_assert_eq(intent_node_rm(f->intent[0], "n2", cluster_wall(f->c, 0), &e), -EBUSY);
	cr_assert_not_null(strstr(e.text, "node n2 is alive"), "%s", e.text);
	fleet_attach(f, 2, "net", NULL);
	fleet_run_until_equal(f);
	cluster_crash(f->c, 2);
	fleet_run(f, 60000);
	cr_assert_eq(cluster_status(f->c, 0, 2), MEMBER_DEAD);
	e = (struct err){ 0 };
	cr_assert_eq(intent_node_rm(f->intent[0], "n2", cluster_wall(f->c, 0), &e), 0, "%s",
		     e.text);
	cluster_settle(f->c, 0);
	fleet_run(f, 10000);
	for (int i = 0; i < 61; i++) {
		fleet_attach(f, i % 2, "net", NULL);
		fleet_run(f, 1000);
	}
	check_all_answered(f);
	cr_assert_eq(count_attached(f), 1 + 61, "every address of the subnet is in use");
	cr_assert_eq(fleet_view(f, 1)->endpoint_count, 61);
}

Test(ipam_sim, leaving_node_hands_its_addresses_to_a_living_one)
{
	FLEET(f, 3, 16);

	fleet_create(f, 0, "net", "10.1.0.0/24");
	fleet_run_until_equal(f);
	for (int i = 0; i < 5; i++)
		fleet_attach(f, 1, "net", NULL);
	fleet_run_until_equal(f);
	cr_assert_eq(intent_leave(f->intent[1], cluster_wall(f->c, 1), NULL), 0);
	cluster_settle(f->c, 1);
	fleet_run(f, 5000);
	const struct view *v = fleet_view(f, 0);
	cr_assert_eq(v->node_count, 2);
	cr_assert_eq(v->endpoint_count, 0);
	cr_assert_eq(ipam_owned(v, fleet_network(f, 0, "net"), &cluster_node(f->c, 0)->id) +
			     ipam_owned(v, fleet_network(f, 0, "net"), &cluster_node(f->c, 2)->id),
		     256);
}

/* ---- anything at all ---- */

static void detach_one(struct fleet *f)
{
	size_t from = rng_below(&f->rng, (uint32_t)f->count);
	char id[ID_TEXT_MAX];

	for (size_t k = 0; k < f->count; k++) {
		struct attempt *a = &f->attempt[(from + k) % f->count];

		if (id_is_zero(&a->id) || !cluster_node(f->c, a->node)->up ||
		    !view_endpoint_by_id(fleet_view(f, a->node), &a->id))
			continue;
		cr_assert_eq(intent_detach(f->intent[a->node], id_format(&a->id, id),
					   cluster_wall(f->c, a->node), NULL),
			     0);
		cluster_settle(f->c, a->node);
		return;
	}
}

static void one_event(struct fleet *f, size_t nodes)
{
	uint32_t what = rng_below(&f->rng, 100);
	size_t i = rng_below(&f->rng, (uint32_t)nodes), j = rng_below(&f->rng, (uint32_t)nodes);
	char ip[32];

	snprintf(ip, sizeof(ip), "10.1.0.%u", rng_below(&f->rng, 64));
	if (what < 45)
		fleet_attach(f, i, "net", NULL);
	else if (what < 60)
		fleet_attach(f, i, "net", ip);
	else if (what < 85 && f->count)
		detach_one(f);
	else if (what < 92 && i != j)
		cluster_cut(f->c, i, j);
	else if (what < 96 && i != j)
		cluster_heal(f->c, i, j);
	else if (what < 98)
		cluster_split(f->c, 1 + rng_below(&f->rng, (uint32_t)nodes - 1));
	else
		cluster_heal_all(f->c);
}

static void anything(size_t nodes, uint64_t seed)
{
	FLEET(f, nodes, seed);

	fleet_create(f, 0, "net", "10.1.0.0/26");
	fleet_run(f, 1000);
	cluster_loss(f->c, 10);
	f->lost_replies = 20;
	for (int step = 0; step < 250; step++) {
		one_event(f, nodes);
		fleet_run(f, 500 * rng_below(&f->rng, 6));
		if (step % 5 == 0)
			check_nothing_twice(f, "net", 64);
	}
	f->lost_replies = 0;
	cluster_loss(f->c, 0);
	cluster_heal_all(f->c);
	fleet_run(f, INTENT_DEADLINE_MS + 1000);
	check_all_answered(f);
	fleet_run_until_equal(f);
	check_complete(f, "net", 64);
}

Test(ipam_sim, whatever_happens_no_address_is_double_1)
{
	anything(3, 101);
}

Test(ipam_sim, whatever_happens_no_address_is_double_2)
{
	anything(5, 102);
}

Test(ipam_sim, whatever_happens_no_address_is_double_3)
{
	anything(8, 103);
}
