/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <criterion/criterion.h>
#include <string.h>

#include "apply/classless.h"
#include "base/addr.h"
#include "maps/endpoint.h"
#include "maps/policy.h"

#define VNI 4096

static const uint32_t one = 0x0a0a0002, two = 0x0a0a0003;

/* The class of `one` in VNI could not be written. */
static struct plan_table failed_one(struct ov_subject_key *key)
{
	*key = (struct ov_subject_key){ OV_SUBJECT_PREFIX + 128, VNI, 7, addr_from_v4(one) };
	return (struct plan_table){ .key_size = sizeof(*key), .count = 1, .rows = (uint8_t *)key };
}

static bool endpoint_waits(const struct plan_table *failed, uint32_t vni, uint32_t addr)
{
	struct ov_endpoint_key key = { addr_from_v4(addr), vni };
	uint8_t row[sizeof(struct ov_endpoint_key) + sizeof(struct ov_endpoint)] = { 0 };

	memcpy(row, &key, sizeof(key));
	return row_is_classless(failed, PLAN_ENDPOINTS, row);
}

static bool device_waits(const struct plan_table *failed, uint32_t vni, uint32_t addr)
{
	struct ov_device device = { .addr = addr_from_v4(addr), .vni = vni };
	uint8_t row[sizeof(struct ov_device_key) + sizeof(struct ov_device)] = { 0 };

	memcpy(row + sizeof(struct ov_device_key), &device, sizeof(device));
	return row_is_classless(failed, PLAN_MAP_DEVICES, row);
}

Test(apply_classless, an_endpoint_waits_for_its_class)
{
	struct ov_subject_key key;
	struct plan_table failed = failed_one(&key);

	cr_assert(endpoint_waits(&failed, VNI, one));
	cr_assert(device_waits(&failed, VNI, one));
}

Test(apply_classless, others_do_not)
{
	struct ov_subject_key key;
	struct plan_table failed = failed_one(&key), none = { .key_size = sizeof(key) };

	cr_assert_not(endpoint_waits(&failed, VNI, two));
	cr_assert_not(endpoint_waits(&failed, VNI + 1, one), "of another network");
	cr_assert_not(device_waits(&failed, VNI, two));
	cr_assert_not(endpoint_waits(&none, VNI, one));
	cr_assert_not(row_is_classless(&failed, PLAN_NETWORKS, (const uint8_t *)&key));
}

/* Set 7 is in force in VNI, and `one` is an endpoint there; its subject is as the test says. */
struct wanted {
	struct plan p;
	struct { struct ov_policy_key key; struct ov_policy value; } set;
	struct { struct ov_endpoint_key key; struct ov_endpoint value; } endpoint;
	struct { struct ov_subject_key key; struct ov_subject value; } subject;
};

static void want(struct wanted *w, bool has_class)
{
	*w = (struct wanted){
		.set = { { VNI }, { .set = 7 } },
		.endpoint = { .key = { addr_from_v4(one), VNI } },
		.subject = { .key = { OV_SUBJECT_PREFIX + 128, VNI, 7, addr_from_v4(one) } },
	};
	w->p.table[PLAN_POLICY_SETS] = (struct plan_table){ .key_size = sizeof(w->set.key),
		.value_size = sizeof(w->set.value), .count = 1, .rows = (uint8_t *)&w->set };
	w->p.table[PLAN_ENDPOINTS] = (struct plan_table){ .key_size = sizeof(w->endpoint.key),
		.value_size = sizeof(w->endpoint.value), .count = 1, .rows = (uint8_t *)&w->endpoint };
	w->p.table[PLAN_POLICY_SUBJECTS] = (struct plan_table){ .key_size = sizeof(w->subject.key),
		.value_size = sizeof(w->subject.value), .count = has_class,
		.rows = (uint8_t *)&w->subject };
}

static bool leaves_early(const struct wanted *w, uint32_t prefix, uint32_t set, uint32_t addr)
{
	struct ov_subject_key key = { OV_SUBJECT_PREFIX + prefix, VNI, set, addr_from_v4(addr) };

	return subject_is_classless_now(&w->p, (const uint8_t *)&key);
}

Test(apply_classless, who_stays_loses_its_class_before_flows_are_judged_anew)
{
	struct wanted w;

	want(&w, false);
	cr_assert(leaves_early(&w, 128, 7, one));
	cr_assert_not(leaves_early(&w, 128, 7, two), "it leaves, and its traffic ends first");
	cr_assert_not(leaves_early(&w, 128, 6, one), "flows are still judged by that set");
	cr_assert_not(leaves_early(&w, 120, 7, one), "a CIDR's");
}

Test(apply_classless, whose_class_the_plan_knows_may_have_none_in_force)
{
	struct ov_endpoint_key key = { addr_from_v4(one), VNI };
	struct wanted w;

	want(&w, true);
	cr_assert(row_has_class(&w.p, PLAN_ENDPOINTS, (const uint8_t *)&key));
	cr_assert_not(row_has_class(&w.p, PLAN_NETWORKS, (const uint8_t *)&key));
	key.addr = addr_from_v4(two);
	cr_assert_not(row_has_class(&w.p, PLAN_ENDPOINTS, (const uint8_t *)&key));
	want(&w, false);
	key.addr = addr_from_v4(one);
	cr_assert_not(row_has_class(&w.p, PLAN_ENDPOINTS, (const uint8_t *)&key));
}
