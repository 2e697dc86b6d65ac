/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Steers what is sent to 127.0.0.11:53 (maps/dns.h) inside a network namespace. */
#pragma once

#include <stdbool.h>

/*
 * To these sockets of that namespace: a bound one of UDP, a listening one of TCP. It
 * lasts until the link is closed, which the end of this process does; it keeps neither
 * namespace nor sockets alive. 0 or a negative errno; -E2BIG: too many others do so there.
 */
int sk_lookup_attach(int netns, int udp, int tcp, int *ret_link);
/* False once somebody detached it. */
bool sk_lookup_is_attached(int link);
