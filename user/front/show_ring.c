/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How far the key ring of gossip is. Never key bytes. */
#include "gossip/rotate.h"
#include "json.h"
#include "show.h"

json_t *show_ring(const struct scene *s)
{
	const struct gossip_ring *ring = s->view->ring;

	if (!ring)
		return json_object();
	return json_pack("{s:o, s:s, s:o, s:o}", "Epoch", json_count(ring->epoch),
			 "Phase", ring_phase_to_str(ring->phase),
			 "Confirmed", json_count(ring_confirmed(s->view)),
			 "Nodes", json_count(s->view->node_count));
}
