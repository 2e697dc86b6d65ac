/* SPDX-License-Identifier: GPL-2.0-or-later */
/* serve/frame, serve/tls and serve/exchange over loopback in a network namespace of its own. */
#include <criterion/criterion.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "serve/exchange.h"
#include "serve/frame.h"
#include "serve/gate.h"
#include "serve/sock.h"

#define GUARD_MS 20000 /* a test that hangs ends here; none waits for it */

static const uint8_t key_one[TLS_PSK_LEN] = "the key that both sides have...";
static const uint8_t key_two[TLS_PSK_LEN] = "the key of somebody else.......";

/* One server in one loop, and what happened to it. */
struct world {
	struct loop *loop;
	struct exchange_set *server, *client;
	struct loop_io *listen_io;
	int listen_fd;
	struct sockname name;
	const uint8_t *server_key;
	unsigned int accepted, refused, answered, ended, done;
	unsigned int stop_after; /* endings and dones */
	int ended_error, done_error;
	bool answered_tls, hang_up;
	size_t reply_size;       /* 0: echo */
	uint8_t request[1 << 16];
	size_t request_len, reply_len;
	uint8_t reply[1 << 16];
	/* raw client, fed by a hook or a timer */
	int raw;
	const uint8_t *feed;
	size_t feed_len, fed;
	struct loop_timer *feed_timer, *guard;
};

static const struct exchange_limits roomy = {
	.count = 8, .per_source = 8, .idle_ms = GUARD_MS, .total_ms = GUARD_MS,
	.plain_max = 1 << 16, .tls_max = 1 << 20,
};

static void enter_own_netns(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	_cleanup_(closep) int fd = -1;

	cr_assert_eq(unshare(CLONE_NEWNET), 0, "this test needs root: %s", strerror(errno));
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	cr_assert_eq(ioctl(fd, SIOCSIFFLAGS, &ifr), 0);
}

static void one_more_over(struct world *w)
{
	if (w->ended + w->done >= w->stop_after)
		loop_stop(w->loop, 0);
}

static int on_psk(void *ctx, uint8_t ret_psk[TLS_PSK_LEN])
{
	struct world *w = ctx;

	if (!w->server_key)
		return -ENOKEY;
	memcpy(ret_psk, w->server_key, TLS_PSK_LEN);
	return 0;
}

static int on_answer(void *ctx, bool tls, const struct sockname *from, const void *data, size_t len,
		     struct buf *reply)
{
	struct world *w = ctx;

	(void)from;
	w->answered++;
	w->answered_tls = tls;
	w->request_len = len;
	memcpy(w->request, data, len < sizeof(w->request) ? len : sizeof(w->request));
	if (w->hang_up)
		return -EBADMSG;
	if (!w->reply_size)
		buf_put(reply, data, len);
	for (size_t i = 0; i < w->reply_size; i++)
		buf_u8(reply, (uint8_t)(i * 7));
	return 0;
}

static void on_ended(void *ctx, bool tls, const struct sockname *from, int error)
{
	struct world *w = ctx;

	(void)tls;
	(void)from;
	w->ended++;
	w->ended_error = error;
	one_more_over(w);
}

static void on_done(void *arg, uint64_t tag, int error, const void *data, size_t len)
{
	struct world *w = arg;

	cr_assert_eq(tag, 42);
	w->done++;
	w->done_error = error;
	w->reply_len = len;
	if (len)
		memcpy(w->reply, data, len < sizeof(w->reply) ? len : sizeof(w->reply));
	one_more_over(w);
}

static void on_listen(void *arg, unsigned int events)
{
	struct world *w = arg;
	struct sockname from = w->name;
	int fd = accept4(w->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)events;
	cr_assert_geq(fd, 0);
	w->accepted++;
	if (exchange_serve(w->server, fd, &from) < 0) {
		w->refused++;
		loop_stop(w->loop, 0);
	}
}

static void on_guard(void *arg)
{
	(void)arg;
	cr_assert_fail("nothing happened for %d ms", GUARD_MS);
}

static void world_init(struct world *w, const struct exchange_limits *limits)
{
	const struct exchange_server server = { w, on_psk, on_answer, on_ended };
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);

	enter_own_netns();
	*w = (struct world){ .raw = -1, .stop_after = 1, .server_key = key_one };
	cr_assert_eq(loop_new(&w->loop), 0);
	cr_assert_eq(exchange_set_new(w->loop, limits, &server, &w->server), 0);
	cr_assert_eq(exchange_set_new(w->loop, limits, NULL, &w->client), 0);
	w->name.addr = addr_from_v4(INADDR_LOOPBACK);
	w->listen_fd = sock_bind(&w->name, SOCK_STREAM, NULL);
	cr_assert_geq(w->listen_fd, 0);
	cr_assert_eq(getsockname(w->listen_fd, (struct sockaddr *)&sin, &len), 0);
	w->name.port = ntohs(sin.sin_port);
	cr_assert_eq(loop_io_new(w->loop, w->listen_fd, LOOP_IN, on_listen, w, &w->listen_io), 0);
	cr_assert_eq(loop_timer_new(w->loop, loop_now_ms(w->loop) + GUARD_MS, on_guard, w, &w->guard),
		     0);
}

static void world_fini(struct world *w)
{
	closep(&w->raw);
	exchange_set_free(w->client);
	exchange_set_free(w->server);
	loop_io_free(w->listen_io);
	closep(&w->listen_fd);
	loop_timer_free(w->feed_timer);
	loop_timer_free(w->guard);
	loop_free(w->loop);
}

static int raw_connect(const struct world *w)
{
	struct sockaddr_storage ss;
	socklen_t len = sockname_to_sockaddr(&w->name, &ss);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_eq(connect(fd, (struct sockaddr *)&ss, len), 0);
	return fd;
}

static void call(struct world *w, const uint8_t *psk, const void *data, size_t len)
{
	const struct exchange_call c = { .to = w->name, .psk = psk, .data = data, .len = len,
					 .done = on_done, .arg = w, .tag = 42 };

	cr_assert_eq(exchange_call(w->client, &c), 0);
}

/* ---- frames ---- */

Test(frame, is_the_same_however_it_is_split)
{
	const uint8_t bytes[] = { 0, 0, 0, 5, 'h', 'e', 'l', 'l', 'o' };

	for (size_t a = 0; a <= sizeof(bytes); a++) {
		for (size_t b = a; b <= sizeof(bytes); b++) {
			struct frame f = { .max = 5, .secret = a & 1 };

			cr_assert_eq(frame_feed(&f, bytes, a), (ssize_t)a);
			cr_assert_eq(frame_feed(&f, bytes + a, b - a), (ssize_t)(b - a));
			cr_assert_eq(frame_is_complete(&f), b == sizeof(bytes));
			cr_assert_eq(frame_feed(&f, bytes + b, sizeof(bytes) - b),
				     (ssize_t)(sizeof(bytes) - b));
			cr_assert(frame_is_complete(&f));
			cr_assert_eq(memcmp(f.body.data, "hello", 5), 0);
			frame_fini(&f);
		}
	}
}

Test(frame, takes_nothing_beyond_its_end)
{
	const uint8_t bytes[] = { 0, 0, 0, 1, 'x', 'y', 'z' };
	struct frame f = { .max = 10 };

	cr_assert_eq(frame_feed(&f, bytes, sizeof(bytes)), 5);
	cr_assert_eq(f.body.len, 1);
	frame_fini(&f);
}

Test(frame, longer_than_allowed_is_refused_at_its_head)
{
	const uint8_t bytes[] = { 0, 0, 0, 6 };
	struct frame f = { .max = 5 };

	cr_assert_eq(frame_feed(&f, bytes, 4), -EMSGSIZE);
	cr_assert_eq(f.body.cap, 0);
	frame_fini(&f);
}

Test(frame, announced_length_costs_no_memory_before_the_bytes_come)
{
	const uint8_t bytes[] = { 0, 0x10, 0, 0, 'x' };
	struct frame f = { .max = 1 << 20 };

	cr_assert_eq(frame_feed(&f, bytes, sizeof(bytes)), 5);
	cr_assert_lt(f.body.cap, 1024);
	frame_fini(&f);
}

/* ---- plain exchanges ---- */

Test(exchange, request_is_answered)
{
	struct world w;

	world_init(&w, &roomy);
	w.stop_after = 2;
	call(&w, NULL, "ping", 4);
	cr_assert_eq(loop_run(w.loop), 0);
	cr_assert_eq(w.done_error, 0);
	cr_assert_eq(w.ended_error, 0);
	cr_assert_not(w.answered_tls);
	cr_assert_eq(w.reply_len, 4);
	cr_assert_eq(memcmp(w.reply, "ping", 4), 0);
	cr_assert_eq(exchange_set_count(w.server) + exchange_set_count(w.client), 0);
	world_fini(&w);
}

static void feed_one(void *arg)
{
	struct world *w = arg;

	if (w->raw >= 0 && w->fed < w->feed_len)
		cr_assert_eq(send(w->raw, w->feed + w->fed++, 1, MSG_NOSIGNAL), 1);
}

Test(exchange, request_that_comes_byte_by_byte_is_answered)
{
	static const uint8_t bytes[] = { 0, 0, 0, 6, 's', 'l', 'o', 'w', 'l', 'y' };
	uint8_t reply[sizeof(bytes)];
	struct world w;

	world_init(&w, &roomy);
	w.raw = raw_connect(&w);
	w.feed = bytes;
	w.feed_len = sizeof(bytes);
	cr_assert_eq(loop_before_wait(w.loop, feed_one, &w), 0);
	cr_assert_eq(loop_run(w.loop), 0);
	cr_assert_eq(w.ended_error, 0);
	cr_assert_eq(recv(w.raw, reply, sizeof(reply), MSG_WAITALL), (ssize_t)sizeof(reply));
	cr_assert_eq(memcmp(reply, bytes, sizeof(bytes)), 0);
	world_fini(&w);
}

Test(exchange, large_reply_waits_for_a_slow_reader)
{
	struct exchange_limits limits = roomy;
	struct world w;

	limits.plain_max = 1 << 23;
	world_init(&w, &limits);
	w.reply_size = 6 << 20; /* more than socket buffers hold */
	w.stop_after = 2;
	call(&w, NULL, "x", 1);
	cr_assert_eq(loop_run(w.loop), 0);
	cr_assert_eq(w.done_error, 0);
	cr_assert_eq(w.reply_len, 6 << 20);
	cr_assert_eq(w.reply[65535], (uint8_t)(65535u * 7));
	world_fini(&w);
}

static int error_after(const void *bytes, size_t len, const struct exchange_limits *limits)
{
	struct world w;
	int error;

	world_init(&w, limits);
	w.raw = raw_connect(&w);
	cr_assert_eq(send(w.raw, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
	cr_assert_eq(loop_run(w.loop), 0);
	cr_assert_eq(w.answered, 0);
	cr_assert_eq(exchange_set_count(w.server), 0);
	error = w.ended_error;
	world_fini(&w);
	return error;
}

Test(exchange, foreign_protocol_is_cut_off)
{
	cr_assert_eq(error_after("GET / HTTP/1.1\r\n", 16, &roomy), -EMSGSIZE);
}

Test(exchange, oversize_length_is_cut_off)
{
	cr_assert_eq(error_after("\x00\x01\x00\x01", 4, &roomy), -EMSGSIZE);
}

Test(exchange, empty_message_is_cut_off)
{
	cr_assert_eq(error_after("\0\0\0\0", 4, &roomy), -EPROTO);
}

Test(exchange, second_message_is_cut_off)
{
	cr_assert_eq(error_after("\0\0\0\1a\0\0\0\1b", 10, &roomy), -EPROTO);
}

Test(exchange, tls_record_longer_than_allowed_is_cut_off)
{
	cr_assert_eq(error_after("\x16\x03\x01\xff\xffhi", 7, &roomy), -EPROTO);
}

Test(exchange, silent_connection_is_closed_by_the_idle_deadline)
{
	struct exchange_limits limits = roomy;

	limits.idle_ms = 10;
	cr_assert_eq(error_after("\0", 1, &limits), -ETIMEDOUT);
}

static void feed_on_time(void *arg)
{
	struct world *w = arg;

	/* the server may have hung up by now, which is what is tested */
	(void)!send(w->raw, "", 1, MSG_NOSIGNAL);
	loop_timer_set(w->feed_timer, loop_now_ms(w->loop) + 2);
}

Test(exchange, trickling_connection_is_closed_by_the_total_deadline)
{
	struct exchange_limits limits = roomy;
	struct world w;

	limits.total_ms = 50;
	world_init(&w, &limits);
	w.raw = raw_connect(&w);
	cr_assert_eq(send(w.raw, "\0\0\xff\xff", 4, MSG_NOSIGNAL), 4);
	cr_assert_eq(loop_timer_new(w.loop, 0, feed_on_time, &w, &w.feed_timer), 0);
	cr_assert_eq(loop_run(w.loop), 0);
	cr_assert_eq(w.ended_error, -ETIMEDOUT);
	cr_assert_eq(w.answered, 0);
	world_fini(&w);
}

Test(exchange, connections_beyond_the_bound_are_refused)
{
	struct exchange_limits limits = roomy;
	struct world w;
	int held[2];

	limits.count = 2;
	world_init(&w, &limits);
	held[0] = raw_connect(&w);
	held[1] = raw_connect(&w);
	w.raw = raw_connect(&w);
	cr_assert_eq(loop_run(w.loop), 0);
	cr_assert_eq(w.accepted, 3);
	cr_assert_eq(w.refused, 1);
	cr_assert(exchange_set_is_full(w.server));
	close(held[0]);
	close(held[1]);
	world_fini(&w);
}

Test(exchange, one_source_cannot_take_all_connections)
{
	struct exchange_limits limits = roomy;
	struct world w;
	int held;

	limits.per_source = 1;
	world_init(&w, &limits);
	held = raw_connect(&w);
	w.raw = raw_connect(&w);
	cr_assert_eq(loop_run(w.loop), 0);
	cr_assert_eq(w.refused, 1);
	cr_assert_not(exchange_set_is_full(w.server));
	close(held);
	world_fini(&w);
}

Test(exchange, client_is_told_that_nobody_listens)
{
	struct world w;

	world_init(&w, &roomy);
	w.name.port = 1;
	call(&w, NULL, "x", 1);
	cr_assert_eq(w.done, 0, "done() must not run inside the call");
	cr_assert_eq(loop_run(w.loop), 0);
	cr_assert_eq(w.done_error, -ECONNREFUSED);
	world_fini(&w);
}

Test(exchange, client_is_told_that_there_is_no_way)
{
	struct world w;

	world_init(&w, &roomy);
	w.name.addr = addr_from_v4(0xc0000201); /* 192.0.2.1, RFC 5737 */
	call(&w, NULL, "x", 1);
	cr_assert_eq(loop_run(w.loop), 0);
	cr_assert_eq(w.done_error, -ENETUNREACH);
	world_fini(&w);
}

Test(exchange, client_gives_up_on_a_silent_server)
{
	struct exchange_limits limits = roomy;
	struct world w;

	limits.idle_ms = 10;
	world_init(&w, &limits);
	loop_io_set(w.listen_io, 0); /* connects to the backlog, is never accepted */
	call(&w, NULL, "x", 1);
	cr_assert_eq(loop_run(w.loop), 0);
	cr_assert_eq(w.done_error, -ETIMEDOUT);
	world_fini(&w);
}

Test(exchange, client_is_told_that_the_server_hung_up)
{
	struct world w;

	world_init(&w, &roomy);
	w.hang_up = true;
	w.stop_after = 2;
	call(&w, NULL, "x", 1);
	cr_assert_eq(loop_run(w.loop), 0);
	cr_assert_eq(w.done_error, -ECONNRESET);
	cr_assert_eq(w.ended_error, -EBADMSG);
	world_fini(&w);
}

/* ---- inside TLS ---- */

Test(exchange, right_key_is_answered_inside_tls)
{
	struct world w;

	world_init(&w, &roomy);
	w.reply_size = 40000; /* several TLS records */
	w.stop_after = 2;
	call(&w, key_one, "join", 4);
	cr_assert_eq(loop_run(w.loop), 0);
	cr_assert_eq(w.done_error, 0);
	cr_assert_eq(w.ended_error, 0);
	cr_assert(w.answered_tls);
	cr_assert_eq(memcmp(w.request, "join", 4), 0);
	cr_assert_eq(w.reply_len, 40000);
	cr_assert_eq(w.reply[39999], (uint8_t)(39999u * 7));
	world_fini(&w);
}

Test(exchange, wrong_key_is_refused_on_both_sides)
{
	struct world w;

	world_init(&w, &roomy);
	w.stop_after = 2;
	call(&w, key_two, "join", 4);
	cr_assert_eq(loop_run(w.loop), 0);
	cr_assert_eq(w.answered, 0);
	cr_assert_eq(w.ended_error, -EACCES);
	cr_assert_eq(w.done_error, -EACCES);
	world_fini(&w);
}

Test(exchange, tls_before_there_is_a_key_is_refused)
{
	struct world w;

	world_init(&w, &roomy);
	w.server_key = NULL;
	w.stop_after = 2;
	call(&w, key_one, "join", 4);
	cr_assert_eq(loop_run(w.loop), 0);
	cr_assert_eq(w.ended_error, -ENOKEY);
	cr_assert_eq(w.done_error, -ECONNRESET);
	world_fini(&w);
}

/* Handshakes two sessions over a socket pair; returns what the server says in the end. */
static int handshake(const char *client_identity, const uint8_t *client_key)
{
	struct tls *server, *client;
	int fd[2], rs = -EAGAIN, rc = -EAGAIN;

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	cr_assert_eq(tls_new_server(fd[0], "us", key_one, &server), 0);
	cr_assert_eq(tls_new_client(fd[1], client_identity, client_key, &client), 0);
	for (int i = 0; i < 20 && (rs == -EAGAIN || rc == -EAGAIN); i++) {
		if (rc == -EAGAIN)
			rc = tls_handshake(client);
		if (rs == -EAGAIN)
			rs = tls_handshake(server);
	}
	cr_assert_eq(rc == 0, rs == 0, "client %d, server %d", rc, rs);
	tls_free(server);
	tls_free(client);
	close(fd[0]);
	close(fd[1]);
	return rs;
}

Test(tls, same_identity_and_key_is_a_session)
{
	cr_assert_eq(handshake("us", key_one), 0);
}

Test(tls, other_identity_is_refused)
{
	cr_assert_eq(handshake("them", key_one), -EACCES);
}

Test(tls, other_key_is_refused)
{
	cr_assert_eq(handshake("us", key_two), -EACCES);
}

/* ---- the log gate ---- */

Test(gate, one_line_a_second_and_source)
{
	struct ov_addr a = addr_from_v4(1), b = addr_from_v4(2);
	struct gate g = { 0 };
	uint32_t held;

	cr_assert(gate_pass(&g, &a, 5000, &held));
	cr_assert_not(gate_pass(&g, &a, 5999, &held));
	cr_assert(gate_pass(&g, &b, 5999, &held));
	cr_assert_eq(held, 0);
	cr_assert(gate_pass(&g, &a, 6000, &held));
	cr_assert_eq(held, 1);
}

Test(gate, forgets_the_source_that_was_silent_longest)
{
	struct gate g = { 0 };
	struct ov_addr a;
	uint32_t held;

	for (uint32_t i = 0; i <= GATE_SOURCES; i++) {
		a = addr_from_v4(i);
		cr_assert(gate_pass(&g, &a, 100 + i, &held));
	}
	a = addr_from_v4(0);
	cr_assert(gate_pass(&g, &a, 200, &held), "the first source must have been forgotten");
	a = addr_from_v4(GATE_SOURCES);
	cr_assert_not(gate_pass(&g, &a, 200, &held));
}
