/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What doctor sees of the real kernel; needs root. */
#include <bpf/bpf.h>
#include <criterion/criterion.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apply/look.h"
#include "base/cleanup.h"
#include "policy/policy.h"
#include "sys/bpf.h"
#include "tests/lib/world.h"

TestSuite(kernel_look, .init = make_world);

/* Our program on the uplink, and a plan that wants it there and no more. */
struct scene {
	struct driver d[PLAN_TABLE_COUNT];
	struct kernel *k;
	struct plan plan;
	struct facts facts;
	struct plan_attach_key key;
	struct plan_attach row;
	uint8_t bytes[sizeof(struct plan_attach_key) + sizeof(struct plan_attach)];
	struct doctor_seen seen;
};

static void open_scene(struct scene *s)
{
	struct plan_table *t;

	s->k = open_kernel(s->d);
	s->facts.uplink_ifindex = if_nametoindex("up0");
	s->facts.vxlan_port = 4789;
	s->key = (struct plan_attach_key){ s->facts.uplink_ifindex, HOOK_TC_INGRESS };
	s->row = (struct plan_attach){ PROGRAM_UPLINK, OV_XDP_OFF };
	for (int i = 0; i < PLAN_TABLE_COUNT; i++) {
		struct plan_table has = look(&s->d[i]);

		s->plan.table[i] = (struct plan_table){ has.key_size, has.value_size };
		free(has.rows);
	}
	memcpy(s->bytes, &s->key, sizeof(s->key));
	memcpy(s->bytes + sizeof(s->key), &s->row, sizeof(s->row));
	t = &s->plan.table[PLAN_ATTACH];
	t->rows = s->bytes;
	t->count = 1;
	upsert(&s->d[PLAN_ATTACH], &s->key, &s->row, NULL);
}

static void close_scene(struct scene *s)
{
	doctor_seen_fini(&s->seen);
	kernel_close(s->k);
}
#define SCENE(s) _cleanup_(close_scene) struct scene s = { 0 }

static void look_again(struct scene *s)
{
	const struct look_at at = { s->d, &s->plan, &s->facts };

	doctor_seen_fini(&s->seen);
	kernel_look(s->k, &at, &s->seen);
}

static void expect_only(struct scene *s, enum doctor_fault fault, const char *name)
{
	look_again(s);
	cr_assert_eq(s->seen.object_count, 1, "%zu", s->seen.object_count);
	cr_assert_eq(s->seen.object[0].fault, fault);
	cr_assert(strstr(s->seen.object[0].name, name), "%s", s->seen.object[0].name);
}

static void expect_none(struct scene *s)
{
	look_again(s);
	cr_assert_eq(s->seen.object_count, 0, "%s", s->seen.object_count ? s->seen.object[0].name : "");
}

Test(kernel_look, sees_nothing_where_all_is_as_planned)
{
	SCENE(s);

	open_scene(&s);
	expect_none(&s);
	cr_assert(s.seen.uplink_up);
	cr_assert_gt(s.seen.pressure_count, 5);
	for (size_t i = 0; i < s.seen.pressure_count; i++)
		cr_assert_gt(s.seen.pressure[i].max, 0, "%s", s.seen.pressure[i].name);
}

static uint64_t room_in(const struct scene *s, const char *map)
{
	for (size_t i = 0; i < s->seen.pressure_count; i++)
		if (!strcmp(s->seen.pressure[i].name, map))
			return s->seen.pressure[i].max;
	return 0;
}

Test(kernel_look, sees_rules_that_do_not_fit_and_how_many_would)
{
	SCENE(s);

	open_scene(&s);
	look_again(&s);
	cr_assert_eq(room_in(&s, "policy_rules"), POLICY_ROWS_MAX, "not what the map holds");
	cr_assert_eq(room_in(&s, "policy_subjects"), POLICY_ROWS_MAX);
	s.plan.broken = 2;
	strcpy(s.plan.broken_name, "app");
	expect_only(&s, FAULT_RULES_TOO_MANY, "2 networks (app...)");
}

Test(kernel_look, sees_a_program_that_is_gone_or_that_nobody_planned)
{
	SCENE(s);

	open_scene(&s);
	remove_it(&s.d[PLAN_ATTACH], &s.key, &s.row);
	expect_only(&s, FAULT_NOT_ATTACHED, "up0 (tc ingress)");
	upsert(&s.d[PLAN_ATTACH], &s.key, &s.row, NULL);
	s.plan.table[PLAN_ATTACH].count = 0;
	expect_only(&s, FAULT_LEFT_OVER, "up0 (tc ingress)");
	s.plan.table[PLAN_ATTACH].count = 1;
	s.row.program = PROGRAM_FRONT;
	upsert(&s.d[PLAN_ATTACH], &s.key, &s.row, NULL);
	look_again(&s);
	cr_assert_eq(s.seen.object[0].fault, FAULT_WRONG_PROGRAM);
}

Test(kernel_look, sees_pins_that_are_gone_and_pins_that_are_strange)
{
	SCENE(s);

	open_scene(&s);
	cr_assert_eq(rename(PINS "/endpoints", PINS "/away"), 0);
	look_again(&s);
	cr_assert_eq(s.seen.object_count, 2);
	cr_assert_eq(s.seen.object[0].fault, FAULT_MAP_UNPINNED);
	cr_assert_eq(s.seen.object[1].fault, FAULT_STALE_PIN);
	cr_assert_eq(rename(PINS "/away", PINS "/endpoints"), 0);
	cr_assert_eq(unlink(PINS "/prog/ov_egress"), 0);
	expect_only(&s, FAULT_PROGRAM_UNPINNED, "ov_egress");
	must(bpf_obj_pin(bpf_program_fd(kernel_bpf(s.k), BPF_PROG_EGRESS), PINS "/prog/ov_egress"), "pin");
	expect_none(&s);
	cr_assert_eq(mkdir(PIN_ROOT "/v1", 0700), 0);
	expect_only(&s, FAULT_STALE_PIN, "/v1");
	rmdir(PIN_ROOT "/v1");
	cr_assert_eq(mkdir(PINS "/link/clsact-99999", 0700), 0);
	expect_only(&s, FAULT_STALE_PIN, "clsact-99999");
}

Test(kernel_look, sees_who_is_before_us_on_the_uplink)
{
	SCENE(s);

	open_scene(&s);
	bpf_use_clsact(kernel_bpf(s.k));
	sh("tc qdisc add dev up0 clsact 2>/dev/null || true");
	sh("tc filter add dev up0 ingress prio 60 bpf da pinned " PINS "/prog/ov_front");
	look_again(&s);
	for (size_t i = 0; i < s.seen.object_count; i++)
		cr_assert_neq(s.seen.object[i].fault, FAULT_FOREIGN_FIRST, "behind ours");
	sh("tc filter add dev up0 ingress prio 7 bpf da pinned " PINS "/prog/ov_front");
	look_again(&s);
	cr_assert_eq(s.seen.object[s.seen.object_count - 1].fault, FAULT_FOREIGN_FIRST);
}

Test(kernel_look, sees_other_tunnels_on_the_port_and_not_on_others)
{
	SCENE(s);

	open_scene(&s);
	sh("ip link add flannel type vxlan id 1 dstport 8472");
	expect_none(&s);
	sh("ip link add swarm type vxlan id 2 dstport 4789");
	expect_only(&s, FAULT_FOREIGN_VXLAN, "swarm");
}
