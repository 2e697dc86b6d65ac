// SPDX-License-Identifier: GPL-2.0
/*
 * What user space has done to the data path's own maps, which it never writes
 * itself: one entry is looked at again and removed if it is over. Run by
 * BPF_PROG_RUN, attached nowhere.
 */
#include "lib/flow.h"

static __always_inline const struct ov_endpoint *endpoint_at(const struct ov_addr *addr, __u32 vni)
{
	struct ov_endpoint_key key = { .addr = *addr, .vni = vni };

	return bpf_map_lookup_elem(&endpoints, &key);
}

/* Not a client that went without a word: its namespace was removed, or moved to another node. */
static __always_inline int has_client(const struct ov_flow_key *key)
{
	const struct ov_endpoint *e = endpoint_at(&key->client, ov_flow_key_vni(key));

	return e && e->ifindex;
}

/* Policy's: no packet finds the entry any more, or an end of it is somebody else's. */
static __always_inline int judged_is_orphan(const struct ov_flow_key *key,
					    const struct ov_flow *flow)
{
	const struct ov_endpoint *a = endpoint_at(&key->client, ov_flow_key_vni(key)), *b;
	__u32 incarnation = a ? a->incarnation : 0, flags = a ? a->flags : 0;
	__u32 is_here = a ? a->ifindex : 0;
	struct ov_addr second = key->vip;

	second.b[0] = 0; /* OV_FLOW_POLICY_MARK */
	b = endpoint_at(&second, ov_flow_key_vni(key));
	if (b) {
		incarnation ^= b->incarnation;
		flags |= b->flags;
		is_here |= b->ifindex;
	}
	return incarnation != flow->incarnation || !(flags & OV_ENDPOINT_POLICY) || !is_here;
}

static __always_inline __u32 judged_limit(const struct ov_flow_key *key, const struct ov_flow *flow)
{
	return judged_is_orphan(key, flow) ? OV_TICKS(OV_ORPHAN_IDLE) : OV_TICKS(OV_IDLE_TCP);
}

SEC("syscall")
int ov_reap(struct ov_reap *ctx)
{
	struct ov_flow_key key = ctx->key;
	struct ov_flow *flow = bpf_map_lookup_elem(&flows, &key);
	__u32 now = bpf_ktime_get_ns() >> OV_TICK_SHIFT; /* flow_now's helper is not for us */
	__u32 limit = OV_TICKS(OV_IDLE_TCP);

	ctx->result = OV_REAP_NONE;
	if (!flow)
		return 0;
	ctx->result = OV_REAP_KEPT;
	if (flow->flags & OV_FLOW_POLICY) {
		limit = judged_limit(&key, flow);
	} else if (!backend_is_alive(endpoint_at(&flow->backend, ov_flow_key_vni(&key)), flow->incarnation,
			      &key.vip)) {
		ctx->result = OV_REAP_ORPHAN;
		limit = OV_TICKS(OV_ORPHAN_IDLE);
	} else if (!(flow->flags & FLOW_ORIGIN) && !has_client(&key)) {
		limit = OV_TICKS(OV_ORPHAN_IDLE); /* a device may be made anew meanwhile */
	}
	if ((__s32)(now - flow->seen) <= (__s32)limit)
		return 0;
	ctx->result = OV_REAP_EXPIRED;
	flow_remove(&key, flow);
	return 0;
}

static __always_inline int reap_service(const struct ov_backend_stats_key *key)
{
	struct ov_service_stats_key stats = { .vip = key->vip, .vni = key->vni };
	const struct ov_endpoint *e = endpoint_at(&key->vip, key->vni);

	if (e && e->flags & OV_ENDPOINT_VIP)
		return OV_REAP_KEPT;
	return bpf_map_delete_elem(&service_stats, &stats) ? OV_REAP_NONE : OV_REAP_EXPIRED;
}

static __always_inline int reap_backend(const struct ov_backend_stats_key *key)
{
	const struct ov_endpoint *e = endpoint_at(&key->backend, key->vni);
	const struct ov_backend_stats *stats = bpf_map_lookup_elem(&backend_stats, key);

	if (!stats)
		return OV_REAP_NONE;
	if (stats->active > 0 || (e && addr_equals(&e->service, &key->vip)))
		return OV_REAP_KEPT;
	return bpf_map_delete_elem(&backend_stats, key) ? OV_REAP_NONE : OV_REAP_EXPIRED;
}

SEC("syscall")
int ov_reap_stats(struct ov_reap_stats *ctx)
{
	struct ov_backend_stats_key key = ctx->key;
	int is_service = !(ADDR_WORD(&key.backend, 0) | ADDR_WORD(&key.backend, 1) |
			   ADDR_WORD(&key.backend, 2) | ADDR_WORD(&key.backend, 3));

	ctx->result = is_service ? reap_service(&key) : reap_backend(&key);
	return 0;
}

/* Of a container that is gone (or was given its address to another) no answer is wanted. */
static __always_inline int masq_has_owner(const struct ov_masq *m)
{
	const struct ov_endpoint *e = m->vni ? endpoint_at(&m->inside, m->vni) : NULL;

	return !m->vni || (e && e->ifindex && e->incarnation == m->incarnation);
}

SEC("syscall")
int ov_reap_masq(struct ov_reap_masq *ctx)
{
	struct ov_masq_key key = ctx->key;
	struct ov_masq *m = bpf_map_lookup_elem(&masq, &key);
	__u32 now = bpf_ktime_get_ns() >> OV_TICK_SHIFT;

	ctx->result = OV_REAP_NONE;
	if (!m)
		return 0;
	ctx->result = OV_REAP_KEPT;
	if (!idle_is_over(m->flags, key.protocol, m->seen, now) &&
	    (masq_has_owner(m) || (__s32)(now - m->seen) <= (__s32)OV_TICKS(OV_ORPHAN_IDLE)))
		return 0;
	ctx->result = bpf_map_delete_elem(&masq, &key) ? OV_REAP_NONE : OV_REAP_EXPIRED;
	return 0;
}

/* A run for each CPU: 6.1's verifier would walk a loop over all that there may be. */
SEC("syscall")
int ov_reap_endpoint(struct ov_reap_endpoint *ctx)
{
	__u32 ifindex = ctx->key.ifindex, at = ifindex & (OV_ENDPOINT_SLOTS - 1);
	struct ov_endpoint_stats *s;

	ctx->result = OV_REAP_KEPT;
	if (bpf_map_lookup_elem(&devices, &ifindex))
		return 0;
	s = bpf_map_lookup_percpu_elem(&endpoint_slots, &at, ctx->cpu);
	if (s && s->ifindex == ifindex)
		__builtin_memset(s, 0, sizeof(*s));
	bpf_map_delete_elem(&endpoint_stats, &ifindex);
	ctx->result = OV_REAP_EXPIRED;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
