/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The data path's maps are looked through in rounds, a bounded part of them each
 * tick: apply/reap.h says for what. A round follows at once when backends went or
 * changed, since their flows' clients may be waiting.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "agent/agent.h"
#include "base/cleanup.h"
#include "base/log.h"

#define ROUND_MS 60000        /* from the end of a round to the next one */
#define ORPHAN_ROUND_MS 5000  /* while some flow has outlived its backend */
#define STEPS_MAX 16          /* batches a tick: 65536 entries */
#define POKES_MAX 4096        /* a tick; the clients left over are poked in the next round */
#define OVERFLOW_WARN_MS 60000 /* how long a flow that found no room is spoken of */

uint64_t agent_monotonic_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t); /* the data path's clock, as bpf_ktime_get_ns has it */
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void on_orphan(void *arg, const struct ov_flow_key *key, const struct ov_flow *flow)
{
	struct agent *a = arg;

	if (a->flows.pokes++ < POKES_MAX)
		poke_client(a->kernel, &a->flows.poke, key, flow); /* else the next round */
}

int agent_flows_init(struct agent *a, struct err *e)
{
	const struct reap_hooks hooks = { on_orphan, a };
	int r = poke_open(&a->flows.poke);

	if (r < 0)
		return err_set(e, r, "no packet socket: %s", strerror(-r));
	a->flows.is_open = true;
	a->flows.round_at = loop_now_ms(a->loop) + ROUND_MS;
	r = reap_new(a->kernel, &hooks, &a->flows.reaper);
	return r < 0 ? err_set(e, r, "out of memory") : 0;
}

void agent_flows_fini(struct agent *a)
{
	reap_free(TAKE_PTR(a->flows.reaper));
	if (a->flows.is_open)
		poke_close(&a->flows.poke);
	a->flows.is_open = false;
}

void agent_flows_changed(struct agent *a)
{
	/* What the round under way has seen already was seen before the change. */
	a->flows.again = true;
}

static void end_round(struct agent *a, uint64_t now)
{
	const struct reap_stats *s = reap_round(a->flows.reaper);

	if (s->expired || s->orphans || s->leftovers)
		log_debug("flows: %llu seen, %llu masqueraded ones, %llu removed, %llu without their "
			  "backend, %llu counts removed", (unsigned long long)s->flows,
			  (unsigned long long)s->masq, (unsigned long long)s->expired,
			  (unsigned long long)s->orphans, (unsigned long long)s->leftovers);
	a->flows.in_round = false;
	a->flows.round_at = now + (s->orphans ? ORPHAN_ROUND_MS : ROUND_MS);
}

static void step_failed(struct agent *a, int r, uint64_t now)
{
	if (!a->flows.is_failing)
		log_error("the flow table cannot be looked through: %s; will retry", strerror(-r));
	a->flows.is_failing = true;
	a->flows.in_round = false;
	a->flows.round_at = now + ORPHAN_ROUND_MS;
}

void agent_flows_work(struct agent *a)
{
	uint64_t now = loop_now_ms(a->loop);

	if (!a->flows.in_round && !a->flows.again && now < a->flows.round_at)
		return;
	a->flows.pokes = 0;
	for (int i = 0; i < STEPS_MAX && a->flows.pokes < POKES_MAX; i++) {
		bool done = false;
		int r;

		if (!a->flows.in_round) {
			if (i && !a->flows.again)
				return;
			a->flows.in_round = true;
			a->flows.again = false;
			reap_restart(a->flows.reaper);
		}
		r = reap_step(a->flows.reaper, agent_monotonic_ns(), &done);
		if (r < 0) {
			step_failed(a, r, now);
			return;
		}
		if (done) {
			a->flows.is_failing = false;
			end_round(a, now);
		}
	}
}

void agent_flows_look(struct agent *a)
{
	struct control_facts *s = &a->status;
	struct flow_usage now;

	if (kernel_flow_usage(a->kernel, &now))
		return;
	/* What overflowed before this start is no news. */
	if (a->flows.has_looked && now.overflow > s->flows_overflow)
		a->flows.warn_until = loop_now_ms(a->loop) + OVERFLOW_WARN_MS;
	a->flows.has_looked = true;
	s->flows_used = now.used;
	s->flows_max = now.max;
	s->flows_overflow = now.overflow;
}

bool agent_flows_warning(struct agent *a, char *out, size_t size)
{
	const struct control_facts *s = &a->status;

	if (loop_now_ms(a->loop) < a->flows.warn_until) {
		snprintf(out, size, "the flow table is full: %llu connections (to services, or of networks with rules) "
			 "found no room and may be cut when they are idle; spread the clients over more nodes",
			 (unsigned long long)s->flows_overflow);
		return true;
	}
	if (!s->flows_max || s->flows_used * 100 < s->flows_max * FLOW_WARN_PERCENT)
		return false;
	snprintf(out, size, "the flow table is %llu %% full (%llu of %llu connections to services, or of networks "
		 "with rules): spread the clients over more nodes before it is full",
		 (unsigned long long)(s->flows_used * 100 / s->flows_max),
		 (unsigned long long)s->flows_used, (unsigned long long)s->flows_max);
	return true;
}

/* ---- nodes that are away ---- */

static bool is_away(const struct view *v, const struct member *m)
{
	return m->status == MEMBER_DEAD || m->status == MEMBER_LEFT || !view_node_by_id(v, &m->id);
}

bool agent_away_update(struct agent *a)
{
	const struct view *v = store_view(a->store);
	struct id_set *away = &a->facts.away;
	const struct member *member;
	size_t all = gossip_members(a->gossip, &member), count = 0;
	_cleanup_(freep) struct id *now = calloc(all + 1, sizeof(*now));

	if (!now || !v)
		return false; /* as it was: it is looked at again before the next wait */
	for (size_t i = 0; i < all; i++)
		if (is_away(v, &member[i]))
			now[count++] = member[i].id;
	if (count == away->count && (!count || !memcmp(now, a->away, count * sizeof(*now))))
		return false;
	free(a->away);
	a->away = TAKE_PTR(now);
	*away = (struct id_set){ count, a->away };
	return true;
}
