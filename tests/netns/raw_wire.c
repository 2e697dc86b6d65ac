/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is on a wire, counted; and ESP frames of it, sent again. */
#include "raw.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define WAIT_MS 30000 /* for a frame that must come */
#define ESP (ETH_HLEN + 20) /* of a frame without IP options: SPI, sequence number */

static volatile sig_atomic_t stop;

static void on_term(int signo)
{
	(void)signo;
	stop = 1;
}

static int be16(const uint8_t *p)
{
	return p[0] << 8 | p[1];
}

/* Whether it is IPv4 of that protocol; of UDP only what goes to that port. */
static int is_ip(const uint8_t *p, size_t n, int protocol, int port)
{
	return n >= 38 && be16(p + 12) == ETH_P_IP && p[23] == protocol &&
	       (!port || be16(p + ETH_HLEN + 20 + 2) == port);
}

int tally(const char *ifname, const char *text, char **o)
{
	struct sigaction on = { .sa_handler = on_term }; /* no SA_RESTART: recv ends */
	unsigned long esp = 0, vxlan = 0, holds = 0;
	int fd = packet_socket(ifname, ETH_P_ALL), room = 64 << 20;
	int port = (int)number(option(o, "port", "4789"));

	sigaction(SIGTERM, &on, NULL);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	puts("listening");
	fflush(stdout);
	while (!stop) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t n = poll(&p, 1, 200) > 0 ? recv(fd, frame, sizeof(frame), 0) : 0;

		if (n <= 0)
			continue;
		esp += (unsigned long)is_ip(frame, (size_t)n, IPPROTO_ESP, 0);
		vxlan += (unsigned long)is_ip(frame, (size_t)n, IPPROTO_UDP, port);
		holds += memmem(frame, (size_t)n, text, strlen(text)) != NULL;
	}
	printf("esp %lu\nvxlan %lu\nholds %lu\n", esp, vxlan, holds);
	return 0;
}

/* The next ESP frame that goes out by it. Its size. */
static size_t catch_esp(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	while (poll(&p, 1, WAIT_MS) > 0) {
		struct sockaddr_ll from;
		socklen_t from_len = sizeof(from);
		ssize_t n = recvfrom(fd, frame, sizeof(frame), 0, (struct sockaddr *)&from, &from_len);

		if (n > 0 && from.sll_pkttype == PACKET_OUTGOING &&
		    is_ip(frame, (size_t)n, IPPROTO_ESP, 0))
			return (size_t)n;
	}
	fail("no ESP frame");
}

static void add32(uint8_t *at, unsigned int n)
{
	uint32_t v;

	memcpy(&v, at, sizeof(v));
	v = htonl(ntohl(v) + n);
	memcpy(at, &v, sizeof(v));
}

int again(const char *ifname, char **o)
{
	unsigned int n = number(option(o, "n", "1")), spi = number(option(o, "spi", "0"));
	int fd = packet_socket(ifname, ETH_P_ALL);
	size_t size;

	puts("listening");
	fflush(stdout);
	size = catch_esp(fd);
	if (spi)
		memcpy(frame + ESP, &(uint32_t){ htonl(spi) }, sizeof(uint32_t));
	add32(frame + ESP + 4, number(option(o, "ahead", "0")));
	frame[size - 1] ^= (uint8_t)number(option(o, "flip", "0"));
	for (unsigned int i = 0; i < n; i++)
		if (send(fd, frame, size, 0) < 0)
			fail(ifname);
	return 0;
}
