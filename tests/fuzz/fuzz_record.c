/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Records and bodies as they come from the wire. What is accepted must survive
 * being written and read again, and must be safe to merge into a store; a KEY is accepted
 * from who signed it and from nobody else.
 */
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "model/model.h"
#include "store/store.h"
#include "tests/lib/made_identity.h"

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void encode_body(struct buf *out, const struct item *it)
{
	struct endpoint_detail detail;
	struct service_detail service;
	struct pairs_detail pairs;
	struct policy_detail policy;

	switch (it->key.kind) {
	case RECORD_CLUSTER:
		cluster_encode(out, &it->cluster);
		break;
	case RECORD_NODE:
		node_encode(out, &it->node);
		break;
	case RECORD_NETWORK:
		network_encode(out, &it->network);
		break;
	case RECORD_ENDPOINT:
		endpoint_detail_decode(it, &detail);
		endpoint_encode(out, &it->endpoint, &detail);
		break;
	case RECORD_SERVICE:
		service_detail_decode(it, &service);
		service_encode(out, &it->service, &service);
		break;
	case RECORD_KEY:
		node_key_encode(out, &it->node_key);
		break;
	case RECORD_PAIRS:
		pairs_detail_decode(it, &pairs);
		pairs_encode(out, &it->pairs, &pairs);
		break;
	case RECORD_EPOCH:
		epoch_encode(out, &it->epoch);
		break;
	case RECORD_RING:
		ring_encode(out, &it->ring);
		break;
	case RECORD_RING_ACK:
		ring_ack_encode(out, &it->ring_ack);
		break;
	case RECORD_POLICY:
		policy_detail_decode(it, &policy);
		policy_encode(out, &it->policy, &policy);
		break;
	default:
		block_encode(out, &it->block);
	}
}

static void check_record(const struct record *r)
{
	struct buf b = { 0 };
	struct record back;
	struct cursor c;

	record_encode(&b, r);
	must(b.len == record_encoded_len(r));
	c = cursor_of(b.data, b.len);
	must(!record_decode(&c, &back) && !cursor_left(&c));
	must(!record_cmp(r, &back) && !record_key_cmp(&r->key, &back.key));
	must(!r->signature == !back.signature);
	must(!r->signature || !memcmp(r->signature, back.signature, SIGNATURE_LEN));
	must(record_is_proven(r) == record_is_proven(&back));
	buf_fini(&b);
}

/* Unknown fields are dropped by the first decoding, and nothing by the second. */
static void check_item(const struct record *r, const struct item *it)
{
	struct record again = *r;
	struct buf first = { 0 }, second = { 0 };
	struct item back;

	encode_body(&first, it);
	must(first.len <= RECORD_BODY_MAX);
	again.body = first.data;
	again.body_len = (uint16_t)first.len;
	must(!item_decode(&again, it->seen_ms, &back));
	encode_body(&second, &back);
	back.body = it->body;
	back.body_len = it->body_len;
	must(!memcmp(&back, it, sizeof(back)));
	must(second.len == first.len && (!first.len || !memcmp(first.data, second.data, first.len)));
	buf_fini(&first);
	buf_fini(&second);
}

static void merge(struct store *s, const struct record *r)
{
	if (store_merge(s, r, 1) == MERGE_NEW)
		must(store_merge(s, r, 1) == MERGE_OLD);
	must(!store_commit(s, NULL));
	must(store_view(s));
}

/* A KEY as node 1 would say it of itself, and then another that it did not. */
static void check_signed(struct store *s, struct record r)
{
	struct identity who;
	uint8_t signature[SIGNATURE_LEN];

	if (!record_needs_signature(r.key.kind) || r.key.len < sizeof(who.id.b))
		return;
	who = made_identity(1);
	r.writer = who.id;
	memcpy(r.key.bytes, who.id.b, sizeof(who.id.b));
	must(!identity_sign(&who, &r, signature));
	r.signature = signature;
	must(record_is_proven(&r));
	merge(s, &r);
	r.stamp.lo++;
	must(!record_is_proven(&r));
	must(store_merge(s, &r, 1) != MERGE_NEW);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c = cursor_of(data, size);
	struct store *s;
	struct record r;
	struct item it;
	struct rng rng;

	rng_init_u64(&rng, 1);
	must(!store_open(NULL, &rng, &s, NULL));
	while (cursor_left(&c) && !record_decode(&c, &r)) {
		check_record(&r);
		if (!item_decode(&r, 7, &it))
			check_item(&r, &it);
		merge(s, &r);
		check_signed(s, r);
	}
	store_close(s);
	return 0;
}
