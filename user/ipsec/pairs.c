/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What this node says of its SAs with each other node, and whether its records say so. */
#include "ipsec/inside.h"

#include <string.h>

/* False: there is nothing to say. */
static bool describe(const struct turn *t, const struct peer *p, struct pair *ret_pair)
{
	struct sending sending;

	sending_read(&sending, t->f, &p->addr);
	if (sending.is_mixed) /* what was said last keeps both alive at the other end */
		return view_pair(t->v, &t->s->self, &p->id, ret_pair);
	*ret_pair = (struct pair){
		.peer = p->id,
		.session = p->session,
		.spi_in = seen_all(t->seen, &p->addr, false, p->spi_in) ? p->spi_in : 0,
		.spi_out = sending.lane[0],
	};
	return ret_pair->session || ret_pair->spi_out;
}

/* More peers than a record takes are left out, and get nothing (README.md). */
static void fill(const struct turn *t, uint8_t chunk, struct pairs_whole *out)
{
	struct pair pair;

	out->p = (struct pairs){ .node = t->s->self, .chunk = chunk };
	for (size_t i = 0; i < t->s->count && out->p.count < PAIRS_MAX; i++)
		if (pairs_chunk_of(&t->s->peer[i].id) == chunk && describe(t, &t->s->peer[i], &pair))
			out->d.pair[out->p.count++] = pair;
}

static const struct item *own_record(const struct turn *t, uint8_t chunk)
{
	for (size_t i = 0; i < t->v->pairs_count; i++)
		if (id_equal(&t->v->pairs[i]->pairs.node, &t->s->self) &&
		    t->v->pairs[i]->pairs.chunk == chunk)
			return t->v->pairs[i];
	return NULL;
}

static bool is_said(const struct turn *t, const struct pairs_whole *now)
{
	const struct item *it = own_record(t, now->p.chunk);
	struct pairs_detail said;

	if (!it)
		return !now->p.count;
	pairs_detail_decode(it, &said);
	return it->pairs.count == now->p.count &&
	       !memcmp(said.pair, now->d.pair, now->p.count * sizeof(said.pair[0]));
}

void pairs_tell(struct turn *t)
{
	for (uint8_t chunk = 0; chunk < PAIRS_CHUNKS; chunk++) {
		struct pairs_whole *out = &t->w->pairs[t->w->pairs_count];

		memset(out, 0, sizeof(*out));
		fill(t, chunk, out);
		t->w->pairs_count += !is_said(t, out);
	}
}
