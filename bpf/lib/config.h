/* SPDX-License-Identifier: GPL-2.0 */
/* What this node is: a program reads the row once, at its start, and hands it on. */
#pragma once

#include "lib/compat.h"
#include "maps/defs.bpf.h"

/* NULL never, but the verifier does not know. */
static __always_inline const struct ov_config *config_row(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&config, &zero);
}

/* Whether the daemon has filled all of it. */
static __always_inline int config_is_ready(const struct ov_config *cfg)
{
	return cfg && (cfg->flags & OV_CONFIG_READY);
}
