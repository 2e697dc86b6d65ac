/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rows of a plan's tables as a person knows them. Pure. */
#pragma once

#include "model/repair.h"
#include "plan/plan.h"

/*
 * Says whose a row is and what was wrong with it: `found` was there, `wanted` should be (whole
 * rows; NULL: none). With both NULL a row of that key was missing, and another one replaces it.
 */
void plan_tell(const struct view *v, const struct facts *f, enum plan_table_id table,
	       const uint8_t *key, const uint8_t *found, const uint8_t *wanted,
	       struct repair_line *ret_line);

/* Sets name, network and endpoint. */
void plan_tell_endpoint(const struct view_endpoint *ve, struct repair_line *l);

/*
 * Whether the row belongs to what is looked at. What all networks share (the tunnel, peers, this
 * host's addresses, SAs) belongs to none of them.
 */
bool plan_row_is_of(const struct view *v, const struct facts *f, const struct repair_scope *scope,
		    enum plan_table_id table, const uint8_t *row);
