/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Base types of the contract between kernel and user space.
 *
 * Everything under maps/ is ABI: it is included by BPF programs and by the
 * daemon, and describes memory that outlives both in pinned maps.
 */
#pragma once

#include <linux/types.h>

/* Version of every layout below; it is part of the pin path (PIN_DIR/v3/...). */
#define OV_FORMAT 3

/*
 * An IPv6 address in network byte order, or an IPv4 address mapped into
 * ::ffff:0:0/96 (RFC 4291, 2.5.5.2). All bytes are significant in keys.
 */
struct ov_addr {
	__u8 b[16];
};

/* 16 bytes, because every key that holds one is hashed over all of its bytes. */
_Static_assert(sizeof(struct ov_addr) == 16, "ov_addr is ABI");
