// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Nanoseconds a packet to a VIP or a published port, or back, spends in our programs, by
 * BPF_PROG_TEST_RUN, with few and with many services and flows:
 *
 *   lb_run BPFFS CLIENT_DEVICE BACKEND_DEVICE [REPEAT [RUNS [TEXT]]]
 *   lb_run BPFFS CLIENT_DEVICE BACKEND_DEVICE REPEAT turns TEXT
 *
 * Client and backends live on this host, so that a packet is changed in place and a
 * wrapper (lb_wrap.bpf.c) can make each repetition a packet of the next flow. What the
 * wrapper takes before an empty program is subtracted. The way to another host adds the
 * push that prog_run measures; by XDP, where the wrapper can take off what was pushed, the
 * backends are on another host and the push is in the figure (taking it off, too).
 *
 * TEXT: only rows that begin so, for a look with perf. After each row the verdict and flow
 * counters must have moved as the row says.
 *
 * By turns: of the first such row one run for each line that comes, answered with its
 * figure; so two builds can be measured in step, with the same machine under both.
 */
#include <linux/if_ether.h>
#include <netinet/ip.h>
#include <netinet/udp.h>

#include "device.h"
#include "lb_policy.h"

#define REPEAT 200000
#define RUNS 7
#define TURNS 10 /* of one run, where a few hundredths are looked for */

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

enum kind {
	CALL, REPLY, NEW, NEW_FULL, NO_VIP, /* of a container, to a VIP or not */
	PUBLISHED, PUBLISHED_NEW, PUBLISHED_FULL, PUBLISHED_REPLY, /* of a client outside */
	NOT_PUBLISHED, NOT_PUBLISHED_UPLINK,
	JUDGED, JUDGED_NEW, /* to an endpoint, of a network with policy or without */
	SENT_ON, SENT_ON_NEW, SENT_ON_FULL, NOT_PUBLISHED_XDP, /* by XDP, to another node */
};

/* What each kind runs, and what becomes of its packets. */
static const struct {
	enum bpf_program_id program;
	enum ov_verdict verdict;
	bool has_flows, is_reply, is_new, is_full, is_outside, is_spread, is_xdp, is_judged;
} kinds[] = {
	[CALL] = { BPF_PROG_ENDPOINT, OV_FWD_LOCAL, .has_flows = true, .is_spread = true },
	[REPLY] = { BPF_PROG_ENDPOINT, OV_FWD_LOCAL, .has_flows = true, .is_reply = true },
	[NEW] = { BPF_PROG_ENDPOINT, OV_FWD_LOCAL, .is_new = true, .is_spread = true },
	[NEW_FULL] = { BPF_PROG_ENDPOINT, OV_FWD_LOCAL, .is_new = true, .is_full = true,
		       .is_spread = true },
	[NO_VIP] = { BPF_PROG_ENDPOINT, OV_FWD_LOCAL },
	[PUBLISHED] = { BPF_PROG_FRONT, OV_FWD_LOCAL, .has_flows = true, .is_outside = true },
	[PUBLISHED_NEW] = { BPF_PROG_FRONT, OV_FWD_LOCAL, .is_new = true, .is_outside = true },
	[PUBLISHED_FULL] = { BPF_PROG_FRONT, OV_FWD_LOCAL, .is_new = true, .is_full = true,
			     .is_outside = true },
	[PUBLISHED_REPLY] = { BPF_PROG_ENDPOINT, OV_FWD_OUTSIDE, .has_flows = true,
			      .is_reply = true, .is_outside = true },
	[NOT_PUBLISHED] = { BPF_PROG_FRONT, OV_PASS_FOREIGN, .is_outside = true },
	[NOT_PUBLISHED_UPLINK] = { BPF_PROG_UPLINK, OV_PASS_FOREIGN, .is_outside = true },
	[JUDGED] = { BPF_PROG_ENDPOINT, OV_FWD_LOCAL, .is_judged = true },
	[JUDGED_NEW] = { BPF_PROG_ENDPOINT, OV_FWD_LOCAL, .is_judged = true, .is_new = true },
	[SENT_ON] = { BPF_PROG_UPLINK_XDP, OV_FWD_ENCAP, .has_flows = true, .is_outside = true,
		      .is_xdp = true },
	[SENT_ON_NEW] = { BPF_PROG_UPLINK_XDP, OV_FWD_ENCAP, .is_new = true, .is_outside = true,
			  .is_xdp = true },
	[SENT_ON_FULL] = { BPF_PROG_UPLINK_XDP, OV_FWD_ENCAP, .is_new = true, .is_full = true,
			   .is_outside = true, .is_xdp = true },
	[NOT_PUBLISHED_XDP] = { BPF_PROG_UPLINK_XDP, OV_PASS_FOREIGN, .is_outside = true,
				.is_xdp = true },
};

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
	{ "port not published, by ov_front", NOT_PUBLISHED, IPPROTO_TCP, 1, 0 },
	{ "port not published, by ov_uplink", NOT_PUBLISHED_UPLINK, IPPROTO_TCP, 1, 0 },
	{ "published, TCP established", PUBLISHED, IPPROTO_TCP, 1, 107 },
	{ "published, TCP established", PUBLISHED, IPPROTO_TCP, 1000, 107 },
	{ "published, TCP established", PUBLISHED, IPPROTO_TCP, FLOWS_MANY, 225 },
	{ "published, UDP established", PUBLISHED, IPPROTO_UDP, 1, 136 },
	{ "published, UDP established", PUBLISHED, IPPROTO_UDP, FLOWS_MANY, 274 },
	{ "published, TCP reply", PUBLISHED_REPLY, IPPROTO_TCP, 1, 0 },
	{ "published, TCP reply", PUBLISHED_REPLY, IPPROTO_TCP, 1000, 0 },
	{ "published, TCP reply", PUBLISHED_REPLY, IPPROTO_TCP, FLOWS_MANY, 0 },
	{ "published, TCP SYN, each new", PUBLISHED_NEW, IPPROTO_TCP, FLOWS_MANY, 498 },
	{ "published, TCP SYN, making room", PUBLISHED_FULL, IPPROTO_TCP, NEW_FLOWS, 741 },
	{ "port not published, by XDP", NOT_PUBLISHED_XDP, IPPROTO_TCP, 1, 0 },
	{ "XDP to a node, TCP established", SENT_ON, IPPROTO_TCP, 1, 107 },
	{ "XDP to a node, TCP established", SENT_ON, IPPROTO_TCP, 1000, 107 },
	{ "XDP to a node, TCP established", SENT_ON, IPPROTO_TCP, FLOWS_MANY, 225 },
	{ "XDP to a node, UDP established", SENT_ON, IPPROTO_UDP, 1, 136 },
	{ "XDP to a node, UDP established", SENT_ON, IPPROTO_UDP, FLOWS_MANY, 274 },
	{ "XDP to a node, TCP SYN, each new", SENT_ON_NEW, IPPROTO_TCP, FLOWS_MANY, 498 },
	{ "XDP to a node, SYN, making room", SENT_ON_FULL, IPPROTO_TCP, NEW_FLOWS, 741 },
};

static const struct row judged_rows[] = {
	{ "policy: TCP, flow is known", JUDGED, IPPROTO_TCP, 1, 0 },
	{ "policy: TCP, flow is known", JUDGED, IPPROTO_TCP, 1000, 0 },
	{ "policy: UDP, flow is known", JUDGED, IPPROTO_UDP, 1, 0 },
	{ "policy: UDP, flow is known", JUDGED, IPPROTO_UDP, 1000, 0 },
	{ "policy: TCP SYN, each a new flow", JUDGED_NEW, IPPROTO_TCP, FLOWS_MANY, 0 },
	{ "policy: UDP, each a new flow", JUDGED_NEW, IPPROTO_UDP, FLOWS_MANY, 0 },
};

/* ifindex 0: by XDP. */
static uint32_t run_wrapper(struct bench *b, struct lb_wrap *w, int target, uint32_t ifindex,
			    uint32_t repeat)
{
	uint8_t frame[LB_FRAME];
	struct __sk_buff skb = { .ifindex = ifindex };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = (int)repeat);
	uint32_t zero = 0;

	if (ifindex) {
		opts.ctx_in = &skb;
		opts.ctx_size_in = sizeof(skb);
	}
	memcpy(frame, w->frame, sizeof(frame));
	if (bpf_map_update_elem(b->target[!ifindex], &zero, &target, BPF_ANY) < 0)
		tool_die("the wrapper cannot call the program: %s", strerror(errno));
	if (bpf_map_update_elem(b->state, &zero, w, BPF_ANY) < 0 ||
	    bpf_prog_test_run_opts(b->wrapper[!ifindex], &opts) < 0)
		tool_die("BPF_PROG_TEST_RUN failed: %s", strerror(errno));
	if (bpf_map_lookup_elem(b->state, &zero, w) < 0)
		tool_die("cannot read the wrapper's state: %s", strerror(errno));
	return opts.duration;
}

/* From and to whom the row's packets go. */
static void fill_row_frame(struct bench *b, const struct row *row, struct lb_wrap *w)
{
	bool outside = kinds[row->kind].is_outside, is_new = kinds[row->kind].is_new;
	uint32_t client = outside ? OUTSIDE_IP : CLIENT_IP, called = outside ? OUR_VTEP : VIP_IP;

	if (kinds[row->kind].is_reply)
		fill_frame(w, BACKEND_IP, client, row->protocol, false);
	else
		fill_frame(w, client, row->kind == NO_VIP || kinds[row->kind].is_judged ? BACKEND_IP : called, row->protocol, is_new);
	if (!outside)
		return;
	if (kinds[row->kind].is_reply) /* by the gateway */
		fill_mac(0x0a000001, w->frame);
	else
		memcpy(w->frame, b->client_mac, ETH_ALEN);
}

static void prepare(struct bench *b, const struct row *row, uint32_t called, struct lb_wrap *w)
{
	bool nobody = kinds[row->kind].verdict == OV_PASS_FOREIGN;

	*w = (struct lb_wrap){ .flows = row->flows, .services = called, .vip = VIP_IP,
			       .port = nobody ? PORT_NOBODY : PORT,
			       .is_reply = kinds[row->kind].is_reply };
	map_empty(b, BPF_MAP_flows);
	map_empty(b, BPF_MAP_brief);
	put_backends(b, kinds[row->kind].is_xdp ? 0 : b->backend);
	if (kinds[row->kind].has_flows)
		put_flows(b, w, row->protocol, kinds[row->kind].is_outside ? OV_FLOW_ENTRY : 0);
	fill_row_frame(b, row, w);
}

static void check_counts(struct bench *b, const struct row *row, const uint64_t before[2],
			 uint64_t packets)
{
	uint64_t sent = count_of(b, BPF_MAP_counters, kinds[row->kind].verdict,
				 sizeof(struct ov_counter));
	uint64_t born = count_of(b, BPF_MAP_flow_counters, OV_FLOW_BORN, sizeof(uint64_t));

	if (row->kind == NOT_PUBLISHED_XDP) /* TC counts them */
		return;
	if (sent - before[0] != packets)
		tool_die("\"%s\": of %llu packets %llu got the verdict of the row", row->text,
			 (unsigned long long)packets, (unsigned long long)(sent - before[0]));
	/* A flow that policy judged is no backend's, and not counted. */
	if (born - before[1] != (kinds[row->kind].is_new && !kinds[row->kind].is_judged ? packets : 0))
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
	int prog = bpf_program_fd(b->objects, kinds[row->kind].program);
	uint32_t ifindex = kinds[row->kind].is_xdp ? 0 :
			   kinds[row->kind].is_reply ? b->backend : b->client;
	bool is_full = kinds[row->kind].is_full, is_once = kinds[row->kind].is_new && !is_full;
	/* Of new flows each comes once a run, and the table holds all of them. */
	uint32_t repeat = is_once ? row->flows : b->repeat;
	struct lb_wrap copy = run->w;
	uint32_t floor = run_wrapper(b, &copy, b->empty[!ifindex], ifindex, repeat), gross;
	uint64_t before[2];

	if (is_once)
		map_empty(b, BPF_MAP_brief);
	if (kinds[row->kind].is_judged)
		enforce(b);
	if (row->kind == JUDGED && b->is_judged)
		put_judged(b, &run->w, row->protocol);
	if (is_full && is_first) /* make it full */
		run_wrapper(b, &run->w, prog, ifindex, 2 * OV_BRIEF);
	before[0] = count_of(b, BPF_MAP_counters, kinds[row->kind].verdict, sizeof(struct ov_counter));
	before[1] = count_of(b, BPF_MAP_flow_counters, OV_FLOW_BORN, sizeof(uint64_t));
	gross = run_wrapper(b, &run->w, prog, ifindex, repeat);
	check_counts(b, row, before, repeat);
	samples_add(&run->net, gross > floor ? gross - floor : 0);
}

/* Thousandths of one run over the one right before it, of the other side: the machine drifts. */
static uint32_t ratio_of_turns(const struct run run[2])
{
	struct samples ratios;
	uint32_t median;

	samples_init(&ratios, run[0].net.count);
	for (size_t i = 0; i < run[0].net.count; i++)
		samples_add(&ratios, run[0].net.ns[i] ? run[1].net.ns[i] * 1000ull / run[0].net.ns[i] : 0);
	samples_sort(&ratios);
	median = samples_at(&ratios, 500);
	free(ratios.ns);
	return median;
}

static void run_row(struct bench side[2], const struct row *row, bool spread)
{
	struct run run[2] = { { .b = &side[0] }, { .b = &side[1] } };
	char katran[16] = "-";
	uint32_t ratio;

	for (int i = 0; i < 2; i++) {
		samples_init(&run[i].net, side[i].runs);
		prepare(&side[i], row, spread ? side[i].services : 1, &run[i].w);
	}
	for (uint32_t n = 0; n < side->runs; n++) /* in turn, so that both meet the same machine */
		for (int i = 0; i < 2; i++)
			run_once(&run[i], row, n == 0);
	ratio = ratio_of_turns(run);
	for (int i = 0; i < 2; i++)
		samples_sort(&run[i].net);
	if (row->katran_ns)
		snprintf(katran, sizeof(katran), "%d", row->katran_ns);
	printf("  %-34s %8u ", row->text, row->flows);
	for (int i = 0; i < 2; i++)
		printf("%6u %6u %6u  ", samples_at(&run[i].net, 0), samples_at(&run[i].net, 500),
		       samples_at(&run[i].net, 1000));
	printf("%6.2f %7s\n", ratio / 1000.0, katran);
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
		if (!spread || (row->flows > 1 && kinds[row->kind].is_spread))
			run_row(side, row, spread);
	}
}

/*
 * The same network in the same maps under two policies in turn, each as many rules as that; -1:
 * under none.
 */
static void run_judged(struct bench *b, int rules, int others)
{
	struct bench side[2] = { *b };
	char text[2][40];

	for (int i = 0; i < 2; i++) {
		int count = i ? others : rules;

		put_policy(&side[i], count);
		if (!i)
			side[1] = side[0]; /* the next set */
		snprintf(text[i], sizeof(text[i]), count < 0 ? "no policy: min med max" : "%d rules: min med max", count);
	}
	printf("  %-34s %8s %-21s  %-21s %5s\n", "ns a packet, to an endpoint here", "flows", text[0], text[1],
	       "ratio");
	for (size_t i = 0; i < ARRAY_SIZE(judged_rows); i++) {
		uint32_t turns = judged_rows[i].kind == JUDGED ? TURNS : 1;

		if (strncmp(judged_rows[i].text, side->only, strlen(side->only)))
			continue;
		for (int j = 0; j < 2; j++) {
			side[j].repeat = b->repeat / turns + 1;
			side[j].runs = b->runs * turns;
		}
		run_row(side, &judged_rows[i], false);
	}
	b->policy = side[1].policy;
}

static const struct row *find_row(const char *text)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (!strncmp(rows[i].text, text, strlen(text)))
			return &rows[i];
	tool_die("no row begins \"%s\"; lb_run without it shows all of them", text);
}

/* A line in, a figure out. */
static void take_turns(struct bench *b)
{
	const struct row *row = find_row(b->only);
	struct run run = { .b = b };
	char line[8];

	prepare(b, row, 1, &run.w);
	samples_init(&run.net, 1);
	for (bool is_first = true; fgets(line, sizeof(line), stdin); is_first = false) {
		run.net.count = 0;
		run_once(&run, row, is_first);
		printf("%u\n", run.net.ns[0]);
		fflush(stdout);
	}
	free(run.net.ns);
}

/* ---- set-up ---- */

static int load_empty(enum bpf_prog_type type)
{
	static const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts);

	if (type == BPF_PROG_TYPE_XDP) { /* as the wrapper, or one cannot call the other */
		opts.prog_flags = BPF_F_XDP_HAS_FRAGS;
		opts.expected_attach_type = BPF_XDP;
	}

	int fd = bpf_prog_load(type, "bench_floor", "GPL", insns, ARRAY_SIZE(insns), &opts);

	if (fd < 0)
		tool_die("cannot load the empty program: %s", strerror(-fd));
	return fd;
}

static void load_wrapper(struct bench *b)
{
	b->wrap = bpf_object__open_file(LB_WRAP_OBJECT, NULL);
	if (!b->wrap || bpf_object__load(b->wrap))
		tool_die("cannot load %s: %s", LB_WRAP_OBJECT, strerror(errno));
	b->wrapper[0] = bpf_program__fd(bpf_object__find_program_by_name(b->wrap, "lb_wrap"));
	b->wrapper[1] = bpf_program__fd(bpf_object__find_program_by_name(b->wrap, "lb_wrap_xdp"));
	b->state = bpf_object__find_map_fd_by_name(b->wrap, "lb_state");
	b->target[0] = bpf_object__find_map_fd_by_name(b->wrap, "lb_target");
	b->target[1] = bpf_object__find_map_fd_by_name(b->wrap, "lb_target_xdp");
	b->empty[0] = load_empty(BPF_PROG_TYPE_SCHED_CLS);
	b->empty[1] = load_empty(BPF_PROG_TYPE_XDP);
}

static uint32_t number(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end || n < 1 || n > 100000000)
		tool_die("\"%s\" is no count; give 1 or more", text);
	return (uint32_t)n;
}

static void open_side(struct bench *b, const struct bpf_place *place, uint32_t services)
{
	struct err e = { 0 };

	if (bpf_open(place, &b->objects, &e) < 0)
		tool_die("%s", e.text);
	put_node(b);
	put_services(b, services);
	put_all_published(b);
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
	bool by_turns = argc == 7 && strcmp(argv[5], "turns") == 0;
	char few_dir[40], many_dir[40];

	if (argc < 4 || argc > 7) {
		fprintf(stderr, "usage: lb_run BPFFS CLIENT_DEVICE BACKEND_DEVICE"
				" [REPEAT [RUNS|turns [TEXT]]]\n");
		return 2;
	}
	side->client = device_index(argv[2]);
	side->backend = device_index(argv[3]);
	device_mac(argv[2], side->client_mac);
	if (argc > 4)
		side->repeat = number(argv[4]);
	if (argc > 5 && !by_turns)
		side->runs = number(argv[5]);
	if (argc > 6)
		side->only = argv[6];
	load_wrapper(side);
	side[1] = side[0];

	snprintf(few_dir, sizeof(few_dir), "bench-lb-%d-few", getpid());
	snprintf(many_dir, sizeof(many_dir), "bench-lb-%d-many", getpid());

	struct bpf_place few = { .bpffs = argv[1], .pin_dir = few_dir };
	struct bpf_place many = { .bpffs = argv[1], .pin_dir = many_dir };

	open_side(&side[0], &few, FEW);
	if (by_turns) {
		take_turns(&side[0]);
	} else {
		open_side(&side[1], &many, MANY);
		run_rows(side, false);
		run_rows(side, true);
		run_judged(&side[0], -1, 0);
		run_judged(&side[0], 0, 10);
		run_judged(&side[0], 0, 1000);
		close_side(&side[1], &many);
	}
	bpf_object__close(side->wrap);
	close_side(&side[0], &few);
	return 0;
}
