/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records of encrypted networks: bodies, the view of them, who may write them, when they go. */
#include "store_helpers.h"
#include "tests/lib/made_world.h"

#define WORLD _cleanup_(world_fini) struct world w = { 0 }
#define VIEW _cleanup_(view_fini) struct view v = world_view(&w)
#define BODY _cleanup_(buf_fini) struct buf b = { 0 }

static int decode(const struct record_key *key, const struct buf *body, struct item *ret_item)
{
	struct record r = { .key = *key, .body = body->data, .body_len = (uint16_t)body->len };

	return item_decode(&r, 0, ret_item);
}

/* ---- bodies ---- */

Test(model_keys, a_key_survives_its_body)
{
	struct node_key k = { .node = pod_one, .epoch = 7, .generation = UINT64_MAX,
			      .made_ms = NOW, .public_key = { 1, 2, [31] = 3 } };
	struct record_key key = key_of_id(RECORD_KEY, &pod_one);
	struct item it;
	BODY;

	node_key_encode(&b, &k);
	cr_assert_eq(decode(&key, &b, &it), 0);
	cr_assert_eq(memcmp(&it.node_key, &k, sizeof(k)), 0);
}

Test(model_keys, a_key_without_a_key_is_refused)
{
	struct node_key k = { .node = pod_one, .epoch = 7 };
	struct record_key key = key_of_id(RECORD_KEY, &pod_one);
	struct item it;
	BODY;

	node_key_encode(&b, &k);
	cr_assert_eq(decode(&key, &b, &it), -EBADMSG);
}

Test(model_keys, an_epoch_survives_its_body_and_there_is_one)
{
	struct epoch e = { .number = 9, .began_ms = NOW };
	struct record_key key = key_of_id(RECORD_EPOCH, &(struct id){ 0 });
	struct item it;
	BODY;

	epoch_encode(&b, &e);
	cr_assert_eq(decode(&key, &b, &it), 0);
	cr_assert_eq(memcmp(&it.epoch, &e, sizeof(e)), 0);
	key = key_of_id(RECORD_EPOCH, &pod_one);
	cr_assert_eq(decode(&key, &b, &it), -EBADMSG, "a second one");
}

/* As many as a record takes, all in one chunk. */
static void fill(struct pairs_detail *d)
{
	for (int i = 0; i < PAIRS_MAX; i++)
		d->pair[i] = (struct pair){ .peer = { { 0x60, (uint8_t)i, 1 } },
					    .session = 0x0102030405060708 + (uint64_t)i,
					    .spi_in = 0x100 + (uint32_t)i, .spi_out = UINT32_MAX };
}

Test(model_keys, a_full_chunk_of_pairs_survives_its_body_and_fits_a_record)
{
	struct pairs p = { .node = pod_one, .chunk = 3, .count = PAIRS_MAX };
	struct record_key key = key_of_pairs(&pod_one, 3);
	struct pairs_detail d = { 0 }, back;
	struct pair found;
	struct item it;
	BODY;

	fill(&d);
	pairs_encode(&b, &p, &d);
	cr_assert_leq(b.len, RECORD_BODY_MAX);
	cr_assert_eq(decode(&key, &b, &it), 0);
	cr_assert_eq(memcmp(&it.pairs, &p, sizeof(p)), 0);
	pairs_detail_decode(&it, &back);
	cr_assert_eq(memcmp(&back, &d, sizeof(d)), 0);
	cr_assert(pairs_find(&it, &d.pair[200].peer, &found));
	cr_assert_eq(memcmp(&found, &d.pair[200], sizeof(found)), 0);
	cr_assert_not(pairs_find(&it, &pod_two, &found));
}

static void expect_refused(const struct record_key *key, const struct pair *pair, uint8_t count,
			   const char *why)
{
	struct pairs p = { .count = count };
	struct pairs_detail d = { 0 };
	struct item it;
	BODY;

	memcpy(d.pair, pair, count * sizeof(*pair));
	pairs_encode(&b, &p, &d);
	cr_expect_eq(decode(key, &b, &it), -EBADMSG, "%s", why);
}

Test(model_keys, pairs_out_of_place_are_refused)
{
	struct record_key key = key_of_pairs(&pod_one, 3), eighth = key_of_pairs(&pod_one, 8);
	struct pair good[2] = { { .peer = { { 0x60, 1 } } }, { .peer = { { 0x60, 2 } } } };
	struct pair turned[2] = { good[1], good[0] }, twice[2] = { good[0], good[0] };
	struct pair stray = { .peer = { { 0x80 } } };
	struct record_key first = key_of_pairs(&pod_one, 0);

	expect_refused(&eighth, good, 0, "there are eight chunks, from 0");
	expect_refused(&key, turned, 2, "not sorted");
	expect_refused(&key, twice, 2, "one peer twice");
	expect_refused(&key, &stray, 1, "a peer of another chunk");
	expect_refused(&first, &(struct pair){ .session = 1 }, 1, "a peer without id");
	key = key_of_id(RECORD_PAIRS, &pod_one);
	expect_refused(&key, good, 0, "no chunk");
}

Test(model_keys, pairs_of_a_wrong_length_and_too_many_are_refused)
{
	struct record_key key = key_of_pairs(&pod_one, 3);
	struct pairs p = { .count = PAIRS_MAX };
	struct pairs_detail d = { 0 };
	struct item it;
	BODY;

	buf_u8(&b, 1);
	buf_blob(&b, (uint8_t[31]){ 0x60 }, 31);
	cr_assert_eq(decode(&key, &b, &it), -EBADMSG);
	buf_reset(&b);
	fill(&d);
	pairs_encode(&b, &p, &d);
	buf_u8(&b, 1);
	buf_blob(&b, (uint8_t[32]){ 0x7f }, 32);
	cr_assert_eq(decode(&key, &b, &it), -EBADMSG, "one more than there may be");
}

Test(model_keys, a_chunk_is_the_first_three_bits)
{
	cr_assert_eq(pairs_chunk_of(&(struct id){ { 0x1f, 0xff } }), 0);
	cr_assert_eq(pairs_chunk_of(&(struct id){ { 0x20 } }), 1);
	cr_assert_eq(pairs_chunk_of(&(struct id){ { 0xff } }), 7);
}

/* ---- the view ---- */

Test(model_keys, the_view_finds_keys_pairs_and_the_epoch)
{
	struct pair pairs[2] = { { .peer = world_id(2), .session = 5, .spi_in = 6, .spi_out = 7 },
				 { .peer = world_id(3), .session = 8 } };
	struct id one = world_id(1), two = world_id(2), three = world_id(3);
	struct pair found;
	WORLD;
	world_node(&w, 1, "a", "10.0.0.1");
	world_key(&w, 2, 4, 0xbb);
	world_key(&w, 1, 4, 0xaa);
	world_pairs(&w, 1, pairs, 2);
	world_epoch(&w, 4, NOW);
	VIEW;

	cr_assert_eq(view_key_of(&v, &one)->public_key[0], 0xaa);
	cr_assert_eq(view_key_of(&v, &two)->public_key[0], 0xbb);
	cr_assert_null(view_key_of(&v, &three));
	cr_assert(view_pair(&v, &one, &two, &found));
	cr_assert_eq(memcmp(&found, &pairs[0], sizeof(found)), 0);
	cr_assert_not(view_pair(&v, &two, &one, &found), "what one says is not what the other says");
	cr_assert_eq(found.session, 0);
	cr_assert_eq(v.epoch.number, 4);
}

Test(model_keys, of_a_removed_node_there_are_none)
{
	struct pair pair = { .peer = world_id(2), .session = 5 }, found;
	struct id one = world_id(1), two = world_id(2);
	WORLD;
	world_node(&w, 1, "a", "10.0.0.1")->tombstone = true;
	world_key(&w, 1, 4, 0xaa);
	world_key(&w, 2, 4, 0xbb)->tombstone = true;
	world_pairs(&w, 1, &pair, 1);
	VIEW;

	cr_assert_null(view_key_of(&v, &one));
	cr_assert_null(view_key_of(&v, &two), "a tombstone is no key");
	cr_assert_not(view_pair(&v, &one, &two, &found));
}

Test(model_keys, some_network_is_encrypted_or_none)
{
	struct item *net;
	WORLD;
	world_network(&w, 20, "plain", "10.9.0.0/24", 5000);
	net = world_network(&w, 21, "secret", "10.8.0.0/24", 5001);
	{
		VIEW;
		cr_assert_not(view_has_encrypted(&v));
	}
	net->network.encrypted = true;
	{
		VIEW;
		cr_assert(view_has_encrypted(&v));
	}
	net->tombstone = true;
	VIEW;
	cr_assert_not(view_has_encrypted(&v));
}

/* ---- the store ---- */

Test(model_keys, only_its_node_writes_a_key_or_pairs)
{
	STORE a = memory(1), b = memory(2);
	struct record_key key = key_of_id(RECORD_KEY, store_self(a));
	struct err e = { 0 };
	struct record r;

	cr_assert_eq(write_key(a, &stranger, 1, false, &e), -EPERM);
	cr_assert_eq(write_pairs(a, &stranger, 1, &e), -EPERM);
	cr_assert_eq(write_key(a, store_self(a), 1, false, &e), 0, "%s", e.text);
	cr_assert_eq(write_pairs(a, store_self(a), 1, &e), 0, "%s", e.text);
	commit(a);
	cr_assert_eq(store_get(a, &key, &r), 0);
	cr_assert_eq(r.stamp.hi, store_generation(a), "stamped as an owner's");
	r.writer = stranger;
	cr_assert_eq(store_merge(b, &r, NOW), MERGE_REFUSED);
	pass_all(a, b);
	cr_assert(same_hashes(a, b));
}

Test(model_keys, a_version_of_an_older_life_is_refuted_and_signed)
{
	STORE a = memory(1), old_life = memory(2), b = memory(3);
	const struct id *forged;

	forge_self(old_life, a);
	old_life->generation = 40; /* of before a backup was restored */
	cr_assert_eq(write_key(old_life, store_self(a), 2, false, NULL), 0);
	commit(old_life);
	cr_assert_eq(write_key(a, store_self(a), 1, false, NULL), 0);
	commit(a);
	cr_assert_eq(pass(old_life, b, RECORD_KEY, store_self(a)), MERGE_NEW);
	cr_assert_eq(pass(old_life, a, RECORD_KEY, store_self(a)), MERGE_REFUTED);
	commit(a);
	cr_assert_eq(pass(a, b, RECORD_KEY, store_self(a)), MERGE_NEW);
	cr_assert_eq(view_key_of(store_view(b), store_self(a))->public_key[0], 1);
	cr_assert_eq(store_forged(b, &forged), 0);
}

/* a's key as b has it and as a wrote it, then changed by who knows all but a's identity. */
static void refuse_forged(struct record forged, const char *how)
{
	STORE a = memory(1), b = memory(2);
	const struct id *named;

	cr_assert_eq(write_key(a, store_self(a), 1, false, NULL), 0);
	commit(a);
	cr_assert_eq(pass(a, b, RECORD_KEY, store_self(a)), MERGE_NEW);
	cr_assert_eq(store_merge(b, &forged, NOW), MERGE_REFUSED, "%s", how);
	cr_assert_eq(store_merge(a, &forged, NOW), MERGE_REFUSED, "%s: refuting would be tiring", how);
	cr_assert_eq(view_key_of(store_view(b), store_self(a))->public_key[0], 1, "%s", how);
	cr_assert_eq(store_forged(b, &named), 1, "%s", how);
	cr_assert(id_equal(&named[0], store_self(a)), "%s", how);
	store_merge(b, &forged, NOW);
	cr_assert_eq(store_forged(b, &named), 1, "named once");
}

Test(model_keys, a_key_that_its_node_did_not_sign_is_refused_and_named)
{
	STORE a = memory(1), thief = memory(3);
	struct record_key key = key_of_id(RECORD_KEY, store_self(a));
	uint8_t signature[SIGNATURE_LEN], body[256];
	struct record right, r;

	cr_assert_eq(write_key(a, store_self(a), 1, false, NULL), 0);
	commit(a);
	cr_assert_eq(store_get(a, &key, &right), 0);
	r = right;
	r.stamp.lo += 10;
	refuse_forged(r, "an old version played back as a new one");
	r.signature = NULL;
	refuse_forged(r, "no signature");
	r = right;
	r.tombstone = true;
	refuse_forged(r, "taken away by another");
	r = right;
	r.stamp.hi++;
	memcpy(body, right.body, right.body_len);
	body[right.body_len - 1] ^= 1;
	r.body = body;
	refuse_forged(r, "another public key");
	cr_assert_eq(identity_sign(&thief->identity, &r, signature), 0);
	r.signature = signature;
	refuse_forged(r, "signed by another");
}

Test(model_keys, a_key_that_is_played_back_loses_to_what_came_later)
{
	STORE a = memory(1), b = memory(2), old = memory(3);
	struct record_key key = key_of_id(RECORD_KEY, store_self(a));
	struct record r;

	cr_assert_eq(write_key(a, store_self(a), 1, false, NULL), 0);
	commit(a);
	pass_all(a, old);
	cr_assert_eq(write_key(a, store_self(a), 2, false, NULL), 0);
	commit(a);
	pass_all(a, b);
	cr_assert_eq(store_get(old, &key, &r), 0);
	cr_assert_eq(store_merge(b, &r, NOW), MERGE_OLD);
	cr_assert_eq(view_key_of(store_view(b), store_self(a))->public_key[0], 2);
}

Test(model_keys, not_more_than_some_forged_names_are_kept)
{
	STORE s = memory(1);
	struct node_key k = { .public_key = { 7 } };
	struct buf body = { 0 };
	const struct id *named;

	node_key_encode(&body, &k);
	for (uint8_t i = 1; i <= STORE_FORGED_MAX + 3; i++) {
		struct id who = { { i } };
		struct record r = { .key = key_of_id(RECORD_KEY, &who), .stamp = { 1, 1 },
				    .writer = who, .body = body.data,
				    .body_len = (uint16_t)body.len };

		cr_assert_eq(store_merge(s, &r, NOW), MERGE_REFUSED);
	}
	cr_assert_eq(store_forged(s, &named), STORE_FORGED_MAX);
	cr_assert_eq(named[STORE_FORGED_MAX - 1].b[0], STORE_FORGED_MAX);
	cr_assert_eq(store_count(s), 0);
	buf_fini(&body);
}

Test(model_keys, an_epoch_is_anybodys_and_cannot_be_deleted)
{
	STORE a = memory(1), b = memory(2);
	struct err e = { 0 };

	cr_assert_eq(write_epoch(a, 1, false, &e), 0, "%s", e.text);
	commit(a);
	pass_all(a, b);
	cr_assert_eq(write_epoch(b, 2, false, &e), 0, "%s", e.text);
	commit(b);
	cr_assert_eq(pass(b, a, RECORD_EPOCH, &(struct id){ 0 }), MERGE_NEW);
	cr_assert_eq(store_view(a)->epoch.number, 2);
	cr_assert_eq(write_epoch(a, 3, true, &e), -EPERM);
}

Test(model_keys, keys_of_a_removed_node_are_forgotten_with_its_tombstone)
{
	STORE a = memory(1), b = memory(2);

	put_node(b, "host-b");
	cr_assert_eq(write_key(b, store_self(b), 1, false, NULL), 0);
	cr_assert_eq(write_pairs(b, store_self(b), 1, NULL), 0);
	cr_assert_eq(write_key(a, store_self(a), 2, false, NULL), 0);
	commit(b);
	pass_all(b, a);
	cr_assert_eq(store_purge(a, NOW + AGE + 1, AGE), 0, "the node lives");
	cr_assert_eq(write_node(a, store_self(b), "host-b", true, NULL), 0);
	commit(a);
	cr_assert_eq(store_purge(a, NOW + AGE + 1, AGE), 2);
	cr_assert_not_null(view_key_of(store_view(a), store_self(a)));
}
