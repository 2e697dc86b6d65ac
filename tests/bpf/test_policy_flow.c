// SPDX-License-Identifier: GPL-2.0-or-later
/* Flows that policy has judged: their answers, their end, and other rules meanwhile. */
#include <bpf/bpf.h>

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
TestSuite(policy_flow, .init = setup, .fini = teardown);

#define ALLOW OV_POLICY_ALLOW
#define DENY OV_POLICY_DENY
#define TCP IPPROTO_TCP
#define UDP IPPROTO_UDP

/* blue_one may call port 80 of blue_two and blue_far, and nobody anybody else. */
static const struct rule to_two = { .id = 2, .from = CLASS_ONE, .to = CLASS_TWO, .protocol = TCP,
				    .port = 80, .port_bits = 16 };
static const struct rule to_far = { .id = 3, .from = CLASS_ONE, .to = CLASS_FAR, .protocol = TCP,
				    .port = 80, .port_bits = 16 };

static void one_may_call(void)
{
	rules_only(&env, DENY, &to_two);
	rules_add(&env, 1, &to_far);
}

/* Other rules: set 2, under which nobody may anything. */
static void nobody_may_call(void)
{
	rules_subjects(&env, 2);
	rules_put(&env, 2, DENY, 0);
}

static struct outcome one_to_two(uint8_t flags)
{
	return rules_send(&env, &blue_one, &blue_two, TCP, 4000, 80, flags);
}

static struct outcome two_to_one(uint8_t flags)
{
	return rules_send(&env, &blue_two, &blue_one, TCP, 80, 4000, flags);
}

#define expect_next(run, verdict)                                    \
	do {                                                         \
		struct outcome next = run;                           \
		expect_verdict(next, verdict);                       \
	} while (0)

static bool flow_of(enum env_map map, struct ov_flow *ret)
{
	return rules_flow(&env, map, TCP, blue_one.ip, 4000, blue_two.ip, 80, ret);
}

/* ---- answers ---- */

Test(policy_flow, a_connection_on_one_node_is_one_entry_and_established)
{
	struct ov_backend_stats_key counted;
	struct ov_flow f;

	one_may_call();
	expect_next(one_to_two(TCP_SYN), OV_FWD_LOCAL);
	cr_assert(flow_of(MAP_brief, &f));
	cr_assert_not(flow_of(MAP_flows, &f));
	expect_next(two_to_one(TCP_SYN | TCP_ACK), OV_FWD_LOCAL);
	expect_next(one_to_two(TCP_ACK), OV_FWD_LOCAL);
	cr_assert_not(flow_of(MAP_brief, &f));
	cr_assert(flow_of(MAP_flows, &f));
	cr_assert_eq(f.flags, OV_FLOW_POLICY | OV_FLOW_REPLIED);
	cr_assert_eq(f.judged.rule, 2);
	cr_assert_eq(f.judged.by.set, 1);
	cr_assert_eq(f.incarnation, blue_one.ip ^ blue_two.ip);
	cr_assert_eq(rules_hits(&env, 2).allowed, 1, "judged once");
	cr_assert_eq(balance_counter(&env, OV_FLOW_ENTERED), 1);
	cr_assert_eq(balance_counter(&env, OV_FLOW_BORN), 0, "no flow of a service");
	cr_assert_neq(bpf_map_get_next_key(env.map[MAP_backend_stats], NULL, &counted), 0);
}

Test(policy_flow, answers_cross_nodes_both_ways)
{
	struct outcome o;

	one_may_call();
	/* the caller's node */
	o = rules_send(&env, &blue_one, &blue_far, TCP, 4000, 80, TCP_SYN);
	expect_verdict(o, OV_FWD_ENCAP);
	o = rules_arrive(&env, &blue_far, &blue_one, TCP, 80, 4000, TCP_SYN | TCP_ACK);
	expect_verdict(o, OV_FWD_DECAP);
	o = rules_send(&env, &blue_one, &blue_far, TCP, 4000, 80, TCP_ACK);
	expect_verdict(o, OV_FWD_ENCAP);
	o = rules_arrive(&env, &blue_far, &blue_one, TCP, 80, 4000, TCP_ACK);
	expect_verdict(o, OV_FWD_DECAP);
	/* the callee's node */
	env_empty(&env, MAP_flows);
	env_empty(&env, MAP_brief);
	env_become(&env, NODE_B);
	rules_mark(&env);
	o = rules_arrive(&env, &blue_one, &blue_far, TCP, 4000, 80, TCP_SYN);
	expect_verdict(o, OV_FWD_DECAP);
	o = rules_send(&env, &blue_far, &blue_one, TCP, 80, 4000, TCP_SYN | TCP_ACK);
	expect_verdict(o, OV_FWD_ENCAP);
	o = rules_arrive(&env, &blue_one, &blue_far, TCP, 4000, 80, TCP_ACK);
	expect_verdict(o, OV_FWD_DECAP);
	o = rules_send(&env, &blue_far, &blue_one, TCP, 80, 4000, TCP_ACK);
	expect_verdict(o, OV_FWD_ENCAP);
	o = rules_send(&env, &blue_far, &blue_one, TCP, 80, 4001, TCP_SYN);
	expect_verdict(o, OV_DROP_POLICY);
}

Test(policy_flow, who_was_called_may_not_call_back_by_the_same_ports)
{
	struct ov_flow f;

	one_may_call();
	rules_establish(&env, &blue_one, &blue_two, 4000, 80);
	expect_next(two_to_one(TCP_SYN), OV_DROP_POLICY);
	cr_assert(flow_of(MAP_flows, &f), "and that harms the connection not");
	expect_next(two_to_one(TCP_ACK), OV_FWD_LOCAL);
	cr_assert_eq(rules_hits(&env, 2).allowed, 1);
}

Test(policy_flow, udp_is_answered_by_the_entry_alone)
{
	struct outcome o;

	rules_only(&env, DENY, &(struct rule){ .id = 1, .from = CLASS_ONE, .protocol = UDP });
	o = rules_send(&env, &blue_two, &blue_one, UDP, 53, 4000, 0);
	expect_verdict(o, OV_DROP_POLICY);
	o = rules_send(&env, &blue_one, &blue_two, UDP, 4000, 53, 0);
	expect_verdict(o, OV_FWD_LOCAL);
	o = rules_send(&env, &blue_two, &blue_one, UDP, 53, 4000, 0);
	expect_verdict(o, OV_FWD_LOCAL);
	o = rules_send(&env, &blue_two, &blue_one, UDP, 54, 4000, 0);
	expect_verdict(o, OV_DROP_POLICY);
	rules_age(&env, MAP_brief, UDP, blue_one.ip, 4000, blue_two.ip, 53, OV_IDLE_UDP + 2);
	o = rules_send(&env, &blue_two, &blue_one, UDP, 53, 4000, 0);
	expect_verdict(o, OV_DROP_POLICY);
}

Test(policy_flow, what_is_denied_leaves_no_entry)
{
	struct ov_flow_key key;

	rules_only(&env, DENY, NULL);
	expect_next(one_to_two(TCP_SYN), OV_DROP_POLICY);
	expect_next(one_to_two(TCP_SYN), OV_DROP_POLICY);
	cr_assert_neq(bpf_map_get_next_key(env.map[MAP_brief], NULL, &key), 0);
	cr_assert_eq(rules_hits(&env, 0).denied, 2);
}

Test(policy_flow, sctp_is_followed_as_tcp_is)
{
	struct outcome o;
	struct ov_flow f;

	rules_only(&env, DENY, &(struct rule){ .id = 1, .from = CLASS_ONE, .protocol = IPPROTO_SCTP });
	o = rules_send(&env, &blue_one, &blue_two, IPPROTO_SCTP, 4000, 80, 1);
	expect_verdict(o, OV_FWD_LOCAL);
	o = rules_send(&env, &blue_two, &blue_one, IPPROTO_SCTP, 80, 4000, 2);
	expect_verdict(o, OV_FWD_LOCAL);
	o = rules_send(&env, &blue_one, &blue_two, IPPROTO_SCTP, 4000, 80, 10);
	expect_verdict(o, OV_FWD_LOCAL);
	cr_assert(rules_flow(&env, MAP_flows, IPPROTO_SCTP, blue_one.ip, 4000, blue_two.ip, 80, &f));
	nobody_may_call();
	o = rules_send(&env, &blue_one, &blue_two, IPPROTO_SCTP, 4000, 80, 0);
	expect_verdict(o, OV_DROP_POLICY);
	cr_assert_not(rules_flow(&env, MAP_flows, IPPROTO_SCTP, blue_one.ip, 4000, blue_two.ip, 80, &f));
	o = rules_send(&env, &blue_two, &blue_one, IPPROTO_SCTP, 80, 4000, 0);
	expect_verdict(o, OV_DROP_POLICY);
}

/* ---- the middle of a connection ---- */

Test(policy_flow, a_lost_table_cuts_no_connection_that_either_end_may_have_begun)
{
	struct ov_flow f;

	one_may_call();
	expect_next(two_to_one(TCP_ACK), OV_FWD_LOCAL);
	cr_assert(flow_of(MAP_brief, &f));
	cr_assert_eq(f.flags, OV_FLOW_POLICY | OV_FLOW_MIDDLE | OV_FLOW_REPLIED);
	expect_next(one_to_two(TCP_ACK), OV_FWD_LOCAL);
	expect_next(one_to_two(TCP_ACK), OV_FWD_LOCAL);
	cr_assert(flow_of(MAP_flows, &f), "it is protected again");
	/* other rules, under which it may go on; and others */
	rules_subjects(&env, 3);
	rules_add(&env, 3, &to_two);
	rules_put(&env, 3, DENY, 0);
	expect_next(two_to_one(TCP_ACK), OV_FWD_LOCAL);
	nobody_may_call();
	expect_next(two_to_one(TCP_ACK), OV_FWD_CUT);
}

Test(policy_flow, the_middle_of_a_denied_connection_is_cut)
{
	struct outcome o;

	rules_only(&env, DENY, NULL);
	expect_next(two_to_one(TCP_ACK), OV_FWD_CUT);
	expect_next(one_to_two(TCP_ACK), OV_FWD_CUT);
	expect_next(one_to_two(TCP_RST), OV_DROP_POLICY);
	o = rules_arrive(&env, &blue_far, &blue_one, TCP, 80, 4000, TCP_ACK);
	expect_verdict(o, OV_DROP_POLICY);
}

static const struct rule denied = { .id = 7, .from = CLASS_ONE, .to = CLASS_TWO, .verdict = DENY };

Test(policy_flow, a_networks_first_denial_cuts_what_began_before)
{
	rules_only(&env, ALLOW, &denied);
	expect_next(two_to_one(TCP_ACK), OV_FWD_CUT);
	expect_next(one_to_two(TCP_ACK), OV_FWD_CUT);
	expect_next(two_to_one(TCP_SYN), OV_FWD_LOCAL); /* which nothing denies */
}

Test(policy_flow, a_rule_that_allows_the_middle_one_way_beats_one_that_denies_the_other)
{
	rules_only(&env, ALLOW, &denied);
	rules_add(&env, 1, &(struct rule){ .id = 8, .from = CLASS_TWO, .to = CLASS_ONE });
	expect_next(one_to_two(TCP_ACK), OV_FWD_LOCAL);
	expect_next(two_to_one(TCP_ACK), OV_FWD_LOCAL);
	expect_next(one_to_two(TCP_SYN), OV_DROP_POLICY);
}

/* ---- other rules ---- */

Test(policy_flow, other_rules_cut_what_they_deny_at_both_ends)
{
	struct segment s = answer_of(&blue_one, &blue_two, TCP, 4000, 80);
	struct outcome o;
	struct ov_flow f;

	one_may_call();
	rules_establish(&env, &blue_one, &blue_two, 4000, 80);
	nobody_may_call();
	s.flags = TCP_ACK;
	s.ack = 4711;
	o = balance_send(&env, &blue_one, &s);
	expect_cut(&o, blue_two.ip, 80, blue_one.ip, 4000, 4711);
	cr_assert_not(flow_of(MAP_flows, &f));
	cr_assert_eq(balance_counter(&env, OV_FLOW_LEFT), 1);
	cr_assert_eq(rules_hits(&env, 0).denied, 1);
	s = answer_of(&blue_two, &blue_one, TCP, 80, 4000);
	s.flags = TCP_ACK;
	s.ack = 99;
	o = balance_send(&env, &blue_two, &s);
	expect_cut(&o, blue_one.ip, 4000, blue_two.ip, 80, 99);
	cr_assert_eq(rules_hits(&env, 0).denied, 1, "it was judged once");
	/* a reset is answered by nothing, a new connection by silence */
	expect_next(two_to_one(TCP_RST), OV_DROP_POLICY);
	expect_next(one_to_two(TCP_SYN), OV_DROP_POLICY);
}

/* Set 2: the other end may call. What is sent again after minutes would pass as its answer. */
static void two_may_call(void)
{
	rules_subjects(&env, 2);
	rules_add(&env, 2, &(struct rule){ .id = 9, .from = CLASS_TWO });
	rules_put(&env, 2, DENY, 0);
}

Test(policy_flow, a_cut_connection_does_not_come_back)
{
	one_may_call();
	rules_establish(&env, &blue_one, &blue_two, 4000, 80);
	two_may_call();
	expect_next(one_to_two(TCP_ACK), OV_FWD_CUT);
	rules_age(&env, MAP_brief, TCP, blue_one.ip, 4000, blue_two.ip, 80, OV_IDLE_TCP + 2);
	expect_next(one_to_two(TCP_ACK), OV_FWD_CUT);
	expect_next(two_to_one(TCP_ACK), OV_FWD_CUT);
	expect_next(two_to_one(TCP_SYN), OV_FWD_LOCAL); /* that is its own */
	expect_next(one_to_two(TCP_SYN | TCP_ACK), OV_FWD_LOCAL);
}

Test(policy_flow, sctp_that_is_denied_now_does_not_come_back)
{
	struct outcome o;

	rules_only(&env, ALLOW, NULL);
	rules_send(&env, &blue_one, &blue_two, IPPROTO_SCTP, 4000, 80, 1);
	rules_send(&env, &blue_two, &blue_one, IPPROTO_SCTP, 80, 4000, 2);
	two_may_call();
	for (int i = 0; i < 3; i++) {
		o = rules_send(&env, &blue_one, &blue_two, IPPROTO_SCTP, 4000, 80, 0);
		expect_verdict(o, OV_DROP_POLICY);
		o = rules_send(&env, &blue_two, &blue_one, IPPROTO_SCTP, 80, 4000, 0);
		expect_verdict(o, OV_DROP_POLICY);
	}
}

Test(policy_flow, the_receivers_node_drops_what_is_cut)
{
	struct outcome o;

	one_may_call();
	rules_send(&env, &blue_one, &blue_far, TCP, 4000, 80, TCP_SYN);
	o = rules_arrive(&env, &blue_far, &blue_one, TCP, 80, 4000, TCP_SYN | TCP_ACK);
	expect_verdict(o, OV_FWD_DECAP);
	nobody_may_call();
	o = rules_arrive(&env, &blue_far, &blue_one, TCP, 80, 4000, TCP_ACK);
	expect_verdict(o, OV_DROP_POLICY);
}

Test(policy_flow, other_rules_that_allow_it_keep_a_connection)
{
	struct ov_flow f;

	one_may_call();
	rules_establish(&env, &blue_one, &blue_two, 4000, 80);
	rules_subjects(&env, 2);
	rules_add(&env, 2, &to_two);
	rules_put(&env, 2, DENY, 0);
	expect_next(two_to_one(TCP_ACK), OV_FWD_LOCAL);
	expect_next(one_to_two(TCP_ACK), OV_FWD_LOCAL);
	cr_assert(flow_of(MAP_flows, &f));
	cr_assert_eq(f.judged.by.set, 2);
	cr_assert_eq(rules_hits(&env, 2).allowed, 1, "the same rule holds the same flow");
}

Test(policy_flow, who_is_of_another_class_now_is_judged_anew)
{
	one_may_call();
	rules_establish(&env, &blue_one, &blue_two, 4000, 80);
	rules_subject(&env, 1, blue_one.ip, 32, CLASS_OUTSIDE); /* it left its service, say */
	expect_next(one_to_two(TCP_ACK), OV_FWD_LOCAL);
	rules_recount(&env, DENY);
	expect_next(one_to_two(TCP_ACK), OV_FWD_CUT);
}

Test(policy_flow, the_default_alone_may_change)
{
	rules_only(&env, ALLOW, NULL);
	rules_establish(&env, &blue_one, &blue_two, 4000, 80);
	rules_put(&env, 1, DENY, 0);
	expect_next(one_to_two(TCP_ACK), OV_FWD_CUT);
}

Test(policy_flow, udp_that_is_denied_now_is_dropped_and_may_be_allowed_the_other_way)
{
	struct outcome o;

	rules_only(&env, DENY, &(struct rule){ .id = 1, .from = CLASS_ONE, .protocol = UDP });
	o = rules_send(&env, &blue_one, &blue_two, UDP, 4000, 53, 0);
	expect_verdict(o, OV_FWD_LOCAL);
	rules_subjects(&env, 2);
	rules_add(&env, 2, &(struct rule){ .id = 2, .from = CLASS_TWO, .protocol = UDP });
	rules_put(&env, 2, DENY, 0);
	o = rules_send(&env, &blue_one, &blue_two, UDP, 4000, 53, 0);
	expect_verdict(o, OV_DROP_POLICY);
	o = rules_send(&env, &blue_two, &blue_one, UDP, 53, 4000, 0);
	expect_verdict(o, OV_FWD_LOCAL);
	cr_assert_eq(rules_hits(&env, 2).allowed, 1);
	o = rules_send(&env, &blue_one, &blue_two, UDP, 4000, 53, 0);
	expect_verdict(o, OV_FWD_LOCAL);
}

Test(policy_flow, udp_that_a_rule_denies_now_is_not_answered_by_default)
{
	struct outcome o;

	rules_only(&env, ALLOW, NULL);
	o = rules_send(&env, &blue_one, &blue_two, UDP, 4000, 53, 0);
	expect_verdict(o, OV_FWD_LOCAL);
	rules_subjects(&env, 2);
	rules_add(&env, 2, &denied);
	rules_put(&env, 2, ALLOW, 0);
	o = rules_send(&env, &blue_one, &blue_two, UDP, 4000, 53, 0);
	expect_verdict(o, OV_DROP_POLICY);
	o = rules_send(&env, &blue_two, &blue_one, UDP, 53, 4000, 0);
	expect_verdict(o, OV_DROP_POLICY);
	o = rules_send(&env, &blue_one, &blue_two, UDP, 4000, 53, 0);
	expect_verdict(o, OV_DROP_POLICY);
	rules_age(&env, MAP_brief, UDP, blue_one.ip, 4000, blue_two.ip, 53, OV_IDLE_UDP + 2);
	o = rules_send(&env, &blue_two, &blue_one, UDP, 53, 4000, 0);
	expect_verdict(o, OV_FWD_LOCAL); /* nobody has sent for long: it begins one */
}

Test(policy_flow, who_has_an_address_next_is_judged_anew)
{
	struct ov_flow f;

	one_may_call();
	rules_establish(&env, &blue_one, &blue_two, 4000, 80);
	balance_rebirth(&env, &blue_two, 4711);
	/* it is of another class now */
	rules_subject(&env, 1, blue_two.ip, 32, CLASS_OUTSIDE);
	expect_next(one_to_two(TCP_ACK), OV_FWD_CUT);
	rules_subject(&env, 1, blue_two.ip, 32, CLASS_TWO);
	expect_next(one_to_two(TCP_SYN), OV_FWD_LOCAL);
	cr_assert(flow_of(MAP_brief, &f));
	cr_assert_eq(f.incarnation, blue_one.ip ^ 4711);
	cr_assert_not(flow_of(MAP_flows, &f));
	cr_assert_eq(balance_counter(&env, OV_FLOW_LEFT), 1);
}

/* ---- the end ---- */

Test(policy_flow, a_closed_connection_leaves_the_table)
{
	struct ov_flow f;

	one_may_call();
	rules_establish(&env, &blue_one, &blue_two, 4000, 80);
	one_to_two(TCP_FIN | TCP_ACK);
	expect_next(two_to_one(TCP_FIN | TCP_ACK), OV_FWD_LOCAL);
	cr_assert_not(flow_of(MAP_flows, &f));
	cr_assert_eq(balance_counter(&env, OV_FLOW_LEFT), 1);
	expect_next(one_to_two(TCP_ACK), OV_FWD_LOCAL);
	rules_establish(&env, &blue_one, &blue_two, 4000, 80);
	cr_assert_eq(rules_hits(&env, 2).allowed, 2);
	cr_assert_eq(balance_counter(&env, OV_FLOW_ENTERED), 2);
}

Test(policy_flow, an_expired_connection_is_judged_anew)
{
	struct ov_flow f;

	one_may_call();
	rules_establish(&env, &blue_one, &blue_two, 4000, 80);
	rules_age(&env, MAP_flows, TCP, blue_one.ip, 4000, blue_two.ip, 80, OV_IDLE_TCP + 60);
	expect_next(one_to_two(TCP_ACK), OV_FWD_LOCAL);
	cr_assert_not(flow_of(MAP_flows, &f));
	cr_assert(flow_of(MAP_brief, &f));
	cr_assert_eq(balance_counter(&env, OV_FLOW_LEFT), 1);
	cr_assert_eq(rules_hits(&env, 2).allowed, 2);
}

Test(policy_flow, a_syn_flood_touches_no_established_connection)
{
	struct ov_flow f;

	one_may_call();
	rules_establish(&env, &blue_one, &blue_two, 4000, 80);
	for (uint32_t i = 0; i < 3000; i++)
		rules_send(&env, &blue_one, &blue_two, TCP, (uint16_t)(5000 + i), 80, TCP_SYN);
	cr_assert(flow_of(MAP_flows, &f));
	cr_assert_eq(balance_counter(&env, OV_FLOW_ENTERED), 1);
	expect_next(two_to_one(TCP_ACK), OV_FWD_LOCAL);
}

/* ---- services ---- */

static const struct balance only_two = { .count = 1, .backend = { &blue_two },
					.port = 8000, .target = 80 };

static void behind_vip(void)
{
	balance_put(&env, &only_two);
	one_may_call();
}

Test(policy_flow, a_call_to_a_vip_is_judged_by_its_backend_and_port)
{
	struct outcome o;
	struct ov_flow f;

	behind_vip();
	o = balance_call(&env, &blue_one, TCP, 4000, 8000, TCP_SYN);
	expect_verdict(o, OV_FWD_LOCAL);
	expect_ends(&o, 0, blue_one.ip, 4000, blue_two.ip, 80);
	o = two_to_one(TCP_SYN | TCP_ACK);
	expect_verdict(o, OV_FWD_LOCAL);
	expect_ends(&o, 0, VIP_IP, 8000, blue_one.ip, 4000);
	o = balance_call(&env, &blue_one, TCP, 4000, 8000, TCP_ACK);
	expect_verdict(o, OV_FWD_LOCAL);
	cr_assert(flow_of(MAP_flows, &f), "policy's");
	cr_assert(balance_flow(&env, MAP_flows, &blue_one, TCP, 4000, 80, &f), "the service's");
	cr_assert_eq(balance_stats(&env, &blue_two).active, 1);
	cr_assert_eq(balance_stats(&env, &blue_two).total, 1);
	nobody_may_call();
	o = balance_call(&env, &blue_one, TCP, 4001, 8000, TCP_SYN);
	expect_verdict(o, OV_DROP_POLICY);
}

Test(policy_flow, a_cut_call_to_a_vip_is_reset_by_the_vip)
{
	struct segment s = call_of(&blue_one, TCP, 4000, 8000);
	struct outcome o;
	struct ov_flow f;

	behind_vip();
	balance_call(&env, &blue_one, TCP, 4000, 8000, TCP_SYN);
	two_to_one(TCP_SYN | TCP_ACK);
	balance_call(&env, &blue_one, TCP, 4000, 8000, TCP_ACK);
	nobody_may_call();
	s.flags = TCP_ACK;
	s.ack = 4711;
	o = balance_send(&env, &blue_one, &s);
	expect_cut(&o, VIP_IP, 8000, blue_one.ip, 4000, 4711);
	s = segment_read(&o.out, 0);
	cr_assert_arr_eq(s.dst_mac, blue_one.mac, 6);
	cr_assert_arr_eq(s.src_mac, vip_mac, 6);
	cr_assert_not(balance_flow(&env, MAP_flows, &blue_one, TCP, 4000, 80, &f));
	cr_assert_eq(balance_stats(&env, &blue_two).active, 0);
	/* the backend, too, and from whom it knows */
	s = answer_of(&blue_two, &blue_one, TCP, 80, 4000);
	s.flags = TCP_ACK;
	s.ack = 99;
	o = balance_send(&env, &blue_two, &s);
	expect_cut(&o, blue_one.ip, 4000, blue_two.ip, 80, 99);
}

Test(policy_flow, a_backend_reaches_itself_by_its_vip_whatever_the_rules)
{
	struct outcome o;

	balance_put(&env, &only_two);
	rules_only(&env, DENY, NULL);
	o = balance_call(&env, &blue_two, TCP, 4000, 8000, TCP_SYN);
	expect_verdict(o, OV_FWD_LOCAL);
	expect_ends(&o, 0, VIP_IP, 4000, blue_two.ip, 80);
	o = balance_call(&env, &blue_two, TCP, 80, 4000, TCP_SYN | TCP_ACK);
	expect_verdict(o, OV_FWD_LOCAL);
	expect_ends(&o, 0, VIP_IP, 8000, blue_two.ip, 4000);
}

/* An address that was an endpoint's becomes a VIP: the flow of the one is not the other's. */
Test(policy_flow, no_entry_is_taken_for_a_services)
{
	struct ov_flow_key key = { .client = addr_from_v4(blue_one.ip), .vip = addr_from_v4(blue_two.ip),
				   .vni = { 0, 0, BLUE }, .protocol = TCP, .client_port = 0xa00f,
				   .backend_port = 0x5000 };
	struct ov_flow f;

	one_may_call();
	rules_establish(&env, &blue_one, &blue_two, 4000, 80);
	cr_assert_neq(bpf_map_lookup_elem(env.map[MAP_flows], &key, &f), 0);
	cr_assert(flow_of(MAP_flows, &f));
}
