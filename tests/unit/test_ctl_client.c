/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How overlayctl talks to the daemon: answers whole and cut, of one body and of many lines. */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "ctl/client.h"
#include "ctl/ctl.h"
#include "ctl/response.h"

static char out[16384], complaint[16384];
static const char *run_dir;

static void assert_says(const char *text, const char *part)
{
	cr_assert(strstr(text, part), "\"%s\" does not say \"%s\"", text, part);
}

static int parse(const char *text, bool eof, struct response *r)
{
	*r = (struct response){ 0 };
	return response_parse(text, strlen(text), eof, r);
}

static void assert_body(const char *text, bool eof, int status, const char *body)
{
	struct response r;

	cr_assert_eq(parse(text, eof, &r), 1);
	cr_assert_eq(r.status, status);
	cr_assert_eq(r.body.len, strlen(body));
	cr_assert_eq(memcmp(r.body.data ? (char *)r.body.data : "", body, strlen(body)), 0);
	buf_fini(&r.body);
}

Test(response, a_length_a_chunked_and_an_endless_body_are_read)
{
	assert_body("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false, 200, "hello");
	assert_body("HTTP/1.1 404 Not Found\r\ncontent-length:2\r\n\r\n{}", false, 404, "{}");
	assert_body("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n"
		    "0\r\n\r\n", false, 200, "abc0123456789");
	assert_body("HTTP/1.0 200 OK\r\n\r\nuntil the end", true, 200, "until the end");
}

Test(response, every_cut_is_incomplete_and_an_error_at_the_end)
{
	const char *whole = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n";
	struct response r = { 0 };

	for (size_t len = 0; len < strlen(whole); len++) {
		cr_assert_eq(response_parse(whole, len, false, &r), 0, "at %zu", len);
		cr_assert_eq(response_parse(whole, len, true, &r), -EBADMSG, "at %zu", len);
	}
}

Test(response, what_is_no_http_is_refused)
{
	struct response r;

	cr_assert_eq(parse("SSH-2.0-OpenSSH\r\n\r\n", false, &r), -EBADMSG);
	cr_assert_eq(parse("HTTP/1.1 2x0 OK\r\n\r\n", false, &r), -EBADMSG);
	cr_assert_eq(parse("HTTP/1.1 200 OK\r\nContent-Length: banana\r\n\r\n", false, &r), -EBADMSG);
	cr_assert_eq(parse("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", false, &r),
		     -EBADMSG);
	cr_assert_eq(parse("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", false, &r), -EBADMSG);
	cr_assert_eq(parse("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", false, &r),
		     -EBADMSG);
	cr_assert_eq(parse("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n", false, &r),
		     -EBADMSG);
}

/*
 * A socket below /tmp that answers the first request with `text`, from a child. NULL: it never
 * answers, and interrupts who asked.
 */
static pid_t serve_once(char dir[64], const char *text)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	pid_t pid;

	strcpy(dir, "/tmp/ov-test-ctl-XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/overlayd.sock", dir);
	cr_assert_eq(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	cr_assert_eq(listen(fd, 1), 0);
	pid = fork();
	if (!pid) {
		char request[4096];
		int c = accept(fd, NULL, NULL);

		while (recv(c, request, sizeof(request), 0) > 0 && !strstr(request, "\r\n\r\n"))
			;
		if (text)
			send(c, text, strlen(text), MSG_NOSIGNAL);
		else
			kill(getppid(), SIGINT);
		alarm(60); /* should the test fail */
		while (!text)
			pause();
		_exit(0);
	}
	close(fd);
	return pid;
}

static void remove_socket(const char *dir)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/overlayd.sock", dir);
	unlink(path);
	rmdir(dir);
}

Test(ctl_client, the_client_reads_an_answer_from_the_socket)
{
	char dir[64];
	struct client client = { .run_dir = dir };
	struct err e = { 0 };
	json_t *value = NULL;
	int status = 0;
	pid_t server;

	server = serve_once(dir, "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{\"a\":1}");
	cr_assert_eq(client_call(&client, "GET", "/v1/status", NULL, &status, &value, &e), 0, "%s", e.text);
	cr_assert_eq(status, 200);
	cr_assert_eq(json_integer_value(json_object_get(value, "a")), 1);
	json_decref(value);
	waitpid(server, NULL, 0); /* it is gone, its socket's name is not */
	cr_assert_lt(client_call(&client, "GET", "/v1/status", NULL, &status, &value, &e), 0);
	assert_says(e.text, "overlayd is not running");
	assert_says(e.text, dir);
	remove_socket(dir);
}

Test(ctl_client, an_answer_cut_short_is_an_error)
{
	char dir[64];
	struct client client = { .run_dir = dir };
	struct err e = { 0 };
	json_t *value = NULL;
	int status;

	serve_once(dir, "HTTP/1.1 200 OK\r\nContent-Length: 70\r\n\r\n{\"a\":1}");
	cr_assert_lt(client_call(&client, "GET", "/v1/status", NULL, &status, &value, &e), 0);
	assert_says(e.text, "hung up");
	remove_socket(dir);
}

Test(ctl_client, top_ends_quietly_while_the_daemon_hangs, .timeout = 60)
{
	char dir[64], *argv[] = { "overlayctl", "top", NULL };
	struct client client = { .run_dir = dir };
	struct ctl c = { .call = client_call, .ctx = &client, .run_dir = &run_dir, .stop = &client.stop };
	pid_t server = serve_once(dir, NULL);

	c.out = fmemopen(out, sizeof(out), "w");
	c.err = fmemopen(complaint, sizeof(complaint), "w");
	cr_assert_eq(ctl_run(&c, 2, argv), 0);
	fclose(c.out);
	fclose(c.err);
	cr_assert_str_empty(out);
	cr_assert_str_empty(complaint);
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	remove_socket(dir);
}

static int begun, lines;

static bool count_begun(void *arg)
{
	(void)arg;
	begun++;
	return true;
}

static bool count_line(void *arg, const char *text, size_t len)
{
	(void)arg, (void)text, (void)len;
	lines++;
	return true;
}

static int stream_of(const char *answer_text, int *ret_status)
{
	static const volatile sig_atomic_t stop;
	const struct client_listener listener = { count_begun, count_line, NULL };
	char dir[64];
	struct client client = { .run_dir = dir };
	struct err e = { 0 };
	json_t *value = NULL;
	int r;

	begun = lines = 0;
	serve_once(dir, answer_text);
	r = client_stream(&client, "/v1/capture", NULL, &stop, &listener, ret_status, &value, &e);
	json_decref(value);
	remove_socket(dir);
	return r;
}

Test(ctl_client, an_answer_of_lines_begins_with_its_status_and_not_with_a_line)
{
	int status;

	cr_assert_eq(stream_of("HTTP/1.0 200 OK\r\n\r\n", &status), -ECONNRESET);
	cr_assert(begun == 1 && lines == 0);
	cr_assert_eq(stream_of("HTTP/1.0 200 OK\r\n\r\n{}\n\n{}\n", &status), -ECONNRESET);
	cr_assert(begun == 1 && lines == 2);
	cr_assert_eq(stream_of("HTTP/1.0 404 Not Found\r\nContent-Length: 2\r\n\r\n{}", &status), 0);
	cr_assert_eq(status, 404);
	cr_assert(begun == 0 && lines == 0);
}

Test(ctl_client, a_daemon_that_is_not_there_is_said)
{
	struct client client = { .run_dir = "/does/not/exist" };
	struct err e = { 0 };
	json_t *value = NULL;
	int status;

	cr_assert_lt(client_call(&client, "GET", "/v1/status", NULL, &status, &value, &e), 0);
	assert_says(e.text, "/does/not/exist/overlayd.sock");
	assert_says(e.text, "overlayd is not running");
}
