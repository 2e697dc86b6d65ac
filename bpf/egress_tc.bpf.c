// SPDX-License-Identifier: GPL-2.0
/*
 * What an endpoint sends out of the overlay; jumped to by ov_endpoint, which has checked
 * who sends it. Of a backend, the answers to clients outside; of anybody, traffic of its
 * own, in this node's name (lib/masq.h).
 */
#include "lib/compat.h"
#include "lib/config.h"
#include "lib/icmp.h"
#include "lib/masq.h"
#include "lib/mesh_reply.h"
#include "lib/policy.h"
#include "lib/publish.h"
#include "lib/reset.h"
#include "lib/size.h"
#include "lib/verdict.h"

struct way { /* out of this host */
	__u32 ifindex;
	__be32 from;     /* this node's address there */
	__be32 next_hop;
	const struct ov_published *row; /* to a port of this host: whose it is */
};

struct egress { /* a packet that leaves */
	struct l4 l4;
	__be32 src, dst;
	__u8 is_first; /* fragment */
};

/*
 * The kernel routes as if the packet came from our tunnel device, the one device for
 * which forwarding is switched on: so the host need not be a router.
 */
static __noinline int way_by_route(const struct ov_config *cfg, const struct egress *e,
				   struct __sk_buff *skb, struct way *ret)
{
	struct bpf_fib_lookup fib = { .family = AF_INET };
	const struct ov_link *link;
	struct ov_link_key k;
	long r;

	if (!cfg || !e || !ret)
		return -OV_DROP_NO_ROUTE;
	fib.ifindex = cfg->tunnel_ifindex;
	fib.ipv4_dst = e->dst;
	r = bpf_fib_lookup(skb, &fib, sizeof(fib), 0);
	if (r != BPF_FIB_LKUP_RET_SUCCESS && r != BPF_FIB_LKUP_RET_NO_NEIGH)
		return -OV_DROP_NO_ROUTE;
	k.ifindex = fib.ifindex;
	link = bpf_map_lookup_elem(&links, &k);
	if (!link)
		return -OV_DROP_NO_ROUTE;
	ret->ifindex = fib.ifindex;
	ret->from = addr_v4(&link->addr);
	ret->next_hop = fib.ipv4_dst; /* the gateway's, if there is one */
	return 0;
}

/* To this host a container may speak only where a port is published. */
static __always_inline int way_to_host(const struct ov_config *cfg, const struct egress *e,
				       struct way *ret)
{
	struct ov_published_key pk;

	ret->row = publish_find(&pk, e->dst, e->l4.dport, e->l4.protocol);
	if (!ret->row)
		return -OV_DROP_HOST;
	ret->ifindex = LOOPBACK_IFINDEX;
	ret->from = addr_v4(&cfg->vtep);
	return 0;
}

static __always_inline int go_by(struct __sk_buff *skb, const struct way *way)
{
	struct bpf_redir_neigh hop = { .nh_family = AF_INET, .ipv4_nh = way->next_hop };

	if (way->ifindex == LOOPBACK_IFINDEX)
		return loopback_send(skb);
	bpf_redirect_neigh(way->ifindex, &hop, sizeof(hop), 0);
	return OV_FWD_OUTSIDE;
}

/* What later fragments will be like: the packet's addresses as it leaves. */
static __always_inline void masquerade_remember(struct __sk_buff *skb, const struct ov_device *dev,
						__be32 from)
{
	struct cursor c = cursor_skb(skb);
	struct iphdr *ip;

	if (cursor_take(&c, struct ethhdr) && parse_ipv4(&c, &ip) == 0)
		fragment_remember(dev->vni, ip, from, ip->daddr);
}

static __noinline int masquerade(struct __sk_buff *skb, const struct ov_config *cfg,
				 const struct ov_device *dev, const struct egress *e,
				 const struct way *way)
{
	struct masq_scratch *s;
	__u32 zero = 0;
	int verdict;

	s = bpf_map_lookup_elem(&masq_scratch, &zero);
	if (!s || !e || !way || !dev || !cfg)
		return -OV_DROP_NOT_READY;
	s->key = (struct ov_masq_key){ .remote_port = e->l4.dport, .protocol = e->l4.protocol };
	addr_set_v4(&s->key.remote, e->dst);
	s->fresh = (struct ov_masq){ .vni = dev->vni, .incarnation = dev->incarnation,
				     .inside_port = e->l4.sport };
	addr_copy(&s->fresh.inside, &dev->addr);
	addr_set_v4(&s->fresh.outside, way->from);
	s->flow.protocol = 0;
	if (way->row)
		masq_fill_flow(s, way->row);
	verdict = masq_port(cfg, e->l4.event);
	if (verdict < 0)
		return verdict;

	struct end from = { e->src, e->l4.sport };
	struct end to = { addr_v4(&s->fresh.outside), s->key.port };

	if (e->is_first)
		masquerade_remember(skb, dev, to.addr);
	return masq_rewrite(skb, &e->l4, SIDE_SRC, &from, &to);
}

/*
 * In its node's name a container could send what passes for the node's own VXLAN. Any
 * later fragment of such a datagram finds no first one.
 */
static __always_inline int is_vxlan(const struct ov_config *cfg, const struct l4 *l4)
{
	return l4->protocol == IPPROTO_UDP && l4->dport == cfg->vxlan_port;
}

static __noinline int go_out(struct __sk_buff *skb, const struct ov_config *cfg,
				  const struct ov_device *dev, const struct egress *e)
{
	struct way way = {};
	int verdict;

	if (!cfg || !dev || !e)
		return -OV_DROP_NOT_READY;
	if (is_vxlan(cfg, &e->l4))
		return -OV_DROP_MASQ_PROTOCOL;
	if (own_address(e->dst))
		verdict = way_to_host(cfg, e, &way);
	else
		verdict = way_by_route(cfg, e, skb, &way);
	if (verdict == 0)
		verdict = masquerade(skb, cfg, dev, e, &way);
	return verdict < 0 ? verdict : go_by(skb, &way);
}

/* Later fragments have no port: they leave as the first one did. */
static __noinline int go_out_fragment(struct __sk_buff *skb, const struct ov_config *cfg,
				      const struct ov_device *dev, const struct egress *e)
{
	struct cursor c = cursor_skb(skb);
	const struct ov_fragment *f;
	struct way way = {};
	struct iphdr *ip;
	int verdict = 0;

	if (!cfg || !dev || !e || !cursor_take(&c, struct ethhdr) || parse_ipv4(&c, &ip) < 0)
		return -OV_DROP_MALFORMED;
	f = fragment_find(dev->vni, ip);
	if (!f)
		return -OV_DROP_FRAGMENT;
	if (own_address(e->dst))
		way.ifindex = LOOPBACK_IFINDEX; /* the first one was let through */
	else
		verdict = way_by_route(cfg, e, skb, &way);
	if (verdict < 0)
		return verdict;
	if (nat_ipv4(skb, sizeof(struct ethhdr), SIDE_SRC, addr_v4(&f->src)) < 0)
		return -OV_DROP_NAT_FAILED;
	return go_by(skb, &way);
}

static __noinline int reply_to_outside(struct __sk_buff *skb, const struct ov_config *cfg,
				       const struct ov_device *dev)
{
	struct reply r = {};

	if (!cfg || !dev || !(dev->flags & OV_ENDPOINT_PUBLISHED))
		return MESH_NOT_OURS;
	r.vni = dev->vni;
	r.incarnation = dev->incarnation;
	addr_copy(&r.vip, &dev->service);
	return mesh_reply(skb, cfg, &r);
}

#define EGRESS_FRAGMENT 1 /* beside 0 and negative verdicts */

static __always_inline int egress_parse(struct cursor *c, const struct iphdr *ip, struct egress *ret)
{
	ret->src = ip->saddr;
	ret->dst = ip->daddr;
	ret->is_first = fragment_is_first(ip);
	if (fragment_is_later(ip))
		return EGRESS_FRAGMENT;
	return masq_parse(c, ip, &ret->l4);
}

static __always_inline int decide(struct __sk_buff *skb, const struct ov_config *cfg)
{
	const struct ov_device *dev = device_lookup(skb->ifindex);
	const struct ov_network *net = dev ? network_lookup(dev->vni) : NULL;
	struct cursor c = cursor_skb(skb);
	struct egress e = {};
	struct iphdr *ip;
	int size, verdict;

	if (!config_is_ready(cfg) || !net)
		return -OV_DROP_NOT_READY;
	if (!cursor_take(&c, struct ethhdr) || parse_ipv4(&c, &ip) < 0)
		return -OV_DROP_MALFORMED;
	size = packet_size(skb, &c, ip);
	if (size < 0)
		return size;
	if (size > dev->mtu)
		return icmp_answer_too_big(skb, &c, ip, dev);
	verdict = egress_parse(&c, ip, &e);
	if (dev->flags & OV_ENDPOINT_POLICY) {
		int judged = policy_check(skb, dev->vni, dev->incarnation, POLICY_SENDER);

		if (judged)
			return judged;
	}

	int reply = reply_to_outside(skb, cfg, dev);

	if (reply != MESH_NOT_OURS)
		return reply;
	if (net->flags & OV_NETWORK_INTERNAL)
		return -OV_DROP_INTERNAL;
	if (verdict == EGRESS_FRAGMENT)
		return go_out_fragment(skb, cfg, dev, &e);
	return verdict < 0 ? verdict : go_out(skb, cfg, dev, &e);
}

SEC("tc")
int ov_egress(struct __sk_buff *skb)
{
	const struct ov_config *cfg = config_row();
	__u32 bytes = skb->len;
	int verdict = decide(skb, cfg);

	if (verdict == POLICY_CUT)
		verdict = reset_answer(skb, OV_DROP_POLICY) < 0 ? -OV_DROP_POLICY : OV_FWD_CUT;
	if (verdict < 0)
		drop_tally(0, skb->ifindex, OV_DROP_AT_ENDPOINT, verdict, bytes);
	return verdict_exit_tc(skb, cfg, verdict, bytes);
}

char LICENSE[] SEC("license") = "GPL";
