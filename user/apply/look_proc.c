/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What /proc tells of namespaces' sockets. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "look.h"
#include "sys/netns.h"

static void closefilep(FILE **f)
{
	if (*f)
		fclose(*f);
}

/* One column of /proc/net/snmp: a line of names, then one of values, both behind "Tcp:". */
static uint64_t snmp_value(const char *names, const char *values, const char *name)
{
	char one[64], number[32];
	int n = 0, m = 0;

	while (sscanf(names, "%63s%n", one, &n) == 1 && sscanf(values, "%31s%n", number, &m) == 1) {
		if (!strcmp(one, name))
			return strtoull(number, NULL, 10);
		names += n;
		values += m;
	}
	return 0;
}

static int read_bad_sums(void *arg)
{
	_cleanup_(closefilep) FILE *f = fopen("/proc/thread-self/net/snmp", "re");
	char names[1024], values[1024];
	uint64_t *sum = arg;

	if (!f)
		return -errno;
	while (fgets(names, sizeof(names), f) && fgets(values, sizeof(values), f))
		if (!strncmp(names, "Tcp:", 4) || !strncmp(names, "Udp:", 4))
			*sum += snmp_value(names, values, "InCsumErrors");
	return 0;
}

int look_bad_sums(const char *netns, uint64_t *ret_count)
{
	_cleanup_(closep) int fd = -1;
	int r = netns_open(netns, &fd);

	*ret_count = 0;
	return r ? r : netns_run(fd, read_bad_sums, ret_count);
}

unsigned int look_udp_port(uint16_t port)
{
	_cleanup_(closefilep) FILE *f = fopen("/proc/thread-self/net/udp", "re");
	unsigned int found = 0, local;
	char line[512];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, " %*u: %*x:%x", &local) == 1)
			found += local == port;
	return found;
}
