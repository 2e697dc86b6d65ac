/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IPv4 routes, and the rules that choose among tables of them. Like addresses
 * they are read and written where `n` is: for those of a container, in its
 * namespace, because rtnetlink answers for another namespace only about links
 * and addresses.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "maps/types.h"

struct nl;

/* Who made a route or rule: a number that nobody else uses ("o" in ASCII, as in "ov"). */
#define ROUTE_PROTOCOL_OURS 0x6f

struct route_info {
	uint32_t table;
	uint32_t ifindex;        /* 0: it leads to no device */
	uint32_t metric;         /* of several to one place the lowest is taken */
	struct ov_addr to, gateway, source; /* gateway, source: zero when it has none */
	uint8_t prefix_len;      /* bits of 16 bytes; ADDR_V4_BITS: everywhere */
	uint8_t protocol;        /* RTPROT_*, or ROUTE_PROTOCOL_OURS */
};

/* Those of all tables but `local`, in the kernel's order. *ret_list is owned by the caller. */
int route_list(struct nl *n, struct route_info **ret_list, size_t *ret_count);
/* Unicast; -EEXIST when the table has another to the same place, of the same metric. */
int route_add(struct nl *n, const struct route_info *r);
/* 0 also when it is gone already. */
int route_delete(struct nl *n, const struct route_info *r);

/* Packets from one address, or with one mark, look into one table. */
struct rule_info {
	uint32_t priority, table;
	struct ov_addr from;     /* zero when it is not for one address alone */
	uint32_t mark, mask;     /* mask 0: whatever the mark */
	uint8_t protocol;
};

/* What says more than that is left out. */
int rule_list(struct nl *n, struct rule_info **ret_list, size_t *ret_count);
int rule_add(struct nl *n, const struct rule_info *r);
int rule_delete(struct nl *n, const struct rule_info *r);
