/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/agent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"

/* The long texts of one target, which only the details of records hold. */
struct texts {
	struct endpoint_detail endpoint;
	struct service_detail service;
};

static bool is_checked(const struct agent *a, const struct view_endpoint *ve)
{
	return id_equal(&ve->ep->node, store_self(a->store)) && !ve->addr_lost && ve->service &&
	       ve->service->svc->health != HEALTH_NONE;
}

static struct health_target describe(const struct view_endpoint *ve, struct texts *t)
{
	const struct service *svc = ve->service->svc;

	endpoint_detail_decode(ve->item, &t->endpoint);
	service_detail_decode(ve->service->item, &t->service);
	return (struct health_target){
		.endpoint = ve->ep->id,
		.netns = t->endpoint.netns,
		.netns_dev = ve->ep->netns_dev,
		.netns_ino = ve->ep->netns_ino,
		.addr = ve->ep->addr,
		.kind = svc->health,
		.port = svc->health_port,
		.interval_s = svc->health_interval_s ? svc->health_interval_s : HEALTH_INTERVAL_S,
		.path = t->service.health_path,
		.known = ve->ep->health,
	};
}

/* The view is sorted by endpoint, as the targets are to be. */
static int set_targets(struct agent *a, const struct view *v)
{
	_cleanup_(freep) struct health_target *target = NULL;
	_cleanup_(freep) struct texts *texts = NULL;
	size_t count = 0, n = 0;

	for (size_t i = 0; i < v->endpoint_count; i++)
		count += is_checked(a, &v->endpoint[i]);
	target = calloc(count + 1, sizeof(*target));
	texts = calloc(count + 1, sizeof(*texts));
	if (!target || !texts)
		return -ENOMEM;
	for (size_t i = 0; i < v->endpoint_count; i++) {
		if (!is_checked(a, &v->endpoint[i]))
			continue;
		target[n] = describe(&v->endpoint[i], &texts[n]);
		n++;
	}
	return healthd_set_targets(a->healthd, target, n);
}

void agent_health_update(struct agent *a)
{
	uint64_t serial = store_serial(a->store);
	const struct view *v;

	if (!a->healthd || serial == a->health_serial)
		return;
	v = store_view(a->store);
	if (!v || set_targets(a, v) < 0) {
		log_error("out of memory: health checks stay as they were; will retry");
		return;
	}
	a->health_serial = serial;
}

/* Writes the record; whoever balances hears of it by the usual way. */
static void on_health(void *arg, const struct id *endpoint, enum endpoint_health health)
{
	struct agent *a = arg;
	struct err e = { 0 };

	if (a->leave_at)
		return; /* its record is a tombstone that still has to get around */
	if (intent_endpoint_health(a->intent, endpoint, health, loop_wall_ms(a->loop), &e) < 0)
		log_error("%s; will retry", e.text);
}

int agent_health_init(struct agent *a, struct err *e)
{
	int r = healthd_new(a->loop, on_health, a, &a->healthd);

	a->health_serial = UINT64_MAX; /* nothing was looked at yet */
	return r < 0 ? err_set(e, r, "cannot start health checks: %s", strerror(-r)) : 0;
}
