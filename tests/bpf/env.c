// SPDX-License-Identifier: GPL-2.0-or-later
#include "env.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "egress_tc.skel.h"
#include "endpoint_tc.skel.h"
#include "front_tc.skel.h"
#include "mesh_tc.skel.h"
#include "tunnel_tc.skel.h"
#include "uplink_tc.skel.h"
#include "uplink_xdp.skel.h"

const uint8_t gateway_mac[6] = { 0x02, 0x42, 10, 10, 0, 1 };
const uint8_t uplink_mac[6] = { 0x02, 0, 0, 0, 0, 1 };
const uint8_t wire_mac[6] = { 0x02, 0, 0, 0, 0, 2 };
const uint8_t broadcast_mac[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

#define ACTOR(var, net, last, mac5, node)                                                  \
	const struct actor var = { #var, net, IP(10, 10, 0, last),                         \
				   { 0x02, 0x42, 10, 10, mac5, last }, VTEP(node) }
ACTOR(blue_one, BLUE, 2, 0, NODE_A);
ACTOR(blue_two, BLUE, 3, 0, NODE_A);
ACTOR(blue_far, BLUE, 4, 0, NODE_B);
ACTOR(blue_third, BLUE, 5, 0, NODE_C);
ACTOR(blue_lost, BLUE, 9, 0, NODE_STRANGER);
ACTOR(red_one, RED, 2, 1, NODE_A);
ACTOR(red_far, RED, 4, 1, NODE_B);

static const struct actor *const everyone[] = { &blue_one,  &blue_two, &blue_far, &blue_third,
						&blue_lost, &red_one,  &red_far };

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void put(struct env *env, enum env_map map, const void *key, const void *value)
{
	cr_assert_eq(bpf_map_update_elem(env->map[map], key, value, BPF_ANY), 0);
}

void env_put_config(struct env *env, uint32_t vtep, uint32_t flags)
{
	struct ov_config cfg = {
		.vtep = addr_from_v4(vtep),
		.flags = flags,
		.uplink_ifindex = env->uplink_ifindex,
		.tunnel_ifindex = env->tunnel_ifindex,
		.vxlan_port = htons(VXLAN_PORT),
		.masq_first = OV_MASQ_FIRST,
		.masq_last = OV_MASQ_LAST,
	};

	put(env, MAP_config, &(uint32_t){ 0 }, &cfg);
}

void env_put_network(struct env *env, uint32_t vni)
{
	struct ov_network net = { .gateway = addr_from_v4(GATEWAY_IP), .mtu = NETWORK_MTU,
				  .prefix_len = 120 };

	memcpy(net.gateway_mac, gateway_mac, 6);
	put(env, MAP_networks, &(struct ov_network_key){ vni }, &net);
}

void env_put_peer(struct env *env, uint32_t vtep, uint32_t next_hop)
{
	struct ov_peer peer = { .next_hop = addr_from_v4(next_hop) };

	put(env, MAP_peers, &(struct ov_peer_key){ addr_from_v4(vtep) }, &peer);
}

void env_put_endpoint(struct env *env, const struct actor *a, uint32_t ifindex)
{
	struct ov_endpoint_key key = { .addr = addr_from_v4(a->ip), .vni = a->vni };
	struct ov_endpoint value = { .vtep = addr_from_v4(a->vtep), .ifindex = ifindex,
				     .incarnation = a->ip };

	memcpy(value.mac, a->mac, 6);
	put(env, MAP_endpoints, &key, &value);
}

void env_put_device(struct env *env, const struct actor *a, uint32_t ifindex)
{
	struct ov_device value = { .addr = addr_from_v4(a->ip), .vni = a->vni,
				   .mtu = NETWORK_MTU, .incarnation = a->ip };

	memcpy(value.mac, a->mac, 6);
	put(env, MAP_devices, &(struct ov_device_key){ ifindex }, &value);
}

void env_encrypt(struct env *env)
{
	struct ov_network_key net_key = { BLUE };
	struct ov_endpoint_key key = { 0 }, *at = NULL;
	struct ov_network net;
	struct ov_endpoint row;

	cr_assert_eq(bpf_map_lookup_elem(env->map[MAP_networks], &net_key, &net), 0);
	net.flags |= OV_NETWORK_ENCRYPTED;
	put(env, MAP_networks, &net_key, &net);
	for (; bpf_map_get_next_key(env->map[MAP_endpoints], at, &key) == 0; at = &key) {
		cr_assert_eq(bpf_map_lookup_elem(env->map[MAP_endpoints], &key, &row), 0);
		if (key.vni != BLUE)
			continue;
		row.flags |= OV_ENDPOINT_ENCRYPTED;
		put(env, MAP_endpoints, &key, &row);
	}
}

void env_put_sas(struct env *env, uint32_t vtep)
{
	struct ov_peer_key key = { addr_from_v4(vtep) };
	struct ov_peer peer;

	cr_assert_eq(bpf_map_lookup_elem(env->map[MAP_peers], &key, &peer), 0);
	peer.flags |= OV_PEER_ENCRYPTED;
	put(env, MAP_peers, &key, &peer);
}

void env_empty(struct env *env, enum env_map map)
{
	uint8_t key[64];

	while (bpf_map_get_next_key(env->map[map], NULL, key) == 0)
		cr_assert_eq(bpf_map_delete_elem(env->map[map], key), 0);
}

uint32_t env_ifindex(const struct actor *a)
{
	uint32_t ifindex = if_nametoindex(a->name);

	cr_assert(ifindex, "no device %s", a->name);
	return ifindex;
}

void env_become(struct env *env, enum node node)
{
	env_empty(env, MAP_networks);
	env_empty(env, MAP_peers);
	env_empty(env, MAP_endpoints);
	env_empty(env, MAP_devices);

	env_put_config(env, VTEP(node), OV_CONFIG_READY);
	env_put_network(env, BLUE);
	env_put_network(env, RED);
	for (enum node n = NODE_A; n <= NODE_C; n++)
		if (n != node)
			env_put_peer(env, VTEP(n), VTEP(n));
	for (size_t i = 0; i < COUNT(everyone); i++) {
		bool here = everyone[i]->vtep == VTEP(node);

		env_put_endpoint(env, everyone[i], here ? env_ifindex(everyone[i]) : 0);
		if (here)
			env_put_device(env, everyone[i], env_ifindex(everyone[i]));
	}
}

#define SHARED_ENTRIES 4096 /* with OV_TEST_PINS: full-size maps take long to empty */

/* The objects declare the same maps by name: the first one's serve the others. */
static void share_maps(struct env *env, struct bpf_object *object)
{
	static const char *const name[] = {
#define X(name, ...) #name,
		OV_MAPS(X)
#undef X
	};

	for (size_t i = 0; i < MAP_COUNT; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(object, name[i]);

		cr_assert(map, "an object does not declare map %s", name[i]);
		if (env->map[i] >= 0)
			cr_assert_eq(bpf_map__reuse_fd(map, env->map[i]), 0);
		else if (getenv("OV_TEST_PINS") && bpf_map__max_entries(map) > SHARED_ENTRIES)
			cr_assert_eq(bpf_map__set_max_entries(map, SHARED_ENTRIES), 0);
	}
	cr_assert_eq(bpf_object__load(object), 0, "a program does not load");
	for (size_t i = 0; i < MAP_COUNT; i++)
		env->map[i] = bpf_map__fd(bpf_object__find_map_by_name(object, name[i]));
}

static void fill_calls(struct env *env)
{
	static const enum program who[OV_CALL_COUNT] = {
		[OV_CALL_FRONT] = FRONT, [OV_CALL_EGRESS] = EGRESS,
		[OV_CALL_ARRIVE] = ARRIVE, [OV_CALL_RETURN] = RETURN,
	};

	for (uint32_t i = 0; i < OV_CALL_COUNT; i++)
		put(env, MAP_calls, &i, &env->program[who[i]]);
}

void env_load(struct env *env)
{
	memset(env->map, -1, sizeof(env->map));

#define LOAD(which, skel, prog)                                                     \
	do {                                                                        \
		struct skel##_bpf *s = skel##_bpf__open();                          \
		cr_assert(s, "no skeleton: %s", strerror(errno));                   \
		share_maps(env, s->obj);                                            \
		env->object[which] = s;                                             \
		env->program[which] = bpf_program__fd(s->progs.prog);               \
	} while (0)
	LOAD(ENDPOINT, endpoint_tc, ov_endpoint);
	LOAD(UPLINK, uplink_tc, ov_uplink);
	LOAD(TUNNEL, tunnel_tc, ov_tunnel);
	LOAD(UPLINK_XDP, uplink_xdp, ov_uplink_xdp);
	LOAD(FRONT, front_tc, ov_front);
	LOAD(EGRESS, egress_tc, ov_egress);
	LOAD(ARRIVE, mesh_tc, ov_arrive);
	env->program[RETURN] = bpf_program__fd(((struct mesh_tc_bpf *)env->object[ARRIVE])->progs.ov_return);
	env->object[RETURN] = NULL;
	fill_calls(env);
#undef LOAD
}

/* An end for each actor, the uplink and one that belongs to nobody. */
static void make_devices(void)
{
	cr_assert_eq(system("set -e; ip link set lo up;"
			    "for d in blue_one blue_two blue_far blue_third blue_lost"
			    " red_one red_far nobody uplink tunnel; do"
			    "  ip link add $d type veth peer name ${d}_in; done;"
			    "ip link set uplink address 02:00:00:00:00:01"), 0);
}

/* ---- one loaded world for all tests, one test at a time ---- */

/*
 * Where the verifier is slow (under emulation) tests do not load the programs one by
 * one: with OV_TEST_PINS, a directory on a bpffs, the first one pins programs and maps
 * there and makes the devices where it stands; the others use them, emptied.
 */
static const char *pin_path(const char *kind, const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s-%s", getenv("OV_TEST_PINS"), kind, name);
	return path;
}

static const char *const program_name[] = { "endpoint", "uplink", "tunnel", "uplink_xdp",
					     "front", "egress", "arrive", "return" };
static const struct {
	const char *name;
	enum bpf_map_type type;
	size_t value_size;
} map_fact[] = {
#define ARRAY        BPF_MAP_TYPE_ARRAY
#define PERCPU_ARRAY BPF_MAP_TYPE_PERCPU_ARRAY
#define PERCPU_HASH  BPF_MAP_TYPE_PERCPU_HASH
#define HASH         BPF_MAP_TYPE_HASH
#define TABLE        BPF_MAP_TYPE_HASH
#define LRU_HASH     BPF_MAP_TYPE_LRU_HASH
#define LPM_TRIE     BPF_MAP_TYPE_LPM_TRIE
#define PROG_ARRAY   BPF_MAP_TYPE_PROG_ARRAY
#define RING_SLOT    BPF_MAP_TYPE_ARRAY_OF_MAPS
#define FLOWS_SLOT   BPF_MAP_TYPE_ARRAY_OF_MAPS
#define X(name, type, key, value, ...) { #name, type, sizeof(value) },
	OV_MAPS(X)
#undef X
#undef ARRAY
#undef PERCPU_ARRAY
#undef PERCPU_HASH
#undef HASH
#undef TABLE
#undef LRU_HASH
#undef LPM_TRIE
#undef PROG_ARRAY
#undef RING_SLOT
#undef FLOWS_SLOT
};

static void pin_world(const struct env *env)
{
	for (size_t i = 0; i < MAP_COUNT; i++)
		cr_assert_eq(bpf_obj_pin(env->map[i], pin_path("map", map_fact[i].name)), 0);
	for (size_t i = 0; i < PROGRAM_COUNT; i++)
		cr_assert_eq(bpf_obj_pin(env->program[i], pin_path("prog", program_name[i])), 0);
}

static void clear_counters(struct env *env, enum env_map map)
{
	size_t each = (map_fact[map].value_size + 7) & ~(size_t)7;
	_cleanup_(freep) uint8_t *zero = calloc((size_t)libbpf_num_possible_cpus(), each);

	for (uint32_t key = 0; bpf_map_update_elem(env->map[map], &key, zero, BPF_EXIST) == 0;)
		key++;
}

static void open_world(struct env *env)
{
	for (enum env_map i = 0; i < MAP_COUNT; i++) {
		env->map[i] = bpf_obj_get(pin_path("map", map_fact[i].name));
		cr_assert_geq(env->map[i], 0, "no %s", pin_path("map", map_fact[i].name));
		if (map_fact[i].type == BPF_MAP_TYPE_PERCPU_ARRAY)
			clear_counters(env, i);
		else if (map_fact[i].type == BPF_MAP_TYPE_ARRAY_OF_MAPS)
			bpf_map_delete_elem(env->map[i], &(uint32_t){ 0 }); /* -ENOENT: none is there */
		else if (map_fact[i].type != BPF_MAP_TYPE_ARRAY &&
			 map_fact[i].type != BPF_MAP_TYPE_PROG_ARRAY)
			env_empty(env, i);
	}
	for (size_t i = 0; i < PROGRAM_COUNT; i++) {
		env->program[i] = bpf_obj_get(pin_path("prog", program_name[i]));
		cr_assert_geq(env->program[i], 0, "no %s", pin_path("prog", program_name[i]));
	}
}

static void share_world(struct env *env)
{
	if (access(pin_path("prog", program_name[PROGRAM_COUNT - 1]), F_OK) == 0) {
		open_world(env);
		return;
	}
	env_load(env);
	pin_world(env);
	make_devices();
}

void env_open(struct env *env)
{
	if (getenv("OV_TEST_PINS")) {
		share_world(env);
	} else {
		cr_assert_eq(unshare(CLONE_NEWNET), 0, "BPF tests need root");
		env_load(env);
		make_devices();
	}
	env->uplink_ifindex = if_nametoindex("uplink");
	env->tunnel_ifindex = if_nametoindex("tunnel");
	env_become(env, NODE_A);
}

void env_close(struct env *env)
{
	endpoint_tc_bpf__destroy(env->object[ENDPOINT]);
	uplink_tc_bpf__destroy(env->object[UPLINK]);
	tunnel_tc_bpf__destroy(env->object[TUNNEL]);
	uplink_xdp_bpf__destroy(env->object[UPLINK_XDP]);
	front_tc_bpf__destroy(env->object[FRONT]);
	egress_tc_bpf__destroy(env->object[EGRESS]);
	mesh_tc_bpf__destroy(env->object[ARRIVE]);
}

/* All of them by one system call: a test reads them around every packet. */
static void read_counters(const struct env *env, struct ov_counter ret_total[OV_VERDICT_COUNT])
{
	size_t cpus = (size_t)libbpf_num_possible_cpus();
	_cleanup_(freep) struct ov_counter *per_cpu = calloc(OV_VERDICT_COUNT * cpus, sizeof(*per_cpu));
	uint32_t keys[OV_VERDICT_COUNT], next, count = OV_VERDICT_COUNT;

	bpf_map_lookup_batch(env->map[MAP_counters], NULL, &next, keys, per_cpu, &count, NULL);
	cr_assert_eq(count, OV_VERDICT_COUNT);
	memset(ret_total, 0, OV_VERDICT_COUNT * sizeof(*ret_total));
	for (uint32_t i = 0; i < OV_VERDICT_COUNT * cpus; i++) {
		ret_total[keys[i / cpus]].packets += per_cpu[i].packets;
		ret_total[keys[i / cpus]].bytes += per_cpu[i].bytes;
	}
}

uint64_t env_packets(const struct env *env, enum ov_verdict verdict)
{
	struct ov_counter all[OV_VERDICT_COUNT];

	read_counters(env, all);
	return all[verdict].packets;
}

/* Which counter moved between two readings: by one packet of that many bytes. */
static int find_verdict(const struct env *env, const struct ov_counter before[OV_VERDICT_COUNT],
			size_t len)
{
	struct ov_counter now[OV_VERDICT_COUNT];
	int verdict = NO_VERDICT;

	read_counters(env, now);
	for (uint32_t i = 0; i < OV_VERDICT_COUNT; i++) {
		if (!memcmp(&now[i], &before[i], sizeof(now[i])))
			continue;
		cr_assert_eq(verdict, NO_VERDICT, "verdicts %d and %u for one packet", verdict, i);
		cr_assert_eq(now[i].packets, before[i].packets + 1, "verdict %u counted twice", i);
		cr_assert_eq(now[i].bytes, before[i].bytes + len, "verdict %u counts wrong bytes", i);
		verdict = (int)i;
	}
	return verdict;
}

/* What follows a header, as a receiver would read it; 0: nothing we know. */
static enum pkt_kind next_kind(enum pkt_kind kind, const uint8_t *h)
{
	switch (kind) {
	case PKT_ETH:
		return h[12] != 8 ? 0 : h[13] == 0 ? PKT_IPV4 : h[13] == 6 ? PKT_ARP : 0;
	case PKT_IPV4:
		if ((h[6] & 31) || h[7]) /* a later fragment */
			return 0;
		return h[9] == IPPROTO_UDP ? PKT_UDP : h[9] == IPPROTO_TCP ? PKT_TCP :
		       h[9] == IPPROTO_ICMP ? PKT_ICMP : 0;
	case PKT_UDP:
		return (h[2] << 8 | h[3]) == VXLAN_PORT ? PKT_VXLAN : 0;
	case PKT_VXLAN:
		return PKT_ETH;
	default:
		return 0;
	}
}

/* Remembers where the layers of what came out are. */
static void find_layers(struct pkt *p)
{
	static const size_t size[] = { [PKT_ETH] = 14, [PKT_ARP] = 28, [PKT_IPV4] = 20,
				       [PKT_UDP] = 8,  [PKT_TCP] = 20, [PKT_ICMP] = 8,
				       [PKT_VXLAN] = 8 };
	enum pkt_kind kind = PKT_ETH;
	size_t at = 0;

	for (p->layers = 0; kind && p->layers < PKT_LAYERS_MAX; p->layers++) {
		const uint8_t *h = p->data + at;

		if (at + size[kind] > p->len)
			return;
		p->layer[p->layers].kind = kind;
		p->layer[p->layers].at = at;
		at += kind == PKT_IPV4 ? (h[0] & 15) * 4u : size[kind];
		kind = next_kind(kind, h);
	}
}

static bool is_xdp(enum program program)
{
	return program == UPLINK_XDP;
}

struct outcome env_run_bytes(struct env *env, enum program program, uint32_t ifindex,
			     const void *frame, size_t len, uint32_t gso_size)
{
	struct ov_counter before[OV_VERDICT_COUNT];
	struct outcome o = { 0 };
	struct __sk_buff ctx = { .ifindex = ifindex, .gso_size = gso_size };
	struct __sk_buff ctx_out = { 0 };

	read_counters(env, before);

	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = (uint32_t)len,
		    .data_out = o.out.data, .data_size_out = sizeof(o.out.data), .repeat = 1);
	if (!is_xdp(program)) {
		opts.ctx_in = &ctx;
		opts.ctx_size_in = sizeof(ctx);
		opts.ctx_out = &ctx_out;
		opts.ctx_size_out = sizeof(ctx_out);
	}

	int r = bpf_prog_test_run_opts(env->program[program], &opts);

	cr_assert_eq(r, 0, "test run of %zu bytes: %s", len, strerror(-r));
	o.action = (int)opts.retval;
	o.mark = ctx_out.mark;
	o.out.len = opts.data_size_out;
	find_layers(&o.out);
	o.verdict = find_verdict(env, before, len);
	return o;
}

struct outcome env_send_bytes(struct env *env, const struct actor *from, const void *frame,
			      size_t len, uint32_t gso_size)
{
	return env_run_bytes(env, ENDPOINT, env_ifindex(from), frame, len, gso_size);
}

struct outcome env_send(struct env *env, const struct actor *from, const struct pkt *p)
{
	return env_send_bytes(env, from, p->data, p->len, 0);
}

struct outcome env_arrive(struct env *env, const struct pkt *p)
{
	return env_run_bytes(env, UPLINK, env->uplink_ifindex, p->data, p->len, 0);
}

void expect_verdict_at(int line, const struct outcome *o, int verdict)
{
	bool to_stack = verdict == NO_VERDICT || verdict == OV_PASS_FOREIGN || verdict == OV_FWD_HOST;
	int action = to_stack ? TC_ACT_UNSPEC :
		     ov_verdict_is_drop(verdict) ? TC_ACT_SHOT : TC_ACT_REDIRECT;

	cr_assert_eq(o->verdict, verdict, "line %d: verdict %d, not %d", line, o->verdict, verdict);
	cr_assert_eq(o->action, action, "line %d: action %d, not %d", line, o->action, action);
}

struct pkt udp_between(const struct actor *from, const struct actor *to)
{
	struct pkt p = pkt_new();

	pkt_eth(&p, from->mac, to->mac, ETH_P_IP);
	pkt_ipv4(&p, from->ip, to->ip, IPPROTO_UDP);
	pkt_udp(&p, 1000, 2000);
	pkt_payload(&p, 100);
	pkt_finish(&p);
	return p;
}

void pkt_outer(struct pkt *p, uint32_t src, uint32_t dst, uint32_t vni)
{
	pkt_eth(p, wire_mac, uplink_mac, ETH_P_IP);
	pkt_ipv4(p, src, dst, IPPROTO_UDP);
	pkt_udp(p, 50000, VXLAN_PORT);
	pkt_vxlan(p, vni);
}

struct pkt vxlan_between(uint32_t outer_src, uint32_t outer_dst, const struct actor *from,
			 const struct actor *to)
{
	struct pkt p = pkt_new();

	pkt_outer(&p, outer_src, outer_dst, to->vni);
	pkt_eth(&p, from->mac, to->mac, ETH_P_IP);
	pkt_ipv4(&p, from->ip, to->ip, IPPROTO_UDP);
	pkt_udp(&p, 1000, 2000);
	pkt_payload(&p, 100);
	pkt_finish(&p);
	return p;
}
