/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/lib/fake_xfrm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "fake_xfrm: %s\n", what);
	abort();
}

static int sa_cmp(const struct sa *a, const struct sa *b)
{
	int diff = addr_cmp(&a->dst, &b->dst);

	return diff ? diff : (a->spi > b->spi) - (a->spi < b->spi);
}

static int policy_cmp(const struct fact_policy *a, const struct fact_policy *b)
{
	int diff = addr_cmp(&a->dst, &b->dst);

	return diff ? diff : a->lane - b->lane;
}

struct ipsec_facts fake_xfrm_facts(struct fake_xfrm *x)
{
	for (size_t i = 0; i < x->sa_count; i++)
		x->facts[i] = x->sa[i].fact;
	return (struct ipsec_facts){ .is_able = !x->is_unable, .vtep = x->vtep,
				     .sa_count = x->sa_count, .policy_count = x->policy_count,
				     .sa = x->facts, .policy = x->policy };
}

struct fake_sa *fake_xfrm_find(struct fake_xfrm *x, const struct ov_addr *src,
			       const struct ov_addr *dst, uint32_t spi)
{
	for (size_t i = 0; i < x->sa_count; i++)
		if (x->sa[i].fact.sa.spi == spi && !addr_cmp(&x->sa[i].fact.sa.src, src) &&
		    !addr_cmp(&x->sa[i].fact.sa.dst, dst))
			return &x->sa[i];
	return NULL;
}

void fake_xfrm_flush(struct fake_xfrm *x)
{
	x->sa_count = x->policy_count = 0;
}

static bool fails(struct fake_xfrm *x)
{
	return x->fail_percent && rng_below(&x->rng, 100) < x->fail_percent;
}

static void insert(struct fake_xfrm *x, const struct sa *sa, const uint8_t key[SA_KEY_LEN])
{
	size_t at = 0;

	must(x->sa_count < FAKE_SAS_MAX, "SAs without end");
	while (at < x->sa_count && sa_cmp(&x->sa[at].fact.sa, sa) < 0)
		at++;
	must(at == x->sa_count || sa_cmp(&x->sa[at].fact.sa, sa), "one SPI twice");
	memmove(&x->sa[at + 1], &x->sa[at], (x->sa_count++ - at) * sizeof(x->sa[0]));
	x->sa[at] = (struct fake_sa){ .fact.sa = *sa };
	memcpy(x->sa[at].key, key, SA_KEY_LEN);
}

static int add_sas(struct fake_xfrm *x, struct ipsec *s, const struct ipsec_want *w,
		   fake_change_fn fn, void *arg)
{
	uint8_t key[SA_KEY_LEN];
	int changes = 0;

	for (size_t i = 0; i < w->sa_count; i++) {
		must(!i || sa_cmp(&w->sa[i - 1], &w->sa[i]) < 0, "SAs are wanted out of order");
		if (fake_xfrm_find(x, &w->sa[i].src, &w->sa[i].dst, w->sa[i].spi) ||
		    ipsec_take_key(s, &w->sa[i], key) < 0 || fails(x))
			continue;
		insert(x, &w->sa[i], key);
		changes++;
		if (!fn(arg, FAKE_SA_NEW, &w->sa[i]))
			return -EINTR;
	}
	return changes;
}

/* True when it was not so before, and is now. */
static bool set_policy(struct fake_xfrm *x, const struct fact_policy *p)
{
	size_t at = 0;

	while (at < x->policy_count && policy_cmp(&x->policy[at], p) < 0)
		at++;
	if (at < x->policy_count && !policy_cmp(&x->policy[at], p) && x->policy[at].spi == p->spi)
		return false;
	if (fails(x))
		return false;
	if (at == x->policy_count || policy_cmp(&x->policy[at], p)) {
		must(x->policy_count < FAKE_SAS_MAX, "policies without end");
		memmove(&x->policy[at + 1], &x->policy[at],
			(x->policy_count++ - at) * sizeof(x->policy[0]));
	}
	x->policy[at] = *p;
	return true;
}

static int set_policies(struct fake_xfrm *x, const struct ipsec_want *w, fake_change_fn fn,
			void *arg)
{
	int changes = 0;

	for (size_t i = 0; i < w->policy_count * OV_SA_LANES; i++) {
		const struct ipsec_policy *p = &w->policy[i / OV_SA_LANES];
		uint8_t lane = i % OV_SA_LANES;
		struct fact_policy set = { .dst = p->dst, .lane = lane, .spi = p->spi | lane };

		if (!set_policy(x, &set))
			continue;
		changes++;
		if (!fn(arg, FAKE_POLICY_SET, &(struct sa){ x->vtep, p->dst, set.spi }))
			return -EINTR;
	}
	return changes;
}

static bool has_policy(const struct ipsec_want *w, const struct fact_policy *p)
{
	for (size_t i = 0; i < w->policy_count; i++)
		if (!addr_cmp(&w->policy[i].dst, &p->dst))
			return true;
	return false;
}

static int remove_policies(struct fake_xfrm *x, const struct ipsec_want *w, fake_change_fn fn,
			   void *arg)
{
	int changes = 0;

	for (size_t i = x->policy_count; i-- > 0;) {
		struct fact_policy gone = x->policy[i];

		if (has_policy(w, &gone) || fails(x))
			continue;
		memmove(&x->policy[i], &x->policy[i + 1],
			(--x->policy_count - i) * sizeof(x->policy[0]));
		changes++;
		if (!fn(arg, FAKE_POLICY_GONE, &(struct sa){ x->vtep, gone.dst, gone.spi }))
			return -EINTR;
	}
	return changes;
}

static bool has_sa(const struct ipsec_want *w, const struct sa *sa)
{
	for (size_t i = 0; i < w->sa_count; i++)
		if (!sa_cmp(&w->sa[i], sa) && !addr_cmp(&w->sa[i].src, &sa->src))
			return true;
	return false;
}

static int remove_sas(struct fake_xfrm *x, const struct ipsec_want *w, fake_change_fn fn, void *arg)
{
	int changes = 0;

	for (size_t i = x->sa_count; i-- > 0;) {
		struct sa gone = x->sa[i].fact.sa;

		if (has_sa(w, &gone) || fails(x))
			continue;
		memmove(&x->sa[i], &x->sa[i + 1], (--x->sa_count - i) * sizeof(x->sa[0]));
		changes++;
		if (!fn(arg, FAKE_SA_GONE, &gone))
			return -EINTR;
	}
	return changes;
}

int fake_xfrm_apply(struct fake_xfrm *x, struct ipsec *s, const struct ipsec_want *w,
		    fake_change_fn fn, void *arg)
{
	int added = add_sas(x, s, w, fn, arg), set, unset, removed;

	if (added < 0 || (set = set_policies(x, w, fn, arg)) < 0 ||
	    (unset = remove_policies(x, w, fn, arg)) < 0 ||
	    (removed = remove_sas(x, w, fn, arg)) < 0)
		return -EINTR;
	return added + set + unset + removed;
}
