/* SPDX-License-Identifier: GPL-2.0 */
/* What this node is. NULL until the daemon has filled all of it. */
#pragma once

#include "lib/compat.h"
#include "maps/defs.bpf.h"

static __always_inline const struct ov_config *config_ready(void)
{
	__u32 zero = 0;
	const struct ov_config *cfg = bpf_map_lookup_elem(&config, &zero);

	return cfg && (cfg->flags & OV_CONFIG_READY) ? cfg : NULL;
}
