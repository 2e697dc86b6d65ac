// SPDX-License-Identifier: GPL-2.0-or-later
/* Who is seen by whom, over bad links and through failures. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "tests/lib/cluster.h"

#define UNKNOWN ((enum member_status)(MEMBER_LEFT + 1)) /* not known at all */

static struct sim *joined(size_t n, uint64_t seed)
{
	struct sim *c = cluster_new(n, seed);

	cr_assert(cluster_wait(c, cluster_is_settled, 30000), "%zu nodes did not join", n);
	return c;
}

Test(membership, two_nodes_find_each_other_by_a_seed)
{
	struct sim *c = cluster_new(2, 1);

	cr_assert(cluster_wait(c, cluster_is_settled, 3000));
	cluster_free(c);
}

static void joins_under_loss(size_t n, unsigned int percent, uint64_t within)
{
	struct sim *c = cluster_new(n, 1000 * n + percent);

	cluster_loss(c, percent);
	cr_assert(cluster_wait(c, cluster_is_settled, within), "%zu nodes, %u %% loss", n, percent);
	cluster_free(c);
}

Test(membership, three_nodes_join_whatever_the_loss)
{
	joins_under_loss(3, 0, 3000);
	joins_under_loss(3, 10, 20000);
	joins_under_loss(3, 30, 60000);
}

Test(membership, ten_nodes_join_whatever_the_loss)
{
	joins_under_loss(10, 0, 5000);
	joins_under_loss(10, 10, 30000);
	joins_under_loss(10, 30, 90000);
}

Test(membership, fifty_nodes_join_without_loss)
{
	joins_under_loss(50, 0, 10000);
}

Test(membership, fifty_nodes_join_at_ten_percent_loss)
{
	joins_under_loss(50, 10, 60000);
}

Test(membership, fifty_nodes_join_at_thirty_percent_loss)
{
	joins_under_loss(50, 30, 120000);
}

static bool third_is_dead(struct sim *c)
{
	return cluster_status(c, 0, 2) == MEMBER_DEAD && cluster_status(c, 1, 2) == MEMBER_DEAD;
}

/* Three nodes: probed within 2 s, suspect 1 s later, buried 4 s after that; 1 s to tell. */
Test(membership, a_crashed_node_is_dead_within_eight_seconds)
{
	struct sim *c = joined(3, 7);

	cluster_crash(c, 2);
	cr_assert(cluster_wait(c, third_is_dead, 8000));
	cr_assert(cluster_wait(c, cluster_is_joined, 1));
	cluster_free(c);
}

static bool last_is_dead_to_all(struct sim *c)
{
	size_t last = cluster_size(c) - 1;

	for (size_t i = 0; i < last; i++)
		if (cluster_status(c, i, last) != MEMBER_DEAD)
			return false;
	return true;
}

Test(membership, a_crashed_node_of_fifty_is_dead_within_thirty_seconds_at_loss)
{
	struct sim *c = joined(50, 8);

	cluster_loss(c, 10);
	cluster_crash(c, 49);
	cr_assert(cluster_wait(c, last_is_dead_to_all, 30000));
	cluster_free(c);
}

static size_t dead_pairs(struct sim *c)
{
	size_t dead = 0;

	for (size_t i = 0; i < cluster_size(c); i++)
		for (size_t j = 0; j < cluster_size(c); j++)
			dead += i != j && cluster_status(c, i, j) == MEMBER_DEAD;
	return dead;
}

Test(membership, nobody_living_is_buried_at_ten_percent_loss)
{
	struct sim *c = joined(10, 9);
	size_t dead = 0;

	cluster_loss(c, 10);
	for (int second = 0; second < 600; second++) {
		cluster_run(c, 1000);
		dead += dead_pairs(c);
	}
	cr_assert_eq(dead, 0, "%zu times", dead);
	cluster_free(c);
}

Test(membership, thirty_percent_loss_ends_in_full_recovery)
{
	struct sim *c = joined(10, 10);

	cluster_loss(c, 30);
	cluster_run(c, 120000);
	cluster_loss(c, 0);
	cr_assert(cluster_wait(c, cluster_is_joined, 30000));
	cluster_free(c);
}

static bool second_is_suspect(struct sim *c)
{
	return cluster_status(c, 0, 1) == MEMBER_SUSPECT;
}

/* It is cut off until somebody suspects it, and must clear itself before it is buried. */
Test(membership, a_suspect_refutes_and_its_incarnation_grows)
{
	struct sim *c = joined(3, 11);
	uint64_t before = gossip_member(cluster_node(c, 0)->gossip, &cluster_node(c, 1)->id)
				  ->incarnation;

	cluster_cut(c, 1, 0);
	cluster_cut(c, 1, 2);
	cr_assert(cluster_wait(c, second_is_suspect, 10000));
	cluster_heal_all(c);
	cr_assert(cluster_wait(c, cluster_is_joined, 4000));
	cr_assert_gt(gossip_member(cluster_node(c, 0)->gossip, &cluster_node(c, 1)->id)
			     ->incarnation, before);
	cr_assert_gt(gossip_counters(cluster_node(c, 1)->gossip)->refutations, 0);
	cluster_free(c);
}

Test(membership, one_deaf_link_is_no_death)
{
	struct sim *c = joined(5, 12);

	cluster_cut(c, 0, 1);
	for (int second = 0; second < 120; second++) {
		cluster_run(c, 1000);
		cr_assert_neq(cluster_status(c, 0, 1), MEMBER_DEAD);
		cr_assert_neq(cluster_status(c, 1, 0), MEMBER_DEAD);
	}
	/* The others carried every probe, so there was not even a suspicion. */
	cr_assert_eq(gossip_counters(cluster_node(c, 0)->gossip)->probes_failed, 0);
	cluster_free(c);
}

Test(membership, a_one_way_link_is_no_death)
{
	struct sim *c = joined(5, 13);

	cluster_cut_one_way(c, 0, 1);
	cluster_cut_one_way(c, 3, 2);
	for (int second = 0; second < 120; second++) {
		cluster_run(c, 1000);
		cr_assert_eq(dead_pairs(c), 0);
	}
	cluster_free(c);
}

/* Datagrams filtered, streams not: the probe by call keeps such a pair together. */
Test(membership, two_nodes_without_udp_live_on_by_tcp)
{
	struct sim *c = joined(2, 14);

	cluster_loss(c, 100);
	for (int second = 0; second < 60; second++) {
		cluster_run(c, 1000);
		cr_assert_eq(dead_pairs(c), 0);
	}
	cluster_free(c);
}

Test(membership, a_mute_node_is_buried_and_comes_back)
{
	struct sim *c = joined(4, 15);

	for (size_t i = 0; i < 3; i++)
		cluster_cut_one_way(c, 3, i);
	cr_assert(cluster_wait(c, last_is_dead_to_all, 30000));
	cluster_heal_all(c);
	cr_assert(cluster_wait(c, cluster_is_joined, 20000));
	cluster_free(c);
}

static bool halves_are_apart(struct sim *c)
{
	size_t n = cluster_size(c);

	return dead_pairs(c) == 2 * (n / 2) * (n - n / 2);
}

Test(membership, halves_bury_each_other_and_find_together_again)
{
	struct sim *c = joined(10, 16);

	cluster_split(c, 5);
	cr_assert(cluster_wait(c, halves_are_apart, 120000));
	cluster_heal_all(c);
	cr_assert(cluster_wait(c, cluster_is_joined, 30000));
	cluster_free(c);
}

static void forget_seeds(struct sim *c)
{
	for (size_t i = 0; i < cluster_size(c); i++) {
		cluster_node(c, i)->seedless = true;
		cluster_restart(c, i, true);
	}
	cr_assert(cluster_wait(c, cluster_is_settled, 30000));
}

Test(membership, halves_without_seeds_try_the_dead)
{
	struct sim *c = joined(6, 27);

	forget_seeds(c);
	cluster_split(c, 3);
	cr_assert(cluster_wait(c, halves_are_apart, 120000));
	cluster_run(c, 60000); /* news of the deaths are no longer told, to the dead neither */
	cluster_heal_all(c);
	cr_assert(cluster_wait(c, cluster_is_joined, 60000));
	cluster_free(c);
}

Test(membership, records_of_a_split_are_compared_as_soon_as_it_is_over)
{
	struct gossip_timing timing = GOSSIP_LAN;
	struct sim *c;

	timing.sync_interval = 100000000;
	c = cluster_new_timed(4, 28, &timing);
	cr_assert(cluster_wait(c, cluster_is_settled, 30000));
	cr_assert(cluster_wait(c, cluster_is_in_sync, 30000));
	cluster_split(c, 2);
	cluster_write(c, 0, "one-side");
	cluster_write(c, 3, "other-side");
	cr_assert(cluster_wait(c, halves_are_apart, 120000));
	cluster_heal_all(c);
	cr_assert(cluster_wait(c, cluster_is_settled, 60000));
	cluster_free(c);
}

Test(membership, a_restarted_node_goes_on_where_it_was)
{
	struct sim *c = joined(3, 17);
	struct id id = cluster_node(c, 1)->id;

	cluster_restart(c, 1, true);
	cr_assert(cluster_wait(c, cluster_is_joined, 5000));
	cr_assert(id_equal(&id, &cluster_node(c, 1)->id));
	cluster_crash(c, 1);
	cluster_run(c, 30000);
	cr_assert_eq(cluster_status(c, 0, 1), MEMBER_DEAD);
	cluster_restart(c, 1, true);
	cr_assert(cluster_wait(c, cluster_is_joined, 10000));
	cluster_free(c);
}

Test(membership, a_node_that_lost_its_state_is_a_new_member_and_the_old_one_dies)
{
	struct sim *c = joined(3, 18);
	struct id old = cluster_node(c, 1)->id;

	cluster_restart(c, 1, false);
	cr_assert(!id_equal(&old, &cluster_node(c, 1)->id));
	cr_assert(cluster_wait(c, cluster_is_settled, 30000));
	cr_assert_eq(gossip_member(cluster_node(c, 0)->gossip, &old)->status, MEMBER_DEAD);
	cluster_free(c);
}

Test(membership, who_leaves_is_left_and_not_dead)
{
	struct sim *c = joined(5, 19);

	cluster_leave(c, 2);
	cluster_run(c, 3000);
	for (size_t i = 0; i < 5; i++)
		if (i != 2)
			cr_assert_eq(cluster_status(c, i, 2), MEMBER_LEFT);
	cluster_restart(c, 2, true);
	cr_assert(cluster_wait(c, cluster_is_joined, 10000));
	cluster_free(c);
}

/* As `cluster leave` does: what it gives up must arrive before nobody listens any more. */
Test(membership, who_leaves_for_good_is_heard_to_its_last_word)
{
	struct sim *c = joined(4, 29);

	cluster_latency(c, 1, 1); /* datagrams keep their order, as they mostly do */
	cluster_write(c, 2, "given-up");
	cluster_run(c, 3000);
	cluster_delete(c, 2, "given-up");
	for (int i = 0; i < 40; i++) {
		char name[16];

		snprintf(name, sizeof(name), "other-%d", i);
		cluster_write(c, 2, name);
	}
	cluster_remove(c, 2, &cluster_node(c, 2)->id);
	cluster_leave(c, 2);
	cluster_run(c, 3000);
	for (size_t i = 0; i < 4; i++) {
		if (i == 2)
			continue;
		cr_assert_eq(cluster_status(c, i, 2), UNKNOWN, "node %zu", i);
		cr_assert(!cluster_has(c, i, "given-up"), "node %zu", i);
	}
	cluster_free(c);
}

static bool third_is_gone(struct sim *c)
{
	return cluster_status(c, 0, 2) == UNKNOWN && cluster_status(c, 1, 2) == UNKNOWN;
}

Test(membership, a_removed_node_is_forgotten_refused_and_told)
{
	struct sim *c = joined(3, 20);
	struct record_key key = key_of_id(RECORD_NODE, &cluster_node(c, 2)->id);

	cluster_cut(c, 2, 0);
	cluster_cut(c, 2, 1);
	cluster_run(c, 20000);
	cluster_remove(c, 0, &cluster_node(c, 2)->id);
	cr_assert(cluster_wait(c, third_is_gone, 5000));
	cluster_heal_all(c);
	cluster_run(c, 20000);
	cr_assert(third_is_gone(c));
	cr_assert_gt(gossip_counters(cluster_node(c, 0)->gossip)->refused_removed, 0);
	cr_assert(store_item(cluster_node(c, 2)->store, &key)->tombstone);
	cluster_free(c);
}

static bool moved_node_is_followed(struct sim *c)
{
	const struct member *m = gossip_member(cluster_node(c, 0)->gossip, &cluster_node(c, 2)->id);

	return m && m->status == MEMBER_ALIVE && m->addr.port == 7947;
}

Test(membership, a_node_that_moved_is_followed)
{
	struct sim *c = joined(3, 21);

	cluster_crash(c, 2);
	cluster_node(c, 2)->addr.port = 7947;
	cluster_restart(c, 2, true);
	cr_assert(cluster_wait(c, moved_node_is_followed, 10000));
	cr_assert(cluster_wait(c, cluster_is_settled, 10000));
	cluster_free(c);
}

struct capture {
	uint8_t data[GOSSIP_DATAGRAM_MAX];
	size_t len;
	struct sockname from;
};

static struct capture captured[4096];
static size_t captures;

static void capture(void *ctx, size_t from, size_t to, const void *data, size_t len)
{
	struct sim *c = ctx;

	(void)to;
	if (captures == 4096)
		return;
	memcpy(captured[captures].data, data, len);
	captured[captures].len = len;
	captured[captures++].from = cluster_node(c, from)->addr;
}

static void play_back(struct sim *c)
{
	for (size_t i = 0; i < captures; i++)
		for (size_t to = 0; to < cluster_size(c); to++)
			cluster_inject(c, &captured[i].from, to, captured[i].data, captured[i].len);
}

/* All that was said while node 2 was buried and came back, said again. */
Test(membership, old_datagrams_kill_nobody)
{
	struct sim *c = joined(3, 22);

	cluster_tap(c, capture, c);
	cluster_run(c, 10000);
	cluster_cut(c, 2, 0);
	cluster_cut(c, 2, 1);
	cr_assert(cluster_wait(c, third_is_dead, 10000));
	cluster_heal_all(c);
	cr_assert(cluster_wait(c, cluster_is_joined, 30000));
	cluster_tap(c, NULL, NULL);
	cluster_run(c, 10000);
	cr_assert_gt(captures, 50);
	play_back(c);
	cr_assert(cluster_is_joined(c), "a member was killed by what was said before");
	cluster_free(c);
}

Test(membership, old_datagrams_wake_nobody)
{
	struct sim *c = joined(3, 23);

	cluster_tap(c, capture, c);
	cluster_run(c, 20000);
	cluster_tap(c, NULL, NULL);
	cluster_crash(c, 2);
	cr_assert(cluster_wait(c, third_is_dead, 10000));
	play_back(c);
	cr_assert(third_is_dead(c));
	cluster_run(c, 10000);
	cr_assert(third_is_dead(c));
	cluster_free(c);
}

static uint64_t refused_seals(struct sim *c, size_t i)
{
	return gossip_counters(cluster_node(c, i)->gossip)->refused_seal;
}

Test(membership, a_foreign_key_is_refused_and_counted_by_all)
{
	struct sim *c = joined(4, 24);
	uint8_t foreign[1][GOSSIP_KEY_LEN] = { { 1, 2, 3 } };
	size_t intruder = 3;

	cluster_set_keys(c, intruder, 1, foreign);
	cluster_run(c, 60000);
	for (size_t i = 0; i < 4; i++)
		cr_assert_gt(refused_seals(c, i), 0, "node %zu", i);
	cr_assert(last_is_dead_to_all(c));
	cluster_write(c, intruder, "smuggled");
	cluster_run(c, 30000);
	for (size_t i = 0; i < 3; i++)
		cr_assert(!cluster_has(c, i, "smuggled"));
	cluster_free(c);
}

/* In any order of the nodes: first all learn the new key, then it seals, then the old one goes. */
Test(membership, keys_are_rotated_without_losing_anybody)
{
	struct sim *c = joined(5, 25);
	uint8_t both[2][GOSSIP_KEY_LEN], swapped[2][GOSSIP_KEY_LEN];

	memcpy(both[0], cluster_node(c, 0)->key[0], GOSSIP_KEY_LEN);
	memset(both[1], 0x5a, GOSSIP_KEY_LEN);
	memcpy(swapped[0], both[1], GOSSIP_KEY_LEN);
	memcpy(swapped[1], both[0], GOSSIP_KEY_LEN);
	for (int step = 0; step < 3; step++) {
		for (size_t i = 0; i < 5; i++) {
			if (step == 0)
				cluster_set_keys(c, i, 2, both);
			else
				cluster_set_keys(c, i, step == 1 ? 2 : 1, swapped);
			cluster_run(c, 1700);
			cr_assert_eq(dead_pairs(c), 0);
		}
	}
	cluster_run(c, 20000);
	cr_assert(cluster_is_joined(c));
	for (size_t i = 0; i < 5; i++)
		cr_assert_eq(refused_seals(c, i), 0);
	cluster_free(c);
}

/* The work of one node must not grow with the square of the cluster. */
Test(membership, datagrams_of_a_quiet_node_do_not_grow_with_the_cluster)
{
	struct sim *c = joined(50, 26);
	uint64_t before;

	cluster_run(c, 20000);
	before = gossip_counters(cluster_node(c, 0)->gossip)->datagrams_out;
	cluster_run(c, 20000);
	cr_assert_leq(gossip_counters(cluster_node(c, 0)->gossip)->datagrams_out - before, 80);
	cluster_free(c);
}
