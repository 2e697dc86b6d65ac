/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From what a person types for a namespace to something that can be found again. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "facts.h"
#include "sys/netns.h"

/* Where namespaces have names: iproute2's directory, and Docker's, which `ip netns` does not see. */
static const char *const named_dirs[] = { "/run/netns", "/run/docker/netns", "/var/run/netns",
					   "/var/run/docker/netns" };

static bool is_number(const char *text)
{
	if (!*text)
		return false;
	for (; *text; text++)
		if (!isdigit((unsigned char)*text))
			return false;
	return true;
}

static void closedirp(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* A name of the same namespace in one of the known directories: unlike a PID, it does not die. */
static bool find_name(uint64_t dev, uint64_t ino, char path[NETNS_MAX_LEN + 1])
{
	for (size_t i = 0; i < ARRAY_SIZE(named_dirs); i++) {
		_cleanup_(closedirp) DIR *dir = opendir(named_dirs[i]);
		struct dirent *d;
		struct stat st;

		while (dir && (d = readdir(dir))) {
			char full[PATH_MAX];
			int n = snprintf(full, sizeof(full), "%s/%s", named_dirs[i], d->d_name);

			if (n <= NETNS_MAX_LEN && !stat(full, &st) && st.st_dev == dev &&
			    st.st_ino == ino) {
				memcpy(path, full, (size_t)n + 1);
				return true;
			}
		}
	}
	return false;
}

static int too_long(const char *text, struct err *e)
{
	return err_set(e, -ENAMETOOLONG, "the namespace's path is longer than %d characters: %.80s...",
		       NETNS_MAX_LEN, text);
}

/* Turns text into a path to try; named ones below /run/netns. */
static int make_path(const char *text, char path[NETNS_MAX_LEN + 1], struct err *e)
{
	int n;

	if (!*text)
		return err_set(e, -EINVAL, "the network namespace is missing: give a name of `ip netns`, a "
			       "path or a process id");
	if (text[0] == '/')
		n = snprintf(path, NETNS_MAX_LEN + 1, "%s", text);
	else if (is_number(text))
		n = snprintf(path, NETNS_MAX_LEN + 1, "/proc/%s/ns/net", text);
	else if (strchr(text, '/'))
		return err_set(e, -EINVAL, "\"%s\" is neither a name nor a full path: begin the path with "
			       "a slash", text);
	else
		n = snprintf(path, NETNS_MAX_LEN + 1, "/run/netns/%s", text);
	return n > NETNS_MAX_LEN ? too_long(text, e) : 0;
}

static int open_failed(const char *text, const char *path, int r, struct err *e)
{
	if (r == -EINVAL)
		return err_set(e, r, "%s is no network namespace", path);
	if (r != -ENOENT)
		return err_set(e, r, "the network namespace %s cannot be opened: %s", path, strerror(-r));
	if (text[0] == '/')
		return err_set(e, r, "there is no network namespace %s", text);
	if (is_number(text))
		return err_set(e, r, "there is no process %s", text);
	return err_set(e, r, "there is no network namespace \"%s\": `ip netns` lists them", text);
}

static bool is_own(uint64_t dev, uint64_t ino)
{
	_cleanup_(closep) int own = -1;
	uint64_t own_dev, own_ino;

	return !netns_open_self(&own) && !netns_identify(own, &own_dev, &own_ino) &&
	       own_dev == dev && own_ino == ino;
}

int facts_netns(const char *text, char ret_path[NETNS_MAX_LEN + 1], uint64_t *ret_dev,
		uint64_t *ret_ino, struct err *e)
{
	_cleanup_(closep) int fd = -1;
	char path[NETNS_MAX_LEN + 1];
	uint64_t dev, ino;
	int r = make_path(text, path, e);

	if (r)
		return r;
	r = netns_open(path, &fd);
	if (r == -ENOENT && !strncmp(path, "/run/netns/", 11) && text[0] != '/') {
		/* /var/run is a link to /run nearly everywhere */
		if (snprintf(path, sizeof(path), "/var/run/netns/%.*s", NETNS_MAX_LEN - 15, text) > 0)
			r = netns_open(path, &fd);
	}
	if (!r)
		r = netns_identify(fd, &dev, &ino);
	if (r)
		return open_failed(text, path, r, e);
	if (is_own(dev, ino))
		return err_set(e, -EINVAL, "%s is the network namespace overlayd itself runs in: only "
			       "others can be attached", text);
	if (!strncmp(path, "/proc/", 6))
		find_name(dev, ino, path);
	memcpy(ret_path, path, strlen(path) + 1);
	*ret_dev = dev;
	*ret_ino = ino;
	return 0;
}

bool facts_netns_alive(const char *path, uint64_t dev, uint64_t ino)
{
	struct stat st;

	return !stat(path, &st) && st.st_dev == dev && st.st_ino == ino;
}
