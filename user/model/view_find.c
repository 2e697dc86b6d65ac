/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "view.h"

#define ID_PREFIX_MIN 4 /* hex digits; a shorter one is more likely a mistyped name */
#define UNDERLAY_MTU_DEFAULT 1500 /* Ethernet, while no node has said what it has */
#define INNER_MTU_MIN 68 /* RFC 791: every IPv4 link carries that */

/*
 * Index of the first element whose id is not below `id`. Elements are structs
 * whose first member points to a struct that begins with its id.
 */
static size_t lower_bound(const void *array, size_t count, size_t size, const struct id *id)
{
	size_t low = 0;

	while (low < count) {
		size_t mid = low + (count - low) / 2;
		const struct id *const *at = (const void *)((const char *)array + mid * size);

		if (id_cmp(*at, id) < 0)
			low = mid + 1;
		else
			count = mid;
	}
	return low;
}

_Static_assert(!offsetof(struct view_node, node) && !offsetof(struct node, id), "see lower_bound");
_Static_assert(!offsetof(struct view_network, net) && !offsetof(struct network, id),
	       "see lower_bound");
_Static_assert(!offsetof(struct view_endpoint, ep) && !offsetof(struct endpoint, id),
	       "see lower_bound");

const struct view_node *view_node_by_id(const struct view *v, const struct id *id)
{
	size_t i = lower_bound(v->node, v->node_count, sizeof(*v->node), id);

	return i < v->node_count && id_equal(&v->node[i].node->id, id) ? &v->node[i] : NULL;
}

const struct view_network *view_network_by_id(const struct view *v, const struct id *id)
{
	size_t i = lower_bound(v->network, v->network_count, sizeof(*v->network), id);

	return i < v->network_count && id_equal(&v->network[i].net->id, id) ? &v->network[i] : NULL;
}

const struct view_endpoint *view_endpoint_by_id(const struct view *v, const struct id *id)
{
	size_t i = lower_bound(v->endpoint, v->endpoint_count, sizeof(*v->endpoint), id);

	return i < v->endpoint_count && id_equal(&v->endpoint[i].ep->id, id) ? &v->endpoint[i] :
									       NULL;
}

const struct view_service *view_service_by_id(const struct view *v, const struct id *id)
{
	size_t i = lower_bound(v->service, v->service_count, sizeof(*v->service), id);

	return i < v->service_count && id_equal(&v->service[i].svc->id, id) ? &v->service[i] : NULL;
}

_Static_assert(!offsetof(struct view_service, svc) && !offsetof(struct service, id),
	       "see lower_bound");

_Static_assert(!offsetof(struct node_key, node), "see lower_bound");

const struct node_key *view_key_of(const struct view *v, const struct id *node)
{
	size_t i = lower_bound(v->key, v->key_count, sizeof(*v->key), node);

	return i < v->key_count && id_equal(&v->key[i]->node, node) ? v->key[i] : NULL;
}

_Static_assert(!offsetof(struct ring_ack, node), "see lower_bound");

const struct ring_ack *view_ring_ack_of(const struct view *v, const struct id *node)
{
	size_t i = lower_bound(v->ring_ack, v->ring_ack_count, sizeof(*v->ring_ack), node);

	return i < v->ring_ack_count && id_equal(&v->ring_ack[i]->node, node) ? v->ring_ack[i] : NULL;
}

static int pairs_cmp(const void *key, const void *element)
{
	const struct item *const *it = element;

	return record_key_cmp(key, &(*it)->key);
}

bool view_pair(const struct view *v, const struct id *node, const struct id *peer,
	       struct pair *ret_pair)
{
	struct record_key key = key_of_pairs(node, pairs_chunk_of(peer));
	const struct item **it = bsearch(&key, v->pairs, v->pairs_count, sizeof(*v->pairs),
					 pairs_cmp);

	*ret_pair = (struct pair){ 0 };
	return it && pairs_find(*it, peer, ret_pair);
}

bool view_has_encrypted(const struct view *v)
{
	for (size_t i = 0; i < v->network_count; i++)
		if (v->network[i].net->encrypted)
			return true;
	return false;
}

/* The range of ids that begin with `ref`. False when ref is no id prefix. */
static bool prefix_range(const char *ref, struct id *ret_low, struct id *ret_high)
{
	char low[ID_TEXT_MAX], high[ID_TEXT_MAX];
	size_t len = strlen(ref);

	if (len < ID_PREFIX_MIN || len >= ID_TEXT_MAX)
		return false;
	memset(low, '0', sizeof(low));
	memset(high, 'f', sizeof(high));
	memcpy(low, ref, len);
	memcpy(high, ref, len);
	low[ID_TEXT_MAX - 1] = high[ID_TEXT_MAX - 1] = '\0';
	return !id_parse(low, ret_low) && !id_parse(high, ret_high);
}

/* Index of the only element whose id begins with ref; count when none or several do. */
static size_t find_prefix(const void *array, size_t count, size_t size, const char *ref)
{
	const struct id *const *at;
	struct id low, high;
	size_t i;

	if (!prefix_range(ref, &low, &high))
		return count;
	i = lower_bound(array, count, size, &low);
	if (i == count)
		return count;
	at = (const void *)((const char *)array + i * size);
	if (id_cmp(*at, &high) > 0)
		return count;
	if (i + 1 < count) {
		at = (const void *)((const char *)array + (i + 1) * size);
		if (id_cmp(*at, &high) <= 0)
			return count;
	}
	return i;
}

/* One that lost its claim is found too, after the winner: it must be possible to remove it. */
const struct view_node *view_node_by_name(const struct view *v, const char *name)
{
	const struct view_node *lost = NULL;

	for (size_t i = 0; i < v->node_count; i++) {
		if (strcmp(v->node[i].node->name, name))
			continue;
		if (!v->node[i].name_lost)
			return &v->node[i];
		if (!lost)
			lost = &v->node[i];
	}
	return lost;
}

/* A full id goes before a name that looks like one: a name must not hide another network. */
const struct view_network *view_network_find(const struct view *v, const char *ref)
{
	const struct view_network *n;
	struct id id;
	size_t i;

	if (!id_parse(ref, &id)) {
		n = view_network_by_id(v, &id);
		if (n)
			return n;
	}
	for (i = 0; i < v->network_count; i++)
		if (!strcmp(v->network[i].display, ref))
			return &v->network[i];
	i = find_prefix(v->network, v->network_count, sizeof(*v->network), ref);
	return i < v->network_count ? &v->network[i] : NULL;
}

/* Endpoint names need not be unique: of two, the one with the smaller id. */
const struct view_endpoint *view_endpoint_find(const struct view *v, const char *ref)
{
	const struct view_endpoint *ep;
	struct id id;
	size_t i;

	if (!id_parse(ref, &id)) {
		ep = view_endpoint_by_id(v, &id);
		if (ep)
			return ep;
	}
	for (i = 0; *ref && i < v->endpoint_count; i++)
		if (!strcmp(v->endpoint[i].ep->name, ref))
			return &v->endpoint[i];
	i = find_prefix(v->endpoint, v->endpoint_count, sizeof(*v->endpoint), ref);
	return i < v->endpoint_count ? &v->endpoint[i] : NULL;
}

/* "NAME.NETWORK"; both may have dots of their own. */
static bool is_qualified(const struct view_service *vs, const char *ref)
{
	size_t len = strlen(vs->display);

	return !strncmp(ref, vs->display, len) && ref[len] == '.' &&
	       !strcmp(ref + len + 1, vs->net->display);
}

const struct view_service *view_service_find(const struct view *v, const char *ref,
					     bool *ret_ambiguous)
{
	const struct view_service *named = NULL, *vs;
	struct id id;
	size_t i;

	*ret_ambiguous = false;
	if (!id_parse(ref, &id)) {
		vs = view_service_by_id(v, &id);
		if (vs)
			return vs;
	}
	for (i = 0; i < v->service_count; i++)
		if (is_qualified(&v->service[i], ref))
			return &v->service[i];
	for (i = 0; i < v->service_count; i++) {
		if (strcmp(v->service[i].display, ref))
			continue;
		*ret_ambiguous = named != NULL;
		if (named)
			return NULL;
		named = &v->service[i];
	}
	if (named)
		return named;
	i = find_prefix(v->service, v->service_count, sizeof(*v->service), ref);
	return i < v->service_count ? &v->service[i] : NULL;
}

const struct view_service *view_service_on(const struct view *v, const struct view_network *vn,
					   const char *name)
{
	for (size_t i = 0; i < v->service_count; i++)
		if (v->service[i].net == vn && !strcmp(v->service[i].display, name))
			return &v->service[i];
	return NULL;
}

const struct view_policy *view_policies_of(const struct view *v, const struct view_network *vn,
					   size_t *ret_count)
{
	size_t low = 0, high = v->policy_count, end;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (v->policy[mid].net < vn)
			low = mid + 1;
		else
			high = mid;
	}
	for (end = low; end < v->policy_count && v->policy[end].net == vn;)
		end++;
	*ret_count = end - low;
	return end > low ? &v->policy[low] : NULL;
}

/* They are in order within their network only, and few ask. */
const struct view_policy *view_policy_find(const struct view *v, const char *ref)
{
	const struct view_policy *found = NULL;
	struct id low, high;

	if (!prefix_range(ref, &low, &high))
		return NULL;
	for (size_t i = 0; i < v->policy_count; i++) {
		const struct view_policy *vp = &v->policy[i];

		if (id_cmp(&vp->policy->id, &low) < 0 || id_cmp(&vp->policy->id, &high) > 0)
			continue;
		if (found)
			return NULL;
		found = vp;
	}
	return found;
}

bool view_endpoint_serves(const struct view_endpoint *ve, const struct id_set *away)
{
	if (ve->addr_lost || ve->ep->draining || id_set_has(away, &ve->ep->node))
		return false;
	return !ve->service || ve->service->svc->health == HEALTH_NONE ||
	       ve->ep->health == ENDPOINT_HEALTHY;
}

int view_packet_mtu(int uplink, bool is_v6, bool is_encrypted)
{
	int ip = is_v6 ? OV_IP_HEADER_V6 : OV_IP_HEADER_V4;
	int vxlan = is_v6 ? OV_VXLAN_OVERHEAD_V6 : OV_VXLAN_OVERHEAD_V4;
	int enciphered = uplink - ip - OV_ESP_HEADER - OV_ESP_IV - OV_ESP_ICV;

	if (!is_encrypted)
		return uplink - vxlan;
	return (enciphered & ~(OV_ESP_ALIGN - 1)) - OV_ESP_TRAILER - vxlan;
}

uint16_t view_network_mtu(const struct view *v, const struct network *n)
{
	int uplink = v->uplink_mtu ? v->uplink_mtu : UNDERLAY_MTU_DEFAULT;
	int mtu = view_packet_mtu(uplink, v->uplink_v6, n->encrypted);

	if (n->mtu && n->mtu < mtu)
		mtu = n->mtu;
	return (uint16_t)(mtu < INNER_MTU_MIN ? INNER_MTU_MIN : mtu);
}
