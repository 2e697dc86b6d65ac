// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Request and response of one byte over TCP, one at a time:
 *
 *   tcp_rr serve ADDR PORT          answers until it is killed
 *   tcp_rr rr ADDR PORT SECONDS     on one connection
 *   tcp_rr crr ADDR PORT SECONDS    connects, asks, reads the answer, closes
 *   tcp_rr pair A B PORT SECONDS    on a connection to each, in short turns
 *
 * The clients print: rate per second, median and 99th percentile in microseconds;
 * `pair`: nanoseconds a request takes with A and with B, each the median of its turns.
 */
#include <sys/time.h>
#include <unistd.h>

#include "tool.h"

#define SAMPLES_MAX (1u << 24)
#define TURN 200           /* requests */
#define TURNS_MAX (1u << 20)
#define STALL_SECONDS 5 /* no answer for so long is a broken path, not a slow one */

static int tcp_socket(void)
{
	struct timeval stall = { .tv_sec = STALL_SECONDS };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		tool_die("cannot open a TCP socket: %s", strerror(errno));
	tool_tune_tcp(fd);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &stall, sizeof(stall));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &stall, sizeof(stall));
	return fd;
}

static void answer(int conn)
{
	char byte;

	while (recv(conn, &byte, 1, 0) == 1 && send(conn, &byte, 1, MSG_NOSIGNAL) == 1)
		;
}

static void serve(const struct sockaddr_in *sa)
{
	int on = 1, fd = tcp_socket();

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)sa, sizeof(*sa)) < 0 || listen(fd, 128) < 0)
		tool_die("cannot listen on port %u: %s", ntohs(sa->sin_port), strerror(errno));
	for (;;) {
		int conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

		if (conn < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			tool_die("cannot accept: %s", strerror(errno));
		if (conn < 0)
			continue;
		answer(conn);
		close(conn);
	}
}

static int tcp_connect(const struct sockaddr_in *sa)
{
	int fd = tcp_socket();

	if (connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) < 0)
		tool_die("cannot connect to port %u: %s", ntohs(sa->sin_port), strerror(errno));
	return fd;
}

static void ask(int fd)
{
	char byte = 'x';

	if (send(fd, &byte, 1, MSG_NOSIGNAL) != 1)
		tool_die("cannot send a request: %s", strerror(errno));
	switch (recv(fd, &byte, 1, 0)) {
	case 1:
		return;
	case 0:
		tool_die("the server closed the connection instead of answering");
	default:
		if (errno == EAGAIN)
			tool_die("no answer within %d seconds", STALL_SECONDS);
		tool_die("no answer: %s", strerror(errno));
	}
}

static void run_rr(const struct sockaddr_in *sa, uint64_t end, struct samples *s)
{
	int fd = tcp_connect(sa);

	for (uint64_t t = now_ns(), next; t < end; t = next) {
		ask(fd);
		next = now_ns();
		samples_add(s, next - t);
	}
	close(fd);
}

static void run_crr(const struct sockaddr_in *sa, uint64_t end, struct samples *s)
{
	for (uint64_t t = now_ns(), next; t < end; t = next) {
		int fd = tcp_connect(sa);

		ask(fd);
		close(fd);
		next = now_ns();
		samples_add(s, next - t);
	}
}

/*
 * A machine that drifts by tenths within seconds still tells two paths apart by
 * hundredths, when they take turns of some milliseconds: A B B A.
 */
static void run_pair(const struct sockaddr_in sa[2], uint64_t end)
{
	int fd[2] = { tcp_connect(&sa[0]), tcp_connect(&sa[1]) };
	struct samples s[2];

	samples_init(&s[0], TURNS_MAX);
	samples_init(&s[1], TURNS_MAX);
	for (unsigned turn = 0; now_ns() < end; turn++) {
		unsigned which = (turn ^ turn >> 1) & 1;
		uint64_t start = now_ns();

		for (int i = 0; i < TURN; i++)
			ask(fd[which]);
		samples_add(&s[which], (now_ns() - start) / TURN);
	}
	if (!s[0].count || !s[1].count)
		tool_die("the time given is shorter than two turns");
	samples_sort(&s[0]);
	samples_sort(&s[1]);
	printf("%.0f %.0f\n", (double)samples_at(&s[0], 500), (double)samples_at(&s[1], 500));
}

static void print_result(struct samples *s, uint64_t took_ns)
{
	if (!s->count)
		tool_die("not one answer within the time given");
	samples_sort(s);
	printf("%.0f %.2f %.2f\n", (double)s->count * 1e9 / (double)took_ns,
	       samples_at(s, 500) / 1e3, samples_at(s, 990) / 1e3);
}

int main(int argc, char **argv)
{
	struct sockaddr_in sa;
	struct samples s;

	if (argc == 4 && !strcmp(argv[1], "serve")) {
		sa = tool_addr(argv[2], argv[3]);
		serve(&sa);
	}
	if (argc == 6 && !strcmp(argv[1], "pair")) {
		struct sockaddr_in both[2] = { tool_addr(argv[2], argv[4]), tool_addr(argv[3], argv[4]) };

		run_pair(both, now_ns() + tool_seconds_ns(argv[5]));
		return 0;
	}
	if (argc != 5 || (strcmp(argv[1], "rr") && strcmp(argv[1], "crr"))) {
		fprintf(stderr, "usage: tcp_rr serve ADDR PORT | rr|crr ADDR PORT SECONDS | "
				"pair A B PORT SECONDS\n");
		return 2;
	}
	sa = tool_addr(argv[2], argv[3]);
	samples_init(&s, SAMPLES_MAX);

	uint64_t start = now_ns(), end = start + tool_seconds_ns(argv[4]);

	if (!strcmp(argv[1], "rr"))
		run_rr(&sa, end, &s);
	else
		run_crr(&sa, end, &s);
	print_result(&s, now_ns() - start);
	return 0;
}
