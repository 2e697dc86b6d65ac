/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cluster's names, answered as DNS (RFC 1034, 1035). Pure: bytes and state
 * in, bytes out; sockets and time are serve/dnsd's, other people's names
 * dns/forward.h's.
 *
 * A query is answered from the names of the asker's own networks; what is not
 * ours is forwarded, and what is no query at all is dropped, never answered.
 */
#pragma once

#include "base/bytes.h"
#include "base/rng.h"
#include "model/view.h"

#define DNS_NAME_TEXT_MAX 254 /* RFC 1035 2.3.4: 255 octets on the wire, 253 characters and NUL */
#define DNS_UDP_PLAIN 512     /* RFC 1035 4.2.1, without EDNS */
#define DNS_UDP_MAX 1232      /* most we send and announce by EDNS (DNS flag day 2020) */
#define DNS_TCP_MAX 65535
#define DNS_TTL 3             /* seconds, of cluster names: a dead backend is forgotten soon */

enum dns_type { DNS_A = 1, DNS_SOA = 6, DNS_PTR = 12, DNS_MX = 15, DNS_AAAA = 28, DNS_SRV = 33,
		DNS_OPT = 41, DNS_ANY = 255 };
enum dns_rcode { DNS_NOERROR, DNS_FORMERR, DNS_SERVFAIL, DNS_NXDOMAIN, DNS_NOTIMP, DNS_REFUSED,
		 DNS_BADVERS = 16 };

/* One question, as it was asked. */
struct dns_query {
	uint16_t id;
	uint16_t flags;                 /* as on the wire, host order */
	char name[DNS_NAME_TEXT_MAX];   /* lower case, no dot at the end; the root is "" */
	bool plain;                     /* all labels are printable and free of dots: it may be ours */
	uint16_t type, class;
	size_t question_len;            /* bytes of the question section, header not counted */
	bool edns;
	uint16_t udp_size;              /* what the asker takes by UDP; DNS_UDP_PLAIN without EDNS */
};

/*
 * 0; a positive enum dns_rcode: to be answered by dns_error (FORMERR, NOTIMP for
 * other opcodes, BADVERS); or -EBADMSG: shorter than a header, or a response
 * (which we never answer, so that two servers cannot talk for ever).
 */
int dns_parse(const void *data, size_t len, struct dns_query *ret_query);

/* An answer without records, for any message of at least a header's length. */
void dns_error(const void *data, size_t len, enum dns_rcode rcode, struct buf *out);

/* Who asks: the networks of its namespace, and the node they ask on. */
struct dns_asker {
	size_t network_count;
	const struct id *network;
};

/* An index over a view. Owns what it needs: the view may go. */
struct dns_names;

/* away: nodes whose endpoints are not answered (view_endpoint_serves). 0 or -ENOMEM. */
int dns_names_build(const struct view *v, const struct id_set *away, struct dns_names **ret_names);
void dns_names_free(struct dns_names *n);

enum dns_result {
	DNS_ANSWERED, /* *out is the whole answer, truncated (TC) to the asker's size unless tcp */
	DNS_FORWARD,  /* none of ours */
};

/* q was parsed from data. Answers are shuffled by rng. */
enum dns_result dns_answer(const struct dns_names *n, const struct dns_asker *asker,
			   const struct dns_query *q, const void *data, bool tcp, struct rng *rng,
			   struct buf *out);
