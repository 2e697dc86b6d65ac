/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <sodium.h>

#include "table.h"

static void hash_u64(crypto_generichash_state *h, uint64_t v)
{
	uint8_t be[8];

	for (int i = 0; i < 8; i++)
		be[i] = (uint8_t)(v >> (8 * (7 - i)));
	crypto_generichash_update(h, be, sizeof(be));
}

static uint64_t hash_final(crypto_generichash_state *h)
{
	uint8_t out[crypto_generichash_BYTES_MIN]; /* 16; libsodium makes none shorter */
	uint64_t v = 0;

	crypto_generichash_final(h, out, sizeof(out));
	for (int i = 0; i < 8; i++)
		v = v << 8 | out[i];
	return v;
}

static void hash_key(crypto_generichash_state *h, const struct record_key *key)
{
	crypto_generichash_init(h, NULL, 0, crypto_generichash_BYTES_MIN);
	crypto_generichash_update(h, &key->kind, 1);
	crypto_generichash_update(h, &key->len, 1);
	crypto_generichash_update(h, key->bytes, key->len);
}

uint64_t version_hash(const struct record *r)
{
	uint8_t tombstone = r->tombstone;
	crypto_generichash_state h;

	hash_key(&h, &r->key);
	hash_u64(&h, r->stamp.hi);
	hash_u64(&h, r->stamp.lo);
	crypto_generichash_update(&h, r->writer.b, sizeof(r->writer.b));
	crypto_generichash_update(&h, &tombstone, 1);
	crypto_generichash_update(&h, r->body, r->body_len);
	return hash_final(&h);
}

unsigned int store_bucket_of(const struct record_key *key)
{
	crypto_generichash_state h;

	hash_key(&h, key);
	return (unsigned int)(hash_final(&h) >> 56);
}

uint64_t store_bucket_hash(const struct store *s, unsigned int bucket)
{
	return bucket < STORE_BUCKETS ? s->bucket[bucket].hash : 0;
}

void bucket_toggle(struct store *s, const struct entry *en, const struct version *v)
{
	s->bucket[store_bucket_of(&en->item.key)].hash ^= v->hash;
}

int store_each(const struct store *s, unsigned int bucket,
	       int (*fn)(void *ctx, const struct record *r), void *ctx)
{
	struct record r;
	struct entry *en;
	int err;

	if (bucket >= STORE_BUCKETS)
		return 0;
	DL_FOREACH2(s->bucket[bucket].first, en, bucket_next) {
		if (!en->committed)
			continue;
		r = version_record(en, en->committed);
		err = fn(ctx, &r);
		if (err)
			return err;
	}
	return 0;
}

int store_get(const struct store *s, const struct record_key *key, struct record *ret_record)
{
	const struct entry *en = entry_find(s, key);

	if (!en || !en->committed)
		return -ENOENT;
	*ret_record = version_record(en, en->committed);
	return 0;
}

int store_next_announce(struct store *s, struct record_key *ret_key)
{
	struct entry *en = s->announce;

	if (!en)
		return -ENOENT;
	DL_DELETE2(s->announce, en, announce_prev, announce_next);
	en->is_announced = false;
	*ret_key = en->item.key;
	return 0;
}
