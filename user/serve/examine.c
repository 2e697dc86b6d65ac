/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "examine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "examine_inside.h"

#define TICK_MS 100

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

static uint64_t now_of(const struct examine *x)
{
	return loop_now_ms(x->c.loop);
}

static bool is_over(const struct examine *x)
{
	if (now_of(x) - x->began_at >= EXAMINE_MS)
		return true;
	for (size_t i = 0; i < x->way_count; i++)
		if (!way_is_satisfied(&x->way[i]))
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
		way_tick(&x->way[i], again);
	if (again)
		ask_names_again(x);
	gossipd_kick(x->c.gossipd);
	if (is_over(x))
		x->done(x->arg);
	else
		loop_timer_set(x->timer, now + TICK_MS);
}

/* ---- life ---- */

static void begin_way(struct examine *x, struct doctor_peer *p)
{
	struct way *w = &x->way[x->way_count++];

	*w = (struct way){ .c = &x->c, .began_at = x->began_at, .udp = x->udp, .p = p };
	way_begin(w);
}

static void begin(struct examine *x)
{
	doctor_peers_choose(x->s, store_self(x->c.store), EXAMINE_PEERS_MAX);
	for (size_t i = 0; i < x->s->peer_count; i++)
		if (!x->s->peer[i].skipped)
			begin_way(x, &x->s->peer[i]);
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
		way_end(&x->way[i]);
	for (size_t i = 0; i < x->dns_count; i++)
		examine_dns_free(x->dns[i]);
	loop_timer_free(x->timer);
	closep(&x->udp);
	free(x->way);
	free(x->dns);
	free(x);
}
