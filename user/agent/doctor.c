/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/agent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apply/look.h"
#include "base/cleanup.h"

/* Somebody who waits for the examination that is under way. */
struct doctor_waiter {
	struct doctor_waiter *next;
	void (*done)(void *arg, const struct findings *f, const struct err *e);
	void *arg;
};

static void answer(struct agent *a, const struct findings *f, const struct err *e)
{
	struct doctor_waiter *w = TAKE_PTR(a->doctor.waiters), *next;

	for (; w; w = next) {
		next = w->next;
		w->done(w->arg, f, e);
		free(w);
	}
}

static void end(struct agent *a)
{
	examine_free(TAKE_PTR(a->doctor.examine));
	doctor_seen_fini(&a->doctor.seen);
}

static void on_examined(void *arg)
{
	struct findings f = { 0 };
	struct agent *a = arg;
	struct err e = { 0 };

	agent_doctor_see_more(a);
	doctor_check(&a->doctor.seen, &f);
	end(a);
	if (f.out_of_memory)
		err_set(&e, -ENOMEM, "out of memory: try again");
	answer(a, f.out_of_memory ? NULL : &f, f.out_of_memory ? &e : NULL);
	findings_fini(&f);
}

/* ---- the examination ---- */

static bool is_answered(void *ctx, uint64_t nonce)
{
	struct agent *a = ctx;
	struct ov_probe_seen seen;

	return kernel_probe_seen(a->kernel, nonce, OV_PROBE_ANSWER, &seen);
}

static int begin(struct agent *a)
{
	const struct examine_config config = {
		.loop = a->loop, .gossip = a->gossip, .gossipd = a->gossipd, .store = a->store,
		.rng = &a->rng, .vtep = a->facts.vtep, .uplink_mtu = a->facts.uplink_mtu,
		.vxlan_port = a->facts.vxlan_port, .is_answered = is_answered, .ctx = a,
	};
	int r = agent_doctor_see(a);

	if (r < 0)
		return r;
	return examine_start(&config, &a->doctor.seen, on_examined, a, &a->doctor.examine);
}

/* What could not be applied is a finding, and no reason not to examine. */
static void on_applied(void *arg, const struct err *unapplied)
{
	struct agent *a = arg;
	struct err e = { 0 };
	int r;

	(void)unapplied;
	a->doctor.is_asked = false;
	r = begin(a);
	if (r >= 0)
		return;
	end(a);
	err_set(&e, r, "cannot examine: %s", strerror(-r));
	answer(a, NULL, &e);
}

/*
 * Who asks while one is under way gets what that one finds. It begins when the kernel holds the
 * newest state: before, each change that just came would look as if somebody had spoiled a row.
 */
void agent_doctor(struct agent *a,
		  void (*done)(void *arg, const struct findings *f, const struct err *e), void *arg)
{
	struct doctor_waiter *w = calloc(1, sizeof(*w));
	struct err e = { 0 };

	if (!w)
		err_set(&e, -ENOMEM, "out of memory: try again");
	else if (a->leave_at)
		err_set(&e, -EAGAIN, "this node is leaving the cluster: there is nothing to examine");
	if (e.code) {
		free(w);
		done(arg, NULL, &e);
		return;
	}
	*w = (struct doctor_waiter){ a->doctor.waiters, done, arg };
	a->doctor.waiters = w;
	if (a->doctor.examine || a->doctor.is_asked)
		return;
	a->doctor.is_asked = true;
	agent_when_applied(a, NULL, on_applied, a);
}

void agent_doctor_fini(struct agent *a)
{
	struct err e = { 0 };

	err_set(&e, -ECANCELED, "overlayd is stopping: ask again when it runs");
	end(a);
	answer(a, NULL, &e);
	free(a->doctor.sums);
}

/* ---- for others ---- */

static void count_esp(struct agent *a, const struct id *peer, struct doctor_answer *ret)
{
	_cleanup_(freep) struct key_row *rows = NULL;
	struct err e = { 0 };
	size_t count = 0;

	if (!view_has_encrypted(store_view(a->store)) || agent_keys_report(a, &rows, &count, &e) < 0)
		return;
	for (size_t i = 0; i < count; i++)
		if (id_equal(&rows[i].peer, peer)) {
			ret->esp_sent = rows[i].sent;
			ret->esp_received = rows[i].received;
		}
}

int agent_doctor_on_call(struct agent *a, const struct id *from, struct cursor request,
			 struct buf *reply)
{
	struct doctor_answer yes = { .wall_ms = loop_wall_ms(a->loop) };
	struct ov_probe_seen seen;
	struct doctor_ask ask;
	int r = doctor_ask_decode(request, &ask);

	if (r < 0)
		return r;
	yes.state = store_living_hash(a->store);
	for (unsigned int i = 0; i < ask.count; i++)
		if (kernel_probe_seen(a->kernel, ask.nonce[i], OV_PROBE_REQUEST, &seen))
			yes.seen |= 1ull << i;
	count_esp(a, from, &yes);
	doctor_answer_encode(reply, &yes);
	if (ask.knock)
		gossip_knock(a->gossip, from, loop_now_ms(a->loop));
	return reply->failed ? -ENOMEM : 0;
}
