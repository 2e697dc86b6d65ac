/* SPDX-License-Identifier: GPL-2.0-or-later */
/* serve/portd with real sockets, in a namespace of the test's own; needs root. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "serve/portd.h"

#define RETRY_MS 20
#define GUARD_MS 20000 /* a test that hangs ends here */

struct world {
	struct loop *loop;
	struct loop_timer *guard;
	struct portd *portd;
	unsigned int changes;
	bool hung;
};

static void on_guard(void *arg)
{
	struct world *w = arg;

	w->hung = true;
	loop_stop(w->loop, 0);
}

static void on_change(void *arg)
{
	struct world *w = arg;

	w->changes++;
	loop_stop(w->loop, 0);
}

/* All of 127.0.0.0/8 is this host's there. */
static void enter_new_netns(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	_cleanup_(closep) int fd = -1;

	cr_assert_eq(unshare(CLONE_NEWNET), 0, "this test needs root: %s", strerror(errno));
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	cr_assert_eq(ioctl(fd, SIOCSIFFLAGS, &ifr), 0);
}

static void world_init(struct world *w)
{
	memset(w, 0, sizeof(*w));
	log_init(LOG_LEVEL_ERROR);
	enter_new_netns();
	cr_assert_eq(loop_new(&w->loop), 0);
	cr_assert_eq(loop_timer_new(w->loop, loop_now_ms(w->loop) + GUARD_MS, on_guard, w, &w->guard), 0);
	cr_assert_eq(portd_new(w->loop, RETRY_MS, on_change, w, &w->portd), 0);
}

static void world_fini(struct world *w)
{
	portd_free(w->portd);
	loop_timer_free(w->guard);
	loop_free(w->loop);
}

#define WORLD(w)                                   \
	_cleanup_(world_fini) struct world w;      \
	world_init(&w)

static struct portd_port port_of(const char *addr, uint16_t port, uint8_t protocol)
{
	struct portd_port p = { .port = port, .protocol = protocol };

	if (addr)
		cr_assert_eq(addr_parse(addr, &p.addr), 0);
	return p;
}

/* What a program of the host does: most servers set SO_REUSEADDR. The fd or a negative errno. */
static int serve(const char *addr, uint16_t port, int type)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, type, 0), on = 1, r = 0;

	if (addr)
		sa.sin_addr.s_addr = inet_addr(addr);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	    (type == SOCK_STREAM && listen(fd, 1) < 0)) {
		r = -errno;
		close(fd);
	}
	return r ? r : fd;
}

static bool is_free(const char *addr, uint16_t port, int type)
{
	int fd = serve(addr, port, type);

	closep(&fd);
	cr_assert(fd >= 0 || fd == -EADDRINUSE, "%s", strerror(-fd));
	return fd >= 0;
}

static size_t taken(struct world *w)
{
	size_t count;

	portd_taken(w->portd, &count);
	return count;
}

/* Runs until portd says that something changed. */
static void wait_for_change(struct world *w)
{
	unsigned int before = w->changes;

	while (w->changes == before && !w->hung)
		loop_run(w->loop);
	cr_assert_not(w->hung, "nothing changed");
}

static void keep(struct world *w, const struct portd_port *p, size_t count)
{
	cr_assert_eq(portd_set(w->portd, p, count), 0);
}

Test(portd, keeps_ports_from_processes_and_lets_go_of_what_is_no_more_wanted)
{
	WORLD(w);
	struct portd_port p[] = {
		port_of(NULL, 80, IPPROTO_TCP),
		port_of("127.0.0.5", 53, IPPROTO_UDP),
		port_of("127.0.0.5", 53, IPPROTO_TCP),
	};

	keep(&w, p, ARRAY_SIZE(p));
	cr_assert_eq(taken(&w), 0);
	cr_assert_not(is_free(NULL, 80, SOCK_STREAM));
	cr_assert_not(is_free("127.0.0.1", 80, SOCK_STREAM));
	cr_assert(is_free(NULL, 80, SOCK_DGRAM), "another protocol's port is another port");
	cr_assert_not(is_free(NULL, 53, SOCK_DGRAM));
	cr_assert_not(is_free("127.0.0.5", 53, SOCK_DGRAM));
	cr_assert(is_free("127.0.0.6", 53, SOCK_DGRAM), "only the address that is published is kept");
	keep(&w, p + 1, 2);
	cr_assert(is_free(NULL, 80, SOCK_STREAM));
	cr_assert_not(is_free("127.0.0.5", 53, SOCK_STREAM));
	keep(&w, NULL, 0);
	cr_assert(is_free("127.0.0.5", 53, SOCK_STREAM));
	cr_assert(is_free("127.0.0.5", 53, SOCK_DGRAM));
}

Test(portd, says_which_ports_processes_have_and_takes_them_when_they_stop)
{
	WORLD(w);
	struct portd_port p[] = {
		port_of(NULL, 443, IPPROTO_TCP),
		port_of(NULL, 80, IPPROTO_TCP),
		port_of(NULL, 53, IPPROTO_UDP),
		port_of(NULL, 22, IPPROTO_TCP),
	};
	const struct portd_port *got;
	int sshd = serve("127.0.0.9", 22, SOCK_STREAM), dns = serve(NULL, 53, SOCK_DGRAM);
	size_t count;

	keep(&w, p, ARRAY_SIZE(p));
	got = portd_taken(w.portd, &count);
	cr_assert_eq(count, 2);
	cr_assert(got[0].port == 22 && got[0].protocol == IPPROTO_TCP);
	cr_assert(got[1].port == 53 && got[1].protocol == IPPROTO_UDP);
	close(sshd);
	wait_for_change(&w);
	got = portd_taken(w.portd, &count);
	cr_assert_eq(count, 1);
	cr_assert_eq(got[0].port, 53);
	cr_assert_not(is_free(NULL, 22, SOCK_STREAM));
	close(dns);
	wait_for_change(&w);
	cr_assert_eq(taken(&w), 0);
}

Test(portd, of_an_address_is_taken_by_who_listens_on_all_and_not_by_who_does_on_another)
{
	WORLD(w);
	struct portd_port p = port_of("127.0.0.2", 80, IPPROTO_TCP);
	int other = serve("127.0.0.3", 80, SOCK_STREAM), all;

	keep(&w, &p, 1);
	cr_assert_eq(taken(&w), 0);
	close(other);
	keep(&w, NULL, 0);
	all = serve(NULL, 80, SOCK_STREAM);
	keep(&w, &p, 1);
	cr_assert_eq(taken(&w), 1);
	close(all);
}

Test(portd, of_an_address_that_is_not_this_nodes_is_nobodys)
{
	WORLD(w);
	struct portd_port p = port_of("192.0.2.7", 80, IPPROTO_TCP);

	keep(&w, &p, 1);
	cr_assert_eq(taken(&w), 0);
	cr_assert_not(portd_probe(w.portd, p.protocol, &p.addr, p.port));
}

/* An update may swap one form for the other; nobody else is in the way then. */
Test(portd, goes_from_every_address_to_one_and_back)
{
	WORLD(w);
	struct portd_port all = port_of(NULL, 80, IPPROTO_TCP);
	struct portd_port one = port_of("127.0.0.2", 80, IPPROTO_TCP);

	keep(&w, &all, 1);
	keep(&w, &one, 1);
	cr_assert_eq(taken(&w), 0);
	cr_assert(is_free("127.0.0.3", 80, SOCK_STREAM));
	keep(&w, &all, 1);
	cr_assert_eq(taken(&w), 0);
	cr_assert_not(is_free("127.0.0.3", 80, SOCK_STREAM));
}

static int call(uint16_t port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	cr_assert_eq(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0, "%s", strerror(errno));
	return fd;
}

struct caller {
	struct world *w;
	int fd, error;
};

static void on_answer(void *arg, unsigned int events)
{
	struct caller *c = arg;
	char byte;

	(void)events;
	c->error = recv(c->fd, &byte, 1, MSG_DONTWAIT) < 0 ? errno : 0;
	loop_stop(c->w->loop, 0);
}

Test(portd, hangs_up_on_callers_with_a_reset)
{
	WORLD(w);
	struct portd_port p = port_of(NULL, 80, IPPROTO_TCP);

	keep(&w, &p, 1);
	for (int i = 0; i < 40; i++) { /* more than wait in line at once */
		struct caller c = { .w = &w, .fd = call(80) };
		struct loop_io *io;

		cr_assert_eq(loop_io_new(w.loop, c.fd, LOOP_IN, on_answer, &c, &io), 0);
		loop_run(w.loop);
		cr_assert_not(w.hung, "caller %d was left hanging", i);
		cr_assert_eq(c.error, ECONNRESET, "%s", strerror(c.error));
		loop_io_free(io);
		close(c.fd);
	}
}

Test(portd, lets_datagrams_fill_no_memory)
{
	WORLD(w);
	struct portd_port p = port_of(NULL, 53, IPPROTO_UDP);
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(53),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	keep(&w, &p, 1);
	for (int i = 0; i < 100; i++)
		sendto(fd, "x", 1, 0, (struct sockaddr *)&sa, sizeof(sa));
	close(fd);
	cr_assert_eq(system("ss -lunH 'sport = :53' | awk '{ exit $2 }'"), 0, "datagrams wait there");
}

/* What the last server left behind is not in the way. */
Test(portd, takes_a_port_whose_connections_are_in_time_wait)
{
	WORLD(w);
	struct portd_port p = port_of(NULL, 80, IPPROTO_TCP);
	int server = serve(NULL, 80, SOCK_STREAM), caller = call(80);
	int accepted = accept(server, NULL, NULL);
	char byte;

	close(accepted);
	close(server);
	cr_assert_eq(recv(caller, &byte, 1, 0), 0);
	close(caller);
	cr_assert_eq(system("ss -tanH 'sport = :80' | grep -q TIME-WAIT"), 0);
	keep(&w, &p, 1);
	cr_assert_eq(taken(&w), 0);
}

Test(portd, answers_whether_a_process_has_a_port_and_does_not_count_itself)
{
	WORLD(w);
	struct portd_port mine[] = { port_of(NULL, 80, IPPROTO_TCP),
				     port_of("127.0.0.2", 81, IPPROTO_TCP) };
	struct ov_addr all = { 0 }, one = mine[1].addr;
	int fd = serve("127.0.0.3", 82, SOCK_STREAM);

	keep(&w, mine, 2);
	cr_assert_not(portd_probe(w.portd, IPPROTO_TCP, &all, 80));
	cr_assert_not(portd_probe(w.portd, IPPROTO_TCP, &one, 80));
	cr_assert_not(portd_probe(w.portd, IPPROTO_TCP, &one, 81));
	cr_assert_not(portd_probe(w.portd, IPPROTO_TCP, &all, 81));
	cr_assert_not(is_free("127.0.0.2", 81, SOCK_STREAM), "it is kept again after the question");
	cr_assert(portd_probe(w.portd, IPPROTO_TCP, &all, 82));
	cr_assert(portd_probe(w.portd, IPPROTO_TCP, &mine[1].addr, 82) == false);
	cr_assert_not(portd_probe(w.portd, IPPROTO_UDP, &all, 82));
	close(fd);
	fd = serve("127.0.0.3", 81, SOCK_STREAM);
	cr_assert(portd_probe(w.portd, IPPROTO_TCP, &all, 81), "a process has it on another address");
	cr_assert_not(is_free("127.0.0.2", 81, SOCK_STREAM));
	close(fd);
}

/* Kernels without SCTP have nobody who listens on it, and nothing to keep. */
Test(portd, keeps_ports_of_sctp_where_the_kernel_has_it)
{
	WORLD(w);
	struct portd_port p = port_of(NULL, 36412, IPPROTO_SCTP);
	int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP);
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(36412) };

	keep(&w, &p, 1);
	cr_assert_eq(taken(&w), 0);
	cr_assert_not(portd_probe(w.portd, IPPROTO_SCTP, &(struct ov_addr){ 0 }, 36412));
	if (fd >= 0)
		cr_assert(bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 && errno == EADDRINUSE);
	closep(&fd);
}

Test(portd, goes_on_when_descriptors_run_out)
{
	WORLD(w);
	struct portd_port p = port_of(NULL, 80, IPPROTO_TCP);
	struct rlimit limit, few;
	int next = dup(0);

	close(next);
	log_init(LOG_LEVEL_ERROR);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	few = (struct rlimit){ (rlim_t)next, limit.rlim_max };
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	keep(&w, &p, 1);
	cr_assert_eq(taken(&w), 0, "that no process has it is all that counts");
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	cr_assert(is_free(NULL, 80, SOCK_STREAM));
	keep(&w, &p, 1);
	cr_assert_not(is_free(NULL, 80, SOCK_STREAM), "it is tried again");
}
