// SPDX-License-Identifier: GPL-2.0-or-later
/* Datagrams in fragments, to published ports and to the world outside, and back: all go one way. */
#include "masq.h"

static struct env env;

static void setup(void)
{
	mesh_open(&env);
}
static void teardown(void)
{
	env_close(&env);
}
TestSuite(mesh_fragment, .init = setup, .fini = teardown);

static const struct mesh far = { .balance = { .count = 1, .backend = { &blue_far } } };
static const struct mesh direct = { .balance = { .count = 1, .backend = { &blue_far } },
				    .flags = OV_PUBLISHED_DSR };
static const struct mesh third = { .balance = { .count = 1, .backend = { &blue_third } } };
static const struct mesh two = { .balance = { .count = 1, .backend = { &blue_two } } };

#define MORE 0x2000 /* more fragments follow */
#define LATER 60    /* where this one stands, in 8 bytes */

static const uint16_t place[] = { MORE, MORE | LATER, 2 * LATER };
#define PLACES 3
#define IDENT 77

static struct outcome enter(const struct segment *s, uint16_t where)
{
	struct pkt p = segment_fragment(s, IDENT, where);

	return env_arrive(&env, &p);
}

static struct outcome emit(const struct actor *from, const struct segment *s, uint16_t where)
{
	struct pkt p = segment_fragment(s, IDENT, where);

	return env_send(&env, from, &p);
}

/* Addresses alone: later ones have no ports. */
static void expect_addresses(struct outcome *o, int ipv4, uint32_t src, uint32_t dst)
{
	struct segment s = segment_read(&o->out, ipv4);

	cr_assert_eq(s.src, src, "source %x, not %x", s.src, src);
	cr_assert_eq(s.dst, dst, "destination %x, not %x", s.dst, dst);
}

static void check_call_far(const struct mesh *m)
{
	struct segment s = outside_call(NODE_C, IPPROTO_UDP, 0);

	for (int i = 0; i < PLACES; i++) {
		struct outcome o;

		mesh_become(&env, NODE_C, m);
		o = enter(&s, place[i]);
		expect_verdict(o, OV_FWD_ENCAP);
		expect_addresses(&o, 1, CLIENT_IP, blue_far.ip);
		o = mesh_cross(&env, m, NODE_B, &o);
		expect_verdict(o, OV_FWD_DECAP);
		expect_addresses(&o, 0, CLIENT_IP, blue_far.ip);
		expect_macs(&o, 0, gateway_mac, blue_far.mac);
	}
}

Test(mesh_fragment, a_call_in_fragments_goes_to_another_node_and_its_answer_comes_back)
{
	struct segment s = backend_answer(&blue_far, IPPROTO_UDP, 0);

	check_call_far(&far);
	for (int i = 0; i < PLACES; i++) {
		struct outcome o;

		mesh_become(&env, NODE_B, &far);
		o = emit(&blue_far, &s, place[i]);
		expect_verdict(o, OV_FWD_ENCAP);
		expect_tunnel(&o, NODE_B, NODE_C);
		o = mesh_cross(&env, &far, NODE_C, &o);
		expect_verdict(o, OV_FWD_OUTSIDE);
		expect_addresses(&o, 0, VTEP(NODE_C), CLIENT_IP);
	}
}

Test(mesh_fragment, with_direct_return_the_answers_fragments_leave_there)
{
	struct segment s = backend_answer(&blue_far, IPPROTO_UDP, 0);

	check_call_far(&direct);
	for (int i = 0; i < PLACES; i++) {
		struct outcome o = emit(&blue_far, &s, place[i]);

		expect_verdict(o, OV_FWD_OUTSIDE);
		expect_addresses(&o, 0, VTEP(NODE_C), CLIENT_IP);
	}
}

Test(mesh_fragment, a_call_in_fragments_reaches_a_backend_of_the_entry_node)
{
	struct segment s = outside_call(NODE_C, IPPROTO_UDP, 0);
	struct segment a = backend_answer(&blue_third, IPPROTO_UDP, 0);
	struct outcome o;

	mesh_become(&env, NODE_C, &third);
	for (int i = 0; i < PLACES; i++) {
		o = enter(&s, place[i]);
		expect_verdict(o, OV_FWD_LOCAL);
		expect_addresses(&o, 0, CLIENT_IP, blue_third.ip);
		expect_macs(&o, 0, gateway_mac, blue_third.mac);
	}
	for (int i = 0; i < PLACES; i++) {
		o = emit(&blue_third, &a, place[i]);
		expect_verdict(o, OV_FWD_OUTSIDE);
		expect_addresses(&o, 0, VTEP(NODE_C), CLIENT_IP);
	}
}

Test(mesh_fragment, containers_send_and_get_fragments_in_their_nodes_name)
{
	struct segment s = masq_out_of(&blue_one, IPPROTO_UDP, 5000), back;
	struct outcome o;

	mesh_become(&env, NODE_A, &two);
	o = emit(&blue_one, &s, place[0]);
	expect_verdict(o, OV_FWD_OUTSIDE);
	back = masq_back_to(IPPROTO_UDP, segment_read(&o.out, 0).sport, 0);
	for (int i = 1; i < PLACES; i++) {
		o = emit(&blue_one, &s, place[i]);
		expect_verdict(o, OV_FWD_OUTSIDE);
		expect_addresses(&o, 0, VTEP(NODE_A), REMOTE_IP);
	}
	for (int i = 0; i < PLACES; i++) {
		o = enter(&back, place[i]);
		expect_verdict(o, OV_FWD_LOCAL);
		expect_addresses(&o, 0, REMOTE_IP, blue_one.ip);
		expect_macs(&o, 0, gateway_mac, blue_one.mac);
	}
}

Test(mesh_fragment, containers_reach_a_port_of_their_own_node_by_fragments)
{
	struct segment s = masq_out_of(&blue_one, IPPROTO_UDP, 5000);

	mesh_become(&env, NODE_A, &two);
	s.dst = VTEP(NODE_A);
	s.dport = PUBLISHED_PORT;
	for (int i = 0; i < PLACES; i++) {
		struct outcome o = emit(&blue_one, &s, place[i]);

		cr_assert_eq(o.verdict, NO_VERDICT, "verdict %d", o.verdict);
		expect_addresses(&o, 0, VTEP(NODE_A), VTEP(NODE_A));
		o = env_run_bytes(&env, FRONT, LOOPBACK, o.out.data, o.out.len, 0);
		expect_verdict(o, OV_FWD_LOCAL);
		expect_addresses(&o, 0, VTEP(NODE_A), blue_two.ip);
	}
}

Test(mesh_fragment, a_later_one_without_its_first_goes_nowhere)
{
	struct segment s = masq_out_of(&blue_one, IPPROTO_UDP, 5000);
	struct segment call = outside_call(NODE_A, IPPROTO_UDP, 0);
	struct outcome o;

	mesh_become(&env, NODE_A, &two);
	o = emit(&blue_one, &s, LATER);
	expect_verdict(o, OV_DROP_FRAGMENT);
	s.dst = VTEP(NODE_A);
	o = emit(&blue_one, &s, LATER);
	expect_verdict(o, OV_DROP_FRAGMENT);
	o = enter(&call, LATER); /* it may be VXLAN: the kernel's */
	expect_verdict(o, NO_VERDICT);
	call.protocol = IPPROTO_TCP;
	o = enter(&call, LATER);
	expect_verdict(o, OV_PASS_FOREIGN);
}
