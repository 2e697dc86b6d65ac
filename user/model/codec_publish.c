/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A published port on the wire:
 *
 *   u8 mode | u8 protocol | u16 published | u16 target | address | u8 count | count prefixes
 *
 * An address is u8 length | bytes, of length 0 (every address), 4 or 16; a prefix is an
 * address, not empty, and u8 length in bits of those bytes. Short, because a service may have 32
 * ports with 16 prefixes each, and its record has to hold them (RECORD_BODY_MAX).
 */
#include "codec.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#define V4_LEN 4
#define V4_AT 12 /* where the IPv4 part of a mapped address begins */

static void encode_addr(const struct ov_addr *a, bool v4, struct buf *out)
{
	size_t at = v4 ? V4_AT : 0;

	buf_u8(out, (uint8_t)(sizeof(a->b) - at));
	buf_put(out, a->b + at, sizeof(a->b) - at);
}

static void encode_prefix(const struct prefix *p, struct buf *out)
{
	bool v4 = addr_is_v4(&p->addr);

	encode_addr(&p->addr, v4, out);
	buf_u8(out, v4 ? p->len - ADDR_V4_BITS : p->len);
}

void publish_encode(uint8_t type, const struct publish *p, struct buf *out)
{
	size_t start;

	buf_u8(out, type);
	start = out->len;
	buf_u16(out, 0);
	buf_u8(out, p->mode);
	buf_u8(out, p->protocol);
	buf_u16(out, p->published);
	buf_u16(out, p->target);
	if (addr_is_zero(&p->addr))
		buf_u8(out, 0);
	else
		encode_addr(&p->addr, addr_is_v4(&p->addr), out);
	buf_u8(out, p->allow_count);
	for (int i = 0; i < p->allow_count; i++)
		encode_prefix(&p->allow[i], out);
	if (!out->failed)
		buf_patch_u16(out, start, (uint16_t)(out->len - start - 2));
}

static int decode_addr(struct cursor *v, struct ov_addr *a, uint8_t *ret_len)
{
	uint8_t len = *ret_len = cursor_u8(v);

	*a = len == V4_LEN ? addr_from_v4(0) : (struct ov_addr){ 0 };
	if (len == V4_LEN)
		cursor_get(v, a->b + V4_AT, V4_LEN);
	else if (len)
		cursor_get(v, a->b, sizeof(a->b));
	return v->bad || (len && len != V4_LEN && len != sizeof(a->b)) ? -EBADMSG : 0;
}

/* 0.0.0.0 is nobody's: every address is written as none. */
static int decode_bound_addr(struct cursor *v, struct ov_addr *a)
{
	struct ov_addr any = addr_from_v4(0);
	uint8_t len;
	int r = decode_addr(v, a, &len);

	return !r && (!addr_cmp(a, &any) || (len && addr_is_zero(a))) ? -EBADMSG : r;
}

static int decode_prefix(struct cursor *v, struct prefix *p)
{
	uint8_t addr_len;
	int r = decode_addr(v, &p->addr, &addr_len);
	uint8_t len = cursor_u8(v);

	if (r || v->bad || !addr_len || len > 8 * addr_len)
		return -EBADMSG;
	p->len = addr_len == V4_LEN ? len + ADDR_V4_BITS : len;
	return prefix_contains(p, &p->addr) ? 0 : -EBADMSG;
}

/* Each prefix once: they are the keys of a table. */
static bool is_repeated(const struct publish *p, int at)
{
	for (int i = 0; i < at; i++)
		if (p->allow[i].len == p->allow[at].len &&
		    !addr_cmp(&p->allow[i].addr, &p->allow[at].addr))
			return true;
	return false;
}

static bool is_possible(const struct publish *p)
{
	return p->mode <= PUBLISH_HOST && p->published && p->target &&
	       (p->protocol == IPPROTO_TCP || p->protocol == IPPROTO_UDP ||
		p->protocol == IPPROTO_SCTP) && p->allow_count <= PUBLISH_ALLOW_MAX;
}

int publish_decode(struct cursor *v, struct publish *p)
{
	*p = (struct publish){ .mode = cursor_u8(v) };
	p->protocol = cursor_u8(v);
	p->published = cursor_u16(v);
	p->target = cursor_u16(v);
	if (decode_bound_addr(v, &p->addr))
		return -EBADMSG;
	p->allow_count = cursor_u8(v);
	if (!is_possible(p))
		return -EBADMSG;
	for (int i = 0; i < p->allow_count; i++)
		if (decode_prefix(v, &p->allow[i]) || is_repeated(p, i))
			return -EBADMSG;
	return v->bad || cursor_left(v) ? -EBADMSG : 0;
}
