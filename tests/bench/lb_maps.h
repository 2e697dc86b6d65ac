/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The maps of lb_run: a node with one client, services, published ports, and flows. */
#pragma once

#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "lb_wrap.h"
#include "sys/bpf.h"
#include "tool.h"

#define VNI 4096
#define FEW 10
#define MANY 10000       /* services, of BACKENDS each */
#define BACKENDS 10
#define FLOWS_MANY 100000
#define VIP_IP 0x0a200000u
#define BACKEND_IP 0x0a100000u /* backend b of service s: + s * BACKENDS + b */
#define CLIENT_IP 0x0a300002u
#define OUR_VTEP 0x0a630001u
#define PEER_VTEP 0x0a630002u  /* its MAC is known (run) */
#define PORT 20000 /* and 16384 more of clients; 4789 would be refused from outside */
#define NEW_FLOWS (1u << 23)   /* ports of flows that shall never come twice in a row */
#define BATCH 4096
#define OUTSIDE_IP 0xc0000209u /* a client that calls published ports */
#define PORT_OTHERS 2000       /* published by the other services, one each */
#define PORT_NOBODY 40000      /* not published */

struct bench {
	struct bpf_objects *objects;
	struct bpf_object *wrap;
	int wrapper[2], target[2], empty[2], state; /* TC, XDP */
	uint32_t client, backend, repeat, runs, services;
	struct ov_policy policy; /* of this side's turns (lb_policy.h) */
	bool is_judged;          /* the network has one */
	uint8_t client_mac[6]; /* of the device, which is the uplink, too */
	const char *only; /* how the rows begin that are wanted */
};

/* ---- maps ---- */

static void map_put(struct bench *b, enum bpf_map_id id, const void *key, const void *value)
{
	if (bpf_map_update_elem(bpf_map_fd(b->objects, id), key, value, BPF_ANY) < 0)
		tool_die("cannot write map %s: %s", bpf_map_name(id), strerror(errno));
}

static void fill_mac(uint32_t ip, uint8_t mac[6])
{
	struct ov_addr a = addr_from_v4(ip);

	mac_from_addr(&a, mac);
}

static void put_device(struct bench *b, uint32_t ifindex, uint32_t ip, uint16_t flags)
{
	struct ov_device_key key = { .ifindex = ifindex };
	struct ov_device dev = { .addr = addr_from_v4(ip), .vni = VNI, .mtu = 1450, .flags = flags,
				 .incarnation = ip };

	if (flags & OV_ENDPOINT_BACKEND)
		dev.service = addr_from_v4(VIP_IP);
	fill_mac(ip, dev.mac);
	map_put(b, BPF_MAP_devices, &key, &dev);
}

static void put_endpoint(struct bench *b, uint32_t ip, uint32_t ifindex, uint32_t vip)
{
	struct ov_endpoint_key key = { .addr = addr_from_v4(ip), .vni = VNI };
	struct ov_endpoint value = { .vtep = addr_from_v4(ifindex ? OUR_VTEP : PEER_VTEP),
				     .ifindex = ifindex, .incarnation = ip };

	if (vip) {
		value.service = addr_from_v4(vip);
		value.flags = OV_ENDPOINT_BACKEND;
	}
	fill_mac(ip, value.mac);
	map_put(b, BPF_MAP_endpoints, &key, &value);
}

/* The first service's backends: behind that device, or on the peer. */
static void put_backends(struct bench *b, uint32_t ifindex)
{
	for (uint32_t i = 0; i < BACKENDS; i++)
		put_endpoint(b, BACKEND_IP + i, ifindex, VIP_IP);
}

static void put_vip(struct bench *b, uint32_t vip)
{
	struct ov_endpoint_key key = { .addr = addr_from_v4(vip), .vni = VNI };
	struct ov_endpoint value = { .flags = OV_ENDPOINT_VIP, .incarnation = vip };

	fill_mac(vip, value.mac);
	map_put(b, BPF_MAP_endpoints, &key, &value);
}

static void put_service(struct bench *b, uint32_t s)
{
	struct ov_service_key key = { .vip = addr_from_v4(VIP_IP + s), .vni = VNI };
	struct ov_service value = { .choices = 1021, .backends = BACKENDS };
	struct ov_choices_key chunk = { .vip = key.vip, .vni = VNI };
	struct ov_backend_key at = { .vip = key.vip, .vni = VNI };
	struct ov_choices places;

	for (; at.index < BACKENDS; at.index++) {
		uint32_t ip = BACKEND_IP + s * BACKENDS + at.index;
		struct ov_backend be = { .addr = addr_from_v4(ip), .incarnation = ip, .weight = 1 };

		put_endpoint(b, ip, b->backend, VIP_IP + s);
		map_put(b, BPF_MAP_backends, &at, &be);
	}
	for (; chunk.chunk * OV_CHOICES_PER_CHUNK < value.choices; chunk.chunk++) {
		for (uint32_t i = 0; i < OV_CHOICES_PER_CHUNK; i++)
			places.backend[i] = (uint16_t)((i + chunk.chunk) % BACKENDS);
		map_put(b, BPF_MAP_choices, &chunk, &places);
	}
	map_put(b, BPF_MAP_services, &key, &value);
	put_vip(b, VIP_IP + s);
}

/* A port of every address of this node, with itself as the target. */
static void put_published(struct bench *b, uint32_t s, uint16_t port, uint8_t protocol)
{
	struct ov_published_key key = { .port = htons(port), .protocol = protocol };
	struct ov_published value = {
		.vip = addr_from_v4(VIP_IP + s), .vni = VNI,
		.service = { .choices = 1021, .backends = BACKENDS, .target_port = htons(port) },
	};

	map_put(b, BPF_MAP_published, &key, &value);
}

/* Every port that a row's flows may call belongs to the first service. */
static void put_all_published(struct bench *b)
{
	for (uint32_t n = 0; n < NEW_FLOWS; n += LB_CLIENT_PORTS) {
		put_published(b, 0, (uint16_t)(PORT + n / LB_CLIENT_PORTS), IPPROTO_TCP);
		put_published(b, 0, (uint16_t)(PORT + n / LB_CLIENT_PORTS), IPPROTO_UDP);
	}
	for (uint32_t s = 1; s < b->services; s++)
		put_published(b, s, (uint16_t)(PORT_OTHERS + s), IPPROTO_TCP);
}

static void put_services(struct bench *b, uint32_t count)
{
	while (b->services < count)
		put_service(b, b->services++);
}

static void put_node(struct bench *b)
{
	struct ov_config config = { .vtep = addr_from_v4(OUR_VTEP), .flags = OV_CONFIG_READY | OV_CONFIG_XDP_ENTRY,
				    .uplink_ifindex = b->client, .tunnel_ifindex = b->client,
				    .vxlan_port = htons(4789), .masq_first = 61000,
				    .masq_last = 65535 };
	struct ov_address_key own_key = { .addr = addr_from_v4(OUR_VTEP) };
	struct ov_address own = { .ifindex = b->client };
	struct ov_network_key net_key = { .vni = VNI };
	struct ov_network net = { .gateway = addr_from_v4(0x0a000001), .mtu = 1450,
				  .prefix_len = ADDR_V4_BITS + 8 };
	struct ov_peer_key peer_key = { .vtep = addr_from_v4(PEER_VTEP) };
	struct ov_peer peer = { .next_hop = peer_key.vtep };
	uint32_t zero = 0;

	fill_mac(0x0a000001, net.gateway_mac);
	map_put(b, BPF_MAP_config, &zero, &config);
	map_put(b, BPF_MAP_networks, &net_key, &net);
	map_put(b, BPF_MAP_addresses, &own_key, &own);
	map_put(b, BPF_MAP_peers, &peer_key, &peer);
	put_device(b, b->client, CLIENT_IP, 0);
	put_device(b, b->backend, BACKEND_IP, OV_ENDPOINT_BACKEND | OV_ENDPOINT_PUBLISHED);
	put_endpoint(b, CLIENT_IP, b->client, 0);
}

/* ---- flows ---- */

static void map_empty(struct bench *b, enum bpf_map_id id)
{
	int fd = bpf_map_fd(b->objects, id);
	struct ov_flow_key *keys = calloc(BATCH, sizeof(*keys));
	struct ov_flow *values = calloc(BATCH, sizeof(*values));
	uint32_t count, at = 0;

	if (!keys || !values)
		tool_die("out of memory");
	do { /* always from the start: what was there is gone */
		count = BATCH;
		if (bpf_map_lookup_and_delete_batch(fd, NULL, &at, keys, values, &count, NULL) < 0 &&
		    errno != ENOENT)
			tool_die("cannot empty %s: %s", bpf_map_name(id), strerror(errno));
	} while (count);
	free(keys);
	free(values);
}

/* `origin`: OV_FLOW_ENTRY of flows to a published port, else 0. */
static void put_flows(struct bench *b, const struct lb_wrap *w, uint8_t protocol, uint32_t origin)
{
	enum bpf_map_id id = protocol == IPPROTO_UDP ? BPF_MAP_brief : BPF_MAP_flows;
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	for (uint32_t n = 0; n < w->flows; n++) {
		uint32_t vip = VIP_IP + n % w->services, s = vip - VIP_IP;
		uint32_t backend = BACKEND_IP + s * BACKENDS; /* the first: replies come from one */
		struct ov_flow_key key = {
			.client = addr_from_v4(origin ? OUTSIDE_IP : CLIENT_IP), .vip = addr_from_v4(vip),
			.vni = { VNI >> 16, VNI >> 8 & 0xff, VNI & 0xff }, .protocol = protocol,
			.client_port = htons(LB_CLIENT_PORT(w, n)),
			.backend_port = htons(LB_SERVICE_PORT(w, n)),
		};
		struct ov_flow flow = {
			.backend = addr_from_v4(backend), .incarnation = backend,
			.seen = (uint32_t)(((uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec) >>
					   OV_TICK_SHIFT),
			.flags = OV_FLOW_REPLIED | origin, .vip_port = key.backend_port,
		};

		if (origin)
			flow.via = addr_from_v4(OUR_VTEP);
		map_put(b, id, &key, &flow);
	}
}

static uint64_t count_of(struct bench *b, enum bpf_map_id id, uint32_t key, size_t size)
{
	int cpus = libbpf_num_possible_cpus();
	uint64_t total = 0;

	if (cpus < 1)
		tool_die("cannot count the CPUs");

	_cleanup_(freep) uint8_t *each = calloc((size_t)cpus, size);

	if (!each || bpf_map_lookup_elem(bpf_map_fd(b->objects, id), &key, each))
		tool_die("cannot read %s: %s", bpf_map_name(id), strerror(errno));
	for (int i = 0; i < cpus; i++)
		total += *(uint64_t *)(each + (size_t)i * size); /* packets come first */
	return total;
}
