/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/agent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* How long tombstones of a leaving node are gossiped before it goes. */
#define LEAVE_LINGER_MS 2000

static uint64_t host_now(void *ctx)
{
	struct agent *a = ctx;

	return loop_now_ms(a->loop);
}

static uint64_t host_wall(void *ctx)
{
	struct agent *a = ctx;

	return loop_wall_ms(a->loop);
}

static int host_resolve_netns(void *ctx, const char *text, struct netns_ref *ret_ref, struct err *e)
{
	(void)ctx;
	return facts_netns(text, ret_ref->path, &ret_ref->dev, &ret_ref->ino, e);
}

static int host_read_counters(void *ctx, struct ov_counter ret_counter[OV_VERDICT_COUNT],
			      struct err *e)
{
	struct agent *a = ctx;

	int r = kernel_read_counters(a->kernel, ret_counter);

	return r < 0 ? err_set(e, r, "cannot read the counters: %s", strerror(-r)) : 0;
}

static int host_read_lb(void *ctx, struct lb_row **ret_rows, size_t *ret_count, struct err *e)
{
	struct agent *a = ctx;

	return kernel_read_lb(a->kernel, ret_rows, ret_count, e);
}

static int host_read_policy(void *ctx, struct policy_row **ret_rows, size_t *ret_count,
			    struct err *e)
{
	struct agent *a = ctx;

	return kernel_read_policy(a->kernel, ret_rows, ret_count, e);
}

static int host_read_traffic(void *ctx, struct traffic *ret_traffic, struct err *e)
{
	struct agent *a = ctx;

	return kernel_read_traffic(a->kernel, a->facts.device, a->facts.device_count, ret_traffic, e);
}

static int host_read_keys(void *ctx, struct key_row **ret_rows, size_t *ret_count, struct err *e)
{
	return agent_keys_report(ctx, ret_rows, ret_count, e);
}

static void host_examine(void *ctx,
			 void (*done)(void *arg, const struct findings *f, const struct err *e),
			 void *arg)
{
	agent_doctor(ctx, done, arg);
}

void agent_when_applied(struct agent *a, const struct id *endpoint,
			void (*done)(void *arg, const struct err *e), void *arg)
{
	struct waiter *w = calloc(1, sizeof(*w));
	struct err e = { 0 };

	if (!w) {
		err_set(&e, -ENOMEM, "out of memory: try again");
		done(arg, &e);
		return;
	}
	if (endpoint)
		w->endpoint = *endpoint;
	w->done = done;
	w->arg = arg;
	w->next = a->waiters;
	a->waiters = w;
	a->dirty = true;
}

static void host_when_applied(void *ctx, const struct id *endpoint,
			      void (*done)(void *arg, const struct err *e), void *arg)
{
	agent_when_applied(ctx, endpoint, done, arg);
}

static void host_repair(void *ctx, const struct repair_scope *scope,
			void (*done)(void *arg, const struct repair_report *report,
				     const struct err *e), void *arg)
{
	agent_repair(ctx, scope, done, arg);
}

static int host_watch(void *ctx, const struct watch_filter *filter, struct control_stream *ret_stream,
		      struct err *e)
{
	struct agent *a = ctx;

	return watchd_add(a->watch.watchd, filter, ret_stream, e);
}

static bool host_watch_is_on(void *ctx)
{
	struct agent *a = ctx;

	return watchd_has_ring(a->watch.watchd);
}

static void host_shut_down(void *ctx)
{
	struct agent *a = ctx;

	a->leave_at = loop_now_ms(a->loop) + LEAVE_LINGER_MS;
	loop_timer_set(a->tick, a->leave_at);
}

int agent_can_encrypt(void *arg, struct err *e)
{
	struct agent *a = arg;
	int r = kernel_can_encrypt(a->kernel, e);

	return r ? r : facts_can_encrypt(e);
}

void agent_host(struct agent *a, struct control_host *ret_host)
{
	*ret_host = (struct control_host){
		.ctx = a,
		.now = host_now,
		.wall = host_wall,
		.resolve_netns = host_resolve_netns,
		.read_counters = host_read_counters,
		.read_lb = host_read_lb,
		.read_keys = host_read_keys,
		.read_policy = host_read_policy,
		.trace = agent_trace,
		.examine = host_examine,
		.when_applied = host_when_applied,
		.repair = host_repair,
		.watch = host_watch,
		.watch_is_on = host_watch_is_on,
		.shut_down = host_shut_down,
		.facts = &a->status,
		.read_traffic = host_read_traffic,
	};
}
