// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Failure detection.
 *
 *   SWIM: Das, Gupta, Motivala: "SWIM: Scalable Weakly-consistent Infection-style
 *   Process Group Membership Protocol", DSN 2002.
 *   Lifeguard: Dadgar, Phillips, Currey: "Lifeguard: Local Health Awareness for
 *   More Accurate Failure Detection", arXiv 1707.00788.
 *
 * Each probe interval one member is probed, the next of a shuffled ring, so that
 * everybody is probed once in n rounds (SWIM 4.3):
 *
 *      A            B            C                D: seldom the target alone is deaf
 *      |---PING---->x                             so A asks before it accuses
 *      |  (probe_timeout)
 *      |---PING_REQ(B)---------->|
 *      |            |<---PING----|
 *      |            |----ACK---->|                or: C hears nothing
 *      |<---------ACK------------|                <---NACK--- at 4/5 of its timeout
 *      |===call PING=>            (TCP: UDP alone may be filtered)
 *      |  (probe interval over)
 *      B is suspect; it may refute by a higher incarnation until suspect.c buries it.
 *
 * Lifeguard adds three things. Health: a node whose own probes fail, whose helpers
 * do not even answer NACK or who must refute, doubts itself: its intervals grow by
 * a factor of up to 9. Buddy: the probe of a suspect tells it that it is one, at
 * once. And the suspicion timeout (suspect.c).
 *
 * The dead are tried too, one each reconnect interval: two halves of a cluster
 * that could not reach each other find together again without anybody's help.
 */
#include "engine.h"

#define FORGET_MS (24ull * 3600 * 1000) /* serf's reconnect_timeout */

static uint32_t next_number(struct gossip *g)
{
	if (!++g->last_number)
		g->last_number = 1; /* 0 is a ping that nobody waits for */
	return g->last_number;
}

static uint64_t interval(const struct gossip *g)
{
	return (uint64_t)g->timing.probe_interval * (g->health + 1u);
}

void probe_health(struct gossip *g, int change)
{
	int health = g->health + change;

	g->health = (uint8_t)(health < 0 ? 0 : health > HEALTH_MAX ? HEALTH_MAX : health);
}

static void send_ping(struct gossip *g, const struct peer *p, uint32_t number)
{
	_cleanup_(buf_fini) struct buf b = { 0 };
	struct claim c = peer_claim(p);

	datagram_begin(g, &b);
	if (p->m.status != MEMBER_ALIVE)
		wire_put_member(&b, &c); /* Lifeguard's buddy: so that it can refute */
	wire_put_ping(&b, number, &p->m.id);
	datagram_send(g, &p->m.addr, &b);
}

static void shuffle_ring(struct gossip *g)
{
	for (size_t i = g->peer_count; i > 1; i--) {
		size_t j = rng_below(&g->rng, (uint32_t)i);
		struct peer *p = g->ring[i - 1];

		g->ring[i - 1] = g->ring[j];
		g->ring[j] = p;
	}
}

static struct peer *next_target(struct gossip *g)
{
	for (size_t i = 0; i < g->peer_count; i++) {
		if (g->ring_at >= g->peer_count) {
			g->ring_at = 0;
			shuffle_ring(g);
		}
		if (member_is_live(g->ring[g->ring_at++]->m.status))
			return g->ring[g->ring_at - 1];
	}
	return NULL;
}

static void start_probe(struct gossip *g)
{
	struct peer *p = next_target(g);

	g->next_probe = g->now + interval(g);
	if (!p)
		return;
	g->probe = (struct probe){ .active = true,
				   .target = p->m.id,
				   .number = next_number(g),
				   .ask_at = g->now + g->timing.probe_timeout,
				   .end_at = g->next_probe };
	send_ping(g, p, g->probe.number);
}

static void ask_helper(struct gossip *g, const struct peer *helper, const struct peer *target)
{
	_cleanup_(buf_fini) struct buf b = { 0 };

	datagram_begin(g, &b);
	wire_put_ping_req(&b, g->probe.number, &target->m.id, &target->m.addr);
	datagram_send(g, &helper->m.addr, &b);
}

static bool is_alive(const struct gossip *g, const struct peer *p)
{
	(void)g;
	return p->m.status == MEMBER_ALIVE;
}

/* The direct way failed: by way of others, and by TCP, at the same time. */
static void ask_others(struct gossip *g)
{
	struct peer *target = peer_find(g, &g->probe.target), *helper[16];
	size_t max = g->timing.indirect_probes < 16 ? g->timing.indirect_probes : 16, count;
	struct call *c;

	g->probe.asked = true;
	count = members_random(g, is_alive, target, helper, max);
	for (size_t i = 0; i < count; i++)
		ask_helper(g, helper[i], target);
	g->probe.helpers = (uint8_t)count;
	c = call_begin(g, WIRE_CALL_PING, &target->m.id, &target->m.addr);
	if (!c)
		return;
	c->number = g->probe.number;
	c->deadline = g->probe.end_at;
	call_send(g, c, NULL);
}

static void fail_probe(struct gossip *g)
{
	struct peer *p = peer_find(g, &g->probe.target);
	struct claim accusation = peer_claim(p);

	g->probe.active = false;
	g->count.probes_failed++;
	/* Helpers that answered neither way say that it is we who cannot be heard. */
	probe_health(g, g->probe.helpers ? g->probe.helpers - g->probe.nacks : 1);
	if (!member_is_live(p->m.status))
		return;
	accusation.status = MEMBER_SUSPECT;
	accusation.accuser = g->self.m.id;
	member_hear(g, &accusation);
}

void probe_forget(struct gossip *g, const struct id *id)
{
	if (g->probe.active && id_equal(&g->probe.target, id))
		g->probe.active = false;
}

static bool is_dead(const struct gossip *g, const struct peer *p)
{
	(void)g;
	return p->m.status == MEMBER_DEAD;
}

/* Gone for long, and no record says that there is such a node at all. */
static bool is_forgettable(const struct gossip *g, const struct peer *p)
{
	struct record_key key = key_of_id(RECORD_NODE, &p->m.id);

	return !member_is_live(p->m.status) && g->now - p->m.since > FORGET_MS &&
	       !store_item(g->store, &key);
}

static bool seed_is_met(const struct gossip *g, const struct sockname *seed)
{
	if (!memcmp(seed, &g->self.m.addr, sizeof(*seed)))
		return true;
	for (size_t i = 0; i < g->peer_count; i++)
		if (member_is_live(g->peer[i]->m.status) &&
		    !memcmp(seed, &g->peer[i]->m.addr, sizeof(*seed)))
			return true;
	return false;
}

void probe_seed(struct gossip *g, const struct sockname *to)
{
	static const struct id whoever;
	_cleanup_(buf_fini) struct buf b = { 0 };

	datagram_begin(g, &b);
	wire_put_ping(&b, 0, &whoever);
	datagram_send(g, to, &b);
}

static void reconnect(struct gossip *g)
{
	struct peer *dead;

	g->next_reconnect = g->now + g->timing.reconnect_interval;
	if (members_random(g, is_forgettable, NULL, &dead, 1))
		member_forget(g, dead);
	if (members_random(g, is_dead, NULL, &dead, 1))
		send_ping(g, dead, 0);
	for (size_t i = 0; i < g->seed_count; i++)
		if (!seed_is_met(g, &g->seed[i]))
			probe_seed(g, &g->seed[i]);
}

/* ---- for others ---- */

void probe_on_ping(struct gossip *g, const struct claim *sender, const struct sockname *from,
		   uint32_t number, const struct id *target)
{
	_cleanup_(buf_fini) struct buf b = { 0 };
	const struct peer *p = peer_find(g, &sender->id);
	struct claim c;

	/* Somebody else lived at this address. Silence is the right answer for it. */
	if (!id_is_zero(target) && !id_equal(target, &g->self.m.id))
		return;
	datagram_begin(g, &b);
	wire_put_ack(&b, WIRE_ACK, number);
	/* It does not know what is said of it, perhaps since it was restarted. */
	if (p && (p->m.status != MEMBER_ALIVE || p->m.incarnation > sender->incarnation)) {
		c = peer_claim(p);
		wire_put_member(&b, &c);
	}
	datagram_send(g, from, &b);
}

static void send_ack(struct gossip *g, const struct sockname *to, enum wire_type type,
		     uint32_t number)
{
	_cleanup_(buf_fini) struct buf b = { 0 };

	datagram_begin(g, &b);
	wire_put_ack(&b, type, number);
	datagram_send(g, to, &b);
}

void probe_on_ping_req(struct gossip *g, const struct sockname *from,
		       const struct wire_message *m)
{
	_cleanup_(buf_fini) struct buf b = { 0 };
	struct relay *r = NULL;

	for (size_t i = 0; i < RELAYS_MAX && !r; i++)
		if (!g->relay[i].active)
			r = &g->relay[i];
	if (!r)
		return; /* busy: the asker has other helpers */
	*r = (struct relay){ .active = true,
			     .number = next_number(g),
			     .origin_number = m->number,
			     .origin = *from,
			     .deadline = g->now + g->timing.probe_timeout * 4 / 5 };
	datagram_begin(g, &b);
	wire_put_ping(&b, r->number, &m->target);
	datagram_send(g, &m->addr, &b);
}

static void tick_relays(struct gossip *g)
{
	for (size_t i = 0; i < RELAYS_MAX; i++) {
		struct relay *r = &g->relay[i];

		if (!r->active || r->deadline > g->now)
			continue;
		r->active = false;
		send_ack(g, &r->origin, WIRE_NACK, r->origin_number);
	}
}

/* ---- for whoever examines the way to one member ---- */

uint32_t gossip_ping(struct gossip *g, const struct id *to, uint64_t now)
{
	struct peer *p = peer_find(g, to);

	g->now = now;
	if (!p || g->left)
		return 0;
	p->ping = next_number(g);
	send_ping(g, p, p->ping);
	return p->ping;
}

bool gossip_pinged(const struct gossip *g, const struct id *to, uint32_t number)
{
	const struct peer *p = peer_find(g, to);

	return p && number && p->pinged == number;
}

void gossip_knock(struct gossip *g, const struct id *to, uint64_t now)
{
	struct peer *p = peer_find(g, to);
	struct call *c;

	g->now = now;
	if (!p || g->left)
		return;
	send_ping(g, p, 0);
	c = call_begin(g, WIRE_CALL_PING, &p->m.id, &p->m.addr);
	if (c)
		call_send(g, c, NULL);
}

/* From NULL: by a call, which has its own. */
static void note_ping(struct gossip *g, const struct id *from, uint32_t number)
{
	struct peer *p = from ? peer_find(g, from) : NULL;

	if (p && number && p->ping == number)
		p->pinged = number;
}

void probe_on_ack(struct gossip *g, const struct id *from, uint32_t number)
{
	note_ping(g, from, number);
	if (g->probe.active && g->probe.number == number) {
		g->probe.active = false;
		probe_health(g, -1);
		return;
	}
	for (size_t i = 0; i < RELAYS_MAX; i++) {
		struct relay *r = &g->relay[i];

		if (!r->active || r->number != number)
			continue;
		r->active = false;
		send_ack(g, &r->origin, WIRE_ACK, r->origin_number);
		return;
	}
}

void probe_on_nack(struct gossip *g, uint32_t number)
{
	if (g->probe.active && g->probe.number == number && g->probe.nacks < g->probe.helpers)
		g->probe.nacks++;
}

/* ---- time ---- */

void probe_tick(struct gossip *g)
{
	tick_relays(g);
	if (g->probe.active && !g->probe.asked && g->now >= g->probe.ask_at)
		ask_others(g);
	if (g->probe.active && g->now >= g->probe.end_at)
		fail_probe(g);
	if (g->now >= g->next_probe)
		start_probe(g);
	if (g->now >= g->next_reconnect)
		reconnect(g);
}

uint64_t probe_deadline(const struct gossip *g)
{
	uint64_t first = min_u64(g->next_reconnect, g->next_probe);

	if (g->probe.active && !g->probe.asked)
		first = min_u64(first, g->probe.ask_at);
	for (size_t i = 0; i < RELAYS_MAX; i++)
		if (g->relay[i].active)
			first = min_u64(first, g->relay[i].deadline);
	return first;
}
