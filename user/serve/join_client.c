/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The newcomer's side of joining. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "exchange.h"
#include "gossipd.h"
#include "sock.h"

#define JOIN_DEADLINE_MS 10000

static const struct exchange_limits join_limits = {
	.count = 1,
	.idle_ms = JOIN_DEADLINE_MS,
	.total_ms = JOIN_DEADLINE_MS,
	.tls_max = JOIN_MESSAGE_MAX,
};

struct joiner {
	struct exchange_set *set;
	struct loop *loop;
	struct store *store;
	struct sockname to;
	void (*done)(void *arg, const struct err *e);
	void *arg;
};

static void joiner_free(struct joiner *j)
{
	exchange_set_free(j->set);
	free(j);
}
static void joiner_freep(struct joiner **j)
{
	if (*j)
		joiner_free(*j);
}

static void explain(const struct sockname *to, int error, struct err *e)
{
	char at[SOCKNAME_TEXT_MAX];

	sockname_format(to, at);
	if (error == -ECONNREFUSED)
		err_set(e, error,
			"nothing listens at %s: start overlayd there, or give another node with --join",
			at);
	else if (error == -ETIMEDOUT)
		err_set(e, error,
			"no answer from %s within %d seconds: check the address and that no firewall "
			"stops TCP port %u",
			at, JOIN_DEADLINE_MS / 1000, to->port);
	else if (error == -EACCES)
		err_set(e, error,
			"the token was not accepted by %s; print the current one with "
			"`overlayctl cluster token`",
			at);
	else if (error == -ECONNRESET)
		err_set(e, error,
			"%s hung up before answering: look at the log of overlayd there, and try again",
			at);
	else if (error == -EPROTO || error == -EMSGSIZE)
		err_set(e, error,
			"what listens at %s does not speak overlayd's protocol: check address and port",
			at);
	else
		err_set(e, error, "cannot reach %s: %s", at, strerror(-error));
}

static void on_reply(void *arg, uint64_t tag, int error, const void *data, size_t len)
{
	struct joiner *j = arg;
	void (*done)(void *arg, const struct err *e) = j->done;
	void *done_arg = j->arg;
	struct err e = { 0 };

	(void)tag;
	if (error)
		explain(&j->to, error, &e);
	else
		error = join_accept(j->store, cursor_of(data, len), loop_wall_ms(j->loop), &e);
	if (error && !e.code)
		err_set(&e, error, "the answer to the join could not be used: %s", strerror(-error));
	joiner_free(j);
	done(done_arg, error ? &e : NULL);
}

int gossipd_join(struct loop *loop, struct store *store, const struct sockname *to,
		 const uint8_t token[TOKEN_SECRET_LEN], const struct join_request *request,
		 void (*done)(void *arg, const struct err *e), void *arg)
{
	_cleanup_(joiner_freep) struct joiner *j = calloc(1, sizeof(*j));
	_cleanup_(buf_fini) struct buf body = { 0 };
	struct exchange_call call = { .to = *to, .psk = token, .done = on_reply, .arg = j };
	int r;

	if (!j)
		return -ENOMEM;
	*j = (struct joiner){ .loop = loop, .store = store, .to = *to, .done = done, .arg = arg };
	r = exchange_set_new(loop, &join_limits, NULL, &j->set);
	if (r < 0)
		return r;
	join_request_encode(&body, request);
	if (body.failed)
		return -ENOMEM;
	call.data = body.data;
	call.len = body.len;
	r = exchange_call(j->set, &call);
	if (r < 0)
		return r;
	j = NULL; /* lives until on_reply */
	return 0;
}
