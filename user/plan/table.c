/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "table.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	size_t key_size, value_size;
} tables[PLAN_TABLE_COUNT] = {
	[PLAN_TUNNEL] = { "tunnel", sizeof(uint32_t), sizeof(struct plan_tunnel) },
	[PLAN_DEVICES] = { "device", sizeof(struct plan_device_key), sizeof(struct plan_device) },
	[PLAN_SAS] = { "sa", sizeof(struct plan_sa_key), sizeof(struct plan_sa) },
	[PLAN_POLICIES] = { "policy", sizeof(struct plan_policy_key), sizeof(struct plan_policy) },
	[PLAN_CONFIG] = { "config", sizeof(uint32_t), sizeof(struct ov_config) },
	[PLAN_NETWORKS] = { "network", sizeof(struct ov_network_key), sizeof(struct ov_network) },
	[PLAN_PEERS] = { "peer", sizeof(struct ov_peer_key), sizeof(struct ov_peer) },
	[PLAN_POLICY_RULES] = { "rule", sizeof(struct ov_rule_key), sizeof(struct ov_rule) },
	[PLAN_POLICY_SUBJECTS] = { "subject", sizeof(struct ov_subject_key),
				   sizeof(struct ov_subject) },
	[PLAN_POLICY_SETS] = { "ruleset", sizeof(struct ov_policy_key), sizeof(struct ov_policy) },
	[PLAN_MAP_DEVICES] = { "map_device", sizeof(struct ov_device_key),
			       sizeof(struct ov_device) },
	[PLAN_BACKENDS] = { "backend", sizeof(struct ov_backend_key), sizeof(struct ov_backend) },
	[PLAN_CHOICES] = { "choices", sizeof(struct ov_choices_key), sizeof(struct ov_choices) },
	[PLAN_SERVICES] = { "service", sizeof(struct ov_service_key), sizeof(struct ov_service) },
	[PLAN_ENDPOINTS] = { "endpoint", sizeof(struct ov_endpoint_key),
			     sizeof(struct ov_endpoint) },
	[PLAN_ADDRESSES] = { "address", sizeof(struct ov_address_key), sizeof(struct ov_address) },
	[PLAN_LINKS] = { "link", sizeof(struct ov_link_key), sizeof(struct ov_link) },
	[PLAN_ALLOWED] = { "allowed", sizeof(struct ov_allowed_key), sizeof(uint32_t) },
	[PLAN_PUBLISHED] = { "published", sizeof(struct ov_published_key),
			     sizeof(struct ov_published) },
	[PLAN_WATCH] = { "watch", sizeof(uint32_t), sizeof(struct ov_watch) },
	[PLAN_ATTACH] = { "attach", sizeof(struct plan_attach_key), sizeof(struct plan_attach) },
};

const char *plan_table_to_str(enum plan_table_id id)
{
	return (unsigned int)id < PLAN_TABLE_COUNT ? tables[id].name : "unknown";
}

void tables_init(struct plan *p)
{
	memset(p, 0, sizeof(*p));
	for (int i = 0; i < PLAN_TABLE_COUNT; i++) {
		p->table[i].key_size = tables[i].key_size;
		p->table[i].value_size = tables[i].value_size;
	}
}

int table_reserve(struct plan_table *t, size_t max)
{
	free(t->rows);
	t->rows = calloc(max ? max : 1, t->key_size + t->value_size);
	t->room = max;
	return t->rows ? 0 : -ENOMEM;
}

int table_grow(struct plan_table *t, size_t more)
{
	size_t room = t->room ? t->room : 64;
	uint8_t *rows;

	while (room < t->count + more)
		room *= 2;
	if (room == t->room)
		return 0;
	rows = reallocarray(t->rows, room, t->key_size + t->value_size);
	if (!rows)
		return -ENOMEM;
	t->rows = rows;
	t->room = room;
	return 0;
}

void table_add(struct plan_table *t, const void *key, const void *value)
{
	uint8_t *row = t->rows + t->count++ * (t->key_size + t->value_size);

	memcpy(row, key, t->key_size);
	memcpy(row + t->key_size, value, t->value_size);
}

static int row_cmp(const void *a, const void *b, void *size)
{
	return memcmp(a, b, *(const size_t *)size);
}

static bool is_sorted(const struct plan_table *t)
{
	for (size_t i = 1; i < t->count; i++)
		if (memcmp(plan_row(t, i - 1), plan_row(t, i), t->key_size) >= 0)
			return false;
	return true;
}

void table_sort(struct plan_table *t)
{
	size_t size = t->key_size + t->value_size, kept = 0;

	if (is_sorted(t)) /* large tables are filled in order where that is easy */
		return;
	qsort_r(t->rows, t->count, size, row_cmp, &size);
	for (size_t i = 0; i < t->count; i++) {
		const uint8_t *row = plan_row(t, i);

		if (kept && !memcmp(row, plan_row(t, kept - 1), t->key_size))
			continue;
		if (kept != i)
			memcpy(t->rows + kept * size, row, size);
		kept++;
	}
	t->count = kept;
}

void plan_fini(struct plan *p)
{
	for (int i = 0; i < PLAN_TABLE_COUNT; i++)
		free(p->table[i].rows);
	memset(p, 0, sizeof(*p));
}
