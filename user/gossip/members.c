// SPDX-License-Identifier: GPL-2.0-or-later
/* The member table as a whole: filled, drawn from, compared, listed. */
#include "engine.h"

#include <endian.h>
#include <sodium.h>
#include <stdlib.h>

static int load_record(void *ctx, const struct record *r)
{
	if (r->key.kind == RECORD_NODE)
		member_follow_record(ctx, &r->key);
	return 0;
}

int members_load(struct gossip *g)
{
	int r = 0;

	for (unsigned int bucket = 0; bucket < STORE_BUCKETS && !r; bucket++)
		r = store_each(g->store, bucket, load_record, g);
	return r;
}

void members_free(struct gossip *g)
{
	for (size_t i = 0; i < g->peer_count; i++)
		free(g->peer[i]);
	free(g->peer);
	free(g->ring);
	free(g->flat);
}

bool peer_is_live(const struct gossip *g, const struct peer *p)
{
	(void)g;
	return member_is_live(p->m.status);
}

/* Draws instead of filtering the whole table: cheap with thousands, near enough with few. */
static size_t draw_random(struct gossip *g,
			  bool (*fits)(const struct gossip *, const struct peer *),
			  const struct peer *except, struct peer **out, size_t max)
{
	size_t count = 0;

	for (size_t tries = 0; tries < 4 * max + 8 && count < max; tries++) {
		struct peer *p = g->peer[rng_below(&g->rng, (uint32_t)g->peer_count)];
		bool again = p == except || !fits(g, p);

		for (size_t i = 0; i < count && !again; i++)
			again = out[i] == p;
		if (!again)
			out[count++] = p;
	}
	return count;
}

/* All that fit, in the table's order from a random place. */
static size_t scan_random(struct gossip *g,
			  bool (*fits)(const struct gossip *, const struct peer *),
			  const struct peer *except, struct peer **out, size_t max)
{
	size_t start = rng_below(&g->rng, (uint32_t)g->peer_count), count = 0;

	for (size_t i = 0; i < g->peer_count && count < max; i++) {
		struct peer *p = g->peer[(start + i) % g->peer_count];

		if (p != except && fits(g, p))
			out[count++] = p;
	}
	return count;
}

size_t members_random(struct gossip *g, bool (*fits)(const struct gossip *, const struct peer *),
		      const struct peer *except, struct peer **ret_peers, size_t max)
{
	size_t count;

	if (!g->peer_count || !max)
		return 0;
	count = draw_random(g, fits, except, ret_peers, max);
	return count < max ? scan_random(g, fits, except, ret_peers, max) : count;
}

static uint64_t claim_hash(const struct member *m)
{
	uint8_t in[25], hash[crypto_generichash_BYTES_MIN];
	uint64_t out;

	memcpy(in, m->id.b, 16);
	for (int i = 0; i < 8; i++)
		in[16 + i] = (uint8_t)(m->incarnation >> (8 * i));
	in[24] = (uint8_t)m->status;
	crypto_generichash(hash, sizeof(hash), in, sizeof(in), NULL, 0);
	memcpy(&out, hash, sizeof(out));
	return be64toh(out);
}

uint64_t members_hash(const struct gossip *g)
{
	uint64_t hash = claim_hash(&g->self.m);

	for (size_t i = 0; i < g->peer_count; i++)
		hash ^= claim_hash(&g->peer[i]->m);
	return hash;
}

void members_put(const struct gossip *g, struct buf *b)
{
	struct claim c = peer_claim(&g->self);

	buf_u32(b, (uint32_t)g->peer_count + 1);
	wire_put_claim(b, &c);
	for (size_t i = 0; i < g->peer_count; i++) {
		c = peer_claim(g->peer[i]);
		wire_put_claim(b, &c);
	}
}

void members_get(struct gossip *g, struct cursor *c)
{
	uint32_t count = cursor_u32(c);

	for (uint32_t i = 0; i < count && !c->bad; i++) {
		struct claim claim;

		wire_get_claim(c, &claim);
		if (!c->bad)
			member_hear(g, &claim);
	}
}

/* ---- to look at ---- */

size_t gossip_members(const struct gossip *g, const struct member **ret_members)
{
	struct gossip *cache = (struct gossip *)g; /* the flat copy is no state */

	if (cache->flat_stale) {
		struct member *flat = realloc(g->flat, (g->peer_count + 1) * sizeof(*flat));

		if (!flat)
			return 0;
		for (size_t i = 0; i < g->peer_count; i++)
			flat[i] = g->peer[i]->m;
		cache->flat = flat;
		cache->flat_stale = false;
	}
	*ret_members = g->flat;
	return g->peer_count;
}

const struct member *gossip_member(const struct gossip *g, const struct id *id)
{
	const struct peer *p = peer_find(g, id);

	return p ? &p->m : NULL;
}

const char *member_status_to_str(enum member_status status)
{
	static const char *const name[] = { "alive", "suspect", "dead", "left" };

	return (size_t)status < sizeof(name) / sizeof(name[0]) ? name[status] : "unknown";
}
