/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who a node is: an Ed25519 key pair (RFC 8032) that it made at its first start. Its id is a
 * hash of the public key, so whoever knows the id can check what the node signed without
 * asking anybody and without trust on first use.
 *
 * An id has 128 bits: a second key pair with the id of a node takes 2^128 tries (2^118 for any
 * one of a thousand nodes). Two key pairs of one id take 2^64, but both are then of who made
 * them, who gains nothing.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/record.h"

#define IDENTITY_SEED_LEN 32   /* crypto_sign_SEEDBYTES: all that needs to be kept */
#define IDENTITY_SECRET_LEN 64 /* crypto_sign_SECRETKEYBYTES */

struct identity {
	struct id id;
	uint8_t public_key[IDENTITY_PUBLIC_LEN];
	uint8_t secret[IDENTITY_SECRET_LEN];
};

void identity_init(struct identity *who, const uint8_t seed[IDENTITY_SEED_LEN]);
void identity_seed(const struct identity *who, uint8_t ret_seed[IDENTITY_SEED_LEN]);
void identity_fini(struct identity *who); /* wipes */

/* Signs all of the record but its signature. 0 or -ENOMEM. */
int identity_sign(const struct identity *who, const struct record *r,
		  uint8_t ret_signature[SIGNATURE_LEN]);
/* Whether the record is as the node that it names as its writer signed it. */
bool record_is_proven(const struct record *r);
