// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Calls to published ports that XDP sends on by itself: the same bytes as from TC; and
 * those that it leaves to TC untouched.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <stdlib.h>
#include <string.h>

#include "mesh.h"

static struct env env;

static const struct mesh far = { .balance = { .count = 1, .backend = { &blue_far } } };
static const struct mesh third = { .balance = { .count = 1, .backend = { &blue_third } } };
static const struct mesh nobody = { .balance = { .count = 0 } };

/* The next hop to each node: its own MAC ends in its number. Others' tests may stand here, too. */
static void put_neighbours(void)
{
	cr_assert_eq(system("ip route del 192.0.2.2 dev nobody 2>/dev/null;"
			    "for n in 1 2 3; do ip neigh replace 192.0.2.$n lladdr"
			    " 02:00:00:00:02:0$n dev uplink nud permanent || exit; done"), 0);
}

static void setup(void)
{
	mesh_open(&env);
	put_neighbours();
}
static void teardown(void)
{
	env_close(&env);
}
TestSuite(entry_xdp, .init = setup, .fini = teardown);

static void become(enum node node, const struct mesh *m)
{
	mesh_become(&env, node, m);
	env_put_config(&env, VTEP(node), OV_CONFIG_READY | OV_CONFIG_XDP_ENTRY);
}

static void forget_flows(void)
{
	env_empty(&env, MAP_flows);
	env_empty(&env, MAP_brief);
}

static struct outcome enter_xdp(const struct segment *s)
{
	struct pkt p = segment_pkt(s);

	return env_run_bytes(&env, UPLINK_XDP, 0, p.data, p.len, 0);
}

static void check_sent(const struct outcome *o)
{
	cr_assert_eq(o->verdict, OV_FWD_ENCAP, "verdict %d", o->verdict);
	cr_assert_eq(o->action, XDP_TX);
}

static void check_left_bytes(const struct pkt *p)
{
	struct outcome o = env_run_bytes(&env, UPLINK_XDP, 0, p->data, p->len, 0);

	cr_assert_eq(o.verdict, NO_VERDICT, "verdict %d", o.verdict);
	cr_assert_eq(o.action, XDP_PASS);
	cr_assert_eq(o.out.len, p->len);
	cr_assert_arr_eq(o.out.data, p->data, p->len);
}

/* To TC, which gives that verdict. */
static void check_left(const struct segment *s, int verdict)
{
	struct pkt p = segment_pkt(s);
	struct outcome o;

	check_left_bytes(&p);
	o = env_arrive(&env, &p);
	expect_verdict(o, verdict);
}

/* ---- sent on ---- */

#define OUTER_SPORT_AT 34 /* from the flow's hash, which each hook makes in its own way */

/* The output of both hooks, each as if it were the first. */
static void check_same(const struct segment *s)
{
	struct outcome tc, xdp;

	forget_flows();
	tc = mesh_enter(&env, s);
	expect_verdict(tc, OV_FWD_ENCAP);
	forget_flows();
	xdp = enter_xdp(s);
	check_sent(&xdp);
	cr_assert_eq(xdp.out.len, tc.out.len);
	cr_assert_geq(xdp.out.data[OUTER_SPORT_AT], 0xc0, "the source port is no dynamic one");
	memcpy(tc.out.data + OUTER_SPORT_AT, xdp.out.data + OUTER_SPORT_AT, 2);
	cr_assert_arr_eq(xdp.out.data + 12, tc.out.data + 12, tc.out.len - 12);
}

static const uint8_t plain[] = { IPPROTO_TCP, IPPROTO_UDP };

Test(entry_xdp, a_call_for_another_node_leaves_as_it_would_by_tc)
{
	static const uint8_t hop[6] = { 2, 0, 0, 0, 2, NODE_B };

	become(NODE_C, &far);
	for (size_t i = 0; i < 2; i++) {
		struct segment s = outside_call(NODE_C, plain[i], TCP_SYN);
		struct outcome o;

		for (s.payload = 0; s.payload < 40; s.payload += 13)
			check_same(&s);
		s.dst = OTHER_IP(NODE_C);
		check_same(&s);
		o = enter_xdp(&s);
		check_sent(&o);
		expect_macs(&o, 0, uplink_mac, hop);
		expect_tunnel(&o, NODE_C, NODE_B);
		expect_ends(&o, 1, CLIENT_IP, CLIENT_PORT, blue_far.ip, TARGET_PORT);
	}
}

Test(entry_xdp, with_direct_return_too)
{
	struct mesh direct = far;
	struct segment s = outside_call(NODE_C, IPPROTO_TCP, TCP_SYN);

	direct.flags = OV_PUBLISHED_DSR;
	become(NODE_C, &direct);
	check_same(&s);
}

Test(entry_xdp, a_datagram_without_a_sum_stays_so)
{
	struct segment s = outside_call(NODE_C, IPPROTO_UDP, 0);
	struct pkt p = segment_pkt(&s);
	struct pkt_udp *udp = pkt_find(&p, PKT_UDP, 0);
	struct outcome o;

	become(NODE_C, &far);
	udp->check = 0;
	o = env_run_bytes(&env, UPLINK_XDP, 0, p.data, p.len, 0);
	check_sent(&o);
	udp = pkt_find(&o.out, PKT_UDP, 1);
	cr_assert_eq(udp->check, 0);
}

static uint16_t sum_sent_from(struct segment *s, uint32_t client)
{
	struct outcome o;

	s->src = client;
	o = enter_xdp(s);
	check_sent(&o);
	expect_ends(&o, 1, client, CLIENT_PORT, blue_far.ip, TARGET_PORT);
	return ntohs(((struct pkt_udp *)pkt_find(&o.out, PKT_UDP, 1))->check);
}

/* Each next address makes the sum one less, so that 0 can be aimed at: it is written as its complement. */
Test(entry_xdp, a_sum_is_right_when_it_comes_to_nothing)
{
	struct segment s = outside_call(NODE_C, IPPROTO_UDP, 0);
	uint32_t client = CLIENT_IP & ~0xffffu, sum;

	become(NODE_C, &far);
	sum = sum_sent_from(&s, client);
	cr_assert_eq(sum_sent_from(&s, client + sum - 1), 1);
	cr_assert_eq(sum_sent_from(&s, client + sum), 0xffff);
	cr_assert_eq(sum_sent_from(&s, client + sum + 1), 0xfffe);
}

Test(entry_xdp, a_connection_is_carried_by_both_hooks)
{
	struct segment answer = backend_answer(&blue_far, IPPROTO_TCP, TCP_SYN | TCP_ACK);
	struct segment s = outside_call(NODE_C, IPPROTO_TCP, TCP_SYN);
	struct outcome o;

	become(NODE_C, &far);
	o = enter_xdp(&s);
	check_sent(&o);
	o = mesh_cross(&env, &far, NODE_B, &o);
	expect_verdict(o, OV_FWD_DECAP);
	o = balance_send(&env, &blue_far, &answer);
	expect_verdict(o, OV_FWD_ENCAP);
	o = mesh_cross(&env, &far, NODE_C, &o);
	expect_verdict(o, OV_FWD_OUTSIDE);
	become(NODE_C, &far);
	s.flags = TCP_ACK;
	o = enter_xdp(&s);
	check_sent(&o);
	cr_assert(mesh_has_flow(&env, MAP_flows, IPPROTO_TCP));
	cr_assert_eq(balance_stats(&env, &blue_far).total, 1);
	o = mesh_enter(&env, &s);
	expect_verdict(o, OV_FWD_ENCAP);
}

/* ---- refused ---- */

Test(entry_xdp, who_is_not_allowed_is_dropped_and_counted)
{
	struct mesh closed = far;
	struct segment s = outside_call(NODE_C, IPPROTO_TCP, TCP_SYN);
	struct outcome o;

	closed.flags = OV_PUBLISHED_ALLOW;
	become(NODE_C, &closed);
	o = enter_xdp(&s);
	cr_assert_eq(o.verdict, OV_DROP_NOT_ALLOWED, "verdict %d", o.verdict);
	cr_assert_eq(o.action, XDP_DROP);
	mesh_allow(&env, 0, CLIENT_IP, 24);
	o = enter_xdp(&s);
	check_sent(&o);
}

/* ---- left alone ---- */

Test(entry_xdp, a_backend_here_is_left_to_tc)
{
	become(NODE_C, &third);
	for (size_t i = 0; i < 2; i++) {
		struct segment s = outside_call(NODE_C, plain[i], TCP_SYN);

		check_left(&s, OV_FWD_LOCAL);
	}
	cr_assert_eq(balance_stats(&env, &blue_third).total, 2, "a flow was counted twice");
}

Test(entry_xdp, who_is_to_be_told_no_is_told_by_tc)
{
	struct mesh turns = far;
	struct segment s = outside_call(NODE_C, IPPROTO_TCP, TCP_SYN);

	become(NODE_C, &nobody);
	check_left(&s, OV_FWD_RESET);
	turns.balance.algorithm = OV_LB_RR;
	become(NODE_C, &turns);
	s.flags = TCP_ACK; /* of no flow that is known, and turns tell no place for it */
	check_left(&s, OV_FWD_RESET);
}

Test(entry_xdp, ports_and_addresses_that_are_not_published_are_left_untouched)
{
	struct segment s = outside_call(NODE_C, IPPROTO_TCP, TCP_SYN);

	become(NODE_C, &far);
	s.dport = 22;
	check_left(&s, OV_PASS_FOREIGN);
	s = outside_call(NODE_A, IPPROTO_TCP, TCP_SYN);
	check_left(&s, OV_PASS_FOREIGN);
	s = outside_call(NODE_C, IPPROTO_TCP, TCP_SYN);
	s.src = OTHER_IP(NODE_C);
	check_left(&s, OV_PASS_FOREIGN);
	s.src = LOCALHOST_IP;
	check_left(&s, OV_PASS_FOREIGN);
}

Test(entry_xdp, what_is_not_plain_is_left_to_tc)
{
	struct segment s = outside_call(NODE_C, IPPROTO_SCTP, 1);
	struct pkt p;

	become(NODE_C, &far);
	check_left(&s, OV_FWD_ENCAP);
	s = outside_call(NODE_C, IPPROTO_TCP, TCP_SYN);
	s.options = 4;
	check_left(&s, OV_FWD_ENCAP);
	s.options = 0;
	s.payload = NETWORK_MTU;
	p = segment_pkt(&s);
	check_left_bytes(&p);
	s = outside_call(NODE_C, IPPROTO_UDP, 0);
	p = segment_fragment(&s, 1, 0x2000);
	check_left_bytes(&p);
	s.sport = VXLAN_PORT;
	check_left(&s, OV_DROP_NOT_ALLOWED);
}

Test(entry_xdp, a_frame_for_another_host_is_left_alone)
{
	static const uint8_t other[6] = { 2, 9, 9, 9, 9, 9 };
	struct segment s = outside_call(NODE_C, IPPROTO_TCP, TCP_SYN);
	struct pkt p;

	become(NODE_C, &far);
	s.dst_mac = other;
	p = segment_pkt(&s);
	check_left_bytes(&p);
	s.dst_mac = broadcast_mac;
	p = segment_pkt(&s);
	check_left_bytes(&p);
}

Test(entry_xdp, a_next_hop_that_nobody_knows_yet_is_left_to_the_kernel)
{
	struct segment s = outside_call(NODE_C, IPPROTO_TCP, TCP_SYN);

	become(NODE_C, &far);
	cr_assert_eq(system("ip neigh del 192.0.2.2 dev uplink"), 0);
	check_left(&s, OV_FWD_ENCAP);
	cr_assert_eq(system("ip route add 192.0.2.2 dev nobody &&"
			    "ip neigh replace 192.0.2.2 lladdr 02:00:00:00:02:02 dev nobody"), 0);
	check_left(&s, OV_FWD_ENCAP);
}

Test(entry_xdp, nothing_is_sent_on_where_sums_are_not_complete)
{
	struct segment s = outside_call(NODE_C, IPPROTO_TCP, TCP_SYN);

	mesh_become(&env, NODE_C, &far);
	check_left(&s, OV_FWD_ENCAP);
}
