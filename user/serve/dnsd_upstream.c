/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dnsd_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "dns/resolv.h"
#include "sock.h"

/* One exchange with one of the host's resolvers, by a socket of its own. */
struct upstream {
	UT_hash_handle hh;
	uint64_t exchange;
	struct dnsd *d;
	bool tcp;
	int fd;
	struct loop_io *io;
	struct buf out;  /* TCP: what is still to be sent */
	size_t sent;
	struct frame in; /* TCP */
};

static void upstream_free(struct upstream *u)
{
	loop_io_free(u->io);
	closep(&u->fd);
	buf_fini(&u->out);
	frame_fini(&u->in);
	free(u);
}

/* The last thing a callback does: the exchange may be over by it, and u gone. */
static void tell(struct upstream *u, int error, const void *data, size_t len)
{
	struct dnsd *d = u->d;

	dns_forward_reply(d->forward, u->exchange, error, data, len, loop_now_ms(d->loop));
	dnsd_drain(d);
}

/* One a wake-up: nobody but the one we asked can send here, and it has one thing to say. */
static void on_datagram(void *arg, unsigned int events)
{
	struct upstream *u = arg;
	ssize_t n = recv(u->fd, u->d->room, sizeof(u->d->room), MSG_DONTWAIT);

	(void)events;
	if (n >= 0)
		tell(u, 0, u->d->room, (size_t)n);
	else if (errno != EAGAIN && errno != EINTR)
		tell(u, -errno, NULL, 0);
}

static int transmit(struct upstream *u)
{
	ssize_t n = sock_error(u->fd);

	if (n < 0)
		return (int)n;
	n = send(u->fd, u->out.data + u->sent, u->out.len - u->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	u->sent += (size_t)n;
	if (u->sent == u->out.len)
		loop_io_set(u->io, LOOP_IN);
	return 0;
}

static int receive(struct upstream *u)
{
	ssize_t n = recv(u->fd, u->d->room, sizeof(u->d->room), MSG_DONTWAIT), used;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (!n)
		return -ECONNRESET;
	used = frame_feed(&u->in, u->d->room, (size_t)n);
	return used < 0 ? (int)used : 0;
}

static void on_stream(void *arg, unsigned int events)
{
	struct upstream *u = arg;
	int r = u->sent < u->out.len ? transmit(u) : receive(u);
	struct buf reply;

	(void)events;
	if (r < 0) {
		tell(u, r, NULL, 0);
		return;
	}
	if (!frame_is_complete(&u->in))
		return;
	reply = u->in.body;
	u->in.body = (struct buf){ 0 };
	tell(u, 0, reply.data, reply.len);
	buf_fini(&reply);
}

static int start_udp(struct upstream *u, const struct dns_forward_output *o)
{
	int r = loop_io_new(u->d->loop, u->fd, LOOP_IN, on_datagram, u, &u->io);

	if (r < 0)
		return r;
	return send(u->fd, o->data, o->len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int start_tcp(struct upstream *u, const struct dns_forward_output *o)
{
	u->in = (struct frame){ .narrow = true, .max = DNS_TCP_MAX };
	buf_u16(&u->out, (uint16_t)o->len);
	buf_put(&u->out, o->data, o->len);
	if (u->out.failed)
		return -ENOMEM;
	return loop_io_new(u->d->loop, u->fd, LOOP_OUT, on_stream, u, &u->io);
}

static int try_open(struct dnsd *d, const struct dns_forward_output *o)
{
	const struct sockname to = { o->to.addr, o->to.port };
	struct upstream *u = calloc(1, sizeof(*u));
	int r;

	if (!u)
		return -ENOMEM;
	u->d = d;
	u->exchange = o->exchange;
	u->tcp = o->type == DNS_OUT_TCP;
	u->fd = u->tcp ? sock_connect(&to, NULL) : sock_connect_datagram(&to);
	r = u->fd;
	if (r >= 0)
		r = u->tcp ? start_tcp(u, o) : start_udp(u, o);
	if (r >= 0) {
		HASH_ADD(hh, d->upstreams, exchange, sizeof(u->exchange), u);
		r = u->hh.tbl ? 0 : -ENOMEM; /* uthash could not grow */
	}
	if (r < 0)
		upstream_free(u);
	return r;
}

void upstream_open(struct dnsd *d, const struct dns_forward_output *o)
{
	uint64_t exchange = o->exchange;
	int r = try_open(d, o);

	if (r < 0)
		dns_forward_reply(d->forward, exchange, r, NULL, 0, loop_now_ms(d->loop));
}

void upstream_close(struct dnsd *d, uint64_t exchange)
{
	struct upstream *u;

	HASH_FIND(hh, d->upstreams, &exchange, sizeof(exchange), u);
	if (!u)
		return; /* could not be opened */
	HASH_DEL(d->upstreams, u);
	upstream_free(u);
}

void upstream_close_all(struct dnsd *d)
{
	struct upstream *u, *next;

	HASH_ITER(hh, d->upstreams, u, next) {
		HASH_DEL(d->upstreams, u);
		upstream_free(u);
	}
}

/* ---- resolv.conf ---- */

static uint64_t mtime_ns(const struct stat *st)
{
	return (uint64_t)st->st_mtim.tv_sec * 1000000000u + (uint64_t)st->st_mtim.tv_nsec;
}

/* A file that is not there has no resolvers, and differs from any that is. */
static bool has_changed(struct resolv_watch *w)
{
	struct resolv_watch was = *w;
	struct stat st = { 0 };

	if (stat(w->path, &st) < 0)
		st = (struct stat){ 0 };
	w->dev = st.st_dev;
	w->ino = st.st_ino;
	w->size = (uint64_t)st.st_size;
	w->mtime_ns = mtime_ns(&st);
	return was.dev != w->dev || was.ino != w->ino || was.size != w->size ||
	       was.mtime_ns != w->mtime_ns;
}

static size_t read_upstreams(const char *path, struct dns_upstream upstream[DNS_UPSTREAM_MAX])
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	_cleanup_(freep) char *text = malloc(RESOLV_CONF_MAX);
	ssize_t len = fd < 0 || !text ? -1 : read(fd, text, RESOLV_CONF_MAX);

	return len < 0 ? 0 : resolv_parse(text, (size_t)len, upstream);
}

void resolv_check(struct dnsd *d)
{
	struct dns_upstream upstream[DNS_UPSTREAM_MAX];
	uint64_t now = loop_now_ms(d->loop);

	if (now < d->resolv.check_at)
		return;
	d->resolv.check_at = now + DNSD_RESOLV_CHECK_MS;
	if (has_changed(&d->resolv))
		dns_forward_set_upstreams(d->forward, upstream,
					  read_upstreams(d->resolv.path, upstream), now);
}
