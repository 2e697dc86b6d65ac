/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Masquerading (maps/masq.h): an address inside takes one of this host's and a port of
 * the range that is set aside. One entry serves both directions; it is found by what an
 * answer has in it, and a packet that leaves tries the few ports its hash leads to.
 */
#pragma once

#include "lib/flow.h"
#include "lib/nat.h"
#include "lib/outside.h"
#include "maps/flow_hash.h"

struct masq_scratch {
	struct ov_masq_key key;
	struct ov_masq fresh;    /* what a new entry will be: `inside` is filled by the caller */
	struct ov_flow_key flow; /* of a call to a port published here: what it will be; else protocol 0 */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct masq_scratch);
} masq_scratch SEC(".maps");

struct masq_found {
	struct ov_masq *m;
	int is_brief;
};

static __always_inline struct masq_found masq_find(const struct ov_masq_key *k)
{
	struct masq_found f = { .m = bpf_map_lookup_elem(&masq, k) };

	if (!f.m) {
		f.m = bpf_map_lookup_elem(&masq_brief, k);
		f.is_brief = 1;
	}
	return f;
}

static __always_inline int masq_is_over(const struct ov_masq *m, __u8 protocol, __u32 now)
{
	return idle_is_over(m->flags, protocol, m->seen, now);
}

static __always_inline void masq_mark(struct ov_masq *m, __u32 flags)
{
	if ((m->flags & flags) != flags)
		__sync_fetch_and_or(&m->flags, flags);
}

/* From one table into the other. */
static __noinline int masq_move(const struct ov_masq_key *k, const struct ov_masq *m, int to_brief)
{
	struct ov_masq copy;

	if (!k || !m)
		return 0;
	copy = *m;
	if (to_brief) {
		copy.flags |= OV_FLOW_CLOSED;
		bpf_map_update_elem(&masq_brief, k, &copy, BPF_ANY);
		bpf_map_delete_elem(&masq, k);
	} else if (!bpf_map_update_elem(&masq, k, &copy, BPF_NOEXIST)) {
		bpf_map_delete_elem(&masq_brief, k);
	}
	return 0;
}

/* As flow_advance; f->m may not be used afterwards. */
static __always_inline void masq_advance(const struct ov_masq_key *k, struct masq_found *f,
					 __u8 event, int is_inside, __u32 now)
{
	struct ov_masq *m = f->m;

	if (m->seen != now)
		m->seen = now;
	if (!is_inside)
		masq_mark(m, OV_FLOW_REPLIED);
	if (k->protocol != IPPROTO_TCP)
		return;
	if (event & L4_FIN)
		masq_mark(m, is_inside ? OV_FLOW_FIN_CLIENT : OV_FLOW_FIN_BACKEND);
	if ((event & L4_RST) || (m->flags & FLOW_FINISHED) == FLOW_FINISHED) {
		if (f->is_brief)
			masq_mark(m, OV_FLOW_CLOSED);
		else
			masq_move(k, m, 1);
		return;
	}
	if (f->is_brief && is_inside && !(event & L4_OPENS) &&
	    (m->flags & (OV_FLOW_REPLIED | OV_FLOW_CLOSED)) == OV_FLOW_REPLIED)
		masq_move(k, m, 0);
}

static __always_inline int masq_is_mine(const struct ov_masq *m, const struct ov_masq *fresh)
{
	return addr_equals(&m->inside, &fresh->inside) && m->vni == fresh->vni &&
	       m->inside_port == fresh->inside_port && m->incarnation == fresh->incarnation;
}

/* The final mix of Bob Jenkins' lookup3 (maps/flow_hash.h), over who speaks with whom. */
static __always_inline __u32 masq_hash(const struct masq_scratch *s)
{
	__u32 a = ADDR_WORD(&s->fresh.inside, 3) + s->fresh.vni;
	__u32 b = ADDR_WORD(&s->key.remote, 3);
	__u32 c = (__u32)s->fresh.inside_port << 16 | s->key.remote_port;

	OV_FINAL(a, b, c);
	return c;
}

enum { MASQ_TAKEN, MASQ_FREE, MASQ_MINE, MASQ_CLOSED };

/*
 * Ways to one service (addresses of this host, and its loopback's) have ports of their own
 * each, but to the backend all are one address of this host: there they would meet.
 */
static __always_inline int masq_at_backend(struct masq_scratch *s, __u32 now)
{
	struct found at;

	if (!s->flow.protocol)
		return MASQ_FREE;
	s->flow.client_port = s->key.port;
	at = flow_find(&s->flow);
	if (!at.flow || flow_is_expired(at.flow, s->flow.protocol, now))
		return MASQ_FREE;
	return at.flow->flags & OV_FLOW_CLOSED ? MASQ_CLOSED : MASQ_TAKEN;
}

/* Once s->key and s->fresh are there: it is a call to the service of that row. */
static __always_inline void masq_fill_flow(struct masq_scratch *s, const struct ov_published *row)
{
	flow_key_fill(&s->flow, row->vni, addr_v4(&s->fresh.outside), addr_v4(&row->vip),
		      s->key.protocol, 0, row->service.target_port);
}

/* Whose s->key is. Apart, so that the verifier goes through it once a try and no more. */
static __noinline int masq_whose(struct masq_scratch *s)
{
	struct masq_found f;
	__u32 now = flow_now();

	if (!s)
		return MASQ_TAKEN;
	f = masq_find(&s->key);
	if (!f.m || masq_is_over(f.m, s->key.protocol, now))
		return masq_at_backend(s, now);
	if (masq_is_mine(f.m, &s->fresh))
		return MASQ_MINE;
	if (!(f.m->flags & OV_FLOW_CLOSED) || (__s32)(now - f.m->seen) <= (__s32)OV_TICKS(OV_MASQ_REST))
		return MASQ_TAKEN;
	return masq_at_backend(s, now) == MASQ_TAKEN ? MASQ_TAKEN : MASQ_CLOSED;
}

/* A packet of an entry that is there. 0, or -1: it is over, and the packet opens another. */
static __noinline int masq_go_on(struct masq_scratch *s, __u32 event)
{
	struct masq_found f;

	if (!s)
		return -1;
	f = masq_find(&s->key);
	if (!f.m || ((event & L4_OPENS) && (f.m->flags & OV_FLOW_CLOSED)))
		return -1;
	addr_copy(&s->fresh.outside, &f.m->outside);
	masq_advance(&s->key, &f, event, 1, flow_now());
	return 0;
}

static __noinline int masq_begin(struct masq_scratch *s)
{
	if (!s)
		return -OV_DROP_MASQ_FULL;
	s->fresh.seen = flow_now();
	s->fresh.flags = 0;
	bpf_map_delete_elem(&masq, &s->key); /* of one that is over */
	return bpf_map_update_elem(&masq_brief, &s->key, &s->fresh, BPF_ANY) ? -OV_DROP_MASQ_FULL : 0;
}

/*
 * Of the ports first to last, the one by which the packet leaves, in s->key.port, and
 * the address, in s->fresh.outside: s is the scratch, the rest of which the caller has
 * filled in. 0, or else there is none left. A closed one rests for as long as the other end
 * may (TIME-WAIT), unless there is no other. Not static, as service_choose is not.
 */
__noinline int masq_choose(__u32 first, __u32 last, __u32 event)
{
	__u32 room = ((last - first) & 0xffff) + 1, hash, step, zero = 0;
	struct masq_scratch *s;
	__be16 free = 0, closed = 0;

	s = bpf_map_lookup_elem(&masq_scratch, &zero);
	if (!s)
		return -1;
	hash = masq_hash(s);
	step = hash >> 16 | 1; /* double hashing: neighbours would fill up in clusters */
	for (__u32 i = 0; i < OV_MASQ_TRIES; i++) {
		int whose;

		s->key.port = bpf_htons(first + (hash + i * step) % room);
		whose = masq_whose(s);
		if (whose == MASQ_MINE && masq_go_on(s, event) == 0)
			return 0;
		if (whose == MASQ_CLOSED && !closed)
			closed = s->key.port;
		if ((whose == MASQ_FREE || whose == MASQ_MINE) && !free)
			free = s->key.port;
		if (whose == MASQ_MINE)
			break;
	}
	if (!free)
		free = closed;
	if (!free)
		return -1;
	s->key.port = free;
	return masq_begin(s);
}

static __always_inline int masq_port(const struct ov_config *cfg, __u32 event)
{
	return masq_choose(cfg->masq_first, cfg->masq_last, event) ? -OV_DROP_MASQ_FULL : 0;
}

/* The identifier of a ping stands where a port would; its sum covers no address. */
static __always_inline int masq_ping_rewrite(struct __sk_buff *skb, __u32 offset, __be16 from, __be16 to)
{
	if (from == to)
		return 0;
	if (bpf_l4_csum_replace(skb, offset + offsetof(struct icmp_header, checksum), from, to, 2) ||
	    bpf_skb_store_bytes(skb, offset + offsetof(struct icmp_header, unused), &to, sizeof(to), 0))
		return -OV_DROP_NAT_FAILED;
	return 0;
}

static __always_inline int masq_rewrite(struct __sk_buff *skb, const struct l4 *l4, enum side side,
					const struct end *from, const struct end *to)
{
	int verdict;

	if (l4->protocol != IPPROTO_ICMP)
		return nat_end(skb, l4, side, from, to);
	verdict = masq_ping_rewrite(skb, l4->offset, from->port, to->port);
	return verdict < 0 ? verdict : nat_ipv4(skb, sizeof(struct ethhdr), side, to->addr);
}

/*
 * Ports of TCP and UDP; the identifier of a ping that is a question (a port of who asks)
 * or an answer. 0 or a negative verdict.
 */
static __always_inline int masq_parse(struct cursor *c, const struct iphdr *ip, struct l4 *ret)
{
	struct icmp_header *icmp;

	if (ip->protocol == IPPROTO_TCP || ip->protocol == IPPROTO_UDP)
		return l4_parse(c, ip, ret);
	if (ip->protocol != IPPROTO_ICMP)
		return -OV_DROP_MASQ_PROTOCOL;
	ret->protocol = IPPROTO_ICMP;
	ret->offset = sizeof(struct ethhdr) + ip->ihl * 4;
	ret->event = 0;
	if (parse_ipv4_options(c, ip) < 0)
		return -OV_DROP_MALFORMED;
	icmp = cursor_take(c, struct icmp_header);
	if (!icmp)
		return -OV_DROP_MALFORMED;
	ret->sport = icmp->type == ICMP_ECHO ? icmp->unused : 0;
	ret->dport = icmp->type == ICMP_ECHOREPLY ? icmp->unused : 0;
	return icmp->type == ICMP_ECHO || icmp->type == ICMP_ECHOREPLY ? 0 : -OV_DROP_MASQ_PROTOCOL;
}
