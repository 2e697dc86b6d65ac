/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A BPF ring buffer, read by this process. */
#pragma once

#include <stddef.h>

struct ring;

/* map_fd is borrowed until ring_close. 0 or a negative errno. */
int ring_open(int map_fd, void (*fn)(void *arg, const void *data, size_t size), void *arg,
	      struct ring **ret_ring);
void ring_close(struct ring *r);
/* Readable while there are records. */
int ring_fd(const struct ring *r);
/* Hands out `max` records at most; more may be waiting. */
void ring_read(struct ring *r, size_t max);
