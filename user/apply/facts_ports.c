/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "facts.h"

bool facts_local_ports(uint16_t *ret_first, uint16_t *ret_last)
{
	FILE *f = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
	unsigned int first, last;
	bool ok;

	if (!f)
		return false;
	ok = fscanf(f, "%u %u", &first, &last) == 2 && first <= last && last <= UINT16_MAX;
	fclose(f);
	if (!ok)
		return false;
	*ret_first = (uint16_t)first;
	*ret_last = (uint16_t)last;
	return true;
}
