/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Compiled policy against an oracle: random rules over random endpoints, and of random flows the
 * naive reading of the rules against the rows, looked up as maps/policy.h says.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "policy/policy.h"
#include "tests/lib/made_world.h"

#define NET 20u
#define VNI 4096u
#define SERVICES 3u
#define SERVICE(i) (40u + (i))

/* ---- what the data path does ---- */

static bool prefix_is(const void *key, const void *of, uint32_t bits)
{
	const uint8_t *a = key, *b = of;
	uint8_t mask = (uint8_t)(0xff00 >> bits % 8);

	return !memcmp(a, b, bits / 8) && !((a[bits / 8] ^ b[bits / 8]) & mask);
}

/* Row i of `rows` with the longest prefix that `key` has; NULL: none. Keys begin with the length. */
static const uint8_t *lpm(const void *rows, size_t count, size_t size, const void *key)
{
	const uint8_t *best = NULL;
	uint32_t best_len = 0, len;

	for (size_t i = 0; i < count; i++) {
		const uint8_t *row = (const uint8_t *)rows + i * size;

		memcpy(&len, row, sizeof(len));
		if ((!best || len > best_len) && prefix_is((const uint8_t *)key + 4, row + 4, len)) {
			best = row;
			best_len = len;
		}
	}
	return best;
}

struct flow {
	struct ov_addr from, to;
	uint8_t protocol;
	uint16_t port;
};

struct answer {
	bool is_named, deny;
	uint32_t rule; /* first four bytes of its id */
};

static uint32_t class_at(const struct policy_book *b, uint32_t set, const struct ov_addr *a)
{
	struct { struct ov_subject_key k; uint8_t end; } key = {
		{ .vni = VNI, .set = set, .addr = *a } };
	const uint8_t *row = lpm(b->subject, b->subject_count, sizeof(*b->subject), &key);

	return row ? ((const struct policy_subject_row *)row)->value.class : OV_CLASS_ANY;
}

static void ask_pair(const struct policy_book *b, uint32_t set, uint32_t from, uint32_t to,
		     const struct flow *f, struct answer *a)
{
	struct { struct ov_rule_key k; uint8_t end; } key = {
		{ .vni = VNI, .set = set, .from = from, .to = to, .protocol = f->protocol,
		  .port = htons(f->port) } };
	const struct policy_rule_row *row =
		(const void *)lpm(b->rule, b->rule_count, sizeof(*b->rule), &key);

	if (!row || (a->is_named && (a->deny || row->value.verdict == OV_POLICY_ALLOW)))
		return;
	*a = (struct answer){ true, row->value.verdict == OV_POLICY_DENY, row->value.id };
}

static struct answer judge(const struct policy_book *b, const struct flow *f)
{
	uint32_t set = b->head[0].value.set, from = class_at(b, set, &f->from),
		 to = class_at(b, set, &f->to);
	struct answer a = { .deny = b->head[0].value.verdict == OV_POLICY_DENY };

	ask_pair(b, set, from, to, f, &a);
	ask_pair(b, set, from, OV_CLASS_ANY, f, &a);
	ask_pair(b, set, OV_CLASS_ANY, to, f, &a);
	ask_pair(b, set, OV_CLASS_ANY, OV_CLASS_ANY, f, &a);
	return a;
}

/* ---- what the rules say ---- */

static const struct view_endpoint *who_has(const struct view *v, const struct ov_addr *a)
{
	for (size_t i = 0; i < v->endpoint_count; i++)
		if (!v->endpoint[i].addr_lost && !addr_cmp(&v->endpoint[i].ep->addr, a))
			return &v->endpoint[i];
	return NULL;
}

static bool has_label(const struct view_endpoint *ve, const char *text)
{
	struct endpoint_detail d;

	endpoint_detail_decode(ve->item, &d);
	for (int i = 0; i < d.label_count; i++)
		if (!strcmp(d.label[i].text, text))
			return true;
	return false;
}

static bool selects(const struct view *v, const struct selector *s, const struct label *label,
		    const struct ov_addr *a)
{
	const struct view_endpoint *ve = who_has(v, a);

	switch (s->kind) {
	case SELECTOR_ANY:
		return true;
	case SELECTOR_CIDR:
		return prefix_contains(&s->cidr, a);
	case SELECTOR_SERVICE:
		return ve && ve->service && id_equal(&ve->service->svc->id, &s->id);
	case SELECTOR_ENDPOINT:
		return ve && id_equal(&ve->ep->id, &s->id);
	default:
		return ve && has_label(ve, label->text);
	}
}

static bool says_port(const struct policy *p, const struct policy_detail *d, const struct flow *f)
{
	for (int i = 0; i < p->port_count; i++) {
		const struct policy_port *port = &d->port[i];

		if (port->protocol == POLICY_PROTOCOL_ANY ||
		    (port->protocol == f->protocol && f->port >= port->first && f->port <= port->last))
			return true;
	}
	return !p->port_count;
}

/* Whether some rule of that verdict holds; *ret_named: one whose id begins so is among them. */
static bool some_rule(const struct view *v, const struct flow *f, bool deny, uint32_t name,
		      bool *ret_named)
{
	bool any = false;

	for (size_t i = 0; i < v->policy_count; i++) {
		const struct policy *p = v->policy[i].policy;
		struct policy_detail d;

		policy_detail_decode(v->policy[i].item, &d);
		if (p->deny != deny || !selects(v, &p->from, &d.from_label, &f->from) ||
		    !selects(v, &p->to, &d.to_label, &f->to) || !says_port(p, &d, f))
			continue;
		any = true;
		*ret_named |= !memcmp(&name, p->id.b, sizeof(name));
	}
	return any;
}

static void check(const struct view *v, const struct policy_book *b, const struct flow *f,
		  uint64_t seed)
{
	struct answer a = judge(b, f);
	bool named = false, denied = some_rule(v, f, true, a.rule, &named);
	bool allowed = !denied && some_rule(v, f, false, a.rule, &named);
	char from[ADDR_TEXT_MAX], to[ADDR_TEXT_MAX];

	cr_assert_eq(a.deny, denied || (!allowed && v->network[0].net->policy_deny),
		     "seed %llu: %s to %s protocol %u port %u", (unsigned long long)seed,
		     addr_format(&f->from, from), addr_format(&f->to, to), f->protocol, f->port);
	cr_assert_eq(a.is_named, denied || allowed, "seed %llu: named", (unsigned long long)seed);
	cr_assert_eq(a.is_named, named, "seed %llu: by a rule that holds", (unsigned long long)seed);
}

/* ---- random cases ---- */

static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_ICMP };

static const char *random_selector(struct rng *rng, unsigned int endpoints, char out[64])
{
	switch (rng_below(rng, 6)) {
	case 0:
		snprintf(out, 64, "service=%u", SERVICE(rng_below(rng, SERVICES + 1))); /* one is gone */
		break;
	case 1:
		snprintf(out, 64, "endpoint=%u", 100 + rng_below(rng, endpoints + 1));
		break;
	case 2:
		snprintf(out, 64, "label=k=%u", rng_below(rng, 4));
		break;
	case 3: { /* in the subnet */
		unsigned int len = 24 + rng_below(rng, 9), at = rng_below(rng, 256);

		snprintf(out, 64, "cidr=10.10.0.%u/%u", at & (0xffu << (32 - len)) & 0xff, len);
		break;
	}
	case 4: { /* of the world */
		unsigned int len = rng_below(rng, 9);

		snprintf(out, 64, "cidr=%u.0.0.0/%u",
			 rng_below(rng, 256) & (0xff00u >> len) & 0xff, len);
		break;
	}
	default:
		snprintf(out, 64, "any");
	}
	return out;
}

static uint16_t random_port(struct rng *rng)
{
	static const uint16_t edges[] = { 0, 1, 79, 80, 81, 443, 8000, 32767, 32768, 65534, 65535 };

	return rng_below(rng, 3) ? edges[rng_below(rng, ARRAY_SIZE(edges))] :
				   (uint16_t)rng_below(rng, 65536);
}

static void random_ports(struct rng *rng, struct item *rule)
{
	for (unsigned int n = rng_below(rng, 4); n; n--) {
		uint8_t protocol = protocols[rng_below(rng, ARRAY_SIZE(protocols))];
		uint16_t a = random_port(rng), b = random_port(rng);

		if (!rng_below(rng, 8))
			world_policy_port(rule, POLICY_PROTOCOL_ANY, 0, 65535);
		else if (protocol == IPPROTO_ICMP || !rng_below(rng, 5))
			world_policy_port(rule, protocol, 0, 65535);
		else
			world_policy_port(rule, protocol, a < b ? a : b, a < b ? b : a);
	}
}

static void random_world(struct rng *rng, struct world *w)
{
	struct item *net = world_network(w, NET, "net", "10.10.0.0/24", VNI);
	unsigned int endpoints = 1 + rng_below(rng, 12), rules = 1 + rng_below(rng, 16);
	char name[16], at[64], from[64], to[64];

	net->network.policy_deny = rng_below(rng, 2);
	for (unsigned int i = 0; i < SERVICES; i++) {
		snprintf(name, sizeof(name), "s%u", i);
		world_service(w, SERVICE(i), NET, name, NULL);
	}
	for (unsigned int i = 0; i < endpoints; i++) {
		struct item *it;

		snprintf(at, sizeof(at), "10.10.0.%u", 2 + rng_below(rng, 250));
		it = world_endpoint(w, 100 + i, 1 + rng_below(rng, 2), NET, at);
		if (rng_below(rng, 2))
			it->endpoint.service = world_id(SERVICE(rng_below(rng, SERVICES)));
		for (unsigned int n = rng_below(rng, 3); n; n--) {
			snprintf(name, sizeof(name), "k=%u", rng_below(rng, 4));
			world_label(it, name);
		}
	}
	for (unsigned int i = 0; i < rules; i++) /* ids whose first bytes differ */
		random_ports(rng, world_policy(w, 0x11110000 + (i << 16), NET, rng_below(rng, 2),
					       random_selector(rng, endpoints, from),
					       random_selector(rng, endpoints, to)));
}

static struct ov_addr random_addr(struct rng *rng, const struct view *v)
{
	if (v->endpoint_count && rng_below(rng, 3))
		return v->endpoint[rng_below(rng, (uint32_t)v->endpoint_count)].ep->addr;
	return rng_below(rng, 2) ? addr_from_v4(0x0a0a0000 | rng_below(rng, 256)) :
				   addr_from_v4(rng_below(rng, 256) << 24 | rng_below(rng, 256));
}

Test(policy_compile, says_what_the_rules_say)
{
	for (uint64_t seed = 1; seed <= 2000; seed++) {
		_cleanup_(world_fini) struct world w = { 0 };
		_cleanup_(view_fini) struct view v = { 0 };
		_cleanup_(policy_book_fini) struct policy_book b = { 0 };
		struct rng rng;

		rng_init_u64(&rng, seed);
		random_world(&rng, &w);
		v = world_view(&w);
		cr_assert_eq(policy_compile(&v, NULL, &b), 0);
		cr_assert_eq(b.head_count, 1);
		cr_assert_eq(b.head[0].value.flags, 0);
		for (int i = 0; i < 40; i++) {
			struct flow f = { random_addr(&rng, &v), random_addr(&rng, &v),
					  protocols[rng_below(&rng, ARRAY_SIZE(protocols))],
					  random_port(&rng) };

			if (f.protocol == IPPROTO_ICMP)
				f.port = 0;
			check(&v, &b, &f, seed);
		}
	}
}

/* Keys are unique, whatever the ports were: a row never stands in another one's place. */
static int row_cmp(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct ov_rule_key));
}

Test(policy_compile, gives_each_key_once_and_the_same_rows_for_any_order_of_records)
{
	for (uint64_t seed = 1; seed <= 300; seed++) {
		_cleanup_(world_fini) struct world w = { 0 };
		_cleanup_(view_fini) struct view v = { 0 }, again = { 0 };
		_cleanup_(policy_book_fini) struct policy_book b = { 0 }, c = { 0 };
		struct rng rng;

		rng_init_u64(&rng, seed);
		random_world(&rng, &w);
		v = world_view(&w);
		cr_assert_eq(policy_compile(&v, NULL, &b), 0);
		world_shuffle(&w, &rng);
		again = world_view(&w);
		cr_assert_eq(policy_compile(&again, NULL, &c), 0);
		cr_assert_eq(b.rule_count, c.rule_count);
		cr_assert_eq(b.subject_count, c.subject_count);
		cr_assert(!b.rule_count || !memcmp(b.rule, c.rule, b.rule_count * sizeof(*b.rule)));
		cr_assert(!b.subject_count ||
			  !memcmp(b.subject, c.subject, b.subject_count * sizeof(*b.subject)));
		if (b.rule_count)
			qsort(b.rule, b.rule_count, sizeof(*b.rule), row_cmp);
		for (size_t i = 1; i < b.rule_count; i++)
			cr_assert(row_cmp(&b.rule[i - 1], &b.rule[i]), "seed %llu",
				  (unsigned long long)seed);
	}
}

/* ---- sets ---- */

static struct policy_book compiled(const struct view *v)
{
	struct policy_book b = { 0 };

	cr_assert_eq(policy_compile(v, NULL, &b), 0);
	return b;
}

static struct item *shop(struct world *w)
{
	struct item *net = world_network(w, NET, "net", "10.10.0.0/24", VNI), *rule;

	world_label(world_endpoint(w, 100, 1, NET, "10.10.0.2"), "tier=web");
	world_label(world_endpoint(w, 101, 2, NET, "10.10.0.3"), "tier=api");
	rule = world_policy(w, 0x11110000, NET, false, "label=tier=web", "label=tier=api");
	world_policy_port(rule, IPPROTO_TCP, 80, 80);
	net->network.policy_deny = true;
	return net;
}

/* Every row of a is in b. */
static void expect_within(const struct policy_book *a, const struct policy_book *b)
{
	for (size_t i = 0; i < a->rule_count; i++) {
		size_t j = 0;

		while (j < b->rule_count && memcmp(&a->rule[i], &b->rule[j], sizeof(a->rule[i])))
			j++;
		cr_assert_lt(j, b->rule_count, "rule row %zu", i);
	}
	for (size_t i = 0; i < a->subject_count; i++) {
		size_t j = 0;

		while (j < b->subject_count &&
		       memcmp(&a->subject[i], &b->subject[j], sizeof(a->subject[i])))
			j++;
		cr_assert_lt(j, b->subject_count, "subject row %zu", i);
	}
}

Test(policy_compile, an_endpoint_more_only_adds_rows_to_the_set)
{
	_cleanup_(world_fini) struct world w = { 0 };
	_cleanup_(view_fini) struct view before = { 0 }, after = { 0 };
	_cleanup_(policy_book_fini) struct policy_book b = { 0 }, c = { 0 };
	struct item *it;

	shop(&w);
	before = world_view(&w);
	b = compiled(&before);
	cr_assert_eq(b.rule_count, 1);
	cr_assert_eq(b.subject_count, 2);
	it = world_endpoint(&w, 102, 2, NET, "10.10.0.4"); /* of both: a class that was not there */
	world_label(it, "tier=api");
	world_label(it, "tier=web");
	after = world_view(&w);
	c = compiled(&after);
	cr_assert_eq(b.head[0].value.set, c.head[0].value.set);
	cr_assert_neq(b.head[0].value.census, c.head[0].value.census, "flows are judged anew");
	expect_within(&b, &c);
	cr_assert_eq(c.subject_count, 3);
	cr_assert_eq(c.rule_count, 4, "of it and the others, and of itself");
}

Test(policy_compile, other_rules_or_another_default_are_another_set_and_audit_is_not)
{
	_cleanup_(world_fini) struct world w = { 0 };
	struct policy_book b[4];
	struct view v[4];
	struct item *net = shop(&w);

	v[0] = world_view(&w);
	b[0] = compiled(&v[0]);
	net->network.policy_audit = true;
	v[1] = world_view(&w);
	b[1] = compiled(&v[1]);
	cr_assert_eq(b[0].head[0].value.set, b[1].head[0].value.set);
	cr_assert_eq(b[1].head[0].value.flags, OV_POLICY_AUDIT);
	cr_assert_eq(b[1].head[0].value.verdict, OV_POLICY_DENY);
	net->network.policy_deny = false;
	v[2] = world_view(&w);
	b[2] = compiled(&v[2]);
	cr_assert_neq(b[1].head[0].value.set, b[2].head[0].value.set);
	world_policy(&w, 0x22220000, NET, true, "any", "endpoint=9");
	v[3] = world_view(&w);
	b[3] = compiled(&v[3]);
	cr_assert_neq(b[3].head[0].value.set, b[2].head[0].value.set);
	for (int i = 0; i < 4; i++) {
		view_fini(&v[i]);
		policy_book_fini(&b[i]);
	}
}

Test(policy_compile, networks_without_rules_that_allow_have_nothing)
{
	_cleanup_(world_fini) struct world w = { 0 };
	_cleanup_(view_fini) struct view v = { 0 };
	_cleanup_(policy_book_fini) struct policy_book b = { 0 };

	world_network(&w, NET, "net", "10.10.0.0/24", VNI)->network.policy_audit = true;
	world_label(world_endpoint(&w, 100, 1, NET, "10.10.0.2"), "tier=web");
	v = world_view(&w);
	b = compiled(&v);
	cr_assert(!b.head_count && !b.rule_count && !b.subject_count);
}

/* ---- bounds ---- */

/* So many classes on both sides of one rule that their pairs do not fit. */
static void make_broken(struct world *w, unsigned int net, const char *subnet)
{
	char text[64];

	for (unsigned int i = 0; i < 512; i++) {
		struct item *it;

		snprintf(text, sizeof(text), "%s.%u.%u", subnet, i / 250, 2 + i % 250);
		it = world_endpoint(w, net * 1000 + i, 1, net, text);
		world_label(it, "a=b");
		for (unsigned int bit = 0; bit < 7; bit++) {
			snprintf(text, sizeof(text), "%u=%u", bit, i >> bit & (bit == 6 ? 7 : 1));
			world_label(it, text);
		}
	}
	for (unsigned int bit = 0; bit < 7; bit++)
		for (unsigned int value = 0; value < (bit == 6 ? 8 : 2); value++) {
			snprintf(text, sizeof(text), "label=%u=%u", bit, value);
			world_policy(w, 0x11110000 + (bit << 20) + (value << 16), net, false, text,
				     "label=a=b");
		}
}

Test(policy_compile, what_does_not_fit_breaks_its_own_network_alone)
{
	_cleanup_(world_fini) struct world w = { 0 };
	_cleanup_(view_fini) struct view v = { 0 };
	_cleanup_(policy_book_fini) struct policy_book b = { 0 };

	shop(&w);
	world_network(&w, 10, "wide", "10.20.0.0/16", 5000);
	make_broken(&w, 10, "10.20");
	v = world_view(&w);
	b = compiled(&v);
	cr_assert_eq(b.head_count, 2);
	cr_assert_eq(b.head[0].value.flags, OV_POLICY_BROKEN);
	cr_assert_eq(b.head[0].value.verdict, OV_POLICY_DENY);
	cr_assert_eq(b.head[1].value.flags, 0);
	cr_assert_eq(b.rule_count, 1, "nothing is left of the other");
	cr_assert_eq(b.subject_count, 2);
}

Test(policy_compile, more_rules_than_anybody_may_make_break_their_network)
{
	_cleanup_(world_fini) struct world w = { 0 };
	_cleanup_(view_fini) struct view v = { 0 };
	_cleanup_(policy_book_fini) struct policy_book b = { 0 };

	world_network(&w, NET, "net", "10.10.0.0/24", VNI);
	for (unsigned int i = 0; i <= 2 * POLICY_RULES_MAX; i++)
		world_policy(&w, i + 1, NET, true, "any", "any");
	v = world_view(&w);
	b = compiled(&v);
	cr_assert_eq(b.head[0].value.flags, OV_POLICY_BROKEN);
	cr_assert_eq(b.rule_count, 0);
}

/* Sixteen ports in each of many rules of one pair: as many rows as there are ranges, no more. */
Test(policy_compile, ports_of_many_rules_are_flattened)
{
	_cleanup_(world_fini) struct world w = { 0 };
	_cleanup_(view_fini) struct view v = { 0 };
	_cleanup_(policy_book_fini) struct policy_book b = { 0 };

	world_network(&w, NET, "net", "10.10.0.0/24", VNI);
	for (uint16_t i = 0; i < 1000; i++) {
		struct item *it = world_policy(&w, 0x10000u + i, NET, i % 2, "any", "any");

		for (uint16_t j = 0; j < POLICY_PORT_MAX; j++)
			world_policy_port(it, IPPROTO_TCP, (uint16_t)(i * 64 + j), (uint16_t)(i * 64 + 15));
	}
	v = world_view(&w);
	b = compiled(&v);
	cr_assert_eq(b.head[0].value.flags, 0);
	cr_assert_eq(b.rule_count, 1000, "a prefix of sixteen ports each");
}
