/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Published ports: what may be asked for, and what is refused. */
#include <netinet/in.h>

#include "tests/lib/host.h"

#define LIST(field, ...)                                                          \
	.field = (const char *const[]){ __VA_ARGS__ },                            \
	.field##_count = sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *)
#define CREATE(name_, ...) \
	&(struct service_ask){ .name = name_, .network = "net", LIST(publish, __VA_ARGS__) }
#define UPDATE(name_, ...) &(struct service_ask){ .name = name_, __VA_ARGS__ }
#define REFUSED(code, says, ...) \
	assert_says(host_refused_service(&h, CREATE("web", __VA_ARGS__), code), says)

static struct publish published(struct host *h, const char *name, unsigned int i)
{
	const struct view_service *vs = host_service(h, name);
	struct service_detail d;

	cr_assert_lt(i, vs->svc->publish_count);
	service_detail_decode(vs->item, &d);
	return d.publish[i];
}

/* All of them, as Docker writes them: "*:80->80/tcp *:53->53/udp". */
static const char *ports(struct host *h, const char *name)
{
	static char text[SERVICE_PUBLISH_MAX * PUBLISH_TEXT_MAX];
	size_t len = 0;

	*text = '\0';
	for (unsigned int i = 0; i < host_service(h, name)->svc->publish_count; i++) {
		struct publish p = published(h, name, i);
		char one[PUBLISH_TEXT_MAX];

		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i ? " " : "",
					publish_format(&p, one));
	}
	return text;
}

#define NET_HOST                              \
	HOST(h, "h1", 1);                     \
	host_create(&h, "net", "10.1.0.0/24")

/* ---- what is said ---- */

Test(intent_publish, the_long_form_says_everything)
{
	char text[PREFIX_TEXT_MAX];

	NET_HOST;
	host_served(&h, CREATE("web", "mode=host,published=192.0.2.7:80,target=8080,protocol=udp,"
				      "allow=10.0.0.0/8,allow=192.0.2.9/32",
			       "target=53,published=54"));
	struct publish p = published(&h, "web", 0);
	cr_assert_eq(p.mode, PUBLISH_HOST);
	cr_assert_eq(p.protocol, IPPROTO_UDP);
	cr_assert_eq(p.allow_count, 2);
	cr_assert_str_eq(prefix_format(&p.allow[0], text), "10.0.0.0/8");
	cr_assert_str_eq(prefix_format(&p.allow[1], text), "192.0.2.9/32");
	p = published(&h, "web", 1);
	cr_assert_eq(p.mode, PUBLISH_INGRESS);
	cr_assert_eq(p.allow_count, 0);
	cr_assert_str_eq(ports(&h, "web"), "192.0.2.7:80->8080/udp *:54->53/tcp");
}

Test(intent_publish, the_short_form_is_dockers)
{
	NET_HOST;
	host_served(&h, CREATE("web", "80:8080", "53:53/udp", "9000:9000/sctp",
			       "192.0.2.7:443:8443", "0.0.0.0:81:81"));
	cr_assert_str_eq(ports(&h, "web"), "*:80->8080/tcp *:53->53/udp *:9000->9000/sctp "
					   "192.0.2.7:443->8443/tcp *:81->81/tcp");
}

Test(intent_publish, one_number_is_one_port_in_each_protocol_and_on_each_address)
{
	NET_HOST;
	host_served(&h, CREATE("web", "192.0.2.1:80:80", "192.0.2.2:80:80", "80:80/udp",
			       "127.0.0.1:80:80", "65535:65535"));
	cr_assert_eq(host_service(&h, "web")->svc->publish_count, 5);
}

Test(intent_publish, what_is_no_published_port_is_refused)
{
	NET_HOST;
	REFUSED(-EINVAL, "\"\" is not a port", "");
	REFUSED(-EINVAL, "\"http\" is not a port", "http");
	REFUSED(-EINVAL, "\"0\" is not a port; give a number from 1 to 65535", "0:80");
	REFUSED(-EINVAL, "\"65536\" is not a port", "65536:80");
	REFUSED(-EINVAL, "\"0\" is not a port", "80:0");
	REFUSED(-EINVAL, "\"65536\" is not a port", "80:65536");
	REFUSED(-EINVAL, "\"\" is not a port", "80:");
	REFUSED(-EINVAL, "\"\" is not a port", ":80");
	REFUSED(-EINVAL, "\"8000-8010\" is not a port", "8000-8010:80");
	REFUSED(-EINVAL, "protocol \"icmp\" is neither tcp, udp nor sctp", "80:80/icmp");
	REFUSED(-EINVAL, "protocol \"\"", "80:80/");
	REFUSED(-EINVAL, "\"0\" is not a port", "published=0,target=80");
	REFUSED(-EINVAL, "\"65536\" is not a port", "published=80,target=65536");
	REFUSED(-EINVAL, "\"\" is not a port", "published=,target=80");
	REFUSED(-EINVAL, "\"+80\" is not a port", "published=+80,target=80");
	REFUSED(-EINVAL, "\"192.0.2.1\" is not a port", "published=192.0.2.1,target=80");
	REFUSED(-EINVAL, "says no target", "published=80");
	REFUSED(-EINVAL, "mode \"vip\" is neither ingress nor host",
		"published=80,target=80,mode=vip");
	REFUSED(-EINVAL, "protocol \"TCP\"", "published=80,target=80,protocol=TCP");
	REFUSED(-EINVAL, "\"source=1\" says nothing; write published=[IP:]PORT,target=PORT",
		"published=80,target=80,source=1");
	REFUSED(-EINVAL, "\"\" says nothing", "published=80,target=80,");
	REFUSED(-EINVAL, "\"target\" says nothing", "published=80,target");
	REFUSED(-EINVAL, "says published= twice", "published=80,target=80,published=81");
	cr_assert_eq(store_view(h.store)->service_count, 0);
}

Test(intent_publish, an_address_is_an_ipv4_address_that_a_node_can_have)
{
	NET_HOST;
	REFUSED(-EINVAL, "\"192.0.2\" is not an address of a node", "192.0.2:80:80");
	REFUSED(-EINVAL, "\"host\" is not an address", "published=host:80,target=80");
	REFUSED(-EINVAL, "\"\" is not an address", "published=:80,target=80");
	REFUSED(-EINVAL, "\"224.0.0.1\" is not an address of a node", "224.0.0.1:80:80");
	REFUSED(-EINVAL, "\"255.255.255.255\"", "255.255.255.255:80:80");
	REFUSED(-EINVAL, "\"0.0.0.1\"", "0.0.0.1:80:80");
	REFUSED(-EINVAL, "\"fd00::1\" is IPv6", "published=fd00::1:80,target=80");
	REFUSED(-EINVAL, "\"[::1]\" is IPv6, and this version publishes on IPv4 addresses only",
		"[::1]:80:80");
	REFUSED(-EINVAL, "\"::\" is IPv6", "published=:::80,target=80");
}

#define WITH(allow) "published=80,target=80,allow=" allow

Test(intent_publish, a_filter_is_an_ipv4_prefix)
{
	NET_HOST;
	REFUSED(-EINVAL, "allow \"10.0.0.0\" is not an address and a prefix length",
		WITH("10.0.0.0"));
	REFUSED(-EINVAL, "allow \"10.0.0.0/33\"", WITH("10.0.0.0/33"));
	REFUSED(-EINVAL, "allow \"\"", WITH(""));
	REFUSED(-EINVAL, "allow \"any\"", WITH("any"));
	REFUSED(-EINVAL, "did you mean 10.0.0.0/8?", WITH("10.0.0.1/8"));
	REFUSED(-EINVAL, "is IPv6", WITH("fd00::/8"));
	REFUSED(-EINVAL, "allow=10.0.0.0/8 is given twice", WITH("10.0.0.0/8,allow=10.0.0.0/8"));
	host_served(&h, CREATE("web", WITH("0.0.0.0/0")));
	cr_assert_eq(published(&h, "web", 0).allow[0].len, ADDR_V4_BITS);
}

Test(intent_publish, a_port_has_so_many_filters_and_no_more)
{
	char text[PUBLISH_ALLOW_MAX * 32 + 64] = "80:80";
	size_t len = (size_t)snprintf(text, sizeof(text), "published=80,target=80");

	NET_HOST;
	for (int i = 0; i <= PUBLISH_ALLOW_MAX; i++) {
		if (i == PUBLISH_ALLOW_MAX)
			host_served(&h, CREATE("full", text));
		len += (size_t)snprintf(text + len, sizeof(text) - len, ",allow=10.0.%d.0/24", i);
	}
	cr_assert_eq(published(&h, "full", 0).allow_count, PUBLISH_ALLOW_MAX);
	REFUSED(-EINVAL, "a port may have 16 filters, and allow=10.0.16.0/24 is one too many",
		text);
}

Test(intent_publish, a_service_publishes_so_many_ports_and_no_more)
{
	const char *many[SERVICE_PUBLISH_MAX + 1];
	char text[SERVICE_PUBLISH_MAX + 1][16];
	struct service_ask ask = { .name = "web", .network = "net", .publish = many,
				   .publish_count = ARRAY_SIZE(many) };

	NET_HOST;
	for (size_t i = 0; i < ARRAY_SIZE(many); i++) {
		snprintf(text[i], sizeof(text[i]), "%zu:80", 1000 + i);
		many[i] = text[i];
	}
	assert_says(host_refused_service(&h, &ask, -EINVAL),
		    "a service may publish 32 ports, and \"1032:80\" is one too many");
	ask.publish_count--;
	host_served(&h, &ask);
	cr_assert_eq(published(&h, "web", 31).published, 1031);
	assert_says(host_refused_update(&h, UPDATE("web", LIST(publish_add, "80:80")), -EINVAL),
		    "one too many");
	host_updated_service(&h, UPDATE("web", LIST(publish_rm, "1000"), LIST(publish_add, "80:80")));
	cr_assert_eq(published(&h, "web", 0).published, 1001);
	cr_assert_eq(published(&h, "web", 31).published, 80);
}

Test(intent_publish, sctp_has_targets_of_its_own_as_the_others_do)
{
	NET_HOST;
	host_served(&h, CREATE("web", "80:90/sctp", "target=90,protocol=sctp"));
	cr_assert_eq(published(&h, "web", 0).published, 80);
	cr_assert_eq(published(&h, "web", 0).target, 90);
	cr_assert_geq(published(&h, "web", 1).published, PUBLISH_DYNAMIC_FIRST);
	cr_assert_leq(published(&h, "web", 1).published, PUBLISH_DYNAMIC_LAST);
	cr_assert_eq(published(&h, "web", 1).target, 90);
}

Test(intent_publish, a_dnsrr_service_publishes_ports_of_host_mode_alone)
{
	struct service_ask ask = { .name = "db", .network = "net", .mode = "dnsrr",
				   LIST(publish, "80:80") };

	NET_HOST;
	assert_says(host_refused_service(&h, &ask, -EINVAL),
		    "the port *:80->80/tcp of mode ingress could lead to; publish it with mode=host");
	ask.publish_count = 0;
	host_served(&h, &ask);
	assert_says(host_refused_update(&h, UPDATE("db", LIST(publish_add, "80:80")), -EINVAL),
		    "service db is dnsrr");
	host_updated_service(&h, UPDATE("db", LIST(publish_add, "mode=host,published=80,target=81")));
	assert_says(host_refused_update(&h, UPDATE("db", LIST(publish_add, "mode=host,target=82",
							      "83:83")), -EINVAL),
		    "use --endpoint-mode vip");
}

/* ---- whose a port is ---- */

Test(intent_publish, a_port_is_published_once_in_a_request)
{
	NET_HOST;
	REFUSED(-EINVAL, "*:80->80/tcp and *:80->81/tcp are one port, published twice", "80:80",
		"80:81");
	REFUSED(-EINVAL, "*:80->80/tcp and 192.0.2.1:80->80/tcp are one port", "80:80",
		"192.0.2.1:80:80");
	REFUSED(-EINVAL, "are one port", "192.0.2.1:80:80", "80:80");
	REFUSED(-EINVAL, "are one port", "mode=host,published=80,target=80", "80:80");
}

Test(intent_publish, another_services_port_is_refused_and_it_is_named)
{
	NET_HOST;
	host_create(&h, "net2", "10.2.0.0/24");
	host_served(&h, CREATE("shop", "80:8080", "192.0.2.1:443:443"));
	REFUSED(-EADDRINUSE, "port 80/tcp is published by service shop of network net already "
			     "(*:80->8080/tcp)", "80:80");
	REFUSED(-EADDRINUSE, "port 192.0.2.9:80/tcp is published by service shop",
		"192.0.2.9:80:80");
	REFUSED(-EADDRINUSE, "service shop", "published=80,target=80,mode=host");
	REFUSED(-EADDRINUSE, "service shop", "443:443");
	REFUSED(-EADDRINUSE, "service shop", "81:80", "192.0.2.1:443:443");
	struct service_ask ask = { .name = "web", .network = "net2", LIST(publish, "80:80") };
	assert_says(host_refused_service(&h, &ask, -EADDRINUSE), "service shop of network net");
	host_served(&h, CREATE("web", "80:80/udp", "192.0.2.2:443:443"));
	assert_says(host_refused_update(&h, UPDATE("web", LIST(publish_add, "80:80")), -EADDRINUSE),
		    "service shop");
	cr_assert_eq(intent_service_rm(h.intent, "shop", h.wall, NULL), 0);
	host_updated_service(&h, UPDATE("web", LIST(publish_add, "80:80")));
}

Test(intent_publish, what_the_nodes_speak_by_is_refused)
{
	NET_HOST;
	REFUSED(-EADDRINUSE, "port 7946/tcp is overlayd's own, for gossip between the nodes",
		"7946:80");
	REFUSED(-EADDRINUSE, "port 7946/udp is overlayd's own", "7946:80/udp");
	REFUSED(-EADDRINUSE, "port 4789/udp is overlayd's own, for VXLAN", "4789:80/udp");
	host_served(&h, CREATE("web", "4789:80", "7946:7946/sctp"));
}

/* What a made-up host's processes listen on. */
struct listeners {
	uint8_t protocol;
	uint16_t first, last;
	int asked;
};

static bool is_listened_on(void *arg, uint8_t protocol, const struct ov_addr *addr, uint16_t port)
{
	struct listeners *l = arg;
	struct ov_addr elsewhere;

	l->asked++;
	cr_assert_eq(addr_parse("192.0.2.99", &elsewhere), 0);
	return protocol == l->protocol && port >= l->first && port <= l->last &&
	       addr_cmp(addr, &elsewhere);
}

Test(intent_publish, a_port_that_a_process_listens_on_is_refused)
{
	struct listeners l = { IPPROTO_TCP, 22, 22 };

	NET_HOST;
	intent_ask_ports(h.intent, is_listened_on, &l);
	REFUSED(-EADDRINUSE,
		"a process on this node listens on port 22/tcp already; choose another",
		"22:22");
	REFUSED(-EADDRINUSE, "listens on port 192.0.2.1:22/tcp", "80:80", "192.0.2.1:22:22");
	host_served(&h, CREATE("web", "22:22/udp", "192.0.2.99:22:22"));
	assert_says(host_refused_update(&h, UPDATE("web", LIST(publish_add, "192.0.2.98:22:22")),
		-EADDRINUSE),
		    "a process on this node");
}

Test(intent_publish, what_is_published_already_is_not_asked_about_again)
{
	struct listeners l = { IPPROTO_TCP, 80, 80 };

	NET_HOST;
	host_served(&h, CREATE("web", "80:80"));
	intent_ask_ports(h.intent, is_listened_on, &l);
	host_updated_service(&h, UPDATE("web", .algorithm = "rr"));
	cr_assert_eq(l.asked, 0);
	host_updated_service(&h, UPDATE("web", LIST(publish_add, "81:80")));
	cr_assert_eq(l.asked, 1);
	cr_assert_str_eq(ports(&h, "web"), "*:80->80/tcp *:81->80/tcp");
}

/* ---- ports that are chosen ---- */

static bool is_chosen(const struct publish *p)
{
	return p->published >= PUBLISH_DYNAMIC_FIRST && p->published <= PUBLISH_DYNAMIC_LAST;
}

Test(intent_publish, a_port_that_nobody_named_is_chosen)
{
	NET_HOST;
	host_served(&h, CREATE("web", "target=80", "80", "80/udp", "mode=host,target=81"));
	struct publish p[4];
	for (unsigned int i = 0; i < 4; i++) {
		p[i] = published(&h, "web", i);
		cr_assert(is_chosen(&p[i]));
		cr_assert(addr_is_zero(&p[i].addr));
	}
	cr_assert_neq(p[0].published, p[1].published);
	cr_assert_eq(p[0].published, p[2].published, "another protocol, and one place to begin");
	cr_assert_eq(p[3].mode, PUBLISH_HOST);
	host_updated_service(&h, UPDATE("web", LIST(publish_add, "target=82")));
	cr_assert_eq(published(&h, "web", 0).published, p[0].published, "it keeps what it has");
	cr_assert_neq(published(&h, "web", 4).published, p[3].published);
}

Test(intent_publish, services_begin_to_choose_at_different_ports)
{
	unsigned int equal = 0;
	uint16_t before = 0;

	NET_HOST;
	for (int i = 0; i < 20; i++) {
		char name[8];

		snprintf(name, sizeof(name), "s%d", i);
		host_served(&h, CREATE(name, "target=80"));
		uint16_t port = published(&h, name, 0).published;
		equal += port == before + 1;
		before = port;
	}
	cr_assert_leq(equal, 2, "they are not handed out one after the other");
}

Test(intent_publish, the_last_free_port_is_chosen_and_then_none)
{
	struct listeners l = { IPPROTO_TCP, PUBLISH_DYNAMIC_FIRST, PUBLISH_DYNAMIC_LAST - 1 };

	NET_HOST;
	intent_ask_ports(h.intent, is_listened_on, &l);
	host_served(&h, CREATE("last", "80"));
	cr_assert_eq(published(&h, "last", 0).published, PUBLISH_DYNAMIC_LAST);
	REFUSED(-ENOSPC,
		"no tcp port between 30000 and 32767 is free to be published; name one with "
			 "published=PORT", "80");
	host_served(&h, CREATE("udp", "80/udp"));
	cr_assert_eq(intent_service_rm(h.intent, "last", h.wall, NULL), 0);
	host_served(&h, CREATE("web", "80"));
	cr_assert_eq(published(&h, "web", 0).published, PUBLISH_DYNAMIC_LAST);
}

Test(intent_publish, the_first_port_of_the_range_can_be_chosen_too)
{
	struct listeners l = { IPPROTO_TCP, PUBLISH_DYNAMIC_FIRST + 1, PUBLISH_DYNAMIC_LAST };

	NET_HOST;
	intent_ask_ports(h.intent, is_listened_on, &l);
	host_served(&h, CREATE("one", "80"));
	cr_assert_eq(published(&h, "one", 0).published, PUBLISH_DYNAMIC_FIRST);
	REFUSED(-ENOSPC, "is free to be published", "80");
}

Test(intent_publish, a_chosen_port_is_nobodys_on_any_address)
{
	struct listeners l = { IPPROTO_TCP, PUBLISH_DYNAMIC_FIRST + 2, PUBLISH_DYNAMIC_LAST };

	NET_HOST;
	host_served(&h, CREATE("bound", "192.0.2.1:30000:80"));
	intent_ask_ports(h.intent, is_listened_on, &l);
	REFUSED(-ENOSPC, "is free", "192.0.2.1:30001:80", "80");
	host_served(&h, CREATE("web", "30001:80/udp", "80"));
	cr_assert_eq(published(&h, "web", 1).published, PUBLISH_DYNAMIC_FIRST + 1);
	struct service_ask ask = { .name = "late", .network = "net", LIST(publish, "30001:80") };
	assert_says(host_refused_service(&h, &ask, -EADDRINUSE), "service web");
	ask.publish = (const char *const[]){ "80" };
	assert_says(host_refused_service(&h, &ask, -ENOSPC), "is free");
}

/* ---- update ---- */

Test(intent_publish, update_adds_and_takes_away)
{
	NET_HOST;
	host_served(&h, CREATE("web", "80:8080", "443:8443", "53:53/udp"));
	host_updated_service(&h, UPDATE("web", LIST(publish_rm, "443"), LIST(publish_add, "81:8081")));
	cr_assert_str_eq(ports(&h, "web"), "*:80->8080/tcp *:53->53/udp *:81->8081/tcp");
	host_updated_service(&h, UPDATE("web", LIST(publish_rm, "53/udp", "8080/tcp")));
	cr_assert_str_eq(ports(&h, "web"), "*:81->8081/tcp", "by target, as Docker has it");
	host_updated_service(&h, UPDATE("web", LIST(publish_rm, "published=81"),
					LIST(publish_add, "81:82")));
	cr_assert_str_eq(ports(&h, "web"), "*:81->82/tcp", "replaced in one go");
	host_updated_service(&h, UPDATE("web", LIST(publish_rm, "81:82")));
	cr_assert_eq(host_service(&h, "web")->svc->publish_count, 0);
	host_served(&h, CREATE("shop", "80:80", "81:80"));
}

Test(intent_publish, what_is_taken_away_must_be_one_port)
{
	NET_HOST;
	host_served(&h, CREATE("web", "80:8080", "8080:9000", "192.0.2.1:90:90",
		"192.0.2.2:90:91"));
#define NOT_TAKEN(code, says, text) \
	assert_says(host_refused_update(&h, UPDATE("web", LIST(publish_rm, text)), code), says)
	NOT_TAKEN(-ENOENT, "service web publishes no port \"81\"", "81");
	NOT_TAKEN(-ENOENT, "no port \"80/udp\"", "80/udp");
	NOT_TAKEN(-ENOENT, "no port \"80:80\"", "80:80");
	NOT_TAKEN(-ENOENT, "no port", "published=192.0.2.3:90");
	NOT_TAKEN(-EINVAL,
		"\"8080\" could be *:80->8080/tcp or *:8080->9000/tcp of service web; say "
			   "published=", "8080");
	NOT_TAKEN(-EINVAL, "could be 192.0.2.1:90->90/tcp or 192.0.2.2:90->91/tcp", "90");
	NOT_TAKEN(-EINVAL, "\"x\" is not a port", "x");
	host_updated_service(&h, UPDATE("web", LIST(publish_rm, "published=8080",
						    "published=192.0.2.2:90")));
	cr_assert_str_eq(ports(&h, "web"), "*:80->8080/tcp 192.0.2.1:90->90/tcp");
}

Test(intent_publish, each_command_has_its_own_words)
{
	struct service_ask ask = { .name = "web", .network = "net", LIST(publish_add, "80:80") };

	NET_HOST;
	assert_says(host_refused_service(&h, &ask, -EINVAL),
		"give its published ports with --publish");
	host_served(&h, CREATE("web", "80:80"));
	assert_says(host_refused_update(&h, UPDATE("web", LIST(publish, "81:81")), -EINVAL),
		    "change what it publishes with --publish-add and --publish-rm");
	assert_says(host_refused_update(&h, UPDATE("web", LIST(publish_add, "80:81")), -EEXIST),
		    "service web publishes *:80->80/tcp already, and *:80->81/tcp would be the "
		    "same port; take it away with --publish-rm 80/tcp");
	assert_says(host_refused_update(&h, UPDATE("web", LIST(publish_rm, "80"),
					      LIST(publish_add, "81:80", "81:81")), -EINVAL),
		    "are one port");
	cr_assert_str_eq(ports(&h, "web"), "*:80->80/tcp");
}

/* ---- dsr ---- */

Test(intent_publish, dsr_belongs_to_published_ports)
{
	struct service_ask ask = { .name = "web", .network = "net", LIST(opt, "dsr") };

	NET_HOST;
	assert_says(host_refused_service(&h, &ask, -EINVAL),
		"publishes no port, and dsr is the way of");
	ask.opt = (const char *const[]){ "dsr=yes" };
	assert_says(host_refused_service(&h, &ask, -EINVAL),
		"dsr \"yes\" is neither true nor false");
	ask.opt = (const char *const[]){ "dsrx" };
	assert_says(host_refused_service(&h, &ask, -EINVAL), "option \"dsrx\" is unknown");
	ask.opt = (const char *const[]){ "ds" };
	assert_says(host_refused_service(&h, &ask, -EINVAL), "option \"ds\" is unknown");
	ask.opt = (const char *const[]){ "dsr=false" };
	host_served(&h, &ask);
	assert_says(host_refused_update(&h, UPDATE("web", LIST(opt, "dsr")), -EINVAL),
		"publishes no port");
	host_updated_service(&h, UPDATE("web", LIST(opt, "dsr=true"), LIST(publish_add, "80:80")));
	cr_assert(host_service(&h, "web")->svc->dsr);
	host_updated_service(&h, UPDATE("web", .algorithm = "rr"));
	cr_assert(host_service(&h, "web")->svc->dsr, "what is not said stays");
	host_updated_service(&h, UPDATE("web", LIST(publish_rm, "80")));
	host_updated_service(&h, UPDATE("web", LIST(publish_add, "80:80"), LIST(opt, "dsr=false")));
	cr_assert_not(host_service(&h, "web")->svc->dsr);
}

/* ---- two nodes ---- */

Test(intent_publish, of_two_that_published_at_once_one_loses_and_may_publish_another)
{
	HOST(a, "a", 1);
	HOST(b, "b", 2);
	struct service_ask ask = { .name = "one", .network = "net",
				   LIST(publish, "80:80", "81:81") };

	host_create(&a, "net", "10.1.0.0/24");
	host_create(&b, "net2", "10.2.0.0/24");
	host_served(&a, &ask);
	b.wall++;
	ask.name = "two";
	ask.network = "net2";
	ask.publish_count = 1;
	host_served(&b, &ask);
	host_tell(&a, &b);
	host_tell(&b, &a);
	cr_assert_eq(host_service(&a, "two")->publish_lost, 1);
	cr_assert_eq(host_service(&b, "two")->publish_lost, 1);
	cr_assert_eq(host_service(&b, "one")->publish_lost, 0);
	assert_says(host_refused_update(&a, UPDATE("one", LIST(publish_add, "192.0.2.1:80:80")),
		-EEXIST),
		    "service one publishes");
	host_updated_service(&b, UPDATE("two", LIST(publish_rm, "80"), LIST(publish_add, "82:80")));
	cr_assert_eq(host_service(&b, "two")->publish_lost, 0);
}
