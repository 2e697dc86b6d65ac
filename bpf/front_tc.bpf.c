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
#include "lib/entry.h"
#include "lib/icmp.h"
#include "lib/masq.h"
#include "lib/mesh.h"
#include "lib/fragment.h"
#include "lib/outside.h"
#include "lib/policy.h"
#include "lib/publish.h"
#include "lib/quote.h"
#include "lib/reset.h"
#include "lib/size.h"
#include "lib/verdict.h"

static __always_inline int is_masq_port(const struct ov_config *cfg, __be16 port)
{
	__u16 p = bpf_ntohs(port);

	return p >= cfg->masq_first && p <= cfg->masq_last;
}

/* ---- to an endpoint, wherever it lives ---- */

/* Packets of the loopback device have a route of this host, which must not follow them. */
static __always_inline int deliver(struct __sk_buff *skb, const struct front *f, __u32 vni,
				   const struct ov_endpoint *ep)
{
	int verdict = 0;

	if (ep->flags & OV_ENDPOINT_POLICY)
		verdict = policy_check(skb, vni, ep->incarnation, POLICY_OUTSIDE);
	if (verdict < 0)
		return verdict;
	endpoint_received(ep->ifindex, skb->len);
	if (f->is_loop)
		bpf_redirect(ep->ifindex, 0);
	else
		bpf_redirect_peer(ep->ifindex, 0);
	return OV_FWD_LOCAL;
}

/* Apart, because its headers would lie on the stack of policy. */
static __noinline int front_encap(struct __sk_buff *skb, const struct ov_config *cfg,
				  const struct front *f, __u32 vni, const struct ov_endpoint *ep)
{
	if (!cfg || !f || !ep)
		return -OV_DROP_NO_BACKEND;
	if (f->is_large)
		return encap_send_in_fragments(skb, cfg, ep, vni, f->tos);
	return encap_send(skb, cfg, ep, vni, f->l4.protocol, f->tos);
}

/* From the gateway, if it lives here; else marked as from outside, to its node. */
static __noinline int front_send(struct __sk_buff *skb, const struct ov_config *cfg,
				 const struct front *f, __u32 vni, __be32 addr)
{
	const struct ov_network *net = network_lookup(vni);
	const struct ov_endpoint *ep = endpoint_lookup_v4(vni, addr);
	__u8 mac[ETH_ALEN];

	skb->cb[CB_VNI] = vni; /* for those who watch */
	if (!cfg || !f || !net || !ep)
		return -OV_DROP_NO_BACKEND;
	if (network_has_v4(net, f->src)) /* a fragment or an error: as in front_l4 */
		return -OV_DROP_SPOOFED_IP;
	mesh_mac(mac, f->kind, f->dst);
	if (nat_macs(skb, ep->ifindex ? net->gateway_mac : mac, ep->mac) < 0)
		return -OV_DROP_NAT_FAILED;
	if (ep->ifindex)
		return deliver(skb, f, vni, ep);
	return front_encap(skb, cfg, f, vni, ep);
}

/* What later fragments of the packet will be like: they go to dst, in the network vni. */
static __always_inline void front_remember(struct __sk_buff *skb, const struct front *f, __be32 dst,
					   __u32 vni)
{
	struct cursor c = cursor_skb(skb);
	struct iphdr *ip;

	if (f->is_first && cursor_take(&c, struct ethhdr) && parse_ipv4(&c, &ip) == 0)
		fragment_remember_at(0, ip, ip->saddr, dst, vni);
}

/* Without ports: where the first one went. */
static __noinline int front_fragment(struct __sk_buff *skb, const struct ov_config *cfg, struct front *f)
{
	struct cursor c = cursor_skb(skb);
	const struct ov_fragment *known;
	const struct ov_network *net;
	struct iphdr *ip;

	if (!cfg || !f || !cursor_take(&c, struct ethhdr) || parse_ipv4(&c, &ip) < 0)
		return OV_PASS_FOREIGN;
	known = fragment_find(0, ip);
	net = known && known->vni ? network_lookup(known->vni) : NULL;
	if (!net)
		return OV_PASS_FOREIGN;
	f->is_large = skb->len - sizeof(struct ethhdr) > net->mtu;
	f->l4.protocol = ip->protocol;
	f->kind = MESH_BACK;
	if (nat_ipv4(skb, sizeof(struct ethhdr), SIDE_DST, addr_v4(&known->dst)) < 0)
		return -OV_DROP_NAT_FAILED;
	return front_send(skb, cfg, f, known->vni, addr_v4(&known->dst));
}

/* ---- answers to containers ---- */

/* To the container (or, behind 127.0.0.1, the process) that the answer is for. */
static __noinline int answer_deliver(struct __sk_buff *skb, const struct front *f, const struct ov_masq *m)
{
	const struct ov_network *net;
	const struct ov_endpoint *ep;

	if (!f || !m)
		return -OV_DROP_NO_FLOW;
	if (!m->vni)
		return VERDICT_HOST;
	skb->cb[CB_VNI] = m->vni; /* for those who watch */
	net = network_lookup(m->vni);
	ep = endpoint_lookup_v4(m->vni, addr_v4(&m->inside));
	if (!net || !ep || !ep->ifindex || ep->incarnation != m->incarnation)
		return -OV_DROP_NO_FLOW;
	if (nat_macs(skb, net->gateway_mac, ep->mac) < 0)
		return -OV_DROP_NAT_FAILED;
	return deliver(skb, f, m->vni, ep);
}

/*
 * The entry of the flow from `local` (of this node, with l4's destination port) to
 * `remote`, as it was, in s->fresh. 0 or -1.
 */
static __noinline int answer_find(struct masq_scratch *s, const struct l4 *l4, __be32 local, __be32 remote)
{
	struct masq_found at;

	if (!s || !l4)
		return -1;
	s->key = (struct ov_masq_key){ .remote_port = l4->sport, .port = l4->dport,
				       .protocol = l4->protocol };
	addr_set_v4(&s->key.remote, remote);
	at = masq_find(&s->key);
	if (!at.m || !addr_equals_v4(&at.m->outside, local) ||
	    masq_is_over(at.m, l4->protocol, flow_now()))
		return -1;
	s->fresh = *at.m;
	masq_advance(&s->key, &at, l4->event, 0, flow_now());
	return 0;
}

static __noinline int answer(struct __sk_buff *skb, const struct front *f)
{
	struct masq_scratch *s;
	__u32 zero = 0;

	s = bpf_map_lookup_elem(&masq_scratch, &zero);
	if (!s || !f || answer_find(s, &f->l4, f->dst, f->src))
		return OV_PASS_FOREIGN;

	struct end from = { f->dst, f->l4.dport };
	struct end to = { addr_v4(&s->fresh.inside), s->fresh.inside_port };

	front_remember(skb, f, to.addr, s->fresh.vni);
	if (masq_rewrite(skb, &f->l4, SIDE_DST, &from, &to) < 0)
		return -OV_DROP_NAT_FAILED;
	return answer_deliver(skb, f, &s->fresh);
}

/* ---- calls to published ports ---- */

/* 127.0.0.1 means nothing to a backend: this host's own address stands for it. */
static __noinline int entry_masquerade(struct __sk_buff *skb, const struct ov_config *cfg, struct front *f,
				       const struct ov_published *row)
{
	struct masq_scratch *s;
	__u32 zero = 0;
	int verdict;

	s = bpf_map_lookup_elem(&masq_scratch, &zero);
	if (!s || !f || !cfg || !row)
		return -OV_DROP_NOT_READY;
	s->key = (struct ov_masq_key){ .remote_port = f->l4.dport, .protocol = f->l4.protocol };
	addr_set_v4(&s->key.remote, f->dst);
	s->fresh = (struct ov_masq){ .inside_port = f->l4.sport };
	addr_set_v4(&s->fresh.inside, f->src);
	addr_copy(&s->fresh.outside, &cfg->vtep);
	masq_fill_flow(s, row);
	verdict = masq_port(cfg, f->l4.event);
	if (verdict < 0)
		return verdict;

	struct end from = { f->src, f->l4.sport };
	struct end to = { addr_v4(&s->fresh.outside), s->key.port };

	f->src = to.addr;
	f->l4.sport = to.port;
	return masq_rewrite(skb, &f->l4, SIDE_SRC, &from, &to);
}

/*
 * Larger than the network takes: its sender is told, if it wants to know, by the address
 * that it called. 0 (it goes on), or a verdict.
 */
static __noinline int entry_check_size(struct __sk_buff *skb, struct front *f, __u32 mtu)
{
	struct cursor c = cursor_skb(skb);
	struct ethhdr *eth = cursor_take(&c, struct ethhdr);
	__u8 mac[ETH_ALEN];
	struct iphdr *ip;
	int size;

	if (!f || !eth || parse_ipv4(&c, &ip) < 0)
		return -OV_DROP_MALFORMED;
	size = packet_size(skb, &c, ip);
	if (size < 0)
		return size;
	if (size <= (int)mtu)
		return 0;
	if (!(ip->frag_off & bpf_htons(IP_DF))) {
		f->is_large = 1;
		return 0;
	}
	if (!icmp_may_complain(&c, ip))
		return -OV_DROP_TOO_BIG;

	struct complaint what = {
		.from = ip->daddr,
		.to = ip->saddr,
		.mac = mac,
		.code = ICMP_FRAG_NEEDED,
		.mtu = mtu,
	};

	__builtin_memcpy(mac, eth->h_dest, ETH_ALEN);
	return icmp_complain(skb, &what, ICMP_QUOTE_BYTES) ? -OV_DROP_TOO_BIG : OV_FWD_TOO_BIG;
}

static __always_inline int entry_send(struct __sk_buff *skb, const struct ov_config *cfg, struct front *f,
				      const struct ov_published *row, struct target *t)
{
	struct end from = { f->dst, f->l4.dport };

	f->kind = f->is_direct ? MESH_DIRECT : MESH_BACK;
	if (f->kind == MESH_DIRECT && !t->ep->ifindex)
		t->to.port = from.port; /* the backend's node will see to it */
	front_remember(skb, f, t->to.addr, row->vni);
	if (nat_end(skb, &f->l4, SIDE_DST, &from, &t->to) < 0)
		return -OV_DROP_NAT_FAILED;
	return front_send(skb, cfg, f, row->vni, t->to.addr);
}

/* To a published port. A verdict, or REFUSE(why). */
static __noinline int entry(struct __sk_buff *skb, const struct ov_config *cfg, struct front *f,
			    const struct ov_published_key *pk)
{
	const struct ov_published *row;
	const struct ov_network *net;
	struct target t = {};
	int verdict;

	if (!cfg || !f || !pk)
		return -OV_DROP_NOT_READY;
	row = bpf_map_lookup_elem(&published, pk);
	net = row ? network_lookup(row->vni) : NULL;
	if (!row || !net)
		return OV_PASS_FOREIGN;
	verdict = skb->len - sizeof(struct ethhdr) > net->mtu ? entry_check_size(skb, f, net->mtu) : 0;
	if (verdict == 0 && ipv4_is_loopback(f->src))
		verdict = entry_masquerade(skb, cfg, f, row);
	if (verdict == 0)
		verdict = entry_choose(f, pk, row, &t);
	if (verdict || !t.ep)
		return verdict ? verdict : -OV_DROP_NO_BACKEND;
	return entry_send(skb, cfg, f, row, &t);
}

/* ---- errors about what left by this node ---- */

/* Quoted: this node, for a container, to somebody outside. */
static __noinline int error_masq(struct __sk_buff *skb, const struct front *f, struct quoted *q,
				 __u32 icmp_at)
{
	struct l4 l4 = { .sport = q->dport, .dport = q->sport, .protocol = q->ip.protocol };
	__be32 local = q->ip.saddr, remote = q->ip.daddr;
	struct masq_scratch *s;
	__u32 zero = 0;

	s = bpf_map_lookup_elem(&masq_scratch, &zero);
	if (!s || !f || answer_find(s, &l4, local, remote))
		return OV_PASS_FOREIGN;

	struct end to = { addr_v4(&s->fresh.inside), s->fresh.inside_port };

	if (quoted_rewrite(skb, icmp_at, SIDE_SRC, l4.dport, &to) < 0 ||
	    nat_ipv4(skb, sizeof(struct ethhdr), SIDE_DST, to.addr) < 0)
		return -OV_DROP_NAT_FAILED;
	return answer_deliver(skb, f, &s->fresh);
}

/* Quoted: a published port, to a client outside. The backend of the flow, or -1. */
static __noinline int error_backend(const struct front *f, const struct l4 *l4, __be32 client,
				    const struct ov_published *row, struct end *ret)
{
	struct vip_scratch *scratch;
	struct found at;
	__u32 zero = 0;

	scratch = bpf_map_lookup_elem(&vip_scratch, &zero);
	if (!scratch || !f || !l4 || !row || !ret)
		return -1;
	flow_key_fill(&scratch->wish.key, row->vni, client, addr_v4(&row->vip), l4->protocol,
		      l4->dport, row->service.target_port);
	at = flow_find(&scratch->wish.key);
	if (!at.flow || !(at.flow->flags & OV_FLOW_ENTRY) || !addr_equals_v4(&at.flow->via, f->dst))
		return -1;
	ret->addr = addr_v4(&at.flow->backend);
	ret->port = row->service.target_port;
	return 0;
}

static __noinline int error_entry(struct __sk_buff *skb, const struct ov_config *cfg, struct front *f,
				  struct quoted *q, __u32 icmp_at)
{
	struct l4 l4 = { .sport = q->sport, .dport = q->dport, .protocol = q->ip.protocol };
	const struct ov_published *row;
	struct ov_published_key pk;
	struct end to = {};

	if (!cfg || !f)
		return OV_PASS_FOREIGN;
	row = publish_find(&pk, f->dst, q->sport, q->ip.protocol);
	if (!row || error_backend(f, &l4, q->ip.daddr, row, &to))
		return OV_PASS_FOREIGN;
	if (quoted_rewrite(skb, icmp_at, SIDE_SRC, l4.sport, &to) < 0 ||
	    nat_ipv4(skb, sizeof(struct ethhdr), SIDE_DST, to.addr) < 0)
		return -OV_DROP_NAT_FAILED;
	f->kind = MESH_BACK;
	return front_send(skb, cfg, f, row->vni, to.addr);
}

static __always_inline int front_error(struct __sk_buff *skb, const struct ov_config *cfg,
				       struct front *f, struct cursor *c, struct iphdr *ip)
{
	struct quoted *q = icmp_quoted(c, ip);
	__u32 icmp_at = sizeof(struct ethhdr) + ip->ihl * 4;

	if (!q || q->ip.saddr != f->dst || !own_address(f->dst))
		return OV_PASS_FOREIGN;
	if (is_masq_port(cfg, q->sport))
		return error_masq(skb, f, q, icmp_at);
	return error_entry(skb, cfg, f, q, icmp_at);
}

/* ---- which of them, or none ---- */

static __always_inline int is_to_us(const struct front *f)
{
	return ipv4_is_loopback(f->dst) ? f->is_loop : own_address(f->dst) != NULL;
}

/* As if from the network itself: what its endpoints send never comes this way. */
static __noinline int is_of_network(__u32 vni, __be32 src)
{
	const struct ov_network *net = network_lookup(vni);

	return net && network_has_v4(net, src);
}

static __always_inline int front_l4(struct __sk_buff *skb, const struct ov_config *cfg, struct front *f)
{
	const struct ov_published *row;
	struct ov_published_key pk;
	int verdict = OV_PASS_FOREIGN;

	if ((f->l4.protocol == IPPROTO_ICMP || is_masq_port(cfg, f->l4.dport)) && !is_spoofed(f))
		verdict = answer(skb, f);
	if (verdict != OV_PASS_FOREIGN || f->l4.protocol == IPPROTO_ICMP)
		return verdict;
	row = publish_find(&pk, f->dst, f->l4.dport, f->l4.protocol);
	if (!row || !is_to_us(f) || is_spoofed(f))
		return OV_PASS_FOREIGN;
	if (is_of_network(row->vni, f->src)) /* believed, rules would take it for that endpoint */
		return -OV_DROP_SPOOFED_IP;
	/* The answer would be to a node's VXLAN port, from a node. */
	if (f->l4.protocol == IPPROTO_UDP && f->l4.sport == cfg->vxlan_port)
		return -OV_DROP_NOT_ALLOWED;
	return entry(skb, cfg, f, &pk);
}

static __always_inline int decide(struct __sk_buff *skb, const struct ov_config *cfg)
{
	struct front f = {};
	struct iphdr *ip;

	if (!config_is_ready(cfg) || skb->pkt_type != PACKET_HOST || skb_is_vlan_tagged(skb))
		return OV_PASS_FOREIGN;
	l4_make_linear(skb);

	struct cursor c = cursor_skb(skb), at_l4;
	struct ethhdr *eth = cursor_take(&c, struct ethhdr);

	if (!eth || eth->h_proto != bpf_htons(ETH_P_IP) || parse_ipv4(&c, &ip) < 0)
		return OV_PASS_FOREIGN;
	f.src = ip->saddr;
	f.dst = ip->daddr;
	f.tos = ip->tos;
	f.is_loop = skb->ifindex == LOOPBACK_IFINDEX;
	f.is_first = fragment_is_first(ip);
	if (fragment_is_later(ip))
		return front_fragment(skb, cfg, &f);
	at_l4 = c;
	if ((ip->protocol == IPPROTO_SCTP ? l4_parse(&c, ip, &f.l4) : masq_parse(&c, ip, &f.l4)) == 0)
		return front_l4(skb, cfg, &f);
	return front_error(skb, cfg, &f, &at_l4, ip);
}

static __always_inline int is_from_uplink(const struct __sk_buff *skb, const struct ov_config *cfg)
{
	return config_is_ready(cfg) && skb->ifindex == cfg->uplink_ifindex;
}

SEC("tc")
int ov_front(struct __sk_buff *skb)
{
	const struct ov_config *cfg = config_row();
	__u32 bytes = skb->len;
	int verdict;

	watch_enter_tc(skb, cfg, WATCH_FRONT);
	if (!is_from_uplink(skb, cfg)) /* ov_uplink took it already, and jumped here */
		stats_pass(OV_ENTER_FRONT, bytes);
	verdict = decide(skb, cfg);
	if (verdict >= REFUSE(0))
		verdict = refuse(skb, REFUSE_WHY(verdict));
	if (verdict < 0)
		drop_tally(0, 0, OV_DROP_AT_OUTSIDE, verdict, bytes);
	return verdict_exit_tc(skb, cfg, verdict, bytes);
}

char LICENSE[] SEC("license") = "GPL";
