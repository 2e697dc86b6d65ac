/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who has a published port that two services claim. */
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "tests/lib/made_world.h"

#define NET 20

struct claimed {
	uint16_t port;
	const char *addr; /* NULL: every one */
	uint8_t protocol, mode;
};

/* A service of NET; its age is its number. */
static struct item *publisher(struct world *w, unsigned int number, size_t count,
			      const struct claimed *list)
{
	struct service_detail d = { 0 };
	char name[16], vip[ADDR_TEXT_MAX];
	struct item *it;

	snprintf(name, sizeof(name), "s%u", number);
	snprintf(vip, sizeof(vip), "10.9.0.%u", number);
	it = world_service(w, number, NET, name, vip);
	it->service.publish_count = (uint8_t)count;
	for (size_t i = 0; i < count; i++) {
		d.publish[i] = (struct publish){ .mode = list[i].mode, .published = list[i].port,
						 .protocol = list[i].protocol, .target = 80 };
		if (list[i].addr)
			cr_assert_eq(addr_parse(list[i].addr, &d.publish[i].addr), 0);
	}
	world_service_detail(it, &d);
	return it;
}

#define CLAIMS(...)                                                        \
	sizeof((const struct claimed[]){ __VA_ARGS__ }) / sizeof(struct claimed), \
	(const struct claimed[]){ __VA_ARGS__ }
#define TCP(port, addr) { port, addr, IPPROTO_TCP, PUBLISH_INGRESS }

static uint32_t lost(const struct view *v, unsigned int number)
{
	struct id id = world_id(number);
	const struct view_service *vs = view_service_by_id(v, &id);

	cr_assert_not_null(vs);
	return vs->publish_lost;
}

#define WORLD                                       \
	_cleanup_(world_fini) struct world w = { 0 }; \
	world_network(&w, NET, "net", "10.9.0.0/16", 5000)
#define VIEW _cleanup_(view_fini) struct view v = world_view(&w)

Test(view_ports, the_older_service_keeps_a_port)
{
	WORLD;
	publisher(&w, 41, CLAIMS(TCP(80, NULL), TCP(81, NULL)));
	publisher(&w, 42, CLAIMS(TCP(443, NULL), TCP(80, NULL)));
	publisher(&w, 43, CLAIMS(TCP(443, NULL)))->service.created_ms = 1;
	VIEW;
	cr_assert_eq(lost(&v, 41), 0);
	cr_assert_eq(lost(&v, 42), 1u << 0 | 1u << 1, "80 to an older one, 443 to the oldest");
	cr_assert_eq(lost(&v, 43), 0, "age counts, not the id");
}

Test(view_ports, services_of_one_age_go_by_id)
{
	WORLD;
	publisher(&w, 42, CLAIMS(TCP(80, NULL)))->service.created_ms = 7;
	publisher(&w, 41, CLAIMS(TCP(80, NULL)))->service.created_ms = 7;
	VIEW;
	cr_assert_eq(lost(&v, 41), 0);
	cr_assert_eq(lost(&v, 42), 1);
}

Test(view_ports, other_numbers_protocols_and_addresses_are_other_ports)
{
	WORLD;
	publisher(&w, 41, CLAIMS(TCP(80, "192.0.2.1"), TCP(81, NULL)));
	publisher(&w, 42, CLAIMS(TCP(80, "192.0.2.2")));
	publisher(&w, 43, CLAIMS({ 81, NULL, IPPROTO_UDP, PUBLISH_INGRESS }));
	publisher(&w, 44, CLAIMS({ 81, NULL, IPPROTO_SCTP, PUBLISH_INGRESS }));
	VIEW;
	for (unsigned int i = 41; i <= 44; i++)
		cr_assert_eq(lost(&v, i), 0);
}

Test(view_ports, every_address_is_each_address)
{
	WORLD;
	publisher(&w, 41, CLAIMS(TCP(80, "192.0.2.1"), TCP(81, NULL)));
	publisher(&w, 42, CLAIMS(TCP(80, NULL), TCP(81, "192.0.2.1")));
	VIEW;
	cr_assert_eq(lost(&v, 41), 0);
	cr_assert_eq(lost(&v, 42), 3);
}

Test(view_ports, a_lost_claim_takes_nothing_from_a_younger_one)
{
	WORLD;
	publisher(&w, 41, CLAIMS(TCP(80, "192.0.2.1")));
	publisher(&w, 42, CLAIMS(TCP(80, NULL)));
	publisher(&w, 43, CLAIMS(TCP(80, "192.0.2.2")));
	VIEW;
	cr_assert_eq(lost(&v, 42), 1);
	cr_assert_eq(lost(&v, 43), 0);
}

Test(view_ports, modes_do_not_tell_ports_apart)
{
	WORLD;
	publisher(&w, 41, CLAIMS({ 80, NULL, IPPROTO_TCP, PUBLISH_HOST }));
	publisher(&w, 42, CLAIMS(TCP(80, NULL)));
	VIEW;
	cr_assert_eq(lost(&v, 41), 0);
	cr_assert_eq(lost(&v, 42), 1);
}

Test(view_ports, of_ones_own_claims_the_first_is_kept)
{
	WORLD;
	publisher(&w, 41, CLAIMS(TCP(80, NULL), TCP(80, NULL), TCP(80, "192.0.2.1")));
	VIEW;
	cr_assert_eq(lost(&v, 41), 6);
}

Test(view_ports, a_removed_service_claims_nothing)
{
	WORLD;
	publisher(&w, 41, CLAIMS(TCP(80, NULL)))->tombstone = true;
	publisher(&w, 42, CLAIMS(TCP(80, NULL)));
	VIEW;
	cr_assert_eq(lost(&v, 42), 0);
}

Test(view_ports, the_last_of_a_full_list_can_be_lost)
{
	struct claimed list[SERVICE_PUBLISH_MAX];

	for (uint16_t i = 0; i < SERVICE_PUBLISH_MAX; i++)
		list[i] = (struct claimed){ (uint16_t)(100 + i), NULL, IPPROTO_TCP,
			PUBLISH_INGRESS };
	WORLD;
	publisher(&w, 41, 1, &list[SERVICE_PUBLISH_MAX - 1]);
	publisher(&w, 42, SERVICE_PUBLISH_MAX, list);
	VIEW;
	cr_assert_eq(lost(&v, 42), 1u << (SERVICE_PUBLISH_MAX - 1));
}

/* ---- any world ---- */

#define SERVICES 40

static void make_any(struct world *w, struct rng *rng)
{
	static const char *const addrs[] = { NULL, "192.0.2.1", "192.0.2.2", "192.0.2.3" };

	for (unsigned int i = 41; i < 41 + SERVICES; i++) {
		struct claimed list[4];
		size_t count = rng_below(rng, 5);

		for (size_t j = 0; j < count; j++)
			list[j] = (struct claimed){ (uint16_t)(80 + rng_below(rng, 12)),
						    addrs[rng_below(rng, 4)],
						    rng_below(rng, 2) ? IPPROTO_TCP : IPPROTO_UDP,
						    (uint8_t)rng_below(rng, 2) };
		publisher(w, i, count, list)->service.created_ms = rng_below(rng, 10);
	}
}

static int by_age(const void *a, const void *b)
{
	const struct view_service *x = *(const struct view_service *const *)a;
	const struct view_service *y = *(const struct view_service *const *)b;

	if (x->svc->created_ms != y->svc->created_ms)
		return x->svc->created_ms < y->svc->created_ms ? -1 : 1;
	return id_cmp(&x->svc->id, &y->svc->id);
}

/* By the rule as it is said: the oldest first, each has what clashes with nothing that is had. */
static void expect_settled(const struct view *v)
{
	const struct view_service *order[SERVICES];
	struct publish had[SERVICES * 4];
	size_t had_count = 0;

	cr_assert_eq(v->service_count, SERVICES);
	for (size_t i = 0; i < SERVICES; i++)
		order[i] = &v->service[i];
	qsort(order, SERVICES, sizeof(*order), by_age);
	for (size_t i = 0; i < SERVICES; i++) {
		struct service_detail d;

		service_detail_decode(order[i]->item, &d);
		for (unsigned int j = 0; j < order[i]->svc->publish_count; j++) {
			bool clash = false;

			for (size_t k = 0; k < had_count && !clash; k++)
				clash = publish_clashes(&had[k], &d.publish[j]);
			if (!clash)
				had[had_count++] = d.publish[j];
			cr_assert_eq((order[i]->publish_lost >> j) & 1, clash);
		}
		cr_assert_eq(order[i]->publish_lost >> order[i]->svc->publish_count, 0);
	}
}

Test(view_ports, claims_are_settled_alike_in_any_order_of_arrival)
{
	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct rng rng;
		WORLD;

		rng_init_u64(&rng, seed);
		make_any(&w, &rng);
		world_shuffle(&w, &rng);
		VIEW;
		expect_settled(&v);
	}
}
