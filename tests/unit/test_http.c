/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The control socket: real bytes over a real unix socket, server and clients in one loop. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "loop/loop.h"
#include "serve/http.h"
#include "tests/lib/fake_host.h"

static struct fake_host f;
static struct loop *loop;
static struct http *http;
static char dir[64], path[128];

static int serve(struct http **ret_http, struct err *e)
{
	return http_new(loop, f.control, path, ret_http, e);
}

static void setup(void)
{
	struct err e = { 0 };

	log_init(LOG_LEVEL_ERROR);
	strcpy(dir, "/tmp/ov-test-http-XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/run/overlayd.sock", dir);
	fake_host_init(&f);
	cr_assert_eq(loop_new(&loop), 0);
	cr_assert_eq(serve(&http, &e), 0, "%s", e.text);
}

static void teardown(void)
{
	char run[128];

	http_free(http);
	fake_host_fini(&f);
	loop_free(loop);
	snprintf(run, sizeof(run), "%s/run", dir);
	unlink(path);
	rmdir(run);
	rmdir(dir);
}

TestSuite(http, .init = setup, .fini = teardown, .timeout = 30);

/* ---- a client that reads until the server closes or an answer is complete ---- */

struct client {
	int fd;
	struct loop_io *io;
	char in[8192];
	size_t len;
	const char *until; /* stop the loop when this has come */
	bool closed;
};

static void on_bytes(void *arg, unsigned int events)
{
	struct client *c = arg;
	ssize_t n = recv(c->fd, c->in + c->len, sizeof(c->in) - 1 - c->len, MSG_DONTWAIT);

	(void)events;
	if (n > 0)
		c->len += (size_t)n;
	else if (!n || errno != EAGAIN)
		c->closed = true;
	c->in[c->len] = '\0';
	if (c->closed || (c->until && strstr(c->in, c->until)))
		loop_stop(loop, 0);
	if (c->closed)
		loop_io_set(c->io, 0);
}

static void client_open(struct client *c)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	*c = (struct client){ 0 };
	strcpy(sun.sun_path, path);
	c->fd = socket(AF_UNIX, SOCK_STREAM, 0);
	cr_assert_eq(connect(c->fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	cr_assert_eq(loop_io_new(loop, c->fd, LOOP_IN, on_bytes, c, &c->io), 0);
}

static void client_close(struct client *c)
{
	loop_io_free(c->io);
	close(c->fd);
	c->io = NULL;
}

static void client_send(struct client *c, const char *text, size_t len)
{
	cr_assert_eq(send(c->fd, text, len, MSG_NOSIGNAL), (ssize_t)len);
}

static void client_wait(struct client *c, const char *until)
{
	c->until = until;
	if (!c->closed && !(until && strstr(c->in, until)))
		loop_run(loop);
	cr_assert(!until || strstr(c->in, until), "\"%s\" did not come: %s", until, c->in);
}

static void client_ask(struct client *c, const char *request, const char *until)
{
	client_send(c, request, strlen(request));
	client_wait(c, until);
}

static void until_nothing_is_left(void *arg)
{
	(void)arg;
	loop_stop(loop, 0);
}

/* Lets the loop do everything that is ready now. */
static void settle(void)
{
	struct loop_timer *t;

	for (int i = 0; i < 5; i++) {
		cr_assert_eq(loop_timer_new(loop, 0, until_nothing_is_left, NULL, &t), 0);
		loop_run(loop);
		loop_timer_free(t);
	}
}

static void post(char *out, size_t size, const char *to, const char *body)
{
	snprintf(out, size, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n%s", to,
		 strlen(body), body);
}

static void attach_while_held(struct client *c)
{
	char request[512];

	post(request, sizeof(request), "/v1/networks", "{\"Name\":\"app\",\"Subnet\":\"10.10.0.0/24\"}");
	client_ask(c, request, "201 Created");
	f.hold = true;
	post(request, sizeof(request), "/v1/endpoints", "{\"Network\":\"app\",\"Netns\":\"c1\"}");
	client_send(c, request, strlen(request));
	while (!f.waiting_count)
		settle();
}

/* ---- answers ---- */

Test(http, a_request_gets_its_answer_as_json)
{
	struct client c;

	client_open(&c);
	client_ask(&c, "GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n", "\"node-a\"");
	cr_assert(strstr(c.in, "HTTP/1.1 200 OK"));
	cr_assert(strstr(c.in, "Content-Type: application/json"));
	client_close(&c);
}

Test(http, one_connection_carries_several_requests)
{
	struct client c;

	client_open(&c);
	client_ask(&c, "GET /v1/networks HTTP/1.1\r\nHost: x\r\n\r\n", "[]");
	c.len = 0;
	client_ask(&c, "GET /v1/nodes HTTP/1.1\r\nHost: x\r\n\r\n", "node-a");
	client_close(&c);
}

Test(http, path_and_query_arrive_as_they_were_sent)
{
	struct client c;

	client_open(&c);
	client_ask(&c, "GET /v1/networks/a%2Fb HTTP/1.1\r\nHost: x\r\n\r\n", "}");
	cr_assert(strstr(c.in, "there is no network \\\"a/b\\\""), "%s", c.in);
	c.len = 0;
	client_ask(&c, "GET /v1/endpoints?network=a%26b HTTP/1.1\r\nHost: x\r\n\r\n", "a&b");
	client_close(&c);
}

Test(http, a_body_in_chunks_is_put_together)
{
	const char *start = "POST /v1/networks HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
			    "8\r\n{\"Name\":\r\n";
	struct client c;

	client_open(&c);
	client_send(&c, start, strlen(start));
	settle();
	client_ask(&c, "6\r\n\"app\"}\r\n0\r\n\r\n", "201 Created");
	client_close(&c);
}

Test(http, an_answer_may_come_later)
{
	struct client c;

	client_open(&c);
	attach_while_held(&c);
	c.len = 0;
	fake_host_apply(&f);
	client_wait(&c, "\"Netns\":\"/run/netns/c1\"");
	cr_assert(strstr(c.in, "HTTP/1.1 201 Created"));
	client_close(&c);
}

Test(http, others_are_served_while_one_waits)
{
	struct client waiting, other;

	client_open(&waiting);
	attach_while_held(&waiting);
	client_open(&other);
	client_ask(&other, "GET /v1/networks HTTP/1.1\r\nHost: x\r\n\r\n", "app");
	client_close(&other);
	fake_host_apply(&f);
	client_wait(&waiting, "/run/netns/c1");
	client_close(&waiting);
}

Test(http, a_client_that_left_before_its_answer_does_no_harm)
{
	struct client c, next;

	client_open(&c);
	attach_while_held(&c);
	client_close(&c);
	settle();
	fake_host_apply(&f);
	settle();
	client_open(&next);
	client_ask(&next, "GET /v1/endpoints HTTP/1.1\r\nHost: x\r\n\r\n", "/run/netns/c1");
	client_close(&next);
}

Test(http, a_client_that_leaves_in_the_middle_of_its_body_does_no_harm)
{
	struct client c, next;
	const char *half = "POST /v1/networks HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"Na";

	client_open(&c);
	client_send(&c, half, strlen(half));
	settle();
	client_close(&c);
	settle();
	client_open(&next);
	client_ask(&next, "GET /v1/networks HTTP/1.1\r\nHost: x\r\n\r\n", "[]");
	client_close(&next);
}

Test(http, who_waits_when_the_server_stops_is_told)
{
	struct client c;

	client_open(&c);
	attach_while_held(&c);
	c.len = 0;
	http_free(http);
	http = NULL;
	client_wait(&c, "overlayd is stopping");
	fake_host_apply(&f); /* the answer that comes now finds nobody */
	client_close(&c);
}

Test(http, who_asks_while_the_server_stops_is_refused)
{
	struct client first, c;
	char request[512];

	client_open(&first);
	post(request, sizeof(request), "/v1/networks", "{\"Name\":\"app\",\"Subnet\":\"10.10.0.0/24\"}");
	client_ask(&first, request, "201 Created");
	client_close(&first);
	f.hold = true;
	client_open(&c);
	post(request, sizeof(request), "/v1/endpoints", "{\"Network\":\"app\",\"Netns\":\"c1\"}");
	client_send(&c, request, strlen(request)); /* which the server has not seen yet */
	http_free(http);
	http = NULL;
	client_wait(&c, "overlayd is stopping");
	cr_assert_eq(f.waiting_count, 0, "it was carried out");
	client_close(&c);
}

Test(http, who_waits_is_told_when_the_control_goes_before_the_server)
{
	struct client c;

	client_open(&c);
	attach_while_held(&c);
	c.len = 0;
	control_free(f.control);
	f.control = NULL;
	client_wait(&c, "overlayd is stopping");
	fake_host_apply(&f);
	client_close(&c);
}

/* ---- bounds ---- */

Test(http, a_body_too_large_is_refused_with_413)
{
	size_t len = CONTROL_BODY_MAX + 1;
	char *body = malloc(len), head[128];
	struct client c;

	memset(body, ' ', len);
	snprintf(head, sizeof(head), "POST /v1/networks HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n",
		 len);
	client_open(&c);
	client_send(&c, head, strlen(head));
	for (size_t sent = 0; sent < len;) {
		ssize_t n = send(c.fd, body + sent, len - sent, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0)
			sent += (size_t)n;
		settle();
	}
	client_wait(&c, "65536 bytes");
	cr_assert(strstr(c.in, "HTTP/1.1 413"), "%s", c.in);
	free(body);
	client_close(&c);
}

Test(http, a_body_announced_far_too_large_is_refused_unread)
{
	struct client c;

	client_open(&c);
	client_ask(&c, "POST /v1/networks HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n",
		   "65536 bytes");
	cr_assert(strstr(c.in, "HTTP/1.1 413"), "%s", c.in);
	client_close(&c);
}

Test(http, bytes_that_are_no_http_are_answered_and_cut_off)
{
	struct client c;

	client_open(&c);
	client_ask(&c, "\x16\x03\x01 nonsense\r\n\r\n", NULL);
	while (!c.closed)
		loop_run(loop);
	client_close(&c);
}

Test(http, more_connections_than_the_limit_do_not_take_the_server_down)
{
	static struct client many[HTTP_CONNECTIONS_MAX + 8];
	struct client next;

	for (size_t i = 0; i < HTTP_CONNECTIONS_MAX + 8; i++) {
		client_open(&many[i]);
		settle(); /* those beyond the limit stay in the socket's queue */
	}
	for (size_t i = 0; i < HTTP_CONNECTIONS_MAX + 8; i++)
		client_close(&many[i]);
	settle();
	client_open(&next);
	client_ask(&next, "GET /v1/networks HTTP/1.1\r\nHost: x\r\n\r\n", "[]");
	client_close(&next);
}

/* ---- the socket ---- */

Test(http, the_socket_is_for_its_owner_alone)
{
	struct stat st;

	cr_assert_eq(lstat(path, &st), 0);
	cr_assert(S_ISSOCK(st.st_mode));
	cr_assert_eq(st.st_mode & 0777, 0600);
}

Test(http, a_living_daemons_socket_is_left_alone)
{
	struct http *second = NULL;
	struct err e = { 0 };
	struct client c;

	cr_assert_eq(serve(&second, &e), -EADDRINUSE);
	cr_assert(strstr(e.text, path), "%s", e.text);
	client_open(&c);
	client_ask(&c, "GET /v1/networks HTTP/1.1\r\nHost: x\r\n\r\n", "[]");
	client_close(&c);
}

Test(http, a_dead_daemons_socket_is_replaced)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct err e = { 0 };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct client c;

	http_free(http);
	http = NULL;
	strcpy(sun.sun_path, path);
	cr_assert_eq(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	close(fd); /* as after kill -9: the name stays, nobody listens */
	cr_assert_eq(serve(&http, &e), 0, "%s", e.text);
	client_open(&c);
	client_ask(&c, "GET /v1/networks HTTP/1.1\r\nHost: x\r\n\r\n", "[]");
	client_close(&c);
}

Test(http, a_file_that_is_no_socket_is_not_removed)
{
	struct http *second = NULL;
	struct err e = { 0 };

	http_free(http);
	http = NULL;
	fclose(fopen(path, "w"));
	cr_assert_eq(serve(&second, &e), -EEXIST);
	cr_assert(strstr(e.text, "not a socket"), "%s", e.text);
	cr_assert_eq(access(path, F_OK), 0);
}

Test(http, the_socket_is_gone_when_the_server_is)
{
	http_free(http);
	http = NULL;
	cr_assert_eq(access(path, F_OK), -1);
}

Test(http, a_path_too_long_for_a_socket_is_a_sentence)
{
	struct http *second = NULL;
	struct err e = { 0 };
	char longer[256];

	snprintf(longer, sizeof(longer), "%s/%0150d/overlayd.sock", dir, 0);
	cr_assert_eq(http_new(loop, f.control, longer, &second, &e), -ENAMETOOLONG);
	cr_assert(strstr(e.text, "--run-dir"), "%s", e.text);
}

/* ---- answers without an end ---- */

#define MONITOR "POST /v1/monitor HTTP/1.0\r\nContent-Length: 0\r\n\r\n"

static void tell(const char *text)
{
	f.told = text;
	cr_assert(f.more);
	f.more(f.more_arg);
}

static void look_again(void *arg)
{
	struct loop_timer **timer = arg;

	if (f.watchers == 0)
		loop_stop(loop, 0);
	else
		loop_timer_set(*timer, loop_now_ms(loop) + 10);
	if (f.watchers)
		tell("{}\n"); /* the sign of life by which it is noticed */
}

Test(http, lines_come_as_they_are_told)
{
	struct client c;

	client_open(&c);
	f.told = "{\"one\":1}\n";
	client_ask(&c, MONITOR, "{\"one\":1}\n");
	tell("{\"two\":2}\n");
	client_wait(&c, "{\"two\":2}\n");
	cr_assert(strstr(c.in, "\r\n\r\n{\"one\":1}\n{\"two\":2}\n"), "nothing between the lines: %s", c.in);
	client_close(&c);
}

Test(http, the_status_comes_before_the_first_line)
{
	struct client c;

	client_open(&c);
	client_ask(&c, MONITOR, "\r\n\r\n");
	cr_assert_eq(strncmp(c.in, "HTTP/1.0 200", 12) && strncmp(c.in, "HTTP/1.1 200", 12), 0, "%s", c.in);
	client_close(&c);
}

Test(http, a_client_that_leaves_ends_its_stream)
{
	struct loop_timer *timer;
	struct client c;

	client_open(&c);
	f.told = "{\"one\":1}\n";
	client_ask(&c, MONITOR, "one");
	cr_assert_eq(f.watchers, 1);
	client_close(&c);
	cr_assert_eq(loop_timer_new(loop, loop_now_ms(loop), look_again, &timer, &timer), 0);
	loop_run(loop);
	loop_timer_free(timer);
	cr_assert_eq(f.watchers, 0);
}

Test(http, a_server_that_stops_ends_streams_too)
{
	struct client c;

	client_open(&c);
	f.told = "{\"one\":1}\n";
	client_ask(&c, MONITOR, "one");
	http_free(http);
	http = NULL;
	cr_assert_eq(f.watchers, 0);
	client_close(&c);
}
