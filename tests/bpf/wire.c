// SPDX-License-Identifier: GPL-2.0-or-later
#include "wire.h"

#include <arpa/inet.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/udp.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PORT 7777
#define DEADLINE_S 10

static int ns_new(void)
{
	cr_assert_eq(unshare(CLONE_NEWNET), 0, "needs root");

	int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	cr_assert_geq(fd, 0);
	/* Router solicitations would be drops that no test asked for. */
	ns_run(fd, "ip link set lo up; f=/proc/sys/net/ipv6/conf/default/disable_ipv6; "
		   "[ ! -e $f ] || echo 1 >$f");
	return fd;
}

void ns_enter(int ns)
{
	cr_assert_eq(setns(ns, CLONE_NEWNET), 0);
}

void ns_run(int ns, const char *format, ...)
{
	char command[512];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);

	ns_enter(ns);
	cr_assert_eq(system(command), 0, "failed: %s", command);
}

static void attach(struct host *h, enum program program, const char *device)
{
	int ifindex = (int)if_nametoindex(device);

	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = h->env.program[program],
		    .handle = 1, .priority = 1);

	cr_assert_gt(ifindex, 0, "no device %s", device);
	cr_assert_eq(bpf_tc_hook_create(&hook), 0);
	cr_assert_eq(bpf_tc_attach(&hook, &opts), 0);
}

/* What differs between wires is set on the uplinks of both hosts. */
static void tune(int ns, enum wire_kind kind)
{
	if (kind == WIRE_SUPER_PACKETS)
		return;
	ns_run(ns, "ethtool -K eth0 tso off tx-udp_tnl-segmentation off "
		   "tx-udp_tnl-csum-segmentation off tx-udp-segmentation off gro %s >/dev/null",
	       kind == WIRE_LIKE_A_NIC ? "on" : "off");
}

/* The wire must stand: addresses, tunnel device, then the programs as the daemon puts them. */
static void host_start(struct host *h, enum node node, enum wire_kind kind)
{
	ns_run(h->ns, "ip addr add 192.0.2.%d/24 dev eth0 && ip link set eth0 up", node);
	ns_run(h->ns, "ip link add tunnel type vxlan external dstport %d && ip link set tunnel up",
	       VXLAN_PORT);
	tune(h->ns, kind);
	env_load(&h->env);
	h->env.uplink_ifindex = if_nametoindex("eth0");
	h->env.tunnel_ifindex = if_nametoindex("tunnel");
	attach(h, UPLINK, "eth0");
	attach(h, TUNNEL, "tunnel");
}

static int pod_start(struct host *h, const struct actor *a)
{
	int pod = ns_new();
	const uint8_t *m = a->mac;

	ns_run(h->ns, "ip link add %s type veth peer name eth0 "
		      "address %02x:%02x:%02x:%02x:%02x:%02x mtu %d netns /proc/%d/fd/%d && "
		      "ip link set %s up",
	       a->name, m[0], m[1], m[2], m[3], m[4], m[5], NETWORK_MTU, getpid(), pod, a->name);
	attach(h, ENDPOINT, a->name);
	ns_run(pod, "ip addr add 10.10.0.%u/24 dev eth0 && ip link set eth0 up", a->ip & 255);
	return pod;
}

void wire_open(struct wire *w, enum wire_kind kind)
{
	w->a.ns = ns_new();
	w->b.ns = ns_new();
	ns_run(w->a.ns, "ip link add eth0 type veth peer name eth0 netns /proc/%d/fd/%d", getpid(),
	       w->b.ns);
	host_start(&w->a, NODE_A, kind);
	host_start(&w->b, NODE_B, kind);
	w->one = pod_start(&w->a, &blue_one);
	w->two = pod_start(&w->a, &blue_two);
	w->far = pod_start(&w->b, &blue_far);

	/* Every actor the maps of a host name as local needs a device of that name. */
	ns_run(w->a.ns, "ip link add red_one type veth peer name red_one_in");
	env_become(&w->a.env, NODE_A);
	ns_run(w->b.ns, "ip link add red_far type veth peer name red_far_in");
	env_become(&w->b.env, NODE_B);
}

void wire_close(struct wire *w)
{
	env_close(&w->a.env);
	env_close(&w->b.env);
	close(w->one);
	close(w->two);
	close(w->far);
	close(w->a.ns);
	close(w->b.ns);
}

void wire_attach_xdp(struct wire *w, uint32_t flags)
{
	ns_enter(w->a.ns);
	cr_assert_eq(bpf_xdp_attach((int)w->a.env.uplink_ifindex, w->a.env.program[UPLINK_XDP],
				    flags, NULL), 0);
	ns_enter(w->b.ns);
	cr_assert_eq(bpf_xdp_attach((int)w->b.env.uplink_ifindex, w->b.env.program[UPLINK_XDP],
				    flags, NULL), 0);
}

static struct sockaddr_in address(const struct actor *a)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(PORT),
				     .sin_addr.s_addr = htonl(a->ip) };
}

static int open_socket(int ns, int type)
{
	ns_enter(ns);

	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	struct timeval deadline = { .tv_sec = DEADLINE_S };

	cr_assert_geq(fd, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof(deadline));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &deadline, sizeof(deadline));
	return fd;
}

static int open_server(int ns, const struct actor *a, int type)
{
	int fd = open_socket(ns, type), big = 8 << 20;
	struct sockaddr_in addr = address(a);

	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof(big));
	cr_assert_eq(bind(fd, (void *)&addr, sizeof(addr)), 0, "bind: %s", strerror(errno));
	return fd;
}

static int connect_to(int fd, const struct actor *to)
{
	struct sockaddr_in addr = address(to);

	return connect(fd, (void *)&addr, sizeof(addr));
}

static uint8_t pattern(size_t i)
{
	return (uint8_t)(i * 31 + (i >> 8) * 7 + (i >> 16));
}

static void fill(uint8_t *buf, size_t n, size_t from)
{
	for (size_t i = 0; i < n; i++)
		buf[i] = pattern(from + i);
}

static bool matches(const uint8_t *buf, size_t n, size_t from)
{
	for (size_t i = 0; i < n; i++)
		if (buf[i] != pattern(from + i))
			return false;
	return true;
}

void flow_ping(int from, const struct actor *to, size_t size)
{
	ns_run(from, "ping -q -c 3 -i 0.2 -W 2 -s %zu 10.10.0.%u >/dev/null", size, to->ip & 255);
}

static bool send_pattern(int fd, size_t bytes)
{
	static uint8_t buf[65536];

	for (size_t done = 0; done < bytes;) {
		size_t n = bytes - done < sizeof(buf) ? bytes - done : sizeof(buf);

		fill(buf, n, done);
		for (size_t sent = 0; sent < n;) {
			ssize_t r = send(fd, buf + sent, n - sent, MSG_NOSIGNAL);

			if (r <= 0)
				return false;
			sent += (size_t)r;
		}
		done += n;
	}
	return true;
}

/* The sending side. A child makes no assertions: the report is its parent's alone. */
static pid_t spawn_sender(int from, const struct actor *to, size_t bytes)
{
	int fd = open_socket(from, SOCK_STREAM);
	pid_t pid = fork();

	cr_assert_geq(pid, 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(connect_to(fd, to) == 0 && send_pattern(fd, bytes) ? 0 : 1);
	}
	close(fd);
	return pid;
}

void flow_tcp(int from, int to_ns, const struct actor *to, size_t bytes)
{
	static uint8_t buf[65536];
	int listener = open_server(to_ns, to, SOCK_STREAM), status;

	cr_assert_eq(listen(listener, 1), 0);

	pid_t sender = spawn_sender(from, to, bytes);
	int fd = accept(listener, NULL, NULL);
	size_t got = 0;

	cr_assert_geq(fd, 0, "nobody connected to %s", to->name);
	for (ssize_t n; (n = read(fd, buf, sizeof(buf))) > 0; got += (size_t)n)
		cr_assert(matches(buf, (size_t)n, got), "bytes changed near %zu", got);
	cr_assert_eq(got, bytes, "%zu of %zu bytes reached %s", got, bytes, to->name);
	cr_assert_eq(waitpid(sender, &status, 0), sender);
	cr_assert_eq(status, 0, "the sender failed");
	close(fd);
	close(listener);
}

void flow_udp(int from, int to_ns, const struct actor *to, size_t size, int count, int segments)
{
	static uint8_t buf[65536];
	int server = open_server(to_ns, to, SOCK_DGRAM);
	int client = open_socket(from, SOCK_DGRAM);
	int segment = (int)size;

	cr_assert_eq(connect_to(client, to), 0, "%s: %s", to->name, strerror(errno));
	if (segments > 1)
		cr_assert_eq(setsockopt(client, IPPROTO_UDP, UDP_SEGMENT, &segment,
					sizeof(segment)), 0);

	for (int sent = 0; sent < count;) {
		int batch = count - sent < segments ? count - sent : segments;
		size_t n = size * (size_t)batch;

		fill(buf, n, 0);
		cr_assert_eq(send(client, buf, n, 0), (ssize_t)n, "send: %s", strerror(errno));
		sent += batch;

		for (int i = 0; i < batch; i++) { /* in step, so that no queue overflows */
			static uint8_t in[65536];
			ssize_t got = recv(server, in, sizeof(in), 0);

			cr_assert_eq(got, (ssize_t)size, "datagram %d to %s: %zd bytes, %s",
				     sent - batch + i, to->name, got,
				     got < 0 ? strerror(errno) : "");
			cr_assert(matches(in, size, (size_t)i * size), "datagram %d changed", i);
		}
	}
	close(server);
	close(client);
}

static struct sockaddr_ll to_eth0(void)
{
	return (struct sockaddr_ll){ .sll_family = AF_PACKET,
				     .sll_ifindex = (int)if_nametoindex("eth0"),
				     .sll_protocol = htons(ETH_P_IP) };
}

void flow_raw(int from, const void *frame, size_t len)
{
	ns_enter(from);

	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	struct sockaddr_ll to = to_eth0();

	cr_assert_geq(fd, 0);
	cr_assert_eq(sendto(fd, frame, len, 0, (void *)&to, sizeof(to)), (ssize_t)len, "%s",
		     strerror(errno));
	close(fd);
}

/* A transmit ring lends its pages to the packet. */
void flow_raw_paged(int from, const void *frame, size_t len)
{
	ns_enter(from);

	struct tpacket_req ring = { 4096, 1, 4096, 1 };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	struct sockaddr_ll to = to_eth0();

	cr_assert_geq(fd, 0);
	cr_assert_eq(setsockopt(fd, SOL_PACKET, PACKET_TX_RING, &ring, sizeof(ring)), 0);

	struct tpacket_hdr *slot = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	cr_assert_neq(slot, MAP_FAILED);
	memcpy((uint8_t *)slot + TPACKET_HDRLEN - sizeof(struct sockaddr_ll), frame, len);
	slot->tp_len = (unsigned int)len;
	slot->tp_status = TP_STATUS_SEND_REQUEST;
	cr_assert_eq(sendto(fd, NULL, 0, 0, (void *)&to, sizeof(to)), (ssize_t)len, "%s",
		     strerror(errno));
	munmap(slot, 4096);
	close(fd);
}

void expect_packets(const struct host *h, enum ov_verdict verdict, uint64_t packets)
{
	struct timespec pause = { .tv_nsec = 1000000 };
	uint64_t seen = env_packets(&h->env, verdict);

	for (int tries = DEADLINE_S * 1000; seen < packets && tries; tries--) {
		nanosleep(&pause, NULL);
		seen = env_packets(&h->env, verdict);
	}
	cr_assert_eq(seen, packets, "verdict %d: %lu packets, not %lu", verdict,
		     (unsigned long)seen, (unsigned long)packets);
}
