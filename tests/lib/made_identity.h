/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Identities for tests: number n is the same in every run. */
#pragma once

#include "model/identity.h"

static inline struct identity made_identity(uint8_t n)
{
	const uint8_t seed[IDENTITY_SEED_LEN] = { 0x1d, n };
	struct identity who;

	identity_init(&who, seed);
	return who;
}
