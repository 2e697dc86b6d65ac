/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A call to a service: which backend its flow has, or gets. The same for a container
 * that calls the VIP and for a client outside that calls a published port.
 */
#pragma once

#include "lib/nat.h"
#include "lib/service.h"

/* Where a packet to a VIP goes. */
struct target {
	const struct ov_endpoint *ep; /* the backend */
	struct end to;
};

struct call { /* a packet to a service on its way through here */
	const struct ov_device *dev;   /* to the VIP: the client's, and the VIP's own row; else NULL */
	const struct ov_endpoint *vip;
	__be32 client, addr;           /* the packet's source, and the VIP */
	struct l4 l4;
	struct wish *wish;             /* wish->key: the flow; its network, and how it came, is set first */
	struct ov_flow *flow;          /* a new one */
};

static __always_inline void call_fill_key(struct call *call, __be16 client_port,
					  __be16 backend_port)
{
	flow_key_fill(&call->wish->key, call->wish->vni, call->client, call->addr,
		      call->l4.protocol, client_port, backend_port);
}

static __noinline const struct ov_endpoint *backend_lookup(__u32 vni, const struct ov_addr *backend)
{
	struct ov_endpoint_key k = { .vni = vni };

	if (!backend)
		return NULL;

	addr_copy(&k.addr, backend);
	return bpf_map_lookup_elem(&endpoints, &k);
}

/* A new flow. 0 or a negative verdict. */
static __always_inline int call_begin(struct call *call, const struct ov_service *svc,
				      struct target *t)
{
	struct wish *w = call->wish;

	w->service = *svc;
	if (service_choose(w->vni))
		return -OV_DROP_NO_BACKEND;
	t->ep = backend_lookup(call->wish->vni, &w->choice.backend);
	if (!backend_is_alive(t->ep, w->choice.incarnation, &w->key.vip))
		return -OV_DROP_NO_BACKEND; /* removed this very moment */

	*call->flow = (struct ov_flow){
		.incarnation = w->choice.incarnation,
		.seen = flow_now(),
		.flags = call->wish->origin,
		.vip_port = call->l4.dport,
	};
	if (call->wish->origin)
		addr_set_v4(&call->flow->via, call->wish->via);
	addr_copy(&call->flow->backend, &w->choice.backend);
	bpf_map_update_elem(&brief, &w->key, call->flow, BPF_ANY);
	flow_count(OV_FLOW_BORN);
	flow_tally(&w->key, &w->choice.backend, 0, 1);
	service_tally(w);
	t->to.addr = addr_v4(&w->choice.backend);
	return 0;
}

/* Results of call_continue beside 0 (goes on to *t) and a negative verdict. */
enum { CALL_NEW = 1, CALL_MOVES, CALL_REFUSE };

/* Whether a packet of a flow to that backend, which is alive, had better begin anew. */
static __always_inline int call_can_leave(const struct ov_endpoint *backend, int opens, int is_udp)
{
	if (opens) /* nothing has come of it yet, and a new flow would not get that backend */
		return backend->flags & (OV_ENDPOINT_CLOSED | OV_ENDPOINT_AWAY);
	return is_udp && (backend->flags & OV_ENDPOINT_AWAY);
}

/* A packet of a flow we know. */
static __always_inline int call_continue(struct call *call, struct found *at, struct target *t)
{
	struct ov_flow *f = at->flow;
	__u32 now = flow_now();
	int opens = call->l4.event & L4_OPENS;
	int is_udp = call->l4.protocol == IPPROTO_UDP;

	if (flow_is_expired(f, call->l4.protocol, now)) {
		flow_forget(&call->wish->key, at);
		return opens || is_udp ? CALL_NEW : CALL_REFUSE;
	}
	/* The port is used again: a client that has finished opens nothing but another connection. */
	if (opens && (f->flags & (OV_FLOW_CLOSED | OV_FLOW_FIN_CLIENT))) {
		flow_forget(&call->wish->key, at);
		return CALL_NEW;
	}
	/* It came by another node until now: it enters here from now on. */
	if (call->wish->origin && !opens && !flow_is_counted(f)) {
		flow_forget(&call->wish->key, at);
		return CALL_NEW;
	}
	if (f->vip_port != call->l4.dport ||
	    (f->flags & FLOW_ORIGIN) != (call->wish->origin & FLOW_ORIGIN) ||
	    (call->wish->origin && !addr_equals_v4(&f->via, call->wish->via)))
		return -OV_DROP_FLOW_CLASH;

	t->ep = backend_lookup(call->wish->vni, &f->backend);
	if (!backend_is_alive(t->ep, f->incarnation, &call->wish->key.vip) ||
	    call_can_leave(t->ep, opens, is_udp)) {
		flow_forget(&call->wish->key, at); /* whatever more comes of it is refused, too */
		return opens || is_udp ? CALL_MOVES : CALL_REFUSE;
	}
	t->to.addr = addr_v4(&f->backend);
	call->wish->origin = f->flags & (FLOW_ORIGIN | OV_FLOW_DIRECT); /* as it began */
	flow_advance(&call->wish->key, at, call->l4.event, 1, now);
	return 0;
}
