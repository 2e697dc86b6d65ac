/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Answers kept for their time to live, by what was asked. Bounded in number
 * (DNS_CACHE_MAX) and in bytes; the least recently used goes.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define DNS_CACHE_BYTES (8u << 20)   /* of all answers together */
#define DNS_CACHE_ANSWER_MAX 8192    /* longer ones are not kept */

/* A folded question, the flags that matter, and 5 bytes of EDNS. */
#define DNS_KEY_MAX (255 + 4 + 2 + 5)
struct dns_key {
	size_t len;
	uint8_t b[DNS_KEY_MAX];
};

struct dns_cache;

int dns_cache_new(struct dns_cache **ret_cache);
void dns_cache_free(struct dns_cache *c);
size_t dns_cache_count(const struct dns_cache *c);

/* Borrowed until the next call; NULL when there is none or its time is over. *ret_age in seconds. */
const uint8_t *dns_cache_get(struct dns_cache *c, const struct dns_key *key, uint64_t now,
			     size_t *ret_len, uint32_t *ret_age);
/* Keeps a copy for ttl seconds; out of memory, it is not kept. */
void dns_cache_put(struct dns_cache *c, const struct dns_key *key, const void *data, size_t len,
		   uint32_t ttl, uint64_t now);
