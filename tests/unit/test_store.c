/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "store/table.h"

#define NOW 1700000000000ull /* a wall clock, ms */

static const struct id app_net = { { 0xc0 } }, pod_one = { { 0xe1 } }, pod_two = { { 0xe2 } };
static const struct id stranger = { { 0x51 } };

static bool is_child; /* set after a fork */

/* Criterion takes no message from a forked child, not even that all is well. */
static void check(bool ok, const char *what)
{
	if (ok)
		return;
	if (is_child)
		_exit(3);
	cr_assert_fail("%s", what);
}

static void store_closep(struct store **s)
{
	store_close(*s);
}
typedef struct store *store_ptr; /* so that one line can declare several */
#define STORE _cleanup_(store_closep) store_ptr

static struct store *open_at(const char *path, uint64_t seed)
{
	struct err e = { 0 };
	struct store *s = NULL;
	struct rng rng;

	rng_init_u64(&rng, seed);
	check(!store_open(path, &rng, &s, &e), e.text);
	return s;
}

static struct store *memory(uint64_t seed)
{
	return open_at(NULL, seed);
}

/* The sentence with which opening fails. */
static struct err refused_open(const char *path)
{
	struct err e = { 0 };
	struct store *s = NULL;
	struct rng rng;

	rng_init_u64(&rng, 1);
	cr_assert_neq(store_open(path, &rng, &s, &e), 0);
	cr_assert_null(s);
	cr_assert_neq(e.code, 0);
	return e;
}

static void commit(struct store *s)
{
	struct err e = { 0 };

	check(!store_commit(s, &e), e.text);
}

/* ---- writing ---- */

static int write_endpoint(struct store *s, const struct id *id, const struct id *node,
			  const char *name, bool tombstone, struct err *e)
{
	struct record_key key = key_of_id(RECORD_ENDPOINT, id);
	struct endpoint ep = { .id = *id, .node = *node, .network = app_net,
			       .addr = addr_from_v4(0x0a0a0003) };
	struct buf body = { 0 };
	int err;

	snprintf(ep.name, sizeof(ep.name), "%s", name);
	endpoint_encode(&body, &ep);
	err = store_write(s, &key, &body, tombstone, NOW, e);
	buf_fini(&body);
	return err;
}

static void put_endpoint(struct store *s, const struct id *id, const char *name)
{
	struct err e = { 0 };

	check(!write_endpoint(s, id, store_self(s), name, false, &e), e.text);
}

static int write_node(struct store *s, const struct id *id, const char *name, bool tombstone,
		      struct err *e)
{
	struct record_key key = key_of_id(RECORD_NODE, id);
	struct node n = { .id = *id };
	struct buf body = { 0 };
	int err;

	snprintf(n.name, sizeof(n.name), "%s", name);
	node_encode(&body, &n);
	err = store_write(s, &key, &body, tombstone, NOW, e);
	buf_fini(&body);
	return err;
}

static void put_node(struct store *s, const char *name)
{
	struct err e = { 0 };

	cr_assert_eq(write_node(s, store_self(s), name, false, &e), 0, "%s", e.text);
}

static void put_network(struct store *s, const struct id *id, const char *name, bool tombstone,
			uint64_t now)
{
	struct record_key key = key_of_id(RECORD_NETWORK, id);
	struct network n = { .id = *id, .vni = 5000 };
	struct buf body = { 0 };
	struct err e = { 0 };

	snprintf(n.name, sizeof(n.name), "%s", name);
	network_encode(&body, &n);
	cr_assert_eq(store_write(s, &key, &body, tombstone, now, &e), 0, "%s", e.text);
	buf_fini(&body);
}

static int write_block(struct store *s, const struct id *owner, struct err *e)
{
	struct block b = { .network = app_net, .start = addr_from_v4(0x0a0a0000), .owner = *owner };
	struct record_key key = key_of_block(&b.network, &b.start);
	struct buf body = { 0 };
	int err;

	block_encode(&body, &b);
	err = store_write(s, &key, &body, false, NOW, e);
	buf_fini(&body);
	return err;
}

/* ---- passing on ---- */

static const struct item *endpoint(const struct store *s, const struct id *id)
{
	struct record_key key = key_of_id(RECORD_ENDPOINT, id);

	return store_item(s, &key);
}

static const struct item *node(const struct store *s, const struct id *id)
{
	struct record_key key = key_of_id(RECORD_NODE, id);

	return store_item(s, &key);
}

static const struct item *network(const struct store *s, const struct id *id)
{
	struct record_key key = key_of_id(RECORD_NETWORK, id);

	return store_item(s, &key);
}

/* Merges `from`'s committed version of a key into `to`. */
static enum merge_result pass(struct store *from, struct store *to, enum record_kind kind,
			      const struct id *id)
{
	struct record_key key = key_of_id(kind, id);
	struct record r;

	cr_assert_eq(store_get(from, &key, &r), 0);
	return store_merge(to, &r, NOW);
}

static int merge_one(void *to, const struct record *r)
{
	store_merge(to, r, NOW);
	return 0;
}

static void pass_all(const struct store *from, struct store *to)
{
	for (unsigned int i = 0; i < STORE_BUCKETS; i++)
		store_each(from, i, merge_one, to);
	commit(to);
}

static bool same_hashes(const struct store *a, const struct store *b)
{
	for (unsigned int i = 0; i < STORE_BUCKETS; i++)
		if (store_bucket_hash(a, i) != store_bucket_hash(b, i))
			return false;
	return true;
}

static int count_record(void *ctx, const struct record *r)
{
	(void)r;
	++*(size_t *)ctx;
	return 0;
}

static size_t committed(const struct store *s)
{
	size_t count = 0;

	for (unsigned int i = 0; i < STORE_BUCKETS; i++)
		store_each(s, i, count_record, &count);
	return count;
}

static size_t announced(struct store *s)
{
	struct record_key key;
	size_t count = 0;

	while (!store_next_announce(s, &key))
		count++;
	return count;
}

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

/* A copy of s from its past: same node, an older life of its records. */
static void forge_self(struct store *clone, const struct store *of)
{
	clone->self = of->self;
}

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

#define AGE 1000ull

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

/* ---- on disk ---- */

struct disk {
	char dir[64], path[96];
};

static struct disk disk_new(void)
{
	struct disk d = { "/tmp/ovstore.XXXXXX", "" };

	cr_assert_not_null(mkdtemp(d.dir));
	snprintf(d.path, sizeof(d.path), "%s/state.db", d.dir);
	return d;
}

static void disk_fini(struct disk *d)
{
	static const char *const suffixes[] = { "", "-wal", "-shm", "-journal" };
	char path[128];

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		snprintf(path, sizeof(path), "%s%s", d->path, suffixes[i]);
		unlink(path);
	}
	rmdir(d->dir);
}
#define DISK _cleanup_(disk_fini) struct disk d = disk_new()

Test(disk, a_restart_resumes_with_the_same_node_and_a_new_generation)
{
	DISK;
	struct store *s = open_at(d.path, 1);
	STORE again = NULL;
	STORE twin = memory(3);
	struct id self = *store_self(s);
	uint64_t generation = store_generation(s);

	put_node(s, "host-a");
	put_endpoint(s, &pod_one, "web");
	cr_assert_eq(write_endpoint(s, &pod_two, &self, "gone", true, NULL), 0);
	put_network(s, &app_net, "net", false, NOW);
	commit(s);
	pass_all(s, twin);
	store_close(s);
	again = open_at(d.path, 2);
	cr_assert(id_equal(store_self(again), &self));
	cr_assert_eq(store_generation(again), generation + 1);
	cr_assert_eq(store_count(again), 4);
	cr_assert(endpoint(again, &pod_two)->tombstone);
	cr_assert_eq(endpoint(again, &pod_two)->seen_ms, NOW);
	cr_assert_str_eq(endpoint(again, &pod_one)->endpoint.name, "web");
	cr_assert(same_hashes(again, twin));
	cr_assert_eq(announced(again), 0, "that was done in the earlier life");
}

Test(disk, what_a_restarted_node_writes_is_newer_than_all_it_wrote_before)
{
	DISK;
	struct store *s = open_at(d.path, 1);
	STORE again = NULL;
	STORE other = memory(3);

	put_endpoint(s, &pod_one, "before");
	put_network(s, &app_net, "before", false, NOW + 1000);
	commit(s);
	pass_all(s, other);
	store_close(s);
	again = open_at(d.path, 2);
	put_endpoint(again, &pod_one, "after");
	put_network(again, &app_net, "after", false, NOW);
	commit(again);
	cr_assert_eq(pass(again, other, RECORD_ENDPOINT, &pod_one), MERGE_NEW);
	cr_assert_eq(pass(again, other, RECORD_NETWORK, &app_net), MERGE_NEW, "clock set back");
}

Test(disk, what_was_not_committed_is_gone_after_a_restart)
{
	DISK;
	struct store *s = open_at(d.path, 1);
	STORE again = NULL;

	put_endpoint(s, &pod_one, "kept");
	commit(s);
	put_endpoint(s, &pod_one, "lost");
	put_endpoint(s, &pod_two, "lost");
	store_close(s);
	again = open_at(d.path, 2);
	cr_assert_str_eq(endpoint(again, &pod_one)->endpoint.name, "kept");
	cr_assert_null(endpoint(again, &pod_two));
}

Test(disk, forgotten_records_leave_the_disk_with_the_next_commit)
{
	DISK;
	struct store *s = open_at(d.path, 1);
	STORE again = NULL;

	put_network(s, &app_net, "net", true, NOW);
	put_endpoint(s, &pod_one, "web");
	commit(s);
	cr_assert_eq(store_purge(s, NOW + AGE + 1, AGE), 1);
	commit(s);
	store_close(s);
	again = open_at(d.path, 2);
	cr_assert_null(network(again, &app_net));
	cr_assert_not_null(endpoint(again, &pod_one));
}

Test(disk, a_key_forgotten_and_written_again_in_one_batch_is_kept)
{
	DISK;
	struct store *s = open_at(d.path, 1);
	STORE again = NULL;

	put_network(s, &app_net, "old", true, NOW);
	commit(s);
	cr_assert_eq(store_purge(s, NOW + AGE + 1, AGE), 1);
	put_network(s, &app_net, "new", false, NOW);
	commit(s);
	store_close(s);
	again = open_at(d.path, 2);
	cr_assert_str_eq(network(again, &app_net)->network.name, "new");
}

Test(disk, an_adopted_generation_outlives_a_restart)
{
	DISK;
	struct store *s = open_at(d.path, 1);
	STORE again = NULL;
	STORE old_life = memory(2);

	forge_self(old_life, s);
	old_life->generation = 500;
	put_endpoint(old_life, &pod_one, "old");
	commit(old_life);
	cr_assert_eq(pass(old_life, s, RECORD_ENDPOINT, &pod_one), MERGE_REFUTED);
	commit(s);
	cr_assert_eq(store_generation(s), 501);
	store_close(s);
	again = open_at(d.path, 2);
	cr_assert_eq(store_generation(again), 502);
}

Test(disk, values_by_name_are_kept_at_once)
{
	DISK;
	struct store *s = open_at(d.path, 1);
	STORE again = NULL;
	struct buf out = { 0 };
	struct err e = { 0 };

	cr_assert_eq(store_meta_get(s, "token", &out), -ENOENT);
	cr_assert_eq(store_meta_set(s, "token", "first", 5, NULL), 0);
	cr_assert_eq(store_meta_set(s, "token", "second", 6, NULL), 0);
	cr_assert_eq(store_meta_set(s, "empty", NULL, 0, NULL), 0);
	cr_assert_eq(store_meta_set(s, ".self", "x", 1, &e), -EINVAL);
	cr_assert_eq(store_meta_get(s, ".self", &out), -ENOENT);
	store_close(s);
	again = open_at(d.path, 2);
	cr_assert_eq(store_meta_get(again, "token", &out), 0);
	cr_assert_eq(out.len, 6);
	cr_assert_arr_eq(out.data, "second", 6);
	buf_reset(&out);
	cr_assert_eq(store_meta_get(again, "empty", &out), 0);
	cr_assert_eq(out.len, 0);
	buf_fini(&out);
}

Test(disk, only_its_user_may_read_the_file)
{
	DISK;
	STORE s = NULL;
	struct stat st;
	char wal[128];

	umask(0);
	s = open_at(d.path, 1);
	put_node(s, "host-a");
	commit(s);
	cr_assert_eq(stat(d.path, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0600);
	snprintf(wal, sizeof(wal), "%s-wal", d.path);
	cr_assert_eq(stat(wal, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0600);
	store_close(TAKE_PTR(s));
	cr_assert_eq(chmod(d.path, 0644), 0);
	s = open_at(d.path, 1);
	cr_assert_eq(stat(d.path, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0600, "a lax one is mended");
}

/* Runs fn in a child process; returns its wait status. */
static int in_child(void (*fn)(const struct disk *d), const struct disk *d)
{
	pid_t pid = fork();
	int status;

	cr_assert_geq(pid, 0);
	if (!pid) {
		is_child = true;
		fn(d);
		_exit(0);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return status;
}

static void expect_busy(const struct disk *d)
{
	struct err e = { 0 };
	struct store *s;
	struct rng rng;

	rng_init_u64(&rng, 9);
	_exit(store_open(d->path, &rng, &s, &e) == -EBUSY &&
	      strstr(e.text, "another overlayd uses") ? 42 : 1);
}

Test(disk, a_second_daemon_on_one_state_directory_is_told)
{
	DISK;
	STORE s = open_at(d.path, 1);
	int status = in_child(expect_busy, &d);
	struct err e;

	cr_assert_eq(WEXITSTATUS(status), 42);
	e = refused_open(d.path);
	cr_assert_eq(e.code, -EBUSY, "in one process too");
	put_node(s, "host-a");
	commit(s);
	cr_assert_eq(WEXITSTATUS(in_child(expect_busy, &d)), 42, "the failed attempts freed nothing");
}

static void commit_then_die(const struct disk *d)
{
	struct store *s = open_at(d->path, 1);

	put_endpoint(s, &pod_one, "kept");
	commit(s);
	put_endpoint(s, &pod_two, "not committed");
	kill(getpid(), SIGKILL);
}

Test(disk, a_killed_process_keeps_what_was_committed_and_nothing_else)
{
	DISK;
	STORE s = NULL;
	int status = in_child(commit_then_die, &d);

	cr_assert(WIFSIGNALED(status));
	s = open_at(d.path, 2);
	cr_assert_str_eq(endpoint(s, &pod_one)->endpoint.name, "kept");
	cr_assert_null(endpoint(s, &pod_two));
}

/* Commits without end and reports each committed number, until it is killed. */
static void commit_for_ever(const char *path, int report)
{
	struct store *s = open_at(path, 1);

	for (uint32_t i = 1;; i++) {
		struct id id = { { 1, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i } };

		put_endpoint(s, &id, "x");
		commit(s);
		if (write(report, &i, sizeof(i)) != sizeof(i))
			_exit(1);
	}
}

Test(disk, no_reported_commit_is_lost_whenever_the_process_is_killed)
{
	DISK;
	uint32_t last = 0, want = 1;

	for (int round = 0; round < 5; round++) {
		STORE s = NULL;
		int fds[2], status;
		pid_t pid;

		cr_assert_eq(pipe(fds), 0);
		pid = fork();
		cr_assert_geq(pid, 0);
		if (!pid) {
			is_child = true;
			close(fds[0]);
			commit_for_ever(d.path, fds[1]);
		}
		close(fds[1]);
		for (want += 7; last < want && read(fds[0], &last, sizeof(last)) == sizeof(last);)
			;
		cr_assert_geq(last, want);
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		while (read(fds[0], &last, sizeof(last)) == sizeof(last))
			;
		close(fds[0]);
		s = open_at(d.path, 2);
		for (uint32_t i = 1; i <= last; i++) {
			struct id id = { { 1, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i } };

			cr_assert_not_null(endpoint(s, &id), "commit %u of %u", i, last);
		}
	}
}

/* ---- a full disk ---- */

static void limit_files(rlim_t bytes)
{
	struct rlimit limit;

	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = bytes;
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

Test(disk, what_cannot_be_saved_is_not_sent_and_is_saved_later)
{
	DISK;
	STORE s = open_at(d.path, 1);
	struct record_key key = key_of_id(RECORD_ENDPOINT, &pod_two);
	struct err e = { 0 };
	struct stat st;
	struct record r;
	char wal[128];

	put_endpoint(s, &pod_one, "before");
	commit(s);
	cr_assert_eq(announced(s), 1);
	signal(SIGXFSZ, SIG_IGN);
	snprintf(wal, sizeof(wal), "%s-wal", d.path);
	cr_assert_eq(stat(wal, &st), 0);
	limit_files((rlim_t)st.st_size);
	put_endpoint(s, &pod_two, "waits");
	cr_assert_lt(store_commit(s, &e), 0);
	cr_assert_not_null(strstr(e.text, d.path), "%s", e.text);
	cr_assert_eq(store_get(s, &key, &r), -ENOENT);
	cr_assert_eq(announced(s), 0);
	cr_assert_not_null(endpoint(s, &pod_two), "readers see it all the same");
	cr_assert_lt(store_commit(s, NULL), 0, "still full");
	limit_files(RLIM_INFINITY);
	commit(s);
	cr_assert_eq(announced(s), 1);
	store_close(TAKE_PTR(s));
	s = open_at(d.path, 2);
	cr_assert_not_null(endpoint(s, &pod_two));
	cr_assert_not_null(endpoint(s, &pod_one));
}

/* ---- files that are not ours or are broken ---- */

static void run_sql(const struct disk *d, const char *sql)
{
	sqlite3 *db;

	cr_assert_eq(sqlite3_open(d->path, &db), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
	sqlite3_close(db);
}

static void expect_sentence(const struct disk *d, int code, const char *words)
{
	struct err e = refused_open(d->path);

	cr_assert_eq(e.code, code, "%s", e.text);
	cr_assert_not_null(strstr(e.text, d->path), "%s", e.text);
	cr_assert_not_null(strstr(e.text, words), "%s", e.text);
}

static void write_file(const char *path, size_t at, const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	cr_assert_geq(fd, 0);
	cr_assert_eq(pwrite(fd, data, len, (off_t)at), (ssize_t)len);
	close(fd);
}

Test(disk, a_file_that_is_no_database_is_left_alone)
{
	DISK;
	struct stat st;
	char text[2048];

	memset(text, 'x', sizeof(text));
	write_file(d.path, 0, text, sizeof(text));
	expect_sentence(&d, -EBADMSG, "damaged");
	cr_assert_eq(stat(d.path, &st), 0);
	cr_assert_eq(st.st_size, (off_t)sizeof(text));
}

Test(disk, another_programs_database_is_left_alone)
{
	DISK;

	run_sql(&d, "CREATE TABLE theirs(x)");
	expect_sentence(&d, -EBADMSG, "another program's");
	run_sql(&d, "SELECT x FROM theirs");
}

Test(disk, a_newer_format_asks_for_a_newer_overlayd)
{
	DISK;

	store_close(open_at(d.path, 1));
	run_sql(&d, "PRAGMA user_version = 2");
	expect_sentence(&d, -EPROTO, "format 2");
}

Test(disk, overwritten_pages_are_damage)
{
	DISK;
	struct store *s = open_at(d.path, 1);
	uint8_t noise[4096];
	struct stat st;

	for (uint8_t i = 1; i < 100; i++) {
		struct id id = { { i } };

		put_endpoint(s, &id, "some-name-to-fill-pages-with");
	}
	commit(s);
	store_close(s);
	memset(noise, 0xa5, sizeof(noise));
	cr_assert_eq(stat(d.path, &st), 0);
	for (off_t at = 4096; at < st.st_size; at += 4096)
		write_file(d.path, (size_t)at, noise, sizeof(noise));
	expect_sentence(&d, -EBADMSG, "damaged");
}

Test(disk, a_row_that_is_no_record_is_damage)
{
	DISK;

	store_close(open_at(d.path, 1));
	run_sql(&d, "INSERT INTO record VALUES(x'04', x'0102', 0)");
	expect_sentence(&d, -EBADMSG, "no record");
}

Test(disk, a_database_without_identity_is_not_given_a_new_one)
{
	DISK;
	struct store *s = open_at(d.path, 1);
	struct err e;

	put_node(s, "host-a");
	commit(s);
	store_close(s);
	run_sql(&d, "DELETE FROM meta");
	e = refused_open(d.path);
	cr_assert_eq(e.code, -EBADMSG);
	cr_assert_not_null(strstr(e.text, "which node"), "%s", e.text);
}

Test(disk, an_empty_file_is_a_first_start)
{
	DISK;
	STORE s = NULL;

	write_file(d.path, 0, "", 0);
	s = open_at(d.path, 1);
	put_node(s, "host-a");
	commit(s);
}

Test(disk, a_missing_directory_is_named)
{
	struct err e = refused_open("/tmp/ovstore-no-such-directory/state.db");

	cr_assert_eq(e.code, -ENOENT);
	cr_assert_not_null(strstr(e.text, "/tmp/ovstore-no-such-directory/state.db"));
	cr_assert_not_null(strstr(e.text, "make the directory"));
}

Test(disk, records_of_a_newer_version_wait_on_disk)
{
	DISK;
	struct record r = { .writer = stranger, .stamp = { 1, 1 } };
	STORE s = NULL;
	struct buf b = { 0 };
	char sql[512], hex[300];

	store_close(open_at(d.path, 1));
	r.key = key_of_id(77, &pod_one);
	record_encode(&b, &r);
	snprintf(sql, sizeof(sql), "INSERT INTO record VALUES(x'4d', x'%s', 0)",
		 hex_format(b.data, b.len, hex));
	buf_fini(&b);
	run_sql(&d, sql);
	s = open_at(d.path, 2);
	cr_assert_eq(store_count(s), 0);
	put_node(s, "host-a");
	commit(s);
	store_close(TAKE_PTR(s));
	run_sql(&d, "UPDATE record SET seen_ms = 1 WHERE key = x'4d'");
}
