/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is free: the addresses in use, sorted, and the runs between them. */
#include "ring.h"

#include <errno.h>
#include <stdlib.h>

void ipam_bounds(const struct network *n, struct ov_addr *ret_first, struct ov_addr *ret_last)
{
	*ret_first = n->ip_range.addr;
	*ret_last = prefix_last(&n->ip_range);
}

bool ipam_is_reserved(const struct network *n, const struct ov_addr *a)
{
	struct ov_addr broadcast = prefix_last(&n->subnet);

	return !addr_cmp(a, &n->subnet.addr) || !addr_cmp(a, &broadcast) ||
	       !addr_cmp(a, &n->gateway);
}

const struct ov_addr *ring_claim(const struct item *it, const struct network *n)
{
	bool is_service = it->key.kind == RECORD_SERVICE;
	const struct id *network = is_service ? &it->service.network : &it->endpoint.network;
	const struct ov_addr *a = is_service ? &it->service.vip : &it->endpoint.addr;

	return id_equal(network, &n->id) && !addr_is_zero(a) ? a : NULL;
}

static bool has_claim(const struct item *it, const struct network *n, const struct ov_addr *a)
{
	const struct ov_addr *claim = ring_claim(it, n);

	return claim && !addr_cmp(claim, a);
}

bool ring_user(const struct view *v, const struct network *n, const struct ov_addr *a,
	       struct user *ret_user)
{
	for (size_t i = 0; i < v->endpoint_count; i++) {
		if (!has_claim(v->endpoint[i].item, n, a))
			continue;
		*ret_user = (struct user){ .endpoint = &v->endpoint[i] };
		return true;
	}
	for (size_t i = 0; i < v->service_count; i++) {
		if (!has_claim(v->service[i].item, n, a))
			continue;
		*ret_user = (struct user){ .service = &v->service[i] };
		return true;
	}
	return false;
}

/*
 * seen_ms comes from this node's own wall clock, which may have been set since.
 * A time far in the future says nothing about when the address was released.
 */
static bool is_held(const struct item *tombstone, uint64_t now_ms)
{
	uint64_t seen = tombstone->seen_ms;

	return now_ms >= seen ? now_ms - seen < IPAM_HOLD_MS : seen - now_ms < IPAM_HOLD_MS;
}

static int cmp_offset(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void busy_add(struct busy *b, const struct item *it, const struct network *n)
{
	const struct ov_addr *claim = ring_claim(it, n);

	if (claim)
		b->at[b->count++] = ring_offset(n, claim);
}

static int busy_build(const struct view *v, const struct network *n, uint64_t now_ms,
		      struct busy *ret_busy)
{
	struct ov_addr broadcast = prefix_last(&n->subnet);
	struct busy b = { 0 };

	b.at = calloc(v->endpoint_count + v->service_count + v->released_count + 3, sizeof(*b.at));
	if (!b.at)
		return -ENOMEM;
	for (size_t i = 0; i < v->endpoint_count; i++)
		busy_add(&b, v->endpoint[i].item, n);
	for (size_t i = 0; i < v->service_count; i++)
		busy_add(&b, v->service[i].item, n);
	b.in_use = b.count;
	for (size_t i = 0; i < v->released_count; i++)
		if (is_held(v->released[i], now_ms))
			busy_add(&b, v->released[i], n);
	b.held = b.count - b.in_use;
	b.at[b.count++] = 0;
	b.at[b.count++] = ring_offset(n, &broadcast);
	b.at[b.count++] = ring_offset(n, &n->gateway);
	qsort(b.at, b.count, sizeof(*b.at), cmp_offset);
	*ret_busy = b;
	return 0;
}

/* Walks segments and busy offsets side by side; both are sorted. */
static void find_runs(const struct network *n, struct space *s)
{
	struct ov_addr from, to;
	size_t b = 0;

	ipam_bounds(n, &from, &to);
	for (size_t i = 0; i < s->ring.count; i++) {
		const struct segment *g = &s->ring.segment[i];
		uint64_t lo = ring_offset(n, &from), hi = ring_offset(n, &to);
		uint64_t at = g->first > lo ? g->first : lo;
		uint64_t last = g->last < hi ? g->last : hi;

		while (at <= last) {
			while (b < s->busy.count && s->busy.at[b] < at)
				b++;
			uint64_t stop = b < s->busy.count && s->busy.at[b] <= last ? s->busy.at[b]
										   : last + 1;

			if (stop > at)
				s->run[s->run_count++] = (struct run){ at, stop - 1, g };
			at = stop + 1;
		}
	}
}

int space_build(const struct view *v, const struct network *n, uint64_t now_ms,
		struct space *ret_space)
{
	struct space s = { 0 };
	int r = ring_build(v, n, &s.ring);

	if (r == 0)
		r = busy_build(v, n, now_ms, &s.busy);
	if (r == 0) {
		/* Each busy offset ends at most one run, and each segment one more. */
		s.run = calloc(s.ring.count + s.busy.count + 1, sizeof(*s.run));
		r = s.run ? 0 : -ENOMEM;
	}
	if (r < 0) {
		space_fini(&s);
		return r;
	}
	find_runs(n, &s);
	*ret_space = s;
	return 0;
}

void space_fini(struct space *s)
{
	free(s->ring.segment);
	free(s->busy.at);
	free(s->run);
	*s = (struct space){ 0 };
}

static bool is_counted(const struct item *it, const struct network *n)
{
	const struct ov_addr *claim = ring_claim(it, n);

	return claim && prefix_contains(&n->ip_range, claim);
}

void ipam_usage(const struct view *v, const struct network *n, uint64_t *ret_used,
		uint64_t *ret_free)
{
	struct ov_addr first, last, reserved[3];
	uint64_t used = 0, total;

	ipam_bounds(n, &first, &last);
	total = addr_distance(&first, &last) + 1;
	reserved[0] = n->subnet.addr;
	reserved[1] = prefix_last(&n->subnet);
	reserved[2] = n->gateway;
	for (size_t i = 0; i < 3; i++)
		total -= prefix_contains(&n->ip_range, &reserved[i]);
	for (size_t i = 0; i < v->endpoint_count; i++)
		used += !v->endpoint[i].addr_lost && is_counted(v->endpoint[i].item, n);
	for (size_t i = 0; i < v->service_count; i++)
		used += !v->service[i].vip_lost && is_counted(v->service[i].item, n);
	*ret_used = used;
	*ret_free = total > used ? total - used : 0;
}
