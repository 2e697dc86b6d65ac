// SPDX-License-Identifier: GPL-2.0-or-later
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "gossip/join.h"

#define WALL 1750000000000ull

static const struct id cluster_a = { { 0xaa } }, cluster_b = { { 0xbb } };

static struct store *new_store(uint64_t seed)
{
	struct err e = { 0 };
	struct store *s;
	struct rng rng;

	rng_init_u64(&rng, seed);
	cr_assert_eq(store_open(NULL, &rng, &s, &e), 0, "%s", e.text);
	return s;
}

static void write_cluster(struct store *s, const struct id *id)
{
	_cleanup_(buf_fini) struct buf body = { 0 };
	struct cluster cluster = { .id = *id };
	struct gossip_ring ring = { .key_count = 1, .key = { { 5 } } };
	struct record_key key = key_of_id(RECORD_CLUSTER, &(struct id){ 0 });
	struct err e = { 0 };

	cluster_encode(&body, &cluster);
	cr_assert_eq(store_write(s, &key, &body, false, WALL, &e), 0, "%s", e.text);
	buf_reset(&body);
	key = key_of_id(RECORD_RING, &(struct id){ 0 });
	ring_encode(&body, &ring);
	cr_assert_eq(store_write(s, &key, &body, false, WALL, &e), 0, "%s", e.text);
	cr_assert_eq(store_commit(s, &e), 0);
}

static void write_node(struct store *s, const char *name, bool tombstone)
{
	_cleanup_(buf_fini) struct buf body = { 0 };
	struct record_key key = key_of_id(RECORD_NODE, store_self(s));
	struct node node = { .id = *store_self(s),
			     .addr = addr_from_v4(0x0a000001),
			     .gossip_port = 7946 };
	struct err e = { 0 };

	snprintf(node.name, sizeof(node.name), "%s", name);
	node_encode(&body, &node);
	cr_assert_eq(store_write(s, &key, &body, tombstone, WALL, &e), 0, "%s", e.text);
	cr_assert_eq(store_commit(s, &e), 0);
}

static struct store *server_store(void)
{
	struct store *s = new_store(1);

	write_cluster(s, &cluster_a);
	write_node(s, "alpha", false);
	return s;
}

static struct join_request request_of(const struct store *s, const char *name)
{
	struct join_request r = { .id = *store_self(s),
				  .addr = { addr_from_v4(0x0a000002), 7946 },
				  .version = "0.1.0" };

	snprintf(r.name, sizeof(r.name), "%s", name);
	return r;
}

/* Asks server to let client in, by the bytes; what the client says of the answer. */
static int join(struct store *server, struct store *client, const struct join_request *r,
		struct err *e)
{
	_cleanup_(buf_fini) struct buf request = { 0 }, reply = { 0 };

	join_request_encode(&request, r);
	join_answer(server, cursor_of(request.data, request.len), &reply);
	return join_accept(client, cursor_of(reply.data, reply.len), WALL, e);
}

Test(gossip_join, a_request_comes_out_as_it_went_in)
{
	_cleanup_(buf_fini) struct buf b = { 0 };
	struct store *s = new_store(2);
	struct join_request in = request_of(s, "beta"), out;
	struct cursor c;

	join_request_encode(&b, &in);
	c = cursor_of(b.data, b.len);
	cr_assert_eq(join_request_decode(&c, &out), 0);
	cr_assert_str_eq(out.name, "beta");
	cr_assert_str_eq(out.version, "0.1.0");
	cr_assert(id_equal(&in.id, &out.id));
	cr_assert_eq(out.addr.port, 7946);
	store_close(s);
}

Test(gossip_join, a_request_cut_short_anywhere_is_refused)
{
	_cleanup_(buf_fini) struct buf b = { 0 };
	struct store *s = new_store(2);
	struct join_request r = request_of(s, "beta");

	join_request_encode(&b, &r);
	for (size_t len = 0; len < b.len; len++) {
		struct cursor c = cursor_of(b.data, len);

		cr_assert_eq(join_request_decode(&c, &r), -EBADMSG, "%zu bytes", len);
	}
	b.data[0] = 2;
	cr_assert_eq(join_request_decode(&(struct cursor){ b.data, b.data + b.len, false }, &r),
		     -EPROTONOSUPPORT);
	store_close(s);
}

Test(gossip_join, a_newcomer_learns_the_cluster_and_its_nodes)
{
	struct store *server = server_store(), *client = new_store(2);
	struct join_request r = request_of(client, "beta");
	struct err e = { 0 };
	const struct view *v;

	cr_assert_eq(join(server, client, &r, &e), 0, "%s", e.text);
	v = store_view(client);
	cr_assert(v->cluster && id_equal(&v->cluster->id, &cluster_a));
	cr_assert_eq(v->ring->key[0][0], 5);
	cr_assert_not_null(view_node_by_name(v, "alpha"));
	store_close(server);
	store_close(client);
}

static void refused(struct store *server, struct store *client, const struct join_request *r,
		    const char *part)
{
	struct err e = { 0 };
	size_t before = store_count(client);

	cr_assert_eq(join(server, client, r, &e), -EACCES, "%s", e.text);
	cr_assert(strstr(e.text, part), "%s", e.text);
	cr_assert_eq(store_count(client), before);
}

Test(gossip_join, a_name_that_another_node_has_is_refused)
{
	struct store *server = server_store(), *client = new_store(2);
	struct join_request r = request_of(client, "alpha");

	refused(server, client, &r, "\"alpha\" is taken");
	store_close(server);
	store_close(client);
}

Test(gossip_join, a_name_of_no_kind_is_refused)
{
	struct store *server = server_store(), *client = new_store(2);
	struct join_request r = request_of(client, "-x/y");

	refused(server, client, &r, "node name");
	store_close(server);
	store_close(client);
}

Test(gossip_join, a_removed_node_is_refused)
{
	struct store *server = server_store(), *client = new_store(2);
	struct join_request r = request_of(client, "beta");
	struct record_key key = key_of_id(RECORD_NODE, store_self(client));
	struct record tombstone;

	write_node(client, "beta", true);
	cr_assert_eq(store_get(client, &key, &tombstone), 0);
	cr_assert_eq(store_merge(server, &tombstone, WALL), MERGE_NEW);
	refused(server, client, &r, "was removed");
	store_close(server);
	store_close(client);
}

Test(gossip_join, the_same_node_may_join_again)
{
	struct store *server = server_store(), *client = new_store(2);
	struct join_request r = request_of(client, "beta");
	struct record_key key = key_of_id(RECORD_NODE, store_self(client));
	struct record node;
	struct err e = { 0 };

	write_node(client, "beta", false);
	cr_assert_eq(store_get(client, &key, &node), 0);
	cr_assert_eq(store_merge(server, &node, WALL), MERGE_NEW);
	cr_assert_eq(join(server, client, &r, &e), 0, "%s", e.text);
	store_close(server);
	store_close(client);
}

Test(gossip_join, a_node_without_cluster_lets_nobody_in)
{
	struct store *server = new_store(1), *client = new_store(2);
	struct join_request r = request_of(client, "beta");

	write_node(server, "alpha", false);
	refused(server, client, &r, "no cluster yet");
	store_close(server);
	store_close(client);
}

Test(gossip_join, a_node_of_another_cluster_does_not_change_sides)
{
	struct store *server = server_store(), *client = new_store(2);
	struct join_request r = request_of(client, "beta");
	struct err e = { 0 };

	write_cluster(client, &cluster_b);
	cr_assert_eq(join(server, client, &r, &e), -EEXIST);
	cr_assert(strstr(e.text, "cluster leave"), "%s", e.text);
	cr_assert(id_equal(&store_view(client)->cluster->id, &cluster_b));
	cr_assert_null(view_node_by_name(store_view(client), "alpha"));
	store_close(server);
	store_close(client);
}

Test(gossip_join, a_copied_state_directory_is_refused)
{
	struct store *server = server_store();
	struct join_request r = request_of(server, "beta");
	struct store *client = new_store(2);

	refused(server, client, &r, "cannot be copied");
	store_close(server);
	store_close(client);
}

Test(gossip_join, half_an_answer_changes_nothing)
{
	_cleanup_(buf_fini) struct buf request = { 0 }, reply = { 0 };
	struct store *server = server_store(), *client = new_store(2);
	struct join_request r = request_of(client, "beta");

	join_request_encode(&request, &r);
	join_answer(server, cursor_of(request.data, request.len), &reply);
	for (size_t len = 0; len < reply.len; len++) {
		struct err e = { 0 };

		cr_assert_lt(join_accept(client, cursor_of(reply.data, len), WALL, &e), 0);
		cr_assert_neq(e.text[0], '\0');
		cr_assert_eq(store_count(client), 0, "%zu bytes", len);
	}
	store_close(server);
	store_close(client);
}

Test(gossip_join, a_hostile_sentence_cannot_write_to_the_terminal)
{
	_cleanup_(buf_fini) struct buf reply = { 0 };
	struct store *client = new_store(2);
	struct err e = { 0 };

	buf_u8(&reply, 1);
	buf_u8(&reply, 1);
	buf_str(&reply, "\033[2Jgone");
	buf_u16(&reply, 0);
	cr_assert_eq(join_accept(client, cursor_of(reply.data, reply.len), WALL, &e), -EACCES);
	cr_assert_null(strchr(e.text, '\033'));
	store_close(client);
}
