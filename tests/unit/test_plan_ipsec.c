/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a plan holds for encrypted networks. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/cleanup.h"
#include "plan/plan.h"
#include "tests/lib/plan_lines.h"

static struct ov_addr addr(const char *text)
{
	struct ov_addr a;

	cr_assert_eq(addr_parse(text, &a), 0);
	return a;
}

struct host {
	struct fact_device device[2];
	struct fact_route route[2];
	struct sa sa[4];
	struct ipsec_policy policy[1];
	struct facts f;
};

/* A network that is encrypted and one that is not, over three hosts; a service in each. */
static void three_hosts(struct world *w)
{
	world_node(w, 1, "host-a", "192.0.2.1");
	world_node(w, 2, "host-b", "192.0.2.2");
	world_node(w, 3, "host-c", "192.0.2.3");
	world_network(w, 20, "secret", "10.10.0.0/24", 4096)->network.encrypted = true;
	world_network(w, 21, "open", "10.20.0.0/24", 4097);
	world_endpoint(w, 30, 1, 20, "10.10.0.2");
	world_endpoint(w, 31, 2, 20, "10.10.0.3");
	world_endpoint(w, 32, 1, 21, "10.20.0.2");
	world_service(w, 40, 20, "shop", "10.10.0.100");
	world_service(w, 41, 21, "shop", "10.20.0.100");
}

static const struct facts *host_a(struct host *h)
{
	*h = (struct host){
		.device = { { world_id(30), 7 }, { world_id(32), 8 } },
		.route = { { addr("192.0.2.2"), addr("192.0.2.2") },
			   { addr("192.0.2.3"), addr("192.0.2.3") } },
		.sa = { { addr("192.0.2.2"), addr("192.0.2.1"), 0x5000 },
			{ addr("192.0.2.2"), addr("192.0.2.1"), 0x5001 },
			{ addr("192.0.2.1"), addr("192.0.2.2"), 0x7000 },
			{ addr("192.0.2.1"), addr("192.0.2.2"), 0x7001 } },
		.policy = { { addr("192.0.2.2"), 0x7000 } },
		.f = { .uplink_ifindex = 2, .uplink_mtu = 1500, .vtep = addr("192.0.2.1"),
		       .vxlan_port = 4789, .tunnel_ifindex = 3, .device_count = 2, .route_count = 2,
		       .is_ipsec_able = true, .sa_count = 4, .policy_count = 1 },
	};
	h->f.device = h->device;
	h->f.route = h->route;
	h->f.sa = h->sa;
	h->f.policy = h->policy;
	return &h->f;
}

Test(plan_ipsec, has_sas_and_a_policy_a_lane_and_one_that_blocks)
{
	_cleanup_(world_fini) struct world w = { 0 };
	struct host h;

	three_hosts(&w);
	expect_lines(&w, host_a(&h), "sa policy peer",
		"sa 192.0.2.1 spi=00005000 src=192.0.2.2 lane=0\n"
		"sa 192.0.2.1 spi=00005001 src=192.0.2.2 lane=1\n"
		"sa 192.0.2.2 spi=00007000 src=192.0.2.1 lane=0\n"
		"sa 192.0.2.2 spi=00007001 src=192.0.2.1 lane=1\n"
		"policy block\n"
		"policy 192.0.2.2 src=192.0.2.1 port=4789 lane=0 spi=00007000\n"
		"policy 192.0.2.2 src=192.0.2.1 port=4789 lane=1 spi=00007001\n"
		"policy 192.0.2.2 src=192.0.2.1 port=4789 lane=2 spi=00007002\n"
		"policy 192.0.2.2 src=192.0.2.1 port=4789 lane=3 spi=00007003\n"
		"peer 192.0.2.2 via=192.0.2.2 flags=1\n"
		"peer 192.0.2.3 via=192.0.2.3 flags=0\n");
}

Test(plan_ipsec, marks_all_that_is_of_an_encrypted_network_and_nothing_else)
{
	_cleanup_(world_fini) struct world w = { 0 };
	struct host h;

	three_hosts(&w);
	expect_lines(&w, host_a(&h), "network map_device endpoint",
		"network 4096 gateway=10.10.0.1/24 mac=02:42:0a:0a:00:01 mtu=1396 flags=1\n"
		"network 4097 gateway=10.20.0.1/24 mac=02:42:0a:14:00:01 mtu=1450 flags=0\n"
		"map_device 7 addr=10.10.0.2 vni=4096 mac=02:42:0a:0a:00:02 mtu=1396 "
		"incarnation=eeee0000 encrypted\n"
		"map_device 8 addr=10.20.0.2 vni=4097 mac=02:42:0a:14:00:02 mtu=1450 "
		"incarnation=eeee0000\n"
		"endpoint 10.10.0.2 vni=4096 vtep=192.0.2.1 ifindex=7 mac=02:42:0a:0a:00:02 flags=64 "
		"incarnation=eeee0000\n"
		"endpoint 10.10.0.3 vni=4096 vtep=192.0.2.2 ifindex=0 mac=02:42:0a:0a:00:03 flags=64 "
		"incarnation=eeee0000\n"
		"endpoint 10.10.0.100 vni=4096 vtep=:: ifindex=0 mac=02:42:0a:0a:00:64 flags=65 "
		"incarnation=eeee0000\n"
		"endpoint 10.20.0.2 vni=4097 vtep=192.0.2.1 ifindex=8 mac=02:42:0a:14:00:02 flags=0 "
		"incarnation=eeee0000\n"
		"endpoint 10.20.0.100 vni=4097 vtep=:: ifindex=0 mac=02:42:0a:14:00:64 flags=1 "
		"incarnation=eeee0000\n");
}

Test(plan_ipsec, marks_backends_of_an_encrypted_network_too)
{
	_cleanup_(world_fini) struct world w = { 0 };
	struct host h;
	struct item *backend;

	three_hosts(&w);
	backend = world_endpoint(&w, 33, 2, 20, "10.10.0.4");
	backend->endpoint.service = world_id(40);
	expect_lines(&w, host_a(&h), "backend",
		"backend 10.10.0.100 vni=4096 index=0 addr=10.10.0.4 incarnation=eeee0000 weight=1\n");
	h.f.is_ipsec_able = false;
	expect_lines(&w, &h.f, "sa policy", "");
}

Test(plan_ipsec, blocks_from_the_first_encrypted_network_on_without_any_peer)
{
	_cleanup_(world_fini) struct world w = { 0 };
	struct host h;

	three_hosts(&w);
	host_a(&h);
	h.f.sa_count = h.f.policy_count = 0;
	expect_lines(&w, &h.f, "sa policy peer", "policy block\n"
						 "peer 192.0.2.2 via=192.0.2.2 flags=0\n"
						 "peer 192.0.2.3 via=192.0.2.3 flags=0\n");
}

/* The programs send nothing of it then: no peer has the flag. */
Test(plan_ipsec, asks_nothing_of_a_kernel_that_has_no_ipsec)
{
	_cleanup_(world_fini) struct world w = { 0 };
	struct host h;

	three_hosts(&w);
	host_a(&h);
	h.f.is_ipsec_able = false;
	expect_lines(&w, &h.f, "sa policy peer", "peer 192.0.2.2 via=192.0.2.2 flags=0\n"
						 "peer 192.0.2.3 via=192.0.2.3 flags=0\n");
}

Test(plan_ipsec, has_no_row_when_nothing_is_encrypted)
{
	_cleanup_(world_fini) struct world w = { 0 };
	struct host h;

	three_hosts(&w);
	w.items[3]->network.encrypted = false;
	host_a(&h);
	h.f.sa_count = h.f.policy_count = 0;
	expect_lines(&w, &h.f, "sa policy", "");
}
