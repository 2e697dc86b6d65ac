/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Putting a frame into VXLAN (RFC 7348) and sending it to the node that has the
 * destination.
 *
 *   | Ethernet | IPv4 | UDP | VXLAN | Ethernet | IPv4 ...
 *    by neigh   20     8     8       14 as sent   as sent
 *               `------- pushed: 50 ---------'
 */
#pragma once

#include "lib/endpoint.h"
#include "lib/parse.h"
#include "lib/peer_drop.h"
#include "maps/ipsec.h"

struct vxlanhdr {
	__be32 flags;
	__be32 vni; /* 24 bits, then 8 reserved */
};

/* What is pushed before the inner Ethernet header. */
struct vxlan_headers {
	struct iphdr ip;
	struct udphdr udp;
	struct vxlanhdr vxlan;
};

#define VXLAN_PUSHED (sizeof(struct vxlan_headers) + sizeof(struct ethhdr))
_Static_assert(VXLAN_PUSHED == 50, "RFC 7348: IPv4, UDP, VXLAN and an Ethernet header");

#define VXLAN_FLAG_I 0x08000000 /* RFC 7348 section 5 */
#define OUTER_TTL 64
#define SOURCE_PORT_FIRST 49152 /* RFC 7348 section 5, RFC 6335: the dynamic ports */
#define SOURCE_PORT_SHIFT 18    /* leaves 14 bits of the hash: 49152..65535 */

/*
 * The inner Ethernet header is 14 bytes here, not VXLAN's 22: the kernel takes
 * the inner MAC header to stand that far before the inner IP header, and drops
 * segmented packets when it does not.
 */
#define ENCAP_FLAGS                                                                           \
	(BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_ENCAP_L4_UDP | \
	 BPF_F_ADJ_ROOM_ENCAP_L2_ETH | BPF_F_ADJ_ROOM_ENCAP_L2(sizeof(struct ethhdr)))

struct encap {
	__be32 local;
	__be32 remote;
	__be32 next_hop;
	__u32 vni;
	__be16 port;
	__u8 may_fragment; /* the outer packet, by the kernel's tunnel device */
	__u8 is_encrypted; /* by XFRM, to which the tunnel device's packets come and no redirect's */
	__u8 tos; /* of the inner packet: DSCP and ECN are copied (RFC 2983, RFC 6040) */
};

static __always_inline void encap_fill(struct vxlan_headers *h, const struct encap *e, __u16 ip_len,
				       __u32 hash)
{
	h->ip = (struct iphdr){
		.version = 4,
		.ihl = 5,
		.tos = e->tos,
		.tot_len = bpf_htons(ip_len),
		.frag_off = bpf_htons(IP_DF), /* the inner packet was measured already */
		.ttl = OUTER_TTL,
		.protocol = IPPROTO_UDP,
		.saddr = e->local,
		.daddr = e->remote,
	};
	h->ip.check = ipv4_checksum(&h->ip);
	/* RFC 7348: a zero UDP checksum is allowed, and what the inner one protects is all. */
	h->udp = (struct udphdr){
		.source = bpf_htons(SOURCE_PORT_FIRST + (hash >> SOURCE_PORT_SHIFT)),
		.dest = e->port,
		.len = bpf_htons(ip_len - sizeof(h->ip)),
	};
	h->vxlan = (struct vxlanhdr){
		.flags = bpf_htonl(VXLAN_FLAG_I),
		.vni = bpf_htonl(e->vni << 8),
	};
}

/* By the kernel's own tunnel device: what it must segment as VXLAN does itself. */
static __always_inline int encap_by_tunnel(struct __sk_buff *skb, const struct ov_config *cfg,
					   const struct encap *e)
{
	struct bpf_tunnel_key key = {
		.tunnel_id = e->vni,
		.remote_ipv4 = bpf_ntohl(e->remote),
		.local_ipv4 = bpf_ntohl(e->local),
		.tunnel_tos = e->tos,
		.tunnel_ttl = OUTER_TTL,
	};

	__u64 df = e->may_fragment ? 0 : BPF_F_DONT_FRAGMENT;

	if (bpf_skb_set_tunnel_key(skb, &key, sizeof(key), BPF_F_ZERO_CSUM_TX | df))
		return -OV_DROP_ENCAP_FAILED;

	bpf_redirect(cfg->tunnel_ifindex, 0);
	return OV_FWD_TUNNEL;
}

/* The mark chooses the policy, and the inner flow the lane: a flow stays in order. */
static __always_inline int encap_by_ipsec(struct __sk_buff *skb, const struct ov_config *cfg,
					  const struct encap *e)
{
	int verdict;

	skb->mark = OV_IPSEC_MARK | (bpf_get_hash_recalc(skb) & OV_SPI_LANE_MASK);
	verdict = encap_by_tunnel(skb, cfg, e);
	return verdict < 0 ? verdict : OV_FWD_ENCRYPT;
}

/*
 * Pushes the header and sends to the next hop. A packet that is a tunnel's
 * already (the container runs one, or routes what another network delivered) is
 * refused with EALREADY, because an skb knows one level; the tunnel device
 * segments it first.
 */
static __always_inline int encap_by_push(struct __sk_buff *skb, const struct ov_config *cfg,
					 const struct encap *e)
{
	__u32 hash = bpf_get_hash_recalc(skb); /* before the push: of the inner flow */
	__u32 ip_len = skb->len - sizeof(struct ethhdr) + VXLAN_PUSHED;

	if (ip_len > 0xffff)
		return -OV_DROP_TOO_BIG;

	long err = bpf_skb_adjust_room(skb, VXLAN_PUSHED, BPF_ADJ_ROOM_MAC, ENCAP_FLAGS);

	if (err == -ERR_EALREADY)
		return encap_by_tunnel(skb, cfg, e);
	if (err)
		return -OV_DROP_ENCAP_FAILED;

	struct ethhdr *outer = (void *)(long)skb->data; /* the push moved the inner one here */
	struct vxlan_headers *headers = (void *)(outer + 1);
	struct ethhdr *inner = (void *)(headers + 1);

	if ((void *)(inner + 1) > (void *)(long)skb->data_end)
		return -OV_DROP_ENCAP_FAILED;

	*inner = *outer;
	encap_fill(headers, e, ip_len, hash);

	struct bpf_redir_neigh hop = { .nh_family = AF_INET, .ipv4_nh = e->next_hop };

	bpf_redirect_neigh(cfg->uplink_ifindex, &hop, sizeof(hop), 0);
	return OV_FWD_ENCAP;
}

/*
 * Super-packets other than TCP (UDP_SEGMENT, SCTP) go through the tunnel device:
 * after a pop they would still be marked as a tunnel's, and the receiving socket
 * could not cut them up again.
 */
static __always_inline int encap_needs_tunnel(struct __sk_buff *skb, __u8 protocol)
{
	return skb->gso_size && protocol != IPPROTO_TCP;
}

/* The way to the node that has dst. 0 or a negative verdict. */
static __always_inline int encap_route(const struct ov_config *cfg, const struct ov_endpoint *dst,
				       __u32 vni, __u8 tos, struct encap *ret)
{
	const struct ov_peer *peer = peer_lookup(&dst->vtep);

	if (!peer || !addr_is_mapped(&dst->vtep) || !addr_is_mapped(&peer->next_hop))
		return -OV_DROP_NO_PEER;
	if ((dst->flags & OV_ENDPOINT_ENCRYPTED) && !(peer->flags & OV_PEER_ENCRYPTED))
		return -OV_DROP_NO_SA;

	*ret = (struct encap){
		.local = addr_v4(&cfg->vtep),
		.remote = addr_v4(&dst->vtep),
		.next_hop = addr_v4(&peer->next_hop),
		.vni = vni,
		.port = cfg->vxlan_port,
		.tos = tos,
		.is_encrypted = !!(dst->flags & OV_ENDPOINT_ENCRYPTED),
	};
	return 0;
}

static __always_inline int encap_send(struct __sk_buff *skb, const struct ov_config *cfg,
				      const struct ov_endpoint *dst, __u32 vni, __u8 protocol,
				      __u8 tos)
{
	struct encap e;
	int verdict = encap_route(cfg, dst, vni, tos, &e);

	if (verdict < 0)
		return peer_drop(skb, addr_v4(&dst->vtep), verdict);
	if (e.is_encrypted)
		return encap_by_ipsec(skb, cfg, &e);
	if (encap_needs_tunnel(skb, protocol))
		return encap_by_tunnel(skb, cfg, &e);
	return encap_by_push(skb, cfg, &e);
}

/* What is too large for the overlay and may be fragmented: the outer packet is. */
static __always_inline int encap_send_in_fragments(struct __sk_buff *skb, const struct ov_config *cfg,
						   const struct ov_endpoint *dst, __u32 vni, __u8 tos)
{
	struct encap e;
	int verdict = encap_route(cfg, dst, vni, tos, &e);

	if (verdict < 0)
		return verdict;
	e.may_fragment = 1;
	return e.is_encrypted ? encap_by_ipsec(skb, cfg, &e) : encap_by_tunnel(skb, cfg, &e);
}
