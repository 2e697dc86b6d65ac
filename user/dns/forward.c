/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "forward_inside.h"

#define OURSELVES 0x7f00000bu /* 127.0.0.11, where serve/dnsd answers */

/* What makes two questions equal: name, type, class, what is desired of the answer, and EDNS. */
static bool make_key(const struct dns_query *q, const uint8_t *data, enum dns_tail tail,
		     struct dns_key *ret_key)
{
	uint16_t flags = q->flags & (DNS_RD | DNS_AD | DNS_CD);
	size_t len = q->question_len;

	*ret_key = (struct dns_key){ 0 };
	if (tail == DNS_TAIL_OTHER || len + 7 > sizeof(ret_key->b) || len < 5)
		return false;
	dns_question_fold(data + DNS_HEADER_LEN, len, ret_key->b);
	dns_set_u16(ret_key->b + len, flags);
	len += 2;
	if (tail == DNS_TAIL_OPT) { /* DO, and bits to come */
		ret_key->b[len] = 1;
		memcpy(ret_key->b + len + 1, data + DNS_HEADER_LEN + q->question_len + 5, 4);
		len += 5;
	}
	ret_key->len = len;
	return true;
}

static size_t size_for(const struct dns_query *q, bool tcp)
{
	if (tcp)
		return DNS_TCP_MAX;
	if (q->udp_size < DNS_UDP_PLAIN)
		return DNS_UDP_PLAIN;
	return q->udp_size > DNS_UDP_MAX ? DNS_UDP_MAX : q->udp_size;
}

static int fly(struct dns_forward *f, const struct origin *origin, const void *data, size_t len,
	       enum dns_tail tail, const struct dns_key *key, uint64_t asker, uint64_t now)
{
	struct flight *fl;
	int r;

	if (HASH_COUNT(f->by_exchange) >= DNS_FLIGHT_MAX)
		return -EBUSY;
	fl = flight_new(f, data, len, origin->question_len, tail, key);
	if (!fl)
		return -ENOMEM;
	r = flight_join(f, fl, asker, origin);
	if (r < 0)
		flight_free(f, fl);
	else
		flight_send(f, fl, now);
	return r;
}

static bool answer_from_cache(struct dns_forward *f, const struct origin *to,
			      const struct dns_key *key, uint64_t now)
{
	uint32_t age;
	size_t len;
	const uint8_t *reply = dns_cache_get(f->cache, key, now, &len, &age);

	if (!reply)
		return false;
	f->counters.from_cache++;
	out_answer(f, to, reply, len, age);
	return true;
}

void dns_forward_ask(struct dns_forward *f, const struct dns_query *q, const void *data, size_t len,
		     bool tcp, uint64_t asker, uint64_t cookie, uint64_t now)
{
	const struct origin origin = {
		.cookie = cookie, .id = q->id, .size = size_for(q, tcp),
		.question_len = q->question_len, .question = (const uint8_t *)data + DNS_HEADER_LEN,
	};
	enum dns_tail tail = dns_query_tail(data, len, q->question_len);
	struct flight *same = NULL;
	struct dns_key key;
	bool shared = make_key(q, data, tail, &key);
	int r;

	out_take_back(f);
	f->counters.asked++;
	if (shared && answer_from_cache(f, &origin, &key, now))
		return;
	if (shared)
		HASH_FIND(hk, f->by_key, key.b, key.len, same);
	if (same)
		r = flight_join(f, same, asker, &origin);
	else if (len > DNS_FORWARD_QUERY_MAX)
		r = -EMSGSIZE;
	else
		r = fly(f, &origin, data, len, tail, shared ? &key : NULL, asker, now);
	if (same && !r)
		f->counters.joined++;
	if (!r)
		return;
	f->counters.over_limit++;
	out_failure(f, &origin, data, len);
}

void dns_forward_forget(struct dns_forward *f, uint64_t asker)
{
	struct asker *a;

	out_take_back(f);
	HASH_FIND(hh, f->askers, &asker, sizeof(asker), a);
	for (unsigned int left = a ? a->count : 0; left; left--) {
		struct wait *w = a->waits; /* the last one takes the asker with it */
		struct flight *fl = w->flight;

		wait_free(f, w);
		if (!fl->waits)
			flight_free(f, fl);
	}
}

static void take_usable(struct dns_forward *f, struct flight *fl, const void *data, size_t len,
			uint64_t now)
{
	uint32_t ttl = dns_reply_ttl(data, len, fl->question_len);

	if (fl->shared && ttl)
		dns_cache_put(f->cache, &fl->key, data, len, ttl, now);
	flight_answer(f, fl, data, len);
}

void dns_forward_reply(struct dns_forward *f, uint64_t exchange, int error, const void *data,
		       size_t len, uint64_t now)
{
	struct flight *fl;
	enum dns_match match;

	out_take_back(f);
	HASH_FIND(hh, f->by_exchange, &exchange, sizeof(exchange), fl);
	if (!fl) {
		f->counters.refused_reply++;
		return;
	}
	match = error < 0 ? DNS_REFUSAL : dns_reply_match(fl->query, fl->question_len, data, len);
	if (match == DNS_FOREIGN)
		f->counters.refused_reply++;
	if (match == DNS_FOREIGN && !fl->tcp)
		return; /* the true one may still come */
	if (match == DNS_CUT && !fl->tcp)
		flight_by_tcp(f, fl, now);
	else if (match == DNS_USABLE)
		take_usable(f, fl, data, len, now);
	else
		flight_next(f, fl, now);
}

void dns_forward_tick(struct dns_forward *f, uint64_t now)
{
	out_take_back(f);
	while (f->by_deadline && f->by_deadline->deadline <= now) {
		f->counters.timed_out++;
		flight_next(f, f->by_deadline, now);
	}
}

uint64_t dns_forward_deadline(const struct dns_forward *f)
{
	return f->by_deadline ? f->by_deadline->deadline : UINT64_MAX;
}

/* ---- life ---- */

static bool is_ourselves(const struct dns_upstream *up)
{
	return addr_is_v4(&up->addr) && addr_v4(&up->addr) == OURSELVES;
}

static bool same_upstreams(const struct dns_forward *f, const struct dns_upstream *list, size_t n)
{
	if (n != f->upstream_count)
		return false;
	for (size_t i = 0; i < n; i++)
		if (addr_cmp(&list[i].addr, &f->upstream[i].addr) || list[i].port != f->upstream[i].port)
			return false;
	return true;
}

void dns_forward_set_upstreams(struct dns_forward *f, const struct dns_upstream *upstream,
			       size_t count, uint64_t now)
{
	struct dns_upstream list[DNS_UPSTREAM_MAX];
	size_t n = 0;

	out_take_back(f);
	for (size_t i = 0; i < count && n < DNS_UPSTREAM_MAX; i++)
		if (!is_ourselves(&upstream[i]))
			list[n++] = upstream[i];
	if (same_upstreams(f, list, n))
		return;
	memcpy(f->upstream, list, n * sizeof(list[0]));
	f->upstream_count = n;
	for (unsigned int left = HASH_COUNT(f->by_exchange); left; left--)
		flight_restart(f, f->by_deadline, now); /* goes to the end of the list */
}

int dns_forward_new(const struct rng *rng, struct dns_forward **ret_forward)
{
	struct dns_forward *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return -ENOMEM;
	f->rng = *rng;
	f->outs_end = &f->outs;
	r = dns_cache_new(&f->cache);
	if (r < 0) {
		free(f);
		return r;
	}
	*ret_forward = f;
	return 0;
}

void dns_forward_free(struct dns_forward *f)
{
	struct dns_forward_output o;

	if (!f)
		return;
	while (f->by_deadline)
		flight_free(f, f->by_deadline);
	while (dns_forward_next_output(f, &o))
		;
	dns_cache_free(f->cache);
	free(f);
}

const struct dns_forward_counters *dns_forward_counters(const struct dns_forward *f)
{
	return &f->counters;
}
