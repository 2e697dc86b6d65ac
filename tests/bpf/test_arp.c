// SPDX-License-Identifier: GPL-2.0-or-later
/* ARP is answered from the maps and never leaves the host. */
#include <arpa/inet.h>
#include <string.h>

#include "env.h"

#define REQUEST 1
#define REPLY 2

static struct env env;

static void setup(void)
{
	env_open(&env);
}
static void teardown(void)
{
	env_close(&env);
}
TestSuite(arp, .init = setup, .fini = teardown);

static struct pkt ask(const struct actor *a, uint16_t op, uint32_t sender, uint32_t target)
{
	struct pkt p = pkt_new();

	pkt_eth(&p, a->mac, broadcast_mac, ETH_P_ARP);
	pkt_arp(&p, op, a->mac, sender, target);
	return p;
}

static void check_answer(const struct actor *from, uint32_t sender, uint32_t target,
			 const uint8_t mac[6])
{
	struct pkt p = ask(from, REQUEST, sender, target);
	struct outcome o = env_send(&env, from, &p);
	struct ethhdr *eth = pkt_find(&o.out, PKT_ETH, 0);
	struct pkt_arp *arp = pkt_find(&o.out, PKT_ARP, 0);
	uint32_t ip;

	expect_verdict(o, OV_FWD_ARP_REPLY);
	cr_assert_eq(o.out.len, p.len);
	cr_assert_arr_eq(eth->h_dest, from->mac, 6);
	cr_assert_arr_eq(eth->h_source, mac, 6);
	cr_assert_eq(eth->h_proto, htons(ETH_P_ARP));
	cr_assert_eq(arp->hardware, htons(1));
	cr_assert_eq(arp->protocol, htons(ETH_P_IP));
	cr_assert_eq(arp->op, htons(REPLY));
	cr_assert_arr_eq(arp->sender_mac, mac, 6);
	memcpy(&ip, arp->sender_ip, 4);
	cr_assert_eq(ntohl(ip), target);
	cr_assert_arr_eq(arp->target_mac, from->mac, 6);
	memcpy(&ip, arp->target_ip, 4);
	cr_assert_eq(ntohl(ip), sender);
}

Test(arp, endpoint_here_is_answered)
{
	check_answer(&blue_one, blue_one.ip, blue_two.ip, blue_two.mac);
}

Test(arp, endpoint_elsewhere_is_answered)
{
	check_answer(&blue_one, blue_one.ip, blue_far.ip, blue_far.mac);
}

Test(arp, gateway_is_answered)
{
	check_answer(&blue_one, blue_one.ip, GATEWAY_IP, gateway_mac);
}

Test(arp, answer_is_of_the_askers_network)
{
	check_answer(&red_one, red_one.ip, red_far.ip, red_far.mac);
}

Test(arp, probe_for_a_taken_address_is_answered)
{
	check_answer(&blue_one, 0, blue_two.ip, blue_two.mac);
}

static void check_refused(const struct actor *from, const struct pkt *p, int verdict)
{
	struct outcome o = env_send(&env, from, p);

	expect_verdict(o, verdict);
}

Test(arp, unknown_address_is_refused)
{
	struct pkt p = ask(&blue_one, REQUEST, blue_one.ip, IP(10, 10, 0, 77));

	check_refused(&blue_one, &p, OV_DROP_ARP_UNKNOWN);
	p = ask(&red_one, REQUEST, red_one.ip, blue_two.ip); /* only blue has it */
	check_refused(&red_one, &p, OV_DROP_ARP_UNKNOWN);
}

Test(arp, announcements_and_replies_are_refused)
{
	struct pkt p = ask(&blue_one, REQUEST, blue_one.ip, blue_one.ip);

	check_refused(&blue_one, &p, OV_DROP_ARP_OTHER);
	p = ask(&blue_one, REQUEST, 0, blue_one.ip);
	check_refused(&blue_one, &p, OV_DROP_ARP_OTHER);
	p = ask(&blue_one, REPLY, blue_one.ip, blue_two.ip);
	check_refused(&blue_one, &p, OV_DROP_ARP_OTHER);
	p = ask(&blue_one, 3, blue_one.ip, blue_two.ip); /* reverse ARP */
	check_refused(&blue_one, &p, OV_DROP_ARP_OTHER);
}

Test(arp, somebody_elses_identity_is_refused)
{
	struct pkt p = ask(&blue_one, REQUEST, blue_two.ip, blue_far.ip);

	check_refused(&blue_one, &p, OV_DROP_SPOOFED_IP);

	p = ask(&blue_one, REQUEST, blue_one.ip, blue_far.ip);
	memcpy(((struct pkt_arp *)pkt_find(&p, PKT_ARP, 0))->sender_mac, blue_two.mac, 6);
	check_refused(&blue_one, &p, OV_DROP_SPOOFED_MAC);

	p = ask(&blue_one, REQUEST, blue_one.ip, blue_far.ip);
	memcpy(((struct ethhdr *)pkt_find(&p, PKT_ETH, 0))->h_source, blue_two.mac, 6);
	check_refused(&blue_one, &p, OV_DROP_SPOOFED_MAC);
}

Test(arp, other_hardware_or_protocol_is_refused)
{
	for (size_t byte = 0; byte < 6; byte++) { /* hardware, protocol, the two lengths */
		struct pkt p = ask(&blue_one, REQUEST, blue_one.ip, blue_two.ip);

		p.data[14 + byte] ^= 0x10;
		check_refused(&blue_one, &p, OV_DROP_MALFORMED);
	}
}
