// SPDX-License-Identifier: GPL-2.0-or-later
/* Flows from outside on both of their nodes: established, ended, lost, moved, refused. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <string.h>

#include "base/addr.h"
#include "mesh.h"

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

static const struct mesh far = { .balance = { .count = 1, .backend = { &blue_far } } };
static const struct mesh third = { .balance = { .count = 1, .backend = { &blue_third } } };
static const struct mesh none = { .balance = { .count = 0 } };
static const struct mesh in_turn = { .balance = { .algorithm = OV_LB_RR, .count = 1,
						   .backend = { &blue_third } } };

/* ---- one segment, the whole way ---- */

static struct outcome enter(const struct mesh *m, enum node entry, uint8_t flags)
{
	struct segment s = outside_call(entry, IPPROTO_TCP, flags);

	mesh_become(&env, entry, m);
	return mesh_enter(&env, &s);
}

static struct outcome call(const struct mesh *m, enum node entry, uint8_t flags)
{
	struct outcome o = enter(m, entry, flags);

	expect_verdict(o, OV_FWD_ENCAP);
	return mesh_cross(&env, m, NODE_B, &o);
}

static struct outcome answer(const struct mesh *m, enum node entry, uint8_t flags)
{
	struct segment s = backend_answer(&blue_far, IPPROTO_TCP, flags);
	struct outcome o;

	mesh_become(&env, NODE_B, m);
	o = balance_send(&env, &blue_far, &s);
	expect_verdict(o, OV_FWD_ENCAP);
	expect_tunnel(&o, NODE_B, entry);
	return mesh_cross(&env, m, entry, &o);
}

static void call_well(enum node entry, uint8_t flags)
{
	struct outcome o = call(&far, entry, flags);

	expect_verdict(o, OV_FWD_DECAP);
}

static void answer_well(enum node entry, uint8_t flags)
{
	struct outcome o = answer(&far, entry, flags);

	expect_verdict(o, OV_FWD_OUTSIDE);
	expect_ends(&o, 0, VTEP(entry), PUBLISHED_PORT, CLIENT_IP, CLIENT_PORT);
}

/* A connection by node c to the backend on node b. */
static void establish(void)
{
	call_well(NODE_C, TCP_SYN);
	answer_well(NODE_C, TCP_SYN | TCP_ACK);
	call_well(NODE_C, TCP_ACK);
}

static void expect_client_reset(struct outcome *o)
{
	expect_verdict(*o, OV_FWD_RESET);
	expect_ends(o, 0, VTEP(NODE_C), PUBLISHED_PORT, CLIENT_IP, CLIENT_PORT);
	expect_macs(o, 0, uplink_mac, wire_mac);
	cr_assert(segment_read(&o->out, 0).flags & TCP_RST);
}

/* ---- established and ended ---- */

Test(mesh_flow, an_established_connection_is_protected_on_both_nodes)
{
	call_well(NODE_C, TCP_SYN);
	answer_well(NODE_C, TCP_SYN | TCP_ACK);
	cr_assert(mesh_has_flow(&env, MAP_brief, IPPROTO_TCP));
	cr_assert_not(mesh_has_flow(&env, MAP_flows, IPPROTO_TCP));
	call_well(NODE_C, TCP_ACK);

	struct ov_flow f = mesh_flow(&env, MAP_flows, IPPROTO_TCP); /* node b's */

	cr_assert_eq(f.flags, OV_FLOW_TUNNEL | OV_FLOW_REPLIED);
	cr_assert_eq(addr_v4(&f.via), VTEP(NODE_C));
	cr_assert_eq(addr_v4(&f.backend), blue_far.ip);
	mesh_become(&env, NODE_C, &far);
	f = mesh_flow(&env, MAP_flows, IPPROTO_TCP);
	cr_assert_eq(f.flags, OV_FLOW_ENTRY | OV_FLOW_REPLIED);
	cr_assert_eq(addr_v4(&f.via), VTEP(NODE_C));
	cr_assert_eq(f.vip_port, htons(PUBLISHED_PORT));
	cr_assert_not(mesh_has_flow(&env, MAP_brief, IPPROTO_TCP));
}

Test(mesh_flow, a_flow_is_counted_where_it_entered_and_not_at_the_backend)
{
	establish();
	cr_assert_eq(balance_stats(&env, &blue_far).active, 1); /* both nodes count here */
	cr_assert_eq(balance_stats(&env, &blue_far).total, 1);
	cr_assert_eq(balance_counter(&env, OV_FLOW_BORN), 1);
}

static void check_closed_on_both_nodes(void)
{
	for (enum node n = NODE_B; n <= NODE_C; n++) {
		mesh_become(&env, n, &far);
		cr_assert_not(mesh_has_flow(&env, MAP_flows, IPPROTO_TCP), "node %d", n);
		cr_assert(mesh_flow(&env, MAP_brief, IPPROTO_TCP).flags & OV_FLOW_CLOSED);
	}
}

Test(mesh_flow, both_ends_finish_and_the_last_ack_still_arrives)
{
	establish();
	call_well(NODE_C, TCP_FIN | TCP_ACK);
	answer_well(NODE_C, TCP_FIN | TCP_ACK);
	check_closed_on_both_nodes();
	call_well(NODE_C, TCP_ACK);
	cr_assert_eq(balance_stats(&env, &blue_far).active, 0);
}

Test(mesh_flow, a_reset_of_either_end_closes_it)
{
	establish();
	call_well(NODE_C, TCP_RST);
	check_closed_on_both_nodes();
	establish(); /* the port is used again */
	answer_well(NODE_C, TCP_RST);
	check_closed_on_both_nodes();
}

/* ---- lost, moved ---- */

Test(mesh_flow, what_the_entry_has_forgotten_maglev_sends_where_it_was)
{
	static const struct mesh m = { .balance = { .count = 2,
						    .backend = { &blue_far, &blue_third } } };
	struct outcome o = enter(&m, NODE_C, TCP_SYN);
	int verdict = o.verdict;

	cr_assert(verdict == OV_FWD_ENCAP || verdict == OV_FWD_LOCAL);
	env_empty(&env, MAP_brief);
	o = enter(&m, NODE_C, TCP_ACK);
	expect_verdict(o, verdict);
	cr_assert_eq(mesh_flow(&env, MAP_brief, IPPROTO_TCP).flags, OV_FLOW_ENTRY);
}

Test(mesh_flow, what_the_entry_has_forgotten_is_refused_where_no_hash_leads_back)
{
	struct outcome o = enter(&in_turn, NODE_C, TCP_SYN);

	expect_verdict(o, OV_FWD_LOCAL);
	env_empty(&env, MAP_brief);
	o = enter(&in_turn, NODE_C, TCP_ACK);
	expect_client_reset(&o);
	cr_assert_not(mesh_has_flow(&env, MAP_brief, IPPROTO_TCP));
}

Test(mesh_flow, answers_follow_a_client_whose_way_in_changes)
{
	struct ov_flow f;

	establish();
	call_well(NODE_A, TCP_ACK); /* a router failed */
	f = mesh_flow(&env, MAP_flows, IPPROTO_TCP);
	cr_assert_eq(addr_v4(&f.via), VTEP(NODE_A));
	answer_well(NODE_A, TCP_ACK);
}

/* The address moves to the backend's own node (VRRP), and away from it again. */
Test(mesh_flow, a_connection_goes_on_when_its_way_in_becomes_the_backends_node)
{
	struct segment s = outside_call(NODE_B, IPPROTO_TCP, TCP_ACK);
	struct segment a = backend_answer(&blue_far, IPPROTO_TCP, TCP_ACK);
	struct outcome o;

	establish();
	mesh_become(&env, NODE_B, &far);
	for (int i = 0; i < 2; i++) { /* twice: it is protected there again */
		o = mesh_enter(&env, &s);
		expect_verdict(o, OV_FWD_LOCAL);
		o = balance_send(&env, &blue_far, &a);
		expect_verdict(o, OV_FWD_OUTSIDE);
		expect_ends(&o, 0, VTEP(NODE_B), PUBLISHED_PORT, CLIENT_IP, CLIENT_PORT);
	}
	cr_assert_eq(mesh_flow(&env, MAP_flows, IPPROTO_TCP).flags, OV_FLOW_ENTRY | OV_FLOW_REPLIED);
	call_well(NODE_C, TCP_ACK);
	answer_well(NODE_C, TCP_ACK);
	call_well(NODE_C, TCP_ACK);
	mesh_become(&env, NODE_B, &far);
	cr_assert_eq(mesh_flow(&env, MAP_flows, IPPROTO_TCP).flags, OV_FLOW_TUNNEL | OV_FLOW_REPLIED);
}

Test(mesh_flow, a_live_connection_is_not_opened_at_the_backends_node_either)
{
	struct outcome o;

	establish();
	o = enter(&far, NODE_B, TCP_SYN);
	expect_verdict(o, OV_FWD_RESET);
	expect_ends(&o, 0, VTEP(NODE_B), PUBLISHED_PORT, CLIENT_IP, CLIENT_PORT);
	answer_well(NODE_C, TCP_ACK);
}

Test(mesh_flow, a_live_connection_is_not_opened_by_another_way_in)
{
	struct outcome o;

	establish();
	o = call(&far, NODE_A, TCP_SYN); /* another flow: another address called, the same ports */
	expect_verdict(o, OV_FWD_RESET);
	expect_tunnel(&o, NODE_B, NODE_A);
	o = mesh_cross(&env, &far, NODE_A, &o);
	expect_verdict(o, OV_FWD_OUTSIDE);
	expect_ends(&o, 0, VTEP(NODE_A), PUBLISHED_PORT, CLIENT_IP, CLIENT_PORT);
	cr_assert(segment_read(&o.out, 0).flags & TCP_RST);
	answer_well(NODE_C, TCP_ACK);
	call_well(NODE_C, TCP_ACK);
}

Test(mesh_flow, one_client_port_calls_two_addresses_of_a_node_one_at_a_time)
{
	struct segment s = outside_call(NODE_C, IPPROTO_TCP, TCP_SYN);
	struct outcome o;

	establish();
	s.dst = OTHER_IP(NODE_C);
	mesh_become(&env, NODE_C, &far);
	o = mesh_enter(&env, &s);
	expect_verdict(o, OV_FWD_RESET);
	expect_ends(&o, 0, OTHER_IP(NODE_C), PUBLISHED_PORT, CLIENT_IP, CLIENT_PORT);
	call_well(NODE_C, TCP_ACK);
}

Test(mesh_flow, an_idle_flow_is_over)
{
	struct actor client = { .ip = CLIENT_IP };
	struct outcome o;

	establish();
	mesh_become(&env, NODE_C, &far);
	balance_age(&env, MAP_flows, &client, IPPROTO_TCP, CLIENT_PORT, TARGET_PORT, OV_IDLE_TCP + 2);
	o = enter(&far, NODE_C, TCP_ACK);
	expect_client_reset(&o);
	cr_assert_not(mesh_has_flow(&env, MAP_flows, IPPROTO_TCP));
}

/* ---- the backend goes ---- */

Test(mesh_flow, a_connection_to_a_removed_backend_is_reset)
{
	struct ov_endpoint_key key = { .addr = addr_from_v4(blue_far.ip), .vni = BLUE };
	struct outcome o;

	establish();
	mesh_become(&env, NODE_C, &third);
	cr_assert_eq(bpf_map_delete_elem(env.map[MAP_endpoints], &key), 0);

	struct segment s = outside_call(NODE_C, IPPROTO_TCP, TCP_ACK);

	o = mesh_enter(&env, &s);
	expect_client_reset(&o);
	s.flags = TCP_SYN;
	o = mesh_enter(&env, &s);
	expect_verdict(o, OV_FWD_LOCAL);
	expect_ends(&o, 0, CLIENT_IP, CLIENT_PORT, blue_third.ip, TARGET_PORT);
}

Test(mesh_flow, a_drained_backend_keeps_what_it_has_and_gets_nothing_new)
{
	struct segment s = outside_call(NODE_C, IPPROTO_TCP, TCP_ACK);
	struct outcome o;

	establish();
	mesh_become(&env, NODE_C, &third);
	balance_flag(&env, &blue_far, OV_ENDPOINT_PUBLISHED | OV_ENDPOINT_CLOSED);
	o = mesh_enter(&env, &s);
	expect_verdict(o, OV_FWD_ENCAP);
	expect_ends(&o, 1, CLIENT_IP, CLIENT_PORT, blue_far.ip, TARGET_PORT);
	s.sport = CLIENT_PORT + 1;
	s.flags = TCP_SYN;
	o = mesh_enter(&env, &s);
	expect_verdict(o, OV_FWD_LOCAL);
	expect_ends(&o, 0, CLIENT_IP, CLIENT_PORT + 1, blue_third.ip, TARGET_PORT);
}

Test(mesh_flow, a_connection_does_not_reach_who_has_the_address_next)
{
	struct segment s = outside_call(NODE_C, IPPROTO_TCP, TCP_ACK);
	struct outcome o;

	establish();
	mesh_become(&env, NODE_C, &far);
	balance_rebirth(&env, &blue_far, 4711);
	o = mesh_enter(&env, &s);
	expect_client_reset(&o);
}

Test(mesh_flow, without_a_backend_a_call_is_refused)
{
	struct outcome o = enter(&none, NODE_C, TCP_SYN);
	struct segment s = outside_call(NODE_C, IPPROTO_UDP, 0);

	expect_client_reset(&o);
	o = mesh_enter(&env, &s);
	expect_verdict(o, OV_FWD_UNREACHABLE);
}

Test(mesh_flow, when_the_service_is_gone_the_port_is_the_hosts_again)
{
	struct segment s = outside_call(NODE_C, IPPROTO_TCP, TCP_ACK);
	struct outcome o;

	establish();
	mesh_become(&env, NODE_C, &far);
	mesh_unpublish(&env);
	o = mesh_enter(&env, &s);
	expect_verdict(o, OV_PASS_FOREIGN);
	expect_ends(&o, 0, CLIENT_IP, CLIENT_PORT, VTEP(NODE_C), PUBLISHED_PORT);
}
