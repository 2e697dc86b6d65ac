// SPDX-License-Identifier: GPL-2.0-or-later
#include <criterion/criterion.h>
#include <errno.h>

#include "base/cleanup.h"
#include "gossip/seal.h"

static const uint8_t keys[3][GOSSIP_KEY_LEN] = { { 1 }, { 2 }, { 3 } };
static const uint8_t nonce_a[SEAL_NONCE_LEN] = { 1 }, nonce_b[SEAL_NONCE_LEN] = { 2 };

static struct keyring ring_of(uint8_t count, const uint8_t key[][GOSSIP_KEY_LEN])
{
	struct keyring k = { 0 };

	keyring_set(&k, count, key);
	return k;
}

static void seal_text(const struct keyring *k, enum seal_channel channel, const uint8_t *bind,
		      const char *text, struct buf *out)
{
	_cleanup_(buf_fini) struct buf plain = { 0 };
	struct rng rng;

	rng_init_u64(&rng, 1);
	buf_put(&plain, text, strlen(text));
	cr_assert_eq(seal_write(k, &rng, channel, bind, &plain, out, NULL), 0);
	cr_assert_eq(out->len, strlen(text) + SEAL_OVERHEAD);
}

static int open_text(const struct keyring *k, enum seal_channel channel, const uint8_t *bind,
		     const struct buf *sealed, struct buf *plain)
{
	return seal_read(k, channel, bind, sealed->data, sealed->len, plain, NULL);
}

Test(gossip_seal, what_is_sealed_opens_again)
{
	_cleanup_(buf_fini) struct buf sealed = { 0 }, plain = { 0 };
	struct keyring k = ring_of(1, keys);

	seal_text(&k, SEAL_DATAGRAM, NULL, "hello", &sealed);
	cr_assert_eq(open_text(&k, SEAL_DATAGRAM, NULL, &sealed, &plain), 0);
	cr_assert_eq(plain.len, 5);
	cr_assert_arr_eq(plain.data, "hello", 5);
}

Test(gossip_seal, an_empty_message_opens_too)
{
	_cleanup_(buf_fini) struct buf sealed = { 0 }, plain = { 0 };
	struct keyring k = ring_of(1, keys);

	seal_text(&k, SEAL_REQUEST, NULL, "", &sealed);
	cr_assert_eq(open_text(&k, SEAL_REQUEST, NULL, &sealed, &plain), 0);
	cr_assert_eq(plain.len, 0);
}

Test(gossip_seal, begins_with_its_magic_and_never_like_tls)
{
	_cleanup_(buf_fini) struct buf sealed = { 0 };
	struct keyring k = ring_of(1, keys);

	seal_text(&k, SEAL_DATAGRAM, NULL, "hello", &sealed);
	cr_assert_arr_eq(sealed.data, "OV\1\0", 4);
	cr_assert_neq(sealed.data[0], 0x16);
}

Test(gossip_seal, another_key_does_not_open)
{
	_cleanup_(buf_fini) struct buf sealed = { 0 }, plain = { 0 };
	struct keyring mine = ring_of(1, keys), other = ring_of(2, keys + 1);

	seal_text(&mine, SEAL_DATAGRAM, NULL, "hello", &sealed);
	cr_assert_eq(open_text(&other, SEAL_DATAGRAM, NULL, &sealed, &plain), -EBADMSG);
}

/* The key id is right, the key is not: as a forger would try. */
Test(gossip_seal, a_known_key_id_is_not_enough)
{
	_cleanup_(buf_fini) struct buf sealed = { 0 }, plain = { 0 };
	struct keyring mine = ring_of(1, keys), forger = mine;

	forger.slot[0].key[31] ^= 1;
	seal_text(&forger, SEAL_DATAGRAM, NULL, "hello", &sealed);
	cr_assert_eq(open_text(&mine, SEAL_DATAGRAM, NULL, &sealed, &plain), -EBADMSG);
}

Test(gossip_seal, every_key_of_the_ring_opens_and_the_first_seals)
{
	_cleanup_(buf_fini) struct buf plain = { 0 }, ours = { 0 };
	struct keyring all = ring_of(3, keys);

	for (int i = 0; i < 3; i++) {
		_cleanup_(buf_fini) struct buf sealed = { 0 };
		struct keyring one = ring_of(1, keys + i);

		seal_text(&one, SEAL_DATAGRAM, NULL, "hello", &sealed);
		cr_assert_eq(open_text(&all, SEAL_DATAGRAM, NULL, &sealed, &plain), 0, "key %d", i);
	}
	seal_text(&all, SEAL_DATAGRAM, NULL, "hello", &ours);
	for (int i = 0; i < 3; i++) {
		struct keyring one = ring_of(1, keys + i);

		cr_assert_eq(!open_text(&one, SEAL_DATAGRAM, NULL, &ours, &plain), i == 0);
	}
}

/* Who has not heard of the newest key can ask for it. */
Test(gossip_seal, a_reply_is_sealed_with_the_key_of_its_request)
{
	struct keyring asker = ring_of(1, keys + 1), asked = ring_of(3, keys), other = ring_of(1, keys);
	_cleanup_(buf_fini) struct buf request = { 0 }, reply = { 0 }, plain = { 0 };
	struct rng rng;

	rng_init_u64(&rng, 1);
	seal_text(&asker, SEAL_REQUEST, NULL, "tell me", &request);
	buf_put(&plain, "hello", 5);
	cr_assert_eq(seal_write_reply(&asked, &rng, request.data, nonce_a, &plain, &reply), 0);
	cr_assert_eq(open_text(&asker, SEAL_REPLY, nonce_a, &reply, &plain), 0);
	cr_assert_arr_eq(plain.data, "hello", 5);
	cr_assert_eq(open_text(&asker, SEAL_REPLY, nonce_b, &reply, &plain), -EBADMSG);
	cr_assert_eq(open_text(&other, SEAL_REPLY, nonce_a, &reply, &plain), -EBADMSG);
	buf_reset(&reply);
	cr_assert_eq(seal_write_reply(&other, &rng, request.data, nonce_a, &plain, &reply), -ENOKEY);
	cr_assert_eq(reply.len, 0);
}

Test(gossip_seal, an_empty_ring_seals_and_opens_nothing)
{
	_cleanup_(buf_fini) struct buf sealed = { 0 }, plain = { 0 }, none = { 0 };
	struct keyring one = ring_of(1, keys), empty = ring_of(0, keys);
	struct rng rng;

	rng_init_u64(&rng, 1);
	cr_assert_eq(seal_write(&empty, &rng, SEAL_DATAGRAM, NULL, &plain, &none, NULL), -ENOKEY);
	cr_assert_eq(none.len, 0);
	seal_text(&one, SEAL_DATAGRAM, NULL, "hello", &sealed);
	cr_assert_eq(open_text(&empty, SEAL_DATAGRAM, NULL, &sealed, &plain), -EBADMSG);
}

Test(gossip_seal, a_flipped_bit_anywhere_is_noticed)
{
	_cleanup_(buf_fini) struct buf sealed = { 0 }, plain = { 0 };
	struct keyring k = ring_of(1, keys);

	seal_text(&k, SEAL_DATAGRAM, NULL, "hello", &sealed);
	for (size_t bit = 0; bit < sealed.len * 8; bit++) {
		sealed.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		/* Byte 2 is the version, and said to be so. */
		cr_assert_eq(open_text(&k, SEAL_DATAGRAM, NULL, &sealed, &plain),
			     bit / 8 == 2 ? -EPROTONOSUPPORT : -EBADMSG, "bit %zu", bit);
		sealed.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	cr_assert_eq(open_text(&k, SEAL_DATAGRAM, NULL, &sealed, &plain), 0);
}

Test(gossip_seal, what_is_cut_short_anywhere_is_refused)
{
	_cleanup_(buf_fini) struct buf sealed = { 0 }, plain = { 0 };
	struct keyring k = ring_of(1, keys);

	seal_text(&k, SEAL_DATAGRAM, NULL, "hello", &sealed);
	for (size_t len = 0; len < sealed.len; len++)
		cr_assert_eq(seal_read(&k, SEAL_DATAGRAM, NULL, sealed.data, len, &plain, NULL),
			     -EBADMSG, "%zu bytes", len);
}

Test(gossip_seal, one_channel_does_not_open_another)
{
	static const enum seal_channel channel[] = { SEAL_DATAGRAM, SEAL_REQUEST, SEAL_REPLY };
	_cleanup_(buf_fini) struct buf plain = { 0 };
	struct keyring k = ring_of(1, keys);

	for (int from = 0; from < 3; from++)
		for (int to = 0; to < 3; to++) {
			_cleanup_(buf_fini) struct buf sealed = { 0 };

			seal_text(&k, channel[from], NULL, "hello", &sealed);
			cr_assert_eq(!open_text(&k, channel[to], NULL, &sealed, &plain),
				     from == to);
		}
}

Test(gossip_seal, a_reply_answers_its_own_request_only)
{
	_cleanup_(buf_fini) struct buf sealed = { 0 }, plain = { 0 };
	struct keyring k = ring_of(1, keys);

	seal_text(&k, SEAL_REPLY, nonce_a, "hello", &sealed);
	cr_assert_eq(open_text(&k, SEAL_REPLY, nonce_b, &sealed, &plain), -EBADMSG);
	cr_assert_eq(open_text(&k, SEAL_REPLY, NULL, &sealed, &plain), -EBADMSG);
	cr_assert_eq(open_text(&k, SEAL_REPLY, nonce_a, &sealed, &plain), 0);
}

Test(gossip_seal, no_two_messages_share_a_nonce)
{
	_cleanup_(buf_fini) struct buf plain = { 0 }, out = { 0 };
	struct keyring k = ring_of(1, keys);
	uint8_t first[SEAL_NONCE_LEN], second[SEAL_NONCE_LEN];
	struct rng rng;

	rng_init_u64(&rng, 1);
	cr_assert_eq(seal_write(&k, &rng, SEAL_DATAGRAM, NULL, &plain, &out, first), 0);
	cr_assert_eq(seal_write(&k, &rng, SEAL_DATAGRAM, NULL, &plain, &out, second), 0);
	cr_assert_arr_neq(first, second, sizeof(first));
}

Test(gossip_seal, a_wiped_ring_holds_nothing)
{
	struct keyring k = ring_of(3, keys), zero = { 0 };

	keyring_wipe(&k);
	cr_assert_arr_eq((uint8_t *)&k, (uint8_t *)&zero, sizeof(k));
}
