// SPDX-License-Identifier: GPL-2.0-or-later
/* Which packets to this node are calls to a published port, and which stay the host's. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <string.h>

#include "base/addr.h"
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

static const struct mesh far = { .balance = { .count = 1, .backend = { &blue_far } } };
static const struct mesh third = { .balance = { .count = 1, .backend = { &blue_third } } };

/* A device of its own, as a bridge or a second network card has. */
static struct outcome front(const struct pkt *p)
{
	return env_run_bytes(&env, FRONT, env.uplink_ifindex, p->data, p->len, 0);
}

static struct outcome call(uint32_t to, uint16_t port)
{
	struct segment s = outside_call(NODE_C, IPPROTO_TCP, TCP_SYN);
	struct pkt p;

	s.dst = to;
	s.dport = port;
	p = segment_pkt(&s);
	return front(&p);
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

/* ---- rows ---- */

Test(front, a_port_bound_to_an_address_is_open_there_alone)
{
	struct outcome o;

	mesh_become(&env, NODE_C, &far);
	mesh_publish(&env, &third, 0, OV_PUBLISHED_BY_ADDRESS | OV_PUBLISHED_NOWHERE);
	mesh_publish(&env, &third, OTHER_IP(NODE_C), 0);
	o = call(VTEP(NODE_C), PUBLISHED_PORT);
	expect_verdict(o, OV_PASS_FOREIGN);
	o = call(OTHER_IP(NODE_C), PUBLISHED_PORT);
	expect_verdict(o, OV_FWD_ENCAP);
	expect_ends(&o, 1, CLIENT_IP, CLIENT_PORT, blue_far.ip, TARGET_PORT);
}

Test(front, the_row_of_an_address_goes_before_that_of_all)
{
	struct mesh special = third;
	struct outcome o;

	special.target = 9090;
	mesh_become(&env, NODE_C, &third);
	mesh_publish(&env, &third, 0, OV_PUBLISHED_BY_ADDRESS);
	mesh_publish(&env, &special, OTHER_IP(NODE_C), 0);
	o = call(VTEP(NODE_C), PUBLISHED_PORT);
	expect_verdict(o, OV_FWD_LOCAL);
	expect_ends(&o, 0, CLIENT_IP, CLIENT_PORT, blue_third.ip, TARGET_PORT);
	o = call(OTHER_IP(NODE_C), PUBLISHED_PORT);
	expect_verdict(o, OV_FWD_LOCAL);
	expect_ends(&o, 0, CLIENT_IP, CLIENT_PORT, blue_third.ip, 9090);
}

Test(front, without_its_flag_an_addresss_row_is_not_looked_for)
{
	struct mesh special = third;
	struct outcome o;

	special.target = 9090;
	mesh_become(&env, NODE_C, &third);
	mesh_publish(&env, &special, OTHER_IP(NODE_C), 0);
	o = call(OTHER_IP(NODE_C), PUBLISHED_PORT);
	expect_verdict(o, OV_FWD_LOCAL);
	expect_ends(&o, 0, CLIENT_IP, CLIENT_PORT, blue_third.ip, TARGET_PORT);
}

Test(front, only_clients_on_the_list_get_in)
{
	struct outcome o;

	mesh_become(&env, NODE_C, &third);
	mesh_publish(&env, &third, 0, OV_PUBLISHED_ALLOW);
	o = call(VTEP(NODE_C), PUBLISHED_PORT);
	expect_verdict(o, OV_DROP_NOT_ALLOWED);
	mesh_allow(&env, 0, IP(198, 51, 101, 0), 24);
	o = call(VTEP(NODE_C), PUBLISHED_PORT);
	expect_verdict(o, OV_DROP_NOT_ALLOWED);
	mesh_allow(&env, 0, IP(198, 51, 100, 0), 24);
	o = call(VTEP(NODE_C), PUBLISHED_PORT);
	expect_verdict(o, OV_FWD_LOCAL);
}

Test(front, a_list_of_one_and_a_list_of_all)
{
	struct outcome o;

	mesh_become(&env, NODE_C, &third);
	mesh_publish(&env, &third, 0, OV_PUBLISHED_ALLOW);
	mesh_allow(&env, 0, CLIENT_IP + 1, 32);
	o = call(VTEP(NODE_C), PUBLISHED_PORT);
	expect_verdict(o, OV_DROP_NOT_ALLOWED);
	mesh_allow(&env, 0, CLIENT_IP, 32);
	o = call(VTEP(NODE_C), PUBLISHED_PORT);
	expect_verdict(o, OV_FWD_LOCAL);
	env_empty(&env, MAP_allowed);
	env_empty(&env, MAP_brief);
	mesh_allow(&env, 0, 0, 0);
	o = call(VTEP(NODE_C), PUBLISHED_PORT);
	expect_verdict(o, OV_FWD_LOCAL);
}

Test(front, a_list_is_of_its_row)
{
	struct outcome o;

	mesh_become(&env, NODE_C, &third);
	mesh_publish(&env, &third, 0, OV_PUBLISHED_ALLOW | OV_PUBLISHED_BY_ADDRESS);
	mesh_publish(&env, &third, OTHER_IP(NODE_C), OV_PUBLISHED_ALLOW);
	mesh_allow(&env, OTHER_IP(NODE_C), CLIENT_IP, 32);
	o = call(VTEP(NODE_C), PUBLISHED_PORT);
	expect_verdict(o, OV_DROP_NOT_ALLOWED);
	o = call(OTHER_IP(NODE_C), PUBLISHED_PORT);
	expect_verdict(o, OV_FWD_LOCAL);
}

Test(front, host_mode_takes_backends_of_this_node_alone)
{
	static const struct mesh both = { .balance = { .count = 2,
						       .backend = { &blue_far, &blue_third } },
					  .flags = OV_PUBLISHED_LOCAL };

	mesh_become(&env, NODE_C, &both);
	mesh_put_local(&env, &blue_third);
	for (uint16_t port = 1000; port < 1032; port++) {
		struct segment s = outside_call(NODE_C, IPPROTO_TCP, TCP_SYN);
		struct outcome o;

		s.sport = port;
		o = mesh_enter(&env, &s);
		expect_verdict(o, OV_FWD_LOCAL);
		expect_ends(&o, 0, CLIENT_IP, port, blue_third.ip, TARGET_PORT);
	}
}

Test(front, host_mode_without_a_backend_here_refuses)
{
	static const struct mesh m = { .balance = { .count = 1, .backend = { &blue_far } },
				       .flags = OV_PUBLISHED_LOCAL };
	struct outcome o;

	mesh_become(&env, NODE_C, &m);
	o = call(VTEP(NODE_C), PUBLISHED_PORT);
	expect_verdict(o, OV_FWD_RESET);
}

Test(front, a_client_keeps_its_backend_while_affinity_lasts)
{
	static const struct mesh m = {
		.balance = { .algorithm = OV_LB_RR, .affinity_s = 60, .count = 2,
			     .backend = { &blue_far, &blue_third } },
	};
	int verdict = -1;

	mesh_become(&env, NODE_C, &m);
	for (uint16_t port = 1000; port < 1010; port++) {
		struct segment s = outside_call(NODE_C, IPPROTO_TCP, TCP_SYN);
		struct outcome o;

		s.sport = port;
		o = mesh_enter(&env, &s);
		cr_assert(verdict < 0 || o.verdict == verdict);
		verdict = o.verdict;
	}
	cr_assert(verdict == OV_FWD_ENCAP || verdict == OV_FWD_LOCAL);
}
