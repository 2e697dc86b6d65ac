/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses from node to node, both sides. First byte: 0 a request to a node that
 * owns a network, 1 a reply to a node that asked; after a reply the ring may hold
 * any blocks at all, so picking and giving are tried on it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "intent/room.h"

#define WALL 1750000000000ull

struct bench {
	struct store *store;
	struct intent *intent;
	struct rng rng;
	struct network net; /* the same bytes in every run, for seeds to name it */
};

static const struct id asker = { { 0x77 } };

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void bench_fini(struct bench *b)
{
	intent_free(b->intent);
	store_close(b->store);
}

static void bench_init(struct bench *b)
{
	struct block all;

	rng_init_u64(&b->rng, 1);
	must(!store_open(NULL, &b->rng, &b->store, NULL));
	must(!intent_new(b->store, NULL, &b->rng, &b->intent));
	b->net = (struct network){ .id = { { 0x11 } }, .name = "net", .vni = 4096 };
	must(!prefix_parse("10.1.0.0/24", &b->net.subnet));
	b->net.ip_range = b->net.subnet;
	b->net.gateway = addr_add(&b->net.subnet.addr, 1);
	all = (struct block){ .network = b->net.id, .owner = *store_self(b->store),
			      .start = b->net.subnet.addr, .last = prefix_last(&b->net.subnet) };
	must(!write_network(b->intent, &b->net, false, WALL, NULL));
	must(!write_blocks(b->intent, &all, 1, WALL, NULL));
	must(!store_commit(b->store, NULL));
}

static void check_answer(struct bench *b, struct cursor request)
{
	_cleanup_(buf_fini) struct buf reply = { 0 };
	bool news;

	if (intent_on_call(b->intent, &asker, request, WALL, &reply) < 0) {
		must(!reply.len);
		return;
	}
	/* What we say can be read, teaches us nothing, and loses no address. */
	must(grant_reply_take(b->intent, cursor_of(reply.data, reply.len), &news) <= 0 && !news);
	must(ipam_owned(store_view(b->store), &b->net, store_self(b->store)) +
	     ipam_owned(store_view(b->store), &b->net, &asker) == 256);
}

static void check_ring(const struct view *v, const struct network *n, const struct id *self)
{
	struct block out[IPAM_GRANT_MAX];
	struct ov_addr a;
	struct id node;
	uint64_t used, available;
	int count;

	ipam_usage(v, n, &used, &available);
	if (ipam_pick(v, n, self, NULL, WALL, NULL, 0, &a, &node, NULL) == IPAM_OK)
		must(prefix_contains(&n->ip_range, &a) && !ipam_is_reserved(n, &a) &&
		     id_equal(ipam_owner(v, n, &a), self));
	count = ipam_grant(v, n, self, &asker, NULL, WALL, out);
	for (int i = 0; i < count; i++)
		must(prefix_contains(&n->subnet, &out[i].start) &&
		     prefix_contains(&n->subnet, &out[i].last) &&
		     addr_cmp(&out[i].start, &out[i].last) <= 0);
}

static void check_reply(struct bench *b, struct cursor reply)
{
	const struct view *v;
	bool news;

	must(grant_reply_take(b->intent, reply, &news) <= 0);
	v = store_view(b->store);
	for (size_t i = 0; i < v->network_count; i++)
		check_ring(v, v->network[i].net, store_self(b->store));
	intent_heal_claims(b->intent, WALL, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(bench_fini) struct bench b = { 0 };
	struct cursor c = cursor_of(data, size);
	uint8_t what = cursor_u8(&c);

	bench_init(&b);
	if (what % 2)
		check_reply(&b, c);
	else
		check_answer(&b, c);
	return 0;
}
