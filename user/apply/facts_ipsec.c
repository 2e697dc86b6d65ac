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

int facts_can_encrypt(const char *uplink, struct err *e)
{
	const char *const names[] = { "all", uplink };
	char path[128];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%.16s/disable_xfrm", names[i]);
		if (is_set(path))
			return err_set(e, -EOPNOTSUPP, "what leaves by %s passes IPsec by, because %s is 1 (set "
				       "it to 0)", uplink, path);
	}
	return 0;
}
