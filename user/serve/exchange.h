/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One request and one reply over one TCP connection, on either side of it, as
 * plain frames or inside a TLS session:
 *
 *   server   SNIFF -> [HANDSHAKE] -> RECEIVE -> answer() -> SEND -> ended()
 *   client   CONNECT -> [HANDSHAKE] -> SEND -> RECEIVE -> done()
 *
 * A set bounds how many are open, how many of one source, and for how long: an
 * exchange in which nothing moves for idle_ms, or that is not over after
 * total_ms, ends with -ETIMEDOUT, however slowly its bytes still trickle.
 */
#pragma once

#include "gossip/gossip.h"
#include "loop/loop.h"
#include "tls.h"

struct exchange_set;

struct exchange_limits {
	unsigned int count;      /* open at a time */
	unsigned int per_source; /* of these, accepted from one address */
	uint32_t idle_ms, total_ms;
	uint32_t plain_max, tls_max; /* longest message that is taken in, bytes */
};

/* What a server does with what comes in; psk NULL: no TLS. */
struct exchange_server {
	void *ctx;
	/* The key that a TLS client must have, at this moment. 0 or a negative errno. */
	int (*psk)(void *ctx, uint8_t ret_psk[TLS_PSK_LEN]);
	/* Appends the reply to a whole request. 0, or a negative errno: hang up. */
	int (*answer)(void *ctx, bool tls, const struct sockname *from, const void *data,
		      size_t len, struct buf *reply);
	/* The end of each exchange: 0 when the reply was sent. */
	void (*ended)(void *ctx, bool tls, const struct sockname *from, int error);
};

/* limits and server are copied; server NULL: a set of clients. 0 or -ENOMEM. */
int exchange_set_new(struct loop *loop, const struct exchange_limits *limits,
		     const struct exchange_server *server, struct exchange_set **ret_set);
void exchange_set_free(struct exchange_set *set); /* closes all without a callback; NULL is fine */
unsigned int exchange_set_count(const struct exchange_set *set);
bool exchange_set_is_full(const struct exchange_set *set);

/* Takes over fd, also on failure. -EBUSY: the set, or its share for this source, is full. */
int exchange_serve(struct exchange_set *set, int fd, const struct sockname *from);

struct exchange_call {
	struct sockname to;
	const struct ov_addr *from; /* source address; NULL: the kernel's choice */
	const uint8_t *psk;         /* TLS_PSK_LEN bytes: inside TLS; NULL: plain */
	const void *data;
	size_t len;
	/*
	 * Called once, later, never from exchange_call: 0 and the reply, or
	 * -ECONNREFUSED, -ETIMEDOUT, -ECONNRESET (hung up), -EACCES (keys differ),
	 * -EPROTO, -EMSGSIZE or what connect() said. May free the set.
	 */
	void (*done)(void *arg, uint64_t tag, int error, const void *data, size_t len);
	void *arg;
	uint64_t tag;
};
/* Copies the request and what it needs. 0, -EBUSY (set full) or -ENOMEM. */
int exchange_call(struct exchange_set *set, const struct exchange_call *call);
