/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the store does in memory: rights, merging, refutation, digests, forgetting. */
#include "store_helpers.h"

/* ---- visibility ---- */

Test(store, a_write_is_seen_by_readers_at_once_and_by_gossip_after_the_commit)
{
	STORE s = memory(1);
	struct record_key key = key_of_id(RECORD_ENDPOINT, &pod_one);
	unsigned int bucket = store_bucket_of(&key);
	struct record r;

	put_endpoint(s, &pod_one, "web");
	cr_assert_not_null(endpoint(s, &pod_one));
	cr_assert_eq(store_get(s, &key, &r), -ENOENT);
	cr_assert_eq(store_bucket_hash(s, bucket), 0);
	cr_assert_eq(committed(s), 0);
	cr_assert_eq(announced(s), 0);
	commit(s);
	cr_assert_eq(store_get(s, &key, &r), 0);
	cr_assert_neq(store_bucket_hash(s, bucket), 0);
	cr_assert_eq(committed(s), 1);
	cr_assert_eq(announced(s), 1);
	cr_assert_eq(announced(s), 0);
}

Test(store, gossip_sees_the_old_version_until_the_new_one_is_committed)
{
	STORE s = memory(1);
	struct record_key key = key_of_id(RECORD_ENDPOINT, &pod_one);
	struct item it;
	struct record r;
	uint64_t before;

	put_endpoint(s, &pod_one, "old");
	commit(s);
	before = store_bucket_hash(s, store_bucket_of(&key));
	put_endpoint(s, &pod_one, "new");
	put_endpoint(s, &pod_one, "newer");
	cr_assert_eq(store_get(s, &key, &r), 0);
	cr_assert_eq(item_decode(&r, 0, &it), 0);
	cr_assert_str_eq(it.endpoint.name, "old");
	cr_assert_str_eq(endpoint(s, &pod_one)->endpoint.name, "newer");
	cr_assert_eq(store_bucket_hash(s, store_bucket_of(&key)), before);
	commit(s);
	cr_assert_eq(store_get(s, &key, &r), 0);
	cr_assert_eq(item_decode(&r, 0, &it), 0);
	cr_assert_str_eq(it.endpoint.name, "newer");
	cr_assert_neq(store_bucket_hash(s, store_bucket_of(&key)), before);
}

/* An endpoint of s with this namespace: what readers have to decode from the body. */
static void put_netns(struct store *s, const char *netns)
{
	struct record_key key = key_of_id(RECORD_ENDPOINT, &pod_one);
	struct endpoint ep = { .node = *store_self(s), .network = app_net };
	struct endpoint_detail d = { 0 };
	struct buf body = { 0 };

	strcpy(d.netns, netns);
	endpoint_encode(&body, &ep, &d);
	cr_assert_eq(store_write(s, &key, &body, false, NOW, NULL), 0);
	buf_fini(&body);
}

static void expect_netns(const struct store *s, const char *netns)
{
	const struct item *it = endpoint(s, &pod_one);
	struct endpoint_detail d;

	cr_assert_not_null(it);
	endpoint_detail_decode(it, &d);
	cr_expect_str_eq(d.netns, netns);
}

Test(store, an_items_body_is_that_of_the_newest_version)
{
	STORE a = memory(1), b = memory(2);

	put_netns(a, "/run/netns/a");
	expect_netns(a, "/run/netns/a");
	commit(a);
	expect_netns(a, "/run/netns/a");
	put_netns(a, "/run/netns/b"); /* beside a committed one */
	put_netns(a, "/run/netns/c"); /* in place of one that never was */
	expect_netns(a, "/run/netns/c");
	commit(a);
	expect_netns(a, "/run/netns/c");
	pass(a, b, RECORD_ENDPOINT, &pod_one);
	expect_netns(b, "/run/netns/c");
	store_view(b);
	expect_netns(b, "/run/netns/c");
}

Test(store, an_endpoint_with_a_bad_detail_is_refused_when_merged)
{
	static const char *const bad[] = { "\6\0\3a b", "\7\0\5a=\033[2", "\10\0\2/\303",
					   "\10\0\5/run" };
	static const uint8_t len[] = { 6, 8, 5, 7 };
	STORE a = memory(1), b = memory(2);
	struct record_key key = key_of_id(RECORD_ENDPOINT, &pod_one);
	struct record r;

	put_netns(a, "/run/netns/a");
	commit(a);
	cr_assert_eq(store_get(a, &key, &r), 0);
	for (size_t i = 0; i < sizeof(len); i++) {
		struct record longer = r;
		struct buf body = { 0 };

		buf_put(&body, r.body, r.body_len);
		buf_put(&body, bad[i], len[i]);
		longer.body = body.data;
		longer.body_len = (uint16_t)body.len;
		cr_expect_eq(store_merge(b, &longer, NOW), MERGE_REFUSED, "%zu", i);
		cr_expect_null(endpoint(b, &pod_one));
		buf_fini(&body);
	}
	cr_assert_eq(store_merge(b, &r, NOW), MERGE_NEW);
}

Test(store, a_change_is_announced_once_however_often_it_changed)
{
	STORE s = memory(1);

	for (int i = 0; i < 3; i++) {
		put_endpoint(s, &pod_one, "web");
		commit(s);
	}
	cr_assert_eq(announced(s), 1);
	put_endpoint(s, &pod_one, "web");
	commit(s);
	cr_assert_eq(announced(s), 1);
}

Test(store, what_was_merged_is_announced_too_and_what_was_old_is_not)
{
	STORE a = memory(1), b = memory(2);

	put_endpoint(a, &pod_one, "web");
	commit(a);
	cr_assert_eq(pass(a, b, RECORD_ENDPOINT, &pod_one), MERGE_NEW);
	cr_assert_eq(announced(b), 0);
	commit(b);
	cr_assert_eq(announced(b), 1);
	cr_assert_eq(pass(a, b, RECORD_ENDPOINT, &pod_one), MERGE_OLD);
	commit(b);
	cr_assert_eq(announced(b), 0);
}

Test(store, dirty_kinds_and_serial_follow_changes)
{
	STORE s = memory(1);
	uint64_t serial;

	cr_assert_eq(store_take_dirty(s), 0);
	serial = store_serial(s);
	put_endpoint(s, &pod_one, "web");
	put_network(s, &app_net, "net", false, NOW);
	cr_assert_gt(store_serial(s), serial);
	cr_assert_eq(store_take_dirty(s),
		     STORE_KIND_BIT(RECORD_ENDPOINT) | STORE_KIND_BIT(RECORD_NETWORK));
	cr_assert_eq(store_take_dirty(s), 0);
}

Test(store, the_view_is_rebuilt_only_when_something_changed)
{
	STORE s = memory(1);
	const struct view *v = store_view(s);

	cr_assert_eq(v->node_count, 0);
	put_node(s, "host-a");
	v = store_view(s);
	cr_assert_eq(v->node_count, 1);
	cr_assert_eq(store_view(s)->node, v->node, "the very same arrays");
}

/* ---- rights ---- */

Test(store, another_nodes_things_cannot_be_written_here)
{
	STORE a = memory(1), b = memory(2);
	struct err e = { 0 };

	cr_assert_eq(write_endpoint(a, &pod_one, &stranger, "x", false, &e), -EPERM);
	cr_assert_not_null(strstr(e.text, "lives on another node"));
	put_endpoint(b, &pod_two, "theirs");
	commit(b);
	pass_all(b, a);
	cr_assert_eq(write_endpoint(a, &pod_two, store_self(a), "mine", false, NULL), -EPERM);
	cr_assert_eq(write_node(a, store_self(b), "x", false, NULL), -EPERM);
	cr_assert_eq(announced(a), 1);
}

Test(store, a_block_is_written_by_its_owner_and_after_node_rm_by_others)
{
	STORE a = memory(1), b = memory(2), c = memory(3);
	struct err e = { 0 };

	cr_assert_eq(write_block(a, store_self(a), NULL), 0);
	cr_assert_eq(write_block(a, store_self(b), NULL), 0, "given to b");
	commit(a);
	pass_all(a, b);
	pass_all(a, c);
	cr_assert_eq(write_block(a, store_self(a), &e), -EPERM);
	cr_assert_not_null(strstr(e.text, "10.10.0.0"));
	cr_assert_eq(write_block(b, store_self(b), NULL), 0);
	cr_assert_eq(write_block(c, store_self(c), NULL), -EPERM);
	cr_assert_eq(write_node(c, store_self(b), "b", true, NULL), 0);
	cr_assert_eq(write_block(c, store_self(c), NULL), 0, "its owner was removed");
}

static enum merge_result merge_bytes(struct store *s, enum record_kind kind, const struct id *id,
				     const struct id *writer, struct stamp stamp, bool tombstone,
				     const char *body, size_t len)
{
	struct record r = { .stamp = stamp, .writer = *writer, .tombstone = tombstone,
			    .body = (const uint8_t *)body, .body_len = (uint16_t)len };

	r.key = key_of_id(kind, id);
	return store_merge(s, &r, NOW);
}

Test(store, what_a_writer_may_not_write_is_refused)
{
	static const char owned[] = "\1\0\20" "\x51\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
	static const struct id nobody;
	STORE s = memory(1);
	struct stamp one = { 1, 1 }, high = { STAMP_LIMIT, 0 }, wide = { 1, STAMP_LIMIT };
	struct stamp final = { STAMP_FINAL, 0 };

	cr_assert_eq(merge_bytes(s, RECORD_ENDPOINT, &pod_one, &stranger, one, false, owned, 19),
		     MERGE_NEW, "the owner may");
	cr_assert_eq(merge_bytes(s, RECORD_ENDPOINT, &pod_two, &app_net, one, false, owned, 19),
		     MERGE_REFUSED, "another may not");
	cr_assert_eq(merge_bytes(s, RECORD_NODE, &stranger, &app_net, one, false, "", 0),
		     MERGE_REFUSED, "a node is written by itself");
	cr_assert_eq(merge_bytes(s, RECORD_NODE, &stranger, &stranger, final, false, "", 0),
		     MERGE_REFUSED, "the last stamp is for removal");
	cr_assert_eq(merge_bytes(s, RECORD_NODE, &stranger, &stranger, one, false, "", 0),
		     MERGE_NEW);
	cr_assert_eq(merge_bytes(s, RECORD_NETWORK, &app_net, &nobody, one, false, "", 0),
		     MERGE_REFUSED, "no writer");
	cr_assert_eq(merge_bytes(s, RECORD_NETWORK, &app_net, &stranger, high, false, "", 0),
		     MERGE_REFUSED, "no greater stamp could be made");
	cr_assert_eq(merge_bytes(s, RECORD_NETWORK, &app_net, &stranger, wide, false, "", 0),
		     MERGE_REFUSED);
	cr_assert_eq(merge_bytes(s, RECORD_CLUSTER, &nobody, &stranger, one, true, "", 0),
		     MERGE_REFUSED, "a cluster is never deleted");
	cr_assert_eq(merge_bytes(s, RECORD_NETWORK, &app_net, &stranger, one, false, "\1", 1),
		     MERGE_REFUSED, "malformed");
	cr_assert_eq(merge_bytes(s, 99, &app_net, &stranger, one, false, "", 0), MERGE_REFUSED);
	cr_assert_eq(store_count(s), 2);
}

Test(store, a_block_version_counts_in_hi_alone)
{
	static const char owned[] = "\1\0\20" "\x51\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
	STORE s = memory(1);
	struct ov_addr start = addr_from_v4(0x0a0a0000);
	struct record r = { .writer = stranger, .body = (const uint8_t *)owned, .body_len = 19 };

	r.key = key_of_block(&app_net, &start);
	cr_assert_eq(store_merge(s, &r, NOW), MERGE_REFUSED, "version 0");
	r.stamp = (struct stamp){ 1, 1 };
	cr_assert_eq(store_merge(s, &r, NOW), MERGE_REFUSED, "a logical counter");
	r.stamp = (struct stamp){ 1, 0 };
	cr_assert_eq(store_merge(s, &r, NOW), MERGE_NEW);
	r.body_len = 0;
	r.stamp.hi = 2;
	cr_assert_eq(store_merge(s, &r, NOW), MERGE_REFUSED, "nobody's");
}

Test(store, there_is_a_bound_on_records)
{
	STORE s = memory(1);
	struct err e = { 0 };
	struct stamp one = { 1, 1 };

	s->records_max = 2;
	put_endpoint(s, &pod_one, "one");
	put_endpoint(s, &pod_two, "two");
	cr_assert_eq(write_node(s, store_self(s), "a", false, &e), -ENOSPC);
	cr_assert_not_null(strstr(e.text, "2 records"));
	cr_assert_eq(merge_bytes(s, RECORD_NETWORK, &app_net, &stranger, one, false, "", 0),
		     MERGE_REFUSED);
	put_endpoint(s, &pod_one, "changes-still-fit");
}

Test(store, bodies_too_large_or_out_of_bounds_are_not_written)
{
	static const uint8_t big[RECORD_BODY_MAX + 1];
	STORE s = memory(1);
	struct record_key key = key_of_id(RECORD_NETWORK, &app_net);
	struct buf body = { 0 };
	struct err e = { 0 };

	buf_put(&body, big, sizeof(big));
	cr_assert_eq(store_write(s, &key, &body, false, NOW, &e), -EMSGSIZE);
	cr_assert_not_null(strstr(e.text, "8193"));
	body.len = 5;
	cr_assert_eq(store_write(s, &key, &body, false, NOW, NULL), -EINVAL);
	body.failed = true;
	cr_assert_eq(store_write(s, &key, &body, false, NOW, NULL), -ENOMEM);
	cr_assert_eq(store_count(s), 0);
	buf_fini(&body);
}

/* ---- refutation ---- */

Test(store, a_newer_copy_of_our_endpoint_is_refuted)
{
	STORE ours = memory(1), old_life = memory(2), other = memory(3);
	struct stamp seen;

	forge_self(old_life, ours);
	old_life->generation = 40; /* of before a backup was restored */
	put_endpoint(old_life, &pod_one, "old");
	commit(old_life);
	put_endpoint(ours, &pod_one, "ours");
	commit(ours);
	seen = endpoint(old_life, &pod_one)->stamp;
	cr_assert_eq(pass(old_life, ours, RECORD_ENDPOINT, &pod_one), MERGE_REFUTED);
	commit(ours);
	cr_assert_str_eq(endpoint(ours, &pod_one)->endpoint.name, "ours");
	cr_assert_gt(stamp_cmp(&endpoint(ours, &pod_one)->stamp, &seen), 0);
	cr_assert_eq(store_generation(ours), 41);
	cr_assert_eq(announced(ours), 1);
	pass_all(old_life, other);
	pass_all(ours, other);
	cr_assert_str_eq(endpoint(other, &pod_one)->endpoint.name, "ours");
}

Test(store, a_copy_of_an_endpoint_we_lost_becomes_a_tombstone)
{
	STORE ours = memory(1), old_life = memory(2), other = memory(3);

	forge_self(old_life, ours);
	put_endpoint(old_life, &pod_one, "lost");
	commit(old_life);
	pass_all(old_life, other);
	cr_assert_eq(pass(other, ours, RECORD_ENDPOINT, &pod_one), MERGE_REFUTED);
	commit(ours);
	cr_assert(endpoint(ours, &pod_one)->tombstone);
	cr_assert_str_eq(endpoint(ours, &pod_one)->endpoint.name, "lost", "the body is kept");
	pass_all(ours, other);
	cr_assert(endpoint(other, &pod_one)->tombstone);
}

Test(store, a_deleted_endpoint_of_ours_stays_deleted)
{
	STORE ours = memory(1), old_life = memory(2);

	forge_self(old_life, ours);
	old_life->generation = 7;
	put_endpoint(old_life, &pod_one, "zombie");
	commit(old_life);
	put_endpoint(ours, &pod_one, "web");
	cr_assert_eq(write_endpoint(ours, &pod_one, store_self(ours), "web", true, NULL), 0);
	cr_assert_eq(pass(old_life, ours, RECORD_ENDPOINT, &pod_one), MERGE_REFUTED);
	cr_assert(endpoint(ours, &pod_one)->tombstone);
}

Test(store, another_node_cannot_take_our_endpoint)
{
	STORE ours = memory(1), thief = memory(2);

	put_endpoint(ours, &pod_one, "ours");
	commit(ours);
	thief->generation = 90;
	put_endpoint(thief, &pod_one, "stolen");
	commit(thief);
	cr_assert_eq(pass(thief, ours, RECORD_ENDPOINT, &pod_one), MERGE_REFUTED);
	cr_assert_str_eq(endpoint(ours, &pod_one)->endpoint.name, "ours");
	commit(ours);
	cr_assert_eq(pass(ours, thief, RECORD_ENDPOINT, &pod_one), MERGE_REFUTED,
		     "neither can both be convinced; ids are random, so it takes a forger");
}

Test(store, our_node_record_of_an_older_life_is_passed_by_the_next_announcement)
{
	STORE ours = memory(1), old_life = memory(2);
	struct stamp seen;

	forge_self(old_life, ours);
	old_life->generation = 12;
	put_node(old_life, "host-a");
	commit(old_life);
	seen = node(old_life, store_self(ours))->stamp;
	cr_assert_eq(pass(old_life, ours, RECORD_NODE, store_self(ours)), MERGE_OLD);
	cr_assert_null(node(ours, store_self(ours)));
	put_node(ours, "host-a");
	cr_assert_gt(stamp_cmp(&node(ours, store_self(ours))->stamp, &seen), 0);
	commit(ours);
	old_life->generation = 50;
	put_node(old_life, "host-x");
	commit(old_life);
	cr_assert_eq(pass(old_life, ours, RECORD_NODE, store_self(ours)), MERGE_REFUTED);
	cr_assert_str_eq(node(ours, store_self(ours))->node.name, "host-a");
}

/* ---- removed nodes ---- */

Test(store, removal_of_a_node_is_final)
{
	STORE a = memory(1), b = memory(2), c = memory(3);

	b->generation = 1000;
	put_node(b, "host-b");
	commit(b);
	pass_all(b, a);
	cr_assert_eq(write_node(a, store_self(b), "host-b", true, NULL), 0);
	commit(a);
	cr_assert_eq(pass(b, a, RECORD_NODE, store_self(b)), MERGE_REFUSED);
	pass_all(a, c);
	put_node(b, "host-b-again");
	commit(b);
	cr_assert_eq(pass(b, c, RECORD_NODE, store_self(b)), MERGE_REFUSED);
	cr_assert(node(c, store_self(b))->tombstone);
	cr_assert_eq(write_node(a, store_self(b), "host-b", true, NULL), 0, "twice is once");
}

Test(store, a_node_takes_its_own_removal_and_cannot_write_itself_again)
{
	STORE a = memory(1), b = memory(2);
	struct err e = { 0 };

	put_node(b, "host-b");
	commit(b);
	cr_assert_eq(write_node(a, store_self(b), "host-b", true, NULL), 0);
	commit(a);
	cr_assert_eq(pass(a, b, RECORD_NODE, store_self(b)), MERGE_NEW);
	cr_assert(node(b, store_self(b))->tombstone);
	cr_assert_eq(write_node(b, store_self(b), "host-b", false, &e), -ESTALE);
	cr_assert_not_null(strstr(e.text, "join again"));
	commit(b);
	cr_assert(same_hashes(a, b));
}

Test(store, removal_arriving_first_or_last_ends_the_same)
{
	STORE b = memory(2), remover = memory(1), other_remover = memory(4);
	STORE first = memory(3), last = memory(5);

	put_node(b, "host-b");
	commit(b);
	write_node(remover, store_self(b), "host-b", true, NULL);
	commit(remover);
	write_node(other_remover, store_self(b), "host-b", true, NULL);
	commit(other_remover);
	pass_all(remover, first);
	pass_all(other_remover, first);
	pass_all(b, first);
	pass_all(b, last);
	pass_all(other_remover, last);
	pass_all(remover, last);
	cr_assert(same_hashes(first, last));
	cr_assert(node(last, store_self(b))->tombstone);
}

/* ---- clocks ---- */

Test(store, the_later_edit_wins_though_its_clock_is_years_behind)
{
	STORE ahead = memory(1), behind = memory(2);
	uint64_t years = 10ull * 365 * 86400 * 1000;

	put_network(ahead, &app_net, "first", false, NOW + years);
	commit(ahead);
	pass_all(ahead, behind);
	put_network(behind, &app_net, "second", false, NOW);
	put_network(behind, &app_net, "third", false, NOW);
	commit(behind);
	pass_all(behind, ahead);
	cr_assert_str_eq(network(ahead, &app_net)->network.name, "third");
	put_network(ahead, &app_net, "fourth", false, NOW + years + 1);
	cr_assert_eq(network(ahead, &app_net)->stamp.lo, 0, "a clock that moved on needs no counter");
	commit(ahead);
	pass_all(ahead, behind);
	cr_assert_str_eq(network(behind, &app_net)->network.name, "fourth");
}

Test(store, a_service_is_anybodys_and_the_later_edit_wins_though_its_clock_is_behind)
{
	STORE ahead = memory(1), behind = memory(2);

	cr_assert_eq(write_service(ahead, &pod_one, "first", false, NOW + 1000000, NULL), 0);
	commit(ahead);
	pass_all(ahead, behind);
	cr_assert_eq(write_service(behind, &pod_one, "second", false, NOW, NULL), 0);
	commit(behind);
	pass_all(behind, ahead);
	cr_assert_str_eq(service(ahead, &pod_one)->service.name, "second");
	put_network(behind, &app_net, "net", false, NOW);
	cr_assert_gt(stamp_cmp(&network(behind, &app_net)->stamp, &service(behind, &pod_one)->stamp),
		     0, "one clock for all that is shared");
}

Test(store, removal_of_a_service_is_final_whatever_was_edited_elsewhere)
{
	STORE remover = memory(1), editor = memory(2);
	struct err e = { 0 };

	cr_assert_eq(write_service(remover, &pod_one, "shop", false, NOW, NULL), 0);
	commit(remover);
	pass_all(remover, editor);
	cr_assert_eq(write_service(remover, &pod_one, "shop", true, NOW + 1, NULL), 0);
	cr_assert_eq(write_service(editor, &pod_one, "shop", false, NOW + 1000, NULL), 0);
	commit(remover);
	commit(editor);
	pass_all(editor, remover);
	pass_all(remover, editor);
	cr_assert(service(remover, &pod_one)->tombstone);
	cr_assert(service(editor, &pod_one)->tombstone);
	cr_assert(same_hashes(remover, editor));
	cr_assert_eq(write_service(editor, &pod_one, "shop", false, NOW + 2000, &e), -ESTALE);
	cr_assert(strstr(e.text, "service shop was removed"), "%s", e.text);
	put_network(editor, &app_net, "net", false, NOW + 3000);
	cr_assert_eq(network(editor, &app_net)->stamp.hi, NOW + 3000, "the clock goes on as before");
}

Test(store, edits_of_one_moment_end_the_same_everywhere)
{
	STORE a = memory(1), b = memory(2);

	put_network(a, &app_net, "from-a", false, NOW);
	put_network(b, &app_net, "from-b", false, NOW);
	commit(a);
	commit(b);
	pass_all(a, b);
	pass_all(b, a);
	cr_assert(same_hashes(a, b));
	cr_assert_str_eq(network(a, &app_net)->network.name, network(b, &app_net)->network.name);
}

/* ---- convergence ---- */

/* Random writes on four nodes, random exchanges; a full exchange makes all equal. */
static void life(struct store *s[4], struct rng *rng)
{
	for (int i = 0; i < 200; i++) {
		struct store *at = s[rng_below(rng, 4)];
		struct id id = { { (uint8_t)(1 + rng_below(rng, 6)) } };
		char name[16];

		snprintf(name, sizeof(name), "v%d", i);
		switch (rng_below(rng, 5)) {
		case 0:
			put_network(at, &id, name, rng_below(rng, 4) == 0, NOW + rng_below(rng, 50));
			break;
		case 1:
			id.b[1] = at->self.b[0];
			write_endpoint(at, &id, &at->self, name, rng_below(rng, 3) == 0, NULL);
			break;
		case 2:
			write_block(at, &s[rng_below(rng, 4)]->self, NULL);
			break;
		case 3:
			put_node(at, name);
			break;
		default:
			commit(at);
			pass_all(at, s[rng_below(rng, 4)]);
		}
	}
}

Test(store, all_nodes_agree_after_a_full_exchange)
{
	for (uint64_t seed = 1; seed <= 10; seed++) {
		struct store *s[4];
		struct rng rng;

		rng_init_u64(&rng, seed);
		for (int i = 0; i < 4; i++)
			s[i] = memory(seed * 10 + (uint64_t)i);
		life(s, &rng);
		for (int i = 0; i < 4; i++)
			commit(s[i]);
		for (int round = 0; round < 2; round++)
			for (int i = 0; i < 4; i++)
				for (int j = 0; j < 4; j++)
					pass_all(s[i], s[j]);
		for (int i = 1; i < 4; i++)
			cr_assert(same_hashes(s[0], s[i]), "seed %d", (int)seed);
		for (int i = 0; i < 4; i++)
			store_close(s[i]);
	}
}

Test(store, hashes_are_of_content_and_not_of_history)
{
	STORE a = memory(1), b = memory(2), c = memory(3);

	for (int i = 0; i < 5; i++) {
		put_endpoint(a, &pod_one, i < 4 ? "draft" : "done");
		put_endpoint(a, &pod_two, "two");
		commit(a);
		pass_all(a, b);
	}
	pass_all(a, c);
	cr_assert(same_hashes(a, b));
	cr_assert(same_hashes(a, c));
	put_endpoint(a, &pod_one, "changed");
	commit(a);
	cr_assert_not(same_hashes(a, c));
}

static int stop_at_once(void *ctx, const struct record *r)
{
	(void)ctx;
	(void)r;
	return 7;
}

Test(store, walking_a_bucket_stops_when_asked_and_bounds_its_argument)
{
	STORE s = memory(1);
	struct record_key key = key_of_id(RECORD_ENDPOINT, &pod_one);

	put_endpoint(s, &pod_one, "web");
	commit(s);
	cr_assert_eq(store_each(s, store_bucket_of(&key), stop_at_once, NULL), 7);
	cr_assert_eq(store_each(s, STORE_BUCKETS, stop_at_once, NULL), 0);
	cr_assert_eq(store_bucket_hash(s, STORE_BUCKETS), 0);
}

/* ---- forgetting ---- */

Test(store, old_tombstones_are_forgotten_and_do_not_come_back)
{
	STORE a = memory(1), b = memory(2);

	put_network(a, &app_net, "net", false, NOW);
	put_network(a, &app_net, "net", true, NOW);
	commit(a);
	pass_all(a, b);
	cr_assert_eq(store_purge(a, NOW + AGE, AGE), 0, "not yet");
	cr_assert_eq(store_purge(a, NOW + AGE + 1, AGE), 1);
	commit(a);
	cr_assert_null(network(a, &app_net));
	cr_assert_eq(committed(a), 0);
	cr_assert_eq(pass(b, a, RECORD_NETWORK, &app_net), MERGE_OLD, "b still has it");
	put_network(b, &app_net, "again", false, NOW);
	commit(b);
	cr_assert_eq(pass(b, a, RECORD_NETWORK, &app_net), MERGE_NEW, "a newer version is news");
}

Test(store, what_was_forgotten_can_be_written_again_past_its_old_stamp)
{
	STORE a = memory(1), b = memory(2);

	put_endpoint(a, &pod_one, "web");
	cr_assert_eq(write_endpoint(a, &pod_one, store_self(a), "web", true, NULL), 0);
	commit(a);
	pass_all(a, b);
	cr_assert_eq(store_purge(a, NOW + AGE + 1, AGE), 1);
	put_endpoint(a, &pod_one, "again");
	commit(a);
	cr_assert_eq(pass(a, b, RECORD_ENDPOINT, &pod_one), MERGE_NEW);
}

Test(store, removed_nodes_are_never_forgotten_but_their_endpoints_are)
{
	STORE a = memory(1), b = memory(2);

	put_node(b, "host-b");
	put_endpoint(b, &pod_one, "web");
	put_network(a, &app_net, "net", false, NOW);
	commit(b);
	pass_all(b, a);
	cr_assert_eq(write_node(a, store_self(b), "host-b", true, NULL), 0);
	commit(a);
	cr_assert_eq(store_purge(a, NOW + AGE + 1, AGE), 1);
	cr_assert_null(endpoint(a, &pod_one));
	cr_assert_not_null(node(a, store_self(b)));
	cr_assert_not_null(network(a, &app_net), "the living stay");
}

Test(store, blocks_of_a_removed_network_go_with_it)
{
	STORE s = memory(1);

	put_network(s, &app_net, "net", false, NOW);
	cr_assert_eq(write_block(s, store_self(s), NULL), 0);
	put_network(s, &app_net, "net", true, NOW);
	commit(s);
	cr_assert_eq(store_purge(s, NOW + AGE + 1, AGE), 2);
	cr_assert_eq(store_count(s), 0);
}

Test(store, services_of_a_removed_network_go_with_it)
{
	STORE s = memory(1);

	put_network(s, &app_net, "net", false, NOW);
	cr_assert_eq(write_service(s, &pod_one, "shop", false, NOW, NULL), 0);
	put_network(s, &app_net, "net", true, NOW);
	commit(s);
	cr_assert_eq(store_purge(s, NOW + AGE + 1, AGE), 2);
	cr_assert_eq(store_count(s), 0);
}

Test(store, a_forgotten_service_is_not_brought_back_by_an_edit)
{
	STORE a = memory(1), b = memory(2);

	cr_assert_eq(write_service(a, &pod_one, "shop", false, NOW, NULL), 0);
	commit(a);
	pass_all(a, b);
	cr_assert_eq(write_service(a, &pod_one, "shop", true, NOW, NULL), 0);
	commit(a);
	cr_assert_eq(store_purge(a, NOW + AGE + 1, AGE), 1);
	cr_assert_eq(write_service(b, &pod_one, "edited", false, NOW + 5, NULL), 0);
	commit(b);
	cr_assert_eq(pass(b, a, RECORD_SERVICE, &pod_one), MERGE_OLD);
}

Test(store, a_clock_set_back_forgets_nothing)
{
	STORE s = memory(1);

	put_network(s, &app_net, "net", true, NOW);
	cr_assert_eq(store_purge(s, NOW - 10 * AGE, AGE), 0);
}

Test(store, forgetting_what_waits_for_commit_or_announcement_leaves_nothing)
{
	STORE s = memory(1);

	put_network(s, &app_net, "net", true, NOW);
	commit(s);
	put_network(s, &app_net, "net2", true, NOW);
	cr_assert_eq(store_purge(s, NOW + AGE + 1, AGE), 1);
	commit(s);
	cr_assert_eq(announced(s), 0);
	cr_assert_eq(committed(s), 0);
}
