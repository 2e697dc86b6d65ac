/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "table.h"

static int after(const struct stamp *known, struct stamp *ret_stamp)
{
	struct stamp next = { known->hi, known->lo + 1 };

	if (next.lo >= STAMP_LIMIT)
		next = (struct stamp){ known->hi + 1, 0 };
	if (next.hi >= STAMP_LIMIT)
		return -ERANGE;
	*ret_stamp = next;
	return 0;
}

/* Generation and running number. A greater generation met is an older life of ours: pass it. */
static int next_owned(struct store *s, const struct stamp *known, struct stamp *ret_stamp)
{
	struct stamp next;

	if (known && known->hi > s->generation) {
		if (known->hi + 1 >= STAMP_FINAL)
			return -ERANGE;
		s->generation = known->hi + 1;
		s->written = 0;
	}
	next = (struct stamp){ s->generation, ++s->written };
	if (known && stamp_cmp(&next, known) <= 0) {
		if (after(known, &next))
			return -ERANGE;
		if (next.hi == s->generation)
			s->written = next.lo;
	}
	*ret_stamp = next;
	return 0;
}

/* Hybrid logical clock (Kulkarni et al. 2014), the rule for a local event. */
static int next_clock(struct store *s, uint64_t now_ms, struct stamp *ret_stamp)
{
	struct stamp next = { now_ms, 0 };

	if (now_ms >= STAMP_LIMIT)
		return -ERANGE;
	if (now_ms <= s->clock.hi && after(&s->clock, &next))
		return -ERANGE;
	s->clock = next;
	*ret_stamp = next;
	return 0;
}

int stamp_next(struct store *s, const struct record_key *key, const struct stamp *known,
	       bool tombstone, uint64_t now_ms, struct stamp *ret_stamp)
{
	if (tombstone && record_removal_is_final(key->kind)) {
		*ret_stamp = (struct stamp){ STAMP_FINAL, 0 };
		return 0;
	}
	switch (key->kind) {
	case RECORD_NODE:
	case RECORD_ENDPOINT:
	case RECORD_KEY:
	case RECORD_PAIRS:
	case RECORD_RING_ACK:
		return next_owned(s, known, ret_stamp);
	case RECORD_BLOCK:
		if (known && known->hi + 1 >= STAMP_LIMIT)
			return -ERANGE;
		*ret_stamp = (struct stamp){ known ? known->hi + 1 : 1, 0 };
		return 0;
	default:
		return next_clock(s, now_ms, ret_stamp);
	}
}

void stamp_witness(struct store *s, const struct record *r)
{
	if (r->tombstone && record_removal_is_final(r->key.kind))
		return; /* no time, but the end */
	if (record_is_shared(r->key.kind)) {
		if (stamp_cmp(&r->stamp, &s->clock) > 0)
			s->clock = r->stamp;
		return;
	}
	if (kind_is_owned(r->key.kind) && id_equal(&r->writer, &s->self) &&
	    r->stamp.hi == s->generation && r->stamp.lo > s->written)
		s->written = r->stamp.lo;
}
