/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IPsec in the kernel (XFRM): SAs that make ESP in tunnel mode with AES-GCM (RFC 4303,
 * RFC 4106), and the outbound policies that lead to them by a packet's mark. All calls
 * take a socket of NETLINK_XFRM (nl_open_bus), which speaks for the network namespace it
 * was opened in. Keys are never logged, and wiped from the socket's buffers after each call.
 *
 * Numbers are in host order. Requests bear this process's id as nlmsg_pid, and so do the
 * notices that others, and we, get of them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "maps/types.h"

struct nl;

/* AES-128 and the four bytes of salt of RFC 4106. */
#define XFRM_KEY_LEN 20

struct xfrm_sa {
	struct ov_addr src, dst;
	uint32_t spi, reqid;
	uint32_t device;          /* ifindex of the one that does the ciphering; 0: the CPU does */
};

struct xfrm_sa_info {
	struct xfrm_sa sa;
	uint64_t packets, bytes;
	uint64_t added_s;         /* since 1970 */
	uint32_t replayed;        /* refused: seen before, or too old for the window */
	uint32_t failed;          /* refused: authentication */
};

/*
 * -EEXIST: it is there already, and stays as it is. With a device, which must be the one
 * that the packets come in by (is_inbound) or leave by: a driver that has no such thing
 * leaves the work to the CPU; one that has, but not for this SA, is an error.
 */
int xfrm_sa_add(struct nl *n, const struct xfrm_sa *sa, bool is_inbound,
		const uint8_t key[XFRM_KEY_LEN]);
/* 0 also when it is gone already. */
int xfrm_sa_delete(struct nl *n, const struct ov_addr *dst, uint32_t spi);
/* 0 when it is there, else -ESRCH or another error. */
int xfrm_sa_check(struct nl *n, const struct ov_addr *dst, uint32_t spi);
/* Those of that reqid, in the kernel's order. *ret_list is owned by the caller. */
int xfrm_sa_list(struct nl *n, uint32_t reqid, struct xfrm_sa_info **ret_list, size_t *ret_count);

/*
 * Outbound. UDP to that port of `dst` that carries the mark is sent by the SA of that SPI
 * and reqid, or, with is_block, dropped; there src, dst and port may be zero, for any.
 */
struct xfrm_policy {
	struct ov_addr src, dst;
	uint16_t port;
	uint32_t mark, mask;
	uint32_t priority;        /* lower ones win */
	bool is_block;
	uint32_t spi, reqid;
};

/* Makes it, or changes the one of the same src, dst, port, mark and mask in one step. */
int xfrm_policy_set(struct nl *n, const struct xfrm_policy *p);
/* 0 also when it is gone already. */
int xfrm_policy_delete(struct nl *n, const struct xfrm_policy *p);
/* Every outbound one over IPv4 or IPv6, whoever made it. *ret_list is owned by the caller. */
int xfrm_policy_list(struct nl *n, struct xfrm_policy **ret_list, size_t *ret_count);

/*
 * Makes and removes an SA between addresses of loopback, which loads the modules it needs.
 * 0, or -EOPNOTSUPP with a clause that names what is missing.
 */
int xfrm_probe(struct err *e);
