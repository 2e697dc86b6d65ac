/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses in a cluster: real stores, gossip and intents; splits, loss, nodes
 * that come late or never come back. After each story: no address was given
 * twice, no address has two owners, and once healed all nodes agree.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "intent/intent.h"
#include "tests/lib/cluster.h"

#define NODES_MAX 12
#define ATTACHES_MAX 2048
#define TICK_MS 500

struct attempt {
	size_t node;
	int times;
	struct id id;
	struct err e;
};

struct fleet {
	struct sim *c;
	struct intent *intent[NODES_MAX];
	struct rng rng;
	size_t count;
	struct attempt attempt[ATTACHES_MAX];
	unsigned int lost_replies; /* percent */
	bool ahead; /* the agent's tick asks ahead of need */
};

static struct fleet *the_fleet; /* on_call's way to the test; Criterion forks per test */

static int on_call(struct sim_node *n, const struct id *from, struct cursor request,
		   struct buf *reply)
{
	struct fleet *f = the_fleet;
	int r = intent_on_call(f->intent[n->index], from, request, cluster_wall(n->sim, n->index),
			       reply);

	/* The work is done and the answer never arrives. */
	return rng_below(&f->rng, 100) < f->lost_replies ? -EIO : r;
}

static void intent_start(struct fleet *f, size_t i)
{
	struct sim_node *n = cluster_node(f->c, i);

	cr_assert_eq(intent_new(n->store, n->gossip, &n->rng, &f->intent[i]), 0);
}

static struct fleet *fleet_new(size_t nodes, uint64_t seed)
{
	struct fleet *f = calloc(1, sizeof(*f));

	the_fleet = f;
	f->ahead = true;
	f->c = cluster_new(nodes, seed);
	rng_init_u64(&f->rng, seed);
	cluster_on_call(f->c, on_call);
	for (size_t i = 0; i < nodes; i++)
		intent_start(f, i);
	cr_assert(cluster_wait(f->c, cluster_is_settled, 60000));
	return f;
}

static void fleet_free(struct fleet *f)
{
	for (size_t i = 0; i < cluster_size(f->c); i++)
		intent_free(f->intent[i]);
	cluster_free(f->c);
	free(f);
}

static void fleet_freep(struct fleet **f)
{
	fleet_free(*f);
}

#define FLEET(f, nodes, seed) _cleanup_(fleet_freep) struct fleet *f = fleet_new(nodes, seed)

static void tick(struct fleet *f, size_t i)
{
	struct sim_node *n = cluster_node(f->c, i);

	if (!n->up)
		return;
	cr_assert_eq(intent_heal_claims(f->intent[i], cluster_wall(f->c, i), NULL), 0);
	if (f->ahead)
		intent_ask_ahead(f->intent[i], cluster_now(f->c), cluster_wall(f->c, i));
	cluster_settle(f->c, i);
}

/* Time passes, and the agents tick. */
static void run(struct fleet *f, uint64_t ms)
{
	for (uint64_t end = cluster_now(f->c) + ms; cluster_now(f->c) < end;) {
		cluster_run(f->c, TICK_MS);
		for (size_t i = 0; i < cluster_size(f->c); i++)
			tick(f, i);
	}
}

static void run_until_equal(struct fleet *f)
{
	for (int i = 0; i < 240; i++) {
		run(f, TICK_MS);
		if (cluster_is_settled(f->c))
			return;
	}
	cr_assert_fail("the nodes do not agree after two minutes");
}

static const struct view *view(struct fleet *f, size_t i)
{
	return store_view(cluster_node(f->c, i)->store);
}

static const struct network *network(struct fleet *f, size_t i, const char *name)
{
	const struct view_network *vn = view_network_find(view(f, i), name);

	cr_assert_not_null(vn, "node %zu knows no network %s", i, name);
	return vn->net;
}

static void create(struct fleet *f, size_t i, const char *name, const char *subnet)
{
	struct network_ask ask = { .name = name, .subnet = subnet };
	struct err e = { 0 };
	struct id id;

	cr_assert_eq(intent_network_create(f->intent[i], &ask, cluster_wall(f->c, i), &id, &e), 0,
		     "%s", e.text);
	cluster_settle(f->c, i);
}

static void note(void *arg, const struct id *id, const struct err *e)
{
	struct attempt *a = arg;

	a->times++;
	if (id)
		a->id = *id;
	else
		a->e = *e;
}

static struct attempt *attach(struct fleet *f, size_t i, const char *net, const char *ip)
{
	struct attempt *a = &f->attempt[f->count];
	struct attach_ask ask = {
		.network = net,
		.ip = ip,
		.netns = { .path = "/run/netns/c", .dev = 4, .ino = 1000 + f->count }
	};

	cr_assert_lt(f->count, ATTACHES_MAX);
	f->count++;
	a->node = i;
	intent_attach(f->intent[i], &ask, cluster_now(f->c), cluster_wall(f->c, i), note, a);
	cluster_settle(f->c, i);
	return a;
}

/* A service with a VIP: one more attempt, for an address like the others'. */
static struct attempt *serve(struct fleet *f, size_t i, const char *net, const char *vip)
{
	struct attempt *a = &f->attempt[f->count];
	char name[16];
	struct service_ask ask = { .network = net, .vip = vip, .name = name };

	snprintf(name, sizeof(name), "s%zu", f->count);
	cr_assert_lt(f->count, ATTACHES_MAX);
	f->count++;
	a->node = i;
	intent_service_create(f->intent[i], &ask, cluster_now(f->c), cluster_wall(f->c, i), note, a);
	cluster_settle(f->c, i);
	return a;
}

static size_t count_attached(const struct fleet *f)
{
	size_t count = 0;

	for (size_t i = 0; i < f->count; i++)
		count += !id_is_zero(&f->attempt[i].id);
	return count;
}

static void check_all_answered(const struct fleet *f)
{
	for (size_t i = 0; i < f->count; i++)
		cr_assert_eq(f->attempt[i].times, 1, "attach %zu was answered %d times", i,
			     f->attempt[i].times);
}

static const struct endpoint *endpoint(struct fleet *f, const struct attempt *a)
{
	const struct view_endpoint *ve = view_endpoint_by_id(view(f, a->node), &a->id);

	cr_assert_eq(a->times, 1);
	cr_assert_not_null(ve, "%s", a->e.text);
	return ve->ep;
}

/* A service is told of by whoever made it, while that one knows it as living. */
static void count_vips(struct fleet *f, const char *name, uint8_t *given)
{
	for (size_t i = 0; i < f->count; i++) {
		const struct attempt *a = &f->attempt[i];
		const struct view *v = view(f, a->node);
		const struct view_network *vn = view_network_find(v, name);
		const struct view_service *vs = view_service_by_id(v, &a->id);

		if (vs && vs->net == vn)
			given[addr_distance(&vn->net->subnet.addr, &vs->svc->vip)]++;
	}
}

/* Every node's own endpoints and own blocks, and all VIPs together: nothing twice. */
static void check_nothing_twice(struct fleet *f, const char *name, size_t size)
{
	_cleanup_(freep) uint8_t *given = calloc(size, 1), *owned = calloc(size, 1);

	for (size_t i = 0; i < cluster_size(f->c); i++) {
		const struct view *v = view(f, i);
		const struct view_network *vn = view_network_find(v, name);
		const struct id *me = &cluster_node(f->c, i)->id;

		for (size_t k = 0; vn && k < v->endpoint_count; k++)
			if (v->endpoint[k].net == vn && id_equal(&v->endpoint[k].ep->node, me))
				given[addr_distance(&vn->net->subnet.addr,
						    &v->endpoint[k].ep->addr)]++;
		for (size_t k = 0; vn && k < size; k++) {
			struct ov_addr a = addr_add(&vn->net->subnet.addr, k);
			const struct id *owner = ipam_owner(v, vn->net, &a);

			owned[k] += owner && id_equal(owner, me);
		}
	}
	count_vips(f, name, given);
	for (size_t k = 0; k < size; k++) {
		cr_assert_leq(given[k], 1, ".%zu was given %d times", k, given[k]);
		cr_assert_leq(owned[k], 1, ".%zu has %d owners", k, owned[k]);
	}
}

/* And everything once: all agree, and no address is without an owner. */
static void check_complete(struct fleet *f, const char *name, size_t size)
{
	check_nothing_twice(f, name, size);
	for (size_t i = 0; i < cluster_size(f->c); i++) {
		uint64_t sum = 0;

		if (!cluster_node(f->c, i)->up)
			continue;
		for (size_t k = 0; k < view(f, i)->node_count; k++)
			sum += ipam_owned(view(f, i), network(f, i, name),
					  &view(f, i)->node[k].node->id);
		cr_assert_eq(sum, size, "node %zu sees %lu of %zu addresses owned", i,
			     (unsigned long)sum, size);
		for (size_t k = 0; k < view(f, i)->endpoint_count; k++)
			cr_assert_not(view(f, i)->endpoint[k].addr_lost);
		for (size_t k = 0; k < view(f, i)->service_count; k++)
			cr_assert_not(view(f, i)->service[k].vip_lost);
	}
}

static uint64_t owned(struct fleet *f, size_t i, const char *name)
{
	return ipam_owned(view(f, i), network(f, i, name), &cluster_node(f->c, i)->id);
}

/* The highest address but the broadcast one that a node owns, as text. */
static const char *last_owned(struct fleet *f, size_t i, const char *name)
{
	static char text[ADDR_TEXT_MAX];
	const struct network *n = network(f, i, name);

	for (uint64_t k = 254; k > 0; k--) {
		struct ov_addr a = addr_add(&n->subnet.addr, k);
		const struct id *owner = ipam_owner(view(f, i), n, &a);

		if (owner && id_equal(owner, &cluster_node(f->c, i)->id))
			return addr_format(&a, text);
	}
	cr_assert_fail("node %zu owns nothing", i);
	return NULL;
}

/* ---- partitions ---- */

static void both_sides_attach(size_t nodes, size_t cut_at, uint64_t seed)
{
	FLEET(f, nodes, seed);

	create(f, 0, "net", "10.1.0.0/24");
	run_until_equal(f);
	cluster_split(f->c, cut_at);
	for (int round = 0; round < 12; round++) {
		for (size_t i = 0; i < nodes; i++)
			attach(f, i, "net", NULL);
		run(f, 2000);
		check_nothing_twice(f, "net", 256);
	}
	check_all_answered(f);
	cr_assert_eq(count_attached(f), 12 * nodes, "each side has addresses of its own");
	cluster_heal_all(f->c);
	run_until_equal(f);
	check_complete(f, "net", 256);
	cr_assert_eq(view(f, 0)->endpoint_count, 12 * nodes);
}

Test(ipam_sim, both_sides_of_a_split_attach_and_no_address_is_double_3)
{
	both_sides_attach(3, 1, 1);
}

Test(ipam_sim, both_sides_of_a_split_attach_and_no_address_is_double_5)
{
	both_sides_attach(5, 2, 2);
}

Test(ipam_sim, both_sides_of_a_split_attach_and_no_address_is_double_10)
{
	both_sides_attach(10, 4, 3);
}

Test(ipam_sim, network_made_on_each_side_of_a_split_works_on_both)
{
	FLEET(f, 4, 4);

	cluster_split(f->c, 2);
	run(f, 30000);
	create(f, 0, "net", "10.1.0.0/24");
	create(f, 2, "net", "10.1.0.0/24");
	run(f, 3000);
	for (size_t i = 0; i < 4; i++)
		cr_assert_eq(attach(f, i, "net", NULL)->times, 1);
	cr_assert_eq(count_attached(f), 4);
	cluster_heal_all(f->c);
	run_until_equal(f);
	cr_assert_eq(view(f, 3)->network_count, 2, "two networks of one name, each with its own");
	cr_assert_eq(view(f, 3)->endpoint_count, 4);
	for (size_t i = 0; i < 2; i++)
		cr_assert_not(view(f, 3)->network[i].vni_lost);
}

/* ---- services ---- */

Test(ipam_sim, both_sides_of_a_split_make_services_and_no_vip_is_an_endpoints_address)
{
	FLEET(f, 4, 21);

	create(f, 0, "net", "10.1.0.0/24");
	run_until_equal(f);
	cluster_split(f->c, 2);
	for (int round = 0; round < 6; round++) {
		for (size_t i = 0; i < 4; i++) {
			serve(f, i, "net", NULL);
			attach(f, i, "net", NULL);
			serve(f, i, "net", NULL);
		}
		run(f, 2000);
		check_nothing_twice(f, "net", 256);
	}
	check_all_answered(f);
	cr_assert_eq(count_attached(f), 72, "each side has addresses of its own");
	cluster_heal_all(f->c);
	run_until_equal(f);
	check_complete(f, "net", 256);
	cr_assert_eq(view(f, 3)->service_count, 48);
	cr_assert_eq(view(f, 3)->endpoint_count, 24);
}

Test(ipam_sim, a_node_without_addresses_asks_for_a_vip)
{
	FLEET(f, 3, 22);
	struct attempt *one, *wanted;
	char text[ADDR_TEXT_MAX];

	f->ahead = false;
	create(f, 0, "net", "10.1.0.0/29");
	run_until_equal(f);
	cr_assert_eq(owned(f, 2, "net"), 0);
	one = serve(f, 2, "net", NULL);
	cr_assert_eq(one->times, 0, "it waits for the owner's answer");
	run(f, 3000);
	cr_assert_eq(one->times, 1);
	cr_assert_not(id_is_zero(&one->id), "%s", one->e.text);
	wanted = serve(f, 1, "net", "10.1.0.2");
	run(f, 3000);
	cr_assert_eq(wanted->times, 1);
	cr_assert_str_eq(addr_format(&view_service_by_id(view(f, 1), &wanted->id)->svc->vip, text),
			 "10.1.0.2");
	run_until_equal(f);
	check_complete(f, "net", 8);
}

Test(ipam_sim, a_vip_that_another_node_gave_is_refused_naming_its_service)
{
	FLEET(f, 2, 23);
	struct attempt *first, *second;

	create(f, 0, "net", "10.1.0.0/24");
	run_until_equal(f);
	first = serve(f, 0, "net", "10.1.0.9");
	second = attach(f, 1, "net", "10.1.0.9"); /* before it can have heard of the service */
	run(f, 3000);
	cr_assert_not(id_is_zero(&first->id), "%s", first->e.text);
	cr_assert_eq(second->times, 1);
	cr_assert_not_null(strstr(second->e.text, "is the VIP of service s0"), "%s",
			   second->e.text);
	check_complete(f, "net", 256);
}

Test(ipam_sim, services_and_endpoints_fill_a_subnet_to_the_last_address_and_use_it_again)
{
	FLEET(f, 3, 24);
	struct attempt *again;
	char id[ID_TEXT_MAX];
	size_t at, got;

	create(f, 0, "net", "10.1.0.0/26");
	run_until_equal(f);
	for (int i = 0; i < 61; i++) {
		if (i % 2)
			serve(f, (size_t)i % 3, "net", NULL);
		else
			attach(f, (size_t)i % 3, "net", NULL);
		run(f, 1000);
		check_nothing_twice(f, "net", 64);
	}
	got = count_attached(f);
	cr_assert_eq(got, 61, "%zu of 61: %s", got, f->attempt[60].e.text);
	cr_assert(id_is_zero(&serve(f, 1, "net", NULL)->id));
	run(f, 12000);
	check_all_answered(f);
	at = 1; /* a service, made on node 1, removed elsewhere */
	cr_assert_eq(intent_service_rm(f->intent[2], id_format(&f->attempt[at].id, id),
				       cluster_wall(f->c, 2), NULL), 0);
	cluster_settle(f->c, 2);
	run(f, IPAM_HOLD_MS + 2000);
	again = attach(f, 0, "net", NULL);
	run(f, 12000);
	cr_assert_not(id_is_zero(&again->id), "%s", again->e.text);
	run_until_equal(f);
	check_complete(f, "net", 64);
}

Test(ipam_sim, a_service_removed_on_one_side_and_changed_on_the_other_stays_removed)
{
	FLEET(f, 4, 25);
	struct service_ask change = { .name = "s0", .algorithm = "rr" };
	struct attempt *service, *taker;
	struct id id;

	create(f, 0, "net", "10.1.0.0/24");
	run_until_equal(f);
	service = serve(f, 0, "net", "10.1.0.9");
	run_until_equal(f);
	cluster_split(f->c, 2);
	cr_assert_eq(intent_service_rm(f->intent[0], "s0", cluster_wall(f->c, 0), NULL), 0);
	cluster_settle(f->c, 0);
	run(f, 2000);
	cr_assert_eq(intent_service_update(f->intent[3], &change, cluster_wall(f->c, 3), &id, NULL),
		     0);
	cluster_settle(f->c, 3);
	taker = attach(f, 0, "net", "10.1.0.9");
	run(f, 2000);
	cr_assert_not(id_is_zero(&taker->id), "%s", taker->e.text);
	cluster_heal_all(f->c);
	run_until_equal(f);
	for (size_t i = 0; i < 4; i++)
		cr_assert_null(view_service_by_id(view(f, i), &service->id));
	check_complete(f, "net", 256);
}

/* ---- who comes late ---- */

Test(ipam_sim, late_joiner_gets_space_ahead_of_need_and_keeps_it_when_cut_off)
{
	FLEET(f, 3, 5);

	create(f, 0, "net", "10.1.0.0/24");
	create(f, 0, "tiny", "10.2.0.0/29");
	run_until_equal(f);
	size_t late = cluster_add(f->c, 1);
	intent_start(f, late);
	run(f, 10000);
	cr_assert_geq(owned(f, late, "net"), IPAM_SHARE_MIN);
	cr_assert_eq(owned(f, late, "tiny"), 0, "eight addresses are not split ahead of need");
	run_until_equal(f);
	check_complete(f, "net", 256);
	for (size_t i = 0; i < 3; i++)
		cluster_cut(f->c, late, i);
	run(f, 30000);
	cr_assert_eq(attach(f, late, "net", NULL)->e.code, 0);
	const struct attempt *a = attach(f, late, "tiny", NULL);
	cr_assert_eq(a->e.code, -EHOSTUNREACH);
	cr_assert_not_null(strstr(a->e.text, "n0, which has some, cannot be asked now"), "%s",
			   a->e.text);
}

Test(ipam_sim, late_joiner_that_attaches_at_once_is_served)
{
	FLEET(f, 3, 6);

	f->ahead = false;
	create(f, 0, "net", "10.1.0.0/29");
	run_until_equal(f);
	size_t late = cluster_add(f->c, 0);
	intent_start(f, late);
	cr_assert(cluster_wait(f->c, cluster_is_settled, 60000));
	struct attempt *a = attach(f, late, "net", NULL);
	cr_assert_eq(a->times, 0);
	run(f, 2000);
	endpoint(f, a);
	run_until_equal(f);
	check_complete(f, "net", 8);
}

Test(ipam_sim, many_attaches_at_once_wait_in_line_for_one_grant)
{
	FLEET(f, 3, 7);
	uint64_t calls;

	f->ahead = false;
	create(f, 0, "net", "10.1.0.0/24");
	run_until_equal(f);
	size_t late = cluster_add(f->c, 0);
	intent_start(f, late);
	cr_assert(cluster_wait(f->c, cluster_is_settled, 60000));
	calls = gossip_counters(cluster_node(f->c, late)->gossip)->calls_out;
	for (int i = 0; i < 30; i++)
		attach(f, late, "net", NULL);
	cr_assert_eq(count_attached(f), 0);
	calls = gossip_counters(cluster_node(f->c, late)->gossip)->calls_out - calls;
	cr_assert_eq(calls, 1, "thirty wishes, one question");
	run(f, 3000);
	check_all_answered(f);
	cr_assert_eq(count_attached(f), 30);
	check_nothing_twice(f, "net", 256);
}

Test(ipam_sim, line_is_bounded)
{
	FLEET(f, 2, 8);

	f->ahead = false;
	create(f, 0, "net", "10.1.0.0/20");
	run_until_equal(f);
	size_t late = cluster_add(f->c, 0);
	intent_start(f, late);
	cr_assert(cluster_wait(f->c, cluster_is_settled, 60000));
	for (int i = 0; i < INTENT_WAITING_MAX; i++)
		cr_assert_eq(attach(f, late, "net", NULL)->times, 0);
	cr_assert_eq(attach(f, late, "net", NULL)->e.code, -EAGAIN);
	run(f, 5000);
	cr_assert_eq(count_attached(f), INTENT_WAITING_MAX);
}

/* ---- loss ---- */

Test(ipam_sim, subnet_is_given_to_the_last_address_under_loss)
{
	FLEET(f, 10, 9);

	create(f, 0, "net", "10.1.0.0/25");
	run_until_equal(f);
	cluster_loss(f->c, 30);
	f->lost_replies = 30;
	/* Two nodes alone use everything, so that all others must give what they have. */
	for (int i = 0; i < 400 && count_attached(f) < 125; i++) {
		attach(f, i % 2, "net", NULL);
		run(f, 1000);
	}
	cr_assert_eq(count_attached(f), 125);
	check_nothing_twice(f, "net", 128);
	run(f, 30000);
	const struct attempt *a = attach(f, 5, "net", NULL);
	run(f, 12000);
	cr_assert_eq(a->e.code, -ENOSPC);
	cr_assert_not_null(strstr(a->e.text, "no free address left in 10.1.0.0/25 (125 in use)"),
			   "%s", a->e.text);
	check_all_answered(f);
	cluster_loss(f->c, 0);
	run_until_equal(f);
	check_complete(f, "net", 128);
}

/*
 * n0 has not heard that n1 gave an address away, so it takes what n1 says it owns
 * for a lost reply and repeats itself; n1 must not take that for the last word.
 */
Test(ipam_sim, asked_node_with_old_news_is_asked_again_at_once)
{
	FLEET(f, 2, 17);
	struct attempt *a;

	f->ahead = false;
	create(f, 0, "net", "10.1.0.0/27"); /* n0: .0 to .15; n1: the rest */
	run_until_equal(f);
	intent_start(f, cluster_add(f->c, 0));
	for (int i = 0; i < 14; i++)
		attach(f, 1, "net", NULL);
	run_until_equal(f);
	for (size_t i = 1; i < 3; i++)
		cluster_link_loss(f->c, i, 0, 100); /* datagrams; calls get through */
	a = attach(f, 2, "net", "10.1.0.30");
	cluster_run(f->c, 100);
	endpoint(f, a);
	a = attach(f, 1, "net", NULL);
	cluster_run(f->c, 100);
	cr_assert_lt(addr_v4(&endpoint(f, a)->addr), 0x0a010010u);
	check_nothing_twice(f, "net", 32);
}

Test(ipam_sim, owner_that_dies_while_asked_is_named)
{
	FLEET(f, 2, 10);

	f->ahead = false;
	create(f, 0, "net", "10.1.0.0/29");
	run_until_equal(f);
	cluster_cut(f->c, 0, 1); /* gossip has not noticed yet */
	struct attempt *a = attach(f, 1, "net", NULL);
	cr_assert_eq(a->times, 0);
	f->ahead = true;
	run(f, INTENT_DEADLINE_MS + 1000);
	cr_assert_eq(a->times, 1);
	cr_assert_not_null(strstr(a->e.text, "n0"), "%s", a->e.text);
	cr_assert(a->e.code == -EHOSTUNREACH || a->e.code == -ETIMEDOUT);
}

Test(ipam_sim, daemon_that_stops_answers_those_who_wait)
{
	FLEET(f, 2, 11);

	f->ahead = false;
	create(f, 0, "net", "10.1.0.0/29");
	run_until_equal(f);
	struct attempt *a = attach(f, 1, "net", NULL);
	cr_assert_eq(a->times, 0);
	cluster_crash(f->c, 1); /* gossip goes before the intents */
	cr_assert_eq(a->e.code, -ECANCELED);
	intent_free(f->intent[1]);
	cluster_restart(f->c, 1, true);
	intent_start(f, 1);
	run_until_equal(f);
	a = attach(f, 1, "net", NULL);
	cr_assert_eq(a->times, 0);
	intent_free(f->intent[1]); /* and the other way round */
	cr_assert_eq(a->e.code, -ECANCELED);
	cr_assert_eq(a->times, 1);
	cluster_crash(f->c, 1);
	cluster_restart(f->c, 1, true);
	intent_start(f, 1);
	run_until_equal(f);
	a = attach(f, 1, "net", NULL);
	run(f, 3000);
	endpoint(f, a);
	check_all_answered(f);
}

/* ---- asked by name ---- */

Test(ipam_sim, address_asked_for_by_name_comes_from_its_owner)
{
	FLEET(f, 3, 12);
	struct attempt *a[3];

	create(f, 0, "net", "10.1.0.0/24");
	run_until_equal(f);
	a[0] = attach(f, 0, "net", "10.1.0.250");
	a[1] = attach(f, 1, "net", "10.1.0.251");
	a[2] = attach(f, 2, "net", "10.1.0.10");
	run(f, 2000);
	cr_assert_eq(addr_v4(&endpoint(f, a[0])->addr), 0x0a0100fau);
	cr_assert_eq(addr_v4(&endpoint(f, a[1])->addr), 0x0a0100fbu);
	cr_assert_eq(addr_v4(&endpoint(f, a[2])->addr), 0x0a01000au);
	run_until_equal(f);
	check_complete(f, "net", 256);
}

Test(ipam_sim, two_nodes_ask_for_one_address_and_one_gets_it)
{
	FLEET(f, 3, 13);

	create(f, 0, "net", "10.1.0.0/24");
	run_until_equal(f);
	for (int i = 0; i < 10; i++) {
		char ip[32];
		struct attempt *a, *b;

		snprintf(ip, sizeof(ip), "10.1.0.%d", 20 + i);
		a = attach(f, 1, "net", ip);
		b = attach(f, 2, "net", ip);
		run(f, 12000);
		cr_assert_eq(a->times + b->times, 2);
		cr_assert_eq((a->e.code == 0) + (b->e.code == 0), 1, "%s / %s", a->e.text,
			     b->e.text);
	}
	check_nothing_twice(f, "net", 256);
}

Test(ipam_sim, wanted_address_of_a_cut_off_node_is_refused_naming_it)
{
	FLEET(f, 3, 14);

	create(f, 0, "net", "10.1.0.0/24");
	run_until_equal(f);
	cluster_split(f->c, 2);
	run(f, 30000);
	struct attempt *a = attach(f, 0, "net", last_owned(f, 2, "net"));
	cr_assert_eq(a->times, 1, "who is known to be away is not waited for");
	cr_assert_eq(a->e.code, -EHOSTUNREACH);
	cr_assert_not_null(strstr(a->e.text, "belongs to node n2"), "%s", a->e.text);
	struct attempt *b = attach(f, 0, "net", last_owned(f, 1, "net"));
	run(f, 2000);
	endpoint(f, b);
}

/* ---- removal ---- */

Test(ipam_sim, removed_nodes_addresses_are_used_again)
{
	FLEET(f, 3, 15);
	struct err e = { 0 };

	create(f, 0, "net", "10.1.0.0/26");
	run_until_equal(f);
	cr_assert_eq(intent_node_rm(f->intent[0], "n2", cluster_wall(f->c, 0), &e), -EBUSY);
	cr_assert_not_null(strstr(e.text, "node n2 is alive"), "%s", e.text);
	attach(f, 2, "net", NULL);
	run_until_equal(f);
	cluster_crash(f->c, 2);
	run(f, 60000);
	cr_assert_eq(cluster_status(f->c, 0, 2), MEMBER_DEAD);
	e = (struct err){ 0 };
	cr_assert_eq(intent_node_rm(f->intent[0], "n2", cluster_wall(f->c, 0), &e), 0, "%s",
		     e.text);
	cluster_settle(f->c, 0);
	run(f, 10000);
	for (int i = 0; i < 61; i++) {
		attach(f, i % 2, "net", NULL);
		run(f, 1000);
	}
	check_all_answered(f);
	cr_assert_eq(count_attached(f), 1 + 61, "every address of the subnet is in use");
	cr_assert_eq(view(f, 1)->endpoint_count, 61);
}

Test(ipam_sim, leaving_node_hands_its_addresses_to_a_living_one)
{
	FLEET(f, 3, 16);

	create(f, 0, "net", "10.1.0.0/24");
	run_until_equal(f);
	for (int i = 0; i < 5; i++)
		attach(f, 1, "net", NULL);
	run_until_equal(f);
	cr_assert_eq(intent_leave(f->intent[1], cluster_wall(f->c, 1), NULL), 0);
	cluster_settle(f->c, 1);
	run(f, 5000);
	const struct view *v = view(f, 0);
	cr_assert_eq(v->node_count, 2);
	cr_assert_eq(v->endpoint_count, 0);
	cr_assert_eq(ipam_owned(v, network(f, 0, "net"), &cluster_node(f->c, 0)->id) +
			     ipam_owned(v, network(f, 0, "net"), &cluster_node(f->c, 2)->id),
		     256);
}

/* ---- anything at all ---- */

static void detach_one(struct fleet *f)
{
	size_t from = rng_below(&f->rng, (uint32_t)f->count);
	char id[ID_TEXT_MAX];

	for (size_t k = 0; k < f->count; k++) {
		struct attempt *a = &f->attempt[(from + k) % f->count];

		if (id_is_zero(&a->id) || !cluster_node(f->c, a->node)->up ||
		    !view_endpoint_by_id(view(f, a->node), &a->id))
			continue;
		cr_assert_eq(intent_detach(f->intent[a->node], id_format(&a->id, id),
					   cluster_wall(f->c, a->node), NULL),
			     0);
		cluster_settle(f->c, a->node);
		return;
	}
}

static void one_event(struct fleet *f, size_t nodes)
{
	uint32_t what = rng_below(&f->rng, 100);
	size_t i = rng_below(&f->rng, (uint32_t)nodes), j = rng_below(&f->rng, (uint32_t)nodes);
	char ip[32];

	snprintf(ip, sizeof(ip), "10.1.0.%u", rng_below(&f->rng, 64));
	if (what < 45)
		attach(f, i, "net", NULL);
	else if (what < 60)
		attach(f, i, "net", ip);
	else if (what < 85 && f->count)
		detach_one(f);
	else if (what < 92 && i != j)
		cluster_cut(f->c, i, j);
	else if (what < 96 && i != j)
		cluster_heal(f->c, i, j);
	else if (what < 98)
		cluster_split(f->c, 1 + rng_below(&f->rng, (uint32_t)nodes - 1));
	else
		cluster_heal_all(f->c);
}

static void anything(size_t nodes, uint64_t seed)
{
	FLEET(f, nodes, seed);

	create(f, 0, "net", "10.1.0.0/26");
	run(f, 1000);
	cluster_loss(f->c, 10);
	f->lost_replies = 20;
	for (int step = 0; step < 250; step++) {
		one_event(f, nodes);
		run(f, 500 * rng_below(&f->rng, 6));
		if (step % 5 == 0)
			check_nothing_twice(f, "net", 64);
	}
	f->lost_replies = 0;
	cluster_loss(f->c, 0);
	cluster_heal_all(f->c);
	run(f, INTENT_DEADLINE_MS + 1000);
	check_all_answered(f);
	run_until_equal(f);
	check_complete(f, "net", 64);
}

Test(ipam_sim, whatever_happens_no_address_is_double_1)
{
	anything(3, 101);
}

Test(ipam_sim, whatever_happens_no_address_is_double_2)
{
	anything(5, 102);
}

Test(ipam_sim, whatever_happens_no_address_is_double_3)
{
	anything(8, 103);
}
