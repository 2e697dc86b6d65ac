/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pcapng, byte by byte as the draft has it, and read back by rules of the draft alone. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/cleanup.h"
#include "ctl/pcapng.h"

static uint32_t u32(const struct buf *b, size_t at)
{
	uint32_t v;

	cr_assert_leq(at + 4, b->len);
	memcpy(&v, b->data + at, 4);
	return v;
}

/* A whole number of 32-bit words, its length at both ends. Where the next one begins. */
static size_t check_block(const struct buf *b, size_t at, uint32_t type)
{
	uint32_t len = u32(b, at + 4);

	cr_assert_eq(u32(b, at), type);
	cr_assert_geq(len, 12);
	cr_assert_eq(len % 4, 0);
	cr_assert_eq(u32(b, at + len - 4), len);
	return at + len;
}

Test(pcapng, the_section_header_says_the_byte_order_and_version_1_0)
{
	_cleanup_(buf_fini) struct buf b = { 0 };
	static const uint8_t version[] = { 1, 0, 0, 0 };

	pcapng_begin(&b, "abc");
	cr_assert_eq(check_block(&b, 0, 0x0a0d0d0a), b.len);
	cr_assert_eq(u32(&b, 8), 0x1a2b3c4d);
	cr_assert_arr_eq(b.data + 12, version, 4);
	cr_assert_eq(u32(&b, 16), 0xffffffff);
	cr_assert_eq(u32(&b, 20), 0xffffffff, "its length is not known");
	cr_assert_eq(u32(&b, 24), 4 | 3 << 16, "shb_userappl, 3 bytes");
	cr_assert_arr_eq(b.data + 28, "abc\0", 4);
	cr_assert_eq(u32(&b, 32), 0, "opt_endofopt");
}

Test(pcapng, an_interface_has_ethernet_a_name_and_nanoseconds)
{
	_cleanup_(buf_fini) struct buf b = { 0 };

	pcapng_interface(&b, "eth0 in", 0);
	cr_assert_eq(check_block(&b, 0, 1), b.len);
	cr_assert_eq(u32(&b, 8), 1, "LINKTYPE_ETHERNET");
	cr_assert_eq(u32(&b, 12), 0, "no limit");
	cr_assert_eq(u32(&b, 16), 2 | 7 << 16, "if_name");
	cr_assert_arr_eq(b.data + 20, "eth0 in\0", 8);
	cr_assert_eq(u32(&b, 28), 9 | 1 << 16, "if_tsresol");
	cr_assert_eq(u32(&b, 32), 9, "10^-9");
	cr_assert_eq(u32(&b, 36), 0);
}

Test(pcapng, a_packet_is_padded_and_carries_its_comment)
{
	_cleanup_(buf_fini) struct buf b = { 0 };
	struct pcapng_packet p = { .interface = 3, .nanoseconds = 0x1122334455667788u, .length = 1500,
				   .data = (const uint8_t *)"hello", .captured = 5, .comment = "why" };

	pcapng_packet(&b, &p);
	cr_assert_eq(check_block(&b, 0, 6), b.len);
	cr_assert_eq(u32(&b, 8), 3);
	cr_assert_eq(u32(&b, 12), 0x11223344, "the higher half first");
	cr_assert_eq(u32(&b, 16), 0x55667788);
	cr_assert_eq(u32(&b, 20), 5);
	cr_assert_eq(u32(&b, 24), 1500);
	cr_assert_arr_eq(b.data + 28, "hello\0\0\0", 8);
	cr_assert_eq(u32(&b, 36), 1 | 3 << 16, "opt_comment");
	cr_assert_arr_eq(b.data + 40, "why\0", 4);
	cr_assert_eq(u32(&b, 44), 0);
}

Test(pcapng, every_length_is_padded_to_words)
{
	for (uint32_t n = 0; n < 9; n++) {
		_cleanup_(buf_fini) struct buf b = { 0 };
		struct pcapng_packet p = { .data = (const uint8_t *)"123456789", .captured = n, .length = n,
					   .comment = "" };

		pcapng_packet(&b, &p);
		cr_assert_eq(check_block(&b, 0, 6), b.len);
		cr_assert_eq(b.len, 36 + ((n + 3) & ~3u));
	}
}

Test(pcapng, statistics_say_how_much_was_lost)
{
	_cleanup_(buf_fini) struct buf b = { 0 };

	pcapng_statistics(&b, 1, 5, 10, 2);
	cr_assert_eq(check_block(&b, 0, 5), b.len);
	cr_assert_eq(u32(&b, 20), 4 | 8 << 16, "isb_ifrecv");
	cr_assert_eq(u32(&b, 24), 10);
	cr_assert_eq(u32(&b, 32), 5 | 8 << 16, "isb_ifdrop");
	cr_assert_eq(u32(&b, 36), 2);
}
