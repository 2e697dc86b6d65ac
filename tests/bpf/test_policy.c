// SPDX-License-Identifier: GPL-2.0-or-later
/* What rules say of a flow that begins. */
#include <arpa/inet.h>
#include <bpf/bpf.h>

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
TestSuite(policy, .init = setup, .fini = teardown);

#define ALLOW OV_POLICY_ALLOW
#define DENY OV_POLICY_DENY

/* blue_one's SYN to that port of blue_two; each from another port. */
static int call(uint16_t dport)
{
	static uint16_t sport = 4000;

	return rules_send(&env, &blue_one, &blue_two, IPPROTO_TCP, sport++, dport, TCP_SYN).verdict;
}

Test(policy, the_default_is_what_no_rule_speaks_of)
{
	rules_only(&env, ALLOW, NULL);
	cr_assert_eq(call(80), OV_FWD_LOCAL);
	cr_assert_eq(rules_hits(&env, 0).allowed, 1);
	rules_put(&env, 1, DENY, 0);
	cr_assert_eq(call(80), OV_DROP_POLICY);
	cr_assert_eq(rules_hits(&env, 0).denied, 1);
	cr_assert_eq(rules_hits(&env, 0).allowed, 1);
}

Test(policy, one_direction_is_not_the_other)
{
	struct outcome o;

	rules_only(&env, DENY, &(struct rule){ .id = 5, .from = CLASS_ONE, .to = CLASS_TWO });
	cr_assert_eq(call(80), OV_FWD_LOCAL);
	o = rules_send(&env, &blue_two, &blue_one, IPPROTO_TCP, 5000, 80, TCP_SYN);
	expect_verdict(o, OV_DROP_POLICY);
	o = rules_send(&env, &blue_one, &blue_far, IPPROTO_TCP, 5000, 80, TCP_SYN);
	expect_verdict(o, OV_DROP_POLICY);
	cr_assert_eq(rules_hits(&env, 5).allowed, 1);
	cr_assert_eq(rules_hits(&env, 0).denied, 2);
}

Test(policy, a_denial_among_the_four_pairs_beats_every_permission)
{
	static const uint32_t pair[4][2] = { { CLASS_ONE, CLASS_TWO }, { CLASS_ONE, OV_CLASS_ANY },
					     { OV_CLASS_ANY, CLASS_TWO },
					     { OV_CLASS_ANY, OV_CLASS_ANY } };

	for (uint32_t denied = 0; denied < 4; denied++) {
		uint32_t set = 10 + denied;

		rules_subjects(&env, set);
		for (uint32_t i = 0; i < 4; i++)
			rules_add(&env, set, &(struct rule){ .id = 100 * set + i, .from = pair[i][0],
				  .to = pair[i][1], .verdict = i == denied ? DENY : ALLOW });
		rules_put(&env, set, ALLOW, 0);
		cr_assert_eq(call(80), OV_DROP_POLICY, "pair %u", denied);
		cr_assert_eq(rules_hits(&env, 100 * set + denied).denied, 1);
	}
}

Test(policy, each_of_the_four_pairs_alone_permits)
{
	static const uint32_t pair[4][2] = { { CLASS_ONE, CLASS_TWO }, { CLASS_ONE, OV_CLASS_ANY },
					     { OV_CLASS_ANY, CLASS_TWO },
					     { OV_CLASS_ANY, OV_CLASS_ANY } };

	for (uint32_t i = 0; i < 4; i++) {
		rules_subjects(&env, 20 + i);
		rules_add(&env, 20 + i, &(struct rule){ .id = 20 + i, .from = pair[i][0], .to = pair[i][1] });
		rules_put(&env, 20 + i, DENY, 0);
		cr_assert_eq(call(80), OV_FWD_LOCAL, "pair %u", i);
		cr_assert_eq(rules_hits(&env, 20 + i).allowed, 1);
	}
}

Test(policy, who_has_no_class_is_anybody)
{
	rules_add(&env, 1, &(struct rule){ .id = 6, .port = 80, .port_bits = 16,
					    .protocol = IPPROTO_TCP });
	rules_add(&env, 1, &(struct rule){ .id = 7, .from = CLASS_ONE, .verdict = DENY });
	rules_put(&env, 1, DENY, 0);
	cr_assert_eq(call(80), OV_FWD_LOCAL, "no subject row: no rule of CLASS_ONE");
	cr_assert_eq(call(81), OV_DROP_POLICY);
}

Test(policy, ports_are_prefixes_and_the_longest_one_counts)
{
	struct rule r = { .id = 1, .from = CLASS_ONE, .to = CLASS_TWO, .protocol = IPPROTO_TCP,
			  .port = 8080, .port_bits = 12 }; /* 8080 to 8095 */

	rules_only(&env, DENY, &r);
	r = (struct rule){ .id = 2, .from = CLASS_ONE, .to = CLASS_TWO, .protocol = IPPROTO_TCP,
			   .port = 8088, .port_bits = 16, .verdict = DENY };
	rules_add(&env, 1, &r);
	cr_assert_eq(call(8079), OV_DROP_POLICY);
	cr_assert_eq(call(8080), OV_FWD_LOCAL);
	cr_assert_eq(call(8095), OV_FWD_LOCAL);
	cr_assert_eq(call(8096), OV_DROP_POLICY);
	cr_assert_eq(call(8088), OV_DROP_POLICY);
	cr_assert_eq(rules_hits(&env, 1).allowed, 2);
	cr_assert_eq(rules_hits(&env, 2).denied, 1);
}

Test(policy, protocols_differ)
{
	struct outcome o;

	rules_only(&env, DENY, &(struct rule){ .id = 1, .from = CLASS_ONE, .to = CLASS_TWO,
					       .protocol = IPPROTO_UDP });
	cr_assert_eq(call(80), OV_DROP_POLICY);
	o = rules_send(&env, &blue_one, &blue_two, IPPROTO_UDP, 4000, 80, 0);
	expect_verdict(o, OV_FWD_LOCAL);
	o = rules_send(&env, &blue_one, &blue_two, IPPROTO_SCTP, 4000, 80, 1);
	expect_verdict(o, OV_DROP_POLICY);
	/* one that has no ports, by its number */
	struct pkt p = rules_icmp(&blue_one, &blue_two, 8, 1);
	struct pkt_ipv4 *ip = pkt_find(&p, PKT_IPV4, 0);

	ip->protocol = 47;
	pkt_ipv4_checksum(ip);
	o = env_send(&env, &blue_one, &p);
	expect_verdict(o, OV_DROP_POLICY);
	rules_add(&env, 1, &(struct rule){ .id = 2, .from = CLASS_ONE, .to = CLASS_TWO, .protocol = 47 });
	o = env_send(&env, &blue_one, &p);
	expect_verdict(o, OV_FWD_LOCAL);
}

Test(policy, a_cidr_is_a_subject_and_the_longest_prefix_counts)
{
	rules_subject(&env, 1, IP(10, 10, 0, 0), 29, CLASS_ONE);
	rules_subject(&env, 1, blue_two.ip, 32, CLASS_TWO);
	rules_add(&env, 1, &(struct rule){ .id = 1, .from = CLASS_ONE, .to = CLASS_TWO });
	rules_put(&env, 1, DENY, 0);
	cr_assert_eq(call(80), OV_FWD_LOCAL);
	rules_subject(&env, 1, blue_one.ip, 32, CLASS_FAR);
	cr_assert_eq(call(80), OV_DROP_POLICY);
}

Test(policy, audit_lets_pass_and_counts_a_denial)
{
	rules_only(&env, DENY, &(struct rule){ .id = 9, .from = CLASS_ONE, .to = CLASS_TWO,
					       .protocol = IPPROTO_TCP, .port = 81, .port_bits = 16,
					       .verdict = DENY });
	rules_put(&env, 1, DENY, OV_POLICY_AUDIT);
	cr_assert_eq(call(80), OV_FWD_LOCAL);
	cr_assert_eq(call(81), OV_FWD_LOCAL);
	cr_assert_eq(rules_hits(&env, 0).denied, 1);
	cr_assert_eq(rules_hits(&env, 9).denied, 1);
}

Test(policy, audit_that_ends_cuts_what_it_let_pass)
{
	struct outcome o;

	rules_only(&env, DENY, NULL);
	rules_put(&env, 1, DENY, OV_POLICY_AUDIT);
	rules_establish(&env, &blue_one, &blue_two, 4000, 80);
	rules_put(&env, 1, DENY, 0);
	o = rules_send(&env, &blue_one, &blue_two, IPPROTO_TCP, 4000, 80, TCP_ACK);
	expect_cut(&o, blue_two.ip, 80, blue_one.ip, 4000, 0);
}

Test(policy, a_policy_that_cannot_be_read_lets_nothing_pass)
{
	rules_only(&env, ALLOW, NULL);
	rules_establish(&env, &blue_one, &blue_two, 3000, 80);
	rules_put(&env, 1, ALLOW, OV_POLICY_BROKEN | OV_POLICY_AUDIT);
	cr_assert_eq(call(80), OV_DROP_POLICY_UNREADABLE);
	cr_assert_eq(rules_send(&env, &blue_one, &blue_two, IPPROTO_TCP, 3000, 80, TCP_ACK).verdict,
		     OV_DROP_POLICY_UNREADABLE);
	env_empty(&env, MAP_policy);
	cr_assert_eq(call(80), OV_DROP_POLICY_UNREADABLE);
	cr_assert_eq(rules_arrive(&env, &blue_far, &blue_one, IPPROTO_TCP, 4000, 80, TCP_SYN).verdict,
		     OV_DROP_POLICY_UNREADABLE);
}

Test(policy, networks_without_a_policy_are_as_they_were)
{
	struct pkt p = udp_between(&red_one, &red_far);
	struct outcome o;

	rules_only(&env, DENY, NULL);
	o = env_send(&env, &red_one, &p);
	expect_verdict(o, OV_FWD_ENCAP);
	cr_assert_eq(rules_hits(&env, 0).denied, 0);
}

Test(policy, the_receivers_node_judges_too)
{
	struct outcome o;

	rules_only(&env, DENY, &(struct rule){ .id = 5, .from = CLASS_FAR, .to = CLASS_ONE,
					       .protocol = IPPROTO_TCP, .port = 80, .port_bits = 16 });
	o = rules_arrive(&env, &blue_far, &blue_one, IPPROTO_TCP, 4000, 80, TCP_SYN);
	expect_verdict(o, OV_FWD_DECAP);
	o = rules_arrive(&env, &blue_far, &blue_one, IPPROTO_TCP, 4000, 81, TCP_SYN);
	expect_verdict(o, OV_DROP_POLICY);
	o = rules_arrive(&env, &blue_far, &blue_two, IPPROTO_TCP, 4000, 80, TCP_SYN);
	expect_verdict(o, OV_DROP_POLICY);
}

/* What a packet says of itself is checked before: a wrong source is never judged as that one. */
Test(policy, a_borrowed_address_gains_nothing)
{
	struct segment s = answer_of(&blue_far, &blue_two, IPPROTO_TCP, 4000, 80);
	struct outcome o;

	rules_only(&env, DENY, &(struct rule){ .from = CLASS_FAR, .id = 5 });
	s.flags = TCP_SYN;
	s.src_mac = blue_one.mac;
	o = balance_send(&env, &blue_one, &s);
	expect_verdict(o, OV_DROP_SPOOFED_IP);

	/* from a node that blue_far is not on */
	struct actor forged = blue_far;

	forged.vtep = VTEP(NODE_C);
	o = rules_arrive(&env, &forged, &blue_one, IPPROTO_TCP, 4000, 80, TCP_SYN);
	expect_verdict(o, OV_DROP_WRONG_PEER);
	cr_assert_eq(rules_hits(&env, 5).allowed, 0);
}

Test(policy, a_header_that_is_cut_off_is_malformed)
{
	struct segment s = answer_of(&blue_one, &blue_two, IPPROTO_TCP, 4000, 80);
	struct pkt p = segment_pkt(&s);
	struct pkt_ipv4 *ip = pkt_find(&p, PKT_IPV4, 0);
	struct outcome o;

	rules_only(&env, ALLOW, NULL);
	ip->tot_len = htons(20 + 12);
	pkt_ipv4_checksum(ip);
	o = env_send(&env, &blue_one, &p);
	expect_verdict(o, OV_DROP_MALFORMED);
}
