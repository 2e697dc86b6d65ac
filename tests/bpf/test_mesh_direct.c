// SPDX-License-Identifier: GPL-2.0-or-later
/* Direct return: calls go by the entry node, answers straight from the backend's to the client. */
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
TestSuite(mesh_direct, .init = setup, .fini = teardown);

static const struct mesh far = { .balance = { .count = 1, .backend = { &blue_far } } };
static const struct mesh direct = { .balance = { .count = 1, .backend = { &blue_far } },
				    .flags = OV_PUBLISHED_DSR };
static const struct mesh direct_third = { .balance = { .count = 1, .backend = { &blue_third } },
					  .flags = OV_PUBLISHED_DSR };

Test(mesh_direct, with_direct_return_the_answer_leaves_from_the_backends_node)
{
	for (EACH_FLOW_KIND(k)) {
		struct segment s = outside_call(NODE_C, k->protocol, k->opens);
		uint8_t mark[6];
		struct outcome o;

		mark_mac(mark, MARK_DIRECT, VTEP(NODE_C));
		mesh_become(&env, NODE_C, &direct);
		o = mesh_enter(&env, &s);
		expect_verdict(o, OV_FWD_ENCAP);
		expect_ends(&o, 1, CLIENT_IP, CLIENT_PORT, blue_far.ip, PUBLISHED_PORT);
		expect_macs(&o, 1, mark, blue_far.mac);
		o = mesh_cross(&env, &direct, NODE_B, &o);
		expect_verdict(o, OV_FWD_DECAP);
		expect_ends(&o, 0, CLIENT_IP, CLIENT_PORT, blue_far.ip, TARGET_PORT);
		cr_assert_eq(mesh_flow(&env, MAP_brief, k->protocol).flags & OV_FLOW_DSR, OV_FLOW_DSR);

		s = backend_answer(&blue_far, k->protocol, k->answers);
		o = balance_send(&env, &blue_far, &s);
		expect_verdict(o, OV_FWD_OUTSIDE);
		expect_ends(&o, 0, VTEP(NODE_C), PUBLISHED_PORT, CLIENT_IP, CLIENT_PORT);
	}
}

Test(mesh_direct, with_direct_return_a_backend_of_the_entry_node_is_as_ever)
{
	struct segment s = outside_call(NODE_C, IPPROTO_TCP, TCP_SYN);
	struct outcome o;

	mesh_become(&env, NODE_C, &direct_third);
	o = mesh_enter(&env, &s);
	expect_verdict(o, OV_FWD_LOCAL);
	expect_ends(&o, 0, CLIENT_IP, CLIENT_PORT, blue_third.ip, TARGET_PORT);
	s = backend_answer(&blue_third, IPPROTO_TCP, TCP_SYN | TCP_ACK);
	o = balance_send(&env, &blue_third, &s);
	expect_verdict(o, OV_FWD_OUTSIDE);
	expect_ends(&o, 0, VTEP(NODE_C), PUBLISHED_PORT, CLIENT_IP, CLIENT_PORT);
}

Test(mesh_direct, a_direct_call_goes_on_whatever_the_row_says_by_now_but_not_without_one)
{
	struct segment s = outside_call(NODE_C, IPPROTO_TCP, TCP_SYN);
	struct outcome o, sent;

	mesh_become(&env, NODE_C, &direct);
	sent = mesh_enter(&env, &s);
	o = mesh_cross(&env, &far, NODE_B, &sent); /* without direct return there */
	expect_verdict(o, OV_FWD_DECAP);
	expect_ends(&o, 0, CLIENT_IP, CLIENT_PORT, blue_far.ip, TARGET_PORT);
	mesh_unpublish(&env);
	o = env_arrive(&env, &sent.out);
	expect_verdict(o, OV_DROP_NOT_PUBLISHED);
}

/* Direct return is switched off, then on. */
Test(mesh_direct, a_flow_stays_direct_or_not_as_it_began)
{
	struct segment s = outside_call(NODE_C, IPPROTO_TCP, TCP_SYN);
	uint8_t mark[6];
	struct outcome o;

	mark_mac(mark, MARK_DIRECT, VTEP(NODE_C));
	mesh_become(&env, NODE_C, &direct);
	mesh_enter(&env, &s);
	mesh_put(&env, &far);
	s.flags = TCP_ACK;
	o = mesh_enter(&env, &s);
	expect_verdict(o, OV_FWD_ENCAP);
	expect_macs(&o, 1, mark, blue_far.mac);
	mark_mac(mark, MARK_BACK, VTEP(NODE_C));
	s.sport++;
	s.flags = TCP_SYN;
	mesh_enter(&env, &s);
	mesh_put(&env, &direct);
	s.flags = TCP_ACK;
	o = mesh_enter(&env, &s);
	expect_verdict(o, OV_FWD_ENCAP);
	expect_macs(&o, 1, mark, blue_far.mac);
}

Test(mesh_direct, the_entry_of_a_direct_flow_sees_the_client_alone_and_protects_it)
{
	struct segment s = outside_call(NODE_C, IPPROTO_TCP, TCP_SYN);

	mesh_become(&env, NODE_C, &direct);
	mesh_enter(&env, &s);
	cr_assert_eq(mesh_flow(&env, MAP_brief, IPPROTO_TCP).flags, OV_FLOW_ENTRY | OV_FLOW_DIRECT);
	s.flags = TCP_ACK;
	mesh_enter(&env, &s);
	cr_assert_eq(mesh_flow(&env, MAP_flows, IPPROTO_TCP).flags,
		     OV_FLOW_ENTRY | OV_FLOW_DIRECT | OV_FLOW_REPLIED);
	s.flags = TCP_FIN | TCP_ACK;
	mesh_enter(&env, &s);
	cr_assert_not(mesh_has_flow(&env, MAP_flows, IPPROTO_TCP));
	cr_assert(mesh_flow(&env, MAP_brief, IPPROTO_TCP).flags & OV_FLOW_CLOSED);
}
