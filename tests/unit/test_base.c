/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <errno.h>
#include <string.h>

#include "base/addr.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/id.h"
#include "base/log.h"
#include "base/rng.h"

static struct ov_addr addr(const char *text)
{
	struct ov_addr a;

	cr_assert_eq(addr_parse(text, &a), 0, "%s", text);
	return a;
}

static struct prefix prefix(const char *text)
{
	struct prefix p;

	cr_assert_eq(prefix_parse(text, &p), 0, "%s", text);
	return p;
}

/* ---- addresses ---- */

Test(addr, ipv4_is_mapped_into_sixteen_bytes)
{
	static const uint8_t want[16] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 1, 2, 3 };
	struct ov_addr a = addr("10.1.2.3");

	cr_assert_arr_eq(a.b, want, 16);
	cr_assert(addr_is_v4(&a));
	cr_assert_eq(addr_v4(&a), 0x0a010203);
}

Test(addr, text_survives_both_ways)
{
	static const char *const texts[] = { "0.0.0.0", "10.1.2.3", "255.255.255.255",
					     "fd00::1", "::", "2001:db8::ff" };
	char out[ADDR_TEXT_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct ov_addr a = addr(texts[i]);

		cr_assert_str_eq(addr_format(&a, out), texts[i]);
	}
}

Test(addr, text_with_anything_around_it_is_refused)
{
	static const char *const texts[] = { "", " 10.0.0.1", "10.0.0.1 ", "10.0.0", "10.0.0.256",
					     "10.0.0.1/24", "fd00::1%eth0", "x" };
	struct ov_addr a;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		cr_assert_eq(addr_parse(texts[i], &a), -EINVAL, "\"%s\"", texts[i]);
}

Test(addr, adding_carries_through_all_bytes)
{
	struct ov_addr a = addr("10.0.0.255"), b = addr("10.0.1.4"), c = addr("fd00::ffff:ffff");
	struct ov_addr sum = addr_add(&a, 5), wide = addr_add(&c, 1), want = addr("fd00::1:0:0");

	cr_assert_eq(addr_cmp(&sum, &b), 0);
	cr_assert_eq(addr_cmp(&wide, &want), 0);
}

Test(addr, distance_is_exact_saturates_and_never_is_negative)
{
	struct ov_addr a = addr("10.0.0.255"), b = addr("10.0.1.4"), far = addr("fd00::");

	cr_assert_eq(addr_distance(&a, &b), 5);
	cr_assert_eq(addr_distance(&b, &a), 0);
	cr_assert_eq(addr_distance(&a, &a), 0);
	cr_assert_eq(addr_distance(&a, &far), UINT64_MAX);
}

Test(addr, zero_is_not_the_ipv4_zero)
{
	struct ov_addr zero = addr("::"), v4 = addr("0.0.0.0");

	cr_assert(addr_is_zero(&zero));
	cr_assert_not(addr_is_zero(&v4));
	cr_assert_not(addr_is_v4(&zero));
}

/* ---- prefixes ---- */

Test(prefix, length_counts_bits_of_the_mapped_form)
{
	struct prefix p = prefix("10.0.0.0/24");
	char out[PREFIX_TEXT_MAX];

	cr_assert_eq(p.len, 120);
	cr_assert_eq(prefix_text_len(&p), 24);
	cr_assert_str_eq(prefix_format(&p, out), "10.0.0.0/24");
	p = prefix("fd00::/64");
	cr_assert_eq(p.len, 64);
	cr_assert_str_eq(prefix_format(&p, out), "fd00::/64");
}

Test(prefix, host_bits_are_told_apart_from_nonsense)
{
	static const char *const nonsense[] = { "10.0.0.0", "10.0.0.0/", "10.0.0.0/33",
						"10.0.0.0/-1", "10.0.0.0/ 8", "10.0.0.0/8x",
						"fd00::/129", "/8", "10.0.0.0/99999999999999999999" };
	struct prefix p;

	cr_assert_eq(prefix_parse("10.0.0.1/24", &p), -EDOM);
	cr_assert_eq(prefix_parse("fd00::1/64", &p), -EDOM);
	for (size_t i = 0; i < ARRAY_SIZE(nonsense); i++)
		cr_assert_eq(prefix_parse(nonsense[i], &p), -EINVAL, "\"%s\"", nonsense[i]);
}

Test(prefix, contains_its_first_and_last_and_not_its_neighbours)
{
	struct prefix p = prefix("10.0.0.16/29");
	struct ov_addr first = addr("10.0.0.16"), last = addr("10.0.0.23");
	struct ov_addr before = addr("10.0.0.15"), after = addr("10.0.0.24"), end = prefix_last(&p);

	cr_assert(prefix_contains(&p, &first));
	cr_assert(prefix_contains(&p, &last));
	cr_assert_not(prefix_contains(&p, &before));
	cr_assert_not(prefix_contains(&p, &after));
	cr_assert_eq(addr_cmp(&end, &last), 0);
}

Test(prefix, the_whole_of_ipv4_holds_no_ipv6)
{
	struct prefix all = prefix("0.0.0.0/0");
	struct ov_addr v4 = addr("203.0.113.9"), v6 = addr("fd00::1");

	cr_assert(prefix_contains(&all, &v4));
	cr_assert_not(prefix_contains(&all, &v6));
}

Test(prefix, overlap_means_one_holds_the_other)
{
	struct prefix wide = prefix("10.0.0.0/8"), inner = prefix("10.9.0.0/16");
	struct prefix other = prefix("11.0.0.0/8");

	cr_assert(prefix_overlaps(&wide, &inner));
	cr_assert(prefix_overlaps(&inner, &wide));
	cr_assert_not(prefix_overlaps(&wide, &other));
}

/* ---- MAC ---- */

Test(mac, text_survives_both_ways)
{
	uint8_t mac[6];
	char out[MAC_TEXT_MAX];

	cr_assert_eq(mac_parse("02:42:0A:0a:00:ff", mac), 0);
	cr_assert_str_eq(mac_format(mac, out), "02:42:0a:0a:00:ff");
}

Test(mac, text_that_only_resembles_one_is_refused)
{
	static const char *const texts[] = { "", "02:42:0a:0a:00", "02:42:0a:0a:00:f",
					     "02:42:0a:0a:00:ff:", "02-42-0a-0a-00-ff",
					     "+2:42:0a:0a:00:ff", " 2:42:0a:0a:00:ff",
					     "-2:42:0a:0a:00:ff", "0x:42:0a:0a:00:ff" };
	uint8_t mac[6];

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		cr_assert_eq(mac_parse(texts[i], mac), -EINVAL, "\"%s\"", texts[i]);
}

Test(mac, of_an_address_is_dockers)
{
	struct ov_addr a = addr("10.10.0.3");
	uint8_t mac[6];
	char out[MAC_TEXT_MAX];

	mac_from_addr(&a, mac);
	cr_assert_str_eq(mac_format(mac, out), "02:42:0a:0a:00:03");
}

/* ---- ids ---- */

Test(id, text_survives_both_ways)
{
	char out[ID_TEXT_MAX];
	struct id id;

	cr_assert_eq(id_parse("00112233445566778899aabbccddeeff", &id), 0);
	cr_assert_str_eq(id_format(&id, out), "00112233445566778899aabbccddeeff");
	cr_assert_not(id_is_zero(&id));
}

Test(id, text_of_another_length_or_alphabet_changes_nothing)
{
	struct id id = { { 7 } }, before = id;

	cr_assert_eq(id_parse("0011", &id), -EINVAL);
	cr_assert_eq(id_parse("00112233445566778899aabbccddeefg", &id), -EINVAL);
	cr_assert_eq(id_parse("00112233445566778899aabbccddeeff0", &id), -EINVAL);
	cr_assert(id_equal(&id, &before));
}

/* ---- bytes ---- */

Test(bytes, what_is_put_is_read_back)
{
	struct buf b = { 0 };
	struct cursor c, blob;
	char text[8];

	buf_u8(&b, 0x12);
	buf_u16(&b, 0x3456);
	buf_u32(&b, 0x789abcde);
	buf_u64(&b, 0x0123456789abcdefull);
	buf_str(&b, "seven77");
	buf_blob(&b, "xy", 2);
	c = cursor_of(b.data, b.len);
	cr_assert_eq(cursor_u8(&c), 0x12);
	cr_assert_eq(cursor_u16(&c), 0x3456);
	cr_assert_eq(cursor_u32(&c), 0x789abcde);
	cr_assert_eq(cursor_u64(&c), 0x0123456789abcdefull);
	cursor_str(&c, text, sizeof(text));
	cr_assert_str_eq(text, "seven77");
	blob = cursor_blob(&c);
	cr_assert_eq(cursor_left(&blob), 2);
	cr_assert_eq(cursor_left(&c), 0);
	cr_assert_not(c.bad);
	buf_fini(&b);
}

Test(bytes, integers_are_big_endian)
{
	static const uint8_t want[] = { 1, 2, 3, 4 };
	struct buf b = { 0 };

	buf_u32(&b, 0x01020304);
	cr_assert_arr_eq(b.data, want, 4);
	buf_patch_u16(&b, 1, 0xaabb);
	cr_assert_eq(b.data[1], 0xaa);
	cr_assert_eq(b.data[2], 0xbb);
	buf_fini(&b);
}

Test(bytes, reading_past_the_end_is_sticky_and_yields_zero)
{
	static const uint8_t data[] = { 1, 2, 3 };
	struct cursor c = cursor_of(data, sizeof(data));

	cr_assert_eq(cursor_u32(&c), 0);
	cr_assert(c.bad);
	cr_assert_eq(cursor_u8(&c), 0, "a bad cursor yields nothing more");
	cr_assert_null(cursor_take(&c, 0));
}

Test(bytes, a_string_that_does_not_fit_or_holds_a_nul_is_bad)
{
	static const uint8_t longer[] = { 0, 4, 'a', 'b', 'c', 'd' };
	static const uint8_t nul[] = { 0, 2, 'a', 0 }, cut[] = { 0, 9, 'a' };
	struct cursor c = cursor_of(longer, sizeof(longer));
	char text[4] = "zzz";

	cursor_str(&c, text, sizeof(text));
	cr_assert(c.bad);
	cr_assert_str_empty(text);
	c = cursor_of(nul, sizeof(nul));
	cursor_str(&c, text, sizeof(text));
	cr_assert(c.bad);
	c = cursor_of(cut, sizeof(cut));
	cursor_str(&c, text, sizeof(text));
	cr_assert(c.bad);
}

Test(bytes, a_blob_too_long_for_its_count_fails_the_buffer)
{
	static uint8_t big[UINT16_MAX + 1];
	struct buf b = { 0 };

	buf_blob(&b, big, sizeof(big));
	cr_assert(b.failed);
	buf_reset(&b);
	cr_assert_not(b.failed);
	buf_blob(&b, big, UINT16_MAX);
	cr_assert_eq(b.len, UINT16_MAX + 2u);
	buf_fini(&b);
}

Test(bytes, patching_past_the_end_changes_nothing)
{
	struct buf b = { 0 };

	buf_u16(&b, 0x1122);
	buf_patch_u16(&b, 1, 0xffff);
	cr_assert_eq(b.data[1], 0x22);
	cr_assert_eq(b.len, 2);
	buf_fini(&b);
}

/* ---- errors ---- */

Test(err, the_first_sentence_wins)
{
	struct err e = { 0 };

	cr_assert_eq(err_set(&e, -EINVAL, "inner %d", 1), -EINVAL);
	cr_assert_eq(err_set(&e, -EIO, "outer"), -EIO);
	cr_assert_str_eq(e.text, "inner 1");
	cr_assert_eq(e.code, -EINVAL);
	cr_assert_eq(err_set(NULL, -EIO, "nobody reads this"), -EIO);
}

/* ---- randomness ---- */

Test(rng, repeats_by_seed_and_differs_by_seed)
{
	struct rng a, b, c;

	rng_init_u64(&a, 1);
	rng_init_u64(&b, 1);
	rng_init_u64(&c, 2);
	for (int i = 0; i < 10; i++) {
		uint64_t x = rng_u64(&a);

		cr_assert_eq(x, rng_u64(&b));
		cr_assert_neq(x, rng_u64(&c));
	}
}

Test(rng, never_leaves_its_bound_and_reaches_all_of_it)
{
	struct rng r;
	int seen[7] = { 0 };

	rng_init_u64(&r, 3);
	for (int i = 0; i < 1000; i++) {
		uint32_t v = rng_below(&r, 7);

		cr_assert_lt(v, 7);
		seen[v]++;
	}
	for (int i = 0; i < 7; i++)
		cr_assert_gt(seen[i], 0);
	cr_assert_eq(rng_below(&r, 1), 0);
}

Test(rng, long_output_does_not_repeat_its_blocks)
{
	uint8_t out[200];
	struct rng r;

	rng_init_u64(&r, 4);
	rng_bytes(&r, out, sizeof(out));
	cr_assert_arr_neq(out, out + 64, 64);
	cr_assert_arr_neq(out + 64, out + 128, 64);
}

Test(rng, system_seeds_differ)
{
	struct rng a, b;

	rng_init_system(&a);
	rng_init_system(&b);
	cr_assert_arr_neq(a.key, b.key, sizeof(a.key));
}

/* ---- log ---- */

Test(log, level_names_are_parsed_and_others_refused)
{
	enum log_level level = LOG_LEVEL_ERROR;

	cr_assert_eq(log_level_parse("debug", &level), 0);
	cr_assert_eq(level, LOG_LEVEL_DEBUG);
	cr_assert_eq(log_level_parse("loud", &level), -EINVAL);
	cr_assert_eq(level, LOG_LEVEL_DEBUG);
}

Test(log, lines_below_the_threshold_are_not_written, .init = cr_redirect_stderr)
{
	char text[256] = "";
	FILE *f = cr_get_redirected_stderr();

	unsetenv("JOURNAL_STREAM");
	log_init(LOG_LEVEL_WARN);
	log_info("quiet");
	log_warn("cannot reach %s", "10.0.0.2");
	fflush(stderr);
	cr_assert_not_null(fgets(text, sizeof(text), f));
	cr_assert_not_null(strstr(text, "warn  cannot reach 10.0.0.2\n"));
	cr_assert_null(strstr(text, "quiet"));
}
