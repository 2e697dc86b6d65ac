/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What somebody else changed in the kernel: the difference between what a table held when
 * apply was done with it, and what it holds now. It needs no plan, and a plan that changes is
 * none of it. Private to apply/.
 */
#pragma once

#include <stdbool.h>

#include "plan/plan.h"

struct apply_scope;

/* Of one table. Both hold keys alone, sorted. */
struct drift {
	struct plan_table changed; /* by somebody else, and not mended yet */
	struct plan_table unsure;  /* an operation failed: what is there may be of anyone */
};

void drift_fini(struct drift *d);
/*
 * Adds to d->changed what differs between `was` and `now`. With a scope, rows of *now that are
 * outside of it are put back to what they were: nothing is known of them then.
 * 0, or -ENOMEM with all as it was.
 */
int drift_look(struct drift *d, const struct plan_table *was, struct plan_table *now,
	       const struct apply_scope *scope);
/* After a run over the table: only rows that failed are left, of the one kind or the other. */
int drift_settle(struct drift *d, struct plan_table *failed);

/* The row with that key; NULL when there is none. Of keys alone: not NULL when it is there. */
const uint8_t *table_find(const struct plan_table *t, const uint8_t *key);
