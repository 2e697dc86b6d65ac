/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What policy judged, as observed: from the kernel's map (apply/) to people (front/). */
#pragma once

#include <stdint.h>

/* Flows by the rule that was their verdict, on this node. */
struct policy_row {
	uint32_t vni;
	uint32_t rule;            /* the first four bytes of its id, as they stand there; 0: the default */
	uint64_t allowed, denied; /* denied: of a network in audit, would have been */
};
