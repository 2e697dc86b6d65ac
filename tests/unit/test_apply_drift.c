/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What somebody else changed, told from what the plan changed. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "apply/apply.h"
#include "tests/lib/fake_kernel.h"

/* Rows of four bytes of key (the first tells) and four of value, in one table alone. */
#define TABLE PLAN_ENDPOINTS
#define ROWS 8

struct rig {
	uint8_t bytes[ROWS][8];
	struct plan plan;
	struct fake_kernel kernel;
	struct driver driver[PLAN_TABLE_COUNT];
	struct apply *apply;
	struct apply_stats stats;
	char told[512]; /* "missing 3;" and so on */
};

static void on_mended(void *arg, const struct apply_mended *m)
{
	static const char *const words[] = { "missing", "differed", "extra" };
	struct rig *r = arg;
	size_t len = strlen(r->told);

	cr_assert_eq(m->table, TABLE);
	cr_assert_eq(!m->found, m->wrong == APPLY_MISSING);
	cr_assert_eq(m->found && !m->wanted, m->wrong == APPLY_EXTRA);
	snprintf(r->told + len, sizeof(r->told) - len, "%s %u%s;", words[m->wrong], m->key[0],
		 m->found || m->wanted ? "" : " renewed");
}

static void set_plan(struct rig *r, uint8_t first, uint8_t count, uint8_t value)
{
	struct plan_table *t = &r->plan.table[TABLE];

	memset(r->bytes, 0, sizeof(r->bytes));
	t->count = count;
	t->rows = r->bytes[0];
	for (uint8_t i = 0; i < count; i++) {
		r->bytes[i][0] = first + i;
		r->bytes[i][4] = value;
	}
}

static void run(struct rig *r)
{
	r->told[0] = '\0';
	apply_run(r->apply, &r->plan, true, NULL, NULL, &r->stats);
}

/* Rows 1, 2 and 3 of value 7 are there. */
static struct rig *new_rig(size_t many, bool is_renewed)
{
	struct rig *r = calloc(1, sizeof(*r));

	cr_assert(r);
	for (int i = 0; i < PLAN_TABLE_COUNT; i++)
		r->plan.table[i] = (struct plan_table){ .key_size = 4, .value_size = 4 };
	fake_kernel_init(&r->kernel, &r->plan);
	fake_kernel_batch(&r->kernel, many);
	fake_kernel_drivers(&r->kernel, r->driver);
	r->driver[TABLE].is_renewed = is_renewed;
	cr_assert_eq(apply_new(r->driver, &r->apply), 0);
	apply_when_mended(r->apply, on_mended, r);
	set_plan(r, 1, 3, 7);
	run(r);
	cr_assert(fake_kernel_holds(&r->kernel, &r->plan));
	cr_assert_str_eq(r->told, "", "%s", r->told);
	return r;
}

static void free_rig(struct rig *r)
{
	apply_free(r->apply);
	fake_kernel_fini(&r->kernel);
	free(r);
}

/* ---- somebody else ---- */

static void take_away(struct rig *r, size_t at)
{
	struct plan_table *t = &r->kernel.held[TABLE];

	memmove(t->rows + at * 8, t->rows + (at + 1) * 8, (--t->count - at) * 8);
}

static void alter(struct rig *r, size_t at)
{
	r->kernel.held[TABLE].rows[at * 8 + 4] = 99;
}

static void put_in(struct rig *r, uint8_t key)
{
	struct plan_table *t = &r->kernel.held[TABLE];

	cr_assert_gt(key, 3);
	memset(t->rows + t->count * 8, 0, 8);
	t->rows[t->count++ * 8] = key;
}

static size_t look(struct rig *r, const struct apply_scope *scope)
{
	struct err e = { 0 };
	size_t wrong;

	cr_assert_eq(apply_look(r->apply, TABLE, scope, &wrong, &e), 0, "%s", e.text);
	return wrong;
}

static void assert_mended(struct rig *r, const char *told)
{
	run(r);
	cr_assert_str_eq(r->told, told, "told: %s", r->told);
	cr_assert(fake_kernel_holds(&r->kernel, &r->plan));
	run(r);
	cr_assert_str_eq(r->told, "", "again: %s", r->told);
	cr_assert_eq(look(r, NULL), 0);
}

Test(apply_drift, what_the_plan_changes_is_not_told)
{
	struct rig *r = new_rig(0, false);

	set_plan(r, 2, 4, 8); /* 1 goes, 2 and 3 change, 4 and 5 come */
	cr_assert_eq(look(r, NULL), 0);
	assert_mended(r, "");
	apply_forget(r->apply);
	assert_mended(r, "");
	free_rig(r);
}

Test(apply_drift, each_kind_of_change_is_told_once)
{
	for (size_t many = 0; many < 4; many += 3) {
		struct rig *r = new_rig(many, false);

		alter(r, 1);
		take_away(r, 0);
		put_in(r, 9);
		cr_assert_eq(look(r, NULL), 3);
		assert_mended(r, "missing 1;differed 2;extra 9;");
		free_rig(r);
	}
}

Test(apply_drift, a_table_that_was_forgotten_is_told_of_as_well)
{
	struct rig *r = new_rig(0, false);

	take_away(r, 2);
	apply_forget(r->apply);
	assert_mended(r, "missing 3;");
	free_rig(r);
}

Test(apply_drift, a_look_changes_nothing)
{
	struct rig *r = new_rig(0, false);
	unsigned int changes = fake_kernel_changes(&r->kernel);

	take_away(r, 0);
	put_in(r, 9);
	cr_assert_eq(look(r, NULL), 2);
	cr_assert_eq(fake_kernel_changes(&r->kernel), changes);
	free_rig(r);
}

Test(apply_drift, looks_before_the_mend_add_up)
{
	struct rig *r = new_rig(0, false);

	take_away(r, 0);
	cr_assert_eq(look(r, NULL), 1);
	put_in(r, 9);
	cr_assert_eq(look(r, NULL), 2);
	apply_forget(r->apply);
	assert_mended(r, "missing 1;extra 9;");
	free_rig(r);
}

Test(apply_drift, what_somebody_put_back_himself_is_not_told)
{
	struct rig *r = new_rig(0, false);

	alter(r, 0);
	cr_assert_eq(look(r, NULL), 1);
	r->kernel.held[TABLE].rows[4] = 7;
	apply_forget(r->apply);
	assert_mended(r, "");
	free_rig(r);
}

Test(apply_drift, a_row_that_is_not_wanted_any_more_is_not_missed)
{
	struct rig *r = new_rig(0, false);

	take_away(r, 0);
	cr_assert_eq(look(r, NULL), 1);
	set_plan(r, 2, 2, 7);
	assert_mended(r, "");
	free_rig(r);
}

Test(apply_drift, but_one_that_another_replaces_is)
{
	struct rig *r = new_rig(0, true);

	take_away(r, 0);
	cr_assert_eq(look(r, NULL), 1);
	set_plan(r, 2, 3, 7);
	assert_mended(r, "missing 1 renewed;");
	free_rig(r);
}

Test(apply_drift, a_plan_that_changes_meanwhile_hides_nothing)
{
	struct rig *r = new_rig(0, false);

	take_away(r, 1);
	set_plan(r, 1, 4, 8);
	cr_assert_eq(look(r, NULL), 1);
	assert_mended(r, "missing 2;");
	free_rig(r);
}

Test(apply_drift, what_could_not_be_mended_is_told_when_it_is)
{
	struct rig *r = new_rig(0, false);

	take_away(r, 0);
	r->kernel.foreign[TABLE][1] = true;
	cr_assert_eq(look(r, NULL), 1);
	for (int i = 0; i < 2; i++) {
		run(r);
		cr_assert_eq(r->stats.failed, 1);
		cr_assert_str_eq(r->told, "");
	}
	r->kernel.foreign[TABLE][1] = false;
	assert_mended(r, "missing 1;");
	free_rig(r);
}

Test(apply_drift, a_row_that_never_was_made_is_nobodys_doing)
{
	struct rig *r = new_rig(0, false);

	set_plan(r, 1, 4, 7);
	r->kernel.foreign[TABLE][4] = true;
	run(r);
	cr_assert_eq(r->stats.failed, 1);
	take_away(r, 0); /* this is somebody's, in the same table */
	r->kernel.foreign[TABLE][4] = false;
	assert_mended(r, "missing 1;");
	free_rig(r);
}

Test(apply_drift, a_row_that_waits_for_another_plan_is_nobodys_doing)
{
	struct rig *r = new_rig(0, false);

	set_plan(r, 1, 4, 7);
	r->kernel.later[TABLE] = true;
	run(r);
	cr_assert_eq(r->stats.later, 1);
	r->kernel.later[TABLE] = false;
	assert_mended(r, "");
	free_rig(r);
}

Test(apply_drift, a_table_that_cannot_be_read_is_an_error_and_stays_as_it_was)
{
	struct rig *r = new_rig(0, false);
	struct err e = { 0 };
	size_t wrong;

	take_away(r, 0);
	r->kernel.fail_observe[TABLE] = true;
	cr_assert_lt(apply_look(r->apply, TABLE, NULL, &wrong, &e), 0);
	cr_assert_neq(e.text[0], '\0');
	r->kernel.fail_observe[TABLE] = false;
	cr_assert_eq(look(r, NULL), 1);
	assert_mended(r, "missing 1;");
	free_rig(r);
}

/* ---- of some rows only ---- */

static bool is_odd(void *arg, enum plan_table_id table, const uint8_t *row)
{
	(void)arg;
	cr_assert_eq(table, TABLE);
	return row[0] % 2;
}

Test(apply_drift, rows_outside_of_the_scope_are_left_for_a_wider_look)
{
	const struct apply_scope odd = { .has = is_odd };
	struct rig *r = new_rig(0, false);

	alter(r, 1);
	take_away(r, 0);
	put_in(r, 8);
	put_in(r, 9);
	cr_assert_eq(look(r, &odd), 2);
	run(r);
	cr_assert_str_eq(r->told, "missing 1;extra 9;");
	cr_assert_not(fake_kernel_holds(&r->kernel, &r->plan));
	cr_assert_eq(look(r, NULL), 2);
	assert_mended(r, "differed 2;extra 8;");
	free_rig(r);
}
