/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dnsd_inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "sock.h"
#include "sys/netns.h"
#include "sys/sk_lookup.h"

static void on_udp(void *arg, unsigned int events)
{
	(void)events;
	datagrams_take(arg);
}

static void on_tcp(void *arg, unsigned int events)
{
	(void)events;
	stream_accept(arg);
}

/* ---- sockets ---- */

static int bind_inside(int type, uint16_t port, int *ret_fd)
{
	const struct sockname name = { addr_from_v4(DNSD_ADDR), port };
	int fd = sock_bind(&name, type, NULL); /* place_error says it */

	if (fd < 0)
		return fd;
	*ret_fd = fd;
	return 0;
}

/* Whatever port it is: nobody asks there. */
static int bind_aside(int type, int *ret_fd)
{
	int r = bind_inside(type, DNSD_PORT_ASIDE, ret_fd);

	return r == -EADDRINUSE ? bind_inside(type, 0, ret_fd) : r;
}

/* Sends packets as they are, and hears none. Bound, so that they are routed as a UDP socket's. */
static int open_raw(int *ret_fd)
{
	const struct sockaddr_in from = { .sin_family = AF_INET,
					  .sin_addr.s_addr = htonl(DNSD_ADDR) };
	_cleanup_(closep) int fd = socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
					  IPPROTO_RAW);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&from, sizeof(from)) < 0)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* In the namespace of the place: a socket stays in the one in which it was made. */
static int open_aside(void *arg)
{
	struct place *p = arg;
	int r = bind_aside(SOCK_DGRAM, &p->udp);

	if (!r)
		r = bind_aside(SOCK_STREAM, &p->tcp);
	return r ? r : open_raw(&p->raw);
}

static int open_at_port(void *arg)
{
	struct place *p = arg;
	int r = bind_inside(SOCK_DGRAM, DNSD_PORT, &p->udp);

	return r < 0 ? r : bind_inside(SOCK_STREAM, DNSD_PORT, &p->tcp);
}

static void close_sockets(struct place *p)
{
	int *const fd[] = { &p->link, &p->udp, &p->tcp, &p->raw };

	for (size_t i = 0; i < ARRAY_SIZE(fd); i++) {
		closep(fd[i]);
		*fd[i] = -1;
	}
}

/* Of a kernel that cannot, this is true of every namespace: said once. */
static void tell_unsteered(struct place *p, int error)
{
	if (!p->d->has_told_unsteered)
		log_warn("the kernel cannot steer DNS in %s (%s): overlayd binds 127.0.0.11:53 there, so "
			 "no program inside can bind port 53 of all addresses; other namespaces where it "
			 "is so are not named", p->path, strerror(-error));
	p->d->has_told_unsteered = true;
}

static int open_sockets(struct place *p, int netns)
{
	int r = netns_run(netns, open_aside, p);

	if (r)
		return r;
	r = sk_lookup_attach(netns, p->udp, p->tcp, &p->link);
	if (!r)
		return 0;
	tell_unsteered(p, r);
	close_sockets(p);
	return netns_run(netns, open_at_port, p);
}

/* ---- life ---- */

static int place_error(const struct dnsd_place *at, int error, struct err *e)
{
	switch (error) {
	case -ENOENT:
	case -ESTALE:
		return err_set(e, error, "no DNS in %s: that namespace is gone", at->netns);
	case -EADDRINUSE:
		return err_set(e, error, "no DNS in %s: 127.0.0.11 port 53 is taken there; stop the "
			       "program that has it (`ss -lnp` inside)", at->netns);
	case -EADDRNOTAVAIL:
		return err_set(e, error, "no DNS in %s: 127.0.0.11 is no address there; bring its "
			       "loopback device up", at->netns);
	default:
		return err_set(e, error, "no DNS in %s: %s", at->netns, strerror(-error));
	}
}

/* A path may lead to another namespace by now. */
static int enter_and_open(struct place *p, const char *path)
{
	_cleanup_(closep) int fd = -1;
	struct place_key is;
	int r = netns_open(path, &fd);

	if (!r)
		r = netns_identify(fd, &is.dev, &is.ino);
	if (r < 0)
		return r;
	if (is.dev != p->key.dev || is.ino != p->key.ino)
		return -ESTALE;
	return open_sockets(p, fd);
}

int place_open(struct dnsd *d, const struct dnsd_place *at, struct place **ret_place, struct err *e)
{
	struct place *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return err_set(e, -ENOMEM, "out of memory");
	*p = (struct place){ .d = d, .key = { at->netns_dev, at->netns_ino }, .id = ++d->last_id,
			     .udp = -1, .tcp = -1, .raw = -1, .link = -1 };
	p->path = strdup(at->netns);
	r = p->path ? enter_and_open(p, p->path) : -ENOMEM;
	if (r >= 0)
		r = loop_io_new(d->loop, p->udp, LOOP_IN, on_udp, p, &p->udp_io);
	if (r >= 0)
		r = loop_io_new(d->loop, p->tcp, LOOP_IN, on_tcp, p, &p->tcp_io);
	if (r < 0) {
		place_close(p);
		return place_error(at, r, e);
	}
	*ret_place = p;
	return 0;
}

bool place_is_there(const struct place *p)
{
	struct stat st;

	return !stat(p->path, &st) && st.st_dev == p->key.dev && st.st_ino == p->key.ino;
}

/* A socket that `ss -K` destroyed is open to us still, and bound to nothing. */
static bool is_bound(int fd)
{
	struct sockaddr_in name = { 0 };
	socklen_t len = sizeof(name);

	return !getsockname(fd, (struct sockaddr *)&name, &len) && name.sin_port;
}

static bool listens(int fd)
{
	int is = 0;
	socklen_t len = sizeof(is);

	return !getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is, &len) && is;
}

bool place_works(const struct place *p)
{
	return is_bound(p->udp) && listens(p->tcp) && (p->link < 0 || sk_lookup_is_attached(p->link));
}

void place_close(struct place *p)
{
	stream_close_of(p);
	loop_io_free(p->udp_io);
	loop_io_free(p->tcp_io);
	close_sockets(p);
	free(p->network);
	free(p->path);
	free(p);
}
