/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What people are shown of keys. */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "ipsec/inside.h"

static void count_groups(struct key_row *r, const struct seen *seen, const struct peer *p)
{
	size_t in, out;
	const struct group *g = seen_of(seen, &p->addr, false, &in);

	for (size_t i = 0; i < in; i++) {
		r->received += g[i].packets;
		r->replayed += g[i].replayed;
		r->failed += g[i].failed;
	}
	r->sessions = (uint8_t)(in > UINT8_MAX ? UINT8_MAX : in);
	r->by_nic = in && g[in - 1].by_nic;
	g = seen_of(seen, &p->addr, true, &out);
	for (size_t i = 0; i < out; i++)
		r->sent += g[i].packets;
	r->by_nic = r->by_nic && out && g[out - 1].by_nic;
}

static void describe_keys(struct key_row *r, const struct ipsec *s, const struct view *v,
			  const struct id *peer)
{
	const struct node_key *own = view_key_of(v, &s->self), *theirs = view_key_of(v, peer);

	if (own) {
		r->epoch = own->epoch;
		r->made_ms = own->made_ms;
	}
	if (theirs) {
		r->peer_epoch = theirs->epoch;
		r->peer_made_ms = theirs->made_ms;
	}
}

static struct key_row row_of(const struct ipsec *s, const struct view *v,
			     const struct ipsec_facts *f, const struct seen *seen,
			     const struct peer *p)
{
	struct key_row r = { .peer = p->id };
	struct sending sending;
	struct pair q;

	view_pair(v, &p->id, &s->self, &q);
	sending_read(&sending, f, &p->addr);
	r.is_sending = sending.lane[0];
	r.out_ready = p->spi_out && !sending.is_mixed && sending.lane[0] == p->spi_out &&
		      seen_all(seen, &p->addr, true, p->spi_out);
	r.in_ready = seen_all(seen, &p->addr, false, p->spi_in) && q.session == p->session &&
		     q.spi_out == p->spi_in;
	describe_keys(&r, s, v, &p->id);
	count_groups(&r, seen, p);
	return r;
}

int ipsec_report(const struct ipsec *s, const struct view *v, const struct ipsec_facts *f,
		 struct key_row **ret_rows, size_t *ret_count)
{
	_cleanup_(seen_fini) struct seen seen = { 0 };
	struct key_row *rows = calloc(s->count + 1, sizeof(*rows));

	if (!rows || seen_init(&seen, f) < 0) {
		free(rows);
		return -ENOMEM;
	}
	for (size_t i = 0; i < s->count; i++)
		rows[i] = row_of(s, v, f, &seen, &s->peer[i]);
	*ret_rows = rows;
	*ret_count = s->count;
	return 0;
}
