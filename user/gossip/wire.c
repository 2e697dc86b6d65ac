// SPDX-License-Identifier: GPL-2.0-or-later
#include "wire.h"

static void put_id(struct buf *b, const struct id *id)
{
	buf_put(b, id->b, sizeof(id->b));
}

static void get_id(struct cursor *c, struct id *ret_id)
{
	cursor_get(c, ret_id->b, sizeof(ret_id->b));
}

static void put_addr(struct buf *b, const struct sockname *a)
{
	buf_put(b, a->addr.b, sizeof(a->addr.b));
	buf_u16(b, a->port);
}

/* Nobody can be reached at a zero address or port: such a claim is no claim. */
static void get_addr(struct cursor *c, struct sockname *ret_addr)
{
	cursor_get(c, ret_addr->addr.b, sizeof(ret_addr->addr.b));
	ret_addr->port = cursor_u16(c);
	if (!ret_addr->port || addr_is_zero(&ret_addr->addr))
		c->bad = true;
}

void wire_put_claim(struct buf *b, const struct claim *c)
{
	put_id(b, &c->id);
	put_addr(b, &c->addr);
	buf_u8(b, (uint8_t)c->status);
	buf_u64(b, c->incarnation);
	put_id(b, &c->accuser);
}

void wire_get_claim(struct cursor *c, struct claim *ret_claim)
{
	uint8_t status;

	get_id(c, &ret_claim->id);
	get_addr(c, &ret_claim->addr);
	status = cursor_u8(c);
	ret_claim->status = status;
	ret_claim->incarnation = cursor_u64(c);
	get_id(c, &ret_claim->accuser);
	/* The last incarnation could not be refuted, so it may not be claimed. */
	if (status > MEMBER_LEFT || ret_claim->incarnation == UINT64_MAX ||
	    id_is_zero(&ret_claim->id))
		c->bad = true;
}

void wire_put_key(struct buf *b, const struct record_key *k)
{
	buf_u8(b, k->kind);
	buf_u8(b, k->len);
	buf_put(b, k->bytes, k->len);
}

void wire_get_key(struct cursor *c, bool may_be_empty, struct record_key *ret_key)
{
	*ret_key = (struct record_key){ .kind = cursor_u8(c) };
	ret_key->len = cursor_u8(c);
	if (ret_key->len > RECORD_KEY_MAX || (!ret_key->len && !may_be_empty)) {
		ret_key->len = 0;
		c->bad = true;
		return;
	}
	cursor_get(c, ret_key->bytes, ret_key->len);
}

static void put_stamp_of(struct buf *b, const struct stamp *s, const struct id *writer)
{
	buf_u64(b, s->hi);
	buf_u64(b, s->lo);
	put_id(b, writer);
}

static void get_stamp_of(struct cursor *c, struct version *v)
{
	v->stamp.hi = cursor_u64(c);
	v->stamp.lo = cursor_u64(c);
	get_id(c, &v->writer);
}

void wire_put_version(struct buf *b, const struct version *v)
{
	wire_put_key(b, &v->key);
	put_stamp_of(b, &v->stamp, &v->writer);
	buf_u64(b, v->hash);
}

void wire_get_version(struct cursor *c, struct version *ret_version)
{
	wire_get_key(c, false, &ret_version->key);
	get_stamp_of(c, ret_version);
	ret_version->hash = cursor_u64(c);
}

/* Begins a message; end_message fills in its length. */
static size_t begin_message(struct buf *b, enum wire_type type)
{
	buf_u8(b, (uint8_t)type);
	buf_u16(b, 0);
	return b->len;
}

static void end_message(struct buf *b, size_t start)
{
	if (b->failed || b->len - start > UINT16_MAX)
		b->failed = true;
	else
		buf_patch_u16(b, start - 2, (uint16_t)(b->len - start));
}

void wire_put_ping(struct buf *b, uint32_t number, const struct id *target)
{
	size_t start = begin_message(b, WIRE_PING);

	buf_u32(b, number);
	put_id(b, target);
	end_message(b, start);
}

void wire_put_ping_req(struct buf *b, uint32_t number, const struct id *target,
		       const struct sockname *addr)
{
	size_t start = begin_message(b, WIRE_PING_REQ);

	buf_u32(b, number);
	put_id(b, target);
	put_addr(b, addr);
	end_message(b, start);
}

void wire_put_ack(struct buf *b, enum wire_type ack_or_nack, uint32_t number)
{
	size_t start = begin_message(b, ack_or_nack);

	buf_u32(b, number);
	end_message(b, start);
}

void wire_put_member(struct buf *b, const struct claim *c)
{
	size_t start = begin_message(b, WIRE_MEMBER);

	wire_put_claim(b, c);
	end_message(b, start);
}

void wire_put_record(struct buf *b, const struct record *r)
{
	size_t start = begin_message(b, WIRE_RECORD);

	record_encode(b, r);
	end_message(b, start);
}

void wire_put_stamp(struct buf *b, const struct record *r)
{
	size_t start = begin_message(b, WIRE_STAMP);

	wire_put_key(b, &r->key);
	put_stamp_of(b, &r->stamp, &r->writer);
	end_message(b, start);
}

/* Reads the fields of a known type; false for one that is not known. */
static bool get_value(struct cursor *v, struct wire_message *m)
{
	switch (m->type) {
	case WIRE_PING:
		m->number = cursor_u32(v);
		get_id(v, &m->target);
		return true;
	case WIRE_PING_REQ:
		m->number = cursor_u32(v);
		get_id(v, &m->target);
		get_addr(v, &m->addr);
		return true;
	case WIRE_ACK:
	case WIRE_NACK:
		m->number = cursor_u32(v);
		return true;
	case WIRE_MEMBER:
		wire_get_claim(v, &m->claim);
		return true;
	case WIRE_RECORD:
		if (record_decode(v, &m->record))
			v->bad = true;
		return true;
	case WIRE_STAMP:
		wire_get_key(v, false, &m->version.key);
		get_stamp_of(v, &m->version);
		return true;
	}
	return false;
}

bool wire_next(struct cursor *c, struct wire_message *ret_message)
{
	while (!c->bad && cursor_left(c)) {
		struct wire_message m = { .type = cursor_u8(c) };
		struct cursor value = cursor_blob(c);

		if (c->bad || !get_value(&value, &m))
			continue;
		if (value.bad) {
			c->bad = true;
			return false;
		}
		*ret_message = m;
		return true;
	}
	return false;
}
