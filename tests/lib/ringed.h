/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A simulated cluster (cluster.h) whose nodes replace the keys of gossip, wired as the agent does
 * it. With each change of any node's ring it is judged, of all nodes that were not removed, also of
 * those that are down, by what is on their disks: what one seals the other opens.
 */
#pragma once

#include "gossip/rotate.h"
#include "intent/intent.h"
#include "tests/lib/cluster.h"

#define RINGED_MAX 10

/* Where a daemon is killed. */
enum ringed_point { RINGED_NOWHERE, RINGED_BEFORE_CONFIRM, RINGED_AFTER_CONFIRM, RINGED_AFTER_STEP };

struct ringed_node {
	struct ringed *r;
	size_t index;
	struct intent *intent;
	struct ring_clock clock;
	uint64_t seen_serial, next;
	bool removed;
	bool is_new;                 /* has not caught up with any other since it was let in: not judged */
	enum ringed_point kill_at;   /* once */
};

struct ringed {
	struct sim *c;
	struct rng rng;
	uint64_t passed;             /* of the clocks by which steps are made, beyond the simulator's */
	size_t count;
	struct ringed_node node[RINGED_MAX];
	size_t key_count;            /* keys that ever sealed */
	uint8_t key[256][GOSSIP_KEY_LEN];
	bool packets_excused;        /* some need not be opened: rings alone are judged */
	size_t judged;               /* pairs, all in all */
	char broken[160];            /* the first thing that was not so; empty: all was well */
};

/* timing NULL: GOSSIP_LAN. */
struct ringed *ringed_new(size_t n, uint64_t seed, const struct gossip_timing *timing);
void ringed_free(struct ringed *r);
void ringed_run(struct ringed *r, uint64_t ms);
bool ringed_wait(struct ringed *r, bool (*holds)(struct ringed *r), uint64_t ms);
void ringed_rotate(struct ringed *r, size_t i);      /* the next epoch, begun by node i */
void ringed_step(struct ringed *r, size_t i);        /* out of turn; told to nobody yet */
void ringed_kill(struct ringed *r, size_t i);
void ringed_start(struct ringed *r, size_t i);
void ringed_remove(struct ringed *r, size_t by, size_t i); /* as `node rm` */
/* One more node that another lets in; it has not said a word to anybody, and is down. */
size_t ringed_admit(struct ringed *r, size_t through);
bool ringed_is_up(const struct ringed *r, size_t i);
const struct gossip_ring *ringed_ring(const struct ringed *r, size_t i);
/* What node a seals now, node b opens now. */
bool ringed_opens(struct ringed *r, size_t a, size_t b);

/* Of all that are up and not removed. */
bool ringed_is_rotated(struct ringed *r); /* one key, the same, of the newest epoch */
bool ringed_is_confirmed(struct ringed *r); /* each knows that all confirmed the ring it has */
bool ringed_is_added(struct ringed *r);   /* all are in that phase */
bool ringed_is_moved(struct ringed *r);
