/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks for addresses before they are needed. */
#include "room.h"

#define AHEAD_ASKS_MAX 8 /* under way at one time; attaches may have more */

static size_t count_up(const struct intent *in, const struct view *v)
{
	size_t count = 1; /* this node */

	for (size_t i = 0; i < v->node_count; i++)
		count += node_is_up(in, &v->node[i].node->id);
	return count;
}

static bool shares_are_useful(const struct network *n, size_t nodes)
{
	struct ov_addr first, last;

	ipam_bounds(n, &first, &last);
	return (addr_distance(&first, &last) + 1) / nodes >= IPAM_SHARE_MIN;
}

/* Nodes that cannot be asked now: whoever owns blocks and is not up. */
static struct id *away_nodes(const struct intent *in, const struct view *v, size_t *ret_count)
{
	struct id *away = calloc(v->node_count + 1, sizeof(*away));
	size_t count = 0;

	for (size_t i = 0; away && i < v->node_count; i++)
		if (!node_is_up(in, &v->node[i].node->id))
			away[count++] = v->node[i].node->id;
	*ret_count = count;
	return away;
}

static void ask_for(struct intent *in, const struct view *v, const struct network *n)
{
	_cleanup_(freep) struct id *away = NULL;
	size_t count;
	struct ov_addr unused;
	struct ask *ask;
	struct id node;

	away = away_nodes(in, v, &count);
	if (away && ipam_pick(v, n, self_id(in), NULL, in->wall, away, count, &unused, &node,
			      NULL) == IPAM_ASK)
		ask_node(in, n, &node, NULL, false, &ask);
}

void intent_ask_ahead(struct intent *in, uint64_t now, uint64_t wall_ms)
{
	const struct view *v;
	size_t nodes, from = 0;

	in->now = now;
	in->wall = wall_ms;
	jobs_expire(in);
	if (!in->gossip || !gossip_in_sync(in->gossip) || check_not_removed(in, NULL) < 0)
		return;
	v = store_view(in->store);
	nodes = count_up(in, v);
	while (from < v->network_count && id_cmp(&v->network[from].net->id, &in->ahead) <= 0)
		from++;
	for (size_t i = 0; i < v->network_count && ask_count(in) < AHEAD_ASKS_MAX; i++) {
		const struct network *n = v->network[(from + i) % v->network_count].net;

		if (!shares_are_useful(n, nodes) || ask_is_under_way(in, &n->id) ||
		    ipam_owned(v, n, self_id(in)))
			continue;
		in->ahead = n->id; /* the next round goes on behind it */
		ask_for(in, v, n);
	}
}
