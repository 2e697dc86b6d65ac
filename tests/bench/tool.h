/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the measuring tools share: time, samples, sockets. Programs of one run
 * that end with a sentence when anything fails; nothing here outlives a row.
 */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

__attribute__((noreturn, format(printf, 1, 2))) static inline void tool_die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static inline uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline struct sockaddr_in tool_addr(const char *addr, const char *port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	char *end;
	unsigned long p = strtoul(port, &end, 10);

	if (inet_pton(AF_INET, addr, &sa.sin_addr) != 1)
		tool_die("\"%s\" is no IPv4 address", addr);
	if (*end || p < 1 || p > 65535)
		tool_die("\"%s\" is no port; give 1 to 65535", port);
	sa.sin_port = htons((uint16_t)p);
	return sa;
}

static inline uint64_t tool_seconds_ns(const char *text)
{
	char *end;
	double s = strtod(text, &end);

	if (*end || !(s > 0 && s <= 3600))
		tool_die("\"%s\" is no duration; give seconds, above 0 and up to 3600", text);
	return (uint64_t)(s * 1e9);
}

/* A paced congestion control (bbr is the default on some kernels) would measure its pacing. */
static inline void tool_tune_tcp(int fd)
{
	int on = 1;

	if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5) < 0)
		tool_die("cannot use TCP cubic: %s", strerror(errno));
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
		tool_die("cannot set TCP_NODELAY: %s", strerror(errno));
}

/* Durations in nanoseconds; memory is touched only as far as it is used. */
struct samples {
	uint32_t *ns;
	size_t count, max;
};

static inline void samples_init(struct samples *s, size_t max)
{
	s->ns = malloc(max * sizeof(*s->ns));
	s->count = 0;
	s->max = max;
	if (!s->ns)
		tool_die("out of memory for %zu samples", max);
}

static inline void samples_add(struct samples *s, uint64_t ns)
{
	if (s->count < s->max)
		s->ns[s->count++] = ns > UINT32_MAX ? UINT32_MAX : (uint32_t)ns;
}

static inline int samples_cmp(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static inline void samples_sort(struct samples *s)
{
	qsort(s->ns, s->count, sizeof(*s->ns), samples_cmp);
}

/* Of sorted samples; permille 500 is the median. */
static inline uint32_t samples_at(const struct samples *s, unsigned int permille)
{
	return s->ns[(s->count - 1) * permille / 1000];
}
