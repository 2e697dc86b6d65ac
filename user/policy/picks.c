/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The selectors that a network's rules name, each once, and which CIDR lies in which. */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "inside.h"

static int pick_cmp(const void *a, const void *b)
{
	const struct pick *x = a, *y = b;
	int diff = (int)x->kind - (int)y->kind;

	if (!diff)
		diff = id_cmp(&x->id, &y->id);
	if (!diff)
		diff = addr_cmp(&x->cidr.addr, &y->cidr.addr);
	if (!diff)
		diff = (int)x->cidr.len - (int)y->cidr.len;
	return diff ? diff : strcmp(x->label, y->label);
}

static void add(struct compile *c, const struct selector *s, const struct label *label)
{
	if (s->kind != SELECTOR_ANY)
		c->pick[c->pick_count++] = (struct pick){ .kind = s->kind, .id = s->id,
							  .cidr = s->cidr, .label = label->text };
}

/* What names it, and nothing of its number: that changes with the other rules. */
static void digest(struct pick *p)
{
	crypto_generichash_state h;

	crypto_generichash_init(&h, NULL, 0, sizeof(p->digest));
	crypto_generichash_update(&h, &p->kind, 1);
	crypto_generichash_update(&h, p->id.b, sizeof(p->id.b));
	crypto_generichash_update(&h, p->cidr.addr.b, sizeof(p->cidr.addr.b));
	crypto_generichash_update(&h, &p->cidr.len, 1);
	crypto_generichash_update(&h, (const uint8_t *)p->label, strlen(p->label));
	crypto_generichash_final(&h, p->digest, sizeof(p->digest));
}

static void unify(struct compile *c)
{
	size_t kept = 0;

	qsort(c->pick, c->pick_count, sizeof(*c->pick), pick_cmp);
	for (size_t i = 0; i < c->pick_count; i++) {
		if (kept && !pick_cmp(&c->pick[kept - 1], &c->pick[i]))
			continue;
		c->pick[kept] = c->pick[i];
		digest(&c->pick[kept++]);
	}
	c->pick_count = kept;
}

/* In order of (address, length) each CIDR stands behind those that hold it. */
static void nest(struct compile *c)
{
	while (c->first_cidr < c->pick_count && c->pick[c->first_cidr].kind != SELECTOR_CIDR)
		c->first_cidr++;
	c->cidr_end = c->first_cidr;
	while (c->cidr_end < c->pick_count && c->pick[c->cidr_end].kind == SELECTOR_CIDR)
		c->cidr_end++;
	for (size_t i = c->first_cidr; i < c->cidr_end; i++) {
		uint32_t up = i > c->first_cidr ? (uint32_t)i : 0;

		while (up && !prefix_contains(&c->pick[up - 1].cidr, &c->pick[i].cidr.addr))
			up = c->pick[up - 1].parent;
		c->pick[i].parent = up;
	}
}

uint32_t picks_find(const struct compile *c, const struct pick *like)
{
	const struct pick *p = bsearch(like, c->pick, c->pick_count, sizeof(*p), pick_cmp);

	return p ? (uint32_t)(p - c->pick) + 1 : 0;
}

uint32_t picks_around(const struct compile *c, const struct ov_addr *a)
{
	size_t low = c->first_cidr, high = c->cidr_end;
	uint32_t at;

	while (low < high) { /* the last that begins at or before it lies in all that hold it */
		size_t mid = low + (high - low) / 2;

		if (addr_cmp(&c->pick[mid].cidr.addr, a) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	at = low > c->first_cidr ? (uint32_t)low : 0;
	while (at && !prefix_contains(&c->pick[at - 1].cidr, a))
		at = c->pick[at - 1].parent;
	return at;
}

static uint32_t number_of(const struct compile *c, const struct selector *s,
			  const struct label *label)
{
	struct pick like = { .kind = s->kind, .id = s->id, .cidr = s->cidr, .label = label->text };

	return s->kind == SELECTOR_ANY ? 0 : picks_find(c, &like);
}

int picks_make(struct compile *c)
{
	c->pick = calloc(2 * c->rule_count + 1, sizeof(*c->pick));
	if (!c->pick)
		return -ENOMEM;
	for (size_t i = 0; i < c->rule_count; i++) {
		add(c, &c->rule[i].p.from, &c->rule[i].d.from_label);
		add(c, &c->rule[i].p.to, &c->rule[i].d.to_label);
	}
	unify(c);
	nest(c);
	for (size_t i = 0; i < c->rule_count; i++) {
		struct rule *r = &c->rule[i];

		r->from = number_of(c, &r->p.from, &r->d.from_label);
		r->to = number_of(c, &r->p.to, &r->d.to_label);
	}
	return 0;
}
