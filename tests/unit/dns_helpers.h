/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Queries made and answers read by ldns, a stranger to our codec; and a small cluster to ask. */
#pragma once

#include <criterion/criterion.h>
#include <ldns/ldns.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "dns/dns.h"
#include "tests/lib/made_world.h"

#define HELPER static __attribute__((unused))

HELPER void pkt_freep(ldns_pkt **p)
{
	ldns_pkt_free(*p);
}
HELPER void names_freep(struct dns_names **n)
{
	dns_names_free(*n);
}
#define PKT _cleanup_(pkt_freep) ldns_pkt
#define NAMES _cleanup_(names_freep) struct dns_names
#define BUF _cleanup_(buf_fini) struct buf

/* A query as ldns writes it. edns: the size announced, 0 for no EDNS. */
HELPER struct buf ldns_query(const char *name, int type, int class, uint16_t edns)
{
	PKT *p = ldns_pkt_query_new(ldns_dname_new_frm_str(name), (ldns_rr_type)type,
				    (ldns_rr_class)class, LDNS_RD);
	struct buf b = { 0 };
	uint8_t *wire;
	size_t len;

	cr_assert_not_null(p, "%s", name);
	ldns_pkt_set_id(p, 0x4711);
	if (edns)
		ldns_pkt_set_edns_udp_size(p, edns);
	cr_assert_eq(ldns_pkt2wire(&wire, p, &len), LDNS_STATUS_OK);
	buf_put(&b, wire, len);
	free(wire);
	return b;
}

HELPER ldns_pkt *ldns_read(const struct buf *b)
{
	ldns_pkt *p = NULL;
	ldns_status s = ldns_wire2pkt(&p, b->data, b->len);

	cr_assert_eq(s, LDNS_STATUS_OK, "ldns: %s", ldns_get_errorstr_by_id(s));
	return p;
}

/* The records of one section as lines of zone files: "owner ttl class type data", sorted. */
HELPER const char *ldns_text(const ldns_pkt *p, ldns_pkt_section section)
{
	static char out[1 << 20];
	ldns_rr_list *l = ldns_pkt_get_section_clone(p, section);
	size_t len = 0;

	out[0] = '\0';
	ldns_rr_list_sort(l);
	for (size_t i = 0; i < ldns_rr_list_rr_count(l); i++) {
		char *text = ldns_rr2str(ldns_rr_list_rr(l, i));

		for (char *c = text; *c; c++)
			*c = *c == '\t' ? ' ' : *c;
		len += (size_t)snprintf(out + len, sizeof(out) - len, "%s", text);
		free(text);
	}
	ldns_rr_list_deep_free(l);
	return out;
}

HELPER struct item *world_service(struct world *w, unsigned int number, unsigned int network,
				  const char *name, const char *vip)
{
	/* Made as a network is, then made over: the item is all that counts. */
	struct item *it = world_network(w, number, name, "10.0.0.0/8", 1);

	memset(&it->network, 0, sizeof(it->network));
	it->service.id = world_id(number);
	it->key = key_of_id(RECORD_SERVICE, &it->service.id);
	it->service.network = world_id(network);
	snprintf(it->service.name, sizeof(it->service.name), "%s", name);
	it->service.created_ms = number;
	it->service.mode = vip ? SERVICE_VIP : SERVICE_DNSRR;
	if (vip)
		cr_assert_eq(addr_parse(vip, &it->service.vip), 0);
	return it;
}

HELPER void keep_body(struct item *it, struct buf *body)
{
	cr_assert_not(body->failed);
	free((void *)it->body);
	it->body = body->data;
	it->body_len = (uint16_t)body->len;
}

HELPER void service_declares(struct item *it, uint16_t port, uint16_t target, uint8_t protocol)
{
	struct service_detail d;
	struct buf body = { 0 };

	service_detail_decode(it, &d);
	d.port[d.port_count++] = (struct service_port){ port, target, protocol };
	service_encode(&body, &it->service, &d);
	keep_body(it, &body);
}

HELPER void endpoint_alias(struct item *it, const char *alias)
{
	struct endpoint_detail d;
	struct buf body = { 0 };

	endpoint_detail_decode(it, &d);
	snprintf(d.alias[d.alias_count++], sizeof(d.alias[0]), "%s", alias);
	endpoint_encode(&body, &it->endpoint, &d);
	keep_body(it, &body);
}

HELPER struct item *named_endpoint(struct world *w, unsigned int number, unsigned int network,
				   const char *addr, const char *name, unsigned int service)
{
	struct item *it = world_endpoint(w, number, 1, network, addr);

	snprintf(it->endpoint.name, sizeof(it->endpoint.name), "%s", name);
	if (service)
		it->endpoint.service = world_id(service);
	return it;
}

HELPER struct dns_names *names_of(const struct world *w, const struct id_set *away)
{
	_cleanup_(view_fini) struct view v = world_view(w);
	struct dns_names *n;

	cr_assert_eq(dns_names_build(&v, away, &n), 0);
	return n; /* the view has gone */
}

/* One who asks: on the networks of these numbers, 0 at the end. */
struct client {
	const struct dns_names *names;
	struct id network[4];
	struct dns_asker asker;
	struct rng rng;
	bool tcp;
	struct buf out; /* the last answer */
};

HELPER void client_fini(struct client *c)
{
	buf_fini(&c->out);
}
#define CLIENT(c, ...) \
	_cleanup_(client_fini) struct client c; \
	client_init(&c, __VA_ARGS__)

HELPER void client_init(struct client *c, const struct dns_names *names, unsigned int one,
			unsigned int two)
{
	*c = (struct client){ .names = names };
	rng_init_u64(&c->rng, 7);
	c->network[c->asker.network_count++] = world_id(one);
	if (two)
		c->network[c->asker.network_count++] = world_id(two);
	c->asker.network = c->network;
}

HELPER enum dns_result client_send(struct client *c, const struct buf *query)
{
	struct dns_query q;

	cr_assert_eq(dns_parse(query->data, query->len, &q), 0);
	return dns_answer(c->names, &c->asker, &q, query->data, c->tcp, &c->rng, &c->out);
}

/* What ldns reads in the answer; NULL when it is none of ours. */
HELPER ldns_pkt *client_ask(struct client *c, const char *name, int type, uint16_t edns)
{
	BUF query = ldns_query(name, type, LDNS_RR_CLASS_IN, edns);

	if (client_send(c, &query) == DNS_FORWARD)
		return NULL;
	return ldns_read(&c->out);
}

/* The answer section as text, without TTLs checked elsewhere; "FORWARD", "NODATA", "NXDOMAIN". */
HELPER const char *client_get(struct client *c, const char *name, int type)
{
	PKT *p = client_ask(c, name, type, 0);

	if (!p)
		return "FORWARD";
	if (ldns_pkt_ancount(p))
		return ldns_text(p, LDNS_SECTION_ANSWER);
	cr_assert_eq(ldns_pkt_nscount(p), 1, "nothing comes with an SOA");
	return ldns_pkt_get_rcode(p) == LDNS_RCODE_NXDOMAIN ? "NXDOMAIN" : "NODATA";
}
#define EXPECT(c, name, type, text) \
	cr_expect_str_eq(client_get(&(c), name, LDNS_RR_TYPE_##type), text, "%s: %s", name, \
			 client_get(&(c), name, LDNS_RR_TYPE_##type))
