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

/* NULL also where the table has other keys, as in a test. */
static const uint8_t *find_row(const struct plan_table *t, const void *key, size_t key_size)
{
	size_t low = 0, high = t->key_size == key_size ? t->count : 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int c = memcmp(key, plan_row(t, middle), t->key_size);

		if (!c)
			return plan_row(t, middle);
		if (c < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

/* The set that the plan has in force on a network, or 0. */
static uint32_t set_of(const struct plan *p, uint32_t vni)
{
	struct ov_policy_key key = { vni };
	const uint8_t *row = find_row(&p->table[PLAN_POLICY_SETS], &key, sizeof(key));
	struct ov_policy policy = { 0 };

	if (row)
		memcpy(&policy, row + sizeof(struct ov_policy_key), sizeof(policy));
	return policy.set;
}

bool subject_is_classless_now(const struct plan *p, const uint8_t *row)
{
	struct ov_endpoint_key owner;
	struct ov_subject_key key;

	if (p->table[PLAN_POLICY_SUBJECTS].key_size != sizeof(key))
		return false;
	memcpy(&key, row, sizeof(key));
	owner = (struct ov_endpoint_key){ key.addr, key.vni };
	return key.prefix_len == OV_SUBJECT_PREFIX + 128 && key.set == set_of(p, key.vni) &&
	       find_row(&p->table[PLAN_ENDPOINTS], &owner, sizeof(owner));
}

bool row_has_class(const struct plan *p, enum plan_table_id id, const uint8_t *row)
{
	struct ov_endpoint_key owner;
	struct ov_subject_key key;

	if (p->table[PLAN_POLICY_SUBJECTS].key_size != sizeof(key) || !owner_of_row(id, row, &owner))
		return false;
	key = (struct ov_subject_key){ OV_SUBJECT_PREFIX + 128, owner.vni, set_of(p, owner.vni), owner.addr };
	return find_row(&p->table[PLAN_POLICY_SUBJECTS], &key, sizeof(key));
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
