// SPDX-License-Identifier: GPL-2.0-or-later
/* Lookups in a plan's tables, as the programs look into maps. */
#include <arpa/inet.h>
#include <string.h>

#include "inside.h"

_Static_assert(TRACE_KEY_MAX >= sizeof(struct ov_subject_key), "holds any key of the data path");

/* What a decision of this node rests on is remembered: the kernel can be asked for it. */
static void remember(const struct at *at, enum plan_table_id id, const void *key, const void *value)
{
	size_t size = at->n->plan->table[id].key_size;
	struct trace_row *row = &at->t->row[at->t->row_count];

	if (!at->n->is_self || at->t->row_count == TRACE_ROWS_MAX || size > TRACE_KEY_MAX)
		return;
	*row = (struct trace_row){ .table = id, .value = value };
	memcpy(row->key, key, size);
	at->t->row_count++;
}

static const void *look_up(const struct plan_table *table, const void *key)
{
	size_t low = 0, high = table->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int diff = memcmp(plan_row(table, mid), key, table->key_size);

		if (!diff)
			return plan_row(table, mid) + table->key_size;
		if (diff < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static const void *find(const struct at *at, enum plan_table_id id, const void *key)
{
	const void *value = look_up(&at->n->plan->table[id], key);

	remember(at, id, key, value);
	return value;
}

const struct ov_config *row_config(const struct at *at)
{
	const struct ov_config *c = find(at, PLAN_CONFIG, &(uint32_t){ 0 });

	return c && (c->flags & OV_CONFIG_READY) ? c : NULL;
}

bool row_has_address(const struct ov_network *net, const struct ov_addr *addr)
{
	uint32_t host_bits = 128u - net->prefix_len;
	uint32_t mask = host_bits < 32 ? ~0u << host_bits : 0;

	return !((addr_v4(&net->gateway) ^ addr_v4(addr)) & mask);
}

const struct ov_network *row_network(const struct at *at, uint32_t vni)
{
	return find(at, PLAN_NETWORKS, &(struct ov_network_key){ .vni = vni });
}

const struct ov_peer *row_peer(const struct at *at, const struct ov_addr *vtep)
{
	return find(at, PLAN_PEERS, &(struct ov_peer_key){ .vtep = *vtep });
}

const struct ov_endpoint *row_endpoint(const struct at *at, uint32_t vni, const struct ov_addr *a)
{
	return find(at, PLAN_ENDPOINTS, &(struct ov_endpoint_key){ .addr = *a, .vni = vni });
}

const struct ov_device *row_device(const struct at *at, uint32_t vni, const struct ov_addr *a)
{
	const struct plan_table *table = &at->n->plan->table[PLAN_MAP_DEVICES];

	for (size_t i = 0; i < table->count; i++) {
		const uint8_t *row = plan_row(table, i);
		const struct ov_device *d = (const void *)(row + table->key_size);

		if (d->vni != vni || addr_cmp(&d->addr, a))
			continue;
		remember(at, PLAN_MAP_DEVICES, row, d);
		return d;
	}
	return NULL;
}

const struct ov_service *row_service(const struct at *at, uint32_t vni, const struct ov_addr *vip,
				     uint8_t protocol, uint16_t port)
{
	struct ov_service_key key = { .vip = *vip, .vni = vni, .port = htons(port),
				      .protocol = protocol };

	return find(at, PLAN_SERVICES, &key);
}

const struct ov_backend *row_backend(const struct at *at, uint32_t vni, const struct ov_addr *vip,
				     uint32_t index)
{
	struct ov_backend_key key = { .vip = *vip, .vni = vni, .index = index };

	return find(at, PLAN_BACKENDS, &key);
}

const struct ov_choices *row_choices(const struct at *at, uint32_t vni, const struct ov_addr *vip,
				     uint32_t chunk)
{
	struct ov_choices_key key = { .vip = *vip, .vni = vni, .chunk = chunk };

	return find(at, PLAN_CHOICES, &key);
}

const struct ov_address *row_address(const struct at *at, const struct ov_addr *a)
{
	return find(at, PLAN_ADDRESSES, &(struct ov_address_key){ .addr = *a });
}

const struct ov_published *row_published(const struct at *at, const struct ov_addr *dst,
					 uint8_t protocol, uint16_t port,
					 struct ov_published_key *ret_key)
{
	const struct ov_published *any, *bound;

	*ret_key = (struct ov_published_key){ .port = htons(port), .protocol = protocol };
	any = find(at, PLAN_PUBLISHED, ret_key);
	if (!any || !(any->flags & OV_PUBLISHED_BY_ADDRESS))
		return any;
	ret_key->addr = *dst;
	bound = find(at, PLAN_PUBLISHED, ret_key);
	if (bound)
		return bound;
	ret_key->addr = (struct ov_addr){ 0 };
	return any->flags & OV_PUBLISHED_NOWHERE ? NULL : any;
}

const struct ov_policy *row_policy(const struct at *at, uint32_t vni)
{
	return find(at, PLAN_POLICY_SETS, &(struct ov_policy_key){ .vni = vni });
}

/* Clears what is behind the prefix; keys of tries begin with its length, which does not count. */
static void cut_prefix(uint8_t *key, size_t size, uint32_t len)
{
	uint8_t *bytes = key + sizeof(uint32_t);

	memcpy(key, &len, sizeof(len));
	for (size_t i = 0; i < size - sizeof(uint32_t); i++, len -= len < 8 ? len : 8)
		bytes[i] &= len < 8 ? (uint8_t)(0xff00 >> len) : 0xff;
}

/* As a trie does; a plan's rows have no bit behind their prefix. */
static const void *find_longest(const struct at *at, enum plan_table_id id, const void *key,
				uint32_t shortest)
{
	const struct plan_table *table = &at->n->plan->table[id];
	uint32_t len = 8 * (uint32_t)(table->key_size - sizeof(uint32_t));
	uint8_t cut[TRACE_KEY_MAX];

	for (; table->count && len >= shortest; len--) {
		const void *value;

		memcpy(cut, key, table->key_size);
		cut_prefix(cut, table->key_size, len);
		value = look_up(table, cut);
		if (!value)
			continue;
		remember(at, id, cut, value);
		return value;
	}
	return NULL;
}

uint32_t row_class(const struct at *at, uint32_t vni, uint32_t set, const struct ov_addr *a)
{
	struct ov_subject_key key = { .vni = vni, .set = set, .addr = *a };
	const struct ov_subject *s = find_longest(at, PLAN_POLICY_SUBJECTS, &key,
						  OV_SUBJECT_PREFIX);

	return s ? s->class : OV_CLASS_ANY;
}

const struct ov_rule *row_rule(const struct at *at, const struct ov_rule_key *key)
{
	return find_longest(at, PLAN_POLICY_RULES, key, OV_RULE_PREFIX);
}

/* A trie says whether any prefix matches; which is the longest does not matter here. */
bool row_allows(const struct at *at, const struct ov_published_key *key,
		const struct ov_addr *client)
{
	const struct plan_table *table = &at->n->plan->table[PLAN_ALLOWED];

	for (size_t i = 0; i < table->count; i++) {
		const struct ov_allowed_key *k = (const void *)plan_row(table, i);
		struct prefix prefix = { .addr = k->client,
					 .len = (uint8_t)(k->prefix_len - OV_ALLOWED_PREFIX) };

		if (k->port != key->port || k->protocol != key->protocol ||
		    addr_cmp(&k->addr, &key->addr) || !prefix_contains(&prefix, client))
			continue;
		remember(at, PLAN_ALLOWED, k, plan_row(table, i) + table->key_size);
		return true;
	}
	return false;
}
