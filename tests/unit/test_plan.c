/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "plan/plan.h"
#include "tests/lib/plan_lines.h"

#define SELF PLAN_SELF

static void expect_line(const struct world *w, const struct facts *f, const char *line, bool there)
{
	_cleanup_(buf_fini) struct buf out = { 0 };

	plan_text(w, f, &out);
	cr_assert_eq(!!strstr((const char *)out.data, line), there, "%s in:\n%s", line,
		     (const char *)out.data);
}

/* Two hosts, one network, a pod on each; the other host is behind a router. */
static void two_hosts(struct world *w)
{
	world_node(w, 1, "host-a", "192.0.2.1");
	world_node(w, 2, "host-b", "198.51.100.2");
	world_network(w, 20, "app-net", "10.10.0.0/24", 4096);
	world_endpoint(w, 30, 1, 20, "10.10.0.2");
	world_endpoint(w, 31, 2, 20, "10.10.0.3");
}

struct host {
	struct fact_device device[2];
	struct fact_route route[2];
	struct facts f;
};

static const struct facts *host_a(struct host *h)
{
	*h = (struct host){
		.device = { { .endpoint = world_id(30), .ifindex = 7 } },
		.route = { { .to = world_addr("198.51.100.2"), .next_hop = world_addr("192.0.2.254") } },
		.f = { .uplink_ifindex = 2, .uplink_mtu = 1500, .vtep = world_addr("192.0.2.1"),
		       .vxlan_port = 4789, .tunnel_ifindex = 3, .xdp_mode = OV_XDP_NATIVE,
		       .device_count = 1, .route_count = 1 },
	};
	h->f.device = h->device;
	h->f.route = h->route;
	return &h->f;
}

Test(plan, of_two_hosts_as_text)
{
	_cleanup_(world_fini) struct world w = { 0 };
	struct host h;

	two_hosts(&w);
	expect_text(&w, host_a(&h),
		"tunnel 0 port=4789\n"
		"device eeee0000001e00000000000000000000 name=oveeee0000001e ifname=eth0 "
		"netns=/run/netns/c30,4,30 addr=10.10.0.2/24 via=10.10.0.1 mac=02:42:0a:0a:00:02 mtu=1450\n"
		"config 0 vtep=192.0.2.1 flags=ready uplink=2 tunnel=3 port=4789 masquerade=0-0\n"
		"network 4096 gateway=10.10.0.1/24 mac=02:42:0a:0a:00:01 mtu=1450 flags=0\n"
		"peer 198.51.100.2 via=192.0.2.254 flags=0\n"
		"map_device 7 addr=10.10.0.2 vni=4096 mac=02:42:0a:0a:00:02 mtu=1450 "
		"incarnation=eeee0000\n"
		"endpoint 10.10.0.2 vni=4096 vtep=192.0.2.1 ifindex=7 mac=02:42:0a:0a:00:02 flags=0 "
		"incarnation=eeee0000\n"
		"endpoint 10.10.0.3 vni=4096 vtep=198.51.100.2 ifindex=0 mac=02:42:0a:0a:00:03 flags=0 "
		"incarnation=eeee0000\n"
		"attach 2 hook=tc_ingress program=uplink mode=off\n"
		"attach 2 hook=xdp program=uplink_xdp mode=native\n"
		"attach 3 hook=tc_ingress program=tunnel mode=off\n"
		"attach 7 hook=tc_ingress program=endpoint mode=off\n");
}

Test(plan, of_an_empty_cluster_asks_for_the_tunnel_and_is_not_ready)
{
	_cleanup_(world_fini) struct world w = { 0 };
	struct facts f = { .vxlan_port = 4789 };

	expect_text(&w, &f, "tunnel 0 port=4789\n"
			    "config 0 vtep=:: flags=none uplink=0 tunnel=0 port=4789 masquerade=0-0\n");
}

Test(plan, is_ready_only_with_uplink_tunnel_and_vtep)
{
	_cleanup_(world_fini) struct world w = { 0 };
	struct host h;

	host_a(&h);
	h.f.tunnel_ifindex = 0;
	expect_line(&w, &h.f, "flags=none", true);
	host_a(&h);
	h.f.uplink_ifindex = 0;
	expect_line(&w, &h.f, "flags=none", true);
	host_a(&h);
	h.f.vtep = (struct ov_addr){ 0 };
	expect_line(&w, &h.f, "flags=none", true);
	expect_line(&w, host_a(&h), "flags=ready", true);
}

Test(plan, a_local_endpoint_is_mapped_when_its_device_exists)
{
	_cleanup_(world_fini) struct world w = { 0 };
	struct host h;

	two_hosts(&w);
	host_a(&h);
	h.f.device_count = 0;
	expect_line(&w, &h.f, "device eeee0000001e", true);
	expect_line(&w, &h.f, "map_device", false);
	expect_line(&w, &h.f, "endpoint 10.10.0.2", false);
	expect_line(&w, &h.f, "program=endpoint", false);
}

Test(plan, a_forged_alias_never_makes_an_endpoint_of_our_own_devices)
{
	_cleanup_(world_fini) struct world w = { 0 };
	struct host h;

	two_hosts(&w);
	host_a(&h);
	h.device[0].ifindex = 2;
	expect_line(&w, &h.f, "map_device", false);
	expect_line(&w, &h.f, "attach 2 hook=tc_ingress program=uplink", true);
	h.device[0].ifindex = 3;
	expect_line(&w, &h.f, "attach 3 hook=tc_ingress program=tunnel", true);
	expect_line(&w, &h.f, "program=endpoint", false);
}

Test(plan, a_node_without_a_route_or_with_our_address_is_no_peer)
{
	_cleanup_(world_fini) struct world w = { 0 };
	struct host h;

	two_hosts(&w);
	host_a(&h);
	h.f.route_count = 0;
	expect_line(&w, &h.f, "peer", false);
	expect_line(&w, &h.f, "endpoint 10.10.0.3", false);
	host_a(&h);
	h.f.vtep = world_addr("198.51.100.2");
	expect_line(&w, &h.f, "peer", false);
	expect_line(&w, &h.f, "endpoint 10.10.0.3", false);
}

Test(plan, losers_of_a_claim_carry_no_traffic)
{
	_cleanup_(world_fini) struct world w = { 0 };
	struct host h;

	two_hosts(&w);
	world_network(&w, 21, "other", "10.20.0.0/24", 4096); /* VNI taken */
	world_endpoint(&w, 32, 1, 21, "10.20.0.2");
	world_endpoint(&w, 33, 2, 21, "10.20.0.3");
	world_endpoint(&w, 34, 1, 20, "10.10.0.3");           /* address taken */
	world_node(&w, 3, "host-b", "192.0.2.3");             /* name taken */
	world_endpoint(&w, 35, 3, 20, "10.10.0.5");
	host_a(&h);
	h.route[1] = h.route[0];
	h.route[0] = (struct fact_route){ world_addr("192.0.2.3"), world_addr("192.0.2.3") };
	h.f.route_count = 2;
	expect_line(&w, &h.f, "10.20.0.", false);
	expect_line(&w, &h.f, "device eeee00000022", false);
	expect_line(&w, &h.f, "endpoint 10.10.0.3 vni=4096 vtep=198.51.100.2", true);
	expect_line(&w, &h.f, "192.0.2.3", false);
	expect_line(&w, &h.f, "10.10.0.5", false);
}

Test(plan, removed_things_leave_the_tables)
{
	_cleanup_(world_fini) struct world w = { 0 };
	struct host h;

	two_hosts(&w);
	for (size_t i = 0; i < w.count; i++)
		w.items[i]->tombstone = true;
	expect_line(&w, host_a(&h), "endpoint ", false);
	expect_line(&w, &h.f, "device ", false);
	expect_line(&w, &h.f, "peer ", false);
	expect_line(&w, &h.f, "network ", false);
}

Test(plan, xdp_sends_calls_on_where_sums_are_complete)
{
	_cleanup_(world_fini) struct world w = { 0 };
	struct host h;

	two_hosts(&w);
	host_a(&h);
	expect_line(&w, &h.f, "flags=ready+xdp_entry", false);
	h.f.xdp_sums = true;
	expect_line(&w, &h.f, "flags=ready+xdp_entry", true);
}

Test(plan, xdp_off_attaches_none)
{
	_cleanup_(world_fini) struct world w = { 0 };
	struct host h;

	host_a(&h);
	h.f.xdp_mode = OV_XDP_OFF;
	expect_line(&w, &h.f, "xdp", false);
	h.f.xdp_mode = OV_XDP_GENERIC;
	expect_line(&w, &h.f, "attach 2 hook=xdp program=uplink_generic mode=generic", true);
}

Test(plan, flags_of_a_network_reach_its_row)
{
	_cleanup_(world_fini) struct world w = { 0 };
	struct host h;

	two_hosts(&w);
	w.items[2]->network.internal = w.items[2]->network.encrypted = true;
	w.items[2]->network.mtu = 1300;
	expect_line(&w, host_a(&h), "mtu=1300 flags=3", true);
	expect_line(&w, &h.f, "mac=02:42:0a:0a:00:02 mtu=1300\n", true);
}

Test(plan, device_names_fit_the_kernel)
{
	struct id id = world_id(0x12345678);
	char name[16];

	memset(name, 'x', sizeof(name));
	plan_device_name(&id, name);
	cr_assert_str_eq(name, "oveeee12345678");
	cr_assert_str_eq(plan_table_to_str(PLAN_ATTACH), "attach");
	cr_assert_str_eq(plan_table_to_str(PLAN_TABLE_COUNT), "unknown");
}

/* ---- properties ---- */

#define NODES 8u
#define NETWORKS 4u

/* Random clusters and facts; some devices and routes are missing. */
struct random_host {
	struct fact_device device[400];
	struct fact_route route[NODES];
	struct facts f;
};

static void fill_random(struct world *w, struct random_host *h, struct rng *rng)
{
	char text[32];

	*h = (struct random_host){ .f = { .uplink_ifindex = 2, .tunnel_ifindex = 3,
					  .vxlan_port = 4789, .vtep = world_addr("192.0.2.1"),
					  .xdp_mode = OV_XDP_NATIVE } };
	for (unsigned int i = 1; i <= NODES; i++) {
		snprintf(text, sizeof(text), "192.0.2.%u", i);
		world_node(w, i, text, text)->tombstone = i > 1 && !rng_below(rng, 5);
		if (rng_below(rng, 4))
			h->route[h->f.route_count++] = (struct fact_route){ world_addr(text), world_addr(text) };
	}
	for (unsigned int i = 0; i < NETWORKS; i++) {
		snprintf(text, sizeof(text), "net%u", i);
		world_network(w, 20 + i, text, "10.0.0.0/16", 4096 + rng_below(rng, 3));
	}
	for (unsigned int i = 0; i < 400; i++) {
		snprintf(text, sizeof(text), "10.0.%u.%u", rng_below(rng, 2), rng_below(rng, 256));
		world_endpoint(w, 100 + i, 1 + rng_below(rng, NODES), 20 + rng_below(rng, NETWORKS),
			       text);
		if (rng_below(rng, 4))
			h->device[h->f.device_count++] =
				(struct fact_device){ world_id(100 + i), 10 + i };
	}
	h->f.device = h->device;
	h->f.route = h->route;
}

static bool has_key(const struct plan_table *t, const void *key)
{
	for (size_t i = 0; i < t->count; i++)
		if (!memcmp(plan_row(t, i), key, t->key_size))
			return true;
	return false;
}

static void expect_sorted(const struct plan *p)
{
	for (int id = 0; id < PLAN_TABLE_COUNT; id++) {
		const struct plan_table *t = &p->table[id];

		for (size_t i = 1; i < t->count; i++)
			cr_assert_lt(memcmp(plan_row(t, i - 1), plan_row(t, i), t->key_size), 0,
				     "table %s row %zu", plan_table_to_str(id), i);
	}
}

/* Nothing refers to what is not there. */
static void expect_closed(const struct plan *p, const struct facts *f)
{
	const struct plan_table *t = &p->table[PLAN_ENDPOINTS];

	for (size_t i = 0; i < t->count; i++) {
		struct ov_endpoint_key key;
		struct ov_endpoint value;
		struct ov_device_key device;

		memcpy(&key, plan_row(t, i), sizeof(key));
		memcpy(&value, plan_row(t, i) + sizeof(key), sizeof(value));
		cr_assert(has_key(&p->table[PLAN_NETWORKS], &key.vni));
		device.ifindex = value.ifindex;
		if (!addr_cmp(&value.vtep, &f->vtep))
			cr_assert(has_key(&p->table[PLAN_MAP_DEVICES], &device));
		else
			cr_assert(has_key(&p->table[PLAN_PEERS], &value.vtep));
	}
	t = &p->table[PLAN_MAP_DEVICES];
	for (size_t i = 0; i < t->count; i++) {
		struct plan_attach_key key = { .hook = HOOK_TC_INGRESS };

		memcpy(&key.ifindex, plan_row(t, i), sizeof(key.ifindex));
		cr_assert(has_key(&p->table[PLAN_ATTACH], &key));
	}
}

static void expect_equal(const struct plan *a, const struct plan *b)
{
	for (int id = 0; id < PLAN_TABLE_COUNT; id++) {
		const struct plan_table *x = &a->table[id], *y = &b->table[id];

		cr_assert_eq(x->count, y->count);
		cr_assert_eq(memcmp(x->rows, y->rows, x->count * (x->key_size + x->value_size)), 0,
			     "%s", plan_table_to_str(id));
	}
}

Test(plan, is_sorted_closed_and_a_function_of_its_input)
{
	struct id self = world_id(SELF);
	struct rng rng;

	rng_init_u64(&rng, 5);
	for (int round = 0; round < 20; round++) {
		_cleanup_(world_fini) struct world w = { 0 };
		_cleanup_(view_fini) struct view v = { 0 }, shuffled = { 0 };
		_cleanup_(plan_fini) struct plan p = { 0 }, again = { 0 };
		struct random_host h;

		fill_random(&w, &h, &rng);
		v = world_view(&w);
		cr_assert_eq(plan_build(&v, &h.f, &self, &p), 0);
		cr_assert_gt(p.table[PLAN_ENDPOINTS].count, 0);
		expect_sorted(&p);
		expect_closed(&p, &h.f);
		world_shuffle(&w, &rng);
		shuffled = world_view(&w);
		cr_assert_eq(plan_build(&shuffled, &h.f, &self, &again), 0);
		expect_equal(&p, &again);
	}
}

Test(plan, two_devices_that_claim_one_index_make_one_row)
{
	_cleanup_(world_fini) struct world w = { 0 };
	_cleanup_(view_fini) struct view v = { 0 };
	_cleanup_(plan_fini) struct plan p = { 0 };
	struct id self = world_id(SELF);
	struct host h;

	two_hosts(&w);
	world_endpoint(&w, 32, 1, 20, "10.10.0.9");
	host_a(&h);
	h.device[1] = (struct fact_device){ world_id(32), 7 };
	h.f.device_count = 2;
	v = world_view(&w);
	cr_assert_eq(plan_build(&v, &h.f, &self, &p), 0);
	cr_assert_eq(p.table[PLAN_MAP_DEVICES].count, 1);
	expect_sorted(&p);
}

Test(plan, a_hundred_thousand_endpoints_all_have_a_row)
{
	_cleanup_(world_fini) struct world w = { 0 };
	_cleanup_(view_fini) struct view v = { 0 };
	_cleanup_(plan_fini) struct plan p = { 0 };
	struct id self = world_id(SELF);
	struct host h;
	char text[32];

	world_node(&w, 1, "host-a", "192.0.2.1");
	world_node(&w, 2, "host-b", "198.51.100.2");
	world_network(&w, 20, "net", "10.0.0.0/8", 5000);
	for (unsigned int i = 0; i < 100000; i++) {
		snprintf(text, sizeof(text), "10.%u.%u.%u", 1 + (i >> 16), i >> 8 & 255, i & 255);
		world_endpoint(&w, 1000 + i, 2, 20, text);
	}
	v = world_view(&w);
	cr_assert_eq(plan_build(&v, host_a(&h), &self, &p), 0);
	cr_assert_eq(p.table[PLAN_ENDPOINTS].count, 100000);
	expect_sorted(&p);
}
