/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Integers are in this machine's order, which the section header tells (4.1). */
#include "pcapng.h"

#include <string.h>

enum { BLOCK_SECTION = 0x0a0d0d0a, BLOCK_INTERFACE = 1, BLOCK_STATISTICS = 5, BLOCK_PACKET = 6 };
enum { OPT_END = 0, OPT_COMMENT = 1, SHB_USERAPPL = 4, IF_NAME = 2, IF_TSRESOL = 9 };
enum { ISB_IFRECV = 4, ISB_IFDROP = 5 };

#define BYTE_ORDER_MAGIC 0x1a2b3c4du
#define TSRESOL_NANOSECONDS 9 /* 10^-9 */

static void put_u16(struct buf *out, uint16_t v)
{
	buf_put(out, &v, sizeof(v));
}

static void put_u32(struct buf *out, uint32_t v)
{
	buf_put(out, &v, sizeof(v));
}

static void put_padded(struct buf *out, const void *data, size_t len)
{
	buf_put(out, data, len);
	buf_put(out, "\0\0\0", -len & 3);
}

static void put_option(struct buf *out, uint16_t code, const void *data, size_t len)
{
	put_u16(out, code);
	put_u16(out, (uint16_t)len);
	put_padded(out, data, len);
}

static void put_text(struct buf *out, uint16_t code, const char *text)
{
	if (*text)
		put_option(out, code, text, strnlen(text, UINT16_MAX - 3));
}

/* Its length stands in front and behind, and is filled in at its end. */
static size_t block_begin(struct buf *out, uint32_t type)
{
	size_t at = out->len;

	put_u32(out, type);
	put_u32(out, 0);
	return at;
}

static void block_end(struct buf *out, size_t at)
{
	uint32_t len = (uint32_t)(out->len - at + sizeof(len));

	put_u32(out, len);
	if (!out->failed)
		memcpy(out->data + at + 4, &len, sizeof(len));
}

static void options_end(struct buf *out)
{
	put_u16(out, OPT_END);
	put_u16(out, 0);
}

static void put_time(struct buf *out, uint64_t ns)
{
	put_u32(out, (uint32_t)(ns >> 32));
	put_u32(out, (uint32_t)ns);
}

void pcapng_begin(struct buf *out, const char *application)
{
	const uint64_t unknown_length = UINT64_MAX;
	size_t at = block_begin(out, BLOCK_SECTION);

	put_u32(out, BYTE_ORDER_MAGIC);
	put_u16(out, 1);
	put_u16(out, 0);
	buf_put(out, &unknown_length, sizeof(unknown_length));
	put_text(out, SHB_USERAPPL, application);
	options_end(out);
	block_end(out, at);
}

void pcapng_interface(struct buf *out, const char *name, uint32_t snap)
{
	const uint8_t resolution = TSRESOL_NANOSECONDS;
	size_t at = block_begin(out, BLOCK_INTERFACE);

	put_u16(out, PCAPNG_LINKTYPE_ETHERNET);
	put_u16(out, 0);
	put_u32(out, snap);
	put_text(out, IF_NAME, name);
	put_option(out, IF_TSRESOL, &resolution, sizeof(resolution));
	options_end(out);
	block_end(out, at);
}

void pcapng_packet(struct buf *out, const struct pcapng_packet *p)
{
	size_t at = block_begin(out, BLOCK_PACKET);

	put_u32(out, p->interface);
	put_time(out, p->nanoseconds);
	put_u32(out, p->captured);
	put_u32(out, p->length);
	put_padded(out, p->data, p->captured);
	put_text(out, OPT_COMMENT, p->comment);
	options_end(out);
	block_end(out, at);
}

void pcapng_statistics(struct buf *out, uint32_t interface, uint64_t nanoseconds, uint64_t received,
		       uint64_t dropped)
{
	size_t at = block_begin(out, BLOCK_STATISTICS);

	put_u32(out, interface);
	put_time(out, nanoseconds);
	put_option(out, ISB_IFRECV, &received, sizeof(received));
	put_option(out, ISB_IFDROP, &dropped, sizeof(dropped));
	options_end(out);
	block_end(out, at);
}
