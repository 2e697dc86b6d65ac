// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is passed on, and how often. Every update is sent retransmit_mult *
 * ceil(log10(n + 1)) times in all, each time beside a probe or in a gossip round
 * to a few random members: enough to reach everybody with high probability
 * (SWIM, section 4.1; the factor is memberlist's). Who misses it all the same is
 * healed by sync.c.
 *
 * Two queues, members before records, each a list per number of sendings: the
 * least told go first, among them the newest.
 */
#include "engine.h"

#include <stdlib.h>
#include <utlist.h>

#define FILL_MISSES_MAX 8        /* updates too long for what is left, before giving up */
#define FILL_PICKS_MAX 64        /* updates in one datagram; the shortest takes 25 bytes */
#define GOSSIP_BURST 4           /* datagrams to one member in one round */
#define GOSSIP_TO_DEAD_MS 30000  /* memberlist's GossipToTheDeadTime: a chance to refute */

void update_cancel(struct gossip *g, struct update *u)
{
	if (!u->queued)
		return;
	DL_DELETE(g->queue[u->queue][u->level], u);
	u->queued = false;
	g->queued--;
}

void update_queue(struct gossip *g, struct update *u, enum update_queue queue)
{
	update_cancel(g, u);
	*u = (struct update){ .queue = (uint8_t)queue, .queued = true };
	DL_PREPEND(g->queue[queue][0], u);
	g->queued++;
}

static void drop_record(struct gossip *g, struct record_update *ru)
{
	update_cancel(g, &ru->update);
	HASH_DEL(g->records, ru);
	free(ru);
}

/* Makes room: the most told goes, of those the oldest. */
static void evict_record(struct gossip *g)
{
	for (int level = UPDATE_LEVELS - 1; level >= 0; level--) {
		struct update *head = g->queue[UPDATE_RECORDS][level];

		if (!head)
			continue;
		/* utlist: head->prev is the tail */
		drop_record(g, (struct record_update *)head->prev);
		g->count.over_limit++;
		return;
	}
}

void update_queue_record(struct gossip *g, const struct record_key *key)
{
	struct record_update *ru;

	HASH_FIND(hh, g->records, key, sizeof(*key), ru);
	if (!ru) {
		if (HASH_COUNT(g->records) >= RECORD_UPDATES_MAX)
			evict_record(g);
		ru = calloc(1, sizeof(*ru));
		if (!ru)
			return; /* it travels by sync */
		ru->key = *key;
		HASH_ADD(hh, g->records, key, sizeof(ru->key), ru);
		if (!ru->hh.tbl) { /* uthash could not grow */
			free(ru);
			return;
		}
	}
	update_queue(g, &ru->update, UPDATE_RECORDS);
}

void update_drop_record(struct gossip *g, const struct record_key *key)
{
	struct record_update *ru;

	HASH_FIND(hh, g->records, key, sizeof(*key), ru);
	if (ru)
		drop_record(g, ru);
}

void update_take_announced(struct gossip *g)
{
	struct record_key key;

	while (!store_next_announce(g->store, &key)) {
		if (key.kind == RECORD_NODE)
			member_follow_record(g, &key);
		update_queue_record(g, &key);
	}
}

static unsigned int ceil_log10(size_t n)
{
	unsigned int log = 0;

	for (size_t power = 1; power < n; power *= 10)
		log++;
	return log;
}

static unsigned int sendings_limit(const struct gossip *g)
{
	unsigned int limit = g->timing.retransmit_mult * ceil_log10(g->live_count + 2);

	if (!limit)
		limit = 1;
	return limit < UPDATE_LEVELS ? limit : UPDATE_LEVELS;
}

/* The peer that an update of UPDATE_MEMBERS sits in. */
static const struct peer *peer_of(const struct update *u)
{
	return (const struct peer *)((const char *)u - offsetof(struct peer, update));
}

/* Appends the message. False: there is nothing (any more) to tell. */
static bool put_update(struct gossip *g, const struct update *u, struct buf *b)
{
	struct record r;
	struct claim c;

	if (u->queue == UPDATE_MEMBERS) {
		c = peer_claim(peer_of(u));
		wire_put_member(b, &c);
		return true;
	}
	if (store_get(g->store, &((const struct record_update *)u)->key, &r))
		return false;
	/* A record that no datagram can hold is only announced; who lacks it fetches it. */
	if (record_encoded_len(&r) + CLAIM_LEN + 3 > DATAGRAM_PLAIN_MAX)
		wire_put_stamp(b, &r);
	else
		wire_put_record(b, &r);
	return true;
}

static void drop_update(struct gossip *g, struct update *u)
{
	if (u->queue == UPDATE_RECORDS)
		drop_record(g, (struct record_update *)u);
	else
		update_cancel(g, u);
}

/* An update was sent once more. */
static void age_update(struct gossip *g, struct update *u)
{
	uint8_t level = u->level + 1, queue = u->queue;

	if (level >= sendings_limit(g)) {
		drop_update(g, u);
		return;
	}
	update_cancel(g, u);
	*u = (struct update){ .queue = queue, .level = level, .queued = true, .burst = g->burst };
	DL_APPEND(g->queue[queue][level], u);
	g->queued++;
}

struct fill {
	struct update *pick[FILL_PICKS_MAX];
	unsigned int count, misses;
};

static bool fill_is_full(const struct fill *f)
{
	return f->count >= FILL_PICKS_MAX || f->misses >= FILL_MISSES_MAX;
}

static void fill_from(struct gossip *g, struct fill *f, struct update *head, struct buf *b)
{
	struct update *u, *next;

	DL_FOREACH_SAFE(head, u, next) {
		size_t before = b->len;

		if (fill_is_full(f))
			return;
		if (u->burst == g->burst)
			continue;
		if (!put_update(g, u, b)) {
			drop_update(g, u);
		} else if (b->failed || b->len > DATAGRAM_PLAIN_MAX) {
			b->len = before;
			f->misses++;
		} else {
			f->pick[f->count++] = u;
		}
	}
}

bool update_fill(struct gossip *g, struct buf *b)
{
	struct fill f = { .count = 0 };

	for (int queue = 0; queue < UPDATE_QUEUES; queue++)
		for (int level = 0; level < UPDATE_LEVELS && !fill_is_full(&f); level++)
			fill_from(g, &f, g->queue[queue][level], b);
	for (unsigned int i = 0; i < f.count; i++) {
		g->count.records_out += f.pick[i]->queue == UPDATE_RECORDS;
		age_update(g, f.pick[i]);
	}
	return f.misses || f.count == FILL_PICKS_MAX;
}

void update_burst(struct gossip *g, const struct peer *to, int datagrams)
{
	bool more = true;

	g->burst++;
	for (int i = 0; i < datagrams && more; i++) {
		_cleanup_(buf_fini) struct buf b = { 0 };

		datagram_begin(g, &b);
		more = datagram_send_more(g, &to->m.addr, &b);
	}
}

static bool peer_is_told(const struct gossip *g, const struct peer *p)
{
	return member_is_live(p->m.status) ||
	       (p->m.status == MEMBER_DEAD && g->now - p->m.since < GOSSIP_TO_DEAD_MS);
}

static void gossip_round(struct gossip *g)
{
	struct peer *to[16];
	size_t max = g->timing.gossip_fanout < 16 ? g->timing.gossip_fanout : 16;
	size_t count = members_random(g, peer_is_told, NULL, to, max);

	for (size_t i = 0; i < count && g->queued; i++)
		update_burst(g, to[i], GOSSIP_BURST);
}

void update_tick(struct gossip *g)
{
	if (g->now < g->next_gossip)
		return;
	g->next_gossip = g->now + g->timing.gossip_interval;
	if (g->queued)
		gossip_round(g);
}

uint64_t update_deadline(const struct gossip *g)
{
	return g->queued && g->live_count ? g->next_gossip : UINT64_MAX;
}

void update_free(struct gossip *g)
{
	struct record_update *ru, *next;

	HASH_ITER(hh, g->records, ru, next)
		drop_record(g, ru);
}
