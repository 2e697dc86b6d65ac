/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire.h"

#include <string.h>

void dns_get_header(struct cursor *c, struct dns_header *ret_header)
{
	ret_header->id = cursor_u16(c);
	ret_header->flags = cursor_u16(c);
	ret_header->question = cursor_u16(c);
	ret_header->answer = cursor_u16(c);
	ret_header->authority = cursor_u16(c);
	ret_header->additional = cursor_u16(c);
}

/* Moves *at to where a pointer leads, which must be before *floor, and lowers that. */
static bool follow(struct cursor *at, uint8_t high, const uint8_t *message, const uint8_t **floor)
{
	size_t offset = (size_t)(high & 0x3f) << 8 | cursor_u8(at);

	if (at->bad || !message || offset >= (size_t)(*floor - message))
		return false;
	*floor = at->p = message + offset;
	return true;
}

void dns_get_name(struct cursor *c, const void *message, struct dns_name *ret_name)
{
	const uint8_t *floor = c->p;
	struct cursor at = *c;
	bool jumped = false;
	size_t len = 0;

	ret_name->len = 0;
	for (;;) {
		uint8_t label = cursor_u8(&at);
		const uint8_t *bytes;

		if (label > DNS_LABEL_MAX) { /* a pointer, or one of the forms nobody uses */
			if (label < DNS_POINTER >> 8 || !follow(&at, label, message, &floor))
				break;
			c->p = jumped ? c->p : c->p + len + 2;
			jumped = true;
			continue;
		}
		bytes = cursor_take(&at, label);
		if (!bytes || len + 1 + label + !!label > DNS_NAME_WIRE_MAX)
			break;
		ret_name->octets[len] = label;
		memcpy(ret_name->octets + len + 1, bytes, label);
		len += 1u + label;
		if (label)
			continue;
		ret_name->len = (uint8_t)len;
		c->p = jumped ? c->p : at.p;
		return;
	}
	c->bad = true;
}

void dns_get_record(struct cursor *c, const void *message, struct dns_record *ret_record)
{
	dns_get_name(c, message, &ret_record->owner);
	ret_record->type = cursor_u16(c);
	ret_record->class = cursor_u16(c);
	ret_record->ttl = cursor_u32(c);
	ret_record->data = cursor_blob(c);
	if (ret_record->data.bad)
		c->bad = true;
}

static bool is_plain(uint8_t byte)
{
	return byte > ' ' && byte < 0x7f && byte != '.';
}

static char lower(uint8_t byte)
{
	return (char)(byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte);
}

bool dns_name_text(const struct dns_name *n, char out[DNS_NAME_TEXT_MAX])
{
	bool plain = true;
	size_t len = 0;

	for (size_t i = 0; i < n->len && n->octets[i]; i += 1u + n->octets[i]) {
		if (len)
			out[len++] = '.';
		for (size_t j = 1; j <= n->octets[i]; j++) {
			uint8_t byte = n->octets[i + j];

			plain &= is_plain(byte);
			out[len++] = is_plain(byte) ? lower(byte) : '?';
		}
	}
	out[len] = '\0';
	return plain;
}

void dns_put_header(struct buf *out, const struct dns_header *h)
{
	buf_u16(out, h->id);
	buf_u16(out, h->flags);
	buf_u16(out, h->question);
	buf_u16(out, h->answer);
	buf_u16(out, h->authority);
	buf_u16(out, h->additional);
}

static bool is_writable(const char *text)
{
	size_t len = strlen(text), label;

	if (len > DNS_NAME_WIRE_MAX - 2)
		return false;
	for (const char *at = text; *at; at += label + (at[label] == '.')) {
		label = strcspn(at, ".");
		if (!label || label > DNS_LABEL_MAX || !strcmp(at + label, "."))
			return false;
	}
	return true;
}

bool dns_put_name(struct buf *out, const char *text)
{
	if (!is_writable(text))
		return false;
	while (*text) {
		size_t label = strcspn(text, ".");

		buf_u8(out, (uint8_t)label);
		buf_put(out, text, label);
		text += label + (text[label] == '.');
	}
	buf_u8(out, 0);
	return true;
}

size_t dns_begin_record(struct buf *out, uint16_t owner, enum dns_type type, uint32_t ttl)
{
	buf_u16(out, owner);
	buf_u16(out, (uint16_t)type);
	buf_u16(out, DNS_CLASS_IN);
	buf_u32(out, ttl);
	buf_u16(out, 0);
	return out->len;
}

void dns_end_record(struct buf *out, size_t start)
{
	if (!out->failed)
		buf_patch_u16(out, start - 2, (uint16_t)(out->len - start));
}

void dns_put_opt(struct buf *out, enum dns_rcode rcode)
{
	buf_u8(out, 0);
	buf_u16(out, DNS_OPT);
	buf_u16(out, DNS_UDP_MAX);
	buf_u32(out, (uint32_t)rcode >> 4 << 24);
	buf_u16(out, 0);
}
