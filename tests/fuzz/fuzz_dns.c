/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Queries. First byte: 1 by TCP. The rest is parsed; what is no query is answered
 * by an error, what is one from a small cluster. Whatever is answered must be read
 * by our own decoder, echo the question and keep the asker's size.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dns/wire.h"

#define BACKENDS 60 /* by UDP too many for one answer */

static struct dns_names *names;
static const struct id net_ids[] = { { { 0x11 } }, { { 0x12 } } };

static void must(bool ok)
{
	if (!ok)
		abort();
}

static struct ov_addr addr(const char *text)
{
	struct ov_addr a;

	must(!addr_parse(text, &a));
	return a;
}

static void make_networks(struct network *net)
{
	for (int i = 0; i < 2; i++) {
		net[i] = (struct network){ .id = net_ids[i], .vni = 5000 + (uint32_t)i };
		strcpy(net[i].name, i ? "b.c" : "net");
		must(!prefix_parse(i ? "10.8.0.0/24" : "10.9.0.0/24", &net[i].subnet));
	}
}

static void make_services(struct item *it)
{
	struct service_detail d = { .port_count = 1, .port = { { 80, 8080, IPPROTO_TCP } } };
	struct buf body = { 0 };

	for (int i = 0; i < 2; i++) {
		struct service *s = &it[i].service;

		*s = (struct service){ .id = { { 0x21 + (uint8_t)i } }, .network = net_ids[0] };
		strcpy(s->name, i ? "rr" : "web");
		s->vip = i ? (struct ov_addr){ 0 } : addr("10.9.0.200");
		s->mode = i ? SERVICE_DNSRR : SERVICE_VIP;
	}
	service_encode(&body, &it[0].service, &d);
	it[0].body = body.data;
	it[0].body_len = (uint16_t)body.len;
}

static void make_endpoints(struct item *it)
{
	struct endpoint_detail d = { .alias_count = 1, .alias = { "al" } };

	for (unsigned int i = 0; i < BACKENDS; i++) {
		struct endpoint *e = &it[i].endpoint;
		struct buf body = { 0 };

		*e = (struct endpoint){ .id = { { 0x31, (uint8_t)i } }, .network = net_ids[i == 0] };
		e->addr = addr_add(&(struct ov_addr[]){ addr(i ? "10.9.0.2" : "10.8.0.2") }[0], i);
		e->service = i ? (struct id){ { 0x21 + (i & 1) } } : (struct id){ 0 };
		e->draining = i % 5 == 4;
		if (i % 3 == 0)
			snprintf(e->name, sizeof(e->name), "e%u", i);
		endpoint_encode(&body, e, &d);
		it[i].body = body.data;
		it[i].body_len = (uint16_t)body.len;
	}
}

/* As a view has it: sorted by id. */
static void make_names(void)
{
	static struct network net[2];
	static struct item service[2], endpoint[BACKENDS];
	static struct view_network vn[2];
	static struct view_service vs[2];
	static struct view_endpoint ve[BACKENDS];
	struct view v = { .network_count = 2, .network = vn, .service_count = 2, .service = vs,
			  .endpoint_count = BACKENDS, .endpoint = ve };

	make_networks(net);
	make_services(service);
	make_endpoints(endpoint);
	for (int i = 0; i < 2; i++) {
		vn[i].net = &net[i];
		strcpy(vn[i].display, net[i].name);
		vs[i] = (struct view_service){ &service[i].service, &service[i], &vn[0] };
		strcpy(vs[i].display, service[i].service.name);
	}
	for (unsigned int i = 0; i < BACKENDS; i++)
		ve[i] = (struct view_endpoint){ &endpoint[i].endpoint, &endpoint[i], &vn[i == 0],
						i ? &vs[i & 1] : NULL };
	must(!dns_names_build(&v, &(struct id_set){ 0 }, &names));
}

static void check_records(struct cursor *c, const void *message, size_t count)
{
	char text[DNS_NAME_TEXT_MAX];
	struct dns_record r;

	for (size_t i = 0; i < count; i++) {
		dns_get_record(c, message, &r);
		must(!c->bad && r.owner.len);
		dns_name_text(&r.owner, text);
		must(r.type == DNS_OPT || (r.class == DNS_CLASS_IN && r.ttl == DNS_TTL));
		if (r.type == DNS_A)
			must(cursor_left(&r.data) == 4);
		if (r.type == DNS_SRV)
			must(cursor_take(&r.data, 6));
		if (r.type == DNS_SRV || r.type == DNS_PTR) {
			dns_get_name(&r.data, NULL, &r.owner);
			must(!r.data.bad && !cursor_left(&r.data));
		}
	}
}

/* Header, question and all records, and nothing behind them. */
static struct dns_header check_message(const struct buf *out)
{
	struct cursor c = cursor_of(out->data, out->len);
	struct dns_name name;
	struct dns_header h;

	dns_get_header(&c, &h);
	must(!c.bad && h.flags & DNS_QR && h.question <= 1);
	if (h.question) {
		dns_get_name(&c, NULL, &name);
		cursor_u32(&c);
	}
	check_records(&c, out->data, h.answer);
	check_records(&c, out->data, h.authority);
	check_records(&c, out->data, h.additional);
	must(!c.bad && !cursor_left(&c));
	return h;
}

static void check_error(const uint8_t *data, size_t size, enum dns_rcode rcode)
{
	struct buf out = { 0 };
	struct dns_header h;

	dns_error(data, size, rcode, &out);
	must(!out.failed && out.len <= DNS_UDP_PLAIN);
	h = check_message(&out);
	must(!memcmp(out.data, data, 2) && (h.flags & 0xf) == (rcode & 0xf));
	must(!h.answer && !h.authority && h.additional <= 1);
	buf_fini(&out);
}

static void check_answer(const uint8_t *data, const struct dns_query *q, bool tcp)
{
	struct dns_asker asker = { 2, net_ids };
	size_t limit = q->udp_size < DNS_UDP_MAX ? q->udp_size : DNS_UDP_MAX;
	struct buf out = { 0 };
	struct dns_header h;
	struct rng rng;

	rng_init_u64(&rng, 1);
	if (dns_answer(names, &asker, q, data, tcp, &rng, &out) == DNS_ANSWERED) {
		must(!out.failed && out.len <= (tcp ? DNS_TCP_MAX : limit));
		h = check_message(&out);
		must(h.question == 1 && h.answer + h.authority > 0 && !(tcp && h.flags & DNS_TC));
		must(!memcmp(out.data, data, 2));
		must(!memcmp(out.data + DNS_HEADER_LEN, data + DNS_HEADER_LEN, q->question_len));
	} else {
		must(!out.len);
	}
	buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dns_query q;
	bool tcp;
	int r;

	if (!names)
		make_names();
	if (!size)
		return 0;
	tcp = data[0] & 1;
	data++;
	size--;
	r = dns_parse(data, size, &q);
	must(r == -EBADMSG || (r >= 0 && size >= DNS_HEADER_LEN));
	if (r > 0)
		check_error(data, size, (enum dns_rcode)r);
	if (r)
		return 0;
	must(strlen(q.name) < sizeof(q.name) && q.question_len <= size - DNS_HEADER_LEN);
	check_error(data, size, DNS_SERVFAIL);
	check_answer(data, &q, tcp);
	return 0;
}
