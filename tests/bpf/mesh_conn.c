// SPDX-License-Identifier: GPL-2.0-or-later
#include "mesh_conn.h"

const struct mesh mesh_far = { .balance = { .count = 1, .backend = { &blue_far } } };

struct outcome conn_enter(struct env *env, const struct mesh *m, enum node entry, uint8_t flags)
{
	struct segment s = outside_call(entry, IPPROTO_TCP, flags);

	mesh_become(env, entry, m);
	return mesh_enter(env, &s);
}

struct outcome conn_call(struct env *env, const struct mesh *m, enum node entry, uint8_t flags)
{
	struct outcome o = conn_enter(env, m, entry, flags);

	expect_verdict(o, OV_FWD_ENCAP);
	return mesh_cross(env, m, NODE_B, &o);
}

void conn_call_well(struct env *env, enum node entry, uint8_t flags)
{
	struct outcome o = conn_call(env, &mesh_far, entry, flags);

	expect_verdict(o, OV_FWD_DECAP);
	expect_ends(&o, 0, CLIENT_IP, CLIENT_PORT, blue_far.ip, TARGET_PORT);
}

void conn_answer_well(struct env *env, enum node entry, uint8_t flags)
{
	struct segment s = backend_answer(&blue_far, IPPROTO_TCP, flags);
	struct outcome o;

	mesh_become(env, NODE_B, &mesh_far);
	o = balance_send(env, &blue_far, &s);
	expect_verdict(o, OV_FWD_ENCAP);
	expect_tunnel(&o, NODE_B, entry);
	o = mesh_cross(env, &mesh_far, entry, &o);
	expect_verdict(o, OV_FWD_OUTSIDE);
	expect_ends(&o, 0, VTEP(entry), PUBLISHED_PORT, CLIENT_IP, CLIENT_PORT);
}

void conn_establish(struct env *env)
{
	conn_call_well(env, NODE_C, TCP_SYN);
	conn_answer_well(env, NODE_C, TCP_SYN | TCP_ACK);
	conn_call_well(env, NODE_C, TCP_ACK);
}

void expect_client_reset(struct outcome *o)
{
	expect_verdict(*o, OV_FWD_RESET);
	expect_ends(o, 0, VTEP(NODE_C), PUBLISHED_PORT, CLIENT_IP, CLIENT_PORT);
	expect_macs(o, 0, uplink_mac, wire_mac);
	cr_assert(segment_read(&o->out, 0).flags & TCP_RST);
}
