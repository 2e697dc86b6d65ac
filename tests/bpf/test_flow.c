// SPDX-License-Identifier: GPL-2.0-or-later
/* A flow's life: from the first packet to the last, and what its backend's end means for it. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <string.h>

#include "balance.h"
#include "base/addr.h"

static struct env env;

static void setup(void)
{
	env_open(&env);
}
static void teardown(void)
{
	env_close(&env);
}
TestSuite(flow, .init = setup, .fini = teardown);

static const struct balance only_two = { .count = 1, .backend = { &blue_two } };
static const struct balance three = { .algorithm = OV_LB_RR, .count = 3,
				      .backend = { &blue_two, &blue_far, &blue_third } };

/* ---- a flow's life ---- */

Test(flow, a_connection_is_established_by_the_clients_answer_to_the_answer)
{
	struct ov_flow f;
	struct outcome o;

	balance_put(&env, &only_two);
	o = balance_call(&env, &blue_one, IPPROTO_TCP, 4000, 80, TCP_SYN);
	o = balance_answer(&env, &blue_two, &blue_one, IPPROTO_TCP, 80, 4000, TCP_SYN | TCP_ACK);
	cr_assert(balance_flow(&env, MAP_brief, &blue_one, IPPROTO_TCP, 4000, 80, &f));
	cr_assert_not(balance_flow(&env, MAP_flows, &blue_one, IPPROTO_TCP, 4000, 80, &f),
		      "a half-open connection must not enter the table of established ones");
	o = balance_call(&env, &blue_one, IPPROTO_TCP, 4000, 80, TCP_ACK);
	expect_verdict(o, OV_FWD_LOCAL);
	cr_assert_not(balance_flow(&env, MAP_brief, &blue_one, IPPROTO_TCP, 4000, 80, &f));
	cr_assert(balance_flow(&env, MAP_flows, &blue_one, IPPROTO_TCP, 4000, 80, &f));
	cr_assert_eq(balance_stats(&env, &blue_two).active, 1);
	cr_assert_eq(balance_stats(&env, &blue_two).total, 1);
	cr_assert_eq(balance_counter(&env, OV_FLOW_ENTERED), 1);
}

Test(flow, half_closed_connections_stay_established)
{
	struct ov_flow f;

	balance_put(&env, &only_two);
	balance_establish(&env, 4000);
	balance_call(&env, &blue_one, IPPROTO_TCP, 4000, 80, TCP_FIN | TCP_ACK);
	cr_assert(balance_flow(&env, MAP_flows, &blue_one, IPPROTO_TCP, 4000, 80, &f));
	cr_assert_eq(f.flags, OV_FLOW_REPLIED | OV_FLOW_FIN_CLIENT);
}

Test(flow, a_connection_closed_by_both_leaves_and_carries_its_last_packets)
{
	struct ov_flow f;
	struct outcome o;

	balance_put(&env, &only_two);
	balance_establish(&env, 4000);
	balance_call(&env, &blue_one, IPPROTO_TCP, 4000, 80, TCP_FIN | TCP_ACK);
	o = balance_answer(&env, &blue_two, &blue_one, IPPROTO_TCP, 80, 4000, TCP_FIN | TCP_ACK);
	expect_ends(&o, 0, VIP_IP, 80, blue_one.ip, 4000);
	cr_assert_not(balance_flow(&env, MAP_flows, &blue_one, IPPROTO_TCP, 4000, 80, &f));
	cr_assert_eq(balance_stats(&env, &blue_two).active, 0);
	o = balance_call(&env, &blue_one, IPPROTO_TCP, 4000, 80, TCP_ACK);
	expect_verdict(o, OV_FWD_LOCAL);
	expect_ends(&o, 0, blue_one.ip, 4000, blue_two.ip, 80);
	cr_assert_eq(balance_stats(&env, &blue_two).active, 0);
	cr_assert_eq(balance_counter(&env, OV_FLOW_LEFT), 1);
}

Test(flow, a_reset_ends_a_connection)
{
	struct ov_flow f;
	struct outcome o;

	balance_put(&env, &only_two);
	balance_establish(&env, 4000);
	o = balance_answer(&env, &blue_two, &blue_one, IPPROTO_TCP, 80, 4000, TCP_RST);
	expect_ends(&o, 0, VIP_IP, 80, blue_one.ip, 4000);
	cr_assert_not(balance_flow(&env, MAP_flows, &blue_one, IPPROTO_TCP, 4000, 80, &f));
	cr_assert_eq(balance_stats(&env, &blue_two).active, 0);
}

Test(flow, a_port_used_again_is_a_new_flow)
{
	balance_put(&env, &only_two);
	balance_establish(&env, 4000);
	balance_call(&env, &blue_one, IPPROTO_TCP, 4000, 80, TCP_RST);
	balance_establish(&env, 4000);
	cr_assert_eq(balance_stats(&env, &blue_two).total, 2);
	cr_assert_eq(balance_stats(&env, &blue_two).active, 1);
}

Test(flow, idle_for_days_is_no_reason_to_forget)
{
	struct outcome o;

	balance_put(&env, &only_two);
	balance_establish(&env, 4000);
	balance_age(&env, MAP_flows, &blue_one, IPPROTO_TCP, 4000, 80, OV_IDLE_TCP - 60);
	o = balance_answer(&env, &blue_two, &blue_one, IPPROTO_TCP, 80, 4000, TCP_ACK);
	expect_ends(&o, 0, VIP_IP, 80, blue_one.ip, 4000);
	o = balance_call(&env, &blue_one, IPPROTO_TCP, 4000, 80, TCP_ACK);
	expect_verdict(o, OV_FWD_LOCAL);
}

Test(flow, what_was_idle_too_long_is_reset)
{
	struct outcome o;

	balance_put(&env, &only_two);
	balance_establish(&env, 4000);
	balance_age(&env, MAP_flows, &blue_one, IPPROTO_TCP, 4000, 80, OV_IDLE_TCP + 60);
	o = balance_call(&env, &blue_one, IPPROTO_TCP, 4000, 80, TCP_ACK);
	expect_verdict(o, OV_FWD_RESET);
	cr_assert_eq(balance_stats(&env, &blue_two).active, 0);
}

Test(flow, udp_chooses_anew_after_a_silence)
{
	balance_put(&env, &three);
	cr_assert_eq(balance_backend(&env, IPPROTO_UDP, 4000), blue_two.ip);
	cr_assert_eq(balance_backend(&env, IPPROTO_UDP, 4000), blue_two.ip);
	balance_age(&env, MAP_brief, &blue_one, IPPROTO_UDP, 4000, 80, OV_IDLE_UDP_ASKED + 2);
	cr_assert_eq(balance_backend(&env, IPPROTO_UDP, 4000), blue_far.ip);
	cr_assert_eq(balance_counter(&env, OV_FLOW_BORN), 2);
}

Test(flow, a_syn_flood_touches_no_established_connection)
{
	struct ov_flow f;
	struct outcome o;

	balance_put(&env, &only_two);
	balance_establish(&env, 4000);
	for (uint32_t i = 0; i < 3000; i++)
		balance_call(&env, &blue_one, IPPROTO_TCP, (uint16_t)(5000 + i), 80, TCP_SYN);
	cr_assert(balance_flow(&env, MAP_flows, &blue_one, IPPROTO_TCP, 4000, 80, &f));
	cr_assert_eq(balance_counter(&env, OV_FLOW_ENTERED), 1, "no half-open one got in");
	o = balance_call(&env, &blue_one, IPPROTO_TCP, 4000, 80, TCP_ACK);
	expect_verdict(o, OV_FWD_LOCAL);
}

/* ---- backends that go ---- */

Test(flow, a_removed_backends_client_gets_a_reset)
{
	struct balance rest = { .count = 1, .backend = { &blue_far } };
	struct segment s = call_of(&blue_one, IPPROTO_TCP, 4000, 80);
	struct ov_endpoint_key gone = { .addr = addr_from_v4(blue_two.ip), .vni = BLUE };
	struct outcome o;

	balance_put(&env, &only_two);
	balance_establish(&env, 4000);
	balance_put(&env, &rest);
	cr_assert_eq(bpf_map_delete_elem(env.map[MAP_endpoints], &gone), 0);
	s.flags = TCP_ACK;
	s.ack = 99;
	o = balance_send(&env, &blue_one, &s);
	expect_reset(&o, 80, 4000, 99, 0, TCP_RST);
	cr_assert_eq(balance_stats(&env, &blue_two).active, 0, "who was told counts no more");
	o = balance_send(&env, &blue_one, &s);
	expect_reset(&o, 80, 4000, 99, 0, TCP_RST);
	/* a new connection is welcome */
	o = balance_call(&env, &blue_one, IPPROTO_TCP, 4000, 80, TCP_SYN);
	expect_verdict(o, OV_FWD_ENCAP);
}

Test(flow, no_flow_goes_to_who_has_the_address_next)
{
	struct outcome o;

	balance_put(&env, &only_two);
	balance_establish(&env, 4000);
	balance_call(&env, &blue_one, IPPROTO_UDP, 4000, 53, 0);
	balance_rebirth(&env, &blue_two, 4711);
	o = balance_call(&env, &blue_one, IPPROTO_TCP, 4000, 80, TCP_ACK);
	expect_verdict(o, OV_FWD_RESET);
	/* the list still names the old one */
	o = balance_call(&env, &blue_one, IPPROTO_UDP, 4000, 53, 0);
	expect_unreachable(&o);
}

Test(flow, udp_moves_away_from_a_backend_that_is_gone)
{
	struct balance rest = { .algorithm = OV_LB_RR, .count = 1, .backend = { &blue_far } };
	struct outcome o;

	balance_put(&env, &only_two);
	o = balance_call(&env, &blue_one, IPPROTO_UDP, 4000, 53, 0);
	expect_verdict(o, OV_FWD_LOCAL);
	balance_put(&env, &rest);
	balance_rebirth(&env, &blue_two, 4711);
	o = balance_call(&env, &blue_one, IPPROTO_UDP, 4000, 53, 0);
	expect_verdict(o, OV_FWD_ENCAP);
	expect_ends(&o, 1, blue_one.ip, 4000, blue_far.ip, 53);
	cr_assert_eq(balance_counter(&env, OV_FLOW_MOVED), 1);
}

Test(flow, udp_moves_away_from_a_node_that_is_thought_dead_and_tcp_waits)
{
	struct balance both = { .algorithm = OV_LB_RR, .count = 2,
				.backend = { &blue_two, &blue_far } };
	struct balance rest = { .algorithm = OV_LB_RR, .count = 1, .backend = { &blue_far } };
	struct outcome o;

	balance_put(&env, &only_two);
	balance_call(&env, &blue_one, IPPROTO_UDP, 4000, 53, 0);
	balance_establish(&env, 4000);
	balance_put(&env, &both);
	balance_put(&env, &rest);
	balance_flag(&env, &blue_two, OV_ENDPOINT_CLOSED | OV_ENDPOINT_AWAY);
	o = balance_call(&env, &blue_one, IPPROTO_UDP, 4000, 53, 0);
	expect_ends(&o, 1, blue_one.ip, 4000, blue_far.ip, 53);
	o = balance_call(&env, &blue_one, IPPROTO_TCP, 4000, 80, TCP_ACK);
	expect_verdict(o, OV_FWD_LOCAL);
}

/* ---- beside services ---- */

Test(flow, other_declared_ports_leave_connections_alone)
{
	struct balance b = only_two;
	struct outcome o;

	balance_put(&env, &b);
	balance_establish(&env, 4000); /* to port 80, of a service of every port */
	b.port = 80;
	b.target = 8080;
	balance_put(&env, &b);
	o = balance_call(&env, &blue_one, IPPROTO_TCP, 4000, 80, TCP_ACK);
	expect_ends(&o, 0, blue_one.ip, 4000, blue_two.ip, 80);
	o = balance_answer(&env, &blue_two, &blue_one, IPPROTO_TCP, 80, 4000, TCP_ACK);
	expect_ends(&o, 0, VIP_IP, 80, blue_one.ip, 4000);
	o = balance_call(&env, &blue_one, IPPROTO_TCP, 4001, 80, TCP_SYN);
	expect_ends(&o, 0, blue_one.ip, 4001, blue_two.ip, 8080);

	b.port = 81;
	balance_put(&env, &b);
	o = balance_call(&env, &blue_one, IPPROTO_TCP, 4000, 80, TCP_ACK);
	expect_ends(&o, 0, blue_one.ip, 4000, blue_two.ip, 80);
	o = balance_call(&env, &blue_one, IPPROTO_TCP, 4002, 80, TCP_SYN);
	expect_verdict(o, OV_FWD_RESET);
}

Test(flow, who_is_connected_to_a_removed_service_is_told)
{
	struct segment s = call_of(&blue_one, IPPROTO_TCP, 4000, 80);
	struct ov_endpoint_key vip = { .addr = addr_from_v4(VIP_IP), .vni = BLUE };
	struct outcome o;

	balance_put(&env, &only_two);
	balance_establish(&env, 4000);
	cr_assert_eq(bpf_map_delete_elem(env.map[MAP_endpoints], &vip), 0);
	s.flags = TCP_ACK;
	s.ack = 99;
	o = balance_send(&env, &blue_one, &s);
	expect_reset(&o, 80, 4000, 99, 0, TCP_RST);
	s.sport = 4001; /* no connection to it: an address like any that nobody has */
	o = balance_send(&env, &blue_one, &s);
	expect_verdict(o, OV_DROP_UNKNOWN_DST);
}

Test(flow, traffic_past_the_vip_is_left_alone)
{
	struct segment s = answer_of(&blue_two, &blue_one, IPPROTO_TCP, 80, 4001);
	struct outcome o;

	balance_put(&env, &only_two);
	balance_establish(&env, 4000);
	o = balance_send(&env, &blue_two, &s);
	expect_verdict(o, OV_FWD_LOCAL);
	expect_ends(&o, 0, blue_two.ip, 80, blue_one.ip, 4001);
}

Test(flow, an_answer_of_another_backend_is_not_the_vips)
{
	struct balance b = { .count = 1, .backend = { &blue_far } };
	struct outcome o;

	balance_put(&env, &b);
	balance_flag(&env, &blue_two, 0);
	balance_call(&env, &blue_one, IPPROTO_UDP, 4000, 53, 0);
	o = balance_answer(&env, &blue_two, &blue_one, IPPROTO_UDP, 53, 4000, 0);
	expect_ends(&o, 0, blue_two.ip, 53, blue_one.ip, 4000);
}

Test(flow, a_connection_past_the_vip_may_follow_one_through_it)
{
	struct outcome o;

	balance_put(&env, &only_two);
	balance_establish(&env, 4000);
	balance_call(&env, &blue_one, IPPROTO_TCP, 4000, 80, TCP_RST);
	o = balance_answer(&env, &blue_two, &blue_one, IPPROTO_TCP, 80, 4000, TCP_SYN | TCP_ACK);
	expect_ends(&o, 0, blue_two.ip, 80, blue_one.ip, 4000);
}

Test(flow, two_ports_to_one_target_from_one_client_port_clash)
{
	struct balance b = only_two;
	struct ov_service_key key = { .vip = addr_from_v4(VIP_IP), .vni = BLUE,
				      .port = htons(81), .protocol = IPPROTO_TCP };
	struct ov_service value = { .choices = 1, .backends = 1, .target_port = htons(8080) };
	struct outcome o;

	b.port = 80;
	b.target = 8080;
	balance_put(&env, &b);
	cr_assert_eq(bpf_map_update_elem(env.map[MAP_services], &key, &value, BPF_ANY), 0);
	o = balance_call(&env, &blue_one, IPPROTO_TCP, 4000, 80, TCP_SYN);
	expect_verdict(o, OV_FWD_LOCAL);
	o = balance_call(&env, &blue_one, IPPROTO_TCP, 4000, 81, TCP_SYN);
	expect_verdict(o, OV_FWD_RESET); /* at once, instead of silence */
}
