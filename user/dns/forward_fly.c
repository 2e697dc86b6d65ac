/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "forward_inside.h"

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

void wait_free(struct dns_forward *f, struct wait *w)
{
	DL_DELETE(w->flight->waits, w);
	DL_DELETE2(w->asker->waits, w, aprev, anext);
	w->asker->count--;
	asker_put(f, w->asker);
	free(w);
}

int flight_join(struct dns_forward *f, struct flight *fl, uint64_t asker,
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

/* ---- flights ---- */

static void exchange_end(struct dns_forward *f, struct flight *fl)
{
	struct out *out;

	if (!fl->exchange)
		return;
	out = out_emit(f, DNS_OUT_CANCEL, NULL, 0);
	if (out)
		out->o.exchange = fl->exchange;
	HASH_DELETE(hh, f->by_exchange, fl);
	DL_DELETE(f->by_deadline, fl);
	fl->exchange = 0;
}

void flight_free(struct dns_forward *f, struct flight *fl)
{
	exchange_end(f, fl);
	if (fl->shared)
		HASH_DELETE(hk, f->by_key, fl);
	while (fl->waits)
		wait_free(f, fl->waits);
	free(fl);
}

void flight_answer(struct dns_forward *f, struct flight *fl, const void *reply, size_t len)
{
	struct wait *w;

	DL_FOREACH(fl->waits, w)
		out_answer(f, &w->origin, reply, len, 0);
	flight_free(f, fl);
}

static void flight_fail(struct dns_forward *f, struct flight *fl)
{
	struct wait *w;

	DL_FOREACH(fl->waits, w)
		out_failure(f, &w->origin, fl->query, fl->len);
	flight_free(f, fl);
}

/* Asks the upstream that is due, by an exchange of its own; frees the flight when none is. */
void flight_send(struct dns_forward *f, struct flight *fl, uint64_t now)
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
	out = out_emit(f, fl->tcp ? DNS_OUT_TCP : DNS_OUT_UDP, fl->query, fl->len);
	if (!out)
		return; /* as good as lost on the way */
	out->o.exchange = fl->exchange;
	out->o.to = f->upstream[fl->upstream];
	f->counters.sent++;
}

void flight_next(struct dns_forward *f, struct flight *fl, uint64_t now)
{
	exchange_end(f, fl);
	fl->upstream++;
	fl->tcp = false;
	flight_send(f, fl, now);
}

void flight_by_tcp(struct dns_forward *f, struct flight *fl, uint64_t now)
{
	exchange_end(f, fl);
	fl->tcp = true;
	flight_send(f, fl, now);
}

void flight_restart(struct dns_forward *f, struct flight *fl, uint64_t now)
{
	exchange_end(f, fl);
	fl->upstream = 0;
	fl->tcp = false;
	flight_send(f, fl, now);
}

/* An answer that would come in fragments is easier to forge: it comes by TCP instead. */
static void bound_announced_size(struct flight *fl, enum dns_tail tail)
{
	uint8_t *size = fl->query + DNS_HEADER_LEN + fl->question_len + 3;

	if (tail == DNS_TAIL_OPT && dns_get_u16(size) > DNS_UDP_MAX)
		dns_set_u16(size, DNS_UDP_MAX);
}

struct flight *flight_new(struct dns_forward *f, const void *data, size_t len, size_t question_len,
			  enum dns_tail tail, const struct dns_key *key)
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
