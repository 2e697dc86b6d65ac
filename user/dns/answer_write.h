/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An answer being written: what of it fits, and which of many are in it. Private to dns/.
 * A record is begun at out->len, written, and then kept, or taken back whole.
 */
#pragma once

#include "names.h"
#include "wire.h"

#define PICK_MAX 4096   /* candidates of one answer: more than DNS_TCP_MAX holds */
#define RANDOM_BATCH 16 /* numbers drawn at once: one block of the stream */

struct reply {
	const struct dns_names *n;
	const struct dns_query *q;
	struct rng *rng;
	uint32_t random[RANDOM_BATCH];
	size_t random_left;
	struct buf *out;
	bool tcp;
	size_t limit; /* of all before the OPT */
	struct dns_header header;
};

struct pick {
	size_t count;
	uint32_t index[PICK_MAX];
};

/* Of n, q, rng, out and tcp, which are set. Header and question; then records; then the end. */
void reply_begin(struct reply *r, const void *data);
void reply_end(struct reply *r);

/* Counts the record that begins at `start`; one that does not fit is taken back whole. */
bool reply_keep(struct reply *r, size_t start, uint16_t *count);
/* The same in the answer section, whose loss is marked (TC). */
bool reply_keep_answer(struct reply *r, size_t start);
void reply_put_a(struct reply *r, uint16_t owner, const struct ov_addr *addr); /* not kept yet */
/* Nothing there, and for how long that holds. The zone is the question less some labels. */
void reply_put_nothing(struct reply *r, enum dns_rcode rcode, int labels);

/*
 * Some of `count`, in random order: one more than could fit, so that what did not
 * is noticed. The work is bounded by the answer's size, not by how many there are:
 * of very many, only a window that begins anywhere is shuffled.
 */
void reply_pick(struct reply *r, size_t count, struct pick *ret_pick);
