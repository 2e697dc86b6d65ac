/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * serve/healthd against backends in a namespace that is not the test's own: its
 * loopback has all of 127.0.0.0/8, so that every backend has an address.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "serve/health_rule.h"
#include "serve/healthd_limits.h"
#include "serve/sock.h"
#include "sys/netns.h"

#define GUARD_MS 30000 /* a test that hangs ends here; none waits for it */
#define PORT 80
#define CLIENTS_MAX 128
#define REPORTS_MAX 1024

/* An interval of 10 is 100 ms here; what answers at all has all of it to do so. */
static const struct healthd_limits brisk = {
	.under_way = 64, .second_ms = 10, .timeout_ms = 10000, .first_ms = 50,
};

struct report {
	struct id endpoint;
	enum endpoint_health health;
	uint64_t failed; /* checks, until then */
};

struct client {
	struct world *w;
	int fd;
	struct loop_io *io;
};

struct world {
	struct loop *loop;
	struct loop_timer *guard;
	struct healthd *healthd;
	char netns[64];
	int netns_fd;
	uint64_t dev, ino;
	/* The server inside. */
	int listener;
	struct loop_io *accept_io;
	const char *answer; /* NULL: it never says a word */
	bool bytewise, stop_at_accept, hangs_up;
	struct client client[CLIENTS_MAX];
	size_t client_count, open, most_open;
	/* What healthd said. */
	struct report report[REPORTS_MAX];
	size_t report_count, stop_at;
};

/* ---- namespaces ---- */

static void enter_new_netns(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	_cleanup_(closep) int fd = -1;

	cr_assert_eq(unshare(CLONE_NEWNET), 0, "this test needs root: %s", strerror(errno));
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	cr_assert_eq(ioctl(fd, SIOCSIFFLAGS, &ifr), 0);
}

/* ---- the backend ---- */

static void on_request(void *arg, unsigned int events)
{
	struct client *c = arg;
	struct world *w = c->w;
	char data[1024];
	ssize_t n = recv(c->fd, data, sizeof(data), 0);
	size_t len = w->answer ? strlen(w->answer) : 0, piece = w->bytewise ? 1 : len;

	(void)events;
	if (n > 0 && !w->answer)
		return;
	for (size_t at = 0; n > 0 && at < len; at += piece)
		send(c->fd, w->answer + at, piece, MSG_NOSIGNAL);
	loop_io_free(TAKE_PTR(c->io));
	close(TAKE_FD(c->fd));
	w->open--;
}

static void on_accept(void *arg, unsigned int events)
{
	struct world *w = arg;
	struct client *c = &w->client[w->client_count];
	int fd = accept4(w->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)events;
	if (fd < 0)
		return;
	if (w->hangs_up) {
		close(fd);
		return;
	}
	cr_assert_lt(w->client_count, CLIENTS_MAX);
	w->client_count++;
	*c = (struct client){ .w = w, .fd = fd };
	if (++w->open > w->most_open)
		w->most_open = w->open;
	cr_assert_eq(loop_io_new(w->loop, fd, LOOP_IN, on_request, c, &c->io), 0);
	if (w->stop_at_accept)
		loop_stop(w->loop, 0);
}

static int bind_inside(void *arg)
{
	struct world *w = arg;
	struct sockname any = { addr_from_v4(0), PORT };
	struct err e = { 0 };

	w->listener = sock_bind(&any, SOCK_STREAM, &e);
	cr_assert_geq(w->listener, 0, "%s", e.text);
	return 0;
}

static void serve(struct world *w, const char *answer)
{
	w->answer = answer;
	cr_assert_eq(netns_run(w->netns_fd, bind_inside, w), 0);
	cr_assert_eq(loop_io_new(w->loop, w->listener, LOOP_IN, on_accept, w, &w->accept_io), 0);
}

static void stop_serving(struct world *w)
{
	loop_io_free(TAKE_PTR(w->accept_io));
	closep(&w->listener);
	w->listener = -1;
}

/* ---- the world ---- */

static void on_guard(void *arg)
{
	(void)arg;
	cr_assert_fail("nothing happened for %d ms", GUARD_MS);
}

static void on_change(void *arg, const struct id *endpoint, enum endpoint_health health)
{
	struct world *w = arg;

	cr_assert_lt(w->report_count, REPORTS_MAX);
	w->report[w->report_count++] = (struct report){
		.endpoint = *endpoint,
		.health = health,
		.failed = healthd_counters(w->healthd)->failed,
	};
	if (w->report_count == w->stop_at)
		loop_stop(w->loop, 0);
}

static void world_init(struct world *w, const struct healthd_limits *limits)
{
	*w = (struct world){ .listener = -1 };
	log_init(LOG_LEVEL_WARN); /* every change is a line */
	enter_new_netns();
	cr_assert_eq(netns_open_self(&w->netns_fd), 0);
	cr_assert_eq(netns_identify(w->netns_fd, &w->dev, &w->ino), 0);
	snprintf(w->netns, sizeof(w->netns), "/proc/self/fd/%d", w->netns_fd);
	enter_new_netns();
	cr_assert_eq(loop_new(&w->loop), 0);
	cr_assert_eq(loop_timer_new(w->loop, loop_now_ms(w->loop) + GUARD_MS, on_guard, w, &w->guard),
		     0);
	cr_assert_eq(healthd_new_limited(w->loop, limits, on_change, w, &w->healthd), 0);
}

static void world_fini(struct world *w)
{
	healthd_free(w->healthd);
	for (size_t i = 0; i < w->client_count; i++)
		loop_io_free(w->client[i].io);
	stop_serving(w);
	loop_timer_free(w->guard);
	loop_free(w->loop);
	close(w->netns_fd);
}

/* Endpoint n, at 127.0.1.n, checked by TCP connect; nobody has looked at it yet. */
static struct health_target target(const struct world *w, uint8_t n)
{
	return (struct health_target){
		.endpoint = { { [0] = n, [15] = n } },
		.netns = w->netns,
		.netns_dev = w->dev,
		.netns_ino = w->ino,
		.addr = addr_from_v4(0x7f000100u + n),
		.kind = HEALTH_TCP,
		.port = PORT,
		.interval_s = 10,
		.path = "",
	};
}
static struct health_target http_target(const struct world *w, uint8_t n)
{
	struct health_target t = target(w, n);

	t.kind = HEALTH_HTTP;
	t.path = "/up";
	return t;
}

static void set_targets(struct world *w, const struct health_target *t, size_t count)
{
	cr_assert_eq(healthd_set_targets(w->healthd, t, count), 0);
}

/* Until so many reports more have come; returns the last. */
static struct report run(struct world *w, size_t reports)
{
	w->stop_at = w->report_count + reports;
	cr_assert_geq(loop_run(w->loop), 0);
	return w->report[w->report_count - 1];
}

static enum endpoint_health first_report(struct world *w, const struct health_target *t)
{
	set_targets(w, t, 1);
	return run(w, 1).health;
}

/* ---- TCP ---- */

Test(healthd, a_backend_that_listens_is_healthy_at_first_sight)
{
	struct world w;
	struct health_target t;

	world_init(&w, &brisk);
	serve(&w, NULL);
	t = target(&w, 1);
	cr_assert_eq(first_report(&w, &t), ENDPOINT_HEALTHY);
	cr_assert_eq(healthd_counters(w.healthd)->checks, 1);
	world_fini(&w);
}

Test(healthd, one_that_does_not_is_unhealthy_at_first_sight)
{
	struct world w;
	struct health_target t;

	world_init(&w, &brisk);
	t = target(&w, 1);
	cr_assert_eq(first_report(&w, &t), ENDPOINT_UNHEALTHY);
	cr_assert_eq(healthd_counters(w.healthd)->failed, 1);
	world_fini(&w);
}

Test(healthd, three_failures_in_a_row_make_a_healthy_one_unhealthy)
{
	struct world w;
	struct health_target t;
	struct report r;

	world_init(&w, &brisk);
	t = target(&w, 1);
	t.known = ENDPOINT_HEALTHY;
	set_targets(&w, &t, 1);
	r = run(&w, 1);
	cr_assert_eq(r.health, ENDPOINT_UNHEALTHY);
	cr_assert_eq(r.failed, 3);
	world_fini(&w);
}

Test(healthd, a_change_is_told_again_until_it_is_known)
{
	struct world w;
	struct health_target t;
	struct report r;

	world_init(&w, &brisk);
	t = target(&w, 1);
	t.known = ENDPOINT_HEALTHY;
	set_targets(&w, &t, 1);
	run(&w, 2);
	cr_assert_eq(w.report[1].health, ENDPOINT_UNHEALTHY);
	cr_assert_eq(w.report[1].failed, 4);
	t.known = ENDPOINT_UNHEALTHY;
	set_targets(&w, &t, 1);
	serve(&w, NULL);
	r = run(&w, 1);
	cr_assert_eq(r.health, ENDPOINT_HEALTHY);
	world_fini(&w);
}

Test(healthd, a_namespace_that_took_the_path_of_another_is_not_checked)
{
	struct world w;
	struct health_target t;

	world_init(&w, &brisk);
	serve(&w, NULL);
	t = target(&w, 1);
	t.netns_ino++;
	cr_assert_eq(first_report(&w, &t), ENDPOINT_UNHEALTHY);
	cr_assert_eq(w.client_count, 0);
	world_fini(&w);
}

Test(healthd, a_namespace_that_is_gone_is_unhealthy)
{
	struct world w;
	struct health_target t;

	world_init(&w, &brisk);
	t = target(&w, 1);
	t.netns = "/run/netns/there-is-none";
	cr_assert_eq(first_report(&w, &t), ENDPOINT_UNHEALTHY);
	world_fini(&w);
}

static int one_source_port(void *arg)
{
	(void)arg;
	return sysctl_write("net/ipv4/ip_local_port_range", "40000 40000");
}

Test(healthd, a_check_is_not_fooled_by_its_own_socket)
{
	struct world w;
	struct health_target t;

	world_init(&w, &brisk);
	cr_assert_eq(netns_run(w.netns_fd, one_source_port, NULL), 0);
	t = target(&w, 1);
	t.addr = addr_from_v4(0x7f000001); /* the source address, too */
	t.port = 40000;
	cr_assert_eq(first_report(&w, &t), ENDPOINT_UNHEALTHY);
	world_fini(&w);
}

/* ---- HTTP ---- */

static enum endpoint_health http_report(const char *answer, bool bytewise)
{
	struct world w;
	struct health_target t;
	enum endpoint_health found;

	world_init(&w, &brisk);
	serve(&w, answer);
	w.bytewise = bytewise;
	t = http_target(&w, 1);
	found = first_report(&w, &t);
	world_fini(&w);
	return found;
}

Test(healthd, answers_of_200_to_399_are_healthy)
{
	cr_assert_eq(http_report("HTTP/1.1 200 OK\r\n\r\nfine", false), ENDPOINT_HEALTHY);
	cr_assert_eq(http_report("HTTP/1.0 302 Found\r\n\r\n", false), ENDPOINT_HEALTHY);
	cr_assert_eq(http_report("HTTP/1.1 200 OK\r\n\r\nfine", true), ENDPOINT_HEALTHY);
}

Test(healthd, other_answers_are_not)
{
	cr_assert_eq(http_report("HTTP/1.1 404 Not Found\r\n\r\n", false), ENDPOINT_UNHEALTHY);
	cr_assert_eq(http_report("HTTP/1.1 503 Busy\r\n\r\n", true), ENDPOINT_UNHEALTHY);
	cr_assert_eq(http_report("220 mail.example ESMTP\r\n", false), ENDPOINT_UNHEALTHY);
	cr_assert_eq(http_report("HTTP/1.1 2", false), ENDPOINT_UNHEALTHY);
	cr_assert_eq(http_report("", false), ENDPOINT_UNHEALTHY);
}

Test(healthd, silence_ends_with_the_timeout)
{
	static const struct healthd_limits limits = { .under_way = 64, .second_ms = 10,
						      .timeout_ms = 30, .first_ms = 50 };
	struct world w;
	struct health_target t;

	world_init(&w, &limits);
	serve(&w, NULL);
	t = http_target(&w, 1);
	cr_assert_eq(first_report(&w, &t), ENDPOINT_UNHEALTHY);
	cr_assert_eq(w.client_count, 1);
	world_fini(&w);
}

/* ---- many ---- */

Test(healthd, no_more_than_so_many_are_under_way_and_all_get_their_turn)
{
	static const struct healthd_limits limits = { .under_way = 2, .second_ms = 1000,
						      .timeout_ms = 20, .first_ms = 1 };
	struct health_target t[20];
	struct world w;

	world_init(&w, &limits);
	serve(&w, NULL);
	for (uint8_t i = 0; i < ARRAY_SIZE(t); i++)
		t[i] = http_target(&w, (uint8_t)(i + 1));
	set_targets(&w, t, ARRAY_SIZE(t));
	run(&w, ARRAY_SIZE(t));
	for (uint8_t i = 0; i < ARRAY_SIZE(t); i++) {
		size_t told = 0;

		for (size_t k = 0; k < w.report_count; k++)
			told += id_equal(&w.report[k].endpoint, &t[i].endpoint);
		cr_assert_geq(told, 1, "endpoint %d", i);
	}
	/* Twice as many may be seen: the two next ones connect before two hang-ups are noticed. */
	cr_assert_leq(w.most_open, 4, "%zu were open", w.most_open);
	cr_assert_gt(healthd_counters(w.healthd)->waited, 0);
	world_fini(&w);
}

Test(healthd, a_thousand_backends_are_all_found_healthy)
{
	static struct health_target t[1000];
	static bool healthy[ARRAY_SIZE(t)];
	struct world w;

	world_init(&w, &HEALTHD_LIMITS);
	serve(&w, NULL);
	w.hangs_up = true;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		t[i] = target(&w, 1);
		t[i].endpoint = (struct id){ { [0] = (uint8_t)(i >> 8), [1] = (uint8_t)i, [3] = 1 } };
		t[i].addr = addr_from_v4(0x7f010000u + (uint32_t)i);
		t[i].interval_s = HEALTH_INTERVAL_S_MAX; /* few come twice */
	}
	set_targets(&w, t, ARRAY_SIZE(t));
	for (size_t found = 0; found < ARRAY_SIZE(t);) {
		struct report r = run(&w, 1);
		bool *is_healthy = &healthy[r.endpoint.b[0] << 8 | r.endpoint.b[1]];

		cr_assert_eq(r.health, ENDPOINT_HEALTHY);
		found += !*is_healthy; /* the second check of some is due soon after their first */
		*is_healthy = true;
	}
	world_fini(&w);
}

Test(healthd, what_goes_on_keeps_its_count)
{
	struct health_target t[2];
	struct world w;
	struct report r;
	uint64_t failed;

	world_init(&w, &brisk);
	t[0] = target(&w, 2);
	t[1] = target(&w, 1);
	t[0].known = ENDPOINT_HEALTHY;
	set_targets(&w, t, 1);
	run(&w, 1);
	failed = healthd_counters(w.healthd)->failed;
	/* It comes back in another place, and its count of three is still there. */
	t[0] = target(&w, 1);
	t[1] = target(&w, 2);
	t[1].known = ENDPOINT_HEALTHY;
	t[0].port = 1;
	set_targets(&w, t, 2);
	do
		r = run(&w, 1);
	while (!id_equal(&r.endpoint, &t[1].endpoint));
	cr_assert_leq(healthd_counters(w.healthd)->failed, failed + 3);
	world_fini(&w);
}

Test(healthd, another_check_of_a_backend_counts_from_the_start)
{
	struct health_target t;
	struct world w;
	struct report r;

	world_init(&w, &brisk);
	t = target(&w, 1);
	t.known = ENDPOINT_HEALTHY;
	set_targets(&w, &t, 1);
	run(&w, 1);
	t.port = 81;
	set_targets(&w, &t, 1);
	r = run(&w, 1);
	cr_assert_eq(r.failed, 6);
	world_fini(&w);
}

Test(healthd, what_is_no_target_any_more_is_left_alone)
{
	struct health_target gone, stays;
	struct world w;

	world_init(&w, &brisk);
	serve(&w, NULL);
	gone = http_target(&w, 1);
	stays = target(&w, 2);
	set_targets(&w, &gone, 1);
	w.stop_at_accept = true;
	cr_assert_geq(loop_run(w.loop), 0); /* it is under way now, and never answered */
	w.stop_at_accept = false;
	set_targets(&w, &stays, 1);
	cr_assert_eq(run(&w, 1).health, ENDPOINT_HEALTHY);
	cr_assert(id_equal(&w.report[0].endpoint, &stays.endpoint));
	set_targets(&w, NULL, 0);
	world_fini(&w);
}

static void limit_descriptors(rlim_t soft)
{
	struct rlimit limit;

	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = soft ? soft : limit.rlim_max;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void when_unable(void *arg)
{
	struct world *w = arg;

	if (healthd_counters(w->healthd)->unable >= 2)
		limit_descriptors(0);
}

Test(healthd, a_daemon_out_of_descriptors_blames_no_backend)
{
	struct health_target t;
	struct world w;

	world_init(&w, &brisk);
	serve(&w, NULL);
	t = target(&w, 1);
	cr_assert_eq(loop_before_wait(w.loop, when_unable, &w), 0);
	limit_descriptors(3);
	cr_assert_eq(first_report(&w, &t), ENDPOINT_HEALTHY);
	cr_assert_geq(healthd_counters(w.healthd)->unable, 2);
	cr_assert_eq(healthd_counters(w.healthd)->failed, 0);
	world_fini(&w);
}
