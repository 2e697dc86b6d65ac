/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keys of gossip are replaced in clusters that lose packets, split, crash, and lose nodes for
 * good. Each change of a ring is judged as it is made (tests/lib/ringed.h); here is what happens,
 * and that it ends well.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/lib/ringed.h"

#define ROTATION_MS 600000 /* with turns of nodes that are away */
#define LONG_MS 400000     /* a rotation would be over */

static void expect_well(struct ringed *r, uint64_t seed)
{
	cr_assert_gt(r->judged, 0);
	cr_assert_eq(r->broken[0], '\0', "seed %llu: %s", (unsigned long long)seed, r->broken);
}

static void expect_rotated(struct ringed *r, uint64_t seed)
{
	bool rotated = ringed_wait(r, ringed_is_rotated, ROTATION_MS);

	expect_well(r, seed);
	cr_assert(rotated, "seed %llu: not all came to the newest key alone",
		  (unsigned long long)seed);
}

Test(ring, a_rotation_ends_with_one_fresh_key_everywhere)
{
	struct ringed *r = ringed_new(5, 1, NULL);

	ringed_rotate(r, 3);
	cr_assert(ringed_wait(r, ringed_is_added, 20000));
	cr_assert_eq(r->key_count, 1, "none seals with it yet");
	cr_assert(ringed_wait(r, ringed_is_moved, RING_SETTLE_MS + 20000));
	cr_assert_eq(r->key_count, 2);
	expect_rotated(r, 1);
	cr_assert_arr_eq(ringed_ring(r, 0)->key[0], r->key[1], GOSSIP_KEY_LEN);
	cr_assert_eq(ringed_ring(r, 0)->epoch, 1);
	ringed_free(r);
}

Test(ring, rotations_in_a_row_and_over_each_other_end_with_the_last)
{
	struct ringed *r = ringed_new(4, 2, NULL);

	for (size_t i = 0; i < 6; i++) {
		ringed_rotate(r, i % 4);
		if (i % 2)
			expect_rotated(r, 2);
		else
			ringed_run(r, 30000);
	}
	expect_rotated(r, 2);
	cr_assert_eq(ringed_ring(r, 0)->epoch, 6);
	ringed_free(r);
}

Test(ring, one_node_alone_rotates_too)
{
	struct ringed *r = ringed_new(1, 3, NULL);

	ringed_rotate(r, 0);
	cr_assert(ringed_wait(r, ringed_is_rotated, ROTATION_MS));
	cr_assert_eq(r->key_count, 2);
	ringed_free(r);
}

Test(ring, half_a_day_begins_a_rotation_by_itself)
{
	struct ringed *r = ringed_new(3, 4, NULL);

	ringed_run(r, 60000);
	cr_assert_eq(r->key_count, 1);
	r->passed += RING_EPOCH_MS;
	ringed_run(r, 5000);
	expect_rotated(r, 4);
	cr_assert_eq(ringed_ring(r, 0)->epoch, 1, "one node began it, and once");
	ringed_free(r);
}

Test(ring, under_loss_it_is_slow_and_right)
{
	struct ringed *r = ringed_new(6, 5, NULL);

	cluster_loss(r->c, 40);
	for (size_t i = 0; i < 3; i++) {
		ringed_rotate(r, i);
		ringed_run(r, 60000);
	}
	expect_rotated(r, 5);
	ringed_free(r);
}

/* Each half adds a key of its own; neither goes on. */
Test(ring, a_split_holds_it_up_and_one_of_two_keys_is_taken_after_it)
{
	struct ringed *r = ringed_new(6, 6, NULL);

	cluster_split(r->c, 3);
	ringed_rotate(r, 0);
	ringed_rotate(r, 4);
	ringed_run(r, LONG_MS);
	cr_assert(ringed_is_added(r));
	cr_assert(memcmp(ringed_ring(r, 0)->key[1], ringed_ring(r, 5)->key[1], GOSSIP_KEY_LEN));
	cr_assert_eq(r->key_count, 1);
	cluster_heal_all(r->c);
	ringed_run(r, 60000);
	expect_rotated(r, 6);
	cr_assert_eq(r->key_count, 2);
	ringed_free(r);
}

Test(ring, a_split_in_the_middle_holds_it_up_where_it_is)
{
	struct ringed *r = ringed_new(6, 7, NULL);

	ringed_rotate(r, 0);
	cr_assert(ringed_wait(r, ringed_is_moved, ROTATION_MS));
	cluster_split(r->c, 2);
	ringed_run(r, 1000); /* some confirmations may have come, not all */
	ringed_rotate(r, 1);
	ringed_rotate(r, 5);
	ringed_rotate(r, 5);
	ringed_run(r, LONG_MS);
	expect_well(r, 7);
	cluster_heal_all(r->c);
	ringed_run(r, 60000);
	expect_rotated(r, 7);
	ringed_free(r);
}

Test(ring, a_node_away_for_two_rotations_is_waited_for_and_gets_back_in)
{
	struct ringed *r = ringed_new(4, 8, NULL);

	ringed_kill(r, 3);
	for (size_t i = 0; i < 2; i++) {
		ringed_rotate(r, i);
		ringed_run(r, LONG_MS);
	}
	cr_assert(ringed_is_added(r));
	cr_assert_eq(r->key_count, 1, "it opens what the others seal");
	ringed_start(r, 3);
	expect_rotated(r, 8);
	cr_assert(cluster_is_joined(r->c));
	cr_assert_eq(ringed_ring(r, 3)->epoch, 2);
	ringed_free(r);
}

/* It went when it had confirmed that it opens with the fresh key. */
Test(ring, a_node_that_goes_in_the_middle_gets_back_in)
{
	struct ringed *r = ringed_new(4, 9, NULL);

	ringed_rotate(r, 0);
	cr_assert(ringed_wait(r, ringed_is_added, 20000));
	ringed_run(r, 10000);
	ringed_kill(r, 3);
	for (size_t i = 0; i < 2; i++) {
		ringed_run(r, LONG_MS);
		ringed_rotate(r, i);
	}
	cr_assert(ringed_is_moved(r), "the others seal with the fresh key, and keep the old one");
	cr_assert(ringed_opens(r, 0, 3));
	ringed_start(r, 3);
	ringed_run(r, 60000);
	expect_rotated(r, 9);
	cr_assert_eq(r->key_count, 3);
	cr_assert(cluster_is_joined(r->c));
	ringed_free(r);
}

Test(ring, a_removed_node_is_waited_for_no_more_and_is_shut_out)
{
	struct ringed *r = ringed_new(5, 10, NULL);

	ringed_kill(r, 4);
	ringed_rotate(r, 0);
	ringed_run(r, LONG_MS);
	cr_assert(ringed_is_added(r));
	ringed_remove(r, 1, 4);
	expect_rotated(r, 10);
	cr_assert_not(ringed_opens(r, 0, 4), "it has no key any more");
	cr_assert_not(ringed_opens(r, 4, 0));
	ringed_free(r);
}

/* The removed one is alive and well, and the others do not all hear of it at once. */
Test(ring, a_removal_in_the_middle_and_a_split_lose_nobody_else)
{
	struct ringed *r = ringed_new(6, 11, NULL);

	ringed_rotate(r, 0);
	cr_assert(ringed_wait(r, ringed_is_added, 20000));
	cluster_split(r->c, 3);
	ringed_remove(r, 0, 5);
	ringed_run(r, LONG_MS);
	cluster_heal_all(r->c);
	ringed_run(r, 60000);
	expect_rotated(r, 11);
	ringed_rotate(r, 2);
	expect_rotated(r, 11);
	ringed_free(r);
}

/* ---- two at once ---- */

Test(ring, steps_of_two_nodes_at_once_end_as_one)
{
	struct ringed *r = ringed_new(4, 12, NULL);

	ringed_rotate(r, 0);
	cr_assert(cluster_wait(r->c, cluster_is_equal, 20000));
	ringed_step(r, 1);
	ringed_step(r, 2);
	cr_assert(memcmp(ringed_ring(r, 1)->key[1], ringed_ring(r, 2)->key[1], GOSSIP_KEY_LEN));
	cr_assert(ringed_wait(r, ringed_is_added, 60000));
	ringed_run(r, 30000);
	ringed_step(r, 3);
	ringed_step(r, 0);
	cr_assert_eq(ringed_ring(r, 3)->phase, RING_MOVED);
	cr_assert_eq(ringed_ring(r, 0)->phase, RING_MOVED);
	cr_assert(ringed_wait(r, ringed_is_moved, 60000));
	ringed_run(r, 30000);
	ringed_step(r, 1);
	ringed_step(r, 2);
	cr_assert_eq(ringed_ring(r, 1)->phase, RING_STEADY);
	expect_rotated(r, 12);
	cr_assert_eq(r->key_count, 2);
	ringed_free(r);
}

/* One does a step, another that has not heard of it does it later, by a clock of the past. */
Test(ring, a_step_made_twice_by_clocks_that_differ_is_one)
{
	struct ringed *r = ringed_new(5, 13, NULL);

	cluster_skew(r->c, 1, -600000);
	cluster_skew(r->c, 2, 600000);
	for (size_t i = 0; i < 3; i++) {
		ringed_rotate(r, i);
		ringed_run(r, 2000);
		cluster_split(r->c, 2);
		ringed_run(r, 200000);
		cluster_heal_all(r->c);
		expect_rotated(r, 13);
	}
	ringed_free(r);
}

/* ---- newcomers ---- */

static void join(struct ringed *r, size_t through)
{
	ringed_start(r, ringed_admit(r, through));
}

/* It was let in before a rotation, and says its first word when all seal with a key that it never had. */
Test(ring, a_late_newcomer_with_the_old_key_is_heard_and_learns_the_fresh_one)
{
	struct ringed *r = ringed_new(4, 14, NULL);
	size_t late = ringed_admit(r, 2);

	ringed_rotate(r, 0);
	cr_assert(ringed_wait(r, ringed_is_moved, ROTATION_MS));
	r->packets_excused = true; /* datagrams to it: it asks by calls */
	ringed_start(r, late);
	cr_assert(ringed_opens(r, late, 0));
	cr_assert_not(ringed_opens(r, 0, late));
	expect_rotated(r, 14);
	cr_assert(ringed_opens(r, 0, late));
	cr_assert(cluster_wait(r->c, cluster_is_joined, 60000));
	ringed_free(r);
}

Test(ring, newcomers_in_every_phase_are_waited_for)
{
	struct ringed *r = ringed_new(3, 15, NULL);

	ringed_rotate(r, 0);
	join(r, 1); /* which may not have heard of it */
	cr_assert(ringed_wait(r, ringed_is_added, 20000));
	join(r, 2);
	cr_assert(ringed_wait(r, ringed_is_moved, ROTATION_MS));
	join(r, 0);
	expect_rotated(r, 15);
	join(r, 1);
	ringed_run(r, 20000);
	expect_rotated(r, 15);
	cr_assert(cluster_is_joined(r->c));
	cr_assert_eq(r->key_count, 2);
	ringed_free(r);
}

/* ---- crashes ---- */

static bool is_down(struct ringed *r)
{
	for (size_t i = 0; i < r->count; i++)
		if (!ringed_is_up(r, i))
			return true;
	return false;
}

/* The one with the lowest id makes the steps. */
static size_t first_of(struct ringed *r)
{
	size_t first = 0;

	for (size_t i = 1; i < r->count; i++)
		if (id_cmp(&cluster_node(r->c, i)->id, &cluster_node(r->c, first)->id) < 0)
			first = i;
	return first;
}

static void crash_in_each_phase(enum ringed_point at, bool of_the_first, uint64_t seed)
{
	struct ringed *r = ringed_new(4, seed, NULL);
	size_t victim = (first_of(r) + (of_the_first ? 0 : 1)) % 4;

	ringed_rotate(r, (victim + 2) % 4);
	for (int phase = 0; phase < 3; phase++) {
		r->node[victim].kill_at = at;
		cr_assert(ringed_wait(r, is_down, ROTATION_MS), "seed %llu, crash %d",
			  (unsigned long long)seed, phase);
		ringed_run(r, phase % 2 ? 1000 : LONG_MS);
		ringed_start(r, victim);
	}
	expect_rotated(r, seed);
	ringed_free(r);
}

Test(ring, a_crash_before_or_after_a_confirmation_loses_nothing)
{
	crash_in_each_phase(RINGED_BEFORE_CONFIRM, true, 16);
	crash_in_each_phase(RINGED_BEFORE_CONFIRM, false, 17);
	crash_in_each_phase(RINGED_AFTER_CONFIRM, true, 18);
	crash_in_each_phase(RINGED_AFTER_CONFIRM, false, 19);
}

/* It wrote the step and told nobody; when it is long away another makes it again. */
Test(ring, a_crash_right_after_a_step_loses_nothing)
{
	crash_in_each_phase(RINGED_AFTER_STEP, true, 20);
}

/* ---- chaos ---- */

/* As a LAN's but quieter: hours go by. */
static const struct gossip_timing QUIET = {
	.probe_interval = 4000, .probe_timeout = 1500, .indirect_probes = 3, .suspicion_mult = 4,
	.gossip_interval = 800, .gossip_fanout = 3, .retransmit_mult = 4, .sync_interval = 15000,
	.reconnect_interval = 10000, .call_timeout = 5000,
};

struct chaos {
	struct ringed *r;
	struct rng rng;
	size_t n;
};

static size_t any(struct chaos *x)
{
	return rng_below(&x->rng, (uint32_t)x->r->count);
}

static size_t any_up(struct chaos *x)
{
	size_t i = any(x);

	for (size_t tries = 0; tries < 50 && (!ringed_is_up(x->r, i) || x->r->node[i].removed); tries++)
		i = any(x);
	return i;
}

static void kill_somewhere(struct chaos *x, size_t i)
{
	if (!ringed_is_up(x->r, i))
		ringed_start(x->r, i);
	else if (rng_below(&x->rng, 3))
		x->r->node[i].kill_at = (enum ringed_point)(1 + rng_below(&x->rng, 3));
	else
		ringed_kill(x->r, i);
}

/* Three at least are left. */
static void remove_somewhere(struct chaos *x, size_t i)
{
	size_t left = 0, by = any_up(x);

	for (size_t at = 0; at < x->r->count; at++)
		left += !x->r->node[at].removed;
	if (left > 3 && by != i && !x->r->node[by].removed && ringed_is_up(x->r, by))
		ringed_remove(x->r, by, i);
}

/* A newcomer that is cut off before it says a word is nobody's to wait for. */
static void join_in_calm(struct chaos *x, size_t through)
{
	if (x->r->count == RINGED_MAX || !ringed_is_up(x->r, through) || x->r->node[through].removed)
		return;
	cluster_heal_all(x->r->c);
	cluster_loss(x->r->c, 0);
	ringed_run(x->r, 30000);
	if (ringed_is_up(x->r, through))
		join(x->r, through);
	ringed_run(x->r, 30000);
}

static void step(struct chaos *x)
{
	size_t a = any(x), b = any(x), up = any_up(x);

	switch (rng_below(&x->rng, 15)) {
	case 0:
	case 1:
	case 2:
		if (ringed_is_up(x->r, up) && !x->r->node[up].removed)
			ringed_rotate(x->r, up);
		break;
	case 3:
		cluster_cut(x->r->c, a, b);
		break;
	case 4:
		cluster_cut_one_way(x->r->c, a, b);
		break;
	case 5:
		cluster_heal_all(x->r->c);
		break;
	case 6:
		cluster_loss(x->r->c, rng_below(&x->rng, 50));
		break;
	case 7:
	case 8:
		kill_somewhere(x, a);
		break;
	case 9:
		cluster_skew(x->r->c, a, (int64_t)rng_below(&x->rng, 600000) - 300000);
		break;
	case 10:
		cluster_split(x->r->c, 1 + rng_below(&x->rng, (uint32_t)x->r->count - 1));
		break;
	case 11: /* out of turn, and before all has settled */
	case 12:
		if (ringed_is_up(x->r, up) && !x->r->node[up].removed)
			ringed_step(x->r, up);
		break;
	case 13:
		if (!rng_below(&x->rng, 4))
			remove_somewhere(x, a);
		break;
	case 14:
		if (!rng_below(&x->rng, 3))
			join_in_calm(x, up);
		break;
	}
	ringed_run(x->r, rng_below(&x->rng, rng_below(&x->rng, 2) ? 150000 : 2000));
}

static void make_peace(struct chaos *x)
{
	cluster_heal_all(x->r->c);
	cluster_loss(x->r->c, 0);
	for (size_t i = 0; i < x->r->count; i++) {
		x->r->node[i].kill_at = RINGED_NOWHERE;
		if (!x->r->node[i].removed && !ringed_is_up(x->r, i))
			ringed_start(x->r, i);
	}
}

static void live_through(uint64_t seed, int steps)
{
	struct chaos x = { .n = 3 + seed % 5 };

	rng_init_u64(&x.rng, seed);
	x.r = ringed_new(x.n, seed, &QUIET);
	for (int i = 0; i < steps; i++)
		step(&x);
	make_peace(&x);
	ringed_run(x.r, 120000);
	expect_rotated(x.r, seed);
	ringed_rotate(x.r, any_up(&x));
	expect_rotated(x.r, seed);
	ringed_free(x.r);
}

Test(ring, through_all_trouble_what_one_seals_the_others_open)
{
	for (uint64_t seed = 1; seed <= 60; seed++)
		live_through(seed, 40);
}
