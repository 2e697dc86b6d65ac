/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Address allocation as pure functions: what one node picks, and what it gives. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "ipam/ipam.h"
#include "tests/lib/book.h"

#define NOW 1000000000ull

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
	struct ov_addr w = wanted ? book_addr(wanted) : (struct ov_addr){ 0 };
	struct id me = book_node_id(self);
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
	struct network n = book_network("10.10.0.0/24", NULL, NULL);

	book_start(&b, &n, 1);
	cr_assert_str_eq(pick(&b, &n, 0, NULL, NOW).text, "10.10.0.2");
}

Test(ipam, gateway_network_and_broadcast_are_never_given)
{
	_cleanup_(book_fini) struct book b = { 0 };
	struct network n = book_network("10.10.0.0/29", NULL, "10.10.0.4");
	const char *expected[] = { "10.10.0.1", "10.10.0.2", "10.10.0.3", "10.10.0.5",
				   "10.10.0.6" };
	struct id me = book_node_id(0);
	struct picked p;

	book_start(&b, &n, 1);
	for (uint32_t i = 0; i < ARRAY_SIZE(expected); i++) {
		p = pick(&b, &n, 0, NULL, NOW + i);
		cr_assert_str_eq(p.text, expected[i]);
		book_write_endpoint(&b, &n, &me, i, p.addr, NOW + i);
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
	struct network n = book_network("10.10.0.0/29", NULL, NULL);
	struct id me = book_node_id(0);
	struct picked p;

	book_start(&b, &n, 1);
	for (uint32_t i = 0; i < 5; i++)
		book_write_endpoint(&b, &n, &me, i, pick(&b, &n, 0, NULL, NOW).addr, NOW + i);
	cr_assert_eq(pick(&b, &n, 0, NULL, NOW).answer, IPAM_FAILED);
	book_release(&b, 1, NOW);
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
	struct network n = book_network("10.10.0.0/29", NULL, NULL);
	struct id me = book_node_id(0);

	book_start(&b, &n, 1);
	for (uint32_t i = 0; i < 5; i++)
		book_write_endpoint(&b, &n, &me, i, pick(&b, &n, 0, NULL, NOW).addr, NOW + i);
	book_release(&b, 1, NOW + 10ull * 365 * 24 * 3600 * 1000);
	cr_assert_str_eq(pick(&b, &n, 0, NULL, NOW).text, "10.10.0.3");
}

Test(ipam, next_fit_follows_the_address_given_last_and_wraps)
{
	_cleanup_(book_fini) struct book b = { 0 };
	struct network n = book_network("10.10.0.0/28", NULL, NULL);
	struct id me = book_node_id(0), other = book_node_id(1);

	book_start(&b, &n, 1);
	book_write_endpoint(&b, &n, &me, 1, book_addr("10.10.0.2"), NOW);
	book_write_endpoint(&b, &n, &me, 2, book_addr("10.10.0.3"), NOW + 1);
	book_release(&b, 2, 0);
	cr_assert_str_eq(pick(&b, &n, 0, NULL, NOW + 60000).text, "10.10.0.4");
	book_write_endpoint(&b, &n, &other, 3, book_addr("10.10.0.9"), NOW + 9);
	cr_assert_str_eq(pick(&b, &n, 0, NULL, NOW + 60000).text, "10.10.0.4",
			 "what another node gave does not count");
	book_write_endpoint(&b, &n, &me, 4, book_addr("10.10.0.14"), NOW + 10);
	cr_assert_str_eq(pick(&b, &n, 0, NULL, NOW + 60000).text, "10.10.0.3");
}

Test(ipam, a_vip_is_in_use_like_an_endpoints_address)
{
	_cleanup_(book_fini) struct book b = { 0 };
	struct network n = book_network("10.10.0.0/29", NULL, NULL);
	struct id me = book_node_id(0);
	struct picked p;

	book_start(&b, &n, 1);
	book_write_service(&b, &n, &me, 1, book_addr("10.10.0.2"), NOW);
	cr_assert_str_eq(pick(&b, &n, 0, NULL, NOW).text, "10.10.0.3", "next-fit behind it, too");
	p = pick(&b, &n, 0, "10.10.0.2", NOW);
	cr_assert_eq(p.answer, IPAM_FAILED);
	cr_assert_eq(p.e.code, -EADDRINUSE);
	cr_assert_str_eq(p.e.text, "address 10.10.0.2 of network app-net is the VIP of service "
				   "shop; choose another one");
	for (uint32_t i = 0; i < 4; i++)
		book_write_endpoint(&b, &n, &me, i, pick(&b, &n, 0, NULL, NOW).addr, NOW + i);
	p = pick(&b, &n, 0, NULL, NOW);
	cr_assert(strstr(p.e.text, "(5 in use)"), "%s", p.e.text);
}

Test(ipam, the_vip_of_a_removed_service_rests_and_then_comes_back)
{
	_cleanup_(book_fini) struct book b = { 0 };
	struct network n = book_network("10.10.0.0/29", NULL, NULL);
	struct id me = book_node_id(0);
	struct picked p;

	book_start(&b, &n, 1);
	book_write_service(&b, &n, &me, 1, book_addr("10.10.0.2"), NOW);
	for (uint32_t i = 0; i < 4; i++)
		book_write_endpoint(&b, &n, &me, i, pick(&b, &n, 0, NULL, NOW).addr, NOW + i);
	book_release_service(&b, 1, NOW);
	p = pick(&b, &n, 0, NULL, NOW + IPAM_HOLD_MS - 1);
	cr_assert_eq(p.answer, IPAM_FAILED);
	cr_assert(strstr(p.e.text, "4 in use, 1 released and resting"), "%s", p.e.text);
	cr_assert_str_eq(pick(&b, &n, 0, NULL, NOW + IPAM_HOLD_MS).text, "10.10.0.2");
}

Test(ipam, services_without_a_vip_and_those_of_other_networks_use_nothing)
{
	_cleanup_(book_fini) struct book b = { 0 };
	struct network n = book_network("10.10.0.0/29", NULL, NULL);
	struct network other = book_network("10.10.0.0/29", NULL, NULL);
	struct id me = book_node_id(0);
	uint64_t used, available;

	other.id = book_id('w', 2);
	book_start(&b, &n, 1);
	book_put_network(&b, &other, &me);
	book_write_service(&b, &n, &me, 1, (struct ov_addr){ 0 }, NOW);
	book_write_service(&b, &other, &me, 2, book_addr("10.10.0.2"), NOW);
	book_write_service(&b, &n, &me, 3, (struct ov_addr){ 0 }, NOW);
	book_release_service(&b, 3, NOW);
	cr_assert_str_eq(pick(&b, &n, 0, NULL, NOW).text, "10.10.0.2");
	_cleanup_(view_fini) struct view v = book_view(&b);
	ipam_usage(&v, &n, &used, &available);
	cr_assert_eq(used, 0);
	ipam_usage(&v, &other, &used, &available);
	cr_assert_eq(used, 1);
}

Test(ipam, a_vip_is_not_granted_to_another_node)
{
	_cleanup_(book_fini) struct book b = { 0 };
	struct network n = book_network("10.10.0.0/29", NULL, NULL);
	struct id me = book_node_id(0), other = book_node_id(1);
	struct ov_addr vip = book_addr("10.10.0.6");
	struct block blocks[IPAM_GRANT_MAX] = { 0 };

	book_start(&b, &n, 1);
	book_write_service(&b, &n, &me, 1, vip, NOW);
	_cleanup_(view_fini) struct view v = book_view(&b);
	cr_assert_eq(ipam_grant(&v, &n, &me, &other, &vip, NOW, blocks), -EADDRINUSE);
	cr_assert_gt(ipam_grant(&v, &n, &me, &other, NULL, NOW, blocks), 0);
	for (int i = 0; i < IPAM_GRANT_MAX; i++)
		if (id_equal(&blocks[i].owner, &other))
			cr_assert(addr_cmp(&blocks[i].last, &vip) < 0, "the free run ends before it");
}

Test(ipam, ip_range_bounds_what_is_picked_but_not_what_is_asked_for)
{
	_cleanup_(book_fini) struct book b = { 0 };
	struct network n = book_network("10.10.0.0/24", "10.10.0.64/29", NULL);
	struct id me = book_node_id(0);
	struct picked p;

	book_start(&b, &n, 2);
	for (uint32_t i = 0; i < 8; i++) {
		char expected[ADDR_TEXT_MAX];

		snprintf(expected, sizeof(expected), "10.10.0.%u", 64 + i);
		p = pick(&b, &n, 0, NULL, NOW);
		cr_assert_str_eq(p.text, expected);
		book_write_endpoint(&b, &n, &me, i, p.addr, NOW + i);
	}
	p = pick(&b, &n, 0, NULL, NOW);
	cr_assert_eq(p.answer, IPAM_FAILED);
	cr_assert(strstr(p.e.text, "ip-range 10.10.0.64/29 (8 in use)"), "%s", p.e.text);
	cr_assert_str_eq(pick(&b, &n, 0, "10.10.0.2", NOW).text, "10.10.0.2");
	cr_assert_str_eq(pick(&b, &n, 0, "10.10.0.200", NOW).text, "10.10.0.200");
	p = pick(&b, &n, 0, "10.11.0.2", NOW);
	cr_assert_str_eq(p.e.text, "address 10.11.0.2 is outside the subnet 10.10.0.0/24 of "
				   "network "
				   "app-net; choose one inside");
}

Test(ipam, wanted_address_in_use_is_refused_naming_who_has_it)
{
	_cleanup_(book_fini) struct book b = { 0 };
	struct network n = book_network("10.10.0.0/24", NULL, NULL);
	struct id other = book_node_id(1);
	struct picked p;

	book_start(&b, &n, 2);
	book_write_endpoint(&b, &n, &other, 7, book_addr("10.10.0.200"), NOW);
	p = pick(&b, &n, 0, "10.10.0.200", NOW);
	cr_assert_eq(p.e.code, -EADDRINUSE);
	cr_assert_str_eq(p.e.text, "address 10.10.0.200 of network app-net is in use by endpoint "
				   "650000000700 on node h2; choose another one");
}

Test(ipam, wanted_address_of_another_node_is_asked_for_and_its_owner_named)
{
	_cleanup_(book_fini) struct book b = { 0 };
	struct network n = book_network("10.10.0.0/24", NULL, NULL);
	struct id other = book_node_id(1);
	struct picked p;

	book_start(&b, &n, 2);
	p = pick(&b, &n, 0, "10.10.0.200", NOW);
	cr_assert_eq(p.answer, IPAM_ASK);
	cr_assert(id_equal(&p.node, &other));
	p = pick_skipping(&b, &n, 0, "10.10.0.200", NOW, &other, 1);
	cr_assert_eq(p.answer, IPAM_FAILED);
	cr_assert_str_eq(p.e.text, "address 10.10.0.200 of network app-net belongs to node h2, "
				   "which "
				   "cannot be asked for it now; start that node, or attach without "
				   "asking for this address");
}

Test(ipam, owner_of_the_most_free_space_is_asked_first)
{
	_cleanup_(book_fini) struct book b = { 0 };
	struct network n = book_network("10.10.0.0/26", NULL, NULL);
	struct id id[4] = { book_node_id(0), book_node_id(1), book_node_id(2), book_node_id(3) };
	struct picked p;

	book_start(&b, &n, 4); /* sixteen each */
	for (uint32_t i = 0; i < 14; i++)
		book_write_endpoint(&b, &n, &id[0], i, pick(&b, &n, 0, NULL, NOW).addr, NOW + i);
	book_write_endpoint(&b, &n, &id[1], 100, book_addr("10.10.0.16"), NOW);
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
	struct network n = book_network("10.10.0.0/24", NULL, NULL);
	struct id writer = book_node_id(3);
	struct picked p;

	book_put_network(&b, &n, &writer);
	p = pick(&b, &n, 0, NULL, NOW);
	cr_assert_eq(p.answer, IPAM_ASK);
	cr_assert(id_equal(&p.node, &writer));
	p = pick_skipping(&b, &n, 0, NULL, NOW, &writer, 1);
	cr_assert_eq(p.e.code, -EAGAIN);
}

static void check_first(const char *subnet, const char *range, size_t nodes, size_t owners)
{
	_cleanup_(book_fini) struct book b = { 0 };
	struct network n = book_network(subnet, range, NULL);
	struct ov_addr last = prefix_last(&n.subnet);
	bool owns[BOOK_NODES_MAX] = { false };
	size_t count = 0;

	book_start(&b, &n, nodes);
	_cleanup_(view_fini) struct view v = book_view(&b);
	for (struct ov_addr a = n.subnet.addr; addr_cmp(&a, &last) <= 0; a = addr_add(&a, 1)) {
		const struct id *owner = ipam_owner(&v, &n, &a);

		cr_assert_not_null(owner);
		owns[owner->b[4] - 1] = true;
	}
	for (size_t i = 0; i < BOOK_NODES_MAX; i++)
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
	struct network n = book_network("10.10.0.0/24", NULL, NULL);
	struct block out[IPAM_GRANT_MAX];
	struct id me = book_node_id(0), to = book_node_id(1);
	struct ov_addr a;

	book_start(&b, &n, 1);
	book_write_endpoint(&b, &n, &me, 1, book_addr("10.10.0.100"), NOW);
	_cleanup_(view_fini) struct view v = book_view(&b);
	/* Free: .2-.99 and .101-.254; half of the latter is .178-.254, and .255 stays. */
	cr_assert_eq(ipam_grant(&v, &n, &me, &to, NULL, NOW, out), 3);
	a = book_addr("10.10.0.255");
	cr_assert(id_equal(&out[0].owner, &me) && !addr_cmp(&out[0].start, &a));
	a = book_addr("10.10.0.178");
	cr_assert(id_equal(&out[1].owner, &to) && !addr_cmp(&out[1].start, &a));
	a = book_addr("10.10.0.254");
	cr_assert_eq(addr_cmp(&out[1].last, &a), 0);
	a = book_addr("10.10.0.177");
	cr_assert(id_equal(&out[2].owner, &me) && !addr_cmp(&out[2].last, &a));
}

Test(ipam, grant_says_why_it_gives_nothing)
{
	_cleanup_(book_fini) struct book b = { 0 };
	struct network n = book_network("10.10.0.0/29", NULL, NULL);
	struct block out[IPAM_GRANT_MAX];
	struct id me = book_node_id(0), to = book_node_id(1);
	struct ov_addr used = book_addr("10.10.0.3"), gateway = book_addr("10.10.0.1");

	book_start(&b, &n, 2);
	for (uint32_t i = 0; i < 5; i++)
		book_write_endpoint(&b, &n, &me, i, pick(&b, &n, 0, NULL, NOW).addr, NOW + i);
	_cleanup_(view_fini) struct view v = book_view(&b);
	cr_assert_eq(ipam_grant(&v, &n, &me, &to, NULL, NOW, out), -ENOSPC);
	cr_assert_eq(ipam_grant(&v, &n, &me, &to, &used, NOW, out), -EADDRINUSE);
	cr_assert_eq(ipam_grant(&v, &n, &me, &to, &gateway, NOW, out), -EADDRINUSE);
	cr_assert_eq(ipam_grant(&v, &n, &to, &me, &used, NOW, out), -EPERM);
}

Test(ipam, last_free_address_is_given_whole)
{
	_cleanup_(book_fini) struct book b = { 0 };
	struct network n = book_network("10.10.0.0/29", NULL, NULL);
	struct block out[IPAM_GRANT_MAX];
	struct id me = book_node_id(0), to = book_node_id(1);
	int count;

	book_start(&b, &n, 2);
	for (uint32_t i = 0; i < 4; i++)
		book_write_endpoint(&b, &n, &me, i, pick(&b, &n, 0, NULL, NOW).addr, NOW + i);
	_cleanup_(view_fini) struct view v = book_view(&b);
	count = ipam_grant(&v, &n, &me, &to, NULL, NOW, out);
	cr_assert_eq(count, 3);
	for (int i = 0; i < count; i++)
		book_write_block(&b, &out[i], &me);
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
	struct network n = book_network("10.10.0.0/24", NULL, NULL);
	struct id h1 = book_node_id(0), h2 = book_node_id(1);
	struct block mine = { .network = n.id,
			      .start = book_addr("10.10.0.128"),
			      .last = book_addr("10.10.0.191"),
			      .owner = h2 };
	struct ov_addr inside = book_addr("10.10.0.150"), behind = book_addr("10.10.0.200");

	book_put_network(&b, &n, &h1);
	book_write_block(&b, &mine, &h1);
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
	struct network n = book_network("10.10.0.0/24", NULL, NULL);
	struct id h1 = book_node_id(0), h2 = book_node_id(1), h3 = book_node_id(2);
	struct block inner = { .network = n.id,
			       .start = book_addr("10.10.0.64"),
			       .last = book_addr("10.10.0.127"),
			       .owner = h2 };
	struct ov_addr low = book_addr("10.10.0.10"), mid = book_addr("10.10.0.64"),
		       high = book_addr("10.10.0.128");
	struct block out[IPAM_GRANT_MAX];
	int count;

	book_start(&b, &n, 1);
	book_write_block(&b, &inner, &h2);
	for (int round = 0; round < 6; round++) {
		_cleanup_(view_fini) struct view v = book_view(&b);

		cr_assert(id_equal(ipam_owner(&v, &n, &low), &h1));
		cr_assert(id_equal(ipam_owner(&v, &n, &mid), &h2));
		if (!round)
			cr_assert(id_equal(ipam_owner(&v, &n, &high), &h1));
		cr_assert_eq(ipam_owned(&v, &n, &h1) + ipam_owned(&v, &n, &h2) +
				     ipam_owned(&v, &n, &h3),
			     256, "round %d", round);
		cr_assert_eq(ipam_owned(&v, &n, &h2), 64);
		count = ipam_grant(&v, &n, &h1, &h3, NULL, NOW, out);
		cr_assert_gt(count, 0);
		for (int i = 0; i < count; i++)
			book_write_block(&b, &out[i], &h1);
	}
}

Test(ipam, wanted_grant_beneath_a_resumed_block_loses_nothing)
{
	_cleanup_(book_fini) struct book b = { 0 };
	struct network n = book_network("10.10.0.0/24", NULL, NULL);
	struct id h1 = book_node_id(0), h2 = book_node_id(1), h3 = book_node_id(2);
	struct block inner = { .network = n.id,
			       .start = book_addr("10.10.0.64"),
			       .last = book_addr("10.10.0.127"),
			       .owner = h2 };
	const char *wanted[] = { "10.10.0.10", "10.10.0.63", "10.10.0.128", "10.10.0.200" };
	struct block out[IPAM_GRANT_MAX];

	book_start(&b, &n, 1);
	book_write_block(&b, &inner, &h2);
	for (size_t w = 0; w < ARRAY_SIZE(wanted); w++) {
		_cleanup_(view_fini) struct view v = book_view(&b);
		struct ov_addr a = book_addr(wanted[w]);
		int count = ipam_grant(&v, &n, &h1, &h3, &a, NOW, out);

		cr_assert_gt(count, 0, "%s: %d", wanted[w], count);
		for (int i = 0; i < count; i++)
			book_write_block(&b, &out[i], &h1);
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
	struct network n = book_network("10.10.0.0/24", NULL, NULL);
	struct id h1 = book_node_id(0), h2 = book_node_id(1);
	struct block bad[] = {
		{ .network = n.id,
		  .start = book_addr("10.9.0.0"),
		  .last = book_addr("10.11.0.0"),
		  .owner = h2 },
		{ .network = n.id,
		  .start = book_addr("10.10.0.9"),
		  .last = book_addr("10.10.0.3"),
		  .owner = h2 },
		{ .network = n.id,
		  .start = book_addr("10.10.0.9"),
		  .last = book_addr("10.10.1.0"),
		  .owner = h2 },
		{ .network = n.id,
		  .start = book_addr("::"),
		  .last = book_addr("ffff::"),
		  .owner = h2 },
		{ .network = n.id, .start = book_addr("10.10.0.20"), .owner = h2 },
	};

	book_start(&b, &n, 1);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		book_write_block(&b, &bad[i], &h2);
	_cleanup_(view_fini) struct view v = book_view(&b);
	cr_assert_eq(ipam_owned(&v, &n, &h1), 256);
	cr_assert_eq(ipam_owned(&v, &n, &h2), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const struct id *owner = ipam_owner(&v, &n, &bad[i].start);

		cr_assert(!owner || id_equal(owner, &h1), "block %zu", i);
	}
	cr_assert_str_eq(pick(&b, &n, 0, NULL, NOW).text, "10.10.0.2");
}

Test(ipam, usage_counts_what_may_be_given)
{
	_cleanup_(book_fini) struct book b = { 0 };
	struct network n = book_network("10.10.0.0/24", "10.10.0.0/28", NULL);
	struct id me = book_node_id(0);
	uint64_t used, free_count;

	book_start(&b, &n, 1);
	book_write_endpoint(&b, &n, &me, 1, book_addr("10.10.0.2"), NOW);
	book_write_endpoint(&b, &n, &me, 2, book_addr("10.10.0.200"), NOW);
	_cleanup_(view_fini) struct view v = book_view(&b);
	ipam_usage(&v, &n, &used, &free_count);
	cr_assert_eq(used, 1);
	cr_assert_eq(free_count, 13); /* sixteen less network, gateway and one in use */
}

Test(ipam, takeover_names_the_heir_for_every_block)
{
	_cleanup_(book_fini) struct book b = { 0 };
	struct network n = book_network("10.10.0.0/24", NULL, NULL);
	struct id h1 = book_node_id(0), h2 = book_node_id(1), h3 = book_node_id(2);
	struct block out[16];
	size_t count;

	book_start(&b, &n, 3);
	_cleanup_(view_fini) struct view v = book_view(&b);
	uint64_t owned = ipam_owned(&v, &n, &h2);

	cr_assert_gt(owned, 0);
	count = ipam_takeover(&v, &h2, &h3, out, ARRAY_SIZE(out));
	for (size_t i = 0; i < count; i++)
		book_write_block(&b, &out[i], &h3);
	_cleanup_(view_fini) struct view after = book_view(&b);
	cr_assert_eq(ipam_owned(&after, &n, &h2), 0);
	cr_assert_eq(ipam_owned(&after, &n, &h1) + ipam_owned(&after, &n, &h3), 256);
}

/* A /8 full of endpoints: 30,000 picks' worth of state, no bitmap, nothing quadratic. */
Test(ipam, slash_eight_with_many_endpoints)
{
	enum { COUNT = 30000 };
	_cleanup_(book_fini) struct book b = { 0 };
	struct network n = book_network("10.0.0.0/8", NULL, NULL);
	struct item *it = calloc(COUNT, sizeof(*it));
	struct view_endpoint *ve = calloc(COUNT, sizeof(*ve));
	struct id me = book_node_id(0), other = book_node_id(1);
	struct block out[IPAM_GRANT_MAX];
	struct ov_addr addr, expected;
	struct err e = { 0 };
	struct id node;

	book_start(&b, &n, 1);
	struct view v = book_view(&b);
	struct view_endpoint *none = v.endpoint;
	for (uint32_t i = 0; i < COUNT; i++) {
		/* Every other address, so that there are as many runs as endpoints. */
		it[i].key.kind = RECORD_ENDPOINT;
		it[i].endpoint = (struct endpoint){ .id = book_id('e', i),
						    .node = me,
						    .network = n.id,
						    .addr = addr_add(&n.subnet.addr, 2 + 2ull * i),
						    .created_ms = NOW + i };
		ve[i] = (struct view_endpoint){ .ep = &it[i].endpoint, .item = &it[i] };
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
	free(it);
	free(ve);
}
