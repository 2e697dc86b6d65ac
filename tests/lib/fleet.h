/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A simulated cluster (cluster.h) whose nodes carry out what their users ask for, wired as
 * the agent does it: questions between nodes are answered, claims mended, addresses asked for
 * ahead of need. Every request for an address is kept, with its answer.
 */
#pragma once

#include "base/cleanup.h"
#include "intent/intent.h"
#include "tests/lib/cluster.h"

#define FLEET_MAX 12
#define FLEET_ATTEMPTS 2048
#define FLEET_TICK_MS 500

/* Somebody asked a node for an endpoint or a service. */
struct attempt {
	size_t node;
	int times;     /* that it was answered: once, if all is well */
	struct id id;  /* what was made; zero: nothing, and e says why */
	struct err e;
};

struct fleet {
	struct sim *c;
	struct intent *intent[FLEET_MAX];
	struct rng rng;
	size_t count;
	struct attempt attempt[FLEET_ATTEMPTS];
	unsigned int lost_replies; /* percent of answers that never arrive, their work done */
	bool ahead;                /* the tick asks ahead of need, as the agent's does; true at first */
};

/* n nodes that have found each other. One fleet a test. */
struct fleet *fleet_new(size_t n, uint64_t seed);
struct fleet *fleet_networked(size_t n, uint64_t seed); /* all know network "net", 10.1.0.0/24 */
void fleet_free(struct fleet *f);
void fleet_freep(struct fleet **f);
#define FLEET(f, n, seed) _cleanup_(fleet_freep) struct fleet *f = fleet_new(n, seed)

void fleet_start_intent(struct fleet *f, size_t i); /* of a node that was started again */
void fleet_run(struct fleet *f, uint64_t ms);
void fleet_run_until_equal(struct fleet *f);
void fleet_heal(struct fleet *f); /* every link, and waits until all nodes agree */

const struct view *fleet_view(struct fleet *f, size_t i);
const struct network *fleet_network(struct fleet *f, size_t i, const char *name);

void fleet_create(struct fleet *f, size_t i, const char *name, const char *subnet);
/* ip, vip: NULL for any. The answer may come later. */
struct attempt *fleet_attach(struct fleet *f, size_t i, const char *net, const char *ip);
struct attempt *fleet_serve(struct fleet *f, size_t i, const char *net, const char *vip);
/* A service as asked for; at once or later, as those. */
struct attempt *fleet_ask_service(struct fleet *f, size_t i, const struct service_ask *ask);
