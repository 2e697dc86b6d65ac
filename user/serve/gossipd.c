/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "gossipd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "exchange.h"
#include "gate.h"
#include "gossipd_limits.h"
#include "joind.h"
#include "sock.h"

#define BATCH 16            /* datagrams a recvmmsg */
#define DATAGRAM_ROOM 1500  /* longer than GOSSIP_DATAGRAM_MAX is for gossip to refuse */
#define UDP_BUFFER (1 << 20) /* a burst of 800 full datagrams */

const struct gossipd_limits GOSSIPD_LIMITS = {
	.in = {
		.count = GOSSIPD_CONNECTIONS_MAX,
		.per_source = GOSSIPD_CONNECTIONS_MAX / 4,
		.idle_ms = 5000,   /* gossip's call_timeout: the caller has given up by then */
		.total_ms = 10000,
		.plain_max = GOSSIP_STREAM_MAX,
		.tls_max = JOIN_MESSAGE_MAX,
	},
	.out = {
		.count = GOSSIPD_CONNECTIONS_MAX,
		.idle_ms = 5000,
		.total_ms = 10000,
		.plain_max = GOSSIP_STREAM_MAX,
	},
	.datagrams_per_wake = 256,
	.accepts_per_wake = 16,
};
_Static_assert(GOSSIP_STREAM_MAX < TLS_FIRST_BYTE << 24, "a frame must not look like TLS");

struct gossipd {
	struct loop *loop;
	struct gossip *gossip;
	struct store *store;
	struct sockname self;
	struct gossipd_limits limits;
	int udp, tcp;
	struct loop_io *udp_io, *tcp_io;
	struct loop_timer *timer;
	struct exchange_set *in, *out;
	struct gate gate;
	struct gossipd_counters counters;
	bool kicking;
};

/* ---- out ---- */

static void send_datagram(struct gossipd *d, const struct gossip_output *o)
{
	struct sockaddr_storage ss;
	socklen_t len = sockname_to_sockaddr(&o->to, &ss);
	char to[SOCKNAME_TEXT_MAX];

	if (sendto(d->udp, o->data, o->len, MSG_NOSIGNAL, (struct sockaddr *)&ss, len) >= 0)
		return;
	/* As good as lost on the way, which gossip is made for. */
	d->counters.send_failed++;
	log_debug("gossip datagram to %s not sent: %s", sockname_format(&o->to, to),
		  strerror(errno));
}

/* What gossip distinguishes: nobody there, no way there, no answer. */
static int call_error(int error)
{
	switch (error) {
	case 0:
	case -ETIMEDOUT:
	case -ECONNREFUSED:
		return error;
	case -ECONNRESET:
	case -EPIPE:
	case -EPROTO:
	case -EMSGSIZE:
		return -ECONNREFUSED;
	default:
		return -EHOSTUNREACH;
	}
}

static void on_call_done(void *arg, uint64_t tag, int error, const void *data, size_t len)
{
	struct gossipd *d = arg;

	if (error)
		d->counters.calls_failed++;
	gossip_call_done(d->gossip, tag, call_error(error), data, len, loop_now_ms(d->loop),
			 loop_wall_ms(d->loop));
	gossipd_kick(d);
}

static void start_call(struct gossipd *d, const struct gossip_output *o)
{
	const struct exchange_call call = {
		.to = o->to, .from = &d->self.addr, .data = o->data, .len = o->len,
		.done = on_call_done, .arg = d, .tag = o->call,
	};
	int r = exchange_call(d->out, &call);

	if (!r)
		return;
	d->counters.calls_failed++;
	gossip_call_done(d->gossip, call.tag, -EHOSTUNREACH, NULL, 0, loop_now_ms(d->loop),
			 loop_wall_ms(d->loop));
}

void gossipd_kick(struct gossipd *d)
{
	struct gossip_output o;

	if (d->kicking)
		return; /* from a callback of gossip_call_done below: that loop goes on anyway */
	d->kicking = true;
	while (gossip_next_output(d->gossip, &o)) {
		if (o.type == GOSSIP_SEND)
			send_datagram(d, &o);
		else
			start_call(d, &o);
	}
	d->kicking = false;
	loop_timer_set(d->timer, gossip_deadline(d->gossip));
}

/* ---- in ---- */

static void on_tick(void *arg)
{
	struct gossipd *d = arg;

	/* Also ends a pause for want of descriptors, see on_tcp. */
	loop_io_set(d->tcp_io, exchange_set_is_full(d->in) ? 0 : LOOP_IN);
	gossip_tick(d->gossip, loop_now_ms(d->loop), loop_wall_ms(d->loop));
	gossipd_kick(d);
}

/* Returns how many datagrams were there, at most BATCH. */
static unsigned int receive_batch(struct gossipd *d)
{
	uint8_t data[BATCH][DATAGRAM_ROOM];
	struct sockaddr_storage from[BATCH];
	struct mmsghdr msg[BATCH] = { 0 };
	struct iovec iov[BATCH];
	int n;

	for (int i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){ .iov_base = data[i], .iov_len = DATAGRAM_ROOM };
		msg[i].msg_hdr = (struct msghdr){ .msg_name = &from[i], .msg_iov = &iov[i],
						  .msg_namelen = sizeof(from[i]), .msg_iovlen = 1 };
	}
	n = recvmmsg(d->udp, msg, BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++) {
		struct sockname name = sockname_from_sockaddr(&from[i]);

		gossip_datagram(d->gossip, &name, data[i], msg[i].msg_len, loop_now_ms(d->loop),
				loop_wall_ms(d->loop));
	}
	return n < 0 ? 0 : (unsigned int)n;
}

/* Bounded, so that a flood of datagrams leaves time for everything else in the loop. */
static void on_udp(void *arg, unsigned int events)
{
	struct gossipd *d = arg;
	unsigned int left = d->limits.datagrams_per_wake, n;

	(void)events;
	do {
		n = receive_batch(d);
		left -= n < left ? n : left;
	} while (n == BATCH && left);
	gossipd_kick(d);
}

static void refuse(struct gossipd *d, const struct sockname *from, const char *why)
{
	char text[ADDR_TEXT_MAX];
	uint32_t held_back;

	if (!gate_pass(&d->gate, &from->addr, loop_now_ms(d->loop), &held_back))
		return;
	addr_format(&from->addr, text);
	if (held_back)
		log_warn("refused %s: %s (%u more times since the last line)", text, why, held_back);
	else
		log_warn("refused %s: %s", text, why);
}

/* False when there is nobody (more) to accept now. */
static bool accept_one(struct gossipd *d)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int fd = accept4(d->tcp, (struct sockaddr *)&ss, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct sockname from;

	if (fd < 0) {
		/* No descriptors or memory: accepting rests until the next tick, the backlog waits. */
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			loop_io_set(d->tcp_io, 0);
		return errno == ECONNABORTED || errno == EINTR;
	}
	from = sockname_from_sockaddr(&ss);
	d->counters.streams_in++;
	if (exchange_serve(d->in, fd, &from) < 0) {
		d->counters.streams_refused++;
		refuse(d, &from, "too many open connections");
	}
	return true;
}

static void on_tcp(void *arg, unsigned int events)
{
	struct gossipd *d = arg;

	(void)events;
	for (unsigned int i = 0; i < d->limits.accepts_per_wake; i++) {
		if (exchange_set_is_full(d->in)) {
			loop_io_set(d->tcp_io, 0); /* the backlog waits until one ends */
			return;
		}
		if (!accept_one(d))
			return;
	}
}

static int on_psk(void *ctx, uint8_t ret_psk[TLS_PSK_LEN])
{
	struct gossipd *d = ctx;

	return joind_psk(d->store, ret_psk);
}

static void answer_join(struct gossipd *d, const struct sockname *from, const void *data,
			size_t len, struct buf *reply)
{
	struct joind_newcomer n;
	char addr[SOCKNAME_TEXT_MAX];

	joind_answer(d->store, data, len, reply, &n);
	if (!n.welcome) {
		d->counters.joins_refused++;
		refuse(d, from, n.refusal[0] ? n.refusal : "malformed join request");
		return;
	}
	d->counters.joins_answered++;
	log_info("node %s joined from %s", n.name, sockname_format(&n.addr, addr));
	gossip_seed(d->gossip, &n.addr, loop_now_ms(d->loop));
	gossipd_kick(d);
}

static int on_answer(void *ctx, bool tls, const struct sockname *from, const void *data,
		     size_t len, struct buf *reply)
{
	struct gossipd *d = ctx;
	int r;

	if (tls) {
		answer_join(d, from, data, len, reply);
		return 0;
	}
	r = gossip_serve(d->gossip, from, data, len, loop_now_ms(d->loop), loop_wall_ms(d->loop),
			 reply);
	gossipd_kick(d);
	return r;
}

static const char *refusal_of(bool tls, int error)
{
	switch (error) {
	case -EACCES:
		return "join with a wrong token";
	case -ENOKEY:
		return "join while there is no cluster here yet";
	case -EBADMSG:
		return "gossip that no key of the ring opens";
	case -ETIMEDOUT:
		return tls ? "unfinished join" : "unfinished message";
	case -EMSGSIZE:
	case -EPROTO:
		return tls ? "broken TLS" : "bytes that are no gossip";
	default:
		return NULL;
	}
}

static void on_ended(void *ctx, bool tls, const struct sockname *from, int error)
{
	struct gossipd *d = ctx;
	const char *why = refusal_of(tls, error);

	loop_io_set(d->tcp_io, LOOP_IN);
	if (!error)
		return;
	d->counters.streams_refused++;
	if (error == -EACCES)
		d->counters.joins_refused++;
	if (why)
		refuse(d, from, why);
}

/* ---- life ---- */

static int open_sockets(struct gossipd *d, struct err *e)
{
	int size = UDP_BUFFER, r;

	d->tcp = sock_bind(&d->self, SOCK_STREAM, e);
	if (d->tcp < 0)
		return d->tcp;
	d->udp = sock_bind(&d->self, SOCK_DGRAM, e);
	if (d->udp < 0)
		return d->udp;
	setsockopt(d->udp, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	r = loop_io_new(d->loop, d->udp, LOOP_IN, on_udp, d, &d->udp_io);
	return r < 0 ? r : loop_io_new(d->loop, d->tcp, LOOP_IN, on_tcp, d, &d->tcp_io);
}

static int start(struct gossipd *d, struct err *e)
{
	const struct exchange_server server = {
		.ctx = d, .psk = on_psk, .answer = on_answer, .ended = on_ended,
	};
	int r = open_sockets(d, e);

	if (r < 0)
		return r;
	r = exchange_set_new(d->loop, &d->limits.in, &server, &d->in);
	if (r < 0)
		return r;
	r = exchange_set_new(d->loop, &d->limits.out, NULL, &d->out);
	if (r < 0)
		return r;
	return loop_timer_new(d->loop, UINT64_MAX, on_tick, d, &d->timer);
}

int gossipd_new_limited(struct loop *loop, struct gossip *gossip, struct store *store,
			const struct sockname *bind, const struct gossipd_limits *limits,
			struct gossipd **ret_gossipd, struct err *e)
{
	struct gossipd *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return err_set(e, -ENOMEM, "out of memory while starting gossip");
	*d = (struct gossipd){ .loop = loop, .gossip = gossip, .store = store, .self = *bind,
			       .limits = *limits, .udp = -1, .tcp = -1 };
	r = start(d, e);
	if (r < 0) {
		gossipd_free(d);
		return err_set(e, r, "cannot start gossip: %s", strerror(-r));
	}
	gossipd_kick(d);
	*ret_gossipd = d;
	return 0;
}

int gossipd_new(struct loop *loop, struct gossip *gossip, struct store *store,
		const struct sockname *bind, struct gossipd **ret_gossipd, struct err *e)
{
	return gossipd_new_limited(loop, gossip, store, bind, &GOSSIPD_LIMITS, ret_gossipd, e);
}

void gossipd_free(struct gossipd *d)
{
	if (!d)
		return;
	exchange_set_free(d->in);
	exchange_set_free(d->out);
	loop_timer_free(d->timer);
	loop_io_free(d->udp_io);
	loop_io_free(d->tcp_io);
	closep(&d->udp);
	closep(&d->tcp);
	free(d);
}

const struct gossipd_counters *gossipd_counters(const struct gossipd *d)
{
	return &d->counters;
}
