/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A kernel in memory for apply's drivers: it keeps tables, writes down every
 * operation, can fail the nth one, and holds foreign objects, which are not
 * reported and must never be touched.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apply/apply.h"

#define FAKE_LOG_MAX 256
#define FAKE_ROWS_MAX 64

enum fake_op_kind { FAKE_OBSERVE, FAKE_ADD, FAKE_UPDATE, FAKE_REMOVE };

struct fake_op {
	enum fake_op_kind kind;
	enum plan_table_id table;
	uint32_t key; /* first four bytes, as they lie */
};

struct fake_kernel {
	struct fake_ctx {
		struct fake_kernel *kernel;
		enum plan_table_id id;
	} ctx[PLAN_TABLE_COUNT];
	struct plan_table held[PLAN_TABLE_COUNT]; /* sorted; room for FAKE_ROWS_MAX */
	bool foreign[PLAN_TABLE_COUNT][256];      /* by first byte of the key */
	struct fake_op op[FAKE_LOG_MAX];          /* the successful changes and the looks */
	unsigned int op_count;
	unsigned int changes;  /* upserts and removals tried, since fake_kernel_fail */
	unsigned int fail_at;  /* which of them fails, counted from 1; 0: none */
	bool fail_observe[PLAN_TABLE_COUNT];
	bool later[PLAN_TABLE_COUNT];             /* changes have to wait for another plan */
	size_t many;           /* rows it does a call when offered several; 0: one by one only */
	unsigned int calls;    /* upserts and removals, of one row or many */
};

/* Key and value sizes as in `like`. */
void fake_kernel_init(struct fake_kernel *k, const struct plan *like);
void fake_kernel_fini(struct fake_kernel *k);
void fake_kernel_drivers(struct fake_kernel *k, struct driver ret_driver[PLAN_TABLE_COUNT]);
/* Before fake_kernel_drivers: drivers do up to `many` rows a call. */
void fake_kernel_batch(struct fake_kernel *k, size_t many);
/* Forgets the log and lets the nth change from now fail. */
void fake_kernel_fail(struct fake_kernel *k, unsigned int nth);
bool fake_kernel_holds(const struct fake_kernel *k, const struct plan *p);
/* How many of the logged operations changed something. */
unsigned int fake_kernel_changes(const struct fake_kernel *k);
