/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing into stores and passing records between them: for the tests of the store. */
#pragma once

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "store/table.h"

#define HELPER static __attribute__((unused))

#define AGE 1000ull /* after which a test's tombstones are forgotten, ms */
#define NOW 1700000000000ull /* a wall clock, ms */

HELPER const struct id app_net = { { 0xc0 } }, pod_one = { { 0xe1 } }, pod_two = { { 0xe2 } };
HELPER const struct id stranger = { { 0x51 } };

static bool is_child; /* set after a fork */

/* Criterion takes no message from a forked child, not even that all is well. */
HELPER void check(bool ok, const char *what)
{
	if (ok)
		return;
	if (is_child)
		_exit(3);
	cr_assert_fail("%s", what);
}

HELPER void store_closep(struct store **s)
{
	store_close(*s);
}
typedef struct store *store_ptr; /* so that one line can declare several */
#define STORE _cleanup_(store_closep) store_ptr

HELPER struct store *open_at(const char *path, uint64_t seed)
{
	struct err e = { 0 };
	struct store *s = NULL;
	struct rng rng;

	rng_init_u64(&rng, seed);
	check(!store_open(path, &rng, &s, &e), e.text);
	return s;
}

HELPER struct store *memory(uint64_t seed)
{
	return open_at(NULL, seed);
}

HELPER void commit(struct store *s)
{
	struct err e = { 0 };

	check(!store_commit(s, &e), e.text);
}

/* ---- writing ---- */

HELPER int write_endpoint(struct store *s, const struct id *id, const struct id *node,
			  const char *name, bool tombstone, struct err *e)
{
	struct record_key key = key_of_id(RECORD_ENDPOINT, id);
	struct endpoint ep = { .id = *id, .node = *node, .network = app_net,
			       .addr = addr_from_v4(0x0a0a0003) };
	struct buf body = { 0 };
	int err;

	snprintf(ep.name, sizeof(ep.name), "%s", name);
	endpoint_encode(&body, &ep, &(struct endpoint_detail){ 0 });
	err = store_write(s, &key, &body, tombstone, NOW, e);
	buf_fini(&body);
	return err;
}

HELPER void put_endpoint(struct store *s, const struct id *id, const char *name)
{
	struct err e = { 0 };

	check(!write_endpoint(s, id, store_self(s), name, false, &e), e.text);
}

HELPER int write_node(struct store *s, const struct id *id, const char *name, bool tombstone,
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

HELPER void put_node(struct store *s, const char *name)
{
	struct err e = { 0 };

	cr_assert_eq(write_node(s, store_self(s), name, false, &e), 0, "%s", e.text);
}

HELPER void put_network(struct store *s, const struct id *id, const char *name, bool tombstone,
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

HELPER int write_service(struct store *s, const struct id *id, const char *name, bool tombstone,
			 uint64_t now, struct err *e)
{
	struct record_key key = key_of_id(RECORD_SERVICE, id);
	struct service svc = { .id = *id, .network = app_net, .vip = addr_from_v4(0x0a0a0005) };
	struct buf body = { 0 };
	int err;

	snprintf(svc.name, sizeof(svc.name), "%s", name);
	service_encode(&body, &svc, &(struct service_detail){ 0 });
	err = store_write(s, &key, &body, tombstone, now, e);
	buf_fini(&body);
	return err;
}

HELPER const struct item *service(const struct store *s, const struct id *id)
{
	struct record_key key = key_of_id(RECORD_SERVICE, id);

	return store_item(s, &key);
}

HELPER int write_block(struct store *s, const struct id *owner, struct err *e)
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

HELPER int write_key(struct store *s, const struct id *node, uint8_t byte, bool tombstone,
		     struct err *e)
{
	struct record_key key = key_of_id(RECORD_KEY, node);
	struct node_key k = { .node = *node, .epoch = 1, .generation = 1 };
	struct buf body = { 0 };
	int err;

	memset(k.public_key, byte, sizeof(k.public_key));
	node_key_encode(&body, &k);
	err = store_write(s, &key, &body, tombstone, NOW, e);
	buf_fini(&body);
	return err;
}

/* One pair, with a stranger. */
HELPER int write_pairs(struct store *s, const struct id *node, uint64_t session, struct err *e)
{
	struct record_key key = key_of_pairs(node, pairs_chunk_of(&stranger));
	struct pairs p = { .node = *node, .chunk = pairs_chunk_of(&stranger), .count = 1 };
	struct pairs_detail d = { .pair = { { .peer = stranger, .session = session } } };
	struct buf body = { 0 };
	int err;

	pairs_encode(&body, &p, &d);
	err = store_write(s, &key, &body, false, NOW, e);
	buf_fini(&body);
	return err;
}

HELPER int write_epoch(struct store *s, uint64_t number, bool tombstone, struct err *e)
{
	struct record_key key = key_of_id(RECORD_EPOCH, &(struct id){ 0 });
	struct buf body = { 0 };
	int err;

	epoch_encode(&body, &(struct epoch){ .number = number, .began_ms = NOW });
	err = store_write(s, &key, &body, tombstone, NOW, e);
	buf_fini(&body);
	return err;
}

/* ---- passing on ---- */

HELPER const struct item *endpoint(const struct store *s, const struct id *id)
{
	struct record_key key = key_of_id(RECORD_ENDPOINT, id);

	return store_item(s, &key);
}

HELPER const struct item *node(const struct store *s, const struct id *id)
{
	struct record_key key = key_of_id(RECORD_NODE, id);

	return store_item(s, &key);
}

HELPER const struct item *network(const struct store *s, const struct id *id)
{
	struct record_key key = key_of_id(RECORD_NETWORK, id);

	return store_item(s, &key);
}

/* Merges `from`'s committed version of a key into `to`. */
HELPER enum merge_result pass(struct store *from, struct store *to, enum record_kind kind,
			      const struct id *id)
{
	struct record_key key = key_of_id(kind, id);
	struct record r;

	cr_assert_eq(store_get(from, &key, &r), 0);
	return store_merge(to, &r, NOW);
}

HELPER int merge_one(void *to, const struct record *r)
{
	store_merge(to, r, NOW);
	return 0;
}

HELPER void pass_all(const struct store *from, struct store *to)
{
	for (unsigned int i = 0; i < STORE_BUCKETS; i++)
		store_each(from, i, merge_one, to);
	commit(to);
}

HELPER bool same_hashes(const struct store *a, const struct store *b)
{
	for (unsigned int i = 0; i < STORE_BUCKETS; i++)
		if (store_bucket_hash(a, i) != store_bucket_hash(b, i))
			return false;
	return true;
}

HELPER int count_record(void *ctx, const struct record *r)
{
	(void)r;
	++*(size_t *)ctx;
	return 0;
}

HELPER size_t committed(const struct store *s)
{
	size_t count = 0;

	for (unsigned int i = 0; i < STORE_BUCKETS; i++)
		store_each(s, i, count_record, &count);
	return count;
}

HELPER size_t announced(struct store *s)
{
	struct record_key key;
	size_t count = 0;

	while (!store_next_announce(s, &key))
		count++;
	return count;
}

/* A copy of s from its past: same node, an older life of its records. */
HELPER void forge_self(struct store *clone, const struct store *of)
{
	clone->self = of->self;
	clone->identity = of->identity;
}
