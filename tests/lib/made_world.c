/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/lib/made_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "world: %s\n", what);
	abort();
}

void world_fini(struct world *w)
{
	for (size_t i = 0; i < w->count; i++) {
		free((void *)w->items[i]->body);
		free(w->items[i]);
	}
	free(w->items);
	*w = (struct world){ 0 };
}

struct id world_id(unsigned int number)
{
	struct id id = { .b = { 0xee, 0xee } };

	for (int i = 0; i < 4; i++)
		id.b[2 + i] = (uint8_t)(number >> (8 * (3 - i)));
	return id;
}

static struct item *add(struct world *w)
{
	if (w->count == w->cap) {
		w->cap = w->cap ? 2 * w->cap : 64;
		w->items = realloc(w->items, w->cap * sizeof(*w->items));
		must(w->items, "out of memory");
	}
	w->items[w->count] = calloc(1, sizeof(struct item));
	must(w->items[w->count], "out of memory");
	return w->items[w->count++];
}

struct ov_addr world_addr(const char *text)
{
	struct ov_addr a;

	must(!addr_parse(text, &a), text);
	return a;
}

struct item *world_node(struct world *w, unsigned int number, const char *name, const char *at)
{
	struct item *it = add(w);
	struct node *n = &it->node;

	n->id = world_id(number);
	it->key = key_of_id(RECORD_NODE, &n->id);
	it->writer = n->id;
	snprintf(n->name, sizeof(n->name), "%s", name);
	n->addr = world_addr(at);
	n->gossip_port = 7946;
	n->vxlan_port = 4789;
	n->uplink_mtu = 1500;
	n->joined_ms = number;
	return it;
}

struct item *world_network(struct world *w, unsigned int number, const char *name,
			   const char *subnet, uint32_t vni)
{
	struct item *it = add(w);
	struct network *n = &it->network;

	n->id = world_id(number);
	it->key = key_of_id(RECORD_NETWORK, &n->id);
	snprintf(n->name, sizeof(n->name), "%s", name);
	must(!prefix_parse(subnet, &n->subnet), subnet);
	n->ip_range = n->subnet;
	n->gateway = addr_add(&n->subnet.addr, 1);
	n->vni = vni;
	n->created_ms = number;
	return it;
}

struct item *world_endpoint(struct world *w, unsigned int number, unsigned int node,
			    unsigned int network, const char *at)
{
	struct item *it = add(w);
	struct endpoint *ep = &it->endpoint;
	struct endpoint_detail detail = { 0 };
	struct buf body = { 0 };

	ep->id = world_id(number);
	it->key = key_of_id(RECORD_ENDPOINT, &ep->id);
	ep->node = it->writer = world_id(node);
	ep->network = world_id(network);
	ep->addr = world_addr(at);
	mac_from_addr(&ep->addr, ep->mac);
	ep->netns_dev = 4;
	ep->netns_ino = number;
	strcpy(ep->ifname, "eth0");
	ep->created_ms = number;
	snprintf(detail.netns, sizeof(detail.netns), "/run/netns/c%u", number);
	endpoint_encode(&body, ep, &detail);
	must(!body.failed, "out of memory");
	it->body = body.data;
	it->body_len = (uint16_t)body.len;
	return it;
}

struct item *world_service(struct world *w, unsigned int number, unsigned int network,
			   const char *name, const char *vip)
{
	struct item *it = add(w);
	struct service *s = &it->service;
	struct service_detail detail = { 0 };

	s->id = world_id(number);
	it->key = key_of_id(RECORD_SERVICE, &s->id);
	s->network = world_id(network);
	snprintf(s->name, sizeof(s->name), "%s", name);
	s->mode = vip ? SERVICE_VIP : SERVICE_DNSRR;
	if (vip)
		s->vip = world_addr(vip);
	s->created_ms = number;
	world_service_detail(it, &detail);
	return it;
}

void world_service_detail(struct item *it, const struct service_detail *d)
{
	struct buf body = { 0 };

	service_encode(&body, &it->service, d);
	must(!body.failed, "out of memory");
	free((void *)it->body);
	it->body = body.data;
	it->body_len = (uint16_t)body.len;
}

static void world_select(struct selector *s, struct label *label, const char *text)
{
	if (!strncmp(text, "service=", 8)) {
		*s = (struct selector){ SELECTOR_SERVICE, .id = world_id((unsigned int)atoi(text + 8)) };
	} else if (!strncmp(text, "endpoint=", 9)) {
		*s = (struct selector){ SELECTOR_ENDPOINT, .id = world_id((unsigned int)atoi(text + 9)) };
	} else if (!strncmp(text, "cidr=", 5)) {
		s->kind = SELECTOR_CIDR;
		must(!prefix_parse(text + 5, &s->cidr), text);
	} else if (!strncmp(text, "label=", 6)) {
		s->kind = SELECTOR_LABEL;
		snprintf(label->text, sizeof(label->text), "%s", text + 6);
	} else {
		must(!strcmp(text, "any"), text);
	}
}

static void policy_body(struct item *it, const struct policy_detail *d)
{
	struct buf body = { 0 };

	policy_encode(&body, &it->policy, d);
	must(!body.failed, "out of memory");
	free((void *)it->body);
	it->body = body.data;
	it->body_len = (uint16_t)body.len;
}

struct item *world_policy(struct world *w, unsigned int number, unsigned int network, bool deny,
			  const char *from, const char *to)
{
	struct item *it = add(w);
	struct policy_detail detail = { 0 };

	it->policy = (struct policy){ .id = world_id(number), .network = world_id(network),
				      .deny = deny, .created_ms = number };
	it->key = key_of_id(RECORD_POLICY, &it->policy.id);
	world_select(&it->policy.from, &detail.from_label, from);
	world_select(&it->policy.to, &detail.to_label, to);
	policy_body(it, &detail);
	return it;
}

void world_policy_port(struct item *it, uint8_t protocol, uint16_t first, uint16_t last)
{
	struct policy_detail detail;

	policy_detail_decode(it, &detail);
	must(it->policy.port_count < POLICY_PORT_MAX, "too many ports");
	detail.port[it->policy.port_count++] = (struct policy_port){ protocol, first, last };
	policy_body(it, &detail);
}

void world_label(struct item *it, const char *label)
{
	struct endpoint_detail detail;
	struct buf body = { 0 };

	endpoint_detail_decode(it, &detail);
	must(detail.label_count < LABEL_MAX, "too many labels");
	snprintf(detail.label[detail.label_count++].text, sizeof(detail.label[0].text), "%s", label);
	endpoint_encode(&body, &it->endpoint, &detail);
	must(!body.failed, "out of memory");
	free((void *)it->body);
	it->body = body.data;
	it->body_len = (uint16_t)body.len;
}

struct item *world_block(struct world *w, unsigned int network, const char *start,
			 unsigned int owner)
{
	struct item *it = add(w);

	it->block.network = world_id(network);
	it->block.start = world_addr(start);
	it->block.owner = it->writer = world_id(owner);
	it->key = key_of_block(&it->block.network, &it->block.start);
	return it;
}

struct item *world_key(struct world *w, unsigned int node, uint64_t epoch, uint8_t byte)
{
	struct item *it = add(w);
	struct node_key *k = &it->node_key;

	k->node = it->writer = world_id(node);
	it->key = key_of_id(RECORD_KEY, &k->node);
	k->epoch = epoch;
	k->generation = 1;
	memset(k->public_key, byte, sizeof(k->public_key));
	return it;
}

struct item *world_pairs(struct world *w, unsigned int node, const struct pair *pair,
			 uint8_t count)
{
	struct item *it = add(w);
	struct pairs_detail detail = { 0 };
	struct buf body = { 0 };

	it->pairs = (struct pairs){ .node = world_id(node),
				    .chunk = pairs_chunk_of(&pair->peer), .count = count };
	it->writer = it->pairs.node;
	it->key = key_of_pairs(&it->pairs.node, it->pairs.chunk);
	memcpy(detail.pair, pair, count * sizeof(*pair));
	pairs_encode(&body, &it->pairs, &detail);
	must(!body.failed, "out of memory");
	it->body = body.data;
	it->body_len = (uint16_t)body.len;
	return it;
}

struct item *world_epoch(struct world *w, uint64_t number, uint64_t began_ms)
{
	struct item *it = add(w);

	it->key = key_of_id(RECORD_EPOCH, &(struct id){ 0 });
	it->epoch = (struct epoch){ number, began_ms };
	return it;
}

struct item *world_ring(struct world *w, uint64_t epoch, enum ring_phase phase, uint64_t stamp)
{
	struct item *it = add(w);
	struct gossip_ring *r = &it->ring;
	uint8_t newest = (uint8_t)(epoch + 1);

	it->key = key_of_id(RECORD_RING, &(struct id){ 0 });
	it->writer = world_id(1);
	it->stamp.hi = stamp;
	*r = (struct gossip_ring){ .epoch = epoch, .phase = (uint8_t)phase,
				   .key_count = phase == RING_STEADY ? 1 : 2 };
	memset(r->key[0], newest, GOSSIP_KEY_LEN);
	if (phase != RING_STEADY)
		memset(r->key[1], newest - 1, GOSSIP_KEY_LEN);
	if (phase == RING_ADDED) {
		memset(r->key[0], newest - 1, GOSSIP_KEY_LEN);
		memset(r->key[1], newest, GOSSIP_KEY_LEN);
	}
	return it;
}

struct item *world_ring_ack(struct world *w, unsigned int node, uint64_t stamp)
{
	struct item *it = add(w);
	struct ring_ack *a = &it->ring_ack;

	a->node = it->writer = world_id(node);
	it->key = key_of_id(RECORD_RING_ACK, &a->node);
	a->version = (struct ring_version){ .stamp.hi = stamp, .writer = world_id(1) };
	return it;
}

void world_shuffle(struct world *w, struct rng *rng)
{
	for (size_t i = w->count; i > 1; i--) {
		size_t j = rng_below(rng, (uint32_t)i);
		struct item *swap = w->items[i - 1];

		w->items[i - 1] = w->items[j];
		w->items[j] = swap;
	}
}

struct view world_view(const struct world *w)
{
	struct view v;

	must(!view_build((const struct item *const *)w->items, w->count, &v), "no view");
	return v;
}
