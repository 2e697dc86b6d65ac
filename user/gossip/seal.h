/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The envelope around every byte that gossip sends: XChaCha20-Poly1305 (IETF
 * construction, draft-irtf-cfrg-xchacha) under one key of a small ring.
 *
 *    0       2       3       4        8              32                len-16    len
 *    +-------+-------+-------+--------+---------------+------ ... ------+---------+
 *    | 'O''V'|version| zero  | key id |     nonce     |   ciphertext    |   tag   |
 *    +-------+-------+-------+--------+---------------+------ ... ------+---------+
 *    '------------ header, 32 bytes ------------------'
 *
 * Associated data: the header, one byte that names the channel, and for a reply
 * the nonce of its request. So a datagram cannot be played back as a request, a
 * request not as a reply, and a reply fits only the question it answers.
 *
 * The key id is the first 4 bytes of BLAKE2b(key): it says which key to try and
 * nothing about it. The nonce is random (192 bits: no counter to keep over a
 * restart). The first byte can never be 0x16, which begins a TLS record (RFC
 * 8446, 5.1): joining nodes speak TLS on the same port.
 */
#pragma once

#include "base/bytes.h"
#include "base/rng.h"
#include "model/model.h"

#define SEAL_VERSION 1
#define SEAL_NONCE_LEN 24
#define SEAL_HEADER_LEN 32
#define SEAL_OVERHEAD (SEAL_HEADER_LEN + 16)

enum seal_channel { SEAL_DATAGRAM = 1, SEAL_REQUEST = 2, SEAL_REPLY = 3 };

struct keyring {
	uint8_t count;
	struct keyring_slot {
		uint32_t id;
		uint8_t key[GOSSIP_KEY_LEN];
	} slot[RING_KEYS_MAX]; /* slot[0] seals, all open */
};

/* count beyond RING_KEYS_MAX is cut to it. */
void keyring_set(struct keyring *k, uint8_t count, const uint8_t key[][GOSSIP_KEY_LEN]);
void keyring_wipe(struct keyring *k);

/*
 * Appends the sealed form of plain to *out. bind: the request's nonce for
 * SEAL_REPLY, NULL otherwise. ret_nonce may be NULL. 0, -ENOKEY or -ENOMEM.
 */
int seal_write(const struct keyring *k, struct rng *rng, enum seal_channel channel,
	       const uint8_t *bind, const struct buf *plain, struct buf *out, uint8_t *ret_nonce);
/*
 * The same for the reply to a request, whose nonce and whose first SEAL_HEADER_LEN bytes are given. It
 * is sealed with the key of the request, which the asker has: also one who has not heard yet of
 * the key that we seal with, and asks in order to.
 */
int seal_write_reply(const struct keyring *k, struct rng *rng, const void *request,
		     const uint8_t *nonce, const struct buf *plain, struct buf *out);
/*
 * Replaces *ret_plain by what was sealed. -EPROTONOSUPPORT: another version of
 * the envelope; -EBADMSG: not ours, or no key of ours opens it; -ENOMEM.
 */
int seal_read(const struct keyring *k, enum seal_channel channel, const uint8_t *bind,
	      const void *data, size_t len, struct buf *ret_plain, uint8_t *ret_nonce);
