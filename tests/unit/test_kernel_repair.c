/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What somebody changes in the real kernel is seen at the next look, and mended. */
#include <criterion/criterion.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apply/kernel.h"
#include "base/cleanup.h"
#include "tests/lib/world.h"

TestSuite(kernel_repair, .init = make_world);

#define FILTER "pref 50 handle 0x6f76"

struct rig {
	struct kernel *k;
	struct driver d[PLAN_TABLE_COUNT];
	struct apply *apply;
	uint8_t attach[sizeof(struct plan_attach_key) + sizeof(struct plan_attach)];
	struct plan p;
	char said[8192]; /* "table wrong;" and what pins say */
	struct err failed;
};

static void on_mended(void *arg, const struct apply_mended *m)
{
	static const char *const words[] = { "missing", "differed", "extra" };
	struct rig *r = arg;
	size_t len = strlen(r->said);

	snprintf(r->said + len, sizeof(r->said) - len, "%s %s;", plan_table_to_str(m->table),
		 words[m->wrong]);
}

static void on_pin(void *arg, const char *what)
{
	struct rig *r = arg;
	size_t len = strlen(r->said);

	snprintf(r->said + len, sizeof(r->said) - len, "%s;", what);
}

static void on_error(void *arg, enum plan_table_id table, const uint8_t *key, const struct err *e)
{
	(void)table;
	(void)key;
	((struct rig *)arg)->failed = *e;
}

static void run(struct rig *r)
{
	struct apply_stats stats = { 0 };

	r->failed = (struct err){ 0 };
	apply_run(r->apply, &r->p, true, on_error, r, &stats);
}

/* Of all tables, as a round of the daemon does; then a run. */
static void repair(struct rig *r)
{
	struct err e = { 0 };
	size_t wrong;

	r->said[0] = '\0';
	for (int i = 0; i < PLAN_TABLE_COUNT; i++)
		cr_assert_eq(apply_look(r->apply, (enum plan_table_id)i, NULL, &wrong, &e), 0, "%s",
			     e.text);
	run(r);
}

static void assert_mended(struct rig *r, const char *what)
{
	repair(r);
	cr_assert_str_eq(r->said, what, "said: %s", r->said);
	cr_assert_eq(r->failed.code, 0, "%s", r->failed.text);
	repair(r);
	cr_assert_str_eq(r->said, "", "again: %s", r->said);
}

/* The uplink's program on up0, and nothing else. */
static struct rig *new_rig(bool clsact)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct plan_attach_key key = { if_nametoindex("up0"), HOOK_TC_INGRESS };
	struct plan_attach row = { PROGRAM_UPLINK, OV_XDP_OFF };
	struct view v = { 0 };
	struct facts f = { 0 };
	struct id self = { 0 };

	cr_assert(r);
	r->k = open_kernel(r->d);
	if (clsact)
		bpf_use_clsact(kernel_bpf(r->k));
	must(apply_new(r->d, &r->apply), "apply_new");
	apply_when_mended(r->apply, on_mended, r);
	must(plan_build(&v, &f, &self, &r->p), "plan_build"); /* for the sizes of rows */
	for (int i = 0; i < PLAN_TABLE_COUNT; i++)
		r->p.table[i].count = 0;
	memcpy(r->attach, &key, sizeof(key));
	memcpy(r->attach + sizeof(key), &row, sizeof(row));
	free(r->p.table[PLAN_ATTACH].rows);
	r->p.table[PLAN_ATTACH].rows = r->attach;
	r->p.table[PLAN_ATTACH].count = 1;
	run(r);
	cr_assert_eq(r->failed.code, 0, "%s", r->failed.text);
	return r;
}

static void free_rig(struct rig *r)
{
	r->p.table[PLAN_ATTACH].rows = NULL;
	plan_fini(&r->p);
	apply_free(r->apply);
	kernel_close(r->k);
	free(r);
}

Test(kernel_repair, a_filter_that_somebody_removed)
{
	struct rig *r = new_rig(true);

	sh("tc filter del dev up0 ingress " FILTER " protocol all bpf");
	assert_mended(r, "attach missing;");
	sh("tc qdisc del dev up0 clsact");
	assert_mended(r, "attach missing;");
	free_rig(r);
}

Test(kernel_repair, a_filter_with_another_program_of_ours)
{
	struct rig *r = new_rig(true);

	sh("tc filter replace dev up0 ingress protocol all " FILTER " bpf da pinned " PINS
	   "/prog/ov_tunnel");
	assert_mended(r, "attach differed;");
	free_rig(r);
}

Test(kernel_repair, a_link_whose_pin_is_gone_or_that_was_detached)
{
	struct rig *r = new_rig(false);

	if (strcmp(bpf_attach_mode(kernel_bpf(r->k)), "tcx"))
		cr_skip_test("this kernel has no links of tc (Linux 6.6)");
	sh("rm " PINS "/link/tc-%u", if_nametoindex("up0"));
	assert_mended(r, "attach missing;");
	sh("bpftool link detach pinned " PINS "/link/tc-%u", if_nametoindex("up0"));
	assert_mended(r, "attach missing;");
	free_rig(r);
}

Test(kernel_repair, rows_that_are_nobodys)
{
	struct ov_peer_key key = { .vtep = addr_from_v4(0xc0000207) };
	struct ov_peer row = { 0 };
	struct rig *r = new_rig(false);

	upsert(&r->d[PLAN_PEERS], &key, &row, NULL);
	assert_mended(r, "peer extra;");
	free_rig(r);
}

static int mend_pins(struct rig *r, struct err *e)
{
	r->said[0] = '\0';
	return kernel_mend_pins(r->k, on_pin, r, e);
}

Test(kernel_repair, pins_that_somebody_removed)
{
	struct rig *r = new_rig(false);
	struct err e = { 0 };

	must(mend_pins(r, &e), e.text);
	cr_assert_str_eq(r->said, "", "%s", r->said);
	sh("rm " PINS "/peers " PINS "/prog/ov_uplink");
	sh("bpftool map delete pinned " PINS "/calls key 0 0 0 0");
	must(mend_pins(r, &e), e.text);
	cr_assert_str_eq(r->said, "the pin of the map peers was missing;the pin of the program ov_uplink "
			 "was missing;1 of the programs that others jump to were missing (the map calls);");
	cr_assert_eq(access(PINS "/peers", F_OK) | access(PINS "/prog/ov_uplink", F_OK), 0);
	must(mend_pins(r, &e), e.text);
	cr_assert_str_eq(r->said, "", "%s", r->said);
	free_rig(r);
}

Test(kernel_repair, the_whole_pin_directory)
{
	struct rig *r = new_rig(false);
	struct err e = { 0 };

	sh("rm -rf " BPFFS "/deep");
	must(mend_pins(r, &e), e.text);
	cr_assert(strstr(r->said, "the directory of pinned links was missing"), "%s", r->said);
	repair(r);
	cr_assert_eq(r->failed.code, 0, "%s", r->failed.text);
	must(mend_pins(r, &e), e.text);
	cr_assert_str_eq(r->said, "", "%s", r->said);
	free_rig(r);
}

Test(kernel_repair, what_is_not_ours_under_a_pins_name_is_left_alone)
{
	struct rig *r = new_rig(false);
	struct err e = { 0 };

	sh("rm " PINS "/peers");
	sh("bpftool map create " PINS "/peers type array key 4 value 4 entries 1 name foreign");
	cr_assert_eq(mend_pins(r, &e), -EEXIST);
	cr_assert(strstr(e.text, "peers is not what overlayd pinned there"), "%s", e.text);
	cr_assert(sh_ok("bpftool map show pinned " PINS "/peers | grep -q foreign"));
	free_rig(r);
}
