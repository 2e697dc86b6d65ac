/* SPDX-License-Identifier: GPL-2.0-or-later */
/* This node's key, and the end of secrets. */
#include "ipsec/inside.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

void key_make(struct ipsec *s, uint64_t epoch, uint64_t now_ms)
{
	rng_bytes(s->rng, s->private_key, sizeof(s->private_key));
	s->key = (struct node_key){ .node = s->self, .epoch = epoch, .generation = s->generation };
	crypto_scalarmult_base(s->key.public_key, s->private_key);
	s->has_key = true;
	s->made_at = now_ms;
	s->wants_fresh = false;
	s->used_count = 0;
}

void key_wipe(struct ipsec *s)
{
	sodium_memzero(s->private_key, sizeof(s->private_key));
	s->has_key = s->wants_fresh = false;
}

void session_wipe(struct peer *p)
{
	sodium_memzero(p->master, sizeof(p->master));
	p->session = 0;
	p->spi_in = p->spi_out = 0;
	p->had_in = p->had_out = 0;
}

int ipsec_new(const struct id *self, uint64_t generation, struct rng *rng, struct ipsec **ret_ipsec)
{
	struct ipsec *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->self = *self;
	s->generation = generation;
	s->rng = rng;
	*ret_ipsec = s;
	return 0;
}

void ipsec_free(struct ipsec *s)
{
	if (!s)
		return;
	peers_wipe(s);
	free(s->used);
	sodium_memzero(s, sizeof(*s));
	free(s);
}

static bool is_of(const struct ipsec *s, const struct peer *p, const struct sa *sa, bool is_out)
{
	const struct ov_addr *far = is_out ? &sa->dst : &sa->src;
	const struct ov_addr *near = is_out ? &sa->src : &sa->dst;

	return !addr_cmp(far, &p->addr) && !addr_cmp(near, &s->vtep) &&
	       spi_base(sa->spi) == (is_out ? p->spi_out : p->spi_in);
}

static int take(struct ipsec *s, struct peer *p, const struct sa *sa, bool is_out,
		uint8_t ret_key[SA_KEY_LEN])
{
	uint8_t *had = is_out ? &p->had_out : &p->had_in;
	unsigned int lane = sa->spi & OV_SPI_LANE_MASK;

	if (*had & 1u << lane)
		return -ENOENT;
	*had |= (uint8_t)(1u << lane);
	sa_key(p->master, is_out ? &s->self : &p->id, is_out ? &p->id : &s->self, lane, ret_key);
	if (p->had_in == ALL_LANES && p->had_out == ALL_LANES)
		sodium_memzero(p->master, sizeof(p->master));
	return 0;
}

int ipsec_take_key(struct ipsec *s, const struct sa *sa, uint8_t ret_key[SA_KEY_LEN])
{
	for (size_t i = 0; i < s->count; i++) {
		struct peer *p = &s->peer[i];

		if (p->spi_in && is_of(s, p, sa, false))
			return take(s, p, sa, false, ret_key);
		if (p->spi_out && is_of(s, p, sa, true))
			return take(s, p, sa, true, ret_key);
	}
	return -ENOENT;
}
