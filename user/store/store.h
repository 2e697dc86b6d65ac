/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The replicated store: all records, in memory, with a database behind them.
 *
 * One store a node. Records enter by store_write (ours) and store_merge (from
 * others) and leave as a view for pure readers, or as bytes for gossip. Both
 * entrances only mark kinds as dirty; nobody is told what changed.
 *
 * Durability: what this node writes itself is committed (SQLite, WAL,
 * synchronous=FULL) before store_commit returns, and only then may it be sent:
 * store_write alone makes it visible to readers, not to gossip. What others
 * wrote is committed in batches by the same call; losing it costs a resync.
 */
#pragma once

#include "base/err.h"
#include "base/rng.h"
#include "model/model.h"
#include "model/view.h"

struct store;

#define STORE_KIND_BIT(kind) (1u << (kind))

/*
 * Opens (path) or makes (NULL: in memory only, for simulations) a store.
 * The node's identity (model/identity.h) is in the database, or drawn from rng and saved when
 * new; `self` is its id. The private half never leaves the store.
 * The generation grows by one with each open. Errors: another process has it,
 * damaged, disk full, not ours: a sentence.
 */
int store_open(const char *path, struct rng *rng, struct store **ret_store, struct err *e);
void store_close(struct store *s); /* NULL is fine; commits nothing */

const struct id *store_self(const struct store *s);
uint64_t store_generation(const struct store *s);

/* Small values of this node alone ("token", last known peers...): committed at once. */
int store_meta_set(struct store *s, const char *name, const void *data, size_t len, struct err *e);
int store_meta_get(struct store *s, const char *name, struct buf *out); /* 0 or -ENOENT */

/*
 * Writes a record of ours: the stamp is made here, greater than that of any
 * version known. now_ms: wall clock. Visible at once, sent after the commit.
 */
int store_write(struct store *s, const struct record_key *key, const struct buf *body,
		bool tombstone, uint64_t now_ms, struct err *e);
/* A BLOCK's next version: like store_write, with the body naming the next owner. */

enum merge_result {
	MERGE_OLD,       /* not newer than ours */
	MERGE_NEW,       /* taken */
	MERGE_REFUTED,   /* it claims to be ours and is not: a newer one of ours was written */
	MERGE_REFUSED,   /* malformed, or written by a node that may not, or not signed by it */
};
enum merge_result store_merge(struct store *s, const struct record *r, uint64_t now_ms);

/*
 * The nodes in whose name records came that they had not signed, since the store was opened,
 * in that order; borrowed. The first STORE_FORGED_MAX of them.
 */
#define STORE_FORGED_MAX 16
size_t store_forged(const struct store *s, const struct id **ret_nodes);

/* 0, or the error that kept the batch from disk; it stays pending and may be tried again. */
int store_commit(struct store *s, struct err *e);

/* Kinds that changed since the last call with the same bits; clears them. */
uint32_t store_take_dirty(struct store *s);
/* Grows with every change of any record. */
uint64_t store_serial(const struct store *s);

/*
 * The newest view; rebuilt when something changed. Valid until the next write,
 * merge or purge. NULL only when out of memory.
 */
const struct view *store_view(struct store *s);
/*
 * A hash of what that view shows: equal on nodes that know the same, whatever tombstones each of
 * them still has. Counted anew when something changed.
 */
uint64_t store_living_hash(struct store *s);
/* Borrowed, with its body: until the next write, merge or purge. */
const struct item *store_item(const struct store *s, const struct record_key *key);
size_t store_count(const struct store *s); /* tombstones included */

/*
 * For gossip. Only committed records are seen here.
 *
 * The digest splits records by the first byte of BLAKE2b(key) into buckets; a
 * bucket's hash is the XOR over its records of BLAKE2b-64(key, stamp, writer,
 * body): equal stores have equal hashes whatever the history.
 */
#define STORE_BUCKETS 256
uint64_t store_bucket_hash(const struct store *s, unsigned int bucket);
unsigned int store_bucket_of(const struct record_key *key);
/* Calls fn for every committed record of a bucket until it returns non-zero; returns that. */
int store_each(const struct store *s, unsigned int bucket,
	       int (*fn)(void *ctx, const struct record *r), void *ctx);
/* 0 and a borrowed record, or -ENOENT. */
int store_get(const struct store *s, const struct record_key *key, struct record *ret_record);
/* Next record committed since it was last announced; -ENOENT when there is none. */
int store_next_announce(struct store *s, struct record_key *ret_key);

/*
 * Forgets tombstones older than max_age_ms by seen_ms, and what hangs on one and has
 * nobody left to delete it: endpoints and keys of a removed node, endpoints, services and
 * blocks of a removed network. NODE tombstones stay for ever. The next commit deletes them on
 * disk. Returns how many.
 */
size_t store_purge(struct store *s, uint64_t now_ms, uint64_t max_age_ms);
#define STORE_TOMBSTONE_MS (7ull * 24 * 3600 * 1000) /* longest absence that heals by itself */
