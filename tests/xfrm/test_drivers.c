/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The drivers of SAs and policies; needs root and a kernel with ESP. They are used as
 * kernel.c puts them together, but without programs: loading those takes seconds a test.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apply/drivers.h"
#include "apply/facts.h"
#include "base/cleanup.h"
#include "sys/ethtool.h"
#include "sys/nl.h"
#include "sys/xfrm.h"
#include "tests/lib/world.h"

TestSuite(drivers, .init = make_world);

#define OLD 0x51ab0000u
#define NEW 0x62bc0000u

static struct ov_addr addr(const char *text)
{
	struct ov_addr a;

	cr_assert_eq(addr_parse(text, &a), 0);
	return a;
}

/* Each key once, until there are none. */
static int take_key(void *arg, const struct sa *sa, uint8_t ret_key[SA_KEY_LEN])
{
	uint32_t *had = arg;

	if (*had == sa->spi)
		return -ENOENT;
	*had = sa->spi;
	memset(ret_key, (int)(sa->spi >> 24), SA_KEY_LEN);
	return 0;
}

/* A plan of nothing but SAs and policies of one lane. */
struct rig {
	struct ipsec_ctx ctx;
	struct driver driver[PLAN_TABLE_COUNT];
	struct apply *apply;
	struct plan plan;
	struct {
		struct plan_sa_key key;
		struct plan_sa value;
	} __attribute__((packed)) sa[2];
	struct {
		struct plan_policy_key key;
		struct plan_policy value;
	} __attribute__((packed)) policy[1];
	uint32_t had;
	struct apply_stats stats;
};

static int nothing_there(void *ctx, struct plan_table *ret_actual, struct err *e)
{
	const struct plan_table *like = ctx;

	(void)e;
	*ret_actual = (struct plan_table){ .key_size = like->key_size, .value_size = like->value_size };
	return 0;
}

static void start(struct rig *r)
{
	r->ctx = (struct ipsec_ctx){ .take_key = take_key, .take_arg = &r->had };
	must(nl_open(&r->ctx.nl), "netlink");
	sa_driver(&r->ctx, &r->driver[PLAN_SAS]);
	policy_driver(&r->ctx, &r->driver[PLAN_POLICIES]);
	for (int i = 0; i < PLAN_TABLE_COUNT; i++)
		if (i != PLAN_SAS && i != PLAN_POLICIES)
			r->driver[i] = (struct driver){ .name = "none", .observe = nothing_there,
							.ctx = &r->plan.table[i] };
	cr_assert_eq(apply_new(r->driver, &r->apply), 0);
}

static void stop(struct rig *r)
{
	apply_free(r->apply);
	nl_close(r->ctx.nl);
	nl_close(r->ctx.xfrm);
}

static struct rig *new_rig(void)
{
	struct rig *r = calloc(1, sizeof(*r));

	cr_assert(r);
	r->plan.table[PLAN_SAS] = (struct plan_table){ sizeof(struct plan_sa_key),
		sizeof(struct plan_sa), .rows = (uint8_t *)r->sa };
	r->plan.table[PLAN_POLICIES] = (struct plan_table){ sizeof(struct plan_policy_key),
		sizeof(struct plan_policy), .rows = (uint8_t *)r->policy };
	start(r);
	return r;
}

/* Outbound SAs of these SPIs (0: none), and the policy at the last of them. */
static void want(struct rig *r, uint32_t first, uint32_t second)
{
	uint32_t spi[2] = { first, second };
	size_t n = 0;

	for (int i = 0; i < 2; i++) {
		if (!spi[i])
			continue;
		r->sa[n].key = (struct plan_sa_key){ .dst = addr("192.0.2.2"), .spi = spi[i] };
		r->sa[n++].value = (struct plan_sa){ .src = addr("192.0.2.1") };
		r->policy[0].value = (struct plan_policy){ .spi = spi[i] };
	}
	r->policy[0].key = (struct plan_policy_key){ .dst = addr("192.0.2.2"), .src = addr("192.0.2.1"),
						     .port = 4789, .lane = 0 };
	r->plan.table[PLAN_SAS].count = n;
	r->plan.table[PLAN_POLICIES].count = n > 0;
}

static void no_error(void *arg, enum plan_table_id table, const uint8_t *key, const struct err *e)
{
	(void)arg;
	(void)table;
	(void)key;
	cr_assert_fail("%s", e->text);
}

static void run(struct rig *r)
{
	cr_assert_eq(apply_run(r->apply, &r->plan, true, no_error, NULL, &r->stats), 0);
}

/* What the engine is told: SPIs of the SAs, then the one the policy names. */
static void expect(struct rig *r, uint32_t first, uint32_t second, uint32_t policy)
{
	_cleanup_(freep) struct fact_policy *p = NULL;
	_cleanup_(freep) struct fact_sa *s = NULL;
	struct ov_addr vtep = addr("192.0.2.1");
	size_t sas = 0, policies = 0;
	struct err e = { 0 };

	cr_assert_eq(ipsec_read_sas(&r->ctx, &s, &sas, &e), 0, "%s", e.text);
	cr_assert_eq(ipsec_read_policies(&r->ctx, &vtep, &p, &policies, &e), 0, "%s", e.text);
	cr_assert_eq(sas, (size_t)(first != 0) + (second != 0));
	cr_assert_eq(policies, policy != 0);
	cr_assert(!first || s[0].sa.spi == first);
	cr_assert(!second || s[1].sa.spi == second);
	cr_assert(!policy || p[0].spi == policy);
}

Test(drivers, make_sas_and_then_policies_and_take_them_away_in_reverse)
{
	struct rig *r = new_rig();

	want(r, OLD, 0);
	run(r);
	expect(r, OLD, 0, OLD);
	run(r);
	cr_assert_eq(r->stats.same, 2);
	want(r, OLD, NEW);
	run(r);
	expect(r, OLD, NEW, NEW);
	want(r, 0, NEW);
	run(r);
	expect(r, NEW, 0, NEW);
	want(r, 0, 0);
	run(r);
	expect(r, 0, 0, 0);
	stop(r);
}

Test(drivers, find_all_of_it_again_after_a_restart_without_a_key)
{
	struct rig *r = new_rig();

	want(r, OLD, 0);
	run(r);
	stop(r);
	start(r);
	r->ctx.take_key = NULL;
	run(r);
	cr_assert_eq(r->stats.same, 2);
	cr_assert_eq(r->stats.later, 0);
	stop(r);
}

Test(drivers, keep_what_is_sent_with_while_its_heir_has_no_key)
{
	struct rig *r = new_rig();

	want(r, OLD, 0);
	run(r);
	r->had = NEW;
	want(r, 0, NEW);
	run(r);
	cr_assert_eq(r->stats.later, 3, "the SA, its policy, and the removal of the old one");
	expect(r, OLD, 0, OLD);
	r->had = 0;
	run(r);
	cr_assert_eq(r->stats.later, 0);
	expect(r, NEW, 0, NEW);
	stop(r);
}

Test(drivers, never_make_an_sa_again_that_somebody_removed)
{
	struct rig *r = new_rig();

	want(r, OLD, 0);
	run(r);
	sh("ip xfrm state flush");
	apply_forget(r->apply);
	run(r);
	cr_assert_eq(r->stats.later, 1);
	expect(r, 0, 0, OLD);
	stop(r);
}

/* A bond offers it, and refuses each SA as long as none of its devices can. */
Test(drivers, leave_the_work_to_the_cpu_where_a_nic_takes_it_not)
{
	struct xfrm_sa sa = { addr("192.0.2.1"), addr("192.0.2.2"), OLD, OV_IPSEC_REQID, 0 };
	uint8_t key[XFRM_KEY_LEN] = { 0 };
	struct rig *r = new_rig();
	struct link_info bond;
	struct err e = { 0 };

	sh("ip link add bond9 type bond && ip link set bond9 type bond mode active-backup");
	sh("ip link set bond9 up && ethtool -K bond9 esp-hw-offload on");
	cr_assert(ethtool_has("bond9", "esp-hw-offload"));
	must(link_get(r->ctx.nl, "bond9", &bond), "bond9");
	sa.device = bond.ifindex;
	must(ipsec_open(&r->ctx, &e), e.text);
	cr_assert_lt(xfrm_sa_add(r->ctx.xfrm, &sa, false, key), 0);
	strcpy(r->ctx.uplink, "bond9");
	r->ctx.vtep = addr("192.0.2.1");
	want(r, OLD, 0);
	run(r);
	expect(r, OLD, 0, OLD);
	stop(r);
}

Test(drivers, leave_nothing_when_all_is_removed)
{
	struct rig *r = new_rig();
	struct err e = { 0 };

	want(r, OLD, NEW);
	run(r);
	cr_assert_eq(ipsec_remove_all(&r->ctx, &e), 0, "%s", e.text);
	cr_assert(sh_ok("test -z \"$(ip xfrm state)$(ip xfrm policy)\""));
	stop(r);
}

Test(drivers, are_not_heard_of_and_a_flush_is)
{
	struct facts_source *f = NULL;
	struct rig *r = new_rig();
	struct err e = { 0 };

	cr_assert_eq(facts_open("up0", &f, &e), 0, "%s", e.text);
	want(r, OLD, 0);
	run(r);
	want(r, 0, NEW);
	run(r);
	cr_assert_eq(xfrm_probe(&e), 0, "%s", e.text);
	cr_assert_not(facts_drain(f) || facts_lost_ipsec(f));
	sh("ip xfrm state flush");
	cr_assert(facts_drain(f) && facts_lost_ipsec(f));
	facts_close(f);
	stop(r);
}
