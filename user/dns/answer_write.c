/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "answer_write.h"

#define A_LEN 16          /* of a record: 12 with its owner a pointer, and 4 */
#define SOA_SERIAL 1      /* nobody transfers these zones: from here on, RFC 1035's examples */
#define SOA_REFRESH 3600
#define SOA_RETRY 600
#define SOA_EXPIRE 86400

_Static_assert(PICK_MAX * A_LEN > DNS_TCP_MAX, "or an answer would be cut without cause");

void reply_begin(struct reply *r, const void *data)
{
	const struct dns_query *q = r->q;
	size_t udp = q->udp_size < DNS_UDP_MAX ? q->udp_size : DNS_UDP_MAX;

	r->limit = (r->tcp ? DNS_TCP_MAX : udp) - (q->edns ? DNS_OPT_LEN : 0);
	r->header = (struct dns_header){
		.id = q->id,
		.flags = (uint16_t)(DNS_QR | DNS_AA | (q->flags & DNS_RD) | DNS_RA),
		.question = 1,
		.additional = q->edns,
	};
	buf_reset(r->out);
	dns_put_header(r->out, &r->header);
	buf_put(r->out, (const uint8_t *)data + DNS_HEADER_LEN, q->question_len);
}

void reply_end(struct reply *r)
{
	struct buf *out = r->out;

	if (r->q->edns)
		dns_put_opt(out, DNS_NOERROR);
	buf_patch_u16(out, 2, r->header.flags);
	buf_patch_u16(out, 6, r->header.answer);
	buf_patch_u16(out, 8, r->header.authority);
	buf_patch_u16(out, 10, r->header.additional);
}

bool reply_keep(struct reply *r, size_t start, uint16_t *count)
{
	if (r->out->failed)
		return false;
	if (r->out->len > r->limit) {
		r->out->len = start;
		return false;
	}
	++*count;
	return true;
}

bool reply_keep_answer(struct reply *r, size_t start)
{
	bool kept = reply_keep(r, start, &r->header.answer);

	if (!kept && !r->tcp) /* by TCP there is no more to be had */
		r->header.flags |= DNS_TC;
	return kept;
}

void reply_put_a(struct reply *r, uint16_t owner, const struct ov_addr *addr)
{
	size_t data = dns_begin_record(r->out, owner, DNS_A, DNS_TTL);

	buf_u32(r->out, addr_v4(addr));
	dns_end_record(r->out, data);
}

void reply_put_nothing(struct reply *r, enum dns_rcode rcode, int labels)
{
	size_t zone = DNS_HEADER_LEN, start = r->out->len, data;
	uint16_t owner;

	if (r->out->failed)
		return;
	while (labels--)
		zone += 1u + r->out->data[zone];
	owner = (uint16_t)(DNS_POINTER | zone);
	r->header.flags |= (uint16_t)rcode;
	data = dns_begin_record(r->out, owner, DNS_SOA, DNS_TTL);
	buf_u16(r->out, owner); /* server: the name itself */
	buf_u8(r->out, 0);      /* mailbox: none */
	buf_u32(r->out, SOA_SERIAL);
	buf_u32(r->out, SOA_REFRESH);
	buf_u32(r->out, SOA_RETRY);
	buf_u32(r->out, SOA_EXPIRE);
	buf_u32(r->out, DNS_TTL);
	dns_end_record(r->out, data);
	reply_keep(r, start, &r->header.authority);
}

/* The bias, below bound / 2^32, is nothing to a choice among backends. */
static size_t random_below(struct reply *r, size_t bound)
{
	if (!r->random_left) {
		rng_bytes(r->rng, r->random, sizeof(r->random));
		r->random_left = RANDOM_BATCH;
	}
	return (size_t)((uint64_t)r->random[--r->random_left] * bound >> 32);
}

void reply_pick(struct reply *r, size_t count, struct pick *ret_pick)
{
	size_t window = count < PICK_MAX ? count : PICK_MAX;
	size_t from = count > window ? random_below(r, count) : 0;

	ret_pick->count = r->limit / A_LEN + 1 < window ? r->limit / A_LEN + 1 : window;
	for (size_t i = 0; i < window; i++)
		ret_pick->index[i] = (uint32_t)((from + i) % count);
	for (size_t i = 0; i < ret_pick->count; i++) {
		size_t j = i + random_below(r, window - i);
		uint32_t swap = ret_pick->index[i];

		ret_pick->index[i] = ret_pick->index[j];
		ret_pick->index[j] = swap;
	}
}
