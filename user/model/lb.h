/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What balances now, as observed: from the kernel's maps (apply/) to people (front/). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "maps/types.h"

/* A backend of a VIP as the kernel's maps have it, sorted by (vni, vip, backend). */
struct lb_row {
	uint32_t vni;
	struct ov_addr vip, backend;
	uint8_t algorithm;   /* enum ov_lb */
	bool is_empty;       /* the VIP has no backend: the row is only about the VIP */
	bool is_old;         /* takes no new flow, but still has some */
	uint16_t weight;     /* 0 when is_old */
	uint64_t active, total; /* flows from this node */
};
