/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A cursor over a packet, the same for TC and XDP.
 *
 *        pos                end
 *   ------|==================|- - - - - - -     linear bytes, what we may touch
 *         |<------------- left ----------->|    bytes the headers so far promise
 *
 * `left` counts bytes that are not linear, and shrinks when an enclosing length
 * field says less than the frame has. Parsers return 0 or a negative verdict and
 * move the cursor behind what they parsed.
 */
#pragma once

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>

#include "lib/compat.h"
#include "maps/verdict.h"

#define IPV4_HEADER_MAX 60
#define TCP_HEADER_MIN 20

struct cursor {
	void *pos;
	void *end;
	__u32 left;
};

static __always_inline void *cursor_take_bytes(struct cursor *c, __u32 size)
{
	void *at = c->pos;

	if (at + size > c->end || c->left < size)
		return NULL;

	c->pos = at + size;
	c->left -= size;
	return at;
}

#define cursor_take(c, type) ((type *)cursor_take_bytes(c, sizeof(type)))

static __always_inline struct cursor cursor_skb(struct __sk_buff *skb)
{
	return (struct cursor){
		.pos = (void *)(long)skb->data,
		.end = (void *)(long)skb->data_end,
		.left = skb->len,
	};
}

/* Makes the first `want` bytes (or all there are) linear. Packet pointers die. */
static __always_inline void skb_make_linear(struct __sk_buff *skb, __u32 want)
{
	if (want > skb->len)
		want = skb->len;
	if ((void *)(long)skb->data + want > (void *)(long)skb->data_end)
		bpf_skb_pull_data(skb, want); /* on failure the parser finds too little */
}

/* A tag the hardware or the stack took out of the frame; priority tags (VID 0) don't count. */
static __always_inline int skb_is_vlan_tagged(struct __sk_buff *skb)
{
	return skb->vlan_present && (skb->vlan_tci & VLAN_VID_MASK);
}

static __always_inline int mac_equal(const __u8 *a, const __u8 *b)
{
	return !((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]) | (a[4] ^ b[4]) |
		 (a[5] ^ b[5]));
}

static __always_inline int mac_is_group(const __u8 *mac)
{
	return mac[0] & 1;
}

static __always_inline int ipv4_is_group(__be32 addr)
{
	return (addr & bpf_htonl(0xf0000000)) == bpf_htonl(0xe0000000) || addr == bpf_htonl(~0u);
}

static __always_inline int ipv4_is_loopback(__be32 addr)
{
	return (addr & bpf_htonl(0xff000000)) == bpf_htonl(0x7f000000);
}

/* "This host on this network", RFC 1122 3.2.1.3: no destination. */
static __always_inline int ipv4_is_this(__be32 addr)
{
	return !(addr & bpf_htonl(0xff000000));
}

static __always_inline int ipv4_is_fragment(const struct iphdr *ip)
{
	return (ip->frag_off & bpf_htons(IP_MF | IP_OFFSET)) != 0;
}

/* Of a header without options; over a header with its checksum in place it is 0. */
static __always_inline __u16 ipv4_checksum(const void *ip)
{
	const __u16 *w = ip;
	__u32 sum = 0;

#pragma unroll
	for (int i = 0; i < 10; i++)
		sum += w[i];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static __always_inline int parse_ipv4(struct cursor *c, struct iphdr **ret_ip)
{
	__u32 room = c->left;
	struct iphdr *ip = cursor_take(c, struct iphdr);

	if (!ip || ip->version != 4 || ip->ihl < 5)
		return -OV_DROP_MALFORMED;

	__u32 total = bpf_ntohs(ip->tot_len);

	if (total < ip->ihl * 4u || total > room)
		return -OV_DROP_MALFORMED;

	c->left = total - sizeof(*ip); /* less than this is Ethernet padding */
	*ret_ip = ip;
	return 0;
}

/*
 * Moves behind the options of the header just parsed. The verifier (6.18, clang
 * 19) has lost that ihl is 5 or more by the time it is used; the barrier keeps
 * the compiler, which has not, from dropping the mask that says it again.
 */
static __always_inline int parse_ipv4_options(struct cursor *c, const struct iphdr *ip)
{
	__u64 options = (ip->ihl - 5) * 4;

	asm volatile("" : "+r"(options));
	options &= 0x3c;
	return cursor_take_bytes(c, options) ? 0 : -OV_DROP_MALFORMED;
}

/* Why an inner frame that is not IPv4 is refused. ARP is the caller's business. */
static __always_inline int parse_not_ipv4(__be16 proto)
{
	return proto == bpf_htons(ETH_P_IPV6) ? -OV_DROP_IPV6 : -OV_DROP_NOT_IP;
}
