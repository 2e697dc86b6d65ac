/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A rule of policy. A port on the wire:
 *
 *   u8 protocol | u16 first | u16 last
 */
#include "codec.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define POLICY_PORT_WIRE_LEN 5

void policy_port_encode(uint8_t type, const struct policy_port *p, struct buf *out)
{
	buf_u8(out, type);
	buf_u16(out, POLICY_PORT_WIRE_LEN);
	buf_u8(out, p->protocol);
	buf_u16(out, p->first);
	buf_u16(out, p->last);
}

static bool has_ports(uint8_t protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP;
}

bool policy_port_is_whole(const struct policy_port *p)
{
	return !p->first && p->last == UINT16_MAX;
}

int policy_port_decode(struct cursor *v, struct policy_port *p)
{
	if (cursor_left(v) != POLICY_PORT_WIRE_LEN)
		return -EBADMSG;
	p->protocol = cursor_u8(v);
	p->first = cursor_u16(v);
	p->last = cursor_u16(v);
	if (has_ports(p->protocol))
		return p->first <= p->last ? 0 : -EBADMSG;
	if (p->protocol != POLICY_PROTOCOL_ANY && p->protocol != IPPROTO_ICMP)
		return -EBADMSG;
	return policy_port_is_whole(p) ? 0 : -EBADMSG;
}

void policy_encode(struct buf *out, const struct policy *p, const struct policy_detail *d)
{
	struct policy_whole whole = { *p, *d };

	schema_encode(&schema_of_kind[RECORD_POLICY], &whole, out);
}

static int decode_whole(const uint8_t *body, size_t len, struct policy_whole *whole)
{
	memset(whole, 0, sizeof(*whole));
	return schema_decode(&schema_of_kind[RECORD_POLICY], cursor_of(body, len), whole);
}

void policy_detail_decode(const struct item *it, struct policy_detail *ret_detail)
{
	struct policy_whole whole;

	if (decode_whole(it->body, it->body_len, &whole))
		memset(&whole, 0, sizeof(whole)); /* made by hand: nothing half-read */
	*ret_detail = whole.d;
}

/* Says what its kind says, and nothing else: no two ways to write one selector. */
static bool selector_is_valid(const struct selector *s, const struct label *label)
{
	static const struct prefix none;
	bool has_id = !id_is_zero(&s->id), has_label = label->text[0];
	bool has_cidr = memcmp(&s->cidr, &none, sizeof(none)) != 0;
	bool by_id = s->kind == SELECTOR_SERVICE || s->kind == SELECTOR_ENDPOINT;

	return s->kind <= SELECTOR_CIDR && has_id == by_id &&
	       has_label == (s->kind == SELECTOR_LABEL) &&
	       has_cidr == (s->kind == SELECTOR_CIDR);
}

int decode_policy_item(const struct record *r, struct policy *ret_policy)
{
	struct policy_whole whole;
	int err = decode_whole(r->body, r->body_len, &whole);

	*ret_policy = whole.p;
	if (err)
		return err;
	return selector_is_valid(&whole.p.from, &whole.d.from_label) &&
	       selector_is_valid(&whole.p.to, &whole.d.to_label) ? 0 : -EBADMSG;
}

/* ---- as people see it ---- */

static const char *protocol_word(uint8_t protocol)
{
	if (protocol == POLICY_PROTOCOL_ANY)
		return "any";
	return protocol == IPPROTO_ICMP ? "icmp" : protocol_to_str(protocol);
}

const char *policy_port_format(const struct policy_port *p, char out[POLICY_PORT_TEXT_MAX])
{
	const char *word = protocol_word(p->protocol);

	if (policy_port_is_whole(p))
		snprintf(out, POLICY_PORT_TEXT_MAX, "%s", word);
	else if (p->first == p->last)
		snprintf(out, POLICY_PORT_TEXT_MAX, "%u/%s", p->first, word);
	else
		snprintf(out, POLICY_PORT_TEXT_MAX, "%u-%u/%s", p->first, p->last, word);
	return out;
}

const char *selector_kind_to_str(uint8_t kind)
{
	static const char *const words[] = {
		[SELECTOR_ANY] = "any",           [SELECTOR_SERVICE] = "service",
		[SELECTOR_LABEL] = "label",       [SELECTOR_ENDPOINT] = "endpoint",
		[SELECTOR_CIDR] = "cidr",
	};

	return kind <= SELECTOR_CIDR ? words[kind] : "unknown";
}
