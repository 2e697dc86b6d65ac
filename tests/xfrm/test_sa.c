/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SAs of XFRM between two namespaces; needs root and a kernel with ESP. Host A is the
 * test's own namespace (up0, 192.0.2.1); host B, 192.0.2.2, is at the veth's other end.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/cleanup.h"
#include "sys/netns.h"
#include "sys/nl.h"
#include "sys/xfrm.h"
#include "tests/lib/world.h"

#define SPI 0x51ab0000u
#define PORT 4789

/* Sockets that speak for the two namespaces. */
static struct nl *a, *b;
static int b_netns;

static struct ov_addr addr(const char *text)
{
	struct ov_addr r;

	cr_assert_eq(addr_parse(text, &r), 0);
	return r;
}

static void enter(int netns)
{
	must(setns(netns, CLONE_NEWNET), "setns");
}

static void two_hosts(void)
{
	int self;

	make_world();
	sh("ip addr flush dev up1");
	must(netns_open_self(&self), "own namespace");
	must(nl_open_bus(NETLINK_XFRM, &a), "a socket of XFRM");
	b_netns = open(OTHER, O_RDONLY | O_CLOEXEC);
	must(b_netns, OTHER);
	sh("ip link set up1 netns %s", OTHER); /* by path */
	enter(b_netns);
	must(nl_open_bus(NETLINK_XFRM, &b), "a socket of XFRM");
	sh("ip link set lo up && ip addr add 192.0.2.2/24 dev up1 && ip link set up1 up");
	enter(self);
	close(self);
}

TestSuite(sa, .init = two_hosts);

static struct xfrm_sa sa_to_b(uint32_t spi)
{
	return (struct xfrm_sa){ .src = addr("192.0.2.1"), .dst = addr("192.0.2.2"), .spi = spi,
				 .reqid = OV_IPSEC_REQID };
}

static void fill_key(uint8_t key[XFRM_KEY_LEN], uint8_t seed)
{
	for (uint8_t i = 0; i < XFRM_KEY_LEN; i++)
		key[i] = (uint8_t)(seed + i * 7);
}

static void add(struct nl *n, uint32_t spi, uint8_t seed)
{
	struct xfrm_sa sa = sa_to_b(spi);
	uint8_t key[XFRM_KEY_LEN];

	fill_key(key, seed);
	must(xfrm_sa_add(n, &sa, false, key), nl_why(n));
}

static struct xfrm_policy policy_to_b(uint8_t lane, uint32_t spi)
{
	return (struct xfrm_policy){
		.src = addr("192.0.2.1"), .dst = addr("192.0.2.2"), .port = PORT,
		.mark = OV_IPSEC_MARK | lane, .mask = OV_IPSEC_MARK_MASK,
		.spi = spi, .reqid = OV_IPSEC_REQID,
	};
}

/* The one SA of ours in that namespace. */
static struct xfrm_sa_info only_sa(struct nl *n)
{
	_cleanup_(freep) struct xfrm_sa_info *list = NULL;
	size_t count = 0;

	must(xfrm_sa_list(n, OV_IPSEC_REQID, &list, &count), nl_why(n));
	cr_assert_eq(count, 1);
	return list[0];
}

static size_t sa_count(struct nl *n)
{
	_cleanup_(freep) struct xfrm_sa_info *list = NULL;
	size_t count = 0;

	must(xfrm_sa_list(n, OV_IPSEC_REQID, &list, &count), nl_why(n));
	return count;
}

/* ---- what goes over the wire ---- */

/* A raw socket for ESP in B's namespace: it hears what comes in before it is deciphered. */
static int hear_esp(void)
{
	int self, fd;

	must(netns_open_self(&self), "own namespace");
	enter(b_netns);
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(0x0800));
	must(fd, "packet socket");
	enter(self);
	close(self);
	return fd;
}

static int send_marked(const char *text, uint32_t mark)
{
	_cleanup_(closep) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(PORT) };

	inet_pton(AF_INET, "192.0.2.2", &sin.sin_addr);
	must(setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)), "SO_MARK");
	return sendto(fd, text, strlen(text), 0, (struct sockaddr *)&sin, sizeof(sin)) < 0 ? -errno : 0;
}

struct heard {
	unsigned int esp, clear, size; /* size: of the last ESP packet, with its IP header */
};

/* All IP packets until none has come for a while; clear: those that hold the text as it is. */
static struct heard drain(int fd, const char *text)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct heard h = { 0 };
	uint8_t frame[4096];

	while (poll(&p, 1, 300) > 0) {
		ssize_t n = recv(fd, frame, sizeof(frame), 0);
		bool is_esp = n > 34 && frame[23] == IPPROTO_ESP;

		h.esp += is_esp;
		/* What was deciphered comes by once more: only what came in by the wire counts. */
		h.clear += is_esp && memmem(frame, (size_t)n, text, strlen(text));
		h.size = is_esp ? (unsigned int)n - 14 : h.size;
	}
	return h;
}

#define TEXT "attack at dawn, attack at dawn"

Test(sa, is_listed_with_all_that_was_asked_and_removed)
{
	struct xfrm_sa_info s;
	struct xfrm_sa sa = sa_to_b(SPI);
	uint8_t key[XFRM_KEY_LEN] = { 1 };
	uint64_t now = (uint64_t)time(NULL);

	add(a, SPI, 3);
	s = only_sa(a);
	cr_assert_eq(addr_cmp(&s.sa.src, &sa.src), 0);
	cr_assert_eq(addr_cmp(&s.sa.dst, &sa.dst), 0);
	cr_assert_eq(s.sa.spi, SPI);
	cr_assert_eq(s.packets + s.bytes + s.replayed + s.failed, 0);
	cr_assert(s.added_s + 2 >= now && s.added_s <= now + 2, "%llu", (unsigned long long)s.added_s);
	cr_assert_eq(xfrm_sa_check(a, &sa.dst, SPI), 0);
	cr_assert_eq(xfrm_sa_check(a, &sa.dst, SPI + 1), -ESRCH);
	cr_assert_eq(xfrm_sa_add(a, &sa, false, key), -EEXIST, "it stays as it is");
	must(xfrm_sa_delete(a, &sa.dst, SPI), nl_why(a));
	must(xfrm_sa_delete(a, &sa.dst, SPI), "what is gone");
	cr_assert_eq(sa_count(a), 0);
}

Test(sa, is_esp_in_tunnel_mode_with_a_long_window_and_long_numbers)
{
	add(a, SPI, 3);
	cr_assert(sh_ok("ip -d xfrm state | grep -q 'mode tunnel'"));
	cr_assert(sh_ok("ip -d xfrm state | grep -q 'flag esn'"));
	cr_assert(sh_ok("ip -d xfrm state | grep -q 'replay_window 4096'"));
	cr_assert(sh_ok("ip -d xfrm state | grep -q 'rfc4106(gcm(aes)) .* 128'"));
}

Test(sa, of_somebody_else_is_not_ours)
{
	sh("ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x99 reqid 9 mode tunnel "
	   "aead 'rfc4106(gcm(aes))' 0x0102030405060708090a0b0c0d0e0f1011121314 128");
	cr_assert_eq(sa_count(a), 0);
}

/* The size is what the MTU of encrypted networks is reckoned by (model/view.h). */
Test(sa, enciphers_what_has_its_mark_and_counts_it_at_both_ends)
{
	struct xfrm_policy p = policy_to_b(1, SPI | 1);
	_cleanup_(closep) int wire = -1;
	struct heard h;
	unsigned int inside = 20 + 8 + (unsigned int)strlen(TEXT);

	add(a, SPI | 1, 3);
	add(b, SPI | 1, 3);
	must(xfrm_policy_set(a, &p), nl_why(a));
	wire = hear_esp();
	for (int i = 0; i < 10; i++)
		cr_assert_eq(send_marked(TEXT, OV_IPSEC_MARK | 1), 0);
	h = drain(wire, TEXT);
	cr_assert_eq(h.esp, 10);
	cr_assert_eq(h.clear, 0);
	cr_assert_eq(h.size, 20 + 8 + 8 + ((inside + 2 + 3) & ~3u) + 16);
	cr_assert_eq(only_sa(a).packets, 10);
	cr_assert_eq(only_sa(b).packets, 10);
	cr_assert_eq(only_sa(b).bytes, 10 * (uint64_t)inside);
	cr_assert_eq(only_sa(b).failed + only_sa(b).replayed, 0);
}

Test(sa, leaves_what_has_another_mark_or_none)
{
	struct xfrm_policy p = policy_to_b(1, SPI | 1);
	_cleanup_(closep) int wire = -1;

	add(a, SPI | 1, 3);
	must(xfrm_policy_set(a, &p), nl_why(a));
	wire = hear_esp();
	cr_assert_eq(send_marked(TEXT, OV_IPSEC_MARK | 2), 0);
	cr_assert_eq(send_marked(TEXT, 0), 0);
	cr_assert_eq(drain(wire, TEXT).esp, 0);
	cr_assert_eq(only_sa(a).packets, 0);
}

Test(sa, counts_what_it_refuses)
{
	struct xfrm_policy p = policy_to_b(1, SPI | 1);
	_cleanup_(closep) int wire = hear_esp();

	add(a, SPI | 1, 3);
	add(b, SPI | 1, 4); /* another key */
	must(xfrm_policy_set(a, &p), nl_why(a));
	cr_assert_eq(send_marked(TEXT, OV_IPSEC_MARK | 1), 0);
	drain(wire, TEXT);
	cr_assert_eq(only_sa(b).failed, 1);
	cr_assert_eq(only_sa(b).packets, 0);
}

Test(sa, that_is_missing_lets_nothing_out)
{
	struct xfrm_policy p = policy_to_b(1, SPI | 1);
	_cleanup_(closep) int wire = hear_esp();

	add(a, SPI | 2, 3); /* of the same reqid: the policy names another one */
	must(xfrm_policy_set(a, &p), nl_why(a));
	send_marked(TEXT, OV_IPSEC_MARK | 1);
	cr_assert_eq(drain(wire, TEXT).esp, 0);
	cr_assert_eq(only_sa(a).packets, 0);
}

Test(sa, that_is_new_takes_over_when_the_policy_is_moved)
{
	struct xfrm_policy p = policy_to_b(1, SPI | 1);
	_cleanup_(closep) int wire = hear_esp();
	struct ov_addr dst = addr("192.0.2.2");

	add(a, SPI | 1, 3);
	add(a, SPI | 0x101, 5);
	must(xfrm_policy_set(a, &p), nl_why(a));
	cr_assert_eq(send_marked(TEXT, OV_IPSEC_MARK | 1), 0);
	p.spi = SPI | 0x101;
	must(xfrm_policy_set(a, &p), nl_why(a));
	must(xfrm_sa_delete(a, &dst, SPI | 1), nl_why(a));
	cr_assert_eq(send_marked(TEXT, OV_IPSEC_MARK | 1), 0);
	cr_assert_eq(drain(wire, TEXT).esp, 2);
	cr_assert_eq(only_sa(a).packets, 1);
}

Test(sa, of_all_lanes_of_many_peers_is_made_and_listed)
{
	for (uint32_t i = 0; i < 300; i++)
		add(a, SPI + i, (uint8_t)i);
	cr_assert_eq(sa_count(a), 300);
}

Test(sa, the_kernel_is_able_and_nothing_is_left_of_the_question)
{
	struct err e = { 0 };

	cr_assert_eq(xfrm_probe(&e), 0, "%s", e.text);
	cr_assert_eq(xfrm_probe(&e), 0, "%s", e.text);
	cr_assert(sh_ok("test -z \"$(ip xfrm state)\""));
}
