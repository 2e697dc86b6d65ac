/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * serve/dnsd with real sockets: two containers and the host are network namespaces
 * of the test's own, and the host's resolver is a socket of the test's.
 */
#include <bpf/bpf.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "dns/reply.h"
#include "serve/dnsd.h"
#include "serve/sock.h"
#include "sys/netns.h"
#include "sys/sk_lookup.h"

#define GUARD_MS 20000 /* a test that hangs ends here; none waits for it */
#define RESOLVER 0x7f000035u /* 127.0.0.53 */
#define CONTAINERS 2

struct container {
	int netns;
	char path[32];
	uint64_t dev, ino;
};

struct message {
	size_t len;
	uint8_t b[4096];
};

struct world {
	struct loop *loop;
	struct dnsd *d;
	struct container container[CONTAINERS];
	char resolv[64];
	/* the resolver */
	int udp, tcp, tcp_client;
	struct loop_io *udp_io, *tcp_io, *client_io;
	unsigned int asked_udp, asked_tcp;
	bool cut; /* answers by UDP are truncated */
	/* what came back */
	int client;
	struct loop_io *io;
	unsigned int answers, wanted;
	struct message last;
	struct sockaddr_in from;
	uint8_t stream[8192];
	size_t stream_len;
	bool closed;
	struct loop_timer *guard;
};

static void enter_new_netns(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	_cleanup_(closep) int fd = -1;

	cr_assert_eq(unshare(CLONE_NEWNET), 0, "this test needs root: %s", strerror(errno));
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	cr_assert_eq(ioctl(fd, SIOCSIFFLAGS, &ifr), 0);
}

static void container_init(struct container *c)
{
	enter_new_netns();
	cr_assert_eq(netns_open_self(&c->netns), 0);
	cr_assert_eq(netns_identify(c->netns, &c->dev, &c->ino), 0);
	snprintf(c->path, sizeof(c->path), "/proc/self/fd/%d", c->netns);
}

static struct dnsd_place place_of(const struct world *w, int n)
{
	const struct container *c = &w->container[n];

	return (struct dnsd_place){ .netns = c->path, .netns_dev = c->dev, .netns_ino = c->ino };
}

/* ---- the host's resolver ---- */

/* One A record, or none and TC. */
static void make_reply(const struct world *w, bool tcp, struct message *m)
{
	static const uint8_t record[] = "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\x63";

	m->b[2] |= 0x80;
	if (!tcp && w->cut) {
		m->b[2] |= 2;
		return;
	}
	m->b[7] = 1;
	memcpy(m->b + m->len, record, sizeof(record) - 1);
	m->len += sizeof(record) - 1;
}

static void on_resolver_udp(void *arg, unsigned int events)
{
	struct world *w = arg;
	struct sockaddr_in from;
	socklen_t from_len = sizeof(from);
	struct message m;
	ssize_t n = recvfrom(w->udp, m.b, sizeof(m.b) - 64, 0, (struct sockaddr *)&from, &from_len);

	(void)events;
	if (n < 0)
		return;
	m.len = (size_t)n;
	w->asked_udp++;
	make_reply(w, false, &m);
	cr_assert_eq(sendto(w->udp, m.b, m.len, 0, (struct sockaddr *)&from, from_len), m.len);
}

static void on_resolver_stream(void *arg, unsigned int events)
{
	struct world *w = arg;
	struct message m;
	ssize_t n = recv(w->tcp_client, m.b, sizeof(m.b) - 64, 0);
	uint8_t head[2];

	(void)events;
	if (n <= 2) {
		loop_io_set(w->client_io, 0);
		return;
	}
	w->asked_tcp++;
	m.len = (size_t)n - 2;
	memmove(m.b, m.b + 2, m.len);
	make_reply(w, true, &m);
	dns_set_u16(head, (uint16_t)m.len);
	cr_assert_eq(send(w->tcp_client, head, 1, 0), 1);
	cr_assert_eq(send(w->tcp_client, head + 1, 1, 0), 1);
	cr_assert_eq(send(w->tcp_client, m.b, m.len, 0), m.len);
}

static void on_resolver_tcp(void *arg, unsigned int events)
{
	struct world *w = arg;

	(void)events;
	w->tcp_client = accept4(w->tcp, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (w->tcp_client >= 0)
		cr_assert_eq(loop_io_new(w->loop, w->tcp_client, LOOP_IN, on_resolver_stream, w,
					 &w->client_io), 0);
}

static void resolver_init(struct world *w)
{
	const struct sockname name = { addr_from_v4(RESOLVER), 53 };

	w->udp = sock_bind(&name, SOCK_DGRAM, NULL);
	w->tcp = sock_bind(&name, SOCK_STREAM, NULL);
	cr_assert_geq(w->udp, 0);
	cr_assert_geq(w->tcp, 0);
	cr_assert_eq(loop_io_new(w->loop, w->udp, LOOP_IN, on_resolver_udp, w, &w->udp_io), 0);
	cr_assert_eq(loop_io_new(w->loop, w->tcp, LOOP_IN, on_resolver_tcp, w, &w->tcp_io), 0);
}

/* ---- a client inside ---- */

static int make_udp(void *arg)
{
	const struct sockname to = { addr_from_v4(DNSD_ADDR), DNSD_PORT };

	*(int *)arg = sock_connect_datagram(&to);
	return 0;
}

static int make_tcp(void *arg)
{
	const struct sockname to = { addr_from_v4(DNSD_ADDR), DNSD_PORT };

	*(int *)arg = sock_connect(&to, NULL);
	return 0;
}

static int client_in(const struct world *w, int n, int (*make)(void *arg))
{
	int fd = -1;

	cr_assert_eq(netns_run(w->container[n].netns, make, &fd), 0);
	cr_assert_geq(fd, 0, "%s", strerror(-fd));
	return fd;
}

static void on_answer(void *arg, unsigned int events)
{
	struct world *w = arg;
	socklen_t len = sizeof(w->from);
	ssize_t n = recvfrom(w->client, w->last.b, sizeof(w->last.b), MSG_DONTWAIT,
			     (struct sockaddr *)&w->from, &len);

	(void)events;
	if (n < 0)
		return;
	w->last.len = (size_t)n;
	if (++w->answers == w->wanted)
		loop_stop(w->loop, 0);
}

static void on_stream(void *arg, unsigned int events)
{
	struct world *w = arg;
	ssize_t n = recv(w->client, w->stream + w->stream_len, sizeof(w->stream) - w->stream_len,
			 MSG_DONTWAIT);
	size_t at = 0;

	(void)events;
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		w->closed = true;
		loop_stop(w->loop, 0);
		return;
	}
	w->stream_len += (size_t)n;
	w->answers = 0;
	while (at + 2 <= w->stream_len && at + 2 + dns_get_u16(w->stream + at) <= w->stream_len) {
		at += 2 + dns_get_u16(w->stream + at);
		w->answers++;
	}
	if (w->answers == w->wanted)
		loop_stop(w->loop, 0);
}

static size_t put_question(uint8_t *m, uint16_t id, const char *label)
{
	size_t len = strlen(label), at = DNS_HEADER_LEN;

	memset(m, 0, DNS_HEADER_LEN);
	dns_set_u16(m, id);
	dns_set_u16(m + 2, DNS_RD);
	m[5] = 1;
	m[at++] = (uint8_t)len;
	memcpy(m + at, label, len);
	at += len;
	memcpy(m + at, "\7example\0\0\1\0\1", 13);
	return at + 13;
}

static void ask_udp(int fd, uint16_t id, const char *label)
{
	uint8_t m[128];
	size_t len = put_question(m, id, label);

	cr_assert_eq(send(fd, m, len, 0), len);
}

static void run_until(struct world *w, int fd, void (*on)(void *arg, unsigned int events),
		      unsigned int answers)
{
	w->client = fd;
	w->wanted = answers;
	w->answers = 0;
	cr_assert_eq(loop_io_new(w->loop, fd, LOOP_IN, on, w, &w->io), 0);
	cr_assert_eq(loop_run(w->loop), 0);
	loop_io_free(TAKE_PTR(w->io));
}

static void on_guard(void *arg)
{
	(void)arg;
	cr_assert_fail("nothing happened for %d ms", GUARD_MS);
}

/* ---- set up ---- */

static void write_resolv(struct world *w)
{
	int fd;
	FILE *file;

	snprintf(w->resolv, sizeof(w->resolv), "/tmp/overlayd-resolv.XXXXXX");
	fd = mkstemp(w->resolv);
	cr_assert_geq(fd, 0);
	file = fdopen(fd, "w");
	fputs("nameserver 127.0.0.53\n", file);
	fclose(file);
}

static struct world *set_up(void)
{
	struct world *w = calloc(1, sizeof(*w));
	struct dnsd_place places[CONTAINERS];
	struct err e = { 0 };
	struct rng rng;

	for (int i = 0; i < CONTAINERS; i++)
		container_init(&w->container[i]);
	enter_new_netns();
	rng_init_u64(&rng, 3);
	write_resolv(w);
	w->tcp_client = -1;
	cr_assert_eq(loop_new(&w->loop), 0);
	resolver_init(w);
	cr_assert_eq(dnsd_new(w->loop, w->resolv, &rng, &w->d, &e), 0);
	for (int i = 0; i < CONTAINERS; i++)
		places[i] = place_of(w, i);
	cr_assert_eq(dnsd_set_places(w->d, places, CONTAINERS, &e), 0, "%s", e.text);
	cr_assert_eq(loop_timer_new(w->loop, loop_now_ms(w->loop) + GUARD_MS, on_guard, w, &w->guard), 0);
	return w;
}

static void tear_down(struct world *w)
{
	dnsd_free(w->d);
	loop_timer_free(w->guard);
	loop_io_free(w->udp_io);
	loop_io_free(w->tcp_io);
	loop_io_free(w->client_io);
	close(w->udp);
	close(w->tcp);
	if (w->tcp_client >= 0)
		close(w->tcp_client);
	for (int i = 0; i < CONTAINERS; i++)
		close(w->container[i].netns);
	loop_free(w->loop);
	unlink(w->resolv);
	free(w);
}

static struct dnsd_counters counters(const struct world *w)
{
	struct dnsd_counters c;

	dnsd_counters(w->d, &c);
	return c;
}

/* ---- tests ---- */

Test(dnsd, a_question_by_udp_is_answered_from_where_it_was_asked)
{
	struct world *w = set_up();
	_cleanup_(closep) int fd = client_in(w, 0, make_udp);

	ask_udp(fd, 0x1234, "Www");
	run_until(w, fd, on_answer, 1);
	cr_assert_eq(ntohl(w->from.sin_addr.s_addr), DNSD_ADDR);
	cr_assert_eq(ntohs(w->from.sin_port), DNSD_PORT);
	cr_assert_eq(dns_get_u16(w->last.b), 0x1234);
	cr_assert_eq(memcmp(w->last.b + DNS_HEADER_LEN, "\3Www", 4), 0);
	cr_assert_eq(dns_get_u16(w->last.b + 6), 1);
	cr_assert_eq(counters(w).queries_udp, 1);
	cr_assert_eq(counters(w).forwarded, 1);
	cr_assert_eq(counters(w).places, CONTAINERS);
	tear_down(w);
}

Test(dnsd, two_questions_from_one_socket_are_answered_each)
{
	struct world *w = set_up();
	_cleanup_(closep) int fd = client_in(w, 0, make_udp);

	ask_udp(fd, 1, "a");
	ask_udp(fd, 2, "b");
	run_until(w, fd, on_answer, 2);
	cr_assert_eq(w->asked_udp, 2);
	tear_down(w);
}

Test(dnsd, an_answer_is_asked_of_the_resolver_once_for_both_containers)
{
	struct world *w = set_up();
	_cleanup_(closep) int one = client_in(w, 0, make_udp);
	_cleanup_(closep) int two = client_in(w, 1, make_udp);

	ask_udp(one, 1, "a");
	run_until(w, one, on_answer, 1);
	ask_udp(two, 2, "A");
	run_until(w, two, on_answer, 1);
	cr_assert_eq(w->asked_udp, 1);
	cr_assert_eq(dns_get_u16(w->last.b), 2);
	tear_down(w);
}

Test(dnsd, what_the_resolver_cuts_is_fetched_by_tcp)
{
	struct world *w = set_up();
	_cleanup_(closep) int fd = client_in(w, 0, make_udp);

	w->cut = true;
	ask_udp(fd, 1, "a");
	run_until(w, fd, on_answer, 1);
	cr_assert_eq(w->asked_udp, 1);
	cr_assert_eq(w->asked_tcp, 1);
	cr_assert_eq(dns_get_u16(w->last.b + 6), 1);
	tear_down(w);
}

Test(dnsd, a_resolver_that_is_not_there_is_servfail)
{
	struct world *w = set_up();
	_cleanup_(closep) int fd = client_in(w, 0, make_udp);

	loop_io_set(w->udp_io, 0);
	loop_io_free(TAKE_PTR(w->udp_io));
	close(w->udp); /* the kernel says so at once */
	w->udp = dup(w->tcp);
	ask_udp(fd, 1, "a");
	run_until(w, fd, on_answer, 1);
	cr_assert_eq(dns_get_u16(w->last.b + 2) & 15, DNS_SERVFAIL);
	tear_down(w);
}

/* Two questions in one piece, the third split within its length. */
Test(dnsd, questions_by_tcp_may_come_together_and_in_pieces)
{
	struct world *w = set_up();
	_cleanup_(closep) int fd = client_in(w, 0, make_tcp);
	uint8_t m[600];
	size_t len = 0;

	for (uint16_t i = 0; i < 3; i++) {
		const char *const label[] = { "a", "bb", "ccc" };
		size_t n = put_question(m + len + 2, i, label[i]);

		dns_set_u16(m + len, (uint16_t)n);
		len += n + 2;
		if (i == 1) {
			cr_assert_eq(send(fd, m, len, 0), len);
			run_until(w, fd, on_stream, 2);
			len = 0;
		}
	}
	cr_assert_eq(send(fd, m, 1, 0), 1);
	cr_assert_eq(send(fd, m + 1, len - 1, 0), len - 1);
	run_until(w, fd, on_stream, 3);
	cr_assert_eq(counters(w).queries_tcp, 3);
	shutdown(fd, SHUT_WR);
	run_until(w, fd, on_stream, 0);
	cr_assert(w->closed, "a connection that its client ended stays open");
	tear_down(w);
}

Test(dnsd, who_sends_no_question_by_tcp_is_hung_up_on)
{
	static const char *const nonsense[] = { "\0\4abcd", "\xff\xff", "\0\0" };
	static const size_t len[] = { 6, 2, 2 };

	for (size_t i = 0; i < ARRAY_SIZE(nonsense); i++) {
		struct world *w = set_up();
		_cleanup_(closep) int fd = client_in(w, 0, make_tcp);

		cr_assert_eq(send(fd, nonsense[i], len[i], 0), len[i]);
		run_until(w, fd, on_stream, 0);
		cr_assert(w->closed, "case %zu", i);
		tear_down(w);
	}
}

Test(dnsd, connections_of_one_container_are_bounded_and_another_still_gets_one)
{
	struct world *w = set_up();
	_cleanup_(closep) int other = -1;
	int fd[40];
	uint8_t m[128];
	size_t n;

	for (size_t i = 0; i < ARRAY_SIZE(fd); i++)
		fd[i] = client_in(w, 0, make_tcp);
	other = client_in(w, 1, make_tcp);
	run_until(w, fd[39], on_stream, 0);
	cr_assert(w->closed);
	n = put_question(m + 2, 1, "a");
	dns_set_u16(m, (uint16_t)n);
	cr_assert_eq(send(other, m, n + 2, 0), n + 2);
	run_until(w, other, on_stream, 1);
	cr_assert_eq(counters(w).over_limit, 8);
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++)
		close(fd[i]);
	tear_down(w);
}

Test(dnsd, malformed_datagrams_do_no_harm)
{
	static const struct {
		const char *text;
		size_t len;
	} bad[] = {
		{ "", 0 }, { "x", 1 }, { "\0\1\1\0\0\1\0\0\0\0\0", 11 },
		{ "\0\1\x81\0\0\1\0\0\0\0\0\0\0\0\1\0\1", 17 },         /* a response */
		{ "\0\1\1\0\0\1\0\0\0\0\0\0\xc0\x0c\0\1\0\1", 18 },      /* a name that is itself */
	};
	struct world *w = set_up();
	_cleanup_(closep) int fd = client_in(w, 0, make_udp);
	_cleanup_(closep) int good = client_in(w, 0, make_udp);

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		cr_assert_eq(send(fd, bad[i].text, bad[i].len, 0), bad[i].len);
	ask_udp(good, 1, "a");
	run_until(w, good, on_answer, 1);
	cr_assert_eq(counters(w).malformed, ARRAY_SIZE(bad));
	cr_assert_eq(w->asked_udp, 1);
	tear_down(w);
}

/* All is there before the loop looks: whoever is read to the end first makes the other wait. */
Test(dnsd, a_flood_from_one_container_does_not_keep_another_waiting)
{
	struct world *w = set_up();
	_cleanup_(closep) int flood = client_in(w, 0, make_udp);
	_cleanup_(closep) int fd = client_in(w, 1, make_udp);
	uint8_t m[128];
	size_t len = put_question(m, 1, "a");

	for (uint16_t i = 0; i < 250; i++)
		ask_udp(flood, i, "flood");
	m[2] |= 0x10; /* a kind of question that takes nobody else to answer: NOTIMP */
	cr_assert_eq(send(fd, m, len, 0), len);
	run_until(w, fd, on_answer, 1);
	cr_assert_lt(counters(w).queries_udp, 251, "the flood was read to its end first");
	tear_down(w);
}

Test(dnsd, a_place_that_goes_is_not_served_any_more_and_others_are)
{
	struct world *w = set_up();
	struct dnsd_place second = place_of(w, 1);
	_cleanup_(closep) int waits = client_in(w, 0, make_udp);
	_cleanup_(closep) int tcp = client_in(w, 0, make_tcp);
	_cleanup_(closep) int fd = client_in(w, 1, make_udp);
	struct err e = { 0 };
	uint8_t b;

	loop_io_set(w->udp_io, 0); /* the resolver is silent: the first is still waiting */
	ask_udp(waits, 1, "a");
	ask_udp(fd, 2, "x"); /* so that the loop runs until that has been taken */
	loop_io_set(w->udp_io, LOOP_IN);
	run_until(w, fd, on_answer, 1);
	ask_udp(waits, 3, "b");
	cr_assert_eq(dnsd_set_places(w->d, &second, 1, &e), 0);
	cr_assert_eq(counters(w).places, 1);
	ask_udp(fd, 4, "c");
	run_until(w, fd, on_answer, 1);
	while (recv(waits, &b, 1, MSG_DONTWAIT) >= 0)
		;
	send(waits, "x", 1, 0);
	cr_assert_lt(recv(waits, &b, 1, MSG_DONTWAIT), 0);
	cr_assert_eq(errno, ECONNREFUSED, "the port is still open");
	tear_down(w);
}

/* ---- port 53 is the container's own ---- */

/* What a DNS server of the container binds. */
struct server {
	struct ov_addr addr;
	int udp, tcp;
};

static int bind_server(void *arg)
{
	struct server *s = arg;
	const struct sockname name = { s->addr, DNSD_PORT };

	s->udp = sock_bind(&name, SOCK_DGRAM, NULL);
	s->tcp = sock_bind(&name, SOCK_STREAM, NULL);
	return s->udp < 0 ? s->udp : s->tcp < 0 ? s->tcp : 0;
}

static void unbind_server(struct server *s)
{
	closep(&s->udp);
	closep(&s->tcp);
}

/* By UDP from its own address and by TCP, and nothing of it reaches the server. */
static void cr_assert_answers(struct world *w, int n, const struct server *s)
{
	_cleanup_(closep) int udp = client_in(w, n, make_udp);
	_cleanup_(closep) int tcp = client_in(w, n, make_tcp);
	uint8_t m[128];
	size_t len = put_question(m + 2, 9, "a");

	ask_udp(udp, 8, "a");
	run_until(w, udp, on_answer, 1);
	cr_assert_eq(ntohl(w->from.sin_addr.s_addr), DNSD_ADDR);
	cr_assert_eq(ntohs(w->from.sin_port), DNSD_PORT);
	dns_set_u16(m, (uint16_t)len);
	w->stream_len = 0;
	cr_assert_eq(send(tcp, m, len + 2, 0), len + 2);
	run_until(w, tcp, on_stream, 1);
	cr_assert_lt(recv(s->udp, m, sizeof(m), MSG_DONTWAIT), 0);
	cr_assert_lt(accept(s->tcp, NULL, NULL), 0);
}

static unsigned int lookup_programs(const struct world *w, int n)
{
	uint32_t id[80], count = ARRAY_SIZE(id), flags;

	cr_assert_eq(bpf_prog_query(w->container[n].netns, BPF_SK_LOOKUP, 0, &flags, id, &count), 0);
	return count;
}

/* IPv4 and IPv6 by one socket, as Go programs have it. */
static int bind_dual(void *arg)
{
	const struct sockaddr_in6 name = { .sin6_family = AF_INET6, .sin6_port = htons(DNSD_PORT) };
	struct server *s = arg;

	s->udp = socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	s->tcp = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (bind(s->udp, (const struct sockaddr *)&name, sizeof(name)) < 0 ||
	    bind(s->tcp, (const struct sockaddr *)&name, sizeof(name)) < 0 || listen(s->tcp, 1) < 0)
		return -errno;
	return 0;
}

static const uint32_t server_addrs[] = { INADDR_ANY, DNSD_ADDR };

Test(dnsd, a_container_that_is_served_may_have_port_53_for_itself)
{
	for (size_t i = 0; i < ARRAY_SIZE(server_addrs); i++) {
		struct world *w = set_up();
		struct server s = { .addr = addr_from_v4(server_addrs[i]) };

		cr_assert_eq(netns_run(w->container[0].netns, bind_server, &s), 0);
		cr_assert_answers(w, 0, &s);
		unbind_server(&s);
		tear_down(w);
	}
}

Test(dnsd, a_container_that_has_port_53_for_itself_is_served)
{
	for (size_t i = 0; i < ARRAY_SIZE(server_addrs); i++) {
		struct world *w = set_up();
		struct server s = { .addr = addr_from_v4(server_addrs[i]) };
		struct dnsd_place place = place_of(w, 0);
		struct err e = { 0 };

		cr_assert_eq(dnsd_set_places(w->d, NULL, 0, &e), 0);
		cr_assert_eq(netns_run(w->container[0].netns, bind_server, &s), 0);
		cr_assert_eq(dnsd_set_places(w->d, &place, 1, &e), 0, "%s", e.text);
		cr_assert_answers(w, 0, &s);
		unbind_server(&s);
		tear_down(w);
	}
}

Test(dnsd, a_server_may_have_port_53_of_both_families_by_one_socket)
{
	struct world *w = set_up();
	struct server s;

	cr_assert_eq(netns_run(w->container[0].netns, bind_dual, &s), 0);
	cr_assert_answers(w, 0, &s);
	unbind_server(&s);
	tear_down(w);
}

/* The kernel counts an accepted connection among those who have port 53. */
Test(dnsd, a_server_may_come_while_questions_are_asked_by_tcp)
{
	struct world *w = set_up();
	struct server s = { .addr = addr_from_v4(INADDR_ANY) };
	_cleanup_(closep) int tcp = client_in(w, 0, make_tcp);
	uint8_t m[128];
	size_t len = put_question(m + 2, 1, "a");

	dns_set_u16(m, (uint16_t)len);
	cr_assert_eq(send(tcp, m, len + 2, 0), len + 2);
	run_until(w, tcp, on_stream, 1);
	cr_assert_eq(netns_run(w->container[0].netns, bind_server, &s), 0);
	cr_assert_answers(w, 0, &s);
	cr_assert_eq(send(tcp, m, len + 2, 0), len + 2);
	w->stream_len = 0;
	run_until(w, tcp, on_stream, 1);
	unbind_server(&s);
	tear_down(w);
}

Test(dnsd, the_port_that_is_used_instead_may_be_taken_too)
{
	struct world *w = set_up();
	struct dnsd_place place = place_of(w, 0);
	struct dnsd *first = w->d;
	struct server none = { .udp = -1, .tcp = -1 };
	struct err e = { 0 };
	struct rng rng;

	rng_init_u64(&rng, 4);
	cr_assert_eq(dnsd_new(w->loop, w->resolv, &rng, &w->d, &e), 0);
	cr_assert_eq(dnsd_set_places(w->d, &place, 1, &e), 0, "%s", e.text);
	cr_assert_answers(w, 0, &none);
	cr_assert_eq(counters(w).queries_udp, 1, "the program that was there first had its way");
	dnsd_free(first);
	tear_down(w);
}

Test(dnsd, nothing_of_it_stays_in_a_namespace_that_is_let_go)
{
	struct world *w = set_up();
	struct err e = { 0 };

	cr_assert_eq(lookup_programs(w, 0), 1);
	cr_assert_eq(dnsd_set_places(w->d, NULL, 0, &e), 0);
	cr_assert_eq(lookup_programs(w, 0), 0);
	tear_down(w);
}

/* As a kernel that cannot: more programs than 64 there are not in one namespace. */
static void leave_no_room(const struct world *w, int n, const struct server *s)
{
	int link, r;

	while (!(r = sk_lookup_attach(w->container[n].netns, s->udp, s->tcp, &link)))
		; /* held until the test's process ends */
	cr_assert_eq(r, -E2BIG, "%s", strerror(-r));
}

Test(dnsd, where_nothing_can_be_steered_port_53_is_bound_and_a_taken_one_is_tried_again)
{
	struct world *w = set_up();
	struct dnsd_place both[] = { place_of(w, 0), place_of(w, 1) };
	struct server s = { .addr = addr_from_v4(INADDR_ANY) }, aside = { .addr = addr_from_v4(DNSD_ADDR) };
	struct err e = { 0 };

	cr_assert_eq(dnsd_set_places(w->d, both, 1, &e), 0);
	cr_assert_eq(netns_run(w->container[1].netns, bind_server, &aside), 0);
	leave_no_room(w, 1, &aside);
	unbind_server(&aside); /* which leaves the programs nothing to choose */
	cr_assert_eq(netns_run(w->container[1].netns, bind_server, &s), 0);
	cr_assert_eq(dnsd_set_places(w->d, both, 2, &e), -EADDRINUSE);
	cr_assert_not_null(strstr(e.text, both[1].netns), "%s", e.text);
	cr_assert_not_null(strstr(e.text, "port 53 is taken"), "%s", e.text);
	cr_assert_eq(counters(w).places, 1);
	unbind_server(&s);
	e = (struct err){ 0 };
	cr_assert_eq(dnsd_set_places(w->d, both, 2, &e), 0, "%s", e.text);
	cr_assert_eq(counters(w).places, 2);
	s = (struct server){ .udp = -1, .tcp = -1 };
	cr_assert_answers(w, 1, &s);
	tear_down(w);
}

Test(dnsd, a_path_that_leads_elsewhere_by_now_is_not_entered)
{
	struct world *w = set_up();
	struct dnsd_place other = place_of(w, 0), gone = place_of(w, 1);
	struct err e = { 0 };

	other.netns = w->container[1].path;
	cr_assert_eq(dnsd_set_places(w->d, NULL, 0, &e), 0);
	cr_assert_eq(dnsd_set_places(w->d, &other, 1, &e), -ESTALE);
	cr_assert_not_null(strstr(e.text, "is gone"), "%s", e.text);
	gone.netns = "/run/netns/there-is-none";
	e = (struct err){ 0 };
	cr_assert_eq(dnsd_set_places(w->d, &gone, 1, &e), -ENOENT);
	cr_assert_eq(counters(w).places, 0);
	tear_down(w);
}

Test(dnsd, a_namespace_whose_path_is_gone_is_let_go)
{
	struct world *w = set_up();
	struct dnsd_place place = place_of(w, 0);
	char path[sizeof(w->container[0].path)];
	struct err e = { 0 };
	int other = dup(w->container[0].netns);

	cr_assert_eq(dnsd_set_places(w->d, NULL, 0, &e), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", other);
	place.netns = path;
	cr_assert_eq(dnsd_set_places(w->d, &place, 1, &e), 0, "%s", e.text);
	dnsd_sweep(w->d);
	cr_assert_eq(counters(w).places, 1);
	close(other);
	dnsd_sweep(w->d);
	cr_assert_eq(counters(w).places, 0);
	tear_down(w);
}
