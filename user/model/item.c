/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "codec.h"

void node_encode(struct buf *out, const struct node *n)
{
	schema_encode(&schema_of_kind[RECORD_NODE], n, out);
}

void network_encode(struct buf *out, const struct network *n)
{
	schema_encode(&schema_of_kind[RECORD_NETWORK], n, out);
}

void endpoint_encode(struct buf *out, const struct endpoint *e, const struct endpoint_detail *d)
{
	struct endpoint_whole whole = { *e, *d };

	schema_encode(&schema_of_kind[RECORD_ENDPOINT], &whole, out);
}

void block_encode(struct buf *out, const struct block *b)
{
	schema_encode(&schema_of_kind[RECORD_BLOCK], b, out);
}

void service_encode(struct buf *out, const struct service *s, const struct service_detail *d)
{
	struct service_whole whole = { *s, *d };

	schema_encode(&schema_of_kind[RECORD_SERVICE], &whole, out);
}

void cluster_encode(struct buf *out, const struct cluster *c)
{
	schema_encode(&schema_of_kind[RECORD_CLUSTER], c, out);
}

void node_key_encode(struct buf *out, const struct node_key *k)
{
	schema_encode(&schema_of_kind[RECORD_KEY], k, out);
}

void epoch_encode(struct buf *out, const struct epoch *e)
{
	schema_encode(&schema_of_kind[RECORD_EPOCH], e, out);
}

void ring_encode(struct buf *out, const struct gossip_ring *r)
{
	schema_encode(&schema_of_kind[RECORD_RING], r, out);
}

void ring_ack_encode(struct buf *out, const struct ring_ack *a)
{
	schema_encode(&schema_of_kind[RECORD_RING_ACK], a, out);
}

/* Identity is taken from the key alone: a body cannot claim another's. */
static void identify(struct item *it)
{
	const uint8_t *bytes = it->key.bytes;

	switch (it->key.kind) {
	case RECORD_NODE:
		memcpy(it->node.id.b, bytes, 16);
		break;
	case RECORD_NETWORK:
		memcpy(it->network.id.b, bytes, 16);
		break;
	case RECORD_ENDPOINT:
		memcpy(it->endpoint.id.b, bytes, 16);
		break;
	case RECORD_SERVICE:
		memcpy(it->service.id.b, bytes, 16);
		break;
	case RECORD_KEY:
		memcpy(it->node_key.node.b, bytes, 16);
		break;
	case RECORD_RING_ACK:
		memcpy(it->ring_ack.node.b, bytes, 16);
		break;
	case RECORD_POLICY:
		memcpy(it->policy.id.b, bytes, 16);
		break;
	case RECORD_PAIRS:
		memcpy(it->pairs.node.b, bytes, 16);
		it->pairs.chunk = bytes[16];
		break;
	case RECORD_BLOCK:
		memcpy(it->block.network.b, bytes, 16);
		memcpy(it->block.start.b, bytes + 16, 16);
		break;
	}
}

static bool key_is_valid(const struct record_key *key)
{
	static const uint8_t zero[16];

	switch (key->kind) {
	case RECORD_CLUSTER:
	case RECORD_EPOCH:
	case RECORD_RING:
		return key->len == 16 && !memcmp(key->bytes, zero, 16);
	case RECORD_NODE:
	case RECORD_NETWORK:
	case RECORD_ENDPOINT:
	case RECORD_SERVICE:
	case RECORD_KEY:
	case RECORD_RING_ACK:
	case RECORD_POLICY:
		return key->len == 16 && memcmp(key->bytes, zero, 16);
	case RECORD_PAIRS:
		return key->len == 17 && memcmp(key->bytes, zero, 16) &&
		       key->bytes[16] < PAIRS_CHUNKS;
	case RECORD_BLOCK:
		return key->len == 32 && memcmp(key->bytes, zero, 16);
	default:
		return false;
	}
}

/* Whoever has no --ip-range takes addresses from all of the subnet. */
static int check_network(struct network *n)
{
	static const struct prefix none;

	if (n->vni > VNI_MAX)
		return -EBADMSG;
	if (!memcmp(&n->subnet, &none, sizeof(none)))
		return 0;
	if (!memcmp(&n->ip_range, &none, sizeof(none)))
		n->ip_range = n->subnet;
	if (n->ip_range.len < n->subnet.len || !prefix_contains(&n->subnet, &n->ip_range.addr))
		return -EBADMSG;
	if (!addr_is_zero(&n->gateway) && !prefix_contains(&n->subnet, &n->gateway))
		return -EBADMSG;
	return 0;
}

static int check_service(const struct service *s, const struct service_detail *d)
{
	if (s->mode > SERVICE_DNSRR || s->algorithm >= OV_LB_COUNT || s->health > HEALTH_HTTP)
		return -EBADMSG;
	if (s->mode == SERVICE_DNSRR && !addr_is_zero(&s->vip))
		return -EBADMSG;
	for (unsigned int i = 0; s->mode == SERVICE_DNSRR && i < s->publish_count; i++)
		if (d->publish[i].mode != PUBLISH_HOST)
			return -EBADMSG;
	if (s->health != HEALTH_NONE && !s->health_port)
		return -EBADMSG;
	return s->health == HEALTH_HTTP && d->health_path[0] != '/' ? -EBADMSG : 0;
}

static int check_endpoint(const struct endpoint *e)
{
	return e->weight > WEIGHT_MAX || e->health > ENDPOINT_UNHEALTHY ? -EBADMSG : 0;
}

static int check_key(const struct node_key *k)
{
	static const uint8_t none[PUBLIC_KEY_LEN];

	return memcmp(k->public_key, none, sizeof(none)) ? 0 : -EBADMSG;
}

static void *payload(struct item *it)
{
	switch (it->key.kind) {
	case RECORD_CLUSTER:
		return &it->cluster;
	case RECORD_NODE:
		return &it->node;
	case RECORD_NETWORK:
		return &it->network;
	case RECORD_KEY:
		return &it->node_key;
	case RECORD_EPOCH:
		return &it->epoch;
	case RECORD_RING:
		return &it->ring;
	case RECORD_RING_ACK:
		return &it->ring_ack;
	default:
		return &it->block;
	}
}

static int decode_endpoint(const uint8_t *body, size_t len, struct endpoint_whole *whole)
{
	memset(whole, 0, sizeof(*whole));
	return schema_decode(&schema_of_kind[RECORD_ENDPOINT], cursor_of(body, len), whole);
}

void endpoint_detail_decode(const struct item *it, struct endpoint_detail *ret_detail)
{
	struct endpoint_whole whole;

	if (decode_endpoint(it->body, it->body_len, &whole))
		memset(&whole, 0, sizeof(whole)); /* made by hand: nothing half-read */
	*ret_detail = whole.d;
}

static int decode_service(const uint8_t *body, size_t len, struct service_whole *whole)
{
	memset(whole, 0, sizeof(*whole));
	return schema_decode(&schema_of_kind[RECORD_SERVICE], cursor_of(body, len), whole);
}

void service_detail_decode(const struct item *it, struct service_detail *ret_detail)
{
	struct service_whole whole;

	if (decode_service(it->body, it->body_len, &whole))
		memset(&whole, 0, sizeof(whole));
	*ret_detail = whole.d;
}

static int decode_service_item(const struct record *r, struct item *it)
{
	struct service_whole whole;
	int err = decode_service(r->body, r->body_len, &whole);

	it->service = whole.s;
	return err ? err : check_service(&whole.s, &whole.d);
}

static int decode_payload(const struct record *r, struct item *it)
{
	struct endpoint_whole whole;
	int err;

	if (r->key.kind == RECORD_SERVICE)
		return decode_service_item(r, it);
	if (r->key.kind == RECORD_PAIRS)
		return decode_pairs_item(r, &it->pairs);
	if (r->key.kind == RECORD_POLICY)
		return decode_policy_item(r, &it->policy);
	if (r->key.kind != RECORD_ENDPOINT)
		return schema_decode(&schema_of_kind[r->key.kind],
				     cursor_of(r->body, r->body_len), payload(it));
	err = decode_endpoint(r->body, r->body_len, &whole);
	it->endpoint = whole.e;
	return err;
}

/* A ring of another shape could not be rotated on. */
static int check_ring(const struct gossip_ring *r)
{
	if (r->phase > RING_MOVED || r->key_count != (r->phase == RING_STEADY ? 1 : 2))
		return -EBADMSG;
	return r->key_count == 2 && !memcmp(r->key[0], r->key[1], GOSSIP_KEY_LEN) ? -EBADMSG : 0;
}

static int decode_body(const struct record *r, struct item *it)
{
	int err = decode_payload(r, it);

	if (err)
		return err;
	identify(it);
	if (r->key.kind == RECORD_NETWORK)
		return check_network(&it->network);
	if (r->key.kind == RECORD_ENDPOINT)
		return check_endpoint(&it->endpoint);
	if (r->key.kind == RECORD_KEY)
		return check_key(&it->node_key);
	if (r->key.kind == RECORD_CLUSTER)
		return id_is_zero(&it->cluster.id) ? -EBADMSG : 0;
	if (r->key.kind == RECORD_RING)
		return check_ring(&it->ring);
	if (r->key.kind == RECORD_RING_ACK)
		return id_is_zero(&it->ring_ack.version.writer) ? -EBADMSG : 0;
	return 0;
}

int item_decode(const struct record *r, uint64_t seen_ms, struct item *ret_item)
{
	struct item it;
	int err;

	if (!key_is_valid(&r->key) || r->body_len > RECORD_BODY_MAX)
		return -EBADMSG;
	memset(&it, 0, sizeof(it));
	it.key = r->key;
	it.stamp = r->stamp;
	it.writer = r->writer;
	it.tombstone = r->tombstone;
	it.seen_ms = seen_ms;
	it.body = r->body;
	it.body_len = r->body_len;
	err = decode_body(r, &it);
	if (!err)
		*ret_item = it;
	if (record_is_secret(r->key.kind))
		explicit_bzero(&it, sizeof(it)); /* keys and token */
	return err;
}

struct id item_owner(const struct item *it)
{
	switch (it->key.kind) {
	case RECORD_NODE:
		return it->node.id;
	case RECORD_ENDPOINT:
		return it->endpoint.node;
	case RECORD_KEY:
		return it->node_key.node;
	case RECORD_PAIRS:
		return it->pairs.node;
	case RECORD_RING_ACK:
		return it->ring_ack.node;
	case RECORD_BLOCK:
		return it->block.owner;
	default:
		return (struct id){ 0 };
	}
}
