/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A cluster in one process: real stores and gossip engines, a virtual clock and
 * a network that is a queue with loss. Seeded, so that a run repeats exactly.
 *
 *	struct sim *c = cluster_new(3, 42);
 *	cluster_wait(c, cluster_is_joined, 10000);
 *	cluster_cut(c, 0, 1);
 *	cluster_run(c, 5000);
 *
 * Nodes are numbered from 0. Node i has the address 10.0.0.(i + 1), port 7946, its
 * own NODE record (name "n<i>") in its store, and node 0 for a seed.
 */
#pragma once

#include "gossip/gossip.h"
#include "model/model.h"
#include "store/store.h"

struct sim;

struct sim_node {
	struct store *store;       /* in memory; kept over cluster_crash unless said otherwise */
	struct gossip *gossip;     /* NULL while down */
	struct id id;
	struct sockname addr;
	size_t index;
	bool up;
	int64_t skew_ms;           /* of its wall clock */
	struct gossip_timing timing; /* used at every start */
	bool seedless;             /* restarts knowing only what its store knows */
	uint8_t key_count;
	uint8_t key[RING_KEYS_MAX][GOSSIP_KEY_LEN]; /* of its ring, used at every start */
	struct sim *sim;
	struct rng rng;

	/* For tests of rooms above gossip: what its gossip_config.on_call does. */
	void *user;
	int (*on_call)(struct sim_node *n, const struct id *from, struct cursor request,
		       struct buf *reply);
	/* Called after each event of this node that changed its store, before it is committed. */
	void (*on_change)(struct sim_node *n);

	/* Of the simulator itself. */
	uint64_t tick_at, serial;
	uint32_t life;             /* counts starts: events of an earlier life are dropped */
};

/* ---- making ---- */
/* n nodes, started at virtual time 0. Aborts when memory is short. */
struct sim *cluster_new(size_t n, uint64_t seed);
/* The same with other timing (NULL: GOSSIP_LAN). */
struct sim *cluster_new_timed(size_t n, uint64_t seed, const struct gossip_timing *timing);
void cluster_free(struct sim *c);
struct sim_node *cluster_node(struct sim *c, size_t i);
size_t cluster_size(const struct sim *c);
/* One more node, its seed is node `seed_node`. Returns its number. */
size_t cluster_add(struct sim *c, size_t seed_node);
/* The same, and it is down: cluster_restart starts it. */
size_t cluster_add_down(struct sim *c);
/* From now on every node, also one restarted or added later, answers calls by fn. */
void cluster_on_call(struct sim *c, int (*fn)(struct sim_node *n, const struct id *from,
					      struct cursor request, struct buf *reply));

/* ---- time ---- */
uint64_t cluster_now(const struct sim *c);             /* monotonic, ms */
uint64_t cluster_wall(const struct sim *c, size_t i);  /* what node i takes the time to be */
void cluster_run(struct sim *c, uint64_t ms);
/* Runs until holds(), at most ms. True if it did. */
bool cluster_wait(struct sim *c, bool (*holds)(struct sim *c), uint64_t ms);
/* Commits and sends what was written or asked on node i outside of an event. */
void cluster_settle(struct sim *c, size_t i);

/* ---- network ---- */
void cluster_loss(struct sim *c, unsigned int percent);            /* of datagrams, every link */
void cluster_link_loss(struct sim *c, size_t from, size_t to, unsigned int percent);
void cluster_latency(struct sim *c, uint32_t min_ms, uint32_t max_ms); /* 1 to 5 */
void cluster_cut_one_way(struct sim *c, size_t from, size_t to);
void cluster_cut(struct sim *c, size_t a, size_t b);               /* both ways */
void cluster_heal(struct sim *c, size_t a, size_t b);
void cluster_split(struct sim *c, size_t first_of_second);         /* 0..k-1 from k..n-1 */
void cluster_heal_all(struct sim *c);
/* Sees every datagram on the wire that is not lost; NULL ends it. */
void cluster_tap(struct sim *c, void (*fn)(void *ctx, size_t from, size_t to, const void *data,
					   size_t len), void *ctx);
/* A datagram out of nowhere arrives at node `to` at once, with this source. */
void cluster_inject(struct sim *c, const struct sockname *from, size_t to, const void *data,
		    size_t len);

/* ---- nodes ---- */
void cluster_crash(struct sim *c, size_t i);
/* keep_store false: the state directory was lost, so it comes back with a new id. */
void cluster_restart(struct sim *c, size_t i, bool keep_store);
void cluster_leave(struct sim *c, size_t i);
void cluster_set_keys(struct sim *c, size_t i, uint8_t count, uint8_t key[][GOSSIP_KEY_LEN]);
void cluster_skew(struct sim *c, size_t i, int64_t ms);

/* ---- records ---- */
/* Writes a network record named so; the same name gives the same record. */
void cluster_write(struct sim *c, size_t i, const char *name);
void cluster_delete(struct sim *c, size_t i, const char *name);
bool cluster_has(struct sim *c, size_t i, const char *name); /* there, and no tombstone */
struct record_key cluster_key(const char *name);
/* Tombstones a node's NODE record on node i, as `node rm` does. */
void cluster_remove(struct sim *c, size_t i, const struct id *node);

/* ---- predicates, of the nodes that are up ---- */
bool cluster_is_joined(struct sim *c); /* all see each other alive, and nobody else */
bool cluster_is_equal(struct sim *c);  /* same bucket hashes everywhere */
bool cluster_is_settled(struct sim *c); /* both */
bool cluster_is_in_sync(struct sim *c);
/* What node i takes node j to be; MEMBER_LEFT + 1 when it does not know it. */
enum member_status cluster_status(struct sim *c, size_t i, size_t j);
