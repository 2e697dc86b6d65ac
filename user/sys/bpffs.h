/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where pins live: finding bpffs, making and removing directories in it. */
#pragma once

#include <limits.h>
#include <stdbool.h>

#include "base/err.h"

#define BPFFS_DEFAULT "/sys/fs/bpf"

/*
 * A path to `asked` under which bpffs really lies: the same, or by way of
 * /proc/1/root when this mount namespace hides it (`ip netns exec` mounts a new
 * /sys). With `mount`, the default place is mounted where the host has not done
 * so. -ENOENT (and no sentence) when there is none and `mount` is false.
 */
int bpffs_find(const char *asked, bool mount, char ret_path[PATH_MAX], struct err *e);

/* One or more plain names joined by '/': bpffs itself refuses dots. */
int bpffs_check_relative(const char *dir, struct err *e);
/* Makes root/relative, mode 0700. *ret_made tells whether the last part is new. */
int bpffs_make_dirs(const char *root, const char *relative, bool *ret_made);
/* Removes a directory with all that is in it. Best effort: 0 or the first error. */
int bpffs_remove_tree(const char *path);
