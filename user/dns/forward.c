/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 *   ask --> in the cache? --------------------------------------> ANSWER
 *       \-> equal one under way? -- waits with it
 *        \-> flight --> UDP to upstream 0 --> usable -----------> ANSWER to all who wait
 *                         | ^      |cut                           and into the cache
 *                 timeout,| |      v
 *                 refusal | |    TCP to the same
 *                         v |
 *                     the next upstream; none left -------------> SERVFAIL
 */
#include "forward.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#include "base/cleanup.h"
#include "cache.h"
#include "reply.h"

#define OURSELVES 0x7f00000bu /* 127.0.0.11, where serve/dnsd answers */

/* To whom an answer goes, and in which words it was asked. */
struct origin {
	uint64_t cookie;
	uint16_t id;
	size_t size; /* longest answer it takes */
	size_t question_len;
	const uint8_t *question;
};

struct asker {
	UT_hash_handle hh;
	uint64_t id;
	unsigned int count;
	struct wait *waits;
};

struct wait {
	struct wait *prev, *next;   /* of the flight */
	struct wait *aprev, *anext; /* of the asker */
	struct flight *flight;
	struct asker *asker;
	struct origin origin;
	uint8_t question[];
};

struct flight {
	UT_hash_handle hh;          /* by exchange */
	UT_hash_handle hk;          /* by key, when shared */
	struct flight *prev, *next; /* by deadline: all wait equally long, so the latest is last */
	uint64_t exchange, deadline;
	size_t upstream;            /* index of the one that is asked */
	bool tcp, shared;
	struct dns_key key;
	struct wait *waits;
	size_t question_len, len;
	uint8_t query[];
};

struct out {
	struct out *next;
	struct dns_forward_output o;
	uint8_t data[];
};

struct dns_forward {
	struct rng rng;
	size_t upstream_count;
	struct dns_upstream upstream[DNS_UPSTREAM_MAX];
	struct dns_cache *cache;
	struct asker *askers;
	struct flight *by_exchange, *by_key, *by_deadline;
	uint64_t last_exchange;
	struct out *outs, **outs_end;
	struct out *shown; /* lent to the caller until its next call */
	struct dns_forward_counters counters;
};

/* ---- out ---- */

static struct out *emit(struct dns_forward *f, int type, const void *data, size_t len)
{
	struct out *out = calloc(1, sizeof(*out) + len);

	if (!out) {
		f->counters.over_limit++;
		return NULL;
	}
	if (len)
		memcpy(out->data, data, len);
	out->o.type = type;
	out->o.data = out->data;
	out->o.len = len;
	*f->outs_end = out;
	f->outs_end = &out->next;
	return out;
}

bool dns_forward_next_output(struct dns_forward *f, struct dns_forward_output *ret_output)
{
	struct out *out = f->outs;

	free(TAKE_PTR(f->shown));
	if (!out)
		return false;
	f->outs = out->next;
	if (!f->outs)
		f->outs_end = &f->outs;
	f->shown = out;
	*ret_output = out->o;
	return true;
}

/* The id and the words are the asker's; age in seconds is taken off. */
static void answer(struct dns_forward *f, const struct origin *to, const void *reply, size_t len,
		   uint32_t age)
{
	struct out *out = emit(f, DNS_OUT_ANSWER, reply, len);
	size_t whole = DNS_HEADER_LEN + to->question_len;

	if (!out)
		return;
	f->counters.answered++;
	out->o.cookie = to->cookie;
	dns_set_u16(out->data, to->id);
	if (len < whole || dns_get_u16(out->data + 4) != 1)
		return; /* an error without its question */
	memcpy(out->data + DNS_HEADER_LEN, to->question, to->question_len);
	if (age)
		dns_reply_age(out->data, len, to->question_len, age);
	out->o.len = dns_reply_fit(out->data, len, to->question_len, to->size);
}

static void answer_failure(struct dns_forward *f, const struct origin *to, const void *query,
			   size_t len)
{
	_cleanup_(buf_fini) struct buf reply = { 0 };

	dns_error(query, len, DNS_SERVFAIL, &reply);
	if (!reply.failed && reply.len >= DNS_HEADER_LEN)
		answer(f, to, reply.data, reply.len, 0);
}

/* ---- who waits ---- */

static struct asker *asker_get(struct dns_forward *f, uint64_t id)
{
	struct asker *a;

	HASH_FIND(hh, f->askers, &id, sizeof(id), a);
	if (a)
		return a;
	a = calloc(1, sizeof(*a));
	if (!a)
		return NULL;
	a->id = id;
	HASH_ADD(hh, f->askers, id, sizeof(a->id), a);
	if (!a->hh.tbl) { /* uthash could not grow */
		free(a);
		return NULL;
	}
	return a;
}

static void asker_put(struct dns_forward *f, struct asker *a)
{
	if (a->count)
		return;
	HASH_DEL(f->askers, a);
	free(a);
}

static int wait_add(struct asker *a, struct flight *fl, const struct origin *origin)
{
	struct wait *w = calloc(1, sizeof(*w) + origin->question_len);

	if (!w)
		return -ENOMEM;
	w->flight = fl;
	w->asker = a;
	w->origin = *origin;
	memcpy(w->question, origin->question, origin->question_len);
	w->origin.question = w->question;
	DL_APPEND(fl->waits, w);
	DL_APPEND2(a->waits, w, aprev, anext);
	a->count++;
	return 0;
}

static void wait_free(struct dns_forward *f, struct wait *w)
{
	DL_DELETE(w->flight->waits, w);
	DL_DELETE2(w->asker->waits, w, aprev, anext);
	w->asker->count--;
	asker_put(f, w->asker);
	free(w);
}

/* ---- flights ---- */

static void exchange_end(struct dns_forward *f, struct flight *fl)
{
	struct out *out;

	if (!fl->exchange)
		return;
	out = emit(f, DNS_OUT_CANCEL, NULL, 0);
	if (out)
		out->o.exchange = fl->exchange;
	HASH_DELETE(hh, f->by_exchange, fl);
	DL_DELETE(f->by_deadline, fl);
	fl->exchange = 0;
}

static void flight_free(struct dns_forward *f, struct flight *fl)
{
	exchange_end(f, fl);
	if (fl->shared)
		HASH_DELETE(hk, f->by_key, fl);
	while (fl->waits)
		wait_free(f, fl->waits);
	free(fl);
}

static void flight_answer(struct dns_forward *f, struct flight *fl, const void *reply, size_t len)
{
	struct wait *w;

	DL_FOREACH(fl->waits, w)
		answer(f, &w->origin, reply, len, 0);
	flight_free(f, fl);
}

static void flight_fail(struct dns_forward *f, struct flight *fl)
{
	struct wait *w;

	DL_FOREACH(fl->waits, w)
		answer_failure(f, &w->origin, fl->query, fl->len);
	flight_free(f, fl);
}

/* Asks the upstream that is due, by an exchange of its own; frees the flight when none is. */
static void flight_send(struct dns_forward *f, struct flight *fl, uint64_t now)
{
	struct out *out;

	if (fl->upstream >= f->upstream_count) {
		flight_fail(f, fl);
		return;
	}
	fl->exchange = ++f->last_exchange;
	HASH_ADD(hh, f->by_exchange, exchange, sizeof(fl->exchange), fl);
	if (!fl->hh.tbl) { /* uthash could not grow */
		fl->exchange = 0;
		f->counters.over_limit++;
		flight_fail(f, fl);
		return;
	}
	fl->deadline = now + DNS_UPSTREAM_TIMEOUT_MS;
	DL_APPEND(f->by_deadline, fl);
	dns_set_u16(fl->query, (uint16_t)rng_u64(&f->rng));
	out = emit(f, fl->tcp ? DNS_OUT_TCP : DNS_OUT_UDP, fl->query, fl->len);
	if (!out)
		return; /* as good as lost on the way */
	out->o.exchange = fl->exchange;
	out->o.to = f->upstream[fl->upstream];
	f->counters.sent++;
}

static void flight_next(struct dns_forward *f, struct flight *fl, uint64_t now)
{
	exchange_end(f, fl);
	fl->upstream++;
	fl->tcp = false;
	flight_send(f, fl, now);
}

static void flight_by_tcp(struct dns_forward *f, struct flight *fl, uint64_t now)
{
	exchange_end(f, fl);
	fl->tcp = true;
	flight_send(f, fl, now);
}

/* An answer that would come in fragments is easier to forge: it comes by TCP instead. */
static void bound_announced_size(struct flight *fl, enum dns_tail tail)
{
	uint8_t *size = fl->query + DNS_HEADER_LEN + fl->question_len + 3;

	if (tail == DNS_TAIL_OPT && dns_get_u16(size) > DNS_UDP_MAX)
		dns_set_u16(size, DNS_UDP_MAX);
}

static struct flight *flight_new(struct dns_forward *f, const void *data, size_t len,
				 size_t question_len, enum dns_tail tail, const struct dns_key *key)
{
	struct flight *fl = calloc(1, sizeof(*fl) + len);

	if (!fl)
		return NULL;
	fl->question_len = question_len;
	fl->len = len;
	memcpy(fl->query, data, len);
	bound_announced_size(fl, tail);
	if (!key)
		return fl;
	fl->key = *key;
	HASH_ADD_KEYPTR(hk, f->by_key, fl->key.b, fl->key.len, fl);
	fl->shared = fl->hk.tbl; /* uthash could not grow: then not */
	return fl;
}

/* ---- in ---- */

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

/* Takes its place among those who wait. Negative: it has to be told that it cannot. */
static int wait_for(struct dns_forward *f, struct flight *fl, uint64_t asker,
		    const struct origin *origin)
{
	struct asker *a = asker_get(f, asker);
	int r;

	if (!a)
		return -ENOMEM;
	r = a->count >= DNS_FLIGHT_PER_ASKER ? -EBUSY : wait_add(a, fl, origin);
	asker_put(f, a);
	return r;
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
	r = wait_for(f, fl, asker, origin);
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
	answer(f, to, reply, len, age);
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

	free(TAKE_PTR(f->shown));
	f->counters.asked++;
	if (shared && answer_from_cache(f, &origin, &key, now))
		return;
	if (shared)
		HASH_FIND(hk, f->by_key, key.b, key.len, same);
	if (same)
		r = wait_for(f, same, asker, &origin);
	else if (len > DNS_FORWARD_QUERY_MAX)
		r = -EMSGSIZE;
	else
		r = fly(f, &origin, data, len, tail, shared ? &key : NULL, asker, now);
	if (same && !r)
		f->counters.joined++;
	if (!r)
		return;
	f->counters.over_limit++;
	answer_failure(f, &origin, data, len);
}

void dns_forward_forget(struct dns_forward *f, uint64_t asker)
{
	struct asker *a;

	free(TAKE_PTR(f->shown));
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

	free(TAKE_PTR(f->shown));
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
	free(TAKE_PTR(f->shown));
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

	free(TAKE_PTR(f->shown));
	for (size_t i = 0; i < count && n < DNS_UPSTREAM_MAX; i++)
		if (!is_ourselves(&upstream[i]))
			list[n++] = upstream[i];
	if (same_upstreams(f, list, n))
		return;
	memcpy(f->upstream, list, n * sizeof(list[0]));
	f->upstream_count = n;
	for (unsigned int left = HASH_COUNT(f->by_exchange); left; left--) {
		struct flight *fl = f->by_deadline;

		exchange_end(f, fl);
		fl->upstream = 0;
		fl->tcp = false;
		flight_send(f, fl, now); /* goes to the end of the list */
	}
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
