/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who the others are, and which session with each is the newest. */
#include "ipsec/inside.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

static bool is_peer(const struct ipsec *s, const struct view_node *vn)
{
	return !vn->name_lost && !id_equal(&vn->node->id, &s->self) &&
	       !addr_is_zero(&vn->node->addr) && addr_cmp(&vn->node->addr, &s->vtep);
}

static struct peer *find(const struct ipsec *s, const struct id *id)
{
	size_t low = 0, high = s->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (id_cmp(&s->peer[mid].id, id) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low < s->count && id_equal(&s->peer[low].id, id) ? &s->peer[low] : NULL;
}

/* With another address it begins anew: SAs are between addresses. */
static void take_over(const struct ipsec *s, const struct node *n, struct peer *p)
{
	const struct peer *old = find(s, &n->id);

	p->id = n->id;
	p->addr = n->addr;
	if (old && !addr_cmp(&old->addr, &n->addr))
		memcpy(p, old, sizeof(*p));
}

void peers_wipe(struct ipsec *s)
{
	if (s->peer)
		sodium_memzero(s->peer, s->count * sizeof(*s->peer));
	free(s->peer);
	s->peer = NULL;
	s->count = 0;
}

static int reserve_used(struct ipsec *s, size_t more)
{
	size_t cap = s->used_count + more;
	uint64_t *used;

	if (cap <= s->used_cap)
		return 0;
	used = reallocarray(s->used, 2 * cap, sizeof(*used));
	if (!used)
		return -ENOMEM;
	s->used = used;
	s->used_cap = 2 * cap;
	return 0;
}

int peers_update(struct ipsec *s, const struct view *v)
{
	struct peer *peer = calloc(v->node_count + 1, sizeof(*peer));
	size_t count = 0;

	if (!peer || reserve_used(s, v->node_count + 1) < 0) {
		free(peer);
		return -ENOMEM;
	}
	for (size_t i = 0; i < v->node_count; i++)
		if (is_peer(s, &v->node[i]))
			take_over(s, v->node[i].node, &peer[count++]);
	peers_wipe(s);
	s->peer = peer;
	s->count = count;
	return 0;
}

static bool was_used(const struct ipsec *s, uint64_t tag)
{
	for (size_t i = 0; i < s->used_count; i++)
		if (s->used[i] == tag)
			return true;
	return s->used_count >= USED_MAX;
}

/*
 * A session never begins twice, whatever records say: its SAs would count from 1 again. The
 * way out is a fresh key.
 */
static void adopt(struct ipsec *s, struct peer *p, const struct session_secrets *secrets,
		  const struct node_key *key)
{
	uint64_t tag = key ? session_tag(secrets, &s->key, key) : 0;

	if (tag == p->session)
		return;
	session_wipe(p);
	if (!tag)
		return;
	if (was_used(s, tag)) {
		s->wants_fresh = true;
		return;
	}
	if (session_master(secrets, s->private_key, &s->key, key, p->master) < 0)
		return;
	p->session = tag;
	s->used[s->used_count++] = tag;
}

void peers_adopt(struct ipsec *s, const struct view *v)
{
	_cleanup_(session_secrets_fini) struct session_secrets secrets;

	session_secrets_init(&secrets, v->cluster->token_secret);
	for (size_t i = 0; i < s->count; i++)
		adopt(s, &s->peer[i], &secrets, view_key_of(v, &s->peer[i].id));
}
