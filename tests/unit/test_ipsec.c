/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ipsec/: what keys come from, and each rule alone, of one node towards one other. */
#include <criterion/criterion.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "base/cleanup.h"
#include "ipsec/inside.h"
#include "tests/lib/fake_xfrm.h"
#include "tests/lib/made_world.h"

/* ---- derivation ---- */

struct side {
	struct node_key key;
	uint8_t private_key[PUBLIC_KEY_LEN];
};

static struct side side_of(unsigned int node, uint8_t seed)
{
	struct side s = { .key = { .node = world_id(node), .epoch = 3, .generation = 7 } };

	memset(s.private_key, seed, sizeof(s.private_key));
	crypto_scalarmult_base(s.key.public_key, s.private_key);
	return s;
}

static struct session_secrets secrets_of(uint8_t byte)
{
	uint8_t token[TOKEN_SECRET_LEN];
	struct session_secrets s;

	memset(token, byte, sizeof(token));
	session_secrets_init(&s, token);
	return s;
}

struct derived {
	uint64_t tag;
	uint8_t master[MASTER_LEN];
};

static struct derived derive(const struct session_secrets *secrets, const struct side *own,
			     const struct node_key *peer)
{
	struct derived d = { .tag = session_tag(secrets, &own->key, peer) };

	cr_assert_eq(session_master(secrets, own->private_key, &own->key, peer, d.master), 0);
	return d;
}

Test(ipsec, both_ends_derive_the_same)
{
	struct session_secrets secrets = secrets_of(9);
	struct side a = side_of(1, 0x11), b = side_of(2, 0x22);
	struct derived at_a = derive(&secrets, &a, &b.key), at_b = derive(&secrets, &b, &a.key);

	cr_assert_eq(at_a.tag, at_b.tag);
	cr_assert_eq(memcmp(at_a.master, at_b.master, MASTER_LEN), 0);
}

/* Computed by another implementation of X25519 and BLAKE2b. */
Test(ipsec, what_is_derived_is_what_it_always_was)
{
	struct session_secrets secrets = secrets_of(9);
	struct side a = side_of(1, 0x11), b = side_of(2, 0x22);
	struct derived d = derive(&secrets, &a, &b.key);
	uint8_t key[SA_KEY_LEN];
	char text[2 * SA_KEY_LEN + 1];

	sa_key(d.master, &a.key.node, &b.key.node, 3, key);
	cr_assert_eq(d.tag, 0x3bf0bc79f71b2084, "%llx", (unsigned long long)d.tag);
	cr_assert_str_eq(hex_format(key, sizeof(key), text), "02f868a6c49d046e55123f7e7270e7394eaa9cb4");
}

Test(ipsec, each_direction_and_lane_has_a_key_of_its_own)
{
	struct session_secrets secrets = secrets_of(9);
	struct side a = side_of(1, 0x11), b = side_of(2, 0x22);
	struct derived d = derive(&secrets, &a, &b.key);
	uint8_t key[2 * OV_SA_LANES][SA_KEY_LEN];

	for (unsigned int lane = 0; lane < OV_SA_LANES; lane++) {
		sa_key(d.master, &a.key.node, &b.key.node, lane, key[2 * lane]);
		sa_key(d.master, &b.key.node, &a.key.node, lane, key[2 * lane + 1]);
	}
	for (size_t i = 0; i < 2 * OV_SA_LANES; i++)
		for (size_t j = 0; j < i; j++)
			cr_assert_neq(memcmp(key[i], key[j], SA_KEY_LEN), 0, "%zu and %zu", i, j);
}

static void expect_other(const struct derived *was, const struct session_secrets *secrets,
			 const struct side *a, const struct node_key *b, const char *what)
{
	struct derived d = derive(secrets, a, b);

	cr_expect_neq(d.tag, was->tag, "%s: tag", what);
	cr_expect_neq(memcmp(d.master, was->master, MASTER_LEN), 0, "%s: keys", what);
}

Test(ipsec, whatever_changes_changes_tag_and_keys)
{
	struct session_secrets secrets = secrets_of(9), other = secrets_of(10);
	struct side a = side_of(1, 0x11), b = side_of(2, 0x22), c = side_of(2, 0x23), d = a;
	struct derived was = derive(&secrets, &a, &b.key);
	struct node_key k = b.key;

	expect_other(&was, &other, &a, &b.key, "the cluster's secret");
	expect_other(&was, &secrets, &a, &c.key, "a public key");
	k.epoch++;
	expect_other(&was, &secrets, &a, &k, "an epoch");
	k = b.key;
	k.generation++;
	expect_other(&was, &secrets, &a, &k, "a generation");
	k = b.key;
	k.node = world_id(3);
	expect_other(&was, &secrets, &a, &k, "an id");
	d.key.epoch++;
	expect_other(&was, &secrets, &d, &b.key, "the own epoch");
}

/* With such a "public key" the shared secret is zero, whatever the private one. */
Test(ipsec, a_public_key_of_small_order_is_refused)
{
	struct session_secrets secrets = secrets_of(9);
	struct side a = side_of(1, 0x11);
	struct node_key b = { .node = world_id(2), .public_key = { 1 } };
	uint8_t master[MASTER_LEN];

	cr_assert_eq(session_master(&secrets, a.private_key, &a.key, &b, master), -EINVAL);
}

/* ---- one node and its peer ---- */

#define SELF 1
#define PEER 2
#define VTEP "192.0.2.1"
#define PEER_ADDR "192.0.2.2"
#define PEER_SPI 0x5000u

/* The engine of node 1, and what it sees of node 2, which is made of records alone. */
struct bench {
	struct ipsec *s;
	struct rng rng;
	struct fake_xfrm x;
	uint64_t now;
	uint8_t peer_seed;        /* of its key; 0: it has none */
	bool is_plain, is_removed;
	uint64_t epoch;
	bool is_behind;           /* the peer's key is of the epoch before */
	struct pair said;         /* by the peer, of us */
	struct node_key own_key;  /* as our records have them */
	struct pairs_whole own;
	struct ipsec_want w;
};

static struct ov_addr addr(const char *text)
{
	struct ov_addr a;

	cr_assert_eq(addr_parse(text, &a), 0);
	return a;
}

static void bench_init(struct bench *b)
{
	struct id self = world_id(SELF);

	memset(b, 0, sizeof(*b));
	rng_init_u64(&b->rng, 1);
	b->x.vtep = addr(VTEP);
	b->peer_seed = 0x22;
	b->said.peer = self;
	b->now = 1000000;
	cr_assert_eq(ipsec_new(&self, 7, &b->rng, &b->s), 0);
}

static void bench_fini(struct bench *b)
{
	ipsec_want_fini(&b->w);
	ipsec_free(b->s);
}
#define BENCH \
	_cleanup_(bench_fini) struct bench b; \
	bench_init(&b)

static void fill_world(struct bench *b, struct world *w, struct cluster *cluster)
{
	struct side peer = side_of(PEER, b->peer_seed);

	peer.key.epoch = b->epoch - b->is_behind;
	world_node(w, SELF, "a", VTEP);
	world_node(w, PEER, "b", PEER_ADDR)->tombstone = b->is_removed;
	world_network(w, 20, "net", "10.9.0.0/24", 5000)->network.encrypted = !b->is_plain;
	memset(cluster->token_secret, 9, sizeof(cluster->token_secret));
	if (b->epoch)
		world_epoch(w, b->epoch, 0);
	if (b->peer_seed)
		world_key(w, PEER, 3, 0)->node_key = peer.key;
	world_pairs(w, PEER, &b->said, 1);
	if (b->own_key.generation)
		world_key(w, SELF, 0, 0)->node_key = b->own_key;
	if (b->own.p.count)
		world_pairs(w, SELF, b->own.d.pair, b->own.p.count);
}

/* Asks the engine, and writes what it wants written. */
static void step(struct bench *b)
{
	_cleanup_(world_fini) struct world w = { 0 };
	_cleanup_(view_fini) struct view v = { 0 };
	struct ipsec_facts f = fake_xfrm_facts(&b->x);
	struct cluster cluster = { .key_count = 1 };

	fill_world(b, &w, &cluster);
	v = world_view(&w);
	v.cluster = &cluster;
	ipsec_want_fini(&b->w);
	cr_assert_eq(ipsec_step(b->s, &v, &f, b->now, &b->w), 0);
	if (b->w.write_key)
		b->own_key = b->w.key;
	if (b->w.pairs_count)
		b->own = b->w.pairs[0];
}

static bool go_on(void *arg, enum fake_change what, const struct sa *sa)
{
	(void)arg;
	(void)what;
	(void)sa;
	return true;
}

static void apply(struct bench *b)
{
	fake_xfrm_apply(&b->x, b->s, &b->w, go_on, NULL);
}

/* Until nothing changes any more. */
static void settle(struct bench *b)
{
	do {
		step(b);
	} while (fake_xfrm_apply(&b->x, b->s, &b->w, go_on, NULL));
}

static const struct pair *told(const struct bench *b)
{
	return &b->own.d.pair[0];
}

/* The peer has its inbound SAs of the newest session, as told by us. */
static void peer_is_ready(struct bench *b)
{
	b->said.session = told(b)->session;
	b->said.spi_in = PEER_SPI + 0x100 * b->peer_seed;
}

/* And sends with ours. */
static void peer_sends(struct bench *b)
{
	b->said.spi_out = told(b)->spi_in;
}

static size_t wanted(const struct bench *b, bool is_out)
{
	struct ov_addr vtep = addr(VTEP);
	size_t count = 0;

	for (size_t i = 0; i < b->w.sa_count; i++)
		count += is_out == !addr_cmp(&b->w.sa[i].src, &vtep);
	return count;
}

static void both_ready(struct bench *b)
{
	settle(b);
	peer_is_ready(b);
	peer_sends(b);
	settle(b);
}

Test(ipsec, rule_1_inbound_sas_come_with_the_peers_key)
{
	BENCH;
	b.peer_seed = 0;
	step(&b);
	cr_assert_eq(b.w.sa_count, 0, "its key is not known");
	cr_assert(b.w.write_key, "ours is told");
	b.peer_seed = 0x22;
	step(&b);
	cr_assert_eq(wanted(&b, false), OV_SA_LANES);
	cr_assert_eq(wanted(&b, true), 0);
	cr_assert_eq(b.w.policy_count, 0);
	cr_assert_eq(b.w.sa[0].spi & OV_SPI_LANE_MASK, 0);
	cr_assert_eq(b.w.sa[3].spi, b.w.sa[0].spi + 3);
	cr_assert_geq(b.w.sa[0].spi, 256, "RFC 4303");
}

Test(ipsec, rule_1_a_key_of_another_epoch_gets_none_for_it_will_be_replaced)
{
	uint32_t old;
	BENCH;
	both_ready(&b);
	old = told(&b)->spi_in;
	b.epoch = 1;
	b.is_behind = true;
	settle(&b);
	cr_assert_eq(wanted(&b, false), OV_SA_LANES);
	cr_assert_eq(b.w.sa[0].spi, old, "what it sends with stays");
	cr_assert_eq(told(&b)->spi_in, 0);
	b.is_behind = false;
	b.peer_seed = 0x23;
	settle(&b);
	cr_assert_eq(wanted(&b, false), 2 * OV_SA_LANES);
	cr_assert_neq(told(&b)->spi_in, 0);
}

Test(ipsec, rule_2_the_session_is_told_at_once_and_its_spi_when_it_is_seen)
{
	uint64_t session;
	BENCH;
	step(&b);
	session = told(&b)->session;
	cr_assert_neq(session, 0);
	cr_assert_eq(told(&b)->spi_in, 0);
	apply(&b);
	step(&b);
	cr_assert_eq(told(&b)->session, session);
	cr_assert_eq(told(&b)->spi_in, b.w.sa[0].spi);
	cr_assert_eq(told(&b)->spi_out, 0);
	step(&b);
	cr_assert_eq(b.w.pairs_count, 0, "what is said is not said again");
	cr_assert_not(b.w.write_key);
}

Test(ipsec, rule_2_some_lanes_are_not_all)
{
	BENCH;
	step(&b);
	apply(&b);
	b.x.sa_count--;
	step(&b);
	cr_assert_eq(told(&b)->spi_in, 0);
}

Test(ipsec, rule_3_sends_once_the_peer_says_that_it_hears)
{
	BENCH;
	settle(&b);
	b.said.session = told(&b)->session;
	step(&b);
	cr_assert_eq(wanted(&b, true), 0, "it knows the session, its SAs are not there");
	b.said.session++;
	b.said.spi_in = PEER_SPI;
	step(&b);
	cr_assert_eq(wanted(&b, true), 0, "SAs of another session");
	b.said.session--;
	step(&b);
	cr_assert_eq(wanted(&b, true), OV_SA_LANES);
	cr_assert_eq(b.w.policy_count, 0, "the SAs come first");
	apply(&b);
	step(&b);
	cr_assert_eq(b.w.policy_count, 1);
	cr_assert_eq(b.w.policy[0].spi, PEER_SPI);
	cr_assert_eq(told(&b)->spi_out, 0, "facts, not plans");
	apply(&b);
	step(&b);
	cr_assert_eq(told(&b)->spi_out, PEER_SPI);
}

Test(ipsec, rule_3_an_spi_that_can_be_none_is_not_heard)
{
	BENCH;
	settle(&b);
	b.said.session = told(&b)->session;
	b.said.spi_in = 8;
	step(&b);
	cr_assert_eq(wanted(&b, true), 0, "reserved");
	b.said.spi_in = PEER_SPI + 1;
	step(&b);
	cr_assert_eq(wanted(&b, true), 0, "not lane 0's");
}

Test(ipsec, rule_3_goes_on_with_the_old_until_the_new_is_ready)
{
	uint32_t old;
	BENCH;
	both_ready(&b);
	old = told(&b)->spi_out;
	b.peer_seed = 0x23;
	settle(&b);
	cr_assert_eq(b.w.policy_count, 1);
	cr_assert_eq(b.w.policy[0].spi, old);
	cr_assert_eq(wanted(&b, true), OV_SA_LANES);
	cr_assert_eq(wanted(&b, false), 2 * OV_SA_LANES);
	peer_is_ready(&b);
	step(&b);
	cr_assert_eq(wanted(&b, true), 2 * OV_SA_LANES);
	cr_assert_eq(b.w.policy[0].spi, old);
	settle(&b);
	cr_assert_eq(b.w.policy[0].spi, b.said.spi_in);
	cr_assert_eq(wanted(&b, true), OV_SA_LANES, "the old ones go last");
}

/* A peer with a new key, of which both know, and which still sends with the old session. */
static uint32_t with_two_sessions(struct bench *b)
{
	uint32_t old;

	both_ready(b);
	old = told(b)->spi_in;
	b->peer_seed = 0x23;
	settle(b);
	peer_is_ready(b);
	settle(b);
	cr_assert_eq(b->said.spi_out, old);
	return old;
}

Test(ipsec, rule_4_old_inbound_sas_stay_while_the_peer_sends_with_them)
{
	BENCH;
	with_two_sessions(&b);
	b.now += 100 * IPSEC_DRAIN_MS;
	settle(&b);
	cr_assert_eq(wanted(&b, false), 2 * OV_SA_LANES);
	cr_assert_eq(b.w.next_ms, UINT64_MAX);
}

Test(ipsec, rule_4_old_inbound_sas_stay_until_the_peer_knows_the_new_session)
{
	BENCH;
	both_ready(&b);
	b.peer_seed = 0x23;
	settle(&b);
	b.said.spi_out = 0; /* as far as we hear; but of the new session it says nothing yet */
	b.now += 100 * IPSEC_DRAIN_MS;
	settle(&b);
	cr_assert_eq(wanted(&b, false), 2 * OV_SA_LANES);
}

Test(ipsec, rule_4_old_inbound_sas_go_after_a_while)
{
	BENCH;
	with_two_sessions(&b);
	peer_sends(&b);
	step(&b);
	cr_assert_eq(wanted(&b, false), 2 * OV_SA_LANES);
	cr_assert_eq(b.w.next_ms, b.now + IPSEC_DRAIN_MS);
	b.now += IPSEC_DRAIN_MS - 1;
	step(&b);
	cr_assert_eq(wanted(&b, false), 2 * OV_SA_LANES);
	b.now++;
	step(&b);
	cr_assert_eq(wanted(&b, false), OV_SA_LANES);
	cr_assert_eq(b.w.sa[b.w.sa[0].spi != told(&b)->spi_in ? OV_SA_LANES : 0].spi,
		     told(&b)->spi_in, "the new ones are left");
}

Test(ipsec, rule_4_the_while_begins_anew_when_the_peer_turns_back)
{
	uint32_t old;
	BENCH;
	old = with_two_sessions(&b);
	peer_sends(&b);
	step(&b);
	b.now += IPSEC_DRAIN_MS / 2;
	b.said.spi_out = old;
	step(&b);
	peer_sends(&b);
	b.now += IPSEC_DRAIN_MS - 1;
	step(&b);
	b.now += IPSEC_DRAIN_MS - 1;
	step(&b);
	cr_assert_eq(wanted(&b, false), 2 * OV_SA_LANES);
	b.now++;
	step(&b);
	cr_assert_eq(wanted(&b, false), OV_SA_LANES);
}

Test(ipsec, rule_5_a_removed_node_loses_everything_at_once)
{
	BENCH;
	both_ready(&b);
	b.is_removed = true;
	step(&b);
	cr_assert_eq(b.w.sa_count, 0);
	cr_assert_eq(b.w.policy_count, 0);
	cr_assert_eq(b.own.p.count, 0);
}

/* Between two versions of the policies each lane may have another SA. */
Test(ipsec, while_lanes_differ_nothing_new_is_said)
{
	struct pair before;
	BENCH;
	with_two_sessions(&b);
	before = *told(&b);
	b.x.policy[2].spi = PEER_SPI + 0x100 * 0x22 + 2; /* as before the change */
	b.peer_seed = 0x24;
	step(&b);
	cr_assert_eq(b.w.pairs_count, 0);
	cr_assert_eq(memcmp(told(&b), &before, sizeof(before)), 0);
	apply(&b);
	step(&b);
	cr_assert_neq(told(&b)->session, before.session, "they are alike again");
}

Test(ipsec, no_more_than_three_sessions_are_received_with)
{
	BENCH;
	both_ready(&b);
	for (uint8_t seed = 0x30; seed < 0x40; seed++) {
		b.peer_seed = seed;
		settle(&b);
	}
	cr_assert_eq(wanted(&b, false), IPSEC_SESSIONS_MAX * OV_SA_LANES);
	cr_assert_eq(told(&b)->spi_in, 0);
	b.said.session = told(&b)->session; /* it knows; so what lies between can go */
	step(&b);
	b.now += IPSEC_DRAIN_MS;
	settle(&b);
	cr_assert_eq(wanted(&b, false), 2 * OV_SA_LANES);
	cr_assert_neq(told(&b)->spi_in, 0);
}

/* ---- keys ---- */

Test(ipsec, a_key_is_handed_out_once)
{
	uint8_t key[SA_KEY_LEN], other[SA_KEY_LEN] = { 0 };
	struct sa stranger;
	BENCH;
	step(&b);
	stranger = b.w.sa[0];
	stranger.spi ^= 0x100;
	cr_assert_eq(ipsec_take_key(b.s, &stranger, key), -ENOENT);
	stranger = b.w.sa[0];
	stranger.src = addr("192.0.2.3");
	cr_assert_eq(ipsec_take_key(b.s, &stranger, key), -ENOENT);
	cr_assert_eq(ipsec_take_key(b.s, &b.w.sa[0], key), 0);
	cr_assert_eq(ipsec_take_key(b.s, &b.w.sa[0], other), -ENOENT);
	cr_assert_eq(ipsec_take_key(b.s, &b.w.sa[1], other), 0);
	cr_assert_neq(memcmp(key, other, sizeof(key)), 0);
}

static void expect_fresh(struct bench *b, bool fresh, const char *why)
{
	struct node_key was = b->own_key;

	step(b);
	cr_assert_eq(!memcmp(was.public_key, b->own_key.public_key, PUBLIC_KEY_LEN), !fresh, "%s",
		     why);
}

Test(ipsec, another_epoch_takes_a_fresh_key)
{
	BENCH;
	both_ready(&b);
	expect_fresh(&b, false, "nothing happened");
	b.epoch = 5;
	expect_fresh(&b, true, "a greater one");
	cr_assert_eq(b.own_key.epoch, 5);
	b.epoch = 4;
	expect_fresh(&b, true, "one that won by its stamp");
}

Test(ipsec, an_sa_that_is_lost_takes_a_fresh_key_but_not_at_once)
{
	BENCH;
	both_ready(&b);
	b.x.sa_count = 0;
	expect_fresh(&b, false, "the last one is not old enough");
	cr_assert_eq(b.w.next_ms, b.now + IPSEC_RETRY_MS);
	apply(&b);
	cr_assert_eq(b.x.sa_count, 0, "and nothing is made twice");
	b.now += IPSEC_RETRY_MS;
	expect_fresh(&b, true, "now");
	apply(&b);
	cr_assert_eq(b.x.sa_count, OV_SA_LANES);
}

Test(ipsec, an_sa_that_sent_much_takes_a_fresh_key)
{
	BENCH;
	both_ready(&b);
	for (size_t i = 0; i < b.x.sa_count; i++)
		b.x.sa[i].fact.packets = IPSEC_PACKETS_MAX;
	expect_fresh(&b, false, "as many as it may");
	for (size_t i = 0; i < b.x.sa_count; i++)
		b.x.sa[i].fact.packets += b.x.sa[i].fact.sa.spi == b.said.spi_in + 3;
	expect_fresh(&b, true, "one more");
	expect_fresh(&b, false, "once");
}

Test(ipsec, a_session_never_begins_twice)
{
	uint64_t first;
	BENCH;
	both_ready(&b);
	first = told(&b)->session;
	b.peer_seed = 0x23;
	settle(&b);
	b.peer_seed = 0x22; /* an older record, however it came back */
	step(&b);
	cr_assert_eq(told(&b)->session, 0);
	cr_assert_eq(wanted(&b, true), OV_SA_LANES, "what was sent with stays");
	b.now += IPSEC_RETRY_MS;
	expect_fresh(&b, true, "the way out");
	cr_assert_neq(told(&b)->session, first);
	cr_assert_neq(told(&b)->session, 0);
}

Test(ipsec, a_peer_that_renames_its_sas_takes_a_fresh_key)
{
	BENCH;
	both_ready(&b);
	b.said.spi_in += 0x40;
	b.now += IPSEC_RETRY_MS;
	step(&b);
	cr_assert_eq(wanted(&b, true), OV_SA_LANES);
	expect_fresh(&b, true, "other SAs of the session would have its keys again");
}

static bool is_wiped(const void *at, size_t len)
{
	return sodium_is_zero(at, len);
}

Test(ipsec, secrets_are_wiped_when_they_are_of_no_more_use)
{
	uint8_t private_key[PUBLIC_KEY_LEN];
	BENCH;
	step(&b);
	cr_assert_not(is_wiped(b.s->peer[0].master, MASTER_LEN));
	memcpy(private_key, b.s->private_key, sizeof(private_key));
	both_ready(&b);
	cr_assert(is_wiped(b.s->peer[0].master, MASTER_LEN), "all its keys were had");
	b.epoch = 5;
	step(&b);
	cr_assert_neq(memcmp(private_key, b.s->private_key, sizeof(private_key)), 0);
	cr_assert_not(is_wiped(b.s->peer[0].master, MASTER_LEN));
	session_wipe(&b.s->peer[0]);
	cr_assert(is_wiped(b.s->peer[0].master, MASTER_LEN));
	b.is_plain = true;
	step(&b);
	cr_assert(is_wiped(b.s->private_key, PUBLIC_KEY_LEN));
	cr_assert_eq(b.s->count, 0);
}

Test(ipsec, without_need_or_ability_nothing_is_wanted)
{
	BENCH;
	both_ready(&b);
	b.x.is_unable = true;
	step(&b);
	cr_assert_eq(b.w.sa_count + b.w.policy_count, 0);
	cr_assert_eq(b.own.p.count, 0, "and the peer is told");
	b.x.is_unable = false;
	b.is_plain = true;
	step(&b);
	cr_assert_eq(b.w.sa_count + b.w.policy_count, 0);
	cr_assert_eq(b.w.next_ms, UINT64_MAX);
}

/* ---- the next epoch ---- */

Test(ipsec, the_lowest_living_node_begins_the_next_epoch_and_others_wait_for_it)
{
	struct id third = world_id(3), away_id = world_id(1);
	struct id_set nobody = { 0 }, away = { 1, &away_id };
	_cleanup_(world_fini) struct world w = { 0 };
	_cleanup_(view_fini) struct view v = { 0 };
	struct ipsec s = { .self = third, .made_at = 5000 };

	world_node(&w, 1, "a", "192.0.2.1");
	world_node(&w, 2, "b", "192.0.2.2");
	world_node(&w, 3, "c", "192.0.2.3");
	world_node(&w, 4, "d", "192.0.2.4");
	v = world_view(&w);
	cr_assert_eq(ipsec_epoch_due_ms(&s, &v, &nobody), UINT64_MAX, "no key");
	s.has_key = true;
	cr_assert_eq(ipsec_epoch_due_ms(&s, &v, &nobody),
		     5000 + IPSEC_EPOCH_MS + 2 * IPSEC_EPOCH_TURN_MS);
	cr_assert_eq(ipsec_epoch_due_ms(&s, &v, &away), 5000 + IPSEC_EPOCH_MS + IPSEC_EPOCH_TURN_MS);
}
