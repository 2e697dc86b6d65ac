/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/net_namespace.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/cleanup.h"
#include "link.h"
#include "nl.h"

int netns_open(const char *path, int *ret_fd)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct statfs fs;

	if (fd < 0)
		return -errno;
	if (fstatfs(fd, &fs) < 0)
		return -errno;
	if (fs.f_type != NSFS_MAGIC || ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET)
		return -EINVAL;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int netns_identify(int fd, uint64_t *ret_dev, uint64_t *ret_ino)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	*ret_dev = st.st_dev;
	*ret_ino = st.st_ino;
	return 0;
}

int netns_open_self(int *ret_fd)
{
	return netns_open("/proc/thread-self/ns/net", ret_fd);
}

int netns_run(int fd, int (*fn)(void *arg), void *arg)
{
	_cleanup_(closep) int home = -1;
	int r = netns_open_self(&home);

	if (r)
		return r;
	if (setns(fd, CLONE_NEWNET) < 0)
		return -errno;
	r = fn(arg);
	/*
	 * Nothing else this daemon did would be right in a foreign namespace. It can
	 * only fail without CAP_SYS_ADMIN, with which we came in.
	 */
	if (setns(home, CLONE_NEWNET) < 0)
		abort();
	return r;
}

static int on_nsid(const struct nlmsghdr *msg, void *arg)
{
	const struct nlattr *attr;

	if (msg->nlmsg_type != RTM_NEWNSID)
		return 0;
	mnl_attr_for_each(attr, msg, sizeof(struct rtgenmsg))
		if (mnl_attr_get_type(attr) == NETNSA_NSID && mnl_attr_get_payload_len(attr) >= 4)
			*(int32_t *)arg = (int32_t)mnl_attr_get_u32(attr);
	return 0;
}

int netns_nsid(struct nl *n, int fd, int32_t *ret_nsid)
{
	struct nlmsghdr *msg = nl_begin(n, RTM_GETNSID, 0);
	int32_t nsid = LINK_NSID_NONE; /* NETNSA_NSID_NOT_ASSIGNED has the same value */
	int r;

	mnl_nlmsg_put_extra_header(msg, sizeof(struct rtgenmsg));
	mnl_attr_put_u32(msg, NETNSA_FD, (uint32_t)fd);
	r = nl_talk(n, on_nsid, &nsid);
	if (r)
		return r;
	*ret_nsid = nsid;
	return 0;
}

bool sysctl_is(const char *path, const char *value)
{
	_cleanup_(closep) int fd = -1;
	char full[160], now[32];
	ssize_t n;

	snprintf(full, sizeof(full), "/proc/sys/%s", path);
	fd = open(full, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, now, sizeof(now) - 1);
	if (n > 0 && now[n - 1] == '\n')
		n--;
	return n >= 0 && (size_t)n == strlen(value) && !memcmp(now, value, (size_t)n);
}

int sysctl_write(const char *path, const char *value)
{
	_cleanup_(closep) int fd = -1;
	char full[160];
	ssize_t n;

	if (sysctl_is(path, value))
		return 0;
	snprintf(full, sizeof(full), "/proc/sys/%s", path);
	fd = open(full, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = (ssize_t)strlen(value);
	return write(fd, value, (size_t)n) == n ? 0 : -errno;
}
