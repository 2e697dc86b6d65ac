/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Raw frames for tests: what a hostile container can send, and whether anything
 * of it arrives.
 *
 *   raw send IFACE text=T [n=1] [smac= dmac= sip= dip= sport= dport=] [type=0x0800]
 *                  [sum=UDP-CHECKSUM] [cut=BYTES] [vni=N ismac= idmac= isip= idip=]
 *   raw arp  IFACE op=1|2 smac= dmac= sip= dip=
 *   raw syn  IFACE n=N smac= dmac= sip= dip= dport=      from as many ports and more
 *   raw hear IFACE SECONDS T      exit 0 when a frame holding T comes in, 1 when none does
 *   raw say MARK text=T [n=1] sip= dip= [dport=] vni=N ...    the same packet by a socket with
 *                                 that mark, from whatever address: what a node itself sends
 *   raw tally IFACE T [port=4789] until SIGTERM, of both directions: "esp", "vxlan", "holds"
 *                                 and how many frames were ESP, VXLAN, or held T
 *   raw again IFACE [n=1] [ahead=N] [flip=1] [spi=N]    the next ESP frame that goes out there,
 *                                 sent again: with its sequence number so much greater, its
 *                                 last byte another one, another SPI
 *
 * With vni= the frame carries a VXLAN packet (RFC 7348) around an inner frame.
 */
#include "raw.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

uint8_t frame[FRAME_MAX];
static size_t len;

const char *option(char **argv, const char *name, const char *otherwise)
{
	size_t n = strlen(name);

	for (; *argv; argv++)
		if (!strncmp(*argv, name, n) && (*argv)[n] == '=')
			return *argv + n + 1;
	return otherwise;
}

void fail(const char *what)
{
	fprintf(stderr, "raw: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void put(const void *data, size_t n)
{
	memcpy(frame + len, data, n);
	len += n;
}

static void put16(unsigned int v)
{
	uint8_t b[2] = { (uint8_t)(v >> 8), (uint8_t)v };

	put(b, 2);
}

static void put_mac(const char *text)
{
	unsigned int m[6];
	uint8_t b[6];

	if (sscanf(text, "%x:%x:%x:%x:%x:%x", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5]) != 6)
		fail(text);
	for (int i = 0; i < 6; i++)
		b[i] = (uint8_t)m[i];
	put(b, 6);
}

static void put_ip(const char *text)
{
	struct in_addr a;

	if (inet_pton(AF_INET, text, &a) != 1)
		fail(text);
	put(&a, 4);
}

/* RFC 1071. */
static uint16_t checksum(const uint8_t *p, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < n; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void put_ether(const char *dmac, const char *smac, unsigned int type)
{
	put_mac(dmac);
	put_mac(smac);
	put16(type);
}

static void put_udp(const char *sip, const char *dip, unsigned int sport, unsigned int dport,
		    size_t payload)
{
	size_t ip = len;
	uint16_t sum;

	put("\x45\x00", 2);
	put16((unsigned int)(28 + payload));
	put("\x00\x00\x00\x00\x40\x11\x00\x00", 8);
	put_ip(sip);
	put_ip(dip);
	sum = checksum(frame + ip, 20);
	frame[ip + 10] = (uint8_t)(sum >> 8);
	frame[ip + 11] = (uint8_t)sum;
	put16(sport);
	put16(dport);
	put16((unsigned int)(8 + payload));
	put16(0); /* no checksum: legal for UDP over IPv4 */
}

unsigned int number(const char *text)
{
	return (unsigned int)strtoul(text, NULL, 0);
}

/* Of the outermost UDP header; a wrong one, most likely. */
static void set_sum(const char *sum)
{
	size_t at = ETH_HLEN + 20 + 6;

	frame[at] = (uint8_t)(number(sum) >> 8);
	frame[at + 1] = (uint8_t)number(sum);
}

static void build_send(char **o)
{
	const char *sum = option(o, "sum", NULL);
	const char *text = option(o, "text", "raw"), *vni = option(o, "vni", NULL);
	size_t payload = strlen(text) + (vni ? 8 + 14 + 28 : 0);

	put_ether(option(o, "dmac", "ff:ff:ff:ff:ff:ff"), option(o, "smac", "02:00:00:00:00:01"),
		  number(option(o, "type", "0x0800")));
	put_udp(option(o, "sip", "0.0.0.0"), option(o, "dip", "255.255.255.255"),
		number(option(o, "sport", "50000")), number(option(o, "dport", vni ? "4789" : "9")),
		payload);
	if (vni) {
		put("\x08\x00\x00\x00", 4);
		put16(number(vni) >> 8);
		put16(number(vni) << 8);
		put_ether(option(o, "idmac", "ff:ff:ff:ff:ff:ff"),
			  option(o, "ismac", "02:00:00:00:00:01"), 0x0800);
		put_udp(option(o, "isip", "0.0.0.0"), option(o, "idip", "255.255.255.255"), 50000, 9,
			strlen(text));
	}
	put(text, strlen(text));
	if (sum)
		set_sum(sum);
}

static void build_arp(char **o)
{
	put_ether(option(o, "dmac", "ff:ff:ff:ff:ff:ff"), option(o, "smac", ""), 0x0806);
	put("\x00\x01\x08\x00\x06\x04", 6);
	put16(number(option(o, "op", "1")));
	put_mac(option(o, "smac", ""));
	put_ip(option(o, "sip", ""));
	put_mac("00:00:00:00:00:00");
	put_ip(option(o, "dip", ""));
}

static void put_syn(const char *sip, const char *dip)
{
	size_t ip = len;
	uint16_t sum;

	put("\x45\x00\x00\x28\x00\x00\x40\x00\x40\x06\x00\x00", 12);
	put_ip(sip);
	put_ip(dip);
	sum = checksum(frame + ip, 20);
	frame[ip + 10] = (uint8_t)(sum >> 8);
	frame[ip + 11] = (uint8_t)sum;
	put("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 12);
	put("\x50\x02\xff\xff\x00\x00\x00\x00", 8);
}

/* The source port and its share of the checksum are all that differs. */
static void vary_syn(uint8_t *tcp, uint32_t pseudo, unsigned int sport, unsigned int dport)
{
	uint32_t sum = pseudo;

	tcp[0] = (uint8_t)(sport >> 8);
	tcp[1] = (uint8_t)sport;
	tcp[2] = (uint8_t)(dport >> 8);
	tcp[3] = (uint8_t)dport;
	tcp[16] = tcp[17] = 0;
	sum += (uint16_t)~checksum(tcp, 20);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	sum = ~sum;
	tcp[16] = (uint8_t)(sum >> 8);
	tcp[17] = (uint8_t)sum;
}

int packet_socket(const char *ifname, unsigned int protocol)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET, .sll_protocol = htons((uint16_t)protocol) };
	int fd = socket(AF_PACKET, SOCK_RAW, htons((uint16_t)protocol));

	ll.sll_ifindex = (int)if_nametoindex(ifname);
	if (fd < 0 || !ll.sll_ifindex || bind(fd, (struct sockaddr *)&ll, sizeof(ll)) < 0)
		fail(ifname);
	return fd;
}

static int transmit(const char *ifname, char **o)
{
	int fd = packet_socket(ifname, 0);
	unsigned int n = number(option(o, "n", "1"));
	const char *cut = option(o, "cut", NULL);

	if (cut && number(cut) < len)
		len = number(cut);
	for (unsigned int i = 0; i < n; i++)
		if (send(fd, frame, len, 0) < 0)
			fail("send");
	return 0;
}

#define PORT_FIRST 1024

/* Every port of ours to dport, then every one to the next, and so on. */
static int flood(const char *ifname, char **o)
{
	unsigned int n = number(option(o, "n", "1")), dport = number(option(o, "dport", "80"));
	int fd = packet_socket(ifname, 0);
	uint32_t pseudo;

	put_ether(option(o, "dmac", ""), option(o, "smac", ""), ETH_P_IP);
	put_syn(option(o, "sip", ""), option(o, "dip", ""));
	pseudo = (uint16_t)~checksum(frame + ETH_HLEN + 12, 8) + 6u + 20u;
	for (unsigned int i = 0; i < n; i++) {
		unsigned int ports = 65536 - PORT_FIRST;

		vary_syn(frame + ETH_HLEN + 20, pseudo, PORT_FIRST + i % ports, dport + i / ports);
		while (send(fd, frame, len, 0) < 0)
			if (errno != ENOBUFS)
				fail("send");
	}
	return 0;
}

static int hear(const char *ifname, double seconds, const char *text)
{
	int fd = packet_socket(ifname, ETH_P_ALL);
	struct timespec start, now;
	double left;

	puts("listening");
	fflush(stdout);
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (;;) {
		struct sockaddr_ll from;
		socklen_t from_len = sizeof(from);
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t n;

		clock_gettime(CLOCK_MONOTONIC, &now);
		left = seconds - (double)(now.tv_sec - start.tv_sec) - (double)(now.tv_nsec - start.tv_nsec) / 1e9;
		if (left <= 0 || poll(&p, 1, (int)(left * 1000)) <= 0)
			return 1;
		n = recvfrom(fd, frame, sizeof(frame), 0, (struct sockaddr *)&from, &from_len);
		if (n > 0 && from.sll_pkttype != PACKET_OUTGOING &&
		    memmem(frame, (size_t)n, text, strlen(text))) {
			puts("heard");
			return 0;
		}
	}
}

/* A VXLAN packet as our own socket sends it: with a mark, so that XFRM takes it. */
static int say(const char *mark, char **o)
{
	size_t head = ETH_HLEN + 20 + 8; /* the socket makes these */
	struct sockaddr_in from = { .sin_family = AF_INET }, to = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_DGRAM, 0), on = 1;
	unsigned int m = number(mark), n = number(option(o, "n", "1"));

	build_send(o);
	memcpy(&from.sin_addr, frame + ETH_HLEN + 12, 4);
	memcpy(&to.sin_addr, frame + ETH_HLEN + 16, 4);
	memcpy(&to.sin_port, frame + ETH_HLEN + 22, 2);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_MARK, &m, sizeof(m)) < 0 ||
	    setsockopt(fd, SOL_IP, IP_TRANSPARENT, &on, sizeof(on)) < 0 ||
	    bind(fd, (struct sockaddr *)&from, sizeof(from)) < 0 ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		fail("socket");
	for (unsigned int i = 0; i < n; i++)
		if (send(fd, frame + head, len - head, 0) < 0)
			fail("send");
	return 0;
}

int main(int argc, char **argv)
{
	if (argc >= 3 && !strcmp(argv[1], "send")) {
		build_send(argv + 3);
		return transmit(argv[2], argv + 3);
	}
	if (argc >= 3 && !strcmp(argv[1], "arp")) {
		build_arp(argv + 3);
		return transmit(argv[2], argv + 3);
	}
	if (argc >= 3 && !strcmp(argv[1], "syn"))
		return flood(argv[2], argv + 3);
	if (argc == 5 && !strcmp(argv[1], "hear"))
		return hear(argv[2], atof(argv[3]), argv[4]);
	if (argc >= 3 && !strcmp(argv[1], "say"))
		return say(argv[2], argv + 3);
	if (argc >= 3 && !strcmp(argv[1], "again"))
		return again(argv[2], argv + 3);
	if (argc >= 4 && !strcmp(argv[1], "tally"))
		return tally(argv[2], argv[3], argv + 4);
	fputs("usage: raw send|arp|syn|again IFACE KEY=VALUE... | raw say MARK KEY=VALUE... | "
	      "raw hear IFACE SECONDS TEXT | raw tally IFACE TEXT [port=N]\n", stderr);
	return 2;
}
