// SPDX-License-Identifier: GPL-2.0-or-later
/* Services at their edges: full tables, ports used again, what looks like an answer and is none. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <stdlib.h>
#include <string.h>

#include "balance.h"
#include "base/addr.h"
#include "base/cleanup.h"

static struct env env;

static void setup(void)
{
	env_open(&env);
}
static void teardown(void)
{
	env_close(&env);
}
TestSuite(service_edge, .init = setup, .fini = teardown);

static const struct balance only_two = { .count = 1, .backend = { &blue_two } };
static const struct balance only_far = { .count = 1, .backend = { &blue_far } };

static uint32_t source_of(struct outcome *o)
{
	return segment_read(&o->out, 0).src;
}

/* ---- openings that are sent again ---- */

static void check_opening_leaves(uint32_t flags)
{
	struct outcome o;

	balance_put(&env, &only_two);
	o = balance_call(&env, &blue_one, IPPROTO_TCP, 4000, 80, TCP_SYN);
	expect_verdict(o, OV_FWD_LOCAL);
	balance_put(&env, &only_far);
	balance_flag(&env, &blue_two, flags);
	o = balance_call(&env, &blue_one, IPPROTO_TCP, 4000, 80, TCP_SYN);
	expect_verdict(o, OV_FWD_ENCAP);
	cr_assert_eq(segment_read(&o.out, 1).dst, blue_far.ip);
	cr_assert_eq(balance_counter(&env, OV_FLOW_MOVED), 1);
}

Test(service_edge, a_syn_sent_again_leaves_a_node_that_is_thought_dead)
{
	check_opening_leaves(OV_ENDPOINT_CLOSED | OV_ENDPOINT_AWAY);
}

Test(service_edge, a_syn_sent_again_leaves_a_backend_that_takes_no_new_flows)
{
	check_opening_leaves(OV_ENDPOINT_CLOSED);
}

Test(service_edge, a_syn_of_a_client_that_has_finished_is_a_new_connection)
{
	struct ov_flow f;
	struct outcome o;

	balance_put(&env, &only_two);
	balance_establish(&env, 4000);
	/* the backend never answers */
	balance_call(&env, &blue_one, IPPROTO_TCP, 4000, 80, TCP_FIN | TCP_ACK);
	o = balance_call(&env, &blue_one, IPPROTO_TCP, 4000, 80, TCP_SYN);
	expect_verdict(o, OV_FWD_LOCAL);
	cr_assert(balance_flow(&env, MAP_brief, &blue_one, IPPROTO_TCP, 4000, 80, &f));
	cr_assert_eq(f.flags, 0, "the old connection's FIN must not end the new one early");
	cr_assert_not(balance_flow(&env, MAP_flows, &blue_one, IPPROTO_TCP, 4000, 80, &f));
	cr_assert_eq(balance_stats(&env, &blue_two).active, 0);
	cr_assert_eq(balance_stats(&env, &blue_two).total, 2);
}

Test(service_edge, a_move_that_finds_no_other_backend_is_none)
{
	struct balance none = { 0 };
	struct outcome o;

	balance_put(&env, &only_two);
	balance_call(&env, &blue_one, IPPROTO_UDP, 4000, 53, 0);
	balance_put(&env, &none);
	balance_rebirth(&env, &blue_two, 4711);
	for (int i = 0; i < 3; i++) {
		o = balance_call(&env, &blue_one, IPPROTO_UDP, 4000, 53, 0);
		expect_verdict(o, OV_FWD_UNREACHABLE);
	}
	cr_assert_eq(balance_counter(&env, OV_FLOW_MOVED), 0);
}

/* ---- past the VIP ---- */

Test(service_edge, all_of_a_connection_past_the_vip_stays_past_it)
{
	struct outcome o;

	balance_put(&env, &only_two);
	balance_establish(&env, 4000);
	balance_call(&env, &blue_one, IPPROTO_TCP, 4000, 80, TCP_RST);
	o = balance_answer(&env, &blue_two, &blue_one, IPPROTO_TCP, 80, 4000, TCP_SYN | TCP_ACK);
	cr_assert_eq(source_of(&o), blue_two.ip);
	o = balance_answer(&env, &blue_two, &blue_one, IPPROTO_TCP, 80, 4000, TCP_ACK);
	cr_assert_eq(source_of(&o), blue_two.ip);
}

/* ---- full tables ---- */

#define FILL_STEP 4096

/* Rows that nobody asks for, until not one more goes in. */
static void fill(enum env_map map, size_t key_size, size_t value_size, uint32_t entries)
{
	_cleanup_(freep) uint8_t *keys = calloc(FILL_STEP, key_size);
	_cleanup_(freep) uint8_t *values = calloc(FILL_STEP, value_size);

	for (uint32_t at = 0; at < entries;) {
		uint32_t count = entries - at < FILL_STEP ? entries - at : FILL_STEP;

		for (uint32_t i = 0; i < count; i++, at++)
			memcpy(keys + i * key_size, &at, sizeof(at));
		if (bpf_map_update_batch(env.map[map], keys, values, &count, NULL))
			return; /* what is there already takes its part of the room */
	}
}

Test(service_edge, a_flow_that_finds_no_room_is_carried_and_counted_once)
{
	struct ov_flow f;
	struct outcome o;

	balance_put(&env, &only_two);
	fill(MAP_flows, sizeof(struct ov_flow_key), sizeof(struct ov_flow), OV_FLOWS);
	balance_establish(&env, 4000);
	for (int i = 0; i < 5; i++) {
		o = balance_call(&env, &blue_one, IPPROTO_TCP, 4000, 80, TCP_ACK);
		expect_verdict(o, OV_FWD_LOCAL);
		o = balance_answer(&env, &blue_two, &blue_one, IPPROTO_TCP, 80, 4000, TCP_ACK);
		cr_assert_eq(source_of(&o), VIP_IP);
	}
	cr_assert_eq(balance_counter(&env, OV_FLOW_OVERFLOW), 1);
	cr_assert_eq(balance_stats(&env, &blue_two).active, 0);

	env_empty(&env, MAP_flows);
	balance_age(&env, MAP_brief, &blue_one, IPPROTO_TCP, 4000, 80, 3);
	balance_call(&env, &blue_one, IPPROTO_TCP, 4000, 80, TCP_ACK);
	cr_assert(balance_flow(&env, MAP_flows, &blue_one, IPPROTO_TCP, 4000, 80, &f),
		  "it must enter when there is room again");
	cr_assert_eq(balance_stats(&env, &blue_two).active, 1);
}

Test(service_edge, round_robin_without_room_to_count_turns_still_finds_a_backend)
{
	struct balance b = only_two;
	struct outcome o;

	b.algorithm = OV_LB_RR;
	balance_put(&env, &b);
	fill(MAP_service_stats, sizeof(struct ov_service_stats_key),
	     sizeof(struct ov_service_stats), 65536);
	o = balance_call(&env, &blue_one, IPPROTO_TCP, 4000, 80, TCP_SYN);
	expect_verdict(o, OV_FWD_LOCAL);
}

/* ---- a backend that was given itself ---- */

Test(service_edge, who_has_the_address_next_is_not_taken_to_answer_itself)
{
	struct outcome o;

	balance_put(&env, &only_two);
	balance_call(&env, &blue_two, IPPROTO_UDP, 4000, 53, 0);
	balance_put(&env, &only_far);
	balance_rebirth(&env, &blue_two, 4711);
	balance_flag(&env, &blue_two, 0);
	balance_device_rebirth(&env, &blue_two, 4711);
	/* a call of its own to the VIP's port 4000 */
	o = balance_call(&env, &blue_two, IPPROTO_UDP, 53, 4000, 0);
	expect_verdict(o, OV_FWD_ENCAP);
}

Test(service_edge, an_answer_to_itself_that_comes_too_late_is_none)
{
	struct outcome o;

	balance_put(&env, &only_two);
	balance_call(&env, &blue_two, IPPROTO_UDP, 4000, 53, 0);
	balance_age(&env, MAP_brief, &blue_two, IPPROTO_UDP, 4000, 53, OV_IDLE_UDP_ASKED + 2);
	balance_put(&env, &only_far);
	balance_flag(&env, &blue_two, 0);
	o = balance_call(&env, &blue_two, IPPROTO_UDP, 53, 4000, 0);
	expect_verdict(o, OV_FWD_ENCAP);
}

/* ---- fragments ---- */

Test(service_edge, fragments_past_the_vip_are_no_older_datagrams_even_with_its_id)
{
	struct segment answer = answer_of(&blue_two, &blue_one, IPPROTO_UDP, 53, 4000);
	struct segment other = answer_of(&blue_two, &blue_one, IPPROTO_UDP, 9000, 9000);
	struct outcome o;
	struct pkt p;

	balance_put(&env, &only_two);
	balance_call(&env, &blue_one, IPPROTO_UDP, 4000, 53, 0);
	p = segment_fragment(&answer, 9, 0x2000);
	o = env_send(&env, &blue_two, &p);
	cr_assert_eq(source_of(&o), VIP_IP);

	p = segment_fragment(&other, 9, 0x2000);
	o = env_send(&env, &blue_two, &p);
	cr_assert_eq(source_of(&o), blue_two.ip);
	p = segment_fragment(&other, 9, 5);
	o = env_send(&env, &blue_two, &p);
	cr_assert_eq(source_of(&o), blue_two.ip);
}

/* ---- odd packets ---- */

Test(service_edge, super_packets_are_refused_like_others)
{
	struct segment s = call_of(&blue_one, IPPROTO_TCP, 4000, 80);
	struct balance none = { 0 };
	struct pkt p;
	struct outcome o;

	balance_put(&env, &none);
	s.flags = TCP_ACK;
	s.ack = 4711;
	s.payload = 1300;
	p = segment_pkt(&s);
	o = env_send_bytes(&env, &blue_one, p.data, p.len, 500);
	expect_verdict(o, OV_FWD_RESET);
	cr_assert_eq(o.out.len, 54);
	cr_assert_eq(segment_read(&o.out, 0).seq, 4711);

	s = call_of(&blue_one, IPPROTO_UDP, 4000, 53);
	s.payload = 1300;
	p = segment_pkt(&s);
	o = env_send_bytes(&env, &blue_one, p.data, p.len, 500);
	expect_verdict(o, OV_FWD_UNREACHABLE);
	cr_assert_eq(o.out.len, 14 + 20 + 8 + 28);
}

/* Each cut gets one verdict, as env_run_bytes asserts, and never leaves for a backend. */
Test(service_edge, a_call_that_ends_within_its_headers_is_malformed)
{
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP };
	static const size_t headers[] = { 20, 8, 16 };

	balance_put(&env, &only_two);
	for (size_t i = 0; i < 3; i++)
		for (size_t cut = 0; cut < headers[i]; cut++) {
			struct segment s = call_of(&blue_one, protocols[i], 4000, 80);
			struct pkt_ipv4 *ip;
			struct outcome o;
			struct pkt p;

			s.flags = protocols[i] == IPPROTO_TCP ? TCP_SYN : 1;
			p = segment_pkt(&s);
			ip = pkt_find(&p, PKT_IPV4, 0);
			ip->tot_len = htons((uint16_t)(20 + cut));
			pkt_ipv4_checksum(ip);
			o = env_send(&env, &blue_one, &p); /* the rest is Ethernet padding */
			expect_verdict(o, OV_DROP_MALFORMED);
			o = env_send_bytes(&env, &blue_one, p.data, 34 + cut, 0);
			expect_verdict(o, OV_DROP_MALFORMED);
		}
}

Test(service_edge, a_backend_without_a_peer_is_a_drop_with_its_reason)
{
	struct ov_peer_key peer = { .vtep = addr_from_v4(VTEP(NODE_B)) };
	struct outcome o;

	balance_put(&env, &only_far);
	cr_assert_eq(bpf_map_delete_elem(env.map[MAP_peers], &peer), 0);
	o = balance_call(&env, &blue_one, IPPROTO_TCP, 4000, 80, TCP_SYN);
	expect_verdict(o, OV_DROP_NO_PEER);
}

Test(service_edge, nobody_but_its_backend_ends_or_marks_a_flow)
{
	struct ov_flow before, after;

	balance_put(&env, &only_two);
	balance_establish(&env, 4000);
	balance_flag(&env, &blue_far, 0);
	cr_assert(balance_flow(&env, MAP_flows, &blue_one, IPPROTO_TCP, 4000, 80, &before));
	/* Another backend of the same service, from its own node. */
	for (uint8_t flags = 0; flags < 32; flags++) {
		struct segment s = answer_of(&blue_far, &blue_one, IPPROTO_TCP, 80, 4000);
		struct pkt inner, p = pkt_new();
		struct outcome o;

		s.flags = flags;
		inner = segment_pkt(&s);
		pkt_outer(&p, VTEP(NODE_B), VTEP(NODE_A), BLUE);
		pkt_bytes(&p, inner.data, inner.len);
		pkt_finish(&p);
		o = env_arrive(&env, &p);
		expect_verdict(o, OV_FWD_DECAP);
		cr_assert_eq(source_of(&o), blue_far.ip);
	}
	cr_assert(balance_flow(&env, MAP_flows, &blue_one, IPPROTO_TCP, 4000, 80, &after));
	cr_assert_arr_eq(&before, &after, sizeof(before));
}
