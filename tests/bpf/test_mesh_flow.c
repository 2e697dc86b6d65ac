// SPDX-License-Identifier: GPL-2.0-or-later
/* Flows from outside on both of their nodes: established, ended, lost, moved. */
#include <arpa/inet.h>

#include "base/addr.h"
#include "mesh_conn.h"

static struct env env;

static void setup(void)
{
	mesh_open(&env);
}
static void teardown(void)
{
	env_close(&env);
}
TestSuite(mesh_flow, .init = setup, .fini = teardown);

static const struct mesh in_turn = { .balance = { .algorithm = OV_LB_RR, .count = 1,
						   .backend = { &blue_third } } };

/* ---- established and ended ---- */

Test(mesh_flow, an_established_connection_is_protected_on_both_nodes)
{
	conn_call_well(&env, NODE_C, TCP_SYN);
	conn_answer_well(&env, NODE_C, TCP_SYN | TCP_ACK);
	cr_assert(mesh_has_flow(&env, MAP_brief, IPPROTO_TCP));
	cr_assert_not(mesh_has_flow(&env, MAP_flows, IPPROTO_TCP));
	conn_call_well(&env, NODE_C, TCP_ACK);

	struct ov_flow f = mesh_flow(&env, MAP_flows, IPPROTO_TCP); /* node b's */

	cr_assert_eq(f.flags, OV_FLOW_TUNNEL | OV_FLOW_REPLIED);
	cr_assert_eq(addr_v4(&f.via), VTEP(NODE_C));
	cr_assert_eq(addr_v4(&f.backend), blue_far.ip);
	mesh_become(&env, NODE_C, &mesh_far);
	f = mesh_flow(&env, MAP_flows, IPPROTO_TCP);
	cr_assert_eq(f.flags, OV_FLOW_ENTRY | OV_FLOW_REPLIED);
	cr_assert_eq(addr_v4(&f.via), VTEP(NODE_C));
	cr_assert_eq(f.vip_port, htons(PUBLISHED_PORT));
	cr_assert_not(mesh_has_flow(&env, MAP_brief, IPPROTO_TCP));
}

Test(mesh_flow, a_flow_is_counted_where_it_entered_and_not_at_the_backend)
{
	conn_establish(&env);
	cr_assert_eq(balance_stats(&env, &blue_far).active, 1); /* both nodes count here */
	cr_assert_eq(balance_stats(&env, &blue_far).total, 1);
	cr_assert_eq(balance_counter(&env, OV_FLOW_BORN), 1);
}

static void check_closed_on_both_nodes(void)
{
	for (enum node n = NODE_B; n <= NODE_C; n++) {
		mesh_become(&env, n, &mesh_far);
		cr_assert_not(mesh_has_flow(&env, MAP_flows, IPPROTO_TCP), "node %d", n);
		cr_assert(mesh_flow(&env, MAP_brief, IPPROTO_TCP).flags & OV_FLOW_CLOSED);
	}
}

Test(mesh_flow, both_ends_finish_and_the_last_ack_still_arrives)
{
	conn_establish(&env);
	conn_call_well(&env, NODE_C, TCP_FIN | TCP_ACK);
	conn_answer_well(&env, NODE_C, TCP_FIN | TCP_ACK);
	check_closed_on_both_nodes();
	conn_call_well(&env, NODE_C, TCP_ACK);
	cr_assert_eq(balance_stats(&env, &blue_far).active, 0);
}

Test(mesh_flow, a_reset_of_either_end_closes_it)
{
	conn_establish(&env);
	conn_call_well(&env, NODE_C, TCP_RST);
	check_closed_on_both_nodes();
	conn_establish(&env); /* the port is used again */
	conn_answer_well(&env, NODE_C, TCP_RST);
	check_closed_on_both_nodes();
}

/* ---- lost, moved ---- */

Test(mesh_flow, what_the_entry_has_forgotten_maglev_sends_where_it_was)
{
	static const struct mesh m = { .balance = { .count = 2,
						    .backend = { &blue_far, &blue_third } } };
	struct outcome o = conn_enter(&env, &m, NODE_C, TCP_SYN);
	int verdict = o.verdict;

	cr_assert(verdict == OV_FWD_ENCAP || verdict == OV_FWD_LOCAL);
	env_empty(&env, MAP_brief);
	o = conn_enter(&env, &m, NODE_C, TCP_ACK);
	expect_verdict(o, verdict);
	cr_assert_eq(mesh_flow(&env, MAP_brief, IPPROTO_TCP).flags, OV_FLOW_ENTRY);
}

Test(mesh_flow, what_the_entry_has_forgotten_is_refused_where_no_hash_leads_back)
{
	struct outcome o = conn_enter(&env, &in_turn, NODE_C, TCP_SYN);

	expect_verdict(o, OV_FWD_LOCAL);
	env_empty(&env, MAP_brief);
	o = conn_enter(&env, &in_turn, NODE_C, TCP_ACK);
	expect_client_reset(&o);
	cr_assert_not(mesh_has_flow(&env, MAP_brief, IPPROTO_TCP));
}

Test(mesh_flow, answers_follow_a_client_whose_way_in_changes)
{
	struct ov_flow f;

	conn_establish(&env);
	conn_call_well(&env, NODE_A, TCP_ACK); /* a router failed */
	f = mesh_flow(&env, MAP_flows, IPPROTO_TCP);
	cr_assert_eq(addr_v4(&f.via), VTEP(NODE_A));
	conn_answer_well(&env, NODE_A, TCP_ACK);
}

/* The address moves to the backend's own node (VRRP), and away from it again. */
Test(mesh_flow, a_connection_goes_on_when_its_way_in_becomes_the_backends_node)
{
	struct segment s = outside_call(NODE_B, IPPROTO_TCP, TCP_ACK);
	struct segment a = backend_answer(&blue_far, IPPROTO_TCP, TCP_ACK);
	struct outcome o;

	conn_establish(&env);
	mesh_become(&env, NODE_B, &mesh_far);
	for (int i = 0; i < 2; i++) { /* twice: it is protected there again */
		o = mesh_enter(&env, &s);
		expect_verdict(o, OV_FWD_LOCAL);
		o = balance_send(&env, &blue_far, &a);
		expect_verdict(o, OV_FWD_OUTSIDE);
		expect_ends(&o, 0, VTEP(NODE_B), PUBLISHED_PORT, CLIENT_IP, CLIENT_PORT);
	}
	cr_assert_eq(mesh_flow(&env, MAP_flows, IPPROTO_TCP).flags, OV_FLOW_ENTRY | OV_FLOW_REPLIED);
	conn_call_well(&env, NODE_C, TCP_ACK);
	conn_answer_well(&env, NODE_C, TCP_ACK);
	conn_call_well(&env, NODE_C, TCP_ACK);
	mesh_become(&env, NODE_B, &mesh_far);
	cr_assert_eq(mesh_flow(&env, MAP_flows, IPPROTO_TCP).flags, OV_FLOW_TUNNEL | OV_FLOW_REPLIED);
}

Test(mesh_flow, a_live_connection_is_not_opened_at_the_backends_node_either)
{
	struct outcome o;

	conn_establish(&env);
	o = conn_enter(&env, &mesh_far, NODE_B, TCP_SYN);
	expect_verdict(o, OV_FWD_RESET);
	expect_ends(&o, 0, VTEP(NODE_B), PUBLISHED_PORT, CLIENT_IP, CLIENT_PORT);
	conn_answer_well(&env, NODE_C, TCP_ACK);
}

Test(mesh_flow, a_live_connection_is_not_opened_by_another_way_in)
{
	struct outcome o;

	conn_establish(&env);
	o = conn_call(&env, &mesh_far, NODE_A, TCP_SYN); /* another flow: another address called, the same ports */
	expect_verdict(o, OV_FWD_RESET);
	expect_tunnel(&o, NODE_B, NODE_A);
	o = mesh_cross(&env, &mesh_far, NODE_A, &o);
	expect_verdict(o, OV_FWD_OUTSIDE);
	expect_ends(&o, 0, VTEP(NODE_A), PUBLISHED_PORT, CLIENT_IP, CLIENT_PORT);
	cr_assert(segment_read(&o.out, 0).flags & TCP_RST);
	conn_answer_well(&env, NODE_C, TCP_ACK);
	conn_call_well(&env, NODE_C, TCP_ACK);
}

Test(mesh_flow, one_client_port_calls_two_addresses_of_a_node_one_at_a_time)
{
	struct segment s = outside_call(NODE_C, IPPROTO_TCP, TCP_SYN);
	struct outcome o;

	conn_establish(&env);
	s.dst = OTHER_IP(NODE_C);
	mesh_become(&env, NODE_C, &mesh_far);
	o = mesh_enter(&env, &s);
	expect_verdict(o, OV_FWD_RESET);
	expect_ends(&o, 0, OTHER_IP(NODE_C), PUBLISHED_PORT, CLIENT_IP, CLIENT_PORT);
	conn_call_well(&env, NODE_C, TCP_ACK);
}

Test(mesh_flow, an_idle_flow_is_over)
{
	struct actor client = { .ip = CLIENT_IP };
	struct outcome o;

	conn_establish(&env);
	mesh_become(&env, NODE_C, &mesh_far);
	balance_age(&env, MAP_flows, &client, IPPROTO_TCP, CLIENT_PORT, TARGET_PORT, OV_IDLE_TCP + 2);
	o = conn_enter(&env, &mesh_far, NODE_C, TCP_ACK);
	expect_client_reset(&o);
	cr_assert_not(mesh_has_flow(&env, MAP_flows, IPPROTO_TCP));
}
