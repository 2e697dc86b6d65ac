/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dns_helpers.h"

#include "dns/wire.h"

/*
 * app-net (20): web, a VIP with three backends of which one drains; rr, without a
 * VIP; idle, a VIP with nobody behind it. other (21): a web of its own.
 */
static void small_cluster(struct world *w)
{
	struct item *it;

	world_node(w, 1, "h1", "192.0.2.1");
	world_node(w, 2, "h2", "192.0.2.2");
	world_network(w, 20, "App-Net", "10.9.0.0/24", 5000);
	world_network(w, 21, "other", "10.8.0.0/24", 5001);
	it = world_service(w, 30, 20, "Web", "10.9.0.100");
	service_declares(it, 80, 8080, IPPROTO_TCP);
	service_declares(it, 53, 53, IPPROTO_UDP);
	world_service(w, 31, 20, "rr", NULL);
	world_service(w, 32, 20, "idle", "10.9.0.102");
	world_service(w, 33, 21, "web", "10.8.0.100");
	named_endpoint(w, 40, 20, "10.9.0.2", "Web.1", 30)->endpoint.weight = 7;
	named_endpoint(w, 41, 20, "10.9.0.3", "", 30);
	named_endpoint(w, 42, 20, "10.9.0.4", "web.3", 30)->endpoint.draining = true;
	endpoint_alias(named_endpoint(w, 43, 20, "10.9.0.5", "r1", 31), "Cache");
	it = named_endpoint(w, 44, 20, "10.9.0.6", "r2", 31);
	endpoint_alias(it, "cache");
	endpoint_alias(it, "cache");
	it->endpoint.node = world_id(2);
	named_endpoint(w, 45, 21, "10.8.0.2", "alone", 0);
}

#define SMALL \
	_cleanup_(world_fini) struct world w = { 0 }; \
	small_cluster(&w); \
	NAMES *names = names_of(&w, &(struct id_set){ 0 })

Test(dns_answer, a_service_is_its_vip_with_and_without_network)
{
	SMALL;
	CLIENT(c, names, 20, 0);

	EXPECT(c, "web.", A, "web. 3 IN A 10.9.0.100\n");
	EXPECT(c, "web.app-net.", A, "web.app-net. 3 IN A 10.9.0.100\n");
	EXPECT(c, "rr.", A, "rr. 3 IN A 10.9.0.5\nrr. 3 IN A 10.9.0.6\n");
	EXPECT(c, "idle.", A, "idle. 3 IN A 10.9.0.102\n");
}

Test(dns_answer, tasks_are_those_that_serve_and_all_is_everybody)
{
	SMALL;
	CLIENT(c, names, 20, 0);

	EXPECT(c, "tasks.web.", A, "tasks.web. 3 IN A 10.9.0.2\ntasks.web. 3 IN A 10.9.0.3\n");
	EXPECT(c, "all.web.app-net.", A, "all.web.app-net. 3 IN A 10.9.0.2\n"
	       "all.web.app-net. 3 IN A 10.9.0.3\nall.web.app-net. 3 IN A 10.9.0.4\n");
	EXPECT(c, "tasks.idle.", A, "NODATA");
	EXPECT(c, "all.idle.", A, "NODATA");
	EXPECT(c, "tasks.nosuch.", A, "FORWARD");
	EXPECT(c, "tasks.r1.", A, "FORWARD");
}

Test(dns_answer, endpoints_answer_by_name_alias_and_short_id)
{
	SMALL;
	CLIENT(c, names, 20, 0);

	EXPECT(c, "web.1.", A, "web.1. 3 IN A 10.9.0.2\n");
	EXPECT(c, "web.3.App-Net.", A, "web.3.App-Net. 3 IN A 10.9.0.4\n");
	EXPECT(c, "cache.", A, "cache. 3 IN A 10.9.0.5\ncache. 3 IN A 10.9.0.6\n");
	EXPECT(c, "cache.app-net.", A,
	       "cache.app-net. 3 IN A 10.9.0.5\ncache.app-net. 3 IN A 10.9.0.6\n");
	EXPECT(c, "eeee00000029.", A, "eeee00000029. 3 IN A 10.9.0.3\n");
	EXPECT(c, "EEEE00000029.app-net.", A, "EEEE00000029.app-net. 3 IN A 10.9.0.3\n");
	EXPECT(c, "eeee0000002d.", A, "FORWARD"); /* of the other network */
	EXPECT(c, "eeee000000.", A, "FORWARD");
	EXPECT(c, "eeee000000290.", A, "FORWARD");
}

Test(dns_answer, names_of_other_networks_are_unknown)
{
	SMALL;
	CLIENT(c, names, 20, 0);
	CLIENT(d, names, 21, 0);
	CLIENT(e, names, 99, 0);

	EXPECT(c, "alone.", A, "FORWARD");
	EXPECT(c, "alone.other.", A, "FORWARD");
	EXPECT(c, "web.other.", A, "FORWARD");
	EXPECT(d, "alone.other.", A, "alone.other. 3 IN A 10.8.0.2\n");
	EXPECT(d, "web.", A, "web. 3 IN A 10.8.0.100\n");
	EXPECT(d, "web.app-net.", A, "FORWARD");
	EXPECT(e, "web.", A, "FORWARD");
}

Test(dns_answer, of_several_networks_the_askers_first_has_the_name)
{
	SMALL;
	CLIENT(c, names, 20, 21);
	CLIENT(d, names, 21, 20);

	EXPECT(c, "web.", A, "web. 3 IN A 10.9.0.100\n");
	EXPECT(d, "web.", A, "web. 3 IN A 10.8.0.100\n");
	EXPECT(d, "web.app-net.", A, "web.app-net. 3 IN A 10.9.0.100\n");
	EXPECT(c, "alone.", A, "alone. 3 IN A 10.8.0.2\n");
	EXPECT(d, "rr.", A, "rr. 3 IN A 10.9.0.5\nrr. 3 IN A 10.9.0.6\n");
}

Test(dns_answer, a_service_goes_before_an_endpoint_and_that_before_an_alias)
{
	_cleanup_(world_fini) struct world w = { 0 };
	world_network(&w, 20, "net", "10.9.0.0/24", 5000);
	world_service(&w, 30, 20, "a", "10.9.0.100");
	endpoint_alias(named_endpoint(&w, 40, 20, "10.9.0.2", "A", 0), "b");
	endpoint_alias(named_endpoint(&w, 41, 20, "10.9.0.3", "b", 0), "tasks.a");
	named_endpoint(&w, 42, 20, "10.9.0.4", "b", 30);
	named_endpoint(&w, 43, 20, "10.9.0.5", "eeee00000028", 0);
	NAMES *names = names_of(&w, &(struct id_set){ 0 });
	CLIENT(c, names, 20, 0);

	EXPECT(c, "a.", A, "a. 3 IN A 10.9.0.100\n");
	EXPECT(c, "b.", A, "b. 3 IN A 10.9.0.3\nb. 3 IN A 10.9.0.4\n");
	EXPECT(c, "tasks.a.", A, "tasks.a. 3 IN A 10.9.0.4\n");
	EXPECT(c, "eeee00000028.", A, "eeee00000028. 3 IN A 10.9.0.5\n");
}

Test(dns_answer, names_with_dots_are_found_at_every_split)
{
	_cleanup_(world_fini) struct world w = { 0 };
	world_network(&w, 20, "a.b", "10.9.0.0/24", 5000);
	world_network(&w, 21, "b", "10.8.0.0/24", 5001);
	world_service(&w, 30, 20, "x", "10.9.0.100");
	world_service(&w, 31, 21, "x.a", "10.8.0.100");
	world_service(&w, 32, 21, "y.z", "10.8.0.101");
	named_endpoint(&w, 40, 20, "10.9.0.2", "odd..name.", 0);
	NAMES *names = names_of(&w, &(struct id_set){ 0 });
	CLIENT(c, names, 20, 21);
	CLIENT(d, names, 21, 20);

	EXPECT(c, "x.a.b.", A, "x.a.b. 3 IN A 10.9.0.100\n");
	EXPECT(d, "x.a.b.", A, "x.a.b. 3 IN A 10.8.0.100\n");
	EXPECT(c, "y.z.", A, "y.z. 3 IN A 10.8.0.101\n");
	EXPECT(c, "y.z.b.", A, "y.z.b. 3 IN A 10.8.0.101\n");
	EXPECT(c, "odd.name.a.b.", A, "odd.name.a.b. 3 IN A 10.9.0.2\n");
	EXPECT(c, "2.0.9.10.in-addr.arpa.", PTR,
	       "2.0.9.10.in-addr.arpa. 3 IN PTR odd.name.a.b.\n");
	EXPECT(c, "a.b.", A, "FORWARD");
	EXPECT(c, "b.", A, "FORWARD");
}

Test(dns_answer, a_known_name_has_no_data_of_other_types)
{
	static const int types[] = { LDNS_RR_TYPE_AAAA, LDNS_RR_TYPE_MX, LDNS_RR_TYPE_TXT,
				     LDNS_RR_TYPE_SRV, LDNS_RR_TYPE_PTR, LDNS_RR_TYPE_HTTPS };
	static const char *const ours[] = { "web.", "cache.app-net.", "tasks.rr.", "r1.",
					    "_80._tcp.web.", "100.0.9.10.in-addr.arpa." };
	SMALL;
	CLIENT(c, names, 20, 0);

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		for (size_t j = 0; j < ARRAY_SIZE(ours); j++) {
			if (ours[j][0] == '_' && types[i] == LDNS_RR_TYPE_SRV)
				continue;
			if (ours[j][0] == '1' && types[i] == LDNS_RR_TYPE_PTR)
				continue;
			cr_expect_str_eq(client_get(&c, ours[j], types[i]), "NODATA", "%s", ours[j]);
		}
	EXPECT(c, "_80._tcp.web.", A, "NODATA");
	EXPECT(c, "100.0.9.10.in-addr.arpa.", A, "NODATA");
}

Test(dns_answer, no_data_comes_with_an_soa_of_the_short_ttl)
{
	SMALL;
	CLIENT(c, names, 20, 0);
	PKT *p = client_ask(&c, "web.", LDNS_RR_TYPE_AAAA, 0);

	cr_assert_not_null(p);
	cr_expect_eq(ldns_pkt_get_rcode(p), LDNS_RCODE_NOERROR);
	cr_expect_eq(ldns_pkt_ancount(p) + ldns_pkt_arcount(p), 0);
	cr_expect_str_eq(ldns_text(p, LDNS_SECTION_AUTHORITY),
			 "web. 3 IN SOA web. . 1 3600 600 86400 3\n");
}

Test(dns_answer, any_is_answered_with_what_there_is)
{
	SMALL;
	CLIENT(c, names, 20, 0);

	EXPECT(c, "rr.", ANY, "rr. 3 IN A 10.9.0.5\nrr. 3 IN A 10.9.0.6\n");
	EXPECT(c, "_53._udp.web.", ANY, "_53._udp.web. 3 IN SRV 0 1 53 eeee00000029.app-net.\n"
	       "_53._udp.web. 3 IN SRV 0 7 53 web.1.app-net.\n");
	EXPECT(c, "5.0.9.10.in-addr.arpa.", ANY, "5.0.9.10.in-addr.arpa. 3 IN PTR r1.app-net.\n");
}

Test(dns_answer, addresses_lead_back_to_names)
{
	SMALL;
	CLIENT(c, names, 20, 0);

	EXPECT(c, "2.0.9.10.in-addr.arpa.", PTR, "2.0.9.10.in-addr.arpa. 3 IN PTR web.1.app-net.\n");
	EXPECT(c, "3.0.9.10.IN-ADDR.arpa.", PTR,
	       "3.0.9.10.IN-ADDR.arpa. 3 IN PTR eeee00000029.app-net.\n");
	EXPECT(c, "100.0.9.10.in-addr.arpa.", PTR,
	       "100.0.9.10.in-addr.arpa. 3 IN PTR web.app-net.\n");
	EXPECT(c, "99.0.9.10.in-addr.arpa.", PTR, "NXDOMAIN");
	EXPECT(c, "99.0.9.10.in-addr.arpa.", A, "NXDOMAIN");
	EXPECT(c, "2.0.8.10.in-addr.arpa.", PTR, "FORWARD");
	EXPECT(c, "8.8.8.8.in-addr.arpa.", PTR, "FORWARD");
	EXPECT(c, "0.9.10.in-addr.arpa.", PTR, "FORWARD");
	EXPECT(c, "02.0.9.10.in-addr.arpa.", PTR, "FORWARD");
	EXPECT(c, "2.0.9.266.in-addr.arpa.", PTR, "FORWARD");
	EXPECT(c, "x.2.0.9.10.in-addr.arpa.", PTR, "FORWARD");
	EXPECT(c, "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa.", PTR,
	       "FORWARD");
}

Test(dns_answer, an_address_nobody_has_is_denied_by_its_parent_zone)
{
	SMALL;
	CLIENT(c, names, 20, 0);
	PKT *p = client_ask(&c, "99.0.9.10.in-addr.arpa.", LDNS_RR_TYPE_PTR, 0);

	cr_assert_not_null(p);
	cr_expect_eq(ldns_pkt_get_rcode(p), LDNS_RCODE_NXDOMAIN);
	cr_expect_str_eq(ldns_text(p, LDNS_SECTION_AUTHORITY), "0.9.10.in-addr.arpa. 3 IN SOA "
			 "0.9.10.in-addr.arpa. . 1 3600 600 86400 3\n");
}

Test(dns_answer, srv_tells_ports_weights_and_addresses)
{
	SMALL;
	CLIENT(c, names, 20, 0);
	PKT *p = client_ask(&c, "_80._tcp.Web.app-net.", LDNS_RR_TYPE_SRV, 0);

	cr_assert_not_null(p);
	cr_expect_str_eq(ldns_text(p, LDNS_SECTION_ANSWER),
			 "_80._tcp.Web.app-net. 3 IN SRV 0 1 8080 eeee00000029.app-net.\n"
			 "_80._tcp.Web.app-net. 3 IN SRV 0 7 8080 web.1.app-net.\n");
	cr_expect_str_eq(ldns_text(p, LDNS_SECTION_ADDITIONAL),
			 "web.1.app-net. 3 IN A 10.9.0.2\neeee00000029.app-net. 3 IN A 10.9.0.3\n");
}

Test(dns_answer, srv_asks_for_a_declared_port_or_any_of_who_declares_none)
{
	SMALL;
	CLIENT(c, names, 20, 0);

	EXPECT(c, "_81._tcp.web.", SRV, "NXDOMAIN");
	EXPECT(c, "_80._udp.web.", SRV, "NXDOMAIN");
	EXPECT(c, "_8080._tcp.web.", SRV, "NXDOMAIN");
	EXPECT(c, "_81._tcp.web.", A, "NXDOMAIN");
	EXPECT(c, "_9._sctp.rr.", SRV, "_9._sctp.rr. 3 IN SRV 0 1 9 r1.app-net.\n"
	       "_9._sctp.rr. 3 IN SRV 0 1 9 r2.app-net.\n");
	EXPECT(c, "_9._tcp.idle.", SRV, "NODATA");
	EXPECT(c, "_http._tcp.web.", SRV, "FORWARD");
	EXPECT(c, "_0._tcp.rr.", SRV, "FORWARD");
	EXPECT(c, "_080._tcp.web.", SRV, "FORWARD");
	EXPECT(c, "_65536._tcp.rr.", SRV, "FORWARD");
	EXPECT(c, "_80._icmp.web.", SRV, "FORWARD");
	EXPECT(c, "_80._tcp.nosuch.", SRV, "FORWARD");
	EXPECT(c, "_80._tcp.r1.", SRV, "FORWARD");
	EXPECT(c, "_80._tcp.", SRV, "FORWARD");
	EXPECT(c, "_.", SRV, "FORWARD");
	PKT *p = client_ask(&c, "_81._tcp.web.", LDNS_RR_TYPE_SRV, 0);

	cr_expect_str_eq(ldns_text(p, LDNS_SECTION_AUTHORITY),
			 "web. 3 IN SOA web. . 1 3600 600 86400 3\n");
}

Test(dns_answer, what_is_not_ours_is_forwarded)
{
	SMALL;
	CLIENT(c, names, 20, 0);

	EXPECT(c, ".", A, "FORWARD");
	EXPECT(c, "nosuch.", A, "FORWARD");
	EXPECT(c, "www.example.com.", AAAA, "FORWARD");
	EXPECT(c, "nosuch.app-net.", A, "FORWARD");
	EXPECT(c, "app-net.", A, "FORWARD");
	EXPECT(c, "x.web.", A, "FORWARD");
	for (int class = 1; class < 256; class++) {
		BUF q = ldns_query("web.", LDNS_RR_TYPE_A, class, 0);

		cr_expect_eq(client_send(&c, &q),
			     class == 1 || class == 255 ? DNS_ANSWERED : DNS_FORWARD);
	}
	cr_assert_eq(client_send(&c, &(struct buf){ .data = (uint8_t[]){ 0, 1, 1, 0, 0, 1, 0, 0, 0,
		0, 0, 0, 5, 'w', 'e', 'b', '.', '1', 0, 0, 1, 0, 1 }, .len = 23 }), DNS_FORWARD);
}

Test(dns_answer, a_header_says_who_answers_and_echoes_the_question)
{
	SMALL;
	CLIENT(c, names, 20, 0);
	BUF query = ldns_query("wEb.aPP-neT.", LDNS_RR_TYPE_A, LDNS_RR_CLASS_IN, 0);

	cr_assert_eq(client_send(&c, &query), DNS_ANSWERED);
	PKT *p = ldns_read(&c.out);

	cr_expect_eq(ldns_pkt_id(p), 0x4711);
	cr_expect(ldns_pkt_qr(p) && ldns_pkt_aa(p) && ldns_pkt_rd(p) && ldns_pkt_ra(p));
	cr_expect_not(ldns_pkt_tc(p) || ldns_pkt_ad(p) || ldns_pkt_cd(p));
	cr_expect_eq(ldns_pkt_get_opcode(p), LDNS_PACKET_QUERY);
	cr_expect_eq(ldns_pkt_get_rcode(p), LDNS_RCODE_NOERROR);
	cr_expect_not(ldns_pkt_edns(p), "none was asked for");
	cr_expect_eq(ldns_pkt_qdcount(p), 1);
	cr_expect_arr_eq(c.out.data + DNS_HEADER_LEN, query.data + DNS_HEADER_LEN,
			 query.len - DNS_HEADER_LEN);
	cr_expect_eq(c.out.len, query.len + 16, "the owner is a pointer");
	cr_expect_str_eq(ldns_text(p, LDNS_SECTION_ANSWER), "wEb.aPP-neT. 3 IN A 10.9.0.100\n");
	query.data[2] = 0; /* recursion is not desired */
	cr_assert_eq(client_send(&c, &query), DNS_ANSWERED);
	cr_expect_eq(c.out.data[2], (DNS_QR | DNS_AA) >> 8);
}

Test(dns_answer, edns_is_answered_with_edns)
{
	SMALL;
	CLIENT(c, names, 20, 0);
	PKT *p = client_ask(&c, "web.", LDNS_RR_TYPE_A, 4096);

	cr_assert_not_null(p);
	cr_expect(ldns_pkt_edns(p));
	cr_expect_eq(ldns_pkt_edns_udp_size(p), DNS_UDP_MAX);
	cr_expect_eq(ldns_pkt_edns_version(p), 0);
	cr_expect_eq(ldns_pkt_edns_extended_rcode(p), 0);
	cr_expect_not(ldns_pkt_edns_do(p));
}

/* A service without VIP and with so many backends. */
static void crowd(struct world *w, unsigned int count)
{
	char addr[32];

	world_network(w, 20, "net", "10.0.0.0/8", 5000);
	world_service(w, 30, 20, "crowd", NULL);
	for (unsigned int i = 0; i < count; i++) {
		snprintf(addr, sizeof(addr), "10.1.%u.%u", i >> 8, i & 255);
		named_endpoint(w, 1000 + i, 20, addr, "", 30);
	}
}

Test(dns_answer, too_much_for_udp_is_cut_at_whole_records)
{
	static const uint16_t asked[][3] = {
		/* EDNS size, most bytes, records: of 16 bytes after 12 + 11, and 11 of OPT */
		{ 0, 512, 30 }, { 512, 512, 29 }, { 700, 700, 41 }, { 1232, 1232, 74 }, { 65535, 1232, 74 },
	};
	_cleanup_(world_fini) struct world w = { 0 };
	crowd(&w, 5000);
	NAMES *names = names_of(&w, &(struct id_set){ 0 });
	CLIENT(c, names, 20, 0);

	for (size_t i = 0; i < ARRAY_SIZE(asked); i++) {
		PKT *p = client_ask(&c, "crowd.", LDNS_RR_TYPE_A, asked[i][0]);

		cr_assert_not_null(p);
		cr_expect(ldns_pkt_tc(p));
		cr_expect_leq(c.out.len, asked[i][1]);
		cr_expect_eq(ldns_pkt_ancount(p), asked[i][2], "%u: %u", asked[i][0], ldns_pkt_ancount(p));
		cr_expect_eq(ldns_pkt_edns(p), asked[i][0] != 0);
	}
	c.tcp = true;
	PKT *p = client_ask(&c, "crowd.", LDNS_RR_TYPE_A, 0);

	cr_expect_not(ldns_pkt_tc(p));
	cr_expect_eq(ldns_pkt_ancount(p), (DNS_TCP_MAX - 12 - 11) / 16);
	cr_expect_leq(c.out.len, DNS_TCP_MAX);
}

Test(dns_answer, what_just_fits_is_whole)
{
	for (unsigned int count = 29; count <= 32; count++) {
		_cleanup_(world_fini) struct world w = { 0 };
		crowd(&w, count);
		NAMES *names = names_of(&w, &(struct id_set){ 0 });
		CLIENT(c, names, 20, 0);
		PKT *p = client_ask(&c, "crowd.", LDNS_RR_TYPE_A, 0);

		cr_expect_eq(ldns_pkt_tc(p), count > 30);
		cr_expect_eq(ldns_pkt_ancount(p), count > 30 ? 30 : count);
		PKT *s = client_ask(&c, "_1._tcp.crowd.", LDNS_RR_TYPE_SRV, 1232);

		cr_expect_eq(ldns_pkt_tc(s), count > 33, "%u", ldns_pkt_ancount(s));
	}
}

Test(dns_answer, additional_addresses_go_first_and_without_a_mark)
{
	_cleanup_(world_fini) struct world w = { 0 };
	crowd(&w, 12);
	NAMES *names = names_of(&w, &(struct id_set){ 0 });
	CLIENT(c, names, 20, 0);
	PKT *p = client_ask(&c, "_1._tcp.crowd.", LDNS_RR_TYPE_SRV, 0);

	/* 12 + 19, and 36 an SRV: 463 bytes; three addresses fit behind. */
	cr_expect_eq(ldns_pkt_ancount(p), 12);
	cr_expect_eq(ldns_pkt_arcount(p), 3, "%u", ldns_pkt_arcount(p));
	cr_expect_not(ldns_pkt_tc(p));
	c.tcp = true;
	PKT *t = client_ask(&c, "_1._tcp.crowd.", LDNS_RR_TYPE_SRV, 0);

	cr_expect_eq(ldns_pkt_arcount(t), 12);
}

Test(dns_answer, a_great_srv_answer_by_tcp_is_read_by_others)
{
	_cleanup_(world_fini) struct world w = { 0 };
	crowd(&w, 5000);
	NAMES *names = names_of(&w, &(struct id_set){ 0 });
	CLIENT(c, names, 20, 0);

	c.tcp = true;
	PKT *p = client_ask(&c, "_1._tcp.crowd.", LDNS_RR_TYPE_SRV, 1232);

	cr_expect_leq(c.out.len, DNS_TCP_MAX);
	cr_expect_eq(ldns_pkt_ancount(p), (DNS_TCP_MAX - 12 - 19 - 11) / 36);
	cr_expect(ldns_pkt_edns(p));
}

Test(dns_answer, answers_are_shuffled_and_everybody_has_his_turn)
{
	_cleanup_(world_fini) struct world w = { 0 };
	unsigned int first[256] = { 0 }, seen = 0;
	crowd(&w, 100);
	NAMES *names = names_of(&w, &(struct id_set){ 0 });
	CLIENT(c, names, 20, 0);

	for (int i = 0; i < 5000; i++) {
		PKT *p = client_ask(&c, "crowd.", LDNS_RR_TYPE_A, 0);
		ldns_rr *rr = ldns_rr_list_rr(ldns_pkt_answer(p), 0);

		first[ldns_rdf_data(ldns_rr_rdf(rr, 0))[3]]++;
	}
	for (int i = 0; i < 100; i++) {
		seen += first[i] != 0;
		cr_expect_lt(first[i], 150, "one of a hundred gets a third of 5000/100 more at most");
	}
	cr_expect_eq(seen, 100);
}

Test(dns_answer, no_answer_has_an_address_twice)
{
	for (unsigned int count = 4090; count <= 4102; count += 3) {
		_cleanup_(world_fini) struct world w = { 0 };
		crowd(&w, count);
		NAMES *names = names_of(&w, &(struct id_set){ 0 });
		CLIENT(c, names, 20, 0);

		c.tcp = true;
		PKT *p = client_ask(&c, "crowd.", LDNS_RR_TYPE_A, 0);
		ldns_rr_list *l = ldns_pkt_answer(p);

		ldns_rr_list_sort(l);
		cr_expect_eq(ldns_rr_list_rr_count(l), count < 4094 ? count : 4094);
		for (size_t i = 1; i < ldns_rr_list_rr_count(l); i++)
			cr_assert_neq(ldns_rr_compare(ldns_rr_list_rr(l, i - 1), ldns_rr_list_rr(l, i)), 0);
	}
}

Test(dns_answer, who_does_not_serve_is_answered_by_his_own_name_only)
{
	_cleanup_(world_fini) struct world w = { 0 };
	struct id away = world_id(2);
	small_cluster(&w);
	NAMES *names = names_of(&w, &(struct id_set){ 1, &away });
	CLIENT(c, names, 20, 0);

	EXPECT(c, "rr.", A, "rr. 3 IN A 10.9.0.5\n");
	EXPECT(c, "all.rr.", A, "all.rr. 3 IN A 10.9.0.5\nall.rr. 3 IN A 10.9.0.6\n");
	EXPECT(c, "r2.", A, "r2. 3 IN A 10.9.0.6\n");
	EXPECT(c, "cache.", A, "cache. 3 IN A 10.9.0.5\ncache. 3 IN A 10.9.0.6\n");
	EXPECT(c, "web.3.", A, "web.3. 3 IN A 10.9.0.4\n");
	EXPECT(c, "_1._tcp.rr.", SRV, "_1._tcp.rr. 3 IN SRV 0 1 1 r1.app-net.\n");
}

Test(dns_answer, health_decides_where_the_service_checks)
{
	_cleanup_(world_fini) struct world w = { 0 };
	struct item *it;
	world_network(&w, 20, "net", "10.9.0.0/24", 5000);
	it = world_service(&w, 30, 20, "s", NULL);
	it->service.health = HEALTH_TCP;
	named_endpoint(&w, 40, 20, "10.9.0.2", "a", 30)->endpoint.health = ENDPOINT_HEALTHY;
	named_endpoint(&w, 41, 20, "10.9.0.3", "b", 30)->endpoint.health = ENDPOINT_UNHEALTHY;
	named_endpoint(&w, 42, 20, "10.9.0.4", "c", 30);
	NAMES *names = names_of(&w, &(struct id_set){ 0 });
	CLIENT(c, names, 20, 0);

	EXPECT(c, "s.", A, "s. 3 IN A 10.9.0.2\n");
	EXPECT(c, "all.s.", A, "all.s. 3 IN A 10.9.0.2\nall.s. 3 IN A 10.9.0.3\nall.s. 3 IN A 10.9.0.4\n");
	EXPECT(c, "c.", A, "c. 3 IN A 10.9.0.4\n");
}

Test(dns_answer, what_lost_its_claim_is_nothing_of_ours)
{
	_cleanup_(world_fini) struct world w = { 0 };
	world_network(&w, 20, "net", "10.9.0.0/24", 5000);
	world_network(&w, 21, "net", "10.8.0.0/24", 5001);
	named_endpoint(&w, 10, 20, "10.9.0.2", "first", 0);
	named_endpoint(&w, 41, 20, "10.9.0.2", "second", 31);
	world_service(&w, 30, 20, "lost", "10.9.0.2");
	world_service(&w, 31, 20, "twice", "10.9.0.100");
	world_service(&w, 32, 20, "twice", "10.9.0.101");
	world_service(&w, 33, 21, "there", "10.8.0.100");
	NAMES *names = names_of(&w, &(struct id_set){ 0 });
	CLIENT(c, names, 20, 21);

	EXPECT(c, "first.", A, "first. 3 IN A 10.9.0.2\n");
	EXPECT(c, "second.", A, "FORWARD");
	EXPECT(c, "eeee00000029.", A, "FORWARD");
	EXPECT(c, "all.twice.", A, "NODATA");
	EXPECT(c, "lost.", A, "FORWARD");
	EXPECT(c, "tasks.lost.", A, "FORWARD");
	EXPECT(c, "2.0.9.10.in-addr.arpa.", PTR, "2.0.9.10.in-addr.arpa. 3 IN PTR first.net.\n");
	EXPECT(c, "twice.", A, "twice. 3 IN A 10.9.0.100\n");
	EXPECT(c, "101.0.9.10.in-addr.arpa.", PTR, "NXDOMAIN");
	EXPECT(c, "there.net.", A, "FORWARD");
	EXPECT(c, "there.net~eeee00.", A, "there.net~eeee00. 3 IN A 10.8.0.100\n");
	EXPECT(c, "100.0.8.10.in-addr.arpa.", PTR,
	       "100.0.8.10.in-addr.arpa. 3 IN PTR there.net~eeee00.\n");
}

Test(dns_answer, of_two_services_that_differ_in_case_the_older_answers)
{
	_cleanup_(world_fini) struct world w = { 0 };
	world_network(&w, 20, "net", "10.9.0.0/24", 5000);
	world_service(&w, 30, 20, "Web", "10.9.0.100")->service.created_ms = 9;
	world_service(&w, 31, 20, "web", "10.9.0.101")->service.created_ms = 8;
	NAMES *names = names_of(&w, &(struct id_set){ 0 });
	CLIENT(c, names, 20, 0);

	EXPECT(c, "web.", A, "web. 3 IN A 10.9.0.101\n");
}

Test(dns_answer, a_name_too_long_for_a_label_is_no_target)
{
	_cleanup_(world_fini) struct world w = { 0 };
	char name[NAME_MAX_LEN + 1];

	memset(name, 'n', NAME_MAX_LEN);
	name[NAME_MAX_LEN] = '\0';
	world_network(&w, 20, name, "10.9.0.0/24", 5000);
	world_network(&w, 21, name, "10.8.0.0/24", 5001); /* shown as NAME~..., 70 bytes */
	named_endpoint(&w, 40, 21, "10.8.0.2", name, 30);
	world_service(&w, 30, 21, "s", NULL);
	named_endpoint(&w, 41, 20, "10.9.0.2", name, 0);
	NAMES *names = names_of(&w, &(struct id_set){ 0 });
	CLIENT(c, names, 21, 20);

	EXPECT(c, "s.", A, "s. 3 IN A 10.8.0.2\n");
	EXPECT(c, "2.0.8.10.in-addr.arpa.", PTR, "NODATA");
	EXPECT(c, "_1._tcp.s.", SRV, "NODATA");
	cr_expect_neq(strcmp(client_get(&c, "2.0.9.10.in-addr.arpa.", LDNS_RR_TYPE_PTR), "NODATA"), 0);
}

Test(dns_answer, of_an_empty_cluster_everything_is_forwarded)
{
	_cleanup_(world_fini) struct world w = { 0 };
	NAMES *names = names_of(&w, &(struct id_set){ 0 });
	CLIENT(c, names, 20, 0);

	EXPECT(c, "web.", A, "FORWARD");
	EXPECT(c, "eeee00000029.", A, "FORWARD");
	EXPECT(c, "2.0.9.10.in-addr.arpa.", PTR, "FORWARD");
	EXPECT(c, "_1._tcp.web.", SRV, "FORWARD");
	dns_names_free(NULL);
}
