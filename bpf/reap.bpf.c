// SPDX-License-Identifier: GPL-2.0
/*
 * What user space has done to the data path's own maps, which it never writes
 * itself: one entry is looked at again and removed if it is over. Run by
 * BPF_PROG_RUN, attached nowhere.
 */
#include "lib/compat.h"
#include "maps/defs.bpf.h"

static __always_inline void count_left(void)
{
	__u32 which = OV_FLOW_LEFT;
	__u64 *n = bpf_map_lookup_elem(&flow_counters, &which);

	if (n)
		(*n)++;
}

static __always_inline __u32 vni_of(const struct ov_flow_key *key)
{
	return (__u32)key->vni[0] << 16 | (__u32)key->vni[1] << 8 | key->vni[2];
}

static __always_inline int same_addr(const struct ov_addr *a, const struct ov_addr *b)
{
	const __u32 *x = (const __u32 *)a->b, *y = (const __u32 *)b->b;

	return !((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]));
}

/* Nobody at that address, somebody else, or a backend of another service. */
static __always_inline int is_orphan(const struct ov_flow_key *key, const struct ov_flow *flow)
{
	struct ov_endpoint_key who = { .addr = flow->backend, .vni = vni_of(key) };
	const struct ov_endpoint *e = bpf_map_lookup_elem(&endpoints, &who);

	return !e || e->incarnation != flow->incarnation || !same_addr(&e->service, &key->vip);
}

/* A client that went without a word: its namespace was removed, or moved to another node. */
static __always_inline int has_client(const struct ov_flow_key *key)
{
	struct ov_endpoint_key who = { .addr = key->client, .vni = vni_of(key) };
	const struct ov_endpoint *e = bpf_map_lookup_elem(&endpoints, &who);

	return e && e->ifindex;
}

static __always_inline void forget_flow(const struct ov_flow_key *key,
					const struct ov_addr *backend)
{
	struct ov_backend_stats_key who = { .vip = key->vip, .backend = *backend,
					    .vni = vni_of(key) };
	struct ov_backend_stats *stats;

	if (bpf_map_delete_elem(&flows, key))
		return; /* somebody else did, and counted it */
	stats = bpf_map_lookup_elem(&backend_stats, &who);
	if (stats)
		__sync_fetch_and_add(&stats->active, -1);
	count_left();
}

SEC("syscall")
int ov_reap(struct ov_reap *ctx)
{
	struct ov_flow_key key = ctx->key;
	const struct ov_flow *flow = bpf_map_lookup_elem(&flows, &key);
	__u32 now = bpf_ktime_get_ns() >> OV_TICK_SHIFT, limit = OV_TICKS(OV_IDLE_TCP);
	struct ov_addr backend;

	ctx->result = OV_REAP_NONE;
	if (!flow)
		return 0;
	ctx->result = OV_REAP_KEPT;
	if (is_orphan(&key, flow)) {
		ctx->result = OV_REAP_ORPHAN;
		limit = OV_TICKS(OV_ORPHAN_IDLE);
	} else if (!has_client(&key)) {
		limit = OV_TICKS(OV_ORPHAN_IDLE); /* a device may be made anew meanwhile */
	}
	if ((__s32)(now - flow->seen) <= (__s32)limit)
		return 0;
	ctx->result = OV_REAP_EXPIRED;
	backend = flow->backend;
	forget_flow(&key, &backend);
	return 0;
}

static __always_inline int reap_service(const struct ov_backend_stats_key *key)
{
	struct ov_service_stats_key stats = { .vip = key->vip, .vni = key->vni };
	struct ov_endpoint_key who = { .addr = key->vip, .vni = key->vni };
	const struct ov_endpoint *e = bpf_map_lookup_elem(&endpoints, &who);

	if (e && e->flags & OV_ENDPOINT_VIP)
		return OV_REAP_KEPT;
	return bpf_map_delete_elem(&service_stats, &stats) ? OV_REAP_NONE : OV_REAP_EXPIRED;
}

static __always_inline int reap_backend(const struct ov_backend_stats_key *key)
{
	struct ov_endpoint_key who = { .addr = key->backend, .vni = key->vni };
	const struct ov_endpoint *e = bpf_map_lookup_elem(&endpoints, &who);
	const struct ov_backend_stats *stats = bpf_map_lookup_elem(&backend_stats, key);

	if (!stats)
		return OV_REAP_NONE;
	if (stats->active > 0 || (e && same_addr(&e->service, &key->vip)))
		return OV_REAP_KEPT;
	return bpf_map_delete_elem(&backend_stats, key) ? OV_REAP_NONE : OV_REAP_EXPIRED;
}

SEC("syscall")
int ov_reap_stats(struct ov_reap_stats *ctx)
{
	struct ov_backend_stats_key key = ctx->key;
	const __u32 *w = (const __u32 *)key.backend.b;

	ctx->result = w[0] | w[1] | w[2] | w[3] ? reap_backend(&key) : reap_service(&key);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
