/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What published ports are to each other, and to people. */
#include <stdio.h>

#include "model.h"

bool publish_clashes(const struct publish *a, const struct publish *b)
{
	if (a->protocol != b->protocol || a->published != b->published)
		return false;
	return addr_is_zero(&a->addr) || addr_is_zero(&b->addr) || !addr_cmp(&a->addr, &b->addr);
}

const char *publish_format(const struct publish *p, char out[PUBLISH_TEXT_MAX])
{
	char addr[ADDR_TEXT_MAX] = "*";

	if (!addr_is_zero(&p->addr))
		addr_format(&p->addr, addr);
	snprintf(out, PUBLISH_TEXT_MAX, "%s:%u->%u/%s", addr, p->published, p->target,
		 protocol_to_str(p->protocol));
	return out;
}
