// SPDX-License-Identifier: GPL-2.0-or-later
/* The gateway: answers pings, and complains about packets that are too large. */
#include <arpa/inet.h>
#include <string.h>

#include "env.h"

#define ECHO 8
#define ECHO_REPLY 0
#define UNREACHABLE 3
#define FRAGMENTATION_NEEDED 4
#define DF 0x4000

static struct env env;

static void setup(void)
{
	env_open(&env);
}
static void teardown(void)
{
	env_close(&env);
}
TestSuite(gateway, .init = setup, .fini = teardown);

static struct pkt ping(size_t options, size_t payload)
{
	struct pkt p = pkt_new();

	pkt_eth(&p, blue_one.mac, gateway_mac, ETH_P_IP);
	pkt_ipv4(&p, blue_one.ip, GATEWAY_IP, IPPROTO_ICMP);
	if (options)
		pkt_ipv4_options(&p, options);
	pkt_icmp(&p, ECHO, 0, 77, 3);
	pkt_payload(&p, payload);
	pkt_finish(&p);
	return p;
}

static void check_reply(size_t options, size_t payload)
{
	struct pkt p = ping(options, payload);
	struct outcome o = env_send(&env, &blue_one, &p);
	struct ethhdr *eth = pkt_find(&o.out, PKT_ETH, 0);
	struct pkt_ipv4 *ip = pkt_find(&o.out, PKT_IPV4, 0);
	struct pkt_icmp *icmp = pkt_find(&o.out, PKT_ICMP, 0);
	size_t head = 14 + 20 + options;

	expect_verdict(o, OV_FWD_ECHO_REPLY);
	cr_assert_eq(o.out.len, p.len);
	cr_assert_arr_eq(eth->h_dest, blue_one.mac, 6);
	cr_assert_arr_eq(eth->h_source, gateway_mac, 6);
	cr_assert_eq(ntohl(ip->saddr), GATEWAY_IP);
	cr_assert_eq(ntohl(ip->daddr), blue_one.ip);
	cr_assert_eq(pkt_checksum(ip, 20 + options), 0);
	cr_assert_eq(icmp->type, ECHO_REPLY);
	cr_assert_eq(pkt_checksum(icmp, o.out.len - head), 0);
	cr_assert_arr_eq(o.out.data + head + 4, p.data + head + 4, p.len - head - 4);
}

Test(gateway, ping_is_answered)
{
	check_reply(0, 56);
}

Test(gateway, ping_of_any_size_is_answered)
{
	for (size_t n = 0; n < 1400; n += 131)
		check_reply(0, n);
}

Test(gateway, ping_with_options_is_answered)
{
	for (size_t n = 4; n <= 40; n += 4)
		check_reply(n, 9);
}

static void check_refused(const struct pkt *p, int verdict)
{
	struct outcome o = env_send(&env, &blue_one, p);

	expect_verdict(o, verdict);
}

Test(gateway, anything_but_a_ping_is_refused)
{
	struct pkt p = ping(0, 56);

	((struct pkt_icmp *)pkt_find(&p, PKT_ICMP, 0))->type = ECHO_REPLY;
	check_refused(&p, OV_DROP_UNKNOWN_DST);

	p = ping(0, 56); /* a fragment */
	((struct pkt_ipv4 *)pkt_find(&p, PKT_IPV4, 0))->frag_off = htons(0x2000);
	check_refused(&p, OV_DROP_UNKNOWN_DST);

	p = ping(0, 56);
	((struct pkt_ipv4 *)pkt_find(&p, PKT_IPV4, 0))->protocol = IPPROTO_TCP;
	check_refused(&p, OV_DROP_UNKNOWN_DST);

	p = ping(0, 56);
	memcpy(((struct ethhdr *)pkt_find(&p, PKT_ETH, 0))->h_dest, blue_two.mac, 6);
	check_refused(&p, OV_DROP_WRONG_DST_MAC);

	p = ping(0, 0); /* seven bytes of ICMP */
	((struct pkt_ipv4 *)pkt_find(&p, PKT_IPV4, 0))->tot_len = htons(27);
	check_refused(&p, OV_DROP_MALFORMED);
}

static struct pkt large(const struct actor *to, uint16_t frag_off, size_t ip_len)
{
	struct pkt p = pkt_new();

	pkt_eth(&p, blue_one.mac, to->mac, ETH_P_IP);
	pkt_ipv4(&p, blue_one.ip, to->ip, IPPROTO_UDP);
	((struct pkt_ipv4 *)pkt_find(&p, PKT_IPV4, 0))->frag_off = htons(frag_off);
	pkt_udp(&p, 1000, 2000);
	pkt_payload(&p, ip_len - 28);
	pkt_finish(&p);
	return p;
}

Test(gateway, packet_of_exactly_the_mtu_passes)
{
	struct pkt p = large(&blue_far, DF, NETWORK_MTU);

	check_refused(&p, OV_FWD_ENCAP);
}

static void check_complaint(const struct pkt *sent)
{
	struct outcome o = env_send(&env, &blue_one, sent);
	struct ethhdr *eth = pkt_find(&o.out, PKT_ETH, 0);
	struct pkt_ipv4 *ip = pkt_find(&o.out, PKT_IPV4, 0);
	struct pkt_icmp *icmp = pkt_find(&o.out, PKT_ICMP, 0);

	expect_verdict(o, OV_FWD_TOO_BIG);
	cr_assert_arr_eq(eth->h_dest, blue_one.mac, 6);
	cr_assert_arr_eq(eth->h_source, gateway_mac, 6);
	cr_assert_eq(eth->h_proto, htons(ETH_P_IP));
	cr_assert_eq(ip->version, 4);
	cr_assert_eq(ip->ihl, 5);
	cr_assert_eq(ntohs(ip->tot_len), o.out.len - 14);
	cr_assert_eq(ip->ttl, 64);
	cr_assert_eq(ip->frag_off, 0);
	cr_assert_eq(ip->protocol, IPPROTO_ICMP);
	cr_assert_eq(ntohl(ip->saddr), GATEWAY_IP);
	cr_assert_eq(ntohl(ip->daddr), blue_one.ip);
	cr_assert_eq(pkt_checksum(ip, 20), 0);
	cr_assert_eq(icmp->type, UNREACHABLE);
	cr_assert_eq(icmp->code, FRAGMENTATION_NEEDED);
	cr_assert_eq(icmp->id, 0, "unused");
	cr_assert_eq(ntohs(icmp->seq), NETWORK_MTU);
	cr_assert_eq(pkt_checksum(icmp, o.out.len - 34), 0);
	cr_assert_geq(o.out.len - 42, 28, "header and 8 bytes (RFC 792)");
	cr_assert_arr_eq(o.out.data + 42, sent->data + 14, o.out.len - 42);
}

Test(gateway, oversize_packet_that_must_not_be_fragmented_is_answered)
{
	struct pkt p = large(&blue_far, DF, NETWORK_MTU + 1);

	check_complaint(&p);
	p = large(&blue_far, DF, 2000);
	check_complaint(&p);
	p = large(&blue_two, DF, 2000); /* on this host too: the MTU is the network's */
	check_complaint(&p);
}

Test(gateway, first_fragment_that_must_not_be_fragmented_is_answered)
{
	struct pkt p = large(&blue_far, DF | 0x2000, 2000);

	check_complaint(&p);
}

Test(gateway, oversize_packet_without_df_is_refused)
{
	struct pkt p = large(&blue_far, 0, NETWORK_MTU + 1);

	check_refused(&p, OV_DROP_TOO_BIG);
}

Test(gateway, no_complaint_about_later_fragments_or_icmp_errors)
{
	struct pkt p = large(&blue_far, DF | 100, 2000);

	check_refused(&p, OV_DROP_TOO_BIG);

	p = large(&blue_far, DF, 2000);
	((struct pkt_ipv4 *)pkt_find(&p, PKT_IPV4, 0))->protocol = IPPROTO_ICMP;
	p.data[34] = UNREACHABLE;
	check_refused(&p, OV_DROP_TOO_BIG);

	p.data[34] = ECHO;
	check_refused(&p, OV_FWD_TOO_BIG);
}

Test(gateway, large_segments_of_a_super_packet_are_refused)
{
	struct pkt p = large(&blue_far, 0, 2000);
	struct outcome o = env_send_bytes(&env, &blue_one, p.data, p.len, NETWORK_MTU - 27);

	expect_verdict(o, OV_DROP_TOO_BIG);
	o = env_send_bytes(&env, &blue_one, p.data, p.len, NETWORK_MTU - 28);
	expect_verdict(o, OV_FWD_TUNNEL);
}

Test(gateway, tcp_segments_are_measured_with_their_options)
{
	struct pkt p = pkt_new();

	pkt_eth(&p, blue_one.mac, blue_far.mac, ETH_P_IP);
	pkt_ipv4(&p, blue_one.ip, blue_far.ip, IPPROTO_TCP);
	pkt_ipv4_options(&p, 8);
	pkt_tcp(&p, 1000, 2000);
	((struct pkt_tcp *)pkt_find(&p, PKT_TCP, 0))->doff = 8;
	pkt_payload(&p, 2000);
	pkt_finish(&p);

	/* 28 and 32 bytes of headers */
	struct outcome o = env_send_bytes(&env, &blue_one, p.data, p.len, NETWORK_MTU - 59);

	expect_verdict(o, OV_DROP_TOO_BIG);
	o = env_send_bytes(&env, &blue_one, p.data, p.len, NETWORK_MTU - 60);
	cr_assert_neq(o.verdict, OV_DROP_TOO_BIG);
}
