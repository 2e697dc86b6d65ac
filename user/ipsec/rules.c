/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rules of ipsec.h, for one peer. */
#include "ipsec/inside.h"

#define SPI_RESERVED 256 /* RFC 4303, section 2.1 */

static void ask_again(struct turn *t, uint64_t at)
{
	if (at < t->w->next_ms)
		t->w->next_ms = at;
}

static void want(struct turn *t, const struct peer *p, bool is_out, uint32_t spi, uint8_t lanes)
{
	const struct ov_addr *own = &t->f->vtep;

	for (unsigned int lane = 0; lane < OV_SA_LANES; lane++)
		if (lanes & 1u << lane)
			t->w->sa[t->w->sa_count++] = (struct sa){
				.src = is_out ? *own : p->addr,
				.dst = is_out ? p->addr : *own,
				.spi = spi | lane,
			};
}

/* ---- inbound ---- */

static bool spi_is_chosen(const struct ipsec *s, uint32_t spi)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->peer[i].spi_in == spi)
			return true;
	return false;
}

static uint32_t choose_spi(struct turn *t)
{
	uint32_t spi;

	do {
		spi = spi_base((uint32_t)rng_u64(t->s->rng));
	} while (spi < SPI_RESERVED || seen_spi_in(t->seen, spi) || spi_is_chosen(t->s, spi));
	return spi;
}

static uint64_t idle_since(const struct peer *p, uint32_t spi, uint64_t now)
{
	for (size_t i = 0; i < p->drain_count; i++)
		if (p->drain[i].spi == spi)
			return p->drain[i].since_ms;
	return now;
}

/* Rule 4: whether the peer will never send with it again, and what is under way has arrived. */
static bool is_over(struct turn *t, const struct peer *p, const struct pair *q,
		    const struct group *g, struct drain *drain, size_t *count)
{
	uint64_t since;

	if (!p->session || q->session != p->session || spi_base(q->spi_out) == g->spi ||
	    *count == IPSEC_SESSIONS_MAX)
		return false;
	since = idle_since(p, g->spi, t->now);
	drain[(*count)++] = (struct drain){ g->spi, since };
	if (t->now - since >= IPSEC_DRAIN_MS)
		return true;
	ask_again(t, since + IPSEC_DRAIN_MS);
	return false;
}

/* Of another epoch than ours it is about to be replaced: a session with it carries nothing. */
static bool is_lasting(const struct turn *t, const struct peer *p)
{
	const struct node_key *key = view_key_of(t->v, &p->id);

	return p->session && key && key->epoch == t->s->key.epoch;
}

static void apply_inbound(struct turn *t, struct peer *p, const struct pair *q)
{
	struct drain drain[IPSEC_SESSIONS_MAX];
	size_t count, drained = 0;
	const struct group *g = seen_of(t->seen, &p->addr, false, &count);

	if (is_lasting(t, p) && !p->spi_in && count < IPSEC_SESSIONS_MAX)
		p->spi_in = choose_spi(t);
	for (size_t i = 0; i < count; i++)
		if (g[i].spi != p->spi_in && !is_over(t, p, q, &g[i], drain, &drained))
			want(t, p, false, g[i].spi, g[i].lanes);
	if (p->spi_in)
		want(t, p, false, p->spi_in, ALL_LANES);
	p->drain_count = drained;
	for (size_t i = 0; i < drained; i++)
		p->drain[i] = drain[i];
}

/* ---- outbound ---- */

static void hear_spi(struct turn *t, struct peer *p, const struct pair *q)
{
	if (!p->session || q->session != p->session || q->spi_in < SPI_RESERVED ||
	    q->spi_in & OV_SPI_LANE_MASK)
		return;
	if (!p->spi_out)
		p->spi_out = q->spi_in;
	else if (p->spi_out != q->spi_in)
		t->s->wants_fresh = true; /* other SAs of one session would have its keys again */
}

/* With what to send: the newest if it is there, else as it is, all lanes alike. */
static uint32_t choose_policy(struct turn *t, const struct peer *p, const struct sending *now)
{
	uint32_t any = 0;

	if (seen_all(t->seen, &p->addr, true, p->spi_out))
		return p->spi_out;
	for (unsigned int lane = 0; lane < OV_SA_LANES; lane++) {
		if (seen_all(t->seen, &p->addr, true, now->lane[lane]))
			return now->lane[lane];
		any = any ? any : now->lane[lane];
	}
	return any;
}

static void apply_outbound(struct turn *t, struct peer *p, const struct pair *q)
{
	struct sending sending;
	size_t count;
	const struct group *g = seen_of(t->seen, &p->addr, true, &count);
	uint32_t spi;

	hear_spi(t, p, q);
	sending_read(&sending, t->f, &p->addr);
	spi = choose_policy(t, p, &sending);
	for (size_t i = 0; i < count; i++)
		if (g[i].spi != p->spi_out && sending_with(&sending, g[i].spi))
			want(t, p, true, g[i].spi, g[i].lanes);
	if (p->spi_out)
		want(t, p, true, p->spi_out, ALL_LANES);
	if (spi)
		t->w->policy[t->w->policy_count++] =
			(struct ipsec_policy){ .dst = p->addr, .spi = spi };
}

void rules_apply(struct turn *t, struct peer *p)
{
	struct pair q;

	view_pair(t->v, &p->id, &t->s->self, &q);
	apply_inbound(t, p, &q);
	apply_outbound(t, p, &q);
}
