// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Nanoseconds a packet spends in our programs, by BPF_PROG_TEST_RUN, with few
 * and with many endpoints in the map:
 *
 *   prog_run BPFFS UPLINK DEVICE [CALLS]
 *
 * A repeat count above 1 would measure something else: the kernel hands the same
 * packet to every repetition, so that from the second on it is encapsulated
 * already (or no longer) and the program refuses or ignores it; nothing a
 * wrapper may call takes the tunnel mark off an skb again. So each packet is one
 * call with repeat = 1, the kernel's own reading of its clock around the program
 * is taken, and the reading for a program that returns at once is subtracted.
 * Between two packets lies a system call, hence caches and branch predictors
 * are colder than under load: read these as upper bounds and compare rows.
 *
 * After each row the verdict counters must have moved as the row says.
 */
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <sys/ioctl.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "base/rng.h"
#include "sys/bpf.h"
#include "tool.h"

#define VNI 4096
#define VXLAN_PORT 4789
#define INNER_PAYLOAD 64
#define FEW 10
#define MANY 100000
#define CALLS 20000
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

/* ---- rows ---- */

static uint32_t call(int prog, uint32_t ifindex, void *packet, size_t len)
{
	struct __sk_buff skb = { .ifindex = ifindex };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_size_in = (uint32_t)len,
		    .ctx_in = &skb, .ctx_size_in = sizeof(skb), .repeat = 1);

	if (bpf_prog_test_run_opts(prog, &opts) < 0)
		tool_die("BPF_PROG_TEST_RUN failed: %s", strerror(errno));
	return opts.duration;
}

/* One packet of a row; `other` is the address of some endpoint elsewhere. */
union packet {
	struct inner inner;
	struct outer outer;
};

static size_t packet_push(union packet *p, uint32_t other)
{
	p->inner = make_inner(LOCAL_IP, other);
	return sizeof(p->inner);
}

static size_t packet_local(union packet *p, uint32_t other)
{
	(void)other;
	p->inner = make_inner(LOCAL_IP, LOCAL_IP + 1);
	return sizeof(p->inner);
}

static size_t packet_nobody(union packet *p, uint32_t other)
{
	p->inner = make_inner(LOCAL_IP, SUBNET + 0x1ff00 + (other & 0xff)); /* beyond all endpoints */
	return sizeof(p->inner);
}

static size_t packet_pop(union packet *p, uint32_t other)
{
	p->outer = make_outer(PEER_VTEP, VXLAN_PORT, other, LOCAL_IP);
	return sizeof(p->outer);
}

static size_t packet_foreign(union packet *p, uint32_t other)
{
	p->outer = make_outer(PEER_VTEP, VXLAN_PORT + 1, other, LOCAL_IP);
	return sizeof(p->outer);
}

static size_t packet_stranger(union packet *p, uint32_t other)
{
	p->outer = make_outer(STRANGER_VTEP, VXLAN_PORT, other, LOCAL_IP);
	return sizeof(p->outer);
}

/* ---- of the mesh ---- */

static size_t packet_published(union packet *p, uint32_t other)
{
	(void)other;
	p->inner = make_inner(OUTSIDE_IP, OUR_VTEP);
	return sizeof(p->inner);
}

static size_t packet_not_published(union packet *p, uint32_t other)
{
	packet_published(p, other);
	p->inner.udp.dest = htons(PORT + 1);
	return sizeof(p->inner);
}

static size_t packet_arrive(union packet *p, uint32_t other)
{
	/* The mark of the mesh, with the address that was called (bpf/lib/mesh.h). */
	static const uint8_t mark[ETH_ALEN] = { 0x06, 0x4d, 10, 99, 0, 2 };

	(void)other;
	p->outer = make_outer(PEER_VTEP, VXLAN_PORT, OUTSIDE_IP + 1, LOCAL_IP);
	memcpy(p->outer.inner.eth.h_source, mark, ETH_ALEN);
	return sizeof(p->outer);
}

/* The other way: from the backend's port, by the gateway. */
static void turn_round(struct inner *f)
{
	f->udp = make_udp(PORT, CLIENT_PORT, sizeof(*f) - sizeof(f->eth) - sizeof(f->ip));
	fill_mac(SUBNET + 1, f->eth.h_dest);
}

static size_t packet_answer(union packet *p, uint32_t other)
{
	(void)other;
	p->inner = make_inner(LOCAL_IP, OUTSIDE_IP + 1);
	turn_round(&p->inner);
	return sizeof(p->inner);
}

static size_t packet_return(union packet *p, uint32_t other)
{
	(void)other;
	p->outer = make_outer(PEER_VTEP, VXLAN_PORT, BACKEND_IP, OUTSIDE_IP);
	turn_round(&p->outer.inner);
	return sizeof(p->outer);
}

static const struct row {
	const char *text;
	enum bpf_program_id program;
	size_t (*packet)(union packet *p, uint32_t other);
	enum ov_verdict verdict;
} rows[] = {
	{ "ov_endpoint: push, to another node", BPF_PROG_ENDPOINT, packet_push, OV_FWD_ENCAP },
	{ "ov_endpoint: to a neighbour here", BPF_PROG_ENDPOINT, packet_local, OV_FWD_LOCAL },
	{ "ov_endpoint: refused, no such address", BPF_PROG_ENDPOINT, packet_nobody,
	  OV_DROP_UNKNOWN_DST },
	{ "ov_uplink: pop and deliver", BPF_PROG_UPLINK, packet_pop, OV_FWD_DECAP },
	{ "ov_uplink: not ours, left to the host", BPF_PROG_UPLINK, packet_foreign,
	  OV_PASS_FOREIGN },
	{ "ov_uplink: refused, unknown node", BPF_PROG_UPLINK, packet_stranger,
	  OV_DROP_UNKNOWN_PEER },
};

static const struct row mesh_rows[] = {
	{ "ov_front: not published", BPF_PROG_FRONT, packet_not_published, OV_PASS_FOREIGN },
	{ "ov_front: published, push to a node", BPF_PROG_FRONT, packet_published, OV_FWD_ENCAP },
	{ "ov_uplink: the same, by the uplink", BPF_PROG_UPLINK, packet_published, OV_FWD_ENCAP },
	{ "ov_uplink: pop, ov_arrive: deliver", BPF_PROG_UPLINK, packet_arrive, OV_FWD_DECAP },
	{ "ov_endpoint: answer, push to entry node", BPF_PROG_ENDPOINT, packet_answer, OV_FWD_ENCAP },
	{ "ov_uplink: pop, ov_return: to the client", BPF_PROG_UPLINK, packet_return, OV_FWD_OUTSIDE },
};

static void print_row(const struct bench *b, const char *text, struct samples *s)
{
	samples_sort(s);

	int at[3] = { (int)samples_at(s, 500), (int)samples_at(s, 100), (int)samples_at(s, 900) };

	for (int i = 0; i < 3; i++)
		at[i] -= (int)b->floor_ns;
	printf("  %-40s %7u %8d ns  [%d..%d]\n", text, b->endpoints, at[0], at[1], at[2]);
}

static void run_row(struct bench *b, const struct row *row)
{
	int prog = bpf_program_fd(b->objects, row->program);
	uint32_t ifindex = row->program == BPF_PROG_ENDPOINT ? b->device : b->uplink;
	uint64_t before = verdict_count(b, row->verdict);
	struct samples s;
	union packet p;

	samples_init(&s, b->calls);
	for (uint32_t i = 0; i < b->calls; i++) {
		size_t len = row->packet(&p, REMOTE_IP + rng_below(&b->rng, b->endpoints));

		if (row->program != BPF_PROG_ENDPOINT)
			memcpy(p.outer.eth.h_dest, b->uplink_mac, ETH_ALEN);
		samples_add(&s, call(prog, ifindex, &p, len));
	}

	uint64_t counted = verdict_count(b, row->verdict) - before;

	if (counted != b->calls)
		tool_die("\"%s\": of %u packets %llu got that verdict", row->text, b->calls,
			 (unsigned long long)counted);
	print_row(b, row->text, &s);
	free(s.ns);
}

/* What the clock itself costs: a program that returns at once. */
static void measure_floor(struct bench *b)
{
	static const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = TC_ACT_OK },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	_cleanup_(closep) int prog = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "bench_floor", "GPL",
						   insns, ARRAY_SIZE(insns), NULL);
	union packet p;
	struct samples s;

	if (prog < 0)
		tool_die("cannot load the empty program: %s", strerror(-prog));
	samples_init(&s, b->calls);
	for (uint32_t i = 0; i < b->calls; i++) {
		size_t len = packet_push(&p, REMOTE_IP);

		samples_add(&s, call(prog, b->device, &p, len));
	}
	samples_sort(&s);
	b->floor_ns = samples_at(&s, 500);
	printf("  %-40s %7s %8u ns  (subtracted from every row)\n", "empty program", "-", b->floor_ns);
	free(s.ns);
}

static uint32_t device_index(const char *name)
{
	uint32_t ifindex = if_nametoindex(name);

	if (!ifindex)
		tool_die("no device \"%s\" in this namespace", name);
	return ifindex;
}

/* A frame to another MAC would be somebody else's (PACKET_OTHERHOST). */
static void device_mac(const char *name, uint8_t ret_mac[6])
{
	_cleanup_(closep) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq req = { 0 };

	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &req) < 0)
		tool_die("cannot read the MAC of %s: %s", name, strerror(errno));
	memcpy(ret_mac, req.ifr_hwaddr.sa_data, ETH_ALEN);
}

int main(int argc, char **argv)
{
	struct bench b = { .calls = CALLS };
	struct err e = { 0 };

	if (argc < 4 || argc > 5) {
		fprintf(stderr, "usage: prog_run BPFFS UPLINK DEVICE [CALLS]\n");
		return 2;
	}
	if (argc == 5 && (b.calls = (uint32_t)strtoul(argv[4], NULL, 10)) < 1)
		tool_die("\"%s\" is no number of calls; give 1 or more", argv[4]);
	b.uplink = device_index(argv[2]);
	b.device = device_index(argv[3]);
	device_mac(argv[2], b.uplink_mac);
	rng_init_u64(&b.rng, MANY);

	struct bpf_place place = { .bpffs = argv[1], .pin_dir = "bench" };

	if (bpf_open(&place, &b.objects, &e) < 0)
		tool_die("%s", e.text);
	printf("  %-40s %7s %11s  [10%%..90%%]\n", "program and verdict", "map", "median");
	measure_floor(&b);
	put_node(&b);
	for (uint32_t n = FEW; n <= MANY; n *= MANY / FEW) {
		put_remote_endpoints(&b, n);
		for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
			run_row(&b, &rows[i]);
	}
	put_mesh(&b);
	for (size_t i = 0; i < ARRAY_SIZE(mesh_rows); i++)
		run_row(&b, &mesh_rows[i]);
	bpf_close(b.objects);
	if (bpf_detach_all(&place, &e) < 0)
		tool_die("%s", e.text);
	return 0;
}
