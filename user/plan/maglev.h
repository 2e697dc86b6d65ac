/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sequences of backends by weight. A Maglev table (Eisenbud et al., NSDI 2016)
 * gives each backend places of its own choosing, a function of its id, so that all
 * nodes compute the same table and the loss of one backend moves few places of
 * the others. Turns are the plain thing: each backend as often as its weight,
 * evenly mixed. Pure; private to plan/.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/id.h"

struct weighted {
	struct id id;
	uint16_t weight; /* 1.. */
};

#define MAGLEV_PLACES 100  /* a backend: less than 1 % of imbalance (section 5.3 of the paper) */
#define MAGLEV_MAX 65521   /* the largest table; the smallest is 61 */
#define TURNS_MAX 65521    /* the longest sequence; with more turns, weights are rounded */
#define WEIGHTED_MAX 8191  /* backends of one sequence: in the largest table each has 8 places */

/* Places of the table for these backends: a prime, 61 to MAGLEV_MAX. */
uint32_t maglev_size(const struct weighted *w, size_t count);
/* 1..WEIGHTED_MAX backends sorted by id; every place gets an index. 0 or -ENOMEM. */
int maglev_fill(const struct weighted *w, size_t count, uint16_t *ret_place, uint32_t size);

/* Length of the sequence, 1 to TURNS_MAX. */
uint32_t turns_size(const struct weighted *w, size_t count);
int turns_fill(const struct weighted *w, size_t count, uint16_t *ret_place, uint32_t size);
