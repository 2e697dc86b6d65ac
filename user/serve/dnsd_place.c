/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dnsd_inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "sock.h"
#include "sys/netns.h"

/* ---- datagrams ---- */

void place_send(struct place *p, const struct sockaddr_in *to, const void *data, size_t len)
{
	/* What the kernel does not take is as good as lost on the way: the asker asks again. */
	sendto(p->udp, data, len, MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)to,
	       sizeof(*to));
}

struct batch {
	struct mmsghdr msg[DNSD_BATCH];
	struct iovec iov[DNSD_BATCH];
	struct sockaddr_in from[DNSD_BATCH];
};

static void batch_put(struct batch *b, size_t i, void *data, size_t len)
{
	b->iov[i] = (struct iovec){ .iov_base = data, .iov_len = len };
	b->msg[i] = (struct mmsghdr){ .msg_hdr = {
		.msg_name = &b->from[i], .msg_namelen = sizeof(b->from[i]),
		.msg_iov = &b->iov[i], .msg_iovlen = 1,
	} };
}

/* Answers go out together, from the socket that was asked: their source is 127.0.0.11:53. */
static void answer_batch(struct place *p, const struct batch *in, unsigned int count,
			 uint8_t data[][DNSD_DATAGRAM_ROOM])
{
	struct dnsd *d = p->d;
	struct batch out;
	unsigned int n = 0;

	for (unsigned int i = 0; i < count; i++) {
		const struct pending asker = { .place = p, .to = in->from[i] };

		buf_reset(&d->tx[n]);
		if (dnsd_take(d, &asker, data[i], in->msg[i].msg_len, &d->tx[n]) != DNSD_REPLY)
			continue;
		out.from[n] = in->from[i];
		batch_put(&out, n, d->tx[n].data, d->tx[n].len);
		n++;
	}
	if (n)
		sendmmsg(p->udp, out.msg, n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Returns how many datagrams were there, at most DNSD_BATCH. */
static unsigned int receive_batch(struct place *p)
{
	uint8_t data[DNSD_BATCH][DNSD_DATAGRAM_ROOM];
	struct batch in;
	int n;

	for (size_t i = 0; i < DNSD_BATCH; i++)
		batch_put(&in, i, data[i], sizeof(data[i]));
	n = recvmmsg(p->udp, in.msg, DNSD_BATCH, MSG_DONTWAIT, NULL);
	if (n <= 0)
		return 0;
	answer_batch(p, &in, (unsigned int)n, data);
	return (unsigned int)n;
}

static void on_udp(void *arg, unsigned int events)
{
	struct place *p = arg;
	unsigned int seen = 0, n;

	(void)events;
	do {
		n = receive_batch(p);
		seen += n;
	} while (n == DNSD_BATCH && seen < DNSD_DATAGRAMS_PER_WAKE);
}

static void on_tcp(void *arg, unsigned int events)
{
	(void)events;
	stream_accept(arg);
}

/* ---- life ---- */

static int bind_inside(int type, int *ret_fd)
{
	const struct sockname name = { addr_from_v4(DNSD_ADDR), DNSD_PORT };
	int fd = sock_bind(&name, type, NULL); /* place_error says it */

	if (fd < 0)
		return fd;
	*ret_fd = fd;
	return 0;
}

/* In the namespace of the place: a socket stays in the one in which it was made. */
static int open_inside(void *arg)
{
	struct place *p = arg;
	int r = bind_inside(SOCK_DGRAM, &p->udp);

	return r < 0 ? r : bind_inside(SOCK_STREAM, &p->tcp);
}

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
	return netns_run(fd, open_inside, p);
}

int place_open(struct dnsd *d, const struct dnsd_place *at, struct place **ret_place, struct err *e)
{
	struct place *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return err_set(e, -ENOMEM, "out of memory");
	*p = (struct place){ .d = d, .key = { at->netns_dev, at->netns_ino }, .id = ++d->last_id,
			     .udp = -1, .tcp = -1 };
	r = enter_and_open(p, at->netns);
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

void place_close(struct place *p)
{
	stream_close_of(p);
	loop_io_free(p->udp_io);
	loop_io_free(p->tcp_io);
	closep(&p->udp);
	closep(&p->tcp);
	free(p->network);
	free(p);
}
