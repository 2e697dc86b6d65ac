// SPDX-License-Identifier: GPL-2.0-or-later
/* Ends of connections to the world outside, and what may not leave. */
#include <arpa/inet.h>
#include <bpf/bpf.h>

#include "base/addr.h"
#include "masq.h"

static struct env env;

static const struct mesh none = { .balance = { .count = 0 } };

static void setup(void)
{
	mesh_open(&env);
	mesh_become(&env, NODE_A, &none);
}
static void teardown(void)
{
	env_close(&env);
}
TestSuite(masq_edge, .init = setup, .fini = teardown);

/* ---- ends ---- */

static uint16_t establish(void)
{
	struct segment s = masq_out_of(&blue_one, IPPROTO_TCP, 5000);
	uint16_t port = masq_leave(&env, &blue_one, &s);

	expect_masq_answer(&env, IPPROTO_TCP, port, TCP_SYN | TCP_ACK, &blue_one, 5000);
	s.flags = TCP_ACK;
	cr_assert_eq(masq_leave(&env, &blue_one, &s), port);
	return port;
}

static void check_closed(uint16_t port)
{
	struct ov_masq m;

	cr_assert_not(masq_find(&env, MAP_masq, IPPROTO_TCP, port, &m));
	cr_assert(masq_find(&env, MAP_masq_brief, IPPROTO_TCP, port, &m));
	cr_assert(m.flags & OV_FLOW_CLOSED);
}

Test(masq_edge, an_established_connection_is_protected)
{
	struct segment s = masq_out_of(&blue_one, IPPROTO_TCP, 5000);
	uint16_t port = masq_leave(&env, &blue_one, &s);
	struct ov_masq m;

	cr_assert(masq_find(&env, MAP_masq_brief, IPPROTO_TCP, port, &m));
	cr_assert_eq(m.flags, 0);
	cr_assert_eq(establish(), port);
	cr_assert(masq_find(&env, MAP_masq, IPPROTO_TCP, port, &m));
	cr_assert_eq(m.flags, OV_FLOW_REPLIED);
	cr_assert_eq(m.vni, BLUE);
	cr_assert_eq(addr_v4(&m.inside), blue_one.ip);
	cr_assert_not(masq_find(&env, MAP_masq_brief, IPPROTO_TCP, port, &m));
}

Test(masq_edge, both_ends_finish_and_the_last_ack_still_leaves)
{
	struct segment s = masq_out_of(&blue_one, IPPROTO_TCP, 5000);
	uint16_t port = establish();

	s.flags = TCP_FIN | TCP_ACK;
	cr_assert_eq(masq_leave(&env, &blue_one, &s), port);
	expect_masq_answer(&env, IPPROTO_TCP, port, TCP_FIN | TCP_ACK, &blue_one, 5000);
	check_closed(port);
	s.flags = TCP_ACK;
	cr_assert_eq(masq_leave(&env, &blue_one, &s), port);
	check_closed(port);
}

Test(masq_edge, a_reset_of_either_end_closes_it_and_the_port_is_used_again)
{
	struct segment s = masq_out_of(&blue_one, IPPROTO_TCP, 5000);
	uint16_t port = establish();

	expect_masq_answer(&env, IPPROTO_TCP, port, TCP_RST, &blue_one, 5000);
	check_closed(port);
	cr_assert_eq(establish(), port);
	s.flags = TCP_RST;
	masq_leave(&env, &blue_one, &s);
	check_closed(port);
}

Test(masq_edge, an_established_connection_that_idled_for_days_gives_way)
{
	struct segment other = masq_out_of(&blue_two, IPPROTO_TCP, 5000);
	struct ov_masq m;

	masq_set_ports(&env, 61000, 61000);
	establish();
	masq_age(&env, MAP_masq, IPPROTO_TCP, 61000, OV_IDLE_TCP + 2);
	cr_assert_eq(masq_leave(&env, &blue_two, &other), 61000);
	cr_assert_not(masq_find(&env, MAP_masq, IPPROTO_TCP, 61000, &m));
	expect_masq_answer(&env, IPPROTO_TCP, 61000, TCP_SYN | TCP_ACK, &blue_two, 5000);
}

/* ---- what may not leave ---- */

static struct outcome send_to(uint32_t dst)
{
	struct segment s = masq_out_of(&blue_one, IPPROTO_UDP, 5000);

	s.dst = dst;
	return balance_send(&env, &blue_one, &s);
}

Test(masq_edge, an_internal_network_has_no_way_out)
{
	struct ov_network_key key = { BLUE };
	struct ov_network net;
	struct outcome o;

	cr_assert_eq(bpf_map_lookup_elem(env.map[MAP_networks], &key, &net), 0);
	net.flags = OV_NETWORK_INTERNAL;
	cr_assert_eq(bpf_map_update_elem(env.map[MAP_networks], &key, &net, BPF_ANY), 0);
	o = send_to(REMOTE_IP);
	expect_verdict(o, OV_DROP_INTERNAL);
	o = send_to(VTEP(NODE_A));
	expect_verdict(o, OV_DROP_INTERNAL);
}

Test(masq_edge, without_a_route_there_is_no_way_out)
{
	struct outcome o = send_to(UNREACHABLE_IP);

	expect_verdict(o, OV_DROP_NO_ROUTE);
	o = send_to(BYPATH_IP);
	expect_verdict(o, OV_DROP_NO_ROUTE);
	o = send_to(REMOTE_IP);
	expect_verdict(o, OV_FWD_OUTSIDE);
}

Test(masq_edge, only_the_gateway_takes_what_leaves)
{
	struct segment s = masq_out_of(&blue_one, IPPROTO_UDP, 5000);
	struct outcome o;

	s.dst_mac = blue_two.mac;
	o = balance_send(&env, &blue_one, &s);
	expect_verdict(o, OV_DROP_WRONG_DST_MAC);
	s.dst_mac = gateway_mac;
	s.src = blue_two.ip;
	o = balance_send(&env, &blue_one, &s);
	expect_verdict(o, OV_DROP_SPOOFED_IP);
}

Test(masq_edge, addresses_that_are_none_outside_do_not_leave)
{
	struct outcome o = send_to(LOCALHOST_IP);

	expect_verdict(o, OV_DROP_UNKNOWN_DST);
	o = send_to(0);
	expect_verdict(o, OV_DROP_UNKNOWN_DST);
	o = send_to(IP(10, 10, 0, 77)); /* nobody of this network */
	expect_verdict(o, OV_DROP_UNKNOWN_DST);
	o = send_to(IP(224, 0, 0, 251));
	expect_verdict(o, OV_DROP_MULTICAST);
	o = send_to(0xffffffff);
	expect_verdict(o, OV_DROP_MULTICAST);
}

static struct pkt icmp_out(uint8_t type)
{
	struct pkt p = pkt_new();

	pkt_eth(&p, blue_one.mac, gateway_mac, ETH_P_IP);
	pkt_ipv4(&p, blue_one.ip, REMOTE_IP, IPPROTO_ICMP);
	pkt_icmp(&p, type, 0, 1, 1);
	pkt_payload(&p, 40);
	pkt_finish(&p);
	return p;
}

Test(masq_edge, no_container_speaks_vxlan_in_its_nodes_name)
{
	struct segment s = masq_out_of(&blue_one, IPPROTO_UDP, 5000);
	struct outcome o;

	s.dport = VXLAN_PORT;
	o = balance_send(&env, &blue_one, &s);
	expect_verdict(o, OV_DROP_MASQ_PROTOCOL);
	s.protocol = IPPROTO_TCP;
	s.flags = TCP_SYN;
	o = balance_send(&env, &blue_one, &s);
	expect_verdict(o, OV_FWD_OUTSIDE);
}

Test(masq_edge, only_tcp_udp_and_ping_leave)
{
	struct segment s = masq_out_of(&blue_one, IPPROTO_SCTP, 5000);
	struct outcome o = balance_send(&env, &blue_one, &s);
	struct pkt p = icmp_out(13); /* timestamp */

	expect_verdict(o, OV_DROP_MASQ_PROTOCOL);
	o = env_send(&env, &blue_one, &p);
	expect_verdict(o, OV_DROP_MASQ_PROTOCOL);
	p = icmp_out(8);
	o = env_send(&env, &blue_one, &p);
	expect_verdict(o, OV_FWD_OUTSIDE);
}

Test(masq_edge, what_is_too_large_for_the_network_is_told_so)
{
	struct segment s = masq_out_of(&blue_one, IPPROTO_UDP, 5000);
	struct pkt p;
	struct outcome o;

	s.payload = NETWORK_MTU - 28 + 1;
	p = segment_pkt(&s);
	((struct pkt_ipv4 *)pkt_find(&p, PKT_IPV4, 0))->frag_off = htons(0x4000);
	pkt_ipv4_checksum(pkt_find(&p, PKT_IPV4, 0));
	o = env_send(&env, &blue_one, &p);
	expect_verdict(o, OV_FWD_TOO_BIG);
}
