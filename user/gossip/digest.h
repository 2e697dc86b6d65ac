/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What both sides of a sync do: sync.c asks, digest.c answers. */
#pragma once

#include "engine.h"

struct versions {
	struct version *v;
	size_t count, cap;
	const struct record_key *after; /* only those behind it */
};

struct place { /* where a page begins */
	uint16_t bucket; /* STORE_BUCKETS: nowhere, it is finished */
	struct record_key after;
};

void versions_fini(struct versions *vs);
/* The versions of a bucket behind a key, sorted. 0 or -ENOMEM. */
int versions_gather(const struct gossip *g, unsigned int bucket, const struct record_key *after,
		    struct versions *ret_versions);
/* u8, and the member table if it is wanted. */
void digest_put_members(const struct gossip *g, bool wanted, struct buf *b);
void digest_get_members(struct gossip *g, struct cursor *c);
/* Appends the record of a key, if it is here. False: no more fits below max. */
bool digest_put_record(struct gossip *g, const struct record_key *key, size_t max, struct buf *b);
