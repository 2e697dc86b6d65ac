/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When the key ring moves on, and to what. Pure: records, who is away and time go in, the step that
 * is this node's to make comes out; `intent/` writes it. All of it is said in README.md, and why
 * nobody is lost.
 *
 *   {K0} --ADD--> {K0, K1} --MOVE--> {K1, K0} --DROP--> {K1}
 *
 * ADD begins when the cluster's epoch is another than that of the newest key. No step is made while
 * some node that was not removed has not confirmed (RING_ACK) the very version that is there.
 */
#pragma once

#include "model/view.h"

#define RING_SETTLE_MS 60000                 /* between the last confirmation and MOVE or DROP */
#define RING_TURN_MS 30000                   /* how long each node leaves a step to the one before it */
#define RING_EPOCH_MS (12u * 3600 * 1000)    /* as the keys of encrypted networks (ipsec/) */
#define RING_EPOCH_TURN_MS (5u * 60 * 1000)
#define RING_PATIENCE_MS (10u * 60 * 1000)   /* then a person is told whom it waits for */

enum ring_step { RING_NO_STEP, RING_ADD, RING_MOVE, RING_DROP };

bool ring_version_equal(const struct ring_version *a, const struct ring_version *b);
/* A node that was not removed and has not confirmed the ring as it is; NULL: there is none. */
const struct view_node *ring_waits_for(const struct view *v);
size_t ring_confirmed(const struct view *v); /* by how many nodes it is, as it is */
/* The step that the records allow, whoever makes it. */
enum ring_step ring_next(const struct view *v);
/* The ring after it. fresh: the key that ADD adds. The caller wipes *ret_ring. */
void ring_after(const struct gossip_ring *ring, enum ring_step step, uint64_t epoch,
		const uint8_t fresh[GOSSIP_KEY_LEN], struct gossip_ring *ret_ring);

/* What a node remembers from look to look; zeroed at its start. */
struct ring_clock {
	struct ring_version version;
	uint64_t version_ms;         /* seen since */
	enum ring_step step;         /* allowed since step_ms, of that version */
	uint64_t step_ms;
	bool has_epoch;
	uint64_t epoch, epoch_ms;    /* seen since */
};

/* The step that this node is to make now. To be called every second or so. */
enum ring_step ring_look(struct ring_clock *c, const struct view *v, const struct id *self,
			 const struct id_set *away, uint64_t now_ms);
/* When this node is to begin the next epoch, as ipsec_epoch_due_ms. UINT64_MAX before a look. */
uint64_t ring_epoch_due_ms(const struct ring_clock *c, const struct view *v, const struct id *self,
			   const struct id_set *away);
/* Whom a replacement that should have gone on waits for; NULL: all is well. */
const struct view_node *ring_is_stuck(const struct ring_clock *c, const struct view *v,
				      uint64_t now_ms);
