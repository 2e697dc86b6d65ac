/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reap.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/cleanup.h"

/* The maps of a round, in this order. */
enum stage { STAGE_FLOWS, STAGE_MASQ, STAGE_BACKENDS, STAGE_SERVICES, STAGE_COUNT };

static const struct {
	enum bpf_map_id map;
	size_t key_size, value_size;
} stages[STAGE_COUNT] = {
	[STAGE_FLOWS] = { BPF_MAP_flows, sizeof(struct ov_flow_key), sizeof(struct ov_flow) },
	[STAGE_MASQ] = { BPF_MAP_masq, sizeof(struct ov_masq_key), sizeof(struct ov_masq) },
	[STAGE_BACKENDS] = { BPF_MAP_backend_stats, sizeof(struct ov_backend_stats_key),
			     sizeof(struct ov_backend_stats) },
	[STAGE_SERVICES] = { BPF_MAP_service_stats, sizeof(struct ov_service_stats_key),
			     sizeof(struct ov_service_stats) },
};
#define KEY_MAX sizeof(struct ov_flow_key)
#define VALUE_MAX sizeof(struct ov_masq)
_Static_assert(sizeof(struct ov_masq_key) <= KEY_MAX && sizeof(struct ov_flow) <= VALUE_MAX,
	       "the arrays take entries of every stage");

/* Rows of `endpoints` looked up in this step: many flows have one backend. */
#define KNOWN_SLOTS 1024 /* a power of two */
struct known {
	struct ov_endpoint_key key;
	struct ov_endpoint value;
	bool is_used, is_there;
};

struct reaper {
	struct bpf_objects *bpf;
	struct reap_hooks hooks;
	enum stage stage;
	bool begun;       /* `at` is the place in this stage's map */
	uint32_t at;
	uint32_t room;    /* entries the arrays hold */
	uint8_t *keys, *values;
	struct known known[KNOWN_SLOTS];
	struct reap_stats stats;
};

static int make_room(struct reaper *r, uint32_t room)
{
	uint8_t *keys = reallocarray(r->keys, room, KEY_MAX), *values;

	if (!keys)
		return -ENOMEM;
	r->keys = keys;
	values = reallocarray(r->values, room, VALUE_MAX);
	if (!values)
		return -ENOMEM;
	r->values = values;
	r->room = room;
	return 0;
}

int reap_new(struct kernel *k, const struct reap_hooks *hooks, struct reaper **ret_reaper)
{
	struct reaper *r = calloc(1, sizeof(*r));

	if (!r || make_room(r, REAP_BATCH)) {
		reap_free(r);
		return -ENOMEM;
	}
	r->bpf = kernel_bpf(k);
	r->hooks = *hooks;
	*ret_reaper = r;
	return 0;
}

void reap_free(struct reaper *r)
{
	if (!r)
		return;
	free(r->keys);
	free(r->values);
	free(r);
}

void reap_restart(struct reaper *r)
{
	r->stage = STAGE_FLOWS;
	r->begun = false;
}

const struct reap_stats *reap_round(const struct reaper *r)
{
	return &r->stats;
}

/* ---- who is who ---- */

static uint32_t hash(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint32_t h = 2166136261u; /* FNV-1a */

	while (len--)
		h = (h ^ *p++) * 16777619u;
	return h ^ h >> 15;
}

/* The row of `endpoints`, NULL when there is none; good until the next call. */
static const struct ov_endpoint *endpoint(struct reaper *r, const struct ov_addr *addr, uint32_t vni)
{
	struct ov_endpoint_key key = { .addr = *addr, .vni = vni };
	struct known *known = &r->known[hash(&key, sizeof(key)) & (KNOWN_SLOTS - 1)];

	if (!known->is_used || memcmp(&known->key, &key, sizeof(key))) {
		known->is_there = !bpf_map_lookup_elem(bpf_map_fd(r->bpf, BPF_MAP_endpoints), &key,
						       &known->value);
		known->key = key;
		known->is_used = true;
	}
	return known->is_there ? &known->value : NULL;
}

static bool is_here(const struct ov_endpoint *e)
{
	return e && e->ifindex;
}

/* ---- what looks over ---- */

/* Its client is no endpoint, and is not missed. */
static bool is_from_outside(const struct ov_flow *flow)
{
	return flow->flags & (OV_FLOW_ENTRY | OV_FLOW_TUNNEL | OV_FLOW_DSR);
}

/* Whose client hears of its end from here: not one that entered elsewhere. */
static bool is_told_here(const struct ov_flow *flow)
{
	return !(flow->flags & (OV_FLOW_TUNNEL | OV_FLOW_DSR));
}

/* One that policy has judged: of ends that are gone, or of a network that has no rules now. */
static bool judged_looks_over(struct reaper *r, const struct ov_flow_key *key,
			      const struct ov_flow *flow)
{
	struct ov_addr ends[2] = { key->client, key->vip };
	uint32_t incarnation = 0, flags = 0;
	bool is_any_here = false;

	ends[1].b[0] = 0; /* OV_FLOW_POLICY_MARK */
	for (int i = 0; i < 2; i++) {
		const struct ov_endpoint *e = endpoint(r, &ends[i], ov_flow_key_vni(key));

		incarnation ^= e ? e->incarnation : 0;
		flags |= e ? e->flags : 0;
		is_any_here |= is_here(e);
	}
	return incarnation != flow->incarnation || !(flags & OV_ENDPOINT_POLICY) || !is_any_here;
}

static bool looks_over(struct reaper *r, const struct ov_flow_key *key, const struct ov_flow *flow,
		       uint32_t now)
{
	int32_t idle = (int32_t)(now - flow->seen);
	const struct ov_endpoint *e;

	if (idle > (int32_t)OV_TICKS(OV_IDLE_TCP))
		return true;
	if (flow->flags & OV_FLOW_POLICY)
		return idle > (int32_t)OV_TICKS(OV_ORPHAN_IDLE) && judged_looks_over(r, key, flow);
	if (idle > (int32_t)OV_TICKS(OV_ORPHAN_IDLE) && !is_from_outside(flow) &&
	    !is_here(endpoint(r, &key->client, ov_flow_key_vni(key))))
		return true;
	e = endpoint(r, &flow->backend, ov_flow_key_vni(key));
	return !e || e->incarnation != flow->incarnation || addr_cmp(&e->service, &key->vip);
}

static int reap_flow(struct reaper *r, const struct ov_flow_key *key, const struct ov_flow *flow)
{
	struct ov_reap run = { .key = *key };
	int err = bpf_run(r->bpf, BPF_PROG_REAP, &run, sizeof(run));

	if (err)
		return err;
	if (run.result == OV_REAP_EXPIRED)
		r->stats.expired++;
	if (run.result != OV_REAP_ORPHAN)
		return 0;
	r->stats.orphans++;
	if (key->protocol == IPPROTO_TCP && is_told_here(flow) && r->hooks.on_orphan)
		r->hooks.on_orphan(r->hooks.arg, key, flow);
	return 0;
}

static int reap_counts(struct reaper *r, const struct ov_backend_stats_key *key)
{
	struct ov_reap_stats run = { .key = *key };
	int err = bpf_run(r->bpf, BPF_PROG_REAP_STATS, &run, sizeof(run));

	if (!err && run.result == OV_REAP_EXPIRED)
		r->stats.leftovers++;
	return err;
}

static int look_at_flow(struct reaper *r, uint32_t i, uint32_t now)
{
	struct ov_flow_key key;
	struct ov_flow flow;

	memcpy(&key, r->keys + i * sizeof(key), sizeof(key));
	memcpy(&flow, r->values + i * sizeof(flow), sizeof(flow));
	r->stats.flows++;
	return looks_over(r, &key, &flow, now) ? reap_flow(r, &key, &flow) : 0;
}

/* A container's connection to the outside; with VNI 0 the host's own. */
static bool masq_looks_over(struct reaper *r, const struct ov_masq *m, uint32_t now)
{
	int32_t idle = (int32_t)(now - m->seen);
	const struct ov_endpoint *e;

	if (idle > (int32_t)OV_TICKS(m->flags & OV_FLOW_CLOSED ? OV_IDLE_CLOSED : OV_IDLE_TCP))
		return true;
	if (!m->vni || idle <= (int32_t)OV_TICKS(OV_ORPHAN_IDLE))
		return false;
	e = endpoint(r, &m->inside, m->vni);
	return !is_here(e) || e->incarnation != m->incarnation;
}

static int look_at_masq(struct reaper *r, uint32_t i, uint32_t now)
{
	struct ov_reap_masq run = { .result = OV_REAP_NONE };
	struct ov_masq value;
	int err;

	memcpy(&run.key, r->keys + i * sizeof(run.key), sizeof(run.key));
	memcpy(&value, r->values + i * sizeof(value), sizeof(value));
	r->stats.masq++;
	if (!masq_looks_over(r, &value, now))
		return 0;
	err = bpf_run(r->bpf, BPF_PROG_REAP_MASQ, &run, sizeof(run));
	if (!err && run.result == OV_REAP_EXPIRED)
		r->stats.expired++;
	return err;
}

static int look_at_backend(struct reaper *r, uint32_t i)
{
	struct ov_backend_stats_key key;
	struct ov_backend_stats value;
	const struct ov_endpoint *e;

	memcpy(&key, r->keys + i * sizeof(key), sizeof(key));
	memcpy(&value, r->values + i * sizeof(value), sizeof(value));
	if (value.active > 0)
		return 0;
	e = endpoint(r, &key.backend, key.vni);
	return e && !addr_cmp(&e->service, &key.vip) ? 0 : reap_counts(r, &key);
}

static int look_at_service(struct reaper *r, uint32_t i)
{
	struct ov_service_stats_key key;
	const struct ov_endpoint *e;

	memcpy(&key, r->keys + i * sizeof(key), sizeof(key));
	e = endpoint(r, &key.vip, key.vni);
	if (e && e->flags & OV_ENDPOINT_VIP)
		return 0;
	return reap_counts(r, &(struct ov_backend_stats_key){ .vip = key.vip, .vni = key.vni });
}

static int look_at(struct reaper *r, uint32_t i, uint32_t now)
{
	switch (r->stage) {
	case STAGE_FLOWS:
		return look_at_flow(r, i, now);
	case STAGE_MASQ:
		return look_at_masq(r, i, now);
	case STAGE_BACKENDS:
		return look_at_backend(r, i);
	case STAGE_SERVICES:
	case STAGE_COUNT:
		break;
	}
	return look_at_service(r, i);
}

/* ---- steps ---- */

/* One batch from where the last one ended. *ret_end: there are no more behind it. */
static int read_batch(struct reaper *r, uint32_t *ret_count, bool *ret_end)
{
	int fd = bpf_map_fd(r->bpf, stages[r->stage].map);
	uint32_t next = 0, count;
	int got;

	do {
		count = r->room;
		got = bpf_map_lookup_batch(fd, r->begun ? &r->at : NULL, &next, r->keys, r->values,
					   &count, NULL);
		if (got == -ENOSPC && make_room(r, r->room * 2)) /* one bucket alone is larger */
			return -ENOMEM;
	} while (got == -ENOSPC);
	if (got && got != -ENOENT)
		return got;
	r->at = next;
	r->begun = true;
	*ret_count = count;
	*ret_end = got == -ENOENT;
	return 0;
}

int reap_step(struct reaper *r, uint64_t now_ns, bool *ret_done)
{
	uint32_t now = (uint32_t)(now_ns >> OV_TICK_SHIFT), count = 0;
	bool end = false;
	int err;

	if (r->stage == STAGE_FLOWS && !r->begun)
		r->stats = (struct reap_stats){ 0 };
	memset(r->known, 0, sizeof(r->known));
	err = read_batch(r, &count, &end);
	for (uint32_t i = 0; !err && i < count; i++)
		err = look_at(r, i, now);
	if (err) {
		reap_restart(r);
		return err;
	}
	if (end) {
		r->stage++;
		r->begun = false;
	}
	*ret_done = r->stage == STAGE_COUNT;
	if (*ret_done)
		reap_restart(r);
	return 0;
}
