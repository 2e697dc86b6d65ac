/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A plan as text, and what a test wants to read in it. */
#pragma once

#include "made_world.h"
#include "plan/plan.h"

#define PLAN_SELF 1u /* the node that plans: world_id of it */

/* All of it, ended by a zero byte. */
void plan_text(const struct world *w, const struct facts *f, struct buf *out);
/* It is that, wholly. */
void expect_text(const struct world *w, const struct facts *f, const char *want);
/* The lines that begin with one of these words, all of them. */
void expect_lines(const struct world *w, const struct facts *f, const char *words,
		  const char *want);
