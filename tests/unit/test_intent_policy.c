/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules of policy as wishes: what becomes a record, and what is refused in which words. */
#include <netinet/in.h>

#include "policy/policy.h"
#include "tests/lib/host.h"

static struct policy_ask ask_of(bool deny, const char *from, const char *to)
{
	return (struct policy_ask){ .network = "net", .deny = deny, .from = from, .to = to };
}

static struct id made(struct host *h, const struct policy_ask *ask)
{
	struct id id;

	cr_assert_eq(intent_policy_add(h->intent, ask, h->wall, &id, &h->e), 0, "%s", h->e.text);
	return id;
}

static const char *refused(struct host *h, const struct policy_ask *ask, int code)
{
	uint64_t serial = store_serial(h->store);
	struct id id;

	h->e = (struct err){ 0 };
	cr_assert_eq(intent_policy_add(h->intent, ask, h->wall, &id, &h->e), code, "%s", h->e.text);
	cr_assert_eq(store_serial(h->store), serial, "nothing is written");
	cr_assert_str_not_empty(h->e.text);
	return h->e.text;
}

static struct id endpoint(struct host *h, const char *network, const char *name)
{
	struct attach_ask ask = host_ask(network);

	ask.name = name;
	return host_attached(h, &ask)->id;
}

/* Network net with service web and endpoint db; network other with service api and endpoint far. */
static void furnish(struct host *h)
{
	struct service_ask web = { .name = "web", .network = "net" };
	struct service_ask api = { .name = "api", .network = "other" };

	host_create(h, "net", "10.1.0.0/24");
	host_create(h, "other", "10.2.0.0/24");
	host_served(h, &web);
	host_served(h, &api);
	endpoint(h, "net", "db");
	endpoint(h, "other", "far");
}

static const struct policy *only_rule(struct host *h, struct policy_detail *d)
{
	const struct view *v = store_view(h->store);

	cr_assert_eq(v->policy_count, 1);
	policy_detail_decode(v->policy[0].item, d);
	return v->policy[0].policy;
}

Test(intent_policy, a_rule_names_services_and_endpoints_by_id)
{
	HOST(h, "h1", 1);
	const char *port[] = { "8000-8100/udp", "icmp", "80", "443/tcp" };
	struct policy_ask ask = ask_of(true, "service=web", "endpoint=db");
	struct policy_detail d;
	struct id id;

	furnish(&h);
	ask.port = port;
	ask.port_count = ARRAY_SIZE(port);
	id = made(&h, &ask);
	const struct policy *p = only_rule(&h, &d);
	cr_assert(id_equal(&p->id, &id) && p->deny);
	cr_assert_eq(p->created_ms, WALL);
	cr_assert(id_equal(&p->network, &host_network(&h, "net")->id));
	cr_assert_eq(p->from.kind, SELECTOR_SERVICE);
	cr_assert(id_equal(&p->from.id, &host_service(&h, "web")->svc->id));
	cr_assert_eq(p->to.kind, SELECTOR_ENDPOINT);
	cr_assert_eq(p->port_count, 4);
	cr_assert_eq(d.port[0].protocol, IPPROTO_ICMP, "sorted");
	cr_assert(d.port[1].protocol == IPPROTO_TCP && d.port[1].first == 80 && d.port[1].last == 80);
	cr_assert(d.port[3].protocol == IPPROTO_UDP && d.port[3].first == 8000 &&
		  d.port[3].last == 8100);
}

Test(intent_policy, a_rule_takes_labels_prefixes_and_everybody)
{
	HOST(h, "h1", 1);
	const char *any[] = { "any" };
	struct policy_ask ask = ask_of(false, "label=tier=web", "cidr=192.0.2.0/24");
	struct policy_detail d;

	furnish(&h);
	ask.port = any;
	ask.port_count = 1;
	made(&h, &ask);
	const struct policy *p = only_rule(&h, &d);
	cr_assert_str_eq(d.from_label.text, "tier=web");
	cr_assert_eq(p->to.cidr.len, ADDR_V4_BITS + 24);
	cr_assert_eq(p->port_count, 0, "every port is written as none");
	ask = ask_of(true, "any", "any");
	made(&h, &ask);
}

Test(intent_policy, what_names_nobody_is_refused)
{
	HOST(h, "h1", 1);
	struct policy_ask ask;

	furnish(&h);
#define REFUSED(from_, to_, code, says)                             \
	do {                                                        \
		ask = ask_of(false, from_, to_);                    \
		assert_says(refused(&h, &ask, code), says);         \
	} while (0)
	REFUSED("service=x", "any", -ENOENT, "no service \"x\" on network net");
	REFUSED("any", "service=api", -EINVAL, "service api is of network other");
	REFUSED("any", "endpoint=x", -ENOENT, "no endpoint \"x\" on network net");
	REFUSED("any", "endpoint=", -ENOENT, "no endpoint \"\"");
	REFUSED("endpoint=far", "any", -EINVAL, "endpoint far is on network other");
	REFUSED("cidr=10.1.0.7/24", "any", -EINVAL, "did you mean 10.1.0.0/24");
	REFUSED("any", "cidr=10.1.0.7", -EINVAL, "\"10.1.0.7\" is not an address and a prefix length");
	REFUSED("any", "cidr=fd00::/8", -EINVAL, "is IPv6");
	REFUSED("label=web", "any", -EINVAL, "label \"web\" is not KEY=VALUE");
	REFUSED("web", "any", -EINVAL, "--from \"web\" selects nobody");
	REFUSED("any", "Service=web", -EINVAL, "--to \"Service=web\" selects nobody");
	ask = ask_of(false, "any", "any");
	ask.network = "nowhere";
	assert_says(refused(&h, &ask, -ENOENT), "no network \"nowhere\"");
}

Test(intent_policy, ports_that_mean_nothing_are_refused)
{
	HOST(h, "h1", 1);
	static const struct {
		const char *port[2], *says;
	} bad[] = {
		{ { "0" }, "port \"0\"" },
		{ { "65536" }, "port \"65536\"" },
		{ { "90-80" }, "port \"90-80\"" },
		{ { "80-" }, "port \"80-\"" },
		{ { "-80" }, "port \"-80\"" },
		{ { "80/icmp" }, "port \"80/icmp\"" },
		{ { "80/" }, "port \"80/\"" },
		{ { "" }, "port \"\"" },
		{ { "http" }, "port \"http\"" },
		{ { "80", "80/tcp" }, "port 80/tcp is given twice" },
		{ { "any", "80" }, "port any means every other one" },
	};

	furnish(&h);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct policy_ask ask = ask_of(false, "any", "service=web");

		ask.port = bad[i].port;
		ask.port_count = bad[i].port[1] ? 2 : 1;
		assert_says(refused(&h, &ask, -EINVAL), bad[i].says);
	}
	const char *many[POLICY_PORT_MAX + 1];
	struct policy_ask ask = ask_of(false, "any", "any");

	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = "80";
	ask.port = many;
	ask.port_count = ARRAY_SIZE(many);
	assert_says(refused(&h, &ask, -EINVAL), "17 ports are given and a rule may have 16");
}

Test(intent_policy, a_rule_that_is_there_or_its_opposite_is_refused_with_its_id)
{
	HOST(h, "h1", 1);
	const char *port[] = { "80", "icmp" }, *turned[] = { "icmp", "80/tcp" };
	struct policy_ask ask = ask_of(false, "service=web", "endpoint=db");
	char id[ID_TEXT_MAX];
	struct id rule, gone;

	furnish(&h);
	ask.port = port;
	ask.port_count = 2;
	rule = made(&h, &ask);
	id_format(&rule, id);
	id[ID_SHORT] = '\0';
	ask.port = turned;
	assert_says(refused(&h, &ask, -EEXIST), id);
	assert_says(h.e.text, "says exactly this already");
	ask.deny = true;
	assert_says(refused(&h, &ask, -EEXIST), id);
	assert_says(h.e.text, "denying always wins");
	ask.port_count = 1; /* other ports: another rule */
	made(&h, &ask);
	cr_assert_eq(intent_policy_rm(h.intent, id, WALL, &gone, &h.e), 0, "%s", h.e.text);
	cr_assert(id_equal(&gone, &rule));
	ask.port_count = 2;
	made(&h, &ask);
	cr_assert_eq(store_view(h.store)->policy_count, 2);
	h.e = (struct err){ 0 };
	cr_assert_eq(intent_policy_rm(h.intent, id, WALL, &gone, &h.e), -ENOENT);
	assert_says(h.e.text, "there is no rule");
}

Test(intent_policy, so_many_and_no_more)
{
	HOST(h, "h1", 1);
	char to[40];
	struct policy_ask ask = ask_of(true, "any", to);
	_cleanup_(buf_fini) struct buf body = { 0 };

	furnish(&h);
	for (unsigned int i = 0; i < POLICY_RULES_MAX; i++) { /* as other nodes would have made them */
		struct policy p = { .network = host_network(&h, "net")->id, .deny = true };
		struct policy_detail d = { 0 };

		p.id.b[0] = 1;
		p.id.b[2] = (uint8_t)(i >> 8);
		p.id.b[3] = (uint8_t)i;
		p.to = (struct selector){ SELECTOR_CIDR, .cidr = { addr_from_v4(0x0a000000 + i), 128 } };
		struct record_key key = key_of_id(RECORD_POLICY, &p.id);

		buf_reset(&body);
		policy_encode(&body, &p, &d);
		cr_assert_eq(store_write(h.store, &key, &body, false, WALL, &h.e), 0, "%s", h.e.text);
	}
	snprintf(to, sizeof(to), "cidr=11.0.0.0/8");
	assert_says(refused(&h, &ask, -ENOSPC), "network net has 4096 rules, and a network may have 4096");
	ask.network = "other";
	made(&h, &ask);
}

Test(intent_policy, the_default_is_changed_in_place)
{
	HOST(h, "h1", 1);
	struct policy_default_ask ask = { "net", "deny", NULL };
	struct id id;

	furnish(&h);
	cr_assert_eq(intent_policy_default(h.intent, &ask, WALL, &id, &h.e), 0, "%s", h.e.text);
	cr_assert(host_network(&h, "net")->policy_deny && !host_network(&h, "net")->policy_audit);
	cr_assert(id_equal(&id, &host_network(&h, "net")->id));
	ask = (struct policy_default_ask){ "net", NULL, "on" };
	cr_assert_eq(intent_policy_default(h.intent, &ask, WALL, &id, &h.e), 0, "%s", h.e.text);
	cr_assert(host_network(&h, "net")->policy_deny && host_network(&h, "net")->policy_audit);
	ask = (struct policy_default_ask){ "net", "maybe", NULL };
	h.e = (struct err){ 0 };
	cr_assert_eq(intent_policy_default(h.intent, &ask, WALL, &id, &h.e), -EINVAL);
	assert_says(h.e.text, "is neither allow nor deny");
	ask = (struct policy_default_ask){ "net", NULL, "yes" };
	h.e = (struct err){ 0 };
	cr_assert_eq(intent_policy_default(h.intent, &ask, WALL, &id, &h.e), -EINVAL);
	assert_says(h.e.text, "neither on nor off");
	ask = (struct policy_default_ask){ "net", NULL, NULL };
	h.e = (struct err){ 0 };
	cr_assert_eq(intent_policy_default(h.intent, &ask, WALL, &id, &h.e), -EINVAL);
	assert_says(h.e.text, "say what is to change");
	ask = (struct policy_default_ask){ "nowhere", "deny", NULL };
	h.e = (struct err){ 0 };
	cr_assert_eq(intent_policy_default(h.intent, &ask, WALL, &id, &h.e), -ENOENT);
}

/* The rule stays, and is about nobody: whoever has the name next is not meant. */
Test(intent_policy, a_rule_outlives_whom_it_names)
{
	HOST(h, "h1", 1);
	struct policy_ask ask = ask_of(false, "service=web", "any");
	struct service_ask again = { .name = "web", .network = "net" };
	struct policy_detail d;

	furnish(&h);
	made(&h, &ask);
	cr_assert_eq(intent_service_rm(h.intent, "web", WALL, &h.e), 0);
	host_served(&h, &again);
	cr_assert(!id_equal(&only_rule(&h, &d)->from.id, &host_service(&h, "web")->svc->id));
}
