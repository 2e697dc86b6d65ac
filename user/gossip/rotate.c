/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "gossip/rotate.h"

#include <string.h>

bool ring_version_equal(const struct ring_version *a, const struct ring_version *b)
{
	return !stamp_cmp(&a->stamp, &b->stamp) && id_equal(&a->writer, &b->writer);
}

static bool has_confirmed(const struct view *v, const struct view_node *vn)
{
	const struct ring_ack *ack = view_ring_ack_of(v, &vn->node->id);

	return ack && ring_version_equal(&ack->version, &v->ring_version);
}

/* Also nodes that lost their name or are away: they speak, or will again. */
const struct view_node *ring_waits_for(const struct view *v)
{
	for (size_t i = 0; i < v->node_count; i++)
		if (!has_confirmed(v, &v->node[i]))
			return &v->node[i];
	return NULL;
}

size_t ring_confirmed(const struct view *v)
{
	size_t count = 0;

	for (size_t i = 0; i < v->node_count; i++)
		count += has_confirmed(v, &v->node[i]);
	return count;
}

static enum ring_step step_wanted(const struct view *v)
{
	if (!v->ring)
		return RING_NO_STEP;
	if (v->ring->phase == RING_ADDED)
		return RING_MOVE;
	if (v->ring->phase == RING_MOVED)
		return RING_DROP;
	return v->epoch.number != v->ring->epoch ? RING_ADD : RING_NO_STEP;
}

enum ring_step ring_next(const struct view *v)
{
	enum ring_step step = step_wanted(v);

	return step && !ring_waits_for(v) ? step : RING_NO_STEP;
}

static void put_keys(struct gossip_ring *r, enum ring_phase phase, const uint8_t *first,
		     const uint8_t *second)
{
	r->phase = phase;
	r->key_count = second ? 2 : 1;
	memcpy(r->key[0], first, GOSSIP_KEY_LEN);
	if (second)
		memcpy(r->key[1], second, GOSSIP_KEY_LEN);
}

void ring_after(const struct gossip_ring *ring, enum ring_step step, uint64_t epoch,
		const uint8_t fresh[GOSSIP_KEY_LEN], struct gossip_ring *ret_ring)
{
	*ret_ring = (struct gossip_ring){ .epoch = step == RING_ADD ? epoch : ring->epoch };
	switch (step) {
	case RING_ADD:
		put_keys(ret_ring, RING_ADDED, ring->key[0], fresh);
		break;
	case RING_MOVE:
		put_keys(ret_ring, RING_MOVED, ring->key[1], ring->key[0]);
		break;
	case RING_DROP:
		put_keys(ret_ring, RING_STEADY, ring->key[0], NULL);
		break;
	case RING_NO_STEP:
		*ret_ring = *ring;
	}
}

/* ---- whose turn it is ---- */

static uint64_t nodes_before(const struct view *v, const struct id *self, const struct id_set *away)
{
	uint64_t count = 0;

	for (size_t i = 0; i < v->node_count; i++)
		count += !v->node[i].name_lost && id_cmp(&v->node[i].node->id, self) < 0 &&
			 !id_set_has(away, &v->node[i].node->id);
	return count;
}

static void watch(struct ring_clock *c, const struct view *v, uint64_t now_ms)
{
	enum ring_step step = ring_next(v);
	bool is_same = ring_version_equal(&c->version, &v->ring_version);

	if (!is_same)
		c->version_ms = now_ms;
	if (!is_same || step != c->step)
		c->step_ms = now_ms;
	if (!c->has_epoch || c->epoch != v->epoch.number)
		c->epoch_ms = now_ms;
	c->version = v->ring_version;
	c->step = step;
	c->has_epoch = true;
	c->epoch = v->epoch.number;
}

enum ring_step ring_look(struct ring_clock *c, const struct view *v, const struct id *self,
			 const struct id_set *away, uint64_t now_ms)
{
	uint64_t due;

	watch(c, v, now_ms);
	due = c->step_ms + nodes_before(v, self, away) * RING_TURN_MS;
	if (c->step != RING_ADD)
		due += RING_SETTLE_MS;
	return now_ms >= due ? c->step : RING_NO_STEP;
}

uint64_t ring_epoch_due_ms(const struct ring_clock *c, const struct view *v, const struct id *self,
			   const struct id_set *away)
{
	if (!c->has_epoch)
		return UINT64_MAX;
	return c->epoch_ms + RING_EPOCH_MS + nodes_before(v, self, away) * RING_EPOCH_TURN_MS;
}

const struct view_node *ring_is_stuck(const struct ring_clock *c, const struct view *v,
				      uint64_t now_ms)
{
	if (!step_wanted(v) || now_ms - c->version_ms < RING_PATIENCE_MS)
		return NULL;
	return ring_waits_for(v);
}
