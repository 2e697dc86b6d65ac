/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What makes frames (raw.c) and what looks at them (raw_wire.c) share. */
#pragma once

#include <stdint.h>

#define FRAME_MAX (65536 + 64) /* also super-packets, as veth hands them on */

extern uint8_t frame[FRAME_MAX];

void fail(const char *what) __attribute__((noreturn));
const char *option(char **argv, const char *name, const char *otherwise);
unsigned int number(const char *text);
int packet_socket(const char *ifname, unsigned int protocol);

int tally(const char *ifname, const char *text, char **o);
int again(const char *ifname, char **o);
