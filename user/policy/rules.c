/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rules of a network, in order of strength. */
#include <errno.h>
#include <stdlib.h>

#include "inside.h"

/* Of two that hold for a flow the first is its verdict: denying beats allowing. */
static int rule_cmp(const void *a, const void *b)
{
	const struct rule *x = a, *y = b;

	if (x->p.deny != y->p.deny)
		return x->p.deny ? -1 : 1;
	return id_cmp(&x->p.id, &y->p.id);
}

int rules_read(struct compile *c, const struct policy_draft *more)
{
	size_t count, room;
	const struct view_policy *of = view_policies_of(c->v, c->net, &count);

	room = count + (more != NULL);
	if (room > RULES_LIMIT)
		return -E2BIG;
	c->rule = calloc(room + 1, sizeof(*c->rule));
	if (!c->rule)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		c->rule[i].p = *of[i].policy;
		policy_detail_decode(of[i].item, &c->rule[i].d);
	}
	if (more) {
		c->rule[count].p = more->p;
		c->rule[count].d = more->d;
	}
	c->rule_count = room;
	qsort(c->rule, room, sizeof(*c->rule), rule_cmp);
	return 0;
}
