// SPDX-License-Identifier: GPL-2.0-or-later
#include "mesh.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"

static void put(struct env *env, enum env_map map, const void *key, const void *value)
{
	cr_assert_eq(bpf_map_update_elem(env->map[map], key, value, BPF_ANY), 0);
}

/* ---- what a node remembers while we are another ---- */

#define KEPT_MAX 64

static const enum env_map remembered[] = { MAP_flows, MAP_brief, MAP_fragments, MAP_masq,
					   MAP_masq_brief, MAP_affinity };

struct kept { /* one row */
	enum env_map map;
	uint8_t key[64], value[64];
};

static struct memory {
	int count;
	struct kept row[KEPT_MAX];
} memory[NODE_C + 1];
static enum node now;

static void keep(struct env *env, enum env_map map, struct memory *m)
{
	uint8_t key[64];

	while (bpf_map_get_next_key(env->map[map], NULL, key) == 0) {
		struct kept *k = &m->row[m->count++];

		cr_assert_lt(m->count, KEPT_MAX, "a test has more rows than KEPT_MAX");
		k->map = map;
		memcpy(k->key, key, sizeof(key));
		cr_assert_eq(bpf_map_lookup_elem(env->map[map], key, k->value), 0);
		cr_assert_eq(bpf_map_delete_elem(env->map[map], key), 0);
	}
}

static void change_memory(struct env *env, enum node to)
{
	struct memory *m = &memory[to];

	if (now == to)
		return;
	memory[now].count = 0;
	for (size_t i = 0; i < sizeof(remembered) / sizeof(remembered[0]); i++)
		keep(env, remembered[i], &memory[now]);
	for (int i = 0; i < m->count; i++)
		put(env, m->row[i].map, m->row[i].key, m->row[i].value);
	now = to;
}

/* ---- a node, its addresses, what it publishes ---- */

static void put_route(void)
{
	cr_assert_eq(system("set -e; ip link set uplink up; ip link set uplink_in up;"
			    "ip link set nobody up; ip link set nobody_in up;"
			    "ip addr replace 192.0.2.200/24 dev uplink;"
			    "ip route replace default via 192.0.2.254;"
			    "ip route replace unreachable 198.18.0.0/24;"
			    "ip route replace 198.19.0.0/24 dev nobody;"
			    "echo 1 >/proc/sys/net/ipv4/conf/tunnel/forwarding"), 0);
}

void mesh_open(struct env *env)
{
	env_open(env);
	put_route();
	memset(memory, 0, sizeof(memory));
	now = NODE_A;
}

static struct ov_service service_of(const struct mesh *m)
{
	return (struct ov_service){
		.choices = m->balance.algorithm == OV_LB_LEAST_CONN ? 0 : (uint32_t)m->balance.count,
		.backends = (uint32_t)m->balance.count,
		.affinity_s = m->balance.affinity_s,
		.target_port = htons(m->target ? m->target : TARGET_PORT),
		.algorithm = m->balance.algorithm,
	};
}

static void publish(struct env *env, const struct mesh *m, uint32_t addr, uint8_t protocol,
		    uint32_t flags)
{
	struct ov_published_key key = { .port = htons(PUBLISHED_PORT), .protocol = protocol };
	struct ov_published row = { .vip = addr_from_v4(VIP_IP), .vni = BLUE, .flags = flags,
				    .service = service_of(m) };

	if (addr)
		key.addr = addr_from_v4(addr);
	put(env, MAP_published, &key, &row);
}

void mesh_publish(struct env *env, const struct mesh *m, uint32_t addr, uint32_t flags)
{
	publish(env, m, addr, IPPROTO_TCP, flags);
}

void mesh_unpublish(struct env *env)
{
	env_empty(env, MAP_published);
}

void mesh_put(struct env *env, const struct mesh *m)
{
	balance_put(env, &m->balance);
	for (int i = 0; i < m->balance.count; i++)
		balance_flag(env, m->balance.backend[i], OV_ENDPOINT_PUBLISHED);
	env_empty(env, MAP_published);
	env_empty(env, MAP_allowed);
	publish(env, m, 0, IPPROTO_TCP, m->flags);
	publish(env, m, 0, IPPROTO_UDP, m->flags);
	publish(env, m, 0, IPPROTO_SCTP, m->flags);
}

static void put_addresses(struct env *env, enum node node)
{
	struct ov_address row = { .ifindex = env->uplink_ifindex };
	struct ov_link link = { .addr = addr_from_v4(VTEP(node)) };
	struct ov_address_key key = { addr_from_v4(VTEP(node)) };

	env_empty(env, MAP_addresses);
	env_empty(env, MAP_links);
	put(env, MAP_addresses, &key, &row);
	key.addr = addr_from_v4(OTHER_IP(node));
	put(env, MAP_addresses, &key, &row);
	put(env, MAP_links, &(struct ov_link_key){ env->uplink_ifindex }, &link);
}

void mesh_become(struct env *env, enum node node, const struct mesh *m)
{
	change_memory(env, node);
	env_become(env, node);
	put_addresses(env, node);
	mesh_put(env, m);
}

void mesh_allow(struct env *env, uint32_t addr, uint32_t client, uint32_t prefix)
{
	struct ov_allowed_key key = {
		.prefix_len = OV_ALLOWED_PREFIX + ADDR_V4_BITS + prefix,
		.port = htons(PUBLISHED_PORT),
		.protocol = IPPROTO_TCP,
		.client = addr_from_v4(client),
	};

	if (addr)
		key.addr = addr_from_v4(addr);
	put(env, MAP_allowed, &key, &(uint32_t){ 1 });
}

void mesh_put_local(struct env *env, const struct actor *backend)
{
	struct ov_choices_key ck = { .vip = addr_from_v4(VIP_IP), .vni = BLUE | OV_VNI_LOCAL };
	struct ov_backend_key bk = { .vip = addr_from_v4(VIP_IP), .vni = BLUE | OV_VNI_LOCAL };
	struct ov_choices choices = { 0 };

	if (!backend) {
		bpf_map_delete_elem(env->map[MAP_choices], &ck);
		bpf_map_delete_elem(env->map[MAP_backends], &bk);
		return;
	}

	struct ov_backend row = { .addr = addr_from_v4(backend->ip), .incarnation = backend->ip,
				  .weight = 1 };

	put(env, MAP_choices, &ck, &choices);
	put(env, MAP_backends, &bk, &row);
}

/* ---- flows ---- */

static bool find_flow(struct env *env, enum env_map map, uint8_t protocol, struct ov_flow *ret_flow)
{
	struct actor client = { .ip = CLIENT_IP };

	return balance_flow(env, map, &client, protocol, CLIENT_PORT, TARGET_PORT, ret_flow);
}

bool mesh_has_flow(struct env *env, enum env_map map, uint8_t protocol)
{
	struct ov_flow flow;

	return find_flow(env, map, protocol, &flow);
}

struct ov_flow mesh_flow(struct env *env, enum env_map map, uint8_t protocol)
{
	struct ov_flow flow;

	cr_assert(find_flow(env, map, protocol, &flow), "no flow of protocol %u", protocol);
	return flow;
}

/* ---- packets ---- */

const struct flow_kind flow_kinds[FLOW_KINDS] = {
	{ IPPROTO_TCP, TCP_SYN, TCP_SYN | TCP_ACK },
	{ IPPROTO_UDP, 0, 0 },
	{ IPPROTO_SCTP, 1, 2 },
};

struct segment outside_call(enum node entry, uint8_t protocol, uint8_t flags)
{
	return (struct segment){
		.src_mac = wire_mac, .dst_mac = uplink_mac, .src = CLIENT_IP, .dst = VTEP(entry),
		.sport = CLIENT_PORT, .dport = PUBLISHED_PORT, .protocol = protocol,
		.flags = flags, .payload = 20,
	};
}

struct segment backend_answer(const struct actor *backend, uint8_t protocol, uint8_t flags)
{
	return (struct segment){
		.src_mac = backend->mac, .dst_mac = gateway_mac, .src = backend->ip,
		.dst = CLIENT_IP, .sport = TARGET_PORT, .dport = CLIENT_PORT,
		.protocol = protocol, .flags = flags, .payload = 20,
	};
}

struct outcome mesh_enter(struct env *env, const struct segment *s)
{
	struct pkt p = segment_pkt(s);

	return env_arrive(env, &p);
}

struct outcome mesh_cross(struct env *env, const struct mesh *m, enum node to, struct outcome *o)
{
	struct ethhdr *eth = (void *)o->out.data;

	memcpy(eth->h_source, wire_mac, 6); /* the neighbour output writes it; no test run does */
	memcpy(eth->h_dest, uplink_mac, 6);
	mesh_become(env, to, m);
	return env_arrive(env, &o->out);
}

void expect_macs(struct outcome *o, int ipv4, const uint8_t src[6], const uint8_t dst[6])
{
	const struct ethhdr *eth = pkt_find(&o->out, PKT_ETH, ipv4);

	cr_assert_arr_eq(eth->h_source, src, 6, "the source MAC is another");
	cr_assert_arr_eq(eth->h_dest, dst, 6, "the destination MAC is another");
}

void expect_tunnel(struct outcome *o, enum node from, enum node to)
{
	const struct pkt_ipv4 *ip = pkt_find(&o->out, PKT_IPV4, 0);
	const struct pkt_vxlan *v = pkt_find(&o->out, PKT_VXLAN, 0);

	cr_assert_eq(ntohl(ip->saddr), VTEP(from));
	cr_assert_eq(ntohl(ip->daddr), VTEP(to));
	cr_assert_eq(pkt_checksum(ip, 20), 0);
	cr_assert_eq(v->vni[0] << 16 | v->vni[1] << 8 | v->vni[2], BLUE);
}

void mark_mac(uint8_t mac[6], uint8_t kind, uint32_t called)
{
	uint32_t addr = htonl(called);

	mac[0] = 0x06;
	mac[1] = kind;
	memcpy(mac + 2, &addr, 4);
}
