/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How sequences of backends share the flows out: fair by weight, and steady under change. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/rng.h"
#include "plan/maglev.h"

#define BACKENDS_MAX 512

struct pool {
	size_t count;
	struct weighted w[BACKENDS_MAX];
	uint32_t size;
	uint16_t place[MAGLEV_MAX];
};

static int by_id(const void *a, const void *b)
{
	return id_cmp(&((const struct weighted *)a)->id, &((const struct weighted *)b)->id);
}

/* Backends with random ids; their weights repeat the given ones. */
static struct pool *pool_new(size_t count, const uint16_t *weight, size_t weights, uint64_t seed)
{
	struct pool *p = calloc(1, sizeof(*p));
	struct rng rng;

	rng_init_u64(&rng, seed);
	p->count = count;
	for (size_t i = 0; i < count; i++)
		rng_bytes(&rng, p->w[i].id.b, sizeof(p->w[i].id.b));
	qsort(p->w, count, sizeof(*p->w), by_id);
	for (size_t i = 0; i < count; i++)
		p->w[i].weight = weight[i % weights];
	return p;
}

static void pool_fill(struct pool *p)
{
	p->size = maglev_size(p->w, p->count);
	cr_assert_eq(maglev_fill(p->w, p->count, p->place, p->size), 0);
}

static const uint16_t one[] = { 1 };
static const uint16_t mixed[] = { 1, 2, 5, 100 };

static void expect_shares(const struct pool *p, double slack)
{
	size_t places[BACKENDS_MAX] = { 0 };
	uint64_t sum = 0;

	for (uint32_t i = 0; i < p->size; i++) {
		cr_assert_lt(p->place[i], p->count);
		places[p->place[i]]++;
	}
	for (size_t i = 0; i < p->count; i++)
		sum += p->w[i].weight;
	for (size_t i = 0; i < p->count; i++) {
		double want = (double)p->size * p->w[i].weight / (double)sum;

		cr_assert((double)places[i] >= want * (1 - slack) - 1 &&
			  (double)places[i] <= want * (1 + slack) + 1,
			  "backend %zu of weight %u has %zu places, its share is %.1f", i,
			  p->w[i].weight, places[i], want);
	}
}

Test(maglev, gives_every_backend_its_share_by_weight)
{
	static const size_t counts[] = { 2, 3, 7, 50, 400 };

	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		_cleanup_(freep) struct pool *p = pool_new(counts[i], one, 1, i);
		_cleanup_(freep) struct pool *q = pool_new(counts[i], mixed, ARRAY_SIZE(mixed), i);

		pool_fill(p);
		expect_shares(p, 0.01);
		pool_fill(q);
		expect_shares(q, 0.03);
	}
}

Test(maglev, one_place_in_a_hundred_is_the_largest_imbalance)
{
	_cleanup_(freep) struct pool *p = pool_new(100, one, 1, 9);
	size_t places[BACKENDS_MAX] = { 0 }, most = 0, least = SIZE_MAX;

	pool_fill(p);
	for (uint32_t i = 0; i < p->size; i++)
		places[p->place[i]]++;
	for (size_t i = 0; i < p->count; i++) {
		most = places[i] > most ? places[i] : most;
		least = places[i] < least ? places[i] : least;
	}
	cr_assert_leq((double)most / (double)least, 1.01);
}

/* Places that had another backend than the one that left, and have another one now. */
static double moved_by_removal(struct pool *p, size_t gone)
{
	_cleanup_(freep) struct pool *less = malloc(sizeof(*less));
	size_t moved = 0, stayed = 0;

	pool_fill(p);
	*less = *p;
	less->count--;
	memmove(&less->w[gone], &less->w[gone + 1], (less->count - gone) * sizeof(less->w[0]));
	pool_fill(less);
	cr_assert_eq(less->size, p->size, "this test wants a table of one size");
	for (uint32_t i = 0; i < p->size; i++) {
		if (p->place[i] == gone)
			continue;
		if (id_equal(&p->w[p->place[i]].id, &less->w[less->place[i]].id))
			stayed++;
		else
			moved++;
	}
	return (double)moved / (double)(moved + stayed);
}

Test(maglev, the_loss_of_a_backend_moves_few_places_of_the_others)
{
	for (uint64_t seed = 0; seed < 5; seed++) {
		_cleanup_(freep) struct pool *ten = pool_new(10, one, 1, seed);
		_cleanup_(freep) struct pool *many = pool_new(100, one, 1, seed);
		_cleanup_(freep) struct pool *unequal = pool_new(12, (uint16_t[]){ 3, 4, 2 }, 3, seed);

		cr_assert_lt(moved_by_removal(ten, seed % 10), 0.10);
		cr_assert_lt(moved_by_removal(many, 7 * seed), 0.05);
		/* not one of the largest weight: with it the turns of all would change */
		cr_assert_lt(moved_by_removal(unequal, 3 * seed % 12), 0.15);
	}
}

Test(maglev, a_backends_place_is_its_own_choice_not_its_index)
{
	_cleanup_(freep) struct pool *p = pool_new(20, one, 1, 1);
	uint32_t runs = 0;

	pool_fill(p);
	for (uint32_t i = 1; i < p->size; i++)
		runs += p->place[i] == p->place[i - 1];
	cr_assert_lt(runs, p->size / 10, "neighbours must not go to one backend");
}

Test(maglev, tables_grow_by_primes_up_to_a_limit)
{
	_cleanup_(freep) struct pool *p = pool_new(500, mixed, ARRAY_SIZE(mixed), 3);
	static const uint16_t even[] = { 50 };

	cr_assert_eq(maglev_size(p->w, 1), 61);
	cr_assert_eq(maglev_size(p->w, 2), 509, "weights 1 and 2");
	cr_assert_eq(maglev_size(p->w, 500), MAGLEV_MAX);
	for (size_t i = 0; i < 500; i++)
		p->w[i].weight = even[0];
	cr_assert_eq(maglev_size(p->w, 5), 509, "equal weights count as one each");
	cr_assert_eq(maglev_size(p->w, 200), 32749);
}

Test(maglev, one_backend_has_all_places)
{
	_cleanup_(freep) struct pool *p = pool_new(1, mixed, 1, 3);

	pool_fill(p);
	for (uint32_t i = 0; i < p->size; i++)
		cr_assert_eq(p->place[i], 0);
}

/* ---- turns ---- */

static void expect_turns(const uint16_t *weight, size_t count, const char *want)
{
	_cleanup_(freep) struct pool *p = pool_new(count, weight, count, 1);
	char got[64] = { 0 };

	p->size = turns_size(p->w, count);
	cr_assert_lt(p->size, sizeof(got));
	cr_assert_eq(turns_fill(p->w, count, p->place, p->size), 0);
	for (uint32_t i = 0; i < p->size; i++)
		got[i] = (char)('a' + p->place[i]);
	cr_assert_str_eq(got, want);
}

Test(maglev, turns_are_as_many_as_the_weight_and_evenly_mixed)
{
	expect_turns((uint16_t[]){ 1, 1, 1 }, 3, "abc");
	expect_turns((uint16_t[]){ 40, 40 }, 2, "ab");
	expect_turns((uint16_t[]){ 2, 1 }, 2, "aba");
	expect_turns((uint16_t[]){ 4, 2 }, 2, "aba");
	expect_turns((uint16_t[]){ 1, 5 }, 2, "bbabbb");
	expect_turns((uint16_t[]){ 3, 2, 1 }, 3, "abacba");
	expect_turns((uint16_t[]){ 7 }, 1, "a");
}

Test(maglev, too_many_turns_are_rounded_and_nobody_is_left_out)
{
	_cleanup_(freep) struct weighted *w = calloc(WEIGHTED_MAX, sizeof(*w));
	_cleanup_(freep) uint16_t *place = calloc(TURNS_MAX, sizeof(*place));
	_cleanup_(freep) uint32_t *turns = calloc(WEIGHTED_MAX, sizeof(*turns));
	uint32_t size;

	for (size_t i = 0; i < WEIGHTED_MAX; i++)
		w[i].weight = i % 2 ? 100 : 1;
	size = turns_size(w, WEIGHTED_MAX);
	cr_assert_leq(size, TURNS_MAX);
	cr_assert_eq(turns_fill(w, WEIGHTED_MAX, place, size), 0);
	for (uint32_t i = 0; i < size; i++)
		turns[place[i]]++;
	for (size_t i = 0; i < WEIGHTED_MAX; i++)
		cr_assert(i % 2 ? turns[i] > 10 : turns[i] == 1, "backend %zu has %u", i, turns[i]);
}
