/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A call to a published port at the node where it comes in: which backend its flow has, or
 * gets. The same for TC (ov_front) and XDP (ov_uplink_xdp).
 */
#pragma once

#include "lib/call.h"
#include "lib/outside.h"
#include "lib/publish.h"

struct front { /* a packet to this host */
	struct l4 l4;
	__be32 src, dst;
	__u8 tos;
	__u8 is_loop;   /* from this host itself */
	__u8 is_first;  /* fragment */
	__u8 kind;      /* MESH_BACK or MESH_DIRECT */
	__u8 is_direct; /* its answers do not come back through here */
	__u8 is_large;  /* too large for the overlay, and may be fragmented */
};

/*
 * From an address of this host, but not from this host. We are before the kernel, which
 * would drop it: believed, it would pass an `allow`, or for an answer to this host.
 */
static __always_inline int is_spoofed(const struct front *f)
{
	return !f->is_loop && (ipv4_is_loopback(f->src) || own_address(f->src));
}

/* The flow's backend, or a new one. 0 and *t, a negative verdict, or REFUSE(why). */
static __always_inline int entry_route(struct call *call, const struct ov_published_key *pk,
				       const struct ov_published *row, struct target *t)
{
	int opens = call->l4.event & L4_OPENS, result = CALL_NEW;
	struct found at;

	t->to.port = row->service.target_port;
	call_fill_key(call, call->l4.sport, t->to.port);
	at = flow_find(&call->wish->key);
	if (at.flow)
		result = call_continue(call, &at, t);
	if (result == CALL_REFUSE)
		return REFUSE(OV_DROP_NO_FLOW);
	if (result == -OV_DROP_FLOW_CLASH)
		return REFUSE(OV_DROP_FLOW_CLASH);
	if (result <= 0)
		return result;
	if ((row->flags & OV_PUBLISHED_ALLOW) && !publish_allows(pk, call->client))
		return -OV_DROP_NOT_ALLOWED;
	/*
	 * The middle of a connection that this node does not know: it lost its table, or the
	 * client's packets come by another way now. Maglev sends it where it went before.
	 */
	if (call->l4.protocol != IPPROTO_UDP && !opens && row->service.algorithm != OV_LB_MAGLEV)
		return REFUSE(OV_DROP_NO_FLOW);
	result = call_begin(call, &row->service, t);
	return result == -OV_DROP_NO_BACKEND ? REFUSE(OV_DROP_NO_BACKEND) : result;
}

static __always_inline void entry_wish(struct wish *w, const struct ov_published *row,
				       const struct front *f)
{
	w->vni = row->vni;
	w->rows = row->flags & OV_PUBLISHED_LOCAL ? row->vni | OV_VNI_LOCAL : row->vni;
	w->origin = OV_FLOW_ENTRY;
	/* An answer to this host itself finds its way from here alone. */
	if ((row->flags & OV_PUBLISHED_DSR) && !f->is_loop)
		w->origin |= OV_FLOW_DIRECT;
	w->via = f->dst;
}

static __noinline int entry_choose(struct front *f, const struct ov_published_key *pk,
				   const struct ov_published *row, struct target *t)
{
	struct vip_scratch *scratch;
	__u32 zero = 0;

	scratch = bpf_map_lookup_elem(&vip_scratch, &zero);
	if (!scratch || !f || !pk || !row || !t)
		return -OV_DROP_NOT_READY;
	entry_wish(&scratch->wish, row, f);

	struct call call = {
		.client = f->src,
		.addr = addr_v4(&row->vip),
		.l4 = f->l4,
		.wish = &scratch->wish,
		.flow = &scratch->flow,
	};

	int result = entry_route(&call, pk, row, t);

	f->is_direct = !!(scratch->wish.origin & OV_FLOW_DIRECT);
	return result;
}
