/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The index beside the plainest thing that could answer: a walk over the whole view. */
#include "dns_helpers.h"

#include <ctype.h>
#include <strings.h>

#include "dns/names.h"

#define NAMES_OF_ALL 6
static const char *const pool[NAMES_OF_ALL] = { "a", "B", "a.b", "b.a", "tasks.a", "A.a" };
static const char *const nets[] = { "a", "b", "b.a" };

struct found {
	bool any; /* it is a name, whoever has it */
	size_t count;
	uint32_t addr[64];
};

static void found_add(struct found *f, const struct ov_addr *a)
{
	f->any = true;
	f->addr[f->count++] = addr_v4(a);
}

static const struct view_service *plain_service(const struct view *v,
						const struct view_network *net, const char *name)
{
	const struct view_service *oldest = NULL;

	for (size_t i = 0; i < v->service_count; i++) {
		const struct view_service *vs = &v->service[i];

		if (vs->net != net || vs->vip_lost || strcasecmp(vs->display, name))
			continue;
		if (!oldest || vs->svc->created_ms < oldest->svc->created_ms)
			oldest = vs;
	}
	return oldest;
}

static void plain_backends(const struct view *v, const struct view_service *vs, bool all,
			   struct found *f)
{
	f->any = true;
	for (size_t i = 0; i < v->endpoint_count; i++) {
		const struct view_endpoint *ve = &v->endpoint[i];

		if (ve->service != vs || ve->addr_lost)
			continue;
		if (all || view_endpoint_serves(ve, &(struct id_set){ 0 }))
			found_add(f, &ve->ep->addr);
	}
}

static bool has_alias(const struct view_endpoint *ve, const char *name)
{
	struct endpoint_detail d;

	endpoint_detail_decode(ve->item, &d);
	for (int i = 0; i < d.alias_count; i++)
		if (!strcasecmp(d.alias[i], name))
			return true;
	return false;
}

static void plain_endpoints(const struct view *v, const struct view_network *net, const char *name,
			    bool by_alias, struct found *f)
{
	for (size_t i = 0; i < v->endpoint_count; i++) {
		const struct view_endpoint *ve = &v->endpoint[i];

		if (ve->net != net || ve->addr_lost)
			continue;
		if (by_alias ? has_alias(ve, name) : !strcasecmp(ve->ep->name, name))
			found_add(f, &ve->ep->addr);
	}
}

static void plain_find_in(const struct view *v, const struct view_network *net, const char *name,
			  struct found *f)
{
	const struct view_service *vs = plain_service(v, net, name);

	if (vs && vs->svc->mode == SERVICE_VIP) {
		found_add(f, &vs->svc->vip);
		return;
	}
	if (!vs && !strncasecmp(name, "tasks.", 6))
		vs = plain_service(v, net, name + 6);
	if (vs)
		plain_backends(v, vs, false, f);
	else if (!strncasecmp(name, "all.", 4) && (vs = plain_service(v, net, name + 4)))
		plain_backends(v, vs, true, f);
	if (!f->any)
		plain_endpoints(v, net, name, false, f);
	if (!f->any)
		plain_endpoints(v, net, name, true, f);
}

static void plain_find(const struct view *v, const struct dns_asker *asker, const char *name,
		       struct found *f)
{
	for (size_t i = 0; i < asker->network_count && !f->any; i++) {
		const struct view_network *net = view_network_by_id(v, &asker->network[i]);
		char inner[DNS_NAME_TEXT_MAX];
		size_t len, tail;

		if (!net)
			continue;
		plain_find_in(v, net, name, f);
		len = strlen(name);
		tail = strlen(net->display);
		if (f->any || len < tail + 2 || name[len - tail - 1] != '.' ||
		    strcasecmp(name + len - tail, net->display))
			continue;
		snprintf(inner, sizeof(inner), "%.*s", (int)(len - tail - 1), name);
		plain_find_in(v, net, inner, f);
	}
}

static int u32_cmp(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void indexed_find(const struct dns_names *n, const struct dns_asker *asker, const char *name,
			 struct found *f)
{
	struct dns_found d = names_find(n, asker, name);

	f->any = d.kind != FOUND_NOTHING;
	if (d.kind == FOUND_VIP)
		found_add(f, &d.service->vip);
	for (size_t i = 0; d.kind > FOUND_VIP && i < d.count; i++)
		found_add(f, &names_endpoint(n, &d, i)->addr);
}

static void expect_same(const struct view *v, const struct dns_names *n,
			const struct dns_asker *asker, const char *name)
{
	struct found plain = { 0 }, indexed = { 0 };

	plain_find(v, asker, name, &plain);
	indexed_find(n, asker, name, &indexed);
	qsort(plain.addr, plain.count, sizeof(plain.addr[0]), u32_cmp);
	qsort(indexed.addr, indexed.count, sizeof(indexed.addr[0]), u32_cmp);
	cr_assert_eq(plain.any, indexed.any, "%s: %d here, %d in the index", name, plain.any,
		     indexed.any);
	cr_assert_eq(plain.count, indexed.count, "%s", name);
	for (size_t i = 0; i < plain.count; i++)
		cr_assert_eq(plain.addr[i], indexed.addr[i], "%s", name);
}

/* Few names and few addresses, so that everything clashes with everything. */
static void random_cluster(struct world *w, struct rng *rng)
{
	char addr[32];

	for (unsigned int i = 0; i < 3; i++)
		world_network(w, 20 + i, nets[i], "10.9.0.0/24", 5000 + i);
	for (unsigned int i = 0; i < 6; i++) {
		snprintf(addr, sizeof(addr), "10.9.0.%u", 2 + rng_below(rng, 40));
		world_service(w, 30 + i, 20 + rng_below(rng, 3), pool[rng_below(rng, NAMES_OF_ALL)],
			      rng_below(rng, 2) ? addr : NULL);
	}
	for (unsigned int i = 0; i < 20; i++) {
		struct item *it;

		snprintf(addr, sizeof(addr), "10.9.0.%u", 2 + rng_below(rng, 40));
		it = named_endpoint(w, 40 + i, 20 + rng_below(rng, 3), addr,
				    pool[rng_below(rng, NAMES_OF_ALL)], 30 + rng_below(rng, 8));
		it->endpoint.draining = !rng_below(rng, 3);
		for (uint32_t j = rng_below(rng, 3); j > 0; j--)
			endpoint_alias(it, pool[rng_below(rng, NAMES_OF_ALL)]);
	}
}

Test(dns_names, an_index_finds_what_a_walk_over_the_view_finds)
{
	static const char *const before[3] = { "", "tasks.", "all." };
	static const char *const after[4] = { "", ".a", ".b", ".b.a" };
	struct rng rng;

	rng_init_u64(&rng, 11);
	for (int round = 0; round < 300; round++) {
		_cleanup_(world_fini) struct world w = { 0 };
		random_cluster(&w, &rng);
		_cleanup_(view_fini) struct view v = world_view(&w);
		NAMES *names = names_of(&w, &(struct id_set){ 0 });
		struct id ids[] = { world_id(20 + rng_below(&rng, 4)), /* 23: no such network */
				    world_id(20 + rng_below(&rng, 3)) };
		struct dns_asker asker = { 2, ids };

		for (size_t i = 0; i < 3 * NAMES_OF_ALL * 4; i++) {
			char name[64];

			snprintf(name, sizeof(name), "%s%s%s", before[i % 3],
				 pool[i / 3 % NAMES_OF_ALL], after[i / 3 / NAMES_OF_ALL]);
			for (char *c = name; *c; c++)
				*c = (char)tolower(*c);
			expect_same(&v, names, &asker, name);
		}
	}
}

Test(dns_names, a_hundred_thousand_endpoints_all_are_found)
{
	_cleanup_(world_fini) struct world w = { 0 };
	char text[64];

	world_network(&w, 20, "net", "10.0.0.0/8", 5000);
	for (unsigned int i = 0; i < 10000; i++) {
		snprintf(text, sizeof(text), "10.200.%u.%u", i >> 8, i & 255);
		world_service(&w, 500000 + i, 20, "s", text);
		snprintf(w.items[w.count - 1]->service.name, NAME_MAX_LEN, "s%u", i);
	}
	for (unsigned int i = 0; i < 100000; i++) {
		char addr[32];

		snprintf(addr, sizeof(addr), "10.%u.%u.%u", 1 + (i >> 16), i >> 8 & 255, i & 255);
		snprintf(text, sizeof(text), "e%u", i);
		named_endpoint(&w, 1000 + i, 20, addr, text, 500000 + i % 10000);
	}
	NAMES *names = names_of(&w, &(struct id_set){ 0 });
	struct id net = world_id(20);
	struct dns_asker asker = { 1, &net };

	for (unsigned int i = 0; i < 100000; i++) {
		struct ov_addr a = addr_from_v4(0x0a010000 + i);
		struct dns_holder h = names_find_addr(names, &asker, &a);
		struct dns_found f;

		snprintf(text, sizeof(text), "e%u.net", i);
		f = names_find(names, &asker, text);
		cr_assert(f.kind == FOUND_ENDPOINTS && f.count == 1);
		cr_assert_eq(names_endpoint(names, &f, 0), h.endpoint);
		snprintf(text, sizeof(text), "tasks.s%u", i % 10000);
		cr_assert_eq(names_find(names, &asker, text).count, 10);
	}
}
