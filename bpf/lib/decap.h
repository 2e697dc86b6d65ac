/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a node accepts from the wire, in one place for TC, XDP and the tunnel
 * device: the outer source is a node of the cluster, the VNI exists here, the
 * inner source lives on that very node, and the inner destination lives here.
 *
 * One lookup answers the first three, endpoints[{VNI, inner source}].vtep ==
 * outer source; only a refusal looks further, for its reason.
 */
#pragma once

#include "lib/deliver.h"
#include "lib/ecn.h"
#include "lib/encap.h"
#include "lib/endpoint.h"
#include "lib/mesh.h"
#include "lib/parse.h"
#include "lib/vip_fast.h"
#include "lib/vip_reply.h"

/* All that is read: outer headers without options, and the fixed part of the inner one. */
#define DECAP_LINEAR (sizeof(struct ethhdr) + VXLAN_PUSHED + sizeof(struct iphdr))

struct outer {
	__be32 src;
	__u8 tos;
};

/* Ethernet, IPv4 without options, UDP: where the VXLAN header begins. */
#define OUTER_LEN (sizeof(struct ethhdr) + sizeof(struct iphdr) + sizeof(struct udphdr))

/* Results of outer_parse beside 0 and a negative verdict. */
enum {
	OUTER_FOREIGN = 1, /* not VXLAN to our address and port */
	OUTER_KERNEL,      /* only the kernel's socket can take it: fragments, IP options */
};

/* We take packets from the stack before it checks these (RFC 1122 3.2.1.2, RFC 768). */
static __always_inline int outer_check_lengths(struct cursor *c, __u32 room, const struct iphdr *ip,
					       const struct udphdr *udp)
{
	__u32 ip_len = bpf_ntohs(ip->tot_len);
	__u32 udp_len = bpf_ntohs(udp->len);

	if (ip->version != 4 || ip_len > room || udp_len < sizeof(*udp) ||
	    udp_len + sizeof(*ip) > ip_len || ipv4_checksum(ip) != 0)
		return -OV_DROP_MALFORMED;

	c->left = udp_len - sizeof(*udp);
	return 0;
}

/* Behind IP options there may be VXLAN for the kernel's socket, or anything else. */
static __always_inline int outer_parse_options(struct cursor c, const struct ov_config *cfg,
					       const struct iphdr *ip)
{
	struct udphdr *udp = NULL;

	if (parse_ipv4_options(&c, ip) == 0)
		udp = cursor_take(&c, struct udphdr);
	return udp && udp->dest == cfg->vxlan_port ? OUTER_KERNEL : OUTER_FOREIGN;
}

/* From the Ethernet to the VXLAN header. */
static __always_inline int outer_parse(struct cursor *c, const struct ov_config *cfg,
				       struct outer *ret_outer)
{
	struct ethhdr *eth = cursor_take(c, struct ethhdr);
	__u32 room = c->left;
	struct iphdr *ip = cursor_take(c, struct iphdr);

	if (!eth || !ip || eth->h_proto != bpf_htons(ETH_P_IP) || ip->protocol != IPPROTO_UDP ||
	    !addr_equals_v4(&cfg->vtep, ip->daddr))
		return OUTER_FOREIGN;
	if (ip->frag_off & bpf_htons(IP_OFFSET))
		return OUTER_KERNEL;
	if (ip->ihl != 5)
		return outer_parse_options(*c, cfg, ip);

	struct udphdr *udp = cursor_take(c, struct udphdr);

	if (!udp || udp->dest != cfg->vxlan_port)
		return OUTER_FOREIGN;
	if (ipv4_is_fragment(ip))
		return OUTER_KERNEL;

	*ret_outer = (struct outer){ .src = ip->saddr, .tos = ip->tos };
	return outer_check_lengths(c, room, ip, udp);
}

/*
 * RFC 7348 has receivers ignore reserved bits. We refuse them, as the kernel's
 * vxlan driver does: a set bit means an extension (GPE, group policy, remote
 * checksum) that changes what follows, and our own nodes send none.
 */
static __always_inline int vxlan_parse(struct cursor *c, __u32 *ret_vni)
{
	struct vxlanhdr *vxlan = cursor_take(c, struct vxlanhdr);

	if (!vxlan)
		return -OV_DROP_MALFORMED;
	if (vxlan->flags != bpf_htonl(VXLAN_FLAG_I) || (vxlan->vni & bpf_htonl(0xff)))
		return -OV_DROP_BAD_VXLAN;

	*ret_vni = bpf_ntohl(vxlan->vni) >> 8;
	return 0;
}

struct arrival {
	struct iphdr *ip;
	const struct ov_endpoint *src; /* NULL with DECAP_ARRIVE */
	const struct ov_endpoint *dst; /* NULL with DECAP_RETURN */
	__be32 called;                 /* of DECAP_ARRIVE (lib/mesh.h) */
	__u32 is_direct;
	__u32 is_encrypted;            /* the network is: it may not have come in the clear */
};

/* Results of decap_accept beside 0 and a negative verdict. */
enum {
	DECAP_ARRIVE = 1, /* from a client outside, to a backend here */
	DECAP_RETURN,     /* from a backend elsewhere, to a client outside */
};

/* No packet of a network, but a peer's probe: lib/probe.h. Refused wherever that is not known. */
#define DECAP_PROBE (-OV_FWD_PROBE)

static __always_inline int decap_check_dst(const struct ethhdr *eth, const struct ov_endpoint *dst)
{
	if (!dst)
		return -OV_DROP_UNKNOWN_DST;
	if (!dst->ifindex)
		return -OV_DROP_NOT_LOCAL;
	return mac_equal(eth->h_dest, dst->mac) ? 0 : -OV_DROP_WRONG_DST_MAC;
}

/* A frame whose source MAC says that it came in from outside, at a node of ours. */
static __always_inline int decap_inspect_mesh(const struct ethhdr *eth, __be32 outer_src, __u32 vni,
					      struct arrival *ret)
{
	int verdict;

	if (!peer_lookup_v4(outer_src))
		return -OV_DROP_UNKNOWN_PEER;
	if (mac_is_group(eth->h_dest) || ipv4_is_group(ret->ip->daddr))
		return -OV_DROP_MULTICAST;
	ret->dst = endpoint_lookup_v4(vni, ret->ip->daddr);
	verdict = decap_check_dst(eth, ret->dst);
	if (verdict < 0)
		return verdict;
	if (!(ret->dst->flags & OV_ENDPOINT_PUBLISHED))
		return -OV_DROP_NOT_PUBLISHED;
	ret->is_encrypted = ret->dst->flags & OV_ENDPOINT_ENCRYPTED;
	ret->called = mesh_called(eth->h_source);
	ret->is_direct = mesh_is_direct(eth->h_source);
	return DECAP_ARRIVE;
}

/* c stands at the inner Ethernet header. */
static __always_inline int decap_inspect(struct cursor *c, __be32 outer_src, __u32 vni,
					 struct arrival *ret)
{
	struct ethhdr *eth = cursor_take(c, struct ethhdr);

	if (!eth)
		return -OV_DROP_MALFORMED;
	if (eth->h_proto == bpf_htons(ETH_P_ARP))
		return -OV_DROP_ARP_OTHER;
	if (eth->h_proto != bpf_htons(ETH_P_IP))
		return parse_not_ipv4(eth->h_proto);

	int verdict = parse_ipv4(c, &ret->ip);

	if (verdict < 0)
		return verdict;

	/* A source that lives here never arrives from outside, whatever the outer header says. */
	ret->src = endpoint_lookup_v4(vni, ret->ip->saddr);
	if (!ret->src && mesh_is_marked(eth->h_source))
		return decap_inspect_mesh(eth, outer_src, vni, ret);
	if (!ret->src || ret->src->ifindex || !addr_equals_v4(&ret->src->vtep, outer_src))
		return -OV_DROP_WRONG_PEER;
	if (!mac_equal(eth->h_source, ret->src->mac))
		return -OV_DROP_SPOOFED_MAC;
	ret->is_encrypted = ret->src->flags & OV_ENDPOINT_ENCRYPTED;
	if (mac_is_group(eth->h_dest) || ipv4_is_group(ret->ip->daddr))
		return -OV_DROP_MULTICAST;

	ret->dst = endpoint_lookup_v4(vni, ret->ip->daddr);
	if (!ret->dst && (ret->src->flags & OV_ENDPOINT_PUBLISHED))
		return DECAP_RETURN;
	return decap_check_dst(eth, ret->dst);
}

static __always_inline int decap_accept(struct cursor *c, __be32 outer_src, __u32 vni,
					struct arrival *ret)
{
	int verdict = decap_inspect(c, outer_src, vni, ret);

	if (verdict >= 0)
		return verdict;
	if (!peer_lookup_v4(outer_src))
		return -OV_DROP_UNKNOWN_PEER;
	if (vni == OV_PROBE_VNI)
		return DECAP_PROBE;
	return network_lookup(vni) ? verdict : -OV_DROP_UNKNOWN_VNI;
}

/*
 * Pops the header: what is cut out begins behind the outer Ethernet header, so
 * that one stays and gets the inner addresses.
 */
static __always_inline int decap_pop(struct __sk_buff *skb, const struct arrival *a)
{
	if (bpf_skb_adjust_room(skb, -(__s32)VXLAN_PUSHED, BPF_ADJ_ROOM_MAC,
				BPF_F_ADJ_ROOM_FIXED_GSO))
		return -OV_DROP_DECAP_FAILED;

	struct ethhdr *eth = (void *)(long)skb->data;

	if ((void *)(eth + 1) > (void *)(long)skb->data_end)
		return -OV_DROP_DECAP_FAILED;

	if (!a->src || !a->dst) /* of the world outside: whoever goes on fills them in */
		return 0;
	__builtin_memcpy(eth->h_dest, a->dst->mac, ETH_ALEN);
	__builtin_memcpy(eth->h_source, a->src->mac, ETH_ALEN);
	return 0;
}

/*
 * Popped, and of the world outside (`accepted` is DECAP_*): another program goes on
 * with it. Returns only when it is not there.
 */
static __always_inline int decap_jump(struct __sk_buff *skb, int accepted, const struct arrival *a,
				      __u32 vni, __be32 node, __u32 bytes)
{
	skb->cb[CB_BYTES] = bytes;
	skb->cb[CB_VNI] = vni;
	skb->cb[CB_VIA] = a->is_direct ? a->called : node;
	skb->cb[CB_NODE] = node;
	skb->cb[CB_DIRECT] = a->is_direct;
	bpf_tail_call(skb, &calls, accepted == DECAP_ARRIVE ? OV_CALL_ARRIVE : OV_CALL_RETURN);
	return -OV_DROP_NOT_READY;
}

/* The frame is the inner one now. A backend's answer to a call to its VIP comes from the VIP. */
static __always_inline int decap_restore_vip(struct __sk_buff *skb, const struct arrival *a,
					     __u32 vni)
{
	struct reply r = { .vni = vni, .incarnation = a->src->incarnation };
	int verdict;

	if (!(a->src->flags & OV_ENDPOINT_BACKEND))
		return 0;
	verdict = vip_reply_plain(skb, vni, a->src->incarnation, &a->src->service);
	if (verdict != VIP_GENERAL)
		return verdict;
	addr_copy(&r.vip, &a->src->service);
	return vip_reply(skb, &r);
}
