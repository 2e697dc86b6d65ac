// SPDX-License-Identifier: GPL-2.0-or-later
/* Packet lives: what one node pushes is what the other pops. */
#include <arpa/inet.h>
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
TestSuite(life, .init = setup, .fini = teardown);

/* The neighbour output writes the outer Ethernet header, which no test run does. */
static void cross_wire(struct pkt *p)
{
	struct ethhdr *eth = (void *)p->data;

	memcpy(eth->h_source, wire_mac, 6);
	memcpy(eth->h_dest, uplink_mac, 6);
}

/* From an endpoint on node a to the uplink of `to`. */
static struct outcome travel(const struct actor *from, const struct pkt *p, enum node to)
{
	env_become(&env, NODE_A);

	struct outcome o = env_send(&env, from, p);

	expect_verdict(o, OV_FWD_ENCAP);
	cross_wire(&o.out);
	env_become(&env, to);
	return env_arrive(&env, &o.out);
}

static void check_delivered(const struct actor *from, const struct pkt *p)
{
	struct outcome o = travel(from, p, NODE_B);

	expect_verdict(o, OV_FWD_DECAP);
	cr_assert_eq(o.out.len, p->len);
	cr_assert_arr_eq(o.out.data, p->data, p->len);
}

Test(life, udp_crosses_unchanged)
{
	struct pkt p = udp_between(&blue_one, &blue_far);

	check_delivered(&blue_one, &p);
}

Test(life, networks_with_one_subnet_cross_side_by_side)
{
	struct pkt p = udp_between(&red_one, &red_far);

	check_delivered(&red_one, &p);
	p = udp_between(&blue_one, &blue_far);
	check_delivered(&blue_one, &p);
}

Test(life, tcp_of_every_size_crosses_unchanged)
{
	for (size_t n = 0; n <= NETWORK_MTU - 40; n += 47) {
		struct pkt p = pkt_new();

		pkt_eth(&p, blue_one.mac, blue_far.mac, ETH_P_IP);
		pkt_ipv4(&p, blue_one.ip, blue_far.ip, IPPROTO_TCP);
		pkt_tcp(&p, 40000, 80);
		pkt_payload(&p, n);
		pkt_finish(&p);
		check_delivered(&blue_one, &p);
	}
}

Test(life, fragments_and_options_cross_unchanged)
{
	for (size_t n = 0; n <= 40; n += 4) {
		struct pkt p = pkt_new();

		pkt_eth(&p, blue_one.mac, blue_far.mac, ETH_P_IP);
		pkt_ipv4(&p, blue_one.ip, blue_far.ip, IPPROTO_UDP);
		if (n)
			pkt_ipv4_options(&p, n);
		pkt_udp(&p, 1, 2);
		pkt_payload(&p, 640);
		pkt_finish(&p);

		struct pkt_ipv4 *ip = pkt_find(&p, PKT_IPV4, 0);

		ip->frag_off = htons((uint16_t)(0x2000 | n));
		pkt_ipv4_checksum(ip);
		check_delivered(&blue_one, &p);
	}
}

Test(life, vxlan_inside_vxlan_crosses_unchanged)
{
	struct pkt p = pkt_new(), inner = udp_between(&red_one, &red_far);

	pkt_eth(&p, blue_one.mac, blue_far.mac, ETH_P_IP);
	pkt_ipv4(&p, blue_one.ip, blue_far.ip, IPPROTO_UDP);
	pkt_udp(&p, 50000, VXLAN_PORT);
	pkt_vxlan(&p, RED);
	pkt_bytes(&p, inner.data, inner.len);
	pkt_finish(&p);
	check_delivered(&blue_one, &p);
}

/* RFC 6040: in by copying, out by figure 4. -1 is the drop. */
Test(life, congestion_marks_follow_rfc_6040)
{
	enum { NOT_ECT, ECT1, ECT0, CE };
	static const int result[4][4] = {
		/* outer:      Not-ECT  ECT(1)   ECT(0)   CE */
		[NOT_ECT] = { NOT_ECT, NOT_ECT, NOT_ECT, -1 },
		[ECT1] =    { ECT1,    ECT1,    ECT1,    CE },
		[ECT0] =    { ECT0,    ECT1,    ECT0,    CE },
		[CE] =      { CE,      CE,      CE,      CE },
	};

	for (int inner = 0; inner < 4; inner++)
		for (int outer = 0; outer < 4; outer++) {
			struct pkt p = udp_between(&blue_one, &blue_far);
			struct pkt_ipv4 *ip = pkt_find(&p, PKT_IPV4, 0);

			ip->tos = (uint8_t)(0xb8 | inner); /* expedited forwarding, RFC 3246 */
			pkt_ipv4_checksum(ip);
			env_become(&env, NODE_A);

			struct outcome o = env_send(&env, &blue_one, &p);

			expect_verdict(o, OV_FWD_ENCAP);
			ip = pkt_find(&o.out, PKT_IPV4, 0);
			cr_assert_eq(ip->tos, 0xb8 | inner);

			ip->tos = (uint8_t)(0x28 | outer); /* a router remarked it */
			pkt_ipv4_checksum(ip);
			cross_wire(&o.out);
			env_become(&env, NODE_B);
			o = env_arrive(&env, &o.out);

			if (result[inner][outer] < 0) {
				expect_verdict(o, OV_DROP_ECN);
				continue;
			}
			expect_verdict(o, OV_FWD_DECAP);
			ip = pkt_find(&o.out, PKT_IPV4, 0);
			cr_assert_eq(ip->tos, 0xb8 | result[inner][outer],
				     "inner %d, outer %d: TOS %#x", inner, outer, ip->tos);
			cr_assert_eq(pkt_checksum(ip, 20), 0, "inner %d, outer %d", inner, outer);
			cr_assert_arr_eq(o.out.data + 34, p.data + 34, p.len - 34);
		}
}

Test(life, checksum_survives_every_mark_and_tos)
{
	for (int tos = 0; tos < 256; tos++) {
		struct pkt p = vxlan_between(VTEP(NODE_B), VTEP(NODE_A), &blue_far, &blue_one);
		struct pkt_ipv4 *outer = pkt_find(&p, PKT_IPV4, 0);
		struct pkt_ipv4 *inner = pkt_find(&p, PKT_IPV4, 1);

		outer->tos = 3;
		pkt_ipv4_checksum(outer);
		inner->tos = (uint8_t)tos;
		inner->id = htons((uint16_t)(tos * 257));
		pkt_ipv4_checksum(inner);

		struct outcome o = env_arrive(&env, &p);

		expect_verdict(o, tos & 3 ? OV_FWD_DECAP : OV_DROP_ECN);
		if (tos & 3)
			cr_assert_eq(pkt_checksum(pkt_find(&o.out, PKT_IPV4, 0), 20), 0);
	}
}

Test(life, packet_to_a_node_that_no_longer_has_the_endpoint_is_refused)
{
	struct pkt p = udp_between(&blue_one, &blue_far);

	env_become(&env, NODE_A);

	struct outcome o = env_send(&env, &blue_one, &p);

	cross_wire(&o.out);
	env_become(&env, NODE_B);
	env_put_endpoint(&env, &blue_far, 0);
	o = env_arrive(&env, &o.out);
	expect_verdict(o, OV_DROP_NOT_LOCAL);
}

Test(life, packet_sent_through_a_router_names_the_node)
{
	struct pkt p = udp_between(&blue_one, &blue_far);

	env_put_peer(&env, VTEP(NODE_B), IP(192, 0, 2, 254));

	struct outcome o = env_send(&env, &blue_one, &p);

	expect_verdict(o, OV_FWD_ENCAP);

	struct pkt_ipv4 *outer = pkt_find(&o.out, PKT_IPV4, 0);

	cr_assert_eq(ntohl(outer->daddr), VTEP(NODE_B));
}

Test(life, nobody_uses_the_tunnel_device_itself)
{
	struct pkt p = udp_between(&blue_far, &blue_one);
	struct outcome o = env_run_bytes(&env, TUNNEL, env.tunnel_ifindex, p.data, p.len, 0);

	expect_verdict(o, OV_DROP_UNKNOWN_PEER);

	env_put_config(&env, VTEP(NODE_A), 0);
	o = env_run_bytes(&env, TUNNEL, env.tunnel_ifindex, p.data, p.len, 0);
	expect_verdict(o, OV_DROP_NOT_READY);
}
