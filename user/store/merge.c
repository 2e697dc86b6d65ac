/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "table.h"

static int check_node(const struct store *s, const struct entry *held, const struct item *it,
		      struct err *e)
{
	char id[ID_TEXT_MAX];

	if (it->tombstone)
		return 0;
	if (!id_equal(&it->node.id, &s->self))
		return err_set(e, -EPERM, "node %s is not this one; only it writes its own record",
			       id_format(&it->node.id, id));
	if (held && held->item.tombstone)
		return err_set(e, -ESTALE,
			       "this node was removed from the cluster and its id %s is spent; "
			       "stop overlayd, delete its state directory and join again",
			       id_format(&s->self, id));
	return 0;
}

static int check_endpoint(const struct store *s, const struct entry *held, const struct item *it,
			  struct err *e)
{
	char id[ID_TEXT_MAX];

	if (id_equal(&it->endpoint.node, &s->self) &&
	    (!held || id_equal(&held->item.endpoint.node, &s->self)))
		return 0;
	return err_set(e, -EPERM, "endpoint %s lives on another node; change it there",
		       id_format(&it->endpoint.id, id));
}

static int check_block(const struct store *s, const struct entry *held, struct err *e)
{
	char start[ADDR_TEXT_MAX], owner[ID_TEXT_MAX];

	if (!held || id_equal(&held->item.block.owner, &s->self) ||
	    node_is_removed(s, &held->item.block.owner))
		return 0;
	return err_set(e, -EPERM, "the addresses from %s belong to node %s; ask it for some",
		       addr_format(&held->item.block.start, start),
		       id_format(&held->item.block.owner, owner));
}

static int check_service(const struct entry *held, const struct item *it, struct err *e)
{
	if (it->tombstone || !held || !held->item.tombstone)
		return 0;
	return err_set(e, -ESTALE, "service %s was removed meanwhile; create it again",
		       it->service.name);
}

static int check_own(const struct store *s, const struct item *it, struct err *e)
{
	struct id owner = item_owner(it);
	char id[ID_TEXT_MAX];

	if (id_equal(&owner, &s->self))
		return 0;
	return err_set(e, -EPERM, "the keys are node %s's; only it writes them",
		       id_format(&owner, id));
}

/* Who may write what (record.h), seen from this node as the writer. */
static int check_right(const struct store *s, const struct entry *held, const struct item *it,
		       struct err *e)
{
	switch (it->key.kind) {
	case RECORD_NODE:
		return check_node(s, held, it, e);
	case RECORD_ENDPOINT:
		return check_endpoint(s, held, it, e);
	case RECORD_BLOCK:
		return check_block(s, held, e);
	case RECORD_SERVICE:
		return check_service(held, it, e);
	case RECORD_KEY:
	case RECORD_PAIRS:
	case RECORD_RING_ACK:
		return check_own(s, it, e);
	case RECORD_CLUSTER:
	case RECORD_EPOCH:
	case RECORD_RING:
		return it->tombstone ? err_set(e, -EPERM, "this record of the whole cluster cannot be deleted") :
				       0;
	default:
		return 0;
	}
}

/* The greatest stamp known of a key, forgotten tombstones included. */
static const struct stamp *known_stamp(const struct store *s, const struct entry *held,
				       const struct record_key *key)
{
	const struct forgotten *f;

	if (held)
		return &held->item.stamp;
	HASH_FIND(hh, s->forgotten, key, sizeof(*key), f);
	return f ? &f->stamp : NULL;
}

static int put_error(const struct store *s, int err, struct err *e)
{
	if (HASH_COUNT(s->entries) >= s->records_max)
		return err_set(e, -ENOSPC, "the cluster holds %zu records already, the most it can; "
			       "remove networks, endpoints or nodes", s->records_max);
	return err_set(e, err, "out of memory while writing a record");
}

int store_write(struct store *s, const struct record_key *key, const struct buf *body,
		bool tombstone, uint64_t now_ms, struct err *e)
{
	const struct entry *held = entry_find(s, key);
	struct record r = { .key = *key, .writer = s->self, .tombstone = tombstone,
			    .body = body->data, .body_len = (uint16_t)body->len };
	struct item item;
	int err;

	if (body->failed)
		return err_set(e, -ENOMEM, "out of memory while writing a record");
	if (body->len > RECORD_BODY_MAX)
		return err_set(e, -EMSGSIZE, "the record would have %zu bytes, the most is %d; "
			       "use fewer or shorter labels and aliases", body->len, RECORD_BODY_MAX);
	if (item_decode(&r, now_ms, &item))
		return err_set(e, -EINVAL, "a record of kind %d holds a value out of bounds; "
			       "it was not written", key->kind);
	err = check_right(s, held, &item, e);
	if (err)
		return err;
	if (key->kind == RECORD_NODE && held && held->item.tombstone)
		return 0; /* removed already, and for good */
	err = stamp_next(s, key, known_stamp(s, held, key), tombstone, now_ms, &r.stamp);
	if (err)
		return err_set(e, err, "no greater version of this record can be made: somebody "
			       "wrote one with the greatest number there is; look for a node with "
			       "a broken clock or forged records");
	err = entry_put_own(s, &r, now_ms);
	return err ? put_error(s, err, e) : 0;
}

static bool owner_wrote(const struct record *r, const struct item *it)
{
	struct id owner = item_owner(it);

	return id_equal(&r->writer, &owner);
}

/* Who may write what, seen from the receiver. */
static bool may_write(const struct record *r, const struct item *it)
{
	if (id_is_zero(&r->writer) || r->stamp.hi >= STAMP_LIMIT || r->stamp.lo >= STAMP_LIMIT)
		return false;
	switch (r->key.kind) {
	case RECORD_NODE:
		return r->tombstone ||
		       (id_equal(&r->writer, &it->node.id) && r->stamp.hi < STAMP_FINAL);
	case RECORD_ENDPOINT:
	case RECORD_KEY:
	case RECORD_PAIRS:
	case RECORD_RING_ACK:
		return owner_wrote(r, it);
	case RECORD_BLOCK:
		return r->stamp.hi && !r->stamp.lo && !id_is_zero(&it->block.owner);
	case RECORD_SERVICE:
		return r->tombstone || r->stamp.hi < STAMP_FINAL;
	case RECORD_CLUSTER:
	case RECORD_EPOCH:
	case RECORD_RING:
		return !r->tombstone;
	default:
		return true;
	}
}

static bool is_own(const struct store *s, const struct entry *held, const struct item *it)
{
	struct id owner = item_owner(it);

	if (!kind_is_owned(it->key.kind))
		return false;
	return id_equal(&owner, &s->self) || (held && it->key.kind == RECORD_ENDPOINT &&
					      id_equal(&held->item.endpoint.node, &s->self));
}

/*
 * Somebody shows us a version of our own record that we did not write, or have
 * lost (a restored backup): what we know is written again, past it. Of an
 * endpoint that we do not know nothing is left here, so it is gone.
 */
static enum merge_result refute(struct store *s, const struct entry *held, const struct record *seen,
				uint64_t now_ms)
{
	struct record ours = held ? version_record(held, held->newest) : *seen;

	if (!held)
		ours.tombstone = true;
	ours.writer = s->self;
	if (stamp_next(s, &ours.key, &seen->stamp, false, now_ms, &ours.stamp) ||
	    entry_put_own(s, &ours, now_ms))
		return MERGE_REFUSED;
	return MERGE_REFUTED;
}

/* Our own record, in a version newer than what we hold. */
static enum merge_result merge_own(struct store *s, const struct entry *held,
				   const struct record *r, uint64_t now_ms)
{
	struct stamp unused;

	if (r->tombstone && (r->key.kind == RECORD_NODE || !held))
		return entry_put(s, r, now_ms) ? MERGE_REFUSED : MERGE_NEW;
	if (!held && r->key.kind == RECORD_NODE) {
		/* Not announced yet in this life: it will be, past the one seen. */
		stamp_next(s, &r->key, &r->stamp, false, now_ms, &unused);
		return MERGE_OLD;
	}
	return refute(s, held, r, now_ms);
}

static bool is_news(const struct store *s, const struct entry *held, const struct record *r)
{
	struct record ours;

	if (!held)
		return !forgotten_has(s, r);
	ours = version_record(held, held->newest);
	return record_cmp(r, &ours) > 0;
}

enum merge_result store_merge(struct store *s, const struct record *r, uint64_t now_ms)
{
	const struct entry *held = entry_find(s, &r->key);
	struct item item;

	if (item_decode(r, now_ms, &item) || !may_write(r, &item))
		return MERGE_REFUSED;
	if (held && r->key.kind == RECORD_NODE && held->item.tombstone && !r->tombstone)
		return MERGE_REFUSED;
	if (!is_news(s, held, r))
		return MERGE_OLD;
	if (record_is_forged(s, r))
		return MERGE_REFUSED;
	if (is_own(s, held, &item))
		return merge_own(s, held, r, now_ms);
	return entry_put(s, r, now_ms) ? MERGE_REFUSED : MERGE_NEW;
}
