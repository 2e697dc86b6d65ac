/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/cleanup.h"
#include "base/log.h"

enum { EXIT_OK = 0, EXIT_COULD_NOT = 1 }; /* 2, wrong usage, is config.h's to say */

static bool is_in_our_netns(pid_t pid)
{
	char path[40];
	struct stat ours, its;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	return stat("/proc/self/ns/net", &ours) < 0 || stat(path, &its) < 0 ||
	       (ours.st_dev == its.st_dev && ours.st_ino == its.st_ino);
}

/* Of this network namespace: others' sockets are in the same file system. */
static bool daemon_answers(const char *run_dir)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(struct ucred);
	struct ucred who;

	if (snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/overlayd.sock", run_dir) >=
	    (int)sizeof(sun.sun_path))
		return false;
	if (fd < 0 || connect(fd, (struct sockaddr *)&sun, sizeof(sun)))
		return false;
	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) || is_in_our_netns(who.pid);
}

static int detach(const struct options *o)
{
	struct bpf_place place = { o->bpffs, o->pin_dir };
	_cleanup_(closep) int lock = bpf_lock_pins(&place, true);
	struct err e = { 0 };

	/* A daemon that runs would put everything back. */
	if (lock == -EWOULDBLOCK) {
		log_error("the overlayd that has its programs and maps at %s/%s is running: stop it "
			  "before --detach", o->bpffs, o->pin_dir);
		return EXIT_COULD_NOT;
	}
	if (daemon_answers(o->run_dir)) {
		log_error("overlayd is running (it answers on %s/overlayd.sock): stop it before --detach",
			  o->run_dir);
		return EXIT_COULD_NOT;
	}
	if (kernel_detach(&place, &e) < 0) {
		log_error("%s", e.text);
		return EXIT_COULD_NOT;
	}
	return EXIT_OK;
}

static int run(int argc, char **argv, const struct options *o)
{
	_cleanup_(freep) struct agent *a = calloc(1, sizeof(*a));
	struct err e = { 0 };
	int r;

	if (!a) {
		log_error("out of memory");
		return EXIT_COULD_NOT;
	}
	r = agent_start(a, argc, argv, o, &e);
	if (r >= 0)
		r = loop_run(a->loop);
	else
		log_error("%s", e.text[0] ? e.text : strerror(-r));
	agent_stop(a);
	return r == 0 ? EXIT_OK : EXIT_COULD_NOT;
}

int main(int argc, char **argv)
{
	_cleanup_(freep) struct options *o = calloc(1, sizeof(*o));
	struct err e = { 0 };
	int r;

	if (!o || sodium_init() < 0) {
		fputs("overlayd: out of memory or randomness\n", stderr);
		return EXIT_COULD_NOT;
	}
	r = options_load(argc, argv, o, &e);
	if (r < 0) {
		fprintf(stderr, "overlayd: %s\n", e.text);
		return options_exit_status(&e);
	}
	if (o->help || o->version) {
		fputs(o->help ? options_help() : "overlayd " OV_VERSION "\n", stdout);
		return EXIT_OK;
	}
	log_init(o->log_level);
	r = o->detach ? detach(o) : run(argc, argv, o);
	sodium_memzero(o, sizeof(*o));
	return r;
}
