// SPDX-License-Identifier: GPL-2.0-or-later
/* ICMP errors about flows of the world outside, and packets too large for the overlay. */
#include <arpa/inet.h>

#include "masq.h"

static struct env env;

static void setup(void)
{
	mesh_open(&env);
}
static void teardown(void)
{
	env_close(&env);
}
TestSuite(mesh_error, .init = setup, .fini = teardown);

static const struct mesh far = { .balance = { .count = 1, .backend = { &blue_far } } };
static const struct mesh third = { .balance = { .count = 1, .backend = { &blue_third } } };
static const struct mesh none = { .balance = { .count = 0 } };

/* "Port unreachable" about a packet that its receiver got, from that receiver. */
static struct pkt error_about(const struct segment *about, const uint8_t src_mac[6],
			      const uint8_t dst_mac[6])
{
	struct pkt quote = segment_pkt(about), p = pkt_new();

	pkt_eth(&p, src_mac, dst_mac, ETH_P_IP);
	pkt_ipv4(&p, about->dst, about->src, IPPROTO_ICMP);
	pkt_icmp(&p, 3, 3, 0, 0);
	pkt_bytes(&p, quote.data + 14, 28);
	pkt_finish(&p);
	return p;
}

/* An error between the two, about what went from dst to src with those ports; sums are right. */
static void expect_error(struct outcome *o, int ipv4, uint32_t src, uint32_t dst, uint16_t quoted_sport,
			 uint16_t quoted_dport)
{
	const struct pkt_ipv4 *ip = pkt_find(&o->out, PKT_IPV4, ipv4);
	const struct pkt_icmp *icmp = pkt_find(&o->out, PKT_ICMP, 0);
	const struct pkt_ipv4 *quote = (const void *)(icmp + 1);
	const uint8_t *ports = (const void *)(quote + 1);

	cr_assert_eq(pkt_checksum(ip, 20), 0, "the IPv4 checksum is wrong");
	cr_assert_eq(pkt_checksum(icmp, 8 + 28), 0, "the ICMP checksum is wrong");
	cr_assert_eq(ntohl(ip->saddr), src);
	cr_assert_eq(ntohl(ip->daddr), dst);
	cr_assert_eq(pkt_checksum(quote, 20), 0, "the quoted IPv4 checksum is wrong");
	cr_assert_eq(ntohl(quote->saddr), dst, "quoted source %x", ntohl(quote->saddr));
	cr_assert_eq(ntohl(quote->daddr), src, "quoted destination %x", ntohl(quote->daddr));
	cr_assert_eq(ports[0] << 8 | ports[1], quoted_sport);
	cr_assert_eq(ports[2] << 8 | ports[3], quoted_dport);
}

/* Node c published:port -> client, as the client got it. */
static struct segment answer_as_seen(void)
{
	struct segment s = outside_call(NODE_C, IPPROTO_UDP, 0);

	s.src = VTEP(NODE_C);
	s.dst = CLIENT_IP;
	s.sport = PUBLISHED_PORT;
	s.dport = CLIENT_PORT;
	return s;
}

/* Client -> backend, as that got it. */
static struct segment call_as_seen(const struct actor *backend)
{
	struct segment s = outside_call(NODE_C, IPPROTO_UDP, 0);

	s.dst = backend->ip;
	s.dport = TARGET_PORT;
	return s;
}

static struct outcome enter(const struct mesh *m)
{
	struct segment s = outside_call(NODE_C, IPPROTO_UDP, 0);

	mesh_become(&env, NODE_C, m);
	return mesh_enter(&env, &s);
}

Test(mesh_error, a_clients_complaint_reaches_the_backend_it_is_about)
{
	struct segment seen = answer_as_seen();
	struct pkt p = error_about(&seen, wire_mac, uplink_mac);
	struct outcome o = enter(&third);

	expect_verdict(o, OV_FWD_LOCAL);
	o = env_arrive(&env, &p);
	expect_verdict(o, OV_FWD_LOCAL);
	expect_error(&o, 0, CLIENT_IP, blue_third.ip, TARGET_PORT, CLIENT_PORT);
	expect_macs(&o, 0, gateway_mac, blue_third.mac);
}

Test(mesh_error, a_clients_complaint_reaches_a_backend_of_another_node)
{
	struct segment seen = answer_as_seen();
	struct pkt p = error_about(&seen, wire_mac, uplink_mac);
	struct outcome o = enter(&far);

	expect_verdict(o, OV_FWD_ENCAP);
	mesh_cross(&env, &far, NODE_B, &o);
	mesh_become(&env, NODE_C, &far);
	o = env_arrive(&env, &p);
	expect_verdict(o, OV_FWD_ENCAP);
	expect_error(&o, 1, CLIENT_IP, blue_far.ip, TARGET_PORT, CLIENT_PORT);
	o = mesh_cross(&env, &far, NODE_B, &o);
	expect_verdict(o, OV_FWD_DECAP);
	expect_error(&o, 0, CLIENT_IP, blue_far.ip, TARGET_PORT, CLIENT_PORT);
}

Test(mesh_error, a_backends_complaint_leaves_as_if_the_port_had_it)
{
	struct segment seen = call_as_seen(&blue_third);
	struct pkt p = error_about(&seen, blue_third.mac, gateway_mac);
	struct outcome o = enter(&third);

	o = env_send(&env, &blue_third, &p);
	expect_verdict(o, OV_FWD_OUTSIDE);
	expect_error(&o, 0, VTEP(NODE_C), CLIENT_IP, CLIENT_PORT, PUBLISHED_PORT);
}

Test(mesh_error, a_backends_complaint_leaves_by_the_entry_node)
{
	struct segment seen = call_as_seen(&blue_far);
	struct pkt p = error_about(&seen, blue_far.mac, gateway_mac);
	struct outcome o = enter(&far);

	o = mesh_cross(&env, &far, NODE_B, &o);
	expect_verdict(o, OV_FWD_DECAP);
	o = env_send(&env, &blue_far, &p);
	expect_verdict(o, OV_FWD_ENCAP);
	o = mesh_cross(&env, &far, NODE_C, &o);
	expect_verdict(o, OV_FWD_OUTSIDE);
	expect_error(&o, 0, VTEP(NODE_C), CLIENT_IP, CLIENT_PORT, PUBLISHED_PORT);
}

Test(mesh_error, a_remotes_complaint_reaches_the_container)
{
	struct segment s = masq_out_of(&blue_one, IPPROTO_UDP, 5000);
	struct pkt p;
	struct outcome o;

	mesh_become(&env, NODE_A, &none);
	s.sport = masq_leave(&env, &blue_one, &s);
	s.src = VTEP(NODE_A);
	p = error_about(&s, wire_mac, uplink_mac);
	o = env_arrive(&env, &p);
	expect_verdict(o, OV_FWD_LOCAL);
	expect_error(&o, 0, REMOTE_IP, blue_one.ip, 5000, REMOTE_PORT);
	expect_macs(&o, 0, gateway_mac, blue_one.mac);
}

Test(mesh_error, a_complaint_about_no_flow_of_ours_is_the_hosts)
{
	struct segment seen = answer_as_seen();
	struct pkt p;
	struct outcome o;

	mesh_become(&env, NODE_C, &third);
	p = error_about(&seen, wire_mac, uplink_mac); /* of a flow, but there is none */
	o = env_arrive(&env, &p);
	expect_verdict(o, OV_PASS_FOREIGN);
	cr_assert_arr_eq(o.out.data, p.data, p.len);
	seen.sport = OV_MASQ_FIRST + 5;
	p = error_about(&seen, wire_mac, uplink_mac);
	o = env_arrive(&env, &p);
	expect_verdict(o, OV_PASS_FOREIGN);
	cr_assert_arr_eq(o.out.data, p.data, p.len);
}

/* ---- sizes ---- */

static struct outcome call_of_size(const struct mesh *m, size_t size, uint16_t frag_off)
{
	struct segment s = outside_call(NODE_C, IPPROTO_UDP, 0);
	struct pkt p;

	s.payload = size - 28;
	p = segment_fragment(&s, 1, frag_off);
	mesh_become(&env, NODE_C, m);
	return env_arrive(&env, &p);
}

Test(mesh_error, a_call_larger_than_the_network_takes_is_told_the_size)
{
	struct outcome o = call_of_size(&far, NETWORK_MTU, 0x4000);
	const struct pkt_ipv4 *ip;
	const struct pkt_icmp *icmp;

	expect_verdict(o, OV_FWD_ENCAP);
	o = call_of_size(&far, NETWORK_MTU + 1, 0x4000);
	expect_verdict(o, OV_FWD_TOO_BIG);
	ip = pkt_find(&o.out, PKT_IPV4, 0);
	icmp = pkt_find(&o.out, PKT_ICMP, 0);
	cr_assert_eq(ntohl(ip->saddr), VTEP(NODE_C));
	cr_assert_eq(ntohl(ip->daddr), CLIENT_IP);
	cr_assert_eq(icmp->type, 3);
	cr_assert_eq(icmp->code, 4);
	cr_assert_eq(ntohs(icmp->seq), NETWORK_MTU);
	cr_assert_eq(pkt_checksum(icmp, ntohs(ip->tot_len) - 20u), 0);
	expect_macs(&o, 0, uplink_mac, wire_mac);
}

Test(mesh_error, a_large_call_that_may_be_cut_goes_by_the_tunnel_device)
{
	struct outcome o = call_of_size(&far, NETWORK_MTU + 1, 0);

	expect_verdict(o, OV_FWD_TUNNEL);
	expect_ends(&o, 0, CLIENT_IP, CLIENT_PORT, blue_far.ip, TARGET_PORT);
	o = call_of_size(&third, NETWORK_MTU + 1, 0);
	expect_verdict(o, OV_FWD_LOCAL); /* no wire is between */
}
