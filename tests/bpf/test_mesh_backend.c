// SPDX-License-Identifier: GPL-2.0-or-later
/* Flows from outside whose backend is drained, replaced or gone, and its service. */
#include <bpf/bpf.h>

#include "base/addr.h"
#include "mesh_conn.h"

static struct env env;

static void setup(void)
{
	mesh_open(&env);
}
static void teardown(void)
{
	env_close(&env);
}
TestSuite(mesh_backend, .init = setup, .fini = teardown);

static const struct mesh third = { .balance = { .count = 1, .backend = { &blue_third } } };
static const struct mesh none = { .balance = { .count = 0 } };

Test(mesh_backend, a_connection_to_a_removed_backend_is_reset)
{
	struct ov_endpoint_key key = { .addr = addr_from_v4(blue_far.ip), .vni = BLUE };
	struct outcome o;

	conn_establish(&env);
	mesh_become(&env, NODE_C, &third);
	cr_assert_eq(bpf_map_delete_elem(env.map[MAP_endpoints], &key), 0);

	struct segment s = outside_call(NODE_C, IPPROTO_TCP, TCP_ACK);

	o = mesh_enter(&env, &s);
	expect_client_reset(&o);
	s.flags = TCP_SYN;
	o = mesh_enter(&env, &s);
	expect_verdict(o, OV_FWD_LOCAL);
	expect_ends(&o, 0, CLIENT_IP, CLIENT_PORT, blue_third.ip, TARGET_PORT);
}

Test(mesh_backend, a_drained_backend_keeps_what_it_has_and_gets_nothing_new)
{
	struct segment s = outside_call(NODE_C, IPPROTO_TCP, TCP_ACK);
	struct outcome o;

	conn_establish(&env);
	mesh_become(&env, NODE_C, &third);
	balance_flag(&env, &blue_far, OV_ENDPOINT_PUBLISHED | OV_ENDPOINT_CLOSED);
	o = mesh_enter(&env, &s);
	expect_verdict(o, OV_FWD_ENCAP);
	expect_ends(&o, 1, CLIENT_IP, CLIENT_PORT, blue_far.ip, TARGET_PORT);
	s.sport = CLIENT_PORT + 1;
	s.flags = TCP_SYN;
	o = mesh_enter(&env, &s);
	expect_verdict(o, OV_FWD_LOCAL);
	expect_ends(&o, 0, CLIENT_IP, CLIENT_PORT + 1, blue_third.ip, TARGET_PORT);
}

Test(mesh_backend, a_connection_does_not_reach_who_has_the_address_next)
{
	struct segment s = outside_call(NODE_C, IPPROTO_TCP, TCP_ACK);
	struct outcome o;

	conn_establish(&env);
	mesh_become(&env, NODE_C, &mesh_far);
	balance_rebirth(&env, &blue_far, 4711);
	o = mesh_enter(&env, &s);
	expect_client_reset(&o);
}

Test(mesh_backend, without_a_backend_a_call_is_refused)
{
	struct outcome o = conn_enter(&env, &none, NODE_C, TCP_SYN);
	struct segment s = outside_call(NODE_C, IPPROTO_UDP, 0);

	expect_client_reset(&o);
	o = mesh_enter(&env, &s);
	expect_verdict(o, OV_FWD_UNREACHABLE);
}

Test(mesh_backend, when_the_service_is_gone_the_port_is_the_hosts_again)
{
	struct segment s = outside_call(NODE_C, IPPROTO_TCP, TCP_ACK);
	struct outcome o;

	conn_establish(&env);
	mesh_become(&env, NODE_C, &mesh_far);
	mesh_unpublish(&env);
	o = mesh_enter(&env, &s);
	expect_verdict(o, OV_PASS_FOREIGN);
	expect_ends(&o, 0, CLIENT_IP, CLIENT_PORT, VTEP(NODE_C), PUBLISHED_PORT);
}
