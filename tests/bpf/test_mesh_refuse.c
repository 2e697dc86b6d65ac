// SPDX-License-Identifier: GPL-2.0-or-later
/* Frames between nodes that are of no flow from outside, or say so and are not. */
#include <arpa/inet.h>
#include <bpf/bpf.h>

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
TestSuite(mesh_refuse, .init = setup, .fini = teardown);

static const struct mesh far = { .balance = { .count = 1, .backend = { &blue_far } } };

static struct actor marked(uint32_t ip, uint8_t kind, uint32_t called)
{
	struct actor a = { .name = "outside", .vni = BLUE, .ip = ip };

	mark_mac(a.mac, kind, called);
	return a;
}

/* A datagram of `from` to blue_far, as node b gets it from `outer`. */
static struct outcome forge(uint32_t outer, const struct actor *from, const struct actor *to)
{
	struct pkt p = vxlan_between(outer, VTEP(NODE_B), from, to);

	return env_arrive(&env, &p);
}

Test(mesh_refuse, only_nodes_of_the_cluster_bring_calls)
{
	struct actor client = marked(CLIENT_IP, MARK_BACK, VTEP(NODE_C));
	struct outcome o;

	mesh_become(&env, NODE_B, &far);
	o = forge(VTEP(NODE_STRANGER), &client, &blue_far);
	expect_verdict(o, OV_DROP_UNKNOWN_PEER);
	o = forge(VTEP(NODE_C), &client, &blue_far);
	expect_verdict(o, OV_FWD_DECAP);
}

Test(mesh_refuse, an_endpoint_that_publishes_nothing_is_not_called_from_outside)
{
	struct actor client = marked(CLIENT_IP, MARK_BACK, VTEP(NODE_C));
	struct outcome o;

	mesh_become(&env, NODE_B, &far);
	balance_flag(&env, &blue_far, 0); /* a backend, though */
	o = forge(VTEP(NODE_C), &client, &blue_far);
	expect_verdict(o, OV_DROP_NOT_PUBLISHED);
	env_put_endpoint(&env, &blue_far, env_ifindex(&blue_far));
	o = forge(VTEP(NODE_C), &client, &blue_far);
	expect_verdict(o, OV_DROP_NOT_PUBLISHED);
}

Test(mesh_refuse, a_call_for_who_is_not_here_stops)
{
	struct actor client = marked(CLIENT_IP, MARK_BACK, VTEP(NODE_C));
	struct actor wrong = blue_far, nobody = blue_far;
	struct outcome o;

	mesh_become(&env, NODE_B, &far);
	o = forge(VTEP(NODE_C), &client, &blue_third);
	expect_verdict(o, OV_DROP_NOT_LOCAL);
	nobody.ip = IP(10, 10, 0, 77);
	o = forge(VTEP(NODE_C), &client, &nobody);
	expect_verdict(o, OV_DROP_UNKNOWN_DST);
	wrong.mac[5] ^= 1;
	o = forge(VTEP(NODE_C), &client, &wrong);
	expect_verdict(o, OV_DROP_WRONG_DST_MAC);
	wrong.ip = IP(224, 0, 0, 1);
	o = forge(VTEP(NODE_C), &client, &wrong);
	expect_verdict(o, OV_DROP_MULTICAST);
	nobody.vni = 300;
	o = forge(VTEP(NODE_C), &client, &nobody);
	expect_verdict(o, OV_DROP_UNKNOWN_VNI);
}

Test(mesh_refuse, the_mark_lends_nobody_the_address_of_an_endpoint)
{
	struct actor third = marked(blue_third.ip, MARK_BACK, VTEP(NODE_C));
	struct actor here = marked(blue_far.ip, MARK_BACK, VTEP(NODE_C));
	struct outcome o;

	mesh_become(&env, NODE_B, &far);
	o = forge(VTEP(NODE_C), &third, &blue_far); /* from its own node, with a MAC of none */
	expect_verdict(o, OV_DROP_SPOOFED_MAC);
	o = forge(VTEP(NODE_A), &third, &blue_far);
	expect_verdict(o, OV_DROP_WRONG_PEER);
	o = forge(VTEP(NODE_C), &here, &blue_far);
	expect_verdict(o, OV_DROP_WRONG_PEER);
}

Test(mesh_refuse, without_the_mark_nobody_comes_from_outside)
{
	struct actor client = blue_third;
	struct outcome o;

	mesh_become(&env, NODE_B, &far);
	client.ip = CLIENT_IP;
	o = forge(VTEP(NODE_C), &client, &blue_far);
	expect_verdict(o, OV_DROP_WRONG_PEER);
	client = marked(CLIENT_IP, 0x4e, VTEP(NODE_C)); /* neither of the two marks */
	o = forge(VTEP(NODE_C), &client, &blue_far);
	expect_verdict(o, OV_DROP_WRONG_PEER);
}

Test(mesh_refuse, a_protocol_without_ports_begins_no_flow)
{
	struct actor client = marked(CLIENT_IP, MARK_BACK, VTEP(NODE_C));
	struct pkt p = vxlan_between(VTEP(NODE_C), VTEP(NODE_B), &client, &blue_far);
	struct pkt_ipv4 *ip = pkt_find(&p, PKT_IPV4, 1);
	struct outcome o;

	mesh_become(&env, NODE_B, &far);
	ip->frag_off = htons(0x2000 | 100); /* a later fragment: it follows its first */
	pkt_ipv4_checksum(ip);
	o = env_arrive(&env, &p);
	expect_verdict(o, OV_FWD_DECAP);
	expect_macs(&o, 0, gateway_mac, blue_far.mac);
	cr_assert_neq(bpf_map_get_next_key(env.map[MAP_brief], NULL, &(struct ov_flow_key){ 0 }), 0);
}

/* ---- answers ---- */

/* TCP of an endpoint of node b to the client, as node c gets it. */
static struct outcome answer_at_entry(uint32_t outer, const struct actor *backend, uint16_t sport)
{
	struct pkt p = pkt_new();

	pkt_outer(&p, outer, VTEP(NODE_C), BLUE);
	pkt_eth(&p, backend->mac, gateway_mac, ETH_P_IP);
	pkt_ipv4(&p, backend->ip, CLIENT_IP, IPPROTO_TCP);
	pkt_tcp(&p, sport, CLIENT_PORT);
	pkt_payload(&p, 10);
	pkt_finish(&p);
	return env_arrive(&env, &p);
}

static void enter(const struct mesh *m)
{
	struct segment s = outside_call(NODE_C, IPPROTO_TCP, TCP_SYN);
	struct outcome o;

	mesh_become(&env, NODE_C, m);
	o = mesh_enter(&env, &s);
	expect_verdict(o, OV_FWD_ENCAP);
}

Test(mesh_refuse, an_answer_without_a_flow_does_not_leave)
{
	struct outcome o;

	mesh_become(&env, NODE_C, &far);
	o = answer_at_entry(VTEP(NODE_B), &blue_far, TARGET_PORT);
	expect_verdict(o, OV_DROP_NOT_FROM_HERE);
	enter(&far);
	o = answer_at_entry(VTEP(NODE_B), &blue_far, TARGET_PORT + 1);
	expect_verdict(o, OV_DROP_NOT_FROM_HERE);
	o = answer_at_entry(VTEP(NODE_B), &blue_far, TARGET_PORT);
	expect_verdict(o, OV_FWD_OUTSIDE);
}

Test(mesh_refuse, only_the_backend_answers_and_only_from_its_node)
{
	static const struct mesh two = { .balance = { .count = 2,
						      .backend = { &blue_far, &blue_one } } };
	struct outcome o;

	enter(&far);
	mesh_become(&env, NODE_C, &two);
	o = answer_at_entry(VTEP(NODE_A), &blue_far, TARGET_PORT);
	expect_verdict(o, OV_DROP_WRONG_PEER);
	o = answer_at_entry(VTEP(NODE_A), &blue_one, TARGET_PORT); /* a backend, of no such flow */
	expect_verdict(o, OV_DROP_NOT_FROM_HERE);
	o = answer_at_entry(VTEP(NODE_STRANGER), &blue_far, TARGET_PORT);
	expect_verdict(o, OV_DROP_UNKNOWN_PEER);
	balance_rebirth(&env, &blue_far, 4711); /* who has the address next has no flow */
	o = answer_at_entry(VTEP(NODE_B), &blue_far, TARGET_PORT);
	expect_verdict(o, OV_DROP_NOT_FROM_HERE);
}

Test(mesh_refuse, an_endpoint_that_publishes_nothing_does_not_leave_by_another_node)
{
	struct outcome o;

	enter(&far);
	balance_flag(&env, &blue_far, 0);
	o = answer_at_entry(VTEP(NODE_B), &blue_far, TARGET_PORT);
	expect_verdict(o, OV_DROP_UNKNOWN_DST);
}

Test(mesh_refuse, an_answer_of_no_flow_leaves_as_the_backends_own_traffic)
{
	struct segment s = backend_answer(&blue_far, IPPROTO_UDP, 0);
	struct outcome o;

	mesh_become(&env, NODE_B, &far);
	o = balance_send(&env, &blue_far, &s);
	expect_verdict(o, OV_FWD_OUTSIDE);
	cr_assert_eq(segment_read(&o.out, 0).src, VTEP(NODE_B));
	cr_assert_geq(segment_read(&o.out, 0).sport, OV_MASQ_FIRST);
}

Test(mesh_refuse, an_internal_network_answers_calls_and_opens_none)
{
	struct ov_network_key key = { BLUE };
	struct ov_network net;
	struct segment s = outside_call(NODE_C, IPPROTO_UDP, 0);
	struct outcome o;

	mesh_become(&env, NODE_C, &far);
	o = mesh_enter(&env, &s);
	mesh_cross(&env, &far, NODE_B, &o);
	cr_assert_eq(bpf_map_lookup_elem(env.map[MAP_networks], &key, &net), 0);
	net.flags = OV_NETWORK_INTERNAL;
	cr_assert_eq(bpf_map_update_elem(env.map[MAP_networks], &key, &net, BPF_ANY), 0);
	s = backend_answer(&blue_far, IPPROTO_UDP, 0);
	o = balance_send(&env, &blue_far, &s);
	expect_verdict(o, OV_FWD_ENCAP);
	s.sport++;
	o = balance_send(&env, &blue_far, &s);
	expect_verdict(o, OV_DROP_INTERNAL);
}

Test(mesh_refuse, before_the_daemon_is_ready_nothing_from_outside_is_taken)
{
	struct segment s = outside_call(NODE_C, IPPROTO_TCP, TCP_SYN);
	struct outcome o;

	mesh_become(&env, NODE_C, &far);
	env_put_config(&env, VTEP(NODE_C), 0);
	o = mesh_enter(&env, &s);
	expect_verdict(o, OV_PASS_FOREIGN);
	o = env_run_bytes(&env, EGRESS, env_ifindex(&blue_third), o.out.data, o.out.len, 0);
	expect_verdict(o, OV_DROP_NOT_READY);
}
