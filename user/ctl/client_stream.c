/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers of many lines. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "client_inside.h"
#include "response.h"

struct stream {
	int fd;
	struct buf in;
	size_t at; /* what is before it has been handed out */
	const volatile sig_atomic_t *stop;
	const struct client_listener *listener;
};

/* More bytes: 1, 0 at the end, or a negative errno. */
static int stream_fill(struct stream *s)
{
	char chunk[16384];
	ssize_t n = recv(s->fd, chunk, sizeof(chunk), 0);

	if (n < 0)
		return errno == EINTR ? 1 : -errno;
	buf_put(&s->in, chunk, (size_t)n);
	if (s->in.failed || s->in.len - s->at > CLIENT_LINE_MAX)
		return -EMSGSIZE;
	return n > 0;
}

/* The header's end; 0 while it is not there. */
static size_t head_end(const struct buf *in)
{
	const char *end = in->len ? memmem(in->data, in->len, "\r\n\r\n", 4) : NULL;

	return end ? (size_t)(end - (const char *)in->data) + 4 : 0;
}

/* Another status than 200 is an answer as any. */
static int stream_head(struct stream *s, int *ret_status, json_t **ret_value)
{
	struct response response = { 0 };
	int r = 1;

	while (r > 0 && !head_end(&s->in) && !*s->stop)
		r = stream_fill(s);
	s->at = head_end(&s->in);
	if (r < 0 || !s->at)
		return *s->stop ? -EINTR : r < 0 ? r : -ECONNRESET;
	if (s->in.len > 12 && !memcmp(s->in.data + 9, "200", 3)) {
		*ret_status = 200;
		return 0;
	}
	while (r > 0)
		r = stream_fill(s);
	r = response_parse((const char *)s->in.data, s->in.len, true, &response);
	if (r <= 0)
		return -EBADMSG;
	*ret_status = response.status;
	*ret_value = json_loadb((const char *)response.body.data, response.body.len, JSON_DECODE_ANY, NULL);
	buf_fini(&response.body);
	return *ret_value ? 0 : -EBADMSG;
}

/* Hands out what is whole. False: it is enough. */
static bool stream_lines(struct stream *s)
{
	for (;;) {
		const char *from = (const char *)s->in.data + s->at;
		const char *end = s->in.len > s->at ? memchr(from, '\n', s->in.len - s->at) : NULL;

		if (!end)
			break;
		s->at += (size_t)(end - from) + 1;
		if (end > from && !s->listener->line(s->listener->arg, from, (size_t)(end - from)))
			return false;
	}
	memmove(s->in.data, s->in.data + s->at, s->in.len - s->at);
	s->in.len -= s->at;
	s->at = 0;
	return true;
}

static int stream_run(struct stream *s, int *ret_status, json_t **ret_value)
{
	int r = stream_head(s, ret_status, ret_value);

	if (r || *ret_status != 200)
		return r == -EINTR ? 0 : r;
	if (!s->listener->begun(s->listener->arg))
		return 0;
	for (r = 1; r > 0 && !*s->stop;) {
		if (!stream_lines(s))
			return 0;
		r = stream_fill(s);
	}
	return *s->stop ? 0 : r < 0 ? r : -ECONNRESET;
}

int client_stream(void *ctx, const char *path, const json_t *body, const volatile sig_atomic_t *stop,
		  const struct client_listener *listener, int *ret_status, json_t **ret_value,
		  struct err *e)
{
	const struct client *c = ctx;
	struct stream s = { .fd = -1, .stop = stop, .listener = listener };
	int r = client_connect(c, &s.fd, e);

	*ret_status = 200;
	*ret_value = NULL;
	if (!r)
		r = client_send(s.fd, "1.0", "POST", path, body, e); /* 1.0: lines and nothing between them */
	if (r) {
		closep(&s.fd);
		return r;
	}
	r = stream_run(&s, ret_status, ret_value);
	buf_fini(&s.in);
	closep(&s.fd);
	return r ? err_set(e, r, "overlayd ended the answer (%s): its log says why", strerror(-r)) : 0;
}
