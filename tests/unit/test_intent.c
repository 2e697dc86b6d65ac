/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Wishes of a user against a real store: what each makes of it, and that a
 * refusal changes nothing. Grants between nodes are in tests/sim/test_ipam.c.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "intent/intent.h"

#define WALL 1700000000000ull

struct host {
	struct store *store;
	struct intent *intent;
	struct rng rng;
	uint64_t wall;
	struct err e;
};

static void host_fini(struct host *h)
{
	intent_free(h->intent);
	store_close(h->store);
}

static void announce(struct host *h, const char *name, uint8_t last_byte)
{
	struct node n = { .uplink_mtu = 1500, .addr = addr_from_v4(0xc0000200u + last_byte),
			  .gossip_port = 7946, .vxlan_port = 4789 };

	strcpy(n.name, name);
	cr_assert_eq(intent_node_announce(h->intent, &n, h->wall, &h->e), 0, "%s", h->e.text);
}

static struct host host_new(uint64_t seed)
{
	struct host h = { .wall = WALL };
	struct err e = { 0 };

	rng_init_u64(&h.rng, seed);
	cr_assert_eq(store_open(NULL, &h.rng, &h.store, &e), 0);
	return h;
}

/* rng is borrowed by the intent, so it must not move any more. */
static void host_start(struct host *h, const char *name, uint8_t last_byte)
{
	cr_assert_eq(intent_new(h->store, NULL, &h->rng, &h->intent), 0);
	announce(h, name, last_byte);
}

#define HOST(h, name, seed)                                             \
	_cleanup_(host_fini) struct host h = host_new(seed);            \
	host_start(&h, name, seed)

static int copy(void *ctx, const struct record *r)
{
	store_merge(((struct host *)ctx)->store, r, ((struct host *)ctx)->wall);
	return 0;
}

/* All that `from` knows reaches `to`. */
static void tell(struct host *from, struct host *to)
{
	for (unsigned int b = 0; b < STORE_BUCKETS; b++)
		store_each(from->store, b, copy, to);
	cr_assert_eq(store_commit(to->store, NULL), 0);
}

static struct id create(struct host *h, const char *name, const char *subnet)
{
	struct network_ask ask = { .name = name, .subnet = subnet };
	struct id id = { 0 };
	struct err e = { 0 };

	cr_assert_eq(intent_network_create(h->intent, &ask, h->wall, &id, &e), 0, "%s", e.text);
	return id;
}

static const struct network *network(struct host *h, const char *ref)
{
	const struct view_network *vn = view_network_find(store_view(h->store), ref);

	cr_assert_not_null(vn, "no network %s", ref);
	return vn->net;
}

/* The refusal's sentence; the store must be as it was. */
static const char *refused_create(struct host *h, const struct network_ask *ask, int code)
{
	uint64_t before = store_serial(h->store);
	struct id id;
	int r;

	h->e = (struct err){ 0 };
	r = intent_network_create(h->intent, ask, h->wall, &id, &h->e);
	cr_assert_eq(r, code, "%d: %s", r, h->e.text);
	cr_assert_eq(h->e.code, code);
	cr_assert_eq(store_serial(h->store), before, "a refusal wrote something");
	return h->e.text;
}

static const char *refused_subnet(struct host *h, const char *subnet)
{
	return refused_create(h, &(struct network_ask){ .name = "x", .subnet = subnet }, -EINVAL);
}

static const char *refused_opt(struct host *h, const char *opt, int code)
{
	return refused_create(h, &(struct network_ask){ .name = "x", .opt_count = 1, .opt = &opt },
			      code);
}

struct outcome {
	int times;
	struct id id;
	struct err e;
};

static void note(void *arg, const struct id *id, const struct err *e)
{
	struct outcome *o = arg;

	o->times++;
	if (id)
		o->id = *id;
	else
		o->e = *e;
}

/* An ask that works: each one a namespace of its own. */
static struct attach_ask ask_for(const char *net)
{
	static uint64_t ino = 4026530000ull;
	struct attach_ask ask = { .network = net, .netns = { .dev = 4, .ino = ++ino } };

	snprintf(ask.netns.path, sizeof(ask.netns.path), "/run/netns/c%u", (unsigned int)(ino % 1000));
	return ask;
}

static struct outcome attach(struct host *h, const struct attach_ask *ask)
{
	struct outcome o = { 0 };

	intent_attach(h->intent, ask, 0, h->wall, note, &o);
	cr_assert_eq(o.times, 1);
	cr_assert_eq(o.e.code != 0, id_is_zero(&o.id));
	return o;
}

static const struct endpoint *attached(struct host *h, const struct attach_ask *ask)
{
	struct outcome o = attach(h, ask);
	const struct view_endpoint *ve;
	struct record_key key = key_of_id(RECORD_ENDPOINT, &o.id);
	struct record r;

	cr_assert_eq(o.e.code, 0, "%s", o.e.text);
	cr_assert_eq(store_get(h->store, &key, &r), 0, "done was called before the commit");
	ve = view_endpoint_by_id(store_view(h->store), &o.id);
	cr_assert_not_null(ve);
	return ve->ep;
}

static const char *refused_attach(struct host *h, const struct attach_ask *ask, int code)
{
	uint64_t before = store_serial(h->store);
	struct outcome o = attach(h, ask);

	h->e = o.e;
	cr_assert_eq(h->e.code, code, "%d: %s", h->e.code, h->e.text);
	cr_assert_eq(store_serial(h->store), before, "a refusal wrote something");
	return h->e.text;
}

#define assert_says(sentence, expected)                                                   \
	do {                                                                              \
		const char *said_ = (sentence);                                           \
		cr_assert_not_null(strstr(said_, expected), "it says: %s", said_);        \
	} while (0)

/* ---- cluster ---- */

Test(intent, cluster_is_made_once_and_its_token_can_be_replaced)
{
	HOST(h, "h1", 1);
	const struct cluster *c;
	struct cluster before;

	cr_assert_eq(intent_token_rotate(h.intent, WALL, &h.e), -ENOENT);
	cr_assert_eq(intent_cluster_create(h.intent, WALL, NULL), 0);
	c = store_view(h.store)->cluster;
	cr_assert_eq(c->key_count, 1);
	cr_assert_not(id_is_zero(&c->id));
	before = *c;
	cr_assert_eq(intent_token_rotate(h.intent, WALL + 1, NULL), 0);
	c = store_view(h.store)->cluster;
	cr_assert(memcmp(c->token_secret, before.token_secret, TOKEN_SECRET_LEN));
	cr_assert_eq(memcmp(c->key, before.key, sizeof(c->key)), 0);
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
	announce(&h, "h1", 1);
	cr_assert_eq(store_serial(h.store), serial);
	announce(&h, "h1", 7);
	cr_assert_neq(store_serial(h.store), serial);
	cr_assert_eq(store_view(h.store)->node[0].node->joined_ms, joined);
}

Test(intent, name_and_address_of_another_node_are_refused)
{
	HOST(h1, "h1", 1);
	_cleanup_(host_fini) struct host h2 = host_new(2);
	struct node n = { .name = "h1", .addr = addr_from_v4(0xc0000202u) };

	tell(&h1, &h2);
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
	struct id id = create(&h1, "net", "10.1.0.0/24");
	uint64_t serial;

	tell(&h2, &h1);
	tell(&h1, &h2);
	serial = store_serial(h2.store);
	cr_assert_eq(intent_node_rm(h2.intent, "h3", WALL, &h2.e), -ENOENT);
	h2.e = (struct err){ 0 };
	cr_assert_eq(intent_node_rm(h2.intent, "h2", WALL, &h2.e), -EINVAL);
	assert_says(h2.e.text, "cluster leave");
	cr_assert_eq(store_serial(h2.store), serial);
	struct attach_ask ask = ask_for("net");
	refused_attach(&h2, &ask, -EHOSTUNREACH);
	cr_assert_eq(intent_node_rm(h2.intent, "h1", WALL, NULL), 0);
	const struct view *v = store_view(h2.store);
	cr_assert_null(view_node_by_name(v, "h1"));
	cr_assert_eq(ipam_owned(v, view_network_by_id(v, &id)->net, store_self(h2.store)), 256);
	attached(&h2, &ask);
	/* What the removed one hears puts it out of the game. */
	tell(&h2, &h1);
	assert_says(refused_attach(&h1, &ask, -EPERM), "was removed from the cluster");
	struct network_ask net = { .name = "late" };
	refused_create(&h1, &net, -EPERM);
}

Test(intent, blocks_of_a_removed_node_that_come_to_light_later_are_adopted)
{
	HOST(h1, "h1", 1);
	HOST(h2, "h2", 2);
	HOST(h3, "h3", 3);

	tell(&h1, &h2);
	struct id id = create(&h1, "net", "10.1.0.0/24"); /* h2 has not heard of it */
	tell(&h1, &h3);
	cr_assert_eq(intent_node_rm(h2.intent, "h1", WALL, NULL), 0);
	tell(&h3, &h2);
	const struct view *v = store_view(h2.store);
	cr_assert_eq(ipam_owned(v, network(&h2, "net"), store_self(h2.store)), 0);
	tell(&h2, &h3);
	cr_assert_eq(intent_heal_claims(h3.intent, WALL, NULL), 0);
	cr_assert_eq(ipam_owned(store_view(h3.store), network(&h3, "net"), store_self(h3.store)), 0,
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

	tell(&h2, &h1);
	create(&h1, "net", "10.1.0.0/24");
	struct attach_ask ask = ask_for("net");
	attached(&h1, &ask);
	cr_assert_eq(intent_leave(h1.intent, WALL, NULL), 0);
	tell(&h1, &h2);
	const struct view *v = store_view(h2.store);
	cr_assert_eq(v->endpoint_count, 0);
	cr_assert_eq(v->node_count, 1);
	cr_assert_eq(ipam_owned(v, network(&h2, "net"), store_self(h2.store)), 256);
}

Test(intent, last_node_can_leave_too)
{
	HOST(h, "h1", 1);

	create(&h, "net", "10.1.0.0/24");
	cr_assert_eq(intent_leave(h.intent, WALL, NULL), 0);
	cr_assert_eq(store_view(h.store)->node_count, 0);
}

/* ---- network create ---- */

Test(intent, network_gets_docker_like_defaults)
{
	HOST(h, "h1", 1);
	char text[PREFIX_TEXT_MAX], addr[ADDR_TEXT_MAX];
	const struct network *n;

	create(&h, "a", NULL);
	create(&h, "b", NULL);
	create(&h, "wide", "10.0.2.0/23");
	create(&h, "c", NULL);
	n = network(&h, "a");
	cr_assert_str_eq(prefix_format(&n->subnet, text), "10.0.0.0/24");
	cr_assert_str_eq(addr_format(&n->gateway, addr), "10.0.0.1");
	cr_assert_eq(memcmp(&n->ip_range, &n->subnet, sizeof(n->subnet)), 0);
	cr_assert_geq(n->vni, VNI_AUTO_MIN);
	cr_assert_eq(n->mtu, 0);
	cr_assert_eq(n->created_ms, WALL);
	cr_assert_str_eq(prefix_format(&network(&h, "b")->subnet, text), "10.0.1.0/24");
	cr_assert_str_eq(prefix_format(&network(&h, "c")->subnet, text), "10.0.4.0/24");
}

Test(intent, automatic_subnet_keeps_clear_of_the_nodes_own_addresses)
{
	HOST(h, "h1", 1);
	struct node n = { .name = "h1", .addr = addr_from_v4(0x0a000005u) };
	char text[PREFIX_TEXT_MAX];

	cr_assert_eq(intent_node_announce(h.intent, &n, WALL, NULL), 0);
	create(&h, "a", NULL);
	cr_assert_str_eq(prefix_format(&network(&h, "a")->subnet, text), "10.0.1.0/24");
}

Test(intent, pool_of_automatic_subnets_ends_with_a_sentence)
{
	HOST(h, "h1", 1);

	create(&h, "all", "10.0.0.0/8");
	assert_says(refused_create(&h, &(struct network_ask){ .name = "x" }, -ENOSPC), "--subnet");
}

Test(intent, networks_from_slash_8_to_slash_29_with_one_subnet_or_another)
{
	HOST(h, "h1", 1);

	create(&h, "huge", "10.0.0.0/8");
	create(&h, "tiny", "192.168.0.8/29");
	create(&h, "twin", "192.168.0.8/29"); /* of another network: allowed */
	create(&h, "public", "198.51.100.0/24");
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
	assert_says(refused_create(&h, &ask, -EINVAL), "outside the subnet 10.1.0.0/24");
	ask.gateway = "10.1.0.255";
	assert_says(refused_create(&h, &ask, -EINVAL), "network or broadcast");
	ask.gateway = "10.1.0.0";
	refused_create(&h, &ask, -EINVAL);
	ask.gateway = "gw";
	assert_says(refused_create(&h, &ask, -EINVAL), "gateway \"gw\" is not");
	ask.gateway = NULL;
	ask.ip_range = "10.1.1.0/25";
	assert_says(refused_create(&h, &ask, -EINVAL), "not inside the subnet");
	ask.ip_range = "10.0.0.0/8";
	refused_create(&h, &ask, -EINVAL);
	ask.ip_range = "10.1.0.3/25";
	assert_says(refused_create(&h, &ask, -EINVAL), "ip-range \"10.1.0.3/25\" has bits set");
	ask.ip_range = "10.1.0.0/31"; /* network address and gateway */
	assert_says(refused_create(&h, &ask, -EINVAL), "no address to give");
	ask.ip_range = "10.1.0.128/25";
	ask.gateway = "10.1.0.254";
	cr_assert_eq(intent_network_create(h.intent, &ask, WALL, &(struct id){ 0 }, NULL), 0);
}

Test(intent, network_names_are_checked_and_unique)
{
	HOST(h, "h1", 1);

	create(&h, "net", "10.1.0.0/24");
	assert_says(refused_create(&h, &(struct network_ask){ .name = "net" }, -EEXIST),
		    "network net exists already");
	refused_create(&h, &(struct network_ask){ .name = "-net" }, -EINVAL);
	refused_create(&h, &(struct network_ask){ .name = "" }, -EINVAL);
	refused_create(&h, &(struct network_ask){ 0 }, -EINVAL);
	refused_create(&h, &(struct network_ask){ .name = "a b" }, -EINVAL);
}

Test(intent, options_are_taken_or_refused_in_words)
{
	HOST(h, "h1", 1);
	const char *good[] = { "vni=7", "mtu=1400", "encrypted=false", "policy=allow" };
	const char *twice[] = { "vni=8", "vni=9" };
	struct network_ask ask = { .name = "net", .subnet = "10.1.0.0/24", .opt_count = 4,
				   .opt = good };

	cr_assert_eq(intent_network_create(h.intent, &ask, WALL, &(struct id){ 0 }, NULL), 0);
	cr_assert_eq(network(&h, "net")->vni, 7);
	cr_assert_eq(network(&h, "net")->mtu, 1400);
	assert_says(refused_opt(&h, "vni=7", -EEXIST), "vni 7 is used by network net");
	refused_opt(&h, "vni=0", -EINVAL);
	refused_opt(&h, "vni=16777216", -EINVAL);
	refused_opt(&h, "vni=0x10", -EINVAL);
	refused_opt(&h, "vni=", -EINVAL);
	refused_opt(&h, "vni", -EINVAL);
	refused_opt(&h, "vni=99999999999999999999999999", -EINVAL);
	refused_opt(&h, "mtu=575", -EINVAL);
	assert_says(refused_opt(&h, "mtu=1451", -EINVAL), "leaves 1450 bytes");
	assert_says(refused_opt(&h, "encrypted", -EINVAL), "no encryption yet");
	refused_opt(&h, "encrypted=true", -EINVAL);
	refused_opt(&h, "encrypted=", -EINVAL);
	refused_opt(&h, "encrypted=maybe", -EINVAL);
	assert_says(refused_opt(&h, "policy=deny", -EINVAL), "no policies yet");
	refused_opt(&h, "policy=x", -EINVAL);
	assert_says(refused_opt(&h, "colour=red", -EINVAL), "\"colour=red\" is unknown");
	refused_opt(&h, "", -EINVAL);
	refused_create(&h, &(struct network_ask){ .name = "x", .opt_count = 2, .opt = twice },
		       -EINVAL);
}

/* ---- network rm ---- */

Test(intent, network_in_use_is_not_removed_and_its_users_are_named)
{
	HOST(h1, "h1", 1);
	HOST(h2, "h2", 2);

	tell(&h1, &h2);
	tell(&h2, &h1);
	create(&h1, "net", "10.1.0.0/24");
	struct attach_ask ask = ask_for("net");
	ask.name = "web";
	attached(&h1, &ask);
	tell(&h1, &h2);
	uint64_t serial = store_serial(h2.store);
	cr_assert_eq(intent_network_rm(h2.intent, "net", WALL, &h2.e), -EBUSY);
	cr_assert_str_eq(h2.e.text,
			 "network net is in use by 1 endpoint (web on h1); detach it first");
	cr_assert_eq(intent_network_rm(h2.intent, "none", WALL, NULL), -ENOENT);
	cr_assert_eq(store_serial(h2.store), serial);
	cr_assert_eq(intent_detach(h1.intent, "web", WALL, NULL), 0);
	tell(&h1, &h2);
	cr_assert_eq(intent_network_rm(h2.intent, "net", WALL, NULL), 0);
	tell(&h2, &h1);
	cr_assert_eq(store_view(h1.store)->network_count, 0);
	cr_assert_eq(store_view(h1.store)->block_count, 0);
}

Test(intent, removed_networks_do_not_pile_up)
{
	HOST(h, "h1", 1);
	size_t before = store_count(h.store);

	for (int i = 0; i < 5; i++) {
		create(&h, "net", NULL);
		struct attach_ask ask = ask_for("net");
		ask.name = "web";
		attached(&h, &ask);
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
	struct network_ask older = { .name = "older", .subnet = "10.1.0.0/24", .opt_count = 1,
				     .opt = &vni };
	struct network_ask newer = { .name = "newer", .subnet = "10.2.0.0/24", .opt_count = 1,
				     .opt = &vni };

	cr_assert_eq(intent_network_create(h1.intent, &older, WALL, &(struct id){ 0 }, NULL), 0);
	cr_assert_eq(intent_network_create(h2.intent, &newer, WALL + 1, &(struct id){ 0 }, NULL), 0);
	tell(&h1, &h2);
	struct attach_ask ask = ask_for("newer");
	assert_says(refused_attach(&h2, &ask, -EAGAIN), "network newer is being given a new VNI");
	cr_assert_eq(intent_heal_claims(h2.intent, WALL + 2, NULL), 0);
	cr_assert_eq(network(&h2, "older")->vni, 9);
	cr_assert_geq(network(&h2, "newer")->vni, VNI_AUTO_MIN);
	cr_assert_not(view_network_find(store_view(h2.store), "newer")->vni_lost);
	attached(&h2, &ask);
}

/* ---- attach ---- */

Test(intent, attach_fills_what_was_not_said)
{
	HOST(h, "h1", 1);
	char text[ADDR_TEXT_MAX], mac[MAC_TEXT_MAX];

	create(&h, "net", "10.1.0.0/24");
	struct attach_ask ask = ask_for("net");
	const struct endpoint *ep = attached(&h, &ask);
	cr_assert_str_eq(addr_format(&ep->addr, text), "10.1.0.2");
	cr_assert_str_eq(mac_format(ep->mac, mac), "02:42:0a:01:00:02");
	cr_assert_str_eq(ep->ifname, "eth0");
	cr_assert_str_eq(ep->netns, ask.netns.path);
	cr_assert_eq(ep->netns_ino, ask.netns.ino);
	cr_assert(id_equal(&ep->node, store_self(h.store)));
	cr_assert_eq(ep->created_ms, WALL);
}

Test(intent, attach_takes_what_was_said)
{
	HOST(h, "h1", 1);
	const char *alias[] = { "www", "front" }, *label[] = { "tier=web", "empty=" };
	char text[ADDR_TEXT_MAX], mac[MAC_TEXT_MAX];

	create(&h, "net", "10.1.0.0/24");
	struct attach_ask ask = ask_for("net");
	ask.ip = "10.1.0.77";
	ask.mac = "aa:bb:cc:00:11:22";
	ask.name = "web";
	ask.ifname = "ov0";
	ask.alias = alias;
	ask.alias_count = 2;
	ask.label = label;
	ask.label_count = 2;
	const struct endpoint *ep = attached(&h, &ask);
	cr_assert_str_eq(addr_format(&ep->addr, text), "10.1.0.77");
	cr_assert_str_eq(mac_format(ep->mac, mac), "aa:bb:cc:00:11:22");
	cr_assert_str_eq(ep->ifname, "ov0");
	cr_assert_eq(ep->alias_count, 2);
	cr_assert_str_eq(ep->alias[1], "front");
	cr_assert_str_eq(ep->label[0].text, "tier=web");
}

Test(intent, bad_attaches_are_refused_and_write_nothing)
{
	HOST(h, "h1", 1);
	const char *many[LABEL_MAX + 1], *bad;
	char longer[LABEL_MAX_LEN + 8];

	create(&h, "net", "10.1.0.0/24");
	struct attach_ask ok = ask_for("net"), ask;
#define REFUSED(code, says, ...)                                        \
	do {                                                            \
		ask = ok;                                               \
		__VA_ARGS__;                                            \
		assert_says(refused_attach(&h, &ask, code), says);      \
	} while (0)
	REFUSED(-ENOENT, "there is no network \"other\"", ask.network = "other");
	REFUSED(-EINVAL, "cannot name an interface", ask.ifname = "");
	REFUSED(-EINVAL, "cannot name an interface", ask.ifname = "sixteen-letters1");
	REFUSED(-EINVAL, "\"a/b\" cannot name", ask.ifname = "a/b");
	REFUSED(-EINVAL, "cannot name an interface", ask.ifname = "a b");
	REFUSED(-EINVAL, "cannot name an interface", ask.ifname = "eth%d");
	REFUSED(-EINVAL, "cannot name an interface", ask.ifname = "..");
	REFUSED(-EINVAL, "loopback", ask.ifname = "lo");
	REFUSED(-EINVAL, "is not resolved", ask.netns.path[0] = 'x');
	REFUSED(-EINVAL, "is not resolved", ask.netns.ino = 0);
	REFUSED(-EINVAL, "endpoint name", ask.name = "a b");
	REFUSED(-EINVAL, "group address", ask.mac = "01:00:5e:00:00:01");
	REFUSED(-EINVAL, "group address", ask.mac = "ff:ff:ff:ff:ff:ff");
	REFUSED(-EINVAL, "is zero", ask.mac = "00:00:00:00:00:00");
	REFUSED(-EINVAL, "is not six bytes", ask.mac = "02:42");
	REFUSED(-EINVAL, "\"10.1.0\" is not an address", ask.ip = "10.1.0");
	REFUSED(-EINVAL, "is not an address", ask.ip = "10.1.0.5/24");
	REFUSED(-EINVAL, "is IPv6", ask.ip = "fd00::1");
	REFUSED(-EINVAL, "outside the subnet", ask.ip = "10.2.0.5");
	REFUSED(-EINVAL, "is the gateway", ask.ip = "10.1.0.1");
	REFUSED(-EINVAL, "network or broadcast", ask.ip = "10.1.0.255");
	REFUSED(-EINVAL, "network or broadcast", ask.ip = "10.1.0.0");
	REFUSED(-ENOENT, "there is no service \"shop\"", ask.service = "shop");
	bad = "not ok";
	REFUSED(-EINVAL, "alias", ask.alias = &bad; ask.alias_count = 1);
	REFUSED(-EINVAL, "is not KEY=VALUE", ask.label = &bad; ask.label_count = 1);
	bad = "=v";
	REFUSED(-EINVAL, "is not KEY=VALUE", ask.label = &bad; ask.label_count = 1);
	bad = "k=a\nb";
	REFUSED(-EINVAL, "control character", ask.label = &bad; ask.label_count = 1);
	memset(longer, 'x', sizeof(longer));
	memcpy(longer, "k=", 2);
	longer[LABEL_MAX_LEN + 1] = '\0';
	bad = longer;
	REFUSED(-EINVAL, "longer than 127 bytes", ask.label = &bad; ask.label_count = 1);
	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = "k=v";
	REFUSED(-EINVAL, "9 labels", ask.label = many; ask.label_count = 9);
	REFUSED(-EINVAL, "9 aliases", ask.alias = many; ask.alias_count = 9);
	attached(&h, &ok);
}

Test(intent, attaches_that_clash_are_refused_naming_the_other)
{
	HOST(h1, "h1", 1);
	HOST(h2, "h2", 2);

	tell(&h2, &h1);
	create(&h1, "net", "10.1.0.0/24");
	create(&h1, "net2", "10.1.0.0/24");
	tell(&h1, &h2);
	struct attach_ask first = ask_for("net"), ask = first, other = ask_for("net");
	first.name = "web";
	first.mac = "02:00:00:00:00:01";
	first.ip = "10.1.0.9";
	attached(&h1, &first);
	tell(&h1, &h2);

	assert_says(refused_attach(&h1, &ask, -EEXIST), "attached to network net already, as endpoint "
							"web");
	ask.ifname = "eth1";
	refused_attach(&h1, &ask, -EEXIST);
	ask.network = "net2";
	ask.ifname = NULL;
	assert_says(refused_attach(&h1, &ask, -EEXIST), "interface eth0 of namespace");
	other.name = "web";
	assert_says(refused_attach(&h1, &other, -EEXIST), "network net has an endpoint web already, "
							  "on node h1");
	other.name = NULL;
	other.mac = "02:00:00:00:00:01";
	assert_says(refused_attach(&h1, &other, -EEXIST), "MAC 02:00:00:00:00:01 is used by endpoint "
							  "web");
	other.mac = NULL;
	other.ip = "10.1.0.9";
	assert_says(refused_attach(&h1, &other, -EADDRINUSE), "in use by endpoint web on node h1");
	/* The same inode elsewhere is another namespace; a name is refused from anywhere. */
	other = first;
	other.mac = other.ip = NULL;
	assert_says(refused_attach(&h2, &other, -EEXIST), "on node h1");
	/* Second network in the same namespace, by another device: fine. */
	ask.ifname = "eth1";
	attached(&h1, &ask);
}

Test(intent, mac_made_from_the_address_steps_aside_for_one_that_was_asked_for)
{
	HOST(h, "h1", 1);
	char mac[MAC_TEXT_MAX];

	create(&h, "net", "10.1.0.0/24");
	struct attach_ask ask = ask_for("net"), next = ask_for("net");
	ask.ip = "10.1.0.50";
	ask.mac = "02:42:0a:01:00:33"; /* what 10.1.0.51 would get */
	attached(&h, &ask);
	const struct endpoint *ep = attached(&h, &next);
	mac_format(ep->mac, mac);
	cr_assert_eq(addr_v4(&ep->addr), 0x0a010033u);
	cr_assert_str_neq(mac, "02:42:0a:01:00:33");
	cr_assert_eq(strncmp(mac, "02:42:", 6), 0);
}

Test(intent, slash_29_to_the_last_address_and_back)
{
	HOST(h, "h1", 1);
	char id[ID_TEXT_MAX];
	struct id last = { 0 };

	create(&h, "net", "10.1.0.0/29");
	for (int i = 0; i < 5; i++) {
		struct attach_ask ask = ask_for("net");

		last = attached(&h, &ask)->id;
	}
	struct attach_ask ask = ask_for("net");
	assert_says(refused_attach(&h, &ask, -ENOSPC), "no free address left in 10.1.0.0/29 (5 in use)");
	cr_assert_eq(intent_detach(h.intent, id_format(&last, id), h.wall, NULL), 0);
	refused_attach(&h, &ask, -ENOSPC);
	h.wall += IPAM_HOLD_MS;
	cr_assert_eq(addr_v4(&attached(&h, &ask)->addr), 0x0a010006u);
}

Test(intent, alone_and_without_gossip_no_other_node_is_asked)
{
	HOST(h1, "h1", 1);
	HOST(h2, "h2", 2);

	create(&h1, "net", "10.1.0.0/24");
	tell(&h1, &h2);
	struct attach_ask ask = ask_for("net");
	assert_says(refused_attach(&h2, &ask, -EHOSTUNREACH), "h1, which has some, cannot be asked");
	ask.ip = "10.1.0.9";
	assert_says(refused_attach(&h2, &ask, -EHOSTUNREACH), "belongs to node h1");
}

/* ---- detach ---- */

Test(intent, detach_by_name_id_or_prefix_but_only_here)
{
	HOST(h1, "h1", 1);
	HOST(h2, "h2", 2);
	char id[ID_TEXT_MAX];

	tell(&h1, &h2);
	tell(&h2, &h1);
	create(&h1, "net", "10.1.0.0/24");
	create(&h1, "net2", "10.2.0.0/24");
	struct attach_ask ask = ask_for("net");
	ask.name = "web";
	struct id web = attached(&h1, &ask)->id;
	tell(&h1, &h2);
	uint64_t serial = store_serial(h2.store);
	cr_assert_eq(intent_detach(h2.intent, "web", WALL, &h2.e), -EPERM);
	assert_says(h2.e.text, "endpoint web lives on node h1");
	cr_assert_eq(intent_detach(h2.intent, "nobody", WALL, NULL), -ENOENT);
	cr_assert_eq(intent_detach(h2.intent, "", WALL, NULL), -ENOENT);
	cr_assert_eq(store_serial(h2.store), serial);

	ask = ask_for("net2");
	ask.name = "web";
	attached(&h1, &ask);
	cr_assert_eq(intent_detach(h1.intent, "web", WALL, &h1.e), -EINVAL);
	assert_says(h1.e.text, "say which one by its id");
	id_format(&web, id);
	id[10] = '\0';
	cr_assert_eq(intent_detach(h1.intent, id, WALL, NULL), 0);
	cr_assert_eq(intent_detach(h1.intent, "web", WALL, NULL), 0);
	cr_assert_eq(store_view(h1.store)->endpoint_count, 0);
	cr_assert_eq(intent_detach(h1.intent, "web", WALL, NULL), -ENOENT);
}

Test(intent, endpoint_whose_namespace_vanished_is_released)
{
	HOST(h, "h1", 1);

	create(&h, "net", "10.1.0.0/24");
	struct attach_ask ask = ask_for("net");
	struct id id = attached(&h, &ask)->id;
	cr_assert_eq(intent_endpoint_vanished(h.intent, &id, WALL, NULL), 0);
	cr_assert_eq(store_view(h.store)->endpoint_count, 0);
	cr_assert_eq(intent_endpoint_vanished(h.intent, &id, WALL, NULL), -ENOENT);
}

/* ---- being asked ---- */

static int call(struct host *h, const struct id *from, const void *request, size_t len,
		struct buf *reply)
{
	return intent_on_call(h->intent, from, cursor_of(request, len), WALL, reply);
}

/* Asks h for addresses as `from`; returns the status. */
static uint8_t grant(struct host *h, struct host *from, const struct id *net, const char *wanted,
		     uint64_t owned)
{
	_cleanup_(buf_fini) struct buf rq = { 0 }, reply = { 0 };
	struct ov_addr a = { 0 };
	struct cursor c;
	uint8_t status;

	if (wanted)
		cr_assert_eq(addr_parse(wanted, &a), 0);
	buf_u8(&rq, CALL_IPAM_GRANT);
	buf_put(&rq, net->b, 16);
	buf_u8(&rq, wanted ? 1 : 0);
	buf_put(&rq, a.b, 16);
	buf_u64(&rq, owned);
	cr_assert_eq(call(h, store_self(from->store), rq.data, rq.len, &reply), 0);
	c = cursor_of(reply.data, reply.len);
	status = cursor_u8(&c);
	for (int left = cursor_u16(&c); left > 0; left--) {
		struct record r;

		cr_assert_eq(record_decode(&c, &r), 0);
		store_merge(from->store, &r, WALL);
	}
	cr_assert_not(c.bad);
	cr_assert_eq(cursor_left(&c), 0);
	return status;
}

Test(intent, grant_reply_carries_what_the_asker_needs)
{
	HOST(h1, "h1", 1);
	HOST(h2, "h2", 2);
	struct id net = create(&h1, "net", "10.1.0.0/24");
	struct attach_ask ask = ask_for("net");

	tell(&h1, &h2);
	cr_assert_eq(grant(&h1, &h2, &net, NULL, 0), 0);
	cr_assert_eq(addr_v4(&attached(&h2, &ask)->addr), 0x0a010080u); /* upper half of .2-.254 */
	ask = ask_for("net");
	ask.ip = "10.1.0.20";
	refused_attach(&h2, &ask, -EHOSTUNREACH);
	cr_assert_eq(grant(&h1, &h2, &net, "10.1.0.20", UINT64_MAX), 0);
	attached(&h2, &ask);
	cr_assert_eq(grant(&h1, &h2, &net, "10.1.0.20", UINT64_MAX), EPERM, "it is the asker's own");
}

Test(intent, lost_reply_is_repeated_and_not_granted_twice)
{
	HOST(h1, "h1", 1);
	HOST(h2, "h2", 2);
	HOST(lost, "lost", 3);
	struct id net = create(&h1, "net", "10.1.0.0/24");
	uint64_t owned, serial;

	tell(&h1, &h2);
	_cleanup_(buf_fini) struct buf rq = { 0 }, reply = { 0 };
	buf_u8(&rq, CALL_IPAM_GRANT);
	buf_put(&rq, net.b, 16);
	for (int i = 0; i < 25; i++)
		buf_u8(&rq, 0);
	cr_assert_eq(call(&h1, store_self(h2.store), rq.data, rq.len, &reply), 0);
	owned = ipam_owned(store_view(h1.store), network(&h1, "net"), store_self(h2.store));
	cr_assert_eq(owned, 127);
	serial = store_serial(h1.store);
	cr_assert_eq(grant(&h1, &h2, &net, NULL, 0), 0);
	cr_assert_eq(store_serial(h1.store), serial, "the lost grant is repeated");
	cr_assert_eq(ipam_owned(store_view(h2.store), network(&h2, "net"), store_self(h2.store)), 127);
	cr_assert_eq(grant(&h1, &h2, &net, NULL, 127), 0);
	cr_assert_gt(ipam_owned(store_view(h2.store), network(&h2, "net"), store_self(h2.store)), 127);
}

Test(intent, refused_grant_tells_the_asker_what_it_did_not_know)
{
	HOST(h1, "h1", 1);
	HOST(h2, "h2", 2);
	struct id net = create(&h1, "net", "10.1.0.0/24");
	struct attach_ask ask = ask_for("net");

	tell(&h1, &h2);
	ask.name = "web";
	ask.ip = "10.1.0.9";
	attached(&h1, &ask);
	cr_assert_eq(grant(&h1, &h2, &net, "10.1.0.9", 0), EADDRINUSE);
	cr_assert_eq(store_view(h2.store)->endpoint_count, 1, "who uses it is in the reply");
	cr_assert_eq(intent_detach(h1.intent, "web", WALL, NULL), 0);
	cr_assert_eq(intent_network_rm(h1.intent, "net", WALL, NULL), 0);
	cr_assert_eq(grant(&h1, &h2, &net, NULL, 0), ENOENT);
	cr_assert_eq(store_view(h2.store)->network_count, 0, "that it is gone is in the reply");
	struct id unknown = { { 1 } };
	cr_assert_eq(grant(&h1, &h2, &unknown, NULL, 0), ENOENT);
	cr_assert_eq(grant(&h1, &h1, &net, NULL, 0), EPERM);
}

Test(intent, malformed_calls_are_refused)
{
	HOST(h, "h1", 1);
	struct id net = create(&h, "net", "10.1.0.0/24"), from = { { 9 } };
	uint64_t serial = store_serial(h.store);
	_cleanup_(buf_fini) struct buf rq = { 0 }, reply = { 0 };

	cr_assert_eq(call(&h, &from, "", 0, &reply), -EBADMSG);
	cr_assert_eq(call(&h, &from, "\xff", 1, &reply), -EOPNOTSUPP);
	buf_u8(&rq, CALL_IPAM_GRANT);
	buf_put(&rq, net.b, 16);
	for (int i = 0; i < 24; i++) {
		cr_assert_eq(call(&h, &from, rq.data, rq.len, &reply), -EBADMSG);
		buf_u8(&rq, 0);
	}
	cr_assert_eq(store_serial(h.store), serial);
	cr_assert_eq(reply.len, 0);
}
