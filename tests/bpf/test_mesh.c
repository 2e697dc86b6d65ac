// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Whole lives of flows from outside: client -> node c, which it enters by -> node b, where
 * the backend is -> node c -> client; and what becomes of those that do not fit.
 */
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
TestSuite(mesh, .init = setup, .fini = teardown);

static const struct mesh far = { .balance = { .count = 1, .backend = { &blue_far } } };
static const struct mesh third = { .balance = { .count = 1, .backend = { &blue_third } } };

/* ---- whole lives ---- */

/* Client to node c, to the backend on node b. */
static struct outcome call_far(const struct mesh *m, enum node entry, uint8_t protocol, uint8_t flags)
{
	struct segment s = outside_call(entry, protocol, flags);
	uint8_t mark[6];
	struct outcome o;

	mark_mac(mark, MARK_BACK, VTEP(entry));
	mesh_become(&env, entry, m);
	o = mesh_enter(&env, &s);
	expect_verdict(o, OV_FWD_ENCAP);
	expect_tunnel(&o, entry, NODE_B);
	expect_ends(&o, 1, CLIENT_IP, CLIENT_PORT, blue_far.ip, TARGET_PORT);
	expect_macs(&o, 1, mark, blue_far.mac);
	return mesh_cross(&env, m, NODE_B, &o);
}

/* The backend on node b to the client, by the node it entered by. */
static struct outcome answer_far(const struct mesh *m, enum node entry, uint8_t protocol,
				 uint8_t flags)
{
	struct segment s = backend_answer(&blue_far, protocol, flags);
	struct outcome o;

	mesh_become(&env, NODE_B, m);
	o = balance_send(&env, &blue_far, &s);
	expect_verdict(o, OV_FWD_ENCAP);
	expect_tunnel(&o, NODE_B, entry);
	expect_ends(&o, 1, blue_far.ip, TARGET_PORT, CLIENT_IP, CLIENT_PORT);
	return mesh_cross(&env, m, entry, &o);
}

static void check_call_far(uint8_t protocol, uint8_t flags)
{
	struct outcome o = call_far(&far, NODE_C, protocol, flags);

	expect_verdict(o, OV_FWD_DECAP);
	expect_ends(&o, 0, CLIENT_IP, CLIENT_PORT, blue_far.ip, TARGET_PORT);
	expect_macs(&o, 0, gateway_mac, blue_far.mac);
}

static void check_answer_far(uint8_t protocol, uint8_t flags)
{
	struct outcome o = answer_far(&far, NODE_C, protocol, flags);

	expect_verdict(o, OV_FWD_OUTSIDE);
	expect_ends(&o, 0, VTEP(NODE_C), PUBLISHED_PORT, CLIENT_IP, CLIENT_PORT);
}

Test(mesh, a_call_goes_on_to_another_node_and_its_answer_comes_back_the_same_way)
{
	for (EACH_FLOW_KIND(k)) {
		check_call_far(k->protocol, k->opens);
		check_answer_far(k->protocol, k->answers);
	}
}

Test(mesh, a_backend_of_the_entry_node_needs_no_tunnel)
{
	mesh_become(&env, NODE_C, &third);
	for (EACH_FLOW_KIND(k)) {
		struct segment s = outside_call(NODE_C, k->protocol, k->opens);
		struct outcome o = mesh_enter(&env, &s);

		expect_verdict(o, OV_FWD_LOCAL);
		expect_ends(&o, 0, CLIENT_IP, CLIENT_PORT, blue_third.ip, TARGET_PORT);
		expect_macs(&o, 0, gateway_mac, blue_third.mac);
		s = backend_answer(&blue_third, k->protocol, k->answers);
		o = balance_send(&env, &blue_third, &s);
		expect_verdict(o, OV_FWD_OUTSIDE);
		expect_ends(&o, 0, VTEP(NODE_C), PUBLISHED_PORT, CLIENT_IP, CLIENT_PORT);
	}
}

Test(mesh, a_call_to_another_address_of_the_node_is_answered_from_that)
{
	struct segment s = outside_call(NODE_C, IPPROTO_TCP, TCP_SYN);
	uint8_t mark[6];
	struct outcome o;

	mark_mac(mark, MARK_BACK, OTHER_IP(NODE_C));
	s.dst = OTHER_IP(NODE_C);
	mesh_become(&env, NODE_C, &far);
	o = mesh_enter(&env, &s);
	expect_verdict(o, OV_FWD_ENCAP);
	expect_macs(&o, 1, mark, blue_far.mac);
	o = mesh_cross(&env, &far, NODE_B, &o);
	expect_verdict(o, OV_FWD_DECAP);
	o = answer_far(&far, NODE_C, IPPROTO_TCP, TCP_SYN | TCP_ACK);
	expect_verdict(o, OV_FWD_OUTSIDE);
	expect_ends(&o, 0, OTHER_IP(NODE_C), PUBLISHED_PORT, CLIENT_IP, CLIENT_PORT);
}

Test(mesh, the_target_may_be_the_port_that_is_published)
{
	struct mesh same = far;
	struct segment s = outside_call(NODE_C, IPPROTO_TCP, TCP_SYN);
	struct outcome o;

	same.target = PUBLISHED_PORT;
	mesh_become(&env, NODE_C, &same);
	o = mesh_enter(&env, &s);
	expect_verdict(o, OV_FWD_ENCAP);
	expect_ends(&o, 1, CLIENT_IP, CLIENT_PORT, blue_far.ip, PUBLISHED_PORT);
	o = mesh_cross(&env, &same, NODE_B, &o);
	expect_verdict(o, OV_FWD_DECAP);

	s = backend_answer(&blue_far, IPPROTO_TCP, TCP_SYN | TCP_ACK);
	s.sport = PUBLISHED_PORT;
	o = balance_send(&env, &blue_far, &s);
	expect_verdict(o, OV_FWD_ENCAP);
	o = mesh_cross(&env, &same, NODE_C, &o);
	expect_verdict(o, OV_FWD_OUTSIDE);
	expect_ends(&o, 0, VTEP(NODE_C), PUBLISHED_PORT, CLIENT_IP, CLIENT_PORT);
}

Test(mesh, packets_of_every_size_and_option_keep_right_checksums)
{
	struct segment s = outside_call(NODE_C, IPPROTO_UDP, 0);

	mesh_become(&env, NODE_C, &third);
	for (size_t n = 0; n < 1360; n += 93) {
		struct segment a = backend_answer(&blue_third, IPPROTO_UDP, 0);
		struct outcome o;

		s.payload = a.payload = n;
		s.options = a.options = n % 11 * 4;
		o = mesh_enter(&env, &s);
		expect_verdict(o, OV_FWD_LOCAL);
		expect_ends(&o, 0, CLIENT_IP, CLIENT_PORT, blue_third.ip, TARGET_PORT);
		o = balance_send(&env, &blue_third, &a);
		expect_verdict(o, OV_FWD_OUTSIDE);
		expect_ends(&o, 0, VTEP(NODE_C), PUBLISHED_PORT, CLIENT_IP, CLIENT_PORT);
	}
}

Test(mesh, udp_without_a_checksum_stays_without)
{
	struct segment s = outside_call(NODE_C, IPPROTO_UDP, 0);
	struct pkt p = segment_pkt(&s);
	struct outcome o;

	((struct pkt_udp *)pkt_find(&p, PKT_UDP, 0))->check = 0;
	mesh_become(&env, NODE_C, &third);
	o = env_arrive(&env, &p);
	expect_verdict(o, OV_FWD_LOCAL);
	cr_assert_eq(((struct pkt_udp *)pkt_find(&o.out, PKT_UDP, 0))->check, 0);
}
