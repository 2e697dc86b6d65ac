/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libmicrohttpd without a thread of its own: its epoll descriptor and its
 * timeout hang in our loop.
 *
 * A request lives in struct request from its first line (on_uri) until
 * libmicrohttpd has sent the answer or lost the client (on_completed). While
 * the answer is not there yet the connection is suspended: libmicrohttpd looks
 * at it neither for bytes nor for hang-ups, so the request stays until the
 * answer comes, and a client that went away meanwhile is noticed by the write.
 */
#include "http.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "http_socket.h"

/* Seconds without a byte from a client, or without one taken by it. */
#define IDLE_TIMEOUT_S 30
/* Rest of an oversized body that is read and dropped, so that the client hears of the 413. */
#define DISCARD_MAX (16u * CONTROL_BODY_MAX)
/* Rounds that http_free gives to answers on their way out. */
#define FLUSH_ROUNDS 8

/* Bytes that an answer without an end gives libmicrohttpd at once. */
#define STREAM_PIECE 65536u

#define TOO_LARGE "{\"Error\":\"the request body is larger than 65536 bytes, which is all that is read\"}"
_Static_assert(CONTROL_BODY_MAX == 65536, "the sentence names the limit");
#define STOPPING "{\"Error\":\"overlayd is stopping: ask again when it runs\"}"
#define NO_MEMORY "{\"Error\":\"overlayd is out of memory\"}"

/* What control holds until it answers; outlives the request when the server goes first. */
struct ticket {
	struct request *request; /* NULL: nobody waits any more */
};

struct request {
	struct request *prev, *next; /* in http.waiting, while suspended */
	struct http *http;
	struct ticket *ticket;       /* while control has not answered */
	struct MHD_Connection *conn;
	char *uri;                   /* as sent: path and query, percent-encoded */
	struct buf body;
	size_t discarded;
	bool begun, too_large;
	bool handling;               /* inside control_handle */
	int status;                  /* 0 until answered */
	struct control_stream stream; /* its answer has no end */
	bool sleeping;               /* nothing to send now: suspended */
	char *text;
};

struct http {
	struct loop *loop;
	struct control *control;
	struct MHD_Daemon *mhd;
	struct loop_io *io;
	struct loop_timer *timer;
	struct request *waiting;
	bool closed_one; /* since MHD_run began */
	bool stopping;
	char *path;
	struct stat socket_stat; /* so that only our own socket is removed */
};

static void request_free(struct request *r)
{
	if (!r)
		return;
	if (r->ticket)
		r->ticket->request = NULL;
	if (r->stream.close)
		r->stream.close(r->stream.ctx);
	buf_fini(&r->body);
	free(r->uri);
	free(r->text);
	free(r);
}

static void waiting_add(struct request *r)
{
	r->prev = NULL;
	r->next = r->http->waiting;
	if (r->next)
		r->next->prev = r;
	r->http->waiting = r;
}

static void waiting_remove(struct request *r)
{
	if (r->prev)
		r->prev->next = r->next;
	else
		r->http->waiting = r->next;
	if (r->next)
		r->next->prev = r->prev;
	r->prev = r->next = NULL;
}

static void rearm(struct http *h)
{
	unsigned long long ms; /* MHD_UNSIGNED_LONG_LONG, deprecated as a name in 1.0 */

	if (MHD_get_timeout(h->mhd, &ms) == MHD_YES)
		loop_timer_set(h->timer, loop_now_ms(h->loop) + ms);
	else
		loop_timer_set(h->timer, UINT64_MAX);
}

/*
 * At its limit of connections libmicrohttpd takes the listening socket out of
 * its epoll set, and puts it back at the start of an MHD_run when there is room
 * again (seen in 0.9.75). So a run that made room needs another one after it.
 */
static void run(struct http *h)
{
	do {
		h->closed_one = false;
		MHD_run(h->mhd);
	} while (h->closed_one);
	rearm(h);
}

static void on_connection(void *cls, struct MHD_Connection *conn, void **socket_context,
			  enum MHD_ConnectionNotificationCode what)
{
	struct http *h = cls;

	(void)conn;
	(void)socket_context;
	if (what == MHD_CONNECTION_NOTIFY_CLOSED)
		h->closed_one = true;
}

static void on_ready(void *arg, unsigned int events)
{
	(void)events;
	run(arg);
}

static void on_timer(void *arg)
{
	run(arg);
}

static void answer(struct request *r, int status, const char *text)
{
	r->text = strdup(text);
	r->status = r->text ? status : MHD_HTTP_INTERNAL_SERVER_ERROR;
}

static void resume(struct request *r)
{
	waiting_remove(r);
	MHD_resume_connection(r->conn);
}

/* From control, once for each request: at once (handling), later, or after the server's end. */
static void on_reply(void *arg, int status, const char *text)
{
	struct ticket *ticket = arg;
	struct request *r = ticket->request;

	free(ticket);
	if (!r)
		return;
	r->ticket = NULL;
	answer(r, status, text);
	if (r->handling)
		return;
	resume(r);
	/* Not MHD_run: this may be a callback deep inside another engine. */
	loop_timer_set(r->http->timer, 0);
}

/* ---- answers without an end ---- */

static void on_more(void *arg)
{
	struct request *r = arg;

	if (!r->sleeping)
		return;
	r->sleeping = false;
	resume(r);
	loop_timer_set(r->http->timer, 0);
}

/* From control, in place of on_reply. */
static void on_stream(void *arg, const struct control_stream *s)
{
	struct ticket *ticket = arg;
	struct request *r = ticket->request;

	free(ticket);
	if (!r) {
		s->close(s->ctx);
		return;
	}
	r->ticket = NULL;
	r->status = MHD_HTTP_OK;
	r->stream = *s;
	s->wake_by(s->ctx, on_more, r);
	if (r->handling)
		return;
	resume(r);
	loop_timer_set(r->http->timer, 0);
}

/* What there is; when there is nothing the connection sleeps until on_more. */
static ssize_t read_stream(void *cls, uint64_t pos, char *buf, size_t max)
{
	struct request *r = cls;
	size_t n = r->stream.read(r->stream.ctx, buf, max);

	(void)pos;
	if (n)
		return (ssize_t)n;
	if (r->http->stopping)
		return MHD_CONTENT_READER_END_OF_STREAM;
	r->sleeping = true;
	MHD_suspend_connection(r->conn);
	waiting_add(r);
	return 0;
}

static enum MHD_Result send_stream(struct request *r)
{
	struct MHD_Response *response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN,
									  STREAM_PIECE, read_stream, r,
									  NULL);
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/x-ndjson");
	result = MHD_queue_response(r->conn, MHD_HTTP_OK, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result send_answer(struct request *r)
{
	const char *text = r->text ? r->text : NO_MEMORY;
	struct MHD_Response *response;
	enum MHD_Result result;

	if (r->stream.close)
		return send_stream(r);
	response = MHD_create_response_from_buffer(strlen(text), (void *)text,
						   MHD_RESPMEM_MUST_COPY);
	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
	result = MHD_queue_response(r->conn, (unsigned int)r->status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result take_body(struct request *r, const char *data, size_t *len)
{
	size_t n = *len;

	*len = 0; /* all of it is taken */
	if (r->too_large || r->body.len + n > CONTROL_BODY_MAX) {
		r->too_large = true;
		r->discarded += n;
		return r->discarded > DISCARD_MAX ? MHD_NO : MHD_YES;
	}
	buf_put(&r->body, data, n);
	return r->body.failed ? MHD_NO : MHD_YES;
}

static enum MHD_Result handle(struct http *h, struct request *r, const char *method)
{
	char *query = strchr(r->uri, '?');
	struct control_request req = {
		.method = method,
		.path = r->uri,
		.query = query ? query + 1 : NULL,
		.body = (const char *)r->body.data,
		.body_len = r->body.len,
		.stream = on_stream,
	};

	if (query)
		*query = '\0';
	r->ticket = calloc(1, sizeof(*r->ticket));
	if (!r->ticket)
		return MHD_NO;
	r->ticket->request = r;
	r->handling = true;
	control_handle(h->control, &req, on_reply, r->ticket);
	r->handling = false;
	if (r->status)
		return send_answer(r);
	MHD_suspend_connection(r->conn);
	waiting_add(r);
	return MHD_YES;
}

static bool announces_too_much(struct MHD_Connection *conn)
{
	const char *length = MHD_lookup_connection_value(conn, MHD_HEADER_KIND,
							 MHD_HTTP_HEADER_CONTENT_LENGTH);

	return length && strtoull(length, NULL, 10) > CONTROL_BODY_MAX + (uint64_t)DISCARD_MAX;
}

/* Called with the headers, with each piece of the body, at its end, and again after a resume. */
static enum MHD_Result on_access(void *cls, struct MHD_Connection *conn, const char *url,
				 const char *method, const char *version, const char *upload,
				 size_t *upload_len, void **con_cls)
{
	struct request *r = *con_cls;

	(void)url;
	(void)version;
	if (!r || !r->uri)
		return MHD_NO;
	r->conn = conn;
	if (!r->begun) {
		r->begun = true;
		r->too_large = announces_too_much(conn);
		if (!r->too_large)
			return MHD_YES;
	} else if (*upload_len) {
		return take_body(r, upload, upload_len);
	}
	if (r->too_large && !r->status)
		answer(r, MHD_HTTP_CONTENT_TOO_LARGE, TOO_LARGE);
	else if (r->http->stopping && !r->status)
		answer(r, MHD_HTTP_SERVICE_UNAVAILABLE, STOPPING);
	return r->status ? send_answer(r) : handle(cls, r, method);
}

/* The only place where libmicrohttpd shows the request target as it was sent. */
static void *on_uri(void *cls, const char *uri, struct MHD_Connection *conn)
{
	struct request *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->http = cls;
	r->conn = conn;
	r->uri = strdup(uri);
	return r;
}

static void on_completed(void *cls, struct MHD_Connection *conn, void **con_cls,
			 enum MHD_RequestTerminationCode why)
{
	struct request *r = *con_cls;

	(void)cls;
	(void)conn;
	(void)why;
	*con_cls = NULL;
	request_free(r);
}

static void on_log(void *cls, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
static void on_log(void *cls, const char *fmt, va_list ap)
{
	char line[256];

	(void)cls;
	vsnprintf(line, sizeof(line), fmt, ap);
	line[strcspn(line, "\n")] = '\0';
	log_debug("control socket: %s", line);
}

static int start(struct http *h, int fd)
{
	const union MHD_DaemonInfo *info;
	int r;

	h->mhd = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0,
				  NULL, NULL, on_access, h,
				  MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
				  MHD_OPTION_LISTEN_SOCKET, fd,
				  MHD_OPTION_CONNECTION_LIMIT, (unsigned int)HTTP_CONNECTIONS_MAX,
				  MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)IDLE_TIMEOUT_S,
				  MHD_OPTION_URI_LOG_CALLBACK, on_uri, h,
				  MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
				  MHD_OPTION_NOTIFY_CONNECTION, on_connection, h,
				  MHD_OPTION_END);
	if (!h->mhd)
		return errno ? -errno : -EIO;
	info = MHD_get_daemon_info(h->mhd, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info)
		return -EIO;
	r = loop_io_new(h->loop, info->epoll_fd, LOOP_IN, on_ready, h, &h->io);
	if (r)
		return r;
	r = loop_timer_new(h->loop, UINT64_MAX, on_timer, h, &h->timer);
	if (r)
		return r;
	rearm(h);
	return 0;
}

int http_new(struct loop *loop, struct control *control, const char *path, struct http **ret_http,
	     struct err *e)
{
	struct http *h = calloc(1, sizeof(*h));
	int fd, r;

	if (!h)
		return err_set(e, -ENOMEM, "out of memory");
	h->loop = loop;
	h->control = control;
	r = http_socket_listen(path, &h->socket_stat, &fd, e);
	if (r) {
		free(h);
		return r;
	}
	h->path = strdup(path);
	errno = 0;
	/* The descriptor is libmicrohttpd's from here on, also when it fails to start. */
	r = h->path ? start(h, fd) : -ENOMEM;
	if (r) {
		http_free(h);
		return err_set(e, r, "cannot serve requests on %s: %s", path, strerror(-r));
	}
	*ret_http = h;
	return 0;
}

/*
 * Who still waits, or asks only now, hears that we stop: control may be half made, and a
 * connection that it suspended would be the end of us. Answers go out as far as the sockets
 * take them.
 */
static void flush(struct http *h)
{
	h->stopping = true;
	while (h->waiting) {
		struct request *r = h->waiting;

		if (r->sleeping) { /* it ends here */
			r->sleeping = false;
			resume(r);
			continue;
		}
		r->ticket->request = NULL; /* the answer that may still come finds nobody */
		r->ticket = NULL;
		answer(r, MHD_HTTP_SERVICE_UNAVAILABLE, STOPPING);
		resume(r);
	}
	for (int i = 0; i < FLUSH_ROUNDS; i++)
		MHD_run(h->mhd);
}

void http_free(struct http *h)
{
	if (!h)
		return;
	loop_io_free(h->io);
	loop_timer_free(h->timer);
	if (h->mhd) {
		flush(h);
		MHD_stop_daemon(h->mhd);
	}
	if (h->path)
		http_socket_unlink(h->path, &h->socket_stat);
	free(h->path);
	free(h);
}
