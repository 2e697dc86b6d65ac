/* SPDX-License-Identifier: GPL-2.0 */
/* Which service answers at a port of this node (maps/publish.h). */
#pragma once

#include "lib/endpoint.h"

static __always_inline const struct ov_published *publish_at(struct ov_published_key *k)
{
	return bpf_map_lookup_elem(&published, k);
}

/* The row for a packet to that address of this node, and its key at *k. NULL: none. */
static __always_inline const struct ov_published *publish_find(struct ov_published_key *k, __be32 dst,
							       __be16 port, __u8 protocol)
{
	const struct ov_published *any, *bound;

	*k = (struct ov_published_key){ .port = port, .protocol = protocol };
	any = publish_at(k);
	if (!any || !(any->flags & OV_PUBLISHED_BY_ADDRESS))
		return any;
	addr_set_v4(&k->addr, dst);
	bound = publish_at(k);
	if (bound)
		return bound;
	k->addr = (struct ov_addr){};
	return any->flags & OV_PUBLISHED_NOWHERE ? NULL : any;
}

/* Of the row at k. */
static __always_inline int publish_allows(const struct ov_published_key *k, __be32 client)
{
	struct ov_allowed_key a = { .prefix_len = 8 * (sizeof(a) - sizeof(a.prefix_len)) };

	addr_copy(&a.addr, &k->addr);
	a.port = k->port;
	a.protocol = k->protocol;
	addr_set_v4(&a.client, client);
	return bpf_map_lookup_elem(&allowed, &a) != NULL;
}
