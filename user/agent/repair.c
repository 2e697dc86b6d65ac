/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Looks through the kernel for what somebody else changed, once in a while and when a person asks
 * (`overlayctl repair`). A round reads table by table, for a few milliseconds at a time, and
 * changes nothing: what it finds is mended by the run of the plan that follows, as is what a
 * notice of the kernel told before. Either way it is counted, and said, here.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "plan/tell.h"

#define SLICE_MS 10    /* of looking, before the loop goes on with other things */
#define PAUSE_MS 1     /* in between */
#define SAY_MAX 50     /* lines a run; the rest is a number */
#define ASKS_MAX 16    /* who may wait for a repair */

/* Somebody who asked for a repair. */
struct repair_ask {
	struct repair_ask *next;
	struct repair_scope scope;
	void (*done)(void *arg, const struct repair_report *report, const struct err *e);
	void *arg;
	size_t mended, line_count, line_room, failed_count;
	struct repair_line *line;
	struct err failed[AGENT_ERRORS_MAX + 3]; /* what could not be read, first */
};

static bool is_whole(const struct repair_ask *ask)
{
	return !ask || (id_is_zero(&ask->scope.network) && id_is_zero(&ask->scope.endpoint));
}

/* ---- what was mended ---- */

static bool is_asked_for(const struct repair_ask *ask, const struct repair_line *l)
{
	return (id_is_zero(&ask->scope.network) || id_equal(&ask->scope.network, &l->network)) &&
	       (id_is_zero(&ask->scope.endpoint) || id_equal(&ask->scope.endpoint, &l->endpoint));
}

/* What there is no room for is counted all the same. */
static void note_for(struct repair_ask *ask, const struct repair_line *l)
{
	ask->mended++;
	if (ask->line_count == REPAIR_LINES_MAX)
		return;
	if (ask->line_count == ask->line_room) {
		size_t room = ask->line_room ? ask->line_room * 2 : 16;
		struct repair_line *grown = reallocarray(ask->line, room, sizeof(*grown));

		if (!grown)
			return;
		ask->line = grown;
		ask->line_room = room;
	}
	ask->line[ask->line_count++] = *l;
}

static void note(struct agent *a, const struct repair_line *l)
{
	struct repair_tally *tally = &a->status.repairs;

	tally->count[l->kind]++;
	tally->last_ms = loop_wall_ms(a->loop);
	if (a->repair.ask && is_asked_for(a->repair.ask, l))
		note_for(a->repair.ask, l);
	if (a->repair.found++ < SAY_MAX)
		log_warn("mended: %s: %s", l->name, l->what);
}

static void on_mended(void *arg, const struct apply_mended *m)
{
	struct agent *a = arg;
	struct repair_line l;

	plan_tell(store_view(a->store), &a->facts, m->table, m->key, m->found, m->wanted, &l);
	note(a, &l);
}

static void on_pin_mended(void *arg, const char *what)
{
	struct repair_line l = { .kind = REPAIR_PIN };

	snprintf(l.name, sizeof(l.name), "this node");
	snprintf(l.what, sizeof(l.what), "%s", what);
	note(arg, &l);
}

/* By an endpoint that is in that namespace and in the scope. False: there is none. */
static bool name_place(struct agent *a, const char *netns, struct repair_line *l)
{
	const struct view *v = store_view(a->store);
	struct endpoint_detail detail;

	for (size_t i = 0; i < v->endpoint_count; i++) {
		const struct view_endpoint *ve = &v->endpoint[i];

		l->endpoint = ve->ep->id;
		l->network = ve->ep->network;
		if (!id_equal(&ve->ep->node, store_self(a->store)) ||
		    (a->repair.ask && !is_asked_for(a->repair.ask, l)))
			continue;
		endpoint_detail_decode(ve->item, &detail);
		if (strcmp(detail.netns, netns))
			continue;
		plan_tell_endpoint(ve, l);
		return true;
	}
	return false;
}

static bool on_place_broken(void *arg, const char *netns)
{
	struct repair_line l = { .kind = REPAIR_DNS };
	struct agent *a = arg;

	if (!name_place(a, netns, &l))
		return false;
	snprintf(l.what, sizeof(l.what), "in its namespace 127.0.0.11 did not lead to DNS any more");
	a->names_retry_at = 0;
	note(a, &l);
	return true;
}

void agent_repair_said(struct agent *a)
{
	if (a->repair.found > SAY_MAX)
		log_warn("mended: %zu more", a->repair.found - SAY_MAX);
	a->repair.found = 0;
}

/* ---- what could not be mended ---- */

bool agent_repair_asked(const struct agent *a, enum plan_table_id table, const uint8_t *row)
{
	const struct repair_ask *ask = a->repair.ask;

	return ask && (!row || is_whole(ask) ||
		       plan_row_is_of(store_view(a->store), &a->facts, &ask->scope, table, row));
}

static void look_failed(struct agent *a, const struct err *e)
{
	struct repair_ask *ask = a->repair.ask;

	if (ask && ask->failed_count < 2)
		ask->failed[ask->failed_count++] = *e;
	if (!ask && strcmp(a->repair.error.text, e->text))
		log_error("%s; will retry", e->text);
	a->repair.error = *e;
	a->repair.is_failing = true;
}

/* Of the run that followed; it may also have failed as a whole. */
static void take_errors(struct agent *a, struct repair_ask *ask, const struct err *run)
{
	bool is_row = !run;

	for (size_t i = 0; i < a->error_count; i++) {
		is_row |= run && !strcmp(run->text, a->error[i].err.text);
		if (a->error[i].is_asked && ask->failed_count < ARRAY_SIZE(ask->failed) - 1)
			ask->failed[ask->failed_count++] = a->error[i].err;
	}
	if (!is_row)
		ask->failed[ask->failed_count++] = *run;
}

/* ---- a round ---- */

static void begin(struct agent *a)
{
	a->repair.next = 0;
	a->repair.is_looking = true;
	a->repair.is_failing = false;
	loop_timer_set(a->repair.timer, loop_now_ms(a->loop));
}

static void ask_free(struct repair_ask *ask)
{
	free(ask->line);
	free(ask);
}

static void on_applied(void *arg, const struct err *e)
{
	struct agent *a = arg;
	struct repair_ask *ask = a->repair.ask;
	struct repair_report report;

	take_errors(a, ask, e);
	report = (struct repair_report){ ask->mended, ask->line_count, ask->failed_count, ask->line,
					 ask->failed };
	a->repair.ask = ask->next;
	ask->done(ask->arg, &report, NULL);
	ask_free(ask);
	if (a->repair.ask)
		begin(a);
}

static bool in_scope(void *arg, enum plan_table_id table, const uint8_t *row)
{
	return agent_repair_asked(arg, table, row);
}

/* What is in no table; first of all, since programs are attached with pins. */
static void look_aside(struct agent *a)
{
	struct err e = { 0 };

	if (is_whole(a->repair.ask) && kernel_mend_pins(a->kernel, on_pin_mended, a, &e) < 0)
		look_failed(a, &e);
	dnsd_drop_broken(a->dnsd, on_place_broken, a);
	agent_names_update(a);
	if (a->names_error.code && is_whole(a->repair.ask))
		look_failed(a, &a->names_error);
	agent_repair_said(a);
}

static void look_at_table(struct agent *a, enum plan_table_id id)
{
	struct apply_scope scope = { .has = in_scope, .arg = a };
	struct err e = { 0 };
	size_t wrong = 0;

	if (apply_look(a->apply, id, is_whole(a->repair.ask) ? NULL : &scope, &wrong, &e) < 0)
		look_failed(a, &e);
	if (wrong)
		a->dirty = true;
}

static void end(struct agent *a)
{
	a->repair.is_looking = false;
	if (!a->repair.is_failing)
		a->repair.error = (struct err){ 0 };
	if (is_whole(a->repair.ask)) {
		a->status.repairs.looks++;
		a->status.repairs.looked_ms = loop_wall_ms(a->loop);
	}
	if (a->repair.ask)
		agent_when_applied(a, NULL, on_applied, a);
}

static void on_timer(void *arg)
{
	struct agent *a = arg;
	uint64_t until = loop_now_ms(a->loop) + SLICE_MS;

	if (!a->repair.is_looking)
		return;
	if (!a->repair.next)
		look_aside(a);
	do
		look_at_table(a, (enum plan_table_id)a->repair.next++);
	while (a->repair.next < PLAN_TABLE_COUNT && loop_now_ms(a->loop) < until);
	if (a->repair.next < PLAN_TABLE_COUNT)
		loop_timer_set(a->repair.timer, loop_now_ms(a->loop) + PAUSE_MS);
	else
		end(a);
}

/* ---- who begins one ---- */

void agent_repair_audit(struct agent *a)
{
	if (!a->repair.ask && !a->repair.is_looking) /* else that is an audit enough */
		begin(a);
}

static struct repair_ask **last_ask(struct agent *a, size_t *ret_count)
{
	struct repair_ask **at = &a->repair.ask;

	for (*ret_count = 0; *at; at = &(*at)->next)
		++*ret_count;
	return at;
}

void agent_repair(struct agent *a, const struct repair_scope *scope,
		  void (*done)(void *arg, const struct repair_report *report, const struct err *e),
		  void *arg)
{
	struct repair_ask *ask = calloc(1, sizeof(*ask)), **at;
	struct err e = { 0 };
	size_t count;

	at = last_ask(a, &count);
	if (!ask)
		err_set(&e, -ENOMEM, "out of memory: try again");
	else if (a->leave_at)
		err_set(&e, -EAGAIN, "this node is leaving the cluster: there is nothing to repair");
	else if (count >= ASKS_MAX)
		err_set(&e, -EBUSY, "%u repairs wait already: ask again when they are done", ASKS_MAX);
	if (e.code) {
		free(ask);
		done(arg, NULL, &e);
		return;
	}
	*ask = (struct repair_ask){ .scope = *scope, .done = done, .arg = arg };
	*at = ask;
	if (!count)
		begin(a); /* also when an audit is under way: it goes on as this one */
}

int agent_repair_init(struct agent *a, struct err *e)
{
	int r = loop_timer_new(a->loop, UINT64_MAX, on_timer, a, &a->repair.timer);

	apply_when_mended(a->apply, on_mended, a);
	return r < 0 ? err_set(e, r, "cannot start: %s", strerror(-r)) : 0;
}

void agent_repair_fini(struct agent *a)
{
	struct repair_ask *ask = TAKE_PTR(a->repair.ask), *next;

	for (; ask; ask = next) {
		next = ask->next;
		ask_free(ask);
	}
	loop_timer_free(TAKE_PTR(a->repair.timer));
}
