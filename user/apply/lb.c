/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What balances, joined from three maps: `services` (which VIPs there are and how
 * they choose), `backends` (who takes new flows) and `backend_stats` (what the
 * data path counted). Flows to a backend that is listed no more make it "old".
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "drivers.h"
#include "kernel.h"

/* A VIP as it leads the keys of `services` and `backends`. */
struct vip {
	struct ov_addr addr;
	uint32_t vni;
};
_Static_assert(sizeof(struct vip) == 20, "no padding: compared by bytes");

struct lb {
	struct plan_table services, backends, stats;
	struct lb_row *row;
	size_t count;
};

static void lb_fini(struct lb *lb)
{
	free(lb->services.rows);
	free(lb->backends.rows);
	free(lb->stats.rows);
	free(lb->row);
}

/* First row whose key begins with these bytes; NULL when there is none. */
static const uint8_t *find(const struct plan_table *t, const void *head, size_t len)
{
	size_t low = 0, high = t->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (memcmp(plan_row(t, mid), head, len) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low < t->count && !memcmp(plan_row(t, low), head, len) ? plan_row(t, low) : NULL;
}

static uint8_t algorithm_of(const struct lb *lb, const struct vip *vip)
{
	const uint8_t *row = find(&lb->services, vip, sizeof(*vip));
	struct ov_service s = { 0 };

	if (row)
		memcpy(&s, row + sizeof(struct ov_service_key), sizeof(s));
	return s.algorithm;
}

static struct lb_row *push(struct lb *lb, const struct vip *vip, const struct ov_addr *backend)
{
	struct lb_row *row = &lb->row[lb->count++];

	*row = (struct lb_row){ .vni = vip->vni, .vip = vip->addr, .backend = *backend,
				.algorithm = algorithm_of(lb, vip) };
	return row;
}

static void add_backends(struct lb *lb)
{
	for (size_t i = 0; i < lb->backends.count; i++) {
		struct ov_backend_stats stats = { 0 };
		struct ov_backend_key key;
		struct ov_backend value;
		const uint8_t *seen;

		memcpy(&key, plan_row(&lb->backends, i), sizeof(key));
		if (key.vni & OV_VNI_LOCAL) /* a second row of who is listed already */
			continue;
		memcpy(&value, plan_row(&lb->backends, i) + sizeof(key), sizeof(value));
		struct ov_backend_stats_key who = { key.vip, value.addr, key.vni };
		struct lb_row *row = push(lb, &(struct vip){ key.vip, key.vni }, &value.addr);

		seen = find(&lb->stats, &who, sizeof(who));
		if (seen)
			memcpy(&stats, seen + sizeof(who), sizeof(stats));
		row->weight = value.weight;
		row->active = stats.active > 0 ? (uint64_t)stats.active : 0;
		row->total = stats.total;
	}
}

/* One row for a VIP without backends, however many ports it has. */
static void add_empty(struct lb *lb)
{
	static const struct ov_addr nobody;
	struct vip last = { 0 };

	for (size_t i = 0; i < lb->services.count; i++) {
		struct vip vip;

		memcpy(&vip, plan_row(&lb->services, i), sizeof(vip));
		if (i && !memcmp(&vip, &last, sizeof(vip)))
			continue;
		last = vip;
		if (!find(&lb->backends, &vip, sizeof(vip)))
			push(lb, &vip, &nobody)->is_empty = true;
	}
}

static int row_cmp(const void *a, const void *b)
{
	const struct lb_row *x = a, *y = b;
	int diff;

	if (x->vni != y->vni)
		return x->vni < y->vni ? -1 : 1;
	diff = addr_cmp(&x->vip, &y->vip);
	return diff ? diff : addr_cmp(&x->backend, &y->backend);
}

/* Looks among the first `listed` rows, which are sorted. */
static bool is_listed(const struct lb *lb, size_t listed, const struct ov_backend_stats_key *who)
{
	struct lb_row key = { .vni = who->vni, .vip = who->vip, .backend = who->backend };

	return listed && bsearch(&key, lb->row, listed, sizeof(key), row_cmp);
}

/* Of a service that has no VIP, and no row above. */
static bool is_stand_in(const struct ov_addr *vip)
{
	return addr_v4(vip) >> 28 == OV_STAND_IN >> 28;
}

static void add_old(struct lb *lb)
{
	size_t listed = lb->count;

	for (size_t i = 0; i < lb->stats.count; i++) {
		struct ov_backend_stats_key key;
		struct ov_backend_stats value;

		memcpy(&key, plan_row(&lb->stats, i), sizeof(key));
		memcpy(&value, plan_row(&lb->stats, i) + sizeof(key), sizeof(value));
		if (value.active <= 0 || is_stand_in(&key.vip) || is_listed(lb, listed, &key))
			continue;
		struct lb_row *row = push(lb, &(struct vip){ key.vip, key.vni }, &key.backend);

		row->is_old = true;
		row->active = (uint64_t)value.active;
		row->total = value.total;
	}
}

static int read_maps(struct bpf_objects *o, struct lb *lb, struct err *e)
{
	const struct map_ctx services = { o, BPF_MAP_services, sizeof(struct ov_service_key),
					  sizeof(struct ov_service) };
	const struct map_ctx backends = { o, BPF_MAP_backends, sizeof(struct ov_backend_key),
					  sizeof(struct ov_backend) };
	const struct map_ctx stats = { o, BPF_MAP_backend_stats, sizeof(struct ov_backend_stats_key),
				       sizeof(struct ov_backend_stats) };
	int r = map_read(&services, &lb->services, e);

	if (!r)
		r = map_read(&backends, &lb->backends, e);
	return r ? r : map_read(&stats, &lb->stats, e);
}

int kernel_read_lb(struct kernel *k, struct lb_row **ret_rows, size_t *ret_count, struct err *e)
{
	_cleanup_(lb_fini) struct lb lb = { 0 };
	int r = read_maps(kernel_bpf(k), &lb, e);

	if (r)
		return r;
	lb.row = calloc(lb.services.count + lb.backends.count + lb.stats.count + 1, sizeof(*lb.row));
	if (!lb.row)
		return err_set(e, -ENOMEM, "out of memory");
	add_backends(&lb);
	add_empty(&lb);
	qsort(lb.row, lb.count, sizeof(*lb.row), row_cmp);
	add_old(&lb);
	qsort(lb.row, lb.count, sizeof(*lb.row), row_cmp);
	*ret_rows = TAKE_PTR(lb.row);
	*ret_count = lb.count;
	return 0;
}
