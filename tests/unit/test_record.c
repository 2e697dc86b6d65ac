/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base/rng.h"
#include "model/record.h"

static const struct id alice = { { 0xa1 } }, bob = { { 0xb0 } };

static struct record sample(void)
{
	return (struct record){
		.key = key_of_id(RECORD_ENDPOINT, &alice),
		.stamp = { 3, 9 },
		.writer = bob,
		.body = (const uint8_t *)"body",
		.body_len = 4,
	};
}

static struct buf encoded(const struct record *r)
{
	struct buf b = { 0 };

	record_encode(&b, r);
	return b;
}

static int decode(const void *data, size_t len, struct record *r)
{
	struct cursor c = cursor_of(data, len);

	return record_decode(&c, r);
}

Test(record, survives_the_wire)
{
	struct record r = sample(), back;
	struct buf b = encoded(&r);

	r.tombstone = true;
	buf_reset(&b);
	record_encode(&b, &r);
	cr_assert_eq(b.len, record_encoded_len(&r));
	cr_assert_eq(decode(b.data, b.len, &back), 0);
	cr_assert_eq(record_key_cmp(&back.key, &r.key), 0);
	cr_assert_eq(record_cmp(&back, &r), 0);
	cr_assert(back.tombstone);
	cr_assert_eq(back.body_len, 4);
	buf_fini(&b);
}

Test(record, has_the_documented_bytes)
{
	static const uint8_t head[] = { 4, 0, 16, 0xa1 };
	struct record r = sample();
	struct buf b = encoded(&r);

	cr_assert_arr_eq(b.data, head, sizeof(head));
	cr_assert_eq(b.data[3 + 16 + 7], 3, "hi is big-endian after the key");
	cr_assert_eq(b.data[3 + 16 + 15], 9, "lo follows");
	cr_assert_eq(b.data[3 + 16 + 16], 0xb0, "then the writer");
	cr_assert_arr_eq(b.data + 3 + 16 + 16 + 16, "\0\4body\0\0\0", 9);
	buf_fini(&b);
}

Test(record, every_truncation_is_refused)
{
	struct record r = sample(), back;
	struct buf b = encoded(&r);

	for (size_t len = 0; len < b.len; len++)
		cr_assert_eq(decode(b.data, len, &back), -EBADMSG, "%zu bytes", len);
	buf_fini(&b);
}

Test(record, an_unknown_signature_is_skipped)
{
	static const uint8_t signature[] = { 7, 0, 3, 1, 2, 3 };
	struct record r = sample(), back;
	struct buf b = encoded(&r);
	struct cursor c;

	b.len -= 3;
	buf_put(&b, signature, sizeof(signature));
	buf_u8(&b, 0x55);
	c = cursor_of(b.data, b.len);
	cr_assert_eq(record_decode(&c, &back), 0);
	cr_assert_eq(cursor_u8(&c), 0x55, "the cursor stands after the signature");
	buf_fini(&b);
}

Test(record, kind_zero_unknown_flags_and_bad_key_lengths_are_refused)
{
	static const struct {
		size_t at;
		uint8_t value;
	} breaks[] = { { 0, 0 }, { 1, 2 }, { 2, 0 }, { 2, RECORD_KEY_MAX + 1 } };
	struct record r = sample(), back;

	for (size_t i = 0; i < 4; i++) {
		struct buf b = encoded(&r);

		b.data[breaks[i].at] = breaks[i].value;
		cr_assert_eq(decode(b.data, b.len, &back), -EBADMSG, "case %zu", i);
		buf_fini(&b);
	}
}

Test(record, a_body_over_the_bound_is_refused)
{
	static uint8_t body[RECORD_BODY_MAX + 1];
	struct record r = sample(), back;
	struct buf b;

	r.body = body;
	r.body_len = RECORD_BODY_MAX;
	b = encoded(&r);
	cr_assert_eq(decode(b.data, b.len, &back), 0);
	buf_fini(&b);
	r.body_len++;
	b = encoded(&r);
	cr_assert_eq(decode(b.data, b.len, &back), -EBADMSG);
	buf_fini(&b);
}

Test(record, a_refused_one_leaves_the_output_alone)
{
	struct record r = sample(), back = { .body_len = 77 };
	struct buf b = encoded(&r);

	cr_assert_eq(decode(b.data, b.len - 1, &back), -EBADMSG);
	cr_assert_eq(back.body_len, 77);
	buf_fini(&b);
}

Test(record, order_is_stamp_then_writer_then_body)
{
	struct record a = sample(), b = sample();

	cr_assert_eq(record_cmp(&a, &b), 0);
	b.body = (const uint8_t *)"bodz";
	cr_assert_lt(record_cmp(&a, &b), 0);
	a.writer.b[0]++;
	cr_assert_gt(record_cmp(&a, &b), 0, "writer goes before body");
	b.stamp.lo++;
	cr_assert_lt(record_cmp(&a, &b), 0, "lo goes before writer");
	a.stamp.hi++;
	cr_assert_gt(record_cmp(&a, &b), 0, "hi goes before lo");
}

Test(record, a_longer_body_wins_over_its_own_beginning)
{
	struct record a = sample(), b = sample();

	b.body = (const uint8_t *)"body2";
	b.body_len = 5;
	cr_assert_lt(record_cmp(&a, &b), 0);
	a.body_len = 0;
	a.body = NULL;
	cr_assert_lt(record_cmp(&a, &b), 0);
}

Test(record, removal_of_a_node_beats_every_stamp)
{
	struct record live = sample(), gone = sample();

	live.key = gone.key = key_of_id(RECORD_NODE, &alice);
	live.stamp.hi = 1000;
	gone.tombstone = true;
	cr_assert_lt(record_cmp(&live, &gone), 0);
	live.key.kind = gone.key.kind = RECORD_ENDPOINT;
	cr_assert_gt(record_cmp(&live, &gone), 0, "other kinds go by the stamp");
}

Test(record, removal_of_a_service_beats_every_stamp)
{
	struct record live = sample(), gone = sample();

	live.key = gone.key = key_of_id(RECORD_SERVICE, &alice);
	live.stamp.hi = 1000;
	gone.tombstone = true;
	cr_assert_lt(record_cmp(&live, &gone), 0, "an update made elsewhere revives no VIP");
	live.key.kind = gone.key.kind = RECORD_NETWORK;
	cr_assert_gt(record_cmp(&live, &gone), 0);
}

/* Any three versions: antisymmetric and transitive, or nodes would not agree. */
Test(record, order_is_total)
{
	struct record r[64];
	struct rng rng;

	rng_init_u64(&rng, 11);
	for (int i = 0; i < 64; i++) {
		r[i] = sample();
		r[i].key.kind = RECORD_NODE;
		r[i].stamp = (struct stamp){ rng_below(&rng, 2), rng_below(&rng, 2) };
		r[i].writer.b[0] = (uint8_t)rng_below(&rng, 2);
		r[i].tombstone = rng_below(&rng, 2);
		r[i].body_len = (uint16_t)rng_below(&rng, 3);
	}
	for (int i = 0; i < 64; i++)
		for (int j = 0; j < 64; j++) {
			int ij = record_cmp(&r[i], &r[j]), ji = record_cmp(&r[j], &r[i]);

			cr_assert_eq(ij < 0, ji > 0);
			cr_assert_eq(ij == 0, ji == 0);
			for (int k = 0; ij < 0 && k < 64; k++)
				if (record_cmp(&r[j], &r[k]) < 0)
					cr_assert_lt(record_cmp(&r[i], &r[k]), 0);
		}
}

Test(record, keys_of_ids_and_blocks_pad_with_zero)
{
	struct ov_addr start = addr_from_v4(0x0a000001);
	struct record_key id = key_of_id(RECORD_NODE, &alice), block = key_of_block(&bob, &start);
	struct record_key again = id;

	cr_assert_eq(id.len, 16);
	cr_assert_eq(block.len, 32);
	cr_assert_eq(block.bytes[0], 0xb0);
	cr_assert_eq(block.bytes[31], 1);
	for (int i = 16; i < RECORD_KEY_MAX; i++)
		cr_assert_eq(id.bytes[i], 0);
	cr_assert_eq(record_key_cmp(&id, &again), 0);
	cr_assert_neq(record_key_cmp(&id, &block), 0);
}
