/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * marked ADDR PORT MARK PER-SECOND: UDP datagrams that carry MARK, MARK + 1, MARK + 2 and
 * MARK + 3 in turn, as those of an encrypted network do, until it is stopped. Then the number
 * that the kernel took and that it refused.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LANES 4

static volatile sig_atomic_t stopped;

static void stop(int signo)
{
	(void)signo;
	stopped = 1;
}

static int open_lane(const struct sockaddr_in *to, unsigned int mark)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0 ||
	    connect(fd, (const struct sockaddr *)to, sizeof(*to)) < 0) {
		perror("marked");
		exit(1);
	}
	return fd;
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct timespec pause = { 0 };
	unsigned long sent = 0, refused = 0;
	int fd[LANES];

	if (argc != 5 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1 || atol(argv[4]) < 2) {
		fputs("usage: marked ADDR PORT MARK PER-SECOND\n", stderr);
		return 2;
	}
	to.sin_port = htons((uint16_t)atoi(argv[2]));
	pause.tv_nsec = 1000000000 / atol(argv[4]);
	for (unsigned int i = 0; i < LANES; i++)
		fd[i] = open_lane(&to, (unsigned int)strtoul(argv[3], NULL, 0) + i);
	signal(SIGTERM, stop);
	for (unsigned int i = 0; !stopped; i = (i + 1) % LANES) {
		if (send(fd[i], "marked", 6, 0) < 0)
			refused++;
		else
			sent++;
		nanosleep(&pause, NULL);
	}
	printf("sent %lu\nrefused %lu\n", sent, refused);
	return 0;
}
