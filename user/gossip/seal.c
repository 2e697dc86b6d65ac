// SPDX-License-Identifier: GPL-2.0-or-later
#include "seal.h"

#include <errno.h>
#include <sodium.h>

#define MAGIC 0x4f56 /* "OV" */
#define KEY_ID_AT 4
#define TAG_LEN crypto_aead_xchacha20poly1305_ietf_ABYTES

_Static_assert(GOSSIP_KEY_LEN == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "key length");
_Static_assert(SEAL_NONCE_LEN == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "nonce length");
_Static_assert(SEAL_OVERHEAD == SEAL_HEADER_LEN + TAG_LEN, "overhead");

struct context { /* the associated data */
	uint8_t bytes[SEAL_HEADER_LEN + 1 + SEAL_NONCE_LEN];
	size_t len;
};

static uint32_t key_id(const uint8_t key[GOSSIP_KEY_LEN])
{
	uint8_t hash[crypto_generichash_BYTES];
	struct cursor c = cursor_of(hash, 4);

	crypto_generichash(hash, sizeof(hash), key, GOSSIP_KEY_LEN, NULL, 0);
	return cursor_u32(&c);
}

void keyring_set(struct keyring *k, uint8_t count, const uint8_t key[][GOSSIP_KEY_LEN])
{
	keyring_wipe(k);
	k->count = count < RING_KEYS_MAX ? count : RING_KEYS_MAX;
	for (int i = 0; i < k->count; i++) {
		memcpy(k->slot[i].key, key[i], GOSSIP_KEY_LEN);
		k->slot[i].id = key_id(key[i]);
	}
}

void keyring_wipe(struct keyring *k)
{
	sodium_memzero(k, sizeof(*k));
}

static struct context context_of(const uint8_t *header, enum seal_channel channel,
				 const uint8_t *bind)
{
	struct context x = { .len = SEAL_HEADER_LEN + 1 };

	memcpy(x.bytes, header, SEAL_HEADER_LEN);
	x.bytes[SEAL_HEADER_LEN] = (uint8_t)channel;
	if (bind) {
		memcpy(x.bytes + x.len, bind, SEAL_NONCE_LEN);
		x.len += SEAL_NONCE_LEN;
	}
	return x;
}

/* Makes room for len more bytes and returns where they go; NULL when out of memory. */
static uint8_t *grow(struct buf *b, size_t len)
{
	static const uint8_t zero[256];
	size_t at = b->len;

	for (size_t left = len; left && !b->failed;) {
		size_t n = left < sizeof(zero) ? left : sizeof(zero);

		buf_put(b, zero, n);
		left -= n;
	}
	return b->failed ? NULL : b->data + at;
}

static int seal_with(const struct keyring_slot *slot, struct rng *rng, enum seal_channel channel,
		     const uint8_t *bind, const struct buf *plain, struct buf *out,
		     uint8_t *ret_nonce)
{
	uint8_t nonce[SEAL_NONCE_LEN], *body;
	size_t start = out->len;
	struct context x;

	rng_bytes(rng, nonce, sizeof(nonce));
	buf_u16(out, MAGIC);
	buf_u8(out, SEAL_VERSION);
	buf_u8(out, 0);
	buf_u32(out, slot->id);
	buf_put(out, nonce, sizeof(nonce));
	body = grow(out, plain->len + TAG_LEN);
	if (!body || plain->failed)
		return -ENOMEM;
	x = context_of(out->data + start, channel, bind);
	crypto_aead_xchacha20poly1305_ietf_encrypt(body, NULL, plain->data, plain->len, x.bytes,
						   x.len, NULL, nonce, slot->key);
	if (ret_nonce)
		memcpy(ret_nonce, nonce, sizeof(nonce));
	return 0;
}

int seal_write(const struct keyring *k, struct rng *rng, enum seal_channel channel,
	       const uint8_t *bind, const struct buf *plain, struct buf *out, uint8_t *ret_nonce)
{
	return k->count ? seal_with(&k->slot[0], rng, channel, bind, plain, out, ret_nonce) :
			  -ENOKEY;
}

static const struct keyring_slot *slot_of(const struct keyring *k, uint32_t id)
{
	for (int i = 0; i < k->count; i++)
		if (k->slot[i].id == id)
			return &k->slot[i];
	return NULL;
}

int seal_write_reply(const struct keyring *k, struct rng *rng, const void *request,
		     const uint8_t *nonce, const struct buf *plain, struct buf *out)
{
	struct cursor c = cursor_of((const uint8_t *)request + KEY_ID_AT, sizeof(uint32_t));
	const struct keyring_slot *slot = slot_of(k, cursor_u32(&c));

	return slot ? seal_with(slot, rng, SEAL_REPLY, nonce, plain, out, NULL) : -ENOKEY;
}

int seal_read(const struct keyring *k, enum seal_channel channel, const uint8_t *bind,
	      const void *data, size_t len, struct buf *ret_plain, uint8_t *ret_nonce)
{
	struct cursor c = cursor_of(data, len);
	const struct keyring_slot *slot;
	const uint8_t *nonce;
	struct context x;
	uint8_t version;

	if (len < SEAL_OVERHEAD || cursor_u16(&c) != MAGIC)
		return -EBADMSG;
	version = cursor_u8(&c);
	if (version != SEAL_VERSION)
		return -EPROTONOSUPPORT;
	cursor_u8(&c); /* authenticated, and free for a later version to use */
	slot = slot_of(k, cursor_u32(&c));
	nonce = cursor_take(&c, SEAL_NONCE_LEN);
	if (!slot || !nonce)
		return -EBADMSG;
	x = context_of(data, channel, bind);
	buf_reset(ret_plain);
	if (!grow(ret_plain, len - SEAL_HEADER_LEN)) /* never empty: the tag's room */
		return -ENOMEM;
	ret_plain->len = len - SEAL_OVERHEAD;
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(ret_plain->data, NULL, NULL, c.p,
						       cursor_left(&c), x.bytes, x.len, nonce,
						       slot->key))
		return -EBADMSG;
	if (ret_nonce)
		memcpy(ret_nonce, nonce, SEAL_NONCE_LEN);
	return 0;
}
