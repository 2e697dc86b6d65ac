/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rng.h"

#include <sodium.h>
#include <string.h>

void rng_init(struct rng *r, const uint8_t seed[32])
{
	memcpy(r->key, seed, sizeof(r->key));
}

void rng_init_u64(struct rng *r, uint64_t seed)
{
	memset(r->key, 0, sizeof(r->key));
	memcpy(r->key, &seed, sizeof(seed));
}

void rng_init_system(struct rng *r)
{
	randombytes_buf(r->key, sizeof(r->key));
}

void rng_bytes(struct rng *r, void *out, size_t len)
{
	uint8_t *p = out, block[96];

	while (len) {
		size_t n = len < 64 ? len : 64;

		randombytes_buf_deterministic(block, sizeof(block), r->key);
		memcpy(r->key, block, 32); /* forward secrecy: the old key is gone */
		memcpy(p, block + 32, n);
		p += n;
		len -= n;
	}
	sodium_memzero(block, sizeof(block));
}

uint64_t rng_u64(struct rng *r)
{
	uint64_t v;

	rng_bytes(r, &v, sizeof(v));
	return v;
}

uint32_t rng_below(struct rng *r, uint32_t bound)
{
	uint32_t min = -bound % bound, v; /* reject the biased low end */

	do {
		v = (uint32_t)rng_u64(r);
	} while (v < min);
	return v % bound;
}
