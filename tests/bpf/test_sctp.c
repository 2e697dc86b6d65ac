// SPDX-License-Identifier: GPL-2.0-or-later
/* SCTP to another port: its checksum covers the ports, and is mended without reading the rest. */
#include <netinet/in.h>
#include <string.h>

#include "mesh.h"

#define INIT 1
#define INIT_ACK 2
#define SUM_AT (14 + 20 + 8)

static struct env env;

static const struct mesh third = { .balance = { .count = 1, .backend = { &blue_third } } };

static void setup(void)
{
	mesh_open(&env);
	mesh_become(&env, NODE_C, &third);
}
static void teardown(void)
{
	env_close(&env);
}
TestSuite(sctp, .init = setup, .fini = teardown);

Test(sctp, the_sum_is_right_for_every_length)
{
	for (size_t payload = 0; payload < NETWORK_MTU - 32 - 16; payload += 1 + payload / 8) {
		struct segment s = outside_call(NODE_C, IPPROTO_SCTP, INIT);
		struct outcome o;

		s.payload = payload;
		o = mesh_enter(&env, &s);
		expect_verdict(o, OV_FWD_LOCAL);
		expect_ends(&o, 0, CLIENT_IP, CLIENT_PORT, blue_third.ip, TARGET_PORT);
	}
}

Test(sctp, the_sum_is_right_for_every_port_of_an_answer)
{
	for (uint32_t port = 1; port < 65536; port += 4099) {
		struct mesh m = third;
		struct segment call = outside_call(NODE_C, IPPROTO_SCTP, INIT);
		struct segment s = backend_answer(&blue_third, IPPROTO_SCTP, INIT_ACK);
		struct outcome o;

		m.target = (uint16_t)port;
		mesh_put(&env, &m);
		o = mesh_enter(&env, &call);
		expect_ends(&o, 0, CLIENT_IP, CLIENT_PORT, blue_third.ip, (uint16_t)port);
		s.sport = (uint16_t)port;
		o = balance_send(&env, &blue_third, &s);
		expect_verdict(o, OV_FWD_OUTSIDE);
		expect_ends(&o, 0, VTEP(NODE_C), PUBLISHED_PORT, CLIENT_IP, CLIENT_PORT);
	}
}

/* A device that sends it makes it: what we would make of it now would be wrong then. */
Test(sctp, a_sum_that_is_still_to_be_made_stays_so)
{
	struct segment s = outside_call(NODE_C, IPPROTO_SCTP, INIT);
	struct pkt p = segment_pkt(&s);
	struct outcome o;

	memset(p.data + SUM_AT, 0, 4);
	o = env_arrive(&env, &p);
	expect_verdict(o, OV_FWD_LOCAL);
	cr_assert_eq(memcmp(o.out.data + SUM_AT, (uint8_t[4]){ 0 }, 4), 0);
}

Test(sctp, a_fragment_of_which_the_sum_cannot_be_mended_is_dropped)
{
	struct segment s = outside_call(NODE_C, IPPROTO_SCTP, INIT);
	struct pkt p = segment_fragment(&s, 7, 0x2000);
	struct outcome o = env_arrive(&env, &p);

	expect_verdict(o, OV_DROP_NAT_FAILED);
}
