/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An upstream that says anything: the first byte says how it was asked, the rest is
 * its reply (with the id and, mostly, the question that it takes to be believed),
 * which is answered, kept, and answered again when it is older.
 */
#include <stdlib.h>
#include <string.h>

#include "dns/forward.h"
#include "dns/reply.h"
#include "dns/resolv.h"

static const uint8_t question[] = "\3WwW\7example\3com\0\0\1\0\1";
#define QUESTION_LEN (sizeof(question) - 1)

struct world {
	struct dns_forward *f;
	uint64_t exchange, cookies; /* cookies: a bit an answer */
	uint16_t id;
	size_t limit;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void drain(struct world *w)
{
	struct dns_forward_output o;

	while (dns_forward_next_output(w->f, &o)) {
		if (o.type == DNS_OUT_UDP || o.type == DNS_OUT_TCP) {
			w->exchange = o.exchange;
			w->id = dns_get_u16(o.data);
		}
		if (o.type != DNS_OUT_ANSWER)
			continue;
		if (o.len < DNS_HEADER_LEN || o.len > w->limit || o.cookie > 2 ||
		    w->cookies & 1u << o.cookie || dns_get_u16(o.data) != 0x1000 + o.cookie)
			abort();
		w->cookies |= 1u << o.cookie;
	}
}

static void ask(struct world *w, uint8_t how, uint64_t cookie, uint64_t now)
{
	uint8_t query[DNS_HEADER_LEN + QUESTION_LEN + DNS_OPT_LEN] = { 0 };
	struct dns_query q;
	size_t len = DNS_HEADER_LEN + QUESTION_LEN;

	dns_set_u16(query, (uint16_t)(0x1000 + cookie));
	dns_set_u16(query + 2, DNS_RD);
	dns_set_u16(query + 4, 1);
	memcpy(query + DNS_HEADER_LEN, question, QUESTION_LEN);
	if (how & 1) {
		dns_set_u16(query + 10, 1);
		memcpy(query + len, "\0\0\x29\x04\xd0\0\0\0\0\0\0", DNS_OPT_LEN);
		len += DNS_OPT_LEN;
	}
	if (dns_parse(query, len, &q))
		abort();
	w->limit = how & 2 ? DNS_TCP_MAX : how & 1 ? DNS_UDP_MAX : DNS_UDP_PLAIN;
	dns_forward_ask(w->f, &q, query, len, how & 2, 1, cookie, now);
	drain(w);
}

static void reply(struct world *w, uint8_t how, const uint8_t *data, size_t size, uint64_t now)
{
	uint8_t *r = malloc(size + DNS_HEADER_LEN + QUESTION_LEN);

	memcpy(r, data, size);
	if (size >= 2)
		dns_set_u16(r, w->id);
	if (how & 4 && size >= DNS_HEADER_LEN) { /* the question put in, what follows moved */
		memcpy(r + DNS_HEADER_LEN, question, QUESTION_LEN);
		memcpy(r + DNS_HEADER_LEN + QUESTION_LEN, data + DNS_HEADER_LEN, size - DNS_HEADER_LEN);
		dns_set_u16(r + 4, 1);
		r[2] |= 0x80;
		size += QUESTION_LEN;
	}
	dns_forward_reply(w->f, w->exchange, 0, r, size, now);
	free(r);
	drain(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dns_upstream up = { addr_from_v4(0xc0000201), 53 }, list[DNS_UPSTREAM_MAX];
	struct world w = { 0 };
	struct rng rng;

	if (!size || size > 8192)
		return 0;
	if (resolv_parse((const char *)data, size, list) > DNS_UPSTREAM_MAX)
		abort();
	rng_init_u64(&rng, 1);
	if (dns_forward_new(&rng, &w.f) < 0)
		return 0;
	dns_forward_set_upstreams(w.f, &up, 1, 0);
	ask(&w, data[0], 0, 0);
	reply(&w, data[0], data + 1, size - 1, 10);
	reply(&w, data[0], data + 1, size - 1, 20); /* by TCP, when the first was cut */
	ask(&w, data[0], 1, 1500);
	dns_forward_tick(w.f, 100000);
	drain(&w);
	if (w.cookies != 3)
		abort(); /* everybody is answered in the end */
	dns_forward_free(w.f);
	return 0;
}
