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
bool row_is_classless(const struct plan_table *subjects, enum plan_table_id id, const uint8_t *row);
