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
