/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which rules are about which pairs of classes; a rule from or to anybody is of the pairs with class 0. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "inside.h"

struct match {
	uint32_t from, to, rule;
};

/* The classes that each selector is in: those of number n are class[first[n]..first[n + 1]]. */
struct members {
	size_t *first;
	uint32_t *class;
};

struct matches {
	size_t count, room;
	struct match *at;
};

static void members_fini(struct members *m)
{
	free(m->first);
	free(m->class);
}

static void matches_fini(struct matches *m)
{
	free(m->at);
}

static int members_make(const struct compile *c, struct members *m)
{
	const struct classes *cs = &c->classes;

	m->first = calloc(c->pick_count + 3, sizeof(*m->first));
	m->class = calloc(cs->list_count + 1, sizeof(*m->class));
	if (!m->first || !m->class)
		return -ENOMEM;
	m->first[1] = 1; /* class 0 for selector 0 */
	for (size_t i = 0; i < cs->list_count; i++)
		m->first[cs->list[i] + 2]++;
	for (size_t n = 2; n < c->pick_count + 3; n++)
		m->first[n] += m->first[n - 1];
	for (size_t i = 0; i < cs->count; i++) /* first[n + 1] runs up to where n + 1 begins */
		for (uint32_t j = 0; j < cs->at[i].count; j++)
			m->class[m->first[cs->list[cs->at[i].first + j] + 1]++] = (uint32_t)i + 1;
	return 0;
}

static int push(struct matches *m, uint32_t from, uint32_t to, uint32_t rule)
{
	if (m->count == m->room) {
		size_t room = m->room ? 2 * m->room : 256;
		struct match *at = reallocarray(m->at, room, sizeof(*at));

		if (!at)
			return -ENOMEM;
		m->at = at;
		m->room = room;
	}
	m->at[m->count++] = (struct match){ from, to, rule };
	return 0;
}

static int match_rule(const struct compile *c, const struct members *in, uint32_t rule,
		      struct matches *m)
{
	const struct rule *r = &c->rule[rule];
	size_t from = in->first[r->from], from_end = in->first[r->from + 1];
	size_t to = in->first[r->to], to_end = in->first[r->to + 1];
	int err = 0;

	if ((from_end - from) * (to_end - to) > MATCHES_LIMIT - m->count)
		return -E2BIG;
	for (size_t i = from; i < from_end; i++)
		for (size_t j = to; j < to_end && !err; j++)
			err = push(m, in->class[i], in->class[j], rule);
	return err;
}

static int match_cmp(const void *a, const void *b)
{
	const struct match *x = a, *y = b;

	if (x->from != y->from)
		return x->from < y->from ? -1 : 1;
	if (x->to != y->to)
		return x->to < y->to ? -1 : 1;
	return x->rule < y->rule ? -1 : x->rule > y->rule;
}

static int add_pairs(const struct compile *c, const struct matches *m, uint32_t *rules,
		     struct flat *f, struct policy_book *b)
{
	int r = 0;

	for (size_t i = 0, end; i < m->count && !r; i = end) {
		const struct match *at = &m->at[i];

		for (end = i; end < m->count && m->at[end].from == at->from &&
			      m->at[end].to == at->to; end++)
			rules[end - i] = m->at[end].rule;
		r = pair_add(c, f, rules, end - i, at->from, at->to, b);
	}
	return r;
}

int pairs_add(const struct compile *c, struct policy_book *b)
{
	_cleanup_(members_fini) struct members in = { 0 };
	_cleanup_(matches_fini) struct matches m = { 0 };
	_cleanup_(flat_fini) struct flat f = { 0 };
	_cleanup_(freep) uint32_t *rules = calloc(c->rule_count + 1, sizeof(*rules));
	int r = rules ? members_make(c, &in) : -ENOMEM;

	for (uint32_t i = 0; i < c->rule_count && !r; i++)
		r = match_rule(c, &in, i, &m);
	if (r)
		return r;
	if (m.count)
		qsort(m.at, m.count, sizeof(*m.at), match_cmp);
	return add_pairs(c, &m, rules, &f, b);
}
