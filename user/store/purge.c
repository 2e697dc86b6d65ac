/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "table.h"

bool forgotten_has(const struct store *s, const struct record *r)
{
	const struct forgotten *f;

	HASH_FIND(hh, s->forgotten, &r->key, sizeof(r->key), f);
	return f && stamp_cmp(&r->stamp, &f->stamp) <= 0;
}

void forgotten_free(struct store *s, struct forgotten *f)
{
	HASH_DEL(s->forgotten, f);
	if (f->is_on_disk)
		s->forgotten_on_disk--;
	free(f);
}

void forgotten_drop(struct store *s, const struct record_key *key)
{
	struct forgotten *f;

	HASH_FIND(hh, s->forgotten, key, sizeof(*key), f);
	if (f)
		forgotten_free(s, f);
}

static bool is_old(const struct item *it, uint64_t now_ms, uint64_t max_age_ms)
{
	return now_ms > it->seen_ms && now_ms - it->seen_ms > max_age_ms;
}

static bool is_old_tombstone(const struct store *s, enum record_kind kind, const struct id *id,
			     uint64_t now_ms, uint64_t max_age_ms)
{
	struct record_key key = key_of_id(kind, id);
	const struct item *it = store_item(s, &key);

	return it && it->tombstone && is_old(it, now_ms, max_age_ms);
}

/*
 * Dead: an old tombstone, or what hangs on one and has nobody left to delete it.
 * NODE tombstones stay for ever: they are final.
 */
static bool is_dead(const struct store *s, const struct item *it, uint64_t now_ms,
		    uint64_t max_age_ms)
{
	struct id owner = item_owner(it);

	if (it->key.kind == RECORD_NODE || it->key.kind == RECORD_CLUSTER)
		return false;
	if (it->tombstone)
		return is_old(it, now_ms, max_age_ms);
	if (it->key.kind == RECORD_ENDPOINT)
		return is_old_tombstone(s, RECORD_NODE, &it->endpoint.node, now_ms, max_age_ms) ||
		       is_old_tombstone(s, RECORD_NETWORK, &it->endpoint.network, now_ms,
					max_age_ms);
	if (it->key.kind == RECORD_KEY || it->key.kind == RECORD_PAIRS ||
	    it->key.kind == RECORD_RING_ACK)
		return is_old_tombstone(s, RECORD_NODE, &owner, now_ms, max_age_ms);
	if (it->key.kind == RECORD_BLOCK)
		return is_old_tombstone(s, RECORD_NETWORK, &it->block.network, now_ms, max_age_ms);
	if (it->key.kind == RECORD_POLICY)
		return is_old_tombstone(s, RECORD_NETWORK, &it->policy.network, now_ms, max_age_ms);
	if (it->key.kind == RECORD_SERVICE)
		return is_old_tombstone(s, RECORD_NETWORK, &it->service.network, now_ms,
					max_age_ms);
	return false;
}

/* False when there is no memory to remember it: then it is not forgotten either. */
static bool forget(struct store *s, struct entry *en, uint64_t now_ms)
{
	struct forgotten *f = calloc(1, sizeof(*f));

	if (!f)
		return false;
	f->key = en->item.key;
	f->stamp = en->item.stamp;
	f->since_ms = now_ms;
	HASH_ADD(hh, s->forgotten, key, sizeof(f->key), f);
	if (!f->hh.tbl) {
		free(f);
		return false;
	}
	f->is_on_disk = s->db;
	s->forgotten_on_disk += f->is_on_disk;
	entry_remove(s, en);
	return true;
}

static void expire_forgotten(struct store *s, uint64_t now_ms, uint64_t max_age_ms)
{
	struct forgotten *f, *next;

	HASH_ITER(hh, s->forgotten, f, next)
		if (!f->is_on_disk && now_ms > f->since_ms && now_ms - f->since_ms > max_age_ms)
			forgotten_free(s, f);
}

/* In two steps, because what hangs on a tombstone is judged by it. */
size_t store_purge(struct store *s, uint64_t now_ms, uint64_t max_age_ms)
{
	_cleanup_(freep) struct entry **dead = calloc(HASH_COUNT(s->entries) + 1, sizeof(*dead));
	size_t found = 0, forgot = 0;

	expire_forgotten(s, now_ms, max_age_ms);
	if (!dead)
		return 0;
	for (struct entry *en = s->entries; en; en = en->hh.next)
		if (is_dead(s, &en->item, now_ms, max_age_ms))
			dead[found++] = en;
	for (size_t i = 0; i < found; i++)
		forgot += forget(s, dead[i], now_ms);
	return forgot;
}
