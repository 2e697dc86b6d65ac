/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Signatures: ours made, others' checked. A record is checked when it is news, once, before
 * it becomes the newest version of its key: what is in the store was signed by its writer.
 */
#include "table.h"

int entry_put_own(struct store *s, const struct record *r, uint64_t now_ms)
{
	uint8_t signature[SIGNATURE_LEN];
	struct record ours = *r;
	int err;

	if (!record_needs_signature(r->key.kind))
		return entry_put(s, r, now_ms);
	err = identity_sign(&s->identity, r, signature);
	ours.signature = signature;
	return err ? err : entry_put(s, &ours, now_ms);
}

static void remember(struct store *s, const struct id *node)
{
	for (size_t i = 0; i < s->forged_count; i++)
		if (id_equal(&s->forged[i], node))
			return;
	if (s->forged_count < STORE_FORGED_MAX)
		s->forged[s->forged_count++] = *node;
}

bool record_is_forged(struct store *s, const struct record *r)
{
	if (!record_needs_signature(r->key.kind) || record_is_proven(r))
		return false;
	remember(s, &r->writer);
	return true;
}

size_t store_forged(const struct store *s, const struct id **ret_nodes)
{
	*ret_nodes = s->forged;
	return s->forged_count;
}
