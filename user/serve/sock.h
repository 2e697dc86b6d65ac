/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Non-blocking sockets for socknames, IPv4 and IPv6 alike. Errors are sentences
 * where a person chose the address.
 */
#pragma once

#include <sys/socket.h>

#include "base/err.h"
#include "gossip/gossip.h"

#define SOCKNAME_TEXT_MAX (ADDR_TEXT_MAX + 8)

socklen_t sockname_to_sockaddr(const struct sockname *name, struct sockaddr_storage *out);
/* Of AF_INET or AF_INET6; IPv4 in IPv6 comes out mapped, which is our form of IPv4. */
struct sockname sockname_from_sockaddr(const struct sockaddr_storage *ss);
/* "10.0.0.1:7946", "[fd00::1]:7946". Returns out. */
const char *sockname_format(const struct sockname *name, char out[SOCKNAME_TEXT_MAX]);

/* type: SOCK_DGRAM, or SOCK_STREAM which also listens. Returns the fd or a negative errno. */
int sock_bind(const struct sockname *name, int type, struct err *e);
/* Begins to connect, from `from` (NULL: the kernel's choice). The fd or a negative errno. */
int sock_connect(const struct sockname *to, const struct ov_addr *from);
/* A datagram socket from a random port, which hears only `to`. The fd or a negative errno. */
int sock_connect_datagram(const struct sockname *to);
/* How a begun connect ended: 0 or a negative errno. */
int sock_error(int fd);
