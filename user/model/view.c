/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "view.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "view_settle.h"

/* An item with the part of its key that orders it: sorting never leaves this array. */
struct ref {
	uint8_t key[32];
	const struct item *item;
};

/* Items of one kind: the living first, in key order, then the tombstones, in key order. */
struct refs {
	struct ref *ref;
	size_t alive, dead;
};

struct sorted {
	struct refs kind[RECORD_KIND_END];
};

static void sorted_fini(struct sorted *s)
{
	for (int kind = 0; kind < RECORD_KIND_END; kind++)
		free(s->kind[kind].ref);
}

static int ref_cmp(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(((struct ref *)0)->key));
}

static bool kind_is_known(const struct item *it)
{
	return it->key.kind > 0 && it->key.kind < RECORD_KIND_END;
}

/* Splits items by kind and life, and sorts each run. 0 or -ENOMEM. */
static int sort_items(const struct item *const *items, size_t count, struct sorted *s)
{
	size_t filled[RECORD_KIND_END][2] = { 0 };

	for (size_t i = 0; i < count; i++) {
		if (!kind_is_known(items[i]))
			continue;
		if (items[i]->tombstone)
			s->kind[items[i]->key.kind].dead++;
		else
			s->kind[items[i]->key.kind].alive++;
	}
	for (int kind = 0; kind < RECORD_KIND_END; kind++) {
		struct refs *r = &s->kind[kind];

		r->ref = calloc(r->alive + r->dead + 1, sizeof(*r->ref));
		if (!r->ref)
			return -ENOMEM;
	}
	for (size_t i = 0; i < count; i++) {
		struct refs *r;
		struct ref *at;

		if (!kind_is_known(items[i]))
			continue;
		r = &s->kind[items[i]->key.kind];
		at = r->ref + (items[i]->tombstone ? r->alive : 0) +
		     filled[items[i]->key.kind][items[i]->tombstone]++;
		memcpy(at->key, items[i]->key.bytes, sizeof(at->key));
		at->item = items[i];
	}
	for (int kind = 0; kind < RECORD_KIND_END; kind++) {
		struct refs *r = &s->kind[kind];

		qsort(r->ref, r->alive, sizeof(*r->ref), ref_cmp);
		qsort(r->ref + r->alive, r->dead, sizeof(*r->ref), ref_cmp);
	}
	return 0;
}

static bool node_is_removed(const struct refs *nodes, const struct id *id)
{
	struct ref key = { 0 };

	memcpy(key.key, id->b, 16);
	return bsearch(&key, nodes->ref + nodes->alive, nodes->dead, sizeof(key), ref_cmp);
}

static void fill_nodes(struct view *v, const struct refs *r)
{
	for (size_t i = 0; i < r->alive; i++)
		v->node[v->node_count++] =
			(struct view_node){ .node = &r->ref[i].item->node, .item = r->ref[i].item };
}

static void fill_networks(struct view *v, const struct refs *r)
{
	for (size_t i = 0; i < r->alive; i++)
		v->network[v->network_count++] = (struct view_network){
			.net = &r->ref[i].item->network, .item = r->ref[i].item };
}

static void fill_released(struct view *v, const struct refs *r)
{
	for (size_t i = r->alive; i < r->alive + r->dead; i++) {
		const struct item *it = r->ref[i].item;

		if (view_network_by_id(v, it->key.kind == RECORD_SERVICE ? &it->service.network :
									   &it->endpoint.network))
			v->released[v->released_count++] = it;
	}
}

static void fill_services(struct view *v, const struct refs *r)
{
	for (size_t i = 0; i < r->alive; i++) {
		const struct item *it = r->ref[i].item;
		const struct view_network *net = view_network_by_id(v, &it->service.network);

		if (net)
			v->service[v->service_count++] = (struct view_service){
				.svc = &it->service, .item = it, .net = net };
	}
}

/* A backend of another network's service would cross from one to the other. */
static const struct view_service *service_of(const struct view *v, const struct endpoint *ep)
{
	const struct view_service *vs = view_service_by_id(v, &ep->service);

	return vs && id_equal(&vs->svc->network, &ep->network) ? vs : NULL;
}

static void fill_endpoints(struct view *v, const struct refs *r, const struct refs *nodes)
{
	for (size_t i = 0; i < r->alive; i++) {
		const struct item *it = r->ref[i].item;
		const struct view_network *net = view_network_by_id(v, &it->endpoint.network);

		if (net && !node_is_removed(nodes, &it->endpoint.node))
			v->endpoint[v->endpoint_count++] = (struct view_endpoint){
				.ep = &it->endpoint, .item = it, .net = net,
				.service = service_of(v, &it->endpoint) };
	}
}

static void fill_blocks(struct view *v, const struct refs *r)
{
	for (size_t i = 0; i < r->alive; i++)
		if (view_network_by_id(v, &r->ref[i].item->block.network))
			v->block[v->block_count++] = &r->ref[i].item->block;
}

static int policy_cmp(const void *a, const void *b)
{
	const struct view_policy *x = a, *y = b;

	if (x->net != y->net)
		return x->net < y->net ? -1 : 1;
	return id_cmp(&x->policy->id, &y->policy->id);
}

static void fill_policies(struct view *v, const struct refs *r)
{
	for (size_t i = 0; i < r->alive; i++) {
		const struct item *it = r->ref[i].item;
		const struct view_network *net = view_network_by_id(v, &it->policy.network);

		if (net)
			v->policy[v->policy_count++] = (struct view_policy){
				.policy = &it->policy, .item = it, .net = net };
	}
	qsort(v->policy, v->policy_count, sizeof(*v->policy), policy_cmp);
}

static void fill_keys(struct view *v, const struct sorted *s)
{
	const struct refs *keys = &s->kind[RECORD_KEY], *pairs = &s->kind[RECORD_PAIRS];
	const struct refs *nodes = &s->kind[RECORD_NODE];

	for (size_t i = 0; i < keys->alive; i++)
		if (!node_is_removed(nodes, &keys->ref[i].item->node_key.node))
			v->key[v->key_count++] = &keys->ref[i].item->node_key;
	for (size_t i = 0; i < pairs->alive; i++)
		if (!node_is_removed(nodes, &pairs->ref[i].item->pairs.node))
			v->pairs[v->pairs_count++] = pairs->ref[i].item;
	if (s->kind[RECORD_EPOCH].alive)
		v->epoch = s->kind[RECORD_EPOCH].ref[0].item->epoch;
}

static void fill_ring(struct view *v, const struct sorted *s)
{
	const struct refs *ring = &s->kind[RECORD_RING], *acks = &s->kind[RECORD_RING_ACK];

	if (ring->alive) {
		v->ring = &ring->ref[0].item->ring;
		v->ring_version = (struct ring_version){ ring->ref[0].item->stamp,
							 ring->ref[0].item->writer };
	}
	for (size_t i = 0; i < acks->alive; i++)
		if (!node_is_removed(&s->kind[RECORD_NODE], &acks->ref[i].item->ring_ack.node))
			v->ring_ack[v->ring_ack_count++] = &acks->ref[i].item->ring_ack;
}

static void fill_uplinks(struct view *v)
{
	for (size_t i = 0; i < v->node_count; i++) {
		const struct node *n = v->node[i].node;

		if (v->node[i].name_lost)
			continue;
		if (n->uplink_mtu && (!v->uplink_mtu || n->uplink_mtu < v->uplink_mtu))
			v->uplink_mtu = n->uplink_mtu;
		if (!addr_is_zero(&n->addr) && !addr_is_v4(&n->addr))
			v->uplink_v6 = true;
	}
}

static int allocate(struct view *v, const struct sorted *s)
{
	const struct refs *k = s->kind;

	v->node = calloc(k[RECORD_NODE].alive + 1, sizeof(*v->node));
	v->network = calloc(k[RECORD_NETWORK].alive + 1, sizeof(*v->network));
	v->endpoint = calloc(k[RECORD_ENDPOINT].alive + 1, sizeof(*v->endpoint));
	v->block = calloc(k[RECORD_BLOCK].alive + 1, sizeof(*v->block));
	v->service = calloc(k[RECORD_SERVICE].alive + 1, sizeof(*v->service));
	v->policy = calloc(k[RECORD_POLICY].alive + 1, sizeof(*v->policy));
	v->released = calloc(k[RECORD_ENDPOINT].dead + k[RECORD_SERVICE].dead + 1,
			     sizeof(*v->released));
	v->key = calloc(k[RECORD_KEY].alive + 1, sizeof(*v->key));
	v->pairs = calloc(k[RECORD_PAIRS].alive + 1, sizeof(*v->pairs));
	v->ring_ack = calloc(k[RECORD_RING_ACK].alive + 1, sizeof(*v->ring_ack));
	return v->policy && v->key && v->pairs && v->ring_ack && v->node && v->network && v->endpoint &&
	       v->block && v->service && v->released ? 0 : -ENOMEM;
}

static int settle(struct view *v)
{
	int err = view_settle_nodes(v);

	if (!err)
		err = view_settle_networks(v);
	if (!err)
		err = view_settle_services(v);
	if (!err)
		err = view_settle_addrs(v);
	if (!err)
		err = view_settle_ports(v);
	return err;
}

int view_build(const struct item *const *items, size_t count, struct view *ret_view)
{
	_cleanup_(sorted_fini) struct sorted s = { 0 };
	_cleanup_(view_fini) struct view v = { 0 };

	if (sort_items(items, count, &s) || allocate(&v, &s))
		return -ENOMEM;
	if (s.kind[RECORD_CLUSTER].alive)
		v.cluster = &s.kind[RECORD_CLUSTER].ref[0].item->cluster;
	fill_nodes(&v, &s.kind[RECORD_NODE]);
	fill_networks(&v, &s.kind[RECORD_NETWORK]);
	fill_services(&v, &s.kind[RECORD_SERVICE]);
	fill_endpoints(&v, &s.kind[RECORD_ENDPOINT], &s.kind[RECORD_NODE]);
	fill_released(&v, &s.kind[RECORD_ENDPOINT]);
	fill_released(&v, &s.kind[RECORD_SERVICE]);
	fill_blocks(&v, &s.kind[RECORD_BLOCK]);
	fill_policies(&v, &s.kind[RECORD_POLICY]);
	fill_keys(&v, &s);
	fill_ring(&v, &s);
	if (settle(&v))
		return -ENOMEM;
	fill_uplinks(&v);
	*ret_view = v;
	v = (struct view){ 0 };
	return 0;
}

void view_fini(struct view *v)
{
	free(v->node);
	free(v->network);
	free(v->endpoint);
	free(v->block);
	free(v->service);
	free(v->policy);
	free(v->released);
	free(v->key);
	free(v->pairs);
	free(v->ring_ack);
	*v = (struct view){ 0 };
}
