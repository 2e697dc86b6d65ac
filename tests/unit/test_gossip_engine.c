// SPDX-License-Identifier: GPL-2.0-or-later
/* One engine alone: what it does with single messages, hostile ones above all. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "gossip/seal.h"
#include "gossip/wire.h"

#define WALL 1750000000000ull

struct bench {
	struct store *store;
	struct gossip *gossip;
	struct keyring ring; /* the same keys as its own */
	struct rng rng;
	uint64_t now;
};

static const uint8_t key[1][GOSSIP_KEY_LEN] = { { 42 } };
static const struct id stranger = { { 0x77 } };

static struct sockname host(uint32_t n)
{
	return (struct sockname){ .addr = addr_from_v4(0x0a000000 + n), .port = 7946 };
}

static struct bench *set_up(void)
{
	struct bench *b = calloc(1, sizeof(*b));
	struct gossip_config config = { .timing = GOSSIP_LAN, .self = host(1), .key_count = 1 };
	struct err e = { 0 };

	memcpy(config.key[0], key[0], sizeof(key[0]));
	rng_init_u64(&b->rng, 1);
	keyring_set(&b->ring, 1, key);
	cr_assert_eq(store_open(NULL, &b->rng, &b->store, &e), 0);
	cr_assert_eq(gossip_new(&config, b->store, &b->rng, 0, &b->gossip), 0);
	return b;
}

static void tear_down(struct bench *b)
{
	gossip_free(b->gossip);
	store_close(b->store);
	free(b);
}

static const struct gossip_counters *count(struct bench *b)
{
	return gossip_counters(b->gossip);
}

static struct claim claim_of(const struct id *id, enum member_status status, uint64_t incarnation)
{
	return (struct claim){ .id = *id,
			       .addr = host(2),
			       .status = status,
			       .incarnation = incarnation };
}

static void receive(struct bench *b, const struct buf *plain)
{
	_cleanup_(buf_fini) struct buf sealed = { 0 };
	struct sockname from = host(2);

	seal_write(&b->ring, &b->rng, SEAL_DATAGRAM, NULL, plain, &sealed, NULL);
	gossip_datagram(b->gossip, &from, sealed.data, sealed.len, b->now, WALL);
}

/* A datagram of the stranger, with a claim about somebody. */
static void receive_claim(struct bench *b, const struct claim *about)
{
	_cleanup_(buf_fini) struct buf plain = { 0 };
	struct claim sender = claim_of(&stranger, MEMBER_ALIVE, 1);

	wire_put_claim(&plain, &sender);
	if (about)
		wire_put_member(&plain, about);
	receive(b, &plain);
}

static size_t drain(struct bench *b)
{
	struct gossip_output o;
	size_t n = 0;

	while (gossip_next_output(b->gossip, &o))
		n++;
	return n;
}

Test(gossip_engine, garbage_is_counted_by_what_is_wrong_with_it)
{
	struct bench *b = set_up();
	_cleanup_(buf_fini) struct buf plain = { 0 }, sealed = { 0 };
	struct sockname from = host(2);
	uint8_t noise[GOSSIP_DATAGRAM_MAX + 1] = { 0 };

	gossip_datagram(b->gossip, &from, noise, 0, 0, WALL);
	gossip_datagram(b->gossip, &from, noise, 500, 0, WALL);
	cr_assert_eq(count(b)->refused_seal, 2);
	gossip_datagram(b->gossip, &from, noise, sizeof(noise), 0, WALL);
	cr_assert_eq(count(b)->refused_malformed, 1);
	seal_write(&b->ring, &b->rng, SEAL_DATAGRAM, NULL, &plain, &sealed, NULL);
	gossip_datagram(b->gossip, &from, sealed.data, sealed.len, 0, WALL);
	cr_assert_eq(count(b)->refused_malformed, 2, "opened, but is no message");
	sealed.data[2] = 9;
	gossip_datagram(b->gossip, &from, sealed.data, sealed.len, 0, WALL);
	cr_assert_eq(count(b)->refused_version, 1);
	cr_assert_eq(count(b)->datagrams_in, 5);
	cr_assert_eq(drain(b), 0, "garbage is not answered");
	tear_down(b);
}

Test(gossip_engine, a_request_sent_as_a_datagram_is_refused)
{
	struct bench *b = set_up();
	_cleanup_(buf_fini) struct buf plain = { 0 }, sealed = { 0 };
	struct claim sender = claim_of(&stranger, MEMBER_ALIVE, 1);
	struct sockname from = host(2);

	wire_put_claim(&plain, &sender);
	seal_write(&b->ring, &b->rng, SEAL_REQUEST, NULL, &plain, &sealed, NULL);
	gossip_datagram(b->gossip, &from, sealed.data, sealed.len, 0, WALL);
	cr_assert_eq(count(b)->refused_seal, 1);
	cr_assert_null(gossip_member(b->gossip, &stranger));
	tear_down(b);
}

Test(gossip_engine, who_is_heard_is_a_member)
{
	struct bench *b = set_up();

	receive_claim(b, NULL);
	cr_assert_eq(gossip_member(b->gossip, &stranger)->status, MEMBER_ALIVE);
	cr_assert_eq(gossip_member(b->gossip, &stranger)->addr.port, 7946);
	tear_down(b);
}

Test(gossip_engine, a_sender_with_our_own_id_is_refused)
{
	struct bench *b = set_up();
	_cleanup_(buf_fini) struct buf plain = { 0 };
	struct claim sender = claim_of(store_self(b->store), MEMBER_ALIVE, UINT64_MAX - 1);

	wire_put_claim(&plain, &sender);
	receive(b, &plain);
	cr_assert_eq(count(b)->refused_malformed, 1);
	tear_down(b);
}

Test(gossip_engine, a_broken_message_ends_a_datagram_and_is_counted_once)
{
	struct bench *b = set_up();
	_cleanup_(buf_fini) struct buf plain = { 0 };
	struct claim sender = claim_of(&stranger, MEMBER_ALIVE, 1);

	wire_put_claim(&plain, &sender);
	buf_u8(&plain, WIRE_PING);
	buf_blob(&plain, "short", 5);
	wire_put_ping(&plain, 1, store_self(b->store));
	receive(b, &plain);
	cr_assert_eq(count(b)->refused_malformed, 1);
	cr_assert_eq(drain(b), 0, "the ping behind it was answered");
	tear_down(b);
}

Test(gossip_engine, a_ping_for_somebody_else_is_not_answered)
{
	struct bench *b = set_up();
	_cleanup_(buf_fini) struct buf other = { 0 }, ours = { 0 };
	struct claim sender = claim_of(&stranger, MEMBER_ALIVE, 1);
	struct id somebody = { { 5 } };

	wire_put_claim(&other, &sender);
	wire_put_ping(&other, 1, &somebody);
	receive(b, &other);
	cr_assert_eq(drain(b), 0);
	wire_put_claim(&ours, &sender);
	wire_put_ping(&ours, 1, store_self(b->store));
	receive(b, &ours);
	cr_assert_eq(drain(b), 1);
	tear_down(b);
}

/* Does a datagram that waits to be sent hold this claim? Drains them all. */
static bool says(struct bench *b, const struct id *id, enum member_status status)
{
	_cleanup_(buf_fini) struct buf plain = { 0 };
	struct gossip_output o;
	struct wire_message m;
	struct claim sender;
	bool found = false;

	while (gossip_next_output(b->gossip, &o)) {
		struct cursor c;

		if (o.type != GOSSIP_SEND)
			continue;
		cr_assert_leq(o.len, GOSSIP_DATAGRAM_MAX);
		cr_assert_eq(seal_read(&b->ring, SEAL_DATAGRAM, NULL, o.data, o.len, &plain, NULL),
			     0);
		c = cursor_of(plain.data, plain.len);
		wire_get_claim(&c, &sender);
		while (wire_next(&c, &m))
			found |= m.type == WIRE_MEMBER && id_equal(&m.claim.id, id) &&
				 m.claim.status == status;
		cr_assert(!c.bad);
	}
	return found;
}

/* Runs to the end of all news, so that what is said later is said for a reason of its own. */
static void say_all(struct bench *b)
{
	for (int i = 0; i < 20; i++) {
		b->now += 50;
		receive_claim(b, NULL); /* somebody to tell it to */
		gossip_tick(b->gossip, b->now, WALL);
		drain(b);
	}
}

Test(gossip_engine, the_ack_to_a_suspect_says_that_it_is_one)
{
	struct bench *b = set_up();
	_cleanup_(buf_fini) struct buf ping = { 0 };
	struct claim suspect = claim_of(&stranger, MEMBER_SUSPECT, 1);
	struct claim sender = claim_of(&stranger, MEMBER_ALIVE, 1);

	receive_claim(b, &suspect);
	say_all(b);
	wire_put_claim(&ping, &sender);
	wire_put_ping(&ping, 1, store_self(b->store));
	receive(b, &ping);
	cr_assert(says(b, &stranger, MEMBER_SUSPECT));
	tear_down(b);
}

Test(gossip_engine, the_probe_of_a_suspect_says_that_it_is_one)
{
	struct bench *b = set_up();
	struct claim suspect = claim_of(&stranger, MEMBER_SUSPECT, 1);
	bool told = false;

	receive_claim(b, &suspect);
	say_all(b);
	while (!told && b->now < 3500) {
		b->now += 100;
		gossip_tick(b->gossip, b->now, WALL);
		told = says(b, &stranger, MEMBER_SUSPECT);
	}
	cr_assert(told);
	tear_down(b);
}

Test(gossip_engine, a_member_that_says_where_it_is_is_found_there)
{
	struct bench *b = set_up();
	_cleanup_(buf_fini) struct buf moved = { 0 };
	struct claim sender = claim_of(&stranger, MEMBER_ALIVE, 1);

	receive_claim(b, NULL);
	sender.addr = host(77);
	wire_put_claim(&moved, &sender);
	receive(b, &moved);
	cr_assert_eq(addr_v4(&gossip_member(b->gossip, &stranger)->addr.addr), 0x0a00004d);
	tear_down(b);
}

/* The order of claims, in every order of arrival. */
Test(gossip_engine, of_two_claims_the_greater_holds_in_any_order)
{
	struct bench *b = set_up();
	const struct member *m;
	struct id id = { { 8 } };
	struct claim alive2 = claim_of(&id, MEMBER_ALIVE, 2),
		     suspect2 = claim_of(&id, MEMBER_SUSPECT, 2),
		     alive3 = claim_of(&id, MEMBER_ALIVE, 3), dead3 = claim_of(&id, MEMBER_DEAD, 3),
		     left3 = claim_of(&id, MEMBER_LEFT, 3);

	receive_claim(b, &suspect2);
	m = gossip_member(b->gossip, &id);
	receive_claim(b, &alive2);
	cr_assert_eq(m->status, MEMBER_SUSPECT, "the same incarnation refutes nothing");
	receive_claim(b, &alive3);
	cr_assert_eq(m->status, MEMBER_ALIVE);
	receive_claim(b, &suspect2);
	cr_assert_eq(m->status, MEMBER_ALIVE, "an old suspicion");
	receive_claim(b, &dead3);
	cr_assert_eq(m->status, MEMBER_SUSPECT, "dead about the living is a suspicion");
	receive_claim(b, &dead3);
	cr_assert_eq(m->status, MEMBER_DEAD, "dead about the suspect is death");
	receive_claim(b, &alive3);
	cr_assert_eq(m->status, MEMBER_DEAD);
	receive_claim(b, &left3);
	cr_assert_eq(m->status, MEMBER_LEFT);
	receive_claim(b, &dead3);
	cr_assert_eq(m->status, MEMBER_LEFT);
	tear_down(b);
}

Test(gossip_engine, a_strangers_death_is_no_news)
{
	struct bench *b = set_up();
	struct id id = { { 8 } };
	struct claim dead = claim_of(&id, MEMBER_DEAD, 3), left = claim_of(&id, MEMBER_LEFT, 3);

	receive_claim(b, &dead);
	receive_claim(b, &left);
	cr_assert_null(gossip_member(b->gossip, &id));
	tear_down(b);
}

/* Suspected at time 0 by 1 + others accusers: is it dead at the first tick, which comes at `at`? */
static bool is_buried_at(unsigned int others, uint64_t at)
{
	struct bench *b = set_up();
	struct id id = { { 8 } };
	struct claim c = claim_of(&id, MEMBER_ALIVE, 1);
	bool dead;

	receive_claim(b, &c);
	for (uint8_t i = 0; i < 8; i++) { /* a cluster that could confirm */
		struct id member = { { 0x20, i } };
		struct claim m = claim_of(&member, MEMBER_ALIVE, 1);

		receive_claim(b, &m);
	}
	c.status = MEMBER_SUSPECT;
	for (uint8_t i = 0; i <= others; i++) {
		c.accuser = (struct id){ { 0x20, i } };
		receive_claim(b, &c);
		receive_claim(b, &c); /* saying it twice is no confirmation */
	}
	gossip_tick(b->gossip, at, WALL);
	dead = gossip_member(b->gossip, &id)->status == MEMBER_DEAD;
	tear_down(b);
	return dead;
}

static uint64_t buried_after(unsigned int others)
{
	uint64_t lo = 0, hi = 60000;

	while (lo < hi) {
		uint64_t mid = (lo + hi) / 2;

		if (is_buried_at(others, mid))
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

Test(gossip_engine, every_accuser_shortens_a_suspicion)
{
	uint64_t alone = buried_after(0), two = buried_after(1), three = buried_after(2),
		 four = buried_after(3);

	cr_assert_gt(alone, two);
	cr_assert_gt(two, three);
	cr_assert_eq(three, four, "two confirmations are all that is wished for");
	cr_assert_eq(alone, 24000);
	cr_assert_eq(three, 4000);
}

Test(gossip_engine, a_full_member_table_refuses_newcomers_and_counts)
{
	struct bench *b = set_up();
	const struct member *m;
	uint32_t n = 0;

	while (!count(b)->over_limit && n < 100000) {
		struct id id = { { 1, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n } };
		struct claim c = claim_of(&id, MEMBER_ALIVE, 1);

		receive_claim(b, &c);
		n++;
	}
	cr_assert_eq(gossip_members(b->gossip, &m), 8192);
	for (size_t i = 1; i < 8192; i++)
		cr_assert_lt(id_cmp(&m[i - 1].id, &m[i].id), 0, "members are sorted");
	tear_down(b);
}

Test(gossip_engine, an_output_nobody_drains_stops_growing)
{
	struct bench *b = set_up();

	for (int i = 0; i < 20; i++)
		gossip_seed(b->gossip, &(struct sockname){ host(9).addr, 7946 }, 0);
	cr_assert_eq(count(b)->over_limit, 4, "16 seeds are enough");
	for (int i = 0; i < 5000; i++) {
		b->now += 5000;
		gossip_tick(b->gossip, b->now, WALL);
	}
	cr_assert_eq(drain(b), 4096);
	cr_assert_gt(count(b)->over_limit, 4);
	tear_down(b);
}

static void write_networks(struct bench *b, uint32_t n)
{
	struct err e = { 0 };

	for (uint32_t i = 1; i <= n; i++) {
		_cleanup_(buf_fini) struct buf body = { 0 };
		struct id id = { { 3, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i } };
		struct record_key k = key_of_id(RECORD_NETWORK, &id);
		struct network net = { .id = id, .name = "net", .vni = i };

		prefix_parse("10.0.0.0/8", &net.subnet);
		net.ip_range = net.subnet;
		net.gateway = addr_from_v4(0x0a000001);
		network_encode(&body, &net);
		cr_assert_eq(store_write(b->store, &k, &body, false, WALL, &e), 0, "%s", e.text);
	}
	cr_assert_eq(store_commit(b->store, &e), 0);
	gossip_store_changed(b->gossip, b->now);
}

Test(gossip_engine, more_news_than_the_queue_holds_are_counted)
{
	struct bench *b = set_up();

	write_networks(b, 2048);
	cr_assert_eq(count(b)->over_limit, 0);
	write_networks(b, 2058);
	cr_assert_eq(count(b)->over_limit, 10);
	tear_down(b);
}

/* Asks a request of type `call` for `target`; the status of the reply. */
static int serve(struct bench *b, const struct id *target, uint8_t call, const void *body,
		 size_t len)
{
	_cleanup_(buf_fini) struct buf plain = { 0 }, sealed = { 0 }, reply = { 0 }, open = { 0 };
	struct claim sender = claim_of(&stranger, MEMBER_ALIVE, 1), self;
	uint8_t nonce[SEAL_NONCE_LEN];
	struct sockname from = host(2);
	struct cursor c;

	wire_put_claim(&plain, &sender);
	buf_put(&plain, target->b, sizeof(target->b));
	buf_u8(&plain, call);
	buf_put(&plain, body, len);
	seal_write(&b->ring, &b->rng, SEAL_REQUEST, NULL, &plain, &sealed, nonce);
	cr_assert_eq(gossip_serve(b->gossip, &from, sealed.data, sealed.len, b->now, WALL, &reply),
		     0);
	cr_assert_eq(seal_read(&b->ring, SEAL_REPLY, nonce, reply.data, reply.len, &open, NULL), 0);
	c = cursor_of(open.data, open.len);
	wire_get_claim(&c, &self);
	cr_assert(id_equal(&self.id, store_self(b->store)));
	return -cursor_u16(&c);
}

Test(gossip_engine, calls_it_cannot_answer_are_answered_with_the_reason)
{
	struct bench *b = set_up();
	const struct id *self = store_self(b->store);

	cr_assert_eq(serve(b, self, WIRE_CALL_PING, NULL, 0), 0);
	cr_assert_eq(serve(b, &stranger, WIRE_CALL_PING, NULL, 0), -EHOSTUNREACH);
	cr_assert_eq(serve(b, self, 99, NULL, 0), -EOPNOTSUPP);
	cr_assert_eq(serve(b, self, WIRE_CALL_DIGEST, "short", 5), -EBADMSG);
	cr_assert_eq(serve(b, self, WIRE_CALL_EXCHANGE, "", 0), -EBADMSG);
	cr_assert_eq(serve(b, self, WIRE_CALL_ASK, "12345678please", 14), -ESTALE);
	cr_assert_eq(count(b)->refused_malformed, 2);
	cr_assert_eq(count(b)->calls_in, 6);
	tear_down(b);
}

Test(gossip_engine, whose_calls_were_served_is_known_by_member)
{
	struct bench *b = set_up();

	cr_assert_eq(gossip_heard_call(b->gossip, &stranger), 0);
	b->now = 700;
	cr_assert_eq(serve(b, store_self(b->store), WIRE_CALL_PING, NULL, 0), 0);
	cr_assert_eq(gossip_heard_call(b->gossip, &stranger), 700);
	receive_claim(b, NULL);
	cr_assert_eq(gossip_heard_call(b->gossip, &stranger), 700, "datagrams are no calls");
	tear_down(b);
}

static void acknowledge(struct bench *b, uint32_t number)
{
	_cleanup_(buf_fini) struct buf plain = { 0 };
	struct claim sender = claim_of(&stranger, MEMBER_ALIVE, 1);

	wire_put_claim(&plain, &sender);
	wire_put_ack(&plain, WIRE_ACK, number);
	receive(b, &plain);
}

Test(gossip_engine, a_ping_that_was_asked_for_is_known_to_be_answered_or_not)
{
	struct bench *b = set_up();
	uint32_t first, second;

	cr_assert_eq(gossip_ping(b->gossip, &stranger, 0), 0, "it is no member yet");
	receive_claim(b, NULL);
	drain(b);
	first = gossip_ping(b->gossip, &stranger, 0);
	cr_assert_neq(first, 0);
	cr_assert_eq(drain(b), 1);
	cr_assert_not(gossip_pinged(b->gossip, &stranger, first));
	acknowledge(b, first + 1);
	cr_assert_not(gossip_pinged(b->gossip, &stranger, first));
	acknowledge(b, first);
	cr_assert(gossip_pinged(b->gossip, &stranger, first));
	second = gossip_ping(b->gossip, &stranger, 0);
	cr_assert_not(gossip_pinged(b->gossip, &stranger, second));
	tear_down(b);
}

Test(gossip_engine, knocking_goes_by_udp_and_by_tcp)
{
	struct bench *b = set_up();
	struct gossip_output o;
	int sends = 0, calls = 0;

	gossip_knock(b->gossip, &stranger, 0);
	cr_assert_eq(drain(b), 0, "it is no member yet");
	receive_claim(b, NULL);
	drain(b);
	gossip_knock(b->gossip, &stranger, 0);
	while (gossip_next_output(b->gossip, &o))
		*(o.type == GOSSIP_SEND ? &sends : &calls) += 1;
	cr_assert_eq(sends, 1);
	cr_assert_eq(calls, 1);
	tear_down(b);
}

Test(gossip_engine, a_request_that_does_not_open_is_hung_up_on)
{
	struct bench *b = set_up();
	_cleanup_(buf_fini) struct buf reply = { 0 };
	struct sockname from = host(2);

	cr_assert_eq(gossip_serve(b->gossip, &from, "GET / HTTP/1.1\r\n\r\n", 18, 0, WALL, &reply),
		     -EBADMSG);
	cr_assert_eq(reply.len, 0);
	cr_assert_eq(count(b)->refused_seal, 1);
	tear_down(b);
}

Test(gossip_engine, a_record_nobody_may_write_is_refused_and_counted)
{
	struct bench *b = set_up();
	_cleanup_(buf_fini) struct buf plain = { 0 }, body = { 0 };
	struct claim sender = claim_of(&stranger, MEMBER_ALIVE, 1);
	struct id victim = { { 0x66 } };
	struct node node = { .id = victim, .name = "x", .addr = host(3).addr, .gossip_port = 7946 };
	struct record r = { .key = key_of_id(RECORD_NODE, &victim), .stamp = { 1, 1 },
			    .writer = stranger };

	node_encode(&body, &node);
	r.body = body.data;
	r.body_len = (uint16_t)body.len;
	wire_put_claim(&plain, &sender);
	wire_put_record(&plain, &r);
	receive(b, &plain);
	cr_assert_eq(count(b)->refused_record, 1);
	cr_assert_null(gossip_member(b->gossip, &victim));
	tear_down(b);
}

Test(gossip_engine, a_removed_node_is_not_brought_back_by_hearsay)
{
	struct bench *b = set_up();
	_cleanup_(buf_fini) struct buf body = { 0 };
	struct id id = { { 8 } };
	struct node node = { .id = id, .name = "x", .addr = host(3).addr, .gossip_port = 7946 };
	struct record_key k = key_of_id(RECORD_NODE, &id);
	struct claim c = claim_of(&id, MEMBER_ALIVE, 9);
	struct err e = { 0 };

	node_encode(&body, &node);
	cr_assert_eq(store_write(b->store, &k, &body, true, WALL, &e), 0, "%s", e.text);
	receive_claim(b, &c);
	cr_assert_null(gossip_member(b->gossip, &id));
	tear_down(b);
}

Test(gossip_engine, the_deadline_moves_on_with_every_tick)
{
	struct bench *b = set_up();

	receive_claim(b, NULL);
	for (int i = 0; i < 1000; i++) {
		uint64_t at = gossip_deadline(b->gossip);

		cr_assert(at != UINT64_MAX && at < b->now + 10000);
		b->now = at > b->now ? at : b->now;
		gossip_tick(b->gossip, b->now, WALL);
		drain(b);
		cr_assert_gt(gossip_deadline(b->gossip), b->now);
	}
	tear_down(b);
}

Test(gossip_engine, a_member_without_record_is_forgotten_a_day_after_its_death)
{
	struct bench *b = set_up();
	struct id id = { { 8 } };
	struct claim c = claim_of(&id, MEMBER_ALIVE, 1);

	receive_claim(b, &c);
	c.status = MEMBER_LEFT;
	receive_claim(b, &c);
	cr_assert_not_null(gossip_member(b->gossip, &id));
	b->now = 23ull * 3600 * 1000;
	gossip_tick(b->gossip, b->now, WALL);
	cr_assert_not_null(gossip_member(b->gossip, &id));
	b->now = 25ull * 3600 * 1000;
	gossip_tick(b->gossip, b->now, WALL);
	cr_assert_null(gossip_member(b->gossip, &id));
	tear_down(b);
}

Test(gossip_engine, after_leaving_it_is_deaf_and_mute)
{
	struct bench *b = set_up();

	receive_claim(b, NULL);
	gossip_leave(b->gossip, b->now);
	cr_assert_gt(drain(b), 0);
	receive_claim(b, NULL);
	gossip_tick(b->gossip, 100000, WALL);
	cr_assert_eq(drain(b), 0);
	cr_assert_eq(gossip_deadline(b->gossip), UINT64_MAX);
	tear_down(b);
}
