/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packets for tests, composed layer by layer from the outside in:
 *
 *	struct pkt p = pkt_new();
 *	pkt_eth(&p, one.mac, two.mac, ETH_P_IP);
 *	pkt_ipv4(&p, one.ip, two.ip, IPPROTO_UDP);
 *	pkt_udp(&p, 1000, 2000);
 *	pkt_payload(&p, 100);
 *	pkt_finish(&p);            lengths and checksums, innermost first
 *
 * A test that wants a wrong field writes it after pkt_finish. Addresses are in
 * host order here.
 */
#pragma once

#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#define PKT_MAX 3072 /* BPF_PROG_TEST_RUN takes no more than a page, headroom off */
#define PKT_LAYERS_MAX 8

enum pkt_kind { PKT_ETH = 1, PKT_ARP, PKT_IPV4, PKT_UDP, PKT_TCP, PKT_ICMP, PKT_VXLAN };

struct pkt {
	uint8_t data[PKT_MAX];
	size_t len;
	struct {
		enum pkt_kind kind;
		size_t at;
	} layer[PKT_LAYERS_MAX];
	int layers;
};

/* Packed throughout: inside a tunnel nothing is aligned. Fields in network order. */
struct pkt_ipv4 {
	uint8_t ihl : 4, version : 4;
	uint8_t tos;
	uint16_t tot_len, id, frag_off;
	uint8_t ttl, protocol;
	uint16_t check;
	uint32_t saddr, daddr;
} __attribute__((packed));

struct pkt_udp {
	uint16_t source, dest, len, check;
} __attribute__((packed));

struct pkt_tcp {
	uint16_t source, dest;
	uint32_t seq, ack_seq;
	uint8_t reserved : 4, doff : 4;
	uint8_t flags;
	uint16_t window, check, urgent;
} __attribute__((packed));

struct pkt_arp {
	uint16_t hardware, protocol;
	uint8_t hardware_len, protocol_len;
	uint16_t op;
	uint8_t sender_mac[6];
	uint8_t sender_ip[4];
	uint8_t target_mac[6];
	uint8_t target_ip[4];
} __attribute__((packed));

struct pkt_icmp {
	uint8_t type, code;
	uint16_t checksum;
	uint16_t id;  /* unused in errors */
	uint16_t seq; /* next-hop MTU in "fragmentation needed" */
} __attribute__((packed));

struct pkt_vxlan {
	uint8_t flags;
	uint8_t reserved[3];
	uint8_t vni[3];
	uint8_t reserved2;
};

struct pkt pkt_new(void);
void pkt_eth(struct pkt *p, const uint8_t src[6], const uint8_t dst[6], uint16_t type);
void pkt_arp(struct pkt *p, uint16_t op, const uint8_t sender_mac[6], uint32_t sender_ip,
	     uint32_t target_ip);
void pkt_ipv4(struct pkt *p, uint32_t src, uint32_t dst, uint8_t protocol);
/* No-operation options behind the header just added; n is a multiple of 4. */
void pkt_ipv4_options(struct pkt *p, size_t n);
void pkt_udp(struct pkt *p, uint16_t src, uint16_t dst);
void pkt_tcp(struct pkt *p, uint16_t src, uint16_t dst);
void pkt_icmp(struct pkt *p, uint8_t type, uint8_t code, uint16_t id, uint16_t seq);
void pkt_vxlan(struct pkt *p, uint32_t vni);
/* n bytes that differ from one another. */
void pkt_payload(struct pkt *p, size_t n);
void pkt_bytes(struct pkt *p, const void *bytes, size_t n);
void pkt_finish(struct pkt *p);

/* The nth header of that kind, from the outside, from 0; NULL when there are fewer. */
void *pkt_find(struct pkt *p, enum pkt_kind kind, int n);
/* Mends the header checksum after a test changed a field. */
void pkt_ipv4_checksum(struct pkt_ipv4 *ip);

/* RFC 1071; over bytes with a right checksum in place it is 0. */
uint16_t pkt_checksum(const void *bytes, size_t n);
/* Of a UDP or TCP segment with its pseudo header. Addresses as they stand in the header. */
uint16_t pkt_l4_checksum(const struct pkt_ipv4 *ip, const void *l4, size_t n);
