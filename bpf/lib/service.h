/* SPDX-License-Identifier: GPL-2.0 */
/* Which backend a new flow gets (maps/service.h). */
#pragma once

#include "lib/flow.h"
#include "maps/flow_hash.h"

/* As many backends are compared for least-conn; of more, so many at random. */
#define LEAST_CONN_LOOKS 16

struct choice {
	struct ov_addr backend;
	__u32 incarnation;
};

/* For whom a backend is wanted, and what is needed on the way: too much for a stack. */
struct wish {
	struct ov_flow_key key;
	__u32 vni;
	__u32 rows;                           /* VNI of the rows chosen from (OV_VNI_LOCAL) */
	__u32 origin;                         /* OV_FLOW_ENTRY, or 0: it calls the VIP */
	__be32 via;                           /* of OV_FLOW_ENTRY: the address called */
	struct ov_service service;            /* what it is chosen by */
	struct choice choice;                 /* the answer */
	struct ov_affinity_key affinity_key;
	struct ov_affinity affinity;
};

struct vip_scratch {
	struct wish wish;
	struct ov_flow flow;
};

/*
 * Of the packet at hand; not on the stack, where it would not fit beside the
 * rest (512 bytes a call chain). A program is not interrupted by another on its CPU.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct vip_scratch);
} vip_scratch SEC(".maps");

static __always_inline const struct ov_service *service_lookup_v4(__be32 vip, __u32 vni,
								  __be16 port, __u8 protocol)
{
	struct ov_service_key k = { .vni = vni, .port = port, .protocol = protocol };

	addr_set_v4(&k.vip, vip);
	return bpf_map_lookup_elem(&services, &k);
}

static __always_inline struct ov_service_stats *service_stats_get(const struct ov_addr *vip,
								  __u32 vni)
{
	struct ov_service_stats_key k = { .vni = vni };

	addr_copy(&k.vip, vip);

	struct ov_service_stats *s = bpf_map_lookup_elem(&service_stats, &k);

	if (!s) {
		struct ov_service_stats none = {};

		bpf_map_update_elem(&service_stats, &k, &none, BPF_NOEXIST);
		s = bpf_map_lookup_elem(&service_stats, &k);
	}
	return s;
}

static __noinline int service_tally(struct wish *w)
{
	struct ov_service_stats *s = w ? service_stats_get(&w->key.vip, w->vni) : NULL;

	if (s)
		__sync_fetch_and_add(&s->flows, 1);
	return 0;
}

static __noinline const struct ov_backend *backend_at(struct wish *w, __u32 index)
{
	if (!w)
		return NULL;

	struct ov_backend_key k = { .vni = w->rows, .index = index };

	addr_copy(&k.vip, &w->key.vip);

	return bpf_map_lookup_elem(&backends, &k);
}

static __always_inline const struct ov_backend *backend_by_place(struct wish *w, __u32 place)
{
	struct ov_choices_key k = { .vni = w->rows, .chunk = place / OV_CHOICES_PER_CHUNK };

	addr_copy(&k.vip, &w->key.vip);

	const struct ov_choices *c = bpf_map_lookup_elem(&choices, &k);

	return c ? backend_at(w, c->backend[place % OV_CHOICES_PER_CHUNK]) : NULL;
}

static __noinline __s64 active_of(struct wish *w, const struct ov_backend *b)
{
	if (!w || !b)
		return 0;

	struct ov_backend_stats_key k = { .vni = w->vni };

	addr_copy(&k.vip, &w->key.vip);
	addr_copy(&k.backend, &b->addr);

	const struct ov_backend_stats *s = bpf_map_lookup_elem(&backend_stats, &k);

	return s && s->active > 0 ? s->active : 0;
}

/* From a random place on, so that equals share. */
static __always_inline const struct ov_backend *backend_least(struct wish *w,
							      const struct ov_service *svc)
{
	const struct ov_backend *best = NULL;
	__u32 at = bpf_get_prandom_u32();
	__s64 least = 0;

	for (__u32 i = 0; i < LEAST_CONN_LOOKS; i++) {
		if (i >= svc->backends)
			break;

		__u32 step = svc->backends > LEAST_CONN_LOOKS ? bpf_get_prandom_u32() : at + i;
		const struct ov_backend *b = backend_at(w, step % svc->backends);

		if (!b)
			continue;

		__s64 active = active_of(w, b);

		if (!best || active * best->weight < least * b->weight) {
			best = b;
			least = active;
		}
	}
	return best;
}

/* No room to count turns is no reason to refuse. */
static __noinline __u32 turn_next(struct wish *w)
{
	struct ov_service_stats *s = w ? service_stats_get(&w->key.vip, w->vni) : NULL;

	return s ? __sync_fetch_and_add(&s->turn, 1) : bpf_get_prandom_u32();
}

static __always_inline const struct ov_backend *backend_choose(struct wish *w,
							       const struct ov_service *svc)
{
	if (!svc->backends)
		return NULL;
	if (svc->algorithm == OV_LB_LEAST_CONN)
		return backend_least(w, svc);
	if (!svc->choices)
		return NULL;
	switch (svc->algorithm) {
	case OV_LB_RR:
		return backend_by_place(w, turn_next(w) % svc->choices);
	case OV_LB_RANDOM:
		return backend_by_place(w, bpf_get_prandom_u32() % svc->choices);
	default:
		return backend_by_place(w, ov_flow_hash(&w->key) % svc->choices);
	}
}

/* 1 and the backend this client had last, while it takes new flows. */
static __noinline int affinity_recall(struct wish *w, __u32 limit_s)
{
	if (!w)
		return 0;
	addr_copy(&w->affinity_key.vip, &w->key.vip);
	addr_copy(&w->affinity_key.client, &w->key.client);
	w->affinity_key.vni = w->vni;

	struct ov_affinity *a = bpf_map_lookup_elem(&affinity, &w->affinity_key);
	__u32 now = flow_now();

	if (!a || (__s32)(now - a->seen) > (__s32)OV_TICKS(limit_s))
		return 0;

	struct ov_endpoint_key ek = { .vni = w->vni };

	addr_copy(&ek.addr, &a->backend);

	const struct ov_endpoint *ep = bpf_map_lookup_elem(&endpoints, &ek);

	if (!backend_is_alive(ep, a->incarnation, &w->key.vip) ||
	    (ep->flags & (OV_ENDPOINT_CLOSED | OV_ENDPOINT_AWAY)))
		return 0;
	addr_copy(&w->choice.backend, &a->backend);
	w->choice.incarnation = a->incarnation;
	a->seen = now;
	return 1;
}

/* After affinity_recall. */
static __always_inline void affinity_store(struct wish *w)
{
	addr_copy(&w->affinity.backend, &w->choice.backend);
	w->affinity.incarnation = w->choice.incarnation;
	w->affinity.seen = flow_now();
	bpf_map_update_elem(&affinity, &w->affinity_key, &w->affinity, BPF_ANY);
}

/*
 * 0 and the choice for the wish in vip_scratch, the backend for a new flow; or
 * -OV_DROP_NO_BACKEND. Not static: the verifier goes through it once by itself instead of
 * once a way that leads here. Hence the wish is no argument: 6.1 takes no memory that
 * was handed to such a function for a map's key.
 */
__noinline int service_choose(__u32 vni)
{
	const struct ov_backend *b;
	struct vip_scratch *scratch;
	struct wish *w;
	__u32 zero = 0;

	scratch = bpf_map_lookup_elem(&vip_scratch, &zero);
	if (!scratch || scratch->wish.vni != vni)
		return -OV_DROP_NO_BACKEND;
	w = &scratch->wish;
	if (w->service.affinity_s && affinity_recall(w, w->service.affinity_s))
		return 0;
	b = backend_choose(w, &w->service);
	if (!b)
		return -OV_DROP_NO_BACKEND;
	addr_copy(&w->choice.backend, &b->addr);
	w->choice.incarnation = b->incarnation;
	if (w->service.affinity_s)
		affinity_store(w);
	return 0;
}
