/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "model/model.h"

static const struct id alice = { { 0xa1 } }, app_net = { { 0xc0 } }, pod_one = { { 0xe1 } };

static struct item decoded(enum record_kind kind, const struct id *id, const struct buf *body)
{
	struct record r = { .key = key_of_id(kind, id), .body = body->data,
			    .body_len = (uint16_t)body->len };
	struct item it;

	cr_assert_eq(item_decode(&r, 5, &it), 0);
	cr_assert_eq(it.seen_ms, 5);
	return it;
}

static int decode_body(enum record_kind kind, const void *body, size_t len, struct item *it)
{
	struct id id = kind == RECORD_CLUSTER ? (struct id){ 0 } : pod_one;
	struct record r = { .key = key_of_id(kind, &id), .body = body, .body_len = (uint16_t)len };

	return item_decode(&r, 0, it);
}

static const struct endpoint web = { .id = pod_one, .node = alice, .network = app_net,
				     .addr = { .b = { [10] = 0xff, 0xff, 10, 10, 0, 3 } },
				     .mac = { 2, 0x42, 10, 10, 0, 3 }, .name = "web",
				     .netns_dev = 4, .netns_ino = 4026532000, .ifname = "eth0",
				     .created_ms = 1700000000000 };

/* As much as there can be of everything. */
static struct endpoint_detail full_detail(void)
{
	struct endpoint_detail d = { .alias_count = ALIAS_MAX, .label_count = LABEL_MAX };

	for (int i = 0; i < ALIAS_MAX; i++) {
		memset(d.alias[i], 'a' + i, NAME_MAX_LEN);
		memset(d.label[i].text, 'k', LABEL_MAX_LEN);
		d.label[i].text[1 + i] = '=';
	}
	memset(d.netns, '/', NETNS_MAX_LEN);
	return d;
}
_Static_assert(ALIAS_MAX == LABEL_MAX, "see full_detail");

/* ---- bodies ---- */

Test(model, node_survives_its_body)
{
	struct node n = { .id = alice, .name = "host-a", .addr = addr_from_v4(0xc0000201),
			  .gossip_port = 7946, .vxlan_port = 4789, .uplink_mtu = 1500,
			  .version = "0.1.0", .joined_ms = 1700000000000 };
	struct buf b = { 0 };
	struct item it;

	node_encode(&b, &n);
	it = decoded(RECORD_NODE, &alice, &b);
	cr_assert_eq(memcmp(&it.node, &n, sizeof(n)), 0);
	buf_fini(&b);
}

Test(model, network_survives_its_body)
{
	struct network n = { .id = app_net, .name = "app-net", .vni = VNI_MAX, .mtu = 1400,
			     .gateway = addr_from_v4(0x0a0a0001), .internal = true,
			     .policy_deny = true, .policy_audit = true, .created_ms = 42 };
	struct buf b = { 0 };
	struct item it;

	prefix_parse("10.10.0.0/24", &n.subnet);
	prefix_parse("10.10.0.128/25", &n.ip_range);
	network_encode(&b, &n);
	it = decoded(RECORD_NETWORK, &app_net, &b);
	cr_assert_str_eq(it.network.name, "app-net");
	cr_assert_eq(memcmp(&it.network.ip_range, &n.ip_range, sizeof(n.ip_range)), 0);
	cr_assert_eq(it.network.vni, VNI_MAX);
	cr_assert_eq(it.network.mtu, 1400);
	cr_assert(it.network.internal && !it.network.encrypted && it.network.policy_deny &&
		  it.network.policy_audit);
	buf_fini(&b);
}

Test(model, policy_survives_its_body)
{
	struct policy p = { .id = pod_one, .network = app_net, .deny = true, .created_ms = 42,
			    .from = { SELECTOR_LABEL }, .to = { SELECTOR_CIDR },
			    .port_count = POLICY_PORT_MAX };
	struct policy_detail d = { .from_label = { "tier=web" } }, back;
	struct buf b = { 0 };
	struct item it;

	cr_assert_eq(prefix_parse("0.0.0.0/0", &p.to.cidr), 0);
	for (uint16_t i = 0; i < POLICY_PORT_MAX; i++)
		d.port[i] = (struct policy_port){ IPPROTO_UDP, i, (uint16_t)(2 * i) };
	policy_encode(&b, &p, &d);
	it = decoded(RECORD_POLICY, &pod_one, &b);
	cr_assert(id_equal(&it.policy.network, &app_net) && it.policy.deny);
	cr_assert_eq(it.policy.from.kind, SELECTOR_LABEL);
	cr_assert_eq(memcmp(&it.policy.to.cidr, &p.to.cidr, sizeof(p.to.cidr)), 0);
	cr_assert_eq(it.policy.port_count, POLICY_PORT_MAX);
	policy_detail_decode(&it, &back);
	cr_assert_str_eq(back.from_label.text, "tier=web");
	cr_assert_str_empty(back.to_label.text);
	cr_assert_eq(memcmp(back.port, d.port, sizeof(d.port)), 0);
	buf_fini(&b);
}

Test(model, ports_of_a_policy_as_people_write_them)
{
	static const struct {
		struct policy_port port;
		const char *text;
	} all[] = {
		{ { POLICY_PROTOCOL_ANY, 0, 65535 }, "any" },
		{ { IPPROTO_ICMP, 0, 65535 }, "icmp" },
		{ { IPPROTO_TCP, 0, 65535 }, "tcp" },
		{ { IPPROTO_TCP, 80, 80 }, "80/tcp" },
		{ { IPPROTO_SCTP, 8000, 65535 }, "8000-65535/sctp" },
	};
	char text[POLICY_PORT_TEXT_MAX];

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		cr_assert_str_eq(policy_port_format(&all[i].port, text), all[i].text);
}

Test(model, endpoint_with_everything_survives_its_body)
{
	struct endpoint_detail d = full_detail(), back;
	struct buf b = { 0 };
	struct item it;

	endpoint_encode(&b, &web, &d);
	cr_assert_leq(b.len, RECORD_BODY_MAX);
	it = decoded(RECORD_ENDPOINT, &pod_one, &b);
	cr_assert_eq(it.body, b.data, "borrowed");
	cr_assert_eq(it.body_len, b.len);
	cr_assert_str_eq(it.endpoint.name, "web");
	cr_assert_eq(it.endpoint.netns_ino, 4026532000);
	cr_assert_str_eq(it.endpoint.ifname, "eth0");
	cr_assert(id_equal(&it.endpoint.node, &alice));
	memset(&back, 0xff, sizeof(back));
	endpoint_detail_decode(&it, &back);
	cr_assert_eq(memcmp(&back, &d, sizeof(d)), 0);
	buf_fini(&b);
}

Test(model, an_endpoint_without_details_has_empty_ones)
{
	static const struct endpoint_detail none;
	struct endpoint_detail back;
	struct buf b = { 0 };
	struct item it;

	memset(&back, 0xff, sizeof(back));
	endpoint_encode(&b, &web, &none);
	it = decoded(RECORD_ENDPOINT, &pod_one, &b);
	endpoint_detail_decode(&it, &back);
	cr_assert_eq(memcmp(&back, &none, sizeof(none)), 0);
	buf_fini(&b);
}

/* Wire ABI: a list of fields in this order, whichever struct they come from. */
Test(model, a_backend_says_whose_it_is_and_how_it_is)
{
	static const struct endpoint_detail none;
	struct endpoint backend = web;
	struct buf b = { 0 };
	struct item it;

	backend.service = app_net;
	backend.weight = WEIGHT_MAX;
	backend.health = ENDPOINT_UNHEALTHY;
	backend.draining = true;
	endpoint_encode(&b, &backend, &none);
	it = decoded(RECORD_ENDPOINT, &pod_one, &b);
	cr_assert(id_equal(&it.endpoint.service, &app_net));
	cr_assert_eq(it.endpoint.weight, WEIGHT_MAX);
	cr_assert_eq(it.endpoint.health, ENDPOINT_UNHEALTHY);
	cr_assert(it.endpoint.draining);
	buf_fini(&b);
}

/* As much as there can be of everything. */
static struct service_detail full_service_detail(void)
{
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP };
	struct service_detail d = { .port_count = SERVICE_PORT_MAX };

	for (uint16_t i = 0; i < SERVICE_PORT_MAX; i++)
		d.port[i] = (struct service_port){ (uint16_t)(65535 - i), (uint16_t)(1 + i),
						   protocols[i % 3] };
	memset(d.health_path, '/', HEALTH_PATH_MAX_LEN);
	for (uint16_t i = 0; i < SERVICE_PUBLISH_MAX; i++) {
		struct publish *p = &d.publish[i];

		*p = (struct publish){ .mode = i % 2, .protocol = protocols[i % 3],
				       .published = (uint16_t)(65535 - i),
				       .target = (uint16_t)(1 + i),
				       .addr = addr_from_v4(0xc0000201),
				       .allow_count = PUBLISH_ALLOW_MAX };
		for (uint8_t j = 0; j < PUBLISH_ALLOW_MAX; j++)
			p->allow[j] = (struct prefix){ addr_from_v4(0x0a000000u + j), 128 };
	}
	return d;
}

static const struct service shop = { .id = pod_one, .network = app_net, .name = "shop",
				     .vip = { .b = { [10] = 0xff, 0xff, 10, 10, 0, 5 } },
				     .algorithm = OV_LB_LEAST_CONN, .prefer_local = true,
				     .dsr = true, .publish_count = SERVICE_PUBLISH_MAX,
				     .affinity_s = 10800, .health = HEALTH_HTTP,
				     .health_port = 8080, .health_interval_s = 5,
				     .created_ms = 1700000000000 };

Test(model, service_with_everything_survives_its_body)
{
	struct service_detail d = full_service_detail(), back;
	struct buf b = { 0 };
	struct item it;

	service_encode(&b, &shop, &d);
	cr_assert_leq(b.len, RECORD_BODY_MAX);
	it = decoded(RECORD_SERVICE, &pod_one, &b);
	cr_assert_eq(it.body, b.data, "borrowed");
	cr_assert_str_eq(it.service.name, "shop");
	cr_assert(id_equal(&it.service.id, &pod_one), "from the key");
	cr_assert(id_equal(&it.service.network, &app_net));
	cr_assert_eq(addr_cmp(&it.service.vip, &shop.vip), 0);
	cr_assert_eq(it.service.mode, SERVICE_VIP);
	cr_assert_eq(it.service.algorithm, OV_LB_LEAST_CONN);
	cr_assert(it.service.prefer_local && it.service.dsr);
	cr_assert_eq(it.service.affinity_s, 10800);
	cr_assert_eq(it.service.health, HEALTH_HTTP);
	cr_assert_eq(it.service.health_port, 8080);
	cr_assert_eq(it.service.health_interval_s, 5);
	cr_assert_eq(it.service.created_ms, shop.created_ms);
	memset(&back, 0xff, sizeof(back));
	service_detail_decode(&it, &back);
	cr_assert_eq(back.port_count, SERVICE_PORT_MAX);
	for (int i = 0; i < SERVICE_PORT_MAX; i++) {
		cr_assert_eq(back.port[i].port, d.port[i].port);
		cr_assert_eq(back.port[i].target, d.port[i].target);
		cr_assert_eq(back.port[i].protocol, d.port[i].protocol);
	}
	cr_assert_str_eq(back.health_path, d.health_path);
	cr_assert_eq(it.service.publish_count, SERVICE_PUBLISH_MAX);
	cr_assert_eq(memcmp(back.publish, d.publish, sizeof(d.publish)), 0);
	buf_fini(&b);
}

/* As those of before there were published ports: the rest of a body needs no list of them. */
Test(model, a_service_of_before_publishes_nothing)
{
	static const char body[] = "\1\0\020\300\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" "\2\0\4shop"
				   "\3\0\020\0\0\0\0\0\0\0\0\0\0\377\377\012\012\0\5"
				   "\11\0\5\0\120\37\220\6";
	static const struct publish nothing[SERVICE_PUBLISH_MAX];
	struct service_detail d;
	struct buf b = { 0 };
	struct item it;

	cr_assert_eq(decode_body(RECORD_SERVICE, body, sizeof(body) - 1, &it), 0);
	cr_assert_eq(it.service.publish_count, 0);
	service_detail_decode(&it, &d);
	cr_assert_eq(d.port[0].target, 8080);
	cr_assert_eq(memcmp(d.publish, nothing, sizeof(nothing)), 0);
	service_encode(&b, &it.service, &d);
	cr_assert_eq(b.len, sizeof(body) - 1);
	cr_assert_eq(memcmp(b.data, body, b.len), 0, "and is written as it was");
	buf_fini(&b);
}

#define PUBLISHED_HEAD "\17\0\30" "\1\6\0\120\37\220" "\4\300\0\2\1"

/* Wire ABI. */
Test(model, a_published_port_is_what_its_bytes_say)
{
	static const char expected[] = PUBLISHED_HEAD "\2" "\4\012\0\0\0\10" "\4\0\0\0\0\0"
				       "\17\0\10" "\0\21\0\65\0\65" "\0" "\0";
	struct service s = { .id = pod_one, .publish_count = 2 };
	struct service_detail d = { .publish = {
		{ PUBLISH_HOST, IPPROTO_TCP, 80, 8080, addr_from_v4(0xc0000201), .allow_count = 2 },
		{ PUBLISH_INGRESS, IPPROTO_UDP, 53, 53 } } }, back;
	struct buf b = { 0 };
	struct item it;

	prefix_parse("10.0.0.0/8", &d.publish[0].allow[0]);
	prefix_parse("0.0.0.0/0", &d.publish[0].allow[1]);
	service_encode(&b, &s, &d);
	cr_assert_eq(b.len, sizeof(expected) - 1);
	cr_assert_eq(memcmp(b.data, expected, b.len), 0);
	it = decoded(RECORD_SERVICE, &pod_one, &b);
	service_detail_decode(&it, &back);
	cr_assert_eq(memcmp(back.publish, d.publish, sizeof(d.publish)), 0);
	buf_fini(&b);
}

Test(model, a_published_port_may_speak_of_ipv6)
{
	struct service s = { .id = pod_one, .publish_count = 1 };
	struct service_detail d = { .publish = { { PUBLISH_INGRESS, IPPROTO_TCP, 80, 80,
						   .allow_count = 2 } } }, back;
	struct buf b = { 0 };
	struct item it;

	cr_assert_eq(addr_parse("fd00::1", &d.publish[0].addr), 0);
	cr_assert_eq(prefix_parse("fd00::/8", &d.publish[0].allow[0]), 0);
	cr_assert_eq(prefix_parse("::/0", &d.publish[0].allow[1]), 0);
	service_encode(&b, &s, &d);
	it = decoded(RECORD_SERVICE, &pod_one, &b);
	service_detail_decode(&it, &back);
	cr_assert_eq(memcmp(back.publish, d.publish, sizeof(d.publish)), 0);
	buf_fini(&b);
}

Test(model, published_ports_clash_by_number_protocol_and_address)
{
	const struct publish every = { PUBLISH_INGRESS, IPPROTO_TCP, 80, 80 };
	struct publish one = { PUBLISH_HOST, IPPROTO_TCP, 80, 8080, addr_from_v4(0xc0000201) };
	struct publish other = one;
	char text[PUBLISH_TEXT_MAX];

	cr_assert(publish_clashes(&every, &one) && publish_clashes(&one, &every));
	cr_assert(publish_clashes(&one, &other) && publish_clashes(&every, &every));
	cr_assert_str_eq(publish_format(&one, text), "192.0.2.1:80->8080/tcp");
	cr_assert_str_eq(publish_format(&every, text), "*:80->80/tcp");
	other.addr = addr_from_v4(0xc0000202);
	cr_assert_not(publish_clashes(&one, &other));
	other = one;
	other.protocol = IPPROTO_SCTP;
	cr_assert_not(publish_clashes(&every, &other));
	other.protocol = IPPROTO_TCP;
	other.published = 81;
	cr_assert_not(publish_clashes(&every, &other), "the target does not matter");
}

Test(model, a_service_without_details_has_empty_ones)
{
	static const struct service_detail none;
	struct service plain = { .id = pod_one, .network = app_net, .mode = SERVICE_DNSRR };
	struct service_detail back;
	struct buf b = { 0 };
	struct item it;

	service_encode(&b, &plain, &none);
	it = decoded(RECORD_SERVICE, &pod_one, &b);
	cr_assert_eq(it.service.mode, SERVICE_DNSRR);
	service_detail_decode(&it, &back);
	cr_assert_eq(memcmp(&back, &none, sizeof(none)), 0);
	buf_fini(&b);
}

Test(model, the_body_of_an_endpoint_is_what_it_always_was)
{
	static const char expected[] =
		"\1\0\020\241\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
		"\2\0\020\300\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
		"\3\0\020\0\0\0\0\0\0\0\0\0\0\377\377\012\012\0\3"
		"\4\0\6\2\102\012\012\0\3" "\5\0\3web" "\6\0\2w1\6\0\2w2" "\7\0\3a=b"
		"\10\0\15/run/netns/c1" "\11\0\10\0\0\0\0\0\0\0\4"
		"\12\0\10\0\0\0\0\360\0\0\240" "\13\0\4eth0"
		"\14\0\10\0\0\1\213\317\345\150\0";
	struct endpoint_detail d = { .alias_count = 2, .alias = { "w1", "w2" }, .label_count = 1,
				     .label = { { "a=b" } }, .netns = "/run/netns/c1" };
	struct buf b = { 0 };

	endpoint_encode(&b, &web, &d);
	cr_assert_eq(b.len, sizeof(expected) - 1);
	cr_assert_eq(memcmp(b.data, expected, b.len), 0);
	buf_fini(&b);
}

Test(model, cluster_and_block_survive_their_bodies)
{
	struct cluster c = { .id = alice, .key_count = 2, .token_secret = { 9 } };
	struct block block = { .network = app_net, .start = addr_from_v4(0x0a0a0040),
			       .owner = alice };
	struct record r = { .key = key_of_block(&app_net, &block.start) };
	struct buf b = { 0 };
	struct item it;

	c.key[0][0] = 1;
	c.key[1][31] = 2;
	cluster_encode(&b, &c);
	it = decoded(RECORD_CLUSTER, &(struct id){ 0 }, &b);
	cr_assert_eq(memcmp(&it.cluster, &c, sizeof(c)), 0);
	buf_reset(&b);
	block_encode(&b, &block);
	r.body = b.data;
	r.body_len = (uint16_t)b.len;
	cr_assert_eq(item_decode(&r, 0, &it), 0);
	cr_assert_eq(memcmp(&it.block, &block, sizeof(block)), 0);
	buf_fini(&b);
}

Test(model, a_zero_key_of_an_earlier_daemons_ring_is_kept)
{
	struct cluster c = { .id = alice, .key_count = 3 };
	struct buf b = { 0 };
	struct item it;

	c.key[0][0] = 1;
	c.key[2][0] = 3;
	cluster_encode(&b, &c);
	it = decoded(RECORD_CLUSTER, &(struct id){ 0 }, &b);
	cr_assert_eq(it.cluster.key_count, 3);
	cr_assert_eq(it.cluster.key[2][0], 3);
	buf_fini(&b);
}

Test(model, unknown_fields_are_skipped_and_missing_ones_are_zero)
{
	static const uint8_t body[] = { 200, 0, 2, 'x', 'y', 1, 0, 3, 'w', 'e', 'b' };
	struct item it;

	cr_assert_eq(decode_body(RECORD_NODE, body, sizeof(body), &it), 0);
	cr_assert_str_eq(it.node.name, "web");
	cr_assert_eq(it.node.vxlan_port, 0);
	cr_assert(id_equal(&it.node.id, &pod_one), "identity is the key's");
}

struct bad_body {
	const char *why;
	enum record_kind kind;
	size_t len;
	const char *body;
};

#define SIXTEEN "0123456789abcdef"
#define HUNDRED_28 SIXTEEN SIXTEEN SIXTEEN SIXTEEN SIXTEEN SIXTEEN SIXTEEN SIXTEEN
#define A_PORT "\11\0\5\0\120\0\120\6"
#define FOUR_PORTS A_PORT A_PORT A_PORT A_PORT
#define A_PUBLISHED "\17\0\10\0\6\0\120\0\120\0\0"
#define EIGHT_PUBLISHED                                                                         \
	A_PUBLISHED A_PUBLISHED A_PUBLISHED A_PUBLISHED A_PUBLISHED A_PUBLISHED A_PUBLISHED     \
	A_PUBLISHED
#define BAD(why, kind, body) { why, kind, sizeof(body) - 1, body }
static const struct bad_body bad_bodies[] = {
	BAD("cut in the type", RECORD_NODE, "\1"),
	BAD("cut in the length", RECORD_NODE, "\1\0"),
	BAD("longer than it is", RECORD_NODE, "\1\0\5web"),
	BAD("cut in an unknown field", RECORD_NODE, "\310\0\5x"),
	BAD("name that begins with a dash", RECORD_NODE, "\1\0\2-a"),
	BAD("empty name", RECORD_NODE, "\1\0\0"),
	BAD("blank in a name", RECORD_NODE, "\1\0\3a b"),
	BAD("NUL in a name", RECORD_NODE, "\1\0\3a\0b"),
	BAD("escape sequence in a version", RECORD_NODE, "\6\0\3\033[2"),
	BAD("overlong UTF-8 in a version", RECORD_NODE, "\6\0\2\300\257"),
	BAD("surrogate in a version", RECORD_NODE, "\6\0\3\355\240\200"),
	BAD("cut UTF-8 in a version", RECORD_NODE, "\6\0\1\303"),
	BAD("version of 32 bytes", RECORD_NODE, "\6\0\040" "12345678901234567890123456789012"),
	BAD("port of three bytes", RECORD_NODE, "\3\0\3\0\0\1"),
	BAD("VNI of 25 bits", RECORD_NETWORK, "\5\0\4\1\0\0\0"),
	BAD("flag that is 2", RECORD_NETWORK, "\7\0\1\2"),
	BAD("prefix of 129 bits", RECORD_NETWORK,
	    "\2\0\021\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\201"),
	BAD("prefix with host bits", RECORD_NETWORK,
	    "\2\0\021\0\0\0\0\0\0\0\0\0\0\377\377\012\0\0\1\170"),
	BAD("range outside of the subnet", RECORD_NETWORK,
	    "\2\0\021\0\0\0\0\0\0\0\0\0\0\377\377\012\0\0\0\170"
	    "\3\0\021\0\0\0\0\0\0\0\0\0\0\377\377\012\0\1\0\170"),
	BAD("gateway outside of the subnet", RECORD_NETWORK,
	    "\2\0\021\0\0\0\0\0\0\0\0\0\0\377\377\012\0\0\0\170"
	    "\4\0\020\0\0\0\0\0\0\0\0\0\0\377\377\012\0\1\1"),
	BAD("nine aliases", RECORD_ENDPOINT,
	    "\6\0\1a\6\0\1a\6\0\1a\6\0\1a\6\0\1a\6\0\1a\6\0\1a\6\0\1a\6\0\1a"),
	BAD("empty alias", RECORD_ENDPOINT, "\6\0\0"),
	BAD("alias that begins with a dot", RECORD_ENDPOINT, "\6\0\2.a"),
	BAD("second alias with a blank", RECORD_ENDPOINT, "\6\0\1a\6\0\3a b"),
	BAD("alias of 64 bytes", RECORD_ENDPOINT, "\6\0\100" SIXTEEN SIXTEEN SIXTEEN SIXTEEN),
	BAD("nine labels", RECORD_ENDPOINT,
	    "\7\0\1a\7\0\1a\7\0\1a\7\0\1a\7\0\1a\7\0\1a\7\0\1a\7\0\1a\7\0\1a"),
	BAD("escape sequence in a label", RECORD_ENDPOINT, "\7\0\5a=\033[2"),
	BAD("label of 128 bytes", RECORD_ENDPOINT, "\7\0\200" HUNDRED_28),
	BAD("label longer than the body", RECORD_ENDPOINT, "\7\0\5a=b"),
	BAD("NUL in a netns", RECORD_ENDPOINT, "\10\0\3/\0a"),
	BAD("UTF-8 cut in a netns", RECORD_ENDPOINT, "\10\0\2/\303"),
	BAD("netns of 256 bytes", RECORD_ENDPOINT, "\10\1\0" HUNDRED_28 HUNDRED_28),
	BAD("bad netns behind good fields", RECORD_ENDPOINT, "\5\0\3web\13\0\4eth0\10\0\1\n"),
	BAD("weight of 101", RECORD_ENDPOINT, "\16\0\2\0\145"),
	BAD("unknown health of an endpoint", RECORD_ENDPOINT, "\17\0\1\3"),
	BAD("service id of three bytes", RECORD_ENDPOINT, "\15\0\3abc"),
	BAD("blank in a service's name", RECORD_SERVICE, "\2\0\3a b"),
	BAD("unknown mode", RECORD_SERVICE, "\4\0\1\2"),
	BAD("unknown algorithm", RECORD_SERVICE, "\5\0\1\4"),
	BAD("unknown health check", RECORD_SERVICE, "\12\0\1\3\13\0\2\0\120"),
	BAD("health check without a port", RECORD_SERVICE, "\12\0\1\1"),
	BAD("HTTP check without a path", RECORD_SERVICE, "\12\0\1\2\13\0\2\0\120"),
	BAD("HTTP check of a relative path", RECORD_SERVICE,
	    "\12\0\1\2\13\0\2\0\120\15\0\1a"),
	BAD("line end in a health path", RECORD_SERVICE, "\15\0\2/\n"),
	BAD("health path of 128 bytes", RECORD_SERVICE, "\15\0\200" HUNDRED_28),
	BAD("VIP of a dnsrr service", RECORD_SERVICE,
	    "\4\0\1\1\3\0\020\0\0\0\0\0\0\0\0\0\0\377\377\012\0\0\5"),
	BAD("port 0", RECORD_SERVICE, "\11\0\5\0\0\0\120\6"),
	BAD("target 0", RECORD_SERVICE, "\11\0\5\0\120\0\0\6"),
	BAD("port of an unknown protocol", RECORD_SERVICE, "\11\0\5\0\120\0\120\1"),
	BAD("port of four bytes", RECORD_SERVICE, "\11\0\4\0\120\0\120"),
	BAD("seventeen ports", RECORD_SERVICE,
	    FOUR_PORTS FOUR_PORTS FOUR_PORTS FOUR_PORTS A_PORT),
	BAD("published port of mode ingress of a dnsrr service", RECORD_SERVICE,
	    "\4\0\1\1\17\0\10\0\6\0\120\0\120\0\0"),
	BAD("unknown mode of a published port", RECORD_SERVICE, "\17\0\10\2\6\0\120\0\120\0\0"),
	BAD("published port of an unknown protocol", RECORD_SERVICE,
	    "\17\0\10\0\1\0\120\0\120\0\0"),
	BAD("published port 0", RECORD_SERVICE, "\17\0\10\0\6\0\0\0\120\0\0"),
	BAD("target 0 of a published port", RECORD_SERVICE, "\17\0\10\0\6\0\120\0\0\0\0"),
	BAD("published port without a count", RECORD_SERVICE, "\17\0\7\0\6\0\120\0\120\0"),
	BAD("published port and a byte", RECORD_SERVICE, "\17\0\11\0\6\0\120\0\120\0\0\0"),
	BAD("published port on an address of three bytes", RECORD_SERVICE,
	    "\17\0\13\0\6\0\120\0\120\3abc\0"),
	BAD("published port on a cut address", RECORD_SERVICE, "\17\0\11\0\6\0\120\0\120\4ab"),
	BAD("published port on 0.0.0.0", RECORD_SERVICE,
	    "\17\0\14\0\6\0\120\0\120\4\0\0\0\0\0"),
	BAD("published port on ::", RECORD_SERVICE,
	    "\17\0\30\0\6\0\120\0\120\20\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
	BAD("filter with host bits", RECORD_SERVICE,
	    "\17\0\16\0\6\0\120\0\120\0\1\4\012\0\0\1\10"),
	BAD("filter of 33 bits", RECORD_SERVICE,
	    "\17\0\16\0\6\0\120\0\120\0\1\4\012\0\0\1\41"),
	BAD("filter without an address", RECORD_SERVICE,
	    "\17\0\12\0\6\0\120\0\120\0\1\0\0"),
	BAD("filter that is missing", RECORD_SERVICE,
	    "\17\0\16\0\6\0\120\0\120\0\2\4\012\0\0\0\10"),
	BAD("filter given twice", RECORD_SERVICE,
	    "\17\0\24\0\6\0\120\0\120\0\2\4\012\0\0\0\10\4\012\0\0\0\10"),
	BAD("seventeen filters", RECORD_SERVICE, "\17\0\10\0\6\0\120\0\120\0\21"),
	BAD("rule from an unknown selector", RECORD_POLICY, "\3\0\1\5"),
	BAD("rule from a service without its id", RECORD_POLICY, "\3\0\1\1"),
	BAD("rule from everybody with an id", RECORD_POLICY, "\4\0\0201234567890123456"),
	BAD("rule to a label without one", RECORD_POLICY, "\7\0\1\2"),
	BAD("rule to a CIDR without one", RECORD_POLICY, "\7\0\1\4"),
	BAD("rule to everybody with a label", RECORD_POLICY, "\12\0\3a=b"),
	BAD("rule to a CIDR with host bits", RECORD_POLICY,
	    "\7\0\1\4\11\0\21\0\0\0\0\0\0\0\0\0\0\377\377\12\0\0\1\170"),
	BAD("rule that is neither allow nor deny", RECORD_POLICY, "\2\0\1\2"),
	BAD("port of a rule, of an unknown protocol", RECORD_POLICY, "\13\0\5\57\0\0\377\377"),
	BAD("port of a rule, backwards", RECORD_POLICY, "\13\0\5\6\0\2\0\1"),
	BAD("port of ICMP", RECORD_POLICY, "\13\0\5\1\0\120\0\120"),
	BAD("port of a rule, of six bytes", RECORD_POLICY, "\13\0\6\6\0\1\0\2\0"),
	BAD("thirty-three published ports", RECORD_SERVICE,
	    EIGHT_PUBLISHED EIGHT_PUBLISHED EIGHT_PUBLISHED EIGHT_PUBLISHED A_PUBLISHED),
	BAD("cluster without an id", RECORD_CLUSTER, ""),
	BAD("key of four bytes", RECORD_CLUSTER, "\2\0\4abcd"),
	BAD("ring without a key", RECORD_RING, ""),
	BAD("key of the ring of four bytes", RECORD_RING, "\3\0\4abcd"),
	BAD("confirmation of nothing", RECORD_RING_ACK, ""),
};

Test(model, a_body_that_breaks_a_bound_is_refused_whole)
{
	for (size_t i = 0; i < sizeof(bad_bodies) / sizeof(bad_bodies[0]); i++) {
		const struct bad_body *bad = &bad_bodies[i];
		struct item it = { .seen_ms = 77 };

		cr_expect_eq(decode_body(bad->kind, bad->body, bad->len, &it), -EBADMSG, "%s",
			     bad->why);
		cr_expect_eq(it.seen_ms, 77, "%s: output untouched", bad->why);
	}
}

Test(model, text_may_be_utf8)
{
	static const char body[] = "\6\0\011" "\303\251\342\202\254\360\237\220\263";
	struct item it;

	cr_assert_eq(decode_body(RECORD_NODE, body, sizeof(body) - 1, &it), 0);
	cr_assert_eq(strlen(it.node.version), 9);
}

Test(model, keys_of_the_wrong_shape_are_refused)
{
	struct record r = { 0 };
	struct item it;

	r.key = key_of_id(RECORD_NODE, &(struct id){ 0 });
	cr_assert_eq(item_decode(&r, 0, &it), -EBADMSG, "zero id");
	r.key = key_of_id(RECORD_BLOCK, &alice);
	cr_assert_eq(item_decode(&r, 0, &it), -EBADMSG, "block key of 16 bytes");
	r.key = key_of_id(RECORD_CLUSTER, &alice);
	cr_assert_eq(item_decode(&r, 0, &it), -EBADMSG, "a second cluster record");
	r.key = key_of_id(RECORD_RING, &alice);
	cr_assert_eq(item_decode(&r, 0, &it), -EBADMSG, "a second ring");
	r.key = key_of_id(RECORD_RING_ACK, &(struct id){ 0 });
	cr_assert_eq(item_decode(&r, 0, &it), -EBADMSG, "a confirmation of nobody");
	r.key = key_of_id(RECORD_KIND_END, &alice);
	cr_assert_eq(item_decode(&r, 0, &it), -EBADMSG, "unknown kind");
}

Test(model, a_network_without_a_range_takes_addresses_from_its_subnet)
{
	struct network n = { .id = app_net, .name = "n" };
	struct buf b = { 0 };
	struct item it;

	prefix_parse("10.10.0.0/24", &n.subnet);
	network_encode(&b, &n);
	it = decoded(RECORD_NETWORK, &app_net, &b);
	cr_assert_eq(memcmp(&it.network.ip_range, &n.subnet, sizeof(n.subnet)), 0);
	buf_fini(&b);
}

Test(model, owners_are_those_of_owned_kinds)
{
	struct item it = { .key.kind = RECORD_ENDPOINT, .endpoint = web };
	struct id owner = item_owner(&it);

	cr_assert(id_equal(&owner, &alice));
	it = (struct item){ .key.kind = RECORD_BLOCK, .block.owner = alice };
	owner = item_owner(&it);
	cr_assert(id_equal(&owner, &alice));
	it = (struct item){ .key.kind = RECORD_NETWORK, .network.id = app_net };
	owner = item_owner(&it);
	cr_assert(id_is_zero(&owner));
}

/* ---- names ---- */

Test(model, names_follow_the_rules)
{
	static const char *const good[] = { "a", "app-net", "0", "A_b.c-9" };
	char longest[NAME_MAX_LEN + 1];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		cr_assert_eq(name_check("network name", good[i], NULL), 0, "%s", good[i]);
	memset(longest, 'x', NAME_MAX_LEN);
	longest[NAME_MAX_LEN] = '\0';
	cr_assert_eq(name_check("network name", longest, NULL), 0);
}

Test(model, a_refused_name_is_quoted_with_what_to_do)
{
	char too_long[NAME_MAX_LEN + 2];
	struct err e = { 0 };

	cr_assert_eq(name_check("network name", "my net", &e), -EINVAL);
	cr_assert_not_null(strstr(e.text, "network name \"my net\""));
	cr_assert_not_null(strstr(e.text, "use letters"));
	e = (struct err){ 0 };
	cr_assert_eq(name_check("node name", "", &e), -EINVAL);
	cr_assert_not_null(strstr(e.text, "node name is empty"));
	e = (struct err){ 0 };
	memset(too_long, 'x', sizeof(too_long) - 1);
	too_long[sizeof(too_long) - 1] = '\0';
	cr_assert_eq(name_check("alias", too_long, &e), -EINVAL);
	cr_assert_not_null(strstr(e.text, "63"));
	cr_assert_eq(name_check("alias", ".a", NULL), -EINVAL);
	cr_assert_eq(name_check("alias", "a/b", NULL), -EINVAL);
	cr_assert_eq(name_check("alias", "caf\303\251", NULL), -EINVAL);
}

/* ---- tokens ---- */

Test(model, words_survive_being_read_back)
{
	uint8_t value;

	for (uint8_t i = 0; i < OV_LB_COUNT; i++) {
		value = 99;
		cr_assert_eq(lb_parse(lb_to_str(i), &value), 0);
		cr_assert_eq(value, i);
	}
	cr_assert_eq(lb_parse("wrr", &value), -EINVAL);
	cr_assert_str_eq(lb_to_str(OV_LB_COUNT), "unknown");
	cr_assert_eq(protocol_parse("sctp and more", 4, &value), 0);
	cr_assert_eq(value, IPPROTO_SCTP);
	cr_assert_eq(protocol_parse("tcp", 2, &value), -EINVAL);
	cr_assert_str_eq(protocol_to_str(IPPROTO_UDP), "udp");
	cr_assert_str_eq(protocol_to_str(1), "unknown");
	cr_assert_str_eq(service_mode_to_str(SERVICE_DNSRR), "dnsrr");
	cr_assert_str_eq(endpoint_health_to_str(ENDPOINT_UNHEALTHY), "unhealthy");
	cr_assert_str_eq(endpoint_health_to_str(3), "unknown");
}

Test(model, tokens_survive_text_and_others_are_refused)
{
	uint8_t secret[TOKEN_SECRET_LEN] = { 1, 2, 3 }, back[TOKEN_SECRET_LEN] = { 0 };
	char text[TOKEN_TEXT_MAX];

	token_format(secret, text);
	cr_assert_eq(strlen(text), 68);
	cr_assert_eq(token_parse(text, back), 0);
	cr_assert_arr_eq(back, secret, sizeof(secret));
	text[67] = '\0';
	cr_assert_eq(token_parse(text, back), -EINVAL);
	cr_assert_eq(token_parse("ov2-", back), -EINVAL);
	cr_assert_eq(token_parse("", back), -EINVAL);
	token_format(secret, text);
	text[2] = '2';
	cr_assert_eq(token_parse(text, back), -EINVAL, "another format of token");
}
