/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What one can read on a wire, for the demo:
 *
 *   wire IFACE TEXT LINES      until SIGTERM, of both directions
 *
 * prints a line each of the first LINES frames of ESP and VXLAN, with the end of the
 * frame as text, and at last how many there were and how many held TEXT.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define PORT_VXLAN 4789
#define END_BYTES 40 /* of a frame, shown as text */

static uint8_t frame[65536 + 64]; /* veth hands on frames of 64 KB whole */
static volatile sig_atomic_t stop;

static void on_term(int signo)
{
	(void)signo;
	stop = 1;
}

static void fail(const char *what)
{
	fprintf(stderr, "wire: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int packet_socket(const char *ifname)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));

	ll.sll_ifindex = (int)if_nametoindex(ifname);
	if (fd < 0 || !ll.sll_ifindex || bind(fd, (struct sockaddr *)&ll, sizeof(ll)) < 0)
		fail(ifname);
	return fd;
}

/* "ESP", "VXLAN", or NULL. Headers of nodes have no options. */
static const char *kind_of(size_t len)
{
	struct ethhdr eth;
	struct iphdr ip;
	struct udphdr udp;

	if (len < sizeof(eth) + sizeof(ip) + sizeof(udp))
		return NULL;
	memcpy(&eth, frame, sizeof(eth));
	memcpy(&ip, frame + sizeof(eth), sizeof(ip));
	memcpy(&udp, frame + sizeof(eth) + sizeof(ip), sizeof(udp));
	if (eth.h_proto != htons(ETH_P_IP))
		return NULL;
	if (ip.protocol == IPPROTO_ESP)
		return "ESP";
	return ip.protocol == IPPROTO_UDP && udp.dest == htons(PORT_VXLAN) ? "VXLAN" : NULL;
}

static void print_frame(const char *kind, size_t len)
{
	char src[INET_ADDRSTRLEN], dst[INET_ADDRSTRLEN];
	struct iphdr ip;

	memcpy(&ip, frame + ETH_HLEN, sizeof(ip));
	inet_ntop(AF_INET, &ip.saddr, src, sizeof(src));
	inet_ntop(AF_INET, &ip.daddr, dst, sizeof(dst));
	printf("%s > %s  %-5s %4zu bytes  ...", src, dst, kind, len);
	for (size_t i = len > END_BYTES ? len - END_BYTES : 0; i < len; i++)
		putchar(frame[i] >= ' ' && frame[i] <= '~' ? frame[i] : '.');
	putchar('\n');
}

static void listen_on(int fd, const char *text, unsigned long lines)
{
	unsigned long seen = 0, held = 0;

	while (!stop) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t n = poll(&p, 1, 200) > 0 ? recv(fd, frame, sizeof(frame), 0) : 0;
		const char *kind = n > 0 ? kind_of((size_t)n) : NULL;

		if (n > 0) /* of whatever kind the frame is */
			held += memmem(frame, (size_t)n, text, strlen(text)) != NULL;
		if (kind && seen++ < lines)
			print_frame(kind, (size_t)n);
	}
	printf("%lu frames; with the text \"%s\": %lu\n", seen, text, held);
}

int main(int argc, char **argv)
{
	struct sigaction on = { .sa_handler = on_term }; /* no SA_RESTART: recv ends */
	int fd;

	if (argc != 4) {
		fputs("usage: wire IFACE TEXT LINES\n", stderr);
		return 2;
	}
	fd = packet_socket(argv[1]);
	sigaction(SIGTERM, &on, NULL);
	fputs("listening\n", stderr);
	listen_on(fd, argv[2], strtoul(argv[3], NULL, 10));
	return 0;
}
