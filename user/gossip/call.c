// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Calls: one sealed request, one sealed reply, over TCP. A slot of a fixed table
 * each; whatever happens first ends it: the reply, the caller's socket error, or
 * the deadline. What comes later finds no slot and is ignored.
 *
 * A captured request must not be worth anything to whoever plays it back. Syncs
 * and probes are harmless by nature (merging twice is merging once). A question
 * of another room (gossip_call) may not be, so it needs a ticket: one call
 * fetches it, the next uses it up.
 */
#include "engine.h"

#include <errno.h>
#include <stdlib.h>

struct call *call_begin(struct gossip *g, enum wire_call type, const struct id *peer,
			const struct sockname *to)
{
	for (size_t i = 0; i < CALLS_MAX; i++) {
		struct call *c = &g->call[i];

		if (c->id)
			continue;
		*c = (struct call){ .id = ++g->last_call,
				    .type = type,
				    .peer = *peer,
				    .to = *to,
				    .late = -ETIMEDOUT,
				    .deadline = g->now + g->timing.call_timeout };
		return c;
	}
	g->count.over_limit++;
	return NULL;
}

void call_send(struct gossip *g, struct call *c, const struct buf *body)
{
	_cleanup_(buf_fini) struct buf plain = { 0 }, sealed = { 0 };
	struct claim self = peer_claim(&g->self);
	int r;

	wire_put_claim(&plain, &self);
	buf_put(&plain, c->peer.b, sizeof(c->peer.b));
	buf_u8(&plain, (uint8_t)c->type);
	if (body)
		buf_put(&plain, body->data, body->len);
	r = body && body->failed ? -ENOMEM :
				   seal_write(&g->ring_keys, &g->rng, SEAL_REQUEST, NULL, &plain,
					      &sealed, c->nonce);
	if (r) {
		c->late = r;
		c->deadline = g->now;
		return;
	}
	g->count.calls_out++;
	output_call(g, &c->to, c->id, &sealed);
}

/* ---- gossip_call ---- */

static void ask_free(struct ask *a)
{
	buf_fini(&a->request);
	free(a);
}

static void end_ask(struct ask *a, int error, struct cursor reply)
{
	a->done(a->arg, error, reply);
	ask_free(a);
}

/* The ticket is here: the question itself, within the same deadline. */
static void send_ask(struct gossip *g, const struct call *first, struct ask *a, uint64_t ticket)
{
	_cleanup_(buf_fini) struct buf body = { 0 };
	struct call *c = call_begin(g, WIRE_CALL_ASK, &first->peer, &first->to);

	if (!c) {
		end_ask(a, -EAGAIN, cursor_of(NULL, 0));
		return;
	}
	c->ask = a;
	c->deadline = first->deadline;
	buf_u64(&body, ticket);
	buf_put(&body, a->request.data, a->request.len);
	call_send(g, c, &body);
}

static void on_ticket(struct gossip *g, const struct call *c, int error, struct cursor reply)
{
	uint64_t ticket = cursor_u64(&reply);

	if (!error && reply.bad)
		error = -EBADMSG;
	if (error)
		end_ask(c->ask, error, cursor_of(NULL, 0));
	else
		send_ask(g, c, c->ask, ticket);
}

int gossip_call(struct gossip *g, const struct id *to, const struct buf *request, uint64_t now,
		void (*done)(void *arg, int error, struct cursor reply), void *arg)
{
	static const struct sockname nowhere;
	const struct peer *p = peer_find(g, to);
	struct ask *a;
	struct call *c;

	g->now = now;
	if (request->failed)
		return -ENOMEM;
	if (request->len + CLAIM_LEN + 64 > STREAM_PLAIN_MAX)
		return -EMSGSIZE;
	a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	*a = (struct ask){ .done = done, .arg = arg };
	buf_put(&a->request, request->data, request->len);
	c = a->request.failed ? NULL :
				call_begin(g, WIRE_CALL_TICKET, to, p ? &p->m.addr : &nowhere);
	if (!c) {
		int r = a->request.failed ? -ENOMEM : -EAGAIN;

		ask_free(a);
		return r;
	}
	c->ask = a;
	if (p && member_is_live(p->m.status) && !g->left) {
		call_send(g, c, NULL);
	} else {
		c->late = -EHOSTUNREACH;
		c->deadline = now; /* told by the next tick, never from within this call */
	}
	return 0;
}

/* ---- their end ---- */

/* Frees the slot first: what is called from here may begin new calls. */
static void end_call(struct gossip *g, struct call *slot, int error, struct cursor reply)
{
	struct call c = *slot;

	slot->id = 0;
	switch (c.type) {
	case WIRE_CALL_PING:
		if (!error)
			probe_on_ack(g, NULL, c.number);
		break;
	case WIRE_CALL_DIGEST:
	case WIRE_CALL_EXCHANGE:
		sync_on_reply(g, &c, error, reply);
		break;
	case WIRE_CALL_TICKET:
		on_ticket(g, &c, error, reply);
		break;
	case WIRE_CALL_ASK:
		end_ask(c.ask, error, reply);
		break;
	}
}

static struct call *find_call(struct gossip *g, uint64_t id)
{
	for (size_t i = 0; i < CALLS_MAX && id; i++)
		if (g->call[i].id == id)
			return &g->call[i];
	return NULL;
}

/* Opens a reply. 0 and what follows the status, or the status, or why it is none. */
static int read_reply(struct gossip *g, const struct call *c, const void *data, size_t len,
		      struct cursor *ret_body)
{
	struct claim sender;
	uint16_t status;
	int r = engine_open(g, SEAL_REPLY, c->nonce, data, len, NULL);

	if (r)
		return r;
	*ret_body = cursor_of(g->plain.data, g->plain.len);
	r = engine_hear_sender(g, ret_body, &sender);
	if (r)
		return r;
	status = cursor_u16(ret_body);
	if (ret_body->bad || status > 4095 || !id_equal(&sender.id, &c->peer)) {
		g->count.refused_malformed++;
		return -EBADMSG;
	}
	return -(int)status;
}

void gossip_call_done(struct gossip *g, uint64_t call, int error, const void *data, size_t len,
		      uint64_t now, uint64_t wall_ms)
{
	struct call *c = find_call(g, call);
	struct cursor body = cursor_of(NULL, 0);

	g->now = now;
	g->wall = wall_ms;
	if (!c || g->left)
		return;
	if (!error)
		error = read_reply(g, c, data, len, &body);
	end_call(g, c, error, error ? cursor_of(NULL, 0) : body);
}

void call_tick(struct gossip *g)
{
	for (size_t i = 0; i < CALLS_MAX; i++)
		if (g->call[i].id && g->call[i].deadline <= g->now)
			end_call(g, &g->call[i], g->call[i].late, cursor_of(NULL, 0));
}

uint64_t call_deadline(const struct gossip *g)
{
	uint64_t first = UINT64_MAX;

	for (size_t i = 0; i < CALLS_MAX; i++)
		if (g->call[i].id)
			first = min_u64(first, g->call[i].deadline);
	return first;
}

void call_free(struct gossip *g)
{
	for (size_t i = 0; i < CALLS_MAX; i++) {
		struct call *c = &g->call[i];

		if (c->id && c->ask)
			end_ask(c->ask, -ECANCELED, cursor_of(NULL, 0));
		c->id = 0;
	}
}

/* ---- answering ---- */

static void answer_ticket(struct gossip *g, const struct id *from, struct buf *reply)
{
	struct ticket *t = &g->ticket[g->next_ticket++ % TICKETS_MAX];

	*t = (struct ticket){ .holder = *from, .value = rng_u64(&g->rng) | 1 };
	buf_u64(reply, t->value);
}

static bool take_ticket(struct gossip *g, const struct id *from, uint64_t value)
{
	for (size_t i = 0; i < TICKETS_MAX && value; i++) {
		struct ticket *t = &g->ticket[i];

		if (t->value != value || !id_equal(&t->holder, from))
			continue;
		t->value = 0;
		return true;
	}
	return false;
}

static int answer_ask(struct gossip *g, const struct id *from, struct cursor request,
		      struct buf *reply)
{
	uint64_t ticket = cursor_u64(&request);

	if (request.bad || !take_ticket(g, from, ticket))
		return -ESTALE;
	return g->on_call ? g->on_call(g->ctx, from, request, reply) : -EOPNOTSUPP;
}

/* Writes the body of the reply. 0, or the errno that is sent instead. */
static int answer(struct gossip *g, const struct id *from, uint8_t call, struct cursor *request,
		  struct buf *reply)
{
	switch (call) {
	case WIRE_CALL_PING:
		return 0;
	case WIRE_CALL_DIGEST:
		sync_answer_digest(g, request, reply);
		break;
	case WIRE_CALL_EXCHANGE:
		sync_answer_exchange(g, request, reply);
		break;
	case WIRE_CALL_TICKET:
		answer_ticket(g, from, reply);
		return 0;
	case WIRE_CALL_ASK:
		return answer_ask(g, from, *request, reply);
	default:
		return -EOPNOTSUPP;
	}
	if (!request->bad)
		return 0;
	g->count.refused_malformed++;
	return -EBADMSG;
}

static int seal_reply(struct gossip *g, int status, const struct buf *body, const void *request,
		      const uint8_t *nonce, struct buf *reply)
{
	_cleanup_(buf_fini) struct buf plain = { 0 };
	struct claim self = peer_claim(&g->self);

	if (!status && (body->failed || body->len + CLAIM_LEN + 2 > STREAM_PLAIN_MAX))
		status = body->failed ? -ENOMEM : -EMSGSIZE;
	wire_put_claim(&plain, &self);
	buf_u16(&plain, (uint16_t)-status);
	if (!status)
		buf_put(&plain, body->data, body->len);
	return seal_write_reply(&g->ring_keys, &g->rng, request, nonce, &plain, reply) ? -EBADMSG :
											  0;
}

static void hear_call(struct gossip *g, const struct id *from)
{
	struct peer *p = peer_find(g, from);

	if (p)
		p->heard_call = g->now;
}

uint64_t gossip_heard_call(const struct gossip *g, const struct id *from)
{
	const struct peer *p = peer_find(g, from);

	return p ? p->heard_call : 0;
}

int gossip_serve(struct gossip *g, const struct sockname *from, const void *data, size_t len,
		 uint64_t now, uint64_t wall_ms, struct buf *reply)
{
	_cleanup_(buf_fini) struct buf body = { 0 };
	uint8_t nonce[SEAL_NONCE_LEN], call;
	struct claim sender;
	struct cursor c;
	struct id target;
	int r;

	(void)from;
	g->now = now;
	g->wall = wall_ms;
	g->count.calls_in++;
	if (g->left || engine_open(g, SEAL_REQUEST, NULL, data, len, nonce))
		return -EBADMSG;
	c = cursor_of(g->plain.data, g->plain.len);
	r = engine_hear_sender(g, &c, &sender);
	if (r)
		return -EBADMSG;
	hear_call(g, &sender.id);
	cursor_get(&c, target.b, sizeof(target.b));
	call = cursor_u8(&c);
	if (c.bad) {
		g->count.refused_malformed++;
		return -EBADMSG;
	}
	r = -EHOSTUNREACH; /* another node lived at this address */
	if (id_equal(&target, &g->self.m.id))
		r = answer(g, &sender.id, call, &c, &body);
	return seal_reply(g, r, &body, data, nonce, reply);
}
