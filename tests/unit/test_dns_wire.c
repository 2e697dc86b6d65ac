/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dns_helpers.h"

#include <errno.h>

#include "dns/wire.h"

/* A header with one question of "a" and whatever follows. */
#define HEADER(flags, qd, an, ns, ar) \
	0x12, 0x34, (flags) >> 8, (flags) & 0xff, 0, qd, 0, an, 0, ns, 0, ar
#define QUESTION_A 1, 'a', 0, 0, 1, 0, 1
#define OPT_OF(size, version) 0, 0, 41, (size) >> 8, (size) & 0xff, 0, version, 0, 0, 0, 0
#define PARSE(q, ...) dns_parse((const uint8_t[]){ __VA_ARGS__ }, \
				sizeof((const uint8_t[]){ __VA_ARGS__ }), q)

Test(dns_wire, a_query_is_read_as_ldns_wrote_it)
{
	static const int types[] = { LDNS_RR_TYPE_A, LDNS_RR_TYPE_AAAA, LDNS_RR_TYPE_SRV,
				     LDNS_RR_TYPE_PTR, LDNS_RR_TYPE_ANY, LDNS_RR_TYPE_HTTPS };
	static const char *const names[] = { ".", "web.", "Web.App-Net.", "a.b.c.d.e.f.g.",
					     "_80._tcp.web.", "4.3.2.1.in-addr.arpa." };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		for (size_t j = 0; j < ARRAY_SIZE(types); j++) {
			BUF b = ldns_query(names[i], types[j], LDNS_RR_CLASS_IN, 0);
			struct dns_query q;
			char text[DNS_NAME_TEXT_MAX];

			cr_assert_eq(dns_parse(b.data, b.len, &q), 0);
			cr_expect_eq(q.id, 0x4711);
			cr_expect_eq(q.flags, DNS_RD);
			cr_expect_eq(q.type, types[j]);
			cr_expect_eq(q.class, DNS_CLASS_IN);
			cr_expect_eq(q.question_len, b.len - DNS_HEADER_LEN);
			cr_expect(q.plain);
			cr_expect_not(q.edns);
			cr_expect_eq(q.udp_size, DNS_UDP_PLAIN);
			for (size_t k = 0; k <= strlen(names[i]); k++)
				text[k] = (char)tolower(names[i][k]);
			text[strlen(text) - 1] = '\0';
			cr_expect_str_eq(q.name, text);
		}
}

Test(dns_wire, the_size_of_edns_is_read_and_small_ones_mean_512)
{
	static const uint16_t sizes[][2] = { { 1232, 1232 }, { 65535, 65535 }, { 512, 512 },
					     { 513, 513 }, { 100, 512 } };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		BUF b = ldns_query("web.", LDNS_RR_TYPE_A, LDNS_RR_CLASS_IN, sizes[i][0]);
		struct dns_query q;

		cr_assert_eq(dns_parse(b.data, b.len, &q), 0);
		cr_expect(q.edns);
		cr_expect_eq(q.udp_size, sizes[i][1]);
	}
}

Test(dns_wire, random_names_are_read_as_ldns_wrote_them)
{
	struct rng rng;

	rng_init_u64(&rng, 5);
	for (int round = 0; round < 2000; round++) {
		char text[256] = "";
		size_t len = 0;
		struct dns_query q;

		while (len < 180 && rng_below(&rng, 6)) {
			size_t label = 1 + rng_below(&rng, DNS_LABEL_MAX);

			for (size_t i = 0; i < label; i++)
				text[len++] = "abcdefghijklmnopqrstuvwxyz0123456789-_"[rng_below(&rng, 38)];
			text[len++] = '.';
		}
		if (!len)
			text[len++] = '.';
		text[len] = '\0';
		BUF b = ldns_query(text, LDNS_RR_TYPE_A, LDNS_RR_CLASS_IN, (uint16_t)rng_below(&rng, 2));

		cr_assert_eq(dns_parse(b.data, b.len, &q), 0, "%s", text);
		text[len - 1] = '\0';
		cr_assert_str_eq(q.name, text);
		cr_assert(q.plain);
	}
}

Test(dns_wire, a_response_and_less_than_a_header_are_never_answered)
{
	struct dns_query q;
	uint8_t query[] = { HEADER(DNS_RD, 1, 0, 0, 0), QUESTION_A };

	for (size_t len = 0; len < DNS_HEADER_LEN; len++)
		cr_assert_eq(dns_parse(query, len, &q), -EBADMSG);
	cr_assert_eq(PARSE(&q, HEADER(DNS_QR, 1, 0, 0, 0), QUESTION_A), -EBADMSG);
	cr_assert_eq(PARSE(&q, HEADER(DNS_QR | DNS_OPCODE, 0, 0, 0, 0)), -EBADMSG);
}

Test(dns_wire, every_cut_of_a_query_is_a_format_error)
{
	struct dns_query q;
	uint8_t query[] = { HEADER(DNS_RD, 1, 0, 0, 1), QUESTION_A, OPT_OF(1232, 0) };

	for (size_t len = DNS_HEADER_LEN; len < sizeof(query); len++)
		cr_assert_eq(dns_parse(query, len, &q), DNS_FORMERR, "%zu bytes", len);
	cr_assert_eq(dns_parse(query, sizeof(query), &q), 0);
}

Test(dns_wire, anything_but_one_question_and_additionals_is_a_format_error)
{
	struct dns_query q;

	cr_expect_eq(PARSE(&q, HEADER(0, 0, 0, 0, 0)), DNS_FORMERR);
	cr_expect_eq(PARSE(&q, HEADER(0, 2, 0, 0, 0), QUESTION_A, QUESTION_A), DNS_FORMERR);
	cr_expect_eq(PARSE(&q, HEADER(0, 1, 1, 0, 0), QUESTION_A), DNS_FORMERR);
	cr_expect_eq(PARSE(&q, HEADER(0, 1, 0, 1, 0), QUESTION_A), DNS_FORMERR);
}

Test(dns_wire, other_opcodes_are_not_implemented)
{
	struct dns_query q;

	for (unsigned int opcode = 1; opcode < 16; opcode++)
		cr_expect_eq(PARSE(&q, HEADER(opcode << 11, 1, 0, 0, 0), QUESTION_A), DNS_NOTIMP);
}

Test(dns_wire, a_question_with_a_pointer_is_a_format_error_and_loops_nowhere)
{
	struct dns_query q;

	cr_expect_eq(PARSE(&q, HEADER(0, 1, 0, 0, 0), 0xc0, 12, 0, 1, 0, 1), DNS_FORMERR);
	cr_expect_eq(PARSE(&q, HEADER(0, 1, 0, 0, 0), 1, 'a', 0xc0, 12, 0, 1, 0, 1), DNS_FORMERR);
	cr_expect_eq(PARSE(&q, HEADER(0, 1, 0, 0, 0), 0xc0, 0, 0, 1, 0, 1), DNS_FORMERR);
	cr_expect_eq(PARSE(&q, HEADER(0, 1, 0, 0, 0), 0x41, 'a', 0, 0, 1, 0, 1), DNS_FORMERR);
	cr_expect_eq(PARSE(&q, HEADER(0, 1, 0, 0, 0), 0x80, 'a', 0, 0, 1, 0, 1), DNS_FORMERR);
}

Test(dns_wire, names_end_at_255_octets)
{
	for (size_t last = 60; last <= 63; last++) {
		BUF b = { 0 };
		struct dns_query q;

		buf_put(&b, (const uint8_t[]){ HEADER(0, 1, 0, 0, 0) }, DNS_HEADER_LEN);
		for (size_t i = 0; i < 4; i++) {
			size_t len = i < 3 ? 63 : last;

			buf_u8(&b, (uint8_t)len);
			for (size_t j = 0; j < len; j++)
				buf_u8(&b, 'x');
		}
		buf_put(&b, (const uint8_t[]){ 0, 0, 1, 0, 1 }, 5);
		/* 3 * 64 + 62 + 1 = 255 */
		cr_expect_eq(dns_parse(b.data, b.len, &q), last <= 61 ? 0 : DNS_FORMERR, "%zu", last);
		if (last == 61)
			cr_expect_eq(strlen(q.name), DNS_NAME_TEXT_MAX - 1);
	}
}

Test(dns_wire, labels_with_dots_or_control_characters_are_not_plain)
{
	struct dns_query q;

	cr_assert_eq(PARSE(&q, HEADER(0, 1, 0, 0, 0), 3, 'a', '.', 'b', 0, 0, 1, 0, 1), 0);
	cr_expect_not(q.plain);
	cr_expect_str_eq(q.name, "a?b");
	cr_assert_eq(PARSE(&q, HEADER(0, 1, 0, 0, 0), 2, 'a', 0, 0, 0, 1, 0, 1), 0);
	cr_expect_not(q.plain);
	cr_assert_eq(PARSE(&q, HEADER(0, 1, 0, 0, 0), 2, 'a', 0xe4, 0, 0, 1, 0, 1), 0);
	cr_expect_not(q.plain);
	cr_assert_eq(PARSE(&q, HEADER(0, 1, 0, 0, 0), 1, ' ', 0, 0, 1, 0, 1), 0);
	cr_expect_not(q.plain);
	cr_assert_eq(PARSE(&q, HEADER(0, 1, 0, 0, 0), 3, 'A', '_', '~', 0, 0, 1, 0, 1), 0);
	cr_expect(q.plain);
	cr_expect_str_eq(q.name, "a_~");
}

Test(dns_wire, two_opts_or_one_with_a_name_are_a_format_error)
{
	struct dns_query q;

	cr_expect_eq(PARSE(&q, HEADER(0, 1, 0, 0, 2), QUESTION_A, OPT_OF(1232, 0), OPT_OF(1232, 0)),
		     DNS_FORMERR);
	cr_expect_eq(PARSE(&q, HEADER(0, 1, 0, 0, 1), QUESTION_A, 1, 'a', OPT_OF(1232, 0)),
		     DNS_FORMERR);
	cr_expect_eq(PARSE(&q, HEADER(0, 1, 0, 0, 1), QUESTION_A, OPT_OF(1232, 1)), DNS_BADVERS);
}

Test(dns_wire, other_additional_records_are_skipped)
{
	struct dns_query q;

	/* Its owner points to the question's name, as a TSIG's may. */
	cr_assert_eq(PARSE(&q, HEADER(0, 1, 0, 0, 2), QUESTION_A,
			   0xc0, 12, 0, 250, 0, 255, 0, 0, 0, 0, 0, 3, 1, 2, 3, OPT_OF(900, 0)), 0);
	cr_expect(q.edns);
	cr_expect_eq(q.udp_size, 900);
	/* One that points to itself, and one that points ahead. */
	cr_expect_eq(PARSE(&q, HEADER(0, 1, 0, 0, 1), QUESTION_A,
			   0xc0, 19, 0, 250, 0, 255, 0, 0, 0, 0, 0, 0), DNS_FORMERR);
	cr_expect_eq(PARSE(&q, HEADER(0, 1, 0, 0, 1), QUESTION_A,
			   0xc0, 30, 0, 250, 0, 255, 0, 0, 0, 0, 0, 0), DNS_FORMERR);
}

Test(dns_wire, pointers_are_followed_backwards_only)
{
	/* at 0: "c"; at 3: "b" then 0; at 8: "a" then 3; at 12: loops to itself by way of a label */
	static const uint8_t message[] = { 1, 'c', 0, 1, 'b', 0xc0, 0, 9, 1, 'a', 0xc0, 3,
					   1, 'x', 0xc0, 12 };
	struct cursor c = cursor_of(message, sizeof(message));
	char text[DNS_NAME_TEXT_MAX];
	struct dns_name name;

	c.p = message + 8;
	dns_get_name(&c, message, &name);
	cr_assert_not(c.bad);
	cr_expect_eq(c.p - message, 12, "what comes behind a name is behind its pointer");
	cr_expect(dns_name_text(&name, text));
	cr_expect_str_eq(text, "a.b.c");
	dns_get_name(&c, message, &name);
	cr_expect(c.bad);
}

Test(dns_wire, what_dns_cannot_carry_is_not_written)
{
	static const char *const bad[] = { "a..b", ".a", "a.",
		"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx.b" };
	BUF b = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		cr_expect_not(dns_put_name(&b, bad[i]), "%s", bad[i]);
	cr_expect_eq(b.len, 0);
	cr_expect(dns_put_name(&b, "a.bc"));
	cr_assert_eq(b.len, 6);
	cr_expect_arr_eq(b.data, "\1a\2bc", 6);
}

Test(dns_wire, an_error_echoes_what_was_asked)
{
	BUF query = ldns_query("Web.app.", LDNS_RR_TYPE_SRV, LDNS_RR_CLASS_IN, 1232), out = { 0 };

	for (int rcode = DNS_FORMERR; rcode <= DNS_REFUSED; rcode++) {
		dns_error(query.data, query.len, rcode, &out);
		PKT *p = ldns_read(&out);

		cr_expect_eq(ldns_pkt_id(p), 0x4711);
		cr_expect(ldns_pkt_qr(p) && ldns_pkt_rd(p) && ldns_pkt_ra(p) && !ldns_pkt_aa(p));
		cr_expect_eq(ldns_pkt_get_rcode(p), (ldns_pkt_rcode)rcode);
		cr_expect_str_eq(ldns_text(p, LDNS_SECTION_QUESTION), "Web.app. IN SRV\n");
		cr_expect_eq(ldns_pkt_ancount(p) + ldns_pkt_nscount(p), 0);
		cr_expect(ldns_pkt_edns(p));
		cr_expect_eq(ldns_pkt_edns_udp_size(p), DNS_UDP_MAX);
	}
}

Test(dns_wire, bad_version_comes_with_the_rcodes_upper_bits)
{
	BUF out = { 0 };
	static const uint8_t query[] = { HEADER(DNS_RD, 1, 0, 0, 1), QUESTION_A, OPT_OF(1232, 1) };

	dns_error(query, sizeof(query), DNS_BADVERS, &out);
	PKT *p = ldns_read(&out);

	cr_expect_eq((ldns_pkt_edns_extended_rcode(p) << 4) + (int)ldns_pkt_get_rcode(p), DNS_BADVERS);
	cr_expect_eq(ldns_pkt_edns_version(p), 0);
	cr_expect_str_eq(ldns_text(p, LDNS_SECTION_QUESTION), "a. IN A\n");
}

Test(dns_wire, an_error_to_what_cannot_be_read_is_a_header)
{
	BUF out = { 0 };
	static const uint8_t query[] = { HEADER(2 << 11 | DNS_RD | DNS_TC, 1, 0, 0, 0), 0xc0, 12 };
	static const uint8_t none[] = { HEADER(0, 0, 0, 0, 0) };

	dns_error(query, sizeof(query), DNS_NOTIMP, &out);
	PKT *p = ldns_read(&out);

	cr_expect_eq(out.len, DNS_HEADER_LEN);
	cr_expect_eq(ldns_pkt_id(p), 0x1234);
	cr_expect_eq((int)ldns_pkt_get_opcode(p), 2);
	cr_expect_eq(ldns_pkt_get_rcode(p), LDNS_RCODE_NOTIMPL);
	cr_expect_not(ldns_pkt_tc(p));
	dns_error(none, sizeof(none), DNS_FORMERR, &out);
	cr_expect_eq(out.len, DNS_HEADER_LEN);
	dns_error(none, sizeof(none) - 1, DNS_FORMERR, &out);
	cr_expect_eq(out.len, 0, "there is nothing to answer");
}

Test(dns_wire, records_of_ldns_are_read_back)
{
	PKT *p = ldns_pkt_query_new(ldns_dname_new_frm_str("www.example."), LDNS_RR_TYPE_A,
				    LDNS_RR_CLASS_IN, 0);
	ldns_rr *rr;
	BUF b = { 0 };
	struct dns_record r;
	struct dns_header h;
	struct cursor c;
	uint8_t *wire;
	char text[DNS_NAME_TEXT_MAX];
	size_t len;

	cr_assert_eq(ldns_rr_new_frm_str(&rr, "mail.example. 77 IN A 192.0.2.9", 0, NULL, NULL), 0);
	ldns_pkt_push_rr(p, LDNS_SECTION_ANSWER, rr);
	cr_assert_eq(ldns_pkt2wire(&wire, p, &len), LDNS_STATUS_OK);
	buf_put(&b, wire, len);
	free(wire);

	c = cursor_of(b.data, b.len);
	dns_get_header(&c, &h);
	cr_expect_eq(h.answer, 1);
	dns_get_name(&c, b.data, &r.owner);
	cursor_u32(&c);
	dns_get_record(&c, b.data, &r);
	cr_assert_not(c.bad);
	cr_expect_eq(cursor_left(&c), 0);
	dns_name_text(&r.owner, text);
	cr_expect_str_eq(text, "mail.example");
	cr_expect_eq(r.ttl, 77);
	cr_expect_eq(cursor_u32(&r.data), 0xc0000209);
}
