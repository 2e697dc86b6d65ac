// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who is there. What is known of a member is a pair (incarnation, status), and
 * of two claims the greater pair holds, statuses in the order of enum
 * member_status. That is SWIM's precedence (Das et al. 2002, section 4.2) made a
 * total order: the outcome does not depend on the order of arrival, and an old
 * claim played back changes nothing. Only the member itself raises its
 * incarnation, to refute.
 *
 * One departure: "dead" about a member that we hold alive is taken as a
 * suspicion. Otherwise a healed split would bury each half in the other's
 * obituaries before they could be refuted.
 */
#include "engine.h"

#include <stdlib.h>

struct claim peer_claim(const struct peer *p)
{
	return (struct claim){ .id = p->m.id,
			       .addr = p->m.addr,
			       .status = p->m.status,
			       .incarnation = p->m.incarnation,
			       .accuser = p->accuser };
}

/* Where id is, or would be inserted. */
static size_t peer_place(const struct gossip *g, const struct id *id)
{
	size_t lo = 0, hi = g->peer_count;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (id_cmp(&g->peer[mid]->m.id, id) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct peer *peer_find(const struct gossip *g, const struct id *id)
{
	size_t at = peer_place(g, id);

	return at < g->peer_count && id_equal(&g->peer[at]->m.id, id) ? g->peer[at] : NULL;
}

static bool reserve_peers(struct gossip *g)
{
	size_t cap = g->peer_cap ? g->peer_cap * 2 : 16;
	struct peer **table, **ring;

	if (g->peer_count < g->peer_cap)
		return true;
	table = realloc(g->peer, cap * sizeof(*table));
	if (table)
		g->peer = table;
	ring = realloc(g->ring, cap * sizeof(*ring));
	if (ring)
		g->ring = ring;
	if (!table || !ring)
		return false;
	g->peer_cap = cap;
	return true;
}

/* NULL when the table is full or memory is short: then it is met again later. */
static struct peer *peer_add(struct gossip *g, const struct id *id, const struct sockname *addr)
{
	size_t at = peer_place(g, id), spot;
	struct peer *p;

	if (g->peer_count >= MEMBERS_MAX || !reserve_peers(g)) {
		g->count.over_limit++;
		return NULL;
	}
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->m = (struct member){ .id = *id, .addr = *addr, .since = g->now };
	memmove(g->peer + at + 1, g->peer + at, (g->peer_count - at) * sizeof(*g->peer));
	g->peer[at] = p;
	/* At a random place of the round, so that newcomers are not probed in one burst. */
	spot = rng_below(&g->rng, (uint32_t)g->peer_count + 1);
	g->ring[g->peer_count++] = g->ring[spot];
	g->ring[spot] = p;
	g->live_count++;
	g->flat_stale = true;
	return p;
}

void member_forget(struct gossip *g, struct peer *p)
{
	size_t at = peer_place(g, &p->m.id), spot = 0;

	if (p->m.status == MEMBER_SUSPECT)
		suspect_end(g, p);
	if (member_is_live(p->m.status))
		g->live_count--;
	update_cancel(g, &p->update);
	probe_forget(g, &p->m.id);
	while (g->ring[spot] != p)
		spot++;
	g->peer_count--;
	g->ring[spot] = g->ring[g->peer_count];
	memmove(g->peer + at, g->peer + at + 1, (g->peer_count - at) * sizeof(*g->peer));
	g->flat_stale = true;
	free(p);
}

void peer_set_status(struct gossip *g, struct peer *p, enum member_status status)
{
	enum member_status old = p->m.status;

	if (old == status)
		return;
	g->live_count += member_is_live(status);
	g->live_count -= member_is_live(old);
	p->m.status = status;
	p->m.since = g->now;
	g->flat_stale = true;
	if (old == MEMBER_SUSPECT)
		suspect_end(g, p);
	if (status == MEMBER_SUSPECT)
		suspect_begin(g, p);
	/* Back after a while: what both sides missed is not in any queue any more. */
	if (old == MEMBER_DEAD && status == MEMBER_ALIVE)
		sync_soon(g, &p->m.id);
}

void peer_tell(struct gossip *g, struct peer *p)
{
	update_queue(g, &p->update, UPDATE_MEMBERS);
}

bool member_is_removed(const struct gossip *g, const struct id *id)
{
	struct record_key key = key_of_id(RECORD_NODE, id);
	const struct item *it = store_item(g->store, &key);

	return it && it->tombstone;
}

/*
 * A claim about ourselves. Whatever is not "alive" is refuted by an incarnation
 * above it; "alive" above ours is from before a restart, and we go on from there.
 */
static void self_hear(struct gossip *g, const struct claim *c)
{
	struct member *me = &g->self.m;

	if (c->incarnation < me->incarnation || g->left)
		return;
	if (c->status == MEMBER_ALIVE && c->incarnation == me->incarnation)
		return;
	me->incarnation = c->incarnation + 1;
	peer_tell(g, &g->self);
	if (c->status == MEMBER_ALIVE)
		return;
	g->count.refutations++;
	if (c->status != MEMBER_LEFT)
		probe_health(g, 1); /* perhaps it is we who are slow (Lifeguard) */
}

static void take_claim(struct gossip *g, struct peer *p, const struct claim *c)
{
	enum member_status status = c->status;

	if (status == MEMBER_DEAD && p->m.status == MEMBER_ALIVE)
		status = MEMBER_SUSPECT;
	/* A suspicion of an earlier life ends before one of this life begins. */
	if (status == MEMBER_SUSPECT && p->m.status == MEMBER_SUSPECT &&
	    c->incarnation > p->m.incarnation)
		peer_set_status(g, p, MEMBER_ALIVE);
	p->m.incarnation = c->incarnation;
	p->m.addr = c->addr;
	p->accuser = c->accuser;
	peer_set_status(g, p, status);
	g->flat_stale = true;
	peer_tell(g, p);
}

static bool claim_is_newer(const struct claim *c, const struct member *m)
{
	if (c->incarnation != m->incarnation)
		return c->incarnation > m->incarnation;
	return c->status > m->status;
}

void member_hear(struct gossip *g, const struct claim *c)
{
	struct peer *p;

	if (id_equal(&c->id, &g->self.m.id)) {
		self_hear(g, c);
		return;
	}
	p = peer_find(g, &c->id);
	if (!p) {
		/* News of a stranger's death are no news. */
		if (!member_is_live(c->status) || member_is_removed(g, &c->id))
			return;
		p = peer_add(g, &c->id, &c->addr);
		if (!p)
			return;
		peer_tell(g, p);
	}
	if (claim_is_newer(c, &p->m))
		take_claim(g, p, c);
	else if (p->m.status == MEMBER_SUSPECT && c->incarnation == p->m.incarnation &&
		 c->status == MEMBER_SUSPECT)
		suspect_confirm(g, p, &c->accuser);
}

void member_hear_sender(struct gossip *g, const struct claim *c)
{
	struct peer *p;

	member_hear(g, c);
	p = peer_find(g, &c->id);
	/* Its own word on where it is holds, also without a new incarnation. */
	if (p && c->incarnation >= p->m.incarnation &&
	    memcmp(&p->m.addr, &c->addr, sizeof(c->addr))) {
		p->m.addr = c->addr;
		g->flat_stale = true;
	}
}

void member_follow_record(struct gossip *g, const struct record_key *key)
{
	const struct item *it = store_item(g->store, key);
	struct sockname addr;
	struct peer *p;

	if (!it || key->kind != RECORD_NODE || id_equal(&it->node.id, &g->self.m.id))
		return;
	p = peer_find(g, &it->node.id);
	if (it->tombstone) {
		if (p)
			member_forget(g, p);
		return;
	}
	addr = (struct sockname){ .addr = it->node.addr, .port = it->node.gossip_port };
	if (!addr.port || addr_is_zero(&addr.addr))
		return;
	if (!p)
		p = peer_add(g, &it->node.id, &addr);
	else
		p->m.addr = addr;
	g->flat_stale = true;
}
