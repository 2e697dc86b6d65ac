/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a careless or hostile container does to its DNS server, for tests:
 *
 *   ask bad ADDR             datagrams that are no questions, or broken ones, and responses
 *   ask badtcp ADDR          the same on connections
 *   ask flood ADDR N NAME    N questions for N.NAME as fast as they go, no answer read
 *   ask hold ADDR N SECONDS  N connections that say nothing
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT 53
#define HEADER 12

static const struct {
	const char *data;
	size_t len;
} bad[] = {
	{ "", 0 },
	{ "\0", 1 },
	{ "\0\1\1\0\0\1\0\0\0\0\0", 11 },                             /* a header less one byte */
	{ "\0\1\1\0\0\0\0\0\0\0\0\0", 12 },                           /* no question */
	{ "\0\1\1\0\xff\xff\xff\xff\xff\xff\xff\xff", 12 },           /* very many */
	{ "\0\1\1\0\0\1\0\0\0\0\0\0\xc0\x0c\0\1\0\1", 18 },           /* a name that is itself */
	{ "\0\1\1\0\0\1\0\0\0\0\0\0\1a\xc0\x0c\0\1\0\1", 20 },        /* a name without an end */
	{ "\0\1\1\0\0\1\0\0\0\0\0\0\xff\xff\xff", 15 },               /* a pointer out of it */
	{ "\0\1\1\0\0\1\0\0\0\0\0\0\x3f" "abc", 16 },                 /* a label longer than all */
	{ "\0\1\1\0\0\1\0\0\0\0\0\0\1a\0\0\1", 17 },                  /* no class */
	{ "\0\1\1\0\0\1\0\0\0\0\0\1\1a\0\0\1\0\1\0\0\x29\x04", 23 },  /* half an OPT */
	{ "\0\1\x81\x80\0\1\0\0\0\0\0\0\1a\0\0\1\0\1", 19 },          /* a response */
	{ "\0\1\x29\0\0\1\0\0\0\0\0\0\1a\0\0\6\0\1", 19 },            /* an update */
};

static void fail(const char *what)
{
	fprintf(stderr, "ask: %s: %s\n", what, strerror(errno));
	exit(2);
}

static int open_to(const char *addr, int type)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int fd = socket(AF_INET, type, 0);

	if (inet_pton(AF_INET, addr, &to.sin_addr) != 1 || fd < 0 ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		fail(addr);
	return fd;
}

static int send_bad(const char *addr)
{
	int fd = open_to(addr, SOCK_DGRAM);

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (send(fd, bad[i].data, bad[i].len, 0) < 0)
			fail("send");
	return 0;
}

static int send_bad_by_tcp(const char *addr)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint8_t head[2] = { 0, (uint8_t)bad[i].len };
		int fd = open_to(addr, SOCK_STREAM);

		send(fd, head, 2, MSG_NOSIGNAL);
		send(fd, bad[i].data, bad[i].len, MSG_NOSIGNAL);
		close(fd);
	}
	return 0;
}

static size_t put_name(uint8_t *at, const char *name)
{
	uint8_t *start = at;

	while (*name) {
		size_t len = strcspn(name, ".");

		*at++ = (uint8_t)len;
		memcpy(at, name, len);
		at += len;
		name += len + (name[len] == '.');
	}
	*at++ = 0;
	return (size_t)(at - start);
}

static int flood(const char *addr, unsigned long n, const char *name)
{
	int fd = open_to(addr, SOCK_DGRAM);

	for (unsigned long i = 0; i < n; i++) {
		uint8_t m[512] = { (uint8_t)(i >> 8), (uint8_t)i, 1, 0, 0, 1 };
		char full[256];
		size_t len = HEADER;

		snprintf(full, sizeof(full), "%lu.%s", i, name);
		len += put_name(m + len, full);
		memcpy(m + len, "\0\1\0\1", 4);
		send(fd, m, len + 4, 0);
	}
	return 0;
}

static int hold(const char *addr, unsigned long n, unsigned int seconds)
{
	while (n--)
		open_to(addr, SOCK_STREAM);
	puts("held");
	fflush(stdout);
	sleep(seconds);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "bad"))
		return send_bad(argv[2]);
	if (argc == 3 && !strcmp(argv[1], "badtcp"))
		return send_bad_by_tcp(argv[2]);
	if (argc == 5 && !strcmp(argv[1], "flood") && strlen(argv[4]) < 200)
		return flood(argv[2], strtoul(argv[3], NULL, 10), argv[4]);
	if (argc == 5 && !strcmp(argv[1], "hold"))
		return hold(argv[2], strtoul(argv[3], NULL, 10), (unsigned int)atoi(argv[4]));
	fputs("usage: ask bad|badtcp ADDR | ask flood ADDR N NAME | ask hold ADDR N SECONDS\n", stderr);
	return 2;
}
