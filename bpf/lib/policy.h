/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Policy: whether a packet of a network that has rules may go on. Its flow is judged
 * once, by the node of each end, and again when other rules are in force or an address is
 * somebody else's; in between the flow's entry answers (maps/flow.h), by one lookup for
 * both directions.
 *
 * Addresses are those of the two ends: behind the translation of a call to a VIP, and before
 * that of its answer. So both nodes judge the same, and nothing that a packet claims counts:
 * the caller has checked who sends it.
 */
#pragma once

#include "lib/fragment.h"
#include "lib/policy_flow.h"
#include "lib/quote.h"
#include "lib/vip_fast.h"

/* ---- what a packet is of ---- */

/* Types of a question and its answer follow each other (RFC 792, RFC 950): 13, 14 and so on. */
#define POLICY_ICMP_PORT(type) bpf_htons(0xff00 | ((type) + 1) / 2)

static __always_inline void policy_icmp(struct l4 *ret, const struct icmp_header *icmp)
{
	ret->sport = ret->dport = POLICY_ICMP_PORT(icmp->type);
	if (icmp->type != ICMP_ECHO && icmp->type != ICMP_ECHOREPLY)
		return;
	ret->sport = icmp->type == ICMP_ECHO ? icmp->unused : 0;
	ret->dport = icmp->type == ICMP_ECHO ? 0 : icmp->unused;
	ret->event = icmp->type == ICMP_ECHO ? L4_OPENS : 0;
}

/* Ports, or what stands for them; c is behind the fixed part of the header. */
static __always_inline int policy_l4(struct cursor *c, const struct iphdr *ip, struct l4 *ret)
{
	const struct icmp_header *icmp;

	if (l4_is_carried(ip->protocol))
		return l4_parse(c, ip, ret);
	*ret = (struct l4){ .protocol = ip->protocol };
	if (ip->protocol != IPPROTO_ICMP)
		return 0;
	icmp = parse_ipv4_options(c, ip) < 0 ? NULL : cursor_take(c, struct icmp_header);
	if (!icmp)
		return -OV_DROP_MALFORMED;
	policy_icmp(ret, icmp);
	return 0;
}

/* ---- ICMP errors ---- */

/* The ports of what is quoted. 0, or -1. */
static __always_inline int policy_quoted_l4(const struct quoted *q, struct l4 *ret)
{
	const struct icmp_header *icmp = (const void *)&q->sport;

	*ret = (struct l4){ .protocol = q->ip.protocol, .sport = q->sport, .dport = q->dport };
	if (q->ip.ihl != 5 || (q->ip.frag_off & bpf_htons(IP_OFFSET)))
		return -1;
	if (q->ip.protocol == IPPROTO_ICMP)
		policy_icmp(ret, icmp);
	else if (!l4_is_carried(q->ip.protocol))
		ret->sport = ret->dport = 0;
	return 0;
}

/*
 * Whether the packet is an error about a flow that is known, and allowed by what is in
 * force. Within a network only the other end of the flow may complain; outside any router.
 */
static __noinline int policy_is_known_error(struct __sk_buff *skb, struct policy_scratch *s)
{
	struct cursor c = cursor_skb(skb);
	const struct icmp_header *icmp;
	const struct quoted *q;
	struct iphdr *ip;
	struct found at;
	struct l4 l4;

	if (!cursor_take(&c, struct ethhdr) || parse_ipv4(&c, &ip) < 0 ||
	    parse_ipv4_options(&c, ip) < 0)
		return 0;
	icmp = cursor_take(&c, struct icmp_header);
	q = icmp && icmp_is_error(icmp->type) ? cursor_take(&c, struct quoted) : NULL;
	if (!q || q->ip.saddr != ip->daddr || policy_quoted_l4(q, &l4) ||
	    (q->ip.daddr != ip->saddr && s->place != POLICY_OUTSIDE))
		return 0;

	struct end asked = { q->ip.saddr, l4.sport }, about = { q->ip.daddr, l4.dport };

	policy_key_fill(&s->key, s->vni, l4.protocol, asked, about);
	at = flow_find(&s->key);
	return at.flow && at.flow->incarnation == s->incarnation &&
	       policy_is_same(&at.flow->judged.by, &s->by) && policy_passes(&at.flow->judged) &&
	       !flow_is_expired(at.flow, s->key.protocol, flow_now());
}

/* ---- fragments ---- */

#define FRAGMENT_UNITS(ip) (bpf_ntohs((ip)->frag_off) & IP_OFFSET) /* of 8 bytes */

static __noinline int policy_fragment(struct policy_scratch *s, const struct iphdr *ip)
{
	struct ov_fragment_key k;

	/* RFC 3128: it would overwrite the header that the first one was judged by. */
	if (FRAGMENT_UNITS(ip) * 8 < TCP_HEADER_MIN && l4_connects(ip->protocol))
		return -OV_DROP_MALFORMED;
	if (s->by.flags & OV_POLICY_AUDIT)
		return 0;
	fragment_key_fill(&k, s->vni, ip);
	k.is_judged = 1;
	return bpf_map_lookup_elem(&fragments, &k) ? 0 : -OV_DROP_FRAGMENT;
}

/* The later ones follow the first, which goes on or (`verdict`) does not. */
static __noinline int policy_fragment_first(struct __sk_buff *skb, struct policy_scratch *s,
					    int verdict)
{
	struct cursor c = cursor_skb(skb);
	struct ov_fragment_key k;
	struct ov_fragment none = {};
	struct iphdr *ip;

	if (!cursor_take(&c, struct ethhdr) || parse_ipv4(&c, &ip) < 0)
		return -OV_DROP_MALFORMED;
	fragment_key_fill(&k, s->vni, ip);
	k.is_judged = 1;
	if (verdict)
		bpf_map_delete_elem(&fragments, &k);
	else
		bpf_map_update_elem(&fragments, &k, &none, BPF_ANY);
	return verdict;
}

/* ---- a packet ---- */

/* 0 and s->p; a negative verdict; or POLICY_LATER. */
#define POLICY_LATER 1

static __always_inline int policy_parse(struct __sk_buff *skb, struct policy_scratch *s)
{
	struct cursor c = cursor_skb(skb);
	struct iphdr *ip;

	if (!cursor_take(&c, struct ethhdr) || parse_ipv4(&c, &ip) < 0)
		return -OV_DROP_MALFORMED;
	if (fragment_is_later(ip)) {
		int verdict = policy_fragment(s, ip);

		return verdict < 0 ? verdict : POLICY_LATER;
	}
	s->p.src = ip->saddr;
	s->p.dst = ip->daddr;
	s->p.is_first = fragment_is_first(ip);
	return policy_l4(&c, ip, &s->p.l4);
}

/*
 * The short way (lib/vip_fast.h): only carries data of a flow that is known, goes both
 * ways, and was judged by what is in force. 0, or VIP_GENERAL.
 */
static __noinline int policy_plain(struct __sk_buff *skb, const struct ov_policy *by, __u32 vni,
				   __u32 incarnation)
{
	struct ov_flow_key k;
	struct ov_flow *f;
	struct plain p;
	__u32 now;

	if (plain_parse(skb, &p))
		return VIP_GENERAL;

	struct end src = { p.src, p.sport }, dst = { p.dst, p.dport };

	policy_key_fill(&k, vni, p.protocol, src, dst);
	f = p.protocol == IPPROTO_TCP ? bpf_map_lookup_elem(&flows, &k) :
					bpf_map_lookup_elem(&brief, &k);
	now = flow_now();
	if (!f || (f->flags & (OV_FLOW_REPLIED | OV_FLOW_CLOSED)) != OV_FLOW_REPLIED ||
	    f->incarnation != incarnation || !policy_is_same(&f->judged.by, by) ||
	    !policy_passes(&f->judged) || flow_is_expired(f, p.protocol, now))
		return VIP_GENERAL;
	flow_touch(f, now);
	return 0;
}

/*
 * A packet of a network with rules, as it is now: a frame that begins with the Ethernet
 * header. `incarnation`: both ends', as in struct ov_flow. Packet pointers die. Not static:
 * the verifier goes through it once by itself.
 */
__noinline int policy_check(struct __sk_buff *skb, __u32 vni, __u32 incarnation, __u32 place)
{
	const struct ov_policy *by = policy_lookup(vni);
	struct policy_scratch *s;
	__u32 zero = 0;
	int verdict;

	if (!by || (by->flags & OV_POLICY_BROKEN))
		return -OV_DROP_POLICY_UNREADABLE;
	l4_make_linear(skb);
	if (policy_plain(skb, by, vni, incarnation) == 0)
		return 0;
	s = bpf_map_lookup_elem(&policy_scratch, &zero);
	if (!s)
		return -OV_DROP_POLICY_UNREADABLE;
	s->by = *by;
	s->vni = vni;
	s->incarnation = incarnation;
	s->place = place;
	verdict = policy_parse(skb, s);
	if (verdict)
		return verdict < 0 ? verdict : 0;
	if (s->p.l4.protocol == IPPROTO_ICMP && policy_is_known_error(skb, s))
		return 0;

	struct end src = { s->p.src, s->p.l4.sport }, dst = { s->p.dst, s->p.l4.dport };

	s->p.is_second = policy_key_fill(&s->key, vni, s->p.l4.protocol, src, dst);
	verdict = policy_follow(s);
	if (verdict == POLICY_NEW)
		verdict = policy_begin(s);
	return s->p.is_first ? policy_fragment_first(skb, s, verdict) : verdict;
}
