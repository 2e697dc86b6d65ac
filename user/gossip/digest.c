// SPDX-License-Identifier: GPL-2.0-or-later
/* The side of a sync that is asked. It keeps nothing between two calls. */
#include "digest.h"

#include <errno.h>
#include <stdlib.h>

#define PAGE_MAX (400u << 10)     /* of versions; with a full member table still one message */
#define RECORDS_REPLY_MAX (STREAM_PLAIN_MAX - 4096u)
#define VERSION_LEN_MAX (2 + RECORD_KEY_MAX + 16 + 16 + 8)
#define GROUP_HEAD 6              /* bucket, whole, count */

_Static_assert((MEMBERS_MAX + 1) * CLAIM_LEN + PAGE_MAX + 256 < STREAM_PLAIN_MAX, "reply fits");

void versions_fini(struct versions *vs)
{
	free(vs->v);
}

static int gather_one(void *ctx, const struct record *r)
{
	struct versions *vs = ctx;

	if (vs->after->len && record_key_cmp(&r->key, vs->after) <= 0)
		return 0;
	if (vs->count == vs->cap) {
		size_t cap = vs->cap ? 2 * vs->cap : 64;
		struct version *grown = realloc(vs->v, cap * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		vs->v = grown;
		vs->cap = cap;
	}
	vs->v[vs->count++] = version_of(r);
	return 0;
}

static int compare_keys(const void *a, const void *b)
{
	return record_key_cmp(&((const struct version *)a)->key, &((const struct version *)b)->key);
}

int versions_gather(const struct gossip *g, unsigned int bucket, const struct record_key *after,
		    struct versions *ret_versions)
{
	int r;

	ret_versions->after = after;
	r = store_each(g->store, bucket, gather_one, ret_versions);
	if (!r && ret_versions->count)
		qsort(ret_versions->v, ret_versions->count, sizeof(*ret_versions->v), compare_keys);
	return r;
}

void digest_put_members(const struct gossip *g, bool wanted, struct buf *b)
{
	buf_u8(b, wanted);
	if (wanted)
		members_put(g, b);
}

void digest_get_members(struct gossip *g, struct cursor *c)
{
	if (cursor_u8(c))
		members_get(g, c);
}

bool digest_put_record(struct gossip *g, const struct record_key *key, size_t max, struct buf *b)
{
	struct record r;

	if (store_get(g->store, key, &r))
		return true;
	if (b->len + record_encoded_len(&r) > max)
		return false;
	record_encode(b, &r);
	g->count.records_out++;
	return true;
}

/* ---- the answers ---- */

/* One bucket, as far as the page has room. True: whole; else *ret_last is where it ended. */
static bool put_group(const struct versions *vs, unsigned int bucket, struct buf *page,
		      struct record_key *ret_last)
{
	size_t head = page->len, i;

	buf_u8(page, (uint8_t)bucket);
	buf_u8(page, 1);
	buf_u32(page, 0);
	for (i = 0; i < vs->count && page->len + VERSION_LEN_MAX <= PAGE_MAX; i++) {
		wire_put_version(page, &vs->v[i]);
		*ret_last = vs->v[i].key;
	}
	if (page->failed)
		return true;
	buf_patch_u32(page, head + 2, (uint32_t)i);
	page->data[head + 1] = i == vs->count;
	return i == vs->count;
}

/* Fills a page from *at and moves *at to where the next one begins. 0 or -ENOMEM. */
static int put_page(const struct gossip *g, const uint64_t theirs[STORE_BUCKETS],
		    struct place *at, struct buf *page)
{
	static const struct record_key start;

	for (; at->bucket < STORE_BUCKETS; at->bucket++, at->after = start) {
		_cleanup_(versions_fini) struct versions vs = { 0 };
		struct record_key last = at->after;

		if (store_bucket_hash(g->store, at->bucket) == theirs[at->bucket])
			continue;
		if (page->len + GROUP_HEAD + VERSION_LEN_MAX > PAGE_MAX)
			return 0;
		if (versions_gather(g, at->bucket, &at->after, &vs))
			return -ENOMEM;
		if (!put_group(&vs, at->bucket, page, &last)) {
			at->after = last;
			return 0;
		}
	}
	return 0;
}

void sync_answer_digest(struct gossip *g, struct cursor *request, struct buf *reply)
{
	_cleanup_(buf_fini) struct buf page = { 0 };
	uint64_t members = cursor_u64(request), theirs[STORE_BUCKETS];
	struct place at = { .bucket = cursor_u16(request) };

	wire_get_key(request, true, &at.after);
	for (int i = 0; i < STORE_BUCKETS; i++)
		theirs[i] = cursor_u64(request);
	if (request->bad)
		return;
	digest_put_members(g, !at.bucket && !at.after.len && members != members_hash(g), reply);
	if (put_page(g, theirs, &at, &page) || page.failed) {
		reply->failed = true;
		return;
	}
	buf_u8(reply, at.bucket < STORE_BUCKETS);
	if (at.bucket < STORE_BUCKETS) {
		buf_u16(reply, at.bucket);
		wire_put_key(reply, &at.after);
	}
	buf_put(reply, page.data, page.len);
}

void sync_answer_exchange(struct gossip *g, struct cursor *request, struct buf *reply)
{
	uint32_t count, answered = 0;
	bool room = true;

	digest_get_members(g, request);
	count = cursor_u32(request);
	buf_u32(reply, 0);
	for (uint32_t i = 0; i < count && !request->bad; i++) {
		struct record_key key;

		wire_get_key(request, false, &key);
		room = room && !request->bad &&
		       digest_put_record(g, &key, RECORDS_REPLY_MAX, reply);
		answered += room;
	}
	buf_patch_u32(reply, 0, answered);
	if (!request->bad)
		records_hear(g, request);
}
