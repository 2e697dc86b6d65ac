// SPDX-License-Identifier: GPL-2.0
/*
 * TC ingress of the devices by which this host is reached, its loopback included, and
 * what ov_uplink passes on: calls to published ports, and answers from the world outside
 * to containers. Everything else belongs to the host and passes untouched.
 *
 *   client -> address:published     becomes  client -> backend:target, and goes to its node
 *   remote -> address:port of ours  becomes  remote -> container:its port
 */
#include "lib/compat.h"
#include "lib/call.h"
#include "lib/config.h"
#include "lib/encap.h"
#include "lib/masq.h"
#include "lib/mesh.h"
#include "lib/fragment.h"
#include "lib/outside.h"
#include "lib/publish.h"
#include "lib/reset.h"
#include "lib/verdict.h"

#define FRONT_LINEAR (sizeof(struct ethhdr) + sizeof(struct iphdr) + sizeof(struct udphdr))

struct front { /* a packet to this host */
	struct l4 l4;
	__be32 src, dst;
	__u8 tos;
	__u8 is_loop; /* from this host itself */
	__u16 size;   /* largest IP packet it becomes */
};

/* ---- answers to containers ---- */

/* To the container (or, behind 127.0.0.1, the process) that the answer is for. */
static __always_inline int answer_deliver(struct __sk_buff *skb, const struct ov_masq *m)
{
	const struct ov_network *net = network_lookup(m->vni);
	const struct ov_endpoint *ep;

	if (!m->vni)
		return VERDICT_HOST;
	ep = endpoint_lookup_v4(m->vni, addr_v4(&m->inside));
	if (!net || !ep || !ep->ifindex || ep->incarnation != m->incarnation)
		return -OV_DROP_NO_FLOW;
	if (nat_macs(skb, net->gateway_mac, ep->mac) < 0)
		return -OV_DROP_NAT_FAILED;
	bpf_redirect_peer(ep->ifindex, 0);
	return OV_FWD_LOCAL;
}

/* The entry that the packet answers, in *copy, followed. 0, or OV_PASS_FOREIGN: it answers none. */
static __noinline int answer_find(struct __sk_buff *skb, const struct front *f, struct ov_masq *copy)
{
	__u32 now = flow_now();
	struct ov_masq_key k = {};
	struct masq_found at;

	if (!f || !copy)
		return -1;
	k.remote_port = f->l4.sport;
	k.port = f->l4.dport;
	k.protocol = f->l4.protocol;
	addr_set_v4(&k.remote, f->src);
	at = masq_find(&k);
	if (!at.m || !addr_equals_v4(&at.m->outside, f->dst) || masq_is_over(at.m, k.protocol, now))
		return -1;
	*copy = *at.m;
	masq_advance(&k, &at, f->l4.event, 0, now);
	return 0;
}

static __noinline int answer(struct __sk_buff *skb, const struct front *f)
{
	struct ov_masq m = {};

	if (!f || answer_find(skb, f, &m))
		return OV_PASS_FOREIGN;

	struct end from = { f->dst, f->l4.dport };
	struct end to = { addr_v4(&m.inside), m.inside_port };
	int verdict = masq_rewrite(skb, &f->l4, SIDE_DST, &from, &to);

	return verdict < 0 ? verdict : answer_deliver(skb, &m);
}

/* ---- calls to published ports ---- */

/* 127.0.0.1 means nothing to a backend: this host's own address stands for it. */
static __noinline int entry_masquerade(struct __sk_buff *skb, const struct ov_config *cfg, struct front *f)
{
	struct masq_scratch *s;
	__u32 zero = 0;
	int verdict;

	s = bpf_map_lookup_elem(&masq_scratch, &zero);
	if (!s || !f || !cfg)
		return -OV_DROP_NOT_READY;
	s->key = (struct ov_masq_key){ .remote_port = f->l4.dport, .protocol = f->l4.protocol };
	addr_set_v4(&s->key.remote, f->dst);
	s->fresh = (struct ov_masq){ .inside_port = f->l4.sport };
	addr_set_v4(&s->fresh.inside, f->src);
	addr_copy(&s->fresh.outside, &cfg->vtep);
	verdict = masq_port(s, cfg, f->l4.event);
	if (verdict < 0)
		return verdict;

	struct end from = { f->src, f->l4.sport };
	struct end to = { addr_v4(&s->fresh.outside), s->key.port };

	verdict = masq_rewrite(skb, &f->l4, SIDE_SRC, &from, &to);
	f->src = to.addr;
	f->l4.sport = to.port;
	return verdict;
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

static __always_inline void entry_wish(struct wish *w, const struct ov_published *row, __be32 called)
{
	w->vni = row->vni;
	w->rows = row->flags & OV_PUBLISHED_LOCAL ? row->vni | OV_VNI_LOCAL : row->vni;
	w->origin = OV_FLOW_ENTRY;
	w->via = called;
}

static __noinline int entry_choose(struct front *f, const struct ov_published_key *pk,
				   const struct ov_published *row, struct target *t)
{
	struct vip_scratch *scratch;
	__u32 zero = 0;

	scratch = bpf_map_lookup_elem(&vip_scratch, &zero);
	if (!scratch || !f || !pk || !row || !t)
		return -OV_DROP_NOT_READY;
	entry_wish(&scratch->wish, row, f->dst);

	struct call call = {
		.client = f->src,
		.addr = addr_v4(&row->vip),
		.l4 = f->l4,
		.wish = &scratch->wish,
		.flow = &scratch->flow,
	};

	return entry_route(&call, pk, row, t);
}

/* A backend on this host. Packets of the loopback device have a route, which must not follow them. */
static __always_inline int entry_deliver(struct __sk_buff *skb, const struct front *f,
					 const struct ov_endpoint *ep)
{
	if (f->is_loop)
		bpf_redirect(ep->ifindex, 0);
	else
		bpf_redirect_peer(ep->ifindex, 0);
	return OV_FWD_LOCAL;
}

static __always_inline int entry_send(struct __sk_buff *skb, const struct ov_config *cfg,
				      const struct front *f, const struct ov_published *row,
				      struct target *t)
{
	const struct ov_network *net = network_lookup(row->vni);
	int is_direct = row->flags & OV_PUBLISHED_DSR, is_here = t->ep->ifindex != 0;
	struct end from = { f->dst, f->l4.dport };
	__u8 mac[ETH_ALEN];
	int verdict;

	if (!net)
		return -OV_DROP_UNKNOWN_VNI;
	if (is_direct && !is_here)
		t->to.port = from.port;
	verdict = nat_end(skb, &f->l4, SIDE_DST, &from, &t->to);
	mesh_mac(mac, is_direct ? MESH_DIRECT : MESH_BACK, f->dst);
	if (verdict == 0)
		verdict = nat_macs(skb, is_here ? net->gateway_mac : mac, t->ep->mac);
	if (verdict < 0)
		return verdict;
	if (is_here)
		return entry_deliver(skb, f, t->ep);
	return encap_send(skb, cfg, t->ep, row->vni, f->l4.protocol, f->tos);
}

/* To a published port. A verdict, or REFUSE(why). */
static __noinline int entry(struct __sk_buff *skb, const struct ov_config *cfg, struct front *f,
			    const struct ov_published_key *pk)
{
	const struct ov_published *row;
	struct target t = {};
	int verdict = 0;

	if (!cfg || !f || !pk)
		return -OV_DROP_NOT_READY;
	row = bpf_map_lookup_elem(&published, pk);
	if (!row)
		return OV_PASS_FOREIGN;
	if (ipv4_is_loopback(f->src))
		verdict = entry_masquerade(skb, cfg, f);
	if (verdict == 0)
		verdict = entry_choose(f, pk, row, &t);
	if (verdict || !t.ep)
		return verdict ? verdict : -OV_DROP_NO_BACKEND;
	return entry_send(skb, cfg, f, row, &t);
}

/* ---- which of the two, or none ---- */

static __always_inline int is_to_us(const struct front *f)
{
	return ipv4_is_loopback(f->dst) ? f->is_loop : own_address(f->dst) != NULL;
}

static __always_inline int is_masq_port(const struct ov_config *cfg, __be16 port)
{
	__u16 p = bpf_ntohs(port);

	return p >= cfg->masq_first && p <= cfg->masq_last;
}

static __always_inline int front_parse(struct __sk_buff *skb, struct front *f)
{
	struct cursor c = cursor_skb(skb);
	struct ethhdr *eth = cursor_take(&c, struct ethhdr);
	struct iphdr *ip;

	if (!eth || eth->h_proto != bpf_htons(ETH_P_IP) || parse_ipv4(&c, &ip) < 0 ||
	    fragment_is_later(ip))
		return OV_PASS_FOREIGN;
	f->src = ip->saddr;
	f->dst = ip->daddr;
	f->tos = ip->tos;
	if (ip->protocol == IPPROTO_SCTP ? l4_parse(&c, ip, &f->l4) : masq_parse(&c, ip, &f->l4))
		return OV_PASS_FOREIGN;
	return 1;
}

static __always_inline int decide(struct __sk_buff *skb)
{
	const struct ov_config *cfg = config_ready();
	struct ov_published_key pk;
	struct front f = {};
	int verdict = OV_PASS_FOREIGN;

	if (!cfg || skb->pkt_type != PACKET_HOST || skb_is_vlan_tagged(skb))
		return OV_PASS_FOREIGN;
	l4_make_linear(skb);
	if (front_parse(skb, &f) == OV_PASS_FOREIGN)
		return OV_PASS_FOREIGN;
	f.is_loop = skb->ifindex == LOOPBACK_IFINDEX;
	if (f.l4.protocol == IPPROTO_ICMP || is_masq_port(cfg, f.l4.dport))
		verdict = answer(skb, &f);
	if (verdict != OV_PASS_FOREIGN || f.l4.protocol == IPPROTO_ICMP)
		return verdict;
	if (!publish_find(&pk, f.dst, f.l4.dport, f.l4.protocol) || !is_to_us(&f))
		return OV_PASS_FOREIGN;
	return entry(skb, cfg, &f, &pk);
}

SEC("tc")
int ov_front(struct __sk_buff *skb)
{
	__u32 bytes = skb->len;
	int verdict = decide(skb);

	if (verdict >= REFUSE(0))
		verdict = refuse(skb, REFUSE_WHY(verdict));
	return verdict_exit_tc(verdict, bytes);
}

char LICENSE[] SEC("license") = "GPL";
