/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Settings of the host that we switched on. That one was off is remembered by an empty
 * directory, as of a clsact qdisc: it lives as long as the setting does, until the machine
 * restarts. It is no format's, so a newer daemon knows it, too.
 *
 *   BPFFS/PIN_DIR/set/net-ipv4-conf-lo-accept_local
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "netns.h"
#include "objects.h"

/* No part of a setting's path that we use has a dash in it. */
static void swap(char *text, char from, char to)
{
	for (char *c = text; (c = strchr(c, from)); c++)
		*c = to;
}

static void mark(const struct bpf_objects *o, const char *setting)
{
	char name[NAME_MAX + 1], dir[PATH_MAX], path[PATH_MAX];

	snprintf(name, sizeof(name), "%s", setting);
	swap(name, '/', '-');
	snprintf(dir, sizeof(dir), "%s", o->dir);
	*strrchr(dir, '/') = '\0'; /* above the format's */
	if (snprintf(path, sizeof(path), "%s/set", dir) >= (int)sizeof(path))
		return;
	mkdir(path, 0700);
	if (snprintf(path, sizeof(path), "%s/set/%s", dir, name) < (int)sizeof(path))
		mkdir(path, 0700);
}

int bpf_set_on(struct bpf_objects *o, const char *setting)
{
	/* First the mark: without it the setting would stay. That it could not be made is no harm. */
	if (sysctl_is(setting, "0"))
		mark(o, setting);
	return sysctl_write(setting, "1");
}

static int put_back(const char *dir, const char *name, struct err *e)
{
	char setting[NAME_MAX + 1], path[PATH_MAX];
	int r;

	snprintf(setting, sizeof(setting), "%s", name);
	swap(setting, '-', '/');
	r = sysctl_write(setting, "0");
	if (r)
		return err_set(e, r, "/proc/sys/%s could not be set back to 0 (%s): mount /proc/sys "
			       "writable", setting, strerror(-r));
	if (snprintf(path, sizeof(path), "%s/%s", dir, name) < (int)sizeof(path))
		rmdir(path);
	return 0;
}

static void closedirp(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

int settings_put_back(const char *pins, struct err *e)
{
	_cleanup_(closedirp) DIR *dir = NULL;
	char path[PATH_MAX];
	struct dirent *d;
	int first = 0;

	if (snprintf(path, sizeof(path), "%s/set", pins) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	dir = opendir(path);
	while (dir && (d = readdir(dir))) {
		int r = d->d_name[0] == '.' ? 0 : put_back(path, d->d_name, e);

		first = first ? first : r;
	}
	rmdir(path); /* what could not be put back keeps its mark, and this its directory */
	return first;
}
