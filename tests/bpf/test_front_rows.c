// SPDX-License-Identifier: GPL-2.0-or-later
/* Rows of published ports: bound addresses, lists of clients, host mode. */
#include <linux/bpf.h>

#include "mesh.h"

static struct env env;

static const struct mesh far = { .balance = { .count = 1, .backend = { &blue_far } } };
static const struct mesh third = { .balance = { .count = 1, .backend = { &blue_third } } };

static void setup(void)
{
	mesh_open(&env);
}
static void teardown(void)
{
	env_close(&env);
}
TestSuite(front_rows, .init = setup, .fini = teardown);

static struct outcome call(uint32_t to)
{
	struct segment s = outside_call(NODE_C, IPPROTO_TCP, TCP_SYN);
	struct pkt p;

	s.dst = to;
	p = segment_pkt(&s);
	return env_run_bytes(&env, FRONT, env.uplink_ifindex, p.data, p.len, 0);
}

Test(front_rows, a_port_bound_to_an_address_is_open_there_alone)
{
	struct outcome o;

	mesh_become(&env, NODE_C, &far);
	mesh_publish(&env, &far, 0, OV_PUBLISHED_BY_ADDRESS | OV_PUBLISHED_NOWHERE);
	mesh_publish(&env, &far, OTHER_IP(NODE_C), 0);
	o = call(VTEP(NODE_C));
	expect_verdict(o, OV_PASS_FOREIGN);
	o = call(OTHER_IP(NODE_C));
	expect_verdict(o, OV_FWD_ENCAP);
	expect_ends(&o, 1, CLIENT_IP, CLIENT_PORT, blue_far.ip, TARGET_PORT);
}

Test(front_rows, answers_never_go_to_the_port_of_vxlan)
{
	struct segment s = outside_call(NODE_C, IPPROTO_UDP, 0);
	struct outcome o;
	struct pkt p;

	mesh_become(&env, NODE_C, &far);
	mesh_publish(&env, &far, 0, 0);
	p = segment_pkt(&s);
	o = env_run_bytes(&env, FRONT, env.uplink_ifindex, p.data, p.len, 0);
	expect_verdict(o, OV_FWD_ENCAP);
	s.sport = VXLAN_PORT;
	p = segment_pkt(&s);
	o = env_run_bytes(&env, FRONT, env.uplink_ifindex, p.data, p.len, 0);
	expect_verdict(o, OV_DROP_NOT_ALLOWED);
}

/* Rules would take it for that endpoint's. */
Test(front_rows, nobody_outside_has_an_address_of_the_network)
{
	struct segment s = outside_call(NODE_C, IPPROTO_UDP, 0);
	struct outcome o;
	struct pkt p;

	mesh_become(&env, NODE_C, &far);
	mesh_publish(&env, &far, 0, 0);
	s.src = blue_one.ip;
	p = segment_pkt(&s);
	o = env_run_bytes(&env, FRONT, env.uplink_ifindex, p.data, p.len, 0);
	expect_verdict(o, OV_DROP_SPOOFED_IP);
	o = env_run_bytes(&env, UPLINK_XDP, 0, p.data, p.len, 0);
	cr_assert_eq(o.action, XDP_PASS, "it is left to TC");
}

Test(front_rows, the_row_of_an_address_goes_before_that_of_all)
{
	struct mesh special = third;
	struct outcome o;

	special.target = 9090;
	mesh_become(&env, NODE_C, &third);
	mesh_publish(&env, &third, 0, OV_PUBLISHED_BY_ADDRESS);
	mesh_publish(&env, &special, OTHER_IP(NODE_C), 0);
	o = call(VTEP(NODE_C));
	expect_verdict(o, OV_FWD_LOCAL);
	expect_ends(&o, 0, CLIENT_IP, CLIENT_PORT, blue_third.ip, TARGET_PORT);
	o = call(OTHER_IP(NODE_C));
	expect_verdict(o, OV_FWD_LOCAL);
	expect_ends(&o, 0, CLIENT_IP, CLIENT_PORT, blue_third.ip, 9090);
}

Test(front_rows, without_its_flag_an_addresss_row_is_not_looked_for)
{
	struct mesh special = third;
	struct outcome o;

	special.target = 9090;
	mesh_become(&env, NODE_C, &third);
	mesh_publish(&env, &special, OTHER_IP(NODE_C), 0);
	o = call(OTHER_IP(NODE_C));
	expect_verdict(o, OV_FWD_LOCAL);
	expect_ends(&o, 0, CLIENT_IP, CLIENT_PORT, blue_third.ip, TARGET_PORT);
}

Test(front_rows, only_clients_on_the_list_get_in)
{
	struct outcome o;

	mesh_become(&env, NODE_C, &third);
	mesh_publish(&env, &third, 0, OV_PUBLISHED_ALLOW);
	o = call(VTEP(NODE_C));
	expect_verdict(o, OV_DROP_NOT_ALLOWED);
	mesh_allow(&env, 0, IP(198, 51, 101, 0), 24);
	o = call(VTEP(NODE_C));
	expect_verdict(o, OV_DROP_NOT_ALLOWED);
	mesh_allow(&env, 0, IP(198, 51, 100, 0), 24);
	o = call(VTEP(NODE_C));
	expect_verdict(o, OV_FWD_LOCAL);
}

Test(front_rows, a_list_of_one_and_a_list_of_all)
{
	struct outcome o;

	mesh_become(&env, NODE_C, &third);
	mesh_publish(&env, &third, 0, OV_PUBLISHED_ALLOW);
	mesh_allow(&env, 0, CLIENT_IP + 1, 32);
	o = call(VTEP(NODE_C));
	expect_verdict(o, OV_DROP_NOT_ALLOWED);
	mesh_allow(&env, 0, CLIENT_IP, 32);
	o = call(VTEP(NODE_C));
	expect_verdict(o, OV_FWD_LOCAL);
	env_empty(&env, MAP_allowed);
	env_empty(&env, MAP_brief);
	mesh_allow(&env, 0, 0, 0);
	o = call(VTEP(NODE_C));
	expect_verdict(o, OV_FWD_LOCAL);
}

Test(front_rows, a_list_is_of_its_row)
{
	struct outcome o;

	mesh_become(&env, NODE_C, &third);
	mesh_publish(&env, &third, 0, OV_PUBLISHED_ALLOW | OV_PUBLISHED_BY_ADDRESS);
	mesh_publish(&env, &third, OTHER_IP(NODE_C), OV_PUBLISHED_ALLOW);
	mesh_allow(&env, OTHER_IP(NODE_C), CLIENT_IP, 32);
	o = call(VTEP(NODE_C));
	expect_verdict(o, OV_DROP_NOT_ALLOWED);
	o = call(OTHER_IP(NODE_C));
	expect_verdict(o, OV_FWD_LOCAL);
}

Test(front_rows, host_mode_takes_backends_of_this_node_alone)
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

Test(front_rows, host_mode_without_a_backend_here_refuses)
{
	static const struct mesh m = { .balance = { .count = 1, .backend = { &blue_far } },
				       .flags = OV_PUBLISHED_LOCAL };
	struct outcome o;

	mesh_become(&env, NODE_C, &m);
	o = call(VTEP(NODE_C));
	expect_verdict(o, OV_FWD_RESET);
}

Test(front_rows, a_client_keeps_its_backend_while_affinity_lasts)
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
