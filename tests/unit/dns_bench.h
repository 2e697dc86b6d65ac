/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dns/forward with a hand at each side: what askers ask, what upstreams reply, and the clock. */
#pragma once

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "dns/forward.h"
#include "dns/reply.h"

#define HELPER static __attribute__((unused))

#define ANSWERS_MAX 1200
#define BYTES_MAX 4096

struct bytes {
	size_t len;
	uint8_t b[BYTES_MAX];
};

struct sent {
	uint64_t exchange;
	struct dns_upstream to;
	bool tcp;
	struct bytes query;
};

struct bench {
	struct dns_forward *f;
	uint64_t now;
	struct sent sent; /* the last one */
	unsigned int udp, tcp, cancelled, answered;
	uint64_t cookie[ANSWERS_MAX];
	struct bytes answer; /* the last one */
};

/* What is asked, in the asker's words. */
struct ask {
	const char *name; /* "www.example.com" */
	uint16_t type, id, flags, udp_size;
	bool tcp, edns, dnssec;
	const char *option; /* of EDNS, as bytes of text */
	uint64_t asker;
};

HELPER struct dns_upstream upstream(uint32_t n)
{
	return (struct dns_upstream){ addr_from_v4(0xc0000200 + n), 53 };
}

HELPER void drain(struct bench *b)
{
	struct dns_forward_output o;

	while (dns_forward_next_output(b->f, &o)) {
		switch (o.type) {
		case DNS_OUT_ANSWER:
			cr_assert_lt(b->answered, ANSWERS_MAX);
			b->cookie[b->answered++] = o.cookie;
			b->answer.len = o.len;
			memcpy(b->answer.b, o.data, o.len < BYTES_MAX ? o.len : BYTES_MAX);
			break;
		case DNS_OUT_UDP:
		case DNS_OUT_TCP:
			*(o.type == DNS_OUT_TCP ? &b->tcp : &b->udp) += 1;
			b->sent = (struct sent){ o.exchange, o.to, o.type == DNS_OUT_TCP, { .len = o.len } };
			memcpy(b->sent.query.b, o.data, o.len);
			break;
		case DNS_OUT_CANCEL:
			b->cancelled++;
			break;
		}
	}
}

HELPER struct bench *set_up(size_t upstreams)
{
	const struct dns_upstream list[] = { upstream(1), upstream(2), upstream(3) };
	struct bench *b = calloc(1, sizeof(*b));
	struct rng rng;

	rng_init_u64(&rng, 7);
	cr_assert_eq(dns_forward_new(&rng, &b->f), 0);
	dns_forward_set_upstreams(b->f, list, upstreams, 0);
	drain(b);
	return b;
}

HELPER void tear_down(struct bench *b)
{
	dns_forward_free(b->f);
	free(b);
}

HELPER const struct dns_forward_counters *count(struct bench *b)
{
	return dns_forward_counters(b->f);
}

HELPER void put_name(struct buf *out, const char *name)
{
	while (*name) {
		size_t len = strcspn(name, ".");

		buf_u8(out, (uint8_t)len);
		buf_put(out, name, len);
		name += len + (name[len] == '.');
	}
	buf_u8(out, 0);
}

HELPER void put_query(struct buf *out, const struct ask *a)
{
	size_t option_len = a->option ? strlen(a->option) : 0;

	buf_u16(out, a->id);
	buf_u16(out, a->flags ? a->flags : DNS_RD);
	buf_u16(out, 1);
	buf_u32(out, 0);
	buf_u16(out, a->edns);
	put_name(out, a->name);
	buf_u16(out, a->type ? a->type : DNS_A);
	buf_u16(out, 1);
	if (!a->edns)
		return;
	buf_u8(out, 0);
	buf_u16(out, DNS_OPT);
	buf_u16(out, a->udp_size ? a->udp_size : 1232);
	buf_u32(out, a->dnssec ? 0x8000 : 0);
	buf_u16(out, (uint16_t)(option_len ? option_len + 4 : 0));
	if (option_len) {
		buf_u16(out, 10); /* COOKIE, RFC 7873 */
		buf_blob(out, a->option, option_len);
	}
}

HELPER void ask(struct bench *b, uint64_t cookie, struct ask a)
{
	_cleanup_(buf_fini) struct buf query = { 0 };
	struct dns_query q;

	put_query(&query, &a);
	cr_assert_eq(dns_parse(query.data, query.len, &q), 0);
	dns_forward_ask(b->f, &q, query.data, query.len, a.tcp, a.asker, cookie, b->now);
	drain(b);
}

/* ---- replies to the last query sent ---- */

enum { ANSWERS, AUTHORITIES, ADDITIONALS };

HELPER size_t question_len(const struct bytes *m)
{
	size_t at = DNS_HEADER_LEN;

	while (m->b[at])
		at += m->b[at] + 1u;
	return at + 5 - DNS_HEADER_LEN;
}

HELPER void begin_reply(struct buf *r, const struct bench *b, uint16_t flags)
{
	const struct bytes *q = &b->sent.query;

	buf_put(r, q->b, 2);
	buf_u16(r, (uint16_t)(DNS_QR | DNS_RD | 0x0080 | flags));
	buf_u16(r, 1);
	buf_u16(r, 0);
	buf_u32(r, 0);
	buf_put(r, q->b + DNS_HEADER_LEN, question_len(q));
}

HELPER void put_record(struct buf *r, int section, uint16_t type, uint32_t ttl, const void *data,
		       size_t len)
{
	uint8_t *count_at = r->data + 6 + 2 * section;

	dns_set_u16(count_at, (uint16_t)(dns_get_u16(count_at) + 1));
	buf_u16(r, 0xc00c);
	buf_u16(r, type);
	buf_u16(r, 1);
	buf_u32(r, ttl);
	buf_blob(r, data, len);
}

HELPER void put_a(struct buf *r, uint32_t ttl)
{
	put_record(r, ANSWERS, DNS_A, ttl, "\xcb\x00\x71\x01", 4);
}

HELPER void put_soa(struct buf *r, uint32_t ttl, uint32_t minimum)
{
	_cleanup_(buf_fini) struct buf data = { 0 };

	put_name(&data, "ns.example.com");
	put_name(&data, "root.example.com");
	for (int i = 0; i < 4; i++)
		buf_u32(&data, 3600);
	buf_u32(&data, minimum);
	put_record(r, AUTHORITIES, DNS_SOA, ttl, data.data, data.len);
}

HELPER void give(struct bench *b, struct buf *r)
{
	dns_forward_reply(b->f, b->sent.exchange, 0, r->data, r->len, b->now);
	buf_fini(r);
	drain(b);
}

HELPER void reply_rcode(struct bench *b, enum dns_rcode rcode)
{
	struct buf r = { 0 };

	begin_reply(&r, b, (uint16_t)rcode);
	give(b, &r);
}

HELPER void reply_a(struct bench *b, uint32_t ttl)
{
	struct buf r = { 0 };

	begin_reply(&r, b, 0);
	put_a(&r, ttl);
	give(b, &r);
}

HELPER void reply_negative(struct bench *b, enum dns_rcode rcode, uint32_t ttl, uint32_t minimum)
{
	struct buf r = { 0 };

	begin_reply(&r, b, (uint16_t)rcode);
	put_soa(&r, ttl, minimum);
	give(b, &r);
}

HELPER void pass(struct bench *b, uint64_t ms)
{
	b->now += ms;
	dns_forward_tick(b->f, b->now);
	drain(b);
}

HELPER unsigned int rcode_of(const struct bytes *m)
{
	return dns_get_u16(m->b + 2) & 15;
}

/* TTL of the first record of the last answer. */
HELPER uint32_t ttl_of_answer(const struct bench *b)
{
	const uint8_t *at = b->answer.b + DNS_HEADER_LEN + question_len(&b->answer) + 6;

	return (uint32_t)dns_get_u16(at) << 16 | dns_get_u16(at + 2);
}

HELPER bool asks_upstream(const struct bench *b, uint32_t n)
{
	const struct dns_upstream up = upstream(n);

	return !addr_cmp(&b->sent.to.addr, &up.addr);
}
