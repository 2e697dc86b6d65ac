/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bpffs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"

static bool is_bpffs(const char *path)
{
	struct statfs fs;

	return !statfs(path, &fs) && fs.f_type == BPF_FS_MAGIC;
}

/* True when init sees other mounts than we do. */
static bool init_differs(void)
{
	struct stat own, init;

	return !stat("/proc/self/ns/mnt", &own) && !stat("/proc/1/ns/mnt", &init) &&
	       (own.st_dev != init.st_dev || own.st_ino != init.st_ino);
}

/* Entering a mount namespace leads to its own root; init's may be another (a chroot, a container). */
static int mount_in_init(const char *path)
{
	int ns = open("/proc/1/ns/mnt", O_RDONLY | O_CLOEXEC);
	int root = open("/proc/1/root", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (ns < 0 || root < 0 || setns(ns, CLONE_NEWNS) < 0 || fchdir(root) < 0 || chroot(".") < 0)
		return errno;
	return mount("bpf", path, "bpf", 0, NULL) < 0 ? errno : 0;
}

/* Mounts where init sees it. A child goes there, because one cannot come back from everywhere. */
static int mount_as_init(const char *path)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (!pid)
		_exit(mount_in_init(path));
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -ECHILD;
}

static int mount_default(const char *path, bool as_init, struct err *e)
{
	int r;

	if (as_init)
		r = mount_as_init(path);
	else
		r = mount("bpf", path, "bpf", 0, NULL) < 0 ? -errno : 0;
	if (!r)
		return 0;
	if (r == -ENOENT || r == -ENODEV)
		return err_set(e, r, "this kernel has no BPF file system (%s cannot be mounted: %s); "
			       "it needs CONFIG_BPF_SYSCALL", path, strerror(-r));
	return err_set(e, r, "there is no bpffs at %s and it could not be mounted (%s): "
		       "run `mount -t bpf bpf %s` on the host", path, strerror(-r), path);
}

int bpffs_find(const char *asked, bool mount, char ret_path[PATH_MAX], struct err *e)
{
	bool differs = init_differs();
	char outside[PATH_MAX];
	int r;

	if (snprintf(outside, sizeof(outside), "/proc/1/root%s", asked) >= (int)sizeof(outside))
		return err_set(e, -ENAMETOOLONG, "the bpffs path is too long: %s", asked);
	if (is_bpffs(asked)) {
		snprintf(ret_path, PATH_MAX, "%s", asked);
		return 0;
	}
	if (!differs || !is_bpffs(outside)) {
		if (!mount)
			return -ENOENT;
		if (strcmp(asked, BPFFS_DEFAULT))
			return err_set(e, -ENOENT, "%s is no bpffs: run `mount -t bpf bpf %s`, or leave out "
				       "--bpffs to use " BPFFS_DEFAULT, asked, asked);
		r = mount_default(asked, differs, e);
		if (r)
			return r;
	}
	snprintf(ret_path, PATH_MAX, "%s", differs ? outside : asked);
	return 0;
}

int bpffs_check_relative(const char *dir, struct err *e)
{
	size_t len = strlen(dir);

	if (!len || dir[0] == '/' || dir[len - 1] == '/' || strstr(dir, "//"))
		return err_set(e, -EINVAL, "the pin directory \"%s\" must be one or more names below bpffs, "
			       "like overlayd", dir);
	if (strchr(dir, '.'))
		return err_set(e, -EINVAL, "the pin directory \"%s\" has a dot, which bpffs does not allow",
			       dir);
	return 0;
}

int bpffs_make_dirs(const char *root, const char *relative, bool *ret_made)
{
	char path[PATH_MAX];
	size_t at = strlen(root) + 1;
	bool made = false;

	if (snprintf(path, sizeof(path), "%s/%s", root, relative) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	for (;;) {
		char *slash = strchr(path + at, '/');

		if (slash)
			*slash = '\0';
		made = !mkdir(path, 0700);
		if (!made && errno != EEXIST)
			return -errno;
		if (!slash)
			break;
		*slash = '/';
		at = (size_t)(slash - path) + 1;
	}
	*ret_made = made;
	return 0;
}

int bpffs_remove_tree(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *d;
	int first = 0;

	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while ((d = readdir(dir))) {
		char *child;
		int r = 0;

		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
			continue;
		if (asprintf(&child, "%s/%s", path, d->d_name) < 0) {
			first = first ? first : -ENOMEM;
			break;
		}
		if (d->d_type == DT_DIR)
			r = bpffs_remove_tree(child);
		else if (unlink(child) < 0 && errno != ENOENT)
			r = -errno;
		free(child);
		first = first ? first : r;
	}
	closedir(dir);
	if (rmdir(path) < 0 && errno != ENOENT)
		first = first ? first : -errno;
	return first;
}
