/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keeps this node's published ports for the data path: each is bound by a socket,
 * so that no process of the host gets it later and then waits for callers that the
 * data path sends elsewhere. A port that cannot be bound, because a process has it,
 * is taken: it stays with that process, and is tried again every few seconds.
 *
 * Nobody is served by these sockets. A caller of TCP or SCTP who comes before the
 * data path has its row is hung up on with a reset at once, and a datagram is dropped.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loop/loop.h"
#include "base/addr.h"

#define PORTD_RETRY_MS 5000

struct portd;

struct portd_port {
	struct ov_addr addr; /* of this node; zero: every address */
	uint16_t port;       /* host order */
	uint8_t protocol;    /* IPPROTO_TCP, _UDP or _SCTP */
};

/* on_change is called from the loop when a new try changed what is taken. 0 or -ENOMEM. */
int portd_new(struct loop *loop, uint64_t retry_ms, void (*on_change)(void *arg), void *arg,
	      struct portd **ret_portd);
void portd_free(struct portd *d); /* lets go of all ports */

/*
 * Keeps just these from now on, in any order; no two clash (view.h sees to that). What is
 * taken is known when it returns. On -ENOMEM it keeps what it kept before.
 */
int portd_set(struct portd *d, const struct portd_port *port, size_t count);
/* Sorted by protocol, port and address. Valid until the next call or the loop's next turn. */
const struct portd_port *portd_taken(const struct portd *d, size_t *ret_count);

/*
 * Whether a process of this host has the port, ourselves aside. An address that is
 * none of this host's is nobody's.
 */
bool portd_probe(struct portd *d, uint8_t protocol, const struct ov_addr *addr, uint16_t port);
