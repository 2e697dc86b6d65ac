// SPDX-License-Identifier: GPL-2.0-or-later
#include <criterion/criterion.h>

#include "base/cleanup.h"
#include "gossip/wire.h"

static const struct id one = { { 1, 1 } }, two = { { 2, 2 } };

static struct sockname somewhere(void)
{
	return (struct sockname){ .addr = addr_from_v4(0x0a000001), .port = 7946 };
}

static struct claim a_claim(void)
{
	return (struct claim){ .id = one,
			       .addr = somewhere(),
			       .status = MEMBER_SUSPECT,
			       .incarnation = 0x0102030405060708,
			       .accuser = two };
}

static struct record a_record(void)
{
	static const uint8_t body[] = "body";

	return (struct record){ .key = key_of_id(RECORD_NETWORK, &one),
				.stamp = { 7, 8 },
				.writer = two,
				.body = body,
				.body_len = 4 };
}

static struct cursor reader(const struct buf *b)
{
	return cursor_of(b->data, b->len);
}

static void put_one_of_each(struct buf *b)
{
	struct sockname addr = somewhere();
	struct claim claim = a_claim();
	struct record r = a_record();

	wire_put_ping(b, 11, &one);
	wire_put_ping_req(b, 12, &two, &addr);
	wire_put_ack(b, WIRE_ACK, 13);
	wire_put_ack(b, WIRE_NACK, 14);
	wire_put_member(b, &claim);
	wire_put_record(b, &r);
	wire_put_stamp(b, &r);
}

Test(gossip_wire, a_claim_comes_out_as_it_went_in)
{
	_cleanup_(buf_fini) struct buf b = { 0 };
	struct claim in = a_claim(), out;
	struct cursor c;

	wire_put_claim(&b, &in);
	cr_assert_eq(b.len, CLAIM_LEN);
	c = reader(&b);
	wire_get_claim(&c, &out);
	cr_assert(!c.bad && !cursor_left(&c));
	cr_assert(id_equal(&out.id, &one) && id_equal(&out.accuser, &two));
	cr_assert_eq(out.status, MEMBER_SUSPECT);
	cr_assert_eq(out.incarnation, in.incarnation);
	cr_assert_eq(out.addr.port, 7946);
	cr_assert_eq(addr_cmp(&out.addr.addr, &in.addr.addr), 0);
}

static bool claim_is_taken(struct claim c)
{
	_cleanup_(buf_fini) struct buf b = { 0 };
	struct claim out;
	struct cursor cur;

	wire_put_claim(&b, &c);
	cur = reader(&b);
	wire_get_claim(&cur, &out);
	return !cur.bad;
}

Test(gossip_wire, impossible_claims_are_refused)
{
	struct claim no_port = a_claim(), no_addr = a_claim(), status = a_claim(), last = a_claim(),
		     nobody = a_claim();

	cr_assert(claim_is_taken(a_claim()));
	no_port.addr.port = 0;
	cr_assert(!claim_is_taken(no_port));
	memset(&no_addr.addr.addr, 0, sizeof(no_addr.addr.addr));
	cr_assert(!claim_is_taken(no_addr));
	status.status = 4;
	cr_assert(!claim_is_taken(status));
	last.incarnation = UINT64_MAX;
	cr_assert(!claim_is_taken(last));
	memset(&nobody.id, 0, sizeof(nobody.id));
	cr_assert(!claim_is_taken(nobody));
}

Test(gossip_wire, every_message_comes_out_as_it_went_in)
{
	_cleanup_(buf_fini) struct buf b = { 0 };
	struct wire_message m;
	struct cursor c;

	put_one_of_each(&b);
	c = reader(&b);
	cr_assert(wire_next(&c, &m));
	cr_assert(m.type == WIRE_PING && m.number == 11 && id_equal(&m.target, &one));
	cr_assert(wire_next(&c, &m));
	cr_assert(m.type == WIRE_PING_REQ && m.number == 12 && id_equal(&m.target, &two));
	cr_assert_eq(m.addr.port, 7946);
	cr_assert(wire_next(&c, &m));
	cr_assert(m.type == WIRE_ACK && m.number == 13);
	cr_assert(wire_next(&c, &m));
	cr_assert(m.type == WIRE_NACK && m.number == 14);
	cr_assert(wire_next(&c, &m));
	cr_assert(m.type == WIRE_MEMBER && m.claim.incarnation == a_claim().incarnation);
	cr_assert(wire_next(&c, &m));
	cr_assert(m.type == WIRE_RECORD && m.record.stamp.hi == 7 && m.record.body_len == 4);
	cr_assert(wire_next(&c, &m));
	cr_assert(m.type == WIRE_STAMP && m.version.stamp.lo == 8);
	cr_assert(id_equal(&m.version.writer, &two) && m.version.key.kind == RECORD_NETWORK);
	cr_assert(!wire_next(&c, &m) && !c.bad);
}

Test(gossip_wire, a_version_comes_out_as_it_went_in)
{
	_cleanup_(buf_fini) struct buf b = { 0 };
	struct sockname at = somewhere();
	struct version in = { .key = key_of_block(&one, &at.addr),
			      .stamp = { 1, 2 },
			      .writer = two,
			      .hash = 0xfedcba9876543210 },
		       out;
	struct cursor c;

	wire_put_version(&b, &in);
	c = reader(&b);
	wire_get_version(&c, &out);
	cr_assert(!c.bad && !cursor_left(&c));
	cr_assert_eq(record_key_cmp(&in.key, &out.key), 0);
	cr_assert_eq(stamp_cmp(&in.stamp, &out.stamp), 0);
	cr_assert_eq(in.hash, out.hash);
}

Test(gossip_wire, unknown_types_and_new_fields_are_skipped)
{
	_cleanup_(buf_fini) struct buf b = { 0 };
	struct wire_message m;
	struct cursor c;

	buf_u8(&b, 200);
	buf_blob(&b, "from the future", 15);
	buf_u8(&b, WIRE_ACK);
	buf_blob(&b, "\0\0\0\7and more", 12);
	c = reader(&b);
	cr_assert(wire_next(&c, &m));
	cr_assert(m.type == WIRE_ACK && m.number == 7);
	cr_assert(!wire_next(&c, &m) && !c.bad);
}

/* Cut anywhere but between two messages it is noticed, and nothing is read past the end. */
Test(gossip_wire, what_is_cut_short_is_bad)
{
	_cleanup_(buf_fini) struct buf whole = { 0 };
	size_t bad = 0;

	put_one_of_each(&whole);
	for (size_t len = 0; len <= whole.len; len++) {
		uint8_t *copy = malloc(len + 1); /* of its own, for the sanitizer */
		struct cursor c = cursor_of(copy, len);
		struct wire_message m;

		memcpy(copy, whole.data, len);
		while (wire_next(&c, &m))
			;
		bad += c.bad;
		free(copy);
	}
	cr_assert_eq(bad, whole.len + 1 - 8, "8 places are between messages");
}

Test(gossip_wire, keys_beyond_their_bounds_are_refused)
{
	uint8_t long_key[2 + RECORD_KEY_MAX + 1] = { RECORD_NETWORK, RECORD_KEY_MAX + 1 };
	uint8_t no_key[2] = { RECORD_NETWORK, 0 };
	struct cursor c = cursor_of(long_key, sizeof(long_key));
	struct record_key key;

	wire_get_key(&c, false, &key);
	cr_assert(c.bad);
	c = cursor_of(no_key, sizeof(no_key));
	wire_get_key(&c, false, &key);
	cr_assert(c.bad);
	c = cursor_of(no_key, sizeof(no_key));
	wire_get_key(&c, true, &key);
	cr_assert(!c.bad);
}
