/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What xfrm_sa.c and xfrm_policy.c share. */
#pragma once

#include <linux/xfrm.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr.h"
#include "nl.h"
#include "xfrm.h"

#define XFRM_DUMP_TRIES 8

/* Signed, for XFRM puts that into the notices of what was done: facts_watch.c passes ours over. */
static inline struct nlmsghdr *xfrm_begin(struct nl *n, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *msg = nl_begin(n, type, flags);

	msg->nlmsg_pid = (uint32_t)getpid();
	return msg;
}

static inline uint16_t xfrm_family(const struct ov_addr *a)
{
	return addr_is_v4(a) || addr_is_zero(a) ? AF_INET : AF_INET6;
}

static inline void xfrm_put_addr(xfrm_address_t *out, const struct ov_addr *a)
{
	if (xfrm_family(a) == AF_INET)
		memcpy(&out->a4, a->b + 12, 4);
	else
		memcpy(out->a6, a->b, 16);
}

static inline struct ov_addr xfrm_read_addr(const xfrm_address_t *in, uint16_t family)
{
	struct ov_addr a = { 0 };

	if (family == AF_INET) {
		a = addr_from_v4(0);
		memcpy(a.b + 12, &in->a4, 4);
	} else {
		memcpy(a.b, in->a6, 16);
	}
	return a;
}

/* No limit: who uses an SA decides when it has served long enough. */
static inline void xfrm_no_limits(struct xfrm_lifetime_cfg *l)
{
	l->soft_byte_limit = l->hard_byte_limit = XFRM_INF;
	l->soft_packet_limit = l->hard_packet_limit = XFRM_INF;
}
