/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "tests/lib/made_world.h"

#define WORLD _cleanup_(world_fini) struct world w = { 0 }
#define VIEW _cleanup_(view_fini) struct view v = world_view(&w)

static const struct view_network *network(const struct view *v, unsigned int number)
{
	struct id id = world_id(number);

	return view_network_by_id(v, &id);
}

static const struct view_endpoint *endpoint(const struct view *v, unsigned int number)
{
	struct id id = world_id(number);

	return view_endpoint_by_id(v, &id);
}

static const struct view_service *service(const struct view *v, unsigned int number)
{
	struct id id = world_id(number);

	return view_service_by_id(v, &id);
}

static const struct view_node *node(const struct view *v, unsigned int number)
{
	struct id id = world_id(number);

	return view_node_by_id(v, &id);
}

Test(view, of_nothing_is_empty)
{
	WORLD;
	VIEW;

	cr_assert_null(v.cluster);
	cr_assert_eq(v.node_count + v.network_count + v.endpoint_count + v.block_count, 0);
	cr_assert_null(view_network_find(&v, "any"));
	cr_assert_null(view_node_by_name(&v, "any"));
	cr_assert_null(view_endpoint_find(&v, ""));
}

Test(view, living_items_are_there_sorted_by_id)
{
	WORLD;
	world_node(&w, 3, "c", "10.0.0.3");
	world_node(&w, 1, "a", "10.0.0.1");
	world_network(&w, 20, "net", "10.9.0.0/24", 5000);
	world_endpoint(&w, 31, 3, 20, "10.9.0.3");
	world_endpoint(&w, 30, 1, 20, "10.9.0.2");
	VIEW;

	cr_assert_eq(v.node_count, 2);
	cr_assert_str_eq(v.node[0].node->name, "a");
	cr_assert_str_eq(v.node[1].node->name, "c");
	cr_assert_eq(v.endpoint_count, 2);
	cr_assert_eq(v.endpoint[0].ep->created_ms, 30);
	cr_assert_eq(v.endpoint[0].net, &v.network[0]);
	cr_assert_str_eq(v.network[0].display, "net");
}

Test(view, blocks_are_sorted_by_network_and_start)
{
	WORLD;
	world_network(&w, 21, "b", "10.8.0.0/24", 5001);
	world_network(&w, 20, "a", "10.9.0.0/24", 5000);
	world_block(&w, 21, "10.8.0.0", 1);
	world_block(&w, 20, "10.9.0.128", 1);
	world_block(&w, 20, "10.9.0.0", 1);
	world_block(&w, 99, "10.7.0.0", 1);
	VIEW;

	cr_assert_eq(v.block_count, 3, "one of an unknown network is gone");
	cr_assert_eq(addr_v4(&v.block[0]->start), 0x0a090000);
	cr_assert_eq(addr_v4(&v.block[1]->start), 0x0a090080);
	cr_assert_eq(addr_v4(&v.block[2]->start), 0x0a080000);
}

Test(view, endpoints_of_removed_nodes_are_gone_and_their_blocks_stay)
{
	WORLD;
	world_node(&w, 1, "a", "10.0.0.1")->tombstone = true;
	world_network(&w, 20, "net", "10.9.0.0/24", 5000);
	world_endpoint(&w, 30, 1, 20, "10.9.0.2");
	world_endpoint(&w, 31, 2, 20, "10.9.0.3");
	world_block(&w, 20, "10.9.0.0", 1);
	VIEW;

	cr_assert_eq(v.node_count, 0);
	cr_assert_null(endpoint(&v, 30));
	cr_assert_not_null(endpoint(&v, 31), "its node is only not known yet");
	cr_assert_eq(v.block_count, 1);
}

Test(view, what_hangs_on_a_removed_or_unknown_network_is_gone)
{
	WORLD;
	world_network(&w, 20, "net", "10.9.0.0/24", 5000)->tombstone = true;
	world_endpoint(&w, 30, 1, 20, "10.9.0.2");
	world_endpoint(&w, 31, 1, 99, "10.9.0.2");
	world_endpoint(&w, 32, 1, 20, "10.9.0.4")->tombstone = true;
	world_block(&w, 20, "10.9.0.0", 1);
	VIEW;

	cr_assert_eq(v.endpoint_count, 0);
	cr_assert_eq(v.block_count, 0);
	cr_assert_eq(v.released_count, 0);
}

Test(view, tombstones_of_endpoints_are_released_addresses)
{
	struct item *gone;
	WORLD;
	world_network(&w, 20, "net", "10.9.0.0/24", 5000);
	gone = world_endpoint(&w, 30, 1, 20, "10.9.0.2");
	gone->tombstone = true;
	gone->seen_ms = 77;
	VIEW;

	cr_assert_eq(v.endpoint_count, 0);
	cr_assert_eq(v.released_count, 1);
	cr_assert_eq(v.released[0]->seen_ms, 77);
}

Test(view, of_two_networks_with_one_name_the_older_keeps_it)
{
	WORLD;
	world_network(&w, 20, "net", "10.9.0.0/24", 5000)->network.created_ms = 9;
	world_network(&w, 21, "net", "10.8.0.0/24", 5001)->network.created_ms = 8;
	VIEW;

	cr_assert_str_eq(network(&v, 21)->display, "net");
	cr_assert_str_eq(network(&v, 20)->display, "net~eeee00");
	cr_assert_eq(view_network_find(&v, "net"), network(&v, 21));
	cr_assert_eq(view_network_find(&v, "net~eeee00"), network(&v, 20));
	cr_assert_not(network(&v, 20)->vni_lost, "a lost name stops no traffic");
}

Test(view, of_two_networks_with_one_vni_the_older_keeps_it_and_equal_ages_go_by_id)
{
	WORLD;
	world_network(&w, 22, "c", "10.9.0.0/24", 5000)->network.created_ms = 8;
	world_network(&w, 21, "b", "10.9.0.0/24", 5000)->network.created_ms = 8;
	world_network(&w, 20, "a", "10.9.0.0/24", 5000)->network.created_ms = 9;
	world_network(&w, 23, "d", "10.9.0.0/24", 0);
	VIEW;

	cr_assert_not(network(&v, 21)->vni_lost);
	cr_assert(network(&v, 22)->vni_lost);
	cr_assert(network(&v, 20)->vni_lost);
	cr_assert(network(&v, 23)->vni_lost, "VNI 0 is none");
}

Test(view, of_two_endpoints_with_one_address_the_older_keeps_it)
{
	WORLD;
	world_network(&w, 20, "a", "10.9.0.0/24", 5000);
	world_network(&w, 21, "b", "10.9.0.0/24", 5001);
	world_endpoint(&w, 30, 1, 20, "10.9.0.2")->endpoint.created_ms = 9;
	world_endpoint(&w, 31, 2, 20, "10.9.0.2")->endpoint.created_ms = 8;
	world_endpoint(&w, 32, 2, 21, "10.9.0.2");
	VIEW;

	cr_assert(endpoint(&v, 30)->addr_lost);
	cr_assert_not(endpoint(&v, 31)->addr_lost);
	cr_assert_not(endpoint(&v, 32)->addr_lost, "another network is another world");
}

/* ---- services ---- */

Test(view, of_two_services_with_one_name_the_older_keeps_it_within_its_network)
{
	WORLD;
	world_network(&w, 20, "a", "10.9.0.0/24", 5000);
	world_network(&w, 21, "b", "10.8.0.0/24", 5001);
	world_service(&w, 40, 20, "web", "10.9.0.2")->service.created_ms = 9;
	world_service(&w, 41, 20, "web", "10.9.0.3")->service.created_ms = 8;
	world_service(&w, 42, 21, "web", "10.8.0.2");
	world_service(&w, 43, 20, "WEB", "10.9.0.4")->service.created_ms = 10;
	VIEW;

	cr_assert_eq(v.service_count, 4);
	cr_assert_str_eq(service(&v, 41)->display, "web");
	cr_assert_str_eq(service(&v, 40)->display, "web~eeee00");
	cr_assert_str_eq(service(&v, 42)->display, "web", "another network is another world");
	cr_assert_str_eq(service(&v, 43)->display, "WEB~eeee00", "names in DNS have no case");
	cr_assert_not(service(&v, 40)->vip_lost, "a lost name is no lost address");
}

Test(view, services_of_a_removed_or_unknown_network_are_gone)
{
	WORLD;
	world_network(&w, 20, "a", "10.9.0.0/24", 5000)->tombstone = true;
	world_service(&w, 40, 20, "web", "10.9.0.2");
	world_service(&w, 41, 99, "web", "10.9.0.2");
	world_service(&w, 42, 20, "old", "10.9.0.4")->tombstone = true;
	VIEW;

	cr_assert_eq(v.service_count, 0);
	cr_assert_eq(v.released_count, 0);
}

Test(view, a_vip_and_an_address_are_one_claim_and_the_older_keeps_it)
{
	WORLD;
	world_network(&w, 20, "a", "10.9.0.0/24", 5000);
	world_network(&w, 21, "b", "10.9.0.0/24", 5001);
	world_service(&w, 40, 20, "one", "10.9.0.2");
	world_service(&w, 41, 20, "two", "10.9.0.2");
	world_service(&w, 42, 20, "three", "10.9.0.3");
	world_service(&w, 43, 20, "four", "10.9.0.4");
	world_service(&w, 44, 20, "five", NULL);
	world_service(&w, 45, 20, "six", NULL);
	world_service(&w, 46, 21, "one", "10.9.0.2");
	world_endpoint(&w, 30, 1, 20, "10.9.0.3");
	world_endpoint(&w, 50, 1, 20, "10.9.0.4");
	VIEW;

	cr_assert_not(service(&v, 40)->vip_lost);
	cr_assert(service(&v, 41)->vip_lost, "a younger service");
	cr_assert(service(&v, 42)->vip_lost, "an older endpoint");
	cr_assert_not(endpoint(&v, 30)->addr_lost);
	cr_assert_not(service(&v, 43)->vip_lost);
	cr_assert(endpoint(&v, 50)->addr_lost, "an older service");
	cr_assert_not(service(&v, 44)->vip_lost || service(&v, 45)->vip_lost,
		      "no address is no claim");
	cr_assert_not(service(&v, 46)->vip_lost, "another network is another world");
}

Test(view, a_removed_service_releases_its_vip)
{
	struct item *gone;
	WORLD;
	world_network(&w, 20, "a", "10.9.0.0/24", 5000);
	gone = world_service(&w, 40, 20, "web", "10.9.0.2");
	gone->tombstone = true;
	gone->seen_ms = 77;
	world_endpoint(&w, 30, 1, 20, "10.9.0.3")->tombstone = true;
	VIEW;

	cr_assert_eq(v.service_count, 0);
	cr_assert_eq(v.released_count, 2);
	cr_assert_eq(v.released[1], gone);
}

static struct item *backend(struct world *w, unsigned int number, unsigned int network,
			    unsigned int of)
{
	char text[32];
	struct item *it;

	snprintf(text, sizeof(text), "10.9.0.%u", number);
	it = world_endpoint(w, number, 1, network, text);
	it->endpoint.service = world_id(of);
	return it;
}

Test(view, a_backend_is_one_of_a_living_service_of_its_own_network)
{
	WORLD;
	world_network(&w, 20, "a", "10.9.0.0/24", 5000);
	world_network(&w, 21, "b", "10.9.0.0/24", 5001);
	world_service(&w, 40, 20, "web", "10.9.0.200");
	world_service(&w, 41, 20, "old", "10.9.0.201")->tombstone = true;
	backend(&w, 30, 20, 40);
	backend(&w, 31, 21, 40);
	backend(&w, 32, 20, 41);
	backend(&w, 33, 20, 99);
	world_endpoint(&w, 34, 1, 20, "10.9.0.34");
	VIEW;

	cr_assert_eq(endpoint(&v, 30)->service, service(&v, 40));
	cr_assert_null(endpoint(&v, 31)->service, "another network");
	cr_assert_null(endpoint(&v, 32)->service, "removed");
	cr_assert_null(endpoint(&v, 33)->service, "not known yet");
	cr_assert_null(endpoint(&v, 34)->service);
}

Test(view, a_backend_serves_while_nothing_speaks_against_it)
{
	struct id away_node = world_id(2);
	struct id_set away = { 1, &away_node }, none = { 0 };
	WORLD;
	world_network(&w, 20, "a", "10.9.0.0/24", 5000);
	world_service(&w, 40, 20, "web", "10.9.0.200");
	world_service(&w, 41, 20, "checked", "10.9.0.201")->service.health = HEALTH_TCP;
	backend(&w, 30, 20, 40);
	backend(&w, 31, 20, 40)->endpoint.draining = true;
	backend(&w, 32, 20, 40)->endpoint.health = ENDPOINT_UNHEALTHY;
	backend(&w, 33, 20, 40)->endpoint.node = away_node;
	backend(&w, 34, 20, 41);
	backend(&w, 35, 20, 41)->endpoint.health = ENDPOINT_HEALTHY;
	backend(&w, 36, 20, 41)->endpoint.health = ENDPOINT_UNHEALTHY;
	backend(&w, 37, 20, 40)->endpoint.addr = addr_from_v4(0x0a09001e);
	VIEW;

	cr_assert(view_endpoint_serves(endpoint(&v, 30), &away));
	cr_assert_not(view_endpoint_serves(endpoint(&v, 31), &away), "drained");
	cr_assert(view_endpoint_serves(endpoint(&v, 32), &away), "nobody checks it any more");
	cr_assert_not(view_endpoint_serves(endpoint(&v, 33), &away), "its node is away");
	cr_assert(view_endpoint_serves(endpoint(&v, 33), &none));
	cr_assert_not(view_endpoint_serves(endpoint(&v, 34), &away), "untried");
	cr_assert(view_endpoint_serves(endpoint(&v, 35), &away));
	cr_assert_not(view_endpoint_serves(endpoint(&v, 36), &away));
	cr_assert_not(view_endpoint_serves(endpoint(&v, 37), &away), "30 has its address");
}

Test(view, services_are_found_by_name_qualified_name_id_and_prefix)
{
	char id[ID_TEXT_MAX];
	struct id wanted = world_id(0x10000001);
	bool ambiguous;
	WORLD;
	world_network(&w, 20, "a", "10.9.0.0/24", 5000);
	world_network(&w, 21, "b", "10.8.0.0/24", 5001);
	world_service(&w, 0x10000001, 20, "web", "10.9.0.2");
	world_service(&w, 0x20000002, 21, "web", "10.8.0.2");
	world_service(&w, 0x30000003, 21, "db", "10.8.0.3");
	VIEW;

	cr_assert_eq(view_service_find(&v, "db", &ambiguous), service(&v, 0x30000003));
	cr_assert_not(ambiguous);
	cr_assert_null(view_service_find(&v, "web", &ambiguous));
	cr_assert(ambiguous, "two networks have one");
	cr_assert_eq(view_service_find(&v, "web.b", &ambiguous), service(&v, 0x20000002));
	cr_assert_not(ambiguous);
	cr_assert_eq(view_service_find(&v, id_format(&wanted, id), &ambiguous),
		     service(&v, 0x10000001));
	cr_assert_eq(view_service_find(&v, "eeee10", &ambiguous), service(&v, 0x10000001));
	cr_assert_null(view_service_find(&v, "web.c", &ambiguous));
	cr_assert_null(view_service_find(&v, "", &ambiguous));
	cr_assert_null(view_service_find(&v, "eeee", &ambiguous));
	cr_assert_not(ambiguous, "only a name can be that");
}

Test(view, of_two_nodes_with_one_name_or_address_the_older_is_the_peer)
{
	WORLD;
	world_node(&w, 1, "a", "10.0.0.1");
	world_node(&w, 2, "a", "10.0.0.2");
	world_node(&w, 3, "c", "10.0.0.1");
	world_node(&w, 4, "d", "10.0.0.4");
	VIEW;

	cr_assert_not(node(&v, 1)->name_lost);
	cr_assert(node(&v, 2)->name_lost);
	cr_assert(node(&v, 3)->name_lost);
	cr_assert_not(node(&v, 4)->name_lost);
	cr_assert_eq(view_node_by_name(&v, "a"), node(&v, 1));
	cr_assert_eq(view_node_by_name(&v, "c"), node(&v, 3), "a loser can be named, to remove it");
}

Test(view, the_loser_gets_the_claim_when_the_winner_goes)
{
	WORLD;
	world_network(&w, 20, "net", "10.9.0.0/24", 5000)->tombstone = true;
	world_network(&w, 21, "net", "10.8.0.0/24", 5000);
	world_node(&w, 1, "a", "10.0.0.1")->tombstone = true;
	world_node(&w, 2, "a", "10.0.0.1");
	VIEW;

	cr_assert_str_eq(network(&v, 21)->display, "net");
	cr_assert_not(network(&v, 21)->vni_lost);
	cr_assert_not(node(&v, 2)->name_lost);
}

/* ---- finding ---- */

Test(view, things_are_found_by_name_id_and_unambiguous_prefix)
{
	char id[ID_TEXT_MAX];
	struct id wanted = world_id(0x10000001);
	WORLD;
	world_network(&w, 0x10000001, "one", "10.1.0.0/24", 5000);
	world_network(&w, 0x20000002, "two", "10.2.0.0/24", 5001);
	strcpy(world_endpoint(&w, 0x30000003, 1, 0x10000001, "10.1.0.2")->endpoint.name, "web");
	VIEW;

	cr_assert_eq(view_network_find(&v, "two"), network(&v, 0x20000002));
	cr_assert_eq(view_network_find(&v, id_format(&wanted, id)), network(&v, 0x10000001));
	cr_assert_eq(view_network_find(&v, "eeee10"), network(&v, 0x10000001));
	cr_assert_null(view_network_find(&v, "eeee"), "two begin with that");
	cr_assert_null(view_network_find(&v, "eee"), "too short to be an id");
	cr_assert_null(view_network_find(&v, "eeee9"));
	cr_assert_null(view_network_find(&v, "eeeg"));
	cr_assert_null(view_network_find(&v, ""));
	cr_assert_eq(view_endpoint_find(&v, "web"), endpoint(&v, 0x30000003));
	cr_assert_eq(view_endpoint_find(&v, "eeee"), endpoint(&v, 0x30000003));
	cr_assert_null(view_endpoint_find(&v, ""), "endpoints without a name have none");
}

Test(view, a_full_id_goes_before_a_name_that_looks_like_it)
{
	char id[ID_TEXT_MAX];
	struct id wanted = world_id(20);
	WORLD;
	world_network(&w, 20, "one", "10.1.0.0/24", 5000);
	world_network(&w, 21, id_format(&wanted, id), "10.2.0.0/24", 5001);
	VIEW;

	cr_assert_eq(view_network_find(&v, id), network(&v, 20));
}

/* ---- MTU ---- */

Test(view, mtu_is_the_smallest_uplink_less_the_header)
{
	const struct network *net;
	WORLD;
	world_node(&w, 1, "a", "10.0.0.1")->node.uplink_mtu = 9000;
	world_node(&w, 2, "b", "10.0.0.2")->node.uplink_mtu = 1400;
	world_node(&w, 3, "c", "10.0.0.3")->node.uplink_mtu = 0;
	net = &world_network(&w, 20, "net", "10.9.0.0/24", 5000)->network;
	VIEW;

	cr_assert_eq(view_network_mtu(&v, net), 1400 - OV_VXLAN_OVERHEAD_V4, "zero is unknown");
}

Test(view, mtu_ignores_removed_nodes_and_losers)
{
	const struct network *net;
	WORLD;
	world_node(&w, 1, "a", "10.0.0.1");
	world_node(&w, 2, "b", "fd00::2")->node.uplink_mtu = 600;
	w.items[1]->tombstone = true;
	world_node(&w, 3, "a", "fd00::3")->node.uplink_mtu = 500;
	net = &world_network(&w, 20, "net", "10.9.0.0/24", 5000)->network;
	VIEW;

	cr_assert_eq(view_network_mtu(&v, net), 1450);
}

Test(view, one_ipv6_node_costs_all_twenty_bytes)
{
	const struct network *net;
	WORLD;
	world_node(&w, 1, "a", "10.0.0.1");
	world_node(&w, 2, "b", "fd00::2");
	net = &world_network(&w, 20, "net", "10.9.0.0/24", 5000)->network;
	VIEW;

	cr_assert_eq(view_network_mtu(&v, net), 1500 - OV_VXLAN_OVERHEAD_V6);
}

Test(view, asked_mtu_is_a_cap)
{
	struct network *net;
	WORLD;
	world_node(&w, 1, "a", "10.0.0.1");
	net = &world_network(&w, 20, "net", "10.9.0.0/24", 5000)->network;
	VIEW;

	net->mtu = 1300;
	cr_assert_eq(view_network_mtu(&v, net), 1300);
	net->mtu = 8950;
	cr_assert_eq(view_network_mtu(&v, net), 1450);
}

Test(view, mtu_without_any_node_is_ethernets)
{
	const struct network *net;
	WORLD;
	net = &world_network(&w, 20, "net", "10.9.0.0/24", 5000)->network;
	VIEW;

	cr_assert_eq(view_network_mtu(&v, net), 1450);
}

/* RFC 4303, 2.4: what is enciphered ends on a multiple of four, pad length and next header last. */
static int esp_size(int packet, int ip)
{
	int inside = ip + 8 + 8 + 14 + packet;
	int padding = (4 - (inside + 2) % 4) % 4;

	return ip + 8 + 8 + inside + padding + 2 + 16;
}

Test(view, an_encrypted_packet_of_the_mtu_fits_and_one_byte_more_does_not)
{
	for (int uplink = 1280; uplink <= 9000; uplink++)
		for (int v6 = 0; v6 < 2; v6++) {
			int mtu = view_packet_mtu(uplink, v6, true), ip = v6 ? 40 : 20;

			cr_assert_leq(esp_size(mtu, ip), uplink, "MTU %d by %d", mtu, uplink);
			cr_assert_gt(esp_size(mtu + 1, ip), uplink, "MTU %d by %d", mtu, uplink);
		}
}

Test(view, mtu_of_an_encrypted_network_is_known_for_common_uplinks)
{
	static const struct {
		int uplink, mtu;
	} table[] = { { 1280, 1176 }, { 1400, 1296 }, { 1450, 1344 }, { 1500, 1396 }, { 9000, 8896 } };
	struct network *net;
	WORLD;
	struct item *node = world_node(&w, 1, "a", "10.0.0.1");

	net = &world_network(&w, 20, "net", "10.9.0.0/24", 5000)->network;
	net->encrypted = true;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		node->node.uplink_mtu = (uint16_t)table[i].uplink;
		VIEW;
		cr_assert_eq(view_network_mtu(&v, net), table[i].mtu, "%d by %d",
			     view_network_mtu(&v, net), table[i].uplink);
		net->mtu = 9000;
		cr_assert_eq(view_network_mtu(&v, net), table[i].mtu, "what was asked is a cap");
		net->mtu = 0;
	}
}

/* ---- a function of the records alone ---- */

/* A cluster full of quarrels: names, VNIs and addresses from small pools. */
static void fill_quarrels(struct world *w, struct rng *rng)
{
	char text[32];

	for (unsigned int i = 1; i <= 12; i++) {
		char name[8];

		snprintf(name, sizeof(name), "n%u", rng_below(rng, 6));
		snprintf(text, sizeof(text), "10.0.0.%u", rng_below(rng, 6));
		world_node(w, i, name, text)->node.joined_ms = rng_below(rng, 3);
		w->items[w->count - 1]->tombstone = !rng_below(rng, 4);
	}
	for (unsigned int i = 20; i < 32; i++) {
		char name[8];

		snprintf(name, sizeof(name), "net%u", rng_below(rng, 5));
		world_network(w, i, name, "10.9.0.0/24", 5000 + rng_below(rng, 5))
			->network.created_ms = rng_below(rng, 3);
		w->items[w->count - 1]->tombstone = !rng_below(rng, 5);
	}
	for (unsigned int i = 100; i < 300; i++) {
		snprintf(text, sizeof(text), "10.9.0.%u", rng_below(rng, 40));
		world_endpoint(w, i, 1 + rng_below(rng, 12), 20 + rng_below(rng, 13), text)
			->endpoint.created_ms = rng_below(rng, 3);
		w->items[w->count - 1]->tombstone = !rng_below(rng, 5);
	}
	for (unsigned int i = 300; i < 340; i++) {
		char name[8];

		snprintf(name, sizeof(name), "s%u", rng_below(rng, 4));
		snprintf(text, sizeof(text), "10.9.0.%u", rng_below(rng, 40));
		world_service(w, i, 20 + rng_below(rng, 13), name, rng_below(rng, 4) ? text : NULL)
			->service.created_ms = rng_below(rng, 3);
		w->items[w->count - 1]->tombstone = !rng_below(rng, 5);
	}
	for (unsigned int i = 0; i < 30; i++) {
		snprintf(text, sizeof(text), "10.9.0.%u", i);
		world_block(w, 20 + i % 13, text, 1 + i % 12);
	}
}

static void expect_same(const struct view *a, const struct view *b)
{
	cr_assert_eq(a->node_count, b->node_count);
	cr_assert_eq(a->network_count, b->network_count);
	cr_assert_eq(a->endpoint_count, b->endpoint_count);
	cr_assert_eq(a->block_count, b->block_count);
	cr_assert_eq(a->released_count, b->released_count);
	for (size_t i = 0; i < a->node_count; i++) {
		cr_assert_eq(a->node[i].node, b->node[i].node);
		cr_assert_eq(a->node[i].name_lost, b->node[i].name_lost);
	}
	for (size_t i = 0; i < a->network_count; i++) {
		cr_assert_eq(a->network[i].net, b->network[i].net);
		cr_assert_str_eq(a->network[i].display, b->network[i].display);
		cr_assert_eq(a->network[i].vni_lost, b->network[i].vni_lost);
	}
	for (size_t i = 0; i < a->endpoint_count; i++) {
		cr_assert_eq(a->endpoint[i].ep, b->endpoint[i].ep);
		cr_assert_eq(a->endpoint[i].addr_lost, b->endpoint[i].addr_lost);
		cr_assert_eq(a->endpoint[i].net - a->network, b->endpoint[i].net - b->network);
	}
	cr_assert_eq(a->service_count, b->service_count);
	for (size_t i = 0; i < a->service_count; i++) {
		cr_assert_eq(a->service[i].svc, b->service[i].svc);
		cr_assert_str_eq(a->service[i].display, b->service[i].display);
		cr_assert_eq(a->service[i].vip_lost, b->service[i].vip_lost);
		cr_assert_eq(a->service[i].publish_lost, b->service[i].publish_lost);
		cr_assert_eq(a->service[i].net - a->network, b->service[i].net - b->network);
	}
	for (size_t i = 0; i < a->block_count; i++)
		cr_assert_eq(a->block[i], b->block[i]);
	for (size_t i = 0; i < a->released_count; i++)
		cr_assert_eq(a->released[i], b->released[i]);
	cr_assert_eq(a->uplink_mtu, b->uplink_mtu);
}

static void expect_services_settled(const struct view *v)
{
	for (size_t i = 0; i < v->service_count; i++) {
		const struct view_service *a = &v->service[i];

		for (size_t j = 0; j < i; j++) {
			const struct view_service *b = &v->service[j];

			if (a->net != b->net)
				continue;
			cr_assert_str_neq(a->display, b->display);
			if (a->svc->vip.b[15] && !a->vip_lost && !b->vip_lost)
				cr_assert_neq(addr_cmp(&a->svc->vip, &b->svc->vip), 0);
		}
		for (size_t j = 0; j < v->endpoint_count && !a->vip_lost; j++)
			if (v->endpoint[j].net == a->net && !v->endpoint[j].addr_lost)
				cr_assert_neq(addr_cmp(&a->svc->vip, &v->endpoint[j].ep->addr), 0);
	}
}

/* Every claim has exactly one holder. */
static void expect_settled(const struct view *v)
{
	expect_services_settled(v);
	for (size_t i = 0; i < v->network_count; i++)
		for (size_t j = 0; j < i; j++) {
			const struct view_network *a = &v->network[i], *b = &v->network[j];

			cr_assert_str_neq(a->display, b->display);
			if (!a->vni_lost && !b->vni_lost)
				cr_assert_neq(a->net->vni, b->net->vni);
		}
	for (size_t i = 0; i < v->endpoint_count; i++)
		for (size_t j = 0; j < i; j++) {
			const struct view_endpoint *a = &v->endpoint[i], *b = &v->endpoint[j];

			if (a->net == b->net && !a->addr_lost && !b->addr_lost)
				cr_assert_neq(addr_cmp(&a->ep->addr, &b->ep->addr), 0);
		}
	for (size_t i = 0; i < v->node_count; i++)
		for (size_t j = 0; j < i; j++) {
			const struct view_node *a = &v->node[i], *b = &v->node[j];

			if (a->name_lost || b->name_lost)
				continue;
			cr_assert_str_neq(a->node->name, b->node->name);
			cr_assert_neq(addr_cmp(&a->node->addr, &b->node->addr), 0);
		}
}

Test(view, is_the_same_in_whatever_order_the_records_came)
{
	struct rng rng;

	rng_init_u64(&rng, 2024);
	for (int round = 0; round < 20; round++) {
		WORLD;
		struct item *last;

		fill_quarrels(&w, &rng);
		/* Ids differ in their first digits, so that NAME~digits differ too. */
		for (size_t i = 0; i < w.count; i++) {
			last = w.items[i];
			if (last->key.kind == RECORD_NETWORK)
				last->network.id.b[0] = last->key.bytes[0] = last->network.id.b[5];
			if (last->key.kind == RECORD_SERVICE) {
				last->service.network.b[0] = last->service.network.b[5];
				last->service.id.b[1] = last->key.bytes[1] = last->service.id.b[5];
			}
			if (last->key.kind == RECORD_ENDPOINT)
				last->endpoint.network.b[0] = last->endpoint.network.b[5];
			if (last->key.kind == RECORD_BLOCK)
				last->block.network.b[0] = last->key.bytes[0] =
					last->block.network.b[5];
		}
		VIEW;
		expect_settled(&v);
		for (int i = 0; i < 5; i++) {
			_cleanup_(view_fini) struct view other = { 0 };

			world_shuffle(&w, &rng);
			other = world_view(&w);
			expect_same(&v, &other);
		}
	}
}

Test(view, a_hundred_thousand_endpoints_all_are_there)
{
	char text[32];
	WORLD;
	world_node(&w, 1, "a", "10.0.0.1");
	world_network(&w, 2, "net", "10.0.0.0/8", 5000);
	for (unsigned int i = 0; i < 100000; i++) {
		snprintf(text, sizeof(text), "10.%u.%u.%u", 1 + (i >> 16), i >> 8 & 255, i & 255);
		world_endpoint(&w, 1000 + i, 1, 2, text);
	}
	VIEW;

	cr_assert_eq(v.endpoint_count, 100000);
	cr_assert_not_null(endpoint(&v, 1000));
	cr_assert_not_null(endpoint(&v, 100999));
	cr_assert_null(endpoint(&v, 101000));
	for (size_t i = 0; i < v.endpoint_count; i++)
		cr_assert_not(v.endpoint[i].addr_lost);
}

Test(view, policies_stand_by_network)
{
	_cleanup_(world_fini) struct world w = { 0 };
	_cleanup_(view_fini) struct view v = { 0 };
	const struct view_policy *of;
	char id[ID_TEXT_MAX];
	struct id first = world_id(0x10000001);
	size_t count;

	world_network(&w, 2, "b", "10.2.0.0/24", 2);
	world_network(&w, 1, "a", "10.1.0.0/24", 1);
	world_network(&w, 3, "c", "10.3.0.0/24", 3);
	world_policy(&w, 0x10000001, 2, true, "any", "any");
	world_policy(&w, 0x20000001, 1, false, "any", "any");
	world_policy(&w, 0x30000001, 2, false, "any", "cidr=10.2.0.0/25");
	world_policy(&w, 0x40000001, 9, false, "any", "any"); /* of no network that there is */
	v = world_view(&w);
	cr_assert_eq(v.policy_count, 3);
	of = view_policies_of(&v, &v.network[1], &count);
	cr_assert_eq(count, 2);
	cr_assert(id_equal(&of[0].policy->id, &first) && of[0].policy->deny);
	cr_assert_null(view_policies_of(&v, &v.network[2], &count));
	cr_assert_eq(count, 0);
	cr_assert_eq(view_policy_find(&v, id_format(&first, id)), of);
	id[8] = '\0'; /* "eeee1000" */
	cr_assert_eq(view_policy_find(&v, id), of);
	cr_assert_null(view_policy_find(&v, "eeee"), "of three one");
	cr_assert_null(view_policy_find(&v, "web"));
}
