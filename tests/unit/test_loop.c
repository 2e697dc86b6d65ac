/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "loop/loop.h"

struct fixture {
	struct loop *loop;
	struct loop_io *io[2];
	struct loop_timer *timer[2];
	int fds[2];
	int calls, hooks;
	unsigned int events;
	uint64_t at;
};

static void fixture_init(struct fixture *f)
{
	*f = (struct fixture){ 0 };
	cr_assert(zero(int, loop_new(&f->loop)));
	cr_assert(zero(int, socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, f->fds)));
}

static void fixture_fini(struct fixture *f)
{
	loop_free(f->loop);
	close(f->fds[0]);
	close(f->fds[1]);
}

static void stop(void *arg)
{
	struct fixture *f = arg;

	f->calls++;
	loop_stop(f->loop, 7);
}

Test(loop, a_timer_in_the_past_fires_at_once_and_the_run_returns_the_code)
{
	struct fixture f;

	fixture_init(&f);
	cr_assert(zero(int, loop_timer_new(f.loop, 0, stop, &f, &f.timer[0])));
	cr_assert(eq(int, loop_run(f.loop), 7));
	cr_assert(eq(int, f.calls, 1));
	loop_timer_free(f.timer[0]);
	fixture_fini(&f);
}

static void note_time(void *arg)
{
	struct fixture *f = arg;

	f->at = loop_now_ms(f->loop);
	loop_stop(f->loop, 0);
}

Test(loop, a_timer_never_fires_early)
{
	struct fixture f;
	uint64_t due;

	fixture_init(&f);
	due = loop_now_ms(f.loop) + 5;
	cr_assert(zero(int, loop_timer_new(f.loop, due, note_time, &f, &f.timer[0])));
	loop_run(f.loop);
	cr_assert(ge(u64, f.at, due));
	loop_timer_free(f.timer[0]);
	fixture_fini(&f);
}

static void must_not_fire(void *arg)
{
	(void)arg;
	cr_fatal("a timer that was switched off fired");
}

Test(loop, a_timer_set_to_never_stays_silent)
{
	struct fixture f;

	fixture_init(&f);
	cr_assert(zero(int, loop_timer_new(f.loop, 0, must_not_fire, &f, &f.timer[0])));
	loop_timer_set(f.timer[0], UINT64_MAX);
	cr_assert(zero(int, loop_timer_new(f.loop, loop_now_ms(f.loop) + 3, stop, &f, &f.timer[1])));
	cr_assert(eq(int, loop_run(f.loop), 7));
	loop_timer_free(f.timer[0]);
	loop_timer_free(f.timer[1]);
	fixture_fini(&f);
}

static void again_thrice(void *arg)
{
	struct fixture *f = arg;

	if (++f->calls == 3)
		loop_stop(f->loop, 0);
	else
		loop_timer_set(f->timer[0], 0);
}

Test(loop, a_timer_can_be_set_again_from_its_own_callback)
{
	struct fixture f;

	fixture_init(&f);
	cr_assert(zero(int, loop_timer_new(f.loop, 0, again_thrice, &f, &f.timer[0])));
	loop_run(f.loop);
	cr_assert(eq(int, f.calls, 3));
	loop_timer_free(f.timer[0]);
	fixture_fini(&f);
}

static void free_timers_and_stop(void *arg)
{
	struct fixture *f = arg;

	f->calls++;
	loop_timer_free(f->timer[0]);
	loop_timer_free(f->timer[1]);
	loop_stop(f->loop, 0);
}

Test(loop, a_timer_may_free_itself_and_another_that_is_due)
{
	struct fixture f;

	fixture_init(&f);
	cr_assert(zero(int, loop_timer_new(f.loop, 0, free_timers_and_stop, &f, &f.timer[0])));
	cr_assert(zero(int, loop_timer_new(f.loop, 0, free_timers_and_stop, &f, &f.timer[1])));
	loop_run(f.loop);
	cr_assert(eq(int, f.calls, 1));
	fixture_fini(&f);
}

static void note_events(void *arg, unsigned int events)
{
	struct fixture *f = arg;

	f->calls++;
	f->events |= events;
	loop_stop(f->loop, 0);
}

Test(loop, a_readable_descriptor_is_reported_as_in)
{
	struct fixture f;

	fixture_init(&f);
	cr_assert(zero(int, loop_io_new(f.loop, f.fds[0], LOOP_IN, note_events, &f, &f.io[0])));
	cr_assert(eq(int, (int)write(f.fds[1], "x", 1), 1));
	loop_run(f.loop);
	cr_assert(eq(uint, f.events, LOOP_IN));
	loop_io_free(f.io[0]);
	fixture_fini(&f);
}

Test(loop, a_hang_up_comes_as_in_even_to_a_writer)
{
	struct fixture f;

	fixture_init(&f);
	cr_assert(zero(int, loop_io_new(f.loop, f.fds[0], LOOP_OUT, note_events, &f, &f.io[0])));
	close(f.fds[1]);
	loop_run(f.loop);
	cr_assert(eq(uint, f.events, LOOP_IN | LOOP_OUT));
	loop_io_free(f.io[0]);
	fixture_fini(&f);
}

Test(loop, no_events_wanted_means_silence_until_they_are_wanted_again)
{
	struct fixture f;

	fixture_init(&f);
	cr_assert(zero(int, loop_io_new(f.loop, f.fds[0], 0, note_events, &f, &f.io[0])));
	close(f.fds[1]);
	cr_assert(zero(int, loop_timer_new(f.loop, 0, stop, &f, &f.timer[0])));
	cr_assert(eq(int, loop_run(f.loop), 7));
	cr_assert(zero(uint, f.events));
	loop_io_set(f.io[0], LOOP_IN);
	cr_assert(zero(int, loop_run(f.loop)));
	cr_assert(eq(uint, f.events, LOOP_IN));
	loop_io_free(f.io[0]);
	loop_timer_free(f.timer[0]);
	fixture_fini(&f);
}

static void free_both_and_stop(void *arg, unsigned int events)
{
	struct fixture *f = arg;

	(void)events;
	f->calls++;
	loop_io_free(f->io[0]);
	loop_io_free(f->io[1]);
	loop_stop(f->loop, 0);
}

Test(loop, a_source_may_free_itself_and_another_that_is_ready)
{
	struct fixture f;

	fixture_init(&f);
	for (int i = 0; i < 2; i++)
		cr_assert(zero(int, loop_io_new(f.loop, f.fds[i], LOOP_OUT, free_both_and_stop, &f,
						&f.io[i])));
	loop_run(f.loop);
	cr_assert(eq(int, f.calls, 1));
	fixture_fini(&f);
}

static void note_signal(void *arg, int signo)
{
	struct fixture *f = arg;

	loop_stop(f->loop, signo);
}

Test(loop, a_signal_is_blocked_and_arrives_as_an_event)
{
	struct fixture f;

	fixture_init(&f);
	cr_assert(zero(int, loop_signal(f.loop, SIGUSR1, note_signal, &f)));
	cr_assert(zero(int, raise(SIGUSR1))); /* would end the process were it not blocked */
	cr_assert(eq(int, loop_run(f.loop), SIGUSR1));
	fixture_fini(&f);
}

static void count_hook(void *arg)
{
	struct fixture *f = arg;

	f->hooks++;
}

static void count_until_five(void *arg, unsigned int events)
{
	struct fixture *f = arg;

	(void)events;
	if (++f->calls == 5)
		loop_stop(f->loop, 0);
}

Test(loop, the_hook_runs_once_for_a_burst_and_not_once_for_each_event)
{
	struct fixture f;

	fixture_init(&f);
	cr_assert(zero(int, loop_before_wait(f.loop, count_hook, &f)));
	cr_assert(zero(int, loop_io_new(f.loop, f.fds[0], LOOP_OUT, count_until_five, &f, &f.io[0])));
	loop_run(f.loop); /* always writable: five events in one batch */
	cr_assert(eq(int, f.hooks, 1));
	loop_io_free(f.io[0]);
	fixture_fini(&f);
}

static void stop_at_second_hook(void *arg)
{
	struct fixture *f = arg;

	if (++f->hooks == 2)
		loop_stop(f->loop, 3);
}

static void count_event(void *arg, unsigned int events)
{
	struct fixture *f = arg;

	(void)events;
	f->calls++;
}

Test(loop, a_flood_of_events_does_not_starve_the_hook)
{
	struct fixture f;

	fixture_init(&f);
	cr_assert(zero(int, loop_before_wait(f.loop, stop_at_second_hook, &f)));
	cr_assert(zero(int, loop_io_new(f.loop, f.fds[0], LOOP_OUT, count_event, &f, &f.io[0])));
	cr_assert(eq(int, loop_run(f.loop), 3));
	cr_assert(gt(int, f.calls, 0));
	loop_io_free(f.io[0]);
	fixture_fini(&f);
}

Test(loop, the_first_reason_to_stop_counts_and_the_loop_runs_again)
{
	struct fixture f;

	fixture_init(&f);
	loop_stop(f.loop, 1);
	loop_stop(f.loop, 2);
	cr_assert(eq(int, loop_run(f.loop), 1));
	loop_stop(f.loop, 2);
	cr_assert(eq(int, loop_run(f.loop), 2));
	fixture_fini(&f);
}

/* An abstract socket in NOTIFY_SOCKET, as sd_notify(3) allows. */
static int notify_socket(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	char name[64];
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	snprintf(name, sizeof(name), "@ov-test-notify-%d", getpid());
	memcpy(sun.sun_path + 1, name + 1, strlen(name) - 1);
	cr_assert(zero(int, bind(fd, (struct sockaddr *)&sun,
				 offsetof(struct sockaddr_un, sun_path) + strlen(name))));
	setenv("NOTIFY_SOCKET", name, 1);
	return fd;
}

Test(loop, notify_reaches_the_service_manager)
{
	char got[128] = "";
	int fd = notify_socket();

	loop_notify("READY=1");
	cr_assert(gt(int, (int)recv(fd, got, sizeof(got) - 1, 0), 0));
	cr_assert(eq(str, got, "READY=1"));
	close(fd);
}

Test(loop, a_reload_says_when_it_began)
{
	char got[128] = "";
	int fd = notify_socket();

	loop_notify("RELOADING=1");
	cr_assert(gt(int, (int)recv(fd, got, sizeof(got) - 1, 0), 0));
	cr_assert(zero(int, strncmp(got, "RELOADING=1\nMONOTONIC_USEC=", 27)));
	close(fd);
}
