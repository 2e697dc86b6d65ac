/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "health_check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "health_http.h"
#include "sock.h"
#include "sys/netns.h"

/* The request, then the answer, in one place. */
#define DATA_MAX HEALTH_REQUEST_MAX
_Static_assert(DATA_MAX >= HEALTH_RESPONSE_MAX, "an answer fits where the request was");

enum state { CONNECT, SEND, RECEIVE, PASSED };

struct health_check {
	struct loop *loop;
	enum state state;
	bool http;
	struct sockname to;
	int fd;
	struct loop_io *io;
	struct loop_timer *timer;
	char data[DATA_MAX];
	size_t len, sent;
	void (*done)(void *arg, int result);
	void *arg;
};

const char *health_result_format(int result, char out[HEALTH_RESULT_TEXT_MAX])
{
	if (result > 0)
		snprintf(out, HEALTH_RESULT_TEXT_MAX, "answered with HTTP status %d", result);
	else if (result == -ECONNREFUSED)
		snprintf(out, HEALTH_RESULT_TEXT_MAX, "nothing listens there");
	else if (result == -ETIMEDOUT)
		snprintf(out, HEALTH_RESULT_TEXT_MAX, "no answer in time");
	else if (result == -ECONNRESET || result == -EPIPE)
		snprintf(out, HEALTH_RESULT_TEXT_MAX, "hung up before answering");
	else if (result == -EBADMSG)
		snprintf(out, HEALTH_RESULT_TEXT_MAX, "answered, but not with HTTP/1.x");
	else if (result == -ESTALE)
		snprintf(out, HEALTH_RESULT_TEXT_MAX, "another namespace has its path");
	else
		snprintf(out, HEALTH_RESULT_TEXT_MAX, "%.60s", strerror(-result));
	return out;
}

void health_check_free(struct health_check *c)
{
	if (!c)
		return;
	loop_io_free(c->io);
	loop_timer_free(c->timer);
	closep(&c->fd);
	free(c);
}
static void health_check_freep(struct health_check **c)
{
	health_check_free(*c);
}

/*
 * A connect to one's own address may get the very port it goes to as its source,
 * and TCP then joins the socket to itself (RFC 9293, simultaneous open): a
 * backend that is not there would seem to listen.
 */
static bool is_joined_to_itself(const struct health_check *c)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);
	struct sockname from;

	if (getsockname(c->fd, (struct sockaddr *)&ss, &len) < 0)
		return false;
	from = sockname_from_sockaddr(&ss);
	return from.port == c->to.port && !addr_cmp(&from.addr, &c->to.addr);
}

/* Steps return 0 to go on, -EAGAIN to wait for the socket, or what made the check fail. */

static int step_connect(struct health_check *c)
{
	int r = sock_error(c->fd);

	if (!r && is_joined_to_itself(c))
		r = -ECONNREFUSED;
	if (!r)
		c->state = c->http ? SEND : PASSED;
	return r;
}

static int step_send(struct health_check *c)
{
	ssize_t n = send(c->fd, c->data + c->sent, c->len - c->sent, MSG_NOSIGNAL);

	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	c->sent += (size_t)n;
	if (c->sent < c->len)
		return 0;
	c->state = RECEIVE;
	c->len = 0;
	return 0;
}

static int step_receive(struct health_check *c)
{
	ssize_t n = recv(c->fd, c->data + c->len, HEALTH_RESPONSE_MAX - c->len, 0);
	int status;

	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	if (!n)
		return c->len ? -EBADMSG : -ECONNRESET;
	c->len += (size_t)n;
	status = health_response(c->data, c->len);
	if (!health_status_is_healthy(status))
		return status; /* 0: more is to come */
	c->state = PASSED;
	return 0;
}

static int step(struct health_check *c)
{
	switch (c->state) {
	case CONNECT:
		return step_connect(c);
	case SEND:
		return step_send(c);
	case RECEIVE:
		return step_receive(c);
	case PASSED:
		break;
	}
	return 0;
}

static void on_ready(void *arg, unsigned int events)
{
	struct health_check *c = arg;
	int r = 0;

	(void)events;
	while (!r && c->state != PASSED)
		r = step(c);
	if (r == -EAGAIN)
		loop_io_set(c->io, c->state == RECEIVE ? LOOP_IN : LOOP_OUT);
	else
		c->done(c->arg, r);
}

static void on_deadline(void *arg)
{
	struct health_check *c = arg;

	c->done(c->arg, -ETIMEDOUT);
}

/* Inside the namespace: a socket stays in the one it was made in. */
static int connect_inside(void *arg)
{
	struct health_check *c = arg;

	c->fd = sock_connect(&c->to, NULL);
	return c->fd < 0 ? c->fd : 0;
}

static int connect_from(struct health_check *c, const struct health_target *t)
{
	_cleanup_(closep) int netns = -1;
	uint64_t dev, ino;
	int r = netns_open(t->netns, &netns);

	if (!r)
		r = netns_identify(netns, &dev, &ino);
	if (r)
		return r;
	if (dev != t->netns_dev || ino != t->netns_ino)
		return -ESTALE;
	return netns_run(netns, connect_inside, c);
}

int health_check_start(struct loop *loop, const struct health_target *target, uint64_t deadline,
		       void (*done)(void *arg, int result), void *arg,
		       struct health_check **ret_check)
{
	_cleanup_(health_check_freep) struct health_check *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->loop = loop;
	c->fd = -1;
	c->to = (struct sockname){ target->addr, target->port };
	c->http = target->kind == HEALTH_HTTP;
	c->done = done;
	c->arg = arg;
	if (c->http)
		c->len = health_request(&c->to, target->path, c->data);
	r = connect_from(c, target);
	if (!r)
		r = loop_io_new(loop, c->fd, LOOP_OUT, on_ready, c, &c->io);
	if (!r)
		r = loop_timer_new(loop, deadline, on_deadline, c, &c->timer);
	if (r)
		return r;
	*ret_check = TAKE_PTR(c);
	return 0;
}
