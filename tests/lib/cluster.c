// SPDX-License-Identifier: GPL-2.0-or-later
#include "cluster.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "cluster_queue.h"

#define WALL_EPOCH_MS 1750000000000ull /* some day in 2025 */
#define CALL_CUT_MS 3000               /* a stream into a cut is given up by its socket */
#define EVENTS_AT_ONCE 200000          /* in one virtual millisecond: something is running wild */

struct link {
	bool cut;
	int loss; /* percent; negative: the cluster's */
};

struct sim {
	size_t count;
	struct sim_node **node;
	struct link *link; /* count * count */
	struct sim_queue queue;
	struct rng rng;
	struct gossip_timing timing;
	uint64_t now;
	unsigned int loss;
	uint32_t latency_min, latency_max;
	uint8_t key[GOSSIP_KEY_LEN];
	int (*on_call)(struct sim_node *n, const struct id *from, struct cursor request,
		       struct buf *reply);
	void (*tap)(void *ctx, size_t from, size_t to, const void *data, size_t len);
	void *tap_ctx;
};

/* A test's own trouble ends the test at once and loudly. */
static void check(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "cluster: %s\n", what);
	abort();
}

static struct link *link_of(struct sim *c, size_t from, size_t to)
{
	return &c->link[from * c->count + to];
}

size_t cluster_size(const struct sim *c)
{
	return c->count;
}

struct sim_node *cluster_node(struct sim *c, size_t i)
{
	check(i < c->count, "no such node");
	return c->node[i];
}

uint64_t cluster_now(const struct sim *c)
{
	return c->now;
}

uint64_t cluster_wall(const struct sim *c, size_t i)
{
	return (uint64_t)((int64_t)(WALL_EPOCH_MS + c->now) + c->node[i]->skew_ms);
}

/* ---- the network ---- */

static struct sockname address_of(size_t i)
{
	return (struct sockname){ .addr = addr_from_v4(0x0a000001u + (uint32_t)i), .port = 7946 };
}

/* Node at an address, or count when nobody is. */
static size_t node_at(const struct sim *c, const struct sockname *a)
{
	size_t i = 0;

	while (i < c->count && memcmp(&c->node[i]->addr, a, sizeof(*a)))
		i++;
	return i;
}

static uint64_t latency(struct sim *c)
{
	return c->latency_min + rng_below(&c->rng, c->latency_max - c->latency_min + 1);
}

static bool is_lost(struct sim *c, size_t from, size_t to)
{
	const struct link *l = link_of(c, from, to);
	unsigned int percent = l->loss < 0 ? c->loss : (unsigned int)l->loss;

	return l->cut || (percent && rng_below(&c->rng, 100) < percent);
}

static void send_datagram(struct sim *c, struct sim_node *n, const struct gossip_output *o)
{
	size_t to = node_at(c, &o->to);
	struct sim_event *e;

	if (to == c->count || is_lost(c, n->index, to))
		return;
	if (c->tap)
		c->tap(c->tap_ctx, n->index, to, o->data, o->len);
	e = sim_event_new(SIM_DATAGRAM, to, o->data, o->len);
	e->from = n->addr;
	sim_queue_add(&c->queue, e, c->now + latency(c));
}

/* A stream's end at its caller. */
static void end_stream(struct sim *c, size_t caller, uint32_t life, uint64_t call, int error,
		       const struct buf *reply, uint64_t at)
{
	struct sim_event *e = sim_event_new(SIM_REPLY, caller, reply ? reply->data : NULL,
					    reply ? reply->len : 0);

	e->life = life;
	e->call = call;
	e->error = error;
	sim_queue_add(&c->queue, e, at);
}

static void open_stream(struct sim *c, struct sim_node *n, const struct gossip_output *o)
{
	size_t to = node_at(c, &o->to);
	struct sim_event *e;

	if (to == c->count) {
		end_stream(c, n->index, n->life, o->call, -EHOSTUNREACH, NULL, c->now + 1);
		return;
	}
	e = sim_event_new(SIM_REQUEST, to, o->data, o->len);
	e->from = n->addr;
	e->peer = n->index;
	e->life = n->life;
	e->call = o->call;
	sim_queue_add(&c->queue, e, c->now + 3 * latency(c)); /* connect, then the request */
}

static bool stream_is_cut(struct sim *c, size_t a, size_t b)
{
	return link_of(c, a, b)->cut || link_of(c, b, a)->cut;
}

/* ---- a node's turn ---- */

static void commit(struct sim *c, struct sim_node *n)
{
	struct err e = { 0 };

	(void)c;
	if (store_serial(n->store) == n->serial)
		return;
	if (n->on_change)
		n->on_change(n);
	n->serial = store_serial(n->store);
	check(!store_commit(n->store, &e), e.text);
	if (n->up)
		gossip_store_changed(n->gossip, c->now);
}

static void plan_tick(struct sim *c, struct sim_node *n)
{
	uint64_t at = gossip_deadline(n->gossip);

	if (at < c->now)
		at = c->now;
	if (at == UINT64_MAX || (n->tick_at > c->now && n->tick_at <= at))
		return;
	n->tick_at = at;
	sim_queue_add(&c->queue, sim_event_new(SIM_TICK, n->index, NULL, 0), at);
}

static void drain(struct sim *c, struct sim_node *n)
{
	struct gossip_output o;

	while (gossip_next_output(n->gossip, &o)) {
		if (o.type == GOSSIP_SEND)
			send_datagram(c, n, &o);
		else
			open_stream(c, n, &o);
	}
}

void cluster_settle(struct sim *c, size_t i)
{
	struct sim_node *n = cluster_node(c, i);

	commit(c, n);
	if (!n->up)
		return;
	drain(c, n);
	plan_tick(c, n);
}

static void on_request(struct sim *c, struct sim_node *n, struct sim_event *e)
{
	_cleanup_(buf_fini) struct buf reply = { 0 };
	int r;

	if (stream_is_cut(c, e->peer, n->index)) {
		end_stream(c, e->peer, e->life, e->call, -ETIMEDOUT, NULL, c->now + CALL_CUT_MS);
		return;
	}
	if (!n->up) {
		end_stream(c, e->peer, e->life, e->call, -EHOSTUNREACH, NULL, c->now + 1);
		return;
	}
	r = gossip_serve(n->gossip, &e->from, e->data, e->len, c->now, cluster_wall(c, n->index),
			 &reply);
	end_stream(c, e->peer, e->life, e->call, r ? -ECONNRESET : 0, r ? NULL : &reply,
		   c->now + latency(c));
}

static void deliver(struct sim *c, struct sim_event *e)
{
	struct sim_node *n = c->node[e->node];
	uint64_t wall = cluster_wall(c, n->index);

	switch (e->type) {
	case SIM_DATAGRAM:
		if (n->up)
			gossip_datagram(n->gossip, &e->from, e->data, e->len, c->now, wall);
		break;
	case SIM_REQUEST:
		on_request(c, n, e);
		break;
	case SIM_REPLY:
		if (n->up && e->life == n->life)
			gossip_call_done(n->gossip, e->call, e->error, e->data, e->len, c->now,
					 wall);
		break;
	case SIM_TICK:
		if (!n->up || n->tick_at != c->now)
			return;
		n->tick_at = 0;
		gossip_tick(n->gossip, c->now, wall);
		break;
	}
	cluster_settle(c, n->index);
}

/* ---- time ---- */

static void run_until(struct sim *c, uint64_t end)
{
	unsigned int at_once = 0;

	while (c->queue.count && c->queue.heap[0]->at <= end) {
		struct sim_event *e = sim_queue_take(&c->queue);

		at_once = e->at == c->now ? at_once + 1 : 0;
		check(at_once < EVENTS_AT_ONCE, "time stands still: a deadline that never passes");
		c->now = e->at;
		deliver(c, e);
		sim_event_free(e);
	}
	c->now = end;
}

void cluster_run(struct sim *c, uint64_t ms)
{
	run_until(c, c->now + ms);
}

bool cluster_wait(struct sim *c, bool (*holds)(struct sim *c), uint64_t ms)
{
	uint64_t end = c->now + ms;

	while (!holds(c)) {
		if (c->now >= end)
			return false;
		run_until(c, c->now + 50 < end ? c->now + 50 : end);
	}
	return true;
}

/* ---- making ---- */

static int answer_call(void *ctx, const struct id *from, struct cursor request, struct buf *reply)
{
	struct sim_node *n = ctx;

	return n->on_call ? n->on_call(n, from, request, reply) : -EOPNOTSUPP;
}

static void announce(struct sim *c, struct sim_node *n)
{
	_cleanup_(buf_fini) struct buf body = { 0 };
	struct record_key key = key_of_id(RECORD_NODE, &n->id);
	struct node node = { .id = n->id,
			     .addr = n->addr.addr,
			     .gossip_port = n->addr.port,
			     .vxlan_port = 4789,
			     .uplink_mtu = 1500,
			     .joined_ms = cluster_wall(c, n->index) };
	struct err e = { 0 };

	snprintf(node.name, sizeof(node.name), "n%zu", n->index);
	node_encode(&body, &node);
	check(!store_write(n->store, &key, &body, false, cluster_wall(c, n->index), &e), e.text);
}

static void open_store(struct sim_node *n)
{
	struct err e = { 0 };

	check(!store_open(NULL, &n->rng, &n->store, &e), e.text);
	n->id = *store_self(n->store);
	n->serial = 0;
	announce(n->sim, n);
}

static void start(struct sim *c, struct sim_node *n, size_t seed_node)
{
	struct gossip_config config = { .timing = n->timing,
					.self = n->addr,
					.key_count = n->key_count,
					.on_call = answer_call,
					.ctx = n };
	struct rng rng;

	rng_init_u64(&rng, rng_u64(&n->rng));
	memcpy(config.key, n->key, sizeof(n->key));
	check(!gossip_new(&config, n->store, &rng, c->now, &n->gossip), "gossip_new failed");
	n->up = true;
	n->life++;
	n->tick_at = 0;
	n->on_call = n->on_call ? n->on_call : c->on_call;
	if (!n->seedless)
		gossip_seed(n->gossip, &c->node[seed_node]->addr, c->now);
	cluster_settle(c, n->index);
}

/* The links of the nodes there were stay as they are. */
static void grow(struct sim *c)
{
	size_t n = c->count + 1;
	struct link *link = calloc(n * n, sizeof(*link));
	struct sim_node **node = realloc(c->node, n * sizeof(*node));

	check(link && node, "out of memory");
	for (size_t i = 0; i < n * n; i++)
		link[i].loss = -1;
	for (size_t i = 0; i < c->count; i++)
		memcpy(&link[i * n], &c->link[i * c->count], c->count * sizeof(*link));
	free(c->link);
	c->link = link;
	c->node = node;
	c->count = n;
}

size_t cluster_add_down(struct sim *c)
{
	struct sim_node *n = calloc(1, sizeof(*n));

	check(n, "out of memory");
	grow(c);
	n->index = c->count - 1;
	c->node[n->index] = n;
	n->sim = c;
	n->addr = address_of(n->index);
	n->timing = c->timing;
	rng_init_u64(&n->rng, rng_u64(&c->rng));
	n->key_count = 1;
	memcpy(n->key[0], c->key, sizeof(c->key));
	open_store(n);
	return n->index;
}

size_t cluster_add(struct sim *c, size_t seed_node)
{
	size_t i = cluster_add_down(c);

	start(c, c->node[i], seed_node);
	return i;
}

struct sim *cluster_new_timed(size_t n, uint64_t seed, const struct gossip_timing *timing)
{
	struct sim *c = calloc(1, sizeof(*c));

	check(c, "out of memory");
	rng_init_u64(&c->rng, seed);
	rng_bytes(&c->rng, c->key, sizeof(c->key));
	c->timing = timing ? *timing : GOSSIP_LAN;
	c->latency_min = 1;
	c->latency_max = 5;
	for (size_t i = 0; i < n; i++)
		cluster_add(c, 0);
	return c;
}

struct sim *cluster_new(size_t n, uint64_t seed)
{
	return cluster_new_timed(n, seed, NULL);
}

void cluster_free(struct sim *c)
{
	for (size_t i = 0; i < c->count; i++) {
		gossip_free(c->node[i]->gossip);
		store_close(c->node[i]->store);
		free(c->node[i]);
	}
	sim_queue_fini(&c->queue);
	free(c->node);
	free(c->link);
	free(c);
}

void cluster_on_call(struct sim *c, int (*fn)(struct sim_node *n, const struct id *from,
					      struct cursor request, struct buf *reply))
{
	c->on_call = fn;
	for (size_t i = 0; i < c->count; i++)
		c->node[i]->on_call = fn;
}

/* ---- network verbs ---- */

void cluster_loss(struct sim *c, unsigned int percent)
{
	c->loss = percent;
}

void cluster_link_loss(struct sim *c, size_t from, size_t to, unsigned int percent)
{
	link_of(c, from, to)->loss = (int)percent;
}

void cluster_latency(struct sim *c, uint32_t min_ms, uint32_t max_ms)
{
	c->latency_min = min_ms;
	c->latency_max = max_ms;
}

void cluster_cut_one_way(struct sim *c, size_t from, size_t to)
{
	link_of(c, from, to)->cut = true;
}

void cluster_cut(struct sim *c, size_t a, size_t b)
{
	cluster_cut_one_way(c, a, b);
	cluster_cut_one_way(c, b, a);
}

void cluster_heal(struct sim *c, size_t a, size_t b)
{
	link_of(c, a, b)->cut = false;
	link_of(c, b, a)->cut = false;
}

void cluster_split(struct sim *c, size_t first_of_second)
{
	for (size_t a = 0; a < first_of_second; a++)
		for (size_t b = first_of_second; b < c->count; b++)
			cluster_cut(c, a, b);
}

void cluster_heal_all(struct sim *c)
{
	for (size_t i = 0; i < c->count * c->count; i++)
		c->link[i] = (struct link){ .loss = -1 };
}

void cluster_tap(struct sim *c, void (*fn)(void *ctx, size_t from, size_t to, const void *data,
					   size_t len), void *ctx)
{
	c->tap = fn;
	c->tap_ctx = ctx;
}

void cluster_inject(struct sim *c, const struct sockname *from, size_t to, const void *data,
		    size_t len)
{
	struct sim_node *n = cluster_node(c, to);

	if (!n->up)
		return;
	gossip_datagram(n->gossip, from, data, len, c->now, cluster_wall(c, to));
	cluster_settle(c, to);
}

/* ---- node verbs ---- */

void cluster_crash(struct sim *c, size_t i)
{
	struct sim_node *n = cluster_node(c, i);

	check(n->up, "crash of a node that is down");
	gossip_free(n->gossip);
	n->gossip = NULL;
	n->up = false;
}

void cluster_restart(struct sim *c, size_t i, bool keep_store)
{
	struct sim_node *n = cluster_node(c, i);

	if (n->up)
		cluster_crash(c, i);
	if (!keep_store) {
		store_close(n->store);
		open_store(n);
	}
	start(c, n, i ? 0 : c->count - 1);
}

void cluster_leave(struct sim *c, size_t i)
{
	struct sim_node *n = cluster_node(c, i);

	gossip_leave(n->gossip, c->now);
	drain(c, n);
	cluster_crash(c, i);
}

void cluster_set_keys(struct sim *c, size_t i, uint8_t count, uint8_t key[][GOSSIP_KEY_LEN])
{
	struct sim_node *n = cluster_node(c, i);

	n->key_count = count;
	memcpy(n->key, key, (size_t)count * GOSSIP_KEY_LEN);
	if (n->up)
		gossip_set_keys(n->gossip, count, n->key);
}

void cluster_skew(struct sim *c, size_t i, int64_t ms)
{
	cluster_node(c, i)->skew_ms = ms;
}
