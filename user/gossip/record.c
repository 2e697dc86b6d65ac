// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Records coming in. The store judges and merges them; here they are counted, and
 * those of kind NODE also change who is a member. Passing them on is not done
 * here: the store announces what it has committed, whoever wrote it.
 */
#include "engine.h"

#include <endian.h>
#include <sodium.h>
#include <string.h>

static void count_lag(struct gossip *g, const struct record *r)
{
	static const uint32_t bound[GOSSIP_LAG_BOUNDS] = GOSSIP_LAG_BOUNDS_MS;
	uint64_t lag = g->wall > r->stamp.hi ? g->wall - r->stamp.hi : 0;
	size_t i = 0;

	/* A final tombstone's stamp is no time. */
	if (!record_is_shared(r->key.kind) || (r->tombstone && record_removal_is_final(r->key.kind)) ||
	    !gossip_in_sync(g))
		return;
	while (i < GOSSIP_LAG_BOUNDS && lag > bound[i])
		i++;
	g->count.lag[i]++;
	g->count.lag_ms += lag;
}

void record_hear(struct gossip *g, const struct record *r)
{
	switch (store_merge(g->store, r, g->wall)) {
	case MERGE_NEW:
		g->count.records_in++;
		count_lag(g, r);
		if (g->sync.active)
			g->sync.fetched = true;
		if (r->key.kind == RECORD_NODE)
			member_follow_record(g, &r->key);
		break;
	case MERGE_REFUSED:
		g->count.refused_record++;
		break;
	case MERGE_OLD:
	case MERGE_REFUTED:
		break;
	}
}

bool records_hear(struct gossip *g, struct cursor *c)
{
	struct record r;

	while (!c->bad && cursor_left(c)) {
		if (record_decode(c, &r))
			break;
		record_hear(g, &r);
	}
	if (!c->bad && !cursor_left(c))
		return true;
	g->count.refused_malformed++;
	return false;
}

struct version version_of(const struct record *r)
{
	uint8_t flags = r->tombstone, hash[crypto_generichash_BYTES_MIN];
	struct version v = { .key = r->key, .stamp = r->stamp, .writer = r->writer };
	crypto_generichash_state h;

	crypto_generichash_init(&h, NULL, 0, sizeof(hash));
	crypto_generichash_update(&h, &flags, 1);
	crypto_generichash_update(&h, r->body, r->body_len);
	crypto_generichash_final(&h, hash, sizeof(hash));
	memcpy(&v.hash, hash, sizeof(v.hash));
	v.hash = be64toh(v.hash);
	return v;
}

static bool version_is_news(struct gossip *g, const struct version *v)
{
	struct record ours;
	int order;

	if (store_get(g->store, &v->key, &ours))
		return true;
	order = stamp_cmp(&ours.stamp, &v->stamp);
	return order < 0 || (!order && id_cmp(&ours.writer, &v->writer) < 0);
}

/* Too many are fetched already, or this one is: it comes later, by sync or another's word. */
static bool fetch_may_begin(const struct gossip *g, const struct record_key *key)
{
	size_t count = 0;

	for (size_t i = 0; i < CALLS_MAX; i++) {
		const struct call *c = &g->call[i];

		if (!c->id || !c->fetch.len)
			continue;
		if (!record_key_cmp(&c->fetch, key))
			return false;
		count++;
	}
	return count < FETCHES_MAX;
}

void record_hear_version(struct gossip *g, const struct claim *sender, const struct version *v)
{
	_cleanup_(buf_fini) struct buf body = { 0 };
	struct call *c;

	if (!version_is_news(g, v) || !fetch_may_begin(g, &v->key))
		return;
	c = call_begin(g, WIRE_CALL_EXCHANGE, &sender->id, &sender->addr);
	if (!c)
		return;
	c->fetch = v->key;
	buf_u8(&body, 0);
	buf_u32(&body, 1);
	wire_put_key(&body, &v->key);
	call_send(g, c, &body);
}
