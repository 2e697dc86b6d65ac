// SPDX-License-Identifier: GPL-2.0-or-later
/* Policy between an endpoint and the world outside, both ways. */
#include <bpf/bpf.h>
#include <string.h>

#include "masq.h"
#include "rules.h"

static struct env env;

static const struct mesh far = { .balance = { .count = 1, .backend = { &blue_far } } };
static const struct mesh here = { .balance = { .count = 1, .backend = { &blue_two } } };

static void setup(void)
{
	mesh_open(&env);
}
static void teardown(void)
{
	env_close(&env);
}
TestSuite(policy_outside, .init = setup, .fini = teardown);

#define DENY OV_POLICY_DENY
#define TCP IPPROTO_TCP
#define UDP IPPROTO_UDP

/* Set `set`: whoever is in 198.51.100.0/24 may call the backends' port. */
static void outside_may_call(uint32_t set)
{
	rules_subjects(&env, set);
	rules_subject(&env, set, IP(198, 51, 100, 0), 24, CLASS_OUTSIDE);
	rules_add(&env, set, &(struct rule){ .id = 1, .from = CLASS_OUTSIDE, .protocol = TCP,
					     .port = TARGET_PORT, .port_bits = 16 });
	rules_put(&env, set, DENY, 0);
}

static void nobody_may(uint32_t set)
{
	rules_subjects(&env, set);
	rules_put(&env, set, DENY, 0);
}

static void become(enum node node, const struct mesh *m)
{
	mesh_become(&env, node, m);
	rules_mark(&env);
}

/* From the client, by node c, to blue_far on node b, as which we go on. */
static struct outcome call_far(uint8_t flags, uint32_t mesh_flags)
{
	struct segment s = outside_call(NODE_C, TCP, flags);
	struct mesh m = far;
	struct outcome o;
	struct ethhdr *eth;

	m.flags = mesh_flags;
	become(NODE_C, &m);
	o = mesh_enter(&env, &s);
	expect_verdict(o, OV_FWD_ENCAP);
	eth = (void *)o.out.data;
	memcpy(eth->h_source, wire_mac, 6);
	memcpy(eth->h_dest, uplink_mac, 6);
	become(NODE_B, &m);
	return env_arrive(&env, &o.out);
}

static struct outcome answer_far(uint8_t flags)
{
	struct segment s = backend_answer(&blue_far, TCP, flags);

	return balance_send(&env, &blue_far, &s);
}

Test(policy_outside, a_call_is_judged_by_the_clients_address_at_the_backends_node)
{
	struct outcome o;
	struct ov_flow f;

	outside_may_call(1);
	o = call_far(TCP_SYN, 0);
	expect_verdict(o, OV_FWD_DECAP);
	o = answer_far(TCP_SYN | TCP_ACK);
	expect_verdict(o, OV_FWD_ENCAP);
	o = call_far(TCP_ACK, 0);
	expect_verdict(o, OV_FWD_DECAP);
	cr_assert(rules_flow(&env, MAP_flows, TCP, CLIENT_IP, CLIENT_PORT, blue_far.ip, TARGET_PORT, &f));
	cr_assert_eq(f.incarnation, blue_far.ip);
	cr_assert_eq(rules_hits(&env, 1).allowed, 1);
	cr_assert_eq(rules_hits(&env, 0).denied, 0);
}

Test(policy_outside, a_client_that_may_not_call_is_dropped)
{
	struct outcome o;

	nobody_may(1);
	o = call_far(TCP_SYN, 0);
	expect_verdict(o, OV_DROP_POLICY);
}

Test(policy_outside, direct_return_is_judged_by_the_backends_port)
{
	struct outcome o;

	outside_may_call(1);
	o = call_far(TCP_SYN, OV_PUBLISHED_DSR);
	expect_verdict(o, OV_FWD_DECAP);
	o = answer_far(TCP_SYN | TCP_ACK);
	expect_verdict(o, OV_FWD_OUTSIDE);
	nobody_may(2);
	o = answer_far(TCP_ACK);
	expect_cut(&o, CLIENT_IP, CLIENT_PORT, blue_far.ip, TARGET_PORT, 0);
}

Test(policy_outside, a_connection_from_outside_is_cut)
{
	struct segment s = backend_answer(&blue_far, TCP, TCP_ACK);
	struct outcome o;

	outside_may_call(1);
	call_far(TCP_SYN, 0);
	answer_far(TCP_SYN | TCP_ACK);
	call_far(TCP_ACK, 0);
	nobody_may(2);
	o = call_far(TCP_ACK, 0);
	expect_verdict(o, OV_DROP_POLICY);
	s.ack = 12;
	o = balance_send(&env, &blue_far, &s);
	expect_cut(&o, CLIENT_IP, CLIENT_PORT, blue_far.ip, TARGET_PORT, 12);
}

Test(policy_outside, a_backend_on_the_entry_node_is_judged_there)
{
	struct segment s = outside_call(NODE_A, TCP, TCP_SYN);
	struct outcome o;

	outside_may_call(1);
	become(NODE_A, &here);
	o = mesh_enter(&env, &s);
	expect_verdict(o, OV_FWD_LOCAL);
	s = backend_answer(&blue_two, TCP, TCP_SYN | TCP_ACK);
	o = balance_send(&env, &blue_two, &s);
	expect_verdict(o, OV_FWD_OUTSIDE);
	nobody_may(2);
	s = outside_call(NODE_A, TCP, TCP_ACK);
	o = mesh_enter(&env, &s);
	expect_verdict(o, OV_DROP_POLICY);
	s = outside_call(NODE_A, UDP, 0);
	o = mesh_enter(&env, &s);
	expect_verdict(o, OV_DROP_POLICY);
}

Test(policy_outside, an_error_of_any_router_about_a_call_arrives)
{
	struct actor router = { .ip = IP(203, 0, 113, 77) }, node = { .ip = VTEP(NODE_A) };
	struct segment s = outside_call(NODE_A, TCP, TCP_SYN);
	struct pkt answered, error;
	struct outcome o;

	memcpy(router.mac, wire_mac, 6);
	memcpy(node.mac, uplink_mac, 6);
	outside_may_call(1);
	become(NODE_A, &here);
	mesh_enter(&env, &s);
	s = backend_answer(&blue_two, TCP, TCP_SYN | TCP_ACK);
	o = balance_send(&env, &blue_two, &s);
	expect_verdict(o, OV_FWD_OUTSIDE);
	answered = o.out;
	error = rules_error(&router, &node, &answered);
	o = env_arrive(&env, &error);
	expect_verdict(o, OV_FWD_LOCAL);
	nobody_may(2);
	o = env_arrive(&env, &error);
	expect_verdict(o, OV_DROP_POLICY);
}

/* ---- containers that go out ---- */

static void one_may_go_out(void)
{
	rules_subjects(&env, 1);
	rules_subject(&env, 1, REMOTE_IP, 32, CLASS_OUTSIDE);
	rules_add(&env, 1, &(struct rule){ .id = 1, .from = CLASS_ONE, .to = CLASS_OUTSIDE,
					   .protocol = TCP, .port = REMOTE_PORT, .port_bits = 16 });
	rules_put(&env, 1, DENY, 0);
}

Test(policy_outside, a_container_goes_where_it_may_and_is_answered)
{
	struct segment s = masq_out_of(&blue_one, TCP, 5000);
	uint16_t port;
	struct outcome o;

	become(NODE_A, &here);
	one_may_go_out();
	port = masq_leave(&env, &blue_one, &s);
	expect_masq_answer(&env, TCP, port, TCP_SYN | TCP_ACK, &blue_one, 5000);
	s = masq_out_of(&blue_two, TCP, 5000);
	o = balance_send(&env, &blue_two, &s);
	expect_verdict(o, OV_DROP_POLICY);
	s = masq_out_of(&blue_one, UDP, 5000);
	o = balance_send(&env, &blue_one, &s);
	expect_verdict(o, OV_DROP_POLICY);
	cr_assert_eq(rules_hits(&env, 1).allowed, 1);
}

Test(policy_outside, a_connection_to_the_outside_is_cut)
{
	struct segment s = masq_out_of(&blue_one, TCP, 5000);
	struct outcome o;
	uint16_t port;

	become(NODE_A, &here);
	one_may_go_out();
	port = masq_leave(&env, &blue_one, &s);
	expect_masq_answer(&env, TCP, port, TCP_SYN | TCP_ACK, &blue_one, 5000);
	s.flags = TCP_ACK;
	masq_leave(&env, &blue_one, &s);
	nobody_may(2);
	s.ack = 77;
	o = balance_send(&env, &blue_one, &s);
	expect_cut(&o, REMOTE_IP, REMOTE_PORT, blue_one.ip, 5000, 77);
	expect_macs(&o, 0, gateway_mac, blue_one.mac);

	struct segment back = masq_back_to(TCP, port, TCP_ACK);

	o = mesh_enter(&env, &back);
	expect_verdict(o, OV_DROP_POLICY);
}

Test(policy_outside, a_ping_to_the_outside_is_a_flow)
{
	struct actor remote = { .ip = REMOTE_IP };
	struct pkt p;
	struct outcome o;

	memcpy(remote.mac, gateway_mac, 6);
	p = rules_icmp(&blue_one, &remote, 8, 7);
	become(NODE_A, &here);
	rules_only(&env, DENY, NULL);
	o = env_send(&env, &blue_one, &p);
	expect_verdict(o, OV_DROP_POLICY);
	rules_add(&env, 1, &(struct rule){ .id = 1, .from = CLASS_ONE, .protocol = IPPROTO_ICMP });
	o = env_send(&env, &blue_one, &p);
	expect_verdict(o, OV_FWD_OUTSIDE);
}
