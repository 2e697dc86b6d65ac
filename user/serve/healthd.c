/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "healthd_limits.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "health_check.h"
#include "health_rule.h"
#include "sock.h"

const struct healthd_limits HEALTHD_LIMITS = {
	.under_way = 64,
	.second_ms = 1000,
	.timeout_ms = 2000,
	.first_ms = 1000,
};

struct backend {
	struct healthd *d;
	struct health_target target; /* its texts are the two below */
	char netns[NETNS_MAX_LEN + 1], path[HEALTH_PATH_MAX_LEN + 1];
	struct health_rule rule;
	struct loop_timer *timer;   /* the next check, or the end of one that failed to start */
	struct health_check *check; /* under way, else NULL */
	uint64_t started_at;
	int failed;                 /* why it could not be started, told by the timer */
	bool waits, kept;
	TAILQ_ENTRY(backend) link;  /* in d->waiting while it waits */
};

struct healthd {
	struct loop *loop;
	struct healthd_limits limits;
	void (*on_change)(void *arg, const struct id *endpoint, enum endpoint_health health);
	void *arg;
	struct backend **backend; /* sorted by endpoint */
	size_t count;
	unsigned int under_way;
	TAILQ_HEAD(, backend) waiting;
	struct healthd_counters counters;
};

static uint64_t period_ms(const struct backend *b)
{
	uint64_t s = b->target.interval_s;

	if (s < 1)
		s = 1;
	if (s > HEALTH_INTERVAL_S_MAX)
		s = HEALTH_INTERVAL_S_MAX;
	return s * b->d->limits.second_ms;
}

/* ---- results ---- */

static void log_change(const struct backend *b, enum endpoint_health health, int result)
{
	struct sockname at = { b->target.addr, b->target.port };
	char id[ID_TEXT_MAX], name[SOCKNAME_TEXT_MAX], why[HEALTH_RESULT_TEXT_MAX];

	id_format(&b->target.endpoint, id);
	sockname_format(&at, name);
	if (health == ENDPOINT_HEALTHY)
		log_info("endpoint %.12s is healthy: %s%s answers", id, name, b->path);
	else
		log_info("endpoint %.12s is unhealthy: %s%s: %s", id, name, b->path,
			 health_result_format(result, why));
}

/* What this daemon lacks says nothing about a backend: none may fall for it. */
static bool is_own_trouble(int result)
{
	return result == -ENOMEM || result == -EMFILE || result == -ENFILE || result == -ENOBUFS;
}

/* The last thing done with a backend: the callback may take it away. */
static void take_result(struct backend *b, int result)
{
	struct healthd *d = b->d;
	struct id endpoint = b->target.endpoint;
	enum endpoint_health health;

	loop_timer_set(b->timer, health_next(&endpoint, period_ms(b), b->started_at));
	if (is_own_trouble(result)) {
		d->counters.unable++;
		return;
	}
	d->counters.failed += result != 0;
	health = health_rule_take(&b->rule, b->target.known, !result);
	if (health == ENDPOINT_UNTRIED)
		return;
	log_change(b, health, result);
	d->on_change(d->arg, &endpoint, health);
}

/* ---- turns ---- */

static void end_check(struct backend *b)
{
	if (b->check)
		b->d->under_way--;
	health_check_free(TAKE_PTR(b->check));
}

static void start_waiting(struct healthd *d);

static void on_done(void *arg, int result)
{
	struct backend *b = arg;

	end_check(b);
	start_waiting(b->d);
	take_result(b, result);
}

static void start(struct backend *b)
{
	struct healthd *d = b->d;
	uint64_t limit = d->limits.timeout_ms < period_ms(b) ? d->limits.timeout_ms : period_ms(b);

	b->started_at = loop_now_ms(d->loop);
	loop_timer_set(b->timer, UINT64_MAX);
	d->counters.checks++;
	b->failed = health_check_start(d->loop, &b->target, b->started_at + limit, on_done, b,
				       &b->check);
	if (b->failed)
		loop_timer_set(b->timer, b->started_at);
	else
		d->under_way++;
}

static void stop_waiting(struct backend *b)
{
	if (b->waits)
		TAILQ_REMOVE(&b->d->waiting, b, link);
	b->waits = false;
}

static void start_waiting(struct healthd *d)
{
	struct backend *b;

	while (d->under_way < d->limits.under_way && (b = TAILQ_FIRST(&d->waiting))) {
		stop_waiting(b);
		start(b);
	}
}

static void on_timer(void *arg)
{
	struct backend *b = arg;
	struct healthd *d = b->d;
	int failed = b->failed;

	b->failed = 0;
	if (failed) {
		take_result(b, failed);
		return;
	}
	d->counters.waited += d->under_way >= d->limits.under_way;
	b->waits = true;
	TAILQ_INSERT_TAIL(&d->waiting, b, link);
	start_waiting(d);
}

/* ---- targets ---- */

static void backend_free(struct backend *b)
{
	if (!b)
		return;
	stop_waiting(b);
	end_check(b);
	loop_timer_free(b->timer);
	free(b);
}

/* One that nobody has looked at takes no part in anything until it is tried: that is soon. */
static uint64_t first_check(const struct backend *b)
{
	const struct id *id = &b->target.endpoint;
	uint64_t now = loop_now_ms(b->d->loop), soon = b->d->limits.first_ms;

	if (b->target.known != ENDPOINT_UNTRIED || soon > period_ms(b))
		return health_next(id, period_ms(b), now);
	return now + health_offset(id, soon);
}

static struct backend *backend_new(struct healthd *d, const struct health_target *target)
{
	struct backend *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->d = d;
	b->target = *target;
	snprintf(b->netns, sizeof(b->netns), "%s", target->netns);
	if (target->kind == HEALTH_HTTP)
		snprintf(b->path, sizeof(b->path), "%s", target->path);
	b->target.netns = b->netns;
	b->target.path = b->path;
	if (loop_timer_new(d->loop, first_check(b), on_timer, b, &b->timer) < 0) {
		free(b);
		return NULL;
	}
	return b;
}

/* Whether b's results so far say something about the target. */
static bool is_same(const struct backend *b, const struct health_target *t)
{
	const struct health_target *o = &b->target;

	return id_equal(&o->endpoint, &t->endpoint) && o->kind == t->kind && o->port == t->port &&
	       o->interval_s == t->interval_s && !addr_cmp(&o->addr, &t->addr) &&
	       o->netns_dev == t->netns_dev && o->netns_ino == t->netns_ino &&
	       !strcmp(b->netns, t->netns) &&
	       (t->kind != HEALTH_HTTP || !strcmp(b->path, t->path));
}

/* The backend of a target: the one there is (kept), or a new one. *at goes along d->backend. */
static struct backend *backend_for(struct healthd *d, const struct health_target *target,
				   size_t *at)
{
	struct backend *b;

	while (*at < d->count && id_cmp(&d->backend[*at]->target.endpoint, &target->endpoint) < 0)
		++*at;
	if (*at == d->count || !is_same(d->backend[*at], target))
		return backend_new(d, target);
	b = d->backend[*at];
	b->kept = true;
	return b;
}

/* Frees those of a list that are not kept, and the list. */
static void drop(struct backend **backend, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (backend[i] && !backend[i]->kept)
			backend_free(backend[i]);
		else if (backend[i])
			backend[i]->kept = false;
	}
	free(backend);
}

int healthd_set_targets(struct healthd *d, const struct health_target *target, size_t count)
{
	struct backend **next = calloc(count + 1, sizeof(*next));
	size_t at = 0, made = 0;

	while (next && made < count && (next[made] = backend_for(d, &target[made], &at)))
		made++;
	if (!next || made < count) {
		if (next)
			drop(next, made);
		return -ENOMEM;
	}
	for (size_t i = 0; i < count; i++)
		next[i]->target.known = target[i].known;
	drop(d->backend, d->count);
	d->backend = next;
	d->count = count;
	start_waiting(d); /* what was dropped may have been under way */
	return 0;
}

int healthd_new_limited(struct loop *loop, const struct healthd_limits *limits,
			void (*on_change)(void *arg, const struct id *endpoint,
					  enum endpoint_health health),
			void *arg, struct healthd **ret_healthd)
{
	struct healthd *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	d->loop = loop;
	d->limits = *limits;
	d->on_change = on_change;
	d->arg = arg;
	TAILQ_INIT(&d->waiting);
	*ret_healthd = d;
	return 0;
}

int healthd_new(struct loop *loop,
		void (*on_change)(void *arg, const struct id *endpoint,
				  enum endpoint_health health),
		void *arg, struct healthd **ret_healthd)
{
	return healthd_new_limited(loop, &HEALTHD_LIMITS, on_change, arg, ret_healthd);
}

void healthd_free(struct healthd *d)
{
	if (!d)
		return;
	drop(d->backend, d->count);
	free(d);
}

const struct healthd_counters *healthd_counters(const struct healthd *d)
{
	return &d->counters;
}
