/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All networks in turn: what does not fit leaves no row behind, and its network is broken. */
#include "policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "inside.h"

void policy_book_fini(struct policy_book *b)
{
	free(b->head);
	free(b->rule);
	free(b->subject);
	*b = (struct policy_book){ 0 };
}

static void compile_fini(struct compile *c)
{
	free(c->rule);
	free(c->pick);
	free(c->subject);
	classes_fini(&c->classes);
}

int book_add_rule(struct policy_book *b, const struct policy_rule_row *row)
{
	if (b->rule_count == POLICY_ROWS_MAX)
		return -E2BIG;
	if (b->rule_count == b->rule_room) {
		size_t room = b->rule_room ? 2 * b->rule_room : 256;
		struct policy_rule_row *rule = reallocarray(b->rule, room, sizeof(*rule));

		if (!rule)
			return -ENOMEM;
		b->rule = rule;
		b->rule_room = room;
	}
	b->rule[b->rule_count++] = *row;
	return 0;
}

static int add_subjects(const struct compile *c, struct policy_book *b)
{
	size_t wanted = b->subject_count + c->subject_count;
	struct policy_subject_row *rows;

	if (wanted > POLICY_ROWS_MAX)
		return -E2BIG;
	if (wanted > b->subject_room) {
		rows = reallocarray(b->subject, 2 * wanted, sizeof(*rows));
		if (!rows)
			return -ENOMEM;
		b->subject = rows;
		b->subject_room = 2 * wanted;
	}
	for (size_t i = 0; i < c->subject_count; i++) {
		const struct subject *s = &c->subject[i];

		b->subject[b->subject_count++] = (struct policy_subject_row){
			.key = { .prefix_len = OV_SUBJECT_PREFIX + s->at.len,
				 .vni = c->net->net->vni, .set = c->set, .addr = s->at.addr },
			.value = { class_id(c, s->class) },
		};
	}
	return 0;
}

/*
 * An endpoint that joins a service is of another class from then on, under the same set. FNV-1a over
 * each row, summed so that order is nothing, and folded: one change in 65536 goes unseen until the
 * next one.
 */
static uint16_t census(const struct policy_book *b, size_t first)
{
	uint32_t sum = 0;

	for (size_t i = first; i < b->subject_count; i++) {
		const uint8_t *bytes = (const uint8_t *)&b->subject[i];
		uint32_t hash = 2166136261u;

		for (size_t j = 0; j < sizeof(b->subject[i]); j++)
			hash = (hash ^ bytes[j]) * 16777619u;
		sum += hash;
	}
	return (uint16_t)(sum ^ sum >> 16);
}

static int compile(struct compile *c, const struct policy_draft *more, struct policy_book *b)
{
	int r = rules_read(c, more);

	if (!r)
		r = picks_make(c);
	if (!r)
		r = subjects_make(c);
	if (!r)
		r = classes_name(c);
	if (!r)
		r = pairs_add(c, b);
	return r ? r : add_subjects(c, b);
}

static int add_network(const struct view *v, const struct view_network *vn,
		       const struct policy_draft *more, struct policy_book *b)
{
	_cleanup_(compile_fini) struct compile c = { .v = v, .net = vn };
	struct policy_head *head = &b->head[b->head_count++];
	size_t rules = b->rule_count, subjects = b->subject_count;
	int r = compile(&c, more, b);

	*head = (struct policy_head){ .net = vn };
	if (r == -E2BIG) {
		b->rule_count = rules;
		b->subject_count = subjects;
		head->value = (struct ov_policy){ .verdict = OV_POLICY_DENY, .flags = OV_POLICY_BROKEN };
		return 0;
	}
	head->value.set = c.set;
	head->value.verdict = vn->net->policy_deny ? OV_POLICY_DENY : OV_POLICY_ALLOW;
	head->value.flags = vn->net->policy_audit ? OV_POLICY_AUDIT : 0;
	head->rule_rows = b->rule_count - rules;
	head->subject_rows = b->subject_count - subjects;
	head->value.census = census(b, subjects);
	return r;
}

int policy_compile(const struct view *v, const struct policy_draft *more,
		   struct policy_book *ret_book)
{
	_cleanup_(policy_book_fini) struct policy_book b = { 0 };
	int r = 0;

	b.head = calloc(v->network_count + 1, sizeof(*b.head));
	if (!b.head)
		return -ENOMEM;
	for (size_t i = 0; i < v->network_count && !r; i++) {
		const struct view_network *vn = &v->network[i];
		const struct policy_draft *own = more && more->net == vn ? more : NULL;
		size_t count;

		view_policies_of(v, vn, &count);
		if (!vn->vni_lost && (vn->net->policy_deny || count || own))
			r = add_network(v, vn, own, &b);
	}
	if (r)
		return r;
	*ret_book = b;
	b = (struct policy_book){ 0 };
	return 0;
}
