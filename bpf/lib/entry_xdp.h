/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Calls to published ports whose backend is on another node, in XDP: rewritten,
 * encapsulated, and sent back out by the uplink, before the kernel makes an skb of them.
 *
 * Only what is plain: whole TCP and UDP packets without IP options that need no word to
 * their sender, to a node whose next hop's MAC is known, on a network that is not
 * encrypted. All else is left to ov_front, which decides the same again; what this has
 * done to the flow until then does not change that.
 *
 * Sums are mended by the difference, so they must be complete: where a driver hands over
 * packets whose sum is still to be made (veth), this stays off (OV_CONFIG_XDP_ENTRY).
 */
#pragma once

#include "lib/encap.h"
#include "lib/entry.h"
#include "lib/mesh.h"

static __always_inline struct cursor cursor_xdp(struct xdp_md *xdp)
{
	return (struct cursor){
		.pos = (void *)(long)xdp->data,
		.end = (void *)(long)xdp->data_end,
		.left = bpf_xdp_get_buff_len(xdp),
	};
}

/* 0 when it is plain. */
static __always_inline int entry_xdp_parse(struct xdp_md *xdp, struct front *f)
{
	struct cursor c = cursor_xdp(xdp);
	struct ethhdr *eth = cursor_take(&c, struct ethhdr);
	struct iphdr *ip;

	if (!eth || eth->h_proto != bpf_htons(ETH_P_IP) || mac_is_group(eth->h_dest) ||
	    parse_ipv4(&c, &ip) < 0)
		return -1;
	if (ip->ihl != 5 || ipv4_is_fragment(ip) || ip->protocol == IPPROTO_SCTP)
		return -1;
	f->src = ip->saddr;
	f->dst = ip->daddr;
	f->tos = ip->tos;
	return l4_parse(&c, ip, &f->l4);
}

/*
 * The MACs to the next hop, if it is reached by the uplink, and the frame was for this
 * host. The route is asked for as if from the tunnel device, where alone forwarding is on.
 */
static __always_inline int entry_xdp_hop(struct xdp_md *xdp, const struct ov_config *cfg,
					 const struct encap *e, struct bpf_fib_lookup *fib)
{
	struct ethhdr *eth = (void *)(long)xdp->data;

	fib->family = AF_INET;
	fib->ifindex = cfg->tunnel_ifindex;
	fib->ipv4_src = e->local;
	fib->ipv4_dst = e->next_hop;
	if (bpf_fib_lookup(xdp, fib, sizeof(*fib), 0) != BPF_FIB_LKUP_RET_SUCCESS ||
	    fib->ifindex != cfg->uplink_ifindex || (void *)(eth + 1) > (void *)(long)xdp->data_end)
		return -1;
	return mac_equal(eth->h_dest, fib->smac) ? 0 : -1;
}

static __always_inline __u16 entry_xdp_sum(__u16 check, const struct front *f, const struct end *to)
{
	check = csum_replace(check, f->dst, to->addr);
	return csum_replace(check, f->l4.dport, to->port);
}

/* The destination becomes the backend's. */
static __always_inline int entry_xdp_nat(struct cursor *c, const struct front *f, const struct end *to)
{
	struct iphdr *ip = cursor_take(c, struct iphdr);
	struct tcphdr *tcp;
	struct udphdr *udp;

	if (!ip)
		return -OV_DROP_NAT_FAILED;
	ip->check = csum_replace(ip->check, f->dst, to->addr);
	ip->daddr = to->addr;
	if (f->l4.protocol == IPPROTO_TCP) {
		tcp = cursor_take(c, struct tcphdr);
		if (!tcp)
			return -OV_DROP_NAT_FAILED;
		tcp->check = entry_xdp_sum(tcp->check, f, to);
		tcp->dest = to->port;
		return 0;
	}
	udp = cursor_take(c, struct udphdr);
	if (!udp)
		return -OV_DROP_NAT_FAILED;
	if (udp->check) { /* 0: none was made; a sum of 0 is written as its complement */
		udp->check = entry_xdp_sum(udp->check, f, to);
		if (!udp->check)
			udp->check = 0xffff;
	}
	udp->dest = to->port;
	return 0;
}

struct departure {
	struct encap e;
	struct bpf_fib_lookup fib;
	struct end to;
	__u8 mac[ETH_ALEN]; /* the backend's */
	__u8 kind;          /* MESH_BACK or MESH_DIRECT */
	__u32 hash;
};

/* The frame has grown by VXLAN_PUSHED bytes at its head. */
static __always_inline int entry_xdp_write(struct xdp_md *xdp, const struct front *f,
					   const struct departure *d)
{
	struct cursor c = cursor_xdp(xdp);
	__u32 ip_len = c.left - sizeof(struct ethhdr);
	struct ethhdr *outer = cursor_take(&c, struct ethhdr);
	struct vxlan_headers *headers = cursor_take(&c, struct vxlan_headers);
	struct ethhdr *inner = cursor_take(&c, struct ethhdr);

	if (!outer || !headers || !inner)
		return -OV_DROP_ENCAP_FAILED;
	__builtin_memcpy(outer->h_source, d->fib.smac, ETH_ALEN);
	__builtin_memcpy(outer->h_dest, d->fib.dmac, ETH_ALEN);
	outer->h_proto = bpf_htons(ETH_P_IP);
	encap_fill(headers, &d->e, ip_len, d->hash);
	mesh_mac(inner->h_source, d->kind, f->dst);
	__builtin_memcpy(inner->h_dest, d->mac, ETH_ALEN);
	return entry_xdp_nat(&c, f, &d->to);
}

/* OV_FWD_ENCAP and the frame is on its way, or VERDICT_LEAVE and it is as it was. */
static __noinline int entry_xdp_send(struct xdp_md *xdp, const struct ov_config *cfg, struct front *f,
				     struct target *t, __u32 vni)
{
	struct departure d = { .kind = f && f->is_direct ? MESH_DIRECT : MESH_BACK };
	struct vip_scratch *scratch;
	__u32 zero = 0;
	int verdict;

	scratch = bpf_map_lookup_elem(&vip_scratch, &zero);
	if (!cfg || !f || !t || !t->ep || !scratch)
		return VERDICT_LEAVE;
	if (encap_route(cfg, t->ep, vni, f->tos, &d.e) < 0 || d.e.is_encrypted ||
	    entry_xdp_hop(xdp, cfg, &d.e, &d.fib))
		return VERDICT_LEAVE;
	d.to = t->to;
	if (f->is_direct) /* the backend's node will see to it */
		d.to.port = f->l4.dport;
	d.hash = ov_flow_hash(&scratch->wish.key);
	__builtin_memcpy(d.mac, t->ep->mac, ETH_ALEN);
	if (bpf_xdp_adjust_head(xdp, -(int)VXLAN_PUSHED))
		return VERDICT_LEAVE; /* the driver has no room there */
	verdict = entry_xdp_write(xdp, f, &d);
	return verdict < 0 ? verdict : OV_FWD_ENCAP;
}

static __always_inline int entry_xdp(struct xdp_md *xdp, const struct ov_config *cfg)
{
	const struct ov_published *row;
	const struct ov_network *net;
	struct ov_published_key pk;
	struct target t = {};
	struct front f = {};
	int verdict;

	if (entry_xdp_parse(xdp, &f))
		return VERDICT_LEAVE;
	row = publish_find(&pk, f.dst, f.l4.dport, f.l4.protocol);
	if (!row || (row->flags & OV_PUBLISHED_LOCAL) || !own_address(f.dst) || is_spoofed(&f) ||
	    (f.l4.protocol == IPPROTO_UDP && f.l4.sport == cfg->vxlan_port))
		return VERDICT_LEAVE;
	net = network_lookup(row->vni);
	if (!net || network_has_v4(net, f.src) || bpf_xdp_get_buff_len(xdp) - sizeof(struct ethhdr) > net->mtu)
		return VERDICT_LEAVE;
	verdict = entry_choose(&f, &pk, row, &t);
	if (verdict < 0)
		return verdict;
	if (verdict || !t.ep || t.ep->ifindex) /* its sender is to be told; or it is here */
		return VERDICT_LEAVE;
	return entry_xdp_send(xdp, cfg, &f, &t, row->vni);
}
