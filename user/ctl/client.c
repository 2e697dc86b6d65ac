/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "client_inside.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "response.h"

/* After this long a person wants to know that we wait. */
#define PATIENCE_MS 1000
#define READ_SIZE 65536

static int fail_connect(const char *path, int code, struct err *e)
{
	if (code == -EACCES || code == -EPERM)
		return err_set(e, code, "no permission to talk to overlayd at %s: run this as root", path);
	if (code == -ENOENT || code == -ECONNREFUSED || code == -ENOTDIR)
		return err_set(e, code, "overlayd is not running (no answer on %s): start it with "
			       "`overlayd --attach IFACE`, or name its --run-dir", path);
	return err_set(e, code, "cannot talk to overlayd at %s: %s", path, strerror(-code));
}

static bool is_stopped(const struct client *c)
{
	return c->stop && *c->stop;
}

int client_connect(const struct client *c, int *ret_fd, struct err *e)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return err_set(e, -errno, "cannot make a socket: %s", strerror(errno));
	if ((size_t)snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/overlayd.sock", c->run_dir) >=
	    sizeof(sun.sun_path))
		return err_set(e, -ENAMETOOLONG, "--run-dir %s is too long for a socket's path", c->run_dir);
	while (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0)
		if (errno != EINTR || is_stopped(c))
			return fail_connect(sun.sun_path, -errno, e);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int send_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

int client_send(int fd, const char *version, const char *method, const char *path,
		const json_t *body, struct err *e)
{
	_cleanup_(freep) char *text = body ? json_dumps(body, JSON_COMPACT) : strdup("");
	_cleanup_(freep) char *head = NULL;
	int r;

	if (!text || asprintf(&head, "%s %s HTTP/%s\r\nHost: overlayd\r\nConnection: close\r\n"
			      "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
			      method, path, version, strlen(text)) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	r = send_all(fd, head, strlen(head));
	if (!r)
		r = send_all(fd, text, strlen(text));
	/* A server that refuses a body early answers and hangs up: the answer says more than EPIPE. */
	if (r && r != -EPIPE && r != -ECONNRESET)
		return err_set(e, r, "cannot send the request: %s", strerror(-r));
	return 0;
}

/*
 * Waits for bytes; says so once it takes long. It looks up now and then, too: a signal that comes
 * just before poll does not end that.
 */
static int wait_readable(const struct client *c, int fd, bool *shown)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	while (!is_stopped(c)) {
		int n = poll(&p, 1, PATIENCE_MS);

		if (n > 0 || (n < 0 && errno != EINTR))
			return 0;
		if (n || *shown || !c->progress)
			continue;
		*shown = true;
		fputs("waiting for overlayd...", c->progress);
		fflush(c->progress);
	}
	return -EINTR;
}

/* More bytes: 0, also at the end (*ret_ended), or a negative errno. */
static int receive_some(int fd, struct buf *in, bool *ret_ended)
{
	_cleanup_(freep) char *chunk = malloc(READ_SIZE);
	ssize_t n = chunk ? recv(fd, chunk, READ_SIZE, 0) : 0;

	if (n < 0)
		return -errno;
	if (n > 0)
		buf_put(in, chunk, (size_t)n);
	*ret_ended = !n;
	return !chunk || in->failed || in->len > RESPONSE_MAX ? -ENOMEM : 0;
}

static int receive(const struct client *c, int fd, struct response *ret_response)
{
	_cleanup_(buf_fini) struct buf in = { 0 };
	bool shown = false, ended = false;
	int r = 0;

	while (!r) {
		r = wait_readable(c, fd, &shown);
		if (!r)
			r = receive_some(fd, &in, &ended);
		if (!r)
			r = response_parse((const char *)in.data, in.len, ended, ret_response);
		else if (r == -EINTR && !is_stopped(c))
			r = 0;
	}
	if (shown)
		fputs("\r\033[K", c->progress);
	return r < 0 ? r : 0;
}

int client_call(void *ctx, const char *method, const char *path, const json_t *body,
		int *ret_status, json_t **ret_value, struct err *e)
{
	const struct client *c = ctx;
	_cleanup_(closep) int fd = -1;
	struct response response = { 0 };
	json_error_t where;
	json_t *value;
	int r;

	r = client_connect(c, &fd, e);
	if (!r)
		r = client_send(fd, "1.1", method, path, body, e);
	if (r)
		return r;
	r = receive(c, fd, &response);
	if (r == -EINTR)
		return err_set(e, r, "stopped while waiting for overlayd");
	if (r)
		return err_set(e, r, "overlayd hung up before it had answered (%s): its log says why",
			       strerror(-r));
	value = json_loadb((const char *)response.body.data, response.body.len, JSON_DECODE_ANY, &where);
	buf_fini(&response.body);
	if (!value)
		return err_set(e, -EBADMSG, "the answer on %s/overlayd.sock (status %d) is not JSON: is it "
			       "overlayd that listens there?", c->run_dir, response.status);
	*ret_status = response.status;
	*ret_value = value;
	return 0;
}
