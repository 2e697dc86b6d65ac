// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Anti-entropy: whatever was lost, two stores that talk become equal (Demers et
 * al.: "Epidemic Algorithms for Replicated Database Maintenance", PODC 1987).
 * One conversation at a time, with one random member, of bounded messages:
 *
 *      caller                                        callee
 *      |-- DIGEST: 256 bucket hashes, from here on ------>|
 *      |<-- versions in the buckets that differ, a page --|
 *      |   compares: what it lacks, what it has newer
 *      |-- EXCHANGE: keys wanted, newer records --------->|   until both are done,
 *      |<-- the records ----------------------------------|
 *      |-- DIGEST: from where the page ended ------------>|   until there is no more
 *
 * Equal stores cost one call of 2 KB. The callee keeps no state: a page says where
 * the next begins. Membership goes the same way: a hash in the DIGEST, both
 * tables only when the hashes differ.
 */
#include "digest.h"

#include <errno.h>
#include <stdlib.h>

#define PUSH_MAX (300u << 10)     /* of records in one EXCHANGE, beside members and keys */
#define WANT_MAX 2048u            /* keys in one EXCHANGE */

_Static_assert((MEMBERS_MAX + 1) * CLAIM_LEN + WANT_MAX * (2 + RECORD_KEY_MAX) + PUSH_MAX + 256 <
		       STREAM_PLAIN_MAX,
	       "request fits");

static bool keys_add(struct keys *k, const struct record_key *key)
{
	if (k->count == k->cap) {
		size_t cap = k->cap ? 2 * k->cap : 64;
		struct record_key *grown = realloc(k->key, cap * sizeof(*grown));

		if (!grown)
			return false;
		k->key = grown;
		k->cap = cap;
	}
	k->key[k->count++] = *key;
	return true;
}

static void keys_clear(struct keys *k)
{
	free(k->key);
	*k = (struct keys){ 0 };
}

static size_t keys_left(const struct keys *k)
{
	return k->count - k->at;
}

static void end_sync(struct gossip *g, int error)
{
	struct sync *s = &g->sync;
	bool again = error || (s->fetched && !g->synced);
	uint64_t pause = again ? g->timing.probe_interval : g->timing.sync_interval;

	if (!error) {
		g->count.syncs++;
		g->synced = g->synced || !s->fetched;
	}
	/* A random pause around the mean, so that nodes do not fall into step. */
	g->next_sync = g->now + pause / 2 + rng_below(&g->rng, (uint32_t)pause + 1);
	keys_clear(&s->want);
	keys_clear(&s->push);
	*s = (struct sync){ .active = false };
}

static void send_sync(struct gossip *g, enum wire_call type, const struct buf *body)
{
	struct call *c = call_begin(g, type, &g->sync.peer, &g->sync.to);

	if (!c) {
		end_sync(g, -EAGAIN);
		return;
	}
	g->sync.call = c->id;
	call_send(g, c, body);
}

static void send_digest(struct gossip *g)
{
	_cleanup_(buf_fini) struct buf body = { 0 };

	buf_u64(&body, members_hash(g));
	buf_u16(&body, g->sync.bucket);
	wire_put_key(&body, &g->sync.after);
	for (unsigned int i = 0; i < STORE_BUCKETS; i++)
		buf_u64(&body, store_bucket_hash(g->store, i));
	send_sync(g, WIRE_CALL_DIGEST, &body);
}

static void send_exchange(struct gossip *g)
{
	_cleanup_(buf_fini) struct buf body = { 0 };
	struct sync *s = &g->sync;
	size_t count = keys_left(&s->want), max;

	if (count > WANT_MAX)
		count = WANT_MAX;
	digest_put_members(g, s->push_members, &body);
	s->push_members = false;
	buf_u32(&body, (uint32_t)count);
	for (size_t i = 0; i < count; i++)
		wire_put_key(&body, &s->want.key[s->want.at + i]);
	max = body.len + PUSH_MAX;
	while (keys_left(&s->push) && digest_put_record(g, &s->push.key[s->push.at], max, &body))
		s->push.at++;
	send_sync(g, WIRE_CALL_EXCHANGE, &body);
}

/* The next step of the conversation. */
static void continue_sync(struct gossip *g)
{
	struct sync *s = &g->sync;

	if (keys_left(&s->want) || keys_left(&s->push) || s->push_members)
		send_exchange(g);
	else if (s->more)
		send_digest(g);
	else
		end_sync(g, 0);
}

/* Notes which side has the newer version; both, when only the bodies differ. */
static bool compare_versions(struct sync *s, const struct version *ours,
			     const struct version *theirs)
{
	int order = stamp_cmp(&ours->stamp, &theirs->stamp);

	if (!order)
		order = id_cmp(&ours->writer, &theirs->writer);
	if (!order && ours->hash == theirs->hash)
		return true;
	return (order > 0 || keys_add(&s->want, &theirs->key)) &&
	       (order < 0 || keys_add(&s->push, &ours->key));
}

/*
 * Reads one group and walks it beside our own versions of that bucket, both
 * sorted. from: where the page begins; *least: the first bucket that may come now.
 */
static int read_group(struct gossip *g, struct cursor *c, const struct place *from, int *least)
{
	static const struct record_key start;
	_cleanup_(versions_fini) struct versions ours = { 0 };
	struct sync *s = &g->sync;
	uint8_t bucket = cursor_u8(c), whole = cursor_u8(c);
	uint32_t count = cursor_u32(c);
	struct version v, last = { .key = start };
	size_t i = 0;

	if (c->bad || bucket < *least)
		return -EBADMSG;
	*least = bucket + 1;
	if (versions_gather(g, bucket, bucket == from->bucket ? &from->after : &start, &ours))
		return -ENOMEM;
	for (uint32_t n = 0; n < count; n++, last = v) {
		bool added = true;

		wire_get_version(c, &v);
		if (c->bad || (n && record_key_cmp(&last.key, &v.key) >= 0))
			return -EBADMSG;
		while (added && i < ours.count && record_key_cmp(&ours.v[i].key, &v.key) < 0)
			added = keys_add(&s->push, &ours.v[i++].key);
		if (added && i < ours.count && !record_key_cmp(&ours.v[i].key, &v.key))
			added = compare_versions(s, &ours.v[i++], &v);
		else if (added)
			added = keys_add(&s->want, &v.key);
		if (!added)
			return -ENOMEM;
	}
	for (; whole && i < ours.count; i++)
		if (!keys_add(&s->push, &ours.v[i].key))
			return -ENOMEM;
	return 0;
}

static int place_cmp(const struct place *a, const struct place *b)
{
	return a->bucket != b->bucket ? a->bucket - b->bucket :
					record_key_cmp(&a->after, &b->after);
}

static int read_page(struct gossip *g, struct cursor *c)
{
	struct sync *s = &g->sync;
	struct place from = { s->bucket, s->after }, next = from;
	bool has_members = cursor_u8(c);
	int r = 0, least = s->bucket;

	if (has_members)
		members_get(g, c);
	s->push_members = has_members;
	s->more = cursor_u8(c);
	if (s->more) {
		next.bucket = cursor_u16(c);
		wire_get_key(c, true, &next.after);
	}
	/* Pages only go forward: nobody can keep us in a conversation for ever. */
	if (c->bad || next.bucket >= STORE_BUCKETS || (s->more && place_cmp(&next, &from) <= 0))
		return -EBADMSG;
	keys_clear(&s->want);
	keys_clear(&s->push);
	while (!r && cursor_left(c))
		r = read_group(g, c, &from, &least);
	s->bucket = next.bucket;
	s->after = next.after;
	return r;
}

static int read_exchange(struct gossip *g, struct cursor *c)
{
	struct sync *s = &g->sync;
	uint32_t answered = cursor_u32(c);
	size_t asked = keys_left(&s->want);

	if (c->bad || answered > asked || (asked && !answered))
		return -EBADMSG;
	s->want.at += answered;
	return records_hear(g, c) ? 0 : -EPROTO; /* counted there */
}

static void on_fetched(struct gossip *g, int error, struct cursor reply)
{
	if (error)
		return;
	cursor_u32(&reply);
	records_hear(g, &reply);
}

void sync_on_reply(struct gossip *g, const struct call *call, int error, struct cursor reply)
{
	if (call->fetch.len) {
		on_fetched(g, error, reply);
		return;
	}
	if (!g->sync.active || g->sync.call != call->id)
		return;
	if (!error) {
		error = call->type == WIRE_CALL_DIGEST ? read_page(g, &reply) :
							 read_exchange(g, &reply);
		g->count.refused_malformed += error == -EBADMSG;
	}
	if (error)
		end_sync(g, error);
	else
		continue_sync(g);
}

void sync_soon(struct gossip *g, const struct id *with)
{
	uint64_t at = g->now + rng_below(&g->rng, g->timing.probe_interval + 1);

	g->next_sync = min_u64(g->next_sync, at);
	g->sync_with = *with;
}

void sync_tick(struct gossip *g)
{
	struct peer *p = peer_find(g, &g->sync_with);

	if (g->sync.active || g->now < g->next_sync || !g->live_count)
		return;
	g->sync_with = (struct id){ 0 };
	if ((!p || !member_is_live(p->m.status)) && !members_random(g, peer_is_live, NULL, &p, 1))
		return;
	g->sync = (struct sync){ .active = true, .peer = p->m.id, .to = p->m.addr };
	send_digest(g);
}

uint64_t sync_deadline(const struct gossip *g)
{
	return g->sync.active || !g->live_count ? UINT64_MAX : g->next_sync;
}

void sync_free(struct gossip *g)
{
	keys_clear(&g->sync.want);
	keys_clear(&g->sync.push);
}

bool gossip_in_sync(const struct gossip *g)
{
	return g->synced || !g->live_count;
}
