// SPDX-License-Identifier: GPL-2.0-or-later
/* What an endpoint may send, and where it goes. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <net/if.h>
#include <string.h>

#include "base/addr.h"
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
TestSuite(endpoint, .init = setup, .fini = teardown);

Test(endpoint, local_packet_goes_to_the_neighbour_unchanged)
{
	struct pkt p = udp_between(&blue_one, &blue_two);
	struct outcome o = env_send(&env, &blue_one, &p);

	expect_verdict(o, OV_FWD_LOCAL);
	cr_assert_eq(o.out.len, p.len);
	cr_assert_arr_eq(o.out.data, p.data, p.len);
}

/* Every byte in front of the inner frame. */
static void check_outer(struct pkt *out, const struct pkt *inner, uint32_t src, uint32_t dst,
			uint32_t vni)
{
	cr_assert_eq(out->len, inner->len + OUTER_BYTES);

	struct pkt_ipv4 *ip = pkt_find(out, PKT_IPV4, 0), *inside = pkt_find(out, PKT_IPV4, 1);
	struct pkt_udp *udp = pkt_find(out, PKT_UDP, 0);
	struct pkt_vxlan *vxlan = pkt_find(out, PKT_VXLAN, 0);

	cr_assert(ip && inside && udp && vxlan, "no VXLAN came out");
	cr_assert_eq(ip->version, 4);
	cr_assert_eq(ip->ihl, 5);
	cr_assert_eq(ip->tos, inside->tos);
	cr_assert_eq(ntohs(ip->tot_len), out->len - 14);
	cr_assert_eq(ip->id, 0);
	cr_assert_eq(ntohs(ip->frag_off), 0x4000, "DF alone");
	cr_assert_eq(ip->ttl, 64);
	cr_assert_eq(ip->protocol, IPPROTO_UDP);
	cr_assert_eq(pkt_checksum(ip, 20), 0);
	cr_assert_eq(ntohl(ip->saddr), src);
	cr_assert_eq(ntohl(ip->daddr), dst);
	cr_assert_geq(ntohs(udp->source), 49152);
	cr_assert_eq(ntohs(udp->dest), VXLAN_PORT);
	cr_assert_eq(ntohs(udp->len), out->len - 34);
	cr_assert_eq(udp->check, 0);
	cr_assert_arr_eq(vxlan, ((uint8_t[]){ 8, 0, 0, 0, vni >> 16, vni >> 8, vni, 0 }), 8);
	cr_assert_arr_eq(out->data + OUTER_BYTES, inner->data, inner->len);
}

Test(endpoint, remote_packet_is_encapsulated)
{
	struct pkt p = udp_between(&blue_one, &blue_far);
	struct outcome o = env_send(&env, &blue_one, &p);

	expect_verdict(o, OV_FWD_ENCAP);
	check_outer(&o.out, &p, VTEP(NODE_A), VTEP(NODE_B), BLUE);
}

Test(endpoint, same_address_of_another_network_leads_elsewhere)
{
	struct pkt p = udp_between(&red_one, &red_far);
	struct outcome o = env_send(&env, &red_one, &p);

	expect_verdict(o, OV_FWD_ENCAP);
	check_outer(&o.out, &p, VTEP(NODE_A), VTEP(NODE_B), RED);
}

Test(endpoint, largest_vni_stands_in_the_header)
{
	struct actor one = blue_one, far = blue_far;

	one.vni = far.vni = 0xfffffe;
	env_put_network(&env, 0xfffffe);
	env_put_endpoint(&env, &far, 0);
	env_put_device(&env, &one, env_ifindex(&blue_one));

	struct pkt p = udp_between(&one, &far);
	struct outcome o = env_send(&env, &one, &p);

	expect_verdict(o, OV_FWD_ENCAP);
	check_outer(&o.out, &p, VTEP(NODE_A), VTEP(NODE_B), 0xfffffe);
}

Test(endpoint, source_port_depends_on_the_inner_flow_only)
{
	uint16_t seen[64];
	int different = 0;

	for (int i = 0; i < 64; i++) {
		struct pkt p = udp_between(&blue_one, &blue_far);
		struct pkt_udp *udp = pkt_find(&p, PKT_UDP, 0);

		udp->source = htons((uint16_t)(1000 + i));

		struct outcome first = env_send(&env, &blue_one, &p);
		struct outcome again = env_send(&env, &blue_one, &p);
		struct pkt_udp *outer = pkt_find(&first.out, PKT_UDP, 0);
		struct pkt_udp *repeated = pkt_find(&again.out, PKT_UDP, 0);

		cr_assert_eq(outer->source, repeated->source);
		cr_assert_geq(ntohs(outer->source), 49152);
		seen[i] = outer->source;
		different += i > 0 && seen[i] != seen[0];
	}
	cr_assert_gt(different, 48, "64 flows share few ports");
}

Test(endpoint, every_tos_is_copied)
{
	for (int tos = 0; tos < 256; tos++) {
		struct pkt p = udp_between(&blue_one, &blue_far);
		struct pkt_ipv4 *ip = pkt_find(&p, PKT_IPV4, 0);

		ip->tos = (uint8_t)tos;
		pkt_ipv4_checksum(ip);

		struct outcome o = env_send(&env, &blue_one, &p);

		expect_verdict(o, OV_FWD_ENCAP);
		check_outer(&o.out, &p, VTEP(NODE_A), VTEP(NODE_B), BLUE);
	}
}

Test(endpoint, udp_super_packet_takes_the_tunnel_device)
{
	struct pkt p = udp_between(&blue_one, &blue_far);
	struct outcome o = env_send_bytes(&env, &blue_one, p.data, p.len, 40);

	expect_verdict(o, OV_FWD_TUNNEL);
	cr_assert_arr_eq(o.out.data, p.data, p.len);
}

Test(endpoint, options_travel)
{
	for (size_t n = 4; n <= 40; n += 4) {
		struct pkt p = pkt_new();

		pkt_eth(&p, blue_one.mac, blue_far.mac, ETH_P_IP);
		pkt_ipv4(&p, blue_one.ip, blue_far.ip, IPPROTO_UDP);
		pkt_ipv4_options(&p, n);
		pkt_udp(&p, 1, 2);
		pkt_payload(&p, 10);
		pkt_finish(&p);

		struct outcome o = env_send(&env, &blue_one, &p);

		expect_verdict(o, OV_FWD_ENCAP);
		cr_assert_arr_eq(o.out.data + OUTER_BYTES, p.data, p.len);
	}
}

/* One flow must not take two ways, or later pieces overtake and ports are not found. */
Test(endpoint, all_fragments_of_a_datagram_take_one_way)
{
	uint16_t port = 0;

	for (int i = 0; i < 3; i++) {
		struct pkt p = udp_between(&blue_one, &blue_far);
		struct pkt_ipv4 *ip = pkt_find(&p, PKT_IPV4, 0);

		ip->frag_off = htons((uint16_t)((i < 2 ? 0x2000 : 0) | i * 14));
		pkt_ipv4_checksum(ip);
		if (i) /* what stands where the ports were is payload */
			memset(pkt_find(&p, PKT_UDP, 0), 0x55 + i, 8);

		struct outcome o = env_send(&env, &blue_one, &p);

		expect_verdict(o, OV_FWD_ENCAP);
		cr_assert_arr_eq(o.out.data + OUTER_BYTES, p.data, p.len);

		uint16_t this = ((struct pkt_udp *)pkt_find(&o.out, PKT_UDP, 0))->source;

		cr_assert(i == 0 || this == port, "fragment %d left by another port", i);
		port = this;
	}
}

Test(endpoint, nothing_passes_before_the_daemon_is_ready)
{
	struct pkt p = udp_between(&blue_one, &blue_two);

	env_put_config(&env, VTEP(NODE_A), 0);

	struct outcome o = env_send(&env, &blue_one, &p);

	expect_verdict(o, OV_DROP_NOT_READY);
}

Test(endpoint, device_of_nobody_is_refused)
{
	struct pkt p = udp_between(&blue_one, &blue_two);
	uint32_t nobody = if_nametoindex("nobody");
	struct outcome o = env_run_bytes(&env, ENDPOINT, nobody, p.data, p.len, 0);

	expect_verdict(o, OV_DROP_UNKNOWN_DEVICE);
}

Test(endpoint, spoofed_mac_is_refused)
{
	struct pkt p = udp_between(&blue_one, &blue_two);

	memcpy(((struct ethhdr *)pkt_find(&p, PKT_ETH, 0))->h_source, blue_two.mac, 6);

	struct outcome o = env_send(&env, &blue_one, &p);

	expect_verdict(o, OV_DROP_SPOOFED_MAC);
}

Test(endpoint, spoofed_source_address_is_refused)
{
	static const uint32_t sources[] = { IP(10, 10, 0, 3), GATEWAY_IP, 0, IP(127, 0, 0, 1),
					    IP(10, 10, 0, 255), IP(224, 0, 0, 1), 0xffffffff };

	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		struct pkt p = udp_between(&blue_one, &blue_far);

		((struct pkt_ipv4 *)pkt_find(&p, PKT_IPV4, 0))->saddr = htonl(sources[i]);

		struct outcome o = env_send(&env, &blue_one, &p);

		expect_verdict(o, OV_DROP_SPOOFED_IP);
	}
}

Test(endpoint, other_protocols_are_refused_by_name)
{
	static const struct {
		uint16_t type;
		int verdict;
	} cases[] = { { ETH_P_IPV6, OV_DROP_IPV6 },      { ETH_P_8021Q, OV_DROP_NOT_IP },
		      { ETH_P_8021AD, OV_DROP_NOT_IP },  { ETH_P_MPLS_UC, OV_DROP_NOT_IP },
		      { ETH_P_LOOPBACK, OV_DROP_NOT_IP }, { 0x0026, OV_DROP_NOT_IP } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pkt p = udp_between(&blue_one, &blue_two);

		((struct ethhdr *)pkt_find(&p, PKT_ETH, 0))->h_proto = htons(cases[i].type);

		struct outcome o = env_send(&env, &blue_one, &p);

		expect_verdict(o, cases[i].verdict);
	}
}

Test(endpoint, group_destinations_are_refused)
{
	static const uint32_t groups[] = { IP(224, 0, 0, 251), IP(239, 255, 255, 250), 0xffffffff };

	for (size_t i = 0; i < 3; i++) {
		struct pkt p = udp_between(&blue_one, &blue_two);

		((struct pkt_ipv4 *)pkt_find(&p, PKT_IPV4, 0))->daddr = htonl(groups[i]);

		struct outcome o = env_send(&env, &blue_one, &p);

		expect_verdict(o, OV_DROP_MULTICAST);
	}

	struct pkt p = udp_between(&blue_one, &blue_two);

	memcpy(((struct ethhdr *)pkt_find(&p, PKT_ETH, 0))->h_dest, broadcast_mac, 6);

	struct outcome o = env_send(&env, &blue_one, &p);

	expect_verdict(o, OV_DROP_MULTICAST);
}

Test(endpoint, unknown_destinations_are_refused)
{
	static const uint32_t nobody[] = { IP(10, 10, 0, 77), IP(127, 0, 0, 1), 0,
					   IP(10, 10, 0, 255) };

	for (size_t i = 0; i < sizeof(nobody) / sizeof(nobody[0]); i++) {
		struct pkt p = udp_between(&blue_one, &blue_two);

		((struct pkt_ipv4 *)pkt_find(&p, PKT_IPV4, 0))->daddr = htonl(nobody[i]);
		memcpy(((struct ethhdr *)pkt_find(&p, PKT_ETH, 0))->h_dest, gateway_mac, 6);

		struct outcome o = env_send(&env, &blue_one, &p);

		expect_verdict(o, OV_DROP_UNKNOWN_DST);
	}
}

Test(endpoint, wrong_destination_mac_is_refused)
{
	struct pkt p = udp_between(&blue_one, &blue_two);

	memcpy(((struct ethhdr *)pkt_find(&p, PKT_ETH, 0))->h_dest, blue_far.mac, 6);

	struct outcome o = env_send(&env, &blue_one, &p);

	expect_verdict(o, OV_DROP_WRONG_DST_MAC);
}

Test(endpoint, other_network_with_the_same_subnet_is_out_of_reach)
{
	/* blue .3 exists, red .3 does not: the MAC of the blue one does not help. */
	struct pkt p = pkt_new();

	pkt_eth(&p, red_one.mac, blue_two.mac, ETH_P_IP);
	pkt_ipv4(&p, red_one.ip, blue_two.ip, IPPROTO_UDP);
	pkt_udp(&p, 1, 2);
	pkt_finish(&p);

	struct outcome o = env_send(&env, &red_one, &p);

	expect_verdict(o, OV_DROP_UNKNOWN_DST);
}

Test(endpoint, node_without_a_peer_entry_is_out_of_reach)
{
	struct pkt p = udp_between(&blue_one, &blue_lost);
	struct outcome o = env_send(&env, &blue_one, &p);

	expect_verdict(o, OV_DROP_NO_PEER);
}

Test(endpoint, ipv6_outer_addresses_are_not_taken_for_ipv4)
{
	struct ov_addr v6 = { .b = { 0x20, 0x01, [12] = 192, 0, 2, 2 } };
	struct ov_endpoint_key key = { .addr = addr_from_v4(blue_far.ip), .vni = BLUE };
	struct ov_endpoint value = { .vtep = v6 };
	struct ov_peer peer = { .next_hop = v6 };
	struct pkt p = udp_between(&blue_one, &blue_far);

	memcpy(value.mac, blue_far.mac, 6);
	cr_assert_eq(bpf_map_update_elem(env.map[MAP_endpoints], &key, &value, BPF_ANY), 0);
	cr_assert_eq(bpf_map_update_elem(env.map[MAP_peers], &v6, &peer, BPF_ANY), 0);

	struct outcome o = env_send(&env, &blue_one, &p);

	expect_verdict(o, OV_DROP_NO_PEER);

	peer.next_hop = addr_from_v4(VTEP(NODE_B));
	cr_assert_eq(bpf_map_update_elem(env.map[MAP_peers], &v6, &peer, BPF_ANY), 0);
	o = env_send(&env, &blue_one, &p);
	expect_verdict(o, OV_DROP_NO_PEER);
}

Test(endpoint, contradicting_headers_are_refused)
{
	for (int i = 0; i < 5; i++) {
		struct pkt p = udp_between(&blue_one, &blue_two);
		struct pkt_ipv4 *ip = pkt_find(&p, PKT_IPV4, 0);

		switch (i) {
		case 0: ip->version = 5; break;
		case 1: ip->ihl = 4; break;
		case 2: ip->tot_len = htons(19); break;
		case 3: ip->tot_len = htons((uint16_t)(p.len - 14 + 1)); break;
		case 4: ip->ihl = 15; ip->tot_len = htons(59); break;
		}

		struct outcome o = env_send(&env, &blue_one, &p);

		expect_verdict(o, OV_DROP_MALFORMED);
	}
}

Test(endpoint, ethernet_padding_is_allowed)
{
	struct pkt p = udp_between(&blue_one, &blue_far);
	struct pkt_ipv4 *ip = pkt_find(&p, PKT_IPV4, 0);

	ip->tot_len = htons(40);
	pkt_ipv4_checksum(ip);

	struct outcome o = env_send(&env, &blue_one, &p);

	expect_verdict(o, OV_FWD_ENCAP);
}

/* Cut anywhere: one verdict. test_wire.c sends what is too short for a test run. */
Test(endpoint, every_truncation_gets_one_verdict)
{
	struct pkt udp = udp_between(&blue_one, &blue_far);
	struct pkt arp = pkt_new();

	pkt_eth(&arp, blue_one.mac, broadcast_mac, ETH_P_ARP);
	pkt_arp(&arp, 1, blue_one.mac, blue_one.ip, blue_far.ip);

	for (size_t len = TEST_RUN_MIN; len < udp.len; len++) {
		struct outcome o = env_send_bytes(&env, &blue_one, udp.data, len, 0);

		expect_verdict(o, OV_DROP_MALFORMED);
	}
	for (size_t len = 15; len < arp.len; len++) {
		struct outcome o = env_send_bytes(&env, &blue_one, arp.data, len, 0);

		expect_verdict(o, OV_DROP_MALFORMED);
	}
}
