// SPDX-License-Identifier: GPL-2.0-or-later
/* Containers in the world outside: they go by their node's address and a port of a range. */
#include <arpa/inet.h>

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
TestSuite(masq, .init = setup, .fini = teardown);

/* ---- out and back ---- */

static void check_out_and_back(uint8_t protocol)
{
	struct segment s = masq_out_of(&blue_one, protocol, 5000);
	uint16_t port = masq_leave(&env, &blue_one, &s);

	cr_assert_geq(port, OV_MASQ_FIRST);
	expect_masq_answer(&env, protocol, port, TCP_SYN | TCP_ACK, &blue_one, 5000);
	s.flags = TCP_ACK;
	cr_assert_eq(masq_leave(&env, &blue_one, &s), port); /* a flow keeps its port */
	expect_masq_answer(&env, protocol, port, TCP_SYN | TCP_ACK, &blue_one, 5000);
}

Test(masq, tcp_leaves_by_a_port_of_the_range_and_its_answer_comes_back)
{
	check_out_and_back(IPPROTO_TCP);
}

Test(masq, udp_leaves_by_a_port_of_the_range_and_its_answer_comes_back)
{
	check_out_and_back(IPPROTO_UDP);
}

static struct pkt ping(const struct segment *s, uint8_t type, uint16_t id)
{
	struct pkt p = pkt_new();

	pkt_eth(&p, s->src_mac, s->dst_mac, ETH_P_IP);
	pkt_ipv4(&p, s->src, s->dst, IPPROTO_ICMP);
	pkt_icmp(&p, type, 0, id, 3);
	pkt_payload(&p, 56);
	pkt_finish(&p);
	return p;
}

/* What came out is that ping, sums right. Returns its identifier. */
static uint16_t expect_ping(struct outcome *o, uint8_t type, uint32_t src, uint32_t dst)
{
	const struct pkt_ipv4 *ip = pkt_find(&o->out, PKT_IPV4, 0);
	const struct pkt_icmp *icmp = pkt_find(&o->out, PKT_ICMP, 0);

	cr_assert_eq(pkt_checksum(ip, 20), 0);
	cr_assert_eq(pkt_checksum(icmp, 8 + 56), 0);
	cr_assert_eq(ntohl(ip->saddr), src);
	cr_assert_eq(ntohl(ip->daddr), dst);
	cr_assert_eq(icmp->type, type);
	cr_assert_eq(ntohs(icmp->seq), 3);
	return ntohs(icmp->id);
}

Test(masq, a_ping_leaves_by_an_identifier_of_the_range_and_its_answer_comes_back)
{
	struct segment out = masq_out_of(&blue_one, IPPROTO_ICMP, 0);
	struct segment in = masq_back_to(IPPROTO_ICMP, 0, 0);
	struct pkt p = ping(&out, 8, 77);
	struct outcome o = env_send(&env, &blue_one, &p);
	uint16_t id;

	expect_verdict(o, OV_FWD_OUTSIDE);
	id = expect_ping(&o, 8, VTEP(NODE_A), REMOTE_IP);
	cr_assert_geq(id, OV_MASQ_FIRST);
	p = ping(&in, 0, id);
	o = env_arrive(&env, &p);
	expect_verdict(o, OV_FWD_LOCAL);
	cr_assert_eq(expect_ping(&o, 0, REMOTE_IP, blue_one.ip), 77);
	expect_macs(&o, 0, gateway_mac, blue_one.mac);
	p = ping(&in, 8, id); /* a question to the host is the host's */
	o = env_arrive(&env, &p);
	expect_verdict(o, OV_PASS_FOREIGN);
}

Test(masq, udp_without_a_checksum_stays_without)
{
	struct segment s = masq_out_of(&blue_one, IPPROTO_UDP, 5000);
	struct pkt p = segment_pkt(&s);
	struct outcome o;

	((struct pkt_udp *)pkt_find(&p, PKT_UDP, 0))->check = 0;
	o = env_send(&env, &blue_one, &p);
	expect_verdict(o, OV_FWD_OUTSIDE);
	cr_assert_eq(((struct pkt_udp *)pkt_find(&o.out, PKT_UDP, 0))->check, 0);
}

Test(masq, packets_of_every_size_and_option_keep_right_checksums)
{
	for (size_t n = 0; n < 1380; n += 91) {
		struct segment s = masq_out_of(&blue_one, n & 1 ? IPPROTO_UDP : IPPROTO_TCP, 5000);

		s.payload = n;
		s.options = n % 7 * 4;
		masq_leave(&env, &blue_one, &s);
	}
}

/* ---- whose port it is ---- */

Test(masq, two_containers_with_one_port_leave_by_two)
{
	struct segment one = masq_out_of(&blue_one, IPPROTO_UDP, 5000);
	struct segment other = masq_out_of(&blue_two, IPPROTO_UDP, 5000);
	struct segment red = masq_out_of(&red_one, IPPROTO_UDP, 5000); /* blue_one's address, too */
	uint16_t a, b, c;

	masq_set_ports(&env, 61000, 61002); /* so near that hashes meet */
	a = masq_leave(&env, &blue_one, &one);
	b = masq_leave(&env, &blue_two, &other);
	c = masq_leave(&env, &red_one, &red);
	cr_assert(a != b && b != c && a != c, "%u, %u and %u", a, b, c);
	cr_assert(a >= 61000 && a <= 61002 && b >= 61000 && b <= 61002 && c >= 61000 && c <= 61002);
	expect_masq_answer(&env, IPPROTO_UDP, a, 0, &blue_one, 5000);
	expect_masq_answer(&env, IPPROTO_UDP, b, 0, &blue_two, 5000);
	expect_masq_answer(&env, IPPROTO_UDP, c, 0, &red_one, 5000);
}

Test(masq, one_port_serves_flows_to_two_remotes)
{
	struct segment s = masq_out_of(&blue_one, IPPROTO_UDP, 5000);

	masq_set_ports(&env, 61000, 61000);
	cr_assert_eq(masq_leave(&env, &blue_one, &s), 61000);
	s.dst++;
	cr_assert_eq(masq_leave(&env, &blue_one, &s), 61000);
	s.dport++;
	cr_assert_eq(masq_leave(&env, &blue_one, &s), 61000);
}

Test(masq, when_every_port_it_may_have_is_taken_the_packet_stops)
{
	struct segment s = masq_out_of(&blue_one, IPPROTO_UDP, 5000);
	struct outcome o;

	masq_set_ports(&env, 61000, 61003);
	for (uint16_t i = 0; i < 4; i++) {
		s.sport = (uint16_t)(5000 + i);
		masq_leave(&env, &blue_one, &s);
	}
	s.sport = 6000;
	o = balance_send(&env, &blue_one, &s);
	expect_verdict(o, OV_DROP_MASQ_FULL);
	s.sport = 5002; /* who has one goes on */
	masq_leave(&env, &blue_one, &s);
}

Test(masq, a_port_that_is_idle_too_long_is_anothers)
{
	struct segment s = masq_out_of(&blue_one, IPPROTO_UDP, 5000);
	struct segment other = masq_out_of(&blue_two, IPPROTO_UDP, 5000);
	struct segment answer = masq_back_to(IPPROTO_UDP, 61000, 0);
	struct outcome o;

	masq_set_ports(&env, 61000, 61000);
	masq_leave(&env, &blue_one, &s);
	o = balance_send(&env, &blue_two, &other);
	expect_verdict(o, OV_DROP_MASQ_FULL);
	masq_age(&env, MAP_masq_brief, IPPROTO_UDP, 61000, OV_IDLE_UDP_ASKED + 2);
	o = mesh_enter(&env, &answer); /* too late */
	expect_verdict(o, OV_PASS_FOREIGN);
	cr_assert_eq(masq_leave(&env, &blue_two, &other), 61000);
	expect_masq_answer(&env, IPPROTO_UDP, 61000, 0, &blue_two, 5000);
}

/* blue_one opens a connection, and is told that there is nobody. The port that it had. */
static uint16_t close_one(uint16_t sport)
{
	struct segment s = masq_out_of(&blue_one, IPPROTO_TCP, sport);
	uint16_t port = masq_leave(&env, &blue_one, &s);

	expect_masq_answer(&env, IPPROTO_TCP, port, TCP_RST | TCP_ACK, &blue_one, sport);
	return port;
}

Test(masq, a_closed_connection_gives_its_port_away_when_none_is_free)
{
	struct segment other = masq_out_of(&blue_two, IPPROTO_TCP, 5000);
	struct outcome o;

	masq_set_ports(&env, 61000, 61000);
	close_one(5000);
	o = balance_send(&env, &blue_two, &other); /* its last words may be on their way */
	expect_verdict(o, OV_DROP_MASQ_FULL);
	masq_age(&env, MAP_masq_brief, IPPROTO_TCP, 61000, OV_MASQ_REST + 2);
	cr_assert_eq(masq_leave(&env, &blue_two, &other), 61000);
	expect_masq_answer(&env, IPPROTO_TCP, 61000, TCP_SYN | TCP_ACK, &blue_two, 5000);
}

Test(masq, a_closed_connection_keeps_its_port_while_another_is_free)
{
	struct segment other = masq_out_of(&blue_two, IPPROTO_TCP, 5000);
	uint16_t closed;

	masq_set_ports(&env, 61000, 61001);
	closed = close_one(5000);
	masq_age(&env, MAP_masq_brief, IPPROTO_TCP, closed, OV_MASQ_REST + 2);
	cr_assert_neq(masq_leave(&env, &blue_two, &other), closed);
	other.sport++;
	cr_assert_eq(masq_leave(&env, &blue_two, &other), closed);
}

Test(masq, an_answer_of_somebody_else_is_not_taken)
{
	struct segment s = masq_out_of(&blue_one, IPPROTO_UDP, 5000);
	uint16_t port = masq_leave(&env, &blue_one, &s);
	struct segment wrong[4];

	for (int i = 0; i < 4; i++)
		wrong[i] = masq_back_to(i == 3 ? IPPROTO_TCP : IPPROTO_UDP, port, 0);
	wrong[0].src++;
	wrong[1].sport++;
	wrong[2].dst = OTHER_IP(NODE_A); /* it went by the other address */
	for (int i = 0; i < 4; i++) {
		struct pkt p = segment_pkt(&wrong[i]);
		struct outcome o = env_arrive(&env, &p);

		expect_verdict(o, OV_PASS_FOREIGN);
		cr_assert_arr_eq(o.out.data, p.data, p.len);
	}
}

Test(masq, an_answer_does_not_reach_who_has_the_address_next)
{
	struct segment s = masq_out_of(&blue_one, IPPROTO_UDP, 5000);
	struct segment answer = masq_back_to(IPPROTO_UDP, masq_leave(&env, &blue_one, &s), 0);
	struct outcome o;

	balance_rebirth(&env, &blue_one, 4711);
	o = mesh_enter(&env, &answer);
	expect_verdict(o, OV_DROP_NO_FLOW);
}
