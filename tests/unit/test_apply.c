/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "apply/apply.h"
#include "tests/lib/fake_kernel.h"

/* Plans of small rows: four bytes of key (the first tells), four of value. */
#define ROWS 3
#define OPS (PLAN_TABLE_COUNT * ROWS)

struct rig {
	uint8_t bytes[PLAN_TABLE_COUNT][ROWS * 2][8];
	struct plan plan;
	struct fake_kernel kernel;
	struct apply *apply;
	struct apply_stats stats;
	unsigned int errors;
	bool table_error;
	uint32_t last_key; /* of the row that failed last */
};

static void set_plan_table(struct rig *r, enum plan_table_id id, uint8_t first, uint8_t count,
			   uint8_t value)
{
	r->plan.table[id] = (struct plan_table){ .key_size = 4, .value_size = 4, .count = count,
						 .rows = r->bytes[id][0] };
	memset(r->bytes[id], 0, sizeof(r->bytes[id]));
	for (uint8_t j = 0; j < count; j++) {
		r->bytes[id][j][0] = first + j;
		r->bytes[id][j][4] = value;
	}
}

static void set_plan(struct rig *r, uint8_t first, uint8_t count, uint8_t value)
{
	for (int i = 0; i < PLAN_TABLE_COUNT; i++)
		set_plan_table(r, (enum plan_table_id)i, first, count, value);
}

static void on_error(void *arg, enum plan_table_id table, const uint8_t *key, const struct err *e)
{
	struct rig *r = arg;

	(void)table;
	r->errors++;
	if (key)
		memcpy(&r->last_key, key, sizeof(r->last_key));
	r->table_error |= !key;
	cr_assert_neq(e->code, 0);
	cr_assert_neq(e->text[0], '\0');
}

static void start(struct rig *r)
{
	struct driver drivers[PLAN_TABLE_COUNT];

	fake_kernel_drivers(&r->kernel, drivers);
	cr_assert_eq(apply_new(drivers, &r->apply), 0);
}

static struct rig *new_rig(void)
{
	struct rig *r = calloc(1, sizeof(*r));

	cr_assert(r);
	set_plan(r, 1, ROWS, 7);
	fake_kernel_init(&r->kernel, &r->plan);
	start(r);
	return r;
}

static void free_rig(struct rig *r)
{
	apply_free(r->apply);
	fake_kernel_fini(&r->kernel);
	free(r);
}

static int run(struct rig *r, bool may_remove)
{
	r->errors = 0;
	return apply_run(r->apply, &r->plan, may_remove, on_error, r, &r->stats);
}

Test(apply, brings_an_empty_kernel_to_the_plan)
{
	struct rig *r = new_rig();

	cr_assert_eq(run(r, true), 0);
	cr_assert(fake_kernel_holds(&r->kernel, &r->plan));
	cr_assert_eq(r->stats.added, OPS);
	cr_assert_eq(r->stats.same + r->stats.updated + r->stats.removed + r->stats.failed, 0);
	free_rig(r);
}

Test(apply, does_nothing_the_second_time)
{
	struct rig *r = new_rig();

	cr_assert_eq(run(r, true), 0);
	fake_kernel_fail(&r->kernel, 0);
	cr_assert_eq(run(r, true), 0);
	cr_assert_eq(r->kernel.op_count, 0, "not even a look");
	cr_assert_eq(r->stats.same, OPS);
	free_rig(r);
}

Test(apply, updates_only_rows_whose_value_differs)
{
	struct rig *r = new_rig();

	cr_assert_eq(run(r, true), 0);
	fake_kernel_fail(&r->kernel, 0);
	r->bytes[PLAN_PEERS][1][4] = 9;
	cr_assert_eq(run(r, true), 0);
	cr_assert_eq(r->kernel.op_count, 1);
	cr_assert_eq(r->kernel.op[0].kind, FAKE_UPDATE);
	cr_assert_eq(r->kernel.op[0].table, PLAN_PEERS);
	cr_assert_eq(r->kernel.op[0].key, 2);
	cr_assert_eq(r->stats.updated, 1);
	for (int i = 0; i < PLAN_TABLE_COUNT; i++)
		cr_assert_eq(r->stats.gone[i], i == PLAN_PEERS);
	free_rig(r);
}

Test(apply, adds_in_table_order_and_removes_in_reverse_after_all_additions)
{
	struct rig *r = new_rig();
	bool removing = false;

	cr_assert_eq(run(r, true), 0);
	fake_kernel_fail(&r->kernel, 0);
	set_plan(r, 2, ROWS, 7); /* row 1 goes, row 4 comes, in every table */
	cr_assert_eq(run(r, true), 0);
	cr_assert_eq(r->kernel.op_count, PLAN_TABLE_COUNT * 2);
	for (unsigned int i = 0; i < r->kernel.op_count; i++) {
		const struct fake_op *op = &r->kernel.op[i];
		unsigned int n = PLAN_TABLE_COUNT;

		cr_assert_eq(op->kind, i < n ? FAKE_ADD : FAKE_REMOVE);
		cr_assert_eq(op->table, i < n ? i : 2 * n - 1 - i);
		removing |= op->kind == FAKE_REMOVE;
	}
	cr_assert(removing);
	for (int i = 0; i < PLAN_TABLE_COUNT; i++)
		cr_assert_eq(r->stats.gone[i], 1, "what was added is not gone");
	cr_assert(fake_kernel_holds(&r->kernel, &r->plan));
	free_rig(r);
}

Test(apply, deletes_nothing_before_it_may)
{
	struct rig *r = new_rig();

	cr_assert_eq(run(r, true), 0);
	set_plan(r, 3, 1, 7);
	fake_kernel_fail(&r->kernel, 0);
	cr_assert_eq(run(r, false), 0);
	cr_assert_eq(fake_kernel_changes(&r->kernel), 0);
	cr_assert_eq(run(r, true), 0);
	cr_assert_eq(r->stats.removed, 2 * PLAN_TABLE_COUNT);
	cr_assert(fake_kernel_holds(&r->kernel, &r->plan));
	free_rig(r);
}

/* Rows that wait for the next run when the nth change fails: a set of rules is put in force whole. */
static unsigned int held_back(unsigned int n, unsigned int rows)
{
	switch ((n - 1) / rows) {
	case PLAN_POLICY_RULES:
		return 2 * rows;
	case PLAN_POLICY_SUBJECTS:
		return rows;
	default:
		return 0;
	}
}

/* And the removals that wait, one a table, of which the last `PLAN_TABLE_COUNT` changes are. */
static unsigned int held_removals(unsigned int n, unsigned int rows)
{
	if (n > rows * PLAN_TABLE_COUNT) { /* backwards */
		unsigned int table = (rows + 1) * PLAN_TABLE_COUNT - n;

		return table == PLAN_POLICY_SETS ? 2 : table == PLAN_POLICY_SUBJECTS;
	}
	switch ((n - 1) / rows) {
	case PLAN_POLICY_RULES:
	case PLAN_POLICY_SUBJECTS:
		return 3;
	default:
		return (n - 1) / rows == PLAN_POLICY_SETS ? 2 : 0;
	}
}

Test(apply, recovers_from_the_failure_of_any_single_addition)
{
	for (unsigned int n = 1; n <= OPS; n++) {
		struct rig *r = new_rig();

		fake_kernel_fail(&r->kernel, n);
		cr_assert_eq(run(r, true), -EIO);
		cr_assert_eq(r->errors, 1);
		cr_assert_eq(r->stats.failed, 1);
		cr_assert_eq(r->stats.added, OPS - 1 - held_back(n, ROWS),
			     "one failure must not stop the others");
		cr_assert_eq(run(r, true), 0);
		cr_assert_eq(r->stats.added, 1 + held_back(n, ROWS));
		cr_assert(fake_kernel_holds(&r->kernel, &r->plan));
		free_rig(r);
	}
}

Test(apply, recovers_from_the_failure_of_any_single_change_or_removal)
{
	for (unsigned int n = 1; n <= 4 * PLAN_TABLE_COUNT; n++) {
		struct rig *r = new_rig();

		cr_assert_eq(run(r, true), 0);
		set_plan(r, 2, ROWS, 8); /* a table: two updates, one addition, one removal */
		fake_kernel_fail(&r->kernel, n);
		cr_assert_eq(run(r, true), -EIO);
		cr_assert_eq(r->stats.failed, 1);
		cr_assert_not(fake_kernel_holds(&r->kernel, &r->plan));
		cr_assert_eq(run(r, true), 0);
		cr_assert_eq(r->stats.added + r->stats.updated + r->stats.removed,
			     1 + held_back(n, ROWS) + held_removals(n, ROWS));
		cr_assert(fake_kernel_holds(&r->kernel, &r->plan));
		free_rig(r);
	}
}

static uint8_t held_value(const struct rig *r, enum plan_table_id id)
{
	return plan_row(&r->kernel.held[id], 0)[4];
}

Test(apply, puts_no_set_in_force_that_is_not_whole_and_keeps_the_old_one_whole)
{
	struct rig *r = new_rig();

	cr_assert_eq(run(r, true), 0);
	set_plan(r, 1, ROWS, 8);
	set_plan_table(r, PLAN_POLICY_RULES, 10, ROWS, 8); /* rows of another set */
	fake_kernel_fail(&r->kernel, PLAN_POLICY_RULES * ROWS + 2);
	cr_assert_eq(run(r, true), -EIO);
	cr_assert_eq(held_value(r, PLAN_POLICY_SETS), 7);
	cr_assert_eq(r->kernel.held[PLAN_POLICY_RULES].count, 2 * ROWS - 1);
	cr_assert_eq(held_value(r, PLAN_ENDPOINTS), 8, "what is no part of it goes on");
	cr_assert_eq(run(r, true), 0);
	cr_assert(fake_kernel_holds(&r->kernel, &r->plan));
	free_rig(r);
}

Test(apply, looks_again_only_at_the_table_where_something_failed)
{
	struct rig *r = new_rig();

	fake_kernel_fail(&r->kernel, 1);
	cr_assert_eq(run(r, true), -EIO);
	fake_kernel_fail(&r->kernel, 0);
	cr_assert_eq(run(r, true), 0);
	cr_assert_eq(r->kernel.op_count, 2);
	cr_assert_eq(r->kernel.op[0].kind, FAKE_OBSERVE);
	cr_assert_eq(r->kernel.op[0].table, PLAN_TUNNEL);
	cr_assert_eq(r->kernel.op[1].kind, FAKE_ADD);
	free_rig(r);
}

Test(apply, adopts_what_a_killed_daemon_left_without_an_operation)
{
	struct rig *r = new_rig();

	cr_assert_eq(run(r, true), 0);
	apply_free(r->apply);
	start(r);
	fake_kernel_fail(&r->kernel, 0);
	cr_assert_eq(run(r, true), 0);
	cr_assert_eq(r->stats.same, OPS);
	cr_assert_eq(fake_kernel_changes(&r->kernel), 0);
	free_rig(r);
}

Test(apply, sweeps_what_a_killed_daemon_left_and_nobody_wants)
{
	struct rig *r = new_rig();

	cr_assert_eq(run(r, true), 0);
	apply_free(r->apply);
	start(r);
	set_plan(r, 1, 1, 7);
	cr_assert_eq(run(r, true), 0);
	cr_assert_eq(r->stats.removed, 2 * PLAN_TABLE_COUNT);
	cr_assert(fake_kernel_holds(&r->kernel, &r->plan));
	free_rig(r);
}

Test(apply, sees_what_changed_behind_its_back_after_forgetting)
{
	struct rig *r = new_rig();

	cr_assert_eq(run(r, true), 0);
	r->kernel.held[PLAN_DEVICES].count = 0;
	apply_forget(r->apply);
	cr_assert_eq(run(r, true), 0);
	cr_assert_eq(r->stats.added, ROWS);
	cr_assert_eq(r->stats.same, OPS - ROWS);
	cr_assert(fake_kernel_holds(&r->kernel, &r->plan));
	free_rig(r);
}

Test(apply, reports_a_foreign_object_in_the_way_and_goes_on)
{
	struct rig *r = new_rig();

	r->kernel.foreign[PLAN_DEVICES][2] = true;
	cr_assert_eq(run(r, true), -EEXIST);
	cr_assert_eq(r->errors, 1);
	cr_assert_eq(r->stats.added, OPS - 1);
	r->kernel.foreign[PLAN_DEVICES][2] = false;
	cr_assert_eq(run(r, true), 0);
	cr_assert(fake_kernel_holds(&r->kernel, &r->plan));
	free_rig(r);
}

Test(apply, leaves_a_table_it_cannot_read_and_serves_the_others)
{
	struct rig *r = new_rig();

	r->kernel.fail_observe[PLAN_NETWORKS] = true;
	cr_assert_eq(run(r, true), -EIO);
	cr_assert(r->table_error);
	cr_assert_eq(r->stats.added, OPS - ROWS);
	cr_assert_eq(r->kernel.held[PLAN_NETWORKS].count, 0);
	r->kernel.fail_observe[PLAN_NETWORKS] = false;
	cr_assert_eq(run(r, true), 0);
	cr_assert(fake_kernel_holds(&r->kernel, &r->plan));
	free_rig(r);
}

Test(apply, says_nothing_of_rows_that_wait_and_tries_them_with_the_next_plan)
{
	struct rig *r = new_rig();

	r->kernel.later[PLAN_SAS] = true;
	cr_assert_eq(run(r, true), 0);
	cr_assert_eq(r->errors + r->stats.failed, 0);
	cr_assert_eq(r->stats.later, ROWS);
	cr_assert_eq(r->stats.added, OPS - ROWS);
	r->kernel.later[PLAN_SAS] = false;
	cr_assert_eq(run(r, true), 0);
	cr_assert_eq(r->stats.added, ROWS);
	cr_assert(fake_kernel_holds(&r->kernel, &r->plan));
	set_plan(r, 1, 1, 7);
	r->kernel.later[PLAN_SAS] = true;
	cr_assert_eq(run(r, true), 0);
	cr_assert_eq(r->kernel.held[PLAN_SAS].count, ROWS, "not removed yet");
	r->kernel.later[PLAN_SAS] = false;
	cr_assert_eq(run(r, true), 0);
	cr_assert(fake_kernel_holds(&r->kernel, &r->plan));
	free_rig(r);
}

Test(apply, refuses_a_plan_whose_rows_have_another_size)
{
	struct rig *r = new_rig();

	r->plan.table[PLAN_PEERS].value_size = 8;
	r->plan.table[PLAN_PEERS].count = 0;
	cr_assert_eq(run(r, true), -EPROTO);
	cr_assert(r->table_error);
	free_rig(r);
}

/* ---- drivers that do many rows a call ---- */

#define MANY_ROWS 40 /* a table; with as many again in its place below FAKE_ROWS_MAX */

struct wide {
	uint8_t bytes[MANY_ROWS * 2][8];
	struct rig *r;
};

/* Every other table is empty, so that operations can be counted. */
static void set_wide(struct wide *w, uint8_t first, uint8_t count, uint8_t value)
{
	memset(w->bytes, 0, sizeof(w->bytes));
	for (uint8_t i = 0; i < count; i++) {
		w->bytes[i][0] = first + i;
		w->bytes[i][4] = value;
	}
	set_plan(w->r, 1, 0, 0);
	w->r->plan.table[PLAN_PEERS].rows = w->bytes[0];
	w->r->plan.table[PLAN_PEERS].count = count;
}

static struct wide *new_wide(size_t many)
{
	struct wide *w = calloc(1, sizeof(*w));

	cr_assert(w);
	w->r = new_rig();
	apply_free(w->r->apply);
	fake_kernel_batch(&w->r->kernel, many);
	start(w->r);
	set_wide(w, 1, MANY_ROWS, 7);
	return w;
}

static void free_wide(struct wide *w)
{
	free_rig(w->r);
	free(w);
}

Test(apply, offers_all_rows_of_a_table_at_once)
{
	struct wide *w = new_wide(MANY_ROWS);
	struct rig *r = w->r;

	cr_assert_eq(run(r, true), 0);
	cr_assert_eq(r->kernel.calls, 1);
	cr_assert_eq(r->stats.added, MANY_ROWS);
	cr_assert(fake_kernel_holds(&r->kernel, &r->plan));
	fake_kernel_fail(&r->kernel, 0);
	set_wide(w, 1, MANY_ROWS / 2, 7);
	cr_assert_eq(run(r, true), 0);
	cr_assert_eq(r->kernel.calls, 1);
	cr_assert_eq(r->stats.removed, MANY_ROWS / 2);
	cr_assert_eq(r->stats.gone[PLAN_PEERS], MANY_ROWS / 2);
	cr_assert(fake_kernel_holds(&r->kernel, &r->plan));
	free_wide(w);
}

Test(apply, goes_on_where_a_driver_stopped)
{
	for (size_t many = 1; many < MANY_ROWS; many += 6) {
		struct wide *w = new_wide(many);
		struct rig *r = w->r;

		cr_assert_eq(run(r, true), 0);
		cr_assert_eq(r->stats.added, MANY_ROWS);
		cr_assert(fake_kernel_holds(&r->kernel, &r->plan));
		for (unsigned int i = 0, key = 1; i < r->kernel.op_count; i++)
			if (r->kernel.op[i].kind != FAKE_OBSERVE)
				cr_assert_eq(r->kernel.op[i].key, key++, "in the plan's order");
		free_wide(w);
	}
}

Test(apply, names_the_row_that_fails_among_many_and_loses_no_other)
{
	for (uint8_t bad = 1; bad <= MANY_ROWS; bad++) {
		struct wide *w = new_wide(MANY_ROWS);
		struct rig *r = w->r;

		r->kernel.foreign[PLAN_PEERS][bad] = true;
		cr_assert_eq(run(r, true), -EEXIST);
		cr_assert_eq(r->errors, 1);
		cr_assert_eq(r->last_key, bad);
		cr_assert_eq(r->stats.failed, 1);
		cr_assert_eq(r->stats.added, MANY_ROWS - 1);
		cr_assert_eq(r->kernel.held[PLAN_PEERS].count, MANY_ROWS - 1);
		r->kernel.foreign[PLAN_PEERS][bad] = false;
		cr_assert_eq(run(r, true), 0);
		cr_assert_eq(r->stats.added, 1);
		cr_assert(fake_kernel_holds(&r->kernel, &r->plan));
		free_wide(w);
	}
}

Test(apply, tries_a_row_that_failed_among_many_once_more_by_itself)
{
	for (unsigned int n = 1; n <= MANY_ROWS + 10; n++) {
		struct wide *w = new_wide(16);
		struct rig *r = w->r;

		cr_assert_eq(run(r, true), 0);
		set_wide(w, 11, MANY_ROWS, 8); /* 30 updates, 10 additions, 10 removals */
		fake_kernel_fail(&r->kernel, n);

		/* Those done by themselves anyhow, after 16 that went well, have no second chance. */
		int err = run(r, true);

		cr_assert_eq(r->stats.added + r->stats.updated + r->stats.removed + r->stats.failed,
			     MANY_ROWS + 10);
		cr_assert_eq(r->stats.failed, err ? 1 : 0);
		cr_assert_eq(fake_kernel_holds(&r->kernel, &r->plan), !err);
		cr_assert_eq(run(r, true), 0);
		cr_assert(fake_kernel_holds(&r->kernel, &r->plan));
		free_wide(w);
	}
}

Test(apply, removes_rows_between_those_that_stay)
{
	struct wide *w = new_wide(MANY_ROWS);
	struct rig *r = w->r;

	cr_assert_eq(run(r, true), 0);
	for (uint8_t i = 0; i < MANY_ROWS / 4; i++) /* keeps every fourth */
		memcpy(w->bytes[i], w->bytes[i * 4], sizeof(w->bytes[i]));
	r->plan.table[PLAN_PEERS].count = MANY_ROWS / 4;
	cr_assert_eq(run(r, true), 0);
	cr_assert_eq(r->stats.removed, MANY_ROWS - MANY_ROWS / 4);
	cr_assert_eq(r->stats.same, MANY_ROWS / 4);
	cr_assert(fake_kernel_holds(&r->kernel, &r->plan));
	cr_assert_eq(run(r, true), 0);
	cr_assert_eq(r->stats.same, MANY_ROWS / 4);
	cr_assert_eq(r->stats.removed + r->stats.added, 0);
	free_wide(w);
}
