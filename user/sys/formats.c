/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pins of all formats below one pin directory: v1, v2... A daemon of a new format
 * finds the programs of the old one at work on the old maps:
 *
 *   open     old links, and the marks of qdiscs, move into our link directory
 *            (rename works within bpffs); their programs stay
 *   apply    our maps are filled, then each link and filter gets our program in
 *            place, so that no packet meets a device without one
 *   forget   what is left of the old format is removed
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "bpffs.h"
#include "nl.h"
#include "objects.h"

/* "v1", "v2"...: the number, or 0 when it is no format's directory. */
static unsigned long format_of(const char *name)
{
	if (name[0] != 'v' || !isdigit((unsigned char)name[1]))
		return 0;
	for (const char *p = name + 1; *p; p++)
		if (!isdigit((unsigned char)*p))
			return 0;
	return strtoul(name + 1, NULL, 10);
}

static void closedirp(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* Calls fn with the path of each format below `limit`. 0 or the first error. */
static int each_format(const char *pins, unsigned long limit,
		       int (*fn)(void *arg, const char *path), void *arg)
{
	_cleanup_(closedirp) DIR *dir = opendir(pins);
	struct dirent *d;
	int first = 0;

	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while ((d = readdir(dir))) {
		unsigned long format = format_of(d->d_name);
		char path[PATH_MAX];
		int r;

		if (!format || format >= limit)
			continue;
		if (snprintf(path, sizeof(path), "%s/%s", pins, d->d_name) >= (int)sizeof(path))
			return -ENAMETOOLONG;
		r = fn(arg, path);
		first = first ? first : r;
	}
	return first;
}

/* The directory above ours. */
static void pins_of(const struct bpf_objects *o, char out[PATH_MAX])
{
	strcpy(out, o->dir);
	*strrchr(out, '/') = '\0';
}

static int take_link(const struct bpf_objects *o, const char *from, const char *name)
{
	char old[PATH_MAX], new[PATH_MAX];

	if (snprintf(old, sizeof(old), "%s/%s", from, name) >= (int)sizeof(old) ||
	    snprintf(new, sizeof(new), "%s/link/%s", o->dir, name) >= (int)sizeof(new))
		return -ENAMETOOLONG;
	if (!access(new, F_OK))
		return 0; /* we have one by now; bpf_forget_older ends the old one */
	return rename(old, new) < 0 && errno != ENOENT ? -errno : 0;
}

static int take_links(void *arg, const char *format)
{
	_cleanup_(closedirp) DIR *dir = NULL;
	char from[PATH_MAX];
	struct dirent *d;
	int first = 0;

	if (snprintf(from, sizeof(from), "%s/link", format) >= (int)sizeof(from))
		return -ENAMETOOLONG;
	dir = opendir(from);
	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while ((d = readdir(dir))) {
		int r = d->d_name[0] == '.' ? 0 : take_link(arg, from, d->d_name);

		first = first ? first : r;
	}
	return first;
}

int formats_take_links(struct bpf_objects *o)
{
	char pins[PATH_MAX];

	pins_of(o, pins);
	return each_format(pins, OV_FORMAT, take_links, o);
}

static int remove_format(void *arg, const char *path)
{
	int r = attach_remove_links(arg, path), r2 = bpffs_remove_tree(path);

	return r ? r : r2;
}

int bpf_forget_older(struct bpf_objects *o, struct err *e)
{
	char pins[PATH_MAX];
	int r;

	pins_of(o, pins);
	r = each_format(pins, OV_FORMAT, remove_format, o->nl);
	return r ? err_set(e, r, "pins of an older format below %s could not be removed: %s", pins,
			   strerror(-r)) : 0;
}

/* Removes the pin directory and its parents below root as far as they are empty. */
static void remove_empty(const char *root, char *path)
{
	while (strlen(path) > strlen(root) && !rmdir(path))
		*strrchr(path, '/') = '\0';
}

int bpf_lock_pins(const struct bpf_place *place, bool exclusive)
{
	char root[PATH_MAX], pins[PATH_MAX];
	struct err e = { 0 };
	int fd, r = bpffs_find(place->bpffs, false, root, &e);

	if (r)
		return r;
	if (snprintf(pins, sizeof(pins), "%s/%s", root, place->pin_dir) >= (int)sizeof(pins))
		return -ENAMETOOLONG;
	fd = open(pins, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (!flock(fd, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB))
		return fd;
	r = -errno;
	close(fd);
	return r;
}

int bpf_detach_all(const struct bpf_place *place, struct err *e)
{
	_cleanup_(nl_closep) struct nl *nl = NULL;
	char root[PATH_MAX], pins[PATH_MAX];
	int r = bpf_check_capabilities(e), r2;

	if (!r)
		r = bpffs_check_relative(place->pin_dir, e);
	if (r)
		return r;
	bpf_listen();
	r = nl_open(&nl);
	if (r)
		return err_set(e, r, "no netlink socket: %s", strerror(-r));
	r = attach_remove_filters(nl);
	r2 = bpffs_find(place->bpffs, false, root, e);
	if (r2 == -ENOENT)
		return r ? err_set(e, r, "filters could not be removed: %s", strerror(-r)) : 0;
	if (r2)
		return r2;
	if (snprintf(pins, sizeof(pins), "%s/%s", root, place->pin_dir) >= (int)sizeof(pins))
		return err_set(e, -ENAMETOOLONG, "the pin directory's path is too long: %s", place->pin_dir);
	r2 = each_format(pins, ULONG_MAX, remove_format, nl);
	r = r ? r : r2;
	r2 = settings_put_back(pins, e);
	if (r)
		return err_set(e, r, "not everything below %s could be removed: %s", pins, strerror(-r));
	remove_empty(root, pins);
	return r2;
}
