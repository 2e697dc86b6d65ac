/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is answered, and what is left to others. A name exists or it does not,
 * whatever type is asked for: of one that exists every other type is "no data"
 * (RFC 2308, with an SOA), so that nothing of ours is ever asked of strangers.
 *
 *   d.c.b.a.in-addr.arpa   PTR, when the address is in a network of the asker
 *   _PORT._PROTO.SERVICE   SRV
 *   anything else          A, as names_find says
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"
#include "wire.h"

#define A_LEN 16          /* of a record: 12 with its owner a pointer, and 4 */
#define PICK_MAX 4096     /* candidates of one answer: more than DNS_TCP_MAX holds */
#define RANDOM_BATCH 16   /* numbers drawn at once: one block of the stream */
#define SOA_SERIAL 1      /* nobody transfers these zones: from here on, RFC 1035's examples */
#define SOA_REFRESH 3600
#define SOA_RETRY 600
#define SOA_EXPIRE 86400

_Static_assert(PICK_MAX * A_LEN > DNS_TCP_MAX, "or an answer would be cut without cause");

struct reply {
	const struct dns_names *n;
	const struct dns_query *q;
	struct rng *rng;
	uint32_t random[RANDOM_BATCH];
	size_t random_left;
	struct buf *out;
	bool tcp;
	size_t limit; /* of all before the OPT */
	struct dns_header header;
};

static bool wants(const struct reply *r, enum dns_type type)
{
	return r->q->type == type || r->q->type == DNS_ANY;
}

static void begin_reply(struct reply *r, const void *data)
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

static void end_reply(struct reply *r)
{
	struct buf *out = r->out;

	if (r->q->edns)
		dns_put_opt(out, DNS_NOERROR);
	buf_patch_u16(out, 2, r->header.flags);
	buf_patch_u16(out, 6, r->header.answer);
	buf_patch_u16(out, 8, r->header.authority);
	buf_patch_u16(out, 10, r->header.additional);
}

/* Counts the record that begins at `start`; one that does not fit is taken back whole. */
static bool keep(struct reply *r, size_t start, uint16_t *count)
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

static bool keep_answer(struct reply *r, size_t start)
{
	bool kept = keep(r, start, &r->header.answer);

	if (!kept && !r->tcp) /* by TCP there is no more to be had */
		r->header.flags |= DNS_TC;
	return kept;
}

static void put_a(struct reply *r, uint16_t owner, const struct ov_addr *addr)
{
	size_t data = dns_begin_record(r->out, owner, DNS_A, DNS_TTL);

	buf_u32(r->out, addr_v4(addr));
	dns_end_record(r->out, data);
}

/* Nothing there, and for how long that holds. The zone is the question less some labels. */
static void put_nothing(struct reply *r, enum dns_rcode rcode, int labels)
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
	keep(r, start, &r->header.authority);
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

struct pick {
	size_t count;
	uint32_t index[PICK_MAX];
};

/*
 * Some of `count`, in random order: one more than could fit, so that what did not
 * is noticed. The work is bounded by the answer's size, not by how many there are:
 * of very many, only a window that begins anywhere is shuffled.
 */
static void pick(struct reply *r, size_t count, struct pick *p)
{
	size_t window = count < PICK_MAX ? count : PICK_MAX;
	size_t from = count > window ? random_below(r, count) : 0;

	p->count = r->limit / A_LEN + 1 < window ? r->limit / A_LEN + 1 : window;
	for (size_t i = 0; i < window; i++)
		p->index[i] = (uint32_t)((from + i) % count);
	for (size_t i = 0; i < p->count; i++) {
		size_t j = i + random_below(r, window - i);
		uint32_t swap = p->index[i];

		p->index[i] = p->index[j];
		p->index[j] = swap;
	}
}

static void answer_list(struct reply *r, const struct dns_found *f)
{
	struct pick p;

	pick(r, f->count, &p);
	for (size_t i = 0; i < p.count; i++) {
		const struct dns_endpoint *e = names_endpoint(r->n, f, p.index[i]);
		size_t start = r->out->len;

		put_a(r, DNS_QUESTION_PTR, &e->addr);
		if (!keep_answer(r, start))
			break;
	}
}

static bool answer_name(struct reply *r, const struct dns_asker *asker)
{
	struct dns_found f = names_find(r->n, asker, r->q->name);

	if (f.kind == FOUND_NOTHING)
		return false;
	if (!wants(r, DNS_A) || !f.count) {
		put_nothing(r, DNS_NOERROR, 0);
		return true;
	}
	if (f.kind == FOUND_VIP) {
		size_t start = r->out->len;

		put_a(r, DNS_QUESTION_PTR, &f.service->vip);
		keep_answer(r, start);
		return true;
	}
	answer_list(r, &f);
	return true;
}

/* NAME.NETWORK. False when DNS cannot carry it: a label of more than 63 bytes. */
static bool put_qualified(struct reply *r, const char *name, uint32_t network)
{
	char text[2 * DNS_NAME_TEXT_MAX];

	snprintf(text, sizeof(text), "%s.%s", name, names_text(r->n, r->n->network[network].text));
	return dns_put_name(r->out, text);
}

static bool put_endpoint_name(struct reply *r, const struct dns_endpoint *e)
{
	char hex[ID_SHORT + 1];

	if (e->text)
		return put_qualified(r, names_text(r->n, e->text), e->network);
	return put_qualified(r, hex_format(e->short_id, sizeof(e->short_id), hex), e->network);
}

/* The address that d.c.b.a.in-addr.arpa is about. */
static bool reverse_addr(const char *name, struct ov_addr *ret_addr)
{
	uint32_t v4 = 0;

	for (int i = 0; i < 4; i++) {
		size_t digits = strspn(name, "0123456789");
		unsigned long byte = strtoul(name, NULL, 10);

		if (!digits || digits > 3 || byte > 255 || name[digits] != '.')
			return false;
		if (digits > 1 && name[0] == '0')
			return false;
		v4 |= (uint32_t)byte << (8 * i);
		name += digits + 1;
	}
	*ret_addr = addr_from_v4(v4);
	return !strcmp(name, "in-addr.arpa");
}

/* An address inside that nobody has does not exist: private addresses are not told upstream. */
static bool answer_reverse(struct reply *r, const struct dns_asker *asker,
			   const struct ov_addr *addr)
{
	struct dns_holder h = names_find_addr(r->n, asker, addr);
	size_t start = r->out->len, data;
	bool named;

	if (!h.inside)
		return false;
	if (!h.endpoint && !h.service) {
		put_nothing(r, DNS_NXDOMAIN, 1);
		return true;
	}
	data = dns_begin_record(r->out, DNS_QUESTION_PTR, DNS_PTR, DNS_TTL);
	named = h.endpoint ? put_endpoint_name(r, h.endpoint) :
			     put_qualified(r, names_text(r->n, h.service->text), h.service->network);
	dns_end_record(r->out, data);
	if (named && wants(r, DNS_PTR)) {
		keep_answer(r, start);
		return true;
	}
	r->out->len = start;
	put_nothing(r, DNS_NOERROR, 0);
	return true;
}

struct srv_question {
	uint16_t port;
	uint8_t protocol;
	const char *service;
};

static bool srv_parse(const char *name, struct srv_question *ret_srv)
{
	static const struct {
		const char *text;
		uint8_t protocol;
	} protocols[] = {
		{ "._tcp.", IPPROTO_TCP }, { "._udp.", IPPROTO_UDP }, { "._sctp.", IPPROTO_SCTP },
	};
	size_t digits = strspn(name + 1, "0123456789"), len;
	unsigned long port = strtoul(name + 1, NULL, 10);

	if (name[0] != '_' || !digits || digits > 5 || name[1] == '0' || port > UINT16_MAX)
		return false;
	name += 1 + digits;
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
		len = strlen(protocols[i].text);
		if (strncmp(name, protocols[i].text, len))
			continue;
		*ret_srv = (struct srv_question){ (uint16_t)port, protocols[i].protocol, name + len };
		return true;
	}
	return false;
}

/* Where an answered target is, for its address to be added. */
struct srv_target {
	size_t count;
	uint32_t at[PICK_MAX];
	uint32_t index[PICK_MAX];
};

/* Priority 0: all are equal but for their weight. The target is not compressed (RFC 2782). */
static bool put_srv(struct reply *r, const struct dns_endpoint *e, uint16_t port,
		    uint32_t *ret_target)
{
	size_t data = dns_begin_record(r->out, DNS_QUESTION_PTR, DNS_SRV, DNS_TTL);
	bool named;

	buf_u16(r->out, 0);
	buf_u16(r->out, e->weight);
	buf_u16(r->out, port);
	*ret_target = (uint32_t)r->out->len;
	named = put_endpoint_name(r, e);
	dns_end_record(r->out, data);
	return named;
}

static void put_targets(struct reply *r, const struct dns_found *f, const struct srv_target *t)
{
	for (size_t i = 0; i < t->count && t->at[i] <= DNS_POINTER_MAX; i++) {
		size_t start = r->out->len;

		put_a(r, (uint16_t)(DNS_POINTER | t->at[i]),
		      &names_endpoint(r->n, f, t->index[i])->addr);
		if (!keep(r, start, &r->header.additional))
			break;
	}
}

static void answer_targets(struct reply *r, const struct dns_found *f, uint16_t port)
{
	struct srv_target t = { .count = 0 };
	struct pick p;

	pick(r, f->count, &p);
	for (size_t i = 0; i < p.count; i++) {
		size_t start = r->out->len;

		t.index[t.count] = p.index[i];
		if (!put_srv(r, names_endpoint(r->n, f, p.index[i]), port, &t.at[t.count])) {
			r->out->len = start;
			continue;
		}
		if (!keep_answer(r, start))
			break;
		t.count++;
	}
	put_targets(r, f, &t);
}

static bool answer_srv(struct reply *r, const struct dns_asker *asker)
{
	struct srv_question srv;
	struct dns_found f;
	uint16_t target;

	if (!srv_parse(r->q->name, &srv))
		return false;
	f = names_find(r->n, asker, srv.service);
	if (!f.service)
		return false;
	if (!names_port(r->n, f.service, srv.port, srv.protocol, &target)) {
		put_nothing(r, DNS_NXDOMAIN, 2);
		return true;
	}
	f = names_backends(r->n, f.service, f.service->serving);
	if (wants(r, DNS_SRV) && f.count)
		answer_targets(r, &f, target);
	if (!r->header.answer)
		put_nothing(r, DNS_NOERROR, 0);
	return true;
}

enum dns_result dns_answer(const struct dns_names *n, const struct dns_asker *asker,
			   const struct dns_query *q, const void *data, bool tcp, struct rng *rng,
			   struct buf *out)
{
	struct reply r = { .n = n, .q = q, .rng = rng, .out = out, .tcp = tcp };
	struct ov_addr addr;
	bool ours;

	if (!q->plain || (q->class != DNS_CLASS_IN && q->class != DNS_CLASS_ANY))
		return DNS_FORWARD;
	begin_reply(&r, data);
	if (reverse_addr(q->name, &addr))
		ours = answer_reverse(&r, asker, &addr);
	else if (q->name[0] == '_')
		ours = answer_srv(&r, asker);
	else
		ours = answer_name(&r, asker);
	if (!ours) {
		buf_reset(out);
		return DNS_FORWARD;
	}
	end_reply(&r);
	return DNS_ANSWERED;
}
