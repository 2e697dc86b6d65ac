// SPDX-License-Identifier: GPL-2.0-or-later
#include "pkt.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

struct pkt pkt_new(void)
{
	return (struct pkt){ 0 };
}

static void *push(struct pkt *p, size_t n)
{
	if (p->len + n > sizeof(p->data))
		abort(); /* a test that wants more has to raise PKT_MAX */

	void *at = p->data + p->len;

	memset(at, 0, n);
	p->len += n;
	return at;
}

static void *push_layer(struct pkt *p, enum pkt_kind kind, size_t n)
{
	if (p->layers == PKT_LAYERS_MAX)
		abort();

	p->layer[p->layers].kind = kind;
	p->layer[p->layers++].at = p->len;
	return push(p, n);
}

void pkt_eth(struct pkt *p, const uint8_t src[6], const uint8_t dst[6], uint16_t type)
{
	struct ethhdr *eth = push_layer(p, PKT_ETH, sizeof(*eth));

	memcpy(eth->h_source, src, 6);
	memcpy(eth->h_dest, dst, 6);
	eth->h_proto = htons(type);
}

void pkt_arp(struct pkt *p, uint16_t op, const uint8_t sender_mac[6], uint32_t sender_ip,
	     uint32_t target_ip)
{
	struct pkt_arp *arp = push_layer(p, PKT_ARP, sizeof(*arp));
	uint32_t sender = htonl(sender_ip), target = htonl(target_ip);

	arp->hardware = htons(1);
	arp->protocol = htons(ETH_P_IP);
	arp->hardware_len = 6;
	arp->protocol_len = 4;
	arp->op = htons(op);
	memcpy(arp->sender_mac, sender_mac, 6);
	memcpy(arp->sender_ip, &sender, 4);
	memcpy(arp->target_ip, &target, 4);
}

void pkt_ipv4(struct pkt *p, uint32_t src, uint32_t dst, uint8_t protocol)
{
	struct pkt_ipv4 *ip = push_layer(p, PKT_IPV4, sizeof(*ip));

	ip->version = 4;
	ip->ihl = 5;
	ip->ttl = 61; /* nobody's default, so that a copied TTL shows */
	ip->id = htons(0x1234);
	ip->protocol = protocol;
	ip->saddr = htonl(src);
	ip->daddr = htonl(dst);
}

void pkt_ipv4_options(struct pkt *p, size_t n)
{
	struct pkt_ipv4 *ip = (void *)(p->data + p->layer[p->layers - 1].at);

	memset(push(p, n), 1, n);
	ip->ihl += n / 4;
}

void pkt_udp(struct pkt *p, uint16_t src, uint16_t dst)
{
	struct pkt_udp *udp = push_layer(p, PKT_UDP, sizeof(*udp));

	udp->source = htons(src);
	udp->dest = htons(dst);
}

void pkt_tcp(struct pkt *p, uint16_t src, uint16_t dst)
{
	struct pkt_tcp *tcp = push_layer(p, PKT_TCP, sizeof(*tcp));

	tcp->source = htons(src);
	tcp->dest = htons(dst);
	tcp->doff = 5;
	tcp->flags = 0x10; /* ACK */
	tcp->window = htons(1000);
}

void pkt_icmp(struct pkt *p, uint8_t type, uint8_t code, uint16_t id, uint16_t seq)
{
	struct pkt_icmp *icmp = push_layer(p, PKT_ICMP, sizeof(*icmp));

	icmp->type = type;
	icmp->code = code;
	icmp->id = htons(id);
	icmp->seq = htons(seq);
}

void pkt_vxlan(struct pkt *p, uint32_t vni)
{
	struct pkt_vxlan *v = push_layer(p, PKT_VXLAN, sizeof(*v));

	v->flags = 0x08;
	v->vni[0] = vni >> 16;
	v->vni[1] = vni >> 8;
	v->vni[2] = vni;
}

void pkt_payload(struct pkt *p, size_t n)
{
	uint8_t *at = push(p, n);

	for (size_t i = 0; i < n; i++)
		at[i] = (uint8_t)(i * 7 + (i >> 8) + 1);
}

void pkt_bytes(struct pkt *p, const void *bytes, size_t n)
{
	memcpy(push(p, n), bytes, n);
}

static uint32_t sum_bytes(const void *bytes, size_t n, uint32_t sum)
{
	const uint8_t *b = bytes;

	for (size_t i = 0; i + 1 < n; i += 2)
		sum += (uint32_t)b[i] << 8 | b[i + 1];
	if (n & 1)
		sum += (uint32_t)b[n - 1] << 8;
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

uint16_t pkt_checksum(const void *bytes, size_t n)
{
	return fold(sum_bytes(bytes, n, 0));
}

uint16_t pkt_l4_checksum(const struct pkt_ipv4 *ip, const void *l4, size_t n)
{
	uint32_t sum = sum_bytes((const uint8_t *)ip + offsetof(struct pkt_ipv4, saddr), 8,
				 ip->protocol + (uint32_t)n);

	return fold(sum_bytes(l4, n, sum));
}

void pkt_ipv4_checksum(struct pkt_ipv4 *ip)
{
	ip->check = 0;
	ip->check = pkt_checksum(ip, ip->ihl * 4u);
}

static void finish_l4(struct pkt *p, int i)
{
	uint8_t *l4 = p->data + p->layer[i].at;
	size_t n = p->len - p->layer[i].at;
	struct pkt_udp *udp = (void *)l4;
	struct pkt_tcp *tcp = (void *)l4;
	struct pkt_icmp *icmp = (void *)l4;

	switch (p->layer[i].kind) {
	case PKT_ICMP:
		icmp->checksum = pkt_checksum(l4, n);
		break;
	case PKT_TCP:
		tcp->check = pkt_l4_checksum((void *)(p->data + p->layer[i - 1].at), l4, n);
		break;
	case PKT_UDP:
		udp->len = htons((uint16_t)n);
		/* A tunnel's is zero (RFC 7348 section 5). */
		if (i + 1 == p->layers || p->layer[i + 1].kind != PKT_VXLAN)
			udp->check = pkt_l4_checksum((void *)(p->data + p->layer[i - 1].at), l4, n);
		break;
	default:
		break;
	}
}

void pkt_finish(struct pkt *p)
{
	for (int i = p->layers - 1; i >= 0; i--) {
		struct pkt_ipv4 *ip = (void *)(p->data + p->layer[i].at);

		if (p->layer[i].kind != PKT_IPV4) {
			finish_l4(p, i);
			continue;
		}
		ip->tot_len = htons((uint16_t)(p->len - p->layer[i].at));
		pkt_ipv4_checksum(ip);
	}
}

void *pkt_find(struct pkt *p, enum pkt_kind kind, int n)
{
	for (int i = 0; i < p->layers; i++)
		if (p->layer[i].kind == kind && n-- == 0)
			return p->data + p->layer[i].at;
	return NULL;
}
