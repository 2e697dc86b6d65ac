/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Encrypted networks in XFRM: SAs, one policy a peer and lane, and one that blocks. That
 * one is there as long as a network is encrypted, with peers or without: a packet that
 * carries our mark and meets no lane's policy must not go out in the clear.
 */
#include <stdlib.h>

#include "build.h"
#include "table.h"

bool ipsec_is_wanted(const struct build *b)
{
	for (size_t i = 0; i < b->v->network_count; i++)
		if (b->v->network[i].net->encrypted)
			return b->f->is_ipsec_able;
	return false;
}

static int by_dst(const void *dst, const void *policy)
{
	return addr_cmp(dst, &((const struct ipsec_policy *)policy)->dst);
}

bool ipsec_has_policy(const struct build *b, const struct ov_addr *peer)
{
	const struct facts *f = b->f;

	return f->is_ipsec_able && f->policy_count &&
	       bsearch(peer, f->policy, f->policy_count, sizeof(*f->policy), by_dst);
}

static void add_policy(struct build *b, const struct ipsec_policy *p, uint8_t lane)
{
	struct plan_policy_key key = { .dst = p->dst, .src = b->f->vtep,
				       .port = b->f->vxlan_port, .lane = lane };
	struct plan_policy value = { .spi = p->spi + lane };

	table_add(build_table(b, PLAN_POLICIES), &key, &value);
}

static void add_block(struct build *b)
{
	struct plan_policy_key key = { .lane = PLAN_LANE_BLOCK };
	struct plan_policy value = { 0 };

	table_add(build_table(b, PLAN_POLICIES), &key, &value);
}

void ipsec_add(struct build *b)
{
	const struct facts *f = b->f;

	if (!f->is_ipsec_able)
		return;
	for (size_t i = 0; i < f->sa_count; i++) {
		struct plan_sa_key key = { .dst = f->sa[i].dst, .spi = f->sa[i].spi };
		struct plan_sa value = { .src = f->sa[i].src };

		table_add(build_table(b, PLAN_SAS), &key, &value);
	}
	for (size_t i = 0; i < f->policy_count; i++)
		for (uint8_t lane = 0; lane < OV_SA_LANES; lane++)
			add_policy(b, &f->policy[i], lane);
	if (ipsec_is_wanted(b))
		add_block(b);
}
