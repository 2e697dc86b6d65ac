/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the UAPI headers lack: constants that live in kernel-only headers, or in
 * headers newer than Debian 12's. No #ifdef on features: programs must load on
 * 6.1 as they are.
 */
#pragma once

#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define AF_INET 2          /* sys/socket.h is not for this target */
#define ERR_EEXIST 17
#define ERR_EALREADY 114   /* asm-generic/errno.h */
#define GSO_BY_FRAGS 0xffff /* include/linux/skbuff.h: sizes are in the fragment list (SCTP) */
#define VLAN_VID_MASK 0x0fff

/* include/net/ip.h */
#define IP_DF 0x4000
#define IP_MF 0x2000
#define IP_OFFSET 0x1fff

/*
 * linux/icmp.h and linux/if_arp.h reach for the C library's socket headers, so
 * what they declare stands here.
 */
struct icmp_header { /* RFC 792, RFC 1191 */
	__u8 type;
	__u8 code;
	__sum16 checksum;
	__be16 unused;
	__be16 mtu;
};
#define ICMP_ECHOREPLY 0
#define ICMP_DEST_UNREACH 3
#define ICMP_PORT_UNREACH 3 /* a code of it */
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETERPROB 12
#define ICMP_FRAG_NEEDED 4
#define ICMP_ECHO 8

struct arp_ipv4 { /* RFC 826 for Ethernet and IPv4 */
	__be16 hardware;
	__be16 protocol;
	__u8 hardware_len;
	__u8 protocol_len;
	__be16 op;
	__u8 sender_mac[6];
	__be32 sender_ip;
	__u8 target_mac[6];
	__be32 target_ip;
} __attribute__((packed, aligned(2)));
#define ARPHRD_ETHER 1
#define ARPOP_REQUEST 1
#define ARPOP_REPLY 2
