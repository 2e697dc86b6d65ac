/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The key ring of gossip: its records, the rule by which it moves on, and whose turn that is.
 * Clusters in trouble are in tests/sim/test_ring.c.
 */
#include "gossip/rotate.h"
#include "intent/intent.h"
#include "store_helpers.h"
#include "tests/lib/made_world.h"

#define WORLD _cleanup_(world_fini) struct world w = { 0 }
#define VIEW _cleanup_(view_fini) struct view v = world_view(&w)
#define BODY _cleanup_(buf_fini) struct buf b = { 0 }
#define LATER (1ull << 40)

static const struct id_set nobody = { 0 };

/* ---- bodies ---- */

static int decode_ring(const struct gossip_ring *ring, struct item *ret_item)
{
	struct record_key key = key_of_id(RECORD_RING, &(struct id){ 0 });
	struct record r = { .key = key };
	BODY;

	ring_encode(&b, ring);
	r.body = b.data;
	r.body_len = (uint16_t)b.len;
	return item_decode(&r, 0, ret_item);
}

Test(ring, every_phase_survives_its_body)
{
	static const uint8_t counts[] = { [RING_STEADY] = 1, [RING_ADDED] = 2, [RING_MOVED] = 2 };
	struct item it;

	for (uint8_t phase = RING_STEADY; phase <= RING_MOVED; phase++) {
		struct gossip_ring ring = { .epoch = UINT64_MAX, .phase = phase,
					    .key_count = counts[phase], .key = { { 7, [31] = 8 } } };

		cr_assert_eq(decode_ring(&ring, &it), 0);
		cr_assert_eq(memcmp(&it.ring, &ring, sizeof(ring)), 0);
	}
}

Test(ring, one_of_another_shape_is_refused)
{
	struct gossip_ring ring = { .phase = RING_ADDED, .key_count = 1, .key = { { 1 }, { 2 } } };
	struct item it;

	cr_assert_eq(decode_ring(&ring, &it), -EBADMSG, "one key too few");
	ring.key_count = 3;
	cr_assert_eq(decode_ring(&ring, &it), -EBADMSG, "one too many");
	ring.key_count = 2;
	cr_assert_eq(decode_ring(&ring, &it), 0);
	ring.key[1][0] = 1;
	cr_assert_eq(decode_ring(&ring, &it), -EBADMSG, "one key twice");
	ring = (struct gossip_ring){ .phase = RING_STEADY, .key_count = 2, .key = { { 1 } } };
	cr_assert_eq(decode_ring(&ring, &it), -EBADMSG, "two keys and nothing under way");
	ring.phase = RING_MOVED + 1;
	cr_assert_eq(decode_ring(&ring, &it), -EBADMSG, "a phase that is not known");
}

Test(ring, a_confirmation_survives_its_body)
{
	struct ring_ack ack = { .node = pod_one, .version = { { 5, UINT64_MAX }, pod_two } };
	struct record_key key = key_of_id(RECORD_RING_ACK, &pod_one);
	struct record r = { .key = key };
	struct item it;
	BODY;

	ring_ack_encode(&b, &ack);
	r.body = b.data;
	r.body_len = (uint16_t)b.len;
	cr_assert_eq(item_decode(&r, 0, &it), 0);
	cr_assert_eq(memcmp(&it.ring_ack, &ack, sizeof(ack)), 0);
}

/* ---- who may write them ---- */

static int write_ring(struct store *s, bool tombstone, struct err *e)
{
	struct record_key key = key_of_id(RECORD_RING, &(struct id){ 0 });
	struct gossip_ring ring = { .key_count = 1 };
	BODY;

	ring_encode(&b, &ring);
	return store_write(s, &key, &b, tombstone, NOW, e);
}

static int write_ack(struct store *s, const struct id *node, struct err *e)
{
	struct record_key key = key_of_id(RECORD_RING_ACK, node);
	struct ring_ack ack = { .version = store_view(s)->ring_version };
	BODY;

	ring_ack_encode(&b, &ack);
	return store_write(s, &key, &b, false, NOW, e);
}

Test(ring, it_is_anybodys_and_a_confirmation_its_nodes_alone)
{
	STORE a = memory(1), b = memory(2);
	struct record_key key = key_of_id(RECORD_RING_ACK, store_self(a));
	struct err e = { 0 };
	struct record r;

	cr_assert_eq(write_ring(a, false, &e), 0, "%s", e.text);
	commit(a);
	pass_all(a, b);
	cr_assert_eq(write_ring(b, false, &e), 0, "%s", e.text);
	commit(b);
	cr_assert_eq(pass(b, a, RECORD_RING, &(struct id){ 0 }), MERGE_NEW);
	cr_assert(id_equal(&store_view(a)->ring_version.writer, store_self(b)));
	cr_assert_eq(write_ring(a, true, &e), -EPERM);
	cr_assert_eq(write_ack(a, store_self(b), &e), -EPERM);
	cr_assert_eq(write_ack(a, store_self(a), &e), 0, "%s", e.text);
	commit(a);
	cr_assert_eq(store_get(a, &key, &r), 0);
	cr_assert_eq(r.stamp.hi, store_generation(a), "stamped as an owner's");
	r.writer = stranger;
	cr_assert_eq(store_merge(b, &r, NOW), MERGE_REFUSED);
}

Test(ring, a_confirmation_is_forgotten_with_its_nodes_tombstone_and_the_ring_never)
{
	STORE a = memory(1), b = memory(2);

	put_node(b, "host-b");
	cr_assert_eq(write_ring(b, false, NULL), 0);
	cr_assert_eq(write_ack(b, store_self(b), NULL), 0);
	commit(b);
	pass_all(b, a);
	cr_assert_eq(store_purge(a, NOW + AGE + 1, AGE), 0, "the node lives");
	cr_assert_eq(write_node(a, store_self(b), "host-b", true, NULL), 0);
	commit(a);
	cr_assert_null(view_ring_ack_of(store_view(a), store_self(b)));
	cr_assert_eq(store_purge(a, NOW + AGE + 1, AGE), 1);
	cr_assert_not_null(store_view(a)->ring);
}

/* ---- the rule ---- */

/* Three nodes, and a ring stamped 10 that the first `acks` of them use. */
static void make_three(struct world *w, uint64_t epoch, enum ring_phase phase, unsigned int acks)
{
	world_node(w, 1, "a", "10.0.0.1");
	world_node(w, 2, "b", "10.0.0.2");
	world_node(w, 3, "c", "10.0.0.3");
	world_ring(w, epoch, phase, 10);
	for (unsigned int i = 1; i <= acks; i++)
		world_ring_ack(w, i, 10);
}

static void expect_next(struct world *w, enum ring_step step, const char *why)
{
	_cleanup_(view_fini) struct view v = world_view(w);

	cr_expect_eq(ring_next(&v), step, "%s", why);
}

Test(ring, each_phase_goes_on_once_all_confirmed_it)
{
	static const enum ring_step next[] = { [RING_STEADY] = RING_ADD, [RING_ADDED] = RING_MOVE,
					       [RING_MOVED] = RING_DROP };

	for (int phase = RING_STEADY; phase <= RING_MOVED; phase++) {
		WORLD;
		make_three(&w, 4, (enum ring_phase)phase, 2);
		world_epoch(&w, 5, NOW);
		expect_next(&w, RING_NO_STEP, "the third has said nothing");
		world_ring_ack(&w, 3, 9);
		expect_next(&w, RING_NO_STEP, "the third has an older one");
		w.items[w.count - 1]->ring_ack.version.stamp.hi = 10;
		expect_next(&w, next[phase], "all have it");
		w.items[w.count - 1]->ring_ack.version.writer = world_id(2);
		expect_next(&w, RING_NO_STEP, "the third has another's of the same stamp");
	}
}

Test(ring, a_fresh_key_is_for_another_epoch_only)
{
	WORLD;
	make_three(&w, 4, RING_STEADY, 3);
	expect_next(&w, RING_ADD, "no epoch is number 0, and the ring's is 4");
	world_epoch(&w, 4, NOW);
	expect_next(&w, RING_NO_STEP, "it is of this epoch");
	w.items[w.count - 1]->epoch.number = 3;
	expect_next(&w, RING_ADD, "the newer of two epochs may have the lower number");
}

Test(ring, a_rotation_under_way_ends_whatever_the_epoch)
{
	WORLD;
	make_three(&w, 4, RING_ADDED, 3);
	world_epoch(&w, 4, NOW);
	expect_next(&w, RING_MOVE, "its own");
	w.items[w.count - 1]->epoch.number = 9;
	expect_next(&w, RING_MOVE, "a later one begins after it");
}

Test(ring, a_removed_node_is_not_waited_for_and_one_that_lost_its_name_is)
{
	WORLD;
	make_three(&w, 4, RING_ADDED, 2);
	w.items[2]->tombstone = true;
	expect_next(&w, RING_MOVE, "it was removed");
	w.items[2]->tombstone = false;
	memcpy(w.items[2]->node.name, "a", 2);
	expect_next(&w, RING_NO_STEP, "it speaks all the same");
}

Test(ring, without_a_ring_there_is_no_step)
{
	WORLD;
	world_node(&w, 1, "a", "10.0.0.1");
	world_epoch(&w, 5, NOW);
	expect_next(&w, RING_NO_STEP, "no ring");
}

Test(ring, the_steps_add_move_and_drop)
{
	uint8_t fresh[GOSSIP_KEY_LEN];
	struct gossip_ring r0 = { .key_count = 1, .key = { { 1 } } }, r1, r2, r3;

	memset(fresh, 9, sizeof(fresh));
	ring_after(&r0, RING_ADD, 7, fresh, &r1);
	cr_assert_eq(r1.epoch, 7);
	cr_assert_eq(r1.phase, RING_ADDED);
	cr_assert_eq(r1.key_count, 2);
	cr_assert_arr_eq(r1.key[0], r0.key[0], GOSSIP_KEY_LEN, "none seals with the fresh one yet");
	cr_assert_arr_eq(r1.key[1], fresh, GOSSIP_KEY_LEN);
	ring_after(&r1, RING_MOVE, 8, fresh, &r2);
	cr_assert_eq(r2.epoch, 7, "the epoch that it began for");
	cr_assert_eq(r2.phase, RING_MOVED);
	cr_assert_arr_eq(r2.key[0], fresh, GOSSIP_KEY_LEN);
	cr_assert_arr_eq(r2.key[1], r0.key[0], GOSSIP_KEY_LEN);
	ring_after(&r2, RING_DROP, 8, fresh, &r3);
	cr_assert_eq(r3.key_count, 1);
	cr_assert_arr_eq(r3.key[0], fresh, GOSSIP_KEY_LEN);
	for (size_t i = 0; i < GOSSIP_KEY_LEN; i++)
		cr_assert_eq(r3.key[1][i], 0, "nothing is left of the old one");
}

/* ---- whose turn it is ---- */

static enum ring_step look(struct ring_clock *c, const struct view *v, unsigned int node,
			   const struct id_set *away, uint64_t now_ms)
{
	struct id self = world_id(node);

	return ring_look(c, v, &self, away, now_ms);
}

Test(ring, a_fresh_key_comes_at_once_by_the_lowest_and_later_by_the_others)
{
	struct ring_clock first = { 0 }, third = { 0 };
	WORLD;
	make_three(&w, 4, RING_STEADY, 3);
	world_epoch(&w, 5, NOW);
	VIEW;

	cr_assert_eq(look(&first, &v, 1, &nobody, LATER), RING_ADD);
	cr_assert_eq(look(&third, &v, 3, &nobody, LATER), RING_NO_STEP);
	cr_assert_eq(look(&third, &v, 3, &nobody, LATER + 2 * RING_TURN_MS - 1), RING_NO_STEP);
	cr_assert_eq(look(&third, &v, 3, &nobody, LATER + 2 * RING_TURN_MS), RING_ADD);
}

Test(ring, who_is_away_is_left_out_of_the_turns)
{
	struct id gone = world_id(1);
	struct id_set away = { 1, &gone };
	struct ring_clock second = { 0 };
	WORLD;
	make_three(&w, 4, RING_STEADY, 3);
	world_epoch(&w, 5, NOW);
	VIEW;

	cr_assert_eq(look(&second, &v, 2, &away, LATER), RING_ADD);
}

Test(ring, move_and_drop_wait_until_all_has_settled)
{
	for (int phase = RING_ADDED; phase <= RING_MOVED; phase++) {
		struct ring_clock c = { 0 };
		WORLD;
		make_three(&w, 4, (enum ring_phase)phase, 3);
		VIEW;

		cr_assert_eq(look(&c, &v, 1, &nobody, LATER), RING_NO_STEP);
		cr_assert_eq(look(&c, &v, 1, &nobody, LATER + RING_SETTLE_MS - 1), RING_NO_STEP);
		cr_assert_eq(look(&c, &v, 1, &nobody, LATER + RING_SETTLE_MS),
			     phase == RING_ADDED ? RING_MOVE : RING_DROP);
	}
}

/* A newcomer, or another version of the ring: the time begins anew. */
Test(ring, what_stands_in_the_way_meanwhile_sets_the_clock_back)
{
	struct ring_clock c = { 0 };
	WORLD;
	make_three(&w, 4, RING_ADDED, 2);
	{
		VIEW;
		look(&c, &v, 1, &nobody, LATER);
	}
	world_ring_ack(&w, 3, 10);
	{
		VIEW;
		cr_assert_eq(look(&c, &v, 1, &nobody, LATER + RING_SETTLE_MS), RING_NO_STEP);
	}
	for (size_t i = 3; i < w.count; i++) {
		struct item *it = w.items[i];

		if (it->key.kind == RECORD_RING)
			it->stamp.hi = 11;
		else
			it->ring_ack.version.stamp.hi = 11;
	}
	VIEW;
	cr_assert_eq(look(&c, &v, 1, &nobody, LATER + 2 * RING_SETTLE_MS), RING_NO_STEP);
	cr_assert_eq(look(&c, &v, 1, &nobody, LATER + 3 * RING_SETTLE_MS), RING_MOVE);
}

Test(ring, the_next_epoch_comes_after_half_a_day_by_the_lowest_first)
{
	struct id one = world_id(1), two = world_id(2);
	struct ring_clock c = { 0 };
	WORLD;
	make_three(&w, 4, RING_STEADY, 3);
	world_epoch(&w, 4, NOW);
	VIEW;

	cr_assert_eq(ring_epoch_due_ms(&c, &v, &one, &nobody), UINT64_MAX);
	look(&c, &v, 1, &nobody, LATER);
	cr_assert_eq(ring_epoch_due_ms(&c, &v, &one, &nobody), LATER + RING_EPOCH_MS);
	cr_assert_eq(ring_epoch_due_ms(&c, &v, &two, &nobody),
		     LATER + RING_EPOCH_MS + RING_EPOCH_TURN_MS);
	w.items[w.count - 1]->epoch.number = 5;
	view_fini(&v);
	v = world_view(&w);
	look(&c, &v, 1, &nobody, LATER + 1000);
	cr_assert_eq(ring_epoch_due_ms(&c, &v, &one, &nobody), LATER + 1000 + RING_EPOCH_MS);
}

Test(ring, a_rotation_that_waits_names_whom_it_waits_for)
{
	struct ring_clock c = { 0 };
	WORLD;
	make_three(&w, 4, RING_ADDED, 2);
	VIEW;

	look(&c, &v, 1, &nobody, LATER);
	cr_assert_null(ring_is_stuck(&c, &v, LATER + RING_PATIENCE_MS - 1));
	cr_assert_str_eq(ring_is_stuck(&c, &v, LATER + RING_PATIENCE_MS)->node->name, "c");
}
