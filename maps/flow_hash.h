/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hash by which Maglev places a flow. The same on every node and in every
 * version, so that a flow that changes its entry node keeps its backend; hence
 * it is part of the contract.
 *
 * Bob Jenkins' lookup3 (public domain, 2006), as hashword() over the ten words
 * of the key in memory.
 */
#pragma once

#include "flow.h"

#define OV_ROTL(x, k) (((x) << (k)) | ((x) >> (32 - (k))))

/* lookup3's final() of three words; the hash is c. */
#define OV_FINAL(a, b, c)                \
	do {                             \
		c ^= b;                  \
		c -= OV_ROTL(b, 14);     \
		a ^= c;                  \
		a -= OV_ROTL(c, 11);     \
		b ^= a;                  \
		b -= OV_ROTL(a, 25);     \
		c ^= b;                  \
		c -= OV_ROTL(b, 16);     \
		a ^= c;                  \
		a -= OV_ROTL(c, 4);      \
		b ^= a;                  \
		b -= OV_ROTL(a, 14);     \
		c ^= b;                  \
		c -= OV_ROTL(b, 24);     \
	} while (0)

static inline __u32 ov_flow_hash(const struct ov_flow_key *key)
{
	const __u32 *w = (const __u32 *)key;
	__u32 a = 0xdeadbeef + (sizeof(*key) / 4 << 2), b = a, c = a;

#define OV_MIX                                  \
	a -= c; a ^= OV_ROTL(c, 4);  c += b;    \
	b -= a; b ^= OV_ROTL(a, 6);  a += c;    \
	c -= b; c ^= OV_ROTL(b, 8);  b += a;    \
	a -= c; a ^= OV_ROTL(c, 16); c += b;    \
	b -= a; b ^= OV_ROTL(a, 19); a += c;    \
	c -= b; c ^= OV_ROTL(b, 4);  b += a
	a += w[0]; b += w[1]; c += w[2];
	OV_MIX;
	a += w[3]; b += w[4]; c += w[5];
	OV_MIX;
	a += w[6]; b += w[7]; c += w[8];
	OV_MIX;
	a += w[9];
#undef OV_MIX
	OV_FINAL(a, b, c);
	return c;
}
