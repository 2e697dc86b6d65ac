/* SPDX-License-Identifier: GPL-2.0-or-later */
/* serve/gossipd with the real engine and stores, over loopback in a namespace of its own. */
#include <criterion/criterion.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "serve/gossipd.h"
#include "serve/gossipd_limits.h"
#include "serve/sock.h"

#define GUARD_MS 20000 /* a test that hangs ends here; none waits for it */
#define PORT 7946

static const uint8_t token_one[TOKEN_SECRET_LEN] = "the token of this cluster......";
static const uint8_t token_two[TOKEN_SECRET_LEN] = "the token of somebody else.....";

struct daemon {
	struct sockname name;
	struct rng rng;
	struct store *store;
	struct gossip *gossip;
	struct gossipd *gossipd;
};

struct world {
	struct loop *loop;
	struct loop_timer *guard;
	struct daemon a, b;
	bool (*over)(struct world *w); /* asked before each wait */
	bool joined;
	struct err join_error;
};

static void enter_own_netns(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	_cleanup_(closep) int fd = -1;

	cr_assert_eq(unshare(CLONE_NEWNET), 0, "this test needs root: %s", strerror(errno));
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	cr_assert_eq(ioctl(fd, SIOCSIFFLAGS, &ifr), 0);
}

static void on_guard(void *arg)
{
	(void)arg;
	cr_assert_fail("nothing happened for %d ms", GUARD_MS);
}

static void before_wait(void *arg)
{
	struct world *w = arg;

	if (w->over && w->over(w))
		loop_stop(w->loop, 0);
}

static int no_calls(void *ctx, const struct id *from, struct cursor request, struct buf *reply)
{
	(void)ctx;
	(void)from;
	(void)request;
	(void)reply;
	return -EOPNOTSUPP;
}

/* A LAN's figures, thirty times as fast. */
static const struct gossip_timing brisk = {
	.probe_interval = 30, .probe_timeout = 15, .indirect_probes = 3, .suspicion_mult = 4,
	.gossip_interval = 6, .gossip_fanout = 3, .retransmit_mult = 4, .sync_interval = 100,
	.reconnect_interval = 50, .call_timeout = 1000,
};

static void write_cluster(struct daemon *d, const uint8_t token[TOKEN_SECRET_LEN], uint64_t wall)
{
	struct record_key key = key_of_id(RECORD_CLUSTER, &(struct id){ { 0 } });
	struct gossip_ring ring = { .key_count = 1 };
	struct cluster c = { 0 };
	struct buf body = { 0 };

	rng_bytes(&d->rng, &c.id, sizeof(c.id));
	rng_bytes(&d->rng, ring.key[0], GOSSIP_KEY_LEN);
	memcpy(c.token_secret, token, TOKEN_SECRET_LEN);
	cluster_encode(&body, &c);
	cr_assert_eq(store_write(d->store, &key, &body, false, wall, NULL), 0);
	buf_reset(&body);
	key = key_of_id(RECORD_RING, &(struct id){ { 0 } });
	ring_encode(&body, &ring);
	cr_assert_eq(store_write(d->store, &key, &body, false, wall, NULL), 0);
	buf_fini(&body);
}

static void write_node(struct daemon *d, const char *name, uint64_t wall)
{
	struct node n = { .id = *store_self(d->store), .addr = d->name.addr,
			  .gossip_port = PORT, .vxlan_port = 4789, .uplink_mtu = 1500,
			  .joined_ms = wall };
	struct record_key key = key_of_id(RECORD_NODE, &n.id);
	struct buf body = { 0 };

	snprintf(n.name, sizeof(n.name), "%s", name);
	node_encode(&body, &n);
	cr_assert_eq(store_write(d->store, &key, &body, false, wall, NULL), 0);
	cr_assert_eq(store_commit(d->store, NULL), 0);
	buf_fini(&body);
}

static void daemon_init(struct daemon *d, uint32_t addr)
{
	d->name = (struct sockname){ addr_from_v4(addr), PORT };
	rng_init_u64(&d->rng, addr);
	cr_assert_eq(store_open(NULL, &d->rng, &d->store, NULL), 0);
}

static void daemon_start(struct world *w, struct daemon *d, const struct gossipd_limits *limits)
{
	const struct gossip_ring *ring = store_view(d->store)->ring;
	struct gossip_config config = { .timing = brisk, .self = d->name, .on_call = no_calls };
	struct err e = { 0 };

	cr_assert_not_null(ring);
	config.key_count = ring->key_count;
	memcpy(config.key, ring->key, sizeof(config.key));
	cr_assert_eq(gossip_new(&config, d->store, &d->rng, loop_now_ms(w->loop), &d->gossip), 0);
	cr_assert_eq(gossipd_new_limited(w->loop, d->gossip, d->store, &d->name, limits,
					 &d->gossipd, &e), 0, "%s", e.text);
}

static void daemon_fini(struct daemon *d)
{
	gossipd_free(d->gossipd);
	if (d->gossip)
		gossip_free(d->gossip);
	store_close(d->store);
}

/* Node a runs, alone in its cluster; node b has an empty store. */
static void world_init(struct world *w, const struct gossipd_limits *limits)
{
	enter_own_netns();
	*w = (struct world){ 0 };
	cr_assert_eq(loop_new(&w->loop), 0);
	cr_assert_eq(loop_before_wait(w->loop, before_wait, w), 0);
	cr_assert_eq(loop_timer_new(w->loop, loop_now_ms(w->loop) + GUARD_MS, on_guard, w, &w->guard),
		     0);
	daemon_init(&w->a, 0x7f000001);
	daemon_init(&w->b, 0x7f000002);
	write_cluster(&w->a, token_one, loop_wall_ms(w->loop));
	write_node(&w->a, "alpha", loop_wall_ms(w->loop));
	daemon_start(w, &w->a, limits);
}

static void world_fini(struct world *w)
{
	daemon_fini(&w->b);
	daemon_fini(&w->a);
	loop_timer_free(w->guard);
	loop_free(w->loop);
}

static void on_joined(void *arg, const struct err *e)
{
	struct world *w = arg;

	cr_assert_not(w->joined, "done() ran twice");
	w->joined = true;
	if (e)
		w->join_error = *e;
	loop_stop(w->loop, 0);
}

/* Node b asks node a, as `name`, with a token. */
static void join(struct world *w, const char *name, const uint8_t token[TOKEN_SECRET_LEN])
{
	struct join_request r = { .id = *store_self(w->b.store), .addr = w->b.name };

	snprintf(r.name, sizeof(r.name), "%s", name);
	snprintf(r.version, sizeof(r.version), "0.1.0");
	cr_assert_eq(gossipd_join(w->loop, w->b.store, &w->a.name, token, &r, on_joined, w), 0);
	cr_assert_not(w->joined, "done() must not run inside the call");
	cr_assert_eq(loop_run(w->loop), 0);
}

Test(gossipd, right_token_brings_the_cluster_and_its_nodes)
{
	struct world w;

	world_init(&w, &GOSSIPD_LIMITS);
	join(&w, "beta", token_one);
	cr_assert_eq(w.join_error.code, 0, "%s", w.join_error.text);
	cr_assert_not_null(store_view(w.b.store)->cluster);
	cr_assert_not_null(view_node_by_name(store_view(w.b.store), "alpha"));
	cr_assert_eq(gossipd_counters(w.a.gossipd)->joins_answered, 1);
	world_fini(&w);
}

Test(gossipd, wrong_token_is_refused_with_the_way_out)
{
	struct world w;

	world_init(&w, &GOSSIPD_LIMITS);
	join(&w, "beta", token_two);
	cr_assert_eq(w.join_error.code, -EACCES);
	cr_assert_str_eq(w.join_error.text,
			 "the token was not accepted by 127.0.0.1:7946; print the current one with "
			 "`overlayctl cluster token`");
	cr_assert_null(store_view(w.b.store)->cluster);
	world_fini(&w);
}

static bool a_has_counted_a_refusal(struct world *w)
{
	return gossipd_counters(w->a.gossipd)->joins_refused > 0;
}

Test(gossipd, wrong_token_is_counted)
{
	struct world w;

	world_init(&w, &GOSSIPD_LIMITS);
	join(&w, "beta", token_two);
	w.over = a_has_counted_a_refusal;
	cr_assert_eq(loop_run(w.loop), 0);
	cr_assert_eq(gossipd_counters(w.a.gossipd)->joins_answered, 0);
	world_fini(&w);
}

Test(gossipd, token_rotated_a_moment_ago_is_refused)
{
	struct world w;

	world_init(&w, &GOSSIPD_LIMITS);
	write_cluster(&w.a, token_two, loop_wall_ms(w.loop) + 1);
	join(&w, "beta", token_one);
	cr_assert_eq(w.join_error.code, -EACCES);
	world_fini(&w);
}

Test(gossipd, taken_name_is_refused_by_the_server)
{
	struct world w;

	world_init(&w, &GOSSIPD_LIMITS);
	join(&w, "alpha", token_one);
	cr_assert_neq(w.join_error.code, 0);
	cr_assert(strstr(w.join_error.text, "alpha"), "%s", w.join_error.text);
	cr_assert_eq(gossipd_counters(w.a.gossipd)->joins_refused, 1);
	world_fini(&w);
}

Test(gossipd, join_where_nobody_listens_says_so)
{
	struct world w;

	world_init(&w, &GOSSIPD_LIMITS);
	w.a.name.port = 1;
	join(&w, "beta", token_one);
	cr_assert_eq(w.join_error.code, -ECONNREFUSED);
	cr_assert(strstr(w.join_error.text, "127.0.0.1:1"), "%s", w.join_error.text);
	world_fini(&w);
}

static bool both_alive(struct world *w)
{
	const struct member *a = gossip_member(w->a.gossip, store_self(w->b.store));
	const struct member *b = gossip_member(w->b.gossip, store_self(w->a.store));

	return a && b && a->status == MEMBER_ALIVE && b->status == MEMBER_ALIVE &&
	       gossip_in_sync(w->a.gossip) && gossip_in_sync(w->b.gossip) &&
	       view_node_by_name(store_view(w->a.store), "beta");
}

Test(gossipd, joined_nodes_find_each_other_and_agree)
{
	struct world w;

	world_init(&w, &GOSSIPD_LIMITS);
	join(&w, "beta", token_one);
	cr_assert_eq(w.join_error.code, 0, "%s", w.join_error.text);
	write_node(&w.b, "beta", loop_wall_ms(w.loop));
	daemon_start(&w, &w.b, &GOSSIPD_LIMITS);
	w.over = both_alive;
	cr_assert_eq(loop_run(w.loop), 0);
	cr_assert_gt(gossip_counters(w.a.gossip)->syncs + gossip_counters(w.b.gossip)->syncs, 0);
	world_fini(&w);
}

static bool a_refused_a_seal(struct world *w)
{
	return gossip_counters(w->a.gossip)->refused_seal +
	       gossip_counters(w->a.gossip)->refused_version +
	       gossip_counters(w->a.gossip)->refused_malformed > 0;
}

static void send_foreign(const struct world *w, int type, const void *data, size_t len)
{
	struct sockaddr_storage ss;
	socklen_t slen = sockname_to_sockaddr(&w->a.name, &ss);
	int fd = socket(AF_INET, type, 0);

	cr_assert_eq(connect(fd, (struct sockaddr *)&ss, slen), 0);
	cr_assert_eq(send(fd, data, len, 0), (ssize_t)len);
	close(fd);
}

Test(gossipd, foreign_datagram_is_counted_and_dropped)
{
	struct world w;
	uint8_t junk[1400];

	world_init(&w, &GOSSIPD_LIMITS);
	memset(junk, 0x5a, sizeof(junk));
	send_foreign(&w, SOCK_DGRAM, junk, sizeof(junk));
	w.over = a_refused_a_seal;
	cr_assert_eq(loop_run(w.loop), 0);
	world_fini(&w);
}

static bool a_refused_a_stream(struct world *w)
{
	return a_refused_a_seal(w) && gossipd_counters(w->a.gossipd)->streams_refused > 0;
}

Test(gossipd, foreign_stream_message_is_counted_and_hung_up_on)
{
	struct world w;
	uint8_t junk[104] = { 0, 0, 0, 100, 0x5a };

	world_init(&w, &GOSSIPD_LIMITS);
	send_foreign(&w, SOCK_STREAM, junk, sizeof(junk));
	w.over = a_refused_a_stream;
	cr_assert_eq(loop_run(w.loop), 0);
	world_fini(&w);
}

/* Two connections that say nothing fill node a; the join waits in the backlog until they end. */
Test(gossipd, full_server_serves_again_when_silent_connections_are_closed)
{
	struct gossipd_limits limits = GOSSIPD_LIMITS;
	struct sockaddr_storage ss;
	struct world w;
	socklen_t len;
	int held[2];

	limits.in.count = 2;
	limits.in.idle_ms = 20;
	world_init(&w, &limits);
	len = sockname_to_sockaddr(&w.a.name, &ss);
	for (int i = 0; i < 2; i++) {
		held[i] = socket(AF_INET, SOCK_STREAM, 0);
		cr_assert_eq(connect(held[i], (struct sockaddr *)&ss, len), 0);
	}
	join(&w, "beta", token_one);
	cr_assert_eq(w.join_error.code, 0, "%s", w.join_error.text);
	cr_assert_eq(gossipd_counters(w.a.gossipd)->streams_refused, 2);
	close(held[0]);
	close(held[1]);
	world_fini(&w);
}

Test(gossipd, port_in_use_is_named_with_its_address)
{
	struct gossipd *second = NULL;
	struct err e = { 0 };
	struct world w;

	world_init(&w, &GOSSIPD_LIMITS);
	cr_assert_eq(gossipd_new(w.loop, w.a.gossip, w.a.store, &w.a.name, &second, &e),
		     -EADDRINUSE);
	cr_assert(strstr(e.text, "7946") && strstr(e.text, "127.0.0.1"), "%s", e.text);
	cr_assert_null(second);
	world_fini(&w);
}

Test(gossipd, address_of_another_host_is_named)
{
	struct sockname far = { addr_from_v4(0xc0000201), PORT }; /* 192.0.2.1, RFC 5737 */
	struct gossipd *second = NULL;
	struct err e = { 0 };
	struct world w;

	world_init(&w, &GOSSIPD_LIMITS);
	cr_assert_eq(gossipd_new(w.loop, w.a.gossip, w.a.store, &far, &second, &e),
		     -EADDRNOTAVAIL);
	cr_assert(strstr(e.text, "192.0.2.1") && strstr(e.text, "--advertise"), "%s", e.text);
	world_fini(&w);
}
