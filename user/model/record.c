/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "record.h"

#include <errno.h>
#include <string.h>

#define FLAG_TOMBSTONE 1u
/* Schemes of signatures, on the wire: appended, never reused. */
#define SIGNATURE_NONE 0
#define SIGNATURE_ED25519 1

int record_key_cmp(const struct record_key *a, const struct record_key *b)
{
	return memcmp(a, b, sizeof(*a));
}

int stamp_cmp(const struct stamp *a, const struct stamp *b)
{
	if (a->hi != b->hi)
		return a->hi < b->hi ? -1 : 1;
	if (a->lo != b->lo)
		return a->lo < b->lo ? -1 : 1;
	return 0;
}

bool record_is_shared(uint8_t kind)
{
	return kind == RECORD_NETWORK || kind == RECORD_SERVICE || kind == RECORD_CLUSTER ||
	       kind == RECORD_EPOCH || kind == RECORD_RING || kind == RECORD_POLICY;
}

bool record_removal_is_final(uint8_t kind)
{
	return kind == RECORD_NODE || kind == RECORD_SERVICE;
}

bool record_is_secret(uint8_t kind)
{
	return kind == RECORD_CLUSTER || kind == RECORD_RING;
}

static int body_cmp(const struct record *a, const struct record *b)
{
	size_t common = a->body_len < b->body_len ? a->body_len : b->body_len;
	int diff = common ? memcmp(a->body, b->body, common) : 0;

	return diff ? diff : (int)a->body_len - (int)b->body_len;
}

int record_cmp(const struct record *a, const struct record *b)
{
	int diff;

	/* The removal of a node or a service is final: no stamp revives it (record.h). */
	if (record_removal_is_final(a->key.kind) && a->tombstone != b->tombstone)
		return a->tombstone ? 1 : -1;
	diff = stamp_cmp(&a->stamp, &b->stamp);
	if (!diff)
		diff = id_cmp(&a->writer, &b->writer);
	if (!diff)
		diff = (int)a->tombstone - (int)b->tombstone;
	return diff ? diff : body_cmp(a, b);
}

bool record_needs_signature(uint8_t kind)
{
	return kind == RECORD_KEY;
}

size_t record_encoded_len(const struct record *r)
{
	return 3u + r->key.len + 8 + 8 + 16 + 2 + r->body_len + 1 + 2 +
	       (r->signature ? SIGNATURE_LEN : 0);
}

void record_encode_unsigned(struct buf *out, const struct record *r)
{
	buf_u8(out, r->key.kind);
	buf_u8(out, r->tombstone ? FLAG_TOMBSTONE : 0);
	buf_u8(out, r->key.len);
	buf_put(out, r->key.bytes, r->key.len);
	buf_u64(out, r->stamp.hi);
	buf_u64(out, r->stamp.lo);
	buf_put(out, r->writer.b, sizeof(r->writer.b));
	buf_blob(out, r->body, r->body_len);
}

void record_encode(struct buf *out, const struct record *r)
{
	record_encode_unsigned(out, r);
	buf_u8(out, r->signature ? SIGNATURE_ED25519 : SIGNATURE_NONE);
	buf_blob(out, r->signature, r->signature ? SIGNATURE_LEN : 0);
}

static void decode_key(struct cursor *c, struct record *r)
{
	uint8_t flags;

	r->key.kind = cursor_u8(c);
	flags = cursor_u8(c);
	r->key.len = cursor_u8(c);
	if (!r->key.kind || flags & ~FLAG_TOMBSTONE || !r->key.len ||
	    r->key.len > RECORD_KEY_MAX) {
		c->bad = true;
		return;
	}
	r->tombstone = flags & FLAG_TOMBSTONE;
	cursor_get(c, r->key.bytes, r->key.len);
}

/* One of a scheme that is not known is skipped: the record then has none. */
static void decode_signature(struct cursor *c, struct record *r)
{
	uint8_t scheme = cursor_u8(c);
	struct cursor signature = cursor_blob(c);

	if (c->bad || scheme != SIGNATURE_ED25519)
		return;
	if (cursor_left(&signature) != SIGNATURE_LEN)
		c->bad = true;
	r->signature = signature.p;
}

int record_decode(struct cursor *c, struct record *ret_record)
{
	struct record r = { 0 };
	struct cursor body;

	decode_key(c, &r);
	r.stamp.hi = cursor_u64(c);
	r.stamp.lo = cursor_u64(c);
	cursor_get(c, r.writer.b, sizeof(r.writer.b));
	body = cursor_blob(c);
	r.body = body.p;
	r.body_len = (uint16_t)cursor_left(&body);
	decode_signature(c, &r);
	if (r.body_len > RECORD_BODY_MAX)
		c->bad = true;
	if (c->bad)
		return -EBADMSG;
	*ret_record = r;
	return 0;
}

struct record_key key_of_id(enum record_kind kind, const struct id *id)
{
	struct record_key key = { .kind = (uint8_t)kind, .len = sizeof(id->b) };

	memcpy(key.bytes, id->b, sizeof(id->b));
	return key;
}

struct record_key key_of_pairs(const struct id *node, uint8_t chunk)
{
	struct record_key key = key_of_id(RECORD_PAIRS, node);

	key.bytes[key.len++] = chunk;
	return key;
}

struct record_key key_of_block(const struct id *network, const struct ov_addr *start)
{
	struct record_key key = { .kind = RECORD_BLOCK, .len = sizeof(network->b) + sizeof(start->b) };

	memcpy(key.bytes, network->b, sizeof(network->b));
	memcpy(key.bytes + sizeof(network->b), start->b, sizeof(start->b));
	return key;
}
