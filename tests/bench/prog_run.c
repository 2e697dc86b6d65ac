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
#include <linux/pkt_cls.h>

#include "device.h"
#include "prog_maps.h"

#define FEW 10
#define MANY 100000
#define CALLS 20000

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

/* The first two of `rows`, while somebody watches: most packets of the first begin a flow. */
static const struct {
	uint32_t flags;
	const char *text[2];
} watched[] = {
	{ 0, { "push, nobody watches", "to a neighbour, nobody watches" } },
	{ OV_WATCH_EVENTS, { "push, flows are watched", "to a neighbour, flows are watched" } },
	{ OV_WATCH_CAPTURE, { "push, packets are captured", "to a neighbour, packets are captured" } },
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
		if (b->ring)
			ring_read(b->ring, SIZE_MAX);
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

static void ignore_record(void *arg, const void *data, size_t size)
{
	(void)arg;
	(void)data;
	(void)size;
}

static void put_slot(struct bench *b, enum bpf_map_id slot, int fd)
{
	uint32_t zero = 0;

	if (fd < 0 || bpf_map_update_elem(bpf_map_fd(b->objects, slot), &zero, &fd, BPF_ANY) < 0)
		tool_die("the map %s cannot be filled: %s", bpf_map_name(slot), strerror(errno));
}

/* The bit by which programs look for what is watched at all. */
static void put_watched(struct bench *b, bool is_watched)
{
	int fd = bpf_map_fd(b->objects, BPF_MAP_config);
	struct ov_config cfg;
	uint32_t zero = 0;

	bpf_map_lookup_elem(fd, &zero, &cfg);
	cfg.flags = (cfg.flags & ~OV_CONFIG_WATCHED) | (is_watched ? OV_CONFIG_WATCHED : 0);
	bpf_map_update_elem(fd, &zero, &cfg, BPF_ANY);
}

/* What it costs to be watched. */
static void measure_watched(struct bench *b)
{
	_cleanup_(closep) int ring = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "ring", 0, 0,
						    OV_WATCH_RING_BYTES, NULL);
	_cleanup_(closep) int flows = bpf_map_create(BPF_MAP_TYPE_LRU_HASH, "flows",
						     sizeof(struct ov_watch_flow_key),
						     sizeof(struct ov_watch_flow), OV_WATCH_FLOWS, NULL);
	uint32_t zero = 0;

	put_slot(b, BPF_MAP_watch_ring, ring);
	put_slot(b, BPF_MAP_watch_flows, flows);
	if (ring_open(ring, ignore_record, NULL, &b->ring))
		tool_die("the ring cannot be read");
	for (size_t i = 0; i < ARRAY_SIZE(watched); i++) {
		struct ov_watch w = { .until = UINT64_MAX, .flags = watched[i].flags,
				      .snap = OV_WATCH_SNAP_MAX };

		bpf_map_update_elem(bpf_map_fd(b->objects, BPF_MAP_watch), &zero, &w, BPF_ANY);
		put_watched(b, w.flags != 0);
		for (size_t j = 0; j < 2; j++) {
			struct row row = rows[j];

			row.text = watched[i].text[j];
			run_row(b, &row);
		}
	}
	ring_close(TAKE_PTR(b->ring));
	put_watched(b, false);
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
	measure_watched(&b);
	put_mesh(&b);
	for (size_t i = 0; i < ARRAY_SIZE(mesh_rows); i++)
		run_row(&b, &mesh_rows[i]);
	bpf_close(b.objects);
	if (bpf_detach_all(&place, &e) < 0)
		tool_die("%s", e.text);
	return 0;
}
