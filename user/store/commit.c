/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "base/cleanup.h"
#include "table.h"

void version_free(struct version *v)
{
	if (v)
		explicit_bzero(v->body, v->body_len); /* keys and token, if it is secret */
	free(v);
}

void entry_set_pending(struct store *s, struct entry *en)
{
	if (en->is_pending)
		return;
	en->is_pending = true;
	DL_APPEND2(s->pending, en, pending_prev, pending_next);
}

/* The newest version becomes the one that gossip sees. */
static void publish(struct store *s, struct entry *en)
{
	if (en->committed) {
		bucket_toggle(s, en, en->committed);
		version_free(en->committed);
	}
	en->committed = en->newest;
	bucket_toggle(s, en, en->committed);
	if (en->is_announced)
		return;
	en->is_announced = true;
	DL_APPEND2(s->announce, en, announce_prev, announce_next);
}

static void publish_all(struct store *s)
{
	struct entry *en, *next;

	DL_FOREACH_SAFE2(s->pending, en, next, pending_next) {
		DL_DELETE2(s->pending, en, pending_prev, pending_next);
		en->is_pending = false;
		publish(s, en);
	}
}

static void encode_u64(uint64_t v, uint8_t out[8])
{
	for (int i = 0; i < 8; i++)
		out[i] = (uint8_t)(v >> (8 * (7 - i)));
}

static int save_generation(struct store *s, struct err *e)
{
	uint8_t be[8];

	encode_u64(s->generation, be);
	return db_put_meta(s->db, META_GENERATION, be, sizeof(be), e);
}

static int save_newest(struct store *s, const struct entry *en, struct buf *scratch, struct err *e)
{
	struct record r = version_record(en, en->newest);

	buf_reset(scratch);
	record_encode(scratch, &r);
	if (scratch->failed)
		return err_set(e, -ENOMEM, "out of memory while saving a record");
	return db_put_record(s->db, &r.key, scratch->data, scratch->len, en->item.seen_ms, e);
}

static void scratch_fini(struct buf *b)
{
	if (b->data)
		explicit_bzero(b->data, b->cap); /* a secret record may have been there */
	buf_fini(b);
}

/* Rows are deleted first: a forgotten key may have come back since. */
static int save_all(struct store *s, struct err *e)
{
	_cleanup_(scratch_fini) struct buf scratch = { 0 };
	int err = s->generation == s->saved_generation ? 0 : save_generation(s, e);
	struct entry *en;

	for (struct forgotten *f = s->forgotten_on_disk ? s->forgotten : NULL; !err && f;
	     f = f->hh.next)
		if (f->is_on_disk)
			err = db_delete_record(s->db, &f->key, e);
	DL_FOREACH2(s->pending, en, pending_next) {
		if (err)
			break;
		err = save_newest(s, en, &scratch, e);
	}
	return err;
}

static int transact(struct store *s, struct err *e)
{
	int err = db_begin(s->db, e);

	if (err)
		return err;
	err = save_all(s, e);
	if (!err)
		err = db_commit(s->db, e);
	if (err)
		db_rollback(s->db);
	return err;
}

int store_commit(struct store *s, struct err *e)
{
	int err;

	if (!s->pending && !s->forgotten_on_disk && s->generation == s->saved_generation)
		return 0;
	err = s->db ? transact(s, e) : 0;
	if (err)
		return err;
	s->saved_generation = s->generation;
	for (struct forgotten *f = s->forgotten_on_disk ? s->forgotten : NULL; f; f = f->hh.next)
		f->is_on_disk = false;
	s->forgotten_on_disk = 0;
	publish_all(s);
	return 0;
}

static int load_meta(void *ctx, const char *name, const void *data, size_t len)
{
	return meta_put(ctx, name, data, len);
}

/* Records of a kind that this version does not know stay on disk for one that does. */
static int load_record(void *ctx, const void *data, size_t len, uint64_t seen_ms)
{
	struct cursor c = cursor_of(data, len);
	struct store *s = ctx;
	struct record r;

	if (record_decode(&c, &r))
		return -EBADMSG;
	if (r.key.kind >= RECORD_KIND_END || record_is_forged(s, &r))
		return 0;
	return entry_put(s, &r, seen_ms);
}

static int read_identity(struct store *s, struct err *e)
{
	const struct meta *seed = meta_find(s, META_IDENTITY), *gen = meta_find(s, META_GENERATION);
	struct cursor c;

	if (!seed || seed->len != IDENTITY_SEED_LEN || !gen || gen->len != 8)
		return err_set(e, -EBADMSG, "the state database does not hold its node's identity; "
			       "restore a backup, or delete it and join the cluster again");
	identity_init(&s->identity, seed->data);
	c = cursor_of(gen->data, gen->len);
	s->generation = cursor_u64(&c);
	return 0;
}

/* A store with records but no identity is damaged; one with neither is new. */
static int identify(struct store *s, struct rng *rng, struct err *e)
{
	uint8_t seed[IDENTITY_SEED_LEN];

	if (s->entries || s->metas)
		return read_identity(s, e);
	rng_bytes(rng, seed, sizeof(seed));
	identity_init(&s->identity, seed);
	sodium_memzero(seed, sizeof(seed));
	return 0;
}

static int save_identity(struct store *s, struct err *e)
{
	uint8_t seed[IDENTITY_SEED_LEN];
	int err = db_begin(s->db, e);

	identity_seed(&s->identity, seed);
	if (!err)
		err = db_put_meta(s->db, META_IDENTITY, seed, sizeof(seed), e);
	sodium_memzero(seed, sizeof(seed));
	if (!err)
		err = save_generation(s, e);
	if (!err)
		err = db_commit(s->db, e);
	if (err)
		db_rollback(s->db);
	return err;
}

/* What came from disk is committed, and was announced in an earlier life. */
static void adopt_loaded(struct store *s)
{
	struct record_key key;

	publish_all(s);
	while (!store_next_announce(s, &key))
		;
}

int store_load(struct store *s, struct rng *rng, struct err *e)
{
	const struct db_reader reader = { load_meta, load_record, s };
	int err = s->db ? db_read(s->db, &reader, e) : 0;

	if (!err)
		err = identify(s, rng, e);
	if (err)
		return err;
	s->self = s->identity.id;
	s->generation++;
	s->written = 0;
	err = s->db ? save_identity(s, e) : 0;
	s->saved_generation = s->generation;
	adopt_loaded(s);
	return err;
}
