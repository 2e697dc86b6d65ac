/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Other people's names: queries handed to the host's resolvers, answers kept for
 * their time to live. Sans-I/O: bytes and time go in, bytes and deadlines come out.
 *
 * A query goes to the first upstream; SERVFAIL, REFUSED or silence for
 * DNS_UPSTREAM_TIMEOUT_MS moves it to the next, NXDOMAIN is an answer. A
 * truncated answer is asked again by TCP. Equal questions of several askers are
 * asked once. Record types are not looked into: answers pass as they came, with
 * the asker's id and its spelling of the name, cut (TC) to the size it takes.
 *
 * Only questions without EDNS options are shared and kept: a cookie or a client's
 * subnet makes an answer one asker's own.
 */
#pragma once

#include "base/addr.h"
#include "dns/dns.h"

#define DNS_UPSTREAM_MAX 3          /* resolv.conf(5): MAXNS */
#define DNS_UPSTREAM_TIMEOUT_MS 4000
#define DNS_FLIGHT_MAX 1024         /* questions under way; more are answered SERVFAIL */
#define DNS_FLIGHT_PER_ASKER 128    /* of these, of one namespace; more are answered SERVFAIL */
#define DNS_FORWARD_QUERY_MAX DNS_UDP_MAX /* longer questions are answered SERVFAIL */
#define DNS_CACHE_MAX 4096          /* answers kept; the least recently used goes */
#define DNS_CACHE_TTL_MAX 3600      /* seconds */
#define DNS_NEGATIVE_TTL_MAX 300    /* RFC 2308: from the SOA, at most this */

struct dns_forward;

struct dns_upstream {
	struct ov_addr addr;
	uint16_t port; /* host order */
};

int dns_forward_new(const struct rng *rng, struct dns_forward **ret_forward);
void dns_forward_free(struct dns_forward *f); /* questions under way are forgotten */
/*
 * Replaces the upstreams (no change: nothing happens); questions under way are asked
 * again of the new ones. 127.0.0.11 is left out: that would be asking ourselves.
 */
void dns_forward_set_upstreams(struct dns_forward *f, const struct dns_upstream *upstream,
			       size_t count, uint64_t now);

/*
 * Asks. `asker` groups questions for DNS_FLIGHT_PER_ASKER, `cookie` comes back
 * with the answer. May answer at once (from the cache, or SERVFAIL: full, no upstream).
 */
void dns_forward_ask(struct dns_forward *f, const struct dns_query *q, const void *data, size_t len,
		     bool tcp, uint64_t asker, uint64_t cookie, uint64_t now);
/* The asker has gone: its cookies must not come out any more. */
void dns_forward_forget(struct dns_forward *f, uint64_t asker);

/* A datagram or whole TCP message from an upstream, or why there is none (error < 0). */
void dns_forward_reply(struct dns_forward *f, uint64_t exchange, int error, const void *data,
		       size_t len, uint64_t now);
void dns_forward_tick(struct dns_forward *f, uint64_t now);
uint64_t dns_forward_deadline(const struct dns_forward *f);

struct dns_forward_output {
	enum { DNS_OUT_ANSWER, DNS_OUT_UDP, DNS_OUT_TCP, DNS_OUT_CANCEL } type;
	uint64_t cookie;            /* ANSWER */
	uint64_t exchange;          /* UDP, TCP: hand back to dns_forward_reply; CANCEL: it is over */
	struct dns_upstream to;     /* UDP, TCP */
	const uint8_t *data;        /* valid until the next dns_forward_* call */
	size_t len;
};
/*
 * Drain after every call above. An exchange has a socket of its own, hence a random
 * source port, from its UDP or TCP to its CANCEL, which always comes.
 */
bool dns_forward_next_output(struct dns_forward *f, struct dns_forward_output *ret_output);

struct dns_forward_counters {
	uint64_t asked, from_cache;
	uint64_t joined;        /* to an equal question under way */
	uint64_t sent, answered, timed_out;
	uint64_t over_limit;    /* a limit above was met, or memory was out */
	uint64_t refused_reply; /* not an answer to what was asked, or too late */
};
const struct dns_forward_counters *dns_forward_counters(const struct dns_forward *f);
