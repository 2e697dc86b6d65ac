/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "examine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "examine_inside.h"

#define TICK_MS 100
#define AGAIN_MS 700    /* what has not come back by then is sent again */
#define LADDER_MS 1000  /* a full-size probe is late: smaller ones are tried */

/* Sizes that paths have: PPPoE, tunnels, clouds, IPv6's minimum, IPv4's. */
static const uint16_t ladder[] = { 8951, 8500, 1500, 1492, 1476, 1472, 1460, 1450, 1440, 1420, 1400,
				   1380, 1350, 1300, 1280, 1200, 1000, 576 };
#define SIZES_MAX (2 + ARRAY_SIZE(ladder))
_Static_assert(SIZES_MAX <= DOCTOR_NONCES_MAX, "one question asks for all");

struct sized {
	uint16_t size;
	uint64_t nonce;
	bool answered;
};

struct way {
	struct examine *x;
	struct doctor_peer *p;
	uint16_t mtu;          /* of the smaller uplink of both */
	uint32_t ping;
	struct ask *ask;       /* under way */
	uint64_t asked_at;
	size_t count;
	struct sized probe[SIZES_MAX];
};

/* Outlives the examination: the call ends when it ends. */
struct ask {
	struct way *way;       /* NULL: nobody wants to know any more */
	uint64_t sent_at;
};

struct examine {
	struct examine_config c;
	struct doctor_seen *s;
	void (*done)(void *arg);
	void *arg;
	struct loop_timer *timer;
	uint64_t began_at, again_at;
	int udp;
	size_t way_count, dns_count;
	struct way *way;
	struct examine_dns **dns;
};

uint64_t examine_state(const struct store *s)
{
	uint64_t hash = 0;

	for (unsigned int i = 0; i < 256; i++)
		hash = hash * 31 + store_bucket_hash(s, i);
	return hash;
}

/* ---- the VXLAN port ---- */

static void add_size(struct way *w, uint16_t size)
{
	if (w->count < SIZES_MAX)
		w->probe[w->count++] = (struct sized){ size, rng_u64(w->x->c.rng), false };
}

static void send_probes(struct way *w)
{
	struct examine *x = w->x;

	for (size_t i = 0; i < w->count; i++) {
		struct sized *one = &w->probe[i];
		int r = one->answered ? 0 : vxlan_probe_send(x->udp, &w->p->addr, x->c.vxlan_port,
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
			one->answered = w->x->c.is_answered(w->x->c.ctx, one->nonce);
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

static uint64_t now_of(const struct examine *x)
{
	return loop_now_ms(x->c.loop);
}

/* Half of what passed between question and answer has passed since the peer read its clock. */
static void note_clock(struct way *w, const struct doctor_answer *a, uint64_t took_ms)
{
	uint64_t mine = loop_wall_ms(w->x->c.loop) - took_ms / 2;

	w->p->skew_ahead = a->wall_ms > mine;
	w->p->skew_ms = w->p->skew_ahead ? a->wall_ms - mine : mine - a->wall_ms;
	w->p->skew_ms = w->p->skew_ms > took_ms / 2 ? w->p->skew_ms - took_ms / 2 : 0;
}

static void note_answer(struct way *w, const struct doctor_answer *a, uint64_t took_ms)
{
	bool differs = a->state != examine_state(w->x->c.store);

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
		note_answer(w, &a, now_of(w->x) - sent_at);
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
	*one = (struct ask){ w, now_of(w->x) };
	doctor_ask_encode(&request, &question);
	if (gossip_call(w->x->c.gossip, &w->p->id, &request, now_of(w->x), on_answer, one)) {
		free(one); /* too many are under way: the next tick tries again */
		return;
	}
	w->ask = one;
	w->asked_at = now_of(w->x);
}

static void look_gossip(struct way *w)
{
	struct gossip *g = w->x->c.gossip;

	w->p->udp_answered |= gossip_pinged(g, &w->p->id, w->ping);
	w->p->tcp_heard |= gossip_heard_call(g, &w->p->id) >= w->x->began_at;
}

/* ---- one tick ---- */

static bool is_satisfied(const struct way *w)
{
	const struct doctor_peer *p = w->p;

	return p->has_answer && p->udp_answered && p->tcp_heard && p->back_size >= w->mtu &&
	       !p->differs;
}

static void tick_way(struct way *w, bool again)
{
	struct examine *x = w->x;
	uint64_t now = now_of(x);

	look_gossip(w);
	look_probes(w);
	if (now - x->began_at >= LADDER_MS)
		climb(w);
	if (again && !w->p->udp_answered)
		w->ping = gossip_ping(x->c.gossip, &w->p->id, now);
	if (again)
		send_probes(w);
	if (!w->ask && !is_satisfied(w) && (!w->asked_at || now - w->asked_at >= AGAIN_MS))
		ask(w);
}

static bool is_over(const struct examine *x)
{
	if (now_of(x) - x->began_at >= EXAMINE_MS)
		return true;
	for (size_t i = 0; i < x->way_count; i++)
		if (!is_satisfied(&x->way[i]))
			return false;
	for (size_t i = 0; i < x->s->inside_count; i++)
		if (x->s->inside[i].dns_asked && !x->s->inside[i].dns_answered)
			return false;
	return true;
}

static void ask_names_again(struct examine *x)
{
	for (size_t i = 0; i < x->dns_count; i++)
		if (x->dns[i] && !x->s->inside[i].dns_answered)
			examine_dns_ask(x->dns[i]);
}

static void on_tick(void *arg)
{
	struct examine *x = arg;
	uint64_t now = now_of(x);
	bool again = now >= x->again_at;

	if (again)
		x->again_at = now + AGAIN_MS;
	for (size_t i = 0; i < x->way_count; i++)
		tick_way(&x->way[i], again);
	if (again)
		ask_names_again(x);
	gossipd_kick(x->c.gossipd);
	if (is_over(x))
		x->done(x->arg);
	else
		loop_timer_set(x->timer, now + TICK_MS);
}

/* ---- life ---- */

static uint16_t smaller_mtu(const struct examine *x, const struct id *peer)
{
	const struct view_node *vn = view_node_by_id(store_view(x->c.store), peer);
	uint16_t theirs = vn ? vn->node->uplink_mtu : 0;

	return theirs && theirs < x->c.uplink_mtu ? theirs : x->c.uplink_mtu;
}

static void begin_way(struct examine *x, struct way *w, struct doctor_peer *p)
{
	*w = (struct way){ .x = x, .p = p, .mtu = smaller_mtu(x, &p->id) };
	p->sent_size = w->mtu;
	add_size(w, VXLAN_PROBE_SMALL);
	add_size(w, w->mtu);
	w->ping = gossip_ping(x->c.gossip, &p->id, x->began_at);
	send_probes(w);
	ask(w);
}

static void begin(struct examine *x)
{
	for (size_t i = 0; i < x->s->peer_count; i++) {
		if (i < EXAMINE_PEERS_MAX)
			begin_way(x, &x->way[x->way_count++], &x->s->peer[i]);
		else
			x->s->peer[i].skipped = true;
	}
	for (size_t i = 0; i < x->s->inside_count && i < EXAMINE_INSIDE_MAX; i++)
		x->dns[x->dns_count++] = examine_dns_new(x->c.loop, &x->s->inside[i],
							 (uint16_t)rng_u64(x->c.rng));
	gossipd_kick(x->c.gossipd);
}

int examine_start(const struct examine_config *config, struct doctor_seen *s,
		  void (*done)(void *arg), void *arg, struct examine **ret_examine)
{
	struct examine *x = calloc(1, sizeof(*x));
	int r = -ENOMEM;

	if (!x)
		return r;
	*x = (struct examine){ .c = *config, .s = s, .done = done, .arg = arg, .udp = -1 };
	x->began_at = now_of(x);
	x->again_at = x->began_at + AGAIN_MS;
	x->way = calloc(EXAMINE_PEERS_MAX, sizeof(*x->way));
	x->dns = calloc(EXAMINE_INSIDE_MAX, sizeof(*x->dns));
	x->udp = vxlan_probe_socket(&config->vtep); /* without one each probe says why */
	if (x->way && x->dns)
		r = loop_timer_new(config->loop, x->began_at + TICK_MS, on_tick, x, &x->timer);
	if (r < 0) {
		examine_free(x);
		return r;
	}
	begin(x);
	*ret_examine = x;
	return 0;
}

void examine_free(struct examine *x)
{
	if (!x)
		return;
	for (size_t i = 0; i < x->way_count; i++)
		if (x->way[i].ask)
			x->way[i].ask->way = NULL;
	for (size_t i = 0; i < x->dns_count; i++)
		examine_dns_free(x->dns[i]);
	loop_timer_free(x->timer);
	closep(&x->udp);
	free(x->way);
	free(x->dns);
	free(x);
}
