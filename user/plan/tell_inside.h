/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by the parts of tell.h. Private to them. */
#pragma once

#include <string.h>

#include "plan/tell.h"

/* Of a row, whose members are not aligned. */
#define COPY(type, name, from) \
	type name;             \
	memcpy(&name, from, sizeof(name))

/* What a row says of those it belongs to; zero is nothing. */
struct whose {
	struct id endpoint;
	uint32_t ifindex, vni;
	struct ov_addr addr; /* an endpoint's, or a VIP */
};
struct whose tell_whose(const struct facts *f, enum plan_table_id table, const uint8_t *row);

/* Sets name, network and endpoint. row NULL: only its key is known. */
void tell_name(const struct view *v, const struct facts *f, enum plan_table_id table,
	       const uint8_t *key, const uint8_t *row, struct repair_line *l);
