/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Clusters, nodes and networks: what a wish makes of the store, and that a refusal
 * changes nothing. Grants between nodes are in tests/sim/test_ipam.c.
 */
#include "tests/lib/host.h"

static const char *refused_subnet(struct host *h, const char *subnet)
{
	return host_refused_create(h, &(struct network_ask){ .name = "x", .subnet = subnet },
				   -EINVAL);
}

static const char *refused_opt(struct host *h, const char *opt, int code)
{
	return host_refused_create(
		h, &(struct network_ask){ .name = "x", .opt_count = 1, .opt = &opt }, code);
}

/* ---- cluster ---- */

Test(intent, cluster_is_made_once_and_its_token_can_be_replaced)
{
	HOST(h, "h1", 1);
	const struct cluster *c;
	struct cluster before;
	struct gossip_ring ring;

	cr_assert_eq(intent_token_rotate(h.intent, WALL, &h.e), -ENOENT);
	cr_assert_eq(intent_cluster_create(h.intent, WALL, NULL), 0);
	c = store_view(h.store)->cluster;
	cr_assert_eq(c->key_count, 0, "its keys are elsewhere");
	ring = *store_view(h.store)->ring;
	cr_assert_eq(ring.key_count, 1);
	cr_assert_not(id_is_zero(&c->id));
	before = *c;
	cr_assert_eq(intent_token_rotate(h.intent, WALL + 1, NULL), 0);
	c = store_view(h.store)->cluster;
	cr_assert(memcmp(c->token_secret, before.token_secret, TOKEN_SECRET_LEN));
	cr_assert_eq(memcmp(store_view(h.store)->ring, &ring, sizeof(ring)), 0);
	cr_assert(id_equal(&c->id, &before.id));
	uint64_t serial = store_serial(h.store);
	cr_assert_eq(intent_cluster_create(h.intent, WALL, &h.e), -EEXIST);
	cr_assert_eq(store_serial(h.store), serial);
}

/* ---- node ---- */

Test(intent, announcing_the_same_node_again_writes_nothing)
{
	HOST(h, "h1", 1);
	uint64_t serial = store_serial(h.store);
	uint64_t joined = store_view(h.store)->node[0].node->joined_ms;

	h.wall += 5000;
	host_announce(&h, "h1", 1);
	cr_assert_eq(store_serial(h.store), serial);
	host_announce(&h, "h1", 7);
	cr_assert_neq(store_serial(h.store), serial);
	cr_assert_eq(store_view(h.store)->node[0].node->joined_ms, joined);
}

Test(intent, name_and_address_of_another_node_are_refused)
{
	HOST(h1, "h1", 1);
	_cleanup_(host_fini) struct host h2 = host_new(2);
	struct node n = { .name = "h1", .addr = addr_from_v4(0xc0000202u) };

	host_tell(&h1, &h2);
	cr_assert_eq(intent_new(h2.store, NULL, &h2.rng, &h2.intent), 0);
	uint64_t serial = store_serial(h2.store);
	cr_assert_eq(intent_node_announce(h2.intent, &n, WALL, &h2.e), -EEXIST);
	assert_says(h2.e.text, "the name h1 belongs to another node, at 192.0.2.1");
	h2.e = (struct err){ 0 };
	strcpy(n.name, "h2");
	n.addr = addr_from_v4(0xc0000201u);
	cr_assert_eq(intent_node_announce(h2.intent, &n, WALL, &h2.e), -EEXIST);
	assert_says(h2.e.text, "the address 192.0.2.1 belongs to node h1");
	strcpy(n.name, "not a name");
	cr_assert_eq(intent_node_announce(h2.intent, &n, WALL, NULL), -EINVAL);
	cr_assert_eq(store_serial(h2.store), serial);
}

Test(intent, removed_node_loses_its_blocks_to_the_remover)
{
	HOST(h1, "h1", 1);
	HOST(h2, "h2", 2);
	struct id id = host_create(&h1, "net", "10.1.0.0/24");
	uint64_t serial;

	host_tell(&h2, &h1);
	host_tell(&h1, &h2);
	serial = store_serial(h2.store);
	cr_assert_eq(intent_node_rm(h2.intent, "h3", WALL, &h2.e), -ENOENT);
	h2.e = (struct err){ 0 };
	cr_assert_eq(intent_node_rm(h2.intent, "h2", WALL, &h2.e), -EINVAL);
	assert_says(h2.e.text, "cluster leave");
	cr_assert_eq(store_serial(h2.store), serial);
	struct attach_ask ask = host_ask("net");
	host_refused_attach(&h2, &ask, -EHOSTUNREACH);
	cr_assert_eq(intent_node_rm(h2.intent, "h1", WALL, NULL), 0);
	const struct view *v = store_view(h2.store);
	cr_assert_null(view_node_by_name(v, "h1"));
	cr_assert_eq(ipam_owned(v, view_network_by_id(v, &id)->net, store_self(h2.store)), 256);
	host_attached(&h2, &ask);
	/* What the removed one hears puts it out of the game. */
	host_tell(&h2, &h1);
	assert_says(host_refused_attach(&h1, &ask, -EPERM), "was removed from the cluster");
	struct network_ask net = { .name = "late" };
	host_refused_create(&h1, &net, -EPERM);
}

Test(intent, blocks_of_a_removed_node_that_come_to_light_later_are_adopted)
{
	HOST(h1, "h1", 1);
	HOST(h2, "h2", 2);
	HOST(h3, "h3", 3);

	host_tell(&h1, &h2);
	struct id id = host_create(&h1, "net", "10.1.0.0/24"); /* h2 has not heard of it */
	host_tell(&h1, &h3);
	cr_assert_eq(intent_node_rm(h2.intent, "h1", WALL, NULL), 0);
	host_tell(&h3, &h2);
	const struct view *v = store_view(h2.store);
	cr_assert_eq(ipam_owned(v, host_network(&h2, "net"), store_self(h2.store)), 0);
	host_tell(&h2, &h3);
	cr_assert_eq(intent_heal_claims(h3.intent, WALL, NULL), 0);
	cr_assert_eq(
		ipam_owned(store_view(h3.store), host_network(&h3, "net"), store_self(h3.store)), 0,
		"only who removed it adopts");
	cr_assert_eq(intent_heal_claims(h2.intent, WALL, NULL), 0);
	v = store_view(h2.store);
	cr_assert_eq(ipam_owned(v, view_network_by_id(v, &id)->net, store_self(h2.store)), 256);
	uint64_t serial = store_serial(h2.store);
	cr_assert_eq(intent_heal_claims(h2.intent, WALL, NULL), 0);
	cr_assert_eq(store_serial(h2.store), serial);
}

Test(intent, leaving_hands_everything_over)
{
	HOST(h1, "h1", 1);
	HOST(h2, "h2", 2);

	host_tell(&h2, &h1);
	host_create(&h1, "net", "10.1.0.0/24");
	struct attach_ask ask = host_ask("net");
	host_attached(&h1, &ask);
	cr_assert_eq(intent_leave(h1.intent, WALL, NULL), 0);
	host_tell(&h1, &h2);
	const struct view *v = store_view(h2.store);
	cr_assert_eq(v->endpoint_count, 0);
	cr_assert_eq(v->node_count, 1);
	cr_assert_eq(ipam_owned(v, host_network(&h2, "net"), store_self(h2.store)), 256);
}

Test(intent, last_node_can_leave_too)
{
	HOST(h, "h1", 1);

	host_create(&h, "net", "10.1.0.0/24");
	cr_assert_eq(intent_leave(h.intent, WALL, NULL), 0);
	cr_assert_eq(store_view(h.store)->node_count, 0);
}

/* ---- network create ---- */

Test(intent, network_gets_docker_like_defaults)
{
	HOST(h, "h1", 1);
	char text[PREFIX_TEXT_MAX], addr[ADDR_TEXT_MAX];
	const struct network *n;

	host_create(&h, "a", NULL);
	host_create(&h, "b", NULL);
	host_create(&h, "wide", "10.0.2.0/23");
	host_create(&h, "c", NULL);
	n = host_network(&h, "a");
	cr_assert_str_eq(prefix_format(&n->subnet, text), "10.0.0.0/24");
	cr_assert_str_eq(addr_format(&n->gateway, addr), "10.0.0.1");
	cr_assert_eq(memcmp(&n->ip_range, &n->subnet, sizeof(n->subnet)), 0);
	cr_assert_geq(n->vni, VNI_AUTO_MIN);
	cr_assert_eq(n->mtu, 0);
	cr_assert_eq(n->created_ms, WALL);
	cr_assert_str_eq(prefix_format(&host_network(&h, "b")->subnet, text), "10.0.1.0/24");
	cr_assert_str_eq(prefix_format(&host_network(&h, "c")->subnet, text), "10.0.4.0/24");
}

Test(intent, automatic_subnet_keeps_clear_of_the_nodes_own_addresses)
{
	HOST(h, "h1", 1);
	struct node n = { .name = "h1", .addr = addr_from_v4(0x0a000005u) };
	char text[PREFIX_TEXT_MAX];

	cr_assert_eq(intent_node_announce(h.intent, &n, WALL, NULL), 0);
	host_create(&h, "a", NULL);
	cr_assert_str_eq(prefix_format(&host_network(&h, "a")->subnet, text), "10.0.1.0/24");
}

/* As `ip addr` would have it: 10.0.0.5/16 on eth0, 10.9.9.9/32 on lo. */
static const struct reach neighbours[] = {
	{ { .addr.b = { [10] = 0xff, 0xff, 10, 0, 0, 0 }, .len = ADDR_V4_BITS + 16 }, "eth0" },
	{ { .addr.b = { [10] = 0xff, 0xff, 10, 9, 9, 9 }, .len = ADDR_V4_BITS + 32 }, "lo" },
};

Test(intent, subnets_keep_clear_of_those_that_this_host_is_in)
{
	const struct reach_list reach = { ARRAY_SIZE(neighbours), neighbours };
	HOST(h, "h1", 1);
	char text[PREFIX_TEXT_MAX];

	intent_know_reach(h.intent, &reach);
	assert_says(host_refused_create(&h, &(struct network_ask){ .name = "x", .subnet = "10.0.7.0/24" },
					-EADDRINUSE),
		    "subnet 10.0.7.0/24 overlaps 10.0.0.0/16, in which this host is by its interface eth0");
	assert_says(host_refused_create(&h, &(struct network_ask){ .name = "x", .subnet = "10.9.0.0/16" },
					-EADDRINUSE), "overlaps 10.9.9.9/32");
	host_create(&h, "beside", "10.9.8.0/24");
	host_create(&h, "a", NULL);
	cr_assert_str_eq(prefix_format(&host_network(&h, "a")->subnet, text), "10.1.0.0/24");
}

Test(intent, pool_of_automatic_subnets_ends_with_a_sentence)
{
	HOST(h, "h1", 1);

	host_create(&h, "all", "10.0.0.0/8");
	assert_says(host_refused_create(&h, &(struct network_ask){ .name = "x" }, -ENOSPC), "--"
											    "subne"
											    "t");
}

Test(intent, networks_from_slash_8_to_slash_29_with_one_subnet_or_another)
{
	HOST(h, "h1", 1);

	host_create(&h, "huge", "10.0.0.0/8");
	host_create(&h, "tiny", "192.168.0.8/29");
	host_create(&h, "twin", "192.168.0.8/29"); /* of another network: allowed */
	host_create(&h, "public", "198.51.100.0/24");
}

Test(intent, bad_subnets_are_refused_with_the_way_out)
{
	HOST(h, "h1", 1);

	assert_says(refused_subnet(&h, "10.0.0.7/24"), "did you mean 10.0.0.0/24?");
	assert_says(refused_subnet(&h, "172.31.99.1/9"), "did you mean 172.0.0.0/9?");
	assert_says(refused_subnet(&h, "10.0.0.0"), "subnet \"10.0.0.0\" is not an address and");
	assert_says(refused_subnet(&h, "10.0.0.0/33"), "is not an address and");
	assert_says(refused_subnet(&h, ""), "is not an address and");
	assert_says(refused_subnet(&h, "10.0.0.0/24,10.0.1.0/24"), "is not an address and");
	assert_says(refused_subnet(&h, "8.0.0.0/7"), "subnet 8.0.0.0/7 is too large");
	assert_says(refused_subnet(&h, "10.0.0.0/30"), "subnet 10.0.0.0/30 is too small");
	assert_says(refused_subnet(&h, "fd00::/64"), "is IPv6");
	assert_says(refused_subnet(&h, "fd00::1/64"), "bits set");
	assert_says(refused_subnet(&h, "224.1.0.0/16"), "multicast");
	assert_says(refused_subnet(&h, "127.0.0.0/8"), "local host");
}

Test(intent, gateway_and_range_must_fit_the_subnet)
{
	HOST(h, "h1", 1);
	struct network_ask ask = { .name = "x", .subnet = "10.1.0.0/24" };

	ask.gateway = "10.2.0.1";
	assert_says(host_refused_create(&h, &ask, -EINVAL), "outside the subnet 10.1.0.0/24");
	ask.gateway = "10.1.0.255";
	assert_says(host_refused_create(&h, &ask, -EINVAL), "network or broadcast");
	ask.gateway = "10.1.0.0";
	host_refused_create(&h, &ask, -EINVAL);
	ask.gateway = "gw";
	assert_says(host_refused_create(&h, &ask, -EINVAL), "gateway \"gw\" is not");
	ask.gateway = NULL;
	ask.ip_range = "10.1.1.0/25";
	assert_says(host_refused_create(&h, &ask, -EINVAL), "not inside the subnet");
	ask.ip_range = "10.0.0.0/8";
	host_refused_create(&h, &ask, -EINVAL);
	ask.ip_range = "10.1.0.3/25";
	assert_says(host_refused_create(&h, &ask, -EINVAL), "ip-range \"10.1.0.3/25\" has bits "
							    "set");
	ask.ip_range = "10.1.0.0/31"; /* network address and gateway */
	assert_says(host_refused_create(&h, &ask, -EINVAL), "no address to give");
	ask.ip_range = "10.1.0.128/25";
	ask.gateway = "10.1.0.254";
	cr_assert_eq(intent_network_create(h.intent, &ask, WALL, &(struct id){ 0 }, NULL), 0);
}

Test(intent, network_names_are_checked_and_unique)
{
	HOST(h, "h1", 1);

	host_create(&h, "net", "10.1.0.0/24");
	assert_says(host_refused_create(&h, &(struct network_ask){ .name = "net" }, -EEXIST),
		    "network net exists already");
	host_refused_create(&h, &(struct network_ask){ .name = "-net" }, -EINVAL);
	host_refused_create(&h, &(struct network_ask){ .name = "" }, -EINVAL);
	host_refused_create(&h, &(struct network_ask){ 0 }, -EINVAL);
	host_refused_create(&h, &(struct network_ask){ .name = "a b" }, -EINVAL);
}

Test(intent, options_are_taken_or_refused_in_words)
{
	HOST(h, "h1", 1);
	const char *good[] = { "vni=7", "mtu=1400", "encrypted=false", "policy=allow",
			       "policy-audit" };
	const char *twice[] = { "vni=8", "vni=9" };
	struct network_ask ask = {
		.name = "net", .subnet = "10.1.0.0/24", .opt_count = 5, .opt = good
	};

	cr_assert_eq(intent_network_create(h.intent, &ask, WALL, &(struct id){ 0 }, NULL), 0);
	cr_assert_eq(host_network(&h, "net")->vni, 7);
	cr_assert_eq(host_network(&h, "net")->mtu, 1400);
	cr_assert(host_network(&h, "net")->policy_audit && !host_network(&h, "net")->policy_deny);
	assert_says(refused_opt(&h, "vni=7", -EEXIST), "vni 7 is used by network net");
	refused_opt(&h, "vni=0", -EINVAL);
	refused_opt(&h, "vni=16777216", -EINVAL);
	refused_opt(&h, "vni=0x10", -EINVAL);
	refused_opt(&h, "vni=", -EINVAL);
	refused_opt(&h, "vni", -EINVAL);
	refused_opt(&h, "vni=99999999999999999999999999", -EINVAL);
	refused_opt(&h, "mtu=575", -EINVAL);
	assert_says(refused_opt(&h, "mtu=1451", -EINVAL), "leaves 1450 bytes");
	refused_opt(&h, "encrypted=maybe", -EINVAL);
	refused_opt(&h, "policy=x", -EINVAL);
	refused_opt(&h, "policy-audit=maybe", -EINVAL);
	assert_says(refused_opt(&h, "colour=red", -EINVAL), "\"colour=red\" is unknown");
	refused_opt(&h, "", -EINVAL);
	host_refused_create(&h, &(struct network_ask){ .name = "x", .opt_count = 2, .opt = twice },
			    -EINVAL);
}

/* ---- network rm ---- */

Test(intent, network_in_use_is_not_removed_and_its_users_are_named)
{
	HOST(h1, "h1", 1);
	HOST(h2, "h2", 2);

	host_tell(&h1, &h2);
	host_tell(&h2, &h1);
	host_create(&h1, "net", "10.1.0.0/24");
	struct attach_ask ask = host_ask("net");
	ask.name = "web";
	host_attached(&h1, &ask);
	host_tell(&h1, &h2);
	uint64_t serial = store_serial(h2.store);
	cr_assert_eq(intent_network_rm(h2.intent, "net", WALL, &h2.e), -EBUSY);
	cr_assert_str_eq(h2.e.text, "network net is in use by 1 endpoint (web on h1); detach it "
				    "first");
	cr_assert_eq(intent_network_rm(h2.intent, "none", WALL, NULL), -ENOENT);
	cr_assert_eq(store_serial(h2.store), serial);
	cr_assert_eq(intent_detach(h1.intent, "web", WALL, NULL), 0);
	host_tell(&h1, &h2);
	cr_assert_eq(intent_network_rm(h2.intent, "net", WALL, NULL), 0);
	host_tell(&h2, &h1);
	cr_assert_eq(store_view(h1.store)->network_count, 0);
	cr_assert_eq(store_view(h1.store)->block_count, 0);
}

Test(intent, removed_networks_do_not_pile_up)
{
	HOST(h, "h1", 1);
	size_t before = store_count(h.store);

	for (int i = 0; i < 5; i++) {
		host_create(&h, "net", NULL);
		struct attach_ask ask = host_ask("net");
		ask.name = "web";
		host_attached(&h, &ask);
		cr_assert_eq(intent_detach(h.intent, "web", WALL, NULL), 0);
		cr_assert_eq(intent_network_rm(h.intent, "net", WALL, NULL), 0);
	}
	cr_assert_gt(store_count(h.store), before);
	store_purge(h.store, WALL + STORE_TOMBSTONE_MS + 1, STORE_TOMBSTONE_MS);
	cr_assert_eq(store_count(h.store), before);
}

Test(intent, network_that_lost_its_vni_gets_another)
{
	HOST(h1, "h1", 1);
	HOST(h2, "h2", 2);
	const char *vni = "vni=9";
	struct network_ask older = {
		.name = "older", .subnet = "10.1.0.0/24", .opt_count = 1, .opt = &vni
	};
	struct network_ask newer = {
		.name = "newer", .subnet = "10.2.0.0/24", .opt_count = 1, .opt = &vni
	};

	cr_assert_eq(intent_network_create(h1.intent, &older, WALL, &(struct id){ 0 }, NULL), 0);
	cr_assert_eq(intent_network_create(h2.intent, &newer, WALL + 1, &(struct id){ 0 }, NULL),
		     0);
	host_tell(&h1, &h2);
	struct attach_ask ask = host_ask("newer");
	assert_says(host_refused_attach(&h2, &ask, -EAGAIN), "network newer is being given a new "
							     "VNI");
	cr_assert_eq(intent_heal_claims(h2.intent, WALL + 2, NULL), 0);
	cr_assert_eq(host_network(&h2, "older")->vni, 9);
	cr_assert_geq(host_network(&h2, "newer")->vni, VNI_AUTO_MIN);
	cr_assert_not(view_network_find(store_view(h2.store), "newer")->vni_lost);
	host_attached(&h2, &ask);
}
