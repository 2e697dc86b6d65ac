// SPDX-License-Identifier: GPL-2.0-or-later
/* What a node accepts from the wire, by TC and by XDP. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
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
TestSuite(uplink, .init = setup, .fini = teardown);

/* From b to a, as it should be. */
static struct pkt good(void)
{
	return vxlan_between(VTEP(NODE_B), VTEP(NODE_A), &blue_far, &blue_one);
}

static struct outcome arrive_xdp(const struct pkt *p)
{
	return env_run_bytes(&env, UPLINK_XDP, 0, p->data, p->len, 0);
}

/* What TC decides; XDP leaves it alone. */
static void check_tc_only(const struct pkt *p, int verdict)
{
	struct outcome o = env_arrive(&env, p);

	expect_verdict(o, verdict);
	o = arrive_xdp(p);
	cr_assert_eq(o.verdict, NO_VERDICT);
	cr_assert_eq(o.action, XDP_PASS);
}

/* What both refuse, with the same reason. */
static void check_both(const struct pkt *p, int verdict)
{
	struct outcome o = env_arrive(&env, p);

	expect_verdict(o, verdict);
	o = arrive_xdp(p);
	cr_assert_eq(o.verdict, verdict);
	cr_assert_eq(o.action, XDP_DROP);
}

Test(uplink, good_packet_is_delivered_without_its_header)
{
	struct pkt p = good();
	struct outcome o = env_arrive(&env, &p);

	expect_verdict(o, OV_FWD_DECAP);
	cr_assert_eq(o.out.len, p.len - OUTER_BYTES);
	cr_assert_arr_eq(o.out.data, p.data + OUTER_BYTES, o.out.len);
	check_tc_only(&p, OV_FWD_DECAP);
}

Test(uplink, inner_options_and_padding_are_delivered)
{
	struct pkt p = pkt_new();

	pkt_outer(&p, VTEP(NODE_B), VTEP(NODE_A), BLUE);
	pkt_eth(&p, blue_far.mac, blue_one.mac, ETH_P_IP);
	pkt_ipv4(&p, blue_far.ip, blue_one.ip, IPPROTO_UDP);
	pkt_ipv4_options(&p, 40);
	pkt_udp(&p, 1, 2);
	pkt_finish(&p);
	pkt_payload(&p, 13); /* behind the outer packet: Ethernet padding */

	struct outcome o = env_arrive(&env, &p);

	expect_verdict(o, OV_FWD_DECAP);
	cr_assert_arr_eq(o.out.data, p.data + OUTER_BYTES, p.len - OUTER_BYTES);
}

Test(uplink, inner_fragments_are_delivered)
{
	for (uint16_t off = 0; off < 200; off += 90) {
		struct pkt p = good();
		struct pkt_ipv4 *ip = pkt_find(&p, PKT_IPV4, 1);

		ip->frag_off = htons(0x2000 | off);
		pkt_ipv4_checksum(ip);
		check_tc_only(&p, OV_FWD_DECAP);
	}
}

Test(uplink, a_checksummed_outer_udp_header_is_accepted)
{
	struct pkt p = good();
	struct pkt_udp *udp = pkt_find(&p, PKT_UDP, 0);

	udp->check = pkt_l4_checksum(pkt_find(&p, PKT_IPV4, 0), udp, p.len - 34);
	check_tc_only(&p, OV_FWD_DECAP);
}

Test(uplink, other_traffic_passes_untouched)
{
	for (int i = 0; i < 9; i++) {
		struct pkt p = good();
		struct ethhdr *eth = pkt_find(&p, PKT_ETH, 0);
		struct pkt_ipv4 *ip = pkt_find(&p, PKT_IPV4, 0);
		struct pkt_udp *udp = pkt_find(&p, PKT_UDP, 0);

		switch (i) {
		case 0: eth->h_proto = htons(ETH_P_ARP); break;
		case 1: eth->h_proto = htons(ETH_P_IPV6); break;
		case 2: eth->h_proto = htons(ETH_P_8021Q); break;
		case 3: ip->daddr = htonl(VTEP(NODE_B)); break;
		case 4: ip->protocol = IPPROTO_TCP; break;
		case 5: udp->dest = htons(VXLAN_PORT + 1); break;
		case 6: udp->dest = htons(53); udp->source = htons(VXLAN_PORT); break;
		case 7: p.len = TEST_RUN_MIN; break;
		case 8: p.len = 41; break;
		}

		struct outcome o = env_arrive(&env, &p);

		expect_verdict(o, OV_PASS_FOREIGN);
		cr_assert_arr_eq(o.out.data, p.data, p.len);
		o = arrive_xdp(&p);
		cr_assert_eq(o.verdict, NO_VERDICT);
		cr_assert_eq(o.action, XDP_PASS);
	}
}

Test(uplink, frame_to_another_mac_is_not_ours)
{
	struct pkt p = good();

	memcpy(((struct ethhdr *)pkt_find(&p, PKT_ETH, 0))->h_dest, wire_mac, 6);
	check_tc_only(&p, OV_PASS_FOREIGN);
}

Test(uplink, host_traffic_passes_before_the_daemon_is_ready)
{
	struct pkt p = good();

	env_put_config(&env, VTEP(NODE_A), 0);
	check_tc_only(&p, OV_PASS_FOREIGN);
}

Test(uplink, outer_fragments_and_options_are_left_to_the_kernel)
{
	struct pkt p = good();
	struct pkt_ipv4 *ip = pkt_find(&p, PKT_IPV4, 0);

	ip->frag_off = htons(0x2000);
	pkt_ipv4_checksum(ip);
	check_tc_only(&p, NO_VERDICT);

	ip->frag_off = htons(100);
	pkt_ipv4_checksum(ip);
	check_tc_only(&p, NO_VERDICT);

	p = pkt_new();
	pkt_eth(&p, wire_mac, uplink_mac, ETH_P_IP);
	pkt_ipv4(&p, VTEP(NODE_B), VTEP(NODE_A), IPPROTO_UDP);
	pkt_ipv4_options(&p, 4);
	pkt_udp(&p, 50000, VXLAN_PORT);
	pkt_vxlan(&p, BLUE);
	pkt_payload(&p, 60);
	pkt_finish(&p);
	check_tc_only(&p, NO_VERDICT);
}

Test(uplink, udp_super_packet_is_left_to_the_kernel_once_accepted)
{
	struct pkt p = good();
	struct outcome o = env_run_bytes(&env, UPLINK, env.uplink_ifindex, p.data, p.len, 40);

	expect_verdict(o, NO_VERDICT);
	cr_assert_arr_eq(o.out.data, p.data, p.len);

	p = vxlan_between(VTEP(NODE_C), VTEP(NODE_A), &blue_far, &blue_one);
	o = env_run_bytes(&env, UPLINK, env.uplink_ifindex, p.data, p.len, 40);
	expect_verdict(o, OV_DROP_WRONG_PEER);
}

Test(uplink, stranger_is_refused)
{
	struct pkt p = vxlan_between(VTEP(NODE_STRANGER), VTEP(NODE_A), &blue_far, &blue_one);

	check_both(&p, OV_DROP_UNKNOWN_PEER);

	/* Even for an endpoint that is said to live there. */
	env_empty(&env, MAP_peers);
	p = vxlan_between(VTEP(NODE_STRANGER), VTEP(NODE_A), &blue_far, &blue_one);
	check_both(&p, OV_DROP_UNKNOWN_PEER);
}

Test(uplink, unknown_network_is_refused)
{
	static const uint32_t vnis[] = { 0, 101, 0xfffffe, BLUE << 8, BLUE << 16 };

	for (size_t i = 0; i < sizeof(vnis) / sizeof(vnis[0]); i++) {
		struct actor one = blue_one, far = blue_far;

		one.vni = far.vni = vnis[i];

		struct pkt p = vxlan_between(VTEP(NODE_B), VTEP(NODE_A), &far, &one);

		check_both(&p, OV_DROP_UNKNOWN_VNI);
	}
}

Test(uplink, inner_source_of_another_node_is_refused)
{
	/* blue_far lives on b; c says it has it. */
	struct pkt p = vxlan_between(VTEP(NODE_C), VTEP(NODE_A), &blue_far, &blue_one);

	check_both(&p, OV_DROP_WRONG_PEER);

	/* nobody has it */
	struct actor ghost = blue_far;

	ghost.ip = IP(10, 10, 0, 77);
	p = vxlan_between(VTEP(NODE_B), VTEP(NODE_A), &ghost, &blue_one);
	check_both(&p, OV_DROP_WRONG_PEER);
}

Test(uplink, inner_source_that_lives_here_is_refused)
{
	struct pkt p = vxlan_between(VTEP(NODE_B), VTEP(NODE_A), &blue_two, &blue_one);

	check_both(&p, OV_DROP_WRONG_PEER);

	/* Not even when the outer source is our own address. */
	p = vxlan_between(VTEP(NODE_A), VTEP(NODE_A), &blue_two, &blue_one);
	check_both(&p, OV_DROP_UNKNOWN_PEER);
}

Test(uplink, ipv6_node_that_ends_in_the_same_bytes_is_another)
{
	struct pkt p = good();
	struct ov_endpoint_key key = { .addr = addr_from_v4(blue_far.ip), .vni = BLUE };
	struct ov_endpoint value = { .vtep = { .b = { 0x20, 0x01, [12] = 192, 0, 2, 2 } } };

	memcpy(value.mac, blue_far.mac, 6);
	cr_assert_eq(bpf_map_update_elem(env.map[MAP_endpoints], &key, &value, BPF_ANY), 0);
	check_both(&p, OV_DROP_WRONG_PEER);
}

Test(uplink, source_of_another_network_is_refused)
{
	/* blue .5 exists on c, red .5 does not. */
	struct pkt p = vxlan_between(VTEP(NODE_C), VTEP(NODE_A), &blue_third, &red_one);

	check_both(&p, OV_DROP_WRONG_PEER);
}

Test(uplink, spoofed_inner_mac_is_refused)
{
	struct pkt p = good();

	memcpy(((struct ethhdr *)pkt_find(&p, PKT_ETH, 1))->h_source, blue_third.mac, 6);
	check_tc_only(&p, OV_DROP_SPOOFED_MAC);
}

Test(uplink, wrong_inner_destinations_are_refused)
{
	struct pkt p = good();

	memcpy(((struct ethhdr *)pkt_find(&p, PKT_ETH, 1))->h_dest, blue_two.mac, 6);
	check_tc_only(&p, OV_DROP_WRONG_DST_MAC);

	p = good();
	((struct pkt_ipv4 *)pkt_find(&p, PKT_IPV4, 1))->daddr = htonl(IP(10, 10, 0, 77));
	check_tc_only(&p, OV_DROP_UNKNOWN_DST);

	p = vxlan_between(VTEP(NODE_B), VTEP(NODE_A), &blue_far, &blue_third);
	check_tc_only(&p, OV_DROP_NOT_LOCAL);

	p = good();
	((struct pkt_ipv4 *)pkt_find(&p, PKT_IPV4, 1))->daddr = htonl(IP(224, 0, 0, 1));
	check_tc_only(&p, OV_DROP_MULTICAST);

	p = good();
	memcpy(((struct ethhdr *)pkt_find(&p, PKT_ETH, 1))->h_dest, broadcast_mac, 6);
	check_tc_only(&p, OV_DROP_MULTICAST);
}

Test(uplink, only_ipv4_is_accepted_inside)
{
	static const struct {
		uint16_t type;
		int verdict;
	} cases[] = { { ETH_P_ARP, OV_DROP_ARP_OTHER }, { ETH_P_IPV6, OV_DROP_IPV6 },
		      { ETH_P_8021Q, OV_DROP_NOT_IP },  { ETH_P_MPLS_UC, OV_DROP_NOT_IP } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pkt p = good();

		((struct ethhdr *)pkt_find(&p, PKT_ETH, 1))->h_proto = htons(cases[i].type);
		check_tc_only(&p, cases[i].verdict);
	}
}

Test(uplink, strangers_are_named_whatever_they_send)
{
	struct pkt p = vxlan_between(VTEP(NODE_STRANGER), VTEP(NODE_A), &blue_far, &blue_one);

	((struct ethhdr *)pkt_find(&p, PKT_ETH, 1))->h_proto = htons(ETH_P_ARP);
	check_both(&p, OV_DROP_UNKNOWN_PEER);
}

/* The I flag and nothing else: 31 other flag bits and 8 behind the VNI. */
Test(uplink, every_other_vxlan_header_bit_is_refused)
{
	for (int bit = 0; bit < 64; bit++) {
		struct pkt p = good();
		uint8_t *vxlan = pkt_find(&p, PKT_VXLAN, 0);

		if (bit / 8 >= 4 && bit / 8 < 7)
			continue; /* the VNI */
		vxlan[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
		check_both(&p, OV_DROP_BAD_VXLAN);
	}
}

Test(uplink, contradicting_outer_headers_are_refused)
{
	for (int i = 0; i < 6; i++) {
		struct pkt p = good();
		struct pkt_ipv4 *ip = pkt_find(&p, PKT_IPV4, 0);
		struct pkt_udp *udp = pkt_find(&p, PKT_UDP, 0);

		switch (i) {
		case 0: ip->version = 6; break;
		case 1: ip->tot_len = htons((uint16_t)(p.len - 13)); break;
		case 2: ip->tot_len = htons(27); break;
		case 3: udp->len = htons(7); break;
		case 4: udp->len = htons((uint16_t)(p.len - 33)); break;
		case 5: ip->ttl ^= 1; break; /* the checksum tells */
		}
		if (i < 5)
			pkt_ipv4_checksum(ip);
		check_tc_only(&p, OV_DROP_MALFORMED);
	}
}

Test(uplink, contradicting_inner_headers_are_refused)
{
	for (int i = 0; i < 5; i++) {
		struct pkt p = good();
		struct pkt_ipv4 *ip = pkt_find(&p, PKT_IPV4, 1);

		switch (i) {
		case 0: ip->version = 6; break;
		case 1: ip->ihl = 4; break;
		case 2: ip->tot_len = htons(19); break;
		case 3: ip->tot_len = htons((uint16_t)(p.len - 64 + 1)); break;
		case 4: ip->ihl = 15; ip->tot_len = htons(59); break;
		}
		check_tc_only(&p, OV_DROP_MALFORMED);
	}
}

/* A UDP length that ends early cuts the inner frame, whatever follows it. */
Test(uplink, bytes_behind_the_udp_length_do_not_count)
{
	struct pkt p = good();
	struct pkt_udp *udp = pkt_find(&p, PKT_UDP, 0);

	udp->len = htons((uint16_t)(ntohs(udp->len) - 1));
	check_tc_only(&p, OV_DROP_MALFORMED);
}

/* Cut anywhere: foreign as long as the port is not seen, malformed from there on. */
Test(uplink, every_truncation_gets_one_verdict)
{
	struct pkt p = good();

	for (size_t len = TEST_RUN_MIN; len < p.len; len++) {
		struct pkt cut = p;

		cut.len = len;
		check_tc_only(&cut, len < 42 ? OV_PASS_FOREIGN : OV_DROP_MALFORMED);
	}
}

/* The same with outer lengths that fit: the inner headers are what is cut. */
Test(uplink, every_inner_truncation_gets_one_verdict)
{
	struct pkt p = good();

	for (size_t len = 42; len < p.len; len++) {
		struct pkt cut = p;
		struct pkt_ipv4 *ip = pkt_find(&cut, PKT_IPV4, 0);

		cut.len = len;
		ip->tot_len = htons((uint16_t)(len - 14));
		((struct pkt_udp *)pkt_find(&cut, PKT_UDP, 0))->len = htons((uint16_t)(len - 34));
		pkt_ipv4_checksum(ip);
		check_tc_only(&cut, OV_DROP_MALFORMED);
	}
}

/* No frame is lost between the programs: any one flipped byte, one verdict at most. */
Test(uplink, flipped_bytes_never_reach_a_wrong_endpoint)
{
	struct pkt p = good();

	for (size_t at = 0; at < p.len; at++) {
		struct pkt bad = p;

		bad.data[at] ^= 0xff;

		struct outcome o = env_arrive(&env, &bad);

		if (o.verdict != OV_FWD_DECAP)
			continue;
		/* What still arrives has the right inner addresses, network and outer source. */
		cr_assert_arr_eq(o.out.data, p.data + OUTER_BYTES, 14);
		cr_assert_arr_eq(bad.data + 46, p.data + 46, 3, "the VNI");
		cr_assert_arr_eq(bad.data + 26, p.data + 26, 8, "outer addresses");
		cr_assert_arr_eq(bad.data + 64 + 12, p.data + 64 + 12, 8, "inner addresses");
	}
}
