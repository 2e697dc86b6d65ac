/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/lib/forger.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "ipsec/inside.h"
#include "store/table.h"

#define FORGED_SPI 0x10000

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "forger: %s\n", what);
	abort();
}

static struct store *store_of(struct forger *f)
{
	return cluster_node(f->k->c, f->at)->store;
}

static const struct id *id_at(struct forger *f, size_t i)
{
	return &cluster_node(f->k->c, i)->id;
}

void forger_init(struct forger *f, struct keyed *k, size_t at, size_t as)
{
	*f = (struct forger){ .k = k, .at = at, .as = as };
	ipsec_free(k->node[at].engine);
	k->node[at].engine = NULL;
	rng_bytes(&k->rng, f->private_key, sizeof(f->private_key));
}

/* Asks nothing of what store_write and store_merge ask. */
static void put(struct forger *f, struct record *r)
{
	must(!entry_put(store_of(f), r, cluster_wall(f->k->c, f->at)), "out of memory");
	cluster_settle(f->k->c, f->at);
}

/* Greater than that of any version there is. */
static struct stamp stamp_past(struct forger *f, const struct record_key *key)
{
	const struct item *held = store_item(store_of(f), key);

	return (struct stamp){ held ? held->stamp.hi + 1 : 1, 0 };
}

static void sign(struct forger *f, struct record *r, enum forged_signature how,
		 uint8_t room[SIGNATURE_LEN])
{
	const struct entry *right = entry_find(cluster_node(f->k->c, f->as)->store, &r->key);

	if (how == FORGED_OWN)
		must(!identity_sign(&store_of(f)->identity, r, room), "out of memory");
	if (how == FORGED_COPIED)
		memcpy(room, right->newest->body + right->newest->body_len, SIGNATURE_LEN);
	r->signature = how == FORGED_NONE ? NULL : room;
}

void forger_write_key(struct forger *f, enum forged_signature how)
{
	const struct node_key *right = view_key_of(store_view(store_of(f)), id_at(f, f->as));
	_cleanup_(buf_fini) struct buf body = { 0 };
	struct record r = { .key = key_of_id(RECORD_KEY, id_at(f, f->as)),
			    .writer = *id_at(f, f->as) };
	uint8_t room[SIGNATURE_LEN];

	must(right, "there is no key to forge");
	f->key = *right;
	f->key.epoch = store_view(store_of(f))->epoch.number;
	crypto_scalarmult_base(f->key.public_key, f->private_key);
	node_key_encode(&body, &f->key);
	r.body = body.data;
	r.body_len = (uint16_t)body.len;
	r.stamp = stamp_past(f, &r.key);
	sign(f, &r, how, room);
	put(f, &r);
}

static void secrets_of(struct forger *f, struct session_secrets *ret_secrets)
{
	session_secrets_init(ret_secrets, store_view(store_of(f))->cluster->token_secret);
}

void forger_write_pairs(struct forger *f, size_t to)
{
	const struct node_key *theirs = view_key_of(store_view(store_of(f)), id_at(f, to));
	struct pairs p = { .node = *id_at(f, f->as), .chunk = pairs_chunk_of(id_at(f, to)), .count = 1 };
	struct pairs_detail d = { .pair = { { .peer = *id_at(f, to), .spi_in = FORGED_SPI } } };
	_cleanup_(buf_fini) struct buf body = { 0 };
	struct record r = { .key = key_of_pairs(&p.node, p.chunk), .writer = p.node };
	struct session_secrets secrets;

	secrets_of(f, &secrets);
	d.pair[0].session = session_tag(&secrets, theirs, &f->key);
	session_secrets_fini(&secrets);
	pairs_encode(&body, &p, &d);
	r.body = body.data;
	r.body_len = (uint16_t)body.len;
	r.stamp = stamp_past(f, &r.key);
	put(f, &r);
}

void forger_play_back(struct forger *f, bool newer)
{
	struct record_key key = key_of_id(RECORD_KEY, id_at(f, f->as));
	struct record r;
	struct cursor c;

	if (!f->former.len) {
		must(!store_get(store_of(f), &key, &r), "there is no key to play back");
		record_encode(&f->former, &r);
	}
	c = cursor_of(f->former.data, f->former.len);
	must(!record_decode(&c, &r), "out of memory");
	if (newer)
		r.stamp = stamp_past(f, &key);
	put(f, &r);
}

void forger_fini(struct forger *f)
{
	buf_fini(&f->former);
	sodium_memzero(f, sizeof(*f));
}

static bool has_key(const struct fake_xfrm *x, const uint8_t key[SA_KEY_LEN])
{
	for (size_t i = 0; i < x->sa_count; i++)
		if (!memcmp(x->sa[i].key, key, SA_KEY_LEN))
			return true;
	return false;
}

size_t forger_opens(struct forger *f, size_t of)
{
	const struct node_key *theirs = view_key_of(store_view(cluster_node(f->k->c, of)->store),
						    id_at(f, of));
	const struct id *ends[] = { id_at(f, of), id_at(f, f->as) };
	uint8_t master[MASTER_LEN], key[SA_KEY_LEN];
	struct session_secrets secrets;
	size_t count = 0;

	secrets_of(f, &secrets);
	must(theirs && !session_master(&secrets, f->private_key, &f->key, theirs, master),
	     "no key to derive from");
	for (unsigned int i = 0; i < 2 * OV_SA_LANES; i++) {
		sa_key(master, ends[i % 2], ends[1 - i % 2], i / 2, key);
		count += has_key(&f->k->node[of].xfrm, key);
	}
	return count;
}
