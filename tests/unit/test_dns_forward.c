/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dns/forward in virtual time: who is asked when, which replies count, how many may ask. */
#include "dns_bench.h"

/* ---- upstreams in order ---- */

Test(dns_forward, an_answer_comes_back_with_the_askers_id_and_spelling)
{
	struct bench *b = set_up(3);

	ask(b, 5, (struct ask){ .name = "WwW.Example.com", .id = 0x1234 });
	cr_assert_eq(b->udp, 1);
	cr_assert(asks_upstream(b, 1));
	cr_assert_eq(memcmp(b->sent.query.b + DNS_HEADER_LEN, "\3WwW\7Example\3com", 16), 0);
	reply_a(b, 60);
	cr_assert_eq(b->answered, 1);
	cr_assert_eq(b->cookie[0], 5);
	cr_assert_eq(dns_get_u16(b->answer.b), 0x1234);
	cr_assert_eq(memcmp(b->answer.b + DNS_HEADER_LEN, "\3WwW\7Example\3com", 16), 0);
	cr_assert_eq(b->cancelled, 1, "the exchange was not ended");
	cr_assert_eq(dns_forward_deadline(b->f), UINT64_MAX);
	tear_down(b);
}

Test(dns_forward, silence_moves_on_to_the_next_upstream_and_ends_in_servfail)
{
	struct bench *b = set_up(3);

	ask(b, 1, (struct ask){ .name = "a.test", .id = 9 });
	cr_assert_eq(dns_forward_deadline(b->f), DNS_UPSTREAM_TIMEOUT_MS);
	pass(b, DNS_UPSTREAM_TIMEOUT_MS - 1);
	cr_assert(asks_upstream(b, 1));
	pass(b, 1);
	cr_assert(asks_upstream(b, 2));
	pass(b, DNS_UPSTREAM_TIMEOUT_MS);
	cr_assert(asks_upstream(b, 3));
	cr_assert_eq(b->answered, 0);
	pass(b, DNS_UPSTREAM_TIMEOUT_MS);
	cr_assert_eq(b->answered, 1);
	cr_assert_eq(rcode_of(&b->answer), DNS_SERVFAIL);
	cr_assert_eq(dns_get_u16(b->answer.b), 9);
	cr_assert_eq(count(b)->timed_out, 3);
	cr_assert_eq(b->cancelled, 3);
	tear_down(b);
}

Test(dns_forward, refusals_and_socket_errors_move_on_at_once)
{
	struct bench *b = set_up(3);

	ask(b, 1, (struct ask){ .name = "a.test" });
	reply_rcode(b, DNS_REFUSED);
	cr_assert(asks_upstream(b, 2));
	dns_forward_reply(b->f, b->sent.exchange, -111, NULL, 0, b->now);
	drain(b);
	cr_assert(asks_upstream(b, 3));
	reply_rcode(b, DNS_SERVFAIL);
	cr_assert_eq(b->answered, 1);
	cr_assert_eq(rcode_of(&b->answer), DNS_SERVFAIL);
	tear_down(b);
}

Test(dns_forward, a_server_that_could_not_read_the_question_is_passed_over)
{
	struct bench *b = set_up(2);
	uint8_t r[DNS_HEADER_LEN] = { 0 };

	ask(b, 1, (struct ask){ .name = "a.test", .edns = true });
	memcpy(r, b->sent.query.b, 2);
	dns_set_u16(r + 2, DNS_QR | DNS_FORMERR);
	dns_forward_reply(b->f, b->sent.exchange, 0, r, sizeof(r), b->now);
	drain(b);
	cr_assert(asks_upstream(b, 2));
	tear_down(b);
}

Test(dns_forward, nxdomain_is_an_answer)
{
	struct bench *b = set_up(3);

	ask(b, 1, (struct ask){ .name = "a.test" });
	reply_negative(b, DNS_NXDOMAIN, 60, 60);
	cr_assert_eq(b->answered, 1);
	cr_assert_eq(rcode_of(&b->answer), DNS_NXDOMAIN);
	cr_assert_eq(b->udp, 1);
	tear_down(b);
}

Test(dns_forward, without_upstreams_the_answer_is_servfail_at_once)
{
	struct bench *b = set_up(0);

	ask(b, 3, (struct ask){ .name = "a.test", .id = 77 });
	cr_assert_eq(b->answered, 1);
	cr_assert_eq(b->udp, 0);
	cr_assert_eq(rcode_of(&b->answer), DNS_SERVFAIL);
	cr_assert_eq(dns_get_u16(b->answer.b), 77);
	tear_down(b);
}

Test(dns_forward, ourselves_are_no_upstream)
{
	struct dns_upstream list[] = { { addr_from_v4(0x7f00000b), 53 }, upstream(2) };
	struct bench *b = set_up(0);

	dns_forward_set_upstreams(b->f, list, 1, 0);
	ask(b, 1, (struct ask){ .name = "a.test" });
	cr_assert_eq(b->udp, 0);
	cr_assert_eq(b->answered, 1);
	dns_forward_set_upstreams(b->f, list, 2, 0);
	ask(b, 2, (struct ask){ .name = "a.test" });
	cr_assert_eq(b->udp, 1);
	cr_assert(asks_upstream(b, 2));
	tear_down(b);
}

Test(dns_forward, new_upstreams_are_asked_what_is_under_way)
{
	struct dns_upstream other = upstream(9);
	struct bench *b = set_up(3);
	uint64_t old;

	ask(b, 1, (struct ask){ .name = "a.test" });
	ask(b, 2, (struct ask){ .name = "b.test" });
	old = b->sent.exchange;
	b->now = 3000;
	dns_forward_set_upstreams(b->f, &other, 1, b->now);
	drain(b);
	cr_assert_eq(b->udp, 4);
	cr_assert_eq(b->cancelled, 2);
	cr_assert(asks_upstream(b, 9));
	cr_assert_neq(b->sent.exchange, old);
	cr_assert_eq(dns_forward_deadline(b->f), 3000 + DNS_UPSTREAM_TIMEOUT_MS);
	reply_a(b, 60);
	cr_assert_eq(b->cookie[0], 2);
	dns_forward_set_upstreams(b->f, &other, 1, b->now);
	drain(b);
	cr_assert_eq(b->udp, 4, "the same list asked again");
	dns_forward_set_upstreams(b->f, NULL, 0, b->now);
	drain(b);
	cr_assert_eq(b->answered, 2);
	cr_assert_eq(rcode_of(&b->answer), DNS_SERVFAIL);
	tear_down(b);
}

/* ---- which replies count ---- */

static void spoil_and_expect_refusal(struct bench *b, size_t at, uint8_t mask)
{
	uint64_t refused = count(b)->refused_reply;
	struct buf r = { 0 };

	begin_reply(&r, b, 0);
	put_a(&r, 60);
	r.data[at] ^= mask;
	give(b, &r);
	cr_assert_eq(b->answered, 0, "byte %zu spoilt, and it was believed", at);
	cr_assert_eq(count(b)->refused_reply, refused + 1);
}

Test(dns_forward, what_does_not_match_is_refused_and_the_true_reply_still_counts)
{
	struct bench *b = set_up(1);

	ask(b, 1, (struct ask){ .name = "abc.test" });
	spoil_and_expect_refusal(b, 0, 0x01);                   /* id */
	spoil_and_expect_refusal(b, 1, 0x80);
	spoil_and_expect_refusal(b, 2, 0x80);                   /* no response */
	spoil_and_expect_refusal(b, 5, 0x01);                   /* no question */
	spoil_and_expect_refusal(b, DNS_HEADER_LEN + 1, 0x02);  /* another name */
	spoil_and_expect_refusal(b, DNS_HEADER_LEN + 11, 0x40); /* type 65 for type 1 */
	spoil_and_expect_refusal(b, DNS_HEADER_LEN + 13, 0x02); /* class */
	dns_forward_reply(b->f, b->sent.exchange + 1, 0, b->sent.query.b, b->sent.query.len, b->now);
	drain(b);
	cr_assert_eq(count(b)->refused_reply, 8);
	reply_a(b, 60);
	cr_assert_eq(b->answered, 1);
	reply_a(b, 60);
	cr_assert_eq(b->answered, 1, "answered twice");
	tear_down(b);
}

Test(dns_forward, the_letters_of_a_reply_may_be_of_any_case)
{
	struct bench *b = set_up(1);
	struct buf r = { 0 };

	ask(b, 1, (struct ask){ .name = "abc.test" });
	begin_reply(&r, b, 0);
	put_a(&r, 60);
	r.data[DNS_HEADER_LEN + 1] = 'A';
	give(b, &r);
	cr_assert_eq(b->answered, 1);
	cr_assert_eq(b->answer.b[DNS_HEADER_LEN + 1], 'a');
	tear_down(b);
}

Test(dns_forward, a_type_is_a_number_and_not_a_letter)
{
	struct bench *b = set_up(1);

	ask(b, 1, (struct ask){ .name = "a.test", .type = 65 }); /* HTTPS; 'A' */
	reply_negative(b, DNS_NOERROR, 60, 60);
	ask(b, 2, (struct ask){ .name = "a.test", .type = 97 }); /* 'a' */
	cr_assert_eq(b->udp, 2);
	tear_down(b);
}

Test(dns_forward, each_exchange_has_an_id_of_its_own)
{
	struct bench *b = set_up(3);
	uint16_t first, second;

	ask(b, 1, (struct ask){ .name = "a.test", .id = 1 });
	first = dns_get_u16(b->sent.query.b);
	pass(b, DNS_UPSTREAM_TIMEOUT_MS);
	second = dns_get_u16(b->sent.query.b);
	cr_assert_neq(first, second);
	cr_assert(first != 1 || second != 1);
	tear_down(b);
}

Test(dns_forward, a_broken_reply_moves_on_and_reaches_nobody)
{
	struct bench *b = set_up(2);
	struct buf r = { 0 };

	ask(b, 1, (struct ask){ .name = "a.test" });
	begin_reply(&r, b, 0);
	put_a(&r, 60);
	r.len -= 2;
	give(b, &r);
	cr_assert_eq(b->answered, 0);
	cr_assert(asks_upstream(b, 2));
	tear_down(b);
}

Test(dns_forward, a_name_that_points_to_itself_ends)
{
	struct bench *b = set_up(1);
	struct buf r = { 0 };

	ask(b, 1, (struct ask){ .name = "a.test" });
	begin_reply(&r, b, 0);
	dns_set_u16(r.data + 6, 1);
	buf_u16(&r, (uint16_t)(0xc000 | r.len)); /* itself */
	buf_u16(&r, DNS_A);
	buf_u16(&r, 1);
	buf_u32(&r, 60);
	buf_blob(&r, "\1\2\3\4", 4);
	give(b, &r);
	cr_assert_eq(b->answered, 1); /* stepped over, never followed */
	tear_down(b);
}

/* ---- truncation ---- */

static void put_big(struct buf *r, size_t records)
{
	static const uint8_t text[101] = { 100 };

	for (size_t i = 0; i < records; i++)
		put_record(r, ANSWERS, 16, 60, text, sizeof(text));
}

Test(dns_forward, a_truncated_reply_is_asked_for_again_by_tcp_of_the_same_upstream)
{
	struct bench *b = set_up(3);
	struct buf r = { 0 };

	ask(b, 1, (struct ask){ .name = "a.test", .type = 16, .tcp = true });
	reply_rcode(b, (enum dns_rcode)DNS_TC);
	cr_assert_eq(b->tcp, 1);
	cr_assert(b->sent.tcp);
	cr_assert(asks_upstream(b, 1));
	cr_assert_eq(b->cancelled, 1);
	begin_reply(&r, b, 0);
	put_big(&r, 20);
	give(b, &r);
	cr_assert_eq(b->answered, 1);
	cr_assert_gt(b->answer.len, 2000);
	cr_assert_not(dns_get_u16(b->answer.b + 2) & DNS_TC);
	tear_down(b);
}

Test(dns_forward, nonsense_by_tcp_moves_on_because_nothing_more_will_come)
{
	struct bench *b = set_up(2);

	ask(b, 1, (struct ask){ .name = "a.test", .tcp = true });
	reply_rcode(b, (enum dns_rcode)DNS_TC);
	dns_forward_reply(b->f, b->sent.exchange, 0, "nonsense", 8, b->now);
	drain(b);
	cr_assert(asks_upstream(b, 2));
	cr_assert_not(b->sent.tcp);
	tear_down(b);
}

Test(dns_forward, an_answer_is_cut_to_what_each_asker_takes)
{
	static const struct {
		struct ask how;
		bool cut;
	} cases[] = {
		{ { .name = "a.test", .type = 16 }, true },
		{ { .name = "a.test", .type = 16, .tcp = true }, false },
		{ { .name = "a.test", .type = 16, .edns = true, .udp_size = 1000 }, false },
		{ { .name = "a.test", .type = 16, .edns = true, .udp_size = 600 }, true },
	};
	struct bench *b = set_up(1);
	struct buf r = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		ask(b, i, cases[i].how);
		begin_reply(&r, b, 0);
		put_big(&r, 6);
		if (cases[i].how.edns) {
			dns_set_u16(r.data + 10, 1);
			buf_put(&r, "\0\0\x29\x04\xd0\0\0\0\0\0\0", DNS_OPT_LEN);
		}
		give(b, &r);
		cr_assert_eq(!!(dns_get_u16(b->answer.b + 2) & DNS_TC), cases[i].cut, "case %zu", i);
		cr_assert_eq(dns_get_u16(b->answer.b + 6), cases[i].cut ? 0 : 6);
		if (!cases[i].cut)
			continue;
		cr_assert_eq(dns_get_u16(b->answer.b + 10), cases[i].how.edns, "the OPT, case %zu", i);
		cr_assert_eq(b->answer.len, DNS_HEADER_LEN + question_len(&b->answer) +
						    (cases[i].how.edns ? DNS_OPT_LEN : 0));
	}
	tear_down(b);
}

/* ---- sharing and limits ---- */

Test(dns_forward, equal_questions_are_asked_once_and_answered_each_in_its_own_words)
{
	struct bench *b = set_up(1);

	ask(b, 11, (struct ask){ .name = "a.test", .id = 1, .asker = 1 });
	ask(b, 22, (struct ask){ .name = "A.tesT", .id = 2, .asker = 2 });
	cr_assert_eq(b->udp, 1);
	cr_assert_eq(count(b)->joined, 1);
	reply_a(b, 60);
	cr_assert_eq(b->answered, 2);
	cr_assert_eq(b->cookie[0], 11);
	cr_assert_eq(b->cookie[1], 22);
	cr_assert_eq(dns_get_u16(b->answer.b), 2);
	cr_assert_eq(memcmp(b->answer.b + DNS_HEADER_LEN, "\1A\4tesT", 7), 0);
	tear_down(b);
}

Test(dns_forward, an_asker_that_is_gone_is_never_answered)
{
	struct bench *b = set_up(1);

	ask(b, 1, (struct ask){ .name = "both.test", .asker = 1 });
	ask(b, 2, (struct ask){ .name = "both.test", .asker = 2 });
	ask(b, 3, (struct ask){ .name = "alone.test", .asker = 1 });
	dns_forward_forget(b->f, 1);
	drain(b);
	cr_assert_eq(b->cancelled, 1, "the question nobody waits for goes on");
	pass(b, DNS_UPSTREAM_TIMEOUT_MS);
	cr_assert_eq(b->answered, 1);
	cr_assert_eq(b->cookie[0], 2);
	dns_forward_forget(b->f, 1);
	dns_forward_forget(b->f, 42);
	tear_down(b);
}

static void ask_many(struct bench *b, uint64_t asker, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		char name[40];

		snprintf(name, sizeof(name), "n%u.a%u.test", i, (unsigned int)asker);
		ask(b, asker * 1000 + i, (struct ask){ .name = name, .asker = asker });
	}
}

Test(dns_forward, one_asker_cannot_take_the_places_of_all)
{
	struct bench *b = set_up(1);

	ask_many(b, 1, DNS_FLIGHT_PER_ASKER + 5);
	cr_assert_eq(b->udp, DNS_FLIGHT_PER_ASKER);
	cr_assert_eq(b->answered, 5);
	cr_assert_eq(rcode_of(&b->answer), DNS_SERVFAIL);
	cr_assert_eq(count(b)->over_limit, 5);
	ask(b, 1, (struct ask){ .name = "n0.a1.test", .asker = 1 });
	cr_assert_eq(count(b)->over_limit, 6, "waiting for another's answer counts too");
	ask(b, 2, (struct ask){ .name = "n0.a1.test", .asker = 2 });
	cr_assert_eq(count(b)->joined, 1);
	reply_a(b, 60);
	ask(b, 3, (struct ask){ .name = "more.test", .asker = 1 });
	cr_assert_eq(b->udp, DNS_FLIGHT_PER_ASKER + 1, "an answer did not make room");
	tear_down(b);
}

Test(dns_forward, questions_under_way_are_bounded)
{
	struct bench *b = set_up(1);
	unsigned int askers = DNS_FLIGHT_MAX / DNS_FLIGHT_PER_ASKER;

	for (unsigned int i = 0; i < askers; i++)
		ask_many(b, i, DNS_FLIGHT_PER_ASKER);
	cr_assert_eq(b->udp, DNS_FLIGHT_MAX);
	cr_assert_eq(b->answered, 0);
	ask(b, 1, (struct ask){ .name = "one.more.test", .asker = askers });
	cr_assert_eq(b->answered, 1);
	cr_assert_eq(count(b)->over_limit, 1);
	pass(b, DNS_UPSTREAM_TIMEOUT_MS);
	cr_assert_eq(b->answered, DNS_FLIGHT_MAX + 1);
	cr_assert_eq(b->cancelled, DNS_FLIGHT_MAX);
	tear_down(b);
}

Test(dns_forward, a_question_longer_than_any_is_not_passed_on)
{
	struct bench *b = set_up(1);
	char option[DNS_FORWARD_QUERY_MAX];

	memset(option, 'x', sizeof(option));
	option[sizeof(option) - 1] = '\0';
	ask(b, 1, (struct ask){ .name = "a.test", .edns = true, .option = option, .tcp = true });
	cr_assert_eq(b->udp, 0);
	cr_assert_eq(b->answered, 1);
	cr_assert_eq(rcode_of(&b->answer), DNS_SERVFAIL);
	tear_down(b);
}
