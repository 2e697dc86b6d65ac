/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A pcapng file (draft-ietf-opsawg-pcapng) as far as captures need one. Pure: bytes into a buf. */
#pragma once

#include "base/bytes.h"

#define PCAPNG_LINKTYPE_ETHERNET 1

struct pcapng_packet {
	uint32_t interface;    /* counted from 0, in the order of pcapng_interface */
	uint64_t nanoseconds;  /* since 1970 */
	uint32_t length;       /* of the frame; data may be less */
	const uint8_t *data;
	uint32_t captured;
	const char *comment;   /* opt_comment; "": none */
};

void pcapng_begin(struct buf *out, const char *application);
/* Names an interface, before its first packet. */
void pcapng_interface(struct buf *out, const char *name, uint32_t snap);
void pcapng_packet(struct buf *out, const struct pcapng_packet *p);
/* Statistics of an interface, at the end. */
void pcapng_statistics(struct buf *out, uint32_t interface, uint64_t nanoseconds, uint64_t received,
		       uint64_t dropped);
