/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a store is made of. Private to store/.
 *
 *   entry --- item       newest version, decoded: what readers see
 *         \-- newest     the same, as bytes
 *          \- committed  what is on disk, as bytes: what gossip sees; the same
 *                        pointer as newest once store_commit has been there
 *
 * There is an entry for every endpoint of the cluster: nothing is kept twice that
 * can be had from elsewhere. The key is the item's.
 */
#pragma once

#include "db.h"
#include "model/identity.h"
#include "store.h"

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

/* More than that is no cluster of ours but an accident; further records are refused. */
#define STORE_RECORDS_MAX 1000000
/* Stamps stay below this, so that a greater one can always be made. */
#define STAMP_LIMIT (1ull << 62)
/* hi of every NODE and SERVICE tombstone: nothing that anybody may write is greater. */
#define STAMP_FINAL (STAMP_LIMIT - 1)

struct version {
	struct stamp stamp;
	struct id writer;
	uint64_t hash;     /* what it adds to its bucket */
	uint16_t body_len;
	bool tombstone, is_signed;
	uint8_t body[];    /* the signature follows it */
};

struct entry {
	struct item item; /* its body is newest's */
	struct version *newest, *committed; /* committed is NULL before the first commit */
	bool is_pending, is_announced;      /* is_announced: stands in the announce queue */
	struct entry *pending_prev, *pending_next;
	struct entry *announce_prev, *announce_next;
	struct entry *bucket_prev, *bucket_next;
	UT_hash_handle hh;
};

/*
 * What store_purge forgot: its versions must not come back from a node that has
 * not forgotten yet. Kept as long again as the tombstone was.
 */
struct forgotten {
	struct record_key key;
	struct stamp stamp;
	uint64_t since_ms;
	bool is_on_disk; /* its row is still to be deleted */
	UT_hash_handle hh;
};

struct meta {
	char *name;
	uint8_t *data;
	size_t len;
	struct meta *next;
};

struct bucket {
	struct entry *first;
	uint64_t hash;
};

struct store {
	struct db *db; /* NULL: in memory only */
	struct id self;
	struct identity identity;     /* of which self is the id */
	size_t forged_count;
	struct id forged[STORE_FORGED_MAX];
	uint64_t generation, written; /* generation of this run; running number of own records */
	uint64_t saved_generation;
	struct stamp clock;           /* hybrid logical clock: the greatest stamp met */
	struct entry *entries;
	struct entry *pending, *announce;
	struct forgotten *forgotten;
	size_t forgotten_on_disk;
	size_t records_max;
	struct meta *metas;
	struct bucket bucket[STORE_BUCKETS];
	uint32_t dirty;
	uint64_t serial, view_serial, living_serial;
	bool has_view, has_living;
	uint64_t living;              /* store_living_hash as of living_serial */
	struct view view;
};

/* ---- stamp.c ---- */
static inline bool kind_is_owned(uint8_t kind)
{
	return kind == RECORD_NODE || kind == RECORD_ENDPOINT || kind == RECORD_KEY ||
	       kind == RECORD_PAIRS || kind == RECORD_RING_ACK;
}
/* The stamp of our next version of key. `known` is the greatest met of it, or NULL. -ERANGE. */
int stamp_next(struct store *s, const struct record_key *key, const struct stamp *known,
	       bool tombstone, uint64_t now_ms, struct stamp *ret_stamp);
/* Moves the clock or the generation past a stamp that was met. */
void stamp_witness(struct store *s, const struct record *r);

/* ---- digest.c ---- */
uint64_t version_hash(const struct record *r);
/* Adds a version of the entry to its bucket, or takes it out again. */
void bucket_toggle(struct store *s, const struct entry *en, const struct version *v);

/* ---- store.c ---- */
struct entry *entry_find(const struct store *s, const struct record_key *key);
/* A version of an entry as a record; its body is the version's. */
struct record version_record(const struct entry *en, const struct version *v);
bool node_is_removed(const struct store *s, const struct id *node);
/* Makes r the newest version of its key, to be committed. 0 or a negative errno. */
int entry_put(struct store *s, const struct record *r, uint64_t now_ms);
void entry_remove(struct store *s, struct entry *en);

/* ---- sign.c ---- */
/* The same with a version that this node makes; signed, if its kind wants that. */
int entry_put_own(struct store *s, const struct record *r, uint64_t now_ms);
/* Whether its kind wants a signature and it has no right one; its writer's name is kept. */
bool record_is_forged(struct store *s, const struct record *r);

/* ---- commit.c ---- */
void entry_set_pending(struct store *s, struct entry *en);
void version_free(struct version *v);
/* Fills the store from its database, counts the generation up. */
int store_load(struct store *s, struct rng *rng, struct err *e);

/* ---- purge.c ---- */
bool forgotten_has(const struct store *s, const struct record *r);
void forgotten_drop(struct store *s, const struct record_key *key);
void forgotten_free(struct store *s, struct forgotten *f);

/* ---- meta.c ---- */
/* Names with a dot in front are the store's own. */
#define META_IDENTITY ".identity"     /* the seed of its key pair: secret */
#define META_GENERATION ".generation" /* u64, big-endian */
int meta_put(struct store *s, const char *name, const void *data, size_t len);
const struct meta *meta_find(const struct store *s, const char *name);
void metas_free(struct store *s);
