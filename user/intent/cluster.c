/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cluster's own record with its join token, and the key ring that comes with it. */
#include "room.h"

#include <errno.h>
#include <string.h>

static void cluster_wipe(struct cluster *c)
{
	explicit_bzero(c, sizeof(*c));
}

static int write_cluster(struct intent *in, const struct cluster *c, uint64_t wall_ms,
			 struct err *e)
{
	static const struct id zero;
	_cleanup_(secret_fini) struct buf body = { 0 };
	struct record_key key = key_of_id(RECORD_CLUSTER, &zero);

	cluster_encode(&body, c);
	return store_write(in->store, &key, &body, false, wall_ms, e);
}

/* Both in one transaction. */
static int write_both(struct intent *in, const struct cluster *c, const struct gossip_ring *ring,
		      uint64_t wall_ms, struct err *e)
{
	int r = write_ring(in, ring, wall_ms, e);

	if (r == 0)
		r = write_cluster(in, c, wall_ms, e);
	return r < 0 ? r : store_commit(in->store, e);
}

int intent_cluster_create(struct intent *in, uint64_t wall_ms, struct err *e)
{
	_cleanup_(ring_wipe) struct gossip_ring ring = { .key_count = 1 };
	_cleanup_(cluster_wipe) struct cluster c = { 0 };
	char id[ID_TEXT_MAX];
	const struct view *v = store_view(in->store);

	if (v->cluster)
		return err_set(e, -EEXIST,
			       "this node is in cluster %s already; to start a new one, "
			       "run `overlayctl cluster leave` first",
			       id_format(&v->cluster->id, id));
	c.id = draw_id(in);
	rng_bytes(in->rng, ring.key[0], sizeof(ring.key[0]));
	rng_bytes(in->rng, c.token_secret, sizeof(c.token_secret));
	return write_both(in, &c, &ring, wall_ms, e);
}

int intent_ring_adopt(struct intent *in, uint64_t wall_ms, struct err *e)
{
	_cleanup_(ring_wipe) struct gossip_ring ring = { .key_count = 1 };
	_cleanup_(cluster_wipe) struct cluster c = { 0 };
	const struct view *v = store_view(in->store);

	if (!v->cluster || v->ring)
		return 0;
	if (!v->cluster->key_count)
		return err_set(e, -ENOKEY, "this node has no key for gossip, so it cannot reach its "
			       "cluster; delete its state directory and join again");
	c = *v->cluster;
	memcpy(ring.key[0], c.key[0], sizeof(ring.key[0]));
	explicit_bzero(c.key, sizeof(c.key));
	c.key_count = 0;
	return write_both(in, &c, &ring, wall_ms, e);
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
	if (v->ring) { /* an earlier daemon wrote its keys back */
		explicit_bzero(c.key, sizeof(c.key));
		c.key_count = 0;
	}
	rng_bytes(in->rng, c.token_secret, sizeof(c.token_secret));
	r = write_cluster(in, &c, wall_ms, e);
	return r < 0 ? r : store_commit(in->store, e);
}
