/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One netlink request at a time, answered before the call returns. Messages
 * are built with libmnl in the handle's own buffer; what the kernel says about
 * a refusal (extended ACK) is kept for the error sentence.
 */
#pragma once

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdint.h>

struct nl;

/* A socket in the network namespace of the calling thread; it stays there. bus: NETLINK_*. */
int nl_open_bus(int bus, struct nl **ret_nl);
/* Of NETLINK_ROUTE. */
int nl_open(struct nl **ret_nl);
void nl_close(struct nl *n);
static inline void nl_closep(struct nl **n)
{
	nl_close(*n);
}

/* Starts a message: flags are NLM_F_*; request and ACK flags are added by nl_talk. */
struct nlmsghdr *nl_begin(struct nl *n, uint16_t type, uint16_t flags);

/*
 * Sends what was begun and hands every answer to fn (may be NULL). fn returns 0
 * or a negative errno, which nl_talk returns after the answer has been read to
 * its end. -EAGAIN: a dump was overtaken by a change, ask again.
 */
int nl_talk(struct nl *n, int (*fn)(const struct nlmsghdr *msg, void *arg), void *arg);

/* Why the last nl_talk failed: the kernel's words, else those of the errno. */
const char *nl_why(const struct nl *n);

/* Clears what was sent and received: it held secrets. nl_why stays. */
void nl_wipe(struct nl *n);
