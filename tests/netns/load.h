/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the server and the clients of `load` share: options, time, and the words on the wire. */
#pragma once

#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/*
 * A request is a line: "ask N" is answered and the server closes; "keep N" is answered;
 * "hold N" is not; "bulk N" is followed by N bytes, which come back. An answer is
 * "NAME ADDR PORT N end". Of UDP "dgram N" and filling come back as an answer and the
 * same filling; "super N SIZE" is answered by N datagrams of SIZE bytes, sent as one.
 */
#define LINE_MAX_BYTES 128
#define DATAGRAM_MAX 65507
#define LIFE_MAX_S 600 /* whatever was asked for */

extern volatile sig_atomic_t load_stop;

void fail(const char *what) __attribute__((noreturn));
uint64_t now_ms(void);   /* monotonic */
uint64_t clock_ms(void); /* of the wall, as `date +%s%3N` shows it */
const char *option(char **argv, const char *name, const char *otherwise);
uint64_t number(char **argv, const char *name, uint64_t otherwise);
uint8_t filling(uint64_t n, size_t at); /* byte `at` of what goes with request n */

int serve(char **argv);
int load_udp(char **argv);
struct sockaddr_in target(const char *text); /* ADDR:PORT */

/* Who a backend may say that we are. */
#define MASQ_FIRST 61000 /* ports of a node that stand for a container's (maps/masq.h) */
struct seen_as {
	const char *via;    /* this address, if it is not our own; the port is */
	const char *behind; /* always this address, and a port from MASQ_FIRST */
};
struct seen_as seen_as_asked(char **argv);
bool is_us(const struct seen_as *as, const struct sockaddr_in *own, const char *addr, unsigned int port);

/* How often each backend answered. */
#define NAMES_MAX 64
struct tally {
	size_t count;
	struct {
		char name[32];
		uint64_t n;
	} of[NAMES_MAX];
};
void tally_add(struct tally *t, const char *name);
void tally_print(const struct tally *t);
