/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Flows of format 2, carried over: an upgrade breaks no connection. Its values had no
 * `via`; keys, affinity and counts are as they are now.
 *
 * It is done right before the first program of this build takes another's place. Until
 * then all packets are the old programs' and none of ours writes these maps, so there is
 * one writer still. When it is done the old pins go (the old programs hold their maps),
 * which says so to a daemon that is restarted in the middle.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "objects.h"

#define OLDER_FORMAT 2
#define BATCH_ROWS 8192

struct ov_flow_v2 {
	struct ov_addr backend;
	__u32 incarnation;
	__u32 seen;
	__u32 flags;
	__be16 vip_port;
	__u16 pad;
};
_Static_assert(sizeof(struct ov_flow_v2) == 32, "as format 2 had it");

static void flow_from_v2(const void *old, void *new)
{
	const struct ov_flow_v2 *from = old;
	struct ov_flow *to = new;

	*to = (struct ov_flow){ .backend = from->backend, .incarnation = from->incarnation,
				.seen = from->seen, .flags = from->flags,
				.vip_port = from->vip_port };
}

/* `active` is counted anew from the flows that come along. */
static void stats_from_v2(const void *old, void *new)
{
	const struct ov_backend_stats *from = old;

	*(struct ov_backend_stats *)new = (struct ov_backend_stats){ .total = from->total };
}

#define SAME(map, key, value) { BPF_MAP_##map, #map, sizeof(key), sizeof(value), sizeof(value), NULL }
static const struct carried {
	enum bpf_map_id map;
	const char *name;
	uint32_t key_size, old_size, new_size;
	void (*convert)(const void *old, void *new); /* NULL: it is the same */
} carried[] = { /* counts before the flows that are added to them */
	{ BPF_MAP_backend_stats, "backend_stats", sizeof(struct ov_backend_stats_key),
	  sizeof(struct ov_backend_stats), sizeof(struct ov_backend_stats), stats_from_v2 },
	SAME(service_stats, struct ov_service_stats_key, struct ov_service_stats),
	SAME(affinity, struct ov_affinity_key, struct ov_affinity),
	{ BPF_MAP_brief, "brief", sizeof(struct ov_flow_key), sizeof(struct ov_flow_v2),
	  sizeof(struct ov_flow), flow_from_v2 },
	{ BPF_MAP_flows, "flows", sizeof(struct ov_flow_key), sizeof(struct ov_flow_v2),
	  sizeof(struct ov_flow), flow_from_v2 },
};

static int older_path(const struct bpf_objects *o, const char *name, char out[PATH_MAX])
{
	int parent = (int)(strrchr(o->dir, '/') - o->dir);

	return snprintf(out, PATH_MAX, "%.*s/v%d/%s", parent, o->dir, OLDER_FORMAT, name) < PATH_MAX ?
	       0 : -ENAMETOOLONG;
}

/* -ENOENT also when it is not laid out as that format had it: then it is no one's. */
static int open_older(const struct bpf_objects *o, const struct carried *c, int *ret_fd)
{
	_cleanup_(closep) int fd = -1;
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);
	char path[PATH_MAX];
	int r = older_path(o, c->name, path);

	if (r)
		return r;
	fd = bpf_obj_get(path);
	if (fd < 0)
		return fd;
	r = bpf_obj_get_info_by_fd(fd, &info, &len);
	if (r)
		return r;
	if (info.key_size != c->key_size || info.value_size != c->old_size)
		return -ENOENT;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* ---- a batch ---- */

struct move {
	const struct bpf_objects *o;
	const struct carried *what;
	uint8_t *keys, *old, *new;
	uint32_t room, count;
	bool into_empty;  /* our map was */
	uint64_t entered; /* flows that are new in our map */
};

static void move_fini(struct move *m)
{
	free(m->keys);
	free(m->old);
	free(m->new);
}

static int grow(struct move *m, uint32_t room)
{
	const struct carried *c = m->what;

	move_fini(m);
	m->room = room;
	m->keys = calloc(room, c->key_size);
	m->old = calloc(room, c->old_size);
	m->new = calloc(room, c->new_size);
	return m->keys && m->old && m->new ? 0 : -ENOMEM;
}

static void convert(struct move *m)
{
	const struct carried *c = m->what;

	for (uint32_t i = 0; i < m->count; i++) {
		if (c->convert)
			c->convert(m->old + i * c->old_size, m->new + i * c->new_size);
		else
			memcpy(m->new + i * c->new_size, m->old + i * c->old_size, c->new_size);
	}
}

/* One more connection of that backend, as ov_endpoint counts them. */
static int tally(struct move *m, const struct ov_flow_key *key, const struct ov_flow *flow)
{
	struct ov_backend_stats_key who = { .vip = key->vip, .backend = flow->backend,
					    .vni = ov_flow_key_vni(key) };
	int fd = m->o->map_fd[BPF_MAP_backend_stats];
	struct ov_backend_stats stats = { 0 };

	m->entered++;
	if (flow->flags & OV_FLOW_POLICY) /* of no backend */
		return 0;
	bpf_map_lookup_elem(fd, &who, &stats);
	stats.active++;
	return bpf_map_update_elem(fd, &who, &stats, BPF_ANY);
}

static int tally_all(struct move *m, uint32_t from, uint32_t count)
{
	uint32_t end = m->what->map == BPF_MAP_flows ? from + count : from;
	int r = 0;

	for (uint32_t i = from; !r && i < end; i++) {
		struct ov_flow_key key;
		struct ov_flow flow;

		memcpy(&key, m->keys + i * sizeof(key), sizeof(key));
		memcpy(&flow, m->new + i * sizeof(flow), sizeof(flow));
		r = tally(m, &key, &flow);
	}
	return r;
}

/* What our map has already is newer and stays. Batches cannot be told so, hence one by one. */
static int write_each(struct move *m, int fd)
{
	int r = 0;

	for (uint32_t i = 0; !r && i < m->count; i++) {
		r = bpf_map_update_elem(fd, m->keys + i * m->what->key_size,
					m->new + i * m->what->new_size, BPF_NOEXIST);
		r = r == -EEXIST ? 0 : r ? r : tally_all(m, i, 1);
	}
	return r;
}

static int write_batch(struct move *m)
{
	int fd = m->o->map_fd[m->what->map], r;
	uint32_t done = m->count;

	if (!m->into_empty)
		return write_each(m, fd);
	r = m->count ? bpf_map_update_batch(fd, m->keys, m->new, &done, NULL) : 0;
	return r ? r : tally_all(m, 0, done);
}

static bool is_empty(int fd)
{
	uint8_t key[sizeof(struct ov_flow_key)];

	return bpf_map_get_next_key(fd, NULL, key) == -ENOENT;
}

static int move_map(struct move *m, int old)
{
	uint32_t at = 0, next = 0;
	bool begun = false;
	int r = grow(m, BATCH_ROWS), got = 0;

	m->into_empty = is_empty(m->o->map_fd[m->what->map]);
	while (!r && got != -ENOENT) {
		m->count = m->room;
		got = bpf_map_lookup_batch(old, begun ? &at : NULL, &next, m->keys, m->old, &m->count,
					   NULL);
		if (got == -ENOSPC) { /* one bucket alone is larger */
			r = grow(m, m->room * 2);
			continue;
		}
		if (got && got != -ENOENT)
			return got;
		convert(m);
		r = write_batch(m);
		at = next;
		begun = true;
	}
	return r;
}

/* So that "used" of the flow table is right, which is what entered less what left. */
static int count_entered(const struct bpf_objects *o, uint64_t entered)
{
	int cpus = libbpf_num_possible_cpus(), fd = o->map_fd[BPF_MAP_flow_counters];
	_cleanup_(freep) uint64_t *each = cpus > 0 ? calloc((size_t)cpus, sizeof(*each)) : NULL;
	uint32_t key = OV_FLOW_ENTERED;
	int r;

	if (!each)
		return cpus < 0 ? cpus : -ENOMEM;
	r = bpf_map_lookup_elem(fd, &key, each);
	each[0] += entered;
	return r ? r : bpf_map_update_elem(fd, &key, each, BPF_ANY);
}

/* ---- all of it ---- */

static int carry(const struct bpf_objects *o, const struct carried *c)
{
	_cleanup_(move_fini) struct move m = { .o = o, .what = c };
	_cleanup_(closep) int old = -1;
	int r = open_older(o, c, &old);

	if (r)
		return r == -ENOENT ? 0 : r;
	r = move_map(&m, old);
	if (!r && m.entered)
		r = count_entered(o, m.entered);
	return r;
}

int formats_take_flows(struct bpf_objects *o, struct err *e)
{
	char path[PATH_MAX];

	if (o->has_taken_flows)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(carried); i++) {
		int r = carry(o, &carried[i]);

		if (r)
			return err_set(e, r, "the map %s of format %d could not be carried over (%s), so its "
				       "programs stay at work", carried[i].name, OLDER_FORMAT, strerror(-r));
	}
	for (size_t i = 0; i < ARRAY_SIZE(carried); i++)
		if (!older_path(o, carried[i].name, path))
			unlink(path);
	o->has_taken_flows = true;
	return 0;
}
