/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * No sequence of grants, losses and partial news lets two nodes own one address:
 * random lives of five nodes, every record on its own and perhaps lost.
 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/rng.h"
#include "ipam/ipam.h"
#include "tests/lib/book.h"

#define NOW 1000000000ull

struct world {
	struct network n;
	size_t nodes;
	struct book book[BOOK_NODES_MAX];
	struct rng rng;
	uint32_t next_endpoint;
	uint64_t now;
};

static void world_fini(struct world *w)
{
	for (size_t i = 0; i < w->nodes; i++)
		book_fini(&w->book[i]);
}

static bool chance(struct world *w, uint32_t percent)
{
	return rng_below(&w->rng, 100) < percent;
}

/* News between two nodes: every record on its own, each perhaps lost. */
static void tell(struct world *w, size_t from, size_t to, uint32_t percent)
{
	for (size_t i = 0; from != to && i < w->book[from].count; i++)
		if (chance(w, percent))
			book_put(&w->book[to], w->book[from].item[i]);
}

/* The grant protocol with a reply of which any part may be lost. */
static void ask(struct world *w, size_t self, size_t node, const struct ov_addr *wanted)
{
	_cleanup_(view_fini) struct view v = book_view(&w->book[node]);
	struct id giver = book_node_id((uint32_t)node), to = book_node_id((uint32_t)self);
	struct block out[IPAM_GRANT_MAX];
	int count = ipam_grant(&v, &w->n, &giver, &to, wanted, w->now, out);

	for (int i = 0; i < count; i++) {
		struct item it = book_write_block(&w->book[node], &out[i], &giver);

		if (chance(w, 60))
			book_put(&w->book[self], &it);
	}
}

static void attach(struct world *w, size_t self)
{
	struct ov_addr wanted = addr_add(&w->n.subnet.addr, rng_below(&w->rng, 64)), addr;
	struct id me = book_node_id((uint32_t)self), node;
	bool by_name = chance(w, 20);
	struct err e = { 0 };
	_cleanup_(view_fini) struct view v = book_view(&w->book[self]);
	enum ipam_answer answer = ipam_pick(&v, &w->n, &me, by_name ? &wanted : NULL, w->now, NULL,
					    0, &addr, &node, &e);

	if (answer == IPAM_OK)
		book_write_endpoint(&w->book[self], &w->n, &me, w->next_endpoint++, addr, w->now);
	else if (answer == IPAM_ASK && chance(w, 80))
		ask(w, self, (size_t)(node.b[4] - 1), by_name ? &wanted : NULL);
}

static void detach(struct world *w, size_t self)
{
	struct book *b = &w->book[self];
	struct id me = book_node_id((uint32_t)self);
	size_t from = rng_below(&w->rng, (uint32_t)b->count);

	for (size_t i = 0; i < b->count; i++) {
		struct item *it = b->item[(from + i) % b->count];

		if (it->key.kind != RECORD_ENDPOINT || it->tombstone ||
		    !id_equal(&it->endpoint.node, &me))
			continue;
		it->tombstone = true;
		it->stamp.hi++;
		it->seen_ms = w->now;
		return;
	}
}

static void check_one_owner_each(struct world *w)
{
	int owners[64] = { 0 }, users[64] = { 0 };

	for (size_t i = 0; i < w->nodes; i++) {
		_cleanup_(view_fini) struct view v = book_view(&w->book[i]);
		struct id me = book_node_id((uint32_t)i);

		for (unsigned int a = 0; a < 64; a++) {
			struct ov_addr addr = addr_add(&w->n.subnet.addr, a);
			const struct id *owner = ipam_owner(&v, &w->n, &addr);

			owners[a] += owner && id_equal(owner, &me);
		}
		for (size_t k = 0; k < v.endpoint_count; k++)
			if (id_equal(&v.endpoint[k].ep->node, &me))
				users[addr_distance(&w->n.subnet.addr, &v.endpoint[k].ep->addr)]++;
	}
	for (unsigned int a = 0; a < 64; a++) {
		cr_assert_leq(owners[a], 1, ".%u has %d owners", a, owners[a]);
		cr_assert_leq(users[a], 1, ".%u was given %d times", a, users[a]);
	}
}

static void check_all_agree(struct world *w)
{
	_cleanup_(view_fini) struct view first = { 0 };

	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < w->nodes; i++)
			for (size_t j = 0; j < w->nodes; j++)
				tell(w, i, j, 100);
	first = book_view(&w->book[0]);
	for (size_t i = 0; i < w->nodes; i++) {
		_cleanup_(view_fini) struct view v = book_view(&w->book[i]);

		for (unsigned int a = 0; a < 64; a++) {
			struct ov_addr addr = addr_add(&w->n.subnet.addr, a);
			const struct id *mine = ipam_owner(&v, &w->n, &addr);
			const struct id *theirs = ipam_owner(&first, &w->n, &addr);

			cr_assert(mine && theirs && id_equal(mine, theirs), ".%u", a);
		}
		for (size_t k = 0; k < v.endpoint_count; k++)
			cr_assert_not(v.endpoint[k].addr_lost);
	}
}

static void live(uint64_t seed)
{
	_cleanup_(world_fini) struct world w = { .nodes = 5, .now = NOW };

	w.n = book_network("10.10.0.0/26", NULL, NULL);
	rng_init_u64(&w.rng, seed);
	book_start(&w.book[0], &w.n, 3);
	for (size_t i = 1; i < w.nodes; i++)
		tell(&w, 0, i, i < 3 ? 100 : 50);
	for (int step = 0; step < 400; step++) {
		size_t self = rng_below(&w.rng, (uint32_t)w.nodes);
		uint32_t what = rng_below(&w.rng, 100);

		w.now += rng_below(&w.rng, 2000);
		if (what < 55)
			attach(&w, self);
		else if (what < 80)
			detach(&w, self);
		else
			tell(&w, self, rng_below(&w.rng, (uint32_t)w.nodes), 30);
		if (step % 10 == 0)
			check_one_owner_each(&w);
	}
	check_one_owner_each(&w);
	check_all_agree(&w);
	check_one_owner_each(&w);
}

Test(ipam, no_address_has_two_owners_whatever_is_lost)
{
	for (uint64_t seed = 1; seed <= 40; seed++)
		live(seed);
}
