/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fleet.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>

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

void fleet_start_intent(struct fleet *f, size_t i)
{
	struct sim_node *n = cluster_node(f->c, i);

	cr_assert_eq(intent_new(n->store, n->gossip, &n->rng, &f->intent[i]), 0);
}

struct fleet *fleet_new(size_t nodes, uint64_t seed)
{
	struct fleet *f = calloc(1, sizeof(*f));

	the_fleet = f;
	f->ahead = true;
	f->c = cluster_new(nodes, seed);
	rng_init_u64(&f->rng, seed);
	cluster_on_call(f->c, on_call);
	for (size_t i = 0; i < nodes; i++)
		fleet_start_intent(f, i);
	cr_assert(cluster_wait(f->c, cluster_is_settled, 60000));
	return f;
}

void fleet_free(struct fleet *f)
{
	for (size_t i = 0; i < cluster_size(f->c); i++)
		intent_free(f->intent[i]);
	cluster_free(f->c);
	free(f);
}

void fleet_freep(struct fleet **f)
{
	fleet_free(*f);
}

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

void fleet_run(struct fleet *f, uint64_t ms)
{
	for (uint64_t end = cluster_now(f->c) + ms; cluster_now(f->c) < end;) {
		cluster_run(f->c, FLEET_TICK_MS);
		for (size_t i = 0; i < cluster_size(f->c); i++)
			tick(f, i);
	}
}

void fleet_run_until_equal(struct fleet *f)
{
	for (int i = 0; i < 240; i++) {
		fleet_run(f, FLEET_TICK_MS);
		if (cluster_is_settled(f->c))
			return;
	}
	cr_assert_fail("the nodes do not agree after two minutes");
}

void fleet_heal(struct fleet *f)
{
	cluster_heal_all(f->c);
	cr_assert(cluster_wait(f->c, cluster_is_settled, 60000));
}

const struct view *fleet_view(struct fleet *f, size_t i)
{
	return store_view(cluster_node(f->c, i)->store);
}

const struct network *fleet_network(struct fleet *f, size_t i, const char *name)
{
	const struct view_network *vn = view_network_find(fleet_view(f, i), name);

	cr_assert_not_null(vn, "node %zu knows no network %s", i, name);
	return vn->net;
}

void fleet_create(struct fleet *f, size_t i, const char *name, const char *subnet)
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

struct attempt *fleet_attach(struct fleet *f, size_t i, const char *net, const char *ip)
{
	struct attempt *a = &f->attempt[f->count];
	struct attach_ask ask = {
		.network = net,
		.ip = ip,
		.netns = { .path = "/run/netns/c", .dev = 4, .ino = 1000 + f->count }
	};

	cr_assert_lt(f->count, FLEET_ATTEMPTS);
	f->count++;
	a->node = i;
	intent_attach(f->intent[i], &ask, cluster_now(f->c), cluster_wall(f->c, i), note, a);
	cluster_settle(f->c, i);
	return a;
}

struct attempt *fleet_ask_service(struct fleet *f, size_t i, const struct service_ask *ask)
{
	struct attempt *a = &f->attempt[f->count];

	cr_assert_lt(f->count, FLEET_ATTEMPTS);
	f->count++;
	a->node = i;
	intent_service_create(f->intent[i], ask, cluster_now(f->c), cluster_wall(f->c, i), note, a);
	cluster_settle(f->c, i);
	return a;
}

struct attempt *fleet_serve(struct fleet *f, size_t i, const char *net, const char *vip)
{
	char name[16];
	struct service_ask ask = { .network = net, .vip = vip, .name = name };

	snprintf(name, sizeof(name), "s%zu", f->count);
	return fleet_ask_service(f, i, &ask);
}

struct fleet *fleet_networked(size_t n, uint64_t seed)
{
	struct fleet *f = fleet_new(n, seed);

	fleet_create(f, 0, "net", "10.1.0.0/24");
	cr_assert(cluster_wait(f->c, cluster_is_settled, 60000));
	return f;
}
