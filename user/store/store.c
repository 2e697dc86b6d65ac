/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "table.h"

static void store_freep(struct store **s)
{
	store_close(*s);
}

int store_open(const char *path, struct rng *rng, struct store **ret_store, struct err *e)
{
	_cleanup_(store_freep) struct store *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return err_set(e, -ENOMEM, "out of memory while opening the store");
	s->records_max = STORE_RECORDS_MAX;
	err = path ? db_open(path, &s->db, e) : 0;
	if (!err)
		err = store_load(s, rng, e);
	if (err)
		return err;
	*ret_store = TAKE_PTR(s);
	return 0;
}

static void entry_free(struct entry *en)
{
	if (en->newest != en->committed)
		version_free(en->newest);
	version_free(en->committed);
	if (record_is_secret(en->item.key.kind))
		explicit_bzero(&en->item, sizeof(en->item)); /* keys and token */
	free(en);
}

void store_close(struct store *s)
{
	struct entry *en, *en_next;
	struct forgotten *f, *f_next;

	if (!s)
		return;
	view_fini(&s->view);
	HASH_ITER(hh, s->entries, en, en_next) {
		HASH_DEL(s->entries, en);
		entry_free(en);
	}
	HASH_ITER(hh, s->forgotten, f, f_next)
		forgotten_free(s, f);
	metas_free(s);
	identity_fini(&s->identity);
	db_close(s->db);
	free(s);
}

const struct id *store_self(const struct store *s)
{
	return &s->self;
}

uint64_t store_generation(const struct store *s)
{
	return s->generation;
}

struct entry *entry_find(const struct store *s, const struct record_key *key)
{
	struct entry *en;

	HASH_FIND(hh, s->entries, key, sizeof(*key), en);
	return en;
}

bool node_is_removed(const struct store *s, const struct id *node)
{
	struct record_key key = key_of_id(RECORD_NODE, node);
	const struct entry *en = entry_find(s, &key);

	return en && en->item.tombstone;
}

static struct entry *entry_new(struct store *s, const struct record_key *key)
{
	struct entry *en;

	if (HASH_COUNT(s->entries) >= s->records_max)
		return NULL;
	en = calloc(1, sizeof(*en));
	if (!en)
		return NULL;
	en->item.key = *key;
	HASH_ADD(hh, s->entries, item.key, sizeof(en->item.key), en);
	if (!en->hh.tbl) { /* uthash could not grow */
		free(en);
		return NULL;
	}
	DL_APPEND2(s->bucket[store_bucket_of(key)].first, en, bucket_prev, bucket_next);
	return en;
}

/* A signature that nobody asks for is not kept. */
static struct version *version_new(const struct record *r)
{
	bool is_signed = r->signature && record_needs_signature(r->key.kind);
	struct version *v = calloc(1, sizeof(*v) + r->body_len + (is_signed ? SIGNATURE_LEN : 0));

	if (!v)
		return NULL;
	v->is_signed = is_signed;
	if (is_signed)
		memcpy(v->body + r->body_len, r->signature, SIGNATURE_LEN);
	v->stamp = r->stamp;
	v->writer = r->writer;
	v->tombstone = r->tombstone;
	v->body_len = r->body_len;
	if (r->body_len)
		memcpy(v->body, r->body, r->body_len);
	v->hash = version_hash(r);
	return v;
}

struct record version_record(const struct entry *en, const struct version *v)
{
	return (struct record){ .key = en->item.key, .stamp = v->stamp, .writer = v->writer,
				.tombstone = v->tombstone, .body = v->body,
				.body_len = v->body_len,
				.signature = v->is_signed ? v->body + v->body_len : NULL };
}

int entry_put(struct store *s, const struct record *r, uint64_t now_ms)
{
	struct entry *en = entry_find(s, &r->key);
	_cleanup_(freep) struct version *v = NULL;
	struct item item;

	if (item_decode(r, now_ms, &item))
		return -EBADMSG;
	v = version_new(r);
	if (!v)
		return -ENOMEM;
	if (!en)
		en = entry_new(s, &r->key);
	if (!en)
		return -ENOMEM;
	if (en->newest != en->committed)
		version_free(en->newest);
	en->newest = TAKE_PTR(v);
	en->item = item;
	en->item.body = en->newest->body;
	stamp_witness(s, r);
	forgotten_drop(s, &r->key);
	entry_set_pending(s, en);
	s->dirty |= STORE_KIND_BIT(r->key.kind);
	s->serial++;
	return 0;
}

void entry_remove(struct store *s, struct entry *en)
{
	if (en->is_pending)
		DL_DELETE2(s->pending, en, pending_prev, pending_next);
	if (en->is_announced)
		DL_DELETE2(s->announce, en, announce_prev, announce_next);
	if (en->committed)
		bucket_toggle(s, en, en->committed);
	DL_DELETE2(s->bucket[store_bucket_of(&en->item.key)].first, en, bucket_prev, bucket_next);
	HASH_DEL(s->entries, en);
	s->dirty |= STORE_KIND_BIT(en->item.key.kind);
	s->serial++;
	entry_free(en);
}

uint32_t store_take_dirty(struct store *s)
{
	uint32_t dirty = s->dirty;

	s->dirty = 0;
	return dirty;
}

uint64_t store_serial(const struct store *s)
{
	return s->serial;
}

size_t store_count(const struct store *s)
{
	return HASH_COUNT(s->entries);
}

const struct item *store_item(const struct store *s, const struct record_key *key)
{
	const struct entry *en = entry_find(s, key);

	return en ? &en->item : NULL;
}

const struct view *store_view(struct store *s)
{
	_cleanup_(freep) const struct item **items = NULL;
	struct view view;
	size_t count = 0;

	if (s->has_view && s->view_serial == s->serial)
		return &s->view;
	items = calloc(HASH_COUNT(s->entries) + 1, sizeof(*items));
	if (!items)
		return NULL;
	for (struct entry *en = s->entries; en; en = en->hh.next)
		items[count++] = &en->item;
	if (view_build(items, count, &view))
		return NULL;
	view_fini(&s->view);
	s->view = view;
	s->view_serial = s->serial;
	s->has_view = true;
	return &s->view;
}
