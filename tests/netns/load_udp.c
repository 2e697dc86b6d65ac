/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The UDP clients of `load`: flows with fixed ports, super-packets, path MTU. */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define FLOWS_MAX 256
#define LATE_MS 3000 /* what has not come by then is lost */

struct flow {
	int fd;
	struct sockaddr_in own;
	char name[32]; /* of who answered last */
	uint64_t sent, got;
	uint64_t next; /* behind the last that came */
};

static struct {
	struct flow flow[FLOWS_MAX];
	struct pollfd poll[FLOWS_MAX];
	size_t count, size;
	uint64_t refused, wrong, too_big;
	struct seen_as as;
	struct tally by;
} udp;

static int flow_open(const struct sockaddr_in *to, struct sockaddr_in *own, uint64_t port)
{
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	socklen_t len = sizeof(*own);

	if (fd < 0 || bind(fd, (struct sockaddr *)&here, sizeof(here)) < 0 ||
	    connect(fd, (const struct sockaddr *)to, sizeof(*to)) < 0)
		fail("udp");
	getsockname(fd, (struct sockaddr *)own, &len);
	return fd;
}

static size_t fill(char *out, size_t size, uint64_t seq)
{
	int head = snprintf(out, LINE_MAX_BYTES, "dgram %llu\n", (unsigned long long)seq);

	for (size_t i = (size_t)head; i < size; i++)
		out[i] = (char)filling(seq, i);
	return size > (size_t)head ? size : (size_t)head;
}

static void flow_send(struct flow *f)
{
	static char buf[DATAGRAM_MAX];

	if (send(f->fd, buf, fill(buf, udp.size, f->sent), 0) >= 0)
		f->sent++;
	else if (errno == ECONNREFUSED)
		udp.refused++;
	else if (errno == EMSGSIZE)
		udp.too_big++;
}

static bool filling_is_right(const char *in, size_t len, uint64_t seq)
{
	const char *end = memchr(in, '\n', len);

	for (size_t i = end ? (size_t)(end + 1 - in) : 0; i < len; i++)
		if ((uint8_t)in[i] != filling(seq, i))
			return false;
	return true;
}

static void flow_answer(struct flow *f, const char *in, size_t len)
{
	char name[32], addr[32];
	unsigned long long seq;
	unsigned int port;

	if (sscanf(in, "%31s %31s %u %llu end", name, addr, &port, &seq) != 4 ||
	    !is_us(&udp.as, &f->own, addr, port) ||
	    (udp.size > LINE_MAX_BYTES && (len != udp.size || !filling_is_right(in, len, seq)))) {
		udp.wrong++;
		return;
	}
	if (seq > f->next)
		printf("gap %u %llu %llu\n", port, seq - f->next, (unsigned long long)clock_ms());
	if (seq >= f->next)
		f->next = seq + 1;
	f->got++;
	tally_add(&udp.by, name);
	if (f->name[0] && strcmp(f->name, name))
		printf("moved %u %s %s %llu\n", port, f->name, name, (unsigned long long)clock_ms());
	strcpy(f->name, name);
}

static void hear(int timeout_ms)
{
	static char in[DATAGRAM_MAX + 1];
	ssize_t n;

	if (poll(udp.poll, udp.count, timeout_ms) <= 0)
		return;
	for (size_t i = 0; i < udp.count; i++) {
		if (!udp.poll[i].revents)
			continue;
		while ((n = recv(udp.flow[i].fd, in, sizeof(in) - 1, 0)) >= 0) {
			in[n] = 0;
			flow_answer(&udp.flow[i], in, (size_t)n);
		}
		if (errno == ECONNREFUSED)
			udp.refused++;
	}
}

static uint64_t sum_up(uint64_t *ret_sent)
{
	uint64_t got = 0;

	*ret_sent = 0;
	for (size_t i = 0; i < udp.count; i++) {
		*ret_sent += udp.flow[i].sent;
		got += udp.flow[i].got;
	}
	return got;
}

static void print_result(void)
{
	uint64_t sent, got = sum_up(&sent);

	for (size_t i = 0; i < udp.count; i++)
		printf("flow %u %s %llu/%llu\n", ntohs(udp.flow[i].own.sin_port), udp.flow[i].name,
		       (unsigned long long)udp.flow[i].got, (unsigned long long)udp.flow[i].sent);
	printf("sent %llu\nok %llu\nlost %llu\nrefused %llu\nwrong %llu\ntoobig %llu\n",
	       (unsigned long long)sent, (unsigned long long)got, (unsigned long long)(sent - got),
	       (unsigned long long)udp.refused, (unsigned long long)udp.wrong,
	       (unsigned long long)udp.too_big);
	tally_print(&udp.by);
}

static int flows(const struct sockaddr_in *to, char **argv)
{
	uint64_t n = number(argv, "n", UINT32_MAX), every = number(argv, "every", 100);
	uint64_t port = number(argv, "port", 0), end = now_ms() + number(argv, "t", 30) * 1000;
	uint64_t next = now_ms();

	udp.count = number(argv, "flows", 1);
	udp.size = number(argv, "size", 0);
	udp.as = seen_as_asked(argv);
	if (udp.count > FLOWS_MAX || udp.size > DATAGRAM_MAX)
		return 2;
	for (size_t i = 0; i < udp.count; i++) {
		struct flow *f = &udp.flow[i];

		f->fd = flow_open(to, &f->own, port ? port + i : 0);
		udp.poll[i] = (struct pollfd){ .fd = f->fd, .events = POLLIN };
	}
	for (uint64_t now; n && !load_stop && (now = now_ms()) < end; hear(next > now ? (int)(next - now) : 0)) {
		if (now < next)
			continue;
		for (size_t i = 0; i < udp.count; i++)
			flow_send(&udp.flow[i]);
		next += every;
		n--;
	}
	for (uint64_t late = now_ms() + LATE_MS, sent; sum_up(&sent) < sent && now_ms() < late;)
		hear(50);
	print_result();
	return 0;
}

/* Datagrams of a size, until there are `most` or none has come for a second. */
static uint64_t count_datagrams(int fd, size_t size, uint64_t most)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	static char in[DATAGRAM_MAX];
	uint64_t n = 0;

	while (n < most && poll(&p, 1, LATE_MS) > 0) {
		ssize_t got = recv(fd, in, sizeof(in), 0);

		if (got < 0)
			return n;
		n += (size_t)got >= size;
	}
	return n;
}

/* n datagrams of `size` bytes in one send, and then the other way round. */
static int super(const struct sockaddr_in *to, char **argv)
{
	static char buf[DATAGRAM_MAX];
	size_t n = number(argv, "n", 20), size = number(argv, "size", 1200);
	int segment = (int)size, none = 0, len;
	struct sockaddr_in own;
	int fd = flow_open(to, &own, number(argv, "port", 0));
	uint64_t there;

	if (!size || n > sizeof(buf) / size)
		return 2;
	for (size_t i = 0; i < n; i++)
		fill(buf + i * size, size, i);
	setsockopt(fd, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment));
	if (send(fd, buf, n * size, 0) < 0)
		fail("super-packet");
	there = count_datagrams(fd, size, n);
	setsockopt(fd, SOL_UDP, UDP_SEGMENT, &none, sizeof(none));
	len = snprintf(buf, sizeof(buf), "super %zu %zu", n, size);
	if (send(fd, buf, (size_t)len, 0) < 0)
		fail("send");
	printf("there %llu\nback %llu\n", (unsigned long long)there,
	       (unsigned long long)count_datagrams(fd, size, n));
	return 0;
}

/* Too large with DF set, until the kernel has heard what fits; then as large as fits. */
static int path_mtu(const struct sockaddr_in *to)
{
	static char buf[DATAGRAM_MAX];
	int mtu = 0, how = IP_PMTUDISC_DO, before = 0, heard;
	struct sockaddr_in own;
	int fd = flow_open(to, &own, 0);
	socklen_t len = sizeof(mtu);
	size_t size = 0;

	setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &how, sizeof(how));
	for (int i = 0; i < 50; i++, usleep(20000)) {
		getsockopt(fd, IPPROTO_IP, IP_MTU, &mtu, &len);
		if (!before)
			before = mtu;
		size = (size_t)before - sizeof(struct iphdr) - sizeof(struct udphdr);
		if (send(fd, buf, fill(buf, size, 1), 0) < 0 && errno == EMSGSIZE)
			break;
	}
	getsockopt(fd, IPPROTO_IP, IP_MTU, &mtu, &len);
	len = sizeof(heard);
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &heard, &len); /* the same once more */
	size = (size_t)mtu - sizeof(struct iphdr) - sizeof(struct udphdr);
	if (send(fd, buf, fill(buf, size, 1), 0) < 0)
		fail("send");
	printf("before %d\nmtu %d\nanswered %d\n", before, mtu, count_datagrams(fd, size, 1) > 0);
	return 0;
}

int load_udp(char **argv)
{
	struct sockaddr_in to = target(argv[0]);
	const char *what = option(argv, "what", "flows");

	if (!strcmp(what, "super"))
		return super(&to, argv + 1);
	if (!strcmp(what, "mtu"))
		return path_mtu(&to);
	return flows(&to, argv + 1);
}
