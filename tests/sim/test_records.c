// SPDX-License-Identifier: GPL-2.0-or-later
/* What is written somewhere is known everywhere, whatever happened on the way. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "tests/lib/cluster.h"

#define YEAR_MS (365ll * 24 * 3600 * 1000)

static struct sim *joined(size_t n, uint64_t seed)
{
	struct sim *c = cluster_new(n, seed);

	cr_assert(cluster_wait(c, cluster_is_settled, 30000), "%zu nodes did not join", n);
	return c;
}

static const struct gossip_counters *counters(struct sim *c, size_t i)
{
	return gossip_counters(cluster_node(c, i)->gossip);
}

static const char *name_of(const char *prefix, size_t i)
{
	static char name[64];

	snprintf(name, sizeof(name), "%s-%zu", prefix, i);
	return name;
}

Test(records, a_write_reaches_fifty_nodes_in_three_seconds)
{
	struct sim *c = joined(50, 1);

	cluster_run(c, 5000);
	cluster_write(c, 17, "app-net");
	cluster_run(c, 3000);
	for (size_t i = 0; i < 50; i++)
		cr_assert(cluster_has(c, i, "app-net"), "node %zu", i);
	cluster_free(c);
}

static uint64_t lags(struct sim *c, size_t node, size_t first, size_t last)
{
	uint64_t sum = 0;

	for (size_t i = first; i <= last; i++)
		sum += counters(c, node)->lag[i];
	return sum;
}

Test(records, how_long_a_record_was_on_its_way_is_counted)
{
	struct sim *c = joined(5, 20);

	cr_assert(cluster_wait(c, cluster_is_in_sync, 60000));
	cluster_write(c, 0, "app-net");
	cluster_run(c, 5000);
	cluster_split(c, 4);
	cluster_write(c, 0, "late-net");
	cluster_run(c, 120000);
	for (size_t i = 1; i < 4; i++)
		cr_assert_eq(lags(c, i, 0, 5), 2, "node %zu", i); /* within 5 s */
	cr_assert_eq(lags(c, 4, 0, 5), 1);
	cluster_heal_all(c);
	cr_assert(cluster_wait(c, cluster_is_settled, 60000));
	cr_assert_eq(lags(c, 4, 0, 5), 1);
	cr_assert_eq(lags(c, 4, 8, GOSSIP_LAG_BOUNDS), 1); /* more than half a minute */
	cr_assert_geq(counters(c, 4)->lag_ms, 120000);
	cluster_free(c);
}

Test(records, writes_on_both_sides_of_a_split_meet_after_it)
{
	struct sim *c = joined(10, 2);

	cluster_split(c, 4);
	for (size_t i = 0; i < 10; i++)
		cluster_write(c, i, name_of("net", i));
	cluster_run(c, 60000);
	for (size_t i = 0; i < 10; i++)
		cr_assert_eq(cluster_has(c, 0, name_of("net", i)), i < 4);
	cluster_heal_all(c);
	cr_assert(cluster_wait(c, cluster_is_settled, 60000));
	for (size_t i = 0; i < 10; i++)
		cr_assert(cluster_has(c, 9, name_of("net", i)));
	cluster_free(c);
}

/* Both sides wrote the same record: one of them wins, the same everywhere. */
Test(records, a_record_written_on_both_sides_has_one_winner)
{
	struct sim *c = joined(6, 3);

	cluster_split(c, 3);
	cluster_write(c, 0, "shared");
	cluster_run(c, 1);
	cluster_delete(c, 5, "shared");
	cluster_heal_all(c);
	cr_assert(cluster_wait(c, cluster_is_settled, 60000));
	for (size_t i = 0; i < 6; i++)
		cr_assert_eq(cluster_has(c, i, "shared"), cluster_has(c, 0, "shared"));
	cluster_free(c);
}

Test(records, a_deletion_is_not_undone_by_who_was_away)
{
	struct sim *c = joined(4, 4);

	cluster_write(c, 0, "doomed");
	cr_assert(cluster_wait(c, cluster_is_equal, 5000));
	cluster_crash(c, 3);
	cluster_delete(c, 0, "doomed");
	cluster_run(c, 60000);
	cluster_restart(c, 3, true);
	cr_assert(cluster_has(c, 3, "doomed"));
	cr_assert(cluster_wait(c, cluster_is_settled, 30000));
	for (size_t i = 0; i < 4; i++)
		cr_assert(!cluster_has(c, i, "doomed"), "node %zu", i);
	cluster_free(c);
}

/* A version of node 1's own record that it did not write: as from a restored backup. */
static void forge_node(struct sim *c, size_t at, size_t of)
{
	_cleanup_(buf_fini) struct buf body = { 0 };
	struct record_key key = key_of_id(RECORD_NODE, &cluster_node(c, of)->id);
	struct node node = store_item(cluster_node(c, at)->store, &key)->node;
	struct record r;

	cr_assert_eq(store_get(cluster_node(c, at)->store, &key, &r), 0);
	snprintf(node.name, sizeof(node.name), "forged");
	node_encode(&body, &node);
	r.stamp.lo += 1000;
	r.body = body.data;
	r.body_len = (uint16_t)body.len;
	cr_assert_eq(store_merge(cluster_node(c, at)->store, &r, cluster_wall(c, at)), MERGE_NEW);
	cluster_settle(c, at);
}

Test(records, a_false_version_of_ones_own_record_is_refuted_everywhere)
{
	struct sim *c = joined(4, 5);
	struct record_key key = key_of_id(RECORD_NODE, &cluster_node(c, 1)->id);

	forge_node(c, 2, 1);
	cluster_run(c, 5000);
	cr_assert(cluster_wait(c, cluster_is_equal, 30000));
	for (size_t i = 0; i < 4; i++)
		cr_assert_str_eq(store_item(cluster_node(c, i)->store, &key)->node.name, "n1");
	cluster_free(c);
}

Test(records, clocks_that_are_years_off_converge)
{
	struct sim *c = joined(5, 6);

	cluster_skew(c, 1, 10 * YEAR_MS);
	cluster_skew(c, 2, -10 * YEAR_MS);
	cluster_skew(c, 3, 30 * YEAR_MS);
	for (size_t i = 0; i < 5; i++)
		cluster_write(c, i, name_of("net", i));
	cr_assert(cluster_wait(c, cluster_is_settled, 20000));
	/* Who sees a version writes a greater one, whatever its clock says. */
	cluster_delete(c, 2, name_of("net", 3));
	cr_assert(cluster_wait(c, cluster_is_settled, 20000));
	for (size_t i = 0; i < 5; i++)
		cr_assert(!cluster_has(c, i, name_of("net", 3)), "node %zu", i);
	cluster_free(c);
}

/* Bodies keep fields that a later version adds: so a record can be as large as allowed. */
static void write_large(struct sim *c, size_t i, const char *name)
{
	_cleanup_(buf_fini) struct buf body = { 0 };
	struct record_key key = cluster_key(name);
	uint8_t unknown[256] = { 0 };
	struct err e = { 0 };
	struct record r;

	cluster_write(c, i, name);
	cr_assert_eq(store_get(cluster_node(c, i)->store, &key, &r), 0);
	buf_put(&body, r.body, r.body_len);
	while (body.len + 3 < RECORD_BODY_MAX) {
		size_t left = RECORD_BODY_MAX - body.len - 3;

		buf_u8(&body, 250);
		buf_blob(&body, unknown, left < 256 ? left : left < 259 ? 100 : 256);
	}
	cr_assert_eq(body.len, RECORD_BODY_MAX);
	cr_assert_eq(store_write(cluster_node(c, i)->store, &key, &body, false, cluster_wall(c, i),
				 &e), 0, "%s", e.text);
	cluster_settle(c, i);
}

static bool all_have_the_large_one(struct sim *c)
{
	struct record_key key = cluster_key("large");
	struct record r;

	for (size_t i = 0; i < cluster_size(c); i++)
		if (store_get(cluster_node(c, i)->store, &key, &r) ||
		    r.body_len != RECORD_BODY_MAX)
			return false;
	return true;
}

Test(records, the_largest_record_is_announced_and_fetched)
{
	struct gossip_timing timing = GOSSIP_LAN;
	struct sim *c;

	timing.sync_interval = 1000000; /* sync shall not be what brings it */
	c = cluster_new_timed(8, 7, &timing);
	cr_assert(cluster_wait(c, cluster_is_settled, 30000));
	cluster_run(c, 30000);
	write_large(c, 2, "large");
	cr_assert(cluster_wait(c, all_have_the_large_one, 5000));
	cluster_free(c);
}

/* Node 1 never asks: what it has and what it lacks must both come from node 0's asking. */
Test(records, one_conversation_goes_both_ways)
{
	struct sim *c = joined(2, 15);
	uint64_t before;

	cluster_node(c, 1)->timing.sync_interval = 1000000000;
	cluster_restart(c, 1, true);
	cr_assert(cluster_wait(c, cluster_is_settled, 30000));
	cr_assert(cluster_wait(c, cluster_is_in_sync, 30000));
	cluster_run(c, 5000);
	cluster_loss(c, 100);
	for (size_t i = 0; i < 20000; i++)
		cluster_write(c, i % 8 != 0, name_of("net", i));
	before = counters(c, 0)->syncs;
	cr_assert(cluster_wait(c, cluster_is_equal, 90000));
	cr_assert_leq(counters(c, 0)->syncs, before + 1, "of several pages, but one");
	cr_assert_eq(counters(c, 1)->syncs, 1);
	cluster_free(c);
}

Test(records, without_any_datagram_sync_alone_makes_stores_equal)
{
	struct sim *c = joined(3, 8);

	cluster_loss(c, 100);
	write_large(c, 0, "large");
	for (size_t i = 0; i < 300; i++)
		cluster_write(c, i % 3, name_of("net", i));
	cr_assert(cluster_wait(c, cluster_is_equal, 60000));
	cr_assert(all_have_the_large_one(c));
	cluster_free(c);
}

static bool newcomer_knows_somebody(struct sim *c)
{
	const struct member *m;

	return gossip_members(cluster_node(c, 1)->gossip, &m) == 1;
}

static bool newcomer_has_all(struct sim *c)
{
	return store_count(cluster_node(c, 1)->store) >= 20000;
}

/* More than one page and more than one exchange; no message beyond GOSSIP_STREAM_MAX. */
Test(records, a_newcomer_gets_twenty_thousand_records)
{
	struct sim *c = cluster_new(1, 9);

	for (size_t i = 0; i < 20000; i++)
		cluster_write(c, 0, name_of("net", i));
	cluster_add(c, 0);
	cr_assert(cluster_wait(c, newcomer_knows_somebody, 1000));
	cr_assert(!gossip_in_sync(cluster_node(c, 1)->gossip));
	cr_assert(cluster_wait(c, newcomer_has_all, 20000));
	cr_assert(cluster_wait(c, cluster_is_in_sync, 20000));
	cr_assert(cluster_is_settled(c));
	cr_assert_eq(counters(c, 0)->refused_malformed + counters(c, 1)->refused_malformed, 0);
	cluster_free(c);
}

/* Both sides hold what the other lacks, in every bucket and over several pages. */
Test(records, two_large_stores_that_differ_everywhere_become_equal)
{
	struct sim *c = joined(2, 10);

	cluster_cut(c, 0, 1);
	for (size_t i = 0; i < 12000; i++)
		cluster_write(c, i % 2, name_of("net", i));
	cluster_heal_all(c);
	cr_assert(cluster_wait(c, cluster_is_settled, 60000));
	cr_assert_geq(store_count(cluster_node(c, 0)->store), 12000);
	cluster_free(c);
}

Test(records, a_single_node_is_in_sync_with_itself)
{
	struct sim *c = cluster_new(1, 11);

	cr_assert(gossip_in_sync(cluster_node(c, 0)->gossip));
	cluster_free(c);
}

Test(records, a_restarted_node_is_not_in_sync_before_it_has_asked)
{
	struct sim *c = joined(3, 12);

	cluster_run(c, 20000);
	cr_assert(cluster_is_in_sync(c));
	cluster_restart(c, 1, true);
	cr_assert(!gossip_in_sync(cluster_node(c, 1)->gossip));
	cr_assert(cluster_wait(c, cluster_is_in_sync, 5000));
	cluster_free(c);
}

Test(records, the_only_survivor_is_in_sync_once_it_knows_that_it_is_alone)
{
	struct sim *c = joined(2, 13);

	cluster_crash(c, 0);
	cluster_restart(c, 1, true);
	cr_assert(!cluster_is_in_sync(c));
	cr_assert(cluster_wait(c, cluster_is_in_sync, 30000));
	cluster_free(c);
}

/* Same stamp and writer, another body: what a restored backup makes. */
Test(records, versions_that_differ_in_the_body_alone_converge)
{
	struct sim *c = joined(2, 14);
	struct record_key key = cluster_key("twin");
	struct record r;
	uint8_t body[RECORD_BODY_MAX];

	cluster_write(c, 0, "twin");
	cr_assert(cluster_wait(c, cluster_is_equal, 5000));
	cluster_cut(c, 0, 1);
	cluster_write(c, 0, "twin");
	cr_assert_eq(store_get(cluster_node(c, 0)->store, &key, &r), 0);
	memcpy(body, r.body, r.body_len);
	memcpy(body + r.body_len, "\xfa\0\1x", 4); /* a field nobody knows */
	r.body = body;
	r.body_len += 4;
	cr_assert_eq(store_merge(cluster_node(c, 1)->store, &r, cluster_wall(c, 1)), MERGE_NEW);
	cluster_settle(c, 1);
	cluster_run(c, 5000); /* the queues have nobody to tell and run dry */
	cluster_heal_all(c);
	cr_assert(cluster_wait(c, cluster_is_settled, 30000));
	cluster_free(c);
}
