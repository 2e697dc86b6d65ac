/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A captured node of a keyed cluster (keyed.h). It knows what a member knows: the cluster's
 * secret, all records, its own identity; and its store takes what others' would refuse. It
 * writes another node's records, so that a third one should encrypt for a key of the forger's.
 */
#pragma once

#include "tests/lib/keyed.h"

enum forged_signature { FORGED_NONE, FORGED_OWN, FORGED_COPIED, FORGED_COUNT };

struct forger {
	struct keyed *k;
	size_t at, as;             /* which node it is, whose records it writes */
	uint8_t private_key[PUBLIC_KEY_LEN];
	struct node_key key;       /* as the other's */
	struct buf former;         /* a version of the other's key that it did sign */
};

/* Captures node `at`: its daemon is the forger's from now on. */
void forger_init(struct forger *f, struct keyed *k, size_t at, size_t as);
/* A newer version of the other's key, signed so; and what it would say to node `to` of it. */
void forger_write_key(struct forger *f, enum forged_signature how);
void forger_write_pairs(struct forger *f, size_t to);
/* The other's key of when this was first called: as it was, or as if it were newer. */
void forger_play_back(struct forger *f, bool newer);
/* How many SAs in the kernel of node `of` have keys that the forger can derive. */
size_t forger_opens(struct forger *f, size_t of);
void forger_fini(struct forger *f);
