/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a plan makes of services; tests/unit/test_plan.c has the rest. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "plan/plan.h"
#include "tests/lib/plan_shop.h"

#define SELF PLAN_SELF

/* And somebody who only calls. */
static struct item *shop(struct world *w)
{
	struct item *it = shop_new(w);

	world_endpoint(w, 0x200000, 2, 20, "10.10.0.4");
	return it;
}

static void declare(struct item *it, uint16_t port, uint16_t target, uint8_t protocol)
{
	struct service_detail d;

	service_detail_decode(it, &d);
	d.port[d.port_count++] = (struct service_port){ port, target, protocol };
	world_service_detail(it, &d);
}

#define TWO_BACKENDS                                                              \
	"backend 10.10.0.100 vni=4096 index=0 addr=10.10.0.2 incarnation=eeee001e weight=1\n" \
	"backend 10.10.0.100 vni=4096 index=1 addr=10.10.0.3 incarnation=eeee001f weight=1\n"
#define FIRST_BACKEND "backend 10.10.0.100 vni=4096 index=0 addr=10.10.0.2 incarnation=eeee001e weight=1\n"
#define ONLY_FAR "backend 10.10.0.100 vni=4096 index=0 addr=10.10.0.3 incarnation=eeee001f weight=1\n"

Test(plan_service, of_a_service_as_text)
{
	_cleanup_(world_fini) struct world w = { 0 };
	struct item *it = shop(&w);
	struct shop_host h;

	it->service.algorithm = OV_LB_RR;
	it->service.affinity_s = 600;
	declare(it, 80, 8080, IPPROTO_TCP);
	declare(it, 53, 53, IPPROTO_UDP);
	expect_lines(&w, shop_host(&h), "map_device backend choices service endpoint attach",
		"map_device 7 addr=10.10.0.2 vni=4096 mac=02:42:0a:0a:00:02 mtu=1450 "
		"incarnation=eeee001e service=10.10.0.100\n"
		"endpoint 10.10.0.2 vni=4096 vtep=192.0.2.1 ifindex=7 mac=02:42:0a:0a:00:02 flags=2 "
		"incarnation=eeee001e service=10.10.0.100\n"
		"endpoint 10.10.0.3 vni=4096 vtep=192.0.2.2 ifindex=0 mac=02:42:0a:0a:00:03 flags=2 "
		"incarnation=eeee001f service=10.10.0.100\n"
		"endpoint 10.10.0.4 vni=4096 vtep=192.0.2.2 ifindex=0 mac=02:42:0a:0a:00:04 flags=0 "
		"incarnation=eeee0020\n"
		"endpoint 10.10.0.100 vni=4096 vtep=:: ifindex=0 mac=02:42:0a:0a:00:64 flags=17 "
		"incarnation=eeee0000\n"
		TWO_BACKENDS
		"choices 10.10.0.100 vni=4096 chunk=0 backends=0,1,0...\n"
		"service 10.10.0.100 vni=4096 port=53/udp target=0 algorithm=rr choices=2 backends=2 "
		"affinity=600\n"
		"service 10.10.0.100 vni=4096 port=80/tcp target=8080 algorithm=rr choices=2 "
		"backends=2 affinity=600\n"
		"attach 2 hook=tc_ingress program=uplink mode=off\n"
		"attach 3 hook=tc_ingress program=tunnel mode=off\n"
		"attach 7 hook=tc_ingress program=endpoint mode=off\n");
}

Test(plan_service, without_ports_has_one_row_for_all_of_them)
{
	_cleanup_(world_fini) struct world w = { 0 };
	struct shop_host h;

	shop(&w);
	expect_lines(&w, shop_host(&h), "service",
		"service 10.10.0.100 vni=4096 port=any target=0 algorithm=maglev choices=251 "
		"backends=2 affinity=0\n");
}

Test(plan_service, with_least_conn_has_no_sequence)
{
	_cleanup_(world_fini) struct world w = { 0 };
	struct shop_host h;

	shop(&w)->service.algorithm = OV_LB_LEAST_CONN;
	expect_lines(&w, shop_host(&h), "backend choices service",
		TWO_BACKENDS
		"service 10.10.0.100 vni=4096 port=any target=0 algorithm=least-conn choices=0 "
		"backends=2 affinity=0\n");
}

Test(plan_service, that_has_no_vip_or_lost_it_is_not_in_the_kernel)
{
	_cleanup_(world_fini) struct world w = { 0 };
	struct item *it = shop(&w);
	struct shop_host h;
	static const char *const plain =
		"endpoint 10.10.0.2 vni=4096 vtep=192.0.2.1 ifindex=7 mac=02:42:0a:0a:00:02 flags=0 "
		"incarnation=eeee001e\n"
		"endpoint 10.10.0.3 vni=4096 vtep=192.0.2.2 ifindex=0 mac=02:42:0a:0a:00:03 flags=0 "
		"incarnation=eeee001f\n"
		"endpoint 10.10.0.4 vni=4096 vtep=192.0.2.2 ifindex=0 mac=02:42:0a:0a:00:04 flags=0 "
		"incarnation=eeee0020\n";

	it->service.mode = SERVICE_DNSRR;
	expect_lines(&w, shop_host(&h), "backend choices service endpoint", plain);
	it->service.mode = SERVICE_VIP;
	it->service.vip = (struct ov_addr){ 0 };
	expect_lines(&w, &h.f, "backend choices service endpoint", plain);
	it->service.vip = world_addr("10.10.0.4");
	it->service.created_ms = 0x7fffffff; /* younger than the endpoint that has it */
	expect_lines(&w, &h.f, "backend choices service endpoint", plain);
}

Test(plan_service, sends_nothing_new_to_who_is_drained_or_away)
{
	_cleanup_(world_fini) struct world w = { 0 };
	struct item *it = shop(&w);
	struct shop_host h;

	it->service.algorithm = OV_LB_RR;
	w.items[3]->endpoint.draining = true;
	expect_lines(&w, shop_host(&h), "backend service",
		ONLY_FAR
		"service 10.10.0.100 vni=4096 port=any target=0 algorithm=rr choices=1 backends=1 "
		"affinity=0\n");
	h.away[0] = world_id(2);
	h.f.away.count = 1;
	expect_lines(&w, &h.f, "backend choices service endpoint",
		"endpoint 10.10.0.2 vni=4096 vtep=192.0.2.1 ifindex=7 mac=02:42:0a:0a:00:02 flags=6 "
		"incarnation=eeee001e service=10.10.0.100\n"
		"endpoint 10.10.0.3 vni=4096 vtep=192.0.2.2 ifindex=0 mac=02:42:0a:0a:00:03 flags=14 "
		"incarnation=eeee001f service=10.10.0.100\n"
		"endpoint 10.10.0.4 vni=4096 vtep=192.0.2.2 ifindex=0 mac=02:42:0a:0a:00:04 flags=0 "
		"incarnation=eeee0020\n"
		"endpoint 10.10.0.100 vni=4096 vtep=:: ifindex=0 mac=02:42:0a:0a:00:64 flags=1 "
		"incarnation=eeee0000\n"
		"service 10.10.0.100 vni=4096 port=any target=0 algorithm=rr choices=0 backends=0 "
		"affinity=0\n");
}

Test(plan_service, that_checks_health_wants_it_shown)
{
	_cleanup_(world_fini) struct world w = { 0 };
	struct item *it = shop(&w);
	struct shop_host h;

	it->service.health = HEALTH_TCP;
	it->service.health_port = 80;
	expect_lines(&w, shop_host(&h), "backend", "");
	w.items[3]->endpoint.health = ENDPOINT_HEALTHY;
	w.items[4]->endpoint.health = ENDPOINT_UNHEALTHY;
	expect_lines(&w, &h.f, "backend", FIRST_BACKEND);
}

Test(plan_service, counts_only_on_backends_it_can_reach)
{
	_cleanup_(world_fini) struct world w = { 0 };
	struct shop_host h;

	shop(&w);
	shop_host(&h);
	h.f.device_count = 0;
	expect_lines(&w, &h.f, "backend", ONLY_FAR);
	shop_host(&h);
	h.f.route_count = 0;
	expect_lines(&w, &h.f, "backend", FIRST_BACKEND);
}

Test(plan_service, that_prefers_local_takes_others_only_when_there_is_none_here)
{
	_cleanup_(world_fini) struct world w = { 0 };
	struct shop_host h;

	shop(&w)->service.prefer_local = true;
	expect_lines(&w, shop_host(&h), "backend", FIRST_BACKEND);
	w.items[3]->endpoint.draining = true;
	expect_lines(&w, &h.f, "backend", ONLY_FAR);
}

Test(plan_service, deals_by_weight)
{
	_cleanup_(world_fini) struct world w = { 0 };
	struct item *it = shop(&w);
	struct shop_host h;

	it->service.algorithm = OV_LB_RANDOM;
	w.items[3]->endpoint.weight = 20;
	w.items[4]->endpoint.weight = 10;
	expect_lines(&w, shop_host(&h), "backend service",
		"backend 10.10.0.100 vni=4096 index=0 addr=10.10.0.2 incarnation=eeee001e weight=20\n"
		"backend 10.10.0.100 vni=4096 index=1 addr=10.10.0.3 incarnation=eeee001f weight=10\n"
		"service 10.10.0.100 vni=4096 port=any target=0 algorithm=random choices=3 backends=2 "
		"affinity=0\n");
}

Test(plan_service, of_a_removed_service_leaves_plain_endpoints)
{
	_cleanup_(world_fini) struct world w = { 0 };
	struct shop_host h;

	shop(&w)->tombstone = true;
	expect_lines(&w, shop_host(&h), "backend choices service map_device",
		"map_device 7 addr=10.10.0.2 vni=4096 mac=02:42:0a:0a:00:02 mtu=1450 "
		"incarnation=eeee001e\n");
}

Test(plan_service, with_too_many_backends_counts_those_it_leaves_out)
{
	_cleanup_(world_fini) struct world w = { 0 };
	_cleanup_(view_fini) struct view v = { 0 };
	_cleanup_(plan_fini) struct plan p = { 0 };
	struct id self = world_id(SELF);
	struct shop_host h;
	char text[32];

	shop(&w);
	for (unsigned int i = 0; i < 8200; i++) {
		snprintf(text, sizeof(text), "10.10.%u.%u", 1 + i / 250, i % 250);
		shop_backend(&w, 0x1000000 + i, 2, text);
	}
	v = world_view(&w);
	cr_assert_eq(plan_build(&v, shop_host(&h), &self, &p), 0);
	cr_assert_eq(p.table[PLAN_BACKENDS].count, 8191);
	cr_assert_eq(p.left_out, 8202 - 8191);
	cr_assert_eq(p.table[PLAN_ENDPOINTS].count, 8204, "old flows find all of them");
	cr_assert_eq(p.table[PLAN_CHOICES].count, 256, "the largest table");
}

/* ---- properties ---- */

#define NODES 6u
#define SERVICES 40u
#define ENDPOINTS 600u

struct random_host {
	struct fact_device device[ENDPOINTS];
	struct fact_route route[NODES];
	struct id away[NODES];
	struct facts f;
};

static void bend_service(struct item *it, struct rng *rng)
{
	it->service.algorithm = (uint8_t)rng_below(rng, OV_LB_COUNT);
	it->service.prefer_local = !rng_below(rng, 4);
	it->service.health = rng_below(rng, 4) ? HEALTH_NONE : HEALTH_TCP;
	it->service.health_port = 80;
	if (!rng_below(rng, 8))
		it->service.mode = SERVICE_DNSRR;
	for (uint32_t n = rng_below(rng, 4); n; n--)
		declare(it, (uint16_t)(80 + n), (uint16_t)(8000 + rng_below(rng, 2) * n), IPPROTO_TCP);
}

static void bend_endpoint(struct item *it, struct rng *rng)
{
	it->endpoint.service = world_id(200 + rng_below(rng, SERVICES + 5));
	it->endpoint.weight = (uint16_t)rng_below(rng, 5);
	it->endpoint.draining = !rng_below(rng, 6);
	it->endpoint.health = (uint8_t)rng_below(rng, 3);
}

static void fill_nodes(struct world *w, struct random_host *h, struct rng *rng)
{
	char text[32];

	for (unsigned int i = 1; i <= NODES; i++) {
		snprintf(text, sizeof(text), "192.0.2.%u", i);
		world_node(w, i, text, text);
		if (rng_below(rng, 5))
			h->route[h->f.route_count++] = (struct fact_route){ world_addr(text), world_addr(text) };
		if (i > 1 && !rng_below(rng, 4))
			h->away[h->f.away.count++] = world_id(i);
	}
	for (unsigned int i = 0; i < 3; i++) {
		snprintf(text, sizeof(text), "net%u", i);
		world_network(w, 20 + i, text, "10.0.0.0/16", 4096 + rng_below(rng, 3));
	}
}

static void fill_random(struct world *w, struct random_host *h, struct rng *rng)
{
	char text[32];

	*h = (struct random_host){ .f = { .uplink_ifindex = 2, .tunnel_ifindex = 3,
					  .vxlan_port = 4789, .vtep = world_addr("192.0.2.1") } };
	fill_nodes(w, h, rng);
	for (unsigned int i = 0; i < SERVICES; i++) {
		snprintf(text, sizeof(text), "10.0.9.%u", rng_below(rng, 200));
		bend_service(world_service(w, 200 + i, 20 + rng_below(rng, 3), "svc", text), rng);
	}
	for (unsigned int i = 0; i < ENDPOINTS; i++) {
		snprintf(text, sizeof(text), "10.0.%u.%u", 8 + rng_below(rng, 2), rng_below(rng, 256));
		bend_endpoint(world_endpoint(w, (1000 + i) << 16, 1 + rng_below(rng, NODES),
					     20 + rng_below(rng, 3), text), rng);
		if (rng_below(rng, 4))
			h->device[h->f.device_count++] =
				(struct fact_device){ world_id((1000 + i) << 16), 10 + i };
	}
	h->f.device = h->device;
	h->f.route = h->route;
	h->f.away.id = h->away;
}

static const uint8_t *find(const struct plan_table *t, const void *key)
{
	for (size_t i = 0; i < t->count; i++)
		if (!memcmp(plan_row(t, i), key, t->key_size))
			return plan_row(t, i) + t->key_size;
	return NULL;
}

static void get_row(const struct plan_table *t, size_t i, void *key, void *value)
{
	memcpy(key, plan_row(t, i), t->key_size);
	memcpy(value, plan_row(t, i) + t->key_size, t->value_size);
}

/* Every place of the sequence is there and names a backend that is. */
static void expect_sequence(const struct plan *p, const struct ov_service_key *of,
			    const struct ov_service *s)
{
	for (uint32_t i = 0; i < s->choices; i++) {
		struct ov_choices_key key = { of->vip, of->vni, i / OV_CHOICES_PER_CHUNK };
		const uint8_t *row = find(&p->table[PLAN_CHOICES], &key);
		struct ov_choices value;

		cr_assert_not_null(row);
		memcpy(&value, row, sizeof(value));
		cr_assert_lt(value.backend[i % OV_CHOICES_PER_CHUNK], s->backends);
		i += OV_CHOICES_PER_CHUNK / 4; /* some of each row */
	}
}

static void expect_services_closed(const struct plan *p)
{
	const struct plan_table *t = &p->table[PLAN_SERVICES];

	for (size_t i = 0; i < t->count; i++) {
		struct ov_service_key key;
		struct ov_service value;
		struct ov_endpoint vip;

		get_row(t, i, &key, &value);
		struct ov_endpoint_key at = { key.vip, key.vni };
		const uint8_t *row = find(&p->table[PLAN_ENDPOINTS], &at);

		cr_assert_not_null(row, "a VIP without its own row");
		memcpy(&vip, row, sizeof(vip));
		cr_assert_eq(vip.flags, OV_ENDPOINT_VIP | (key.port ? OV_ENDPOINT_PORTS : 0));
		cr_assert_eq(value.choices > 0, value.backends > 0 && value.algorithm != OV_LB_LEAST_CONN);
		for (uint32_t b = 0; b <= value.backends; b++) {
			struct ov_backend_key backend_key = { key.vip, key.vni, b };

			cr_assert_eq(find(&p->table[PLAN_BACKENDS], &backend_key) != NULL,
				     b < value.backends);
		}
		expect_sequence(p, &key, &value);
	}
}

static void expect_backends_closed(const struct plan *p)
{
	const struct plan_table *t = &p->table[PLAN_BACKENDS];

	for (size_t i = 0; i < t->count; i++) {
		struct ov_backend_key key;
		struct ov_backend value;
		struct ov_endpoint e;

		get_row(t, i, &key, &value);
		struct ov_endpoint_key at = { value.addr, key.vni };
		const uint8_t *row = find(&p->table[PLAN_ENDPOINTS], &at);

		cr_assert_not_null(row, "a backend without a row of its own");
		memcpy(&e, row, sizeof(e));
		cr_assert_eq(e.incarnation, value.incarnation);
		cr_assert_eq(addr_cmp(&e.service, &key.vip), 0);
		cr_assert_eq(e.flags, OV_ENDPOINT_BACKEND, "it takes new flows");
		cr_assert_geq(value.weight, 1);
	}
}

/* Every VIP row has a row in `services`, every backend's row a VIP. */
static void expect_vips_closed(const struct plan *p)
{
	const struct plan_table *t = &p->table[PLAN_ENDPOINTS], *s = &p->table[PLAN_SERVICES];

	for (size_t i = 0; i < t->count; i++) {
		struct ov_endpoint_key key;
		struct ov_endpoint value;
		bool found = false;

		get_row(t, i, &key, &value);
		for (size_t j = 0; j < s->count; j++)
			found |= !memcmp(plan_row(s, j), &key, sizeof(key)); /* VIP and VNI lead both */
		cr_assert_eq(!!(value.flags & OV_ENDPOINT_VIP), found);
		if (!(value.flags & OV_ENDPOINT_BACKEND)) {
			cr_assert(addr_is_zero(&value.service));
			continue;
		}
		key.addr = value.service;
		cr_assert_not_null(find(t, &key));
	}
}

Test(plan_service, tables_are_closed_and_a_function_of_the_input)
{
	struct id self = world_id(SELF);
	size_t backends = 0, choices = 0;
	struct rng rng;

	rng_init_u64(&rng, 11);
	for (int round = 0; round < 12; round++) {
		_cleanup_(world_fini) struct world w = { 0 };
		_cleanup_(view_fini) struct view v = { 0 }, shuffled = { 0 };
		_cleanup_(plan_fini) struct plan p = { 0 }, again = { 0 };
		_cleanup_(freep) struct random_host *h = calloc(1, sizeof(*h));

		fill_random(&w, h, &rng);
		v = world_view(&w);
		cr_assert_eq(plan_build(&v, &h->f, &self, &p), 0);
		backends += p.table[PLAN_BACKENDS].count;
		choices += p.table[PLAN_CHOICES].count;
		expect_services_closed(&p);
		expect_backends_closed(&p);
		expect_vips_closed(&p);
		world_shuffle(&w, &rng);
		shuffled = world_view(&w);
		cr_assert_eq(plan_build(&shuffled, &h->f, &self, &again), 0);
		for (int id = 0; id < PLAN_TABLE_COUNT; id++) {
			const struct plan_table *x = &p.table[id], *y = &again.table[id];

			cr_assert_eq(x->count, y->count);
			cr_assert_eq(memcmp(x->rows, y->rows, x->count * (x->key_size + x->value_size)),
				     0, "%s", plan_table_to_str(id));
		}
	}
	cr_assert_gt(backends, 200);
	cr_assert_gt(choices, 100);
}

/* The sequence of the one service, as addresses, so that indexes do not matter. */
static size_t sequence_of(const struct plan *p, struct ov_addr *ret_place, size_t max)
{
	const struct plan_table *t = &p->table[PLAN_SERVICES];
	struct ov_service_key key;
	struct ov_service s;

	cr_assert_eq(t->count, 1);
	get_row(t, 0, &key, &s);
	cr_assert_leq(s.choices, max);
	for (uint32_t i = 0; i < s.choices; i++) {
		struct ov_choices_key chunk = { key.vip, key.vni, i / OV_CHOICES_PER_CHUNK };
		struct ov_choices places;
		struct ov_backend b;

		memcpy(&places, find(&p->table[PLAN_CHOICES], &chunk), sizeof(places));
		struct ov_backend_key at = { key.vip, key.vni,
					     places.backend[i % OV_CHOICES_PER_CHUNK] };

		memcpy(&b, find(&p->table[PLAN_BACKENDS], &at), sizeof(b));
		ret_place[i] = b.addr;
	}
	return s.choices;
}

Test(plan_service, all_nodes_deal_maglev_alike)
{
	_cleanup_(world_fini) struct world w = { 0 };
	_cleanup_(view_fini) struct view v = { 0 };
	_cleanup_(plan_fini) struct plan here = { 0 }, there = { 0 };
	struct id a = world_id(1), b = world_id(2);
	struct ov_addr x[256], y[256];
	struct shop_host h;

	shop(&w);
	v = world_view(&w);
	cr_assert_eq(plan_build(&v, shop_host(&h), &a, &here), 0);
	h.f.vtep = world_addr("192.0.2.2");
	h.device[0] = (struct fact_device){ world_id(0x1f0000), 9 };
	h.route[0] = (struct fact_route){ world_addr("192.0.2.1"), world_addr("192.0.2.1") };
	cr_assert_eq(plan_build(&v, &h.f, &b, &there), 0);
	cr_assert_eq(sequence_of(&here, x, ARRAY_SIZE(x)), 251);
	cr_assert_eq(sequence_of(&there, y, ARRAY_SIZE(y)), 251);
	cr_assert_eq(memcmp(x, y, 251 * sizeof(x[0])), 0);
}
