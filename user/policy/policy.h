/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rules of policy, compiled into the rows by which the data path judges (maps/policy.h): a pure
 * function of the state, the same on every node and after every restart.
 *
 * A set is named by a hash of what makes it, and so is each class of addresses. Endpoints that come
 * and go only add and take away rows of a set; another rule, or another default, makes another set, whose
 * rows have nothing in common with the old one's.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "maps/policy.h"
#include "model/view.h"

/*
 * What all networks together may have of either map: half of it, because the rows of a new
 * set stand beside those of the old one until it is in force.
 */
#define POLICY_ROWS_MAX 131072
/* What a network may have; two that did not hear of each other may make a few more. */
#define POLICY_RULES_MAX 4096

/* Rows as maps hold them: key, then value. */
struct policy_rule_row {
	struct ov_rule_key key;
	struct ov_rule value;
};
struct policy_subject_row {
	struct ov_subject_key key;
	struct ov_subject value;
};
_Static_assert(sizeof(struct policy_rule_row) == 32 && sizeof(struct policy_subject_row) == 32,
	       "rows have no gaps");

/* A network that has rules, or denies by default. */
struct policy_head {
	const struct view_network *net;
	struct ov_policy value;
	size_t rule_rows, subject_rows; /* OV_POLICY_BROKEN: none, they do not fit */
};

/* All rows of all networks, unsorted. */
struct policy_book {
	size_t head_count, rule_count, subject_count;
	size_t rule_room, subject_room;
	struct policy_head *head;             /* in order of the networks' ids */
	struct policy_rule_row *rule;
	struct policy_subject_row *subject;
};

/* A rule that is no record yet: whether it would fit is asked before it becomes one. */
struct policy_draft {
	const struct view_network *net;
	struct policy p;
	struct policy_detail d;
};

/* `more`: one rule besides those of the view; or NULL. 0 or -ENOMEM. */
int policy_compile(const struct view *v, const struct policy_draft *more,
		   struct policy_book *ret_book);
void policy_book_fini(struct policy_book *b);
