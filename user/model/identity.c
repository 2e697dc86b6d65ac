/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "identity.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "base/cleanup.h"

/* What is hashed or signed here is so nowhere else. Part of the wire: never changed. */
static const uint8_t id_personal[crypto_generichash_blake2b_PERSONALBYTES + 1] = "overlayd node id";
#define RECORD_CONTEXT "overlayd signed record 1"

_Static_assert(IDENTITY_SEED_LEN == crypto_sign_SEEDBYTES, "Ed25519");
_Static_assert(IDENTITY_SECRET_LEN == crypto_sign_SECRETKEYBYTES, "Ed25519");
_Static_assert(IDENTITY_PUBLIC_LEN == crypto_sign_PUBLICKEYBYTES, "Ed25519");
_Static_assert(SIGNATURE_LEN == IDENTITY_PUBLIC_LEN + crypto_sign_BYTES, "see record.h");

static struct id id_of(const uint8_t public_key[IDENTITY_PUBLIC_LEN])
{
	struct id id;

	crypto_generichash_blake2b_salt_personal(id.b, sizeof(id.b), public_key, IDENTITY_PUBLIC_LEN,
						 NULL, 0, NULL, id_personal);
	return id;
}

void identity_init(struct identity *who, const uint8_t seed[IDENTITY_SEED_LEN])
{
	crypto_sign_seed_keypair(who->public_key, who->secret, seed);
	who->id = id_of(who->public_key);
}

void identity_seed(const struct identity *who, uint8_t ret_seed[IDENTITY_SEED_LEN])
{
	crypto_sign_ed25519_sk_to_seed(ret_seed, who->secret);
}

void identity_fini(struct identity *who)
{
	sodium_memzero(who, sizeof(*who));
}

static void put_signed_part(struct buf *out, const struct record *r)
{
	buf_put(out, RECORD_CONTEXT, sizeof(RECORD_CONTEXT)); /* its NUL ends it */
	record_encode_unsigned(out, r);
}

int identity_sign(const struct identity *who, const struct record *r,
		  uint8_t ret_signature[SIGNATURE_LEN])
{
	_cleanup_(buf_fini) struct buf text = { 0 };

	put_signed_part(&text, r);
	if (text.failed)
		return -ENOMEM;
	memcpy(ret_signature, who->public_key, IDENTITY_PUBLIC_LEN);
	crypto_sign_detached(ret_signature + IDENTITY_PUBLIC_LEN, NULL, text.data, text.len,
			     who->secret);
	return 0;
}

bool record_is_proven(const struct record *r)
{
	_cleanup_(buf_fini) struct buf text = { 0 };
	struct id signer;

	if (!r->signature)
		return false;
	signer = id_of(r->signature);
	if (!id_equal(&signer, &r->writer))
		return false;
	put_signed_part(&text, r);
	return !text.failed &&
	       !crypto_sign_verify_detached(r->signature + IDENTITY_PUBLIC_LEN, text.data, text.len,
					    r->signature);
}
