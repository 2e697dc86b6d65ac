/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rows of a plan as a person knows them. */
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "plan/tell.h"
#include "tests/lib/plan_lines.h"

struct host {
	struct fact_device device[2];
	struct fact_route route[2];
	struct fact_address address[1];
	struct fact_link link[1];
	struct sa sa[2];
	struct ipsec_policy policy[1];
	struct facts f;
};

struct rig {
	struct world w;
	struct view v;
	struct host h;
	struct plan p;
};

/* An encrypted network with a service that is published, and another network. */
static void fill_world(struct world *w)
{
	struct service_detail detail = { 0 };
	struct item *it;

	world_node(w, 1, "host-a", "192.0.2.1");
	world_node(w, 2, "host-b", "192.0.2.2");
	world_network(w, 20, "secret", "10.10.0.0/24", 4096)->network.encrypted = true;
	world_network(w, 21, "open", "10.20.0.0/24", 4097);
	it = world_endpoint(w, 0x300000, 1, 20, "10.10.0.2");
	it->endpoint.service = world_id(40);
	snprintf(it->endpoint.name, sizeof(it->endpoint.name), "web1");
	world_endpoint(w, 0x310000, 2, 20, "10.10.0.3");
	world_endpoint(w, 0x320000, 1, 21, "10.20.0.2");
	it = world_service(w, 40, 20, "shop", "10.10.0.100");
	it->service.publish_count = 1;
	detail.publish[0] = (struct publish){ .protocol = IPPROTO_TCP, .published = 8080, .target = 80,
					      .allow_count = 1 };
	detail.publish[0].allow[0] = (struct prefix){ world_addr("198.51.100.0"), 120 };
	world_service_detail(it, &detail);
}

static struct rig *new_rig(void)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct ov_addr a = world_addr("192.0.2.1"), b = world_addr("192.0.2.2");
	struct id self = world_id(PLAN_SELF);

	cr_assert(r);
	fill_world(&r->w);
	r->h = (struct host){
		.device = { { world_id(0x300000), 7 }, { world_id(0x320000), 8 } },
		.route = { { b, b } }, .address = { { a, 2 } }, .link = { { 2, a, false } },
		.sa = { { b, a, 0x5000 }, { a, b, 0x7000 } }, .policy = { { b, 0x7000 } },
		.f = { .uplink_ifindex = 2, .uplink_mtu = 1500, .vtep = a, .vxlan_port = 4789,
		       .tunnel_ifindex = 3, .device_count = 2, .route_count = 1, .address_count = 1,
		       .link_count = 1, .is_ipsec_able = true, .sa_count = 2, .policy_count = 1 },
	};
	r->h.f.device = r->h.device;
	r->h.f.route = r->h.route;
	r->h.f.address = r->h.address;
	r->h.f.link = r->h.link;
	r->h.f.sa = r->h.sa;
	r->h.f.policy = r->h.policy;
	r->v = world_view(&r->w);
	cr_assert_eq(plan_build(&r->v, &r->h.f, &self, &r->p), 0);
	return r;
}

static void free_rig(struct rig *r)
{
	plan_fini(&r->p);
	view_fini(&r->v);
	world_fini(&r->w);
	free(r);
}

static const char *told(const struct rig *r, enum plan_table_id table, const uint8_t *key,
			const uint8_t *found, const uint8_t *wanted)
{
	static char text[REPAIR_NAME_MAX + REPAIR_WHAT_MAX + 32];
	struct repair_line l;

	plan_tell(&r->v, &r->h.f, table, key, found, wanted, &l);
	snprintf(text, sizeof(text), "%s: %s: %s", repair_kind_to_str(l.kind), l.name, l.what);
	return text;
}

/* Of each row that is told otherwise than the one before, were it missing. */
static void tell_all(const struct rig *r, char *out, size_t size)
{
	char last[1024] = "";

	for (int id = 0; id < PLAN_TABLE_COUNT; id++) {
		const struct plan_table *t = &r->p.table[id];

		for (size_t i = 0; i < t->count; i++) {
			const uint8_t *row = plan_row(t, i);
			const char *text = told(r, (enum plan_table_id)id, row, NULL, row);
			size_t len = strlen(out);

			if (strcmp(text, last))
				snprintf(out + len, size - len, "%s\n", text);
			snprintf(last, sizeof(last), "%s", text);
		}
	}
}

/* Shows the whole text where it differs. */
static void assert_text(const char *text, const char *want)
{
	cr_assert_str_eq(text, want, "%s", text);
}

Test(plan_tell, every_row_has_a_name)
{
	struct rig *r = new_rig();
	char text[16384] = "";

	tell_all(r, text, sizeof(text));
	assert_text(text,
		"tunnel: the tunnel device ovtunnel: it was missing\n"
		"device: endpoint web1 on network secret: the device oveeee00300000 was missing\n"
		"device: endpoint eeee00320000 on network open: the device oveeee00320000 was missing\n"
		"sa: node host-b: an SA from it, SPI 00005000, was missing\n"
		"sa: node host-b: an SA to it, SPI 00007000, was missing\n"
		"policy: encrypted networks: the policy, or the rule, that keeps their packets from leaving in the clear was missing\n"
		"policy: node host-b: the policy of IPsec to it, lane 0, was missing\n"
		"policy: node host-b: the policy of IPsec to it, lane 1, was missing\n"
		"policy: node host-b: the policy of IPsec to it, lane 2, was missing\n"
		"policy: node host-b: the policy of IPsec to it, lane 3, was missing\n"
		"map: this node: a row of the map config was missing\n"
		"map: network secret: a row of the map networks was missing\n"
		"map: network open: a row of the map networks was missing\n"
		"map: node host-b: a row of the map peers was missing\n"
		"map: endpoint web1 on network secret: a row of the map devices was missing\n"
		"map: endpoint eeee00320000 on network open: a row of the map devices was missing\n"
		"map: endpoint web1 on network secret: a row of the map endpoints was missing\n"
		"map: endpoint eeee00310000 on network secret: a row of the map endpoints was missing\n"
		"map: service shop on network secret: a row of the map endpoints was missing\n"
		"map: endpoint eeee00320000 on network open: a row of the map endpoints was missing\n"
		"map: endpoint web1 on network secret: a row of the map backends was missing\n"
		"map: service shop on network secret: a row of the map choices was missing\n"
		"map: service shop on network secret: a row of the map services was missing\n"
		"map: address 192.0.2.1 of this host: a row of the map addresses was missing\n"
		"map: the uplink: a row of the map links was missing\n"
		"map: published port 8080/tcp: a row of the map allowed was missing\n"
		"map: service shop on network secret: a row of the map published was missing\n"
		"program: the uplink: our program was not on it (tc)\n"
		"program: the tunnel device ovtunnel: our program was not on it (tc)\n"
		"program: endpoint web1 on network secret: its device oveeee00300000 was down, or its program was not on it\n"
		"program: endpoint eeee00320000 on network open: its device oveeee00320000 was down, or its program was not on it\n");
	free_rig(r);
}

/* ---- what was wrong ---- */

static const uint8_t *first(const struct rig *r, enum plan_table_id table)
{
	cr_assert_gt(r->p.table[table].count, 0);
	return plan_row(&r->p.table[table], 0);
}

Test(plan_tell, a_row_is_missing_changed_or_too_many)
{
	struct rig *r = new_rig();
	const uint8_t *row = first(r, PLAN_NETWORKS), *program = first(r, PLAN_ATTACH);

	assert_text(told(r, PLAN_NETWORKS, row, row, row),
		    "map: network secret: a row of the map networks was changed");
	assert_text(told(r, PLAN_NETWORKS, row, row, NULL),
		    "map: network secret: a row of the map networks should not be there");
	assert_text(told(r, PLAN_ATTACH, program, program, program),
		    "program: the uplink: another program was on it");
	assert_text(told(r, PLAN_ATTACH, program, program, NULL),
		    "program: the uplink: a program of ours was on it that should not be");
	free_rig(r);
}

Test(plan_tell, what_belongs_to_nobody_is_named_by_its_numbers)
{
	struct rig *r = new_rig();
	struct {
		struct ov_endpoint_key key;
		struct ov_endpoint value;
	} row = { .key = { world_addr("10.10.0.77"), 4096 } };

	assert_text(told(r, PLAN_ENDPOINTS, (uint8_t *)&row, (uint8_t *)&row, NULL),
		    "map: address 10.10.0.77 on network secret: a row of the map endpoints should not "
		    "be there");
	row.key.vni = 5;
	assert_text(told(r, PLAN_ENDPOINTS, (uint8_t *)&row, (uint8_t *)&row, NULL),
		    "map: VNI 5, which is no network's: a row of the map endpoints should not be there");
	free_rig(r);
}

Test(plan_tell, an_sa_that_another_one_replaces)
{
	struct rig *r = new_rig();
	struct plan_sa_key to = { world_addr("192.0.2.2"), 0x7001 };

	assert_text(told(r, PLAN_SAS, (uint8_t *)&to, NULL, NULL),
		    "sa: node host-b: an SA to it, SPI 00007001, was missing; another one replaces it");
	free_rig(r);
}

static const char *told_device(const struct rig *r, void (*bend)(struct plan_device *d))
{
	size_t size = sizeof(struct plan_device_key) + sizeof(struct plan_device);
	const uint8_t *row = first(r, PLAN_DEVICES);
	struct plan_device d;
	uint8_t found[sizeof(struct plan_device_key) + sizeof(struct plan_device)];

	memcpy(found, row, size);
	memcpy(&d, found + sizeof(struct plan_device_key), sizeof(d));
	bend(&d);
	memcpy(found + sizeof(struct plan_device_key), &d, sizeof(d));
	return told(r, PLAN_DEVICES, row, found, row);
}

static void bend_routes(struct plan_device *d)
{
	memset(&d->gateway, 0, sizeof(d->gateway));
}

static void bend_much(struct plan_device *d)
{
	d->addr.b[15]++;
	d->mac[0]++;
	d->mtu--;
	d->pad = PLAN_DEVICE_OUTSIDE | PLAN_DEVICE_INSIDE;
}

Test(plan_tell, of_a_device_the_parts_are_named)
{
	struct rig *r = new_rig();

	assert_text(told_device(r, bend_routes),
		    "route: endpoint web1 on network secret: eth0 was changed: its routes or its rule in "
		    "the container");
	assert_text(told_device(r, bend_much),
		    "device: endpoint web1 on network secret: eth0 was changed: its address, its MAC "
		    "address, its MTU, settings of its side on this host, the state of it or of loopback "
		    "in the container");
	free_rig(r);
}

Test(plan_tell, settings_are_told_from_the_tunnel_device)
{
	struct rig *r = new_rig();
	struct plan_tunnel t = { 4789, PLAN_TUNNEL_ROUTING };
	uint8_t found[sizeof(uint32_t) + sizeof(t)] = { 0 };

	memcpy(found + sizeof(uint32_t), &t, sizeof(t));
	cr_assert(strstr(told(r, PLAN_TUNNEL, found, found, first(r, PLAN_TUNNEL)), "lo.route_localnet"));
	t.pad |= PLAN_TUNNEL_DEVICE;
	memcpy(found + sizeof(uint32_t), &t, sizeof(t));
	cr_assert(strstr(told(r, PLAN_TUNNEL, found, found, first(r, PLAN_TUNNEL)), "its MTU"));
	free_rig(r);
}

/* ---- what belongs to what ---- */

/* "network:2 ": how many rows of which tables are of it. */
static void count_rows(const struct rig *r, const struct repair_scope *scope, char *out, size_t size)
{
	for (int id = 0; id < PLAN_TABLE_COUNT; id++) {
		const struct plan_table *t = &r->p.table[id];
		size_t count = 0, len = strlen(out);

		for (size_t i = 0; i < t->count; i++)
			count += plan_row_is_of(&r->v, &r->h.f, scope, (enum plan_table_id)id,
						plan_row(t, i));
		if (count)
			snprintf(out + len, size - len, "%s:%zu ", plan_table_to_str(id), count);
	}
}

Test(plan_tell, of_a_network_are_its_rows_and_none_that_all_share)
{
	struct repair_scope secret = { .network = world_id(20) }, open = { .network = world_id(21) };
	struct rig *r = new_rig();
	char text[512] = "", other[512] = "";

	count_rows(r, &secret, text, sizeof(text));
	assert_text(text, "device:1 network:1 map_device:1 endpoint:3 backend:1 choices:1 service:1 "
		    "published:1 attach:1 ");
	count_rows(r, &open, other, sizeof(other));
	assert_text(other, "device:1 network:1 map_device:1 endpoint:1 attach:1 ");
	free_rig(r);
}

Test(plan_tell, of_an_endpoint_are_its_device_its_program_and_its_rows)
{
	struct repair_scope web1 = { .endpoint = world_id(0x300000) };
	struct rig *r = new_rig();
	char text[512] = "";

	count_rows(r, &web1, text, sizeof(text));
	assert_text(text, "device:1 map_device:1 endpoint:1 backend:1 attach:1 ");
	free_rig(r);
}
