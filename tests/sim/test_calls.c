// SPDX-License-Identifier: GPL-2.0-or-later
/* gossip_call: asked, answered, and done exactly once. */
#include <criterion/criterion.h>
#include <errno.h>

#include "base/cleanup.h"
#include "tests/lib/cluster.h"

struct outcome {
	int times, error;
	char text[64];
};

static void note(void *arg, int error, struct cursor reply)
{
	struct outcome *o = arg;

	o->times++;
	o->error = error;
	cursor_get(&reply, o->text, cursor_left(&reply) < 63 ? cursor_left(&reply) : 63);
}

static int echo(struct sim_node *n, const struct id *from, struct cursor request, struct buf *reply)
{
	(void)n;
	(void)from;
	buf_put(reply, "re: ", 4);
	buf_put(reply, request.p, cursor_left(&request));
	return 0;
}

static int refuse(struct sim_node *n, const struct id *from, struct cursor request,
		  struct buf *reply)
{
	(void)n;
	(void)from;
	(void)request;
	buf_put(reply, "ignored", 7);
	return -ENOSPC;
}

static struct sim *joined(size_t n, uint64_t seed)
{
	struct sim *c = cluster_new(n, seed);

	cr_assert(cluster_wait(c, cluster_is_settled, 30000));
	cluster_on_call(c, echo);
	return c;
}

static int ask(struct sim *c, size_t from, const struct id *to, const char *text,
	       struct outcome *o)
{
	_cleanup_(buf_fini) struct buf request = { 0 };
	int r;

	buf_put(&request, text, strlen(text));
	r = gossip_call(cluster_node(c, from)->gossip, to, &request, cluster_now(c), note, o);
	cluster_settle(c, from);
	return r;
}

Test(calls, a_question_is_answered)
{
	struct sim *c = joined(3, 1);
	struct outcome o = { 0 };

	cr_assert_eq(ask(c, 0, &cluster_node(c, 2)->id, "hello", &o), 0);
	cr_assert_eq(o.times, 0, "done was called from within");
	cluster_run(c, 1000);
	cr_assert_eq(o.times, 1);
	cr_assert_eq(o.error, 0);
	cr_assert_str_eq(o.text, "re: hello");
	cluster_run(c, 20000);
	cr_assert_eq(o.times, 1);
	cluster_free(c);
}

Test(calls, a_refusal_reaches_the_asker)
{
	struct sim *c = joined(2, 2);
	struct outcome o = { 0 };

	cluster_on_call(c, refuse);
	ask(c, 0, &cluster_node(c, 1)->id, "give", &o);
	cluster_run(c, 1000);
	cr_assert_eq(o.times, 1);
	cr_assert_eq(o.error, -ENOSPC);
	cr_assert_str_eq(o.text, "");
	cluster_free(c);
}

Test(calls, a_cut_ends_in_a_timeout_once)
{
	struct sim *c = joined(3, 3);
	struct outcome o = { 0 };

	cluster_cut(c, 0, 1);
	ask(c, 0, &cluster_node(c, 1)->id, "hello?", &o);
	cluster_run(c, 30000);
	cr_assert_eq(o.times, 1);
	cr_assert_eq(o.error, -ETIMEDOUT);
	cluster_free(c);
}

Test(calls, a_crashed_node_is_unreachable)
{
	struct sim *c = joined(3, 4);
	struct outcome before = { 0 }, after = { 0 };

	cluster_crash(c, 1);
	ask(c, 0, &cluster_node(c, 1)->id, "hello?", &before);
	cluster_run(c, 30000);
	ask(c, 0, &cluster_node(c, 1)->id, "hello?", &after);
	cluster_run(c, 30000);
	cr_assert_eq(before.times, 1);
	cr_assert_eq(before.error, -EHOSTUNREACH);
	cr_assert_eq(after.times, 1);
	cr_assert_eq(after.error, -EHOSTUNREACH);
	cluster_free(c);
}

Test(calls, nobody_by_that_id_is_unreachable)
{
	struct sim *c = joined(2, 5);
	struct outcome o = { 0 };
	struct id nobody = { { 9 } };

	cr_assert_eq(ask(c, 0, &nobody, "hello?", &o), 0);
	cr_assert_eq(o.times, 0);
	cluster_run(c, 100);
	cr_assert_eq(o.times, 1);
	cr_assert_eq(o.error, -EHOSTUNREACH);
	cluster_free(c);
}

Test(calls, the_end_of_the_engine_cancels_what_is_open)
{
	struct sim *c = joined(2, 6);
	struct outcome o = { 0 };

	ask(c, 0, &cluster_node(c, 1)->id, "hello", &o);
	cluster_crash(c, 0);
	cr_assert_eq(o.times, 1);
	cr_assert_eq(o.error, -ECANCELED);
	cluster_free(c);
}

Test(calls, too_many_at_once_are_refused_and_the_others_answered)
{
	struct sim *c = joined(2, 7);
	struct outcome o[200] = { 0 };
	int taken = 0, done = 0, refused = 0;

	for (int i = 0; i < 200; i++) {
		int r = ask(c, 0, &cluster_node(c, 1)->id, "hello", &o[i]);

		taken += !r;
		refused += r == -EAGAIN;
	}
	cluster_run(c, 20000);
	for (int i = 0; i < 200; i++)
		done += o[i].times == 1 && !o[i].error;
	cr_assert_gt(refused, 0);
	cr_assert_eq(taken + refused, 200);
	cr_assert_eq(done, taken);
	cluster_free(c);
}

Test(calls, a_question_too_large_for_a_message_is_refused)
{
	struct sim *c = joined(2, 8);
	_cleanup_(buf_fini) struct buf request = { 0 };
	struct outcome o = { 0 };
	uint8_t kilo[1024] = { 0 };

	for (int i = 0; i < 1024; i++)
		buf_put(&request, kilo, sizeof(kilo));
	cr_assert_eq(gossip_call(cluster_node(c, 0)->gossip, &cluster_node(c, 1)->id, &request,
				 cluster_now(c), note, &o), -EMSGSIZE);
	cluster_run(c, 10000);
	cr_assert_eq(o.times, 0);
	cluster_free(c);
}

static int answered;

static int count_answers(struct sim_node *n, const struct id *from, struct cursor request,
			 struct buf *reply)
{
	answered++;
	return echo(n, from, request, reply);
}

/* Plays the whole conversation of one question back to the one who answered it. */
Test(calls, a_request_played_back_is_not_answered_again)
{
	struct sim *c = joined(2, 9);
	struct gossip *asker = cluster_node(c, 0)->gossip, *other = cluster_node(c, 1)->gossip;
	_cleanup_(buf_fini) struct buf request = { 0 }, first = { 0 }, second = { 0 };
	uint8_t recorded[4096];
	struct outcome o = { 0 };
	struct gossip_output out;
	size_t len = 0;

	cluster_on_call(c, count_answers);
	buf_put(&request, "give", 4);
	gossip_call(asker, &cluster_node(c, 1)->id, &request, cluster_now(c), note, &o);
	while (gossip_next_output(asker, &out))
		if (out.type == GOSSIP_CALL) {
			gossip_serve(other, &cluster_node(c, 0)->addr, out.data, out.len,
				     cluster_now(c), 0, &first);
			gossip_call_done(asker, out.call, 0, first.data, first.len, cluster_now(c),
					 0);
			break;
		}
	while (gossip_next_output(asker, &out))
		if (out.type == GOSSIP_CALL) {
			len = out.len;
			memcpy(recorded, out.data, len);
			gossip_serve(other, &cluster_node(c, 0)->addr, recorded, len,
				     cluster_now(c), 0, &second);
			gossip_call_done(asker, out.call, 0, second.data, second.len,
					 cluster_now(c), 0);
			break;
		}
	cr_assert_eq(o.times, 1);
	cr_assert_eq(o.error, 0);
	cr_assert_eq(answered, 1);
	for (int i = 0; i < 5; i++) {
		buf_reset(&second);
		gossip_serve(other, &cluster_node(c, 0)->addr, recorded, len, cluster_now(c), 0,
			     &second);
	}
	cr_assert_eq(answered, 1);
	cluster_free(c);
}
