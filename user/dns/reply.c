/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reply.h"

#include <string.h>

#include "forward.h"

enum section { ANSWER, AUTHORITY, ADDITIONAL };

/* Steps through the records behind the question. */
struct walk {
	struct cursor at;
	unsigned int left[3]; /* records to come, by section */
	/* the record of the last step */
	enum section section;
	uint16_t type;
	const uint8_t *start, *ttl; /* in the message */
	struct cursor data;
};

uint16_t dns_get_u16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

void dns_set_u16(uint8_t *at, uint16_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static uint32_t get_u32(const uint8_t *at)
{
	return (uint32_t)dns_get_u16(at) << 16 | dns_get_u16(at + 2);
}

/* A compression pointer ends a name (RFC 1035 4.1.4). */
static void skip_name(struct cursor *c)
{
	while (!c->bad) {
		uint8_t len = cursor_u8(c);

		if (len >= 0xc0) {
			cursor_u8(c);
			return;
		}
		if (len > 63) {
			c->bad = true;
			return;
		}
		if (!len)
			return;
		cursor_take(c, len);
	}
}

static void walk_begin(struct walk *w, const uint8_t *data, size_t len, size_t question_len)
{
	size_t skip = DNS_HEADER_LEN + question_len;

	*w = (struct walk){ .at = cursor_of(data, len) };
	for (int i = 0; i < 3; i++)
		w->left[i] = dns_get_u16(data + 6 + 2 * i);
	cursor_take(&w->at, skip);
}

/* False at the end and when the message is broken: then at.bad is set. */
static bool walk_next(struct walk *w)
{
	while (w->section <= ADDITIONAL && !w->left[w->section])
		w->section++;
	if (w->section > ADDITIONAL || w->at.bad)
		return false;
	w->left[w->section]--;
	w->start = w->at.p;
	skip_name(&w->at);
	w->type = cursor_u16(&w->at);
	cursor_u16(&w->at);
	w->ttl = cursor_take(&w->at, 4);
	w->data = cursor_blob(&w->at);
	return !w->at.bad;
}

enum dns_tail dns_query_tail(const uint8_t *data, size_t len, size_t question_len)
{
	const uint8_t *opt = data + DNS_HEADER_LEN + question_len;
	size_t left = len - DNS_HEADER_LEN - question_len;

	if (dns_get_u16(data + 6) || dns_get_u16(data + 8))
		return DNS_TAIL_OTHER;
	if (!left && !dns_get_u16(data + 10))
		return DNS_TAIL_NONE;
	if (left != DNS_OPT_LEN || dns_get_u16(data + 10) != 1 || opt[0] ||
	    dns_get_u16(opt + 1) != DNS_OPT || dns_get_u16(opt + 9))
		return DNS_TAIL_OTHER;
	return DNS_TAIL_OPT;
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

/* The last four bytes are type and class, where 'A' is a number. Label lengths are below 'A'. */
void dns_question_fold(const uint8_t *question, size_t len, uint8_t *out)
{
	for (size_t i = 0; i < len; i++)
		out[i] = i + 4 < len ? lower(question[i]) : question[i];
}

static bool same_question(const uint8_t *a, const uint8_t *b, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (i + 4 < len ? lower(a[i]) != lower(b[i]) : a[i] != b[i])
			return false;
	return true;
}

static bool can_be_walked(const uint8_t *reply, size_t len, size_t question_len)
{
	struct walk w;

	walk_begin(&w, reply, len, question_len);
	while (walk_next(&w))
		;
	return !w.at.bad;
}

enum dns_match dns_reply_match(const uint8_t *query, size_t question_len, const uint8_t *reply,
			       size_t len)
{
	uint16_t flags, count;
	uint8_t rcode;

	if (len < DNS_HEADER_LEN || memcmp(query, reply, 2))
		return DNS_FOREIGN;
	flags = dns_get_u16(reply + 2);
	count = dns_get_u16(reply + 4);
	rcode = flags & 15;
	if (!(flags & DNS_QR))
		return DNS_FOREIGN;
	/* Servers that could not read a question do not repeat it. */
	if (!count && rcode != DNS_NOERROR && rcode != DNS_NXDOMAIN)
		return DNS_REFUSAL;
	if (count != 1 || len < DNS_HEADER_LEN + question_len ||
	    !same_question(query + DNS_HEADER_LEN, reply + DNS_HEADER_LEN, question_len))
		return DNS_FOREIGN;
	if (rcode != DNS_NOERROR && rcode != DNS_NXDOMAIN)
		return DNS_REFUSAL;
	if (flags & DNS_TC)
		return DNS_CUT;
	return can_be_walked(reply, len, question_len) ? DNS_USABLE : DNS_REFUSAL;
}

/* The last field of an SOA (RFC 2308 4). */
static uint32_t soa_minimum(struct cursor data)
{
	skip_name(&data);
	skip_name(&data);
	cursor_take(&data, 16);
	return cursor_u32(&data);
}

/* RFC 2181 8: the top bit makes it zero. */
static uint32_t ttl_of(const struct walk *w)
{
	uint32_t ttl = get_u32(w->ttl);

	return ttl >> 31 ? 0 : ttl;
}

uint32_t dns_reply_ttl(const uint8_t *reply, size_t len, size_t question_len)
{
	uint16_t asked = dns_get_u16(reply + DNS_HEADER_LEN + question_len - 4);
	uint32_t ttl = DNS_CACHE_TTL_MAX, minimum = UINT32_MAX;
	bool answered = false, negative = false;
	struct walk w;

	walk_begin(&w, reply, len, question_len);
	while (walk_next(&w)) {
		if (w.type == DNS_OPT)
			continue;
		if (ttl_of(&w) < ttl)
			ttl = ttl_of(&w);
		if (w.section == ANSWER && (w.type == asked || asked == DNS_ANY))
			answered = true;
		if (w.section == AUTHORITY && w.type == DNS_SOA) {
			negative = true;
			minimum = soa_minimum(w.data);
		}
	}
	if (w.at.bad || (dns_get_u16(reply + 2) & DNS_TC))
		return 0;
	if (answered && (dns_get_u16(reply + 2) & 15) == DNS_NOERROR)
		return ttl;
	if (!negative)
		return 0;
	if (minimum > DNS_NEGATIVE_TTL_MAX)
		minimum = DNS_NEGATIVE_TTL_MAX;
	return ttl < minimum ? ttl : minimum;
}

void dns_reply_age(uint8_t *reply, size_t len, size_t question_len, uint32_t age)
{
	struct walk w;

	walk_begin(&w, reply, len, question_len);
	while (walk_next(&w)) {
		uint32_t ttl = ttl_of(&w);
		uint8_t *at = reply + (w.ttl - reply);

		if (w.type == DNS_OPT)
			continue;
		ttl = ttl > age ? ttl - age : 0;
		dns_set_u16(at, (uint16_t)(ttl >> 16));
		dns_set_u16(at + 2, (uint16_t)ttl);
	}
}

size_t dns_reply_fit(uint8_t *reply, size_t len, size_t question_len, size_t max)
{
	const uint8_t *opt = NULL;
	size_t opt_len = 0, cut = DNS_HEADER_LEN + question_len;
	struct walk w;

	if (len <= max)
		return len;
	walk_begin(&w, reply, len, question_len);
	while (walk_next(&w)) {
		if (w.section == ADDITIONAL && w.type == DNS_OPT) {
			opt = w.start;
			opt_len = (size_t)(w.at.p - w.start);
		}
	}
	if (cut + opt_len > max)
		opt_len = 0;
	if (opt_len)
		memmove(reply + cut, opt, opt_len);
	dns_set_u16(reply + 2, dns_get_u16(reply + 2) | DNS_TC);
	memset(reply + 6, 0, 6);
	reply[11] = opt_len != 0;
	return cut + opt_len;
}
