// SPDX-License-Identifier: GPL-2.0-or-later
#include "balance.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/addr.h"
#include "base/cleanup.h"

const uint8_t vip_mac[6] = { 0x02, 0x42, 10, 10, 0, 100 };

static void put(struct env *env, enum env_map map, const void *key, const void *value)
{
	cr_assert_eq(bpf_map_update_elem(env->map[map], key, value, BPF_ANY), 0);
}

static void put_services(struct env *env, const struct balance *b)
{
	struct ov_service value = {
		.choices = b->algorithm == OV_LB_LEAST_CONN ? 0 : (uint32_t)b->count,
		.backends = (uint32_t)b->count,
		.affinity_s = b->affinity_s,
		.target_port = htons(b->target),
		.algorithm = b->algorithm,
	};
	struct ov_service_key key = { .vip = addr_from_v4(VIP_IP), .vni = BLUE };

	if (!b->port) {
		put(env, MAP_services, &key, &value);
		return;
	}
	key.port = htons(b->port);
	key.protocol = IPPROTO_TCP;
	put(env, MAP_services, &key, &value);
	key.protocol = IPPROTO_UDP;
	put(env, MAP_services, &key, &value);
}

static void put_choices(struct env *env, const struct balance *b)
{
	struct ov_choices_key key = { .vip = addr_from_v4(VIP_IP), .vni = BLUE };
	struct ov_choices value = { 0 };

	for (int i = 0; i < b->count; i++)
		value.backend[i] = (uint16_t)i;
	put(env, MAP_choices, &key, &value);
}

void balance_flag(struct env *env, const struct actor *a, uint32_t flags)
{
	struct ov_endpoint_key key = { .addr = addr_from_v4(a->ip), .vni = a->vni };
	struct ov_endpoint value;
	struct ov_device device;

	cr_assert_eq(bpf_map_lookup_elem(env->map[MAP_endpoints], &key, &value), 0);
	value.flags = (uint16_t)(OV_ENDPOINT_BACKEND | flags);
	value.service = addr_from_v4(VIP_IP);
	put(env, MAP_endpoints, &key, &value);
	if (!value.ifindex)
		return;
	cr_assert_eq(bpf_map_lookup_elem(env->map[MAP_devices], &value.ifindex, &device), 0);
	device.flags = (uint16_t)(OV_ENDPOINT_BACKEND | (flags & OV_ENDPOINT_PUBLISHED));
	device.service = value.service;
	put(env, MAP_devices, &value.ifindex, &device);
}

void balance_rebirth(struct env *env, const struct actor *a, uint32_t incarnation)
{
	struct ov_endpoint_key key = { .addr = addr_from_v4(a->ip), .vni = a->vni };
	struct ov_endpoint value;

	cr_assert_eq(bpf_map_lookup_elem(env->map[MAP_endpoints], &key, &value), 0);
	value.incarnation = incarnation;
	put(env, MAP_endpoints, &key, &value);
}

void balance_device_rebirth(struct env *env, const struct actor *a, uint32_t incarnation)
{
	uint32_t ifindex = env_ifindex(a);
	struct ov_device value;

	cr_assert_eq(bpf_map_lookup_elem(env->map[MAP_devices], &ifindex, &value), 0);
	value.incarnation = incarnation;
	put(env, MAP_devices, &ifindex, &value);
}

void balance_put(struct env *env, const struct balance *b)
{
	struct ov_endpoint_key vip = { .addr = addr_from_v4(VIP_IP), .vni = BLUE };
	struct ov_endpoint row = {
		.flags = (uint16_t)(OV_ENDPOINT_VIP | (b->port ? OV_ENDPOINT_PORTS : 0)),
	};

	memcpy(row.mac, vip_mac, 6);
	put(env, MAP_endpoints, &vip, &row);
	env_empty(env, MAP_services);
	env_empty(env, MAP_backends);
	env_empty(env, MAP_choices);
	for (int i = 0; i < b->count; i++) {
		struct ov_backend_key key = { .vip = addr_from_v4(VIP_IP), .vni = BLUE,
					      .index = (uint32_t)i };
		struct ov_backend value = { .addr = addr_from_v4(b->backend[i]->ip),
					    .incarnation = b->backend[i]->ip, .weight = 1 };

		put(env, MAP_backends, &key, &value);
		balance_flag(env, b->backend[i], 0);
	}
	put_choices(env, b);
	put_services(env, b);
}

static struct ov_flow_key flow_key(const struct actor *client, uint8_t protocol,
				   uint16_t client_port, uint16_t backend_port)
{
	return (struct ov_flow_key){
		.client = addr_from_v4(client->ip),
		.vip = addr_from_v4(VIP_IP),
		.vni = { 0, 0, BLUE },
		.protocol = protocol,
		.client_port = htons(client_port),
		.backend_port = htons(backend_port),
	};
}

bool balance_flow(struct env *env, enum env_map map, const struct actor *client, uint8_t protocol,
		  uint16_t client_port, uint16_t backend_port, struct ov_flow *ret_flow)
{
	struct ov_flow_key key = flow_key(client, protocol, client_port, backend_port);

	return !bpf_map_lookup_elem(env->map[map], &key, ret_flow);
}

void balance_age(struct env *env, enum env_map map, const struct actor *client, uint8_t protocol,
		 uint16_t client_port, uint16_t backend_port, uint32_t seconds)
{
	struct ov_flow_key key = flow_key(client, protocol, client_port, backend_port);
	struct ov_flow flow;

	cr_assert_eq(bpf_map_lookup_elem(env->map[map], &key, &flow), 0);
	flow.seen -= OV_TICKS(seconds);
	put(env, map, &key, &flow);
}

struct ov_backend_stats balance_stats(struct env *env, const struct actor *backend)
{
	struct ov_backend_stats_key key = { .vip = addr_from_v4(VIP_IP),
					    .backend = addr_from_v4(backend->ip), .vni = BLUE };
	struct ov_backend_stats stats = { 0 };

	bpf_map_lookup_elem(env->map[MAP_backend_stats], &key, &stats);
	return stats;
}

uint64_t balance_counter(struct env *env, enum ov_flow_counter which)
{
	int cpus = libbpf_num_possible_cpus();
	_cleanup_(freep) uint64_t *each = calloc((size_t)cpus, sizeof(*each));
	uint32_t key = which;
	uint64_t total = 0;

	cr_assert_eq(bpf_map_lookup_elem(env->map[MAP_flow_counters], &key, each), 0);
	for (int i = 0; i < cpus; i++)
		total += each[i];
	return total;
}

/* ---- packets ---- */

/* CRC32c, bit by bit. The sum is in the header: counted as 0, and stored lowest byte first. */
static uint32_t sctp_sum(const uint8_t *packet, size_t len)
{
	uint32_t crc = ~0u;

	for (size_t i = 0; i < len; i++) {
		crc ^= i >= 8 && i < 12 ? 0 : packet[i];
		for (int bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return htole32(~crc);
}

static void put_sctp_sum(struct pkt *p)
{
	struct pkt_ipv4 *ip = pkt_find(p, PKT_IPV4, 0);
	uint8_t *l4 = (uint8_t *)ip + ip->ihl * 4;
	uint32_t sum = sctp_sum(l4, ntohs(ip->tot_len) - ip->ihl * 4u);

	memcpy(l4 + 8, &sum, sizeof(sum));
}

static void add_sctp(struct pkt *p, const struct segment *s)
{
	uint16_t ports[2] = { htons(s->sport), htons(s->dport) };
	uint8_t rest[12] = { 1, 2, 3, 4, 0, 0, 0, 0, s->flags, 0, 0, 4 };

	pkt_bytes(p, ports, sizeof(ports));
	pkt_bytes(p, rest, sizeof(rest));
}

struct pkt segment_pkt(const struct segment *s)
{
	struct pkt p = pkt_new();

	pkt_eth(&p, s->src_mac, s->dst_mac, ETH_P_IP);
	pkt_ipv4(&p, s->src, s->dst, s->protocol);
	if (s->options)
		pkt_ipv4_options(&p, s->options);
	if (s->protocol == IPPROTO_UDP)
		pkt_udp(&p, s->sport, s->dport);
	else if (s->protocol == IPPROTO_TCP)
		pkt_tcp(&p, s->sport, s->dport);
	else
		add_sctp(&p, s);
	if (s->protocol == IPPROTO_TCP) {
		struct pkt_tcp *tcp = pkt_find(&p, PKT_TCP, 0);

		tcp->flags = s->flags;
		tcp->seq = htonl(s->seq);
		tcp->ack_seq = htonl(s->ack);
	}
	pkt_payload(&p, s->payload);
	pkt_finish(&p);
	if (s->protocol == IPPROTO_SCTP)
		put_sctp_sum(&p);
	return p;
}

struct segment call_of(const struct actor *client, uint8_t protocol, uint16_t sport, uint16_t dport)
{
	return (struct segment){
		.src_mac = client->mac, .dst_mac = vip_mac, .src = client->ip, .dst = VIP_IP,
		.sport = sport, .dport = dport, .protocol = protocol, .payload = 20,
	};
}

struct segment answer_of(const struct actor *backend, const struct actor *client, uint8_t protocol,
			 uint16_t sport, uint16_t dport)
{
	return (struct segment){
		.src_mac = backend->mac, .dst_mac = client->mac, .src = backend->ip,
		.dst = client->ip, .sport = sport, .dport = dport, .protocol = protocol,
		.payload = 20,
	};
}

struct segment segment_read(struct pkt *p, int ipv4)
{
	struct ethhdr *eth = pkt_find(p, PKT_ETH, ipv4);
	struct pkt_ipv4 *ip = pkt_find(p, PKT_IPV4, ipv4);
	uint8_t *l4 = (uint8_t *)ip + ip->ihl * 4;
	size_t l4_len = ntohs(ip->tot_len) - ip->ihl * 4u;
	struct segment s = {
		.src_mac = eth->h_source, .dst_mac = eth->h_dest,
		.src = ntohl(ip->saddr), .dst = ntohl(ip->daddr), .protocol = ip->protocol,
		.sport = (uint16_t)(l4[0] << 8 | l4[1]), .dport = (uint16_t)(l4[2] << 8 | l4[3]),
	};

	cr_assert_eq(pkt_checksum(ip, ip->ihl * 4u), 0, "the IPv4 checksum is wrong");
	if (ip->protocol == IPPROTO_SCTP && memcmp(l4 + 8, (uint8_t[4]){ 0 }, 4)) {
		uint32_t sum = sctp_sum(l4, l4_len);

		cr_assert_eq(memcmp(l4 + 8, &sum, 4), 0, "SCTP's checksum is wrong");
	}
	if (ip->protocol != IPPROTO_TCP && ip->protocol != IPPROTO_UDP)
		return s;
	if (!(ntohs(ip->frag_off) & 0x3fff) && (ip->protocol == IPPROTO_TCP || l4[6] || l4[7]))
		cr_assert_eq(pkt_l4_checksum(ip, l4, l4_len), 0, "the transport checksum is wrong");
	if (ip->protocol == IPPROTO_TCP) {
		struct pkt_tcp *tcp = (struct pkt_tcp *)l4;

		s.flags = tcp->flags;
		s.seq = ntohl(tcp->seq);
		s.ack = ntohl(tcp->ack_seq);
	}
	return s;
}

struct pkt segment_fragment(const struct segment *s, uint16_t id, uint16_t frag_off)
{
	struct pkt p = segment_pkt(s);
	struct pkt_ipv4 *ip = pkt_find(&p, PKT_IPV4, 0);

	ip->id = htons(id);
	ip->frag_off = htons(frag_off);
	pkt_ipv4_checksum(ip);
	return p;
}

struct outcome balance_send(struct env *env, const struct actor *from, const struct segment *s)
{
	struct pkt p = segment_pkt(s);

	return env_send(env, from, &p);
}

struct outcome balance_call(struct env *env, const struct actor *client, uint8_t protocol,
			    uint16_t sport, uint16_t dport, uint8_t flags)
{
	struct segment s = call_of(client, protocol, sport, dport);

	s.flags = flags;
	return balance_send(env, client, &s);
}

struct outcome balance_answer(struct env *env, const struct actor *backend,
			      const struct actor *client, uint8_t protocol, uint16_t sport,
			      uint16_t dport, uint8_t flags)
{
	struct segment s = answer_of(backend, client, protocol, sport, dport);

	s.flags = flags;
	return balance_send(env, backend, &s);
}

void balance_establish(struct env *env, uint16_t port)
{
	struct outcome o = balance_call(env, &blue_one, IPPROTO_TCP, port, 80, TCP_SYN);

	expect_verdict(o, OV_FWD_LOCAL);
	o = balance_answer(env, &blue_two, &blue_one, IPPROTO_TCP, 80, port, TCP_SYN | TCP_ACK);
	expect_verdict(o, OV_FWD_LOCAL);
	o = balance_call(env, &blue_one, IPPROTO_TCP, port, 80, TCP_ACK);
	expect_verdict(o, OV_FWD_LOCAL);
}

void expect_ends(struct outcome *o, int ipv4, uint32_t src, uint16_t sport, uint32_t dst,
			uint16_t dport)
{
	struct segment s = segment_read(&o->out, ipv4);

	cr_assert_eq(s.src, src, "source %x, not %x", s.src, src);
	cr_assert_eq(s.dst, dst, "destination %x, not %x", s.dst, dst);
	cr_assert_eq(s.sport, sport, "source port %u, not %u", s.sport, sport);
	cr_assert_eq(s.dport, dport, "destination port %u, not %u", s.dport, dport);
}

void expect_reset(struct outcome *o, uint16_t sport, uint16_t dport, uint32_t seq,
			 uint32_t ack, uint8_t flags)
{
	struct segment s;

	expect_verdict(*o, OV_FWD_RESET);
	expect_ends(o, 0, VIP_IP, sport, blue_one.ip, dport);
	s = segment_read(&o->out, 0);
	cr_assert_eq(s.flags, flags);
	cr_assert_eq(s.seq, seq);
	cr_assert_eq(s.ack, ack);
	cr_assert_eq(o->out.len, 54);
	cr_assert_arr_eq(s.dst_mac, blue_one.mac, 6);
	cr_assert_arr_eq(s.src_mac, vip_mac, 6);
}

void expect_unreachable(struct outcome *o)
{
	struct pkt_ipv4 *ip = pkt_find(&o->out, PKT_IPV4, 0);
	struct pkt_icmp *icmp = pkt_find(&o->out, PKT_ICMP, 0);

	expect_verdict(*o, OV_FWD_UNREACHABLE);
	cr_assert_eq(ntohl(ip->saddr), VIP_IP);
	cr_assert_eq(ntohl(ip->daddr), blue_one.ip);
	cr_assert_eq(pkt_checksum(ip, 20), 0);
	cr_assert_eq(icmp->type, 3);
	cr_assert_eq(icmp->code, 3);
	cr_assert_eq(pkt_checksum(icmp, 8 + 28), 0);
	cr_assert_eq(o->out.len, 14 + 20 + 8 + 28);
}

uint32_t balance_backend(struct env *env, uint8_t protocol, uint16_t sport)
{
	struct outcome o = balance_call(env, &blue_one, protocol, sport, 80, TCP_SYN);

	return segment_read(&o.out, o.verdict == OV_FWD_ENCAP).dst;
}
