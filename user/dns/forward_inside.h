/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state of forwarding, shared by its parts:
 *
 *   forward.c      what comes in: questions, replies, time, upstreams
 *   forward_fly.c  who waits, and the exchanges with upstreams
 *   forward_out.c  what goes out: answers, and what is asked of the driver
 *
 *   ask --> in the cache? --------------------------------------> ANSWER
 *       \-> equal one under way? -- waits with it
 *        \-> flight --> UDP to upstream 0 --> usable -----------> ANSWER to all who wait
 *                         | ^      |cut                           and into the cache
 *                 timeout,| |      v
 *                 refusal | |    TCP to the same
 *                         v |
 *                     the next upstream; none left -------------> SERVFAIL
 */
#pragma once

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#include "cache.h"
#include "dns/forward.h"
#include "reply.h"

/* To whom an answer goes, and in which words it was asked. */
struct origin {
	uint64_t cookie;
	uint16_t id;
	size_t size; /* longest answer it takes */
	size_t question_len;
	const uint8_t *question;
};

struct asker {
	UT_hash_handle hh;
	uint64_t id;
	unsigned int count;
	struct wait *waits;
};

struct wait {
	struct wait *prev, *next;   /* of the flight */
	struct wait *aprev, *anext; /* of the asker */
	struct flight *flight;
	struct asker *asker;
	struct origin origin;
	uint8_t question[];
};

struct flight {
	UT_hash_handle hh;          /* by exchange */
	UT_hash_handle hk;          /* by key, when shared */
	struct flight *prev, *next; /* by deadline: all wait equally long, so the latest is last */
	uint64_t exchange, deadline;
	size_t upstream;            /* index of the one that is asked */
	bool tcp, shared;
	struct dns_key key;
	struct wait *waits;
	size_t question_len, len;
	uint8_t query[];
};

struct out {
	struct out *next;
	struct dns_forward_output o;
	uint8_t data[];
};

struct dns_forward {
	struct rng rng;
	size_t upstream_count;
	struct dns_upstream upstream[DNS_UPSTREAM_MAX];
	struct dns_cache *cache;
	struct asker *askers;
	struct flight *by_exchange, *by_key, *by_deadline;
	uint64_t last_exchange;
	struct out *outs, **outs_end;
	struct out *shown; /* lent to the caller until its next call */
	struct dns_forward_counters counters;
};

/* forward_out.c */
/* One more output, with a copy of data; NULL (counted) when memory is out. */
struct out *out_emit(struct dns_forward *f, int type, const void *data, size_t len);
/* The caller's next call takes back what was lent to it. */
void out_take_back(struct dns_forward *f);
/* The id and the words are the asker's; age, in seconds, is taken off every TTL. */
void out_answer(struct dns_forward *f, const struct origin *to, const void *reply, size_t len,
		uint32_t age);
void out_failure(struct dns_forward *f, const struct origin *to, const void *query, size_t len);

/* forward_fly.c */
/* Takes its place among those who wait: 0, -EBUSY (the asker waits for too many) or -ENOMEM. */
int flight_join(struct dns_forward *f, struct flight *fl, uint64_t asker,
		const struct origin *origin);
void wait_free(struct dns_forward *f, struct wait *w);
/* key NULL: not to be shared. */
struct flight *flight_new(struct dns_forward *f, const void *data, size_t len, size_t question_len,
			  enum dns_tail tail, const struct dns_key *key);
void flight_free(struct dns_forward *f, struct flight *fl);
/* These go on with the flight, and end it when there is nobody left to ask. */
void flight_send(struct dns_forward *f, struct flight *fl, uint64_t now);
void flight_next(struct dns_forward *f, struct flight *fl, uint64_t now);
void flight_by_tcp(struct dns_forward *f, struct flight *fl, uint64_t now);
void flight_restart(struct dns_forward *f, struct flight *fl, uint64_t now);
/* Tells all who wait, and ends it. */
void flight_answer(struct dns_forward *f, struct flight *fl, const void *reply, size_t len);
