/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What forwarding looks at in messages of others: the header, the question, and
 * how long each record may be kept. Names are stepped over, never followed, so
 * that no compression pointer can lead round in circles.
 */
#pragma once

#include "wire.h"

#define DNS_AD 0x0020u /* RFC 4035 3 */
#define DNS_CD 0x0010u

uint16_t dns_get_u16(const uint8_t *at);
void dns_set_u16(uint8_t *at, uint16_t v);

/* Where a bare OPT stands (no options, nothing beside it), of a query with this question. */
enum dns_tail {
	DNS_TAIL_NONE,  /* nothing behind the question */
	DNS_TAIL_OPT,   /* an OPT without options, and nothing else */
	DNS_TAIL_OTHER, /* options or other records: these are the asker's own */
};
enum dns_tail dns_query_tail(const uint8_t *data, size_t len, size_t question_len);

/* Copies a question section with its name in lower case: what equal questions have in common. */
void dns_question_fold(const uint8_t *question, size_t len, uint8_t *out);

/* How a reply stands to the query that was sent. */
enum dns_match {
	DNS_FOREIGN, /* another id or question, or no response: nobody we asked said that */
	DNS_REFUSAL, /* ours, and of no use: ask somebody else */
	DNS_USABLE,  /* NOERROR or NXDOMAIN, and every record can be stepped over */
	DNS_CUT,     /* truncated: ask again by TCP */
};
enum dns_match dns_reply_match(const uint8_t *query, size_t question_len, const uint8_t *reply,
			       size_t len);

/* Seconds for which a usable reply may be kept; 0: not at all. */
uint32_t dns_reply_ttl(const uint8_t *reply, size_t len, size_t question_len);
/* Takes `age` seconds off every TTL but the OPT's, which is none. */
void dns_reply_age(uint8_t *reply, size_t len, size_t question_len, uint32_t age);
/* Cuts to header, question and OPT, with TC, when it is longer than max. Returns the new length. */
size_t dns_reply_fit(uint8_t *reply, size_t len, size_t question_len, size_t max);
