// SPDX-License-Identifier: GPL-2.0-or-later
/* Probes of the VXLAN port: who is answered, with what, and what is noted. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/pkt_cls.h>
#include <string.h>

#include "env.h"

static struct env env;

static void setup(void)
{
	env_open(&env);
}
static void teardown(void)
{
	env_close(&env);
}
TestSuite(probe, .init = setup, .fini = teardown);

#define NONCE 0x1122334455667788ull

static struct pkt probe(uint32_t src, enum ov_probe_kind kind, size_t padding)
{
	static const uint8_t nobody[6];
	struct ov_probe what = { .magic = htonl(OV_PROBE_MAGIC), .kind = htonl(kind), .nonce = NONCE };
	struct pkt p = pkt_new();

	pkt_outer(&p, src, VTEP(NODE_A), OV_PROBE_VNI);
	pkt_eth(&p, nobody, nobody, OV_PROBE_ETHERTYPE);
	pkt_payload(&p, sizeof(what) + padding);
	pkt_finish(&p);
	memcpy(p.data + 64, &what, sizeof(what));
	return p;
}

static bool is_noted(enum ov_probe_kind kind, struct ov_probe_seen *ret_seen)
{
	const struct ov_probe_key key = { .nonce = NONCE, .kind = kind };

	return !bpf_map_lookup_elem(env.map[MAP_probes], &key, ret_seen);
}

Test(probe, a_request_of_a_peer_is_noted_and_sent_back_as_large_as_it_came)
{
	struct pkt p = probe(VTEP(NODE_B), OV_PROBE_REQUEST, 1000);
	struct outcome o = env_arrive(&env, &p);
	struct pkt_ipv4 *ip = (struct pkt_ipv4 *)(o.out.data + 14);
	struct ov_probe_seen seen;
	struct ov_probe back;

	expect_verdict(o, OV_FWD_PROBE);
	cr_assert_eq(o.out.len, p.len);
	cr_assert_eq(ntohl(ip->saddr), VTEP(NODE_A));
	cr_assert_eq(ntohl(ip->daddr), VTEP(NODE_B));
	cr_assert_arr_eq(o.out.data, p.data + 6, 6, "back to the neighbour that it came from");
	memcpy(&back, o.out.data + 64, sizeof(back));
	cr_assert_eq(ntohl(back.kind), OV_PROBE_ANSWER);
	cr_assert_eq(back.nonce, NONCE);
	cr_assert_arr_eq(o.out.data + 80, p.data + 80, p.len - 80);
	cr_assert(is_noted(OV_PROBE_REQUEST, &seen));
	cr_assert_eq(seen.bytes, p.len);
}

Test(probe, an_answer_is_noted_and_never_answered)
{
	struct pkt p = probe(VTEP(NODE_B), OV_PROBE_ANSWER, 1000);
	struct outcome o = env_arrive(&env, &p);
	struct ov_probe_seen seen;

	cr_assert_eq(o.verdict, OV_FWD_PROBE);
	cr_assert_eq(o.action, TC_ACT_SHOT);
	cr_assert(is_noted(OV_PROBE_ANSWER, &seen));
	cr_assert_not(is_noted(OV_PROBE_REQUEST, &seen));
}

Test(probe, strangers_are_neither_answered_nor_noted)
{
	struct pkt p = probe(VTEP(NODE_STRANGER), OV_PROBE_REQUEST, 0);
	struct outcome o = env_arrive(&env, &p);
	struct ov_probe_seen seen;

	expect_verdict(o, OV_DROP_UNKNOWN_PEER);
	cr_assert_not(is_noted(OV_PROBE_REQUEST, &seen));
	o = env_run_bytes(&env, UPLINK_XDP, 0, p.data, p.len, 0);
	cr_assert_eq(o.action, XDP_DROP);
}

Test(probe, xdp_leaves_those_of_peers_to_tc)
{
	struct pkt p = probe(VTEP(NODE_B), OV_PROBE_REQUEST, 0);
	struct outcome o = env_run_bytes(&env, UPLINK_XDP, 0, p.data, p.len, 0);

	cr_assert_eq(o.verdict, NO_VERDICT);
	cr_assert_eq(o.action, XDP_PASS);
}

Test(probe, what_is_no_probe_is_refused)
{
	struct ov_probe_seen seen;

	for (int i = 0; i < 4; i++) {
		struct pkt p = probe(VTEP(NODE_B), OV_PROBE_REQUEST, 20);
		struct outcome o;

		switch (i) {
		case 0: p.data[64] ^= 1; break;     /* magic */
		case 1: p.data[71] = 0; break;      /* kind */
		case 2: p.data[71] = 3; break;
		case 3: p.data[62] ^= 0x40; break;  /* Ethernet type */
		}
		o = env_arrive(&env, &p);
		cr_assert(ov_verdict_is_drop(o.verdict), "case %d: %d", i, o.verdict);
		cr_assert_eq(o.action, TC_ACT_SHOT);
	}
	cr_assert_not(is_noted(OV_PROBE_REQUEST, &seen));
}

Test(probe, of_a_network_that_has_that_number_nothing_is_delivered)
{
	struct actor one = blue_one, far = blue_far;

	one.vni = far.vni = OV_PROBE_VNI;

	struct pkt p = vxlan_between(VTEP(NODE_B), VTEP(NODE_A), &far, &one);
	struct outcome o = env_arrive(&env, &p);

	expect_verdict(o, OV_DROP_UNKNOWN_VNI);
}
