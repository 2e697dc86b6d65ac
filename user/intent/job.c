/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A wish that needs an address: an endpoint's, or a VIP.
 *
 *   check ask -> [ check state -> pick ] -> record, commit -> done
 *                     ^           | others own what is free
 *                     +-- wait for a grant
 *
 * Whoever waits is checked again when it goes on: the state has moved. Recording
 * follows picking at once, so that no two jobs pick the same address.
 */
#include "room.h"

#include <errno.h>
#include <string.h>

static void job_free(struct job *j)
{
	free(j->skip);
	free(j);
}

void job_finish(struct job *j, const struct id *id, const struct err *e)
{
	j->done(j->arg, id, e);
	job_free(j);
}

static int job_skip(struct job *j, const struct id *node)
{
	if (j->skip_count == j->skip_cap) {
		size_t cap = j->skip_cap ? 2 * j->skip_cap : 16;
		struct id *skip = reallocarray(j->skip, cap, sizeof(*skip));

		if (!skip)
			return -ENOMEM;
		j->skip = skip;
		j->skip_cap = cap;
	}
	j->skip[j->skip_count++] = *node;
	return 0;
}

static int refuse_late(const struct job *j, const struct view *v, const struct id *node,
		       struct err *e)
{
	const struct view_network *vn = view_network_by_id(v, &j->network);
	char text[ID_TEXT_MAX];

	return err_set(e, -ETIMEDOUT,
		       "node %s did not give addresses of network %s within %d s; try "
		       "again, and look at that node if it goes on",
		       node_text(v, node, text), vn ? vn->display : "(removed)",
		       INTENT_DEADLINE_MS / 1000);
}

/* 1 when it waits; 0 when the node cannot be asked and is left out from now on. */
static int job_wait(struct job *j, const struct view *v, const struct network *n,
		    const struct id *node, struct err *e)
{
	struct intent *in = j->in;
	char text[ID_TEXT_MAX];
	struct ask *ask;
	int r;

	if (in->now >= j->deadline)
		return refuse_late(j, v, node, e);
	if (in->job_count >= INTENT_WAITING_MAX)
		return err_set(e, -EAGAIN,
			       "%d requests wait for addresses of other nodes already; "
			       "try again in a few seconds",
			       INTENT_WAITING_MAX);
	r = ask_node(in, n, node, j->has_addr ? &j->addr : NULL, j->insist, &ask);
	if (r == -EHOSTUNREACH)
		return job_skip(j, node);
	if (r < 0)
		return err_set(e, r,
			       "node %s cannot be asked for addresses of network %s now: too "
			       "many questions are open; try again in a few seconds",
			       node_text(v, node, text), n->name);
	j->ask = ask;
	job_list_append(in, j);
	return 1;
}

static int check_network(const struct job *j, const struct view_network *vn, struct err *e)
{
	int r = check_not_removed(j->in, e);

	if (r == 0 && vn->vni_lost)
		r = err_set(e, -EAGAIN,
			    "network %s is being given a new VNI, because an older network "
			    "has %u; try again in a few seconds",
			    vn->display, vn->net->vni);
	return r;
}

/* Written and committed before anybody hears of it; when that fails, taken back. */
static int job_record(struct job *j, const struct view *v, struct err *e)
{
	struct intent *in = j->in;
	int r = j->kind->record(j, v, e);

	if (r < 0)
		return r;
	r = store_commit(in->store, e);
	if (r < 0) {
		j->kind->take_back(j, e);
		return r;
	}
	job_finish(j, &j->id, NULL);
	return 1;
}

/* One try. 1: waits, or is done; 0: try again without one more node; or a negative errno. */
static int job_try(struct job *j, struct err *e)
{
	struct intent *in = j->in;
	const struct view *v = store_view(in->store);
	const struct view_network *vn = view_network_by_id(v, &j->network);
	struct ov_addr addr;
	struct id node;
	int r;

	if (!vn)
		return err_set(e, -ENOENT,
			       "the network was removed while %s", j->kind->under_way);
	r = check_network(j, vn, e);
	if (r == 0)
		r = j->kind->check(j, v, vn, e);
	if (r < 0)
		return r;
	if (j->no_addr)
		return job_record(j, v, e);
	switch (ipam_pick(v, vn->net, self_id(in), j->has_addr ? &j->addr : NULL, in->wall,
			  j->skip, j->skip_count, &addr, &node, e)) {
	case IPAM_OK:
		j->addr = addr;
		return job_record(j, v, e);
	case IPAM_ASK:
		return job_wait(j, v, vn->net, &node, e);
	default:
		return e->code;
	}
}

void job_go(struct job *j)
{
	struct err e = { 0 };
	int r;

	do {
		r = job_try(j, &e);
	} while (r == 0);
	if (r > 0)
		return;
	err_set(&e, r, "out of memory while %s", j->kind->under_way);
	job_finish(j, NULL, &e);
}

void job_resume(struct job *j, const struct id *refused, bool news)
{
	struct err e = { 0 };

	j->ask = NULL;
	j->insist = !news;
	if (refused && job_skip(j, refused) < 0) {
		err_set(&e, -ENOMEM, "out of memory while %s", j->kind->under_way);
		job_finish(j, NULL, &e);
		return;
	}
	job_go(j);
}

/* ---- those who wait ---- */

void job_list_append(struct intent *in, struct job *j)
{
	j->next = NULL;
	*in->jobs_end = j;
	in->jobs_end = &j->next;
	in->job_count++;
}

struct job *job_next(const struct job *j)
{
	return j->next;
}

/* Moves those that match to a list of their own; both keep their order. */
static struct job *take_jobs(struct intent *in, bool (*match)(const struct job *j, const void *arg),
			     const void *arg)
{
	struct job *taken = NULL, **end = &taken, **at = &in->jobs, *j;

	while ((j = *at)) {
		if (!match(j, arg)) {
			at = &j->next;
			continue;
		}
		*at = j->next;
		j->next = NULL;
		*end = j;
		end = &j->next;
		in->job_count--;
	}
	in->jobs_end = at;
	return taken;
}

static bool waits_for(const struct job *j, const void *ask)
{
	return j->ask == ask;
}

struct job *jobs_take_waiting(struct intent *in, const struct ask *a)
{
	return take_jobs(in, waits_for, a);
}

static bool is_late(const struct job *j, const void *unused)
{
	(void)unused;
	return j->in->now >= j->deadline;
}

void jobs_expire(struct intent *in)
{
	struct job *late = take_jobs(in, is_late, NULL), *j;

	while ((j = late)) {
		struct err e = { 0 };

		late = j->next;
		refuse_late(j, store_view(in->store), ask_whom(j->ask), &e);
		job_finish(j, NULL, &e);
	}
}

void job_cancel(struct job *j)
{
	struct err e = { 0 };

	err_set(&e, -ECANCELED, "overlayd is stopping; ask again when it is back");
	job_finish(j, NULL, &e);
}

static bool always(const struct job *j, const void *unused)
{
	(void)j;
	(void)unused;
	return true;
}

void jobs_cancel(struct intent *in)
{
	struct job *all = take_jobs(in, always, NULL), *j;

	while ((j = all)) {
		all = j->next;
		job_cancel(j);
	}
}

/* ---- the entrance ---- */

struct job *job_new(struct intent *in, const struct job_kind *kind, uint64_t now, uint64_t wall_ms,
		    job_done_fn done, void *arg)
{
	struct err e = { 0 };
	struct job *j = calloc(1, kind->size);

	in->now = now;
	in->wall = wall_ms;
	if (!j) {
		err_set(&e, -ENOMEM, "out of memory while %s", kind->under_way);
		done(arg, NULL, &e);
		return NULL;
	}
	j->in = in;
	j->kind = kind;
	j->done = done;
	j->arg = arg;
	j->deadline = now + INTENT_DEADLINE_MS;
	return j;
}
