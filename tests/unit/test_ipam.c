/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Address allocation as pure functions: what one node picks and gives, and that
 * no sequence of grants, losses and partial news lets two nodes own one address.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/rng.h"
#include "ipam/ipam.h"

#define NODES_MAX 8
#define NOW 1000000000ull

/* All records one node knows, as the store would hold them. */
struct book {
	struct item **item;
	size_t count, cap;
};

static void book_fini(struct book *b)
{
	for (size_t i = 0; i < b->count; i++)
		free(b->item[i]);
	free(b->item);
	*b = (struct book){ 0 };
}

/* Merges one item: the greater stamp wins. */
static void book_put(struct book *b, const struct item *it)
{
	struct item *copy;

	for (size_t i = 0; i < b->count; i++) {
		if (record_key_cmp(&b->item[i]->key, &it->key))
			continue;
		if (stamp_cmp(&it->stamp, &b->item[i]->stamp) > 0)
			*b->item[i] = *it;
		return;
	}
	if (b->count == b->cap) {
		b->cap = b->cap ? 2 * b->cap : 64;
		b->item = realloc(b->item, b->cap * sizeof(*b->item));
	}
	copy = malloc(sizeof(*copy));
	*copy = *it;
	b->item[b->count++] = copy;
}

static struct view book_view(const struct book *b)
{
	struct view v;

	cr_assert_eq(view_build((const struct item *const *)b->item, b->count, &v), 0);
	return v;
}

static struct id id_of(uint8_t kind, uint32_t n)
{
	struct id id = { { kind, (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8),
			   (uint8_t)n } };

	return id;
}

static struct id node_id(uint32_t n)
{
	return id_of('n', n + 1);
}

static struct ov_addr at(const char *text)
{
	struct ov_addr a;

	cr_assert_eq(addr_parse(text, &a), 0, "%s", text);
	return a;
}

static struct network network_of(const char *subnet, const char *ip_range, const char *gateway)
{
	struct network n = { .id = id_of('w', 1), .name = "app-net", .vni = 4096 };

	cr_assert_eq(prefix_parse(subnet, &n.subnet), 0);
	n.ip_range = n.subnet;
	if (ip_range)
		cr_assert_eq(prefix_parse(ip_range, &n.ip_range), 0);
	n.gateway = gateway ? at(gateway) : addr_add(&n.subnet.addr, 1);
	return n;
}

static void put_network(struct book *b, const struct network *n, const struct id *writer)
{
	struct item it = { .key = key_of_id(RECORD_NETWORK, &n->id), .stamp = { 1, 0 },
			   .writer = *writer, .network = *n };

	book_put(b, &it);
}

static void put_node(struct book *b, uint32_t n, const char *name)
{
	struct item it = { .stamp = { 1, 0 }, .writer = node_id(n), .node = { .id = node_id(n) } };

	it.key = key_of_id(RECORD_NODE, &it.node.id);
	strcpy(it.node.name, name);
	book_put(b, &it);
}

/* A block's next version, as store_write makes it. Returns the item. */
static struct item write_block(struct book *b, const struct block *block, const struct id *writer)
{
	struct item it = { .key = key_of_block(&block->network, &block->start),
			   .stamp = { 1, 0 }, .writer = *writer, .block = *block };

	for (size_t i = 0; i < b->count; i++)
		if (!record_key_cmp(&b->item[i]->key, &it.key))
			it.stamp.hi = b->item[i]->stamp.hi + 1;
	book_put(b, &it);
	return it;
}

static struct item write_endpoint(struct book *b, const struct network *n, const struct id *node,
				  uint32_t number, struct ov_addr addr, uint64_t created_ms)
{
	struct item it = { .stamp = { 1, number }, .writer = *node };

	it.endpoint = (struct endpoint){ .id = id_of('e', number), .node = *node,
					 .network = n->id, .addr = addr,
					 .created_ms = created_ms };
	it.key = key_of_id(RECORD_ENDPOINT, &it.endpoint.id);
	book_put(b, &it);
	return it;
}

static void release(struct book *b, uint32_t number, uint64_t seen_ms)
{
	struct id id = id_of('e', number);
	struct record_key key = key_of_id(RECORD_ENDPOINT, &id);

	for (size_t i = 0; i < b->count; i++) {
		if (record_key_cmp(&b->item[i]->key, &key))
			continue;
		b->item[i]->tombstone = true;
		b->item[i]->stamp.hi++;
		b->item[i]->seen_ms = seen_ms;
		return;
	}
	cr_assert_fail("no endpoint %u", number);
}

/* One network, its blocks dealt to `nodes` nodes, in one book. */
static void start(struct book *b, const struct network *n, size_t nodes)
{
	struct block block[NODES_MAX + IPAM_FIRST_EXTRA];
	struct id id[NODES_MAX];
	size_t count;

	for (size_t i = 0; i < nodes; i++) {
		char name[8];

		id[i] = node_id((uint32_t)i);
		snprintf(name, sizeof(name), "h%zu", i + 1);
		put_node(b, (uint32_t)i, name);
	}
	put_network(b, n, &id[0]);
	count = ipam_first_blocks(n, id, nodes, block, nodes + IPAM_FIRST_EXTRA);
	for (size_t i = 0; i < count; i++)
		write_block(b, &block[i], &id[0]);
}

struct picked {
	enum ipam_answer answer;
	struct ov_addr addr;
	struct id node;
	struct err e;
	char text[ADDR_TEXT_MAX];
};

static struct picked pick_skipping(const struct book *b, const struct network *n, uint32_t self,
				   const char *wanted, uint64_t now, const struct id *skip,
				   size_t skip_count)
{
	_cleanup_(view_fini) struct view v = book_view(b);
	struct ov_addr w = wanted ? at(wanted) : (struct ov_addr){ 0 };
	struct id me = node_id(self);
	struct picked p = { 0 };

	p.answer = ipam_pick(&v, n, &me, wanted ? &w : NULL, now, skip, skip_count, &p.addr,
			     &p.node, &p.e);
	if (p.answer == IPAM_OK)
		addr_format(&p.addr, p.text);
	cr_assert_eq(p.answer == IPAM_FAILED, p.e.code != 0, "a sentence goes with a failure only");
	return p;
}

static struct picked pick(const struct book *b, const struct network *n, uint32_t self,
			  const char *wanted, uint64_t now)
{
	return pick_skipping(b, n, self, wanted, now, NULL, 0);
}

Test(ipam, first_address_is_the_one_behind_the_gateway)
{
	_cleanup_(book_fini) struct book b = { 0 };
	struct network n = network_of("10.10.0.0/24", NULL, NULL);

	start(&b, &n, 1);
	cr_assert_str_eq(pick(&b, &n, 0, NULL, NOW).text, "10.10.0.2");
}

Test(ipam, gateway_network_and_broadcast_are_never_given)
{
	_cleanup_(book_fini) struct book b = { 0 };
	struct network n = network_of("10.10.0.0/29", NULL, "10.10.0.4");
	const char *expected[] = { "10.10.0.1", "10.10.0.2", "10.10.0.3", "10.10.0.5", "10.10.0.6" };
	struct id me = node_id(0);
	struct picked p;

	start(&b, &n, 1);
	for (uint32_t i = 0; i < ARRAY_SIZE(expected); i++) {
		p = pick(&b, &n, 0, NULL, NOW + i);
		cr_assert_str_eq(p.text, expected[i]);
		write_endpoint(&b, &n, &me, i, p.addr, NOW + i);
	}
	p = pick(&b, &n, 0, NULL, NOW);
	cr_assert_eq(p.answer, IPAM_FAILED);
	cr_assert_eq(p.e.code, -ENOSPC);
	cr_assert_str_eq(p.e.text, "network app-net has no free address left in 10.10.0.0/29 "
				   "(5 in use); detach endpoints, or create a network with a "
				   "larger subnet");
	cr_assert_eq(pick(&b, &n, 0, "10.10.0.0", NOW).e.code, -EINVAL);
	cr_assert_eq(pick(&b, &n, 0, "10.10.0.7", NOW).e.code, -EINVAL);
	p = pick(&b, &n, 0, "10.10.0.4", NOW);
	cr_assert_str_eq(p.e.text, "address 10.10.0.4 is the gateway of network app-net; choose "
				   "another one");
}

Test(ipam, released_address_rests_and_then_comes_back)
{
	_cleanup_(book_fini) struct book b = { 0 };
	struct network n = network_of("10.10.0.0/29", NULL, NULL);
	struct id me = node_id(0);
	struct picked p;

	start(&b, &n, 1);
	for (uint32_t i = 0; i < 5; i++)
		write_endpoint(&b, &n, &me, i, pick(&b, &n, 0, NULL, NOW).addr, NOW + i);
	cr_assert_eq(pick(&b, &n, 0, NULL, NOW).answer, IPAM_FAILED);
	release(&b, 1, NOW);
	p = pick(&b, &n, 0, NULL, NOW + IPAM_HOLD_MS - 1);
	cr_assert_eq(p.answer, IPAM_FAILED);
	cr_assert(strstr(p.e.text, "4 in use, 1 released and resting"), "%s", p.e.text);
	cr_assert_str_eq(pick(&b, &n, 0, NULL, NOW + IPAM_HOLD_MS).text, "10.10.0.3");
	cr_assert_str_eq(pick(&b, &n, 0, "10.10.0.3", NOW).text, "10.10.0.3",
			 "who asks for it by name gets it at once");
}

Test(ipam, hold_survives_a_clock_that_was_years_ahead)
{
	_cleanup_(book_fini) struct book b = { 0 };
	struct network n = network_of("10.10.0.0/29", NULL, NULL);
	struct id me = node_id(0);

	start(&b, &n, 1);
	for (uint32_t i = 0; i < 5; i++)
		write_endpoint(&b, &n, &me, i, pick(&b, &n, 0, NULL, NOW).addr, NOW + i);
	release(&b, 1, NOW + 10ull * 365 * 24 * 3600 * 1000);
	cr_assert_str_eq(pick(&b, &n, 0, NULL, NOW).text, "10.10.0.3");
}

Test(ipam, next_fit_follows_the_address_given_last_and_wraps)
{
	_cleanup_(book_fini) struct book b = { 0 };
	struct network n = network_of("10.10.0.0/28", NULL, NULL);
	struct id me = node_id(0), other = node_id(1);

	start(&b, &n, 1);
	write_endpoint(&b, &n, &me, 1, at("10.10.0.2"), NOW);
	write_endpoint(&b, &n, &me, 2, at("10.10.0.3"), NOW + 1);
	release(&b, 2, 0);
	cr_assert_str_eq(pick(&b, &n, 0, NULL, NOW + 60000).text, "10.10.0.4");
	write_endpoint(&b, &n, &other, 3, at("10.10.0.9"), NOW + 9);
	cr_assert_str_eq(pick(&b, &n, 0, NULL, NOW + 60000).text, "10.10.0.4",
			 "what another node gave does not count");
	write_endpoint(&b, &n, &me, 4, at("10.10.0.14"), NOW + 10);
	cr_assert_str_eq(pick(&b, &n, 0, NULL, NOW + 60000).text, "10.10.0.3");
}

Test(ipam, ip_range_bounds_what_is_picked_but_not_what_is_asked_for)
{
	_cleanup_(book_fini) struct book b = { 0 };
	struct network n = network_of("10.10.0.0/24", "10.10.0.64/29", NULL);
	struct id me = node_id(0);
	struct picked p;

	start(&b, &n, 2);
	for (uint32_t i = 0; i < 8; i++) {
		char expected[ADDR_TEXT_MAX];

		snprintf(expected, sizeof(expected), "10.10.0.%u", 64 + i);
		p = pick(&b, &n, 0, NULL, NOW);
		cr_assert_str_eq(p.text, expected);
		write_endpoint(&b, &n, &me, i, p.addr, NOW + i);
	}
	p = pick(&b, &n, 0, NULL, NOW);
	cr_assert_eq(p.answer, IPAM_FAILED);
	cr_assert(strstr(p.e.text, "ip-range 10.10.0.64/29 (8 in use)"), "%s", p.e.text);
	cr_assert_str_eq(pick(&b, &n, 0, "10.10.0.2", NOW).text, "10.10.0.2");
	cr_assert_str_eq(pick(&b, &n, 0, "10.10.0.200", NOW).text, "10.10.0.200");
	p = pick(&b, &n, 0, "10.11.0.2", NOW);
	cr_assert_str_eq(p.e.text, "address 10.11.0.2 is outside the subnet 10.10.0.0/24 of network "
				   "app-net; choose one inside");
}

Test(ipam, wanted_address_in_use_is_refused_naming_who_has_it)
{
	_cleanup_(book_fini) struct book b = { 0 };
	struct network n = network_of("10.10.0.0/24", NULL, NULL);
	struct id other = node_id(1);
	struct picked p;

	start(&b, &n, 2);
	write_endpoint(&b, &n, &other, 7, at("10.10.0.200"), NOW);
	p = pick(&b, &n, 0, "10.10.0.200", NOW);
	cr_assert_eq(p.e.code, -EADDRINUSE);
	cr_assert_str_eq(p.e.text, "address 10.10.0.200 of network app-net is in use by endpoint "
				   "650000000700 on node h2; choose another one");
}

Test(ipam, wanted_address_of_another_node_is_asked_for_and_its_owner_named)
{
	_cleanup_(book_fini) struct book b = { 0 };
	struct network n = network_of("10.10.0.0/24", NULL, NULL);
	struct id other = node_id(1);
	struct picked p;

	start(&b, &n, 2);
	p = pick(&b, &n, 0, "10.10.0.200", NOW);
	cr_assert_eq(p.answer, IPAM_ASK);
	cr_assert(id_equal(&p.node, &other));
	p = pick_skipping(&b, &n, 0, "10.10.0.200", NOW, &other, 1);
	cr_assert_eq(p.answer, IPAM_FAILED);
	cr_assert_str_eq(p.e.text, "address 10.10.0.200 of network app-net belongs to node h2, which "
				   "cannot be asked for it now; start that node, or attach without "
				   "asking for this address");
}

Test(ipam, owner_of_the_most_free_space_is_asked_first)
{
	_cleanup_(book_fini) struct book b = { 0 };
	struct network n = network_of("10.10.0.0/26", NULL, NULL);
	struct id id[4] = { node_id(0), node_id(1), node_id(2), node_id(3) };
	struct picked p;

	start(&b, &n, 4); /* sixteen each */
	for (uint32_t i = 0; i < 14; i++)
		write_endpoint(&b, &n, &id[0], i, pick(&b, &n, 0, NULL, NOW).addr, NOW + i);
	write_endpoint(&b, &n, &id[1], 100, at("10.10.0.16"), NOW);
	p = pick(&b, &n, 0, NULL, NOW);
	cr_assert_eq(p.answer, IPAM_ASK);
	cr_assert(id_equal(&p.node, &id[2]), "sixteen free; h2 and h4 have fifteen");
	p = pick_skipping(&b, &n, 0, NULL, NOW, &id[2], 1);
	cr_assert(id_equal(&p.node, &id[1]));
	p = pick_skipping(&b, &n, 0, NULL, NOW, id, 4);
	cr_assert_eq(p.answer, IPAM_FAILED);
	cr_assert_eq(p.e.code, -EHOSTUNREACH);
	cr_assert(strstr(p.e.text, "h3, h2, h4"), "%s", p.e.text);
}

Test(ipam, network_without_blocks_yet_is_asked_of_its_writer)
{
	_cleanup_(book_fini) struct book b = { 0 };
	struct network n = network_of("10.10.0.0/24", NULL, NULL);
	struct id writer = node_id(3);
	struct picked p;

	put_network(&b, &n, &writer);
	p = pick(&b, &n, 0, NULL, NOW);
	cr_assert_eq(p.answer, IPAM_ASK);
	cr_assert(id_equal(&p.node, &writer));
	p = pick_skipping(&b, &n, 0, NULL, NOW, &writer, 1);
	cr_assert_eq(p.e.code, -EAGAIN);
}

static void check_first(const char *subnet, const char *range, size_t nodes, size_t owners)
{
	_cleanup_(book_fini) struct book b = { 0 };
	struct network n = network_of(subnet, range, NULL);
	struct ov_addr last = prefix_last(&n.subnet);
	bool owns[NODES_MAX] = { false };
	size_t count = 0;

	start(&b, &n, nodes);
	_cleanup_(view_fini) struct view v = book_view(&b);
	for (struct ov_addr a = n.subnet.addr; addr_cmp(&a, &last) <= 0; a = addr_add(&a, 1)) {
		const struct id *owner = ipam_owner(&v, &n, &a);

		cr_assert_not_null(owner);
		owns[owner->b[4] - 1] = true;
	}
	for (size_t i = 0; i < NODES_MAX; i++)
		count += owns[i];
	cr_assert_eq(count, owners, "%s among %zu nodes: %zu own some", subnet, nodes, count);
}

Test(ipam, first_blocks_cover_the_subnet_in_useful_shares)
{
	check_first("10.0.0.0/24", NULL, 1, 1);
	check_first("10.0.0.0/24", NULL, 3, 3);
	check_first("10.0.0.0/24", NULL, 8, 8);
	check_first("10.0.0.0/26", NULL, 8, 4);
	check_first("10.0.0.0/28", NULL, 8, 1);
	check_first("10.0.0.0/29", NULL, 3, 1);
	check_first("10.0.0.0/22", "10.0.2.0/25", 3, 3);
}

Test(ipam, grant_is_the_upper_half_of_the_largest_free_run)
{
	_cleanup_(book_fini) struct book b = { 0 };
	struct network n = network_of("10.10.0.0/24", NULL, NULL);
	struct block out[IPAM_GRANT_MAX];
	struct id me = node_id(0), to = node_id(1);
	struct ov_addr a;

	start(&b, &n, 1);
	write_endpoint(&b, &n, &me, 1, at("10.10.0.100"), NOW);
	_cleanup_(view_fini) struct view v = book_view(&b);
	/* Free: .2-.99 and .101-.254; half of the latter is .178-.254, and .255 stays. */
	cr_assert_eq(ipam_grant(&v, &n, &me, &to, NULL, NOW, out), 3);
	a = at("10.10.0.255");
	cr_assert(id_equal(&out[0].owner, &me) && !addr_cmp(&out[0].start, &a));
	a = at("10.10.0.178");
	cr_assert(id_equal(&out[1].owner, &to) && !addr_cmp(&out[1].start, &a));
	a = at("10.10.0.254");
	cr_assert_eq(addr_cmp(&out[1].last, &a), 0);
	a = at("10.10.0.177");
	cr_assert(id_equal(&out[2].owner, &me) && !addr_cmp(&out[2].last, &a));
}

Test(ipam, grant_says_why_it_gives_nothing)
{
	_cleanup_(book_fini) struct book b = { 0 };
	struct network n = network_of("10.10.0.0/29", NULL, NULL);
	struct block out[IPAM_GRANT_MAX];
	struct id me = node_id(0), to = node_id(1);
	struct ov_addr used = at("10.10.0.3"), gateway = at("10.10.0.1");

	start(&b, &n, 2);
	for (uint32_t i = 0; i < 5; i++)
		write_endpoint(&b, &n, &me, i, pick(&b, &n, 0, NULL, NOW).addr, NOW + i);
	_cleanup_(view_fini) struct view v = book_view(&b);
	cr_assert_eq(ipam_grant(&v, &n, &me, &to, NULL, NOW, out), -ENOSPC);
	cr_assert_eq(ipam_grant(&v, &n, &me, &to, &used, NOW, out), -EADDRINUSE);
	cr_assert_eq(ipam_grant(&v, &n, &me, &to, &gateway, NOW, out), -EADDRINUSE);
	cr_assert_eq(ipam_grant(&v, &n, &to, &me, &used, NOW, out), -EPERM);
}

Test(ipam, last_free_address_is_given_whole)
{
	_cleanup_(book_fini) struct book b = { 0 };
	struct network n = network_of("10.10.0.0/29", NULL, NULL);
	struct block out[IPAM_GRANT_MAX];
	struct id me = node_id(0), to = node_id(1);
	int count;

	start(&b, &n, 2);
	for (uint32_t i = 0; i < 4; i++)
		write_endpoint(&b, &n, &me, i, pick(&b, &n, 0, NULL, NOW).addr, NOW + i);
	_cleanup_(view_fini) struct view v = book_view(&b);
	count = ipam_grant(&v, &n, &me, &to, NULL, NOW, out);
	cr_assert_eq(count, 3);
	for (int i = 0; i < count; i++)
		write_block(&b, &out[i], &me);
	cr_assert_eq(pick(&b, &n, 0, NULL, NOW).answer, IPAM_ASK);
	cr_assert_str_eq(pick(&b, &n, 1, NULL, NOW).text, "10.10.0.6");
}

/*
 * The case that makes a block say its end: h2 gets .128-.191 after h3 got
 * .192-.255, and hears of its own block alone.
 */
Test(ipam, node_that_missed_a_block_does_not_believe_it_owns_it)
{
	_cleanup_(book_fini) struct book b = { 0 };
	struct network n = network_of("10.10.0.0/24", NULL, NULL);
	struct id h1 = node_id(0), h2 = node_id(1);
	struct block mine = { .network = n.id, .start = at("10.10.0.128"),
			      .last = at("10.10.0.191"), .owner = h2 };
	struct ov_addr inside = at("10.10.0.150"), behind = at("10.10.0.200");

	put_network(&b, &n, &h1);
	write_block(&b, &mine, &h1);
	_cleanup_(view_fini) struct view v = book_view(&b);
	cr_assert(id_equal(ipam_owner(&v, &n, &inside), &h2));
	cr_assert_null(ipam_owner(&v, &n, &behind));
	cr_assert_eq(ipam_owned(&v, &n, &h2), 64);
	cr_assert_eq(pick(&b, &n, 1, "10.10.0.200", NOW).answer, IPAM_ASK);
}

/* After a node's removal a block given by it may come to light inside one that was taken over. */
Test(ipam, block_inside_another_counts_and_the_rest_goes_on_behind_it)
{
	_cleanup_(book_fini) struct book b = { 0 };
	struct network n = network_of("10.10.0.0/24", NULL, NULL);
	struct id h1 = node_id(0), h2 = node_id(1), h3 = node_id(2);
	struct block inner = { .network = n.id, .start = at("10.10.0.64"),
			       .last = at("10.10.0.127"), .owner = h2 };
	struct ov_addr low = at("10.10.0.10"), mid = at("10.10.0.64"), high = at("10.10.0.128");
	struct block out[IPAM_GRANT_MAX];
	int count;

	start(&b, &n, 1);
	write_block(&b, &inner, &h2);
	for (int round = 0; round < 6; round++) {
		_cleanup_(view_fini) struct view v = book_view(&b);

		cr_assert(id_equal(ipam_owner(&v, &n, &low), &h1));
		cr_assert(id_equal(ipam_owner(&v, &n, &mid), &h2));
		if (!round)
			cr_assert(id_equal(ipam_owner(&v, &n, &high), &h1));
		cr_assert_eq(ipam_owned(&v, &n, &h1) + ipam_owned(&v, &n, &h2) +
			     ipam_owned(&v, &n, &h3), 256, "round %d", round);
		cr_assert_eq(ipam_owned(&v, &n, &h2), 64);
		count = ipam_grant(&v, &n, &h1, &h3, NULL, NOW, out);
		cr_assert_gt(count, 0);
		for (int i = 0; i < count; i++)
			write_block(&b, &out[i], &h1);
	}
}

Test(ipam, wanted_grant_beneath_a_resumed_block_loses_nothing)
{
	_cleanup_(book_fini) struct book b = { 0 };
	struct network n = network_of("10.10.0.0/24", NULL, NULL);
	struct id h1 = node_id(0), h2 = node_id(1), h3 = node_id(2);
	struct block inner = { .network = n.id, .start = at("10.10.0.64"),
			       .last = at("10.10.0.127"), .owner = h2 };
	const char *wanted[] = { "10.10.0.10", "10.10.0.63", "10.10.0.128", "10.10.0.200" };
	struct block out[IPAM_GRANT_MAX];

	start(&b, &n, 1);
	write_block(&b, &inner, &h2);
	for (size_t w = 0; w < ARRAY_SIZE(wanted); w++) {
		_cleanup_(view_fini) struct view v = book_view(&b);
		struct ov_addr a = at(wanted[w]);
		int count = ipam_grant(&v, &n, &h1, &h3, &a, NOW, out);

		cr_assert_gt(count, 0, "%s: %d", wanted[w], count);
		for (int i = 0; i < count; i++)
			write_block(&b, &out[i], &h1);
		_cleanup_(view_fini) struct view after = book_view(&b);
		cr_assert(id_equal(ipam_owner(&after, &n, &a), &h3));
		cr_assert_eq(ipam_owned(&after, &n, &h3), w + 1);
		cr_assert_eq(ipam_owned(&after, &n, &h2), 64);
		cr_assert_eq(ipam_owned(&after, &n, &h1), 256 - 64 - (w + 1));
	}
}

Test(ipam, hostile_blocks_outside_the_subnet_or_backwards_count_for_nothing)
{
	_cleanup_(book_fini) struct book b = { 0 };
	struct network n = network_of("10.10.0.0/24", NULL, NULL);
	struct id h1 = node_id(0), h2 = node_id(1);
	struct block bad[] = {
		{ .network = n.id, .start = at("10.9.0.0"), .last = at("10.11.0.0"), .owner = h2 },
		{ .network = n.id, .start = at("10.10.0.9"), .last = at("10.10.0.3"), .owner = h2 },
		{ .network = n.id, .start = at("10.10.0.9"), .last = at("10.10.1.0"), .owner = h2 },
		{ .network = n.id, .start = at("::"), .last = at("ffff::"), .owner = h2 },
		{ .network = n.id, .start = at("10.10.0.20"), .owner = h2 },
	};

	start(&b, &n, 1);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		write_block(&b, &bad[i], &h2);
	_cleanup_(view_fini) struct view v = book_view(&b);
	cr_assert_eq(ipam_owned(&v, &n, &h1), 256);
	cr_assert_eq(ipam_owned(&v, &n, &h2), 0);
	cr_assert_str_eq(pick(&b, &n, 0, NULL, NOW).text, "10.10.0.2");
}

Test(ipam, usage_counts_what_may_be_given)
{
	_cleanup_(book_fini) struct book b = { 0 };
	struct network n = network_of("10.10.0.0/24", "10.10.0.0/28", NULL);
	struct id me = node_id(0);
	uint64_t used, free_count;

	start(&b, &n, 1);
	write_endpoint(&b, &n, &me, 1, at("10.10.0.2"), NOW);
	write_endpoint(&b, &n, &me, 2, at("10.10.0.200"), NOW);
	_cleanup_(view_fini) struct view v = book_view(&b);
	ipam_usage(&v, &n, &used, &free_count);
	cr_assert_eq(used, 1);
	cr_assert_eq(free_count, 13); /* sixteen less network, gateway and one in use */
}

Test(ipam, takeover_names_the_heir_for_every_block)
{
	_cleanup_(book_fini) struct book b = { 0 };
	struct network n = network_of("10.10.0.0/24", NULL, NULL);
	struct id h1 = node_id(0), h2 = node_id(1), h3 = node_id(2);
	struct block out[16];
	size_t count;

	start(&b, &n, 3);
	_cleanup_(view_fini) struct view v = book_view(&b);
	uint64_t owned = ipam_owned(&v, &n, &h2);

	cr_assert_gt(owned, 0);
	count = ipam_takeover(&v, &h2, &h3, out, ARRAY_SIZE(out));
	for (size_t i = 0; i < count; i++)
		write_block(&b, &out[i], &h3);
	_cleanup_(view_fini) struct view after = book_view(&b);
	cr_assert_eq(ipam_owned(&after, &n, &h2), 0);
	cr_assert_eq(ipam_owned(&after, &n, &h1) + ipam_owned(&after, &n, &h3), 256);
}

/* A /8 full of endpoints: 30,000 picks' worth of state, no bitmap, nothing quadratic. */
Test(ipam, slash_eight_with_many_endpoints)
{
	enum { COUNT = 30000 };
	_cleanup_(book_fini) struct book b = { 0 };
	struct network n = network_of("10.0.0.0/8", NULL, NULL);
	struct endpoint *ep = calloc(COUNT, sizeof(*ep));
	struct view_endpoint *ve = calloc(COUNT, sizeof(*ve));
	struct id me = node_id(0), other = node_id(1);
	struct block out[IPAM_GRANT_MAX];
	struct ov_addr addr, expected;
	struct err e = { 0 };
	struct id node;

	start(&b, &n, 1);
	struct view v = book_view(&b);
	struct view_endpoint *none = v.endpoint;
	for (uint32_t i = 0; i < COUNT; i++) {
		/* Every other address, so that there are as many runs as endpoints. */
		ep[i] = (struct endpoint){ .id = id_of('e', i), .node = me, .network = n.id,
					   .addr = addr_add(&n.subnet.addr, 2 + 2ull * i),
					   .created_ms = NOW + i };
		ve[i].ep = &ep[i];
	}
	v.endpoint = ve;
	v.endpoint_count = COUNT;
	for (int i = 0; i < 20; i++)
		cr_assert_eq(ipam_pick(&v, &n, &me, NULL, NOW, NULL, 0, &addr, &node, &e), IPAM_OK);
	expected = addr_add(&n.subnet.addr, 2 + 2 * (COUNT - 1) + 1);
	cr_assert_eq(addr_cmp(&addr, &expected), 0);
	cr_assert_eq(ipam_grant(&v, &n, &me, &other, NULL, NOW, out), 3);
	cr_assert_eq(addr_distance(&out[1].start, &out[1].last) + 1,
		     ((1ull << 24) - 2 - 2 * COUNT + 1) / 2);
	v.endpoint = none;
	v.endpoint_count = 0;
	view_fini(&v);
	free(ep);
	free(ve);
}

/* ---- no address has two owners, whatever is lost ---- */

struct world {
	struct network n;
	size_t nodes;
	struct book book[NODES_MAX];
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
	struct id giver = node_id((uint32_t)node), to = node_id((uint32_t)self);
	struct block out[IPAM_GRANT_MAX];
	int count = ipam_grant(&v, &w->n, &giver, &to, wanted, w->now, out);

	for (int i = 0; i < count; i++) {
		struct item it = write_block(&w->book[node], &out[i], &giver);

		if (chance(w, 60))
			book_put(&w->book[self], &it);
	}
}

static void attach(struct world *w, size_t self)
{
	struct ov_addr wanted = addr_add(&w->n.subnet.addr, rng_below(&w->rng, 64)), addr;
	struct id me = node_id((uint32_t)self), node;
	bool by_name = chance(w, 20);
	struct err e = { 0 };
	_cleanup_(view_fini) struct view v = book_view(&w->book[self]);
	enum ipam_answer answer = ipam_pick(&v, &w->n, &me, by_name ? &wanted : NULL, w->now, NULL,
					    0, &addr, &node, &e);

	if (answer == IPAM_OK)
		write_endpoint(&w->book[self], &w->n, &me, w->next_endpoint++, addr, w->now);
	else if (answer == IPAM_ASK && chance(w, 80))
		ask(w, self, (size_t)(node.b[4] - 1), by_name ? &wanted : NULL);
}

static void detach(struct world *w, size_t self)
{
	struct book *b = &w->book[self];
	struct id me = node_id((uint32_t)self);
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
		struct id me = node_id((uint32_t)i);

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

	w.n = network_of("10.10.0.0/26", NULL, NULL);
	rng_init_u64(&w.rng, seed);
	start(&w.book[0], &w.n, 3);
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
