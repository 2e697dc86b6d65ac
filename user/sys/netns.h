/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Network namespaces: open one, look which it is, do a little work inside. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct nl;

/* -ENOENT and the like; -EINVAL when the path leads to something that is no network namespace. */
int netns_open(const char *path, int *ret_fd);
/* Device and inode identify a namespace as long as something holds it. */
int netns_identify(int fd, uint64_t *ret_dev, uint64_t *ret_ino);
int netns_open_self(int *ret_fd);

/*
 * Runs fn with the calling thread in that namespace, and returns what it
 * returned. The thread is back before this returns, whatever fn did.
 */
int netns_run(int fd, int (*fn)(void *arg), void *arg);

/* The number our namespace has for that one; LINK_NSID_NONE when it has none. */
int netns_nsid(struct nl *n, int fd, int32_t *ret_nsid);

/* Whether /proc/sys/<path> of the namespace the thread is in says that; false also when there is none. */
bool sysctl_is(const char *path, const char *value);
/*
 * Writes /proc/sys/<path> of the namespace the thread is in, unless it says so
 * already. -ENOENT when the kernel has no such setting.
 */
int sysctl_write(const char *path, const char *value);
