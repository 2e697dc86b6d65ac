/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#include "forward.h"

struct entry {
	UT_hash_handle hh;
	struct entry *prev, *next; /* by use, the latest last */
	uint64_t kept_at, until;
	struct dns_key key;
	size_t len;
	uint8_t data[];
};

struct dns_cache {
	struct entry *table, *by_use;
	size_t count, bytes;
};

int dns_cache_new(struct dns_cache **ret_cache)
{
	struct dns_cache *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	*ret_cache = c;
	return 0;
}

static void drop(struct dns_cache *c, struct entry *en)
{
	HASH_DEL(c->table, en);
	DL_DELETE(c->by_use, en);
	c->count--;
	c->bytes -= en->len;
	free(en);
}

void dns_cache_free(struct dns_cache *c)
{
	if (!c)
		return;
	while (c->by_use)
		drop(c, c->by_use);
	free(c);
}

size_t dns_cache_count(const struct dns_cache *c)
{
	return c->count;
}

static struct entry *find(struct dns_cache *c, const struct dns_key *key)
{
	struct entry *en;

	HASH_FIND(hh, c->table, key->b, key->len, en);
	return en;
}

const uint8_t *dns_cache_get(struct dns_cache *c, const struct dns_key *key, uint64_t now,
			     size_t *ret_len, uint32_t *ret_age)
{
	struct entry *en = find(c, key);

	if (!en)
		return NULL;
	if (now >= en->until) {
		drop(c, en);
		return NULL;
	}
	DL_DELETE(c->by_use, en);
	DL_APPEND(c->by_use, en);
	*ret_len = en->len;
	*ret_age = (uint32_t)((now - en->kept_at) / 1000);
	return en->data;
}

void dns_cache_put(struct dns_cache *c, const struct dns_key *key, const void *data, size_t len,
		   uint32_t ttl, uint64_t now)
{
	struct entry *en = find(c, key);

	if (en)
		drop(c, en);
	if (!ttl || len > DNS_CACHE_ANSWER_MAX)
		return;
	while (c->by_use && (c->count >= DNS_CACHE_MAX || c->bytes + len > DNS_CACHE_BYTES))
		drop(c, c->by_use);
	en = calloc(1, sizeof(*en) + len);
	if (!en)
		return;
	en->key = *key;
	en->kept_at = now;
	en->until = now + (uint64_t)ttl * 1000;
	en->len = len;
	memcpy(en->data, data, len);
	HASH_ADD_KEYPTR(hh, c->table, en->key.b, en->key.len, en);
	if (!en->hh.tbl) { /* uthash could not grow */
		free(en);
		return;
	}
	DL_APPEND(c->by_use, en);
	c->count++;
	c->bytes += len;
}
