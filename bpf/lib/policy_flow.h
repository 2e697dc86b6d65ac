/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The flows that policy has judged: which a packet is of, and what becomes of it. The packet
 * is at s->p (lib/policy_rules.h).
 */
#pragma once

#include "lib/nat.h"
#include "lib/policy_rules.h"

/* Beside 0 (it goes on) and negative verdicts: its sender's connection is over, and it is told. */
#define POLICY_CUT 0x3000

enum policy_place {
	POLICY_SENDER,   /* on the sender's node, which may answer it */
	POLICY_RECEIVER, /* from an endpoint, on its receiver's node */
	POLICY_OUTSIDE,  /* from outside, on its receiver's node */
};

/* The key, from the two ends in either order. 1: `src` is the second one. */
static __always_inline int policy_key_fill(struct ov_flow_key *k, __u32 vni, __u8 protocol,
					   struct end src, struct end dst)
{
	__u64 a = (__u64)bpf_ntohl(src.addr) << 16 | bpf_ntohs(src.port);
	__u64 b = (__u64)bpf_ntohl(dst.addr) << 16 | bpf_ntohs(dst.port);
	int is_second = a > b;

	if (is_second)
		flow_key_fill(k, vni, dst.addr, src.addr, protocol, dst.port, src.port);
	else
		flow_key_fill(k, vni, src.addr, dst.addr, protocol, src.port, dst.port);
	*(__u32 *)k->vip.b = bpf_htonl((__u32)OV_FLOW_POLICY_MARK << 24);
	return is_second;
}

static __always_inline int policy_began(const struct policy_scratch *s, const struct ov_flow *f)
{
	return s->p.is_second == !!(f->flags & OV_FLOW_SECOND);
}

/* The entry leaves `flows`; it is no backend's, so that is all there is to count. */
static __always_inline void policy_leave(const struct policy_scratch *s)
{
	if (!bpf_map_delete_elem(&flows, &s->key))
		flow_count(OV_FLOW_LEFT);
}

/* What becomes of a packet that is denied: TCP's sender is told, by its own node. */
static __always_inline int policy_refuse(const struct policy_scratch *s)
{
	return s->key.protocol == IPPROTO_TCP && s->place == POLICY_SENDER &&
	       !(s->p.l4.event & L4_RST) ? POLICY_CUT : -OV_DROP_POLICY;
}

/* A new flow, or the middle of one whose entry was lost, or that began before there were rules. */
static __noinline int policy_begin(struct policy_scratch *s)
{
	int is_middle = l4_connects(s->p.l4.protocol) && !(s->p.l4.event & L4_OPENS);

	s->fresh = (struct ov_flow){
		.flags = OV_FLOW_POLICY | (is_middle ? OV_FLOW_MIDDLE : 0) |
			 (s->p.is_second ? OV_FLOW_SECOND : 0),
	};
	if (!(s->fresh.flags & OV_FLOW_MIDDLE))
		policy_judge(s, 0);
	else if (policy_judge_middle(s, 0))
		s->fresh.flags ^= OV_FLOW_SECOND | OV_FLOW_REPLIED; /* the other end's, and an answer */
	policy_count(s);
	if (!policy_passes(&s->ruling))
		return s->fresh.flags & OV_FLOW_MIDDLE ? policy_refuse(s) : -OV_DROP_POLICY;
	if (s->p.l4.event & L4_RST) /* nothing follows */
		return 0;
	s->fresh.judged = s->ruling;
	s->fresh.incarnation = s->incarnation;
	s->fresh.seen = flow_now();
	policy_leave(s); /* the other end's, which this one takes over */
	bpf_map_update_elem(&brief, &s->key, &s->fresh, BPF_ANY);
	return 0;
}

/* By what is in force now. */
static __noinline int policy_judge_again(struct policy_scratch *s, struct ov_flow *f)
{
	__u32 rule = f->judged.rule, verdict = f->judged.verdict;

	if (f->flags & OV_FLOW_MIDDLE)
		policy_judge_middle(s, !policy_began(s, f));
	else
		policy_judge(s, !policy_began(s, f));
	if (s->ruling.rule != rule || s->ruling.verdict != verdict)
		policy_count(s);
	f->judged = s->ruling;
	return 0;
}

#define POLICY_NEW 1 /* beside verdicts: no flow that is known */

/*
 * Of a flow that is denied, and was not. The entry of a connection stays: each end that still
 * sends is refused, and no packet of it is taken for one of another flow's middle. That of UDP
 * stays while its sender goes on, and what the other end sends is an answer to it, unless a rule
 * lets that one begin a flow.
 */
static __always_inline int policy_deny(struct policy_scratch *s, struct found *at)
{
	int began = policy_began(s, at->flow);

	if (l4_connects(s->key.protocol)) {
		if (!(at->flow->flags & OV_FLOW_CLOSED))
			flow_advance(&s->key, at, L4_RST, began, flow_now());
		return policy_refuse(s);
	}
	if (began && s->key.protocol == IPPROTO_UDP)
		flow_touch(at->flow, flow_now());
	if (began)
		return -OV_DROP_POLICY;
	if (s->key.protocol == IPPROTO_UDP && !(policy_judge(s, 0) && s->is_named))
		return -OV_DROP_POLICY;
	bpf_map_delete_elem(&brief, &s->key);
	return POLICY_NEW;
}

/* Whether the entry is of a flow that is over, or of somebody who had an address before. */
static __always_inline int policy_is_past(const struct policy_scratch *s, const struct ov_flow *f)
{
	if (f->incarnation != s->incarnation)
		return 1;
	/* A connection that was denied has no age: as long as it is remembered it is refused. */
	if ((policy_passes(&f->judged) || !l4_connects(s->key.protocol)) &&
	    flow_is_expired(f, s->key.protocol, flow_now()))
		return 1;
	if (!(s->p.l4.event & L4_OPENS))
		return 0;
	/* The port is used again; or now it is known who begins it. */
	return f->flags & (OV_FLOW_CLOSED | OV_FLOW_MIDDLE |
			   (policy_began(s, f) ? OV_FLOW_FIN_CLIENT : 0));
}

/* A verdict, POLICY_CUT or POLICY_NEW. */
static __always_inline int policy_follow(struct policy_scratch *s)
{
	struct found at = flow_find(&s->key);

	if (!at.flow)
		return POLICY_NEW;
	if (policy_is_past(s, at.flow)) {
		policy_leave(s);
		return POLICY_NEW;
	}
	/* The other end opens: that it was called gives it no right to call. */
	if ((s->p.l4.event & L4_OPENS) && !policy_began(s, at.flow))
		return POLICY_NEW;
	if (!policy_is_same(&at.flow->judged.by, &s->by)) {
		policy_judge_again(s, at.flow);
		at = flow_find(&s->key); /* what was known before a call 6.1's verifier mistakes */
		if (!at.flow)
			return POLICY_NEW;
	}
	if (!policy_passes(&at.flow->judged))
		return policy_deny(s, &at);
	flow_advance(&s->key, &at, s->p.l4.event, policy_began(s, at.flow), flow_now());
	return 0;
}
