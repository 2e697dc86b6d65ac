/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who watches is a wish like others: what they want together goes into the plan, apply
 * makes it so. It holds for some seconds and is renewed, so that a daemon which dies leaves
 * nobody watched.
 */
#include <errno.h>
#include <string.h>

#include "agent/agent.h"
#include "base/log.h"

#define HOLD_MS 20000
#define RENEW_MS 10000  /* before it ends */
#define SWEEP_MS 5000   /* silent flows are looked for this often */
#define NS_PER_MS 1000000u

static void on_changed(void *arg)
{
	struct agent *a = arg;

	a->watch.changed = true;
}

int agent_watch_init(struct agent *a, struct err *e)
{
	int r = watchd_new(a->loop, a->store, on_changed, a, &a->watch.watchd);

	return r < 0 ? err_set(e, r, "cannot start: %s", strerror(-r)) : 0;
}

void agent_watch_fini(struct agent *a)
{
	watchd_free(a->watch.watchd);
	a->watch.watchd = NULL;
}

bool agent_watch_update(struct agent *a)
{
	uint64_t now = loop_now_ms(a->loop);
	struct ov_watch *w = &a->facts.watch;

	if (!a->watch.changed && (!w->flags || now + RENEW_MS < w->until / NS_PER_MS))
		return false;
	a->watch.changed = false;
	if (!w->flags) /* what was lost before they came is not theirs */
		kernel_watch_losses(a->kernel, &a->watch.losses);
	*w = watchd_want(a->watch.watchd);
	if (w->flags)
		w->until = (now + HOLD_MS) * NS_PER_MS;
	return true;
}

void agent_watch_applied(struct agent *a)
{
	int r = watchd_ring(a->watch.watchd, kernel_watch_ring(a->kernel));

	if (r < 0)
		log_error("the ring of what is watched cannot be read: %s", strerror(-r));
}

static void tell_losses(struct agent *a)
{
	struct watch_losses now, *then = &a->watch.losses;
	uint64_t lost = 0;

	if (kernel_watch_losses(a->kernel, &now))
		return;
	for (int i = 0; i < OV_WATCH_KIND_COUNT; i++)
		lost += now.lost[i] - then->lost[i];
	if (lost)
		watchd_lost(a->watch.watchd, lost);
	for (int i = 0; i < OV_VERDICT_COUNT; i++)
		if (now.left_out[i] != then->left_out[i])
			watchd_left_out(a->watch.watchd, (uint8_t)i, now.left_out[i] - then->left_out[i]);
	*then = now;
}

static void on_silent(void *arg, const struct ov_watch_record *r)
{
	watchd_tell(arg, r, sizeof(*r));
}

void agent_watch_tick(struct agent *a)
{
	uint64_t now = loop_now_ms(a->loop);

	if (!watchd_has_ring(a->watch.watchd))
		return;
	tell_losses(a);
	if (now >= a->watch.sweep_at) {
		kernel_watch_sweep(a->kernel, now * NS_PER_MS, on_silent, a->watch.watchd);
		a->watch.sweep_at = now + SWEEP_MS;
	}
	watchd_beat(a->watch.watchd);
}
