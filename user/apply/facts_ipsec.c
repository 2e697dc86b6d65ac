/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "facts.h"

/* Whether that setting of this namespace is there and not zero. */
static bool is_set(const char *path)
{
	FILE *f = fopen(path, "re");
	int value = 0;

	if (!f)
		return false;
	if (fscanf(f, "%d", &value) != 1)
		value = 0;
	fclose(f);
	return value != 0;
}

/* Of the tunnel device, where packets are before a policy takes them; the guard drops them then. */
int facts_can_encrypt(struct err *e)
{
	static const char *const paths[] = {
		"/proc/sys/net/ipv4/conf/all/disable_xfrm",
		"/proc/sys/net/ipv4/conf/" OV_TUNNEL_NAME "/disable_xfrm",
	};

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		if (is_set(paths[i]))
			return err_set(e, -EOPNOTSUPP, "%s is 1, so that packets pass IPsec by (set it to 0)",
				       paths[i]);
	return 0;
}
