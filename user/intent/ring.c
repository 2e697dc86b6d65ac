/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The key ring of gossip: its next step, and what this node says of it. */
#include "room.h"

#include <errno.h>
#include <string.h>

#include "gossip/rotate.h"

void secret_fini(struct buf *b)
{
	if (b->data)
		explicit_bzero(b->data, b->cap);
	buf_fini(b);
}

void ring_wipe(struct gossip_ring *ring)
{
	explicit_bzero(ring, sizeof(*ring));
}

int write_ring(struct intent *in, const struct gossip_ring *ring, uint64_t wall_ms, struct err *e)
{
	_cleanup_(secret_fini) struct buf body = { 0 };
	struct record_key key = key_of_id(RECORD_RING, &(struct id){ 0 });

	ring_encode(&body, ring);
	return store_write(in->store, &key, &body, false, wall_ms, e);
}

int intent_ring_step(struct intent *in, uint64_t wall_ms, struct err *e)
{
	_cleanup_(ring_wipe) struct gossip_ring next = { 0 };
	const struct view *v = store_view(in->store);
	uint8_t fresh[GOSSIP_KEY_LEN];
	enum ring_step step = ring_next(v);
	int r = check_not_removed(in, e);

	if (r < 0 || step == RING_NO_STEP)
		return r;
	rng_bytes(in->rng, fresh, sizeof(fresh));
	ring_after(v->ring, step, v->epoch.number, fresh, &next);
	explicit_bzero(fresh, sizeof(fresh));
	r = write_ring(in, &next, wall_ms, e);
	return r < 0 ? r : store_commit(in->store, e);
}

int intent_ring_confirm(struct intent *in, uint64_t wall_ms, struct err *e)
{
	_cleanup_(buf_fini) struct buf body = { 0 };
	const struct view *v = store_view(in->store);
	struct record_key key = key_of_id(RECORD_RING_ACK, self_id(in));
	const struct ring_ack *said = view_ring_ack_of(v, self_id(in));
	struct ring_ack ack = { *self_id(in), v->ring_version };
	int r = check_not_removed(in, e);

	if (r < 0 || !v->ring || (said && ring_version_equal(&said->version, &ack.version)))
		return r;
	ring_ack_encode(&body, &ack);
	r = store_write(in->store, &key, &body, false, wall_ms, e);
	return r < 0 ? r : store_commit(in->store, e);
}
