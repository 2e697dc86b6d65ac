/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DNS over TCP (RFC 7766): several questions on one connection, answered as
 * answers come. A connection ends when its peer has hung up and was told all, when
 * it is idle, or when it does not read what it asked for.
 */
#include "dnsd_inside.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/cleanup.h"

#define ACCEPTS_PER_WAKE 8
#define CHUNK 4096 /* bytes read a wake-up: some 80 questions */

struct stream {
	struct stream *prev, *next;
	UT_hash_handle hh;
	uint64_t id;
	struct place *place;
	int fd;
	struct loop_io *io;
	struct frame in;
	struct buf out;
	size_t sent;          /* of out */
	unsigned int waiting; /* for answers that come later */
	uint64_t idle_at;
	bool hung_up;         /* no more questions will come */
};

static void stream_close(struct stream *s)
{
	struct dnsd *d = s->place->d;

	DL_DELETE(d->streams, s);
	HASH_DELETE(hh, d->stream_by_id, s);
	s->place->stream_count--;
	loop_io_free(s->io);
	closep(&s->fd);
	frame_fini(&s->in);
	buf_fini(&s->out);
	free(s);
}

static size_t unsent(const struct stream *s)
{
	return s->out.len - s->sent;
}

static bool is_over(const struct stream *s)
{
	return s->out.failed || unsent(s) > DNSD_STREAM_OUT_MAX ||
	       (s->hung_up && !unsent(s) && !s->waiting);
}

/* Something whole came or went: the one silent longest stands first. */
static void touch(struct stream *s)
{
	struct dnsd *d = s->place->d;

	s->idle_at = loop_now_ms(d->loop) + DNSD_STREAM_IDLE_MS;
	DL_DELETE(d->streams, s);
	DL_APPEND(d->streams, s);
}

static void want_events(struct stream *s)
{
	unsigned int events = unsent(s) ? LOOP_OUT : 0;

	if (!s->hung_up && unsent(s) < DNSD_STREAM_OUT_HIGH)
		events |= LOOP_IN;
	/* To be closed by its own callback, which a socket that can be written brings about. */
	if (is_over(s))
		events = LOOP_OUT;
	loop_io_set(s->io, events);
}

static void queue(struct stream *s, const void *data, size_t len)
{
	if (s->sent == s->out.len) {
		buf_reset(&s->out);
		s->sent = 0;
	}
	buf_u16(&s->out, (uint16_t)len);
	buf_put(&s->out, data, len);
}

void stream_deliver(struct dnsd *d, uint64_t id, const void *data, size_t len)
{
	struct stream *s;

	HASH_FIND(hh, d->stream_by_id, &id, sizeof(id), s);
	if (!s)
		return;
	s->waiting--;
	queue(s, data, len);
	touch(s);
	want_events(s);
}

/* 0, or -EBADMSG: who sends no questions is hung up on. */
static int take_message(struct stream *s)
{
	const struct pending asker = { .place = s->place, .stream = s->id };
	_cleanup_(buf_fini) struct buf reply = { 0 };

	touch(s);
	s->waiting++; /* the answer may be delivered within the call */
	switch (dnsd_take(s->place->d, &asker, s->in.body.data, s->in.body.len, &reply)) {
	case DNSD_LATER:
		return 0;
	case DNSD_REPLY:
		s->waiting--;
		queue(s, reply.data, reply.len);
		return 0;
	case DNSD_NOTHING:
		break;
	}
	return -EBADMSG;
}

/* 0, or a negative errno that ends the connection. */
static int take_bytes(struct stream *s, const uint8_t *data, size_t len)
{
	int r = 0;

	while (len && !r) {
		ssize_t used = frame_feed(&s->in, data, len);

		if (used < 0)
			return (int)used;
		data += used;
		len -= (size_t)used;
		if (!frame_is_complete(&s->in))
			continue;
		r = take_message(s);
		frame_fini(&s->in);
	}
	return r;
}

static int receive(struct stream *s)
{
	uint8_t chunk[CHUNK];
	ssize_t n = recv(s->fd, chunk, sizeof(chunk), MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (!n)
		s->hung_up = true;
	return take_bytes(s, chunk, (size_t)n);
}

static int transmit(struct stream *s)
{
	ssize_t n = send(s->fd, s->out.data + s->sent, unsent(s), MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	s->sent += (size_t)n;
	if (!unsent(s))
		touch(s);
	return 0;
}

static void on_stream(void *arg, unsigned int events)
{
	struct stream *s = arg;
	struct dnsd *d = s->place->d;
	int r = 0;

	if (events & LOOP_IN && !s->hung_up && unsent(s) < DNSD_STREAM_OUT_HIGH)
		r = receive(s);
	if (!r && unsent(s))
		r = transmit(s);
	if (r < 0 || is_over(s))
		stream_close(s);
	else
		want_events(s);
	dnsd_arm(d);
}

/* Takes over fd when it succeeds. */
static int stream_new(struct place *p, int fd)
{
	struct stream *s = calloc(1, sizeof(*s));
	struct dnsd *d = p->d;

	if (!s)
		return -ENOMEM;
	*s = (struct stream){ .place = p, .fd = fd, .id = ++d->last_id,
			      .in = { .narrow = true, .max = DNSD_STREAM_QUERY_MAX },
			      .idle_at = loop_now_ms(d->loop) + DNSD_STREAM_IDLE_MS };
	HASH_ADD(hh, d->stream_by_id, id, sizeof(s->id), s);
	if (!s->hh.tbl || loop_io_new(d->loop, fd, LOOP_IN, on_stream, s, &s->io) < 0) {
		if (s->hh.tbl)
			HASH_DELETE(hh, d->stream_by_id, s);
		free(s);
		return -ENOMEM;
	}
	DL_APPEND(d->streams, s);
	p->stream_count++;
	return 0;
}

static bool has_room(const struct place *p)
{
	return p->stream_count < DNSD_STREAMS_PER_PLACE &&
	       HASH_COUNT(p->d->stream_by_id) < DNSD_STREAMS_MAX;
}

/* No descriptors or memory: accepting rests, the backlog waits. */
static void pause_accepting(struct place *p)
{
	struct dnsd *d = p->d;

	if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM)
		return;
	d->counters.over_limit++;
	d->resume_at = loop_now_ms(d->loop) + DNSD_RESUME_MS;
	loop_io_set(p->tcp_io, 0);
}

void stream_resume(struct dnsd *d, uint64_t now)
{
	if (now < d->resume_at)
		return;
	d->resume_at = UINT64_MAX;
	for (struct place *p = d->places; p; p = p->hh.next)
		loop_io_set(p->tcp_io, LOOP_IN);
}

/* Who comes while all seats are taken is hung up on, and may come again. */
void stream_accept(struct place *p)
{
	for (int i = 0; i < ACCEPTS_PER_WAKE; i++) {
		int fd = accept4(p->tcp, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0) {
			pause_accepting(p);
			break;
		}
		if (has_room(p) && !stream_new(p, fd))
			continue;
		closep(&fd);
		p->d->counters.over_limit++;
	}
	dnsd_arm(p->d);
}

uint64_t stream_deadline(const struct dnsd *d)
{
	return d->streams ? d->streams->idle_at : UINT64_MAX;
}

void stream_close_idle(struct dnsd *d, uint64_t now)
{
	while (d->streams && d->streams->idle_at <= now)
		stream_close(d->streams);
}

void stream_close_of(struct place *p)
{
	struct stream *s, *next;

	DL_FOREACH_SAFE(p->d->streams, s, next)
		if (s->place == p)
			stream_close(s);
}
