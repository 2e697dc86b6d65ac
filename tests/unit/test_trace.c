/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A packet's whole way, over plans of several nodes made from one view. That each program's
 * decisions are right is bpf/test_trace.c's to show.
 */
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <string.h>

#include "tests/lib/plan_shop.h"
#include "trace/trace.h"

static struct world w;
static struct shop_host host;
static struct view view;
static struct trace t;

static void teardown(void)
{
	view_fini(&view);
	world_fini(&w);
}
TestSuite(trace, .fini = teardown);

static struct trace_packet packet(uint32_t vni, const char *src, const char *dst, uint16_t dport)
{
	return (struct trace_packet){ .vni = vni, .src = world_addr(src), .dst = world_addr(dst),
				      .protocol = dport ? IPPROTO_TCP : IPPROTO_ICMP,
				      .dport = dport, .sport = 40000, .size = 60 };
}

static void run(const struct trace_packet *p, enum ov_verdict want)
{
	const struct facts *f = &host.f;
	struct id self = world_id(1);
	struct plan plan;

	view_fini(&view);
	view = world_view(&w);
	cr_assert_eq(plan_build(&view, f, &self, &plan), 0);
	t = (struct trace){ 0 };
	cr_assert_eq(trace_run(&view, f, &self, &plan, p, &t), 0);
	plan_fini(&plan);
	cr_assert_eq(t.verdict, want, "%d: %s", t.verdict,
		     t.step_count ? t.step[t.step_count - 1].text : "");
}

static bool on_node(unsigned int number, const char *program)
{
	struct id id = world_id(number);

	for (size_t i = 0; i < t.step_count; i++)
		if (id_equal(&t.step[i].node, &id) && !strcmp(t.step[i].program, program))
			return true;
	return false;
}

/* A client on each node, and a route between them. */
static struct item *make(void)
{
	struct item *shop = shop_new(&w);

	world_endpoint(&w, 0x200000, 2, 20, "10.10.0.20");
	shop_host(&host);
	host.f.masq_first = 61000;
	host.f.masq_last = 65535;
	return shop;
}

Test(trace, a_packet_is_followed_to_the_other_node)
{
	struct trace_packet p = packet(4096, "10.10.0.2", "10.10.0.3", 80);

	make();
	run(&p, OV_FWD_DECAP);
	cr_assert(on_node(1, "ov_endpoint"));
	cr_assert(on_node(2, "ov_uplink"));
	cr_assert(trace_is_delivered(&t));
	cr_assert(t.row_count, "the rows of this node are not remembered");
}

Test(trace, a_packet_is_followed_from_the_other_node)
{
	struct trace_packet p = packet(4096, "10.10.0.20", "10.10.0.2", 80);

	make();
	run(&p, OV_FWD_DECAP);
	cr_assert(on_node(2, "ov_endpoint"));
	cr_assert(on_node(1, "ov_uplink"));
}

Test(trace, a_node_without_a_route_to_it_knows_nobody_there)
{
	struct trace_packet p = packet(4096, "10.10.0.2", "10.10.0.3", 80);

	make();
	host.f.route_count = 0;
	run(&p, OV_DROP_UNKNOWN_DST);
	p = packet(4096, "10.10.0.20", "10.10.0.2", 80);
	run(&p, OV_DROP_UNKNOWN_PEER);
}

Test(trace, a_node_that_is_thought_away_is_said_to_be)
{
	struct trace_packet p = packet(4096, "10.10.0.2", "10.10.0.20", 80);
	bool said = false;

	make();
	host.away[host.f.away.count++] = world_id(2);
	run(&p, OV_FWD_DECAP);
	for (size_t i = 0; i < t.step_count; i++)
		said = said || strstr(t.step[i].text, "away");
	cr_assert(said);
}

Test(trace, an_encrypted_network_needs_keys)
{
	struct trace_packet p = packet(4096, "10.10.0.2", "10.10.0.20", 80);
	struct ipsec_policy policy = { world_addr("192.0.2.2"), 4096 };

	make();
	for (size_t i = 0; i < w.count; i++)
		if (w.items[i]->key.kind == RECORD_NETWORK)
			w.items[i]->network.encrypted = true;
	host.f.is_ipsec_able = true;
	run(&p, OV_DROP_NO_SA);
	host.f.policy = &policy;
	host.f.policy_count = 1;
	run(&p, OV_FWD_DECAP);
}

Test(trace, policy_names_the_rule)
{
	struct trace_packet p = packet(4096, "10.10.0.2", "10.10.0.20", 80);
	bool named = false;

	make();
	world_policy_port(world_policy(&w, 0x500000, 20, true, "any", "cidr=10.10.0.16/28"),
			  IPPROTO_TCP, 80, 80);
	run(&p, OV_DROP_POLICY);
	for (size_t i = 0; i < t.step_count; i++) {
		struct id id = world_id(0x500000);
		char text[ID_TEXT_MAX];

		id_format(&id, text);
		text[ID_SHORT] = '\0';
		named = named || strstr(t.step[i].text, text);
	}
	cr_assert(named, "%s", t.step[t.step_count - 1].text);
	p.dport = 81;
	run(&p, OV_FWD_DECAP);
}

static void publish(struct item *shop)
{
	struct service_detail d = { .publish = { { .protocol = IPPROTO_TCP, .published = 8080,
						   .target = 80 } } };

	shop->service.publish_count = 1;
	world_service_detail(shop, &d);
	host.address[0] = (struct fact_address){ world_addr("192.0.2.1"), 2 };
	host.f.address_count = 1;
}

Test(trace, a_client_outside_is_followed_from_where_it_enters)
{
	struct trace_packet p = packet(0, "198.51.100.7", "192.0.2.2", 8080);

	publish(make());
	p.follow = world_addr("10.10.0.2");
	p.sport = 0;
	run(&p, OV_FWD_DECAP);
	cr_assert(on_node(2, "ov_front"));
	cr_assert(on_node(1, "ov_arrive"));
	p.dst = world_addr("192.0.2.1");
	run(&p, OV_FWD_LOCAL);
	cr_assert(t.is_open);
}

Test(trace, a_container_that_calls_another_node_s_port_comes_back_in_there)
{
	struct trace_packet p = packet(4096, "10.10.0.2", "192.0.2.2", 8080);

	publish(make());
	p.follow = world_addr("10.10.0.3");
	run(&p, OV_FWD_LOCAL);
	cr_assert(on_node(1, "ov_egress"));
	cr_assert(on_node(2, "ov_front"));
	p.dst = world_addr("192.0.2.1");
	run(&p, OV_FWD_DECAP);
	cr_assert(on_node(1, "ov_front"));
	p.dst = world_addr("198.51.100.7");
	run(&p, OV_FWD_OUTSIDE);
}
