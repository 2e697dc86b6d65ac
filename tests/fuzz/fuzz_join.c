// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Joining, both sides. First byte: 0 a request's body at the server, 1 a reply's
 * body at a new node, 2 the same at a node that has a cluster.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "gossip/join.h"

#define WALL 1750000000000ull

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void write_cluster(struct store *s)
{
	_cleanup_(buf_fini) struct buf body = { 0 };
	struct cluster cluster = { .id = { { 0xaa } } };
	struct gossip_ring ring = { .key_count = 1, .key = { { 5 } } };
	struct record_key key = key_of_id(RECORD_CLUSTER, &(struct id){ 0 });
	struct err e = { 0 };

	cluster_encode(&body, &cluster);
	must(!store_write(s, &key, &body, false, WALL, &e));
	buf_reset(&body);
	key = key_of_id(RECORD_RING, &(struct id){ 0 });
	ring_encode(&body, &ring);
	must(!store_write(s, &key, &body, false, WALL, &e));
	must(!store_commit(s, &e));
}

static void close_store(struct store **s)
{
	store_close(*s);
}

static void ask_server(struct store *s, struct cursor c)
{
	_cleanup_(buf_fini) struct buf reply = { 0 }, again = { 0 };
	struct join_request r, second;
	struct cursor copy = c;

	join_answer(s, c, &reply);
	must(reply.len >= 5 && reply.len <= JOIN_MESSAGE_MAX);
	if (join_request_decode(&copy, &r))
		return;
	join_request_encode(&again, &r); /* what was read can be written and read again */
	copy = cursor_of(again.data, again.len);
	must(!join_request_decode(&copy, &second));
	must(id_equal(&r.id, &second.id) && r.addr.port == second.addr.port);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(close_store) struct store *s = NULL;
	struct cursor c = cursor_of(data, size);
	uint8_t what = cursor_u8(&c);
	struct err e = { 0 };
	struct rng rng;

	rng_init_u64(&rng, 1);
	must(!store_open(NULL, &rng, &s, &e));
	if (what % 3 != 1)
		write_cluster(s);
	if (what % 3 == 0)
		ask_server(s, c);
	else if (join_accept(s, c, WALL, &e))
		must(e.code < 0 && e.text[0]); /* a refusal always says why */
	return 0;
}
