/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sockets of gossip: UDP and TCP on the gossip port, and the TLS sessions of
 * joining nodes on the same TCP port (told apart by the first byte: TLS records
 * begin with 0x16, RFC 8446 5.1; ours with the high byte of a length, which is 0).
 *
 * On a stream a message is u32 length (big-endian) and that many bytes; one
 * request, one reply, closed. Connections are bounded in number
 * (GOSSIPD_CONNECTIONS_MAX), size and time.
 */
#pragma once

#include "base/err.h"
#include "gossip/gossip.h"
#include "gossip/join.h"
#include "loop/loop.h"

struct gossipd;

#define GOSSIPD_CONNECTIONS_MAX 128

/*
 * Binds addr:port (port in use, address not ours: a sentence) and starts
 * moving bytes. Everything borrowed.
 */
int gossipd_new(struct loop *loop, struct gossip *gossip, struct store *store,
		const struct sockname *bind, struct gossipd **ret_gossipd, struct err *e);
void gossipd_free(struct gossipd *d);
/* Sends what gossip has to say now and re-arms its timer: after any direct gossip_* call. */
void gossipd_kick(struct gossipd *d);

struct gossipd_counters {
	uint64_t send_failed;     /* datagrams that the kernel did not take */
	uint64_t streams_in;      /* connections accepted */
	uint64_t streams_refused; /* of these, ended without an answer sent */
	uint64_t calls_failed;    /* outgoing calls without an answer */
	uint64_t joins_answered, joins_refused;
};
const struct gossipd_counters *gossipd_counters(const struct gossipd *d);

/*
 * Client side of a join: connects, TLS 1.3 PSK with the token, sends the request,
 * merges the reply into the store. done is called once, later: e is NULL when it
 * worked, else the sentence. Gives up after 10 seconds.
 */
int gossipd_join(struct loop *loop, struct store *store, const struct sockname *to,
		 const uint8_t token[TOKEN_SECRET_LEN], const struct join_request *request,
		 void (*done)(void *arg, const struct err *e), void *arg);
