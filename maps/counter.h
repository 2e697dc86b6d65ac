/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Map `counters` (PERCPU_ARRAY, owned by the data path): verdict -> totals. */
#pragma once

#include "types.h"

struct ov_counter {
	__u64 packets; /* a super-packet counts as one */
	__u64 bytes;   /* of the frame as the program met it */
};
_Static_assert(sizeof(struct ov_counter) == 16, "ov_counter is ABI");
