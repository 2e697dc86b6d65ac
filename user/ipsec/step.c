/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "ipsec/inside.h"

/* A key of an SA was handed out and the SA is not there: it cannot be made again. */
static bool has_lost(const struct peer *p, const struct seen *seen, bool is_out)
{
	const struct group *g = seen_find(seen, &p->addr, is_out, is_out ? p->spi_out : p->spi_in);
	uint8_t there = g ? g->lanes : 0;

	return (is_out ? p->had_out : p->had_in) & ~there;
}

static bool is_worn(const struct peer *p, const struct seen *seen)
{
	const struct group *g = p->spi_out ? seen_find(seen, &p->addr, true, p->spi_out) : NULL;

	return g && g->most > IPSEC_PACKETS_MAX;
}

/* A kernel that refuses every SA must not get a new key with each look at it. */
static bool needs_fresh(struct ipsec *s, const struct view *v, const struct seen *seen, uint64_t now)
{
	if (!s->has_key || v->epoch.number != s->key.epoch)
		return true;
	for (size_t i = 0; i < s->count; i++) {
		if (is_worn(&s->peer[i], seen))
			return true;
		s->wants_fresh |= has_lost(&s->peer[i], seen, false) ||
				  has_lost(&s->peer[i], seen, true);
	}
	return s->wants_fresh && now - s->made_at >= IPSEC_RETRY_MS;
}

static int sa_cmp(const void *a, const void *b)
{
	const struct sa *x = a, *y = b;
	int diff = addr_cmp(&x->dst, &y->dst);

	return diff ? diff : (x->spi > y->spi) - (x->spi < y->spi);
}

static int policy_cmp(const void *a, const void *b)
{
	const struct ipsec_policy *x = a, *y = b;

	return addr_cmp(&x->dst, &y->dst);
}

/* Of a peer all that is there may stay, and a session may be added in both directions. */
static int want_init(struct ipsec_want *w, size_t peers, size_t sas)
{
	*w = (struct ipsec_want){
		.sa = calloc(sas + peers * 2 * OV_SA_LANES + 1, sizeof(*w->sa)),
		.policy = calloc(peers + 1, sizeof(*w->policy)),
		.pairs = calloc(PAIRS_CHUNKS, sizeof(*w->pairs)),
		.next_ms = UINT64_MAX,
	};
	return w->sa && w->policy && w->pairs ? 0 : -ENOMEM;
}

void ipsec_want_fini(struct ipsec_want *w)
{
	free(w->sa);
	free(w->policy);
	free(w->pairs);
	*w = (struct ipsec_want){ 0 };
}

static bool is_needed(const struct view *v, const struct ipsec_facts *f)
{
	return f->is_able && v->cluster && view_has_encrypted(v);
}

static bool key_is_said(const struct ipsec *s, const struct view *v)
{
	const struct node_key *said = view_key_of(v, &s->self);

	return said && said->epoch == s->key.epoch && said->generation == s->key.generation &&
	       !memcmp(said->public_key, s->key.public_key, sizeof(said->public_key));
}

static void tell_key(struct turn *t)
{
	t->w->write_key = !key_is_said(t->s, t->v);
	if (t->w->write_key)
		t->w->key = t->s->key;
}

static void run(struct turn *t)
{
	struct ipsec *s = t->s;

	if (needs_fresh(s, t->v, t->seen, t->now))
		key_make(s, t->v->epoch.number, t->now);
	peers_adopt(s, t->v);
	for (size_t i = 0; i < s->count; i++)
		rules_apply(t, &s->peer[i]);
	if (s->wants_fresh && s->made_at + IPSEC_RETRY_MS < t->w->next_ms)
		t->w->next_ms = s->made_at + IPSEC_RETRY_MS;
	qsort(t->w->sa, t->w->sa_count, sizeof(*t->w->sa), sa_cmp);
	qsort(t->w->policy, t->w->policy_count, sizeof(*t->w->policy), policy_cmp);
	tell_key(t);
}

int ipsec_step(struct ipsec *s, const struct view *v, const struct ipsec_facts *f, uint64_t now_ms,
	       struct ipsec_want *ret_want)
{
	_cleanup_(ipsec_want_fini) struct ipsec_want w = { 0 };
	_cleanup_(seen_fini) struct seen seen = { 0 };
	struct turn t = { .s = s, .v = v, .f = f, .seen = &seen, .now = now_ms, .w = &w };

	if (seen_init(&seen, f) < 0 || want_init(&w, v->node_count, f->sa_count) < 0)
		return -ENOMEM;
	if (is_needed(v, f)) {
		s->vtep = f->vtep;
		if (peers_update(s, v) < 0)
			return -ENOMEM;
		run(&t);
	} else {
		peers_wipe(s);
		key_wipe(s);
	}
	pairs_tell(&t);
	*ret_want = w;
	w = (struct ipsec_want){ 0 };
	return 0;
}

static bool goes_before(const struct ipsec *s, const struct view_node *vn, const struct id_set *away)
{
	return !vn->name_lost && id_cmp(&vn->node->id, &s->self) < 0 &&
	       !id_set_has(away, &vn->node->id);
}

uint64_t ipsec_epoch_due_ms(const struct ipsec *s, const struct view *v, const struct id_set *away)
{
	uint64_t due = s->made_at + IPSEC_EPOCH_MS;

	if (!s->has_key)
		return UINT64_MAX;
	for (size_t i = 0; i < v->node_count; i++)
		if (goes_before(s, &v->node[i], away))
			due += IPSEC_EPOCH_TURN_MS;
	return due;
}
