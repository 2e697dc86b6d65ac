/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/agent.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

static bool is_taken(const struct agent *a, const struct gossip_ring *ring)
{
	return ring->phase == a->ring.phase && ring->key_count == a->ring.key_count &&
	       !sodium_memcmp(ring->key, a->ring.key, sizeof(ring->key));
}

static void confirm(struct agent *a)
{
	struct err e = { 0 };

	if (intent_ring_confirm(a->intent, loop_wall_ms(a->loop), &e) < 0)
		log_error("%s; will retry", e.text);
}

/* First used, then confirmed. */
void agent_ring_take(struct agent *a)
{
	const struct gossip_ring *ring = store_view(a->store)->ring;

	if (!ring || a->leave_at)
		return;
	if (!is_taken(a, ring)) {
		a->ring = *ring;
		gossip_set_keys(a->gossip, a->ring.key_count, a->ring.key);
		log_info("the key ring of gossip is %s, epoch %llu",
			 ring_phase_to_str(ring->phase), (unsigned long long)ring->epoch);
	}
	confirm(a);
}

void agent_ring_tick(struct agent *a)
{
	const struct view *v;
	const struct id *self = store_self(a->store);
	uint64_t now = loop_now_ms(a->loop), wall = loop_wall_ms(a->loop);
	struct err e = { 0 };
	int r = 0;

	agent_ring_take(a); /* what could not be said is tried again */
	v = store_view(a->store);
	if (ring_look(&a->ring_clock, v, self, &a->facts.away, now) != RING_NO_STEP)
		r = intent_ring_step(a->intent, wall, &e);
	else if (now >= ring_epoch_due_ms(&a->ring_clock, v, self, &a->facts.away))
		r = intent_epoch_begin(a->intent, wall, &e);
	if (r < 0)
		log_error("%s; will retry", e.text);
}

bool agent_ring_warning(const struct agent *a, char *out, size_t size)
{
	const struct view_node *vn = ring_is_stuck(&a->ring_clock, store_view(a->store),
						   loop_now_ms(a->loop));

	if (!vn)
		return false;
	snprintf(out, size, "the keys of gossip are not replaced, because node %s has not confirmed "
		 "the last step: start it, or run `overlayctl node rm %s` if it is gone for good",
		 vn->node->name, vn->node->name);
	return true;
}
