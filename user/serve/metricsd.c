/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libmicrohttpd without a thread of its own, as in http.c. The page is kept for a second or
 * longer and shared by all who ask in it: however many scrape, and however large the cluster,
 * the loop spends a twentieth of its time on it at most.
 */
#include "metricsd.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "front/metrics.h"
#include "sock.h"

#define PAGE_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define PLAIN_TYPE "text/plain; charset=utf-8"

struct metricsd {
	struct loop *loop;
	struct control *control;
	struct MHD_Daemon *mhd;
	struct loop_io *io;
	struct loop_timer *timer;
	bool closed_one;   /* since MHD_run began */
	struct MHD_Response *page; /* counts who sends it */
	uint64_t fresh_until; /* when it may be made anew */
};

static void rearm(struct metricsd *m)
{
	unsigned long long ms;

	if (MHD_get_timeout(m->mhd, &ms) == MHD_YES)
		loop_timer_set(m->timer, loop_now_ms(m->loop) + ms);
	else
		loop_timer_set(m->timer, UINT64_MAX);
}

/* Why it is run again when a connection closed: http.c. */
static void run(void *arg)
{
	struct metricsd *m = arg;

	do {
		m->closed_one = false;
		MHD_run(m->mhd);
	} while (m->closed_one);
	rearm(m);
}

static void on_ready(void *arg, unsigned int events)
{
	(void)events;
	run(arg);
}

static void on_connection(void *cls, struct MHD_Connection *conn, void **socket_context,
			  enum MHD_ConnectionNotificationCode what)
{
	struct metricsd *m = cls;

	(void)conn;
	(void)socket_context;
	if (what == MHD_CONNECTION_NOTIFY_CLOSED)
		m->closed_one = true;
}

static void on_log(void *cls, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
static void on_log(void *cls, const char *fmt, va_list ap)
{
	char line[256];

	(void)cls;
	vsnprintf(line, sizeof(line), fmt, ap);
	line[strcspn(line, "\n")] = '\0';
	log_debug("metrics: %s", line);
}

static enum MHD_Result send_sentence(struct MHD_Connection *conn, unsigned int status, const char *text)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, PLAIN_TYPE);
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	result = MHD_queue_response(conn, status, response);
	MHD_destroy_response(response);
	return result;
}

static void forget_page(struct metricsd *m)
{
	if (m->page)
		MHD_destroy_response(m->page);
	m->page = NULL;
}

static int make_page(struct metricsd *m, struct err *e)
{
	_cleanup_(buf_fini) struct buf text = { 0 };
	uint64_t now = loop_now_ms(m->loop), took;
	int r;

	if (m->page && now < m->fresh_until)
		return 0;
	forget_page(m);
	r = metrics_text(m->control, &text, e);
	if (r)
		return r;
	m->page = MHD_create_response_from_buffer(text.len, text.data, MHD_RESPMEM_MUST_FREE);
	if (!m->page)
		return err_set(e, -ENOMEM, "out of memory");
	text = (struct buf){ 0 };
	MHD_add_response_header(m->page, MHD_HTTP_HEADER_CONTENT_TYPE, PAGE_TYPE);
	took = loop_now_ms(m->loop) - now;
	m->fresh_until = now + (took * METRICSD_REST > METRICSD_FRESH_MS ? took * METRICSD_REST : METRICSD_FRESH_MS);
	return 0;
}

static enum MHD_Result on_access(void *cls, struct MHD_Connection *conn, const char *url,
				 const char *method, const char *version, const char *upload,
				 size_t *upload_len, void **con_cls)
{
	struct metricsd *m = cls;
	struct err e = { 0 };

	(void)version;
	(void)upload;
	(void)upload_len;
	(void)con_cls;
	/* Answered with the headers: a body is never read. */
	if (strcmp(method, MHD_HTTP_METHOD_GET) && strcmp(method, MHD_HTTP_METHOD_HEAD))
		return send_sentence(conn, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET is possible here\n");
	if (strcmp(url, "/metrics"))
		return send_sentence(conn, MHD_HTTP_NOT_FOUND, "there is only /metrics here\n");
	if (make_page(m, &e)) {
		log_warn("metrics: %s", e.text);
		return send_sentence(conn, MHD_HTTP_INTERNAL_SERVER_ERROR, e.text);
	}
	return MHD_queue_response(conn, MHD_HTTP_OK, m->page);
}

static int start(struct metricsd *m, int fd)
{
	const union MHD_DaemonInfo *info;
	int r;

	m->mhd = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_access, m,
				  MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
				  MHD_OPTION_LISTEN_SOCKET, fd,
				  MHD_OPTION_CONNECTION_LIMIT, (unsigned int)METRICSD_CONNECTIONS_MAX,
				  MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)METRICSD_CONNECTION_MEMORY,
				  MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)METRICSD_IDLE_S,
				  MHD_OPTION_NOTIFY_CONNECTION, on_connection, m,
				  MHD_OPTION_END);
	if (!m->mhd)
		return errno ? -errno : -EIO;
	info = MHD_get_daemon_info(m->mhd, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info)
		return -EIO;
	r = loop_io_new(m->loop, info->epoll_fd, LOOP_IN, on_ready, m, &m->io);
	if (!r)
		r = loop_timer_new(m->loop, UINT64_MAX, run, m, &m->timer);
	if (!r)
		rearm(m);
	return r;
}

int metricsd_new(struct loop *loop, struct control *control, const struct sockname *at,
		 struct metricsd **ret_metricsd, struct err *e)
{
	struct metricsd *m = calloc(1, sizeof(*m));
	char text[SOCKNAME_TEXT_MAX];
	struct err why = { 0 };
	int fd, r;

	if (!m)
		return err_set(e, -ENOMEM, "out of memory");
	m->loop = loop;
	m->control = control;
	fd = sock_bind(at, SOCK_STREAM, &why);
	if (fd < 0) {
		free(m);
		return err_set(e, fd, "--metrics %s: %s", sockname_format(at, text), why.text);
	}
	errno = 0;
	r = start(m, fd); /* the descriptor is libmicrohttpd's from here on */
	if (r) {
		metricsd_free(m);
		return err_set(e, r, "--metrics %s: cannot serve there: %s", sockname_format(at, text),
			       strerror(-r));
	}
	*ret_metricsd = m;
	return 0;
}

void metricsd_free(struct metricsd *m)
{
	if (!m)
		return;
	loop_io_free(m->io);
	loop_timer_free(m->timer);
	if (m->mhd)
		MHD_stop_daemon(m->mhd);
	forget_page(m);
	free(m);
}
