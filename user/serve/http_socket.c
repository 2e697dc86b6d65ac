/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "http_socket.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"

#define BACKLOG 64

static int make_directories(const char *path, struct err *e)
{
	_cleanup_(freep) char *copy = strdup(path);

	if (!copy)
		return err_set(e, -ENOMEM, "out of memory");
	for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(copy, 0755) < 0 && errno != EEXIST)
			return err_set(e, -errno, "cannot make the directory %s: %s", copy,
				       strerror(errno));
		*slash = '/';
	}
	return 0;
}

static int set_path(struct sockaddr_un *sun, const char *path, struct err *e)
{
	*sun = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(sun->sun_path))
		return err_set(e, -ENAMETOOLONG,
			       "%s is too long for a socket (%zu characters at most): use a shorter "
			       "--run-dir", path, sizeof(sun->sun_path) - 1);
	strcpy(sun->sun_path, path);
	return 0;
}

/* 0 when somebody listens, -ECONNREFUSED when the socket is a dead daemon's. */
static int probe(const struct sockaddr_un *sun)
{
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	if (!connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) || errno == EAGAIN)
		return 0; /* EAGAIN: alive, with a full backlog */
	return -errno;
}

static int living(const char *path, struct err *e)
{
	return err_set(e, -EADDRINUSE,
		       "another overlayd answers on %s: stop it, or give this one a --run-dir of its own",
		       path);
}

/* Makes room for our socket, unless what is there is in use or not a socket. */
static int remove_stale(const struct sockaddr_un *sun, struct err *e)
{
	const char *path = sun->sun_path;
	struct stat st;
	int r;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : err_set(e, -errno, "cannot look at %s: %s", path,
						     strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, -EEXIST, "%s is there and is not a socket: move it away", path);
	r = probe(sun);
	if (!r)
		return living(path, e);
	if (r != -ECONNREFUSED)
		return err_set(e, r, "cannot tell whether a daemon listens on %s: %s", path,
			       strerror(-r));
	if (unlink(path) < 0 && errno != ENOENT)
		return err_set(e, -errno, "cannot remove the stale socket %s: %s", path,
			       strerror(errno));
	return 0;
}

/* The mask makes the mode right from birth: a chmod afterwards would leave a gap. */
static int bind_private(int fd, const struct sockaddr_un *sun)
{
	mode_t before = umask(0177);
	int r = bind(fd, (const struct sockaddr *)sun, sizeof(*sun)) < 0 ? -errno : 0;

	umask(before);
	return r;
}

int http_socket_listen(const char *path, struct stat *ret_stat, int *ret_fd, struct err *e)
{
	_cleanup_(closep) int fd = -1;
	struct sockaddr_un sun;
	int r;

	if ((r = set_path(&sun, path, e)) || (r = make_directories(path, e)) ||
	    (r = remove_stale(&sun, e)))
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_set(e, -errno, "cannot make a unix socket: %s", strerror(errno));
	r = bind_private(fd, &sun);
	if (r == -EADDRINUSE) /* somebody was quicker than us */
		return living(path, e);
	if (r || listen(fd, BACKLOG) < 0 || lstat(path, ret_stat) < 0) {
		r = r ? r : -errno;
		return err_set(e, r, "cannot listen on %s: %s", path, strerror(-r));
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}

void http_socket_unlink(const char *path, const struct stat *made)
{
	struct stat st;

	if (!lstat(path, &st) && st.st_dev == made->st_dev && st.st_ino == made->st_ino)
		unlink(path);
}
