/* SPDX-License-Identifier: GPL-2.0 */
/* What a network's rules (maps/policy.h) say of a flow, whoever asks. */
#pragma once

#include "lib/flow.h"

struct policy_packet { /* what is judged */
	__be32 src, dst;
	struct l4 l4;    /* what has no ports: as maps/flow.h says */
	__u8 is_first;   /* fragment */
	__u8 is_second;  /* it comes from the key's second end */
};

/* Of the packet at hand; not on the stack, as lib/service.h says. */
struct policy_scratch {
	struct ov_policy by;           /* in force */
	struct policy_packet p;
	struct ov_flow_key key;
	struct ov_flow fresh;          /* a new flow */
	struct ov_flow_judged ruling;  /* the answer */
	struct ov_flow_judged first;   /* of two, while the second is asked for */
	struct ov_subject_key subject;
	struct ov_rule_key rule;
	__u32 vni;
	__u32 incarnation;             /* as in struct ov_flow */
	__u32 place;                   /* enum policy_place */
	__u32 is_named;                /* a rule has said something */
	__u32 from, to;                /* classes: here, as 6.1's verifier mistakes what a call keeps */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct policy_scratch);
} policy_scratch SEC(".maps");

static __always_inline const struct ov_policy *policy_lookup(__u32 vni)
{
	struct ov_policy_key k = { .vni = vni };

	return bpf_map_lookup_elem(&policy, &k);
}

static __always_inline int policy_is_same(const struct ov_policy *a, const struct ov_policy *b)
{
	return a->set == b->set && a->verdict == b->verdict && a->flags == b->flags &&
	       a->census == b->census;
}

/* Whether what was ruled so goes on. */
static __always_inline int policy_passes(const struct ov_flow_judged *j)
{
	return j->verdict == OV_POLICY_ALLOW || (j->by.flags & OV_POLICY_AUDIT);
}

static __noinline __u32 policy_class(struct policy_scratch *s, __be32 addr)
{
	const struct ov_subject *row;

	s->subject.prefix_len = OV_SUBJECT_PREFIX + 128;
	s->subject.vni = s->vni;
	s->subject.set = s->by.set;
	addr_set_v4(&s->subject.addr, addr);
	row = bpf_map_lookup_elem(&policy_subjects, &s->subject);
	return row ? row->class : OV_CLASS_ANY;
}

/* What one pair of classes says, if it counts. 1: it denies, which nothing beats. */
static __noinline int policy_ask(struct policy_scratch *s, __u32 from, __u32 to)
{
	const struct ov_rule *row;

	s->rule.from = from;
	s->rule.to = to;
	row = bpf_map_lookup_elem(&policy_rules, &s->rule);
	if (!row || (s->is_named && row->verdict == OV_POLICY_ALLOW))
		return 0;
	s->is_named = 1;
	s->ruling.rule = row->id;
	s->ruling.verdict = row->verdict;
	return row->verdict != OV_POLICY_ALLOW;
}

static __always_inline void policy_ask_all(struct policy_scratch *s)
{
	if (policy_ask(s, s->from, s->to))
		return;
	if (s->to != OV_CLASS_ANY && policy_ask(s, s->from, OV_CLASS_ANY))
		return;
	if (s->from == OV_CLASS_ANY || policy_ask(s, OV_CLASS_ANY, s->to))
		return;
	if (s->to != OV_CLASS_ANY)
		policy_ask(s, OV_CLASS_ANY, OV_CLASS_ANY);
}

/*
 * Of a flow from the packet's source to its destination; turned: the other way round. The
 * answer is at s->ruling. 1: it is allowed.
 */
static __noinline int policy_judge(struct policy_scratch *s, __u32 is_turned)
{
	__be32 from = is_turned ? s->p.dst : s->p.src, to = is_turned ? s->p.src : s->p.dst;
	__be16 port = is_turned ? s->p.l4.sport : s->p.l4.dport;
	__u8 protocol = s->p.l4.protocol;

	s->rule.prefix_len = 8 * (sizeof(s->rule) - sizeof(s->rule.prefix_len));
	s->rule.vni = s->vni;
	s->rule.set = s->by.set;
	s->rule.protocol = protocol;
	s->rule.pad = 0;
	s->rule.port = l4_is_carried(protocol) ? port : 0;
	s->is_named = 0;
	s->ruling = (struct ov_flow_judged){ .by = s->by, .verdict = s->by.verdict };
	s->from = policy_class(s, from);
	s->to = policy_class(s, to);
	policy_ask_all(s);
	return s->ruling.verdict == OV_POLICY_ALLOW;
}

/*
 * Of the middle of a connection that is not known: either end may have begun it, as only one of
 * them can tell. A rule that lets one of them begin it is believed; without one a rule that
 * forbids it to either beats the default. 1: it is as if from the other end.
 */
static __noinline int policy_judge_middle(struct policy_scratch *s, __u32 is_turned)
{
	if (policy_judge(s, is_turned) && s->is_named)
		return 0;
	s->first = s->ruling;
	if (policy_judge(s, !is_turned) && s->is_named)
		return 1;
	if (!s->is_named)
		s->ruling = s->first;
	return 0;
}

/* One flow more that s->ruling was the answer to. */
static __noinline int policy_count(struct policy_scratch *s)
{
	struct ov_policy_hits_key k = { .vni = s->vni, .rule = s->ruling.rule };
	struct ov_policy_hits *hits = bpf_map_lookup_elem(&policy_hits, &k);

	if (!hits) {
		struct ov_policy_hits none = {};

		bpf_map_update_elem(&policy_hits, &k, &none, BPF_NOEXIST);
		hits = bpf_map_lookup_elem(&policy_hits, &k);
	}
	if (!hits)
		return 0;
	if (s->ruling.verdict == OV_POLICY_ALLOW)
		__sync_fetch_and_add(&hits->allowed, 1);
	else
		__sync_fetch_and_add(&hits->denied, 1);
	return 0;
}
