/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bodies as tables of fields: one table drives both directions, so that what is
 * written can be read. Private to model/.
 */
#pragma once

#include <stddef.h>

#include "model.h"

enum field_form {
	FIELD_UINT,   /* 1, 2, 4 or 8 bytes in memory, the same on the wire, big-endian */
	FIELD_BOOL,
	FIELD_BYTES,  /* exactly `size` bytes */
	FIELD_PREFIX, /* 16 address, 1 length; host bits must be zero */
	FIELD_NAME,   /* the rules of name_check */
	FIELD_PORT,   /* struct service_port */
	FIELD_PUBLISH, /* struct publish */
	FIELD_PAIR,   /* struct pair */
	FIELD_POLICY_PORT, /* struct policy_port */
	FIELD_TEXT,   /* UTF-8 without control characters, shorter than `size` */
};

struct field {
	uint8_t type;     /* on the wire: appended, never reused; 0 is not used */
	uint8_t form;     /* enum field_form */
	uint8_t max;      /* lists: the most elements; 0: a single value */
	uint16_t at, size; /* of the value or the first element, in the struct */
	uint16_t count_at; /* lists: where the u8 count stands */
};

struct schema {
	const struct field *field;
	size_t count;
};

/* What an ENDPOINT's body holds: its schema is of this. */
struct endpoint_whole {
	struct endpoint e;
	struct endpoint_detail d;
};

/* And a SERVICE's. */
struct service_whole {
	struct service s;
	struct service_detail d;
};

/* And a POLICY's. */
struct policy_whole {
	struct policy p;
	struct policy_detail d;
};

extern const struct schema schema_of_kind[RECORD_KIND_END];

/* A zero or empty single value is left out; list elements are always written. */
void schema_encode(const struct schema *s, const void *object, struct buf *out);
/* Fills a zeroed object. 0 or -EBADMSG. */
int schema_decode(const struct schema *s, struct cursor body, void *object);
bool name_is_valid(const char *name);

/* ---- codec_publish.c ---- */
void publish_encode(uint8_t type, const struct publish *p, struct buf *out);
/* All of v. 0 or -EBADMSG. */
int publish_decode(struct cursor *v, struct publish *p);

/* ---- codec_pairs.c ---- */
void pair_encode(uint8_t type, const struct pair *p, struct buf *out);
int pair_decode(struct cursor *v, struct pair *p);
/* Fills *ret_pairs but for its identity, and checks the pairs against its chunk. 0 or -EBADMSG. */
int decode_pairs_item(const struct record *r, struct pairs *ret_pairs);

/* ---- codec_policy.c ---- */
void policy_port_encode(uint8_t type, const struct policy_port *p, struct buf *out);
int policy_port_decode(struct cursor *v, struct policy_port *p);
/* Fills *ret_policy but for its identity, and checks that it means something. 0 or -EBADMSG. */
int decode_policy_item(const struct record *r, struct policy *ret_policy);
