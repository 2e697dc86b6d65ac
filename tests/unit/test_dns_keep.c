/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dns/forward in virtual time: EDNS, and which answers are kept for how long. */
#include "dns_bench.h"

/* ---- EDNS ---- */

Test(dns_forward, options_pass_as_they_came_and_make_a_question_its_askers_own)
{
	struct bench *b = set_up(1);
	struct ask how = { .name = "a.test", .edns = true, .option = "8 octets" };

	ask(b, 1, how);
	cr_assert_not_null(memmem(b->sent.query.b, b->sent.query.len, "8 octets", 8));
	ask(b, 2, how);
	cr_assert_eq(b->udp, 2, "two askers shared a cookie");
	reply_a(b, 60);
	ask(b, 3, how);
	cr_assert_eq(b->udp, 3, "an answer with options was kept");
	cr_assert_eq(count(b)->from_cache, 0);
	tear_down(b);
}

Test(dns_forward, no_larger_datagram_is_announced_than_passes_in_one_piece)
{
	struct bench *b = set_up(1);
	const uint8_t *size;

	ask(b, 1, (struct ask){ .name = "a.test", .edns = true, .udp_size = 4096 });
	size = b->sent.query.b + b->sent.query.len - DNS_OPT_LEN + 3;
	cr_assert_eq(dns_get_u16(size), DNS_UDP_MAX);
	tear_down(b);
}

Test(dns_forward, what_is_desired_of_an_answer_is_part_of_the_question)
{
	static const struct ask different[] = {
		{ .name = "a.test" },
		{ .name = "a.test", .edns = true },
		{ .name = "a.test", .edns = true, .dnssec = true },
		{ .name = "a.test", .flags = DNS_RD | DNS_CD },
		{ .name = "a.test", .flags = DNS_RD | DNS_AD },
		{ .name = "a.test", .type = DNS_AAAA },
	};
	struct bench *b = set_up(1);

	for (int again = 0; again < 2; again++) {
		for (size_t i = 0; i < ARRAY_SIZE(different); i++) {
			unsigned int udp = b->udp;
			struct buf r = { 0 };

			ask(b, i, different[i]);
			cr_assert_eq(b->udp, udp + !again, "case %zu", i);
			if (again)
				continue;
			begin_reply(&r, b, 0);
			put_record(&r, ANSWERS, different[i].type ? different[i].type : DNS_A, 60, "1234", 4);
			give(b, &r);
		}
	}
	cr_assert_eq(count(b)->from_cache, ARRAY_SIZE(different));
	tear_down(b);
}

/* ---- what is kept ---- */

Test(dns_forward, an_answer_is_kept_for_its_shortest_ttl_and_grows_old)
{
	struct bench *b = set_up(1);
	struct buf r = { 0 };

	ask(b, 1, (struct ask){ .name = "a.test" });
	begin_reply(&r, b, 0);
	put_a(&r, 100);
	put_record(&r, ADDITIONALS, DNS_A, 30, "5678", 4);
	give(b, &r);
	b->now += 29999;
	ask(b, 2, (struct ask){ .name = "A.TEST", .id = 0x4242 });
	cr_assert_eq(b->udp, 1);
	cr_assert_eq(count(b)->from_cache, 1);
	cr_assert_eq(dns_get_u16(b->answer.b), 0x4242);
	cr_assert_eq(memcmp(b->answer.b + DNS_HEADER_LEN, "\1A\4TEST", 7), 0);
	cr_assert_eq(ttl_of_answer(b), 100 - 29);
	b->now += 1;
	ask(b, 3, (struct ask){ .name = "a.test" });
	cr_assert_eq(b->udp, 2);
	tear_down(b);
}

Test(dns_forward, the_opt_of_a_kept_answer_does_not_grow_old)
{
	static const uint8_t opt[DNS_OPT_LEN] = { 0, 0, 41, 4, 0xd0, 0, 0, 0x80, 0, 0, 0 };
	struct bench *b = set_up(1);
	struct buf r = { 0 };

	ask(b, 1, (struct ask){ .name = "a.test", .edns = true, .dnssec = true });
	begin_reply(&r, b, 0);
	put_a(&r, 100);
	dns_set_u16(r.data + 10, 1);
	buf_put(&r, opt, sizeof(opt));
	give(b, &r);
	b->now += 50000;
	ask(b, 2, (struct ask){ .name = "a.test", .edns = true, .dnssec = true });
	cr_assert_eq(count(b)->from_cache, 1);
	cr_assert_eq(ttl_of_answer(b), 50);
	cr_assert_eq(memcmp(b->answer.b + b->answer.len - sizeof(opt), opt, sizeof(opt)), 0);
	tear_down(b);
}

Test(dns_forward, a_ttl_of_zero_is_not_kept_and_a_long_one_is_capped)
{
	struct bench *b = set_up(1);

	ask(b, 1, (struct ask){ .name = "zero.test" });
	reply_a(b, 0);
	ask(b, 2, (struct ask){ .name = "zero.test" });
	cr_assert_eq(b->udp, 2);
	reply_a(b, 0x80000000u); /* RFC 2181 8: as zero */
	ask(b, 2, (struct ask){ .name = "zero.test" });
	cr_assert_eq(b->udp, 3);
	ask(b, 3, (struct ask){ .name = "long.test" });
	reply_a(b, 864000);
	b->now += DNS_CACHE_TTL_MAX * 1000ull - 1;
	ask(b, 4, (struct ask){ .name = "long.test" });
	cr_assert_eq(b->udp, 4);
	b->now += 1;
	ask(b, 5, (struct ask){ .name = "long.test" });
	cr_assert_eq(b->udp, 5);
	tear_down(b);
}

static void expect_kept_for(struct bench *b, const char *name, uint32_t seconds)
{
	unsigned int udp = b->udp;

	if (seconds) {
		b->now += seconds * 1000ull - 1;
		ask(b, 1, (struct ask){ .name = name });
		cr_assert_eq(b->udp, udp, "%s was not kept for %u s", name, seconds);
		b->now += 1;
	}
	ask(b, 1, (struct ask){ .name = name });
	cr_assert_eq(b->udp, udp + 1, "%s was kept longer than %u s", name, seconds);
}

Test(dns_forward, a_negative_answer_is_kept_for_what_its_soa_says)
{
	struct bench *b = set_up(1);

	ask(b, 1, (struct ask){ .name = "no.test" });
	reply_negative(b, DNS_NXDOMAIN, 90, 20);
	expect_kept_for(b, "no.test", 20);
	reply_negative(b, DNS_NXDOMAIN, 10, 20);
	expect_kept_for(b, "no.test", 10);
	reply_negative(b, DNS_NOERROR, 86400, 86400);
	expect_kept_for(b, "no.test", DNS_NEGATIVE_TTL_MAX);
	reply_rcode(b, DNS_NXDOMAIN); /* without an SOA */
	expect_kept_for(b, "no.test", 0);
	reply_rcode(b, DNS_NOERROR);
	expect_kept_for(b, "no.test", 0);
	tear_down(b);
}

Test(dns_forward, an_alias_that_leads_to_nothing_is_kept_only_with_an_soa)
{
	struct bench *b = set_up(1);
	struct buf r = { 0 };

	ask(b, 1, (struct ask){ .name = "alias.test" });
	begin_reply(&r, b, 0);
	put_record(&r, ANSWERS, 5, 3000, "\1x\0", 3);
	give(b, &r);
	expect_kept_for(b, "alias.test", 0);
	begin_reply(&r, b, 0);
	put_record(&r, ANSWERS, 5, 3000, "\1x\0", 3);
	put_soa(&r, 40, 50);
	give(b, &r);
	expect_kept_for(b, "alias.test", 40);
	tear_down(b);
}

Test(dns_forward, failures_are_not_kept)
{
	struct bench *b = set_up(1);

	ask(b, 1, (struct ask){ .name = "a.test" });
	reply_rcode(b, DNS_SERVFAIL);
	ask(b, 2, (struct ask){ .name = "a.test" });
	cr_assert_eq(b->udp, 2);
	tear_down(b);
}
