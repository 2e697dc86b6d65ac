// SPDX-License-Identifier: GPL-2.0-or-later
/* Calls to a VIP and their answers, as the programs carry them. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <string.h>

#include "balance.h"
#include "base/addr.h"
#include "maps/flow_hash.h"

static struct env env;

static void setup(void)
{
	env_open(&env);
}
static void teardown(void)
{
	env_close(&env);
}
TestSuite(service, .init = setup, .fini = teardown);

static const struct balance only_two = { .count = 1, .backend = { &blue_two } };
static const struct balance only_far = { .count = 1, .backend = { &blue_far } };
static const struct balance three = { .algorithm = OV_LB_RR, .count = 3,
				      .backend = { &blue_two, &blue_far, &blue_third } };

static void check_call_and_answer(uint8_t protocol, uint8_t opens, uint8_t answers)
{
	struct outcome o;

	balance_put(&env, &only_two);
	o = balance_call(&env, &blue_one, protocol, 4000, 80, opens);
	expect_verdict(o, OV_FWD_LOCAL);
	expect_ends(&o, 0, blue_one.ip, 4000, blue_two.ip, 80);
	cr_assert_arr_eq(((struct ethhdr *)o.out.data)->h_dest, blue_two.mac, 6);
	o = balance_answer(&env, &blue_two, &blue_one, protocol, 80, 4000, answers);
	expect_verdict(o, OV_FWD_LOCAL);
	expect_ends(&o, 0, VIP_IP, 80, blue_one.ip, 4000);
	cr_assert_arr_eq(((struct ethhdr *)o.out.data)->h_source, vip_mac, 6);
}

Test(service, tcp_on_one_host_goes_to_the_backend_and_comes_back_from_the_vip)
{
	check_call_and_answer(IPPROTO_TCP, TCP_SYN, TCP_SYN | TCP_ACK);
}

Test(service, udp_on_one_host_goes_to_the_backend_and_comes_back_from_the_vip)
{
	check_call_and_answer(IPPROTO_UDP, 0, 0);
}

Test(service, sctp_on_one_host_goes_to_the_backend_and_comes_back_from_the_vip)
{
	check_call_and_answer(IPPROTO_SCTP, 1, 2);
}

static void cross_wire(struct pkt *p)
{
	struct ethhdr *eth = (void *)p->data;

	memcpy(eth->h_source, wire_mac, 6);
	memcpy(eth->h_dest, uplink_mac, 6);
}

/* As that node, with the service; flows are kept, as they would be on two machines. */
static void become(enum node node, const struct balance *b)
{
	env_become(&env, node);
	balance_put(&env, b);
}

Test(service, the_whole_way_to_another_host_and_back)
{
	struct segment s = call_of(&blue_one, IPPROTO_TCP, 4000, 80);
	struct outcome o;

	become(NODE_A, &only_far);
	s.flags = TCP_SYN;
	o = balance_send(&env, &blue_one, &s);
	expect_verdict(o, OV_FWD_ENCAP);
	expect_ends(&o, 1, blue_one.ip, 4000, blue_far.ip, 80);

	become(NODE_B, &only_far);
	cross_wire(&o.out);
	o = env_arrive(&env, &o.out);
	expect_verdict(o, OV_FWD_DECAP);
	expect_ends(&o, 0, blue_one.ip, 4000, blue_far.ip, 80);

	s = answer_of(&blue_far, &blue_one, IPPROTO_TCP, 80, 4000);
	s.flags = TCP_SYN | TCP_ACK;
	o = balance_send(&env, &blue_far, &s);
	expect_verdict(o, OV_FWD_ENCAP); /* as it is: only the client's node knows of the VIP */
	expect_ends(&o, 1, blue_far.ip, 80, blue_one.ip, 4000);

	become(NODE_A, &only_far);
	cross_wire(&o.out);
	o = env_arrive(&env, &o.out);
	expect_verdict(o, OV_FWD_DECAP);
	expect_ends(&o, 0, VIP_IP, 80, blue_one.ip, 4000);
	cr_assert_arr_eq(((struct ethhdr *)o.out.data)->h_source, vip_mac, 6);
	cr_assert_arr_eq(((struct ethhdr *)o.out.data)->h_dest, blue_one.mac, 6);
}

Test(service, packets_of_every_size_and_option_keep_right_checksums)
{
	balance_put(&env, &only_two);
	for (size_t n = 0; n <= NETWORK_MTU - 40; n += 97) {
		struct segment s = call_of(&blue_one, n & 1 ? IPPROTO_UDP : IPPROTO_TCP, 4000, 80);
		struct outcome o;

		s.flags = TCP_SYN;
		s.payload = n;
		o = balance_send(&env, &blue_one, &s);
		expect_verdict(o, OV_FWD_LOCAL);
		expect_ends(&o, 0, blue_one.ip, 4000, blue_two.ip, 80);
	}
	for (size_t n = 4; n <= 40; n += 4) {
		struct pkt p = pkt_new();
		struct outcome o;

		pkt_eth(&p, blue_one.mac, vip_mac, ETH_P_IP);
		pkt_ipv4(&p, blue_one.ip, VIP_IP, IPPROTO_UDP);
		pkt_ipv4_options(&p, n);
		pkt_udp(&p, 5000, 53);
		pkt_payload(&p, 99);
		pkt_finish(&p);
		o = env_send(&env, &blue_one, &p);
		expect_verdict(o, OV_FWD_LOCAL);
		expect_ends(&o, 0, blue_one.ip, 5000, blue_two.ip, 53);
	}
}

/* With IP options a packet takes the general way. */
static void check_both_ways_alike(const struct balance *b, uint16_t port, uint16_t target)
{
	struct segment call = call_of(&blue_one, IPPROTO_TCP, 4000, port);
	struct segment answer = answer_of(&blue_two, &blue_one, IPPROTO_TCP, target, 4000);

	balance_put(&env, b);
	call.flags = TCP_SYN;
	balance_send(&env, &blue_one, &call);
	answer.flags = TCP_SYN | TCP_ACK;
	balance_send(&env, &blue_two, &answer);
	call.flags = answer.flags = TCP_ACK;
	for (size_t n = 0; n < 1400; n += 111) {
		call.payload = answer.payload = n;
		for (size_t options = 0; options <= 8; options += 8) {
			call.options = answer.options = options;
			struct outcome o = balance_send(&env, &blue_one, &call);

			expect_verdict(o, OV_FWD_LOCAL);
			expect_ends(&o, 0, blue_one.ip, 4000, blue_two.ip, target);
			cr_assert_arr_eq(((struct ethhdr *)o.out.data)->h_dest, blue_two.mac, 6);
			o = balance_send(&env, &blue_two, &answer);
			expect_verdict(o, OV_FWD_LOCAL);
			expect_ends(&o, 0, VIP_IP, port, blue_one.ip, 4000);
			cr_assert_arr_eq(((struct ethhdr *)o.out.data)->h_source, vip_mac, 6);
		}
	}
}

Test(service, the_short_way_and_the_general_one_do_the_same)
{
	const struct balance declared = { .port = 80, .target = 8080, .count = 1,
					  .backend = { &blue_two } };

	check_both_ways_alike(&only_two, 80, 80);
	check_both_ways_alike(&declared, 80, 8080);
}

Test(service, udp_without_a_checksum_stays_without)
{
	struct segment s = call_of(&blue_one, IPPROTO_UDP, 4000, 53);
	struct pkt p = segment_pkt(&s);
	struct outcome o;

	balance_put(&env, &only_two);
	((struct pkt_udp *)pkt_find(&p, PKT_UDP, 0))->check = 0;
	o = env_send(&env, &blue_one, &p);
	expect_verdict(o, OV_FWD_LOCAL);
	cr_assert_eq(((struct pkt_udp *)pkt_find(&o.out, PKT_UDP, 0))->check, 0);
}

Test(service, a_declared_port_is_translated_both_ways)
{
	struct balance b = only_two;
	struct outcome o;

	b.port = 80;
	b.target = 8080;
	balance_put(&env, &b);
	for (int i = 0; i < 2; i++) {
		uint8_t protocol = i ? IPPROTO_UDP : IPPROTO_TCP;

		o = balance_call(&env, &blue_one, protocol, 4000, 80, TCP_SYN);
		expect_verdict(o, OV_FWD_LOCAL);
		expect_ends(&o, 0, blue_one.ip, 4000, blue_two.ip, 8080);
		o = balance_answer(&env, &blue_two, &blue_one, protocol, 8080, 4000, TCP_SYN | TCP_ACK);
		expect_verdict(o, OV_FWD_LOCAL);
		expect_ends(&o, 0, VIP_IP, 80, blue_one.ip, 4000);
	}
}

/* RFC 9293 3.10.7.1. */
Test(service, an_undeclared_port_is_refused_as_a_host_would)
{
	struct balance b = only_two;
	struct segment s = call_of(&blue_one, IPPROTO_TCP, 4000, 81);
	struct outcome o;

	b.port = 80;
	balance_put(&env, &b);
	s.flags = TCP_SYN;
	s.seq = 0xfffffff0;
	s.payload = 300;
	o = balance_send(&env, &blue_one, &s);
	expect_reset(&o, 81, 4000, 0, 0xfffffff0 + 301u, TCP_RST | TCP_ACK);
}

Test(service, udp_to_an_undeclared_port_is_answered_unreachable)
{
	struct balance b = only_two;
	struct outcome o;

	b.port = 80;
	balance_put(&env, &b);
	o = balance_call(&env, &blue_one, IPPROTO_UDP, 4000, 81, 0);
	expect_unreachable(&o);
}

Test(service, without_a_backend_callers_are_told_at_once)
{
	struct balance none = { 0 };
	struct outcome o;

	balance_put(&env, &none);
	o = balance_call(&env, &blue_one, IPPROTO_UDP, 4000, 53, 0);
	expect_unreachable(&o);
	o = balance_call(&env, &blue_one, IPPROTO_TCP, 4000, 80, TCP_SYN);
	expect_reset(&o, 80, 4000, 0, 21, TCP_RST | TCP_ACK);
	o = balance_call(&env, &blue_one, IPPROTO_SCTP, 4000, 80, 1);
	expect_unreachable(&o);
}

Test(service, a_segment_of_no_known_connection_is_reset_with_its_own_numbers)
{
	struct segment s = call_of(&blue_one, IPPROTO_TCP, 4000, 80);
	struct outcome o;

	balance_put(&env, &only_two);
	s.flags = TCP_ACK;
	s.seq = 1000;
	s.ack = 7777;
	o = balance_send(&env, &blue_one, &s);
	expect_reset(&o, 80, 4000, 7777, 0, TCP_RST);
	s.flags = TCP_RST;
	o = balance_send(&env, &blue_one, &s);
	expect_verdict(o, OV_DROP_NO_FLOW); /* never a reset for a reset */
}

Test(service, a_ping_to_the_vip_is_answered)
{
	struct pkt p = pkt_new();
	struct pkt_icmp *icmp;
	struct outcome o;

	balance_put(&env, &only_far);
	pkt_eth(&p, blue_one.mac, vip_mac, ETH_P_IP);
	pkt_ipv4(&p, blue_one.ip, VIP_IP, IPPROTO_ICMP);
	pkt_icmp(&p, 8, 0, 1, 2);
	pkt_payload(&p, 56);
	pkt_finish(&p);
	o = env_send(&env, &blue_one, &p);
	expect_verdict(o, OV_FWD_ECHO_REPLY);
	icmp = pkt_find(&o.out, PKT_ICMP, 0);
	cr_assert_eq(icmp->type, 0);
	cr_assert_eq(pkt_checksum(icmp, 64), 0);
}

Test(service, protocols_that_services_do_not_carry_are_dropped)
{
	struct pkt p = pkt_new();
	struct outcome o;

	balance_put(&env, &only_far);
	pkt_eth(&p, blue_one.mac, vip_mac, ETH_P_IP);
	pkt_ipv4(&p, blue_one.ip, VIP_IP, 47);
	pkt_payload(&p, 56);
	pkt_finish(&p);
	o = env_send(&env, &blue_one, &p);
	expect_verdict(o, OV_DROP_VIP_PROTOCOL);
}

Test(service, arp_for_the_vip_is_answered)
{
	struct pkt p = pkt_new();
	struct outcome o;

	balance_put(&env, &only_far);
	pkt_eth(&p, blue_one.mac, broadcast_mac, ETH_P_ARP);
	pkt_arp(&p, 1, blue_one.mac, blue_one.ip, VIP_IP);
	o = env_send(&env, &blue_one, &p);
	expect_verdict(o, OV_FWD_ARP_REPLY);
	cr_assert_arr_eq(((struct pkt_arp *)pkt_find(&o.out, PKT_ARP, 0))->sender_mac, vip_mac, 6);
}

Test(service, the_vip_of_another_network_is_unknown)
{
	struct segment s = call_of(&red_one, IPPROTO_TCP, 4000, 80);
	struct outcome o;

	balance_put(&env, &only_two);
	s.flags = TCP_SYN;
	o = balance_send(&env, &red_one, &s);
	expect_verdict(o, OV_DROP_UNKNOWN_DST);
}

Test(service, nobody_speaks_for_the_vip_from_outside)
{
	struct pkt p = vxlan_between(VTEP(NODE_B), VTEP(NODE_A), &blue_far, &blue_one);
	struct pkt_ipv4 *ip = pkt_find(&p, PKT_IPV4, 1);
	struct outcome o;

	balance_put(&env, &only_far);
	ip->saddr = htonl(VIP_IP);
	pkt_ipv4_checksum(ip);
	o = env_arrive(&env, &p);
	expect_verdict(o, OV_DROP_WRONG_PEER);

	p = vxlan_between(VTEP(NODE_B), VTEP(NODE_A), &blue_far, &blue_one);
	ip = pkt_find(&p, PKT_IPV4, 1);
	ip->daddr = htonl(VIP_IP);
	pkt_ipv4_checksum(ip);
	o = env_arrive(&env, &p);
	expect_verdict(o, OV_DROP_NOT_LOCAL);
}

/* ---- the backend that is chosen ---- */

Test(service, round_robin_takes_turns)
{
	balance_put(&env, &three);
	for (uint16_t i = 0; i < 9; i++)
		cr_assert_eq(balance_backend(&env, IPPROTO_TCP, 4000 + i), three.backend[i % 3]->ip);
	for (uint16_t i = 0; i < 9; i++) /* and each flow stays where it is */
		cr_assert_eq(balance_backend(&env, IPPROTO_TCP, 4000 + i), three.backend[i % 3]->ip);
}

static void check_every_backend_gets_some(enum ov_lb algorithm)
{
	struct balance b = three;
	int count[3] = { 0 };

	b.algorithm = algorithm;
	balance_put(&env, &b);
	for (uint16_t i = 0; i < 300; i++) {
		uint32_t ip = balance_backend(&env, IPPROTO_UDP, 4000 + i);

		for (int j = 0; j < 3; j++)
			count[j] += ip == b.backend[j]->ip;
	}
	cr_assert_eq(count[0] + count[1] + count[2], 300);
	for (int j = 0; j < 3; j++)
		cr_assert_gt(count[j], 50, "backend %d got %d of 300", j, count[j]);
}

Test(service, random_gives_every_backend_some)
{
	check_every_backend_gets_some(OV_LB_RANDOM);
}

Test(service, maglev_gives_every_backend_some)
{
	check_every_backend_gets_some(OV_LB_MAGLEV);
}

Test(service, maglev_places_a_flow_by_the_hash_of_the_contract)
{
	struct balance b = three;

	b.algorithm = OV_LB_MAGLEV;
	balance_put(&env, &b);
	for (uint16_t i = 0; i < 50; i++) {
		struct ov_flow_key key = {
			.client = addr_from_v4(blue_one.ip), .vip = addr_from_v4(VIP_IP),
			.vni = { 0, 0, BLUE }, .protocol = IPPROTO_UDP,
			.client_port = htons(4000 + i), .backend_port = htons(80),
		};

		cr_assert_eq(balance_backend(&env, IPPROTO_UDP, 4000 + i),
			     b.backend[ov_flow_hash(&key) % 3]->ip);
	}
}

Test(service, least_conn_prefers_who_has_fewest_connections)
{
	struct balance b = { .algorithm = OV_LB_LEAST_CONN, .count = 1,
			     .backend = { &blue_two, &blue_far } };

	balance_put(&env, &b);
	for (uint16_t i = 0; i < 3; i++)
		balance_establish(&env, 4000 + i);
	cr_assert_eq(balance_stats(&env, &blue_two).active, 3);
	b.count = 2;
	balance_put(&env, &b);
	for (uint16_t i = 0; i < 20; i++)
		cr_assert_eq(balance_backend(&env, IPPROTO_TCP, 5000 + i), blue_far.ip);
}

Test(service, least_conn_with_many_backends_finds_one)
{
	struct balance b = { .algorithm = OV_LB_LEAST_CONN, .count = BALANCE_MAX };

	for (int i = 0; i < BALANCE_MAX; i++)
		b.backend[i] = i & 1 ? &blue_two : &blue_far;
	balance_put(&env, &b);
	for (uint16_t i = 0; i < 100; i++) {
		uint32_t ip = balance_backend(&env, IPPROTO_UDP, 4000 + i);

		cr_assert(ip == blue_two.ip || ip == blue_far.ip);
	}
}

Test(service, affinity_keeps_a_client_with_its_backend)
{
	struct balance b = three;
	uint32_t first;

	b.affinity_s = 100;
	balance_put(&env, &b);
	first = balance_backend(&env, IPPROTO_TCP, 4000);
	for (uint16_t i = 1; i < 10; i++)
		cr_assert_eq(balance_backend(&env, IPPROTO_TCP, 4000 + i), first);
}

Test(service, affinity_ends_with_a_backend_that_takes_no_new_flows)
{
	struct balance b = three, rest = { .algorithm = OV_LB_RR, .affinity_s = 100, .count = 2,
					   .backend = { &blue_far, &blue_third } };
	struct outcome o;

	b.affinity_s = 100;
	balance_put(&env, &b);
	balance_establish(&env, 4000); /* the first turn is blue_two's */
	balance_put(&env, &rest);
	balance_flag(&env, &blue_two, OV_ENDPOINT_CLOSED);
	cr_assert_neq(balance_backend(&env, IPPROTO_TCP, 4001), blue_two.ip);
	o = balance_call(&env, &blue_one, IPPROTO_TCP, 4000, 80, TCP_ACK);
	/* a drained backend keeps its flow */
	expect_ends(&o, 0, blue_one.ip, 4000, blue_two.ip, 80);
}

/* ---- a backend that calls its own service ---- */

Test(service, a_backend_reaches_itself_through_its_vip)
{
	struct outcome o;
	struct ov_flow f;

	balance_put(&env, &only_two);
	o = balance_call(&env, &blue_two, IPPROTO_TCP, 4000, 80, TCP_SYN);
	expect_verdict(o, OV_FWD_LOCAL);
	expect_ends(&o, 0, VIP_IP, 4000, blue_two.ip, 80);
	cr_assert_arr_eq(((struct ethhdr *)o.out.data)->h_dest, blue_two.mac, 6);

	/* its answer, to the VIP */
	o = balance_call(&env, &blue_two, IPPROTO_TCP, 80, 4000, TCP_SYN | TCP_ACK);
	expect_verdict(o, OV_FWD_LOCAL);
	expect_ends(&o, 0, VIP_IP, 80, blue_two.ip, 4000);
	cr_assert_arr_eq(((struct ethhdr *)o.out.data)->h_dest, blue_two.mac, 6);

	o = balance_call(&env, &blue_two, IPPROTO_TCP, 4000, 80, TCP_ACK);
	expect_ends(&o, 0, VIP_IP, 4000, blue_two.ip, 80);
	cr_assert(balance_flow(&env, MAP_flows, &blue_two, IPPROTO_TCP, 4000, 80, &f));
}

Test(service, a_backend_reaches_itself_through_a_declared_port)
{
	struct balance b = only_two;
	struct outcome o;

	b.port = 80;
	b.target = 8080;
	balance_put(&env, &b);
	o = balance_call(&env, &blue_two, IPPROTO_UDP, 4000, 80, 0);
	expect_ends(&o, 0, VIP_IP, 4000, blue_two.ip, 8080);
	o = balance_call(&env, &blue_two, IPPROTO_UDP, 8080, 4000, 0);
	expect_verdict(o, OV_FWD_LOCAL);
	expect_ends(&o, 0, VIP_IP, 80, blue_two.ip, 4000);
}

/* ---- ICMP errors and fragments ---- */

static struct pkt icmp_about(const uint8_t *src_mac, const uint8_t *dst_mac, uint32_t src,
			     uint32_t dst, const struct segment *about)
{
	struct pkt quote = segment_pkt(about), p = pkt_new();

	pkt_eth(&p, src_mac, dst_mac, ETH_P_IP);
	pkt_ipv4(&p, src, dst, IPPROTO_ICMP);
	pkt_icmp(&p, 3, 3, 0, 0);
	pkt_bytes(&p, quote.data + 14, 28);
	pkt_finish(&p);
	return p;
}

static void expect_icmp(struct outcome *o, int ipv4, uint32_t src, uint32_t dst,
			const struct segment *about)
{
	struct pkt_ipv4 *ip = pkt_find(&o->out, PKT_IPV4, ipv4);
	struct pkt_icmp *icmp = pkt_find(&o->out, PKT_ICMP, 0);
	struct pkt_ipv4 *q = (struct pkt_ipv4 *)(icmp + 1);
	uint16_t *ports = (uint16_t *)(q + 1);

	cr_assert_eq(ntohl(ip->saddr), src);
	cr_assert_eq(ntohl(ip->daddr), dst);
	cr_assert_eq(pkt_checksum(ip, 20), 0);
	cr_assert_eq(pkt_checksum(icmp, 8 + 28), 0);
	cr_assert_eq(pkt_checksum(q, 20), 0);
	cr_assert_eq(ntohl(q->saddr), about->src);
	cr_assert_eq(ntohl(q->daddr), about->dst);
	cr_assert_eq(ntohs(ports[0]), about->sport);
	cr_assert_eq(ntohs(ports[1]), about->dport);
}

Test(service, a_backends_complaint_is_about_the_vip)
{
	struct balance b = only_two;
	struct segment seen = call_of(&blue_one, IPPROTO_UDP, 4000, 5300);
	struct segment called = call_of(&blue_one, IPPROTO_UDP, 4000, 53);
	struct outcome o;
	struct pkt p;

	b.port = 53;
	b.target = 5300;
	balance_put(&env, &b);
	balance_call(&env, &blue_one, IPPROTO_UDP, 4000, 53, 0);
	seen.dst = blue_two.ip;
	p = icmp_about(blue_two.mac, blue_one.mac, blue_two.ip, blue_one.ip, &seen);
	o = env_send(&env, &blue_two, &p);
	expect_verdict(o, OV_FWD_LOCAL);
	expect_icmp(&o, 0, VIP_IP, blue_one.ip, &called);
}

Test(service, a_clients_complaint_is_about_the_backend)
{
	struct balance b = only_far;
	struct segment seen = answer_of(&blue_far, &blue_one, IPPROTO_UDP, 53, 4000);
	struct segment sent = answer_of(&blue_far, &blue_one, IPPROTO_UDP, 5300, 4000);
	struct outcome o;
	struct pkt p;

	b.port = 53;
	b.target = 5300;
	balance_put(&env, &b);
	balance_call(&env, &blue_one, IPPROTO_UDP, 4000, 53, 0);
	seen.src = VIP_IP;
	p = icmp_about(blue_one.mac, vip_mac, blue_one.ip, VIP_IP, &seen);
	o = env_send(&env, &blue_one, &p);
	expect_verdict(o, OV_FWD_ENCAP);
	expect_icmp(&o, 1, blue_one.ip, blue_far.ip, &sent);
}

Test(service, a_complaint_about_no_flow_is_dropped)
{
	struct segment seen = answer_of(&blue_far, &blue_one, IPPROTO_UDP, 53, 4000);
	struct outcome o;
	struct pkt p;

	balance_put(&env, &only_far);
	seen.src = VIP_IP;
	p = icmp_about(blue_one.mac, vip_mac, blue_one.ip, VIP_IP, &seen);
	o = env_send(&env, &blue_one, &p);
	expect_verdict(o, OV_DROP_NO_FLOW);
}

Test(service, what_exceeds_the_mtu_is_answered_before_it_is_rewritten)
{
	struct segment s = call_of(&blue_one, IPPROTO_UDP, 4000, 53);
	struct pkt p;
	struct outcome o;

	balance_put(&env, &only_far);
	s.payload = NETWORK_MTU - 27;
	p = segment_pkt(&s);
	((struct pkt_ipv4 *)pkt_find(&p, PKT_IPV4, 0))->frag_off = htons(0x4000);
	pkt_ipv4_checksum(pkt_find(&p, PKT_IPV4, 0));
	o = env_send(&env, &blue_one, &p);
	expect_verdict(o, OV_FWD_TOO_BIG);
	cr_assert_eq(ntohl(((struct pkt_ipv4 *)(o.out.data + 14 + 28))->daddr), VIP_IP,
		     "the quote must be what the client sent");
}

Test(service, fragments_follow_the_first_both_ways)
{
	struct segment call = call_of(&blue_one, IPPROTO_UDP, 4000, 53);
	struct segment answer = answer_of(&blue_two, &blue_one, IPPROTO_UDP, 53, 4000);
	struct outcome o;
	struct pkt p;

	balance_put(&env, &only_two);
	p = segment_fragment(&call, 7, 0x2000);
	o = env_send(&env, &blue_one, &p);
	expect_verdict(o, OV_FWD_LOCAL);
	p = segment_fragment(&call, 7, 5);
	o = env_send(&env, &blue_one, &p);
	expect_verdict(o, OV_FWD_LOCAL);
	cr_assert_eq(segment_read(&o.out, 0).dst, blue_two.ip);
	cr_assert_arr_eq(o.out.data + 34, p.data + 34, 28, "no port of a later fragment is touched");

	p = segment_fragment(&answer, 9, 0x2000);
	o = env_send(&env, &blue_two, &p);
	cr_assert_eq(segment_read(&o.out, 0).src, VIP_IP);
	p = segment_fragment(&answer, 9, 5);
	o = env_send(&env, &blue_two, &p);
	cr_assert_eq(segment_read(&o.out, 0).src, VIP_IP);
	cr_assert_arr_eq(o.out.data + 34, p.data + 34, 28);

	p = segment_fragment(&call, 8, 5);
	o = env_send(&env, &blue_one, &p);
	expect_verdict(o, OV_DROP_FRAGMENT);
}
