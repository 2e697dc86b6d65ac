// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A hundred seeds of random trouble, each ending in peace: then all that are up
 * must see each other and hold the same records. A failure names its seed.
 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "tests/lib/cluster.h"

#define SEEDS 100
#define STEPS 40

struct chaos {
	struct sim *c;
	struct rng rng;
	size_t n;
};

static size_t any(struct chaos *x)
{
	return rng_below(&x->rng, (uint32_t)x->n);
}

static const char *any_name(struct chaos *x)
{
	static char name[32];

	snprintf(name, sizeof(name), "net-%u", rng_below(&x->rng, 12));
	return name;
}

static void crash_or_restart(struct chaos *x)
{
	size_t i = any(x);

	if (cluster_node(x->c, i)->up)
		cluster_crash(x->c, i);
	else
		cluster_restart(x->c, i, rng_below(&x->rng, 8));
}

static void step(struct chaos *x)
{
	size_t a = any(x), b = any(x);

	switch (rng_below(&x->rng, 10)) {
	case 0:
	case 1:
		cluster_cut(x->c, a, b);
		break;
	case 2:
		cluster_cut_one_way(x->c, a, b);
		break;
	case 3:
		cluster_heal(x->c, a, b);
		break;
	case 4:
		cluster_loss(x->c, rng_below(&x->rng, 60));
		break;
	case 5:
	case 6:
		cluster_write(x->c, a, any_name(x));
		break;
	case 7:
		cluster_delete(x->c, a, any_name(x));
		break;
	case 8:
		crash_or_restart(x);
		break;
	case 9:
		cluster_split(x->c, 1 + rng_below(&x->rng, (uint32_t)x->n - 1));
		break;
	}
	cluster_run(x->c, rng_below(&x->rng, 8000));
}

static void make_peace(struct chaos *x)
{
	cluster_heal_all(x->c);
	cluster_loss(x->c, 0);
	for (size_t i = 0; i < x->n; i++)
		if (!cluster_node(x->c, i)->up)
			cluster_restart(x->c, i, true);
}

static void live_through(uint64_t seed)
{
	struct chaos x = { .n = 3 + seed % 5 };

	rng_init_u64(&x.rng, seed);
	x.c = cluster_new(x.n, seed);
	for (size_t i = 0; i < x.n; i++)
		cluster_skew(x.c, i, (int64_t)rng_below(&x.rng, 1000000000) * 1000);
	for (int i = 0; i < STEPS; i++)
		step(&x);
	make_peace(&x);
	cr_assert(cluster_wait(x.c, cluster_is_settled, 120000), "seed %llu",
		  (unsigned long long)seed);
	cr_assert(cluster_wait(x.c, cluster_is_in_sync, 60000), "seed %llu",
		  (unsigned long long)seed);
	cluster_free(x.c);
}

Test(chaos, a_hundred_seeds_end_in_agreement)
{
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		live_through(seed);
}
