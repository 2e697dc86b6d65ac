/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "facts.h"

static void closefilep(FILE **f)
{
	if (*f)
		fclose(*f);
}

/* net.ipv4.ip_local_port_range. False when that cannot be read. */
static bool local_range(unsigned int *ret_first, unsigned int *ret_last)
{
	_cleanup_(closefilep) FILE *f = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");

	return f && fscanf(f, "%u %u", ret_first, ret_last) == 2 && *ret_last <= UINT16_MAX;
}

/* "8080,9000-9010\n", or an empty line. */
static void read_reserved(const char *text, bool reserved[UINT16_MAX + 1])
{
	unsigned int first, last;
	int len;

	while (sscanf(text, "%u%n", &first, &len) == 1) {
		text += len;
		last = first;
		if (*text == '-' && sscanf(text + 1, "%u%n", &last, &len) == 1)
			text += 1 + len;
		for (unsigned int port = first; port <= last && port <= UINT16_MAX; port++)
			reserved[port] = true;
		if (*text++ != ',')
			return;
	}
}

bool facts_local_ports(uint16_t from, uint16_t to, uint16_t *ret_first, uint16_t *ret_last)
{
	_cleanup_(closefilep) FILE *f = fopen("/proc/sys/net/ipv4/ip_local_reserved_ports", "re");
	bool reserved[UINT16_MAX + 1] = { false };
	_cleanup_(freep) char *text = NULL;
	unsigned int first, last;
	bool found = false;
	size_t size = 0;

	if (!local_range(&first, &last))
		return false;
	if (f && getline(&text, &size, f) > 0)
		read_reserved(text, reserved);
	for (unsigned int port = from; port <= to; port++) {
		if (port < first || port > last || reserved[port])
			continue;
		if (!found)
			*ret_first = (uint16_t)port;
		*ret_last = (uint16_t)port;
		found = true;
	}
	return found;
}
