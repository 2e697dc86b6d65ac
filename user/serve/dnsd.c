/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dnsd_inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* ---- answers that come later ---- */

static int pending_add(struct dnsd *d, const struct pending *asker, uint64_t *ret_cookie)
{
	struct pending *p = malloc(sizeof(*p));

	if (!p)
		return -ENOMEM;
	*p = *asker;
	p->cookie = ++d->last_id;
	HASH_ADD(hh, d->pendings, cookie, sizeof(p->cookie), p);
	if (!p->hh.tbl) { /* uthash could not grow */
		free(p);
		return -ENOMEM;
	}
	*ret_cookie = p->cookie;
	return 0;
}

static void pending_free(struct dnsd *d, struct pending *p)
{
	HASH_DEL(d->pendings, p);
	free(p);
}

static void deliver(struct dnsd *d, uint64_t cookie, const void *data, size_t len)
{
	struct pending *p;

	HASH_FIND(hh, d->pendings, &cookie, sizeof(cookie), p);
	if (!p)
		return;
	if (p->stream)
		stream_deliver(d, p->stream, data, len);
	else
		place_send(p->place, &p->to, data, len);
	pending_free(d, p);
}

void dnsd_drain(struct dnsd *d)
{
	struct dns_forward_output o;

	while (dns_forward_next_output(d->forward, &o)) {
		switch (o.type) {
		case DNS_OUT_ANSWER:
			deliver(d, o.cookie, o.data, o.len);
			break;
		case DNS_OUT_UDP:
		case DNS_OUT_TCP:
			upstream_open(d, &o);
			break;
		case DNS_OUT_CANCEL:
			upstream_close(d, o.exchange);
			break;
		}
	}
	dnsd_arm(d);
}

void dnsd_arm(struct dnsd *d)
{
	uint64_t at = dns_forward_deadline(d->forward), idle = stream_deadline(d);

	if (idle < at)
		at = idle;
	if (d->resume_at < at)
		at = d->resume_at;
	if (at == d->armed_at)
		return;
	d->armed_at = at;
	loop_timer_set(d->timer, at);
}

static void on_timer(void *arg)
{
	struct dnsd *d = arg;
	uint64_t now = loop_now_ms(d->loop);

	d->armed_at = UINT64_MAX;
	dns_forward_tick(d->forward, now);
	stream_close_idle(d, now);
	stream_resume(d, now);
	dnsd_drain(d);
}

/* ---- messages ---- */

static enum dnsd_outcome forward(struct dnsd *d, const struct pending *asker,
				 const struct dns_query *q, const void *data, size_t len)
{
	uint64_t cookie;

	d->counters.forwarded++;
	resolv_check(d);
	if (pending_add(d, asker, &cookie) < 0) {
		d->counters.over_limit++;
		return DNSD_NOTHING;
	}
	dns_forward_ask(d->forward, q, data, len, asker->stream, asker->place->id, cookie,
			loop_now_ms(d->loop));
	dnsd_drain(d);
	return DNSD_LATER;
}

static void count_query(struct dnsd *d, bool tcp, int parsed)
{
	if (tcp)
		d->counters.queries_tcp++;
	else
		d->counters.queries_udp++;
	if (parsed < 0 || parsed == DNS_FORMERR)
		d->counters.malformed++;
}

enum dnsd_outcome dnsd_take(struct dnsd *d, const struct pending *asker, const void *data, size_t len,
			    struct buf *out)
{
	const struct dns_asker who = { asker->place->network_count, asker->place->network };
	bool tcp = asker->stream;
	struct dns_query q;
	int r = dns_parse(data, len, &q);

	count_query(d, tcp, r);
	if (r < 0)
		return DNSD_NOTHING;
	if (r > 0)
		dns_error(data, len, (enum dns_rcode)r, out);
	else if (!d->names ||
		 dns_answer(d->names, &who, &q, data, tcp, &d->rng, out) == DNS_FORWARD)
		return forward(d, asker, &q, data, len);
	else
		d->counters.answered++;
	return out->len && !out->failed ? DNSD_REPLY : DNSD_NOTHING;
}

/* ---- names and places ---- */

void dnsd_set_names(struct dnsd *d, struct dns_names *names)
{
	dns_names_free(d->names);
	d->names = names;
}

static int take_networks(struct place *p, const struct dnsd_place *at)
{
	size_t size = at->network_count * sizeof(*at->network);
	struct id *copy = malloc(size ? size : 1);

	if (!copy)
		return -ENOMEM;
	if (size)
		memcpy(copy, at->network, size);
	free(p->network);
	p->network = copy;
	p->network_count = at->network_count;
	return 0;
}

static int serve_place(struct dnsd *d, const struct dnsd_place *at, struct err *e)
{
	const struct place_key key = { at->netns_dev, at->netns_ino };
	struct place *p;
	int r;

	HASH_FIND(hh, d->places, &key, sizeof(key), p);
	if (!p) {
		r = place_open(d, at, &p, e);
		if (r < 0)
			return r;
		HASH_ADD(hh, d->places, key, sizeof(p->key), p);
		if (!p->hh.tbl) { /* uthash could not grow */
			place_close(p);
			return err_set(e, -ENOMEM, "out of memory");
		}
	}
	p->wanted = true;
	r = take_networks(p, at);
	return r < 0 ? err_set(e, r, "out of memory") : 0;
}

/* Nobody is there any more to whom an answer could go. */
static void drop_place(struct dnsd *d, struct place *p)
{
	struct pending *w, *next;

	dns_forward_forget(d->forward, p->id);
	HASH_ITER(hh, d->pendings, w, next)
		if (w->place == p)
			pending_free(d, w);
	HASH_DEL(d->places, p);
	place_close(p);
}

int dnsd_set_places(struct dnsd *d, const struct dnsd_place *place, size_t count, struct err *e)
{
	struct place *p, *next;
	int first = 0;

	for (p = d->places; p; p = p->hh.next)
		p->wanted = false;
	for (size_t i = 0; i < count; i++) {
		int r = serve_place(d, &place[i], e);

		if (r < 0 && !first)
			first = r;
	}
	HASH_ITER(hh, d->places, p, next)
		if (!p->wanted)
			drop_place(d, p);
	dnsd_drain(d);
	return first;
}

void dnsd_sweep(struct dnsd *d)
{
	struct place *p, *next;

	HASH_ITER(hh, d->places, p, next)
		if (!place_is_there(p))
			drop_place(d, p);
	dnsd_drain(d);
}

void dnsd_drop_broken(struct dnsd *d, bool (*drop)(void *arg, const char *netns), void *arg)
{
	struct place *p, *next;

	HASH_ITER(hh, d->places, p, next)
		if (!place_works(p) && place_is_there(p) && drop(arg, p->path))
			drop_place(d, p);
	dnsd_drain(d);
}

void dnsd_counters(const struct dnsd *d, struct dnsd_counters *ret_counters)
{
	*ret_counters = d->counters;
	ret_counters->places = HASH_COUNT(d->places);
	ret_counters->over_limit += dns_forward_counters(d->forward)->over_limit;
}

/* ---- life ---- */

static int start(struct dnsd *d, const char *resolv_conf, const struct rng *rng)
{
	struct rng ids;
	int r;

	/* Two streams: how answers are shuffled is seen by containers, and must not tell the ids. */
	d->rng = *rng;
	rng_bytes(&d->rng, ids.key, sizeof(ids.key));
	d->resolv.path = strdup(resolv_conf);
	if (!d->resolv.path)
		return -ENOMEM;
	r = dns_forward_new(&ids, &d->forward);
	if (r < 0)
		return r;
	d->armed_at = d->resume_at = UINT64_MAX;
	return loop_timer_new(d->loop, UINT64_MAX, on_timer, d, &d->timer);
}

int dnsd_new(struct loop *loop, const char *resolv_conf, const struct rng *rng,
	     struct dnsd **ret_dnsd, struct err *e)
{
	struct dnsd *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return err_set(e, -ENOMEM, "out of memory while starting DNS");
	d->loop = loop;
	r = start(d, resolv_conf, rng);
	if (r < 0) {
		dnsd_free(d);
		return err_set(e, r, "cannot start DNS: %s", strerror(-r));
	}
	*ret_dnsd = d;
	return 0;
}

void dnsd_free(struct dnsd *d)
{
	struct place *p, *next;

	if (!d)
		return;
	HASH_ITER(hh, d->places, p, next)
		drop_place(d, p);
	upstream_close_all(d);
	dns_forward_free(d->forward);
	dns_names_free(d->names);
	loop_timer_free(d->timer);
	for (size_t i = 0; i < ARRAY_SIZE(d->tx); i++)
		buf_fini(&d->tx[i]);
	free(d->resolv.path);
	free(d);
}
