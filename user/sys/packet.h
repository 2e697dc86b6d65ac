/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Single frames out of a device of this namespace, and single IPv4 packets. Nothing is received. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "maps/types.h"

/* 0 or a negative errno. */
int packet_open(int *ret_fd);
/* A whole frame, from its Ethernet header on. 0, or a negative errno; -EAGAIN: not now. */
int packet_send(int fd, uint32_t ifindex, const void *frame, size_t len);

/* The same of whole IPv4 packets, which the kernel finds the way of. */
int packet_open_ipv4(int *ret_fd);
/*
 * From `from`, an address of this host, to `to`, as the packet says, too; out of ifindex, or
 * where the routes lead when that is 0.
 */
int packet_send_ipv4(int fd, uint32_t ifindex, const struct ov_addr *from, const struct ov_addr *to,
		     const void *packet, size_t len);
