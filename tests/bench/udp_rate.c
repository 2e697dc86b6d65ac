// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How many datagrams of 64 bytes one flow delivers:
 *
 *   udp_rate sink ADDR PORT             counts until it is killed
 *   udp_rate send ADDR PORT SECONDS     prints: delivered per second, sent per second
 *
 * The count travels over the same path. The sender says START, floods, and asks
 * END until the sink answers with what arrived and how long that took, so that
 * what was lost on the way is not counted and neither side needs to be timed.
 *
 *   send                      sink
 *     START n  ------------->   forgets what it counted
 *              <-------------  START n
 *     DATA ... ------------->   counts, notes the first and the last moment
 *     END n    ------------->
 *              <-------------  END n, count, nanoseconds
 */
#include <sys/time.h>
#include <unistd.h>

#include "tool.h"

#define PAYLOAD 64
#define BATCH 64             /* datagrams a system call */
#define RCVBUF (16 << 20)    /* the sink shall not be what loses them */
#define ASK_TRIES 50
#define ASK_WAIT_US 100000

enum { MSG_DATA, MSG_START, MSG_END };

struct msg { /* both ends are this program on one machine: host order */
	uint32_t type, nonce;
	uint64_t count, took_ns;
	uint8_t fill[PAYLOAD - 24];
};
_Static_assert(sizeof(struct msg) == PAYLOAD, "the datagram measured has 64 bytes");

struct batch {
	struct mmsghdr hdr[BATCH];
	struct iovec iov[BATCH];
	struct msg msg[BATCH];
	struct sockaddr_in from[BATCH];
};

static void batch_init(struct batch *b, int with_names)
{
	memset(b, 0, sizeof(*b));
	for (int i = 0; i < BATCH; i++) {
		b->iov[i] = (struct iovec){ &b->msg[i], sizeof(b->msg[i]) };
		b->hdr[i].msg_hdr.msg_iov = &b->iov[i];
		b->hdr[i].msg_hdr.msg_iovlen = 1;
		if (with_names)
			b->hdr[i].msg_hdr.msg_name = &b->from[i];
	}
}

static int udp_socket(void)
{
	int size = RCVBUF, fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		tool_die("cannot open a UDP socket: %s", strerror(errno));
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		tool_die("cannot enlarge the receive buffer (needs root): %s", strerror(errno));
	return fd;
}

struct tally {
	uint64_t count, first_ns, last_ns;
};

static void tally_msg(struct tally *t, int fd, struct batch *b, int i, uint64_t now)
{
	struct msg *m = &b->msg[i];

	if (b->hdr[i].msg_len != sizeof(*m))
		return;
	if (m->type == MSG_DATA) {
		t->first_ns = t->count++ ? t->first_ns : now;
		t->last_ns = now;
		return;
	}
	if (m->type == MSG_START)
		*t = (struct tally){ 0 };
	m->count = t->count;
	m->took_ns = t->last_ns - t->first_ns;
	sendto(fd, m, sizeof(*m), 0, (struct sockaddr *)&b->from[i], sizeof(b->from[i]));
}

static void sink(const struct sockaddr_in *sa)
{
	static struct batch b;
	struct tally t = { 0 };
	int fd = udp_socket();

	if (bind(fd, (const struct sockaddr *)sa, sizeof(*sa)) < 0)
		tool_die("cannot bind port %u: %s", ntohs(sa->sin_port), strerror(errno));
	batch_init(&b, 1);
	for (;;) {
		for (int i = 0; i < BATCH; i++)
			b.hdr[i].msg_hdr.msg_namelen = sizeof(b.from[i]);

		int n = recvmmsg(fd, b.hdr, BATCH, MSG_WAITFORONE, NULL);
		uint64_t now = now_ns();

		if (n < 0 && errno != EINTR && errno != ECONNREFUSED)
			tool_die("cannot receive: %s", strerror(errno));
		for (int i = 0; i < n; i++)
			tally_msg(&t, fd, &b, i, now);
	}
}

/* Repeats the question until its answer comes: any of the two may be lost in the flood. */
static struct msg ask(int fd, uint32_t type, uint32_t nonce)
{
	struct msg m = { .type = type, .nonce = nonce }, got;

	for (int i = 0; i < ASK_TRIES; i++) {
		/* ENOBUFS and the like: the next try says the same. */
		if (send(fd, &m, sizeof(m), 0) < 0 && errno == ECONNREFUSED)
			tool_die("nothing listens at the other end");
		while (recv(fd, &got, sizeof(got), 0) == sizeof(got))
			if (got.type == type && got.nonce == nonce)
				return got;
	}
	tool_die("the sink did not answer within %d seconds", ASK_TRIES * ASK_WAIT_US / 1000000);
}

static uint64_t flood(int fd, uint64_t end)
{
	static struct batch b;
	uint64_t sent = 0;

	batch_init(&b, 0);
	while (now_ns() < end) {
		int n = sendmmsg(fd, b.hdr, BATCH, 0);

		if (n < 0 && errno != ENOBUFS && errno != EAGAIN)
			tool_die("cannot send: %s", strerror(errno));
		sent += n > 0 ? (uint64_t)n : 0;
	}
	return sent;
}

static void measure(const struct sockaddr_in *sa, uint64_t duration)
{
	struct timeval wait = { .tv_usec = ASK_WAIT_US };
	uint32_t nonce = (uint32_t)now_ns();
	int fd = udp_socket();

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	if (connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) < 0)
		tool_die("cannot connect: %s", strerror(errno));
	ask(fd, MSG_START, nonce);

	uint64_t start = now_ns(), sent = flood(fd, start + duration), took = now_ns() - start;
	struct msg got = ask(fd, MSG_END, nonce);

	if (got.count < 2 || !got.took_ns)
		tool_die("of %llu datagrams sent %llu arrived", (unsigned long long)sent,
			 (unsigned long long)got.count);
	printf("%.0f %.0f\n", (double)got.count * 1e9 / (double)got.took_ns,
	       (double)sent * 1e9 / (double)took);
	close(fd);
}

int main(int argc, char **argv)
{
	struct sockaddr_in sa;

	if (argc == 4 && !strcmp(argv[1], "sink")) {
		sa = tool_addr(argv[2], argv[3]);
		sink(&sa);
	}
	if (argc != 5 || strcmp(argv[1], "send")) {
		fprintf(stderr, "usage: udp_rate sink ADDR PORT | send ADDR PORT SECONDS\n");
		return 2;
	}
	sa = tool_addr(argv[2], argv[3]);
	measure(&sa, tool_seconds_ns(argv[4]));
	return 0;
}
