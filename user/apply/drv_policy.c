/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Outbound policies of encrypted networks. One is moved to another SPI only when the SA of
 * that SPI is there, and while one waits for its SA no SA is removed (drv_sa.c): what it
 * sends with stays, whatever fails.
 *
 * Priorities: ours come before everybody's, for a policy of someone else that lets all pass
 * (0 is what `ip xfrm` gives by default) must not take a packet with our mark. The one that
 * blocks comes next, and not last as one would think, for the same reason.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "drivers.h"
#include "sys/nl.h"
#include "sys/xfrm.h"

#define PRIORITY_LANE 0
#define PRIORITY_BLOCK 1

/* Instead of an SPI, in a row read back of the one that blocks: it, or the guard, is missing. */
#define DAMAGED 1

static struct xfrm_policy policy_of_row(const struct plan_policy_key *k, uint32_t spi)
{
	if (k->lane == PLAN_LANE_BLOCK)
		return (struct xfrm_policy){
			.mark = OV_IPSEC_MARK, .mask = OV_IPSEC_BLOCK_MASK,
			.priority = PRIORITY_BLOCK, .is_block = true,
		};
	return (struct xfrm_policy){
		.src = k->src, .dst = k->dst, .port = k->port,
		.mark = OV_IPSEC_MARK | k->lane, .mask = OV_IPSEC_MARK_MASK,
		.priority = PRIORITY_LANE, .spi = spi, .reqid = OV_IPSEC_REQID,
	};
}

/* False: it is somebody else's. */
static bool row_of_policy(const struct xfrm_policy *p, struct plan_policy_key *ret_key)
{
	*ret_key = (struct plan_policy_key){ .lane = PLAN_LANE_BLOCK };
	if (p->is_block)
		return p->mark == OV_IPSEC_MARK && p->mask == OV_IPSEC_BLOCK_MASK &&
		       addr_is_zero(&p->dst) && addr_is_zero(&p->src) && !p->port;
	*ret_key = (struct plan_policy_key){
		.dst = p->dst, .src = p->src, .port = p->port, .lane = (uint8_t)p->mark,
	};
	return p->reqid == OV_IPSEC_REQID && p->mask == OV_IPSEC_MARK_MASK &&
	       (p->mark & OV_IPSEC_MARK_MASK) == (OV_IPSEC_MARK | ret_key->lane) &&
	       ret_key->lane != PLAN_LANE_BLOCK;
}

static int list_policies(struct ipsec_ctx *c, struct xfrm_policy **ret_list, size_t *ret_count,
			 struct err *e)
{
	int r = ipsec_open(c, e);

	*ret_list = NULL;
	*ret_count = 0;
	if (r)
		return ipsec_is_absent(r) ? 0 : r;
	r = xfrm_policy_list(c->xfrm, ret_list, ret_count);
	return r ? err_set(e, r, "the policies of XFRM could not be listed: %s", nl_why(c->xfrm)) : 0;
}

/* Both parts of it, or what is left of it. */
static int push_block(struct plan_table *t, size_t *cap, bool has_policy, bool has_guard)
{
	struct plan_policy_key key = { .lane = PLAN_LANE_BLOCK };
	struct plan_policy row = { .spi = has_policy && has_guard ? 0 : DAMAGED };

	return has_policy || has_guard ? rows_push(t, cap, &key, &row) : 0;
}

static int push_policies(struct plan_table *t, size_t *cap, const struct xfrm_policy *list, size_t count,
			 bool *ret_has_block)
{
	int r = 0;

	*ret_has_block = false;
	for (size_t i = 0; i < count && !r; i++) {
		struct plan_policy row = { .spi = list[i].spi };
		struct plan_policy_key key;

		if (!row_of_policy(&list[i], &key))
			continue;
		if (key.lane == PLAN_LANE_BLOCK)
			*ret_has_block = true;
		else
			r = rows_push(t, cap, &key, &row);
	}
	return r;
}

static int observe(void *ctx, struct plan_table *ret_actual, struct err *e)
{
	struct plan_table t = { .key_size = sizeof(struct plan_policy_key),
				.value_size = sizeof(struct plan_policy) };
	_cleanup_(freep) struct xfrm_policy *list = NULL;
	struct ipsec_ctx *c = ctx;
	size_t count = 0, cap = 0;
	bool has_block;
	int r = list_policies(c, &list, &count, e);

	c->is_policy_late = r != 0; /* unknown: then no SA is removed */
	if (!r)
		r = push_policies(&t, &cap, list, count, &has_block);
	if (!r)
		r = push_block(&t, &cap, has_block, guard_works(c->nl));
	if (r) {
		free(t.rows);
		return r;
	}
	rows_sort(&t);
	*ret_actual = t;
	return 0;
}

static int set(struct ipsec_ctx *c, const struct plan_policy_key *k, uint32_t spi, struct err *e)
{
	struct xfrm_policy p = policy_of_row(k, spi);
	char dst[ADDR_TEXT_MAX];
	int r = xfrm_sa_check(c->xfrm, &k->dst, spi);

	if (r == -ESRCH)
		return APPLY_LATER;
	if (!r)
		r = xfrm_policy_set(c->xfrm, &p);
	return r ? err_set(e, r, "the policy of XFRM to %s could not be made: %s",
			   addr_format(&k->dst, dst), nl_why(c->xfrm)) : 0;
}

static int set_block(struct ipsec_ctx *c, struct err *e)
{
	struct xfrm_policy p = policy_of_row(&(struct plan_policy_key){ .lane = PLAN_LANE_BLOCK }, 0);
	int r = xfrm_policy_set(c->xfrm, &p);

	return r ? err_set(e, r, "the policy of XFRM that blocks what is not to leave in the clear could not "
			   "be made: %s", nl_why(c->xfrm)) : guard_put(c->nl, e);
}

static int upsert(void *ctx, const uint8_t *key, const uint8_t *value, bool exists, struct err *e)
{
	struct ipsec_ctx *c = ctx;
	struct plan_policy_key k;
	struct plan_policy v;
	int r = ipsec_open(c, e);

	(void)exists;
	memcpy(&k, key, sizeof(k));
	memcpy(&v, value, sizeof(v));
	if (r)
		return r;
	if (k.lane == PLAN_LANE_BLOCK)
		return set_block(c, e);
	r = set(c, &k, v.spi, e);
	c->is_policy_late |= r != 0;
	return r;
}

static int remove_row(void *ctx, const uint8_t *key, const uint8_t *value, struct err *e)
{
	struct ipsec_ctx *c = ctx;
	struct plan_policy_key k;
	struct xfrm_policy p;
	int r;

	(void)value;
	memcpy(&k, key, sizeof(k));
	p = policy_of_row(&k, 0);
	r = k.lane == PLAN_LANE_BLOCK ? guard_remove(c->nl, e) : 0;
	if (r)
		return r;
	r = xfrm_policy_delete(c->xfrm, &p);
	return r ? err_set(e, r, "a policy of XFRM could not be removed: %s", nl_why(c->xfrm)) : 0;
}

void policy_driver(struct ipsec_ctx *ctx, struct driver *ret_driver)
{
	*ret_driver = (struct driver){
		.name = "policy",
		.observe = observe,
		.upsert = upsert,
		.remove = remove_row,
		.ctx = ctx,
	};
}

/* ---- for the engine ---- */

static int fact_cmp(const void *a, const void *b)
{
	const struct fact_policy *x = a, *y = b;
	int diff = addr_cmp(&x->dst, &y->dst);

	return diff ? diff : x->lane - y->lane;
}

int ipsec_read_policies(struct ipsec_ctx *c, const struct ov_addr *vtep,
			struct fact_policy **ret_list, size_t *ret_count, struct err *e)
{
	_cleanup_(freep) struct xfrm_policy *list = NULL;
	struct plan_policy_key key;
	struct fact_policy *fact;
	size_t count = 0, n = 0;
	int r = list_policies(c, &list, &count, e);

	if (r)
		return r;
	fact = calloc(count + 1, sizeof(*fact));
	if (!fact)
		return err_set(e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < count; i++)
		if (row_of_policy(&list[i], &key) && !addr_cmp(&key.src, vtep))
			fact[n++] = (struct fact_policy){ key.dst, key.lane, list[i].spi };
	qsort(fact, n, sizeof(*fact), fact_cmp);
	*ret_list = fact;
	*ret_count = n;
	return 0;
}
