/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The replicated record: the only thing nodes tell each other about state.
 *
 * A record is a kind, a key, a stamp, the writer and an opaque body. Merging
 * needs nothing but these: of two versions of one key the one with the greater
 * (stamp, writer, body) wins, on every node alike, in any order of arrival.
 *
 * Who may write, and what the stamp counts, depends on the kind:
 *
 *   NODE, ENDPOINT, one owner, the node named in the record. stamp.hi is the
 *   KEY, PAIRS,     owner's generation (grows with each start), stamp.lo its
 *   RING_ACK        running number. A node that meets a foreign version of its
 *                   own record writes a newer one (refutes it).
 *   NETWORK,        anybody; last writer wins by hybrid logical clock
 *   SERVICE,        (Kulkarni et al. 2014): hi = milliseconds since 1970,
 *   CLUSTER, EPOCH, lo = logical counter.
 *   RING, POLICY
 *   BLOCK           the range's owner, and it may name another node as the next
 *                   owner; hi = the token's version, lo = 0. Two nodes never
 *                   write the same version, so there is nothing to arbitrate
 *                   (the token ring of Weave Net's IPAM).
 *
 * A tombstone keeps its body: what was deleted is still known (an address must
 * not be reused at once). The one exception to ownership: a NODE tombstone may
 * be written by anybody (`node rm`) and is final for that node id. A SERVICE
 * tombstone is final, too: an update made elsewhere at the same time must not bring
 * back a VIP that was given to somebody else meanwhile. Both carry the greatest
 * stamp there is (store/), because gossip asks for what has a greater one.
 *
 * Wire and disk form (version 1, big-endian):
 *   u8 kind | u8 flags (1 = tombstone) | u8 key length | key | u64 hi | u64 lo |
 *   16 writer | u16 body length | body | u8 signature algorithm (0 = none,
 *   1 = Ed25519) | u16 signature length | signature
 * A reader skips a signature it does not know; a body's unknown fields are kept,
 * because the body is stored and passed on as it came.
 *
 * A KEY is signed by its writer (identity.h), because whoever could write another
 * node's could read what is sent to it. The signature is over all that stands before
 * it, the stamp too: an old version that is played back is an old version, and loses. It
 * is the writer's public key, of which its id is a hash, and 64 bytes of Ed25519.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/bytes.h"
#include "base/id.h"

/* ABI of the wire and of the database: appended, never reused. */
enum record_kind {
	RECORD_CLUSTER = 1,
	RECORD_NODE = 2,
	RECORD_NETWORK = 3,
	RECORD_ENDPOINT = 4,
	RECORD_BLOCK = 5,
	RECORD_SERVICE = 6,
	RECORD_KEY = 7,   /* a node's public key for encrypted networks */
	RECORD_PAIRS = 8, /* what it says of its SAs with some of the other nodes */
	RECORD_EPOCH = 9, /* when all nodes were last to make new keys */
	RECORD_RING = 10, /* the keys that seal gossip */
	RECORD_RING_ACK = 11, /* which version of them a node uses */
	RECORD_POLICY = 12, /* one rule: who may, or may not, begin a flow to whom */
};
#define RECORD_KIND_END 13

#define RECORD_KEY_MAX 40
#define RECORD_BODY_MAX 8192 /* fits any stream message; datagrams carry what fits */
#define IDENTITY_PUBLIC_LEN 32
#define SIGNATURE_LEN (IDENTITY_PUBLIC_LEN + 64)

struct stamp {
	uint64_t hi, lo;
};

struct record_key {
	uint8_t kind; /* enum record_kind */
	uint8_t len;  /* 1..RECORD_KEY_MAX */
	uint8_t bytes[RECORD_KEY_MAX]; /* unused bytes are zero: keys compare by memcmp */
};

struct record {
	struct record_key key;
	struct stamp stamp;
	struct id writer;
	bool tombstone;
	const uint8_t *body; /* borrowed from where the record was read */
	uint16_t body_len;
	const uint8_t *signature; /* SIGNATURE_LEN bytes, borrowed; NULL: none */
};

int record_key_cmp(const struct record_key *a, const struct record_key *b);
int stamp_cmp(const struct stamp *a, const struct stamp *b);
/* Whether anybody may write that kind: stamp.hi is when, by the writer's clock. */
bool record_is_shared(uint8_t kind);
/* Whether a tombstone of that kind beats every other version, whatever the stamps. */
bool record_removal_is_final(uint8_t kind);
/* Whether a version of that kind counts only with its writer's signature. */
bool record_needs_signature(uint8_t kind);
/* Whether bodies of that kind hold keys: never printed, never logged, wiped after use. */
bool record_is_secret(uint8_t kind);
/* Order of two versions of one key: <0 when a loses, 0 when they are the same. */
int record_cmp(const struct record *a, const struct record *b);

void record_encode(struct buf *out, const struct record *r);
void record_encode_unsigned(struct buf *out, const struct record *r); /* what is signed */
size_t record_encoded_len(const struct record *r);
/* Reads one record; c->bad on anything that is not one. It borrows from c. 0 or -EBADMSG. */
int record_decode(struct cursor *c, struct record *ret_record);

/* Keys. */
struct record_key key_of_id(enum record_kind kind, const struct id *id); /* CLUSTER, EPOCH, RING: zero id */
struct record_key key_of_pairs(const struct id *node, uint8_t chunk);
struct record_key key_of_block(const struct id *network, const struct ov_addr *start);
