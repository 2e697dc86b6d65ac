// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The engine: what comes in is opened, counted and handed to the file that knows
 * about it; what goes out waits in a queue that the owner drains.
 *
 *      bytes, time                                        bytes, deadline
 *          |                                                     ^
 *      seal_read -> wire_next -+-> probe.c    who answers        |
 *                              +-> member.c   who is there   -> update.c -> seal_write
 *                              +-> record.c   what is known  -> (store)
 *      gossip_serve, call_done +-> call.c --> sync.c  what was missed
 *
 * Three mechanisms share the work. SWIM (probe.c, suspect.c, member.c) says who
 * lives. Updates (update.c) carry news to everybody in about log n rounds, on the
 * back of the probes. Anti-entropy (sync.c) repairs what the updates lost; it
 * alone would be enough, only slower.
 *
 * Records are the store's business. The engine sends only what the store has
 * committed, and learns of local changes by gossip_store_changed.
 */
#include "engine.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

const struct gossip_timing GOSSIP_LAN = {
	.probe_interval = 1000,
	.probe_timeout = 500,
	.indirect_probes = 3,
	.suspicion_mult = 4,
	.gossip_interval = 200,
	.gossip_fanout = 3,
	.retransmit_mult = 4,
	.sync_interval = 10000,
	.reconnect_interval = 5000,
	.call_timeout = 5000,
};

#define LEAVE_FANOUT 8  /* members that are told goodbye themselves */
#define LEAVE_BURST 16  /* datagrams to each, for what was not told yet */

/* ---- out ---- */

static void output_free(struct output *o)
{
	if (!o)
		return;
	buf_fini(&o->bytes);
	free(o);
}

static bool output_add(struct gossip *g, const struct gossip_output *what, struct buf *sealed)
{
	struct output *o = calloc(1, sizeof(*o));

	if (!o)
		return false;
	o->bytes = *sealed;
	*sealed = (struct buf){ 0 };
	o->o = *what;
	o->o.data = o->bytes.data;
	o->o.len = o->bytes.len;
	*g->out_tail = o;
	g->out_tail = &o->next;
	g->out_count++;
	return true;
}

void output_call(struct gossip *g, const struct sockname *to, uint64_t call, struct buf *sealed)
{
	struct gossip_output o = { .type = GOSSIP_CALL, .to = *to, .call = call };

	output_add(g, &o, sealed); /* if not: the call ends at its deadline */
}

void datagram_begin(struct gossip *g, struct buf *b)
{
	struct claim self = peer_claim(&g->self);

	wire_put_claim(b, &self);
}

static void seal_datagram(struct gossip *g, const struct sockname *to, const struct buf *b)
{
	_cleanup_(buf_fini) struct buf sealed = { 0 };
	struct gossip_output o = { .type = GOSSIP_SEND, .to = *to };

	if (g->out_count >= OUTPUTS_MAX) {
		g->count.over_limit++;
		return;
	}
	if (seal_write(&g->ring_keys, &g->rng, SEAL_DATAGRAM, NULL, b, &sealed, NULL))
		return;
	if (output_add(g, &o, &sealed))
		g->count.datagrams_out++;
}

bool datagram_send_more(struct gossip *g, const struct sockname *to, struct buf *b)
{
	bool more = update_fill(g, b);

	seal_datagram(g, to, b);
	return more;
}

void datagram_send(struct gossip *g, const struct sockname *to, struct buf *b)
{
	g->burst++;
	datagram_send_more(g, to, b);
}

bool gossip_next_output(struct gossip *g, struct gossip_output *ret_output)
{
	struct output *o = g->out;

	output_free(g->out_current);
	g->out_current = o;
	if (!o)
		return false;
	g->out = o->next;
	if (!g->out)
		g->out_tail = &g->out;
	g->out_count--;
	*ret_output = o->o;
	return true;
}

/* ---- in ---- */

int engine_open(struct gossip *g, enum seal_channel channel, const uint8_t *bind, const void *data,
		size_t len, uint8_t *ret_nonce)
{
	size_t max = channel == SEAL_DATAGRAM ? GOSSIP_DATAGRAM_MAX : GOSSIP_STREAM_MAX;
	int r;

	if (len > max) {
		g->count.refused_malformed++;
		return -EMSGSIZE;
	}
	r = seal_read(&g->ring_keys, channel, bind, data, len, &g->plain, ret_nonce);
	if (r == -EPROTONOSUPPORT)
		g->count.refused_version++;
	else if (r)
		g->count.refused_seal++;
	return r;
}

int engine_hear_sender(struct gossip *g, struct cursor *c, struct claim *ret_sender)
{
	wire_get_claim(c, ret_sender);
	/* Nobody says of itself that it is suspect or dead, or has our name. */
	if (c->bad || id_equal(&ret_sender->id, &g->self.m.id) ||
	    (ret_sender->status != MEMBER_ALIVE && ret_sender->status != MEMBER_LEFT)) {
		g->count.refused_malformed++;
		return -EBADMSG;
	}
	if (member_is_removed(g, &ret_sender->id)) {
		g->count.refused_removed++;
		return -EACCES;
	}
	member_hear_sender(g, ret_sender);
	return 0;
}

/* A removed node learns why nobody answers; beside it no news goes to such a node. */
static void tell_removed(struct gossip *g, const struct sockname *from, const struct id *id)
{
	_cleanup_(buf_fini) struct buf b = { 0 };
	struct record_key key = key_of_id(RECORD_NODE, id);
	struct record r;

	if (store_get(g->store, &key, &r))
		return;
	datagram_begin(g, &b);
	wire_put_record(&b, &r);
	if (b.len <= DATAGRAM_PLAIN_MAX)
		seal_datagram(g, from, &b);
}

static void dispatch(struct gossip *g, const struct claim *sender, const struct sockname *from,
		     const struct wire_message *m)
{
	switch (m->type) {
	case WIRE_PING:
		probe_on_ping(g, sender, from, m->number, &m->target);
		break;
	case WIRE_PING_REQ:
		probe_on_ping_req(g, from, m);
		break;
	case WIRE_ACK:
		probe_on_ack(g, &sender->id, m->number);
		break;
	case WIRE_NACK:
		probe_on_nack(g, m->number);
		break;
	case WIRE_MEMBER:
		member_hear(g, &m->claim);
		break;
	case WIRE_RECORD:
		record_hear(g, &m->record);
		break;
	case WIRE_STAMP:
		record_hear_version(g, sender, &m->version);
		break;
	}
}

void gossip_datagram(struct gossip *g, const struct sockname *from, const void *data, size_t len,
		     uint64_t now, uint64_t wall_ms)
{
	struct wire_message m;
	struct claim sender;
	struct cursor c;
	int r;

	g->now = now;
	g->wall = wall_ms;
	g->count.datagrams_in++;
	if (g->left || engine_open(g, SEAL_DATAGRAM, NULL, data, len, NULL))
		return;
	c = cursor_of(g->plain.data, g->plain.len);
	r = engine_hear_sender(g, &c, &sender);
	if (r == -EACCES)
		tell_removed(g, from, &sender.id);
	if (r)
		return;
	while (wire_next(&c, &m))
		dispatch(g, &sender, from, &m);
	g->count.refused_malformed += c.bad;
}

void gossip_store_changed(struct gossip *g, uint64_t now)
{
	g->now = now;
	if (!g->left)
		update_take_announced(g);
}

/* ---- time ---- */

void gossip_tick(struct gossip *g, uint64_t now, uint64_t wall_ms)
{
	g->now = now;
	g->wall = wall_ms;
	call_tick(g);
	if (g->left)
		return;
	update_take_announced(g);
	probe_tick(g);
	suspect_tick(g);
	sync_tick(g);
	update_tick(g);
}

uint64_t gossip_deadline(const struct gossip *g)
{
	uint64_t first = call_deadline(g);

	if (g->left)
		return first;
	first = min_u64(first, probe_deadline(g));
	first = min_u64(first, suspect_deadline(g));
	first = min_u64(first, sync_deadline(g));
	return min_u64(first, update_deadline(g));
}

/* ---- life ---- */

void gossip_set_keys(struct gossip *g, uint8_t count, uint8_t key[][GOSSIP_KEY_LEN])
{
	keyring_set(&g->ring_keys, count, (const uint8_t(*)[GOSSIP_KEY_LEN])key);
}

void gossip_seed(struct gossip *g, const struct sockname *addr, uint64_t now)
{
	g->now = now;
	if (g->seed_count >= SEEDS_MAX) {
		g->count.over_limit++;
		return;
	}
	g->seed[g->seed_count++] = *addr;
	if (memcmp(addr, &g->self.m.addr, sizeof(*addr)))
		probe_seed(g, addr);
}

/*
 * The claim at the head of every datagram now says "left". Our own tombstone, if
 * there is one, goes last: whoever has it does not listen to us any more.
 */
void gossip_leave(struct gossip *g, uint64_t now)
{
	struct record_key own = key_of_id(RECORD_NODE, &g->self.m.id);
	struct peer *to[LEAVE_FANOUT];
	size_t count;

	g->now = now;
	if (g->left)
		return;
	update_take_announced(g);
	g->self.m.status = MEMBER_LEFT;
	count = members_random(g, peer_is_live, NULL, to, LEAVE_FANOUT);
	update_drop_record(g, &own);
	for (size_t i = 0; i < count; i++)
		update_burst(g, to[i], LEAVE_BURST);
	if (member_is_removed(g, &g->self.m.id))
		update_queue_record(g, &own);
	for (size_t i = 0; i < count && g->queued; i++)
		update_burst(g, to[i], 1);
	g->left = true;
}

static void set_up_self(struct gossip *g, const struct gossip_config *config)
{
	/* Above every incarnation of earlier starts; what is heard may raise it further. */
	uint64_t generation = store_generation(g->store) & UINT32_MAX >> 1;

	g->self.m = (struct member){ .id = *store_self(g->store),
				     .addr = config->self,
				     .status = MEMBER_ALIVE,
				     .incarnation = generation << 32,
				     .since = g->now };
	peer_tell(g, &g->self);
}

static void set_up_timers(struct gossip *g)
{
	g->next_probe = g->now + rng_below(&g->rng, g->timing.probe_interval + 1);
	g->next_sync = g->now + rng_below(&g->rng, g->timing.gossip_interval + 1);
	g->next_gossip = g->now;
	g->next_reconnect = g->now + g->timing.reconnect_interval;
	g->last_number = (uint32_t)rng_u64(&g->rng);
}

int gossip_new(const struct gossip_config *config, struct store *store, const struct rng *rng,
	       uint64_t now, struct gossip **ret_gossip)
{
	struct gossip *g = calloc(1, sizeof(*g));

	if (!g)
		return -ENOMEM;
	g->store = store;
	g->timing = config->timing;
	g->on_call = config->on_call;
	g->ctx = config->ctx;
	g->rng = *rng;
	g->now = now;
	g->out_tail = &g->out;
	keyring_set(&g->ring_keys, config->key_count, config->key);
	set_up_self(g, config);
	set_up_timers(g);
	members_load(g);
	*ret_gossip = g;
	return 0;
}

void gossip_free(struct gossip *g)
{
	struct output *next;

	if (!g)
		return;
	call_free(g);
	sync_free(g);
	update_free(g);
	members_free(g);
	output_free(g->out_current);
	for (struct output *o = g->out; o; o = next) {
		next = o->next;
		output_free(o);
	}
	if (g->plain.data) /* a secret record may have been there */
		sodium_memzero(g->plain.data, g->plain.cap);
	buf_fini(&g->plain);
	keyring_wipe(&g->ring_keys);
	sodium_memzero(&g->rng, sizeof(g->rng));
	free(g);
}

const struct gossip_counters *gossip_counters(const struct gossip *g)
{
	return &g->count;
}
