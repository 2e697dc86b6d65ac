// SPDX-License-Identifier: GPL-2.0-or-later
/* Policy and what has no ports: pings, ICMP errors, fragments; and what it leaves alone. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <string.h>

#include "base/addr.h"
#include "rules.h"

static struct env env;

static void setup(void)
{
	env_open(&env);
}
static void teardown(void)
{
	env_close(&env);
}
TestSuite(policy_edge, .init = setup, .fini = teardown);

#define DENY OV_POLICY_DENY
#define TCP IPPROTO_TCP
#define UDP IPPROTO_UDP
#define ECHO 8
#define ECHO_REPLY 0

static int ping(const struct actor *from, const struct actor *to, uint8_t type, uint16_t id)
{
	struct pkt p = rules_icmp(from, to, type, id);

	return env_send(&env, from, &p).verdict;
}

/* ---- pings ---- */

Test(policy_edge, a_ping_is_a_flow_by_its_identifier)
{
	struct ov_flow f;

	rules_only(&env, DENY, &(struct rule){ .id = 1, .from = CLASS_ONE, .protocol = IPPROTO_ICMP });
	cr_assert_eq(ping(&blue_two, &blue_one, ECHO_REPLY, 7), OV_DROP_POLICY);
	cr_assert_eq(ping(&blue_one, &blue_two, ECHO, 7), OV_FWD_LOCAL);
	cr_assert_eq(ping(&blue_two, &blue_one, ECHO_REPLY, 7), OV_FWD_LOCAL);
	cr_assert_eq(ping(&blue_one, &blue_two, ECHO, 7), OV_FWD_LOCAL);
	cr_assert_eq(ping(&blue_two, &blue_one, ECHO_REPLY, 8), OV_DROP_POLICY);
	cr_assert_eq(ping(&blue_two, &blue_one, ECHO, 7), OV_DROP_POLICY, "its own question");
	cr_assert_eq(ping(&blue_two, &blue_one, 13, 7), OV_DROP_POLICY, "nor another one");
	cr_assert(rules_flow(&env, MAP_brief, IPPROTO_ICMP, blue_one.ip, 7, blue_two.ip, 0, &f));
	cr_assert_not(rules_flow(&env, MAP_flows, IPPROTO_ICMP, blue_one.ip, 7, blue_two.ip, 0, &f),
		      "a flood of pings fills no table of connections");
	cr_assert_eq(rules_hits(&env, 1).allowed, 1);
}

Test(policy_edge, a_rule_about_pings_has_port_0)
{
	struct rule r = { .id = 1, .from = CLASS_ONE, .protocol = IPPROTO_ICMP, .port = 0,
			  .port_bits = 16 };

	rules_only(&env, DENY, &r);
	cr_assert_eq(ping(&blue_one, &blue_two, ECHO, 7), OV_FWD_LOCAL);
}

Test(policy_edge, questions_other_than_echo_are_answered)
{
	rules_only(&env, DENY, &(struct rule){ .id = 1, .from = CLASS_ONE, .protocol = IPPROTO_ICMP });
	cr_assert_eq(ping(&blue_two, &blue_one, 14, 7), OV_DROP_POLICY);
	cr_assert_eq(ping(&blue_one, &blue_two, 13, 7), OV_FWD_LOCAL);
	cr_assert_eq(ping(&blue_two, &blue_one, 14, 7), OV_FWD_LOCAL);
	cr_assert_eq(ping(&blue_two, &blue_one, 16, 7), OV_DROP_POLICY);
}

Test(policy_edge, the_gateway_and_a_vip_answer_pings_whatever_the_rules)
{
	static const struct balance only_two = { .count = 1, .backend = { &blue_two } };
	struct actor gateway = { .ip = GATEWAY_IP }, vip = { .ip = VIP_IP };

	memcpy(gateway.mac, gateway_mac, 6);
	memcpy(vip.mac, vip_mac, 6);
	balance_put(&env, &only_two);
	rules_only(&env, DENY, NULL);
	cr_assert_eq(ping(&blue_one, &gateway, ECHO, 7), OV_FWD_ECHO_REPLY);
	cr_assert_eq(ping(&blue_one, &vip, ECHO, 7), OV_FWD_ECHO_REPLY);
}

/* ---- ICMP errors ---- */

static int complain(const struct actor *from, const struct actor *to, const struct pkt *about)
{
	struct pkt p = rules_error(from, to, about);

	return env_send(&env, from, &p).verdict;
}

Test(policy_edge, an_error_about_a_known_flow_passes)
{
	struct segment s = answer_of(&blue_one, &blue_two, UDP, 4000, 53);
	struct pkt asked = segment_pkt(&s), other, pinged = rules_icmp(&blue_one, &blue_two, ECHO, 7);

	s.dport = 54;
	other = segment_pkt(&s);
	rules_only(&env, DENY, &(struct rule){ .id = 1, .from = CLASS_ONE });
	cr_assert_eq(complain(&blue_two, &blue_one, &asked), OV_DROP_POLICY);
	env_send(&env, &blue_one, &asked);
	env_send(&env, &blue_one, &pinged);
	cr_assert_eq(complain(&blue_two, &blue_one, &asked), OV_FWD_LOCAL);
	cr_assert_eq(complain(&blue_two, &blue_one, &pinged), OV_FWD_LOCAL);
	cr_assert_eq(complain(&blue_two, &blue_one, &other), OV_DROP_POLICY);
	/* about the answer, from who asked */
	struct segment back = answer_of(&blue_two, &blue_one, UDP, 53, 4000);
	struct pkt answered = segment_pkt(&back);

	cr_assert_eq(complain(&blue_one, &blue_two, &answered), OV_FWD_LOCAL);
}

Test(policy_edge, an_error_about_a_flow_of_the_past_is_judged_by_itself)
{
	struct segment s = answer_of(&blue_one, &blue_two, UDP, 4000, 53);
	struct pkt asked = segment_pkt(&s);

	rules_only(&env, DENY, &(struct rule){ .id = 1, .from = CLASS_ONE });
	env_send(&env, &blue_one, &asked);
	rules_put(&env, 2, DENY, 0);
	cr_assert_eq(complain(&blue_two, &blue_one, &asked), OV_DROP_POLICY);
	rules_put(&env, 1, DENY, 0);
	rules_age(&env, MAP_brief, UDP, blue_one.ip, 4000, blue_two.ip, 53, OV_IDLE_UDP + 2);
	cr_assert_eq(complain(&blue_two, &blue_one, &asked), OV_DROP_POLICY);
	rules_add(&env, 1, &(struct rule){ .id = 2, .from = CLASS_TWO, .protocol = IPPROTO_ICMP });
	cr_assert_eq(complain(&blue_two, &blue_one, &asked), OV_FWD_LOCAL);
}

Test(policy_edge, nobody_complains_about_a_flow_of_others)
{
	struct segment s = answer_of(&blue_one, &blue_far, UDP, 4000, 53);
	struct pkt asked = segment_pkt(&s);

	rules_only(&env, DENY, &(struct rule){ .id = 1, .from = CLASS_ONE });
	env_send(&env, &blue_one, &asked);
	cr_assert_eq(complain(&blue_two, &blue_one, &asked), OV_DROP_POLICY);
}

/* ---- fragments ---- */

#define MORE 0x2000

static int fragment(uint8_t protocol, uint16_t dport, uint16_t id, uint16_t frag_off)
{
	struct segment s = answer_of(&blue_one, &blue_two, protocol, 4000, dport);
	struct pkt p;

	s.flags = TCP_SYN;
	p = segment_fragment(&s, id, frag_off);
	return env_send(&env, &blue_one, &p).verdict;
}

Test(policy_edge, later_fragments_follow_the_first)
{
	rules_only(&env, DENY, &(struct rule){ .id = 1, .from = CLASS_ONE, .protocol = UDP, .port = 53,
					       .port_bits = 16 });
	cr_assert_eq(fragment(UDP, 53, 1, 6), OV_DROP_FRAGMENT);
	cr_assert_eq(fragment(UDP, 53, 1, MORE), OV_FWD_LOCAL);
	cr_assert_eq(fragment(UDP, 53, 1, 6), OV_FWD_LOCAL);
	cr_assert_eq(fragment(UDP, 53, 2, 6), OV_DROP_FRAGMENT);
	/* denied, by an identifier that was used before */
	cr_assert_eq(fragment(UDP, 54, 1, MORE), OV_DROP_POLICY);
	cr_assert_eq(fragment(UDP, 54, 1, 6), OV_DROP_FRAGMENT);
}

Test(policy_edge, a_later_fragment_rewrites_no_header_that_was_judged)
{
	rules_only(&env, OV_POLICY_ALLOW, NULL);
	cr_assert_eq(fragment(TCP, 80, 1, MORE), OV_FWD_LOCAL);
	cr_assert_eq(fragment(TCP, 80, 1, 1), OV_DROP_MALFORMED);
	cr_assert_eq(fragment(TCP, 80, 1, 2), OV_DROP_MALFORMED);
	cr_assert_eq(fragment(TCP, 80, 1, 3), OV_FWD_LOCAL);
}

Test(policy_edge, audit_holds_no_fragment_back)
{
	rules_only(&env, DENY, NULL);
	rules_put(&env, 1, DENY, OV_POLICY_AUDIT);
	cr_assert_eq(fragment(UDP, 53, 1, 6), OV_FWD_LOCAL);
}

Test(policy_edge, fragments_through_a_vip_are_judged_as_the_backends)
{
	static const struct balance only_two = { .count = 1, .backend = { &blue_two } };
	struct segment s = call_of(&blue_one, UDP, 4000, 53);
	struct pkt first = segment_fragment(&s, 1, MORE), later = segment_fragment(&s, 1, 6);
	struct outcome o;

	balance_put(&env, &only_two);
	rules_only(&env, DENY, &(struct rule){ .id = 1, .from = CLASS_ONE, .to = CLASS_TWO,
					       .protocol = UDP });
	o = env_send(&env, &blue_one, &first);
	expect_verdict(o, OV_FWD_LOCAL);
	o = env_send(&env, &blue_one, &later);
	expect_verdict(o, OV_FWD_LOCAL);
	expect_ends(&o, 0, blue_one.ip, 4000, blue_two.ip, 53);
	/* and their answers */
	s = answer_of(&blue_two, &blue_one, UDP, 53, 4000);
	first = segment_fragment(&s, 9, MORE);
	later = segment_fragment(&s, 9, 6);
	o = env_send(&env, &blue_two, &first);
	expect_verdict(o, OV_FWD_LOCAL);
	expect_ends(&o, 0, VIP_IP, 53, blue_one.ip, 4000);
	o = env_send(&env, &blue_two, &later);
	expect_verdict(o, OV_FWD_LOCAL);
	expect_ends(&o, 0, VIP_IP, 53, blue_one.ip, 4000);
}

Test(policy_edge, fragments_that_arrive_are_judged_too)
{
	struct segment s = answer_of(&blue_far, &blue_one, UDP, 4000, 53);
	struct pkt first = segment_fragment(&s, 1, MORE), later = segment_fragment(&s, 1, 6);
	struct outcome o;

	rules_only(&env, DENY, &(struct rule){ .id = 1, .from = CLASS_FAR, .protocol = UDP });
	o = rules_arrive_pkt(&env, &blue_far, &blue_one, &later);
	expect_verdict(o, OV_DROP_FRAGMENT);
	o = rules_arrive_pkt(&env, &blue_far, &blue_one, &first);
	expect_verdict(o, OV_FWD_DECAP);
	o = rules_arrive_pkt(&env, &blue_far, &blue_one, &later);
	expect_verdict(o, OV_FWD_DECAP);
}
