/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keys of encrypted networks: what this node says of its own, and the wish for fresh ones. */
#include "room.h"

#include <errno.h>

static int write_key(struct intent *in, const struct node_key *key, uint64_t wall_ms, struct err *e)
{
	_cleanup_(buf_fini) struct buf body = { 0 };
	struct record_key record = key_of_id(RECORD_KEY, &key->node);
	struct node_key made = *key;

	made.made_ms = wall_ms;
	node_key_encode(&body, &made);
	return store_write(in->store, &record, &body, false, wall_ms, e);
}

static int write_pairs(struct intent *in, const struct pairs_whole *w, uint64_t wall_ms,
		       struct err *e)
{
	_cleanup_(buf_fini) struct buf body = { 0 };
	struct record_key record = key_of_pairs(&w->p.node, w->p.chunk);

	pairs_encode(&body, &w->p, &w->d);
	return store_write(in->store, &record, &body, false, wall_ms, e);
}

int intent_keys_write(struct intent *in, const struct node_key *key, const struct pairs_whole *pairs,
		      size_t count, uint64_t wall_ms, struct err *e)
{
	int r = check_not_removed(in, e);

	if (r == 0 && key)
		r = write_key(in, key, wall_ms, e);
	for (size_t i = 0; i < count && r == 0; i++)
		r = write_pairs(in, &pairs[i], wall_ms, e);
	return r < 0 ? r : store_commit(in->store, e);
}

int intent_epoch_begin(struct intent *in, uint64_t wall_ms, struct err *e)
{
	_cleanup_(buf_fini) struct buf body = { 0 };
	struct record_key key = key_of_id(RECORD_EPOCH, &(struct id){ 0 });
	struct epoch next = { store_view(in->store)->epoch.number + 1, wall_ms };
	int r = check_not_removed(in, e);

	if (r < 0)
		return r;
	epoch_encode(&body, &next);
	r = store_write(in->store, &key, &body, false, wall_ms, e);
	return r < 0 ? r : store_commit(in->store, e);
}

static int check_encrypted(const struct view *v, const char *network, struct err *e)
{
	const struct view_network *vn;
	int r;

	if (!network)
		return 0; /* gossip's key ring there always is */
	r = find_network(v, network, &vn, e);
	if (r < 0 || vn->net->encrypted)
		return r;
	return err_set(e, -EINVAL, "network %s is not encrypted, so it has no keys to rotate",
		       vn->display);
}

int intent_key_rotate(struct intent *in, const char *network, uint64_t wall_ms, uint64_t *ret_epoch,
		      struct err *e)
{
	int r = check_encrypted(store_view(in->store), network, e);

	if (r == 0)
		r = intent_epoch_begin(in, wall_ms, e);
	if (r == 0)
		*ret_epoch = store_view(in->store)->epoch.number;
	return r;
}
