/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of this room share. */
#pragma once

#include "base/cleanup.h"
#include "intent.h"

struct ask; /* a grant asked of another node, under way */
struct job; /* an attach that waits for addresses */

struct intent {
	struct store *store;
	struct gossip *gossip; /* NULL: alone */
	struct rng *rng;
	uint64_t now, wall;    /* as last told: gossip's callbacks bring no time along */
	struct ask *asks;
	struct job *jobs, **jobs_end; /* first come, first served */
	size_t job_count;
	struct id ahead;       /* network last asked for ahead of need */
	uint64_t healed_serial;
};

/* ---- room.c ---- */
const struct id *self_id(const struct intent *in);
/* By name where it is known, else its id; "h2" or 32 digits. */
const char *node_text(const struct view *v, const struct id *id, char out[ID_TEXT_MAX]);
/* By name, else its short id. */
const char *endpoint_text(const struct endpoint *e, char out[ID_TEXT_MAX]);
struct id draw_id(struct intent *in);
/* Whether a node is worth a call: a living member, as far as gossip knows. */
bool node_is_up(const struct intent *in, const struct id *id);
/* Refuses once this node's own record is a tombstone. */
int check_not_removed(const struct intent *in, struct err *e);
/* Decimal digits alone, at most max. 0 or -EINVAL. */
int parse_number(const char *text, uint64_t max, uint64_t *ret_number);

int write_network(struct intent *in, const struct network *n, bool tombstone, uint64_t wall_ms,
		  struct err *e);
int write_endpoint(struct intent *in, const struct endpoint *ep, const struct endpoint_detail *d,
		   uint64_t wall_ms, struct err *e);
/* Its tombstone, which keeps the body. 0, also when there is no such endpoint, or an error. */
int bury_endpoint(struct intent *in, const struct id *id, uint64_t wall_ms, struct err *e);
int write_node(struct intent *in, const struct node *n, bool tombstone, uint64_t wall_ms,
	       struct err *e);
int write_blocks(struct intent *in, const struct block *blocks, size_t count, uint64_t wall_ms,
		 struct err *e);
/* Everything of one node handed to another: the blocks, read before anything is written. */
int hand_blocks(struct intent *in, const struct id *from, const struct id *to, uint64_t wall_ms,
		struct err *e);

/* ---- network.c ---- */
/* A VNI that no network has. 0 or -ENOSPC. */
int draw_vni(struct intent *in, const struct view *v, uint32_t *ret_vni);

/* ---- attach.c ---- */
/* Goes on with an attach whose ask has ended; `refused` is the node to leave out from now on. */
void job_resume(struct job *j, const struct id *refused, bool news);
void job_cancel(struct job *j);
void job_list_append(struct intent *in, struct job *j);
void jobs_expire(struct intent *in);
void jobs_cancel(struct intent *in);
/* Takes those that wait for an ask off the list, in order. */
struct job *jobs_take_waiting(struct intent *in, const struct ask *a);
struct job *job_next(const struct job *j);

/* ---- grant.c ---- */
/*
 * Asks a node, or joins an ask under way for the same thing. `insist`: do not
 * repeat an earlier reply. 0, or a negative errno when it cannot be asked.
 */
int ask_node(struct intent *in, const struct network *n, const struct id *node,
	     const struct ov_addr *wanted, bool insist, struct ask **ret_ask);
const struct id *ask_whom(const struct ask *a);
size_t ask_count(const struct intent *in);
bool ask_is_under_way(const struct intent *in, const struct id *network);
void asks_orphan(struct intent *in);
/* Merges a reply. 0 or a negative errno; ret_news: something in it was not known. */
int grant_reply_take(struct intent *in, struct cursor reply, bool *ret_news);
