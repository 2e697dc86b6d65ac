/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's SAs and policies in memory, with their keys. What a plan would bring about is
 * done here one change at a time, in the order of apply/: SAs, policies, then removals the other
 * way round; so a daemon can be killed between any two.
 */
#pragma once

#include "ipsec/ipsec.h"

#define FAKE_SAS_MAX 512

struct fake_sa {
	struct fact_sa fact;
	uint8_t key[SA_KEY_LEN];
};

struct fake_xfrm {
	struct ov_addr vtep;
	bool is_unable;              /* lacks what encrypted networks need */
	unsigned int fail_percent;   /* of all changes; keys of SAs are taken first */
	struct rng rng;
	size_t sa_count, policy_count;
	struct fake_sa sa[FAKE_SAS_MAX];           /* sorted by dst, spi */
	struct fact_policy policy[FAKE_SAS_MAX];   /* sorted by dst, lane */
	struct fact_sa facts[FAKE_SAS_MAX];        /* as given out last */
};

enum fake_change { FAKE_SA_NEW, FAKE_POLICY_SET, FAKE_POLICY_GONE, FAKE_SA_GONE };

/* After each change. False: the daemon is killed here. */
typedef bool (*fake_change_fn)(void *arg, enum fake_change what, const struct sa *sa);

struct ipsec_facts fake_xfrm_facts(struct fake_xfrm *x);
/* Brings about what is wanted. The number of changes, or -EINTR when it was killed. */
int fake_xfrm_apply(struct fake_xfrm *x, struct ipsec *s, const struct ipsec_want *w,
		    fake_change_fn fn, void *arg);
/* NULL when there is none. */
struct fake_sa *fake_xfrm_find(struct fake_xfrm *x, const struct ov_addr *src,
			       const struct ov_addr *dst, uint32_t spi);
void fake_xfrm_flush(struct fake_xfrm *x);
