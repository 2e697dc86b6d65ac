/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Nodes come, are removed, and leave. */
#include "room.h"

#include <errno.h>
#include <string.h>

/* ---- this node's own record ---- */

/* Only a claim that is new here is refused; one that was lost since is settled by the view. */
static int check_claims(const struct view *v, const struct node *self, const struct node *before,
			struct err *e)
{
	char addr[ADDR_TEXT_MAX];

	for (size_t i = 0; i < v->node_count; i++) {
		const struct node *n = v->node[i].node;

		if (id_equal(&n->id, &self->id))
			continue;
		addr_format(&n->addr, addr);
		if (!strcmp(n->name, self->name) && (!before || strcmp(before->name, self->name)))
			return err_set(e, -EEXIST,
				       "the name %s belongs to another node, at %s; "
				       "start this one with --node and another name, or remove "
				       "that "
				       "one with `overlayctl node rm %s`",
				       n->name, addr, n->name);
		if (!addr_cmp(&n->addr, &self->addr) && !addr_is_zero(&n->addr) &&
		    (!before || addr_cmp(&before->addr, &self->addr)))
			return err_set(e, -EEXIST,
				       "the address %s belongs to node %s; start this "
				       "one with --advertise and an address of its own, or remove "
				       "that one with `overlayctl node rm %s`",
				       addr, n->name, n->name);
	}
	return 0;
}

static bool node_equal(const struct node *a, const struct node *b)
{
	_cleanup_(buf_fini) struct buf x = { 0 }, y = { 0 };

	node_encode(&x, a);
	node_encode(&y, b);
	return !x.failed && !y.failed && x.len == y.len && !memcmp(x.data, y.data, x.len);
}

int intent_node_announce(struct intent *in, const struct node *self, uint64_t wall_ms,
			 struct err *e)
{
	const struct view *v = store_view(in->store);
	const struct view_node *before = view_node_by_id(v, self_id(in));
	struct node n = *self;
	int r = check_not_removed(in, e);

	n.id = *self_id(in);
	if (r == 0)
		r = name_check("node name", n.name, e);
	if (r == 0)
		r = check_claims(v, &n, before ? before->node : NULL, e);
	if (r < 0)
		return r;
	/* It joined when it joined: a restart makes it no younger. */
	if (before && before->node->joined_ms)
		n.joined_ms = before->node->joined_ms;
	else if (!n.joined_ms)
		n.joined_ms = wall_ms;
	if (before && node_equal(before->node, &n))
		return 0;
	r = write_node(in, &n, false, wall_ms, e);
	return r < 0 ? r : store_commit(in->store, e);
}

/* ---- node rm ---- */

static int check_removable(const struct intent *in, const struct node *n, struct err *e)
{
	const struct member *m = in->gossip ? gossip_member(in->gossip, &n->id) : NULL;

	if (id_equal(&n->id, self_id(in)))
		return err_set(e, -EINVAL,
			       "%s is this very node; run `overlayctl cluster leave` here",
			       n->name);
	if (m && (m->status == MEMBER_ALIVE || m->status == MEMBER_SUSPECT))
		return err_set(e, -EBUSY,
			       "node %s is %s; run `overlayctl cluster leave` on it, or "
			       "stop its daemon and wait until `overlayctl node ls` shows it dead",
			       n->name, member_status_to_str(m->status));
	return 0;
}

static const struct view_node *find_node(const struct view *v, const char *ref)
{
	struct id id;

	return id_parse(ref, &id) < 0 ? view_node_by_name(v, ref) : view_node_by_id(v, &id);
}

/* The tombstone goes first: only then may the blocks be taken (record.h). */
int intent_node_rm(struct intent *in, const char *name, uint64_t wall_ms, struct err *e)
{
	const struct view_node *vn = find_node(store_view(in->store), name);
	struct node n;
	int r = check_not_removed(in, e);

	if (r < 0)
		return r;
	if (!vn)
		return err_set(e, -ENOENT,
			       "there is no node \"%.80s\"; `overlayctl node ls` shows "
			       "the nodes",
			       name);
	n = *vn->node;
	r = check_removable(in, &n, e);
	if (r == 0)
		r = write_node(in, &n, true, wall_ms, e);
	if (r == 0)
		r = hand_blocks(in, &n.id, self_id(in), wall_ms, e);
	return r < 0 ? r : store_commit(in->store, e);
}

/* ---- leave ---- */

/* Who gets our blocks: a member that is up, else any other node; NULL when we are the last. */
static const struct id *find_heir(const struct intent *in, const struct view *v)
{
	const struct id *any = NULL;

	for (size_t i = 0; i < v->node_count; i++) {
		const struct id *id = &v->node[i].node->id;

		if (id_equal(id, self_id(in)))
			continue;
		if (node_is_up(in, id))
			return id;
		if (!any)
			any = id;
	}
	return any;
}

static int release_endpoints(struct intent *in, uint64_t wall_ms, struct err *e)
{
	const struct view *v = store_view(in->store);
	_cleanup_(freep) struct id *own = NULL;
	size_t count = 0;
	int r = 0;

	for (size_t i = 0; i < v->endpoint_count; i++)
		count += id_equal(&v->endpoint[i].ep->node, self_id(in));
	own = calloc(count + 1, sizeof(*own));
	if (!own)
		return err_set(e, -ENOMEM, "out of memory while detaching endpoints");
	count = 0;
	for (size_t i = 0; i < v->endpoint_count; i++)
		if (id_equal(&v->endpoint[i].ep->node, self_id(in)))
			own[count++] = v->endpoint[i].ep->id;
	for (size_t i = 0; i < count && r == 0; i++)
		r = bury_endpoint(in, &own[i], wall_ms, e);
	return r;
}

static int write_farewell(struct intent *in, uint64_t wall_ms, struct err *e)
{
	const struct view_node *self = view_node_by_id(store_view(in->store), self_id(in));
	struct node n;

	if (!self)
		return 0; /* never announced */
	n = *self->node;
	return write_node(in, &n, true, wall_ms, e);
}

int intent_leave(struct intent *in, uint64_t wall_ms, struct err *e)
{
	const struct id *heir = find_heir(in, store_view(in->store));
	struct id to = heir ? *heir : (struct id){ 0 };
	int r = release_endpoints(in, wall_ms, e);

	if (r == 0 && heir)
		r = hand_blocks(in, self_id(in), &to, wall_ms, e);
	if (r == 0)
		r = write_farewell(in, wall_ms, e);
	return r < 0 ? r : store_commit(in->store, e);
}

/* ---- what is to be healed ---- */

/* Who gives a network a new VNI: its last writer, or the first living node when it is away. */
static bool is_mine_to_heal(const struct intent *in, const struct view *v, const struct id *writer)
{
	if (id_equal(writer, self_id(in)))
		return true;
	if (node_is_up(in, writer))
		return false;
	for (size_t i = 0; i < v->node_count; i++) {
		const struct id *id = &v->node[i].node->id;

		if (id_equal(id, self_id(in)))
			return true;
		if (node_is_up(in, id))
			return false;
	}
	return false;
}

/* One network at a time: each write ends the view. Returns 1 when one was healed. */
static int heal_vni(struct intent *in, uint64_t wall_ms, struct err *e)
{
	const struct view *v = store_view(in->store);

	for (size_t i = 0; i < v->network_count; i++) {
		const struct view_network *vn = &v->network[i];
		struct network n = *vn->net;
		int r;

		if (!vn->vni_lost || !is_mine_to_heal(in, v, &vn->item->writer))
			continue;
		r = draw_vni(in, v, &n.vni);
		if (r < 0)
			return err_set(e, r,
				       "network %s lost its VNI %u to an older network and no "
				       "other one is free; remove networks",
				       n.name, vn->net->vni);
		r = write_network(in, &n, false, wall_ms, e);
		return r < 0 ? r : 1;
	}
	return 0;
}

/* Its last grants may reach us only after we removed it. */
static bool is_orphan(const struct intent *in, const struct block *b)
{
	struct record_key key = key_of_id(RECORD_NODE, &b->owner);
	const struct item *owner = store_item(in->store, &key);

	return owner && owner->tombstone && id_equal(&owner->writer, self_id(in)) &&
	       !id_equal(&b->owner, self_id(in));
}

static int adopt_orphans(struct intent *in, uint64_t wall_ms, struct err *e)
{
	const struct view *v = store_view(in->store);

	for (size_t i = 0; i < v->block_count; i++) {
		struct id owner = v->block[i]->owner;
		int r;

		if (!is_orphan(in, v->block[i]))
			continue;
		r = hand_blocks(in, &owner, self_id(in), wall_ms, e);
		return r < 0 ? r : 1;
	}
	return 0;
}

/* Who must heal a VNI depends on who is alive; orphans follow from the records alone. */
int intent_heal_claims(struct intent *in, uint64_t wall_ms, struct err *e)
{
	int r;

	if (check_not_removed(in, NULL) < 0)
		return 0;
	do {
		r = heal_vni(in, wall_ms, e);
	} while (r > 0);
	while (r == 0 && in->healed_serial != store_serial(in->store)) {
		in->healed_serial = store_serial(in->store);
		r = adopt_orphans(in, wall_ms, e);
		r = r < 0 ? r : 0;
	}
	return r < 0 ? r : store_commit(in->store, e);
}
