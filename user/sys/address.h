/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IPv4 addresses of a link, and the way to an address. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "maps/types.h"

struct nl;

struct address_info {
	struct ov_addr addr;
	uint32_t ifindex;
	uint8_t prefix_len; /* bits of 16 bytes */
	uint8_t scope;      /* RT_SCOPE_* */
	bool secondary;
};

/*
 * In the kernel's order; of all links with ifindex 0. nsid as in link_get_index.
 * *ret_list is owned by the caller.
 */
int address_list(struct nl *n, uint32_t ifindex, int32_t nsid, struct address_info **ret_list,
		 size_t *ret_count);
bool address_has_ipv6(struct nl *n, uint32_t ifindex); /* any of global scope */
int address_add(struct nl *n, uint32_t ifindex, const struct ov_addr *a, uint8_t prefix_len);
int address_delete(struct nl *n, uint32_t ifindex, const struct ov_addr *a, uint8_t prefix_len);

/*
 * Where a packet to `to` leaves and whom it is handed to: the gateway, or `to`
 * itself. -ENETUNREACH or -EHOSTUNREACH without a route, -EADDRNOTAVAIL when the
 * address is local or the route is none that leads anywhere (blackhole...).
 */
int route_get(struct nl *n, const struct ov_addr *to, uint32_t *ret_ifindex,
	      struct ov_addr *ret_next_hop);
/* The same of a packet that carries a mark. */
int route_get_marked(struct nl *n, const struct ov_addr *to, uint32_t mark, uint32_t *ret_ifindex,
		     struct ov_addr *ret_next_hop);
