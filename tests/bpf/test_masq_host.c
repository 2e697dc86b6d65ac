// SPDX-License-Identifier: GPL-2.0-or-later
/* Calls to published ports from the node itself: of its containers, and of its processes by 127.0.0.1. */
#include <linux/pkt_cls.h>

#include "masq.h"

static struct env env;

static const struct mesh none = { .balance = { .count = 0 } };
static const struct mesh two = { .balance = { .count = 1, .backend = { &blue_two } } };
static const struct mesh far = { .balance = { .count = 1, .backend = { &blue_far } } };

static void setup(void)
{
	mesh_open(&env);
	mesh_become(&env, NODE_A, &none);
}
static void teardown(void)
{
	env_close(&env);
}
TestSuite(masq_host, .init = setup, .fini = teardown);

/* ---- to this host ---- */

/* Redirected into the loopback device: ov_front counts it there. */
static void expect_looped(struct outcome *o)
{
	static const uint8_t no_mac[6];

	cr_assert_eq(o->verdict, NO_VERDICT, "verdict %d", o->verdict);
	cr_assert_eq(o->action, TC_ACT_REDIRECT);
	expect_macs(o, 0, no_mac, no_mac);
}

static struct outcome loop(const void *frame, size_t len)
{
	return env_run_bytes(&env, FRONT, LOOPBACK, frame, len, 0);
}

static struct outcome send_to(uint32_t dst)
{
	struct segment s = masq_out_of(&blue_one, IPPROTO_UDP, 5000);

	s.dst = dst;
	return balance_send(&env, &blue_one, &s);
}

Test(masq_host, a_container_reaches_nothing_of_its_host_but_what_is_published)
{
	struct outcome o = send_to(VTEP(NODE_A));

	expect_verdict(o, OV_DROP_HOST);
	o = send_to(OTHER_IP(NODE_A));
	expect_verdict(o, OV_DROP_HOST);
	o = send_to(OTHER_IP(NODE_B)); /* another node's is as any remote's */
	expect_verdict(o, OV_FWD_OUTSIDE);
}

/* blue_one calls a published port of its own node, and the backend answers it. */
Test(masq_host, a_container_reaches_a_published_port_of_its_node)
{
	struct segment s = masq_out_of(&blue_one, IPPROTO_TCP, 5000);
	struct outcome o;
	uint16_t port;

	mesh_become(&env, NODE_A, &two);
	s.dst = VTEP(NODE_A);
	s.dport = PUBLISHED_PORT;
	o = balance_send(&env, &blue_one, &s);
	expect_looped(&o);
	port = segment_read(&o.out, 0).sport;
	cr_assert_geq(port, OV_MASQ_FIRST);
	o = loop(o.out.data, o.out.len);
	expect_verdict(o, OV_FWD_LOCAL);
	expect_ends(&o, 0, VTEP(NODE_A), port, blue_two.ip, TARGET_PORT);
	expect_macs(&o, 0, gateway_mac, blue_two.mac);

	s = backend_answer(&blue_two, IPPROTO_TCP, TCP_SYN | TCP_ACK);
	s.dst = VTEP(NODE_A);
	s.dport = port;
	o = balance_send(&env, &blue_two, &s);
	expect_looped(&o);
	expect_ends(&o, 0, VTEP(NODE_A), PUBLISHED_PORT, VTEP(NODE_A), port);
	o = loop(o.out.data, o.out.len);
	expect_verdict(o, OV_FWD_LOCAL);
	expect_ends(&o, 0, VTEP(NODE_A), PUBLISHED_PORT, blue_one.ip, 5000);
	expect_macs(&o, 0, gateway_mac, blue_one.mac);
}

Test(masq_host, a_container_is_told_when_there_is_no_backend)
{
	struct segment s = masq_out_of(&blue_one, IPPROTO_TCP, 5000);
	struct outcome o;

	s.dst = VTEP(NODE_A);
	s.dport = PUBLISHED_PORT;
	o = balance_send(&env, &blue_one, &s);
	expect_looped(&o);
	o = loop(o.out.data, o.out.len);
	expect_verdict(o, OV_FWD_RESET);
	o = loop(o.out.data, o.out.len);
	expect_verdict(o, OV_FWD_LOCAL);
	expect_ends(&o, 0, VTEP(NODE_A), PUBLISHED_PORT, blue_one.ip, 5000);
	cr_assert(segment_read(&o.out, 0).flags & TCP_RST);
}

Test(masq_host, a_backend_may_be_its_own_client)
{
	struct segment s = masq_out_of(&blue_two, IPPROTO_TCP, 5000);
	struct outcome o;

	mesh_become(&env, NODE_A, &two);
	s.dst = VTEP(NODE_A);
	s.dport = PUBLISHED_PORT;
	o = balance_send(&env, &blue_two, &s);
	expect_looped(&o);
	o = loop(o.out.data, o.out.len);
	expect_verdict(o, OV_FWD_LOCAL);
	s = backend_answer(&blue_two, IPPROTO_TCP, TCP_SYN | TCP_ACK);
	s.dst = VTEP(NODE_A);
	s.dport = segment_read(&o.out, 0).sport;
	o = balance_send(&env, &blue_two, &s);
	expect_looped(&o);
	o = loop(o.out.data, o.out.len);
	expect_verdict(o, OV_FWD_LOCAL);
	expect_ends(&o, 0, VTEP(NODE_A), PUBLISHED_PORT, blue_two.ip, 5000);
}

/* blue_one, by node c, to blue_two: two containers of one node. */
Test(masq_host, a_container_reaches_its_neighbour_by_a_port_of_another_node)
{
	struct segment s = masq_out_of(&blue_one, IPPROTO_TCP, 5000);
	struct outcome o;

	mesh_become(&env, NODE_A, &two);
	s.dst = VTEP(NODE_C);
	s.dport = PUBLISHED_PORT;
	o = balance_send(&env, &blue_one, &s);
	expect_verdict(o, OV_FWD_OUTSIDE);
	o = mesh_cross(&env, &two, NODE_C, &o);
	expect_verdict(o, OV_FWD_ENCAP);
	o = mesh_cross(&env, &two, NODE_A, &o);
	expect_verdict(o, OV_FWD_DECAP);

	s = backend_answer(&blue_two, IPPROTO_TCP, TCP_SYN | TCP_ACK);
	s.dst = VTEP(NODE_A);
	s.dport = segment_read(&o.out, 0).sport;
	o = balance_send(&env, &blue_two, &s);
	expect_verdict(o, OV_FWD_ENCAP); /* not to this host, though it is its address */
	o = mesh_cross(&env, &two, NODE_C, &o);
	expect_verdict(o, OV_FWD_OUTSIDE);
	o = mesh_cross(&env, &two, NODE_A, &o);
	expect_verdict(o, OV_FWD_LOCAL);
	expect_ends(&o, 0, VTEP(NODE_C), PUBLISHED_PORT, blue_one.ip, 5000);
}

/* ---- this host's own calls ---- */

static struct outcome call_from_localhost(uint8_t flags)
{
	static const uint8_t no_mac[6];
	struct segment s = outside_call(NODE_A, IPPROTO_TCP, flags);
	struct pkt p;

	s.src_mac = s.dst_mac = no_mac;
	s.src = s.dst = LOCALHOST_IP;
	p = segment_pkt(&s);
	return loop(p.data, p.len);
}

Test(masq_host, localhost_calls_a_backend_here_and_hears_its_answer)
{
	struct segment s = backend_answer(&blue_two, IPPROTO_TCP, TCP_SYN | TCP_ACK);
	struct outcome o;

	mesh_become(&env, NODE_A, &two);
	o = call_from_localhost(TCP_SYN);
	expect_verdict(o, OV_FWD_LOCAL);
	s.dport = segment_read(&o.out, 0).sport;
	expect_ends(&o, 0, VTEP(NODE_A), s.dport, blue_two.ip, TARGET_PORT);
	s.dst = VTEP(NODE_A);
	o = balance_send(&env, &blue_two, &s);
	expect_looped(&o);
	o = loop(o.out.data, o.out.len);
	expect_verdict(o, OV_FWD_HOST);
	expect_ends(&o, 0, LOCALHOST_IP, PUBLISHED_PORT, LOCALHOST_IP, CLIENT_PORT);
}

Test(masq_host, localhost_calls_a_backend_of_another_node_and_hears_its_answer)
{
	struct segment s = backend_answer(&blue_far, IPPROTO_TCP, TCP_SYN | TCP_ACK);
	struct outcome o;

	mesh_become(&env, NODE_A, &far);
	o = call_from_localhost(TCP_SYN);
	expect_verdict(o, OV_FWD_ENCAP);
	expect_tunnel(&o, NODE_A, NODE_B);
	s.dst = VTEP(NODE_A);
	s.dport = segment_read(&o.out, 1).sport;
	o = mesh_cross(&env, &far, NODE_B, &o);
	expect_verdict(o, OV_FWD_DECAP);
	expect_ends(&o, 0, VTEP(NODE_A), s.dport, blue_far.ip, TARGET_PORT);
	o = balance_send(&env, &blue_far, &s);
	expect_verdict(o, OV_FWD_ENCAP);
	o = mesh_cross(&env, &far, NODE_A, &o);
	expect_looped(&o);
	o = loop(o.out.data, o.out.len);
	expect_verdict(o, OV_FWD_HOST);
	expect_ends(&o, 0, LOCALHOST_IP, PUBLISHED_PORT, LOCALHOST_IP, CLIENT_PORT);
}

Test(masq_host, localhost_is_told_when_there_is_no_backend)
{
	struct outcome o = call_from_localhost(TCP_SYN);

	expect_verdict(o, OV_FWD_RESET); /* out of the loopback device, so into it again */
	o = loop(o.out.data, o.out.len);
	expect_verdict(o, OV_FWD_HOST);
	expect_ends(&o, 0, LOCALHOST_IP, PUBLISHED_PORT, LOCALHOST_IP, CLIENT_PORT);
	cr_assert(segment_read(&o.out, 0).flags & TCP_RST);
}

/* blue_one calls that address of its node. The port by which it does. */
static uint16_t call_own_node(uint32_t dst, uint16_t sport)
{
	struct segment s = masq_out_of(&blue_one, IPPROTO_TCP, sport);
	struct outcome o;

	s.dst = dst;
	s.dport = PUBLISHED_PORT;
	o = balance_send(&env, &blue_one, &s);
	expect_looped(&o);
	s = segment_read(&o.out, 0);
	o = loop(o.out.data, o.out.len);
	expect_verdict(o, OV_FWD_LOCAL);
	expect_ends(&o, 0, VTEP(NODE_A), s.sport, blue_two.ip, TARGET_PORT);
	return s.sport;
}

/* Three ways to one backend, to which all come from one address. */
Test(masq_host, ways_to_one_service_do_not_share_a_port)
{
	uint16_t first, second, third;
	struct outcome o;

	mesh_become(&env, NODE_A, &two);
	masq_set_ports(&env, 61000, 61002);
	first = call_own_node(VTEP(NODE_A), 5000);
	second = call_own_node(OTHER_IP(NODE_A), 5001);
	o = call_from_localhost(TCP_SYN);
	expect_verdict(o, OV_FWD_LOCAL);
	third = segment_read(&o.out, 0).sport;
	cr_assert(first != second && second != third && third != first);
}

Test(masq_host, a_port_that_would_meet_a_call_by_another_way_is_not_free)
{
	struct outcome o;

	mesh_become(&env, NODE_A, &two);
	masq_set_ports(&env, 61000, 61000);
	call_own_node(VTEP(NODE_A), 5000);
	o = call_from_localhost(TCP_SYN);
	expect_verdict(o, OV_DROP_MASQ_FULL);
}

Test(masq_host, what_the_host_says_to_itself_is_its_own)
{
	static const uint8_t no_mac[6];
	struct segment s = outside_call(NODE_A, IPPROTO_TCP, TCP_SYN);
	struct pkt p;
	struct outcome o;

	mesh_become(&env, NODE_A, &two);
	s.src_mac = s.dst_mac = no_mac;
	s.src = s.dst = LOCALHOST_IP;
	s.dport = 5432;
	p = segment_pkt(&s);
	o = loop(p.data, p.len);
	expect_verdict(o, OV_PASS_FOREIGN);
	cr_assert_arr_eq(o.out.data, p.data, p.len);
}

/* Its answer would come from this host's own address, by the wire: a martian. */
Test(masq_host, there_is_no_direct_return_to_the_node_itself)
{
	struct mesh direct = far;
	struct outcome o;
	uint8_t mark[6];

	direct.flags = OV_PUBLISHED_DSR;
	mesh_become(&env, NODE_A, &direct);
	o = call_from_localhost(TCP_SYN);
	expect_verdict(o, OV_FWD_ENCAP);
	mark_mac(mark, MARK_BACK, LOCALHOST_IP);
	expect_macs(&o, 1, mark, blue_far.mac);
	cr_assert_eq(segment_read(&o.out, 1).dport, TARGET_PORT);
	o = mesh_cross(&env, &direct, NODE_B, &o);
	expect_verdict(o, OV_FWD_DECAP);
	cr_assert_eq(segment_read(&o.out, 0).dport, TARGET_PORT);
}
