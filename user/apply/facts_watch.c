/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "facts_watch.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <linux/xfrm.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"

static int open_groups(int bus, uint32_t groups, int *ret_fd)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = groups };
	_cleanup_(closep) int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, bus);

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int add(struct host_watch *w, int fd)
{
	struct epoll_event on = { .events = EPOLLIN };

	return epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &on) < 0 ? -errno : 0;
}

int host_watch_open(struct host_watch *ret_watch)
{
	struct host_watch *w = ret_watch;
	int r;

	*w = (struct host_watch){ .epoll = epoll_create1(EPOLL_CLOEXEC), .route = -1, .xfrm = -1 };
	if (w->epoll < 0)
		return -errno;
	r = open_groups(NETLINK_ROUTE, RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE, &w->route);
	if (!r)
		r = add(w, w->route);
	if (!r && !open_groups(NETLINK_XFRM, XFRMGRP_SA | XFRMGRP_POLICY, &w->xfrm))
		r = add(w, w->xfrm);
	return r;
}

void host_watch_close(struct host_watch *w)
{
	closep(&w->epoll);
	closep(&w->route);
	closep(&w->xfrm);
}

static bool drain_route(int fd)
{
	char buffer[16384];
	bool changed = false;

	for (;;) {
		ssize_t n = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);

		if (n > 0)
			changed = true;
		else if (n < 0 && errno == ENOBUFS)
			changed = true; /* notices were lost: something happened */
		else if (n == 0 || errno != EINTR)
			return changed;
	}
}

/* By somebody else: what we remove, and the probe's SA, is signed (sys/xfrm.h). */
static bool is_loss(const struct nlmsghdr *head)
{
	uint16_t type = head->nlmsg_type;

	return head->nlmsg_pid != (uint32_t)getpid() &&
	       (type == XFRM_MSG_DELSA || type == XFRM_MSG_FLUSHSA || type == XFRM_MSG_DELPOLICY ||
		type == XFRM_MSG_FLUSHPOLICY);
}

/* Only headers are taken: notices of new SAs hold keys. What is added is ours or of no concern. */
static bool drain_xfrm(int fd)
{
	struct nlmsghdr head;
	bool lost = false;

	for (;;) {
		ssize_t n = recv(fd, &head, sizeof(head), MSG_DONTWAIT);

		if (n >= (ssize_t)sizeof(head))
			lost |= is_loss(&head);
		else if (n < 0 && errno == ENOBUFS)
			lost = true;
		else if (n <= 0 && errno != EINTR)
			return lost;
	}
}

bool host_watch_drain(struct host_watch *w, bool *ret_lost)
{
	bool changed = drain_route(w->route), lost = w->xfrm >= 0 && drain_xfrm(w->xfrm);

	*ret_lost |= lost;
	return changed || lost;
}
