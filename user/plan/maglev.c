/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each backend has a permutation of all places, from a hash of its id: an offset
 * and a step, coprime to the prime number of places. The backends take turns, as
 * often as their weights say, and each takes the next place of its permutation
 * that is free, until none is.
 */
#include "maglev.h"

#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

static const uint32_t primes[] = { 61, 127, 251, 509, 1021, 2039, 4093, 8191, 16381, 32749,
				   MAGLEV_MAX };
#define FREE_PLACE UINT16_MAX
_Static_assert(WEIGHTED_MAX < FREE_PLACE, "an index is never taken for a free place");

static uint32_t gcd(uint32_t a, uint32_t b)
{
	while (b) {
		uint32_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/* Sum of the weights over what all of them are multiples of. */
static uint64_t whole_turn(const struct weighted *w, size_t count, uint32_t *ret_unit)
{
	uint64_t sum = 0;
	uint32_t unit = 0;

	for (size_t i = 0; i < count; i++) {
		sum += w[i].weight;
		unit = gcd(w[i].weight, unit);
	}
	*ret_unit = unit ? unit : 1;
	return sum / *ret_unit;
}

uint32_t maglev_size(const struct weighted *w, size_t count)
{
	uint32_t unit;
	uint64_t want = count > 1 ? MAGLEV_PLACES * whole_turn(w, count, &unit) : 0;

	for (size_t i = 0; i < ARRAY_SIZE(primes); i++)
		if (primes[i] >= want)
			return primes[i];
	return MAGLEV_MAX;
}

struct taker {
	uint32_t at, step; /* of its permutation */
	uint32_t due;      /* in weights; a turn costs the largest one */
};

static void taker_init(struct taker *t, const struct id *id, uint32_t size)
{
	static const uint8_t key[crypto_shorthash_siphashx24_KEYBYTES]; /* one for all nodes */
	uint8_t hash[crypto_shorthash_siphashx24_BYTES];
	uint64_t offset = 0, step = 0;

	crypto_shorthash_siphashx24(hash, id->b, sizeof(id->b), key);
	for (int i = 0; i < 8; i++) {
		offset = offset << 8 | hash[i];
		step = step << 8 | hash[8 + i];
	}
	*t = (struct taker){ .at = (uint32_t)(offset % size),
			     .step = (uint32_t)(step % (size - 1)) + 1 };
}

static void take_place(struct taker *t, uint16_t index, uint16_t *place, uint32_t size)
{
	bool taken;

	do {
		uint32_t at = t->at;

		t->at += t->step;
		if (t->at >= size)
			t->at -= size;
		taken = place[at] != FREE_PLACE;
		if (!taken)
			place[at] = index;
	} while (taken);
}

static void fill(const struct weighted *w, size_t count, struct taker *taker, uint16_t *place,
		 uint32_t size)
{
	uint32_t filled = 0, largest = 1;

	for (size_t i = 0; i < count; i++)
		if (w[i].weight > largest)
			largest = w[i].weight;
	for (size_t i = 0; filled < size; i = i + 1 == count ? 0 : i + 1) {
		taker[i].due += w[i].weight;
		if (taker[i].due < largest)
			continue;
		taker[i].due -= largest;
		take_place(&taker[i], (uint16_t)i, place, size);
		filled++;
	}
}

int maglev_fill(const struct weighted *w, size_t count, uint16_t *ret_place, uint32_t size)
{
	_cleanup_(freep) struct taker *taker = NULL;

	if (count == 1) {
		memset(ret_place, 0, size * sizeof(*ret_place));
		return 0;
	}
	taker = calloc(count, sizeof(*taker));
	if (!taker)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		taker_init(&taker[i], &w[i].id, size);
	memset(ret_place, 0xff, size * sizeof(*ret_place));
	fill(w, count, taker, ret_place, size);
	return 0;
}

/* ---- turns ---- */

/* How many turns a backend has in a sequence of at most TURNS_MAX. */
static uint32_t turns_of(uint16_t weight, uint32_t unit, uint64_t whole)
{
	uint64_t turns = weight / unit;

	if (whole > TURNS_MAX)
		turns = turns * (TURNS_MAX - WEIGHTED_MAX) / whole; /* room for those that get one */
	return turns ? (uint32_t)turns : 1;
}

uint32_t turns_size(const struct weighted *w, size_t count)
{
	uint32_t unit, size = 0;
	uint64_t whole = whole_turn(w, count, &unit);

	for (size_t i = 0; i < count; i++)
		size += turns_of(w[i].weight, unit, whole);
	return size;
}

/* A turn's ideal moment is (2 nth + 1) / (2 turns) of the sequence. */
struct turn {
	uint32_t odd, turns;
	uint16_t index;
};

static int turn_cmp(const void *a, const void *b)
{
	const struct turn *x = a, *y = b;
	uint64_t left = (uint64_t)x->odd * y->turns, right = (uint64_t)y->odd * x->turns;

	if (left != right)
		return left < right ? -1 : 1;
	return (int)x->index - (int)y->index;
}

int turns_fill(const struct weighted *w, size_t count, uint16_t *ret_place, uint32_t size)
{
	_cleanup_(freep) struct turn *turn = calloc(size, sizeof(*turn));
	uint32_t unit, filled = 0;
	uint64_t whole = whole_turn(w, count, &unit);

	if (!turn)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		uint32_t turns = turns_of(w[i].weight, unit, whole);

		for (uint32_t nth = 0; nth < turns && filled < size; nth++)
			turn[filled++] = (struct turn){ 2 * nth + 1, turns, (uint16_t)i };
	}
	if (size != count) /* one turn each: in order already */
		qsort(turn, size, sizeof(*turn), turn_cmp);
	for (uint32_t i = 0; i < size; i++)
		ret_place[i] = turn[i].index;
	return 0;
}
