/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "room.h"

#include <errno.h>
#include <string.h>

int intent_new(struct store *store, struct gossip *gossip, struct rng *rng,
	       struct intent **ret_intent)
{
	struct intent *in = calloc(1, sizeof(*in));

	if (!in)
		return -ENOMEM;
	in->store = store;
	in->gossip = gossip;
	in->rng = rng;
	in->jobs_end = &in->jobs;
	in->healed_serial = UINT64_MAX;
	intent_know_reach(in, NULL);
	*ret_intent = in;
	return 0;
}

void intent_free(struct intent *in)
{
	if (!in)
		return;
	asks_orphan(in);
	jobs_cancel(in);
	free(in);
}

void intent_ask_ports(struct intent *in, intent_port_taken_fn port_taken, void *arg)
{
	in->port_taken = port_taken;
	in->port_taken_arg = arg;
}

void intent_ask_encryption(struct intent *in, intent_can_encrypt_fn can_encrypt_fn, void *arg)
{
	in->can_encrypt = can_encrypt_fn;
	in->can_encrypt_arg = arg;
}

int can_encrypt(const struct intent *in, struct err *why)
{
	if (!in->can_encrypt)
		return err_set(why, -EOPNOTSUPP, "nobody here knows how");
	return in->can_encrypt(in->can_encrypt_arg, why);
}

int check_encryption(const struct intent *in, const struct view_network *vn, struct err *e)
{
	struct err why = { 0 };

	if (!vn->net->encrypted || !can_encrypt(in, &why))
		return 0;
	return err_set(e, -EOPNOTSUPP,
		       "network %s is encrypted, and this node cannot take part: %.200s; use a "
		       "node that can",
		       vn->display, why.text);
}

void intent_know_reach(struct intent *in, const struct reach_list *reach)
{
	static const struct reach_list nothing;

	in->reach = reach ? reach : &nothing;
}

const struct id *self_id(const struct intent *in)
{
	return store_self(in->store);
}

const char *node_text(const struct view *v, const struct id *id, char out[ID_TEXT_MAX])
{
	const struct view_node *n = view_node_by_id(v, id);

	return n && n->node->name[0] ? n->node->name : id_format(id, out);
}

const char *endpoint_text(const struct endpoint *e, char out[ID_TEXT_MAX])
{
	if (e->name[0])
		return e->name;
	id_format(&e->id, out);
	out[ID_SHORT] = '\0';
	return out;
}

struct id draw_id(struct intent *in)
{
	struct id id;

	do {
		rng_bytes(in->rng, id.b, sizeof(id.b));
	} while (id_is_zero(&id));
	return id;
}

bool node_is_up(const struct intent *in, const struct id *id)
{
	const struct member *m = in->gossip ? gossip_member(in->gossip, id) : NULL;

	return m && (m->status == MEMBER_ALIVE || m->status == MEMBER_SUSPECT);
}

int check_not_removed(const struct intent *in, struct err *e)
{
	struct record_key key = key_of_id(RECORD_NODE, self_id(in));
	const struct item *self = store_item(in->store, &key);

	if (!self || !self->tombstone)
		return 0;
	return err_set(e, -EPERM,
		       "this node was removed from the cluster; to join again, stop "
		       "overlayd, delete its state directory and start it with --join");
}

int parse_number(const char *text, uint64_t max, uint64_t *ret_number)
{
	uint64_t number = 0;

	if (!*text)
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		number = number * 10 + (uint64_t)(*text - '0');
		if (number > max)
			return -EINVAL;
	}
	*ret_number = number;
	return 0;
}

int parse_addr(const char *text, struct ov_addr *ret_addr, struct err *e)
{
	if (addr_parse(text, ret_addr) < 0)
		return err_set(e, -EINVAL,
			       "\"%.60s\" is not an address; write it like 10.10.0.5, "
			       "without a prefix length",
			       text);
	if (!addr_is_v4(ret_addr) || addr_is_zero(ret_addr))
		return err_set(e, -EINVAL,
			       "address %s is IPv6, and this version has IPv4 networks "
			       "only; give an IPv4 address",
			       text);
	return 0;
}

int find_network(const struct view *v, const char *ref, const struct view_network **ret_network,
		 struct err *e)
{
	*ret_network = view_network_find(v, ref);
	if (*ret_network)
		return 0;
	return err_set(e, -ENOENT,
		       "there is no network \"%.80s\"; create it with `overlayctl "
		       "network create`, `overlayctl network ls` shows what there is",
		       ref);
}

int write_network(struct intent *in, const struct network *n, bool tombstone, uint64_t wall_ms,
		  struct err *e)
{
	_cleanup_(buf_fini) struct buf body = { 0 };
	struct record_key key = key_of_id(RECORD_NETWORK, &n->id);

	network_encode(&body, n);
	return store_write(in->store, &key, &body, tombstone, wall_ms, e);
}

int write_endpoint(struct intent *in, const struct endpoint *ep, const struct endpoint_detail *d,
		   uint64_t wall_ms, struct err *e)
{
	_cleanup_(buf_fini) struct buf body = { 0 };
	struct record_key key = key_of_id(RECORD_ENDPOINT, &ep->id);

	endpoint_encode(&body, ep, d);
	return store_write(in->store, &key, &body, false, wall_ms, e);
}

int write_service(struct intent *in, const struct service *s, const struct service_detail *d,
		  uint64_t wall_ms, struct err *e)
{
	_cleanup_(buf_fini) struct buf body = { 0 };
	struct record_key key = key_of_id(RECORD_SERVICE, &s->id);

	service_encode(&body, s, d);
	return store_write(in->store, &key, &body, false, wall_ms, e);
}

static int bury(struct intent *in, struct record_key key, uint64_t wall_ms, struct err *e)
{
	_cleanup_(buf_fini) struct buf body = { 0 };
	const struct item *it = store_item(in->store, &key);

	if (!it)
		return 0;
	buf_put(&body, it->body, it->body_len);
	return store_write(in->store, &key, &body, true, wall_ms, e);
}

int bury_endpoint(struct intent *in, const struct id *id, uint64_t wall_ms, struct err *e)
{
	return bury(in, key_of_id(RECORD_ENDPOINT, id), wall_ms, e);
}

int bury_service(struct intent *in, const struct id *id, uint64_t wall_ms, struct err *e)
{
	return bury(in, key_of_id(RECORD_SERVICE, id), wall_ms, e);
}

int write_policy(struct intent *in, const struct policy *p, const struct policy_detail *d,
		 uint64_t wall_ms, struct err *e)
{
	_cleanup_(buf_fini) struct buf body = { 0 };
	struct record_key key = key_of_id(RECORD_POLICY, &p->id);

	policy_encode(&body, p, d);
	return store_write(in->store, &key, &body, false, wall_ms, e);
}

int bury_policy(struct intent *in, const struct id *id, uint64_t wall_ms, struct err *e)
{
	return bury(in, key_of_id(RECORD_POLICY, id), wall_ms, e);
}

int write_node(struct intent *in, const struct node *n, bool tombstone, uint64_t wall_ms,
	       struct err *e)
{
	_cleanup_(buf_fini) struct buf body = { 0 };
	struct record_key key = key_of_id(RECORD_NODE, &n->id);

	node_encode(&body, n);
	return store_write(in->store, &key, &body, tombstone, wall_ms, e);
}

int write_blocks(struct intent *in, const struct block *blocks, size_t count, uint64_t wall_ms,
		 struct err *e)
{
	_cleanup_(buf_fini) struct buf body = { 0 };

	for (size_t i = 0; i < count; i++) {
		struct record_key key = key_of_block(&blocks[i].network, &blocks[i].start);
		int r;

		buf_reset(&body);
		block_encode(&body, &blocks[i]);
		r = store_write(in->store, &key, &body, false, wall_ms, e);
		if (r < 0)
			return r;
	}
	return 0;
}

int hand_blocks(struct intent *in, const struct id *from, const struct id *to, uint64_t wall_ms,
		struct err *e)
{
	const struct view *v = store_view(in->store);
	_cleanup_(freep) struct block *blocks = calloc(v->block_count + 1, sizeof(*blocks));
	size_t count;

	if (!blocks)
		return err_set(e, -ENOMEM, "out of memory while handing over address blocks");
	count = ipam_takeover(v, from, to, blocks, v->block_count);
	return write_blocks(in, blocks, count, wall_ms, e);
}
