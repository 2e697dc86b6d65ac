// SPDX-License-Identifier: GPL-2.0-or-later
#include "join.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"

#define JOIN_VERSION 1
#define SENTENCE_MAX 320 /* that of struct err */

enum join_status { JOIN_WELCOME, JOIN_REFUSED };

/* ---- the request ---- */

void join_request_encode(struct buf *out, const struct join_request *r)
{
	buf_u8(out, JOIN_VERSION);
	buf_str(out, r->name);
	buf_put(out, r->id.b, sizeof(r->id.b));
	buf_put(out, r->addr.addr.b, sizeof(r->addr.addr.b));
	buf_u16(out, r->addr.port);
	buf_str(out, r->version);
}

int join_request_decode(struct cursor *c, struct join_request *ret_request)
{
	struct join_request r = { 0 };

	if (cursor_u8(c) != JOIN_VERSION)
		return c->bad ? -EBADMSG : -EPROTONOSUPPORT;
	cursor_str(c, r.name, sizeof(r.name));
	cursor_get(c, r.id.b, sizeof(r.id.b));
	cursor_get(c, r.addr.addr.b, sizeof(r.addr.addr.b));
	r.addr.port = cursor_u16(c);
	cursor_str(c, r.version, sizeof(r.version));
	if (c->bad || id_is_zero(&r.id) || addr_is_zero(&r.addr.addr) || !r.addr.port)
		return -EBADMSG;
	*ret_request = r;
	return 0;
}

/* ---- the server ---- */

static int judge_id(const struct store *s, const struct join_request *r, struct err *e)
{
	struct record_key key = key_of_id(RECORD_NODE, &r->id);
	const struct item *it = store_item(s, &key);
	char id[ID_TEXT_MAX];

	if (id_equal(&r->id, store_self(s)))
		return err_set(e, -EEXIST, "node id %s is that of the node asked; state "
			       "directories cannot be copied: delete the copy and join again",
			       id_format(&r->id, id));
	if (it && it->tombstone)
		return err_set(e, -EACCES, "node id %s was removed from this cluster; delete "
			       "the state directory of that node and join again",
			       id_format(&r->id, id));
	return 0;
}

static int judge_name(struct store *s, const struct join_request *r, struct err *e)
{
	const struct view *v = store_view(s);
	char id[ID_TEXT_MAX], addr[ADDR_TEXT_MAX];

	if (!v)
		return err_set(e, -ENOMEM, "the node asked is out of memory; ask another");
	for (size_t i = 0; i < v->node_count; i++) {
		const struct node *n = v->node[i].node;

		if (!strcmp(n->name, r->name) && !id_equal(&n->id, &r->id))
			return err_set(e, -EEXIST, "node name \"%s\" is taken by node %.12s at "
				       "%s; choose another with --node, or run \"overlayctl node "
				       "rm %s\" if that node is gone", r->name,
				       id_format(&n->id, id), addr_format(&n->addr, addr), r->name);
	}
	return 0;
}

static int judge(struct store *s, struct cursor *request, struct err *e)
{
	struct join_request r;
	int err = join_request_decode(request, &r);

	if (err == -EPROTONOSUPPORT)
		return err_set(e, err, "the cluster does not speak this version of the join "
			       "protocol; install the same overlayd on both nodes");
	if (err)
		return err_set(e, err, "the join request is malformed");
	err = name_check("node name", r.name, e);
	if (!err)
		err = judge_id(s, &r, e);
	return err ? err : judge_name(s, &r, e);
}

struct answer {
	struct buf *out;
	uint16_t count;
};

/* Tombstones too: a newcomer must know who is not to be listened to. */
static int put_record(void *ctx, const struct record *r)
{
	struct answer *a = ctx;

	if (r->key.kind != RECORD_NODE)
		return 0;
	if (a->count == UINT16_MAX || a->out->len + record_encoded_len(r) > JOIN_MESSAGE_MAX)
		return 0; /* the rest comes by sync */
	record_encode(a->out, r);
	a->count++;
	return 0;
}

static void put_head(struct buf *out, enum join_status status, const char *sentence)
{
	buf_u8(out, JOIN_VERSION);
	buf_u8(out, (uint8_t)status);
	buf_str(out, sentence);
}

/* What it cannot be a member without first: it must not be what is cut off. */
static void put_records(struct store *s, const struct record *cluster, struct buf *out)
{
	static const struct id zero;
	struct record_key key = key_of_id(RECORD_RING, &zero);
	struct answer a = { .out = out, .count = 1 };
	size_t at = out->len;
	struct record ring;

	buf_u16(out, 0);
	record_encode(out, cluster);
	if (!store_get(s, &key, &ring)) {
		record_encode(out, &ring);
		a.count++;
	}
	for (unsigned int bucket = 0; bucket < STORE_BUCKETS; bucket++)
		store_each(s, bucket, put_record, &a);
	buf_patch_u16(out, at, a.count);
}

void join_answer(struct store *s, struct cursor request, struct buf *reply)
{
	static const struct id zero;
	struct record_key key = key_of_id(RECORD_CLUSTER, &zero);
	struct record cluster;
	struct err e = { 0 };

	if (!judge(s, &request, &e) && store_get(s, &key, &cluster))
		err_set(&e, -EAGAIN, "the node asked belongs to no cluster yet; try again");
	put_head(reply, e.code ? JOIN_REFUSED : JOIN_WELCOME, e.text);
	if (e.code)
		buf_u16(reply, 0);
	else
		put_records(s, &cluster, reply);
}

/* ---- the client ---- */

static int read_head(struct cursor *c, struct err *e)
{
	char sentence[SENTENCE_MAX];
	uint8_t status;

	if (cursor_u8(c) != JOIN_VERSION)
		return err_set(e, -EPROTONOSUPPORT, "the cluster speaks another version of the "
			       "join protocol; install the same overlayd on both nodes");
	status = cursor_u8(c);
	cursor_str(c, sentence, sizeof(sentence));
	if (c->bad)
		return err_set(e, -EBADMSG, "the answer of the node asked is malformed");
	for (char *p = sentence; *p; p++) /* it will be on somebody's terminal */
		if ((unsigned char)*p < ' ' || *p == 127)
			*p = '?';
	if (status != JOIN_WELCOME)
		return err_set(e, -EACCES, "the cluster refused this node: %s", sentence);
	return 0;
}

/* Our own cluster, if there is one, must be the same. */
static int check_cluster(const struct store *s, const struct record *r, struct err *e)
{
	const struct item *held = store_item(s, &r->key);
	char ours[ID_TEXT_MAX], theirs[ID_TEXT_MAX];
	struct item it = { 0 };
	struct id id;
	int err = item_decode(r, 0, &it);

	id = it.cluster.id;
	explicit_bzero(&it, sizeof(it)); /* the keys */
	if (err)
		return err_set(e, -EBADMSG, "the answer of the node asked holds no valid cluster");
	if (!held || id_equal(&held->cluster.id, &id))
		return 0;
	return err_set(e, -EEXIST, "this node belongs to cluster %.12s and cannot join cluster "
		       "%.12s; leave it first (overlayctl cluster leave), or use another "
		       "--state-dir",
		       id_format(&held->cluster.id, ours), id_format(&id, theirs));
}

/* Reads everything once before anything is merged: half an answer changes nothing. */
static int check_records(const struct store *s, struct cursor c, struct err *e)
{
	uint16_t count = cursor_u16(&c);
	bool has_cluster = false;
	struct record r;
	int err = 0;

	for (uint16_t i = 0; i < count && !err; i++) {
		if (record_decode(&c, &r))
			return err_set(e, -EBADMSG, "the answer of the node asked is malformed");
		if (r.key.kind != RECORD_CLUSTER)
			continue;
		has_cluster = true;
		err = check_cluster(s, &r, e);
	}
	if (!err && (c.bad || !has_cluster))
		err = err_set(e, -EBADMSG, "the answer of the node asked names no cluster");
	return err;
}

static bool is_for_newcomers(const struct record *r)
{
	return r->key.kind == RECORD_CLUSTER || r->key.kind == RECORD_RING ||
	       r->key.kind == RECORD_NODE;
}

int join_accept(struct store *s, struct cursor reply, uint64_t wall_ms, struct err *e)
{
	int err = read_head(&reply, e);
	struct record r;
	uint16_t count;

	if (!err)
		err = check_records(s, reply, e);
	if (err)
		return err;
	count = cursor_u16(&reply);
	for (uint16_t i = 0; i < count && !record_decode(&reply, &r); i++)
		if (is_for_newcomers(&r))
			store_merge(s, &r, wall_ms); /* what is refused here, gossip refuses too */
	return 0;
}
