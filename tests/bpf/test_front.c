// SPDX-License-Identifier: GPL-2.0-or-later
/* Which packets to this node are calls to a published port, and which stay the host's. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <string.h>

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
TestSuite(front, .init = setup, .fini = teardown);

static const struct mesh third = { .balance = { .count = 1, .backend = { &blue_third } } };

/* A device of its own, as a bridge or a second network card has. */
static struct outcome front(const struct pkt *p)
{
	return env_run_bytes(&env, FRONT, env.uplink_ifindex, p->data, p->len, 0);
}

/* By the front alone and behind the uplink's program: as it came. */
static void check_passes(const struct pkt *p)
{
	struct outcome o = front(p);

	expect_verdict(o, OV_PASS_FOREIGN);
	cr_assert_eq(o.out.len, p->len);
	cr_assert_arr_eq(o.out.data, p->data, p->len);
	o = env_arrive(&env, p);
	expect_verdict(o, OV_PASS_FOREIGN);
	cr_assert_eq(o.out.len, p->len);
	cr_assert_arr_eq(o.out.data, p->data, p->len);
}

static void check_segment_passes(const struct segment *s)
{
	struct pkt p = segment_pkt(s);

	check_passes(&p);
}

/* ---- not ours ---- */

Test(front, a_port_that_is_not_published_passes_untouched)
{
	mesh_become(&env, NODE_C, &third);
	for (int i = 0; i < 3; i++) {
		static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP };
		struct segment s = outside_call(NODE_C, protocols[i], 1);

		s.dport = 22;
		check_segment_passes(&s);
	}
}

Test(front, a_port_is_published_for_its_protocol_alone)
{
	struct ov_published_key key = { .port = htons(PUBLISHED_PORT), .protocol = IPPROTO_UDP };
	struct segment s = outside_call(NODE_C, IPPROTO_UDP, 0);

	mesh_become(&env, NODE_C, &third);
	cr_assert_eq(bpf_map_delete_elem(env.map[MAP_published], &key), 0);
	check_segment_passes(&s);
}

Test(front, an_address_that_is_not_this_nodes_passes_untouched)
{
	struct segment s = outside_call(NODE_A, IPPROTO_TCP, TCP_SYN);

	mesh_become(&env, NODE_C, &third);
	check_segment_passes(&s);
	s.dst = OTHER_IP(NODE_A);
	check_segment_passes(&s);
	s.dst = LOCALHOST_IP; /* from outside: a martian */
	check_segment_passes(&s);
}

Test(front, who_pretends_to_be_this_host_is_left_to_the_kernel)
{
	struct segment s = outside_call(NODE_C, IPPROTO_TCP, TCP_SYN);

	mesh_become(&env, NODE_C, &third);
	s.src = VTEP(NODE_C);
	check_segment_passes(&s);
	s.src = OTHER_IP(NODE_C);
	check_segment_passes(&s);
	s.src = LOCALHOST_IP; /* martians, all of them */
	check_segment_passes(&s);
	s.dport = OV_MASQ_FIRST;
	check_segment_passes(&s);
}

Test(front, what_has_no_port_passes_untouched)
{
	struct pkt p = pkt_new();

	mesh_become(&env, NODE_C, &third);
	pkt_eth(&p, wire_mac, uplink_mac, ETH_P_IP);
	pkt_ipv4(&p, CLIENT_IP, VTEP(NODE_C), IPPROTO_ICMP);
	pkt_icmp(&p, 8, 0, 7, 1); /* ping to the host */
	pkt_payload(&p, 56);
	pkt_finish(&p);
	check_passes(&p);

	p = pkt_new();
	pkt_eth(&p, wire_mac, uplink_mac, ETH_P_IP);
	pkt_ipv4(&p, CLIENT_IP, VTEP(NODE_C), IPPROTO_GRE);
	pkt_payload(&p, 40);
	pkt_finish(&p);
	check_passes(&p);

	p = pkt_new();
	pkt_eth(&p, wire_mac, uplink_mac, 0x86dd);
	pkt_payload(&p, 60);
	pkt_finish(&p);
	check_passes(&p);
}

Test(front, truncated_headers_are_left_to_the_host)
{
	struct segment s = outside_call(NODE_C, IPPROTO_TCP, TCP_SYN);
	struct pkt p = segment_pkt(&s);

	mesh_become(&env, NODE_C, &third);
	for (size_t len = TEST_RUN_MIN; len < 54; len++) {
		p.len = len;
		check_passes(&p);
	}
}

Test(front, frames_for_another_machine_pass_untouched)
{
	struct segment s = outside_call(NODE_C, IPPROTO_TCP, TCP_SYN);

	mesh_become(&env, NODE_C, &third);
	s.dst_mac = wire_mac;
	check_segment_passes(&s);
	s.dst_mac = broadcast_mac;
	check_segment_passes(&s);
}

Test(front, a_vlan_on_the_wire_is_not_the_uplinks_network)
{
	struct segment s = outside_call(NODE_C, IPPROTO_TCP, TCP_SYN);
	struct pkt p = segment_pkt(&s), tagged = p;

	mesh_become(&env, NODE_C, &third);
	memmove(tagged.data + 16, p.data + 12, p.len - 12);
	memcpy(tagged.data + 12, (uint8_t[]){ 0x81, 0x00, 0, 5 }, 4);
	tagged.len += 4;
	check_passes(&tagged);
}

Test(front, a_later_fragment_of_nobody_passes_untouched)
{
	struct segment s = outside_call(NODE_C, IPPROTO_TCP, TCP_ACK);
	struct pkt p = segment_fragment(&s, 77, 100);

	mesh_become(&env, NODE_C, &third);
	check_passes(&p);
}
