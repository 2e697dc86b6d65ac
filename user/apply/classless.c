/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "classless.h"

#include <string.h>

#include "maps/endpoint.h"
#include "maps/policy.h"

/* Whose row it is. False: of no endpoint. */
static bool owner_of_row(enum plan_table_id id, const uint8_t *row, struct ov_endpoint_key *ret)
{
	struct ov_device device;

	switch (id) {
	case PLAN_ENDPOINTS:
		memcpy(ret, row, sizeof(*ret));
		return true;
	case PLAN_MAP_DEVICES:
		memcpy(&device, row + sizeof(struct ov_device_key), sizeof(device));
		*ret = (struct ov_endpoint_key){ .addr = device.addr, .vni = device.vni };
		return true;
	default:
		return false;
	}
}

bool row_is_classless(const struct plan_table *subjects, enum plan_table_id id, const uint8_t *row)
{
	struct ov_endpoint_key owner;
	struct ov_subject_key key;

	if (!subjects->count || subjects->key_size != sizeof(key) || !owner_of_row(id, row, &owner))
		return false;
	for (size_t i = 0; i < subjects->count; i++) {
		memcpy(&key, plan_row(subjects, i), sizeof(key));
		if (key.vni == owner.vni && !memcmp(&key.addr, &owner.addr, sizeof(key.addr)))
			return true;
	}
	return false;
}
