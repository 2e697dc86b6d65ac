/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The flow table (maps/flow.h): finding, beginning, establishing and ending
 * flows. Expiry is judged here, at each look; the daemon's reaper only frees
 * what nobody looks at.
 *
 *            client opens            client answers           both FIN, or RST
 *   nothing ------------> brief ---------------------> flows ------------------> brief
 *                         (asked,                      (established)             (closed)
 *                          then replied)
 *
 * UDP, and what else knows no connections, stays in `brief` all its life.
 */
#pragma once

#include "lib/endpoint.h"
#include "lib/l4.h"

static __always_inline __u32 flow_now(void)
{
	return bpf_ktime_get_coarse_ns() >> OV_TICK_SHIFT;
}

static __always_inline void flow_count(__u32 which)
{
	__u64 *n = bpf_map_lookup_elem(&flow_counters, &which);

	if (n)
		++*n;
}

static __always_inline void flow_key_fill(struct ov_flow_key *k, __u32 vni, __be32 client,
					  __be32 vip, __u8 protocol, __be16 client_port,
					  __be16 backend_port)
{
	addr_set_v4(&k->client, client);
	addr_set_v4(&k->vip, vip);
	k->vni[0] = vni >> 16;
	k->vni[1] = vni >> 8;
	k->vni[2] = vni;
	k->protocol = protocol;
	k->client_port = client_port;
	k->backend_port = backend_port;
}

static __always_inline int idle_is_over(__u32 flags, __u8 protocol, __u32 seen, __u32 now)
{
	__u32 idle = now - seen, limit;

	if ((__s32)idle <= 0) /* another CPU's clock was read a moment later */
		return 0;
	if (flags & OV_FLOW_CLOSED)
		limit = OV_TICKS(OV_IDLE_CLOSED);
	else if (l4_connects(protocol))
		limit = flags & OV_FLOW_REPLIED ? OV_TICKS(OV_IDLE_TCP) : OV_TICKS(OV_IDLE_SYN);
	else
		limit = flags & OV_FLOW_REPLIED ? OV_TICKS(OV_IDLE_UDP) : OV_TICKS(OV_IDLE_UDP_ASKED);
	return idle > limit;
}

static __always_inline int flow_is_expired(const struct ov_flow *f, __u8 protocol, __u32 now)
{
	return idle_is_over(f->flags, protocol, f->seen, now);
}

/* Whether that very endpoint is (still) a backend of the VIP. */
static __always_inline int backend_is_alive(const struct ov_endpoint *ep, __u32 incarnation,
					    const struct ov_addr *vip)
{
	return ep && (ep->flags & OV_ENDPOINT_BACKEND) && ep->incarnation == incarnation &&
	       addr_equals(&ep->service, vip);
}

struct found {
	struct ov_flow *flow; /* NULL: there is none */
	int is_brief;
};

static __always_inline struct found flow_find(const struct ov_flow_key *k)
{
	struct found f = {};

	if (k->protocol != IPPROTO_UDP)
		f.flow = bpf_map_lookup_elem(&flows, k);
	if (!f.flow) {
		f.flow = bpf_map_lookup_elem(&brief, k);
		f.is_brief = 1;
	}
	return f;
}

/* Where a flow began decides what its answers become; one key can be of one kind only. */
#define FLOW_ORIGIN (OV_FLOW_ENTRY | OV_FLOW_TUNNEL | OV_FLOW_DSR)

/* Flows that entered elsewhere are counted there; policy's are no backend's. */
static __always_inline int flow_is_counted(const struct ov_flow *f)
{
	return !(f->flags & (OV_FLOW_TUNNEL | OV_FLOW_DSR | OV_FLOW_POLICY));
}

static __always_inline void flow_mark(struct ov_flow *f, __u32 flags)
{
	if ((f->flags & flags) != flags)
		__sync_fetch_and_or(&f->flags, flags);
}

/* Most packets of a second find it written already and leave the cache line alone. */
static __always_inline void flow_touch(struct ov_flow *f, __u32 now)
{
	if (f->seen != now)
		f->seen = now;
}

/* Counts for a backend: flows that are active, flows ever begun. */
static __noinline int flow_tally(struct ov_flow_key *k, struct ov_addr *backend, int active,
				 int total)
{
	if (!k || !backend)
		return 0;

	struct ov_backend_stats_key sk = {
		.vni = ov_flow_key_vni(k),
	};

	addr_copy(&sk.vip, &k->vip);
	addr_copy(&sk.backend, backend);

	struct ov_backend_stats *s = bpf_map_lookup_elem(&backend_stats, &sk);

	if (!s) {
		struct ov_backend_stats none = {};

		bpf_map_update_elem(&backend_stats, &sk, &none, BPF_NOEXIST);
		s = bpf_map_lookup_elem(&backend_stats, &sk);
	}
	if (!s)
		return 0;
	if (active)
		__sync_fetch_and_add(&s->active, active);
	if (total)
		__sync_fetch_and_add(&s->total, total);
	return 0;
}

/* What moves from one table to the other; not on the stack, as lib/call.h says. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ov_flow);
} flow_scratch SEC(".maps");

static __always_inline struct ov_flow *flow_copy(const struct ov_flow *f)
{
	__u32 zero = 0;
	struct ov_flow *copy = bpf_map_lookup_elem(&flow_scratch, &zero);

	if (copy)
		*copy = *f;
	return copy;
}

/* From `brief` into `flows`. When that is full the flow stays where it is. */
static __noinline int flow_establish(struct ov_flow_key *k, struct ov_flow *in_brief)
{
	struct ov_flow *copy;

	if (!k || !in_brief)
		return 0;
	copy = flow_copy(in_brief);
	if (!copy)
		return 0;
	copy->flags &= ~OV_FLOW_NO_ROOM;

	long err = bpf_map_update_elem(&flows, k, copy, BPF_NOEXIST);

	if (err == -ERR_EEXIST) /* another CPU was faster */
		return 0;
	if (err) {
		if (!(in_brief->flags & OV_FLOW_NO_ROOM)) /* a flow is counted once */
			flow_count(OV_FLOW_OVERFLOW);
		flow_mark(in_brief, OV_FLOW_NO_ROOM);
		return 0;
	}
	bpf_map_delete_elem(&brief, k);
	flow_count(OV_FLOW_ENTERED);
	return flow_is_counted(copy) ? flow_tally(k, &copy->backend, 1, 0) : 0;
}

/* Out of `flows`; whoever takes it out counts it, and nobody else. */
static __noinline int flow_remove(struct ov_flow_key *k, const struct ov_flow *in_flows)
{
	struct ov_addr backend;
	int is_counted;

	if (!k || !in_flows)
		return 0;
	is_counted = flow_is_counted(in_flows);
	addr_copy(&backend, &in_flows->backend); /* read before the entry is another's */
	if (bpf_map_delete_elem(&flows, k))
		return 0;
	flow_count(OV_FLOW_LEFT);
	return is_counted ? flow_tally(k, &backend, -1, 0) : 0;
}

/* What was found gives way to a new flow. */
static __always_inline void flow_forget(struct ov_flow_key *k, const struct found *at)
{
	if (!at->is_brief) /* there it will be overwritten */
		flow_remove(k, at->flow);
}

/* Closed: what still comes is carried for a minute, from where the kernel may forget it. */
static __noinline int flow_close(struct ov_flow_key *k, struct ov_flow *in_flows)
{
	struct ov_flow *copy;

	if (!k || !in_flows)
		return 0;
	copy = flow_copy(in_flows);
	if (!copy)
		return 0;
	copy->flags |= OV_FLOW_CLOSED;
	bpf_map_update_elem(&brief, k, copy, BPF_ANY);
	flow_remove(k, in_flows);
	return 0;
}

/* Answers that leave elsewhere are not seen here; a client that goes on has had one. */
static __always_inline int flow_is_answered(const struct ov_flow *f, __u8 event, int is_client)
{
	return !is_client || ((f->flags & OV_FLOW_DIRECT) && !(event & L4_OPENS));
}

#define FLOW_FINISHED (OV_FLOW_FIN_CLIENT | OV_FLOW_FIN_BACKEND)

static __always_inline __u32 flow_end(const struct ov_flow *f, int is_client)
{
	if (f->flags & OV_FLOW_DIRECT) /* the client's end is all that is seen */
		return FLOW_FINISHED;
	return is_client ? OV_FLOW_FIN_CLIENT : OV_FLOW_FIN_BACKEND;
}

/*
 * What a packet does to the flow it belongs to. `f` may not be used afterwards:
 * the entry may have moved.
 */
static __always_inline void flow_advance(struct ov_flow_key *k, struct found *at, __u8 event,
					 int is_client, __u32 now)
{
	struct ov_flow *f = at->flow;
	int is_waiting = (f->flags & OV_FLOW_NO_ROOM) && f->seen == now; /* asks once a tick */

	flow_touch(f, now);
	if (flow_is_answered(f, event, is_client))
		flow_mark(f, OV_FLOW_REPLIED);
	if (!l4_connects(k->protocol))
		return;
	if (event & L4_FIN)
		flow_mark(f, flow_end(f, is_client));
	if ((event & L4_RST) || (f->flags & FLOW_FINISHED) == FLOW_FINISHED) {
		if (at->is_brief)
			flow_mark(f, OV_FLOW_CLOSED);
		else
			flow_close(k, f);
		return;
	}
	if (at->is_brief && is_client && !is_waiting && !(event & L4_OPENS) &&
	    (f->flags & (OV_FLOW_REPLIED | OV_FLOW_CLOSED)) == OV_FLOW_REPLIED)
		flow_establish(k, f);
}
