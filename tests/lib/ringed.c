/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/lib/ringed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "gossip/join.h"
#include "gossip/seal.h"

#define STEP_MS 20
#define TICK_MS 1000

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "ringed: %s\n", what);
	abort();
}

static struct sim_node *sim(const struct ringed *r, size_t i)
{
	return cluster_node(r->c, i);
}

static const struct view *view(const struct ringed *r, size_t i)
{
	return store_view(sim(r, i)->store);
}

bool ringed_is_up(const struct ringed *r, size_t i)
{
	return sim(r, i)->up;
}

const struct gossip_ring *ringed_ring(const struct ringed *r, size_t i)
{
	return view(r, i)->ring;
}

/* Clocks of nodes have nothing to do with each other. */
static uint64_t now_of(const struct ringed_node *n)
{
	return cluster_now(n->r->c) + n->r->passed + 1000003 * n->index;
}

/* ---- judging ---- */

/* What it seals and opens with; while it is down, what it will start with. */
static struct keyring keys_of(const struct ringed *r, size_t i)
{
	const struct gossip_ring *ring = ringed_ring(r, i);
	struct keyring k = { 0 };

	if (ringed_is_up(r, i))
		keyring_set(&k, sim(r, i)->key_count, (const uint8_t(*)[GOSSIP_KEY_LEN])sim(r, i)->key);
	else if (ring)
		keyring_set(&k, ring->key_count, ring->key);
	return k;
}

bool ringed_opens(struct ringed *r, size_t a, size_t b)
{
	_cleanup_(buf_fini) struct buf plain = { 0 }, sealed = { 0 }, opened = { 0 };
	struct keyring from = keys_of(r, a), to = keys_of(r, b);

	buf_put(&plain, "hello", 5);
	must(!seal_write(&from, &r->rng, SEAL_DATAGRAM, NULL, &plain, &sealed, NULL), "no key");
	return !seal_read(&to, SEAL_DATAGRAM, NULL, sealed.data, sealed.len, &opened, NULL);
}

static bool is_judged(const struct ringed *r, size_t i)
{
	return !r->node[i].removed && !r->node[i].is_new;
}

static void judge(struct ringed *r)
{
	for (size_t a = 0; a < r->count; a++)
		for (size_t b = 0; b < r->count; b++) {
			if (a == b || !is_judged(r, a) || !is_judged(r, b))
				continue;
			r->judged++;
			if (!ringed_opens(r, a, b) && !r->broken[0])
				snprintf(r->broken, sizeof(r->broken),
					 "at %llu ms what node %zu seals node %zu does not open",
					 (unsigned long long)cluster_now(r->c), a, b);
		}
}

/* Packets on their way are judged by the engines: whoever drops a key leaves them time. */
static void judge_packets(struct ringed *r, size_t i)
{
	for (size_t at = 0; at < r->count; at++)
		if (!is_judged(r, at))
			return; /* what these seal nobody need open */
	if (!r->packets_excused && ringed_is_up(r, i) && gossip_counters(sim(r, i)->gossip)->refused_seal && !r->broken[0])
		snprintf(r->broken, sizeof(r->broken), "node %zu could not open a packet", i);
}

static void note_key(struct ringed *r, const uint8_t key[GOSSIP_KEY_LEN])
{
	for (size_t i = 0; i < r->key_count; i++)
		if (!memcmp(r->key[i], key, GOSSIP_KEY_LEN))
			return;
	must(r->key_count < sizeof(r->key) / sizeof(r->key[0]), "too many keys for one test");
	memcpy(r->key[r->key_count++], key, GOSSIP_KEY_LEN);
}

/* ---- a node's turn, as the agent does it ---- */

static bool dies(struct ringed_node *n, enum ringed_point at)
{
	if (n->kill_at != at)
		return false;
	n->kill_at = RINGED_NOWHERE;
	ringed_kill(n->r, n->index);
	return true;
}

static bool has_caught_up(const struct ringed_node *n)
{
	for (size_t i = 0; i < n->r->count; i++)
		if (i != n->index && is_judged(n->r, i) &&
		    ring_version_equal(&view(n->r, i)->ring_version,
				       &view(n->r, n->index)->ring_version))
			return true;
	return false;
}

static void take_ring(struct ringed_node *n)
{
	struct sim_node *sn = sim(n->r, n->index);
	struct gossip_ring ring = *ringed_ring(n->r, n->index);

	n->is_new = n->is_new && !has_caught_up(n);
	if (ring.key_count == sn->key_count &&
	    !memcmp(ring.key, sn->key, (size_t)ring.key_count * GOSSIP_KEY_LEN))
		return;
	cluster_set_keys(n->r->c, n->index, ring.key_count, ring.key);
	note_key(n->r, ring.key[0]);
	judge(n->r);
}

/* False: it died. */
static bool take(struct ringed_node *n)
{
	uint64_t wall = cluster_wall(n->r->c, n->index);
	struct err e = { 0 };

	if (!ringed_ring(n->r, n->index))
		return true;
	take_ring(n);
	if (!ring_version_equal(&n->clock.version, &view(n->r, n->index)->ring_version) &&
	    dies(n, RINGED_BEFORE_CONFIRM))
		return false;
	must(!intent_ring_confirm(n->intent, wall, &e), e.text);
	return !dies(n, RINGED_AFTER_CONFIRM);
}

static int id_order(const void *a, const void *b)
{
	return id_cmp(a, b);
}

static struct id_set away_of(const struct ringed_node *n, struct id room[RINGED_MAX])
{
	size_t count = 0;

	for (size_t i = 0; i < n->r->count; i++) {
		enum member_status status = i == n->index ? MEMBER_ALIVE :
					    cluster_status(n->r->c, n->index, i);

		if (status == MEMBER_DEAD || status == MEMBER_LEFT)
			room[count++] = sim(n->r, i)->id;
	}
	qsort(room, count, sizeof(room[0]), id_order);
	return (struct id_set){ count, room };
}

/* False: it died. */
static bool tick(struct ringed_node *n)
{
	uint64_t wall = cluster_wall(n->r->c, n->index), now = now_of(n);
	const struct view *v = view(n->r, n->index);
	const struct id *self = &sim(n->r, n->index)->id;
	struct id room[RINGED_MAX];
	struct id_set away = away_of(n, room);
	struct err e = { 0 };

	n->next = now + TICK_MS;
	if (ring_look(&n->clock, v, self, &away, now)) {
		must(!intent_ring_step(n->intent, wall, &e), e.text);
		return !dies(n, RINGED_AFTER_STEP);
	}
	if (now >= ring_epoch_due_ms(&n->clock, v, self, &away))
		must(!intent_epoch_begin(n->intent, wall, &e), e.text);
	return true;
}

static bool was_removed(const struct ringed_node *n)
{
	return !view_node_by_id(view(n->r, n->index), &sim(n->r, n->index)->id);
}

static void look_at(struct ringed_node *n)
{
	struct sim_node *sn = sim(n->r, n->index);

	if (!sn->up || (now_of(n) < n->next && store_serial(sn->store) == n->seen_serial))
		return;
	if (was_removed(n))
		return;
	if (!take(n) || (now_of(n) >= n->next && (!tick(n) || !take(n))))
		return;
	cluster_settle(n->r->c, n->index);
	n->seen_serial = store_serial(sn->store);
}

void ringed_run(struct ringed *r, uint64_t ms)
{
	uint64_t end = cluster_now(r->c) + ms;

	while (cluster_now(r->c) < end) {
		cluster_run(r->c, STEP_MS);
		for (size_t i = 0; i < r->count; i++)
			look_at(&r->node[i]);
	}
	for (size_t i = 0; i < r->count; i++)
		judge_packets(r, i);
}

bool ringed_wait(struct ringed *r, bool (*holds)(struct ringed *r), uint64_t ms)
{
	uint64_t end = cluster_now(r->c) + ms;

	while (!holds(r)) {
		if (cluster_now(r->c) >= end)
			return false;
		ringed_run(r, 200);
	}
	return true;
}

/* ---- verbs ---- */

void ringed_rotate(struct ringed *r, size_t i)
{
	struct err e = { 0 };

	must(!intent_epoch_begin(r->node[i].intent, cluster_wall(r->c, i), &e), e.text);
	cluster_settle(r->c, i);
}

void ringed_step(struct ringed *r, size_t i)
{
	struct err e = { 0 };

	r->packets_excused = true;
	must(!intent_ring_step(r->node[i].intent, cluster_wall(r->c, i), &e), e.text);
	take_ring(&r->node[i]);
}

void ringed_kill(struct ringed *r, size_t i)
{
	judge_packets(r, i);
	cluster_crash(r->c, i);
	judge(r);
}

void ringed_start(struct ringed *r, size_t i)
{
	const struct gossip_ring *ring = ringed_ring(r, i);

	if (ring)
		cluster_set_keys(r->c, i, ring->key_count, (uint8_t(*)[GOSSIP_KEY_LEN])ring->key);
	r->node[i].clock = (struct ring_clock){ 0 };
	r->node[i].next = 0;
	note_key(r, sim(r, i)->key[0]);
	cluster_restart(r->c, i, true);
	judge(r);
}

void ringed_remove(struct ringed *r, size_t by, size_t i)
{
	r->node[i].removed = true;
	cluster_remove(r->c, by, &sim(r, i)->id);
}

static void set_up(struct ringed *r, size_t i, bool is_new)
{
	struct ringed_node *n = &r->node[i];

	must(i < RINGED_MAX, "too many nodes");
	*n = (struct ringed_node){ .r = r, .index = i, .is_new = is_new };
	must(!intent_new(sim(r, i)->store, NULL, &sim(r, i)->rng, &n->intent), "out of memory");
	r->count = i + 1;
}

size_t ringed_admit(struct ringed *r, size_t through)
{
	_cleanup_(buf_fini) struct buf request = { 0 }, reply = { 0 };
	struct join_request ask = { .version = "0.1.0" };
	size_t i = cluster_add_down(r->c);
	struct err e = { 0 };

	ask.id = sim(r, i)->id;
	ask.addr = sim(r, i)->addr;
	snprintf(ask.name, sizeof(ask.name), "n%zu", i);
	join_request_encode(&request, &ask);
	join_answer(sim(r, through)->store, cursor_of(request.data, request.len), &reply);
	must(!join_accept(sim(r, i)->store, cursor_of(reply.data, reply.len), cluster_wall(r->c, i),
			  &e), e.text);
	set_up(r, i, true);
	return i;
}

static void write_founding(struct ringed *r)
{
	_cleanup_(buf_fini) struct buf body = { 0 };
	struct cluster cluster = { .id = { { 1 } } };
	struct gossip_ring ring = { .key_count = 1 };
	struct record_key key = key_of_id(RECORD_RING, &(struct id){ 0 });
	struct err e = { 0 };

	memcpy(ring.key[0], sim(r, 0)->key[0], GOSSIP_KEY_LEN);
	note_key(r, ring.key[0]);
	ring_encode(&body, &ring);
	must(!store_write(sim(r, 0)->store, &key, &body, false, cluster_wall(r->c, 0), &e), e.text);
	buf_reset(&body);
	cluster_encode(&body, &cluster);
	key = key_of_id(RECORD_CLUSTER, &(struct id){ 0 });
	must(!store_write(sim(r, 0)->store, &key, &body, false, cluster_wall(r->c, 0), &e), e.text);
	cluster_settle(r->c, 0);
}

/* All begin with the key that cluster.h gives them, and hear of the record. */
struct ringed *ringed_new(size_t n, uint64_t seed, const struct gossip_timing *timing)
{
	struct ringed *r = calloc(1, sizeof(*r));

	must(r, "out of memory");
	rng_init_u64(&r->rng, seed);
	r->c = cluster_new_timed(n, seed, timing);
	for (size_t i = 0; i < n; i++)
		set_up(r, i, false);
	write_founding(r);
	must(ringed_wait(r, ringed_is_confirmed, 60000), "the cluster does not come up");
	return r;
}

void ringed_free(struct ringed *r)
{
	for (size_t i = 0; i < r->count; i++)
		intent_free(r->node[i].intent);
	cluster_free(r->c);
	free(r);
}

/* ---- predicates ---- */

static bool all_are(struct ringed *r, enum ring_phase phase)
{
	for (size_t i = 0; i < r->count; i++) {
		const struct gossip_ring *ring = ringed_ring(r, i);

		if (r->node[i].removed || !ringed_is_up(r, i))
			continue;
		if (!ring || ring->phase != phase || sim(r, i)->key_count != ring->key_count ||
		    memcmp(ring->key, sim(r, i)->key, (size_t)ring->key_count * GOSSIP_KEY_LEN))
			return false;
	}
	return true;
}

bool ringed_is_added(struct ringed *r)
{
	return all_are(r, RING_ADDED);
}

bool ringed_is_moved(struct ringed *r)
{
	return all_are(r, RING_MOVED);
}

/* The epoch that the newest of EPOCH records says, which need not have the greatest number. */
static bool is_newest(struct ringed *r, size_t i, const struct gossip_ring **like)
{
	const struct gossip_ring *ring = ringed_ring(r, i);

	if (ring->epoch != view(r, i)->epoch.number)
		return false;
	*like = *like ? *like : ring;
	return !memcmp(ring, *like, sizeof(*ring));
}

bool ringed_is_confirmed(struct ringed *r)
{
	for (size_t i = 0; i < r->count; i++)
		if (!r->node[i].removed && ringed_is_up(r, i) &&
		    (!ringed_ring(r, i) || ring_waits_for(view(r, i))))
			return false;
	return true;
}

bool ringed_is_rotated(struct ringed *r)
{
	const struct gossip_ring *like = NULL;

	if (!all_are(r, RING_STEADY))
		return false;
	for (size_t i = 0; i < r->count; i++)
		if (!r->node[i].removed && ringed_is_up(r, i) && !is_newest(r, i, &like))
			return false;
	return true;
}
