/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "exchange.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/cleanup.h"
#include "frame.h"
#include "gossip/join.h"
#include "sock.h"

#define CHUNK 16384 /* a TLS record's largest content, RFC 8446 5.1 */

enum state { CONNECT, SNIFF, HANDSHAKE, SEND, RECEIVE, OVER };

struct exchange {
	LIST_ENTRY(exchange) link;
	struct exchange_set *set;
	enum state state;
	bool client;
	int fd;
	struct loop_io *io;
	struct tls *tls;
	struct sockname peer;
	uint64_t idle_at, total_at;
	int late; /* the error when a deadline passes */
	struct frame in;
	struct buf out;
	size_t sent;
	void (*done)(void *arg, uint64_t tag, int error, const void *data, size_t len);
	void *arg;
	uint64_t tag;
};

struct exchange_set {
	struct loop *loop;
	struct exchange_limits limits;
	struct exchange_server server;
	LIST_HEAD(, exchange) list;
	unsigned int count;
	struct loop_timer *timer;
	uint64_t timer_at; /* never later than the earliest deadline */
};

static void exchange_free(struct exchange *x)
{
	if (x->set) {
		LIST_REMOVE(x, link);
		x->set->count--;
	}
	loop_io_free(x->io);
	tls_free(x->tls);
	closep(&x->fd);
	frame_fini(&x->in);
	frame_wipe(&x->out);
	free(x);
}

/* The last thing done with an exchange, and with its set: the callback may free the set. */
static void finish(struct exchange *x, int error)
{
	struct exchange_server server = x->set->server;
	struct exchange last = *x;
	bool tls = x->tls;

	x->in.body = (struct buf){ 0 };
	exchange_free(x);
	if (last.client)
		last.done(last.arg, last.tag, error, error ? NULL : last.in.body.data,
			  error ? 0 : last.in.body.len);
	else
		server.ended(server.ctx, tls, &last.peer, error);
	frame_fini(&last.in);
}

static uint64_t deadline(const struct exchange *x)
{
	return x->idle_at < x->total_at ? x->idle_at : x->total_at;
}

static void arm(struct exchange_set *set, uint64_t at)
{
	if (at >= set->timer_at)
		return;
	set->timer_at = at;
	loop_timer_set(set->timer, at);
}

/* Ends one overdue exchange a firing: finish() comes last, with the timer set for the others. */
static void on_timer(void *arg)
{
	struct exchange_set *set = arg;
	uint64_t now = loop_now_ms(set->loop);
	struct exchange *x, *overdue = NULL;

	set->timer_at = UINT64_MAX;
	LIST_FOREACH(x, &set->list, link) {
		if (!overdue && deadline(x) <= now)
			overdue = x;
		else
			arm(set, deadline(x));
	}
	if (overdue)
		finish(overdue, overdue->late);
}

static ssize_t channel_read(struct exchange *x, void *data, size_t len)
{
	ssize_t n;

	if (x->tls)
		return tls_read(x->tls, data, len);
	n = recv(x->fd, data, len, 0);
	return n < 0 ? (errno == EINTR ? -EAGAIN : -errno) : n;
}

static ssize_t channel_write(struct exchange *x, const void *data, size_t len)
{
	ssize_t n;

	if (x->tls)
		return tls_write(x->tls, data, len);
	n = send(x->fd, data, len, MSG_NOSIGNAL);
	return n < 0 ? (errno == EINTR ? -EAGAIN : -errno) : n;
}

/* Steps return 0 to go on, -EAGAIN to wait for the socket, or the error that ends it all. */

static int step_connect(struct exchange *x)
{
	int r = sock_error(x->fd);

	if (!r)
		x->state = x->tls ? HANDSHAKE : SEND;
	return r;
}

static int start_tls_server(struct exchange *x)
{
	const struct exchange_server *server = &x->set->server;
	uint8_t psk[TLS_PSK_LEN];
	int r;

	if (!server->psk)
		return -EPROTO;
	r = server->psk(server->ctx, psk);
	if (r < 0)
		return r;
	r = tls_new_server(x->fd, JOIN_PSK_IDENTITY, psk, &x->tls);
	explicit_bzero(psk, sizeof(psk));
	if (r < 0)
		return r;
	x->in.max = x->set->limits.tls_max;
	x->in.secret = true;
	x->state = HANDSHAKE;
	return 0;
}

/* A frame's length is far below 2^24, so that its first byte is never that of a TLS record. */
static int step_sniff(struct exchange *x)
{
	uint8_t first;
	ssize_t n = recv(x->fd, &first, 1, MSG_PEEK);

	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	if (!n)
		return -ECONNRESET;
	if (first == TLS_FIRST_BYTE)
		return start_tls_server(x);
	x->state = RECEIVE;
	return 0;
}

static int step_handshake(struct exchange *x)
{
	int r = tls_handshake(x->tls);

	if (!r)
		x->state = x->client ? SEND : RECEIVE;
	return r;
}

static int step_send(struct exchange *x)
{
	ssize_t n = channel_write(x, x->out.data + x->sent, x->out.len - x->sent);

	if (n < 0)
		return (int)n;
	x->sent += (size_t)n;
	if (x->sent < x->out.len)
		return 0;
	x->state = x->client ? RECEIVE : OVER;
	if (x->tls && !x->client)
		tls_bye(x->tls);
	return 0;
}

static int answer(struct exchange *x)
{
	const struct exchange_server *server = &x->set->server;
	struct buf reply = { 0 };
	int r = server->answer(server->ctx, x->tls, &x->peer, x->in.body.data, x->in.body.len,
			       &reply);

	if (!r)
		frame_put(&x->out, reply.data, reply.len);
	if (!r && (reply.failed || x->out.failed))
		r = -ENOMEM;
	frame_wipe(&reply);
	x->state = SEND;
	return r;
}

static int step_receive(struct exchange *x)
{
	uint8_t chunk[CHUNK];
	ssize_t n = channel_read(x, chunk, sizeof(chunk)), used;

	if (n <= 0)
		return n ? (int)n : -ECONNRESET;
	used = frame_feed(&x->in, chunk, (size_t)n);
	if (x->tls)
		explicit_bzero(chunk, (size_t)n);
	if (used < 0)
		return (int)used;
	if (!frame_is_complete(&x->in))
		return 0;
	if (used < n || !x->in.len)
		return -EPROTO; /* one message, and not an empty one, goes each way */
	x->state = OVER;
	return x->client ? 0 : answer(x);
}

static int step(struct exchange *x)
{
	switch (x->state) {
	case CONNECT:
		return step_connect(x);
	case SNIFF:
		return step_sniff(x);
	case HANDSHAKE:
		return step_handshake(x);
	case SEND:
		return step_send(x);
	case RECEIVE:
		return step_receive(x);
	case OVER:
		break;
	}
	return 0;
}

static unsigned int wanted_events(const struct exchange *x)
{
	if (x->state == CONNECT)
		return LOOP_OUT;
	if (x->tls)
		return tls_wants(x->tls);
	return x->state == SEND ? LOOP_OUT : LOOP_IN;
}

static void on_ready(void *arg, unsigned int events)
{
	struct exchange *x = arg;
	int r = 0;

	(void)events;
	while (!r && x->state != OVER)
		r = step(x);
	if (r != -EAGAIN) {
		finish(x, r);
		return;
	}
	x->idle_at = loop_now_ms(x->set->loop) + x->set->limits.idle_ms;
	loop_io_set(x->io, wanted_events(x));
}

/* Takes over fd. What is still missing is filled by the caller. */
static struct exchange *exchange_new(struct exchange_set *set, int fd, const struct sockname *peer)
{
	struct exchange *x = calloc(1, sizeof(*x));
	uint64_t now = loop_now_ms(set->loop);

	if (!x) {
		closep(&fd);
		return NULL;
	}
	x->set = set;
	x->fd = fd;
	x->peer = *peer;
	x->late = -ETIMEDOUT;
	x->idle_at = now + set->limits.idle_ms;
	x->total_at = now + set->limits.total_ms;
	x->in.max = set->limits.plain_max;
	LIST_INSERT_HEAD(&set->list, x, link);
	set->count++;
	return x;
}

static unsigned int count_of_source(const struct exchange_set *set, const struct ov_addr *addr)
{
	const struct exchange *x;
	unsigned int n = 0;

	LIST_FOREACH(x, &set->list, link)
		n += !addr_cmp(&x->peer.addr, addr);
	return n;
}

int exchange_serve(struct exchange_set *set, int fd, const struct sockname *from)
{
	struct exchange *x;
	int r;

	if (exchange_set_is_full(set) ||
	    count_of_source(set, &from->addr) >= set->limits.per_source) {
		closep(&fd);
		return -EBUSY;
	}
	x = exchange_new(set, fd, from);
	if (!x)
		return -ENOMEM;
	x->state = SNIFF;
	r = loop_io_new(set->loop, fd, LOOP_IN, on_ready, x, &x->io);
	if (r < 0) {
		exchange_free(x);
		return r;
	}
	arm(set, deadline(x));
	return 0;
}

static int start_client(struct exchange *x, const struct exchange_call *call)
{
	int r;

	frame_put(&x->out, call->data, call->len);
	if (x->out.failed)
		return -ENOMEM;
	if (x->fd < 0)
		return 0;
	if (call->psk) {
		x->in.max = x->set->limits.tls_max;
		x->in.secret = true;
		r = tls_new_client(x->fd, JOIN_PSK_IDENTITY, call->psk, &x->tls);
		if (r < 0)
			return r;
	}
	return loop_io_new(x->set->loop, x->fd, LOOP_OUT, on_ready, x, &x->io);
}

int exchange_call(struct exchange_set *set, const struct exchange_call *call)
{
	struct exchange *x;
	int fd, r;

	if (exchange_set_is_full(set))
		return -EBUSY;
	fd = sock_connect(&call->to, call->from);
	x = exchange_new(set, fd < 0 ? -1 : fd, &call->to);
	if (!x)
		return -ENOMEM;
	x->state = CONNECT;
	x->client = true;
	x->done = call->done;
	x->arg = call->arg;
	x->tag = call->tag;
	r = start_client(x, call);
	if (r < 0) {
		exchange_free(x);
		return r;
	}
	if (fd < 0) { /* told by the timer, so that done() never runs inside this call */
		x->late = fd;
		x->total_at = loop_now_ms(set->loop);
	}
	arm(set, deadline(x));
	return 0;
}

unsigned int exchange_set_count(const struct exchange_set *set)
{
	return set->count;
}

bool exchange_set_is_full(const struct exchange_set *set)
{
	return set->count >= set->limits.count;
}

int exchange_set_new(struct loop *loop, const struct exchange_limits *limits,
		     const struct exchange_server *server, struct exchange_set **ret_set)
{
	_cleanup_(freep) struct exchange_set *set = calloc(1, sizeof(*set));
	int r;

	if (!set)
		return -ENOMEM;
	set->loop = loop;
	set->limits = *limits;
	if (server)
		set->server = *server;
	LIST_INIT(&set->list);
	set->timer_at = UINT64_MAX;
	r = loop_timer_new(loop, UINT64_MAX, on_timer, set, &set->timer);
	if (r < 0)
		return r;
	*ret_set = TAKE_PTR(set);
	return 0;
}

void exchange_set_free(struct exchange_set *set)
{
	struct exchange *x;

	if (!set)
		return;
	while ((x = LIST_FIRST(&set->list)))
		exchange_free(x);
	loop_timer_free(set->timer);
	free(set);
}
