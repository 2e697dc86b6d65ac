/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a node signs, and that nobody else can. */
#include <criterion/criterion.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "base/cleanup.h"
#include "tests/lib/made_identity.h"

static uint8_t body[] = "the body of a key record", signature[SIGNATURE_LEN];

/* Node 1's record, signed by node `signer`. */
static struct record signed_by(uint8_t signer)
{
	struct identity owner = made_identity(1), who = made_identity(signer);
	struct record r = { .key = key_of_id(RECORD_KEY, &owner.id), .stamp = { 3, 9 },
			    .writer = owner.id, .body = body, .body_len = sizeof(body) };

	cr_assert_eq(identity_sign(&who, &r, signature), 0);
	r.signature = signature;
	return r;
}

Test(identity, an_id_is_the_hash_of_the_public_key)
{
	/* RFC 8032, section 7.1, test 1; the id by another implementation of BLAKE2b. */
	uint8_t seed[IDENTITY_SEED_LEN], public_key[IDENTITY_PUBLIC_LEN], back[IDENTITY_SEED_LEN];
	struct identity who;
	char text[ID_TEXT_MAX];

	hex_parse("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", seed, 32);
	hex_parse("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", public_key, 32);
	identity_init(&who, seed);
	cr_assert_arr_eq(who.public_key, public_key, sizeof(public_key));
	cr_assert_str_eq(id_format(&who.id, text), "186e1e349e1d182a23b3a3e054e51051");
	identity_seed(&who, back);
	cr_assert_arr_eq(back, seed, sizeof(seed));
}

Test(identity, what_its_writer_signed_is_proven_also_after_the_wire)
{
	_cleanup_(buf_fini) struct buf b = { 0 };
	struct record r = signed_by(1), back;
	struct cursor c;

	cr_assert(record_is_proven(&r));
	record_encode(&b, &r);
	cr_assert_eq(b.len, record_encoded_len(&r));
	c = cursor_of(b.data, b.len);
	cr_assert_eq(record_decode(&c, &back), 0);
	cr_assert_eq(cursor_left(&c), 0);
	cr_assert(record_is_proven(&back));
}

Test(identity, nobody_else_signs_for_a_node)
{
	struct identity owner = made_identity(1);
	struct record r = signed_by(2);

	cr_assert_not(record_is_proven(&r), "another's key is not what the id is a hash of");
	memcpy(signature, owner.public_key, sizeof(owner.public_key));
	cr_assert_not(record_is_proven(&r), "the right key did not sign it");
	r = signed_by(1);
	r.writer = made_identity(2).id;
	cr_assert_not(record_is_proven(&r), "another id");
	r = signed_by(1);
	r.signature = NULL;
	cr_assert_not(record_is_proven(&r), "no signature");
}

Test(identity, no_bit_of_the_record_can_be_changed)
{
	struct record r = signed_by(1);

	for (size_t bit = 0; bit < 8 * sizeof(body); bit++) {
		body[bit / 8] ^= (uint8_t)(1u << bit % 8);
		cr_assert_not(record_is_proven(&r), "bit %zu of the body", bit);
		body[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t bit = 0; bit < 8 * sizeof(signature); bit++) {
		signature[bit / 8] ^= (uint8_t)(1u << bit % 8);
		cr_assert_not(record_is_proven(&r), "bit %zu of the signature", bit);
		signature[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	cr_assert(record_is_proven(&r), "all is as it was");
}

Test(identity, no_part_of_the_head_can_be_changed)
{
	const struct record right = signed_by(1);
	struct record r[7];

	for (size_t i = 0; i < ARRAY_SIZE(r); i++)
		r[i] = right;
	r[0].stamp.hi++;
	r[1].stamp.lo++;
	r[2].tombstone = true;
	r[3].key.kind = RECORD_PAIRS;
	r[4].key.bytes[15] ^= 1;
	r[5].key.len = 15;
	r[6].body_len--;
	for (size_t i = 0; i < ARRAY_SIZE(r); i++)
		cr_assert_not(record_is_proven(&r[i]), "change %zu", i);
	cr_assert(record_is_proven(&right));
}

/* With the neutral element for a key, R = 0 and S = 0 would satisfy the equation for any text. */
Test(identity, a_key_under_which_anything_is_signed_is_none)
{
	struct record r = signed_by(1);

	memset(signature, 0, sizeof(signature));
	signature[0] = signature[IDENTITY_PUBLIC_LEN] = 1;
	crypto_generichash_blake2b_salt_personal(r.writer.b, sizeof(r.writer.b), signature,
						 IDENTITY_PUBLIC_LEN, NULL, 0, NULL,
						 (const uint8_t *)"overlayd node id");
	cr_assert_not(record_is_proven(&r));
}

Test(identity, a_signature_of_another_length_is_no_record)
{
	_cleanup_(buf_fini) struct buf b = { 0 };
	struct record r = signed_by(1), back;
	struct cursor c;

	record_encode(&b, &r);
	b.data[b.len - SIGNATURE_LEN - 1]--; /* the low byte of its length */
	c = cursor_of(b.data, b.len);
	cr_assert_eq(record_decode(&c, &back), -EBADMSG);
}
