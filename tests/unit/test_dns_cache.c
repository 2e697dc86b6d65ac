/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Beside forwarding: the cache alone, and who is named in resolv.conf. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/cleanup.h"
#include "dns/cache.h"
#include "dns/resolv.h"

static struct dns_key key_of(uint32_t n)
{
	struct dns_key key = { .len = sizeof(n) };

	memcpy(key.b, &n, sizeof(n));
	return key;
}

static bool has(struct dns_cache *c, uint32_t n)
{
	const struct dns_key key = key_of(n);
	uint32_t age;
	size_t len;

	return dns_cache_get(c, &key, 0, &len, &age);
}

static void keep(struct dns_cache *c, uint32_t n, size_t len)
{
	static const uint8_t data[DNS_CACHE_ANSWER_MAX + 1];
	const struct dns_key key = key_of(n);

	dns_cache_put(c, &key, data, len, 60, 0);
}

Test(dns_cache, the_least_recently_used_goes_when_there_are_too_many)
{
	struct dns_cache *c;

	cr_assert_eq(dns_cache_new(&c), 0);
	for (uint32_t i = 0; i < DNS_CACHE_MAX; i++)
		keep(c, i, 20);
	cr_assert(has(c, 0));
	keep(c, DNS_CACHE_MAX, 20);
	cr_assert_eq(dns_cache_count(c), DNS_CACHE_MAX);
	cr_assert(has(c, 0), "the one just used went");
	cr_assert_not(has(c, 1));
	cr_assert(has(c, 2));
	dns_cache_free(c);
}

Test(dns_cache, its_bytes_are_bounded_too)
{
	uint32_t fit = DNS_CACHE_BYTES / DNS_CACHE_ANSWER_MAX;
	struct dns_cache *c;

	cr_assert_eq(dns_cache_new(&c), 0);
	for (uint32_t i = 0; i < fit + 3; i++)
		keep(c, i, DNS_CACHE_ANSWER_MAX);
	cr_assert_eq(dns_cache_count(c), fit);
	cr_assert_not(has(c, 2));
	cr_assert(has(c, 3));
	keep(c, 3, DNS_CACHE_ANSWER_MAX + 1);
	cr_assert_not(has(c, 3), "too long to keep, and what was there is out of date");
	dns_cache_free(c);
}

/* ---- resolv.conf ---- */

static size_t resolv(const char *text, struct dns_upstream out[DNS_UPSTREAM_MAX])
{
	return resolv_parse(text, strlen(text), out);
}

Test(resolv, nameservers_are_taken_in_order_and_three_at_most)
{
	struct dns_upstream up[DNS_UPSTREAM_MAX];
	char text[ADDR_TEXT_MAX];

	cr_assert_eq(resolv("# a comment\nsearch example.com\nnameserver 192.0.2.1\n"
			    "nameserver\t2001:db8::53  trailing\nnameserver 192.0.2.3\r\n"
			    "nameserver 192.0.2.4\noptions edns0", up), 3);
	cr_assert_str_eq(addr_format(&up[0].addr, text), "192.0.2.1");
	cr_assert_str_eq(addr_format(&up[1].addr, text), "2001:db8::53");
	cr_assert_str_eq(addr_format(&up[2].addr, text), "192.0.2.3");
	cr_assert_eq(up[2].port, 53);
}

Test(resolv, what_names_no_address_is_passed_over)
{
	static const char *const lines[] = {
		"", "nameserver", "nameserver ", "nameserver x", "nameservers 192.0.2.1",
		"nameserver192.0.2.1", " nameserver 192.0.2.1", ";nameserver 192.0.2.1",
		"nameserver fe80::1%eth0", "nameserver 192.0.2.1192.0.2.1192.0.2.1192.0.2.1192.0.2.1192.0.2.1",
	};
	struct dns_upstream up[DNS_UPSTREAM_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		cr_assert_eq(resolv(lines[i], up), 0, "%s", lines[i]);
	cr_assert_eq(resolv("nameserver x\nnameserver 192.0.2.1", up), 1);
}
