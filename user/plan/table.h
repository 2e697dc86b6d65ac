/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Making tables: reserve, add, sort. Private to plan/. */
#pragma once

#include "plan.h"

/* Sizes of all tables, and no rows. */
void tables_init(struct plan *p);
/* Room for `max` rows in all, and no row yet. 0 or -ENOMEM. */
int table_reserve(struct plan_table *t, size_t max);
/* Room for `more` rows behind those that are there. 0 or -ENOMEM. */
int table_grow(struct plan_table *t, size_t more);
/* Appends a row; there must be room. key and value have the table's sizes. */
void table_add(struct plan_table *t, const void *key, const void *value);
/* By key; of rows with one key the first in byte order stays. */
void table_sort(struct plan_table *t);
