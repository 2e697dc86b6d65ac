/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One number for all that lives: equal where nodes know the same, whatever they have forgotten. */
#include "tests/unit/store_helpers.h"

static const struct id old_net = { { 0xc9 } };

/* A network with a block, a service, and an endpoint of `s` with its keys. */
static void fill(struct store *s)
{
	put_node(s, "host-a");
	put_network(s, &app_net, "net", false, NOW);
	put_endpoint(s, &pod_one, "web");
	cr_assert_eq(write_service(s, &pod_two, "shop", false, NOW, NULL), 0);
	cr_assert_eq(write_block(s, store_self(s), NULL), 0);
	cr_assert_eq(write_key(s, store_self(s), 7, false, NULL), 0);
	cr_assert_eq(write_pairs(s, store_self(s), 1, NULL), 0);
	cr_assert_eq(write_epoch(s, 1, false, NULL), 0);
	commit(s);
}

Test(store_living, is_the_same_where_tombstones_are_forgotten_and_where_they_are_not)
{
	STORE a = memory(1), b = memory(2);

	fill(a);
	put_network(a, &old_net, "old", false, NOW);
	put_network(a, &old_net, "old", true, NOW);
	commit(a);
	pass_all(a, b);
	cr_assert_eq(store_purge(a, NOW + AGE + 1, AGE), 1);
	commit(a);
	cr_assert_not(same_hashes(a, b), "buckets tell them apart");
	cr_assert_neq(store_living_hash(a), 0);
	cr_assert_eq(store_living_hash(a), store_living_hash(b));
}

Test(store_living, does_not_count_what_hangs_on_a_removed_network)
{
	STORE a = memory(1), b = memory(2);

	fill(a);
	put_network(a, &app_net, "net", true, NOW);
	commit(a);
	pass_all(a, b);
	cr_assert_eq(store_purge(a, NOW + AGE + 1, AGE), 4, "endpoint, service, block, network");
	cr_assert_eq(store_living_hash(a), store_living_hash(b));
}

Test(store_living, does_not_count_what_a_removed_node_has_left_but_its_block)
{
	STORE a = memory(1), b = memory(2), c = memory(3);
	uint64_t before;

	fill(a);
	pass_all(a, b);
	cr_assert_eq(write_node(b, store_self(a), "host-a", true, NULL), 0);
	commit(b);
	pass_all(b, c);
	before = store_living_hash(b);
	cr_assert_eq(store_purge(b, NOW + AGE + 1, AGE), 3, "endpoint, key, pairs");
	cr_assert_eq(store_living_hash(b), before);
	cr_assert_eq(store_living_hash(b), store_living_hash(c));
	cr_assert_eq(write_block(b, store_self(b), NULL), 0);
	cr_assert_neq(store_living_hash(b), before, "taken over");
}

Test(store_living, differs_as_soon_as_one_knows_something_that_lives_and_another_not)
{
	STORE a = memory(1), b = memory(2);

	fill(a);
	cr_assert_neq(store_living_hash(a), store_living_hash(b));
	pass_all(a, b);
	cr_assert_eq(store_living_hash(a), store_living_hash(b));
	put_endpoint(a, &pod_one, "renamed");
	cr_assert_neq(store_living_hash(a), store_living_hash(b), "a newer version");
	commit(a);
	pass_all(a, b);
	cr_assert_eq(store_living_hash(a), store_living_hash(b));
	cr_assert_eq(write_endpoint(a, &pod_one, store_self(a), "renamed", true, NULL), 0);
	cr_assert_neq(store_living_hash(a), store_living_hash(b), "a removal that b has not heard of");
}
