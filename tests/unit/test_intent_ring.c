/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The key ring as wishes: steps that the records allow, confirmations, rings of earlier daemons. */
#include "tests/lib/host.h"

static const struct gossip_ring *ring(struct host *h)
{
	return store_view(h->store)->ring;
}

static void confirm(struct host *h)
{
	struct err e = { 0 };

	cr_assert_eq(intent_ring_confirm(h->intent, h->wall, &e), 0, "%s", e.text);
}

static void step(struct host *h)
{
	struct err e = { 0 };

	h->wall++;
	cr_assert_eq(intent_ring_step(h->intent, h->wall, &e), 0, "%s", e.text);
}

Test(intent_ring, one_node_goes_through_all_steps_and_confirms_each)
{
	HOST(h, "h1", 1);
	struct gossip_ring first;
	uint64_t epoch;

	cr_assert_eq(intent_cluster_create(h.intent, WALL, NULL), 0);
	first = *ring(&h);
	cr_assert_eq(intent_key_rotate(h.intent, NULL, WALL, &epoch, NULL), 0);
	step(&h);
	cr_assert_eq(memcmp(ring(&h), &first, sizeof(first)), 0, "not confirmed");
	for (int phase = RING_ADDED; phase <= RING_MOVED; phase++) {
		confirm(&h);
		step(&h);
		cr_assert_eq(ring(&h)->phase, phase);
		cr_assert_eq(ring(&h)->epoch, epoch);
	}
	confirm(&h);
	step(&h);
	cr_assert_eq(ring(&h)->key_count, 1);
	cr_assert(memcmp(ring(&h)->key[0], first.key[0], GOSSIP_KEY_LEN));
}

Test(intent_ring, what_is_said_already_or_not_allowed_writes_nothing)
{
	HOST(h, "h1", 1);
	uint64_t serial;

	confirm(&h);
	step(&h);
	cr_assert_null(ring(&h), "there is none yet");
	cr_assert_eq(intent_cluster_create(h.intent, WALL, NULL), 0);
	confirm(&h);
	serial = store_serial(h.store);
	confirm(&h);
	step(&h);
	cr_assert_eq(store_serial(h.store), serial);
}

Test(intent_ring, a_removed_node_writes_nothing_of_it)
{
	HOST(h, "h1", 1);
	HOST(other, "h2", 2);
	struct err e = { 0 };

	cr_assert_eq(intent_cluster_create(h.intent, WALL, NULL), 0);
	host_tell(&h, &other);
	cr_assert_eq(intent_node_rm(other.intent, "h1", WALL, &e), 0, "%s", e.text);
	host_tell(&other, &h);
	cr_assert_lt(intent_ring_confirm(h.intent, WALL, &e), 0);
	cr_assert_lt(intent_ring_step(h.intent, WALL, &e), 0);
}

static void write_earlier(struct host *h, uint8_t byte)
{
	_cleanup_(buf_fini) struct buf body = { 0 };
	struct cluster c = { .id = { { 1 } }, .key_count = byte ? 1 : 0, .token_secret = { 9 } };
	struct record_key key = key_of_id(RECORD_CLUSTER, &(struct id){ 0 });

	memset(c.key[0], byte, GOSSIP_KEY_LEN);
	cluster_encode(&body, &c);
	cr_assert_eq(store_write(h->store, &key, &body, false, WALL, NULL), 0);
}

Test(intent_ring, the_key_of_an_earlier_daemon_is_moved_out_of_the_clusters_record)
{
	HOST(h, "h1", 1);
	struct cluster c;
	struct err e = { 0 };

	cr_assert_eq(intent_ring_adopt(h.intent, WALL, &e), 0, "of no cluster");
	write_earlier(&h, 5);
	cr_assert_eq(intent_ring_adopt(h.intent, WALL, &e), 0, "%s", e.text);
	c = *store_view(h.store)->cluster;
	cr_assert_eq(c.key_count, 0);
	cr_assert_eq(c.key[0][0], 0);
	cr_assert_eq(c.token_secret[0], 9);
	cr_assert_eq(ring(&h)->key_count, 1);
	cr_assert_eq(ring(&h)->key[0][31], 5);
}

/* By a daemon that is still of that version, and replaces the token. */
Test(intent_ring, a_new_token_takes_keys_out_that_came_back_into_the_clusters_record)
{
	HOST(h, "h1", 1);

	cr_assert_eq(intent_cluster_create(h.intent, WALL, NULL), 0);
	write_earlier(&h, 5);
	cr_assert_eq(intent_token_rotate(h.intent, WALL, NULL), 0);
	cr_assert_eq(store_view(h.store)->cluster->key_count, 0);
	cr_assert_eq(store_view(h.store)->cluster->key[0][0], 0);
}

Test(intent_ring, a_cluster_without_any_key_is_said)
{
	HOST(h, "h1", 1);
	struct err e = { 0 };

	write_earlier(&h, 0);
	cr_assert_eq(intent_ring_adopt(h.intent, WALL, &e), -ENOKEY);
	cr_assert(strstr(e.text, "join again"), "%s", e.text);
}
