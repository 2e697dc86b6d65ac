/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration file. What is taken keeps its promises, what is refused says why. */
#include <stdlib.h>
#include <string.h>

#include "agent/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct options o;
	struct err e = { 0 };

	options_init(&o);
	if (options_parse_text((const char *)data, size, "f", &o, &e)) {
		if (!e.code || !e.text[0])
			abort();
		return 0;
	}
	if (!o.vxlan_port || !o.gossip_port || !o.run_dir[0] || !o.pin_dir[0] || o.pin_dir[0] == '/' ||
	    strstr(o.pin_dir, "..") || o.join_count > OPTIONS_JOIN_MAX || o.config[0] ||
	    !o.masquerade.first ||
	    o.masquerade.last - o.masquerade.first + 1 < OPTIONS_MASQUERADE_MIN)
		abort();
	return 0;
}
