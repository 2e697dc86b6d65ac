/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The server of `load`: load.h has the words. */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct client {
	int fd;
	struct sockaddr_in peer;
	char line[LINE_MAX_BYTES];
	size_t len;
};

static struct {
	const char *name;
	int epoll, tcp, udp;
	uint64_t open; /* connections */
} server = { .epoll = -1, .tcp = -1, .udp = -1 };

static struct client tcp_listener, udp_socket; /* who an event is for */

static int answer(char *out, size_t size, const struct sockaddr_in *peer, uint64_t n)
{
	char addr[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &peer->sin_addr, addr, sizeof(addr));
	return snprintf(out, size, "%s %s %u %llu end\n", server.name, addr, ntohs(peer->sin_port),
			(unsigned long long)n);
}

static void client_close(struct client *c)
{
	/* A child of echo_bulk may hold a copy for a moment: closing alone would not end our interest. */
	epoll_ctl(server.epoll, EPOLL_CTL_DEL, c->fd, NULL);
	close(c->fd);
	free(c);
	server.open--;
}

/* A child of ours sends back what comes, at whatever pace. */
static void echo_bulk(int fd, uint64_t left)
{
	static char buf[65536];

	if (fork())
		return;
	fd = dup2(fd, STDIN_FILENO);
	closefrom(STDERR_FILENO + 1); /* the other clients' connections end when the server says so */
	fcntl(fd, F_SETFL, 0);
	alarm(LIFE_MAX_S);
	while (left) {
		ssize_t n = read(fd, buf, left < sizeof(buf) ? left : sizeof(buf));

		for (ssize_t at = 0, w; n > 0 && at < n; at += w)
			if ((w = write(fd, buf + at, (size_t)(n - at))) <= 0)
				_exit(1);
		if (n <= 0)
			_exit(1);
		left -= (uint64_t)n;
	}
	_exit(0);
}

/* Whether the connection goes on. */
static bool client_line(struct client *c)
{
	unsigned long long n = 0;
	char word[8] = "", out[2 * LINE_MAX_BYTES];

	sscanf(c->line, "%7s %llu", word, &n);
	if (!strcmp(word, "bulk")) {
		echo_bulk(c->fd, n);
		return false;
	}
	if (!strcmp(word, "hold"))
		return true;
	return send(c->fd, out, (size_t)answer(out, sizeof(out), &c->peer, n), MSG_NOSIGNAL) > 0 &&
	       strcmp(word, "ask");
}

/* No byte behind a line is read: "bulk" has another reader for those. */
static void client_read(struct client *c)
{
	char *end;
	ssize_t n = recv(c->fd, c->line + c->len, sizeof(c->line) - 1 - c->len, MSG_PEEK);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		client_close(c);
		return;
	}
	end = memchr(c->line + c->len, '\n', (size_t)n);
	if (end)
		n = end + 1 - (c->line + c->len);
	if (recv(c->fd, c->line + c->len, (size_t)n, 0) != n) {
		client_close(c);
		return;
	}
	c->len += (size_t)n;
	c->line[c->len] = 0;
	if (!end && c->len < sizeof(c->line) - 1)
		return;
	c->len = 0;
	if (!client_line(c))
		client_close(c);
}

static void watch(int fd, struct client *c)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };

	if (epoll_ctl(server.epoll, EPOLL_CTL_ADD, fd, &e) < 0)
		fail("epoll");
}

static void accept_all(void)
{
	struct sockaddr_in peer;
	socklen_t len = sizeof(peer);
	int fd;

	while ((fd = accept4(server.tcp, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK)) >= 0) {
		struct client *c = calloc(1, sizeof(*c));

		*c = (struct client){ .fd = fd, .peer = peer };
		server.open++;
		watch(fd, c);
		client_read(c);
		len = sizeof(peer);
	}
}

/* One send, cut up by the kernel or the card. */
static void send_super(const struct sockaddr_in *to, unsigned int n, unsigned int size)
{
	static char buf[DATAGRAM_MAX];
	int none = 0, segment = (int)size;

	if (!size || n > sizeof(buf) / size)
		return;
	setsockopt(server.udp, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment));
	if (sendto(server.udp, buf, (size_t)n * size, 0, (const struct sockaddr *)to, sizeof(*to)) < 0)
		perror("load: super-packet");
	setsockopt(server.udp, SOL_UDP, UDP_SEGMENT, &none, sizeof(none));
}

static void answer_datagrams(void)
{
	static char in[DATAGRAM_MAX + 1];
	struct sockaddr_in peer;
	socklen_t len = sizeof(peer);
	ssize_t n;

	while ((n = recvfrom(server.udp, in, sizeof(in) - 1, 0, (struct sockaddr *)&peer, &len)) > 0) {
		unsigned long long seq = 0;
		unsigned int count, size;
		int head;
		char out[2 * LINE_MAX_BYTES];

		in[n] = 0;
		if (sscanf(in, "super %u %u", &count, &size) == 2) {
			send_super(&peer, count, size);
			continue;
		}
		sscanf(in, "dgram %llu", &seq);
		head = answer(out, sizeof(out), &peer, seq);
		memcpy(in, out, (size_t)head); /* the filling behind stays */
		sendto(server.udp, in, (size_t)(n > head ? n : head), 0, (struct sockaddr *)&peer, len);
	}
}

static int bound(int type, int protocol, const char *port)
{
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
	int fd = socket(AF_INET, type | SOCK_NONBLOCK, protocol), one = 1, room = 1 << 22;

	if (fd < 0)
		fail("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	if (bind(fd, (struct sockaddr *)&here, sizeof(here)) < 0)
		fail("bind");
	if (type == SOCK_STREAM && listen(fd, 1024) < 0)
		fail("listen");
	return fd;
}

static void stop_accepting(void)
{
	accept_all(); /* the kernel has answered these: they are connections */
	close(server.tcp);
	close(server.udp);
	server.tcp = server.udp = -1;
}

static void serve_event(struct client *c)
{
	if (c == &tcp_listener && server.tcp >= 0)
		accept_all();
	else if (c == &udp_socket && server.udp >= 0)
		answer_datagrams();
	else if (c != &tcp_listener && c != &udp_socket)
		client_read(c);
}

int serve(char **argv)
{
	int sctp = !strcmp(option(argv, "protocol", "tcp"), "sctp");

	if (!argv[0] || !argv[1])
		return 2;
	server.name = argv[0];
	server.epoll = epoll_create1(EPOLL_CLOEXEC);
	signal(SIGCHLD, SIG_IGN);
	server.tcp = bound(SOCK_STREAM, sctp ? IPPROTO_SCTP : 0, argv[1]);
	watch(server.tcp, &tcp_listener);
	server.udp = bound(SOCK_DGRAM, 0, argv[1]);
	watch(server.udp, &udp_socket);
	for (;;) {
		struct epoll_event e[64];
		int n = epoll_wait(server.epoll, e, 64, 200);

		for (int i = 0; i < n; i++)
			serve_event(e[i].data.ptr);
		if (load_stop && server.tcp >= 0)
			stop_accepting();
		if (load_stop && !server.open)
			return 0;
	}
}
