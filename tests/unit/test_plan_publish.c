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
#include "tests/lib/made_world.h"

#define SELF 1u
#define SHOP 40u

struct host {
	struct fact_device device[2];
	struct fact_route route[2];
	struct fact_address address[3];
	struct fact_link link[4];
	struct fact_port taken[2];
	struct id away[2];
	struct facts f;
};

static struct ov_addr addr(const char *text)
{
	struct ov_addr a;

	cr_assert_eq(addr_parse(text, &a), 0);
	return a;
}

static struct item *backend(struct world *w, unsigned int number, unsigned int node, const char *at)
{
	struct item *it = world_endpoint(w, number, node, 20, at);

	it->endpoint.service = world_id(SHOP);
	return it;
}

/* The shop, in turns: a backend here and one on the other host. */
static struct item *shop(struct world *w)
{
	struct item *it;

	world_node(w, 1, "host-a", "192.0.2.1");
	world_node(w, 2, "host-b", "192.0.2.2");
	world_network(w, 20, "app-net", "10.10.0.0/24", 4096);
	backend(w, 0x1e0000, 1, "10.10.0.2");
	backend(w, 0x1f0000, 2, "10.10.0.3");
	it = world_service(w, SHOP, 20, "shop", "10.10.0.100");
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
		p.addr = addr(at);
	publish(it, &p);
}

static const struct facts *host_a(struct host *h)
{
	*h = (struct host){
		.device = { { .endpoint = world_id(0x1e0000), .ifindex = 7 } },
		.route = { { addr("192.0.2.2"), addr("192.0.2.2") } },
		.address = { { addr("10.1.1.1"), 1 }, { addr("192.0.2.1"), 2 },
			     { addr("203.0.113.5"), 4 } },
		.link = { { 1, addr("127.0.0.1"), true }, { 2, addr("192.0.2.1"), false },
			  { 4, addr("203.0.113.5"), false } },
		.f = { .uplink_ifindex = 2, .uplink_mtu = 1500, .vtep = addr("192.0.2.1"),
		       .vxlan_port = 4789, .tunnel_ifindex = 3, .device_count = 1,
		       .route_count = 1, .address_count = 3, .link_count = 3,
		       .masq_first = 61000, .masq_last = 65535 },
	};
	h->f.device = h->device;
	h->f.route = h->route;
	h->f.address = h->address;
	h->f.link = h->link;
	h->f.taken = h->taken;
	h->f.away.id = h->away;
	return &h->f;
}

static void plan_text(const struct world *w, const struct facts *f, struct buf *out)
{
	_cleanup_(view_fini) struct view v = world_view(w);
	_cleanup_(plan_fini) struct plan p = { 0 };
	struct id self = world_id(SELF);

	cr_assert_eq(plan_build(&v, f, &self, &p), 0);
	plan_format(&p, out);
	buf_u8(out, '\0');
}

/* The lines of the plan that begin with one of these words, all of them. */
static void expect_lines(const struct world *w, const struct facts *f, const char *words,
			 const char *want)
{
	_cleanup_(buf_fini) struct buf out = { 0 }, got = { 0 };

	plan_text(w, f, &out);
	for (char *line = (char *)out.data, *end; *line; line = end) {
		char word[32] = " ", all[128];

		end = strchr(line, '\n') + 1;
		cr_assert_eq(sscanf(line, "%29s", word + 1), 1);
		strcat(word, " ");
		snprintf(all, sizeof(all), " %s ", words);
		if (strstr(all, word))
			buf_put(&got, line, (size_t)(end - line));
	}
	buf_u8(&got, '\0');
	cr_assert_str_eq((const char *)got.data, want, "got:\n%s", (const char *)got.data);
}

/* ---- ports ---- */

Test(plan_publish, of_a_port_is_a_row_like_the_vips_own_and_marks_the_backends)
{
	_cleanup_(world_fini) struct world w = { 0 };
	struct item *it = shop(&w);
	struct host h;

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

Test(plan_publish, with_equal_target_names_it_all_the_same)
{
	_cleanup_(world_fini) struct world w = { 0 };
	struct host h;

	publish_port(shop(&w), PUBLISH_INGRESS, NULL, 80, 80);
	expect_lines(&w, host_a(&h), "published",
		"published any port=80/tcp vip=10.10.0.100 vni=4096 target=80 algorithm=rr choices=2 "
		"backends=2 affinity=0\n");
}

Test(plan_publish, bound_to_addresses_has_a_row_each_and_one_that_leads_there)
{
	_cleanup_(world_fini) struct world w = { 0 };
	struct item *it = shop(&w);
	struct host h;

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
			     .allow_count = 2, .addr = addr("192.0.2.1") };
	struct host h;

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
	struct host h;

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
	struct host h;

	backend(&w, 0x200000, 2, "10.10.0.4");
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
	struct host h;

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
		struct host h;

		publish_port(it, PUBLISH_INGRESS, cases[i].published_at, 80, 8080);
		host_a(&h);
		h.taken[0] = (struct fact_port){ .port = cases[i].port, .protocol = cases[i].protocol };
		if (cases[i].taken_at)
			h.taken[0].addr = addr(cases[i].taken_at);
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
	struct host h;

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
	struct host h;

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
	struct host h;

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
	struct host h;
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
