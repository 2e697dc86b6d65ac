/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a plan makes of published ports, and of what the host is to the outside. */
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

/* In turns. */
static struct item *shop(struct world *w)
{
	struct item *it = shop_new(w);

	it->service.algorithm = OV_LB_RR;
	return it;
}

static void publish(struct item *it, const struct publish *p)
{
	struct service_detail d;

	service_detail_decode(it, &d);
	d.publish[it->service.publish_count++] = *p;
	world_service_detail(it, &d);
}

static void publish_port(struct item *it, uint8_t mode, const char *at, uint16_t published,
			 uint16_t target)
{
	struct publish p = { .mode = mode, .protocol = IPPROTO_TCP, .published = published,
			     .target = target };

	if (at)
		p.addr = world_addr(at);
	publish(it, &p);
}

/* With an inner and an outer address beside the uplink's, and ports to masquerade by. */
static const struct facts *host_a(struct shop_host *h)
{
	const struct ov_addr inner = world_addr("10.1.1.1"), up = world_addr("192.0.2.1"),
			     outer = world_addr("203.0.113.5"), loop = world_addr("127.0.0.1");

	shop_host(h);
	h->address[0] = (struct fact_address){ inner, 1 };
	h->address[1] = (struct fact_address){ up, 2 };
	h->address[2] = (struct fact_address){ outer, 4 };
	h->link[0] = (struct fact_link){ 1, loop, true };
	h->link[1] = (struct fact_link){ 2, up, false };
	h->link[2] = (struct fact_link){ 4, outer, false };
	h->f.address_count = h->f.link_count = 3;
	h->f.masq_first = 61000;
	h->f.masq_last = 65535;
	return &h->f;
}

/* ---- ports ---- */

Test(plan_publish, of_a_port_is_a_row_like_the_vips_own_and_marks_the_backends)
{
	_cleanup_(world_fini) struct world w = { 0 };
	struct item *it = shop(&w);
	struct shop_host h;

	it->service.affinity_s = 60;
	publish_port(it, PUBLISH_INGRESS, NULL, 80, 8080);
	expect_lines(&w, host_a(&h), "map_device endpoint backend choices service published allowed",
		"map_device 7 addr=10.10.0.2 vni=4096 mac=02:42:0a:0a:00:02 mtu=1450 "
		"incarnation=eeee001e service=10.10.0.100 published\n"
		"endpoint 10.10.0.2 vni=4096 vtep=192.0.2.1 ifindex=7 mac=02:42:0a:0a:00:02 flags=34 "
		"incarnation=eeee001e service=10.10.0.100\n"
		"endpoint 10.10.0.3 vni=4096 vtep=192.0.2.2 ifindex=0 mac=02:42:0a:0a:00:03 flags=34 "
		"incarnation=eeee001f service=10.10.0.100\n"
		"endpoint 10.10.0.100 vni=4096 vtep=:: ifindex=0 mac=02:42:0a:0a:00:64 flags=1 "
		"incarnation=eeee0000\n"
		"backend 10.10.0.100 vni=4096 index=0 addr=10.10.0.2 incarnation=eeee001e weight=1\n"
		"backend 10.10.0.100 vni=4096 index=1 addr=10.10.0.3 incarnation=eeee001f weight=1\n"
		"choices 10.10.0.100 vni=4096 chunk=0 backends=0,1,0...\n"
		"service 10.10.0.100 vni=4096 port=any target=0 algorithm=rr choices=2 backends=2 "
		"affinity=60\n"
		"published any port=80/tcp vip=10.10.0.100 vni=4096 target=8080 algorithm=rr choices=2 "
		"backends=2 affinity=60\n");
}

Test(plan_publish, on_an_internal_network_gives_its_backends_a_way_back_alone)
{
	_cleanup_(world_fini) struct world w = { 0 };
	struct item *it = shop(&w);
	struct shop_host h;

	for (size_t i = 0; i < w.count; i++)
		if (w.items[i]->key.kind == RECORD_NETWORK)
			w.items[i]->network.internal = true;
	expect_lines(&w, host_a(&h), "device",
		     "device eeee001e000000000000000000000000 name=oveeee001e0000 ifname=eth0 "
		     "netns=/run/netns/c1966080,4,1966080 addr=10.10.0.2/24 via=:: "
		     "mac=02:42:0a:0a:00:02 mtu=1450\n");
	publish_port(it, PUBLISH_INGRESS, NULL, 80, 8080);
	expect_lines(&w, host_a(&h), "device",
		     "device eeee001e000000000000000000000000 name=oveeee001e0000 ifname=eth0 "
		     "netns=/run/netns/c1966080,4,1966080 addr=10.10.0.2/24 via=10.10.0.1 "
		     "mac=02:42:0a:0a:00:02 mtu=1450 internal\n");
}

Test(plan_publish, with_equal_target_names_it_all_the_same)
{
	_cleanup_(world_fini) struct world w = { 0 };
	struct shop_host h;

	publish_port(shop(&w), PUBLISH_INGRESS, NULL, 80, 80);
	expect_lines(&w, host_a(&h), "published",
		"published any port=80/tcp vip=10.10.0.100 vni=4096 target=80 algorithm=rr choices=2 "
		"backends=2 affinity=0\n");
}

Test(plan_publish, bound_to_addresses_has_a_row_each_and_one_that_leads_there)
{
	_cleanup_(world_fini) struct world w = { 0 };
	struct item *it = shop(&w);
	struct shop_host h;

	publish_port(it, PUBLISH_INGRESS, "203.0.113.5", 80, 8080);
	publish_port(it, PUBLISH_INGRESS, "192.0.2.1", 80, 8081);
	publish_port(it, PUBLISH_INGRESS, NULL, 81, 8080);
	expect_lines(&w, host_a(&h), "published",
		"published any port=80/tcp by-address nowhere\n"
		"published any port=81/tcp vip=10.10.0.100 vni=4096 target=8080 algorithm=rr choices=2 "
		"backends=2 affinity=0\n"
		"published 192.0.2.1 port=80/tcp vip=10.10.0.100 vni=4096 target=8081 algorithm=rr "
		"choices=2 backends=2 affinity=0\n"
		"published 203.0.113.5 port=80/tcp vip=10.10.0.100 vni=4096 target=8080 algorithm=rr "
		"choices=2 backends=2 affinity=0\n");
}

Test(plan_publish, says_who_is_allowed_and_whether_answers_go_straight)
{
	_cleanup_(world_fini) struct world w = { 0 };
	struct item *it = shop(&w);
	struct publish p = { .protocol = IPPROTO_UDP, .published = 53, .target = 5353,
			     .allow_count = 2, .addr = world_addr("192.0.2.1") };
	struct shop_host h;

	cr_assert_eq(prefix_parse("198.51.100.0/24", &p.allow[0]), 0);
	cr_assert_eq(prefix_parse("0.0.0.0/0", &p.allow[1]), 0);
	it->service.dsr = true;
	publish(it, &p);
	expect_lines(&w, host_a(&h), "published allowed",
		"allowed 192.0.2.1 port=53/udp client=0.0.0.0/0\n"
		"allowed 192.0.2.1 port=53/udp client=198.51.100.0/24\n"
		"published any port=53/udp by-address nowhere\n"
		"published 192.0.2.1 port=53/udp vip=10.10.0.100 vni=4096 target=5353 algorithm=rr "
		"choices=2 backends=2 affinity=0 allow dsr\n");
}

Test(plan_publish, keys_of_who_is_allowed_count_bits_behind_the_port)
{
	_cleanup_(world_fini) struct world w = { 0 };
	_cleanup_(view_fini) struct view v = { 0 };
	_cleanup_(plan_fini) struct plan plan = { 0 };
	struct publish p = { .protocol = IPPROTO_TCP, .published = 80, .target = 80, .allow_count = 1 };
	struct item *it = shop(&w);
	struct id self = world_id(SELF);
	struct ov_allowed_key key;
	struct shop_host h;

	cr_assert_eq(prefix_parse("198.51.100.0/24", &p.allow[0]), 0);
	publish(it, &p);
	v = world_view(&w);
	cr_assert_eq(plan_build(&v, host_a(&h), &self, &plan), 0);
	cr_assert_eq(plan.table[PLAN_ALLOWED].count, 1);
	memcpy(&key, plan_row(&plan.table[PLAN_ALLOWED], 0), sizeof(key));
	cr_assert_eq(key.prefix_len, 160 + 96 + 24);
	cr_assert_eq(ntohs(key.port), 80);
	cr_assert_eq(offsetof(struct ov_allowed_key, client),
		     sizeof(key.prefix_len) + OV_ALLOWED_PREFIX / 8);
}

Test(plan_publish, of_host_mode_is_open_only_where_a_backend_is_and_deals_to_those_here)
{
	_cleanup_(world_fini) struct world w = { 0 };
	struct item *it = shop(&w);
	struct shop_host h;

	shop_backend(&w, 0x200000, 2, "10.10.0.4");
	publish_port(it, PUBLISH_HOST, NULL, 80, 8080);
	publish_port(it, PUBLISH_INGRESS, NULL, 81, 8080);
	expect_lines(&w, host_a(&h), "backend choices published",
		"backend 10.10.0.100 vni=4096 index=0 addr=10.10.0.2 incarnation=eeee001e weight=1\n"
		"backend 10.10.0.100 vni=4096 index=1 addr=10.10.0.3 incarnation=eeee001f weight=1\n"
		"backend 10.10.0.100 vni=4096 index=2 addr=10.10.0.4 incarnation=eeee0020 weight=1\n"
		"backend 10.10.0.100 vni=4096/local index=0 addr=10.10.0.2 incarnation=eeee001e "
		"weight=1\n"
		"choices 10.10.0.100 vni=4096 chunk=0 backends=0,1,2,0...\n"
		"choices 10.10.0.100 vni=4096/local chunk=0 backends=0...\n"
		"published any port=80/tcp vip=10.10.0.100 vni=4096 target=8080 algorithm=rr choices=1 "
		"backends=1 affinity=0 local\n"
		"published any port=81/tcp vip=10.10.0.100 vni=4096 target=8080 algorithm=rr choices=3 "
		"backends=3 affinity=0\n");
	w.items[3]->endpoint.draining = true;
	expect_lines(&w, &h.f, "published",
		"published any port=81/tcp vip=10.10.0.100 vni=4096 target=8080 algorithm=rr choices=2 "
		"backends=2 affinity=0\n");
}

Test(plan_publish, of_host_mode_with_least_conn_lists_backends_and_no_sequence)
{
	_cleanup_(world_fini) struct world w = { 0 };
	struct item *it = shop(&w);
	struct shop_host h;

	it->service.algorithm = OV_LB_LEAST_CONN;
	it->service.prefer_local = true;
	publish_port(it, PUBLISH_HOST, "192.0.2.1", 80, 8080);
	expect_lines(&w, host_a(&h), "backend choices published",
		"backend 10.10.0.100 vni=4096 index=0 addr=10.10.0.2 incarnation=eeee001e weight=1\n"
		"backend 10.10.0.100 vni=4096/local index=0 addr=10.10.0.2 incarnation=eeee001e "
		"weight=1\n"
		"published any port=80/tcp by-address nowhere\n"
		"published 192.0.2.1 port=80/tcp vip=10.10.0.100 vni=4096 target=8080 "
		"algorithm=least-conn choices=0 backends=1 affinity=0 local\n");
}

/* Two ids of a made world have their first bits in common. */
Test(plan_publish, of_a_service_without_vip_is_of_host_mode_and_by_an_address_that_is_nobodys)
{
	_cleanup_(world_fini) struct world w = { 0 };
	struct item *it = shop(&w), *other;
	struct shop_host h;

	it->service.mode = SERVICE_DNSRR;
	it->service.vip = (struct ov_addr){ 0 };
	expect_lines(&w, host_a(&h), "service backend choices published", "");
	publish_port(it, PUBLISH_HOST, NULL, 80, 8080);
	expect_lines(&w, &h.f, "map_device endpoint backend choices service published",
		"map_device 7 addr=10.10.0.2 vni=4096 mac=02:42:0a:0a:00:02 mtu=1450 "
		"incarnation=eeee001e service=224.0.238.238 published\n"
		"endpoint 10.10.0.2 vni=4096 vtep=192.0.2.1 ifindex=7 mac=02:42:0a:0a:00:02 flags=34 "
		"incarnation=eeee001e service=224.0.238.238\n"
		"endpoint 10.10.0.3 vni=4096 vtep=192.0.2.2 ifindex=0 mac=02:42:0a:0a:00:03 flags=0 "
		"incarnation=eeee001f\n"
		"backend 224.0.238.238 vni=4096/local index=0 addr=10.10.0.2 incarnation=eeee001e "
		"weight=1\n"
		"choices 224.0.238.238 vni=4096/local chunk=0 backends=0...\n"
		"published any port=80/tcp vip=224.0.238.238 vni=4096 target=8080 algorithm=rr choices=1 "
		"backends=1 affinity=0 local\n");
	other = world_service(&w, SHOP + 1, 20, "other", NULL);
	publish_port(other, PUBLISH_HOST, NULL, 81, 8080);
	w.items[3]->endpoint.service = world_id(SHOP + 1);
	expect_lines(&w, &h.f, "backend choices published", "");
	w.items[3]->endpoint.draining = true;
	w.items[3]->endpoint.service = world_id(SHOP);
	expect_lines(&w, &h.f, "published", "");
}

Test(plan_publish, of_a_port_that_a_process_has_stays_closed_here)
{
	static const struct {
		const char *published_at, *taken_at;
		uint16_t port;
		uint8_t protocol;
		bool closed;
	} cases[] = {
		{ NULL, NULL, 80, IPPROTO_TCP, true },
		{ NULL, "192.0.2.1", 80, IPPROTO_TCP, true },
		{ "192.0.2.1", NULL, 80, IPPROTO_TCP, true },
		{ "192.0.2.1", "192.0.2.1", 80, IPPROTO_TCP, true },
		{ "192.0.2.1", "203.0.113.5", 80, IPPROTO_TCP, false },
		{ NULL, NULL, 81, IPPROTO_TCP, false },
		{ NULL, NULL, 80, IPPROTO_UDP, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(world_fini) struct world w = { 0 };
		_cleanup_(buf_fini) struct buf out = { 0 };
		struct item *it = shop(&w);
		struct shop_host h;

		publish_port(it, PUBLISH_INGRESS, cases[i].published_at, 80, 8080);
		host_a(&h);
		h.taken[0] = (struct fact_port){ .port = cases[i].port, .protocol = cases[i].protocol };
		if (cases[i].taken_at)
			h.taken[0].addr = world_addr(cases[i].taken_at);
		h.f.taken_count = 1;
		plan_text(&w, &h.f, &out);
		cr_assert_eq(strstr((char *)out.data, "\npublished ") == NULL, cases[i].closed, "case %zu", i);
		cr_assert(strstr((char *)out.data, "flags=34 "), "open elsewhere, so backends are marked");
	}
}

Test(plan_publish, that_is_another_services_is_open_nowhere)
{
	_cleanup_(world_fini) struct world w = { 0 };
	struct item *late;
	struct shop_host h;

	publish_port(shop(&w), PUBLISH_INGRESS, NULL, 80, 8080);
	late = world_service(&w, SHOP + 1, 20, "late", "10.10.0.101");
	publish_port(late, PUBLISH_INGRESS, "192.0.2.1", 80, 9);
	w.items[4]->endpoint.service = world_id(SHOP + 1);
	expect_lines(&w, host_a(&h), "published",
		"published any port=80/tcp vip=10.10.0.100 vni=4096 target=8080 algorithm=rr choices=1 "
		"backends=1 affinity=0\n");
	expect_lines(&w, &h.f, "endpoint",
		"endpoint 10.10.0.2 vni=4096 vtep=192.0.2.1 ifindex=7 mac=02:42:0a:0a:00:02 flags=34 "
		"incarnation=eeee001e service=10.10.0.100\n"
		"endpoint 10.10.0.3 vni=4096 vtep=192.0.2.2 ifindex=0 mac=02:42:0a:0a:00:03 flags=2 "
		"incarnation=eeee001f service=10.10.0.101\n"
		"endpoint 10.10.0.100 vni=4096 vtep=:: ifindex=0 mac=02:42:0a:0a:00:64 flags=1 "
		"incarnation=eeee0000\n"
		"endpoint 10.10.0.101 vni=4096 vtep=:: ifindex=0 mac=02:42:0a:0a:00:65 flags=1 "
		"incarnation=eeee0000\n");
}

Test(plan_publish, without_a_backend_is_open_and_refuses)
{
	_cleanup_(world_fini) struct world w = { 0 };
	struct shop_host h;

	publish_port(shop(&w), PUBLISH_INGRESS, NULL, 80, 8080);
	w.items[3]->endpoint.draining = w.items[4]->endpoint.draining = true;
	expect_lines(&w, host_a(&h), "published",
		"published any port=80/tcp vip=10.10.0.100 vni=4096 target=8080 algorithm=rr choices=0 "
		"backends=0 affinity=0\n");
}

/* ---- the host ---- */

Test(plan_publish, names_the_hosts_addresses_and_links_and_puts_the_front_on_all_but_our_own)
{
	_cleanup_(world_fini) struct world w = { 0 };
	struct shop_host h;

	shop(&w);
	expect_lines(&w, host_a(&h), "config address link attach",
		"config 0 vtep=192.0.2.1 flags=ready uplink=2 tunnel=3 port=4789 "
		"masquerade=61000-65535\n"
		"address 10.1.1.1 ifindex=2\n"
		"address 192.0.2.1 ifindex=2\n"
		"address 203.0.113.5 ifindex=4\n"
		"link 1 addr=127.0.0.1\n"
		"link 2 addr=192.0.2.1\n"
		"link 4 addr=203.0.113.5\n"
		"attach 1 hook=tc_ingress program=front mode=off\n"
		"attach 2 hook=tc_ingress program=uplink mode=off\n"
		"attach 3 hook=tc_ingress program=tunnel mode=off\n"
		"attach 4 hook=tc_ingress program=front mode=off\n"
		"attach 7 hook=tc_ingress program=endpoint mode=off\n");
}

Test(plan_publish, many_ports_of_many_services_are_sorted_and_all_there)
{
	_cleanup_(world_fini) struct world w = { 0 };
	_cleanup_(view_fini) struct view v = { 0 };
	_cleanup_(plan_fini) struct plan p = { 0 };
	struct id self = world_id(SELF);
	struct shop_host h;
	char text[32];

	shop(&w);
	for (unsigned int i = 0; i < 2000; i++) {
		struct item *it;

		snprintf(text, sizeof(text), "10.10.%u.%u", 1 + i / 250, i % 250);
		it = world_service(&w, 1000 + i, 20, text, text);
		publish_port(it, PUBLISH_INGRESS, i % 2 ? "192.0.2.1" : NULL, (uint16_t)(1000 + i), 80);
	}
	v = world_view(&w);
	cr_assert_eq(plan_build(&v, host_a(&h), &self, &p), 0);
	cr_assert_eq(p.table[PLAN_PUBLISHED].count, 3000);
	for (size_t i = 1; i < 3000; i++)
		cr_assert_lt(memcmp(plan_row(&p.table[PLAN_PUBLISHED], i - 1),
				    plan_row(&p.table[PLAN_PUBLISHED], i), 20), 0);
}

/* ---- properties ---- */

#define SERVICES 30u
#define ENDPOINTS 300u

struct random_host {
	struct shop_host h;
	struct fact_device device[ENDPOINTS];
	struct fact_port taken[40];
};

static void bend_service(struct item *it, struct rng *rng)
{
	static const char *const at[] = { NULL, NULL, "192.0.2.1", "203.0.113.5", "127.0.0.1" };

	it->service.algorithm = (uint8_t)rng_below(rng, OV_LB_COUNT);
	it->service.prefer_local = !rng_below(rng, 4);
	for (uint32_t n = rng_below(rng, 5); n; n--)
		publish_port(it, (uint8_t)rng_below(rng, 2), at[rng_below(rng, ARRAY_SIZE(at))],
			     (uint16_t)(80 + rng_below(rng, 60)), (uint16_t)(8000 + n));
}

static void fill_random(struct world *w, struct random_host *r, struct rng *rng)
{
	char text[32];

	host_a(&r->h);
	world_node(w, 1, "host-a", "192.0.2.1");
	world_node(w, 2, "host-b", "192.0.2.2");
	world_network(w, 20, "net", "10.10.0.0/16", 4096);
	for (unsigned int i = 0; i < SERVICES; i++) {
		snprintf(text, sizeof(text), "10.10.200.%u", i);
		bend_service(world_service(w, 200 + i, 20, text, text), rng);
	}
	r->h.f.device_count = 0;
	for (unsigned int i = 0; i < ENDPOINTS; i++) {
		struct item *it;

		snprintf(text, sizeof(text), "10.10.%u.%u", i / 250, i % 250);
		it = world_endpoint(w, (1000 + i) << 16, 1 + rng_below(rng, 2), 20, text);
		it->endpoint.service = world_id(200 + rng_below(rng, SERVICES));
		it->endpoint.draining = !rng_below(rng, 4);
		if (rng_below(rng, 4))
			r->device[r->h.f.device_count++] =
				(struct fact_device){ it->endpoint.id, 10 + i };
	}
	for (uint16_t i = 0; i < 10; i++)
		r->taken[i] = (struct fact_port){ .port = (uint16_t)(80 + rng_below(rng, 60)),
						  .protocol = IPPROTO_TCP };
	r->h.f.device = r->device;
	r->h.f.taken = r->taken;
	r->h.f.taken_count = 10;
}

static const uint8_t *find(const struct plan_table *t, const void *head, size_t len)
{
	for (size_t i = 0; i < t->count; i++)
		if (!memcmp(plan_row(t, i), head, len))
			return plan_row(t, i);
	return NULL;
}

/* Backends 0 to n-1 are there, and all of them live here when it says so. */
static void expect_backends(const struct plan *p, const struct ov_published *row)
{
	bool local = row->flags & OV_PUBLISHED_LOCAL;
	uint32_t vni = row->vni | (local ? OV_VNI_LOCAL : 0);

	for (uint32_t i = 0; i <= row->service.backends; i++) {
		struct ov_backend_key key = { row->vip, vni, i };
		const uint8_t *at = find(&p->table[PLAN_BACKENDS], &key, sizeof(key));
		struct ov_endpoint_key who = { .vni = row->vni };
		struct ov_endpoint e;

		cr_assert_eq(at != NULL, i < row->service.backends);
		if (!at)
			continue;
		memcpy(&who.addr, at + sizeof(key), sizeof(who.addr));
		at = find(&p->table[PLAN_ENDPOINTS], &who, sizeof(who));
		cr_assert_not_null(at);
		memcpy(&e, at + sizeof(who), sizeof(e));
		cr_assert(e.flags & OV_ENDPOINT_PUBLISHED);
		cr_assert(!local || e.ifindex, "a backend elsewhere behind a port of host mode");
	}
}

/* As the VIP's own row, and the sequence is there. */
static void expect_like_the_vip(const struct plan *p, const struct ov_published *row)
{
	struct ov_service_key head = { .vip = row->vip, .vni = row->vni };
	struct ov_choices_key choices = { .vip = row->vip, .vni = row->vni };
	const uint8_t *at = find(&p->table[PLAN_SERVICES], &head, 20);
	struct ov_service s;

	cr_assert_not_null(at);
	memcpy(&s, at + sizeof(head), sizeof(s));
	cr_assert_neq(row->service.target_port, 0);
	s.target_port = row->service.target_port;
	if (row->flags & OV_PUBLISHED_LOCAL) {
		choices.vni |= OV_VNI_LOCAL;
		cr_assert_gt(row->service.backends, 0);
	} else {
		cr_assert_eq(memcmp(&s, &row->service, sizeof(s)), 0);
	}
	cr_assert_eq(find(&p->table[PLAN_CHOICES], &choices, sizeof(choices)) != NULL,
		     row->service.choices > 0);
}

static bool has_single(const struct plan_table *t, const struct ov_published_key *any)
{
	for (size_t i = 0; i < t->count; i++) {
		struct ov_published_key key;

		memcpy(&key, plan_row(t, i), sizeof(key));
		if (key.port == any->port && key.protocol == any->protocol && !addr_is_zero(&key.addr))
			return true;
	}
	return false;
}

static void expect_published_closed(const struct plan *p, const struct facts *f)
{
	const struct plan_table *t = &p->table[PLAN_PUBLISHED];

	for (size_t i = 0; i < t->count; i++) {
		struct ov_published_key key;
		struct ov_published row;

		memcpy(&key, plan_row(t, i), sizeof(key));
		memcpy(&row, plan_row(t, i) + sizeof(key), sizeof(row));
		for (size_t j = 0; j < f->taken_count; j++)
			cr_assert_neq(ntohs(key.port), f->taken[j].port);
		cr_assert_eq(has_single(t, &key),
			     !addr_is_zero(&key.addr) || row.flags & OV_PUBLISHED_NOWHERE);
		if (row.flags & OV_PUBLISHED_NOWHERE)
			continue;
		expect_backends(p, &row);
		expect_like_the_vip(p, &row);
	}
}

Test(plan_publish, tables_are_closed_and_a_function_of_the_input)
{
	struct id self = world_id(SELF);
	size_t published = 0;
	struct rng rng;

	rng_init_u64(&rng, 17);
	for (int round = 0; round < 12; round++) {
		_cleanup_(world_fini) struct world w = { 0 };
		_cleanup_(view_fini) struct view v = { 0 }, shuffled = { 0 };
		_cleanup_(plan_fini) struct plan p = { 0 }, again = { 0 };
		_cleanup_(freep) struct random_host *r = calloc(1, sizeof(*r));

		fill_random(&w, r, &rng);
		v = world_view(&w);
		cr_assert_eq(plan_build(&v, &r->h.f, &self, &p), 0);
		published += p.table[PLAN_PUBLISHED].count;
		expect_published_closed(&p, &r->h.f);
		world_shuffle(&w, &rng);
		shuffled = world_view(&w);
		cr_assert_eq(plan_build(&shuffled, &r->h.f, &self, &again), 0);
		for (int id = 0; id < PLAN_TABLE_COUNT; id++) {
			const struct plan_table *x = &p.table[id], *y = &again.table[id];

			cr_assert_eq(x->count, y->count);
			cr_assert_eq(memcmp(x->rows, y->rows, x->count * (x->key_size + x->value_size)),
				     0, "%s", plan_table_to_str(id));
		}
	}
	cr_assert_gt(published, 200);
}
