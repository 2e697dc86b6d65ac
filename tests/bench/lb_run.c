// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Nanoseconds a packet to a VIP, or back from it, spends in our program, by
 * BPF_PROG_TEST_RUN, with few and with many services and flows:
 *
 *   lb_run BPFFS CLIENT_DEVICE BACKEND_DEVICE [REPEAT [RUNS [TEXT]]]
 *
 * Client and backends live on this host, so that a packet is changed in place and a
 * wrapper (lb_wrap.bpf.c) can make each repetition a packet of the next flow. What the
 * wrapper takes before an empty program is subtracted. The way to another host adds the
 * push that prog_run measures.
 *
 * TEXT: only rows that begin so, for a look with perf. After each row the verdict and flow counters must have moved as the row says.
 */
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>

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
#define REPEAT 200000
#define RUNS 7
#define VIP_IP 0x0a200000u
#define BACKEND_IP 0x0a100000u /* backend b of service s: + s * BACKENDS + b */
#define CLIENT_IP 0x0a300002u
#define OUR_VTEP 0x0a630001u
#define PORT 1024
#define NEW_FLOWS (1u << 23)   /* ports of flows that shall never come twice in a row */
#define BATCH 4096

struct bench {
	struct bpf_objects *objects;
	struct bpf_object *wrap;
	int wrapper, state, target, empty;
	uint32_t client, backend, repeat, runs, services;
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

	if (flags)
		dev.service = addr_from_v4(VIP_IP);
	fill_mac(ip, dev.mac);
	map_put(b, BPF_MAP_devices, &key, &dev);
}

static void put_endpoint(struct bench *b, uint32_t ip, uint32_t ifindex, uint32_t vip)
{
	struct ov_endpoint_key key = { .addr = addr_from_v4(ip), .vni = VNI };
	struct ov_endpoint value = { .vtep = addr_from_v4(OUR_VTEP), .ifindex = ifindex,
				     .incarnation = ip };

	if (vip) {
		value.service = addr_from_v4(vip);
		value.flags = OV_ENDPOINT_BACKEND;
	}
	fill_mac(ip, value.mac);
	map_put(b, BPF_MAP_endpoints, &key, &value);
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

static void put_services(struct bench *b, uint32_t count)
{
	while (b->services < count)
		put_service(b, b->services++);
}

static void put_node(struct bench *b)
{
	struct ov_config config = { .vtep = addr_from_v4(OUR_VTEP), .flags = OV_CONFIG_READY,
				    .uplink_ifindex = b->client, .tunnel_ifindex = b->client,
				    .vxlan_port = htons(4789) };
	struct ov_network_key net_key = { .vni = VNI };
	struct ov_network net = { .gateway = addr_from_v4(0x0a000001), .mtu = 1450,
				  .prefix_len = ADDR_V4_BITS + 8 };
	uint32_t zero = 0;

	fill_mac(0x0a000001, net.gateway_mac);
	map_put(b, BPF_MAP_config, &zero, &config);
	map_put(b, BPF_MAP_networks, &net_key, &net);
	put_device(b, b->client, CLIENT_IP, 0);
	put_device(b, b->backend, BACKEND_IP, OV_ENDPOINT_BACKEND);
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

static void put_flows(struct bench *b, const struct lb_wrap *w, uint8_t protocol)
{
	enum bpf_map_id id = protocol == IPPROTO_UDP ? BPF_MAP_brief : BPF_MAP_flows;
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	for (uint32_t n = 0; n < w->flows; n++) {
		uint32_t vip = VIP_IP + n % w->services, s = vip - VIP_IP;
		uint32_t backend = BACKEND_IP + s * BACKENDS; /* the first: replies come from one */
		struct ov_flow_key key = {
			.client = addr_from_v4(CLIENT_IP), .vip = addr_from_v4(vip),
			.vni = { VNI >> 16, VNI >> 8 & 0xff, VNI & 0xff }, .protocol = protocol,
			.client_port = htons(LB_CLIENT_PORT(w, n)),
			.backend_port = htons(LB_SERVICE_PORT(w, n)),
		};
		struct ov_flow flow = {
			.backend = addr_from_v4(backend), .incarnation = backend,
			.seen = (uint32_t)(((uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec) >>
					   OV_TICK_SHIFT),
			.flags = OV_FLOW_REPLIED, .vip_port = key.backend_port,
		};

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

/* ---- packets ---- */

static void fill_frame(struct lb_wrap *w, uint32_t src, uint32_t dst, uint8_t protocol, bool syn)
{
	struct ethhdr eth = { .h_proto = htons(ETH_P_IP) };
	struct iphdr ip = { .version = 4, .ihl = 5, .ttl = 64, .protocol = protocol,
			    .frag_off = htons(IP_DF), .tot_len = htons(LB_FRAME - sizeof(eth)),
			    .saddr = htonl(src), .daddr = htonl(dst) };
	struct tcphdr tcp = { .doff = 5, .ack = !syn, .syn = syn, .check = htons(0x1234) };
	struct udphdr udp = { .len = htons(LB_FRAME - sizeof(eth) - sizeof(ip)),
			      .check = htons(0x1234) };

	fill_mac(src, eth.h_source);
	fill_mac(dst, eth.h_dest);
	memset(w->frame, 0, sizeof(w->frame));
	memcpy(w->frame, &eth, sizeof(eth));
	memcpy(w->frame + sizeof(eth), &ip, sizeof(ip));
	if (protocol == IPPROTO_TCP)
		memcpy(w->frame + sizeof(eth) + sizeof(ip), &tcp, sizeof(tcp));
	else
		memcpy(w->frame + sizeof(eth) + sizeof(ip), &udp, sizeof(udp));
}

/* ---- rows ---- */

enum kind { CALL, REPLY, NEW, NEW_FULL, NO_VIP };

/*
 * Katran's figure for a row like it, net, 128-byte frames, on such a machine: facebook's
 * XDP load balancer at 19f08fec82fb, IPIP encapsulation, one run (TCP new flows: of the
 * build without a rate limit, which otherwise skips the insert). It encapsulates and
 * neither translates nor tracks a connection's state: another program, read with care.
 */
static const struct row {
	const char *text;
	enum kind kind;
	uint8_t protocol;
	uint32_t flows;
	int katran_ns; /* 0: it does not do that (replies go past it) */
} rows[] = {
	{ "to an endpoint, no VIP", NO_VIP, IPPROTO_TCP, 1, 0 },
	{ "TCP established", CALL, IPPROTO_TCP, 1, 107 },
	{ "TCP established", CALL, IPPROTO_TCP, 1000, 107 },
	{ "TCP established", CALL, IPPROTO_TCP, FLOWS_MANY, 225 },
	{ "UDP established", CALL, IPPROTO_UDP, 1, 136 },
	{ "UDP established", CALL, IPPROTO_UDP, 1000, 0 },
	{ "UDP established", CALL, IPPROTO_UDP, FLOWS_MANY, 274 },
	{ "TCP reply", REPLY, IPPROTO_TCP, 1, 0 },
	{ "TCP reply", REPLY, IPPROTO_TCP, 1000, 0 },
	{ "TCP reply", REPLY, IPPROTO_TCP, FLOWS_MANY, 0 },
	{ "UDP reply", REPLY, IPPROTO_UDP, 1, 0 },
	{ "UDP reply", REPLY, IPPROTO_UDP, FLOWS_MANY, 0 },
	{ "TCP SYN, each a new flow", NEW, IPPROTO_TCP, FLOWS_MANY, 498 },
	{ "UDP, each a new flow", NEW, IPPROTO_UDP, FLOWS_MANY, 0 },
	{ "TCP SYN, new, older ones make room", NEW_FULL, IPPROTO_TCP, NEW_FLOWS, 741 },
	{ "UDP, new, older ones make room", NEW_FULL, IPPROTO_UDP, NEW_FLOWS, 0 },
};

static uint32_t run_wrapper(struct bench *b, struct lb_wrap *w, int target, uint32_t ifindex,
			    uint32_t repeat)
{
	uint8_t frame[LB_FRAME];
	struct __sk_buff skb = { .ifindex = ifindex };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame),
		    .ctx_in = &skb, .ctx_size_in = sizeof(skb), .repeat = (int)repeat);
	uint32_t zero = 0;

	memcpy(frame, w->frame, sizeof(frame));
	if (bpf_map_update_elem(b->target, &zero, &target, BPF_ANY) < 0)
		tool_die("the wrapper cannot call the program: %s", strerror(errno));
	if (bpf_map_update_elem(b->state, &zero, w, BPF_ANY) < 0 ||
	    bpf_prog_test_run_opts(b->wrapper, &opts) < 0)
		tool_die("BPF_PROG_TEST_RUN failed: %s", strerror(errno));
	if (bpf_map_lookup_elem(b->state, &zero, w) < 0)
		tool_die("cannot read the wrapper's state: %s", strerror(errno));
	return opts.duration;
}

static void prepare(struct bench *b, const struct row *row, uint32_t called, struct lb_wrap *w)
{
	*w = (struct lb_wrap){ .flows = row->flows, .services = called, .vip = VIP_IP, .port = PORT,
			       .is_reply = row->kind == REPLY };
	map_empty(b, BPF_MAP_flows);
	map_empty(b, BPF_MAP_brief);
	if (row->kind == CALL || row->kind == REPLY)
		put_flows(b, w, row->protocol);
	if (row->kind == REPLY)
		fill_frame(w, BACKEND_IP, CLIENT_IP, row->protocol, false);
	else
		fill_frame(w, CLIENT_IP, row->kind == NO_VIP ? BACKEND_IP : VIP_IP, row->protocol,
			   row->kind == NEW || row->kind == NEW_FULL);
}

static void check_counts(struct bench *b, const struct row *row, const uint64_t before[2],
			 uint64_t packets)
{
	bool is_new = row->kind == NEW || row->kind == NEW_FULL;
	uint64_t sent = count_of(b, BPF_MAP_counters, OV_FWD_LOCAL, sizeof(struct ov_counter));
	uint64_t born = count_of(b, BPF_MAP_flow_counters, OV_FLOW_BORN, sizeof(uint64_t));

	if (sent - before[0] != packets)
		tool_die("\"%s\": of %llu packets %llu were delivered", row->text,
			 (unsigned long long)packets, (unsigned long long)(sent - before[0]));
	if (born - before[1] != (is_new ? packets : 0))
		tool_die("\"%s\": %llu packets began %llu flows", row->text,
			 (unsigned long long)packets, (unsigned long long)(born - before[1]));
}

/* One row over one set of maps. */
struct run {
	struct bench *b;
	struct lb_wrap w;
	struct samples net;
};

static void run_once(struct run *run, const struct row *row, bool is_first)
{
	struct bench *b = run->b;
	int prog = bpf_program_fd(b->objects, BPF_PROG_ENDPOINT);
	uint32_t ifindex = row->kind == REPLY ? b->backend : b->client;
	/* Of NEW each flow comes once a run, and the table holds all of them. */
	uint32_t repeat = row->kind == NEW ? row->flows : b->repeat;
	struct lb_wrap copy = run->w;
	uint32_t floor = run_wrapper(b, &copy, b->empty, ifindex, repeat), gross;
	uint64_t before[2];

	if (row->kind == NEW)
		map_empty(b, BPF_MAP_brief);
	if (row->kind == NEW_FULL && is_first) /* make it full */
		run_wrapper(b, &run->w, prog, ifindex, 2 * OV_BRIEF);
	before[0] = count_of(b, BPF_MAP_counters, OV_FWD_LOCAL, sizeof(struct ov_counter));
	before[1] = count_of(b, BPF_MAP_flow_counters, OV_FLOW_BORN, sizeof(uint64_t));
	gross = run_wrapper(b, &run->w, prog, ifindex, repeat);
	check_counts(b, row, before, repeat);
	samples_add(&run->net, gross > floor ? gross - floor : 0);
}

static void run_row(struct bench side[2], const struct row *row, bool spread)
{
	struct run run[2] = { { .b = &side[0] }, { .b = &side[1] } };
	char katran[16] = "-";

	for (int i = 0; i < 2; i++) {
		samples_init(&run[i].net, side[i].runs);
		prepare(&side[i], row, spread ? side[i].services : 1, &run[i].w);
	}
	for (uint32_t n = 0; n < side->runs; n++) /* in turn, so that both meet the same machine */
		for (int i = 0; i < 2; i++)
			run_once(&run[i], row, n == 0);
	for (int i = 0; i < 2; i++)
		samples_sort(&run[i].net);
	if (row->katran_ns)
		snprintf(katran, sizeof(katran), "%d", row->katran_ns);
	printf("  %-34s %8u ", row->text, row->flows);
	for (int i = 0; i < 2; i++)
		printf("%6u %6u %6u  ", samples_at(&run[i].net, 0), samples_at(&run[i].net, 500),
		       samples_at(&run[i].net, 1000));
	printf("%6.2f %7s\n", samples_at(&run[1].net, 500) * 1.0 / samples_at(&run[0].net, 500), katran);
	for (int i = 0; i < 2; i++)
		free(run[i].net.ns);
}

static void run_rows(struct bench side[2], bool spread)
{
	printf("  %-34s %8s %-21s %-21s %6s %7s\n", spread ? "ns, flows to all services" :
	       "ns a packet, flows to one service", "flows", "10: min median max",
	       "10,000: the same", "ratio", "Katran");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];

		if (strncmp(row->text, side->only, strlen(side->only)))
			continue;
		if (!spread || (row->flows > 1 && row->kind != REPLY))
			run_row(side, row, spread);
	}
}

/* ---- set-up ---- */

static int load_empty(void)
{
	static const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = TC_ACT_OK },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "bench_floor", "GPL", insns,
			       ARRAY_SIZE(insns), NULL);

	if (fd < 0)
		tool_die("cannot load the empty program: %s", strerror(-fd));
	return fd;
}

static void load_wrapper(struct bench *b)
{
	b->wrap = bpf_object__open_file(LB_WRAP_OBJECT, NULL);
	if (!b->wrap || bpf_object__load(b->wrap))
		tool_die("cannot load %s: %s", LB_WRAP_OBJECT, strerror(errno));
	b->wrapper = bpf_program__fd(bpf_object__find_program_by_name(b->wrap, "lb_wrap"));
	b->state = bpf_object__find_map_fd_by_name(b->wrap, "lb_state");
	b->target = bpf_object__find_map_fd_by_name(b->wrap, "lb_target");
	b->empty = load_empty();
}

static uint32_t number(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end || n < 1 || n > 100000000)
		tool_die("\"%s\" is no count; give 1 or more", text);
	return (uint32_t)n;
}

static uint32_t device_index(const char *name)
{
	uint32_t ifindex = if_nametoindex(name);

	if (!ifindex)
		tool_die("no device \"%s\" in this namespace", name);
	return ifindex;
}

static void open_side(struct bench *b, const struct bpf_place *place, uint32_t services)
{
	struct err e = { 0 };

	if (bpf_open(place, &b->objects, &e) < 0)
		tool_die("%s", e.text);
	put_node(b);
	put_services(b, services);
}

static void close_side(struct bench *b, const struct bpf_place *place)
{
	struct err e = { 0 };

	bpf_close(b->objects);
	if (bpf_detach_all(place, &e) < 0)
		tool_die("%s", e.text);
}

int main(int argc, char **argv)
{
	struct bench side[2] = { { .repeat = REPEAT, .runs = RUNS, .only = "" } };

	if (argc < 4 || argc > 7) {
		fprintf(stderr, "usage: lb_run BPFFS CLIENT_DEVICE BACKEND_DEVICE [REPEAT [RUNS [TEXT]]]\n");
		return 2;
	}
	side->client = device_index(argv[2]);
	side->backend = device_index(argv[3]);
	if (argc > 4)
		side->repeat = number(argv[4]);
	if (argc > 5)
		side->runs = number(argv[5]);
	if (argc > 6)
		side->only = argv[6];
	load_wrapper(side);
	side[1] = side[0];

	struct bpf_place few = { .bpffs = argv[1], .pin_dir = "bench-lb-few" };
	struct bpf_place many = { .bpffs = argv[1], .pin_dir = "bench-lb-many" };

	open_side(&side[0], &few, FEW);
	open_side(&side[1], &many, MANY);
	run_rows(side, false);
	run_rows(side, true);
	bpf_object__close(side->wrap);
	close_side(&side[0], &few);
	close_side(&side[1], &many);
	return 0;
}
