/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rules of one pair of classes, flattened: of every protocol and port the strongest rule is the
 * answer of the longest prefix. A row for all protocols, one for each whole protocol whose answer
 * differs, and prefixes of ports whose answer differs from that.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "inside.h"

#define NONE UINT32_MAX

static const uint8_t protocols[] = { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP };

void flat_fini(struct flat *f)
{
	free(f->span);
	free(f->edge);
	free(f->owner);
	free(f->next);
}

/* It is about all of that protocol (of every one: POLICY_PROTOCOL_ANY). */
static bool is_whole(const struct rule *r, uint8_t protocol)
{
	for (uint8_t i = 0; i < r->p.port_count; i++) {
		const struct policy_port *p = &r->d.port[i];

		if (p->protocol == POLICY_PROTOCOL_ANY ||
		    (p->protocol == protocol && policy_port_is_whole(p)))
			return true;
	}
	return !r->p.port_count;
}

/* How many of `match` are stronger than the first that is about the whole protocol. */
static size_t find_whole(const struct compile *c, const uint32_t *match, size_t count,
			 uint8_t protocol)
{
	size_t i = 0;

	while (i < count && !is_whole(&c->rule[match[i]], protocol))
		i++;
	return i;
}

/* ---- one row ---- */

struct class_pair {
	const struct compile *c;
	struct policy_book *b;
	uint32_t from, to;
};

static int add_row(const struct class_pair *to, uint32_t rule, uint8_t protocol, uint16_t port, int bits)
{
	const struct rule *r = &to->c->rule[rule];
	struct policy_rule_row row;

	memset(&row, 0, sizeof(row));
	row.key.prefix_len = protocol ? (uint32_t)(OV_RULE_PREFIX_PROTOCOL + bits) : OV_RULE_PREFIX;
	row.key.vni = to->c->net->net->vni;
	row.key.set = to->c->set;
	row.key.from = class_id(to->c, to->from);
	row.key.to = class_id(to->c, to->to);
	row.key.protocol = protocol;
	row.key.port = htons(port);
	memcpy(&row.value.id, r->p.id.b, sizeof(row.value.id));
	row.value.verdict = r->p.deny ? OV_POLICY_DENY : OV_POLICY_ALLOW;
	return book_add_rule(to->b, &row);
}

/* first..last as the fewest prefixes, but never all ports as one: that row is the whole protocol's. */
static int add_range(const struct class_pair *to, uint32_t rule, uint8_t protocol, uint32_t first,
		     uint32_t last)
{
	int r = 0;

	while (first <= last && !r) {
		int free_bits = 0;

		while (free_bits < 15 && !(first & (1u << free_bits)) &&
		       first + (2u << free_bits) - 1 <= last)
			free_bits++;
		r = add_row(to, rule, protocol, (uint16_t)first, 16 - free_bits);
		first += 1u << free_bits;
	}
	return r;
}

/* ---- spans of ports: painted, the strongest first ---- */

static int push_span(struct flat *f, const struct policy_port *p, uint32_t rule)
{
	if (f->span_count == f->span_room) {
		size_t room = f->span_room ? 2 * f->span_room : 64;
		struct span *span = reallocarray(f->span, room, sizeof(*span));

		if (!span)
			return -ENOMEM;
		f->span = span;
		f->span_room = room;
	}
	f->span[f->span_count++] = (struct span){ p->first, p->last, rule };
	return 0;
}

static int take_spans(struct flat *f, const struct compile *c, const uint32_t *match, size_t count,
		      uint8_t protocol)
{
	int r = 0;

	f->span_count = 0;
	for (size_t i = 0; i < count; i++)
		for (uint8_t j = 0; j < c->rule[match[i]].p.port_count && !r; j++)
			if (c->rule[match[i]].d.port[j].protocol == protocol)
				r = push_span(f, &c->rule[match[i]].d.port[j], match[i]);
	return r;
}

static int reserve(struct flat *f)
{
	size_t room = 2 * f->span_count + 1;

	if (room <= f->edge_room)
		return 0;
	free(f->edge);
	free(f->owner);
	free(f->next);
	f->edge = calloc(room, sizeof(*f->edge));
	f->owner = calloc(room, sizeof(*f->owner));
	f->next = calloc(room, sizeof(*f->next));
	f->edge_room = f->edge && f->owner && f->next ? room : 0;
	return f->edge_room ? 0 : -ENOMEM;
}

static int edge_cmp(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Where spans begin or have ended. Between two neighbours all ports have the same spans. */
static size_t find_edges(struct flat *f)
{
	size_t count = 0, kept = 0;

	for (size_t i = 0; i < f->span_count; i++) {
		f->edge[count++] = f->span[i].first;
		f->edge[count++] = f->span[i].last + 1u;
	}
	qsort(f->edge, count, sizeof(*f->edge), edge_cmp);
	for (size_t i = 0; i < count; i++)
		if (!kept || f->edge[kept - 1] != f->edge[i])
			f->edge[kept++] = f->edge[i];
	return kept;
}

/* The first piece from i on that nobody has painted. */
static uint32_t find_free(struct flat *f, uint32_t i)
{
	uint32_t end = i, step;

	while (f->next[end] != end)
		end = f->next[end];
	for (; f->next[i] != i; i = step) {
		step = f->next[i];
		f->next[i] = end;
	}
	return end;
}

static void paint(struct flat *f, size_t edges)
{
	for (uint32_t i = 0; i < edges; i++) {
		f->owner[i] = NONE;
		f->next[i] = i;
	}
	for (size_t s = 0; s < f->span_count; s++) {
		uint32_t first = f->span[s].first, end = f->span[s].last + 1u;
		uint32_t *at = bsearch(&first, f->edge, edges, sizeof(*f->edge), edge_cmp);
		uint32_t i = find_free(f, (uint32_t)(at - f->edge));

		for (; f->edge[i] < end; i = find_free(f, i)) {
			f->owner[i] = f->span[s].rule;
			f->next[i] = i + 1; /* there is a next: `end` is an edge */
		}
	}
}

static int add_painted(const struct class_pair *to, const struct flat *f, size_t edges, uint8_t protocol)
{
	int r = 0;

	for (size_t i = 0, end; i + 1 < edges && !r; i = end) {
		for (end = i + 1; end + 1 < edges && f->owner[end] == f->owner[i];)
			end++;
		if (f->owner[i] != NONE)
			r = add_range(to, f->owner[i], protocol, f->edge[i], f->edge[end] - 1);
	}
	return r;
}

/* ---- one pair ---- */

/* `every`: the place in `match` of the answer for all protocols; count: there is none. */
static int add_protocol(const struct class_pair *to, struct flat *f, const uint32_t *match, size_t count,
			size_t every, uint8_t protocol)
{
	size_t whole = find_whole(to->c, match, count, protocol), edges;
	int r = 0;

	if (whole != every)
		r = add_row(to, match[whole], protocol, 0, 0);
	if (!r)
		r = take_spans(f, to->c, match, whole, protocol);
	if (r || !f->span_count)
		return r;
	r = reserve(f);
	if (r)
		return r;
	edges = find_edges(f);
	paint(f, edges);
	return add_painted(to, f, edges, protocol);
}

int pair_add(const struct compile *c, struct flat *f, const uint32_t *match, size_t count,
	     uint32_t from, uint32_t to, struct policy_book *b)
{
	const struct class_pair pair = { c, b, from, to };
	size_t every = find_whole(c, match, count, POLICY_PROTOCOL_ANY);
	int r = every < count ? add_row(&pair, match[every], POLICY_PROTOCOL_ANY, 0, 0) : 0;

	for (size_t i = 0; i < sizeof(protocols) && !r; i++)
		r = add_protocol(&pair, f, match, count, every, protocols[i]);
	return r;
}
