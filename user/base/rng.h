/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Randomness as an argument: engines draw from a stream that the caller seeds,
 * so that a simulation repeats and a daemon is unpredictable. The stream is
 * ChaCha20 keyed by the seed (libsodium's randombytes_buf_deterministic), one
 * 64-byte block at a time, re-keyed from its own output: fit for nonces.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct rng {
	uint8_t key[32];
};

void rng_init(struct rng *r, const uint8_t seed[32]);
void rng_init_u64(struct rng *r, uint64_t seed); /* tests and simulations only */
void rng_init_system(struct rng *r);             /* from getrandom() */
void rng_bytes(struct rng *r, void *out, size_t len);
uint64_t rng_u64(struct rng *r);
uint32_t rng_below(struct rng *r, uint32_t bound); /* uniform in [0, bound); bound > 0 */
