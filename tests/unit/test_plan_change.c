/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What one change makes of a large plan: only rows of those it is about may differ. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "plan/plan.h"
#include "tests/lib/made_world.h"

#define NETWORKS 10u
#define SERVICES 1000u
#define ENDPOINTS 4000u
#define CHANGED 437u /* the service that is changed */

struct change {
	struct world w;
	struct item *member; /* a backend of the service, neither the first nor the last */
	struct fact_route route;
	struct facts f;
	struct plan before, after;
	struct ov_addr vip, backend; /* whose rows may differ */
	uint32_t vni;
	size_t differ[PLAN_TABLE_COUNT];
};

static unsigned int network_of(unsigned int service)
{
	return 20 + service % NETWORKS;
}

static struct ov_addr vip_of(unsigned int service)
{
	return addr_from_v4(0x0a200000 + service);
}

static struct item *add_backend(struct world *w, unsigned int i, unsigned int service)
{
	char text[ADDR_TEXT_MAX];
	struct ov_addr at = addr_from_v4(0x0a100000 + i);
	struct item *it = world_endpoint(w, (1000 + i) << 16, 2, network_of(service),
					 addr_format(&at, text));

	it->endpoint.service = world_id(200 + service);
	return it;
}

static void fill(struct change *c)
{
	char text[ADDR_TEXT_MAX];

	world_node(&c->w, 1, "host-a", "192.0.2.1");
	world_node(&c->w, 2, "host-b", "192.0.2.2");
	for (unsigned int i = 0; i < NETWORKS; i++) {
		snprintf(text, sizeof(text), "net%u", i);
		world_network(&c->w, 20 + i, text, "10.0.0.0/8", 4096 + i);
	}
	for (unsigned int i = 0; i < SERVICES; i++) {
		struct ov_addr vip = vip_of(i);

		world_service(&c->w, 200 + i, network_of(i), "svc", addr_format(&vip, text));
	}
	for (unsigned int i = 0; i < ENDPOINTS; i++) {
		struct item *it = add_backend(&c->w, i, i % SERVICES);

		if (i == CHANGED + SERVICES)
			c->member = it;
	}
	cr_assert_eq(addr_parse("192.0.2.2", &c->route.to), 0);
	c->route.next_hop = c->route.to;
	c->f = (struct facts){ .uplink_ifindex = 2, .uplink_mtu = 1500, .vxlan_port = 4789,
			       .tunnel_ifindex = 3, .route = &c->route, .route_count = 1 };
	cr_assert_eq(addr_parse("192.0.2.1", &c->f.vtep), 0);
	c->vip = vip_of(CHANGED);
	c->vni = 4096 + CHANGED % NETWORKS;
}

static void build(const struct change *c, struct plan *ret_plan)
{
	_cleanup_(view_fini) struct view v = world_view(&c->w);
	struct id self = world_id(1);

	cr_assert_eq(plan_build(&v, &c->f, &self, ret_plan), 0);
}

/* Keys of endpoints, backends, choices and services begin with an address and a VNI. */
static void expect_ours(const struct change *c, enum plan_table_id id, const uint8_t *key)
{
	struct ov_endpoint_key k;

	cr_assert(id == PLAN_ENDPOINTS || id == PLAN_BACKENDS || id == PLAN_CHOICES ||
		  id == PLAN_SERVICES, "%s changed", plan_table_to_str(id));
	memcpy(&k, key, sizeof(k));
	cr_assert_eq(k.vni, c->vni);
	cr_assert(!addr_cmp(&k.addr, id == PLAN_ENDPOINTS ? &c->backend : &c->vip),
		  "a row of somebody else in %s", plan_table_to_str(id));
}

static void compare(struct change *c, enum plan_table_id id)
{
	const struct plan_table *x = &c->before.table[id], *y = &c->after.table[id];
	size_t i = 0, j = 0;

	while (i < x->count || j < y->count) {
		int order = i == x->count ? 1 : j == y->count ? -1 :
			    memcmp(plan_row(x, i), plan_row(y, j), x->key_size);

		if (order || memcmp(plan_row(x, i), plan_row(y, j), x->key_size + x->value_size)) {
			expect_ours(c, id, order > 0 ? plan_row(y, j) : plan_row(x, i));
			c->differ[id]++;
		}
		i += order <= 0;
		j += order >= 0;
	}
}

/* After something was done to c->w: which rows are not as they were. */
static void expect_only_ours(struct change *c)
{
	plan_fini(&c->after);
	memset(c->differ, 0, sizeof(c->differ));
	build(c, &c->after);
	for (int id = 0; id < PLAN_TABLE_COUNT; id++)
		compare(c, (enum plan_table_id)id);
}

static void change_fini(struct change *c)
{
	plan_fini(&c->before);
	plan_fini(&c->after);
	world_fini(&c->w);
}

Test(plan_change, a_new_backend_touches_only_its_own_entries_and_its_vips)
{
	_cleanup_(change_fini) struct change c = { 0 };

	fill(&c);
	build(&c, &c.before);
	cr_assert_eq(c.before.table[PLAN_BACKENDS].count, ENDPOINTS);
	cr_assert_eq(c.before.table[PLAN_CHOICES].count, SERVICES * 2, "509 places");
	add_backend(&c.w, ENDPOINTS, CHANGED);
	c.backend = addr_from_v4(0x0a100000 + ENDPOINTS);
	expect_only_ours(&c);
	cr_assert_eq(c.differ[PLAN_ENDPOINTS], 1);
	cr_assert_eq(c.differ[PLAN_BACKENDS], 1, "it is the last of five by its id");
	cr_assert_eq(c.differ[PLAN_CHOICES], 2);
	cr_assert_eq(c.differ[PLAN_SERVICES], 1, "how many backends there are");
}

Test(plan_change, a_backend_that_is_drained_or_gone_touches_only_its_own_entries_and_its_vips)
{
	_cleanup_(change_fini) struct change c = { 0 };

	fill(&c);
	c.backend = c.member->endpoint.addr;
	build(&c, &c.before);
	c.member->endpoint.draining = true;
	expect_only_ours(&c);
	cr_assert_eq(c.differ[PLAN_ENDPOINTS], 1, "its flag");
	cr_assert_eq(c.differ[PLAN_BACKENDS], 3, "those behind it move up, the last is gone");
	cr_assert_leq(c.differ[PLAN_CHOICES], 2);
	cr_assert_eq(c.differ[PLAN_SERVICES], 1);
	c.member->tombstone = true;
	expect_only_ours(&c);
	cr_assert_eq(c.differ[PLAN_ENDPOINTS], 1);
	cr_assert_eq(c.differ[PLAN_BACKENDS], 3);
}

Test(plan_change, a_new_service_touches_no_other)
{
	_cleanup_(change_fini) struct change c = { 0 };
	char text[ADDR_TEXT_MAX];

	fill(&c);
	build(&c, &c.before);
	c.vip = c.backend = vip_of(SERVICES + NETWORKS);
	c.vni = 4096;
	world_service(&c.w, 200 + SERVICES + NETWORKS, 20, "new", addr_format(&c.vip, text));
	expect_only_ours(&c);
	cr_assert_eq(c.differ[PLAN_ENDPOINTS], 1, "the VIP");
	cr_assert_eq(c.differ[PLAN_SERVICES], 1);
	cr_assert_eq(c.differ[PLAN_BACKENDS] + c.differ[PLAN_CHOICES], 0);
}
