/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "codec.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#define ONE(type_, form_, s, member) \
	{ .type = type_, .form = form_, .at = offsetof(struct s, member), \
	  .size = sizeof(((struct s *)0)->member) }
#define LIST(type_, form_, s, member, count, max_) \
	{ .type = type_, .form = form_, .max = max_, .at = offsetof(struct s, member), \
	  .size = sizeof(((struct s *)0)->member[0]), .count_at = offsetof(struct s, count) }

/* Wire ABI: types are appended, never reused. */
static const struct field cluster_fields[] = {
	ONE(1, FIELD_BYTES, cluster, id),
	LIST(2, FIELD_BYTES, cluster, key, key_count, RING_KEYS_MAX),
	ONE(3, FIELD_BYTES, cluster, token_secret),
};

static const struct field node_fields[] = {
	ONE(1, FIELD_NAME, node, name),
	ONE(2, FIELD_BYTES, node, addr),
	ONE(3, FIELD_UINT, node, gossip_port),
	ONE(4, FIELD_UINT, node, vxlan_port),
	ONE(5, FIELD_UINT, node, uplink_mtu),
	ONE(6, FIELD_TEXT, node, version),
	ONE(7, FIELD_UINT, node, joined_ms),
};

static const struct field network_fields[] = {
	ONE(1, FIELD_NAME, network, name),
	ONE(2, FIELD_PREFIX, network, subnet),
	ONE(3, FIELD_PREFIX, network, ip_range),
	ONE(4, FIELD_BYTES, network, gateway),
	ONE(5, FIELD_UINT, network, vni),
	ONE(6, FIELD_UINT, network, mtu),
	ONE(7, FIELD_BOOL, network, internal),
	ONE(8, FIELD_BOOL, network, encrypted),
	ONE(9, FIELD_BOOL, network, policy_deny),
	ONE(10, FIELD_UINT, network, created_ms),
	ONE(11, FIELD_BOOL, network, policy_audit),
};

static const struct field endpoint_fields[] = {
	ONE(1, FIELD_BYTES, endpoint_whole, e.node),
	ONE(2, FIELD_BYTES, endpoint_whole, e.network),
	ONE(3, FIELD_BYTES, endpoint_whole, e.addr),
	ONE(4, FIELD_BYTES, endpoint_whole, e.mac),
	ONE(5, FIELD_NAME, endpoint_whole, e.name),
	LIST(6, FIELD_NAME, endpoint_whole, d.alias, d.alias_count, ALIAS_MAX),
	LIST(7, FIELD_TEXT, endpoint_whole, d.label, d.label_count, LABEL_MAX),
	ONE(8, FIELD_TEXT, endpoint_whole, d.netns),
	ONE(9, FIELD_UINT, endpoint_whole, e.netns_dev),
	ONE(10, FIELD_UINT, endpoint_whole, e.netns_ino),
	ONE(11, FIELD_TEXT, endpoint_whole, e.ifname),
	ONE(12, FIELD_UINT, endpoint_whole, e.created_ms),
	ONE(13, FIELD_BYTES, endpoint_whole, e.service),
	ONE(14, FIELD_UINT, endpoint_whole, e.weight),
	ONE(15, FIELD_UINT, endpoint_whole, e.health),
	ONE(16, FIELD_BOOL, endpoint_whole, e.draining),
};

static const struct field service_fields[] = {
	ONE(1, FIELD_BYTES, service_whole, s.network),
	ONE(2, FIELD_NAME, service_whole, s.name),
	ONE(3, FIELD_BYTES, service_whole, s.vip),
	ONE(4, FIELD_UINT, service_whole, s.mode),
	ONE(5, FIELD_UINT, service_whole, s.algorithm),
	ONE(6, FIELD_BOOL, service_whole, s.prefer_local),
	ONE(7, FIELD_BOOL, service_whole, s.dsr),
	ONE(8, FIELD_UINT, service_whole, s.affinity_s),
	LIST(9, FIELD_PORT, service_whole, d.port, d.port_count, SERVICE_PORT_MAX),
	ONE(10, FIELD_UINT, service_whole, s.health),
	ONE(11, FIELD_UINT, service_whole, s.health_port),
	ONE(12, FIELD_UINT, service_whole, s.health_interval_s),
	ONE(13, FIELD_TEXT, service_whole, d.health_path),
	ONE(14, FIELD_UINT, service_whole, s.created_ms),
	LIST(15, FIELD_PUBLISH, service_whole, d.publish, s.publish_count, SERVICE_PUBLISH_MAX),
};

static const struct field block_fields[] = {
	ONE(1, FIELD_BYTES, block, owner),
	ONE(2, FIELD_BYTES, block, last),
};

static const struct field key_fields[] = {
	ONE(1, FIELD_UINT, node_key, epoch),
	ONE(2, FIELD_UINT, node_key, generation),
	ONE(3, FIELD_UINT, node_key, made_ms),
	ONE(4, FIELD_BYTES, node_key, public_key),
};

static const struct field pairs_fields[] = {
	LIST(1, FIELD_PAIR, pairs_whole, d.pair, p.count, PAIRS_MAX),
};

static const struct field epoch_fields[] = {
	ONE(1, FIELD_UINT, epoch, number),
	ONE(2, FIELD_UINT, epoch, began_ms),
};

static const struct field ring_fields[] = {
	ONE(1, FIELD_UINT, gossip_ring, epoch),
	ONE(2, FIELD_UINT, gossip_ring, phase),
	LIST(3, FIELD_BYTES, gossip_ring, key, key_count, RING_KEYS_MAX),
};

static const struct field ring_ack_fields[] = {
	ONE(1, FIELD_UINT, ring_ack, version.stamp.hi),
	ONE(2, FIELD_UINT, ring_ack, version.stamp.lo),
	ONE(3, FIELD_BYTES, ring_ack, version.writer),
};

static const struct field policy_fields[] = {
	ONE(1, FIELD_BYTES, policy_whole, p.network),
	ONE(2, FIELD_BOOL, policy_whole, p.deny),
	ONE(3, FIELD_UINT, policy_whole, p.from.kind),
	ONE(4, FIELD_BYTES, policy_whole, p.from.id),
	ONE(5, FIELD_PREFIX, policy_whole, p.from.cidr),
	ONE(6, FIELD_TEXT, policy_whole, d.from_label),
	ONE(7, FIELD_UINT, policy_whole, p.to.kind),
	ONE(8, FIELD_BYTES, policy_whole, p.to.id),
	ONE(9, FIELD_PREFIX, policy_whole, p.to.cidr),
	ONE(10, FIELD_TEXT, policy_whole, d.to_label),
	LIST(11, FIELD_POLICY_PORT, policy_whole, d.port, p.port_count, POLICY_PORT_MAX),
	ONE(12, FIELD_UINT, policy_whole, p.created_ms),
};

#define SCHEMA(f) { f, sizeof(f) / sizeof((f)[0]) }
const struct schema schema_of_kind[RECORD_KIND_END] = {
	[RECORD_CLUSTER] = SCHEMA(cluster_fields),
	[RECORD_NODE] = SCHEMA(node_fields),
	[RECORD_NETWORK] = SCHEMA(network_fields),
	[RECORD_ENDPOINT] = SCHEMA(endpoint_fields),
	[RECORD_BLOCK] = SCHEMA(block_fields),
	[RECORD_SERVICE] = SCHEMA(service_fields),
	[RECORD_KEY] = SCHEMA(key_fields),
	[RECORD_PAIRS] = SCHEMA(pairs_fields),
	[RECORD_EPOCH] = SCHEMA(epoch_fields),
	[RECORD_RING] = SCHEMA(ring_fields),
	[RECORD_RING_ACK] = SCHEMA(ring_ack_fields),
	[RECORD_POLICY] = SCHEMA(policy_fields),
};

static uint64_t load_uint(const uint8_t *at, size_t size)
{
	uint16_t v16;
	uint32_t v32;
	uint64_t v64;

	switch (size) {
	case 1:
		return *at;
	case 2:
		memcpy(&v16, at, 2);
		return v16;
	case 4:
		memcpy(&v32, at, 4);
		return v32;
	default:
		memcpy(&v64, at, 8);
		return v64;
	}
}

static void store_uint(uint8_t *at, size_t size, uint64_t v)
{
	uint16_t v16 = (uint16_t)v;
	uint32_t v32 = (uint32_t)v;

	switch (size) {
	case 1:
		*at = (uint8_t)v;
		break;
	case 2:
		memcpy(at, &v16, 2);
		break;
	case 4:
		memcpy(at, &v32, 4);
		break;
	default:
		memcpy(at, &v, 8);
	}
}

#define PORT_WIRE_LEN 5 /* u16 port | u16 target | u8 protocol */

static void encode_port(const struct field *f, const struct service_port *p, struct buf *out)
{
	buf_u8(out, f->type);
	buf_u16(out, PORT_WIRE_LEN);
	buf_u16(out, p->port);
	buf_u16(out, p->target);
	buf_u8(out, p->protocol);
}

static void encode_value(const struct field *f, const uint8_t *at, struct buf *out)
{
	size_t len = f->size;
	uint64_t v;

	if (f->form == FIELD_PORT) {
		encode_port(f, (const struct service_port *)at, out);
		return;
	}
	if (f->form == FIELD_PUBLISH) {
		publish_encode(f->type, (const struct publish *)at, out);
		return;
	}
	if (f->form == FIELD_PAIR) {
		pair_encode(f->type, (const struct pair *)at, out);
		return;
	}
	if (f->form == FIELD_POLICY_PORT) {
		policy_port_encode(f->type, (const struct policy_port *)at, out);
		return;
	}
	if (f->form == FIELD_NAME || f->form == FIELD_TEXT)
		len = strnlen((const char *)at, f->size);
	buf_u8(out, f->type);
	buf_u16(out, (uint16_t)len);
	if (f->form != FIELD_UINT && f->form != FIELD_BOOL) {
		buf_put(out, at, len);
		return;
	}
	v = load_uint(at, len);
	for (size_t i = len; i-- > 0;)
		buf_u8(out, (uint8_t)(v >> (8 * i)));
}

static bool is_zero(const uint8_t *at, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (at[i])
			return false;
	return true;
}

void schema_encode(const struct schema *s, const void *object, struct buf *out)
{
	const uint8_t *base = object;

	for (size_t i = 0; i < s->count; i++) {
		const struct field *f = &s->field[i];
		size_t count = f->max ? base[f->count_at] : !is_zero(base + f->at, f->size);

		for (size_t j = 0; j < count; j++)
			encode_value(f, base + f->at + j * f->size, out);
	}
}

/* Length of the UTF-8 sequence at s (RFC 3629); 0 when it is none, or a control character. */
static size_t utf8_sequence(const uint8_t *s, size_t left)
{
	static const struct {
		uint8_t first, last; /* lead bytes */
		uint8_t low, high;   /* bounds of the second byte */
		uint8_t len;
	} forms[] = {
		{ 0x20, 0x7e, 0, 0, 1 },          { 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 },    { 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 },    { 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 },    { 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (s[0] < forms[i].first || s[0] > forms[i].last)
			continue;
		if (left < forms[i].len)
			return 0;
		if (forms[i].len > 1 && (s[1] < forms[i].low || s[1] > forms[i].high))
			return 0;
		for (size_t j = 2; j < forms[i].len; j++)
			if ((s[j] & 0xc0) != 0x80)
				return 0;
		return forms[i].len;
	}
	return 0;
}

static bool text_is_valid(const uint8_t *s, size_t len)
{
	for (size_t step; len; s += step, len -= step) {
		step = utf8_sequence(s, len);
		if (!step)
			return false;
	}
	return true;
}

static bool prefix_is_valid(const struct prefix *p)
{
	return p->len <= 128 && prefix_contains(p, &p->addr);
}

static int decode_text(const struct field *f, struct cursor *v, uint8_t *at)
{
	size_t len = cursor_left(v);

	if (len >= f->size || !text_is_valid(v->p, len))
		return -EBADMSG;
	memset(at, 0, f->size);
	cursor_get(v, at, len);
	if (f->form == FIELD_NAME && !name_is_valid((char *)at))
		return -EBADMSG;
	return 0;
}

static int decode_port(struct cursor *v, struct service_port *p)
{
	if (cursor_left(v) != PORT_WIRE_LEN)
		return -EBADMSG;
	p->port = cursor_u16(v);
	p->target = cursor_u16(v);
	p->protocol = cursor_u8(v);
	if (!p->port || !p->target)
		return -EBADMSG;
	return p->protocol == IPPROTO_TCP || p->protocol == IPPROTO_UDP ||
	       p->protocol == IPPROTO_SCTP ? 0 : -EBADMSG;
}

static int decode_value(const struct field *f, struct cursor v, uint8_t *at)
{
	uint64_t number = 0;

	if (f->form == FIELD_PORT)
		return decode_port(&v, (struct service_port *)at);
	if (f->form == FIELD_PUBLISH)
		return publish_decode(&v, (struct publish *)at);
	if (f->form == FIELD_PAIR)
		return pair_decode(&v, (struct pair *)at);
	if (f->form == FIELD_POLICY_PORT)
		return policy_port_decode(&v, (struct policy_port *)at);
	if (f->form == FIELD_NAME || f->form == FIELD_TEXT)
		return decode_text(f, &v, at);
	if (cursor_left(&v) != f->size)
		return -EBADMSG;
	if (f->form == FIELD_BYTES || f->form == FIELD_PREFIX) {
		cursor_get(&v, at, f->size);
		return f->form == FIELD_PREFIX && !prefix_is_valid((const struct prefix *)at) ?
			       -EBADMSG : 0;
	}
	for (size_t i = 0; i < f->size; i++)
		number = number << 8 | cursor_u8(&v);
	if (f->form == FIELD_BOOL && number > 1)
		return -EBADMSG;
	store_uint(at, f->size, number);
	return 0;
}

static const struct field *find_field(const struct schema *s, uint8_t type)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->field[i].type == type)
			return &s->field[i];
	return NULL;
}

int schema_decode(const struct schema *s, struct cursor body, void *object)
{
	uint8_t *base = object;

	while (cursor_left(&body) && !body.bad) {
		const struct field *f = find_field(s, cursor_u8(&body));
		struct cursor value = cursor_blob(&body);
		size_t at;

		if (body.bad || !f)
			continue;
		at = f->at;
		if (f->max) {
			if (base[f->count_at] >= f->max)
				return -EBADMSG;
			at += (size_t)base[f->count_at]++ * f->size;
		}
		if (decode_value(f, value, base + at))
			return -EBADMSG;
	}
	return body.bad ? -EBADMSG : 0;
}
