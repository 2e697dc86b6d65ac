/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keys of encrypted networks in clusters that lose packets, split, restart and reboot. Each
 * change of each kernel is judged as it is made (tests/lib/keyed.h); here is what happens, and
 * that it ends well.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/lib/forger.h"
#include "tests/lib/keyed.h"

#define SETTLE_MS 60000
#define PEACE_MS 300000

static void expect_well(struct keyed *k, uint64_t seed)
{
	cr_assert_null(k->broken, "seed %llu, at %llu ms: %s", (unsigned long long)seed,
		       (unsigned long long)k->broken_at, k->broken);
}

static void expect_settled(struct keyed *k, uint64_t seed)
{
	bool settled = keyed_wait(k, keyed_is_rotated, PEACE_MS);

	expect_well(k, seed);
	cr_assert(settled, "seed %llu: not all came to the newest session",
		  (unsigned long long)seed);
}

Test(keys, all_pairs_come_to_send_and_receive)
{
	struct keyed *k = keyed_new(5, 1);

	cr_assert(keyed_wait(k, keyed_is_settled, SETTLE_MS));
	expect_well(k, 1);
	cr_assert_eq(k->node[0].xfrm.sa_count, 4 * 2 * OV_SA_LANES, "no more than there must be");
	cr_assert_eq(k->key_count, 5 * 4 * OV_SA_LANES);
	keyed_free(k);
}

Test(keys, a_hundred_rotations_in_a_row_leave_nothing_behind)
{
	struct keyed *k = keyed_new(4, 2);

	for (size_t i = 0; i < 100; i++) {
		keyed_rotate(k, i % 4);
		if (i % 3)
			cr_assert(keyed_wait(k, keyed_is_rotated, SETTLE_MS), "rotation %zu", i);
		else
			keyed_run(k, 40 * (i % 7)); /* the next one comes before it is done */
		expect_well(k, 2);
	}
	expect_settled(k, 2);
	cr_assert_eq(k->node[0].xfrm.sa_count, 3 * 2 * OV_SA_LANES);
	cr_assert_geq(k->key_count, 67 * 12 * OV_SA_LANES, "all of them were keys of their own");
	keyed_free(k);
}

Test(keys, a_rotation_under_loss_is_slow_and_right)
{
	struct keyed *k = keyed_new(6, 3);

	cr_assert(keyed_wait(k, keyed_is_settled, SETTLE_MS));
	cluster_loss(k->c, 40);
	for (size_t i = 0; i < 10; i++) {
		keyed_rotate(k, i % 6);
		keyed_run(k, 3000);
	}
	expect_settled(k, 3);
	keyed_free(k);
}

Test(keys, a_daemon_that_starts_again_moves_all_its_pairs_on)
{
	struct keyed *k = keyed_new(4, 4);
	struct node_key before;
	const struct node_key *after;

	cr_assert(keyed_wait(k, keyed_is_settled, SETTLE_MS));
	before = *view_key_of(store_view(cluster_node(k->c, 0)->store), &cluster_node(k->c, 2)->id);
	keyed_kill(k, 2);
	keyed_run(k, 20000);
	expect_well(k, 4);
	keyed_start(k, 2);
	keyed_run(k, 5000);
	expect_settled(k, 4);
	after = view_key_of(store_view(cluster_node(k->c, 0)->store), &cluster_node(k->c, 2)->id);
	cr_assert_neq(memcmp(after->public_key, before.public_key, PUBLIC_KEY_LEN), 0);
	keyed_free(k);
}

Test(keys, a_node_that_rebooted_gets_everything_anew)
{
	struct keyed *k = keyed_new(4, 5);

	cr_assert(keyed_wait(k, keyed_is_settled, SETTLE_MS));
	keyed_reboot(k, 1);
	keyed_run(k, 5000);
	expect_settled(k, 5);
	keyed_free(k);
}

Test(keys, a_node_away_for_two_rotations_is_sent_to_all_the_time_and_gets_back_in)
{
	struct keyed *k = keyed_new(4, 6);
	const struct ov_addr *away = &k->node[3].xfrm.vtep;

	cr_assert(keyed_wait(k, keyed_is_settled, SETTLE_MS));
	keyed_kill(k, 3);
	for (size_t i = 0; i < 2; i++) {
		keyed_rotate(k, i);
		keyed_run(k, 60000);
	}
	expect_well(k, 6);
	for (size_t i = 0; i < 3; i++) {
		bool sends = false;

		for (size_t at = 0; at < k->node[i].xfrm.policy_count; at++)
			sends |= !addr_cmp(&k->node[i].xfrm.policy[at].dst, away);
		cr_assert(sends, "its kernel works on; node %zu has stopped sending", i);
	}
	keyed_start(k, 3);
	expect_settled(k, 6);
	keyed_free(k);
}

Test(keys, a_long_split_with_many_rotations_gathers_nothing_and_heals)
{
	struct keyed *k = keyed_new(6, 7);

	cr_assert(keyed_wait(k, keyed_is_settled, SETTLE_MS));
	cluster_split(k->c, 3);
	for (size_t i = 0; i < 20; i++) {
		keyed_rotate(k, i % 3);
		keyed_rotate(k, 3 + i % 3);
		keyed_run(k, 20000);
	}
	expect_well(k, 7);
	cr_assert_eq(k->most_in, IPSEC_SESSIONS_MAX, "both halves wait for each other");
	cluster_heal_all(k->c);
	expect_settled(k, 7);
	keyed_free(k);
}

Test(keys, two_epochs_begun_at_once_end_as_one)
{
	struct keyed *k = keyed_new(4, 8);

	cr_assert(keyed_wait(k, keyed_is_settled, SETTLE_MS));
	cluster_skew(k->c, 0, -300000);
	cluster_split(k->c, 2);
	keyed_rotate(k, 0);
	keyed_rotate(k, 0);
	keyed_rotate(k, 3);
	keyed_run(k, 30000);
	cluster_heal_all(k->c);
	keyed_run(k, 30000);
	cr_assert(cluster_wait(k->c, cluster_is_equal, SETTLE_MS));
	cr_assert(keyed_wait(k, keyed_is_settled, PEACE_MS));
	expect_well(k, 8);
	keyed_free(k);
}

Test(keys, without_encrypted_networks_nothing_is_there)
{
	struct keyed *k = keyed_new(3, 9);

	cr_assert(keyed_wait(k, keyed_is_settled, SETTLE_MS));
	keyed_set_encrypted(k, 1, false);
	cr_assert(keyed_wait(k, keyed_is_bare, SETTLE_MS));
	keyed_run(k, 5000);
	cr_assert(keyed_is_bare(k));
	keyed_set_encrypted(k, 2, true);
	cr_assert(keyed_wait(k, keyed_is_settled, PEACE_MS), "and it comes back with other keys");
	keyed_free(k);
}

Test(keys, a_new_join_token_makes_new_sessions_everywhere)
{
	struct keyed *k = keyed_new(4, 14);
	size_t keys;

	cr_assert(keyed_wait(k, keyed_is_settled, SETTLE_MS));
	keys = k->key_count;
	keyed_new_token(k, 2);
	keyed_run(k, 2000);
	expect_settled(k, 14);
	cr_assert_eq(k->key_count, keys + 4 * 3 * OV_SA_LANES);
	keyed_free(k);
}

Test(keys, a_removed_node_loses_its_sas_on_all_others)
{
	struct keyed *k = keyed_new(4, 15);
	struct id gone = cluster_node(k->c, 3)->id;

	cr_assert(keyed_wait(k, keyed_is_settled, SETTLE_MS));
	keyed_kill(k, 3);
	cluster_remove(k->c, 0, &gone);
	keyed_run(k, 10000);
	for (size_t i = 0; i < 3; i++) {
		cr_assert_eq(k->node[i].xfrm.sa_count, 2 * 2 * OV_SA_LANES, "node %zu", i);
		cr_assert_eq(k->node[i].xfrm.policy_count, 2 * OV_SA_LANES, "node %zu", i);
		cr_assert_null(view_key_of(store_view(cluster_node(k->c, i)->store), &gone));
	}
	keyed_free(k);
}

Test(keys, sas_that_were_flushed_come_back_with_other_keys)
{
	struct keyed *k = keyed_new(3, 10);
	size_t keys;

	cr_assert(keyed_wait(k, keyed_is_settled, SETTLE_MS));
	keyed_run(k, 20000);
	keys = k->key_count;
	keyed_flush(k, 1);
	keyed_run(k, 3000);
	expect_settled(k, 10);
	cr_assert_gt(k->key_count, keys);
	keyed_free(k);
}

Test(keys, sas_flushed_right_after_a_rotation_are_never_made_again)
{
	struct keyed *k = keyed_new(3, 12);

	cr_assert(keyed_wait(k, keyed_is_settled, SETTLE_MS));
	keyed_rotate(k, 0);
	cr_assert(keyed_wait(k, keyed_is_rotated, SETTLE_MS));
	keyed_rotate(k, 0);
	keyed_run(k, 2000);
	keyed_flush(k, 1);
	keyed_run(k, 2000);
	cr_assert_eq(k->node[1].xfrm.sa_count, 0, "too early for another key");
	expect_settled(k, 12);
	keyed_free(k);
}

Test(keys, changes_that_fail_one_by_one_end_well)
{
	struct keyed *k = keyed_new(4, 13);

	for (size_t i = 0; i < 4; i++)
		k->node[i].xfrm.fail_percent = 20;
	for (size_t i = 0; i < 30; i++) {
		keyed_rotate(k, i % 4);
		keyed_run(k, 15000);
		expect_well(k, 13);
	}
	for (size_t i = 0; i < 4; i++)
		k->node[i].xfrm.fail_percent = 0;
	expect_settled(k, 13);
	keyed_free(k);
}

Test(keys, a_kernel_that_refuses_sas_costs_a_key_now_and_then_only)
{
	struct keyed *k = keyed_new(3, 11);
	uint64_t versions;

	k->node[2].xfrm.fail_percent = 100;
	keyed_run(k, 20000);
	versions = store_serial(cluster_node(k->c, 0)->store);
	keyed_run(k, 100000);
	cr_assert_leq(store_serial(cluster_node(k->c, 0)->store), versions + 10 * 12);
	k->node[2].xfrm.fail_percent = 0;
	expect_settled(k, 11);
	keyed_free(k);
}

/* ---- forgery ---- */

/* Node 3 is captured, and says for some seconds that its key were node 1's. */
static void forge_for_a_while(struct forger *x, enum forged_signature how)
{
	for (size_t i = 0; i < 50; i++) {
		forger_write_key(x, how);
		forger_write_pairs(x, 0);
		forger_write_pairs(x, 2);
		keyed_run(x->k, 100);
		for (size_t of = 0; of < 3; of += 2)
			cr_assert_eq(forger_opens(x, of), 0, "signature %d: node %zu has SAs with "
				     "keys of the forger's", how, of);
	}
}

static void expect_named(struct keyed *k, size_t at, size_t forged)
{
	const struct id *named;

	cr_assert_eq(store_forged(cluster_node(k->c, at)->store, &named), 1, "at node %zu", at);
	cr_assert(id_equal(&named[0], &cluster_node(k->c, forged)->id), "at node %zu", at);
}

Test(keys, a_captured_node_that_writes_anothers_key_opens_nothing)
{
	struct keyed *k = keyed_new(4, 16);
	struct forger x;

	cr_assert(keyed_wait(k, keyed_is_settled, SETTLE_MS));
	forger_init(&x, k, 3, 1);
	for (enum forged_signature how = FORGED_NONE; how < FORGED_COUNT; how++) {
		forge_for_a_while(&x, how);
		keyed_rotate(k, 0);
		forge_for_a_while(&x, how);
		expect_well(k, 16);
	}
	expect_settled(k, 16);
	for (size_t i = 0; i < 3; i++)
		expect_named(k, i, 1);
	forger_fini(&x);
	keyed_free(k);
}

/* What node `at` takes node `of`'s key to be is what that says itself. */
static bool same_key(struct keyed *k, size_t at, size_t of)
{
	const struct sim_node *x = cluster_node(k->c, at), *y = cluster_node(k->c, of);
	const struct node_key *heard = view_key_of(store_view(x->store), &y->id);
	const struct node_key *said = view_key_of(store_view(y->store), &y->id);

	return heard && said && !memcmp(heard, said, sizeof(*said));
}

/* A version that its node signed once is no newer because somebody shows it again. */
Test(keys, a_former_key_that_is_played_back_changes_nothing)
{
	struct keyed *k = keyed_new(4, 17);
	struct forger x;

	cr_assert(keyed_wait(k, keyed_is_settled, SETTLE_MS));
	forger_init(&x, k, 3, 1);
	forger_play_back(&x, false);
	keyed_rotate(k, 0);
	expect_settled(k, 17);
	for (size_t i = 0; i < 40; i++) {
		forger_play_back(&x, i % 2);
		keyed_run(k, 200);
		cr_assert(same_key(k, 0, 1) && same_key(k, 2, 1), "playback %zu was taken", i);
	}
	expect_settled(k, 17);
	forger_fini(&x);
	keyed_free(k);
}

/* ---- chaos ---- */

struct chaos {
	struct keyed *k;
	struct rng rng;
	size_t n;
};

static size_t any(struct chaos *x)
{
	return rng_below(&x->rng, (uint32_t)x->n);
}

static void kill_somewhere(struct chaos *x, size_t i)
{
	if (!keyed_is_up(x->k, i))
		keyed_start(x->k, i);
	else if (rng_below(&x->rng, 3))
		x->k->node[i].budget = (int)rng_below(&x->rng, 40); /* between two of its next changes */
	else
		keyed_kill(x->k, i);
}

static void step(struct chaos *x)
{
	size_t a = any(x), b = any(x);

	switch (rng_below(&x->rng, 13)) {
	case 0:
	case 1:
	case 2:
		keyed_rotate(x->k, a);
		break;
	case 3:
		cluster_cut(x->k->c, a, b);
		break;
	case 4:
		cluster_cut_one_way(x->k->c, a, b);
		break;
	case 5:
		cluster_heal(x->k->c, a, b);
		break;
	case 6:
		cluster_loss(x->k->c, rng_below(&x->rng, 50));
		break;
	case 7:
	case 8:
		kill_somewhere(x, a);
		break;
	case 9:
		keyed_reboot(x->k, a);
		break;
	case 10:
		cluster_skew(x->k->c, a, (int64_t)rng_below(&x->rng, 600000) - 300000);
		break;
	case 11:
		x->k->node[a].xfrm.fail_percent = rng_below(&x->rng, 2) ? rng_below(&x->rng, 40) : 0;
		break;
	case 12:
		cluster_split(x->k->c, 1 + rng_below(&x->rng, (uint32_t)x->n - 1));
		break;
	}
	keyed_run(x->k, rng_below(&x->rng, rng_below(&x->rng, 2) ? 30000 : 1000));
}

static void make_peace(struct chaos *x)
{
	cluster_heal_all(x->k->c);
	cluster_loss(x->k->c, 0);
	for (size_t i = 0; i < x->n; i++) {
		x->k->node[i].budget = -1;
		x->k->node[i].xfrm.fail_percent = 0;
		if (!keyed_is_up(x->k, i))
			keyed_start(x->k, i);
	}
}

static void live_through(uint64_t seed, int steps)
{
	struct chaos x = { .n = 3 + seed % 6 };

	rng_init_u64(&x.rng, seed);
	x.k = keyed_new(x.n, seed);
	for (int i = 0; i < steps; i++)
		step(&x);
	make_peace(&x);
	keyed_run(x.k, 20000);
	cr_assert(cluster_wait(x.k->c, cluster_is_settled, PEACE_MS));
	expect_settled(x.k, seed);
	keyed_free(x.k);
}

Test(keys, through_all_trouble_what_one_sends_with_the_other_has)
{
	for (uint64_t seed = 1; seed <= 60; seed++)
		live_through(seed, 40);
}
