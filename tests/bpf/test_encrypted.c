// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Encrypted networks: nothing of them leaves but by IPsec, and nothing in the clear comes
 * in. What was really encrypted is told in a virtual machine (vmtests/): a test run has no
 * state of IPsec.
 */
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "mesh.h"
#include "maps/ipsec.h"

static struct env env;

static const struct mesh far = { .balance = { .count = 1, .backend = { &blue_far } } };
static const struct mesh third = { .balance = { .count = 1, .backend = { &blue_third } } };

static void setup(void)
{
	mesh_open(&env);
	env_encrypt(&env);
}
static void teardown(void)
{
	env_close(&env);
}
TestSuite(encrypted, .init = setup, .fini = teardown);

static void become(enum node node, const struct mesh *m)
{
	mesh_become(&env, node, m);
	env_encrypt(&env);
}

/* Given to the tunnel device, whose packets come to XFRM: as they are, with a lane's mark. */
static void check_encrypted(const struct outcome *o, size_t len)
{
	expect_verdict(*o, OV_FWD_ENCRYPT);
	cr_assert_eq(o->out.len, len, "something was pushed");
	cr_assert_eq(o->mark & ~OV_SPI_LANE_MASK, OV_IPSEC_MARK);
}

Test(encrypted, without_an_sa_nothing_leaves)
{
	struct pkt p = udp_between(&blue_one, &blue_far);
	struct outcome o = env_send(&env, &blue_one, &p);

	expect_verdict(o, OV_DROP_NO_SA);
	env_put_sas(&env, VTEP(NODE_C)); /* another node's */
	o = env_send(&env, &blue_one, &p);
	expect_verdict(o, OV_DROP_NO_SA);
}

Test(encrypted, with_one_it_leaves_by_ipsec)
{
	struct pkt p = udp_between(&blue_one, &blue_far);
	struct outcome o;

	env_put_sas(&env, VTEP(NODE_B));
	o = env_send(&env, &blue_one, &p);
	check_encrypted(&o, p.len);
	cr_assert_arr_eq(o.out.data, p.data, p.len);
	o = env_send_bytes(&env, &blue_one, p.data, p.len, 50); /* a super-packet */
	check_encrypted(&o, p.len);
}

Test(encrypted, flows_are_spread_over_the_lanes_and_each_keeps_its_own)
{
	uint32_t seen = 0;

	env_put_sas(&env, VTEP(NODE_B));
	for (uint16_t port = 1000; port < 1064; port++) {
		struct segment s = { .src_mac = blue_one.mac, .dst_mac = blue_far.mac,
				     .src = blue_one.ip, .dst = blue_far.ip, .sport = port,
				     .dport = 80, .protocol = IPPROTO_TCP, .flags = TCP_SYN };
		struct outcome first = balance_send(&env, &blue_one, &s), again;

		s.flags = TCP_ACK;
		s.payload = 99;
		again = balance_send(&env, &blue_one, &s);
		cr_assert_eq(again.mark, first.mark, "a flow changed its lane");
		seen |= 1u << (first.mark & OV_SPI_LANE_MASK);
	}
	cr_assert_eq(seen, (1u << OV_SA_LANES) - 1);
}

Test(encrypted, on_one_host_nothing_is)
{
	struct pkt p = udp_between(&blue_one, &blue_two);
	struct outcome o = env_send(&env, &blue_one, &p);

	expect_verdict(o, OV_FWD_LOCAL);
	cr_assert_eq(o.mark, 0);
}

Test(encrypted, other_networks_go_as_ever)
{
	struct pkt p = udp_between(&red_one, &red_far);
	struct outcome o = env_send(&env, &red_one, &p);

	expect_verdict(o, OV_FWD_ENCAP);
	cr_assert_eq(o.mark, 0);
	p = vxlan_between(VTEP(NODE_B), VTEP(NODE_A), &red_far, &red_one);
	o = env_arrive(&env, &p);
	expect_verdict(o, OV_FWD_DECAP);
}

Test(encrypted, what_comes_in_the_clear_is_dropped)
{
	struct pkt p = vxlan_between(VTEP(NODE_B), VTEP(NODE_A), &blue_far, &blue_one);
	struct outcome o = env_arrive(&env, &p);

	expect_verdict(o, OV_DROP_CLEARTEXT);
	env_put_sas(&env, VTEP(NODE_B)); /* that there could be better changes nothing */
	o = env_arrive(&env, &p);
	expect_verdict(o, OV_DROP_CLEARTEXT);
	o = env_run_bytes(&env, UPLINK, env.uplink_ifindex, p.data, p.len, 50);
	expect_verdict(o, OV_DROP_CLEARTEXT);
}

static void expect_drops(enum node peer, uint64_t no_sa, uint64_t cleartext)
{
	struct ov_peer_key key = { .vtep = addr_from_v4(VTEP(peer)) };
	struct ov_peer_drops d = { 0 };

	bpf_map_lookup_elem(env.map[MAP_peer_drops], &key, &d); /* none: nothing was dropped */
	cr_assert_eq(d.no_sa, no_sa, "node %d: %llu", peer, (unsigned long long)d.no_sa);
	cr_assert_eq(d.cleartext, cleartext, "node %d: %llu", peer, (unsigned long long)d.cleartext);
}

Test(encrypted, drops_are_counted_by_peer)
{
	struct pkt to_b = udp_between(&blue_one, &blue_far), to_c = udp_between(&blue_one, &blue_third);
	struct pkt in = vxlan_between(VTEP(NODE_B), VTEP(NODE_A), &blue_far, &blue_one);
	struct outcome o;

	env_empty(&env, MAP_peer_drops);
	for (int i = 0; i < 3; i++) {
		o = env_send(&env, &blue_one, &to_b);
		expect_verdict(o, OV_DROP_NO_SA);
	}
	o = env_send(&env, &blue_one, &to_c);
	expect_verdict(o, OV_DROP_NO_SA);
	for (int i = 0; i < 2; i++) {
		o = env_arrive(&env, &in);
		expect_verdict(o, OV_DROP_CLEARTEXT);
	}
	expect_drops(NODE_B, 3, 2);
	expect_drops(NODE_C, 1, 0);
	expect_drops(NODE_STRANGER, 0, 0);
}

/* ---- published ports ---- */

/* A call that node c pushed while it did not know that the network is encrypted. */
static struct outcome call_in_the_clear(void)
{
	struct segment s = outside_call(NODE_C, IPPROTO_TCP, TCP_SYN);
	struct outcome o;

	mesh_become(&env, NODE_C, &far);
	o = mesh_enter(&env, &s);
	expect_verdict(o, OV_FWD_ENCAP);
	return o;
}

static struct outcome arrives_encrypted_at(enum node node, struct outcome *o)
{
	struct pkt p = o->out;

	memcpy(p.data, uplink_mac, 6);
	become(node, &far);
	return env_arrive(&env, &p);
}

Test(encrypted, a_call_from_outside_goes_on_by_ipsec_alone)
{
	struct segment s = outside_call(NODE_C, IPPROTO_TCP, TCP_SYN);
	struct outcome o;

	become(NODE_C, &far);
	o = mesh_enter(&env, &s);
	expect_verdict(o, OV_DROP_NO_SA);
	env_put_sas(&env, VTEP(NODE_B));
	o = mesh_enter(&env, &s);
	check_encrypted(&o, segment_pkt(&s).len);
}

Test(encrypted, xdp_leaves_such_a_call_to_tc)
{
	struct segment s = outside_call(NODE_C, IPPROTO_TCP, TCP_SYN);
	struct pkt p = segment_pkt(&s);
	struct outcome o;

	become(NODE_C, &far);
	env_put_config(&env, VTEP(NODE_C), OV_CONFIG_READY | OV_CONFIG_XDP_ENTRY);
	env_put_sas(&env, VTEP(NODE_B));
	cr_assert_eq(system("ip neigh replace 192.0.2.2 lladdr 02:00:00:00:02:02 dev uplink nud permanent"), 0);
	o = env_run_bytes(&env, UPLINK_XDP, 0, p.data, p.len, 0);
	cr_assert_eq(o.verdict, NO_VERDICT, "verdict %d", o.verdict);
	cr_assert_eq(o.action, XDP_PASS);
	cr_assert_arr_eq(o.out.data, p.data, p.len);
}

Test(encrypted, a_call_that_crossed_in_the_clear_is_dropped)
{
	struct outcome o = call_in_the_clear();

	o = arrives_encrypted_at(NODE_B, &o);
	expect_verdict(o, OV_DROP_CLEARTEXT);
}

Test(encrypted, an_answer_goes_back_by_ipsec_alone)
{
	struct segment s = backend_answer(&blue_far, IPPROTO_TCP, TCP_SYN | TCP_ACK);
	struct outcome o = call_in_the_clear(), answer;

	o = mesh_cross(&env, &far, NODE_B, &o);
	expect_verdict(o, OV_FWD_DECAP);
	answer = balance_send(&env, &blue_far, &s);
	expect_verdict(answer, OV_FWD_ENCAP);
	env_encrypt(&env);
	o = balance_send(&env, &blue_far, &s);
	expect_verdict(o, OV_DROP_NO_SA);
	env_put_sas(&env, VTEP(NODE_C));
	o = balance_send(&env, &blue_far, &s);
	check_encrypted(&o, segment_pkt(&s).len);
	o = arrives_encrypted_at(NODE_C, &answer);
	expect_verdict(o, OV_DROP_CLEARTEXT);
}

Test(encrypted, a_backend_at_the_entry_needs_none)
{
	struct segment s = outside_call(NODE_C, IPPROTO_TCP, TCP_SYN);
	struct outcome o;

	become(NODE_C, &third);
	o = mesh_enter(&env, &s);
	expect_verdict(o, OV_FWD_LOCAL);
}
