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
	struct iphdr ip = { .version = 4, .ihl = 5, .tot_len = htons(POKE_LEN - ETH_HLEN),
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
_Static_assert(ETH_HLEN + sizeof(struct iphdr) + sizeof(struct tcphdr) == POKE_LEN, "POKE_LEN");

int poke_frame(const struct ov_flow_key *key, __be16 vip_port, const uint8_t client_mac[6],
	       uint8_t ret_frame[POKE_LEN])
{
	struct ethhdr eth = { .h_proto = htons(ETH_P_IP) };
	struct tcphdr tcp;
	struct iphdr ip;

	if (!addr_is_v4(&key->vip) || !addr_is_v4(&key->client))
		return -EAFNOSUPPORT;
	memcpy(eth.h_dest, client_mac, sizeof(eth.h_dest));
	mac_from_addr(&key->vip, eth.h_source);
	ip = ip_header(htonl(addr_v4(&key->vip)), htonl(addr_v4(&key->client)));
	tcp = tcp_header(ip.saddr, ip.daddr, vip_port, key->client_port);
	memcpy(ret_frame, &eth, sizeof(eth));
	memcpy(ret_frame + sizeof(eth), &ip, sizeof(ip));
	memcpy(ret_frame + sizeof(eth) + sizeof(ip), &tcp, sizeof(tcp));
	return 0;
}

int poke_client(struct kernel *k, int packet_fd, const struct ov_flow_key *key, __be16 vip_port)
{
	struct ov_endpoint_key who = {
		.addr = key->client,
		.vni = ov_flow_key_vni(key),
	};
	struct ov_endpoint client;
	uint8_t frame[POKE_LEN];
	int r = bpf_map_lookup_elem(bpf_map_fd(kernel_bpf(k), BPF_MAP_endpoints), &who, &client);

	if (r)
		return r;
	if (!client.ifindex)
		return -ENOENT;
	r = poke_frame(key, vip_port, client.mac, frame);
	return r ? r : packet_send(packet_fd, client.ifindex, frame, sizeof(frame));
}
