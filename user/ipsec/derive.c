/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From two keys of two nodes to the keys of their SAs.
 *
 *   tag    = BLAKE2b(K1, transcript), K1 and K2 = BLAKE2b(token secret, what for)
 *   master = BLAKE2b(K2, X25519(a, B) | transcript)
 *   key    = kdf(master, direction and lane)
 *
 * The transcript names both ends and their keys, the lower id first, so that both
 * compute the same and no two sessions do. That a public key is the node's own is not seen to
 * here: the store takes no KEY record that its node did not sign. The cluster's secret is in all
 * of it, so that what somebody recorded cannot be read by breaking X25519 alone.
 */
#include "ipsec/inside.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#define SIDE_LEN (16 + PUBLIC_KEY_LEN + 8 + 8)
#define TRANSCRIPT_LEN (2 * SIDE_LEN)
#define TAG_HASH_LEN 16 /* the shortest there is; its first half is the tag */
#define KDF_CONTEXT "ov-esp-1"

_Static_assert(MASTER_LEN == crypto_kdf_KEYBYTES, "a master is a key of kdf");
_Static_assert(SA_KEY_LEN >= crypto_kdf_BYTES_MIN, "kdf gives at least that");
_Static_assert(PUBLIC_KEY_LEN == crypto_scalarmult_BYTES, "X25519");
_Static_assert(TAG_HASH_LEN == crypto_generichash_BYTES_MIN, "see above");

static void derive_secret(uint8_t out[MASTER_LEN], const char *what_for,
			  const uint8_t token_secret[TOKEN_SECRET_LEN])
{
	crypto_generichash(out, MASTER_LEN, (const uint8_t *)what_for, strlen(what_for),
			   token_secret, TOKEN_SECRET_LEN);
}

void session_secrets_init(struct session_secrets *s, const uint8_t token_secret[TOKEN_SECRET_LEN])
{
	derive_secret(s->tag, "overlayd ipsec 1 tag", token_secret);
	derive_secret(s->master, "overlayd ipsec 1 master", token_secret);
}

void session_secrets_fini(struct session_secrets *s)
{
	sodium_memzero(s, sizeof(*s));
}

static uint8_t *put_u64(uint8_t *at, uint64_t v)
{
	for (int i = 0; i < 8; i++)
		*at++ = (uint8_t)(v >> (56 - 8 * i));
	return at;
}

static uint8_t *put_side(uint8_t *at, const struct node_key *k)
{
	memcpy(at, k->node.b, sizeof(k->node.b));
	memcpy(at + sizeof(k->node.b), k->public_key, PUBLIC_KEY_LEN);
	at = put_u64(at + sizeof(k->node.b) + PUBLIC_KEY_LEN, k->generation);
	return put_u64(at, k->epoch);
}

static void transcribe(uint8_t out[TRANSCRIPT_LEN], const struct node_key *a,
		       const struct node_key *b)
{
	bool a_first = id_cmp(&a->node, &b->node) < 0;

	put_side(put_side(out, a_first ? a : b), a_first ? b : a);
}

uint64_t session_tag(const struct session_secrets *s, const struct node_key *a,
		     const struct node_key *b)
{
	uint8_t transcript[TRANSCRIPT_LEN], hash[TAG_HASH_LEN];
	uint64_t tag = 0;

	transcribe(transcript, a, b);
	crypto_generichash(hash, sizeof(hash), transcript, sizeof(transcript), s->tag,
			   sizeof(s->tag));
	for (int i = 0; i < 8; i++)
		tag = tag << 8 | hash[i];
	return tag ? tag : 1;
}

int session_master(const struct session_secrets *s, const uint8_t private_key[PUBLIC_KEY_LEN],
		   const struct node_key *own, const struct node_key *peer,
		   uint8_t ret_master[MASTER_LEN])
{
	uint8_t shared[crypto_scalarmult_BYTES], transcript[TRANSCRIPT_LEN];
	crypto_generichash_state state;

	/* Refuses points of small order, with which the secret would be one that all know. */
	if (crypto_scalarmult(shared, private_key, peer->public_key) < 0) {
		sodium_memzero(shared, sizeof(shared));
		return -EINVAL;
	}
	transcribe(transcript, own, peer);
	crypto_generichash_init(&state, s->master, sizeof(s->master), MASTER_LEN);
	crypto_generichash_update(&state, shared, sizeof(shared));
	crypto_generichash_update(&state, transcript, sizeof(transcript));
	crypto_generichash_final(&state, ret_master, MASTER_LEN);
	sodium_memzero(shared, sizeof(shared));
	sodium_memzero(&state, sizeof(state));
	return 0;
}

void sa_key(const uint8_t master[MASTER_LEN], const struct id *from, const struct id *to,
	    unsigned int lane, uint8_t ret_key[SA_KEY_LEN])
{
	uint64_t direction = id_cmp(from, to) < 0 ? 0 : 1;

	crypto_kdf_derive_from_key(ret_key, SA_KEY_LEN, direction * OV_SA_LANES + lane, KDF_CONTEXT,
				   master);
}
