/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "id.h"

static const uint8_t v4_mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

struct ov_addr addr_from_v4(uint32_t host_order)
{
	struct ov_addr a;
	uint32_t be = htonl(host_order);

	memcpy(a.b, v4_mapped, 12);
	memcpy(a.b + 12, &be, 4);
	return a;
}

bool addr_is_v4(const struct ov_addr *a)
{
	return !memcmp(a->b, v4_mapped, 12);
}

bool addr_is_zero(const struct ov_addr *a)
{
	static const struct ov_addr zero;

	return !memcmp(a, &zero, sizeof(zero));
}

uint32_t addr_v4(const struct ov_addr *a)
{
	uint32_t be;

	memcpy(&be, a->b + 12, 4);
	return ntohl(be);
}

int addr_cmp(const struct ov_addr *a, const struct ov_addr *b)
{
	return memcmp(a->b, b->b, 16);
}

struct ov_addr addr_add(const struct ov_addr *a, uint64_t n)
{
	struct ov_addr sum = *a;
	unsigned int carry = 0;

	for (int i = 15; i >= 0; i--) {
		unsigned int byte = sum.b[i] + (unsigned int)(n & 0xff) + carry;

		sum.b[i] = (uint8_t)byte;
		carry = byte >> 8;
		n >>= 8;
	}
	return sum;
}

uint64_t addr_distance(const struct ov_addr *a, const struct ov_addr *b)
{
	uint8_t diff[16];
	uint64_t low = 0;
	int borrow = 0;

	if (addr_cmp(b, a) < 0)
		return 0;
	for (int i = 15; i >= 0; i--) {
		int byte = b->b[i] - a->b[i] - borrow;

		borrow = byte < 0;
		diff[i] = (uint8_t)byte;
	}
	for (int i = 0; i < 8; i++)
		if (diff[i])
			return UINT64_MAX;
	for (int i = 8; i < 16; i++)
		low = low << 8 | diff[i];
	return low;
}

int addr_parse(const char *text, struct ov_addr *ret_addr)
{
	struct in_addr v4;
	struct in6_addr v6;

	if (inet_pton(AF_INET, text, &v4) == 1) {
		*ret_addr = addr_from_v4(ntohl(v4.s_addr));
		return 0;
	}
	if (inet_pton(AF_INET6, text, &v6) == 1) {
		memcpy(ret_addr->b, &v6, 16);
		return 0;
	}
	return -EINVAL;
}

const char *addr_format(const struct ov_addr *a, char out[ADDR_TEXT_MAX])
{
	if (addr_is_v4(a))
		inet_ntop(AF_INET, a->b + 12, out, ADDR_TEXT_MAX);
	else
		inet_ntop(AF_INET6, a->b, out, ADDR_TEXT_MAX);
	return out;
}

/* Applies op to the host bits of every byte: 0 clears them, 1 sets them. */
static struct ov_addr host_bits(const struct prefix *p, bool set)
{
	struct ov_addr a = p->addr;

	for (int i = 0; i < 16; i++) {
		int bits = p->len - i * 8;
		uint8_t host = bits >= 8 ? 0 : bits <= 0 ? 0xff : (uint8_t)(0xff >> bits);

		a.b[i] = set ? a.b[i] | host : a.b[i] & (uint8_t)~host;
	}
	return a;
}

struct ov_addr prefix_last(const struct prefix *p)
{
	return host_bits(p, true);
}

int prefix_parse(const char *text, struct prefix *ret_prefix)
{
	char copy[PREFIX_TEXT_MAX], *slash, *end;
	struct prefix p;
	struct ov_addr base;
	long len;

	if (strlen(text) >= sizeof(copy))
		return -EINVAL;
	strcpy(copy, text);
	slash = strchr(copy, '/');
	if (!slash || slash[1] < '0' || slash[1] > '9')
		return -EINVAL;
	*slash = '\0';
	len = strtol(slash + 1, &end, 10);
	if (*end || addr_parse(copy, &p.addr))
		return -EINVAL;
	if (len > (addr_is_v4(&p.addr) ? 32 : 128))
		return -EINVAL;
	p.len = (uint8_t)(len + (addr_is_v4(&p.addr) ? ADDR_V4_BITS : 0));
	base = host_bits(&p, false);
	if (addr_cmp(&base, &p.addr))
		return -EDOM;
	*ret_prefix = p;
	return 0;
}

const char *prefix_format(const struct prefix *p, char out[PREFIX_TEXT_MAX])
{
	addr_format(&p->addr, out);
	snprintf(out + strlen(out), PREFIX_TEXT_MAX - strlen(out), "/%d", prefix_text_len(p));
	return out;
}

bool prefix_contains(const struct prefix *p, const struct ov_addr *a)
{
	struct prefix other = { .addr = *a, .len = p->len };
	struct ov_addr base = host_bits(&other, false);

	return !addr_cmp(&base, &p->addr);
}

bool prefix_overlaps(const struct prefix *a, const struct prefix *b)
{
	return prefix_contains(a, &b->addr) || prefix_contains(b, &a->addr);
}

/* Not sscanf: its %x takes blanks and signs. */
int mac_parse(const char *text, uint8_t ret_mac[6])
{
	uint8_t mac[6];
	char pair[3] = "";

	if (strlen(text) != MAC_TEXT_MAX - 1)
		return -EINVAL;
	for (int i = 0; i < 6; i++) {
		memcpy(pair, text + 3 * i, 2);
		if (hex_parse(pair, &mac[i], 1) || (i < 5 && text[3 * i + 2] != ':'))
			return -EINVAL;
	}
	memcpy(ret_mac, mac, sizeof(mac));
	return 0;
}

const char *mac_format(const uint8_t mac[6], char out[MAC_TEXT_MAX])
{
	snprintf(out, MAC_TEXT_MAX, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
		 mac[4], mac[5]);
	return out;
}

void mac_from_addr(const struct ov_addr *a, uint8_t ret_mac[6])
{
	ret_mac[0] = 0x02;
	ret_mac[1] = 0x42;
	memcpy(ret_mac + 2, a->b + 12, 4);
}
