/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DNS messages, read and written (RFC 1035 section 4, RFC 6891). Private to dns/.
 *
 *   header: u16 id | u16 flags | u16 questions | answers | authorities | additionals
 *   question: name | u16 type | u16 class
 *   record:   name | u16 type | u16 class | u32 ttl | u16 length | data
 *   name:     ( u8 length 1..63 | label )* then u8 0 or a pointer, u16 0xc000 | offset
 *   OPT:      a record whose class is the size one takes by UDP, and whose ttl is
 *             u8 upper bits of the rcode | u8 version | u16 flags
 *
 * Reading: a struct cursor over the whole message goes along; whatever is wrong
 * makes it bad.
 */
#pragma once

#include "dns.h"

#define DNS_HEADER_LEN 12
#define DNS_LABEL_MAX 63
#define DNS_NAME_WIRE_MAX 255
#define DNS_OPT_LEN 11          /* of an OPT without options */
#define DNS_POINTER 0xc000u
#define DNS_POINTER_MAX 0x3fffu /* the farthest offset a pointer can name */
#define DNS_QUESTION_PTR (DNS_POINTER | DNS_HEADER_LEN) /* the question's name */

#define DNS_CLASS_IN 1
#define DNS_CLASS_ANY 255

#define DNS_QR 0x8000u
#define DNS_OPCODE 0x7800u
#define DNS_AA 0x0400u
#define DNS_TC 0x0200u
#define DNS_RD 0x0100u
#define DNS_RA 0x0080u

struct dns_header {
	uint16_t id, flags;
	uint16_t question, answer, authority, additional; /* how many */
};

/* A name without pointers, as on the wire: labels and the root's zero. */
struct dns_name {
	uint8_t len; /* 1..DNS_NAME_WIRE_MAX, stored whole: 255 fits */
	uint8_t octets[DNS_NAME_WIRE_MAX];
};

struct dns_record {
	struct dns_name owner;
	uint16_t type, class;
	uint32_t ttl;
	struct cursor data;
};

void dns_get_header(struct cursor *c, struct dns_header *ret_header);
/*
 * message: where the bytes of c begin, for pointers to count from; NULL when pointers
 * are not allowed. Each pointer must lead further back than the one before, so no
 * message makes this loop.
 */
void dns_get_name(struct cursor *c, const void *message, struct dns_name *ret_name);
void dns_get_record(struct cursor *c, const void *message, struct dns_record *ret_record);

/*
 * Lower case, without the last dot. False when a label holds a dot or what is not
 * printable: such bytes become '?', and the text names nothing of ours.
 */
bool dns_name_text(const struct dns_name *n, char out[DNS_NAME_TEXT_MAX]);

void dns_put_header(struct buf *out, const struct dns_header *h);
/* Of labels with dots between. False, and nothing written, when DNS cannot carry it. */
bool dns_put_name(struct buf *out, const char *text);
/* owner: a pointer. Returns where the data begin, for dns_end_record. */
size_t dns_begin_record(struct buf *out, uint16_t owner, enum dns_type type, uint32_t ttl);
void dns_end_record(struct buf *out, size_t start);
void dns_put_opt(struct buf *out, enum dns_rcode rcode); /* its upper bits */
