/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A simulated cluster (cluster.h) whose nodes have keys: each with an engine of ipsec/ and
 * a kernel in memory, wired as the agent does it. Every change of a kernel is judged at once:
 *
 *   - what a node sends with is in the other's kernel, with the same key;
 *   - no key is ever installed twice for sending;
 *   - nobody gathers SAs.
 *
 * Only what a reboot or a flush by hand took away is excused.
 */
#pragma once

#include "tests/lib/cluster.h"
#include "tests/lib/fake_xfrm.h"

#define KEYED_MAX 9
#define KEYED_LOST_MAX 4096

struct keyed_node {
	struct keyed *k;
	size_t index;
	struct fake_xfrm xfrm;
	struct ipsec *engine;        /* NULL while the daemon is down */
	uint64_t generation, seen_serial, next;
	int budget;                  /* changes until the daemon is killed; negative: it is not */
	size_t lost_count;
	uint32_t lost[KEYED_LOST_MAX]; /* SPIs of inbound SAs that went with a reboot or flush */
};

struct keyed {
	struct sim *c;
	struct rng rng;
	struct keyed_node node[KEYED_MAX];
	size_t key_count, key_cap;
	uint8_t (*key)[SA_KEY_LEN];  /* all that were ever installed for sending */
	size_t most_in, most_out;    /* sessions with one peer, the most there ever were */
	const char *broken;          /* the first thing that was not so; NULL: all was well */
	uint64_t broken_at;
};

/* n nodes with an encrypted network. */
struct keyed *keyed_new(size_t n, uint64_t seed);
void keyed_free(struct keyed *k);
void keyed_run(struct keyed *k, uint64_t ms);
bool keyed_wait(struct keyed *k, bool (*holds)(struct keyed *k), uint64_t ms);
void keyed_rotate(struct keyed *k, size_t i);          /* the next epoch, begun by node i */
void keyed_kill(struct keyed *k, size_t i);            /* the daemon; its kernel goes on */
void keyed_start(struct keyed *k, size_t i);
void keyed_reboot(struct keyed *k, size_t i);          /* the kernel too; then it starts */
void keyed_flush(struct keyed *k, size_t i);           /* all its SAs and policies, by hand */
void keyed_set_encrypted(struct keyed *k, size_t i, bool encrypted);
void keyed_new_token(struct keyed *k, size_t i);       /* as `cluster token --rotate` */
bool keyed_is_up(const struct keyed *k, size_t i);

/* Of all that are up, and their peers that are up: newest sessions both ways, and nothing else. */
bool keyed_is_settled(struct keyed *k);
/* All have keys of the newest epoch. */
bool keyed_is_rotated(struct keyed *k);
bool keyed_is_bare(struct keyed *k); /* nothing in any kernel */
