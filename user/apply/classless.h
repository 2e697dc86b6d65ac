/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Endpoints of networks with rules whose class could not be written (maps/policy.h). */
#pragma once

#include <stdbool.h>

#include "plan/plan.h"

/*
 * Whether the row is of an endpoint whose class is among the keys of `subjects`, rows of
 * PLAN_POLICY_SUBJECTS that failed. It would count as somebody whom no rule names, and pass where
 * a rule denies it: so it must not come to be.
 */
/*
 * Whether a row of `policy_subjects` that is not wanted is of an endpoint that stays, in a set that
 * stays in force: it matches no selector any more. (Rows of other sets, and of who leaves, go
 * after all that rests on them.)
 */
bool subject_is_classless_now(const struct plan *p, const uint8_t *row);

bool row_is_classless(const struct plan_table *subjects, enum plan_table_id id, const uint8_t *row);

/* Whether the row is of an endpoint that the plan gives a class. */
bool row_has_class(const struct plan *p, enum plan_table_id id, const uint8_t *row);
