/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cluster's own record: its keys and its join token. */
#include "room.h"

#include <errno.h>
#include <string.h>

static void cluster_wipe(struct cluster *c)
{
	explicit_bzero(c, sizeof(*c));
}

/* A buffer that held the record in the clear. */
static void secret_fini(struct buf *b)
{
	if (b->data)
		explicit_bzero(b->data, b->cap);
	buf_fini(b);
}

static int write_cluster(struct intent *in, const struct cluster *c, uint64_t wall_ms,
			 struct err *e)
{
	static const struct id zero;
	_cleanup_(secret_fini) struct buf body = { 0 };
	struct record_key key = key_of_id(RECORD_CLUSTER, &zero);
	int r;

	cluster_encode(&body, c);
	r = store_write(in->store, &key, &body, false, wall_ms, e);
	return r < 0 ? r : store_commit(in->store, e);
}

int intent_cluster_create(struct intent *in, uint64_t wall_ms, struct err *e)
{
	_cleanup_(cluster_wipe) struct cluster c = { .key_count = 1 };
	char id[ID_TEXT_MAX];
	const struct view *v = store_view(in->store);

	if (v->cluster)
		return err_set(e, -EEXIST,
			       "this node is in cluster %s already; to start a new one, "
			       "run `overlayctl cluster leave` first",
			       id_format(&v->cluster->id, id));
	c.id = draw_id(in);
	rng_bytes(in->rng, c.key[0], sizeof(c.key[0]));
	rng_bytes(in->rng, c.token_secret, sizeof(c.token_secret));
	return write_cluster(in, &c, wall_ms, e);
}

int intent_token_rotate(struct intent *in, uint64_t wall_ms, struct err *e)
{
	_cleanup_(cluster_wipe) struct cluster c = { 0 };
	const struct view *v = store_view(in->store);
	int r = check_not_removed(in, e);

	if (r < 0)
		return r;
	if (!v->cluster)
		return err_set(e, -ENOENT,
			       "this node is in no cluster yet, so there is no token to "
			       "replace; wait until it has joined");
	c = *v->cluster;
	rng_bytes(in->rng, c.token_secret, sizeof(c.token_secret));
	return write_cluster(in, &c, wall_ms, e);
}
