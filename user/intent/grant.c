/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses go from node to node: the question, the answer, and what is made of it.
 *
 *   asker                              owner
 *     | CALL_IPAM_GRANT ----------------> cut a block, commit
 *     | <------------------ its records |
 *     merge, pick again                 (gossip brings the same records, should
 *                                        the reply be lost)
 */
#include "room.h"

#include <errno.h>
#include <string.h>
#include <utlist.h>

#define ASKS_MAX 64
#define REPLY_RECORDS_MAX 1024 /* of some 120 bytes: far below GOSSIP_STREAM_MAX */

struct ask {
	struct intent *in; /* NULL once that is freed */
	struct id network, node;
	struct ov_addr wanted; /* zero when any will do */
	struct ask *next;
};

const struct id *ask_whom(const struct ask *a)
{
	return &a->node;
}

size_t ask_count(const struct intent *in)
{
	const struct ask *a;
	size_t count;

	LL_COUNT(in->asks, a, count);
	return count;
}

bool ask_is_under_way(const struct intent *in, const struct id *network)
{
	for (const struct ask *a = in->asks; a; a = a->next)
		if (id_equal(&a->network, network))
			return true;
	return false;
}

void asks_orphan(struct intent *in)
{
	struct ask *a;

	LL_FOREACH(in->asks, a)
	a->in = NULL; /* gossip holds them until their calls end */
	in->asks = NULL;
}

/* ---- the answer of the node that was asked ---- */

static void take_records(struct intent *in, struct cursor *c, bool *news)
{
	uint16_t count = cursor_u16(c);

	for (uint16_t i = 0; i < count && !c->bad; i++) {
		struct record r;
		enum merge_result m;

		if (record_decode(c, &r) < 0)
			break;
		m = store_merge(in->store, &r, in->wall);
		*news |= m == MERGE_NEW || m == MERGE_REFUTED;
	}
}

int grant_reply_take(struct intent *in, struct cursor reply, bool *ret_news)
{
	uint8_t status = cursor_u8(&reply);
	bool news = false;

	take_records(in, &reply, &news);
	*ret_news = news;
	return reply.bad ? -EBADMSG : -(int)status;
}

static void on_answer(void *arg, int error, struct cursor reply)
{
	struct ask *a = arg;
	struct intent *in = a->in;
	struct job *waiting, *j;
	bool news = false;

	if (!in) {
		free(a);
		return;
	}
	LL_DELETE(in->asks, a);
	if (!error)
		error = grant_reply_take(in, reply, &news);
	waiting = jobs_take_waiting(in, a);
	while ((j = waiting)) {
		waiting = job_next(j);
		if (error == -ECANCELED) /* gossip is being freed: there is nobody to ask */
			job_cancel(j);
		else
			job_resume(j, error && !news ? &a->node : NULL, news);
	}
	free(a);
}

static void encode_request(const struct ask *a, uint64_t owned, struct buf *out)
{
	buf_u8(out, CALL_IPAM_GRANT);
	buf_put(out, a->network.b, sizeof(a->network.b));
	buf_u8(out, !addr_is_zero(&a->wanted));
	buf_put(out, a->wanted.b, sizeof(a->wanted.b));
	buf_u64(out, owned);
}

static struct ask *find_ask(const struct intent *in, const struct ask *like)
{
	for (struct ask *a = in->asks; a; a = a->next)
		if (id_equal(&a->network, &like->network) && id_equal(&a->node, &like->node) &&
		    !addr_cmp(&a->wanted, &like->wanted))
			return a;
	return NULL;
}

int ask_node(struct intent *in, const struct network *n, const struct id *node,
	     const struct ov_addr *wanted, bool insist, struct ask **ret_ask)
{
	_cleanup_(buf_fini) struct buf request = { 0 };
	_cleanup_(freep) struct ask *a = calloc(1, sizeof(*a));
	struct ask *same;
	int r;

	if (!a)
		return -ENOMEM;
	a->in = in;
	a->network = n->id;
	a->node = *node;
	if (wanted)
		a->wanted = *wanted;
	same = find_ask(in, a);
	if (same) {
		*ret_ask = same;
		return 0;
	}
	if (!node_is_up(in, node))
		return -EHOSTUNREACH;
	if (ask_count(in) >= ASKS_MAX)
		return -EAGAIN;
	encode_request(a, insist ? UINT64_MAX : ipam_owned(store_view(in->store), n, self_id(in)),
		       &request);
	r = gossip_call(in->gossip, node, &request, in->now, on_answer, a);
	if (r < 0)
		return r;
	LL_APPEND(in->asks, a);
	*ret_ask = TAKE_PTR(a);
	return 0;
}

/* ---- this node is asked ---- */

struct request {
	struct id network;
	bool has_wanted;
	struct ov_addr wanted;
	uint64_t owned;
};

/* Records of a reply: keys first, because the store changes meanwhile. */
struct answer {
	size_t count;
	struct record_key key[REPLY_RECORDS_MAX];
};

static void answer_add(struct answer *a, struct record_key key)
{
	if (a->count < REPLY_RECORDS_MAX)
		a->key[a->count++] = key;
}

static void answer_add_block(struct answer *a, const struct block *b)
{
	answer_add(a, key_of_block(&b->network, &b->start));
}

/* What the asker owns and does not know of; false when it knows all of it. */
static bool repeat_grants(const struct view *v, const struct network *n, const struct id *from,
			  const struct request *rq, struct answer *a)
{
	if (rq->owned >= ipam_owned(v, n, from))
		return false;
	for (size_t i = 0; i < v->block_count; i++)
		if (id_equal(&v->block[i]->network, &n->id) && id_equal(&v->block[i]->owner, from))
			answer_add_block(a, v->block[i]);
	return a->count;
}

/* Why the wanted address is not given, in records: who owns it, who uses it. */
static void explain(const struct view *v, const struct network *n, const struct ov_addr *wanted,
		    struct answer *a)
{
	for (size_t i = 0; i < v->block_count; i++) {
		const struct block *b = v->block[i];

		if (id_equal(&b->network, &n->id) && addr_cmp(&b->start, wanted) <= 0 &&
		    addr_cmp(wanted, &b->last) <= 0)
			answer_add_block(a, b);
	}
	for (size_t i = 0; i < v->endpoint_count; i++)
		if (id_equal(&v->endpoint[i].ep->network, &n->id) &&
		    !addr_cmp(&v->endpoint[i].ep->addr, wanted))
			answer_add(a, v->endpoint[i].item->key);
	for (size_t i = 0; i < v->service_count; i++)
		if (id_equal(&v->service[i].svc->network, &n->id) &&
		    !addr_cmp(&v->service[i].svc->vip, wanted))
			answer_add(a, v->service[i].item->key);
}

/* Cuts, writes, commits: only what is on disk may be told. 0 or a negative errno. */
static int give(struct intent *in, const struct view *v, const struct network *n,
		const struct id *from, const struct request *rq, uint64_t wall_ms, struct answer *a)
{
	struct block blocks[IPAM_GRANT_MAX];
	int count = ipam_grant(v, n, self_id(in), from, rq->has_wanted ? &rq->wanted : NULL,
			       wall_ms, blocks);
	int r;

	if (count < 0) {
		if (rq->has_wanted)
			explain(v, n, &rq->wanted, a);
		return count;
	}
	for (int i = 0; i < count; i++)
		answer_add_block(a, &blocks[i]);
	r = write_blocks(in, blocks, (size_t)count, wall_ms, NULL);
	if (r == 0)
		r = store_commit(in->store, NULL);
	if (r < 0)
		a->count = 0;
	return r;
}

static int judge(struct intent *in, const struct id *from, const struct request *rq,
		 uint64_t wall_ms, struct answer *a)
{
	const struct view *v = store_view(in->store);
	const struct view_network *vn = view_network_by_id(v, &rq->network);
	struct record_key node = key_of_id(RECORD_NODE, from);
	const struct item *asker = store_item(in->store, &node);
	struct network n;

	if (id_equal(from, self_id(in)) || (asker && asker->tombstone) ||
	    check_not_removed(in, NULL) < 0)
		return -EPERM;
	if (!vn) {
		answer_add(a, key_of_id(RECORD_NETWORK, &rq->network)); /* removed, perhaps */
		return -ENOENT;
	}
	n = *vn->net;
	if (repeat_grants(v, &n, from, rq, a))
		return 0;
	return give(in, v, &n, from, rq, wall_ms, a);
}

static void encode_answer(struct intent *in, int status, const struct answer *a, struct buf *reply)
{
	size_t at;
	uint16_t count = 0;

	buf_u8(reply, status < -UINT8_MAX ? EIO : (uint8_t)-status);
	at = reply->len;
	buf_u16(reply, 0);
	for (size_t i = 0; i < a->count; i++) {
		struct record r;

		if (store_get(in->store, &a->key[i], &r) < 0)
			continue;
		record_encode(reply, &r);
		count++;
	}
	buf_patch_u16(reply, at, count);
}

int intent_on_call(struct intent *in, const struct id *from, struct cursor request,
		   uint64_t wall_ms, struct buf *reply)
{
	_cleanup_(freep) struct answer *a = calloc(1, sizeof(*a));
	struct request rq;
	uint8_t what = cursor_u8(&request);

	in->wall = wall_ms;
	if (!a)
		return -ENOMEM;
	if (!request.bad && what != CALL_IPAM_GRANT)
		return -EOPNOTSUPP;
	cursor_get(&request, rq.network.b, sizeof(rq.network.b));
	rq.has_wanted = cursor_u8(&request);
	cursor_get(&request, rq.wanted.b, sizeof(rq.wanted.b));
	rq.owned = cursor_u64(&request);
	if (request.bad)
		return -EBADMSG;
	encode_answer(in, judge(in, from, &rq, wall_ms, a), a, reply);
	return reply->failed ? -ENOMEM : 0;
}
