/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "poke.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <string.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "sys/packet.h"

#define POKE_TTL 64

/* What TCP's checksum covers besides the segment (RFC 9293, 3.1). */
struct pseudo {
	uint32_t src, dst;
	uint8_t zero, protocol;
	uint16_t len;
	struct tcphdr tcp;
};

/* RFC 1071, of an even number of bytes. */
static uint16_t checksum(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static struct iphdr ip_header(uint32_t src, uint32_t dst)
{
	struct iphdr ip = { .version = 4, .ihl = 5, .tot_len = htons(POKE_LEN),
			    .frag_off = htons(IP_DF), .ttl = POKE_TTL, .protocol = IPPROTO_TCP,
			    .saddr = src, .daddr = dst };

	ip.check = checksum(&ip, sizeof(ip));
	return ip;
}

static struct tcphdr tcp_header(uint32_t src, uint32_t dst, __be16 source, __be16 dest)
{
	struct pseudo all = { .src = src, .dst = dst, .protocol = IPPROTO_TCP,
			      .len = htons(sizeof(struct tcphdr)) };

	all.tcp.source = source;
	all.tcp.dest = dest;
	all.tcp.doff = sizeof(struct tcphdr) / 4;
	all.tcp.ack = 1;
	all.tcp.check = checksum(&all, sizeof(all));
	return all.tcp;
}
_Static_assert(sizeof(struct iphdr) + sizeof(struct tcphdr) == POKE_LEN, "POKE_LEN");
_Static_assert(ETH_HLEN + POKE_LEN == POKE_FRAME_LEN, "POKE_FRAME_LEN");

int poke_segment(const struct ov_addr *from, __be16 from_port, const struct ov_addr *to,
		 __be16 to_port, uint8_t ret_packet[POKE_LEN])
{
	struct tcphdr tcp;
	struct iphdr ip;

	if (!addr_is_v4(from) || !addr_is_v4(to))
		return -EAFNOSUPPORT;
	ip = ip_header(htonl(addr_v4(from)), htonl(addr_v4(to)));
	tcp = tcp_header(ip.saddr, ip.daddr, from_port, to_port);
	memcpy(ret_packet, &ip, sizeof(ip));
	memcpy(ret_packet + sizeof(ip), &tcp, sizeof(tcp));
	return 0;
}

int poke_frame(const struct ov_flow_key *key, __be16 vip_port, const uint8_t client_mac[6],
	       uint8_t ret_frame[POKE_FRAME_LEN])
{
	struct ethhdr eth = { .h_proto = htons(ETH_P_IP) };

	memcpy(eth.h_dest, client_mac, sizeof(eth.h_dest));
	mac_from_addr(&key->vip, eth.h_source);
	memcpy(ret_frame, &eth, sizeof(eth));
	return poke_segment(&key->vip, vip_port, &key->client, key->client_port,
			    ret_frame + sizeof(eth));
}

/* ---- sending ---- */

int poke_open(struct poke_sockets *ret_sockets)
{
	struct poke_sockets s = { -1, -1 };
	int r = packet_open(&s.packet_fd);

	if (!r)
		r = packet_open_ipv4(&s.ipv4_fd);
	if (r)
		poke_close(&s);
	else
		*ret_sockets = s;
	return r;
}

void poke_close(struct poke_sockets *s)
{
	closep(&s->packet_fd);
	closep(&s->ipv4_fd);
	*s = (struct poke_sockets){ -1, -1 };
}

static int poke_inside(struct kernel *k, int fd, const struct ov_flow_key *key, __be16 vip_port)
{
	struct ov_endpoint_key who = {
		.addr = key->client,
		.vni = ov_flow_key_vni(key),
	};
	uint8_t frame[POKE_FRAME_LEN];
	struct ov_endpoint client;
	int r = bpf_map_lookup_elem(bpf_map_fd(kernel_bpf(k), BPF_MAP_endpoints), &who, &client);

	if (r)
		return r;
	if (!client.ifindex)
		return -ENOENT;
	r = poke_frame(key, vip_port, client.mac, frame);
	return r ? r : packet_send(fd, client.ifindex, frame, sizeof(frame));
}

static bool is_loopback(const struct ov_addr *a)
{
	return addr_v4(a) >> 24 == 127;
}

/*
 * The device by which answers leave: the one that has the address, as the data path takes it
 * (outside_send). 0: to a process of this host or a container behind it, by its loopback.
 */
static int way_outside(struct kernel *k, const struct ov_addr *from, const struct ov_addr *to,
		       uint32_t *ret_ifindex)
{
	int fd = bpf_map_fd(kernel_bpf(k), BPF_MAP_addresses), r = 0;
	struct ov_address_key ours = { *to };
	struct ov_address value = { 0 };

	if (is_loopback(from) || !bpf_map_lookup_elem(fd, &ours, &value)) {
		*ret_ifindex = 0;
		return 0;
	}
	ours.addr = *from;
	r = bpf_map_lookup_elem(fd, &ours, &value);
	*ret_ifindex = value.ifindex;
	return r;
}

static int poke_outside(struct kernel *k, int fd, const struct ov_flow_key *key,
			const struct ov_flow *flow)
{
	uint8_t packet[POKE_LEN];
	uint32_t ifindex;
	int r = poke_segment(&flow->via, flow->vip_port, &key->client, key->client_port, packet);

	if (!r)
		r = way_outside(k, &flow->via, &key->client, &ifindex);
	return r ? r : packet_send_ipv4(fd, ifindex, &flow->via, &key->client, packet, sizeof(packet));
}

int poke_client(struct kernel *k, const struct poke_sockets *s, const struct ov_flow_key *key,
		const struct ov_flow *flow)
{
	if (flow->flags & OV_FLOW_ENTRY)
		return poke_outside(k, s->ipv4_fd, key, flow);
	return poke_inside(k, s->packet_fd, key, flow->vip_port);
}
