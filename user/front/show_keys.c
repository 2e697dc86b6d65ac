/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keys of encrypted networks, one row a peer. Never key bytes. */
#include <stdio.h>

#include "json.h"
#include "show.h"

#define AGE_TEXT_MAX 24

static const char *ready_text(const struct key_row *r)
{
	if (r->in_ready && r->out_ready)
		return "in, out";
	if (r->in_ready || r->out_ready)
		return r->in_ready ? "in" : "out";
	return "no";
}

/* Of our key, by our own clock; "" while there is none, or the clock was set back. */
static const char *age_text(uint64_t wall, uint64_t made_ms, char out[AGE_TEXT_MAX])
{
	unsigned long long s = made_ms && wall >= made_ms ? (wall - made_ms) / 1000 : 0;

	if (!made_ms || wall < made_ms)
		out[0] = '\0';
	else if (s < 60)
		snprintf(out, AGE_TEXT_MAX, "%llus", s);
	else if (s < 3600)
		snprintf(out, AGE_TEXT_MAX, "%llum", s / 60);
	else
		snprintf(out, AGE_TEXT_MAX, "%lluh%02llum", s / 3600, s / 60 % 60);
	return out;
}

static json_t *time_or_null(uint64_t ms)
{
	return ms ? json_time(ms) : json_null();
}

static json_t *key_row(const struct scene *s, const struct key_row *r)
{
	const struct view_node *vn = view_node_by_id(s->view, &r->peer);
	char age[AGE_TEXT_MAX];

	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:i, s:s, s:b, s:o, s:o, s:b, s:o, s:o}",
			 "Peer", json_text(vn ? vn->node->name : ""), "ID", json_id(&r->peer),
			 "Epoch", json_count(r->epoch), "PeerEpoch", json_count(r->peer_epoch),
			 "Made", time_or_null(r->made_ms), "PeerMade", time_or_null(r->peer_made_ms),
			 "Age", age_text(s->wall, r->made_ms, age),
			 "Sent", json_count(r->sent), "Received", json_count(r->received),
			 "Sessions", (int)r->sessions, "Ready", ready_text(r),
			 "Sending", r->is_sending,
			 "Replayed", json_count(r->replayed), "Failed", json_count(r->failed),
			 "Offloaded", r->by_nic,
			 "NoSA", json_count(r->no_sa), "Cleartext", json_count(r->cleartext));
}

json_t *show_keys(const struct scene *s, const struct key_row *rows, size_t count)
{
	json_t *all = json_array();

	for (size_t i = 0; all && i < count; i++)
		json_push(&all, key_row(s, &rows[i]));
	return all;
}
