/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses in their one form: 16 bytes, network order, IPv4 mapped.
 * Prefix lengths count bits of those 16 bytes: an IPv4 /24 is 120.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "maps/types.h"

#define ADDR_TEXT_MAX 46   /* INET6_ADDRSTRLEN */
#define PREFIX_TEXT_MAX 50 /* and "/128" */
#define ADDR_V4_BITS 96    /* bits before the IPv4 part of a mapped address */

struct prefix {
	struct ov_addr addr; /* host bits zero */
	uint8_t len;         /* 0..128 */
};

struct ov_addr addr_from_v4(uint32_t host_order);
bool addr_is_v4(const struct ov_addr *a);
bool addr_is_zero(const struct ov_addr *a);
uint32_t addr_v4(const struct ov_addr *a);      /* host order; a must be IPv4 */
int addr_cmp(const struct ov_addr *a, const struct ov_addr *b);
struct ov_addr addr_add(const struct ov_addr *a, uint64_t n);
/* b - a, saturated at UINT64_MAX; 0 when b < a. */
uint64_t addr_distance(const struct ov_addr *a, const struct ov_addr *b);

/* "10.0.0.1" or "fd00::1", nothing around it. 0 or -EINVAL. */
int addr_parse(const char *text, struct ov_addr *ret_addr);
/* IPv4 form for mapped addresses. Returns out. */
const char *addr_format(const struct ov_addr *a, char out[ADDR_TEXT_MAX]);

/* "10.0.0.0/24". -EINVAL when malformed, -EDOM when host bits are set. */
int prefix_parse(const char *text, struct prefix *ret_prefix);
const char *prefix_format(const struct prefix *p, char out[PREFIX_TEXT_MAX]);
bool prefix_contains(const struct prefix *p, const struct ov_addr *a);
bool prefix_overlaps(const struct prefix *a, const struct prefix *b);
struct ov_addr prefix_last(const struct prefix *p); /* all host bits one */
/* As people write it: 24 for an IPv4 /24. */
static inline int prefix_text_len(const struct prefix *p)
{
	return addr_is_v4(&p->addr) ? p->len - ADDR_V4_BITS : p->len;
}

#define MAC_TEXT_MAX 18
int mac_parse(const char *text, uint8_t ret_mac[6]);
const char *mac_format(const uint8_t mac[6], char out[MAC_TEXT_MAX]);
/* 02:42 and the IPv4 address, as Docker does; of IPv6, its last four bytes. */
void mac_from_addr(const struct ov_addr *a, uint8_t ret_mac[6]);
