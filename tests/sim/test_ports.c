/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Published ports in a cluster: what nodes that do not hear of each other give
 * away twice is settled alike by all of them, once they do.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/lib/fleet.h"

#define NODES 4

static struct attempt *publish(struct fleet *f, size_t i, const char *name, const char *port)
{
	struct service_ask ask = { .name = name, .network = "net", .publish = &port,
				   .publish_count = 1 };

	return fleet_ask_service(f, i, &ask);
}

static void published(struct fleet *f, size_t i, const char *name, const char *port)
{
	struct attempt *a = publish(f, i, name, port);

	cr_assert_not(id_is_zero(&a->id), "%s", a->e.text);
}

static const struct view_service *service(struct fleet *f, size_t i, const char *name)
{
	bool ambiguous;

	return view_service_find(fleet_view(f, i), name, &ambiguous);
}

/* How many of the two have their port, as node i sees it; *ret_first: the first one has. */
static int count_holders(struct fleet *f, size_t i, bool *ret_first)
{
	const struct view_service *one = service(f, i, "one"), *two = service(f, i, "two");

	cr_assert_not_null(one);
	cr_assert_not_null(two);
	*ret_first = !one->publish_lost;
	return !one->publish_lost + !two->publish_lost;
}

Test(ports_sim, a_port_that_both_sides_of_a_split_gave_away_is_had_by_one)
{
	for (uint64_t seed = 1; seed <= 5; seed++) {
		_cleanup_(fleet_freep) struct fleet *f = fleet_networked(NODES, seed);
		bool first, first_here;

		cluster_split(f->c, 2);
		published(f, 0, "one", "80:80");
		cluster_run(f->c, 2000);
		published(f, 3, "two", "192.0.2.1:80:80");
		cr_assert_eq(service(f, 3, "two")->publish_lost, 0, "nobody to lose it to yet");
		fleet_heal(f);
		cr_assert_eq(count_holders(f, 0, &first), 1);
		for (size_t i = 1; i < NODES; i++) {
			cr_assert_eq(count_holders(f, i, &first_here), 1);
			cr_assert_eq(first_here, first, "seed %u, node %zu", (unsigned int)seed, i);
		}
	}
}

Test(ports_sim, who_lost_a_port_has_it_when_the_other_goes)
{
	_cleanup_(fleet_freep) struct fleet *f = fleet_networked(NODES, 7);
	bool first;

	cluster_split(f->c, 2);
	published(f, 0, "one", "80:80");
	published(f, 3, "two", "80:80");
	fleet_heal(f);
	count_holders(f, 0, &first);
	cr_assert_eq(intent_service_rm(f->intent[2], first ? "one" : "two", cluster_wall(f->c, 2),
		NULL), 0);
	cluster_settle(f->c, 2);
	cr_assert(cluster_wait(f->c, cluster_is_settled, 60000));
	for (size_t i = 0; i < NODES; i++)
		cr_assert_eq(service(f, i, first ? "two" : "one")->publish_lost, 0);
}

Test(ports_sim, a_port_known_from_another_node_is_refused)
{
	_cleanup_(fleet_freep) struct fleet *f = fleet_networked(NODES, 8);

	published(f, 0, "one", "80:80");
	cr_assert(cluster_wait(f->c, cluster_is_settled, 60000));
	struct attempt *a = publish(f, 3, "two", "80:80");
	cr_assert(id_is_zero(&a->id));
	cr_assert_not_null(strstr(a->e.text, "published by service one of network net"), "%s",
		a->e.text);
}

static uint16_t chosen(struct fleet *f, size_t i, const char *name)
{
	struct service_detail d;

	service_detail_decode(service(f, i, name)->item, &d);
	return d.publish[0].published;
}

Test(ports_sim, ports_that_both_sides_choose_rarely_meet)
{
	unsigned int lost = 0;

	for (uint64_t seed = 20; seed < 24; seed++) {
		_cleanup_(fleet_freep) struct fleet *f = fleet_networked(NODES, seed);

		cluster_split(f->c, 2);
		for (int i = 0; i < 20; i++) {
			char name[16];

			snprintf(name, sizeof(name), "s%d", i);
			published(f, i % 2 ? 3 : 0, name, "80");
			cluster_run(f->c, 200);
		}
		fleet_heal(f);
		for (int i = 0; i < 20; i++) {
			char name[16];

			snprintf(name, sizeof(name), "s%d", i);
			cr_assert_geq(chosen(f, 1, name), PUBLISH_DYNAMIC_FIRST);
			lost += service(f, 1, name)->publish_lost;
		}
	}
	cr_assert_leq(lost, 4, "%u of 80: of 2768 ports ten a side meet once in thirty times",
		lost);
}
