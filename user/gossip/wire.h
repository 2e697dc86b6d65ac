/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is inside the envelope (seal.h). Integers are big-endian.
 *
 * Claim: what is said of one member, and by whom. 59 bytes.
 *
 *    16 id | 16 address | u16 port | u8 status | u64 incarnation | 16 accuser
 *
 * Datagram: the sender's claim of itself, then messages until the end.
 *
 *    claim | ( u8 type | u16 length | value )*
 *
 *    type             value
 *    1 PING           u32 number | 16 target (zero: whoever is there)
 *    2 PING_REQ       u32 number | 16 target | 16 address | u16 port
 *    3 ACK            u32 number
 *    4 NACK           u32 number      the helper got no answer from the target
 *    5 MEMBER         claim
 *    6 RECORD         a record, as model/record.h has it
 *    7 STAMP          key | u64 hi | u64 lo | 16 writer     a record too large to be here
 *
 * A type that is not known is skipped by its length, and bytes after the fields
 * that are known are ignored: both leave room for what later versions add.
 *
 * Stream: one request, one reply.
 *
 *    request: claim | 16 target | u8 call | body
 *    reply:   claim | u16 errno (0 = done) | body     Linux's generic numbers
 *
 *    call             request's body -> reply's body
 *    1 PING           nothing -> nothing
 *    2 DIGEST         u64 members | u16 bucket | key after (length 0: from its start)
 *                     | 256 * u64 bucket hash
 *                     -> u8 has members [| u32 count | claims] | u8 more
 *                        [| u16 bucket | key after] | group*
 *    3 EXCHANGE       u8 has members [| u32 count | claims] | u32 count | keys | records
 *                     -> u32 keys answered | records
 *    4 TICKET         nothing -> u64 ticket
 *    5 ASK            u64 ticket | what gossip_call was given -> what on_call wrote
 *
 *    key:   u8 kind | u8 length | bytes
 *    group: u8 bucket | u8 whole | u32 count | entry*   (whole 0: up to its last entry)
 *    entry: key | u64 hi | u64 lo | 16 writer | u64 hash of flags and body
 */
#pragma once

#include "gossip.h"

#define CLAIM_LEN 59

enum wire_type {
	WIRE_PING = 1,
	WIRE_PING_REQ,
	WIRE_ACK,
	WIRE_NACK,
	WIRE_MEMBER,
	WIRE_RECORD,
	WIRE_STAMP,
};

enum wire_call {
	WIRE_CALL_PING = 1,
	WIRE_CALL_DIGEST,
	WIRE_CALL_EXCHANGE,
	WIRE_CALL_TICKET,
	WIRE_CALL_ASK,
};

struct claim {
	struct id id;
	struct sockname addr;
	enum member_status status;
	uint64_t incarnation;
	struct id accuser; /* who found it suspect or dead; zero otherwise */
};

/* A version of a record, without its body. */
struct version {
	struct record_key key;
	struct stamp stamp;
	struct id writer;
	uint64_t hash; /* of flags and body: tells apart what stamp and writer do not */
};

struct wire_message {
	uint8_t type; /* of those above; unknown ones are never returned */
	uint32_t number;
	struct id target;
	struct sockname addr;
	struct claim claim;
	struct record record;
	struct version version; /* hash is zero */
};

void wire_put_claim(struct buf *b, const struct claim *c);
void wire_get_claim(struct cursor *c, struct claim *ret_claim);
void wire_put_key(struct buf *b, const struct record_key *k);
/* A key of length 0 is refused unless may_be_empty. */
void wire_get_key(struct cursor *c, bool may_be_empty, struct record_key *ret_key);
void wire_put_version(struct buf *b, const struct version *v); /* an entry of a group */
void wire_get_version(struct cursor *c, struct version *ret_version);

void wire_put_ping(struct buf *b, uint32_t number, const struct id *target);
void wire_put_ping_req(struct buf *b, uint32_t number, const struct id *target,
		       const struct sockname *addr);
void wire_put_ack(struct buf *b, enum wire_type ack_or_nack, uint32_t number);
void wire_put_member(struct buf *b, const struct claim *c);
void wire_put_record(struct buf *b, const struct record *r);
void wire_put_stamp(struct buf *b, const struct record *r);

/* Next message of a datagram: true, or false at the end or (c->bad) at what is no message. */
bool wire_next(struct cursor *c, struct wire_message *ret_message);
