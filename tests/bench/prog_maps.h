/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames and maps of prog_run: one node with two endpoints, a peer with many. */
#pragma once

#include <linux/if_ether.h>
#include <netinet/ip.h>
#include <netinet/udp.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "base/rng.h"
#include "sys/bpf.h"
#include "sys/ring.h"
#include "tool.h"

#define VNI 4096
#define VXLAN_PORT 4789
#define INNER_PAYLOAD 64
#define SUBNET 0x0a0a0000u   /* 10.10.0.0/15: room for MANY */
#define LOCAL_IP (SUBNET + 2) /* behind DEVICE; so is LOCAL_IP + 1 */
#define REMOTE_IP (SUBNET + 16)
#define OUR_VTEP 0x0a630001u
#define PEER_VTEP 0x0a630002u
#define STRANGER_VTEP 0x0a630063u
#define OUTSIDE_IP 0xc0000209u /* a client outside, calls by this node; the next one by the peer */
#define VIP_IP (SUBNET + 9)    /* of a service published at PORT, with a backend on either node */
#define BACKEND_IP (SUBNET + 8) /* the one at the peer; LOCAL_IP is the other */
#define CLIENT_PORT 40000
#define PORT 5302

struct inner {
	struct ethhdr eth;
	struct iphdr ip;
	struct udphdr udp;
	uint8_t payload[INNER_PAYLOAD];
} __attribute__((packed));

struct outer {
	struct ethhdr eth;
	struct iphdr ip;
	struct udphdr udp;
	uint32_t vxlan_flags, vxlan_vni;
	struct inner inner;
} __attribute__((packed));

struct bench {
	struct bpf_objects *objects;
	uint32_t uplink, device, calls, endpoints;
	uint32_t floor_ns;
	uint8_t uplink_mac[6];
	struct rng rng;
	struct ring *ring; /* of what is watched; NULL: nobody does */
};

/* ---- packets ---- */

static uint16_t ip_sum(const struct iphdr *ip)
{
	uint8_t bytes[sizeof(*ip)];
	uint32_t sum = 0;

	memcpy(bytes, ip, sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	sum += sum >> 16;
	return htons((uint16_t)~sum);
}

static void fill_mac(uint32_t ip, uint8_t mac[6])
{
	struct ov_addr a = addr_from_v4(ip);

	mac_from_addr(&a, mac);
}

static struct iphdr make_ip(uint32_t src, uint32_t dst, size_t len)
{
	struct iphdr ip = { .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP,
			    .frag_off = htons(IP_DF), .tot_len = htons((uint16_t)len),
			    .saddr = htonl(src), .daddr = htonl(dst) };

	ip.check = ip_sum(&ip);
	return ip;
}

static struct udphdr make_udp(uint16_t src, uint16_t dst, size_t len)
{
	return (struct udphdr){ .source = htons(src), .dest = htons(dst),
				.len = htons((uint16_t)len) };
}

static struct inner make_inner(uint32_t src, uint32_t dst)
{
	struct inner f = { .eth.h_proto = htons(ETH_P_IP) };

	fill_mac(src, f.eth.h_source);
	fill_mac(dst, f.eth.h_dest);
	f.ip = make_ip(src, dst, sizeof(f) - sizeof(f.eth));
	f.udp = make_udp(CLIENT_PORT, PORT, sizeof(f) - sizeof(f.eth) - sizeof(f.ip));
	return f;
}

static struct outer make_outer(uint32_t from, uint16_t port, uint32_t src, uint32_t dst)
{
	struct outer f = { .eth.h_proto = htons(ETH_P_IP), .vxlan_flags = htonl(0x08000000),
			   .vxlan_vni = htonl(VNI << 8), .inner = make_inner(src, dst) };

	f.ip = make_ip(from, OUR_VTEP, sizeof(f) - sizeof(f.eth));
	f.udp = make_udp(50000, port, sizeof(f) - sizeof(f.eth) - sizeof(f.ip));
	return f;
}

/* ---- maps ---- */

static void map_put(struct bench *b, enum bpf_map_id id, const void *key, const void *value)
{
	if (bpf_map_update_elem(bpf_map_fd(b->objects, id), key, value, BPF_ANY) < 0)
		tool_die("cannot write map %d: %s", id, strerror(errno));
}

static void put_endpoint(struct bench *b, uint32_t ip, uint32_t vtep, uint32_t ifindex)
{
	struct ov_endpoint_key key = { .addr = addr_from_v4(ip), .vni = VNI };
	struct ov_endpoint value = { .vtep = addr_from_v4(vtep), .ifindex = ifindex };

	fill_mac(ip, value.mac);
	map_put(b, BPF_MAP_endpoints, &key, &value);
}

static void put_node(struct bench *b)
{
	struct ov_config config = { .vtep = addr_from_v4(OUR_VTEP), .flags = OV_CONFIG_READY,
				    .uplink_ifindex = b->uplink, .tunnel_ifindex = b->uplink,
				    .vxlan_port = htons(VXLAN_PORT) };
	struct ov_network_key net_key = { .vni = VNI };
	struct ov_network net = { .gateway = addr_from_v4(SUBNET + 1), .mtu = 1450,
				  .prefix_len = ADDR_V4_BITS + 15 };
	struct ov_peer_key peer_key = { .vtep = addr_from_v4(PEER_VTEP) };
	struct ov_peer peer = { .next_hop = addr_from_v4(PEER_VTEP) };
	struct ov_device_key dev_key = { .ifindex = b->device };
	struct ov_device dev = { .addr = addr_from_v4(LOCAL_IP), .vni = VNI, .mtu = 1450 };
	uint32_t zero = 0;

	fill_mac(SUBNET + 1, net.gateway_mac);
	fill_mac(LOCAL_IP, dev.mac);
	map_put(b, BPF_MAP_config, &zero, &config);
	map_put(b, BPF_MAP_networks, &net_key, &net);
	map_put(b, BPF_MAP_peers, &peer_key, &peer);
	map_put(b, BPF_MAP_devices, &dev_key, &dev);
	put_endpoint(b, LOCAL_IP, OUR_VTEP, b->device);
	put_endpoint(b, LOCAL_IP + 1, OUR_VTEP, b->device);
}

static void put_remote_endpoints(struct bench *b, uint32_t count)
{
	for (uint32_t i = b->endpoints; i < count; i++)
		put_endpoint(b, REMOTE_IP + i, PEER_VTEP, 0);
	b->endpoints = count;
}

/* What the rows of the mesh need; it makes a backend of LOCAL_IP. */
static void put_backend(struct bench *b, uint32_t ip, uint32_t vtep, uint32_t ifindex)
{
	struct ov_endpoint_key key = { .addr = addr_from_v4(ip), .vni = VNI };
	struct ov_endpoint value = { .vtep = addr_from_v4(vtep), .ifindex = ifindex,
				     .service = addr_from_v4(VIP_IP),
				     .flags = OV_ENDPOINT_BACKEND | OV_ENDPOINT_PUBLISHED };

	fill_mac(ip, value.mac);
	map_put(b, BPF_MAP_endpoints, &key, &value);
}

static void put_flow(struct bench *b, uint32_t client, uint32_t backend, uint32_t via,
		     uint32_t origin)
{
	struct ov_flow_key key = {
		.client = addr_from_v4(client), .vip = addr_from_v4(VIP_IP),
		.vni = { VNI >> 16, VNI >> 8 & 0xff, VNI & 0xff }, .protocol = IPPROTO_UDP,
		.client_port = htons(CLIENT_PORT), .backend_port = htons(PORT),
	};
	struct ov_flow flow = {
		.backend = addr_from_v4(backend), .via = addr_from_v4(via),
		.seen = (uint32_t)(now_ns() >> OV_TICK_SHIFT), .flags = OV_FLOW_REPLIED | origin,
		.vip_port = htons(PORT),
	};

	map_put(b, BPF_MAP_brief, &key, &flow);
}

static void put_mesh(struct bench *b)
{
	struct ov_published_key port_key = { .port = htons(PORT), .protocol = IPPROTO_UDP };
	struct ov_published port = { .vip = addr_from_v4(VIP_IP), .vni = VNI,
				     .service = { .backends = 2, .choices = 2,
						  .target_port = htons(PORT) } };
	struct ov_address_key own_key = { .addr = addr_from_v4(OUR_VTEP) };
	struct ov_address own = { .ifindex = b->uplink };
	struct ov_device_key dev_key = { .ifindex = b->device };
	struct ov_device dev = { .addr = addr_from_v4(LOCAL_IP), .vni = VNI, .mtu = 1450,
				 .service = addr_from_v4(VIP_IP),
				 .flags = OV_ENDPOINT_BACKEND | OV_ENDPOINT_PUBLISHED };

	fill_mac(LOCAL_IP, dev.mac);
	map_put(b, BPF_MAP_devices, &dev_key, &dev);
	map_put(b, BPF_MAP_addresses, &own_key, &own);
	map_put(b, BPF_MAP_published, &port_key, &port);
	put_backend(b, BACKEND_IP, PEER_VTEP, 0);
	put_backend(b, LOCAL_IP, OUR_VTEP, b->device);
	put_flow(b, OUTSIDE_IP, BACKEND_IP, OUR_VTEP, OV_FLOW_ENTRY);
	put_flow(b, OUTSIDE_IP + 1, LOCAL_IP, PEER_VTEP, OV_FLOW_TUNNEL);
}

static uint64_t verdict_count(struct bench *b, enum ov_verdict verdict)
{
	int cpus = libbpf_num_possible_cpus();
	uint32_t key = verdict;
	uint64_t total = 0;

	if (cpus < 1)
		tool_die("cannot count the CPUs");

	_cleanup_(freep) struct ov_counter *value = calloc((size_t)cpus, sizeof(*value));

	if (!value || bpf_map_lookup_elem(bpf_map_fd(b->objects, BPF_MAP_counters), &key, value))
		tool_die("cannot read the counters: %s", strerror(errno));
	for (int i = 0; i < cpus; i++)
		total += value[i].packets;
	return total;
}
