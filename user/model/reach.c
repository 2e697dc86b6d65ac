/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reach.h"

const struct reach *reach_overlap(const struct reach_list *l, const struct prefix *subnet)
{
	for (size_t i = 0; i < l->count; i++)
		if (prefix_overlaps(&l->item[i].to, subnet))
			return &l->item[i];
	return NULL;
}
