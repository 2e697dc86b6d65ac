/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "wire.h"

/* The one question; its name has nothing before it to point to. */
static void get_question(struct cursor *c, struct dns_query *q)
{
	const uint8_t *start = c->p;
	struct dns_name name;

	dns_get_name(c, NULL, &name);
	q->type = cursor_u16(c);
	q->class = cursor_u16(c);
	if (c->bad)
		return;
	q->plain = dns_name_text(&name, q->name);
	q->question_len = (size_t)(c->p - start);
}

/* Sizes below what everybody takes mean that much (RFC 6891 6.2.3). */
static int take_opt(const struct dns_record *r, struct dns_query *q)
{
	if (q->edns || r->owner.len != 1)
		return DNS_FORMERR;
	q->edns = true;
	q->udp_size = r->class > DNS_UDP_PLAIN ? r->class : DNS_UDP_PLAIN;
	return r->ttl >> 16 & 0xff ? DNS_BADVERS : DNS_NOERROR;
}

/* What else is there (a TSIG, a key) says nothing to us. Bounded: a record takes 11 bytes. */
static int get_additional(struct cursor *c, const void *message, size_t count, struct dns_query *q)
{
	int rcode = DNS_NOERROR;

	for (size_t i = 0; i < count; i++) {
		struct dns_record r;
		int err = DNS_NOERROR;

		dns_get_record(c, message, &r);
		if (c->bad)
			return DNS_FORMERR;
		if (r.type == DNS_OPT)
			err = take_opt(&r, q);
		if (err == DNS_FORMERR)
			return err;
		rcode = err ? err : rcode;
	}
	return rcode;
}

/* What can be read is read, whatever comes out: an error's answer tells of it. */
static int parse(const void *data, size_t len, struct dns_query *q)
{
	struct cursor c = cursor_of(data, len);
	struct dns_header h;

	dns_get_header(&c, &h);
	if (c.bad || h.flags & DNS_QR)
		return -EBADMSG;
	*q = (struct dns_query){ .id = h.id, .flags = h.flags, .udp_size = DNS_UDP_PLAIN };
	if (h.question == 1)
		get_question(&c, q);
	if (h.flags & DNS_OPCODE)
		return DNS_NOTIMP;
	if (c.bad || h.question != 1 || h.answer || h.authority)
		return DNS_FORMERR;
	return get_additional(&c, data, h.additional, q);
}

int dns_parse(const void *data, size_t len, struct dns_query *ret_query)
{
	struct dns_query q;
	int r = parse(data, len, &q);

	if (!r)
		*ret_query = q;
	return r;
}

void dns_error(const void *data, size_t len, enum dns_rcode rcode, struct buf *out)
{
	struct cursor c = cursor_of(data, len);
	struct dns_query q = { 0 };
	struct dns_header h;
	bool opt;

	buf_reset(out);
	dns_get_header(&c, &h);
	if (c.bad)
		return;
	parse(data, len, &q);
	opt = q.edns || rcode > 0xf;
	dns_put_header(out, &(struct dns_header){
		.id = h.id,
		.flags = (uint16_t)(DNS_QR | (h.flags & (DNS_OPCODE | DNS_RD)) | DNS_RA |
				    (rcode & 0xf)),
		.question = q.question_len != 0,
		.additional = opt,
	});
	buf_put(out, (const uint8_t *)data + DNS_HEADER_LEN, q.question_len);
	if (opt)
		dns_put_opt(out, rcode);
}
