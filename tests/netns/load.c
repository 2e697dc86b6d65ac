/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Load for services, and who takes it. Everything ends by itself, SIGTERM ends it
 * sooner. All but `serve` print "KEY NUMBER" lines, "by NAME NUMBER" among them.
 *
 *   load serve NAME PORT [protocol=tcp|sctp]     UDP too; SIGTERM: finishes what is open
 *   load run ADDR:PORT [n=N] [t=S] [c=C] [rate=PER_S] [show=1] [via=ADDR] [protocol=]
 *                      connections: a question, the whole answer, the end; "sofar" each
 *                      second, "break KIND NAME TIME OPENED" at once
 *   load hold ADDR:PORT [k=K] [every=MS] [t=S] [idle=1] [turns=1] [via=ADDR]
 *                      K connections that stay, each opened when the one before is answered
 *                      (turns) or all at once: a question every so often, or one unanswered
 *                      (idle); "ready" when all are there, "break KIND NAME TIME OPENED"
 *   load bulk ADDR:PORT [bytes=N]                there and back, compared
 *   load udp ADDR:PORT [flows=K] [port=FIRST] [every=MS] [n=N] [t=S] [size=BYTES] [via=ADDR]
 *                      "flow PORT NAME GOT/SENT", "moved PORT FROM TO TIME"; "gap PORT COUNT TIME"
 *                      at once: so many are lost, or later than one that was sent after them
 *   load udp ADDR:PORT what=super [n=N] [size=BYTES]      UDP_SEGMENT both ways
 *   load udp ADDR:PORT what=mtu                           too large with DF, then what fits
 *
 * The address and the port that the backend saw must be our own. via=ADDR: or that
 * address. behind=ADDR: that address, and a port that stands for ours (masquerading).
 */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MS 5000 /* silence for longer is a failure */
#define SLOTS_MAX 2048

volatile sig_atomic_t load_stop;

/* ---- shared ---- */

void fail(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(2);
}

static uint64_t read_clock(clockid_t which)
{
	struct timespec t;

	clock_gettime(which, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

uint64_t now_ms(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t clock_ms(void)
{
	return read_clock(CLOCK_REALTIME);
}

const char *option(char **argv, const char *name, const char *otherwise)
{
	size_t n = strlen(name);

	for (; *argv; argv++)
		if (!strncmp(*argv, name, n) && (*argv)[n] == '=')
			return *argv + n + 1;
	return otherwise;
}

uint64_t number(char **argv, const char *name, uint64_t otherwise)
{
	const char *text = option(argv, name, NULL);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

uint8_t filling(uint64_t n, size_t at)
{
	return (uint8_t)(n * 31 + at * 7 + (at >> 8));
}

struct sockaddr_in target(const char *text)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	char addr[64] = "";
	unsigned int port = 0;

	if (!text || sscanf(text, "%63[^:]:%u", addr, &port) != 2 ||
	    inet_pton(AF_INET, addr, &to.sin_addr) != 1) {
		fputs("load: ADDR:PORT is wanted\n", stderr);
		exit(2);
	}
	to.sin_port = htons((uint16_t)port);
	return to;
}

struct seen_as seen_as_asked(char **argv)
{
	return (struct seen_as){ option(argv, "via", NULL), option(argv, "behind", NULL) };
}

bool is_us(const struct seen_as *as, const struct sockaddr_in *own, const char *addr, unsigned int port)
{
	char text[INET_ADDRSTRLEN];

	if (as->behind)
		return !strcmp(addr, as->behind) && port >= MASQ_FIRST && port <= UINT16_MAX;
	inet_ntop(AF_INET, &own->sin_addr, text, sizeof(text));
	return port == ntohs(own->sin_port) && (!strcmp(addr, text) || (as->via && !strcmp(addr, as->via)));
}

void tally_add(struct tally *t, const char *name)
{
	size_t i = 0;

	while (i < t->count && strcmp(t->of[i].name, name))
		i++;
	if (i == NAMES_MAX)
		return;
	if (i == t->count)
		snprintf(t->of[t->count++].name, sizeof(t->of[i].name), "%s", name);
	t->of[i].n++;
}

void tally_print(const struct tally *t)
{
	for (size_t i = 0; i < t->count; i++)
		printf("by %s %llu\n", t->of[i].name, (unsigned long long)t->of[i].n);
}

/* ---- connections ---- */

enum kind { KIND_OK, KIND_REFUSED, KIND_RESET, KIND_TIMEOUT, KIND_SHORT, KIND_WRONG, KIND_OTHER,
	    KIND_COUNT };
static const char *const kind_name[] = { "ok", "refused", "reset", "timeout", "short", "wrong",
					 "other" };

struct slot {
	int fd;             /* -1: free */
	bool is_connected, is_waiting, is_broken;
	uint64_t opened;    /* by the wall's clock */
	uint64_t due;       /* a failure when nothing came by then; held ones: the next question */
	uint64_t seq;
	struct sockaddr_in own;
	char name[32];      /* of the backend, once it has answered */
	char in[2 * LINE_MAX_BYTES];
	size_t len;
};

static struct {
	struct sockaddr_in to;
	struct seen_as as;
	int protocol, epoll;
	bool stays, is_idle, show;
	uint64_t every, seq;
	size_t count;       /* slots */
	size_t open;
	struct slot slot[SLOTS_MAX];
	uint64_t by_kind[KIND_COUNT];
	struct tally by;
} load = { .epoll = -1 };

static enum kind kind_of(int err)
{
	switch (err) {
	case 0:
		return KIND_SHORT;
	case ECONNREFUSED:
		return KIND_REFUSED;
	case ECONNRESET:
	case EPIPE:
		return KIND_RESET;
	case ETIMEDOUT:
		return KIND_TIMEOUT;
	default:
		return KIND_OTHER;
	}
}

static void slot_end(struct slot *s, enum kind kind)
{
	if (s->fd >= 0) {
		close(s->fd);
		s->fd = -1;
		load.open--;
	}
	load.by_kind[kind]++;
	if (kind == KIND_OK)
		return;
	s->is_broken = true;
	printf("break %s %s %llu %llu\n", kind_name[kind], s->name[0] ? s->name : "-",
	       (unsigned long long)clock_ms(), (unsigned long long)s->opened);
	fflush(stdout);
}

static void slot_ask(struct slot *s, const char *word)
{
	char out[LINE_MAX_BYTES];
	int len = snprintf(out, sizeof(out), "%s %llu\n", word, (unsigned long long)s->seq);

	s->len = 0;
	s->is_waiting = strcmp(word, "hold");
	s->due = now_ms() + ANSWER_MS;
	if (send(s->fd, out, (size_t)len, MSG_NOSIGNAL) != len)
		slot_end(s, kind_of(errno));
}

static void slot_open(struct slot *s)
{
	struct epoll_event e = { .events = EPOLLOUT | EPOLLIN, .data.ptr = s };

	*s = (struct slot){
		.seq = load.seq++,
		.opened = clock_ms(),
		.due = now_ms() + ANSWER_MS,
		.is_waiting = true,
	};
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, load.protocol);
	if (s->fd < 0)
		fail("socket");
	load.open++;
	if (connect(s->fd, (struct sockaddr *)&load.to, sizeof(load.to)) < 0 && errno != EINPROGRESS)
		slot_end(s, kind_of(errno));
	else if (epoll_ctl(load.epoll, EPOLL_CTL_ADD, s->fd, &e) < 0)
		fail("epoll");
}

static void slot_connected(struct slot *s)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = s };
	socklen_t len = sizeof(int);
	int err = 0;

	getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &err, &len);
	if (err) {
		slot_end(s, kind_of(err));
		return;
	}
	len = sizeof(s->own);
	getsockname(s->fd, (struct sockaddr *)&s->own, &len);
	epoll_ctl(load.epoll, EPOLL_CTL_MOD, s->fd, &e);
	s->is_connected = true;
	slot_ask(s, load.stays ? "keep" : "ask");
}

/* Whether it is the whole and right answer to our question. */
static bool slot_is_answered(struct slot *s)
{
	char addr[64] = "", name[32] = "", end[8] = "";
	unsigned long long seq = 0;
	unsigned int port = 0;

	s->in[s->len] = 0;
	if (sscanf(s->in, "%31s %63s %u %llu %7s", name, addr, &port, &seq, end) != 5 ||
	    strcmp(end, "end") || s->in[s->len - 1] != '\n')
		return false;
	memcpy(s->name, name, sizeof(name));
	return seq == s->seq && is_us(&load.as, &s->own, addr, port);
}

static void answer_count(struct slot *s)
{
	tally_add(&load.by, s->name);
	if (load.show)
		printf("answer %s\n", s->name);
}

/* The server has closed. */
static void slot_finished(struct slot *s)
{
	if (load.stays || !s->len) {
		slot_end(s, KIND_SHORT);
	} else if (!slot_is_answered(s)) {
		slot_end(s, KIND_WRONG);
	} else {
		answer_count(s);
		slot_end(s, KIND_OK);
	}
}

/* A held connection has its answer. */
static void slot_rest(struct slot *s)
{
	bool is_first = !s->name[0];

	if (!slot_is_answered(s)) {
		slot_end(s, KIND_WRONG);
		return;
	}
	if (is_first)
		answer_count(s);
	s->is_waiting = false;
	s->due = now_ms() + load.every;
	s->seq++;
	if (load.is_idle)
		slot_ask(s, "hold");
}

static void slot_read(struct slot *s)
{
	ssize_t n = recv(s->fd, s->in + s->len, sizeof(s->in) - 1 - s->len, 0);

	if (n < 0 && errno != EAGAIN)
		slot_end(s, kind_of(errno));
	else if (n == 0)
		slot_finished(s);
	else if (n > 0) {
		s->len += (size_t)n;
		if (load.stays && memchr(s->in, '\n', s->len))
			slot_rest(s);
	}
}

static void slot_late(struct slot *s, uint64_t now)
{
	if (s->fd < 0 || now < s->due)
		return;
	if (s->is_waiting)
		slot_end(s, KIND_TIMEOUT);
	else if (!load.is_idle)
		slot_ask(s, "keep");
}

static void turn(int timeout_ms)
{
	struct epoll_event e[128];
	int n = epoll_wait(load.epoll, e, 128, timeout_ms);
	uint64_t now;

	for (int i = 0; i < n; i++) {
		struct slot *s = e[i].data.ptr;

		if (s->fd < 0)
			continue;
		if (!s->is_connected && e[i].events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
			slot_connected(s);
		else
			slot_read(s);
	}
	now = now_ms();
	for (size_t i = 0; i < load.count; i++)
		slot_late(&load.slot[i], now);
}

static void print_kinds(void)
{
	for (int i = 0; i < KIND_COUNT; i++)
		printf("%s %llu\n", kind_name[i], (unsigned long long)load.by_kind[i]);
	tally_print(&load.by);
}

static int load_init(char **argv, const char *slots)
{
	load.to = target(argv[0]);
	load.as = seen_as_asked(argv);
	load.show = number(argv, "show", 0);
	load.protocol = strcmp(option(argv, "protocol", "tcp"), "sctp") ? 0 : IPPROTO_SCTP;
	load.count = number(argv, slots, 1);
	load.epoll = epoll_create1(0);
	for (size_t i = 0; i < SLOTS_MAX; i++)
		load.slot[i].fd = -1;
	return load.count > SLOTS_MAX ? -1 : 0;
}

static struct slot *free_slot(void)
{
	static size_t at;

	for (size_t i = 0; i < load.count; i++) {
		at = (at + 1) % load.count;
		if (load.slot[at].fd < 0)
			return &load.slot[at];
	}
	return NULL;
}

static int run(char **argv)
{
	uint64_t n = number(argv, "n", number(argv, "t", 0) ? UINT64_MAX : 1);
	uint64_t rate = number(argv, "rate", 0), begin = now_ms();
	uint64_t end = begin + number(argv, "t", LIFE_MAX_S) * 1000, told = begin;

	if (load_init(argv, "c"))
		return 2;
	while (load.open || (load.seq < n && !load_stop && now_ms() < end)) {
		uint64_t now = now_ms(), may = rate ? (now - begin) * rate / 1000 + 1 : UINT64_MAX;
		struct slot *s;

		while (load.seq < n && load.seq < may && !load_stop && now < end && (s = free_slot()))
			slot_open(s);
		turn(rate ? 2 : 100);
		if (now >= told + 1000) {
			printf("sofar %llu\n", (unsigned long long)load.by_kind[KIND_OK]);
			fflush(stdout);
			told = now;
		}
	}
	print_kinds();
	return load.by_kind[KIND_OK] == load.seq ? 0 : 1;
}

/* Whoever is still there answers once more. */
static size_t last_words(void)
{
	size_t alive = 0;

	for (size_t i = 0; i < load.count; i++)
		if (load.slot[i].fd >= 0 && !load.slot[i].is_waiting)
			slot_ask(&load.slot[i], "keep");
	load.is_idle = false;
	load.every = UINT32_MAX;
	for (uint64_t end = now_ms() + ANSWER_MS + 500, waiting = 1; waiting && now_ms() < end;) {
		turn(20);
		waiting = 0;
		for (size_t i = 0; i < load.count; i++)
			waiting += load.slot[i].fd >= 0 && load.slot[i].is_waiting;
	}
	for (size_t i = 0; i < load.count; i++)
		alive += load.slot[i].fd >= 0;
	return alive;
}

/* How many of those that were opened are answered, or broken. */
static size_t settled(size_t opened)
{
	size_t n = 0;

	for (size_t i = 0; i < opened; i++)
		n += load.slot[i].name[0] || load.slot[i].is_broken;
	return n;
}

static int hold(char **argv)
{
	uint64_t end = now_ms() + number(argv, "t", LIFE_MAX_S) * 1000;
	bool in_turns = number(argv, "turns", 0), is_ready = false;
	size_t opened = 0;

	if (load_init(argv, "k"))
		return 2;
	load.stays = true;
	load.every = number(argv, "every", 200);
	load.is_idle = number(argv, "idle", 0);
	while (!load_stop && now_ms() < end) {
		size_t may = in_turns ? settled(opened) + 1 : load.count;

		while (opened < load.count && opened < may)
			slot_open(&load.slot[opened++]);
		turn(20);
		if (!is_ready && settled(load.count) == load.count) {
			is_ready = true;
			tally_print(&load.by);
			puts("ready");
			fflush(stdout);
		}
	}
	printf("alive %zu\n", last_words());
	print_kinds();
	return 0;
}

/* ---- much ---- */

#define BULK_SEED 5

static void bulk_send(int fd, uint64_t bytes)
{
	static uint8_t buf[65536];

	for (uint64_t at = 0; at < bytes;) {
		size_t n = bytes - at < sizeof(buf) ? bytes - at : sizeof(buf);

		for (size_t i = 0; i < n; i++)
			buf[i] = filling(BULK_SEED + (at >> 16), i);
		for (size_t done = 0; done < n;) {
			ssize_t w = write(fd, buf + done, n - done);

			if (w <= 0)
				_exit(1);
			done += (size_t)w;
		}
		at += n;
	}
	_exit(0);
}

static int bulk(char **argv)
{
	static uint8_t buf[65536];
	uint64_t bytes = number(argv, "bytes", 1 << 20), at = 0, wrong = 0;
	struct sockaddr_in to = target(argv[0]);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	ssize_t n;

	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		fail("connect");
	dprintf(fd, "bulk %llu\n", (unsigned long long)bytes);
	if (!fork())
		bulk_send(fd, bytes);
	alarm(LIFE_MAX_S);
	while (at < bytes && (n = read(fd, buf, sizeof(buf))) > 0)
		for (ssize_t i = 0; i < n; i++, at++)
			wrong += buf[i] != filling(BULK_SEED + (at >> 16), at & 0xffff);
	printf("got %llu\nwrong %llu\n", (unsigned long long)at, (unsigned long long)wrong);
	wait(NULL);
	return at == bytes && !wrong ? 0 : 1;
}

static void on_term(int sig)
{
	(void)sig;
	load_stop = 1;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(char **argv);
	} modes[] = { { "serve", serve }, { "run", run }, { "hold", hold }, { "bulk", bulk },
		      { "udp", load_udp } };
	struct sigaction act = { .sa_handler = on_term };
	struct rlimit files = { 8192, 8192 };

	sigaction(SIGTERM, &act, NULL);
	setrlimit(RLIMIT_NOFILE, &files);
	for (size_t i = 0; argc > 2 && i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!strcmp(argv[1], modes[i].name))
			return modes[i].run(argv + 2);
	fputs("usage: load serve|run|hold|bulk|udp ... (see load.c)\n", stderr);
	return 2;
}
