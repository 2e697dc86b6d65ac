/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Single Ethernet frames out of a device of this namespace. Nothing is received. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* 0 or a negative errno. */
int packet_open(int *ret_fd);
/* A whole frame, from its Ethernet header on. 0, or a negative errno; -EAGAIN: not now. */
int packet_send(int fd, uint32_t ifindex, const void *frame, size_t len);
