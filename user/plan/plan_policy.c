/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Policy: what policy/ compiled, as tables. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "build.h"
#include "table.h"

int policies_init(struct build *b)
{
	int r = policy_compile(b->v, NULL, &b->policy);

	b->has_policy = calloc(b->v->network_count + 1, sizeof(*b->has_policy));
	if (!b->has_policy)
		return -ENOMEM;
	for (size_t i = 0; i < b->policy.head_count; i++)
		b->has_policy[b->policy.head[i].net - b->v->network] = true;
	if (!r)
		r = table_reserve(build_table(b, PLAN_POLICY_RULES), b->policy.rule_count);
	if (!r)
		r = table_reserve(build_table(b, PLAN_POLICY_SUBJECTS), b->policy.subject_count);
	return r ? r : table_reserve(build_table(b, PLAN_POLICY_SETS), b->policy.head_count);
}

uint16_t policy_flag(const struct build *b, const struct view_network *vn)
{
	return b->has_policy[vn - b->v->network] ? OV_ENDPOINT_POLICY : 0;
}

static void add_set(struct build *b, const struct policy_head *head)
{
	struct ov_policy_key key = { .vni = head->net->net->vni };

	table_add(build_table(b, PLAN_POLICY_SETS), &key, &head->value);
	if (!(head->value.flags & OV_POLICY_BROKEN))
		return;
	if (!b->plan.broken++)
		strcpy(b->plan.broken_name, head->net->display);
}

void policies_add(struct build *b)
{
	const struct policy_book *p = &b->policy;

	for (size_t i = 0; i < p->rule_count; i++)
		table_add(build_table(b, PLAN_POLICY_RULES), &p->rule[i].key, &p->rule[i].value);
	for (size_t i = 0; i < p->subject_count; i++)
		table_add(build_table(b, PLAN_POLICY_SUBJECTS), &p->subject[i].key,
			  &p->subject[i].value);
	for (size_t i = 0; i < p->head_count; i++)
		add_set(b, &p->head[i]);
}
