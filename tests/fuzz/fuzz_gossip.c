// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Everything the gossip engine takes from the network. The input is a list of
 * steps: u8 what, u16 length, bytes. Most steps are sealed here with the engine's
 * own key, behind a good claim of their sender, because no fuzzer guesses a tag:
 * what is tested is what a broken or hostile member could send.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "gossip/seal.h"
#include "gossip/wire.h"

#define WALL 1750000000000ull

enum step {
	STEP_RAW_DATAGRAM,
	STEP_RAW_REQUEST,
	STEP_DATAGRAM,   /* messages behind a claim */
	STEP_PLAIN,      /* a whole plaintext, the claim too */
	STEP_REQUEST,    /* call and body */
	STEP_REPLY,      /* status and body, to the call that is under way */
	STEP_TIME,       /* so many ms later */
	STEP_COUNT,
};

struct world {
	struct store *store;
	struct gossip *gossip;
	struct keyring ring;
	struct rng rng;
	uint64_t now;
	uint64_t call;   /* the newest one, 0: none */
	uint8_t nonce[SEAL_NONCE_LEN];
};

static const uint8_t key[1][GOSSIP_KEY_LEN] = { { 42 } };
static const struct id peer = { { 0x77 } };

static struct sockname host(uint32_t n)
{
	return (struct sockname){ .addr = addr_from_v4(0x0a000000 + n), .port = 7946 };
}

static void put_claim(struct buf *b, const struct id *id)
{
	struct claim c = { .id = *id, .addr = host(2), .incarnation = 1 };

	wire_put_claim(b, &c);
}

/* Some records of its own, so that a sync has something to compare. */
static void fill_store(struct world *w)
{
	struct err e = { 0 };

	for (uint8_t i = 1; i < 20; i++) {
		_cleanup_(buf_fini) struct buf body = { 0 };
		struct id id = { { i } };
		struct record_key k = key_of_id(RECORD_NETWORK, &id);
		struct network net = { .id = id, .name = "net", .vni = i };

		prefix_parse("10.0.0.0/8", &net.subnet);
		net.ip_range = net.subnet;
		net.gateway = addr_from_v4(0x0a000001);
		network_encode(&body, &net);
		store_write(w->store, &k, &body, false, WALL, &e);
	}
	store_commit(w->store, &e);
	gossip_store_changed(w->gossip, w->now);
}

static int on_call(void *ctx, const struct id *from, struct cursor request, struct buf *reply)
{
	(void)ctx;
	(void)from;
	buf_put(reply, request.p, cursor_left(&request));
	return 0;
}

/* Remembers the newest call: its nonce stands in the envelope, its callee is the peer. */
static void drain(struct world *w)
{
	struct gossip_output o;

	while (gossip_next_output(w->gossip, &o)) {
		if (o.type != GOSSIP_CALL)
			continue;
		w->call = o.call;
		memcpy(w->nonce, o.data + SEAL_HEADER_LEN - SEAL_NONCE_LEN, SEAL_NONCE_LEN);
	}
}

static void set_up(struct world *w)
{
	struct gossip_config config = { .timing = GOSSIP_LAN, .self = host(1), .key_count = 1,
					.on_call = on_call };
	_cleanup_(buf_fini) struct buf hello = { 0 }, sealed = { 0 };
	struct sockname from = host(2);
	struct err e = { 0 };

	*w = (struct world){ .now = 1 };
	memcpy(config.key[0], key[0], sizeof(key[0]));
	rng_init_u64(&w->rng, 1);
	keyring_set(&w->ring, 1, key);
	if (store_open(NULL, &w->rng, &w->store, &e) ||
	    gossip_new(&config, w->store, &w->rng, 0, &w->gossip))
		abort();
	fill_store(w);
	put_claim(&hello, &peer);
	seal_write(&w->ring, &w->rng, SEAL_DATAGRAM, NULL, &hello, &sealed, NULL);
	gossip_datagram(w->gossip, &from, sealed.data, sealed.len, w->now, WALL);
	w->now += 1000;
	gossip_tick(w->gossip, w->now, WALL); /* begins the first sync */
	drain(w);
}

static void datagram(struct world *w, const struct buf *plain)
{
	_cleanup_(buf_fini) struct buf sealed = { 0 };
	struct sockname from = host(2);

	seal_write(&w->ring, &w->rng, SEAL_DATAGRAM, NULL, plain, &sealed, NULL);
	gossip_datagram(w->gossip, &from, sealed.data, sealed.len, w->now, WALL);
}

static void request(struct world *w, struct cursor data)
{
	_cleanup_(buf_fini) struct buf plain = { 0 }, sealed = { 0 }, reply = { 0 };
	struct sockname from = host(2);

	put_claim(&plain, &peer);
	buf_put(&plain, store_self(w->store)->b, 16);
	buf_put(&plain, data.p, cursor_left(&data));
	seal_write(&w->ring, &w->rng, SEAL_REQUEST, NULL, &plain, &sealed, NULL);
	gossip_serve(w->gossip, &from, sealed.data, sealed.len, w->now, WALL, &reply);
}

static void reply(struct world *w, struct cursor data)
{
	_cleanup_(buf_fini) struct buf plain = { 0 }, sealed = { 0 };

	put_claim(&plain, &peer);
	buf_put(&plain, data.p, cursor_left(&data));
	seal_write(&w->ring, &w->rng, SEAL_REPLY, w->nonce, &plain, &sealed, NULL);
	gossip_call_done(w->gossip, w->call, 0, sealed.data, sealed.len, w->now, WALL);
}

static void take_step(struct world *w, uint8_t what, struct cursor data)
{
	_cleanup_(buf_fini) struct buf plain = { 0 }, out = { 0 };
	struct sockname from = host(2);
	struct err e = { 0 };

	switch (what % STEP_COUNT) {
	case STEP_RAW_DATAGRAM:
		gossip_datagram(w->gossip, &from, data.p, cursor_left(&data), w->now, WALL);
		break;
	case STEP_RAW_REQUEST:
		gossip_serve(w->gossip, &from, data.p, cursor_left(&data), w->now, WALL, &out);
		break;
	case STEP_DATAGRAM:
		put_claim(&plain, &peer);
		/* fall through */
	case STEP_PLAIN:
		buf_put(&plain, data.p, cursor_left(&data));
		datagram(w, &plain);
		break;
	case STEP_REQUEST:
		request(w, data);
		break;
	case STEP_REPLY:
		reply(w, data);
		break;
	case STEP_TIME:
		w->now += cursor_u16(&data);
		gossip_tick(w->gossip, w->now, WALL);
		break;
	}
	store_commit(w->store, &e);
	gossip_store_changed(w->gossip, w->now);
	drain(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c = cursor_of(data, size);
	struct world w;

	set_up(&w);
	for (int i = 0; i < 32 && cursor_left(&c); i++) {
		uint8_t what = cursor_u8(&c);
		size_t len = cursor_u16(&c), left = cursor_left(&c);

		if (len > left)
			len = left; /* the last step takes what there is */
		take_step(&w, what, cursor_of(c.p, len));
		cursor_take(&c, len);
	}
	gossip_free(w.gossip);
	store_close(w.store);
	return 0;
}
