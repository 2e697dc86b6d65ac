/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One node for tests of intents: a store in memory, no gossip, a clock that
 * stands still. Hosts tell each other what they know when the test says so.
 */
#pragma once

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "intent/intent.h"

#define WALL 1700000000000ull

struct host {
	struct store *store;
	struct intent *intent;
	struct rng rng;
	uint64_t wall;
	struct err e; /* of the last refusal */
};

struct host host_new(uint64_t seed);
/* rng is borrowed by the intent, so the host must not move any more. */
void host_start(struct host *h, const char *name, uint8_t last_byte);
void host_fini(struct host *h);

/* A host that lives as long as the scope: NAME and the address 192.0.2.N. */
#define HOST(h, name, n)                                         \
	_cleanup_(host_fini) struct host h = host_new(n);        \
	host_start(&h, name, n)

void host_announce(struct host *h, const char *name, uint8_t last_byte);
/* All that `from` knows and has committed reaches `to`. */
void host_tell(struct host *from, struct host *to);

struct id host_create(struct host *h, const char *name, const char *subnet);
const struct network *host_network(struct host *h, const char *ref);

/* An ask that works: each one a namespace of its own. */
struct attach_ask host_ask(const char *network);
struct outcome {
	int times;
	struct id id;
	struct err e;
};
struct outcome host_attach(struct host *h, const struct attach_ask *ask);
/* It must succeed, and be on disk when it is answered. */
const struct endpoint *host_attached(struct host *h, const struct attach_ask *ask);
/* Of an endpoint, or of its tombstone. */
struct endpoint_detail host_detail(const struct host *h, const struct id *endpoint);

/* The sentence of a refusal with this code, which must have written nothing. */
const char *host_refused_create(struct host *h, const struct network_ask *ask, int code);
const char *host_refused_attach(struct host *h, const struct attach_ask *ask, int code);

/* Services, in the same way. */
struct id host_served(struct host *h, const struct service_ask *ask);
const char *host_refused_service(struct host *h, const struct service_ask *ask, int code);
const struct view_service *host_service(struct host *h, const char *name);
/* It must succeed, and be of the service that was named. */
void host_updated_service(struct host *h, const struct service_ask *ask);
const char *host_refused_update(struct host *h, const struct service_ask *ask, int code);

#define assert_says(sentence, expected)                                                   \
	do {                                                                              \
		const char *said_ = (sentence);                                           \
		cr_assert_not_null(strstr(said_, expected), "it says: %s", said_);        \
	} while (0)
