/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What lives, as one number by which two nodes see whether they know the same. Bucket hashes
 * cannot say that: they count tombstones, and each node forgets those by its own clock.
 */
#include "table.h"

static const struct item *living_item(const struct store *s, enum record_kind kind,
				      const struct id *id)
{
	struct record_key key = key_of_id(kind, id);
	const struct item *it = store_item(s, &key);

	return it && !it->tombstone ? it : NULL;
}

/* NULL: it belongs to none. */
static const struct id *network_of(const struct item *it)
{
	switch (it->key.kind) {
	case RECORD_ENDPOINT:
		return &it->endpoint.network;
	case RECORD_BLOCK:
		return &it->block.network;
	case RECORD_POLICY:
		return &it->policy.network;
	case RECORD_SERVICE:
		return &it->service.network;
	default:
		return NULL;
	}
}

/*
 * As the view has it (model/view.h): what hangs on something removed is gone, whether it was
 * forgotten already or not. A block of a removed node waits for who takes it over.
 */
static bool is_living(const struct store *s, const struct item *it)
{
	const struct id *network = network_of(it);
	struct id owner;

	if (it->tombstone || (network && !living_item(s, RECORD_NETWORK, network)))
		return false;
	if (it->key.kind == RECORD_NODE || !kind_is_owned(it->key.kind))
		return true;
	owner = item_owner(it);
	return !node_is_removed(s, &owner);
}

uint64_t store_living_hash(struct store *s)
{
	if (s->has_living && s->living_serial == s->serial)
		return s->living;
	s->living = 0;
	for (const struct entry *en = s->entries; en; en = en->hh.next)
		if (is_living(s, &en->item))
			s->living ^= en->newest->hash;
	s->living_serial = s->serial;
	s->has_living = true;
	return s->living;
}
