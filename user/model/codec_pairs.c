/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a node says of its SAs with others. One pair on the wire, all of it fixed in length,
 * because a thousand nodes are to fit eight records:
 *
 *   16 peer | u64 session | u32 spi_in | u32 spi_out
 */
#include "codec.h"

#include <errno.h>
#include <string.h>

#define PAIR_WIRE_LEN 32
#define PAIR_TLV_LEN (3 + PAIR_WIRE_LEN)
#define CHUNK_SHIFT 5 /* the first three bits of an id */

_Static_assert(PAIRS_CHUNKS << CHUNK_SHIFT == 256, "a chunk is the first bits of a byte");
_Static_assert(PAIRS_MAX * PAIR_TLV_LEN <= RECORD_BODY_MAX, "a full chunk fits a record");

uint8_t pairs_chunk_of(const struct id *peer)
{
	return peer->b[0] >> CHUNK_SHIFT;
}

void pair_encode(uint8_t type, const struct pair *p, struct buf *out)
{
	buf_u8(out, type);
	buf_u16(out, PAIR_WIRE_LEN);
	buf_put(out, p->peer.b, sizeof(p->peer.b));
	buf_u64(out, p->session);
	buf_u32(out, p->spi_in);
	buf_u32(out, p->spi_out);
}

int pair_decode(struct cursor *v, struct pair *p)
{
	if (cursor_left(v) != PAIR_WIRE_LEN)
		return -EBADMSG;
	cursor_get(v, p->peer.b, sizeof(p->peer.b));
	p->session = cursor_u64(v);
	p->spi_in = cursor_u32(v);
	p->spi_out = cursor_u32(v);
	return 0;
}

void pairs_encode(struct buf *out, const struct pairs *p, const struct pairs_detail *d)
{
	struct pairs_whole whole = { *p, *d };

	schema_encode(&schema_of_kind[RECORD_PAIRS], &whole, out);
}

static int decode_whole(const uint8_t *body, size_t len, struct pairs_whole *whole)
{
	memset(whole, 0, sizeof(*whole));
	return schema_decode(&schema_of_kind[RECORD_PAIRS], cursor_of(body, len), whole);
}

void pairs_detail_decode(const struct item *it, struct pairs_detail *ret_detail)
{
	struct pairs_whole whole;

	if (decode_whole(it->body, it->body_len, &whole))
		memset(&whole, 0, sizeof(whole)); /* made by hand: nothing half-read */
	*ret_detail = whole.d;
}

/* Sorted, each peer once, and where it is looked for. */
static int check_pairs(const struct pairs_whole *w, uint8_t chunk)
{
	for (int i = 0; i < w->p.count; i++) {
		const struct id *peer = &w->d.pair[i].peer;

		if (pairs_chunk_of(peer) != chunk || id_is_zero(peer) ||
		    (i && id_cmp(&w->d.pair[i - 1].peer, peer) >= 0))
			return -EBADMSG;
	}
	return 0;
}

int decode_pairs_item(const struct record *r, struct pairs *ret_pairs)
{
	struct pairs_whole whole;
	int err = decode_whole(r->body, r->body_len, &whole);

	*ret_pairs = whole.p;
	return err ? err : check_pairs(&whole, r->key.bytes[16]);
}

bool pairs_find(const struct item *it, const struct id *peer, struct pair *ret_pair)
{
	struct cursor body = cursor_of(it->body, it->body_len);

	while (cursor_left(&body) && !body.bad) {
		uint8_t type = cursor_u8(&body);
		struct cursor v = cursor_blob(&body);
		struct pair p;

		if (type != schema_of_kind[RECORD_PAIRS].field[0].type || pair_decode(&v, &p) ||
		    !id_equal(&p.peer, peer))
			continue;
		*ret_pair = p;
		return true;
	}
	return false;
}
