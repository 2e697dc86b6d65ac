/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The way to one peer: what is sent, and what comes back. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "examine_inside.h"

#define LADDER_MS 1000  /* a full-size probe is late: smaller ones are tried */

/* Sizes that paths have: PPPoE, tunnels, clouds, IPv6's minimum, IPv4's. */
static const uint16_t ladder[] = { 8951, 8500, 1500, 1492, 1476, 1472, 1460, 1450, 1440, 1420, 1400,
				   1380, 1350, 1300, 1280, 1200, 1000, 576 };
_Static_assert(2 + ARRAY_SIZE(ladder) <= SIZES_MAX, "and the smallest and the full size");
_Static_assert(SIZES_MAX <= DOCTOR_NONCES_MAX, "one question asks for all");

/* Outlives the examination: the call ends when it ends. */
struct ask {
	struct way *way;       /* NULL: nobody wants to know any more */
	uint64_t sent_at;
};

/* ---- the VXLAN port ---- */

static void add_size(struct way *w, uint16_t size)
{
	if (w->count < SIZES_MAX)
		w->probe[w->count++] = (struct sized){ size, rng_u64(w->c->rng), false };
}

static void send_probes(struct way *w)
{
	for (size_t i = 0; i < w->count; i++) {
		struct sized *one = &w->probe[i];
		int r = one->answered ? 0 : vxlan_probe_send(w->udp, &w->p->addr, w->c->vxlan_port,
							     one->nonce, one->size);

		if (r && one->size <= VXLAN_PROBE_SMALL)
			w->p->send_error = r;
	}
}

static void look_probes(struct way *w)
{
	for (size_t i = 0; i < w->count; i++) {
		struct sized *one = &w->probe[i];

		if (!one->answered)
			one->answered = w->c->is_answered(w->c->ctx, one->nonce);
		if (one->answered && one->size > w->p->back_size)
			w->p->back_size = one->size;
	}
}

static void climb(struct way *w)
{
	if (w->count > 2 || !w->p->back_size || w->p->back_size >= w->mtu)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(ladder); i++)
		if (ladder[i] < w->mtu)
			add_size(w, ladder[i]);
	send_probes(w);
}

/* ---- gossip ---- */

static uint64_t now_of(const struct way *w)
{
	return loop_now_ms(w->c->loop);
}

/* Half of what passed between question and answer has passed since the peer read its clock. */
static void note_clock(struct way *w, const struct doctor_answer *a, uint64_t took_ms)
{
	uint64_t mine = loop_wall_ms(w->c->loop) - took_ms / 2;

	w->p->skew_ahead = a->wall_ms > mine;
	w->p->skew_ms = w->p->skew_ahead ? a->wall_ms - mine : mine - a->wall_ms;
	w->p->skew_ms = w->p->skew_ms > took_ms / 2 ? w->p->skew_ms - took_ms / 2 : 0;
}

static void note_answer(struct way *w, const struct doctor_answer *a, uint64_t took_ms)
{
	bool differs = a->state != store_living_hash(w->c->store);

	note_clock(w, a, took_ms);
	w->p->differs = differs && (w->p->differs || !w->p->has_answer);
	w->p->has_answer = true;
	w->p->esp_peer_sent = a->esp_sent;
	w->p->esp_peer_received = a->esp_received;
	for (size_t i = 0; i < w->count; i++)
		if (a->seen & 1ull << i && w->probe[i].size > w->p->there_size)
			w->p->there_size = w->probe[i].size;
}

static void on_answer(void *arg, int error, struct cursor reply)
{
	struct ask *ask = arg;
	struct way *w = ask->way;
	struct doctor_answer a;
	uint64_t sent_at = ask->sent_at;

	free(ask);
	if (!w)
		return;
	w->ask = NULL;
	if (!error)
		error = doctor_answer_decode(reply, &a);
	w->p->tcp_answered |= !error || error == -EOPNOTSUPP; /* an older overlayd knows no such question */
	w->p->tcp_error = error;
	if (!error)
		note_answer(w, &a, now_of(w) - sent_at);
}

static void ask(struct way *w)
{
	_cleanup_(buf_fini) struct buf request = { 0 };
	struct doctor_ask question = { .knock = !w->p->tcp_heard, .count = (uint8_t)w->count };
	struct ask *one = calloc(1, sizeof(*one));

	if (!one)
		return;
	for (size_t i = 0; i < w->count; i++)
		question.nonce[i] = w->probe[i].nonce;
	*one = (struct ask){ w, now_of(w) };
	doctor_ask_encode(&request, &question);
	if (gossip_call(w->c->gossip, &w->p->id, &request, now_of(w), on_answer, one)) {
		free(one); /* too many are under way: the next tick tries again */
		return;
	}
	w->ask = one;
	w->asked_at = now_of(w);
}

static void look_gossip(struct way *w)
{
	struct gossip *g = w->c->gossip;

	w->p->udp_answered |= gossip_pinged(g, &w->p->id, w->ping);
	w->p->tcp_heard |= gossip_heard_call(g, &w->p->id) >= w->began_at;
}

/* ---- one tick ---- */

bool way_is_satisfied(const struct way *w)
{
	const struct doctor_peer *p = w->p;

	return p->has_answer && p->udp_answered && p->tcp_heard && p->back_size >= w->mtu &&
	       !p->differs;
}

void way_tick(struct way *w, bool again)
{
	uint64_t now = now_of(w);

	look_gossip(w);
	look_probes(w);
	if (now - w->began_at >= LADDER_MS)
		climb(w);
	if (again && !w->p->udp_answered)
		w->ping = gossip_ping(w->c->gossip, &w->p->id, now);
	if (again)
		send_probes(w);
	if (!w->ask && !way_is_satisfied(w) && (!w->asked_at || now - w->asked_at >= AGAIN_MS))
		ask(w);
}

static uint16_t smaller_mtu(const struct way *w)
{
	const struct view_node *vn = view_node_by_id(store_view(w->c->store), &w->p->id);
	uint16_t theirs = vn ? vn->node->uplink_mtu : 0;

	return theirs && theirs < w->c->uplink_mtu ? theirs : w->c->uplink_mtu;
}

void way_begin(struct way *w)
{
	w->mtu = smaller_mtu(w);
	w->p->sent_size = w->mtu;
	add_size(w, VXLAN_PROBE_SMALL);
	add_size(w, w->mtu);
	w->ping = gossip_ping(w->c->gossip, &w->p->id, w->began_at);
	send_probes(w);
	ask(w);
}

void way_end(struct way *w)
{
	if (w->ask)
		w->ask->way = NULL;
}
