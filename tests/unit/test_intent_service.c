/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Services and their backends, on real stores. */
#include <netinet/in.h>

#include "tests/lib/host.h"

static struct service_ask ask_of(const char *name, const char *network)
{
	return (struct service_ask){ .name = name, .network = network };
}

static struct service_detail detail(struct host *h, const char *ref)
{
	struct service_detail d;

	service_detail_decode(host_service(h, ref)->item, &d);
	return d;
}

static const char *vip(struct host *h, const char *ref)
{
	static char text[ADDR_TEXT_MAX];

	return addr_format(&host_service(h, ref)->svc->vip, text);
}

/* One that works, on a host with network "net". */
static const struct view_service *served(struct host *h, const char *name, const char *network)
{
	struct service_ask ask = ask_of(name, network);

	host_served(h, &ask);
	return host_service(h, name);
}

static const struct view_endpoint *attached(struct host *h, const char *network, const char *name,
					    const char *service)
{
	struct attach_ask ask = host_ask(network);

	ask.name = name;
	ask.service = service;
	return view_endpoint_by_id(store_view(h->store), &host_attached(h, &ask)->id);
}

/* ---- create ---- */

Test(intent_service, create_fills_what_was_not_said)
{
	HOST(h, "h1", 1);

	host_create(&h, "net", "10.1.0.0/24");
	const struct view_service *vs = served(&h, "web", "net");
	cr_assert_eq(vs->svc->mode, SERVICE_VIP);
	cr_assert_eq(vs->svc->algorithm, OV_LB_MAGLEV);
	cr_assert_eq(vs->svc->affinity_s, 0);
	cr_assert_eq(vs->svc->health, HEALTH_NONE);
	cr_assert_not(vs->svc->prefer_local);
	cr_assert_eq(vs->svc->created_ms, WALL);
	cr_assert_eq(detail(&h, "web").port_count, 0, "every port");
	cr_assert_str_eq(vip(&h, "web"), "10.1.0.2");
}

Test(intent_service, create_takes_what_was_said)
{
	HOST(h, "h1", 1);
	const char *port[] = { "80:8080", "53/udp", "9999/sctp", "8080:80/tcp" };
	struct service_ask ask = ask_of("shop", "net");

	host_create(&h, "net", "10.1.0.0/24");
	ask.algorithm = "least-conn";
	ask.affinity = "client-ip=60";
	ask.prefer = "local";
	ask.vip = "10.1.0.77";
	ask.health = "http:8080/health?x=1";
	ask.health_interval = "7";
	ask.port = port;
	ask.port_count = ARRAY_SIZE(port);
	host_served(&h, &ask);
	const struct service *s = host_service(&h, "shop")->svc;
	struct service_detail d = detail(&h, "shop");
	cr_assert_eq(s->algorithm, OV_LB_LEAST_CONN);
	cr_assert_eq(s->affinity_s, 60);
	cr_assert(s->prefer_local);
	cr_assert_str_eq(vip(&h, "shop"), "10.1.0.77");
	cr_assert_eq(s->health, HEALTH_HTTP);
	cr_assert_eq(s->health_port, 8080);
	cr_assert_eq(s->health_interval_s, 7);
	cr_assert_str_eq(d.health_path, "/health?x=1");
	cr_assert_eq(d.port_count, 4);
	cr_assert_eq(d.port[0].port, 80);
	cr_assert_eq(d.port[0].target, 8080);
	cr_assert_eq(d.port[0].protocol, IPPROTO_TCP);
	cr_assert_eq(d.port[1].target, 53);
	cr_assert_eq(d.port[1].protocol, IPPROTO_UDP);
	cr_assert_eq(d.port[2].protocol, IPPROTO_SCTP);
	cr_assert_eq(d.port[3].target, 80);
}

Test(intent_service, words_have_their_usual_values)
{
	HOST(h, "h1", 1);
	struct service_ask ask = ask_of("a", "net");

	host_create(&h, "net", "10.1.0.0/24");
	ask.affinity = "client-ip";
	ask.health = "http:80";
	host_served(&h, &ask);
	cr_assert_eq(host_service(&h, "a")->svc->affinity_s, AFFINITY_S);
	cr_assert_eq(host_service(&h, "a")->svc->health_interval_s, HEALTH_INTERVAL_S);
	cr_assert_str_eq(detail(&h, "a").health_path, "/");
	ask = ask_of("b", "net");
	ask.health = "tcp:22";
	ask.affinity = ask.prefer = "none";
	host_served(&h, &ask);
	cr_assert_eq(host_service(&h, "b")->svc->health, HEALTH_TCP);
	cr_assert_eq(host_service(&h, "b")->svc->affinity_s, 0);
	cr_assert_not(host_service(&h, "b")->svc->prefer_local);
}

Test(intent_service, dnsrr_has_no_vip_and_takes_ports_for_srv)
{
	HOST(h, "h1", 1);
	const char *port = "80";
	struct service_ask ask = ask_of("db", "net");

	host_create(&h, "net", "10.1.0.0/24");
	ask.mode = "dnsrr";
	ask.port = &port;
	ask.port_count = 1;
	ask.health = "tcp:80";
	host_served(&h, &ask);
	cr_assert_eq(host_service(&h, "db")->svc->mode, SERVICE_DNSRR);
	cr_assert(addr_is_zero(&host_service(&h, "db")->svc->vip));
	cr_assert_eq(detail(&h, "db").port_count, 1);
	served(&h, "web", "net");
	cr_assert_str_eq(vip(&h, "web"), "10.1.0.2", "it took no address");
}

static const char *const *one(const char *text)
{
	static const char *list[1];

	list[0] = text;
	return list;
}

#define REFUSED(code, says, ...)                                                \
	do {                                                                    \
		ask = ok;                                                       \
		__VA_ARGS__;                                                    \
		assert_says(host_refused_service(&h, &ask, code), says);        \
	} while (0)
#define PORT(text) ask.port = one(text), ask.port_count = 1
#define PORTS(...)                                                              \
	ask.port = (const char *[]){ __VA_ARGS__ },                             \
	ask.port_count = sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *)

Test(intent_service, bad_ones_are_refused_and_write_nothing)
{
	HOST(h, "h1", 1);
	struct service_ask ok = ask_of("web", "net"), ask;
	char longest[NAME_MAX_LEN + 2], path[HEALTH_PATH_MAX_LEN + 16];

	host_create(&h, "net", "10.1.0.0/24");
	REFUSED(-EINVAL, "service name is empty", ask.name = NULL);
	REFUSED(-EINVAL, "service name \"a b\"", ask.name = "a b");
	REFUSED(-EINVAL, "\"a.b\" cannot be a name in DNS", ask.name = "a.b");
	REFUSED(-EINVAL, "\"a-\" cannot be a name in DNS", ask.name = "a-");
	REFUSED(-EINVAL, "\"_a\"", ask.name = "_a");
	REFUSED(-EINVAL, "\"17\" would be read as an address", ask.name = "17");
	memset(longest, 'x', sizeof(longest));
	longest[NAME_MAX_LEN + 1] = '\0';
	REFUSED(-EINVAL, "longer than 63", ask.name = longest);
	REFUSED(-ENOENT, "there is no network \"other\"", ask.network = "other");
	REFUSED(-ENOENT, "there is no network \"\"", ask.network = NULL);
	REFUSED(-EINVAL, "\"roundrobin\" is neither vip nor dnsrr", ask.mode = "roundrobin");
	REFUSED(-EINVAL, "\"wrr\" is no way to balance", ask.algorithm = "wrr");
	REFUSED(-EINVAL, "affinity \"client\"", ask.affinity = "client");
	REFUSED(-EINVAL, "affinity \"client-ip5\"", ask.affinity = "client-ip5");
	REFUSED(-EINVAL, "affinity \"client-ip=\"", ask.affinity = "client-ip=");
	REFUSED(-EINVAL, "affinity \"client-ip=0\"", ask.affinity = "client-ip=0");
	REFUSED(-EINVAL, "affinity \"client-ip=86401\"", ask.affinity = "client-ip=86401");
	REFUSED(-EINVAL, "prefer \"remote\"", ask.prefer = "remote");
	REFUSED(-EINVAL, "\"10.1.0\" is not an address", ask.vip = "10.1.0");
	REFUSED(-EINVAL, "is IPv6", ask.vip = "fd00::1");
	REFUSED(-EINVAL, "outside the subnet", ask.vip = "10.2.0.5");
	REFUSED(-EINVAL, "is the gateway", ask.vip = "10.1.0.1");
	REFUSED(-EINVAL, "network or broadcast", ask.vip = "10.1.0.255");
	REFUSED(-EINVAL, "health \"udp:53\"", ask.health = "udp:53");
	REFUSED(-EINVAL, "health \"tcp:0\"", ask.health = "tcp:0");
	REFUSED(-EINVAL, "health \"tcp:80/x\"", ask.health = "tcp:80/x");
	REFUSED(-EINVAL, "health \"http:65536/\"", ask.health = "http:65536/");
	REFUSED(-EINVAL, "health \"http:/x\"", ask.health = "http:/x");
	REFUSED(-EINVAL, "visible ASCII", ask.health = "http:80/a b");
	REFUSED(-EINVAL, "visible ASCII", ask.health = "http:80/a\r\nHost: x");
	memset(path, '/', sizeof(path));
	memcpy(path, "http:80", 7);
	path[sizeof(path) - 1] = '\0';
	REFUSED(-EINVAL, "at most 127", ask.health = path);
	REFUSED(-EINVAL, "without a check", ask.health_interval = "5");
	REFUSED(-EINVAL, "health interval \"0\"", ask.health = "tcp:1"; ask.health_interval = "0");
	REFUSED(-EINVAL, "health interval \"3601\"",
		ask.health = "tcp:1"; ask.health_interval = "3601");
	REFUSED(-EINVAL, "option \"x=1\" is unknown", ask.opt = one("x=1"); ask.opt_count = 1);
	served(&h, "web", "net");
}

Test(intent_service, bad_ports_are_refused_and_write_nothing)
{
	HOST(h, "h1", 1);
	struct service_ask ok = ask_of("web", "net"), ask;
	const char *many[SERVICE_PORT_MAX + 1];
	char text[SERVICE_PORT_MAX + 1][8];

	host_create(&h, "net", "10.1.0.0/24");
	REFUSED(-EINVAL, "port \"\" is not PORT", PORT(""));
	REFUSED(-EINVAL, "port \"0\"", PORT("0"));
	REFUSED(-EINVAL, "port \"65536\"", PORT("65536"));
	REFUSED(-EINVAL, "port \"80:\"", PORT("80:"));
	REFUSED(-EINVAL, "port \"80:0\"", PORT("80:0"));
	REFUSED(-EINVAL, "port \"80/\"", PORT("80/"));
	REFUSED(-EINVAL, "port \"80/icmp\"", PORT("80/icmp"));
	REFUSED(-EINVAL, "port \"80/tcp/udp\"", PORT("80/tcp/udp"));
	REFUSED(-EINVAL, "port \"1:2:3\"", PORT("1:2:3"));
	REFUSED(-EINVAL, "port \"+80\"", PORT("+80"));
	REFUSED(-EINVAL, "port \"http\"", PORT("http"));
	REFUSED(-EINVAL, "port 80/tcp is given twice", PORTS("80", "80:81/tcp"));
	REFUSED(-EINVAL, "ports 80/tcp and 81:80/tcp have one target", PORTS("80", "81:80"));
	for (size_t i = 0; i < ARRAY_SIZE(many); i++) {
		snprintf(text[i], sizeof(text[i]), "%zu", 1000 + i);
		many[i] = text[i];
	}
	REFUSED(-EINVAL, "port 1016/tcp is one too many", ask.port = many;
		ask.port_count = ARRAY_SIZE(many));
	ask = ok;
	PORTS("80", "80/udp", "81:80/sctp");
	ask.port_count = 2;
	host_served(&h, &ask);
	cr_assert_eq(detail(&h, "web").port_count, 2, "one number in two protocols is two ports");
}

Test(intent_service, dnsrr_refuses_what_only_a_vip_can_do)
{
	HOST(h, "h1", 1);
	struct service_ask ok = ask_of("db", "net"), ask;

	host_create(&h, "net", "10.1.0.0/24");
	ok.mode = "dnsrr";
	REFUSED(-EINVAL, "service db is dnsrr", ask.algorithm = "rr");
	REFUSED(-EINVAL, "--affinity means nothing", ask.affinity = "client-ip");
	REFUSED(-EINVAL, "--prefer means nothing", ask.prefer = "local");
	REFUSED(-EINVAL, "--vip means nothing", ask.vip = "10.1.0.9");
}

Test(intent_service, names_are_unique_in_a_network_whatever_their_case)
{
	HOST(h, "h1", 1);
	struct service_ask ok = ask_of("web", "net"), ask;
	struct attach_ask attach = host_ask("net");
	const char *alias = "Shop";

	host_create(&h, "net", "10.1.0.0/24");
	host_create(&h, "net2", "10.2.0.0/24");
	served(&h, "web", "net");
	attach.name = "db";
	attach.alias = &alias;
	attach.alias_count = 1;
	host_attached(&h, &attach);
	REFUSED(-EEXIST, "network net has a service web already", ask.name = "web");
	REFUSED(-EEXIST, "network net has a service web already", ask.name = "WEB");
	REFUSED(-EEXIST, "endpoint db of network net on node h1 answers to the name Db already",
		ask.name = "Db");
	REFUSED(-EEXIST, "answers to the name shop already", ask.name = "shop");
	served(&h, "db", "net2");
	ask = ask_of("web", "net2");
	host_served(&h, &ask);
}

Test(intent_service, an_endpoint_may_not_be_called_like_a_service)
{
	HOST(h, "h1", 1);
	struct attach_ask ask;
	const char *alias = "WEB";

	host_create(&h, "net", "10.1.0.0/24");
	host_create(&h, "net2", "10.2.0.0/24");
	served(&h, "web", "net");
	ask = host_ask("net");
	ask.name = "Web";
	assert_says(host_refused_attach(&h, &ask, -EEXIST),
		    "network net has a service web, and an endpoint called Web could not be told");
	ask.name = "tasks.web";
	assert_says(host_refused_attach(&h, &ask, -EEXIST), "an endpoint called tasks.web");
	ask.name = "All.web";
	assert_says(host_refused_attach(&h, &ask, -EEXIST), "an endpoint called All.web");
	ask.name = NULL;
	ask.alias = &alias;
	ask.alias_count = 1;
	assert_says(host_refused_attach(&h, &ask, -EEXIST), "an alias called WEB");
	ask.network = "net2";
	host_attached(&h, &ask);
}

Test(intent_service, a_vip_and_an_endpoints_address_are_never_one)
{
	HOST(h, "h1", 1);
	struct service_ask ok = ask_of("web", "net"), ask;
	struct attach_ask attach = host_ask("net");
	char text[ADDR_TEXT_MAX];

	host_create(&h, "net", "10.1.0.0/24");
	attach.name = "db";
	attach.ip = "10.1.0.9";
	host_attached(&h, &attach);
	REFUSED(-EADDRINUSE, "address 10.1.0.9 of network net is in use by endpoint db",
		ask.vip = "10.1.0.9");
	ok.vip = "10.1.0.10";
	host_served(&h, &ok);
	attach = host_ask("net");
	attach.ip = "10.1.0.10";
	assert_says(host_refused_attach(&h, &attach, -EADDRINUSE), "is the VIP of service web");
	ok.name = "again";
	assert_says(host_refused_service(&h, &ok, -EADDRINUSE), "is the VIP of service web");
	attach.ip = NULL;
	cr_assert_str_eq(addr_format(&host_attached(&h, &attach)->addr, text), "10.1.0.11");
}

/* ---- update ---- */

Test(intent_service, update_changes_what_was_said_and_nothing_else)
{
	HOST(h, "h1", 1);
	const char *port[] = { "80", "443" };
	struct service_ask ask = ask_of("web", "net");
	struct service before;

	host_create(&h, "net", "10.1.0.0/24");
	ask.port = port;
	ask.port_count = 2;
	ask.affinity = "client-ip=5";
	ask.health = "http:80/x";
	host_served(&h, &ask);
	before = *host_service(&h, "web")->svc;

	ask = ask_of("web", NULL);
	ask.algorithm = "rr";
	host_updated_service(&h, &ask);
	before.algorithm = OV_LB_RR;
	cr_assert_eq(memcmp(host_service(&h, "web")->svc, &before, sizeof(before)), 0);
	cr_assert_eq(detail(&h, "web").port_count, 2);
	cr_assert_str_eq(detail(&h, "web").health_path, "/x");

	ask = ask_of("web", NULL);
	ask.affinity = ask.health = "none";
	ask.prefer = "local";
	host_updated_service(&h, &ask);
	cr_assert_eq(host_service(&h, "web")->svc->affinity_s, 0);
	cr_assert_eq(host_service(&h, "web")->svc->health, HEALTH_NONE);
	cr_assert_eq(host_service(&h, "web")->svc->health_interval_s, 0);
	cr_assert_str_eq(detail(&h, "web").health_path, "");
	cr_assert(host_service(&h, "web")->svc->prefer_local);
	cr_assert_eq(host_service(&h, "web")->svc->algorithm, OV_LB_RR);
}

Test(intent_service, ports_are_replaced_or_changed_by_signs)
{
	HOST(h, "h1", 1);
	struct service_ask ask = ask_of("web", "net"), ok;

	host_create(&h, "net", "10.1.0.0/24");
	PORTS("80", "443");
	host_served(&h, &ask);
	ok = ask = ask_of("web", NULL);
	PORTS("+53/udp", "-443");
	host_updated_service(&h, &ask);
	cr_assert_eq(detail(&h, "web").port_count, 2);
	cr_assert_eq(detail(&h, "web").port[0].port, 80);
	cr_assert_eq(detail(&h, "web").port[1].protocol, IPPROTO_UDP);
	PORTS("8080");
	host_updated_service(&h, &ask);
	cr_assert_eq(detail(&h, "web").port_count, 1);
	cr_assert_eq(detail(&h, "web").port[0].port, 8080);
	PORTS("-8080", "+8080:80");
	host_updated_service(&h, &ask);
	cr_assert_eq(detail(&h, "web").port[0].target, 80, "in order");

	ask = ok;
	PORTS("+1", "2");
	assert_says(host_refused_update(&h, &ask, -EINVAL), "port \"2\" has no sign");
	PORTS("1", "-2");
	assert_says(host_refused_update(&h, &ask, -EINVAL), "port \"-2\" has a sign");
	PORTS("-81");
	assert_says(host_refused_update(&h, &ask, -ENOENT), "has no port 81/tcp to be taken away");
	PORTS("-8080/udp");
	assert_says(host_refused_update(&h, &ask, -ENOENT), "has no port 8080/udp");
	PORTS("+8080");
	assert_says(host_refused_update(&h, &ask, -EINVAL), "given twice");
	PORTS("+90:80");
	assert_says(host_refused_update(&h, &ask, -EINVAL), "have one target");
	PORTS("-8080"); /* would open all of them */
	assert_says(host_refused_update(&h, &ask, -EINVAL), "port \"-8080\" is the last one");
	PORTS("any", "80");
	assert_says(host_refused_update(&h, &ask, -EINVAL), "port \"any\" is not PORT");
	PORTS("any");
	host_updated_service(&h, &ask);
	cr_assert_eq(detail(&h, "web").port_count, 0);
}

Test(intent_service, what_is_settled_at_creation_stays)
{
	HOST(h, "h1", 1);
	struct service_ask ask = ask_of("web", NULL);

	host_create(&h, "net", "10.1.0.0/24");
	served(&h, "web", "net");
	ask.network = "net";
	assert_says(host_refused_update(&h, &ask, -EINVAL), "the network of service web is settled");
	ask = ask_of("web", NULL);
	ask.mode = "dnsrr";
	assert_says(host_refused_update(&h, &ask, -EINVAL), "the endpoint mode of service web");
	ask = ask_of("web", NULL);
	ask.vip = "10.1.0.9";
	assert_says(host_refused_update(&h, &ask, -EINVAL), "the VIP of service web");
	ask = ask_of("wob", NULL);
	assert_says(host_refused_update(&h, &ask, -ENOENT), "there is no service \"wob\"");
	ask = ask_of("web", NULL);
	ask.algorithm = "?";
	assert_says(host_refused_update(&h, &ask, -EINVAL), "no way to balance");
}

Test(intent_service, a_name_that_several_networks_have_must_be_qualified)
{
	HOST(h, "h1", 1);
	struct service_ask ask = ask_of("web", "a");
	struct err e = { 0 };

	host_create(&h, "a", "10.1.0.0/24");
	host_create(&h, "b", "10.2.0.0/24");
	host_served(&h, &ask);
	ask.network = "b";
	host_served(&h, &ask);
	ask = ask_of("web", NULL);
	ask.algorithm = "rr";
	assert_says(host_refused_update(&h, &ask, -EINVAL), "say which one as web.NETWORK");
	ask.name = "web.b";
	host_updated_service(&h, &ask);
	cr_assert_eq(host_service(&h, "web.b")->svc->algorithm, OV_LB_RR);
	cr_assert_eq(host_service(&h, "web.a")->svc->algorithm, OV_LB_MAGLEV);
	cr_assert_eq(intent_service_rm(h.intent, "web", WALL, &e), -EINVAL);
	cr_assert_eq(intent_service_rm(h.intent, "web.a", WALL, NULL), 0);
	cr_assert_eq(host_service(&h, "web")->svc->algorithm, OV_LB_RR, "now there is one");
}

Test(intent_service, any_node_changes_and_removes_a_service)
{
	HOST(h1, "h1", 1);
	HOST(h2, "h2", 2);
	struct service_ask ask = ask_of("web", NULL);

	host_create(&h1, "net", "10.1.0.0/24");
	served(&h1, "web", "net");
	host_tell(&h1, &h2);
	ask.algorithm = "random";
	host_updated_service(&h2, &ask);
	host_tell(&h2, &h1);
	cr_assert_eq(host_service(&h1, "web")->svc->algorithm, OV_LB_RANDOM);
	cr_assert_eq(intent_service_rm(h2.intent, "web", WALL, NULL), 0);
	host_tell(&h2, &h1);
	cr_assert_eq(store_view(h1.store)->service_count, 0);
	cr_assert_eq(store_view(h1.store)->released_count, 1, "its VIP rests");
}

/* ---- rm ---- */

Test(intent_service, removal_leaves_its_backends_attached_as_nobodys)
{
	HOST(h, "h1", 1);
	struct err e = { 0 };

	host_create(&h, "net", "10.1.0.0/24");
	served(&h, "web", "net");
	attached(&h, "net", "c1", "web");
	cr_assert_eq(intent_service_rm(h.intent, "web", WALL, &e), 0, "%s", e.text);
	cr_assert_eq(store_view(h.store)->endpoint_count, 1);
	cr_assert_null(view_endpoint_find(store_view(h.store), "c1")->service);
	cr_assert_eq(intent_service_rm(h.intent, "web", WALL, &e), -ENOENT);
	assert_says(e.text, "there is no service \"web\"");
	served(&h, "web", "net");
	cr_assert_null(view_endpoint_find(store_view(h.store), "c1")->service,
		       "a new one of that name is another one");
}

Test(intent_service, a_network_with_services_is_not_removed)
{
	HOST(h, "h1", 1);
	struct err e = { 0 };
	const char *const names[] = { "a", "b", "c", "d" };

	host_create(&h, "net", "10.1.0.0/24");
	served(&h, "a", "net");
	cr_assert_eq(intent_network_rm(h.intent, "net", WALL, &e), -EBUSY);
	assert_says(e.text, "network net has 1 service (a); remove it first");
	for (int i = 1; i < 4; i++)
		served(&h, names[i], "net");
	e = (struct err){ 0 };
	cr_assert_eq(intent_network_rm(h.intent, "net", WALL, &e), -EBUSY);
	assert_says(e.text, "network net has 4 services (");
	assert_says(e.text, ", ...); remove them first");
	for (int i = 0; i < 4; i++)
		cr_assert_eq(intent_service_rm(h.intent, names[i], WALL, NULL), 0);
	cr_assert_eq(intent_network_rm(h.intent, "net", WALL, NULL), 0);
}

/* ---- backends ---- */

Test(intent_service, an_endpoint_attaches_as_a_backend)
{
	HOST(h, "h1", 1);
	struct attach_ask ask = host_ask("net");
	const struct view_service *vs;
	char id[ID_TEXT_MAX];

	host_create(&h, "net", "10.1.0.0/24");
	vs = served(&h, "web", "net");
	id_format(&vs->svc->id, id);
	ask.service = "web";
	ask.weight = "7";
	const struct endpoint *ep = host_attached(&h, &ask);
	cr_assert(id_equal(&ep->service, &host_service(&h, "web")->svc->id));
	cr_assert_eq(ep->weight, 7);
	cr_assert_eq(ep->health, ENDPOINT_UNTRIED);
	cr_assert_eq(attached(&h, "net", "c2", id)->service, host_service(&h, "web"), "by id");
	cr_assert_eq(attached(&h, "net", "c3", "web.net")->ep->weight, 1);
	cr_assert_null(attached(&h, "net", "c4", NULL)->service);
}

Test(intent_service, an_endpoint_attaches_to_no_wrong_service)
{
	HOST(h, "h1", 1);
	struct attach_ask ok = host_ask("net"), ask;

	host_create(&h, "net", "10.1.0.0/24");
	host_create(&h, "net2", "10.2.0.0/24");
	served(&h, "web", "net");
	served(&h, "far", "net2");
	ask = ok;
	ask.service = "wob";
	assert_says(host_refused_attach(&h, &ask, -ENOENT), "there is no service \"wob\" on network "
							    "net");
	ask.service = "far";
	assert_says(host_refused_attach(&h, &ask, -EINVAL),
		    "service far is of network net2, and a backend must be on the same network; the "
		    "endpoint is on net");
	ask.service = "web";
	ask.weight = "0";
	assert_says(host_refused_attach(&h, &ask, -EINVAL), "weight \"0\" is not a number between 1");
	ask.weight = "101";
	assert_says(host_refused_attach(&h, &ask, -EINVAL), "weight \"101\"");
	ask.service = NULL;
	ask.weight = "5";
	assert_says(host_refused_attach(&h, &ask, -EINVAL), "say which one with --service");
}

static struct id join(struct host *h, const char *endpoint, const char *service, const char *weight)
{
	struct err e = { 0 };
	struct id id = { 0 };

	cr_assert_eq(intent_endpoint_join(h->intent, endpoint, service, weight, WALL, &id, &e), 0,
		     "%s", e.text);
	return id;
}

static const char *refused_join(struct host *h, const char *endpoint, const char *service,
				const char *weight, int code)
{
	uint64_t before = store_serial(h->store);
	struct id id;

	h->e = (struct err){ 0 };
	cr_assert_eq(intent_endpoint_join(h->intent, endpoint, service, weight, WALL, &id, &h->e),
		     code, "%s", h->e.text);
	cr_assert_eq(store_serial(h->store), before, "a refusal wrote something");
	return h->e.text;
}

static const struct view_endpoint *seen(struct host *h, const char *ref)
{
	const struct view_endpoint *ve = view_endpoint_find(store_view(h->store), ref);

	cr_assert_not_null(ve);
	return ve;
}

Test(intent_service, endpoints_join_and_leave)
{
	HOST(h, "h1", 1);
	struct endpoint_detail before, after;
	struct id id;

	host_create(&h, "net", "10.1.0.0/24");
	served(&h, "web", "net");
	served(&h, "other", "net");
	id = attached(&h, "net", "c1", NULL)->ep->id;
	before = host_detail(&h, &id);
	join(&h, "c1", "web", NULL);
	cr_assert_eq(seen(&h, "c1")->service, host_service(&h, "web"));
	cr_assert_eq(seen(&h, "c1")->ep->weight, 1);
	after = host_detail(&h, &id);
	cr_assert_eq(memcmp(&before, &after, sizeof(before)), 0, "the rest stays");
	join(&h, "c1", "web", "9");
	cr_assert_eq(seen(&h, "c1")->ep->weight, 9);
	assert_says(refused_join(&h, "c1", "other", NULL, -EEXIST),
		    "endpoint c1 is in service web already; run `overlayctl service leave` first");
	id = join(&h, "c1", NULL, NULL);
	cr_assert(id_equal(&id, &seen(&h, "c1")->ep->id));
	cr_assert_null(seen(&h, "c1")->service);
	cr_assert(id_is_zero(&seen(&h, "c1")->ep->service));
	assert_says(refused_join(&h, "c1", NULL, NULL, -ENOENT), "endpoint c1 is in no service");
	join(&h, "c1", "other", NULL);
	cr_assert_eq(intent_service_rm(h.intent, "other", WALL, NULL), 0);
	join(&h, "c1", "web", NULL);
	cr_assert_eq(seen(&h, "c1")->service, host_service(&h, "web"), "a removed service holds nobody");
}

Test(intent_service, joining_begins_anew)
{
	HOST(h, "h1", 1);
	struct id id;

	host_create(&h, "net", "10.1.0.0/24");
	served(&h, "web", "net");
	id = attached(&h, "net", "c1", "web")->ep->id;
	cr_assert_eq(intent_endpoint_health(h.intent, &id, ENDPOINT_HEALTHY, WALL, NULL), 0);
	cr_assert_eq(intent_endpoint_drain(h.intent, "c1", true, WALL, &id, NULL), 0);
	join(&h, "c1", NULL, NULL);
	cr_assert_not(seen(&h, "c1")->ep->draining);
	cr_assert_eq(seen(&h, "c1")->ep->health, ENDPOINT_UNTRIED);
	cr_assert_eq(seen(&h, "c1")->ep->weight, 0);
}

Test(intent_service, bad_joins_are_refused_and_write_nothing)
{
	HOST(h1, "h1", 1);
	HOST(h2, "h2", 2);
	struct err e = { 0 };
	struct id id;

	host_create(&h1, "net", "10.1.0.0/24");
	host_create(&h1, "net2", "10.2.0.0/24");
	served(&h1, "web", "net");
	served(&h1, "far", "net2");
	attached(&h1, "net", "c1", NULL);
	host_tell(&h1, &h2);
	assert_says(refused_join(&h1, "nobody", "web", NULL, -ENOENT), "no endpoint \"nobody\"");
	assert_says(refused_join(&h1, "c1", "wob", NULL, -ENOENT), "no service \"wob\" on network net");
	assert_says(refused_join(&h1, "c1", "far", NULL, -EINVAL), "service far is of network net2");
	assert_says(refused_join(&h1, "c1", "web", "1000", -EINVAL), "weight \"1000\"");
	assert_says(refused_join(&h1, "c1", NULL, "3", -EINVAL), "without a service");
	assert_says(refused_join(&h2, "c1", "web", NULL, -EPERM),
		    "endpoint c1 lives on node h1; run `overlayctl service join` there");
	assert_says(refused_join(&h2, "c1", NULL, NULL, -EPERM), "`overlayctl service leave` there");
	cr_assert_eq(intent_endpoint_drain(h2.intent, "c1", true, WALL, &id, &e), -EPERM);
	assert_says(e.text, "`overlayctl service drain` there");
}

Test(intent_service, draining_stops_new_flows_until_it_is_taken_back)
{
	HOST(h, "h1", 1);
	struct id_set nobody = { 0 };
	struct err e = { 0 };
	uint64_t before;
	struct id id;

	host_create(&h, "net", "10.1.0.0/24");
	served(&h, "web", "net");
	attached(&h, "net", "c1", NULL);
	cr_assert_eq(intent_endpoint_drain(h.intent, "c1", true, WALL, &id, &e), -ENOENT);
	assert_says(e.text, "endpoint c1 is in no service");
	join(&h, "c1", "web", NULL);
	cr_assert(view_endpoint_serves(seen(&h, "c1"), &nobody));
	cr_assert_eq(intent_endpoint_drain(h.intent, "c1", true, WALL, &id, NULL), 0);
	cr_assert_not(view_endpoint_serves(seen(&h, "c1"), &nobody));
	before = store_serial(h.store);
	cr_assert_eq(intent_endpoint_drain(h.intent, "c1", true, WALL, &id, NULL), 0);
	cr_assert_eq(store_serial(h.store), before, "nothing new, nothing written");
	cr_assert_eq(intent_endpoint_drain(h.intent, "c1", false, WALL, &id, NULL), 0);
	cr_assert(view_endpoint_serves(seen(&h, "c1"), &nobody));
}

Test(intent_service, health_is_recorded_when_it_changes)
{
	HOST(h, "h1", 1);
	HOST(h2, "h2", 2);
	struct service_ask ask = ask_of("web", "net");
	struct id_set nobody = { 0 };
	struct err e = { 0 };
	uint64_t before;
	struct id id;

	host_create(&h, "net", "10.1.0.0/24");
	ask.health = "tcp:80";
	host_served(&h, &ask);
	id = attached(&h, "net", "c1", "web")->ep->id;
	cr_assert_not(view_endpoint_serves(seen(&h, "c1"), &nobody), "untried");
	cr_assert_eq(intent_endpoint_health(h.intent, &id, ENDPOINT_HEALTHY, WALL, &e), 0);
	cr_assert(view_endpoint_serves(seen(&h, "c1"), &nobody));
	before = store_serial(h.store);
	cr_assert_eq(intent_endpoint_health(h.intent, &id, ENDPOINT_HEALTHY, WALL, &e), 0);
	cr_assert_eq(store_serial(h.store), before);
	host_tell(&h, &h2);
	cr_assert_eq(seen(&h2, "c1")->ep->health, ENDPOINT_HEALTHY);
	cr_assert_eq(intent_endpoint_health(h2.intent, &id, ENDPOINT_UNHEALTHY, WALL, &e), -ENOENT);
	assert_says(e.text, "none of this node's");
	cr_assert_eq(intent_endpoint_health(h.intent, &id, ENDPOINT_UNHEALTHY, WALL, NULL), 0);
	cr_assert_not(view_endpoint_serves(seen(&h, "c1"), &nobody));
}
