/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flows and counts that are over, in the real maps; needs root. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "apply/poke.h"
#include "apply/reap.h"
#include "base/addr.h"
#include "base/cleanup.h"
#include "sys/netns.h"
#include "sys/packet.h"
#include "tests/lib/pkt.h"
#include "tests/lib/world.h"

TestSuite(reap, .init = make_world);

#define VNI 4096u
#define CLIENT 0x0a0a0002u
#define VIP 0x0a0a0064u
#define BACKEND 0x0a0a0003u
#define INCARNATION 77u

struct reap_world {
	struct kernel *k;
	struct driver d[PLAN_TABLE_COUNT];
	struct reaper *r;
	uint64_t now_ns;
	unsigned int orphans;
	struct ov_flow_key orphan;
};

static void on_orphan(void *arg, const struct ov_flow_key *key, const struct ov_flow *flow)
{
	struct reap_world *w = arg;

	cr_assert_eq(flow->vip_port, htons(80));
	w->orphans++;
	w->orphan = *key;
}

static uint64_t monotonic_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int map(const struct reap_world *w, enum bpf_map_id id)
{
	return bpf_map_fd(kernel_bpf(w->k), id);
}

static void put_endpoint(struct reap_world *w, uint32_t addr, const struct ov_endpoint *value)
{
	struct ov_endpoint_key key = { addr_from_v4(addr), VNI };

	upsert(&w->d[PLAN_ENDPOINTS], &key, value, NULL);
}

static void drop_endpoint(struct reap_world *w, uint32_t addr)
{
	struct ov_endpoint_key key = { addr_from_v4(addr), VNI };

	remove_it(&w->d[PLAN_ENDPOINTS], &key, NULL);
}

static struct ov_endpoint backend_row(void)
{
	return (struct ov_endpoint){ .service = addr_from_v4(VIP), .incarnation = INCARNATION,
				     .flags = OV_ENDPOINT_BACKEND };
}

/* The VIP, one backend of it, and a client here. */
static void open_world(struct reap_world *w)
{
	struct reap_hooks hooks = { on_orphan, w };
	struct ov_endpoint vip = { .flags = OV_ENDPOINT_VIP }, backend = backend_row();
	struct ov_endpoint client = { .ifindex = 1 };

	*w = (struct reap_world){ .now_ns = monotonic_ns() };
	w->k = open_kernel(w->d);
	cr_assert_eq(reap_new(w->k, &hooks, &w->r), 0);
	put_endpoint(w, VIP, &vip);
	put_endpoint(w, BACKEND, &backend);
	put_endpoint(w, CLIENT, &client);
}

static void close_world(struct reap_world *w)
{
	reap_free(w->r);
	kernel_close(w->k);
}

static struct ov_flow_key flow_key(uint16_t client_port)
{
	return (struct ov_flow_key){ .client = addr_from_v4(CLIENT), .vip = addr_from_v4(VIP),
				     .vni = { 0, VNI >> 8, 0 }, .protocol = IPPROTO_TCP,
				     .client_port = htons(client_port), .backend_port = htons(8080) };
}

/* A flow that has been idle that long; it is counted as the data path would. */
static void put_flow_with(struct reap_world *w, uint16_t client_port, uint32_t idle_s,
			  uint32_t flags)
{
	struct ov_backend_stats_key who = { addr_from_v4(VIP), addr_from_v4(BACKEND), VNI };
	struct ov_backend_stats stats = { 0 };
	struct ov_flow_key key = flow_key(client_port);
	struct ov_flow flow = { .backend = addr_from_v4(BACKEND), .incarnation = INCARNATION,
				.vip_port = htons(80), .flags = OV_FLOW_REPLIED | flags };

	flow.seen = (uint32_t)(w->now_ns >> OV_TICK_SHIFT) - OV_TICKS(idle_s);
	must(bpf_map_update_elem(map(w, BPF_MAP_flows), &key, &flow, BPF_NOEXIST), "flow");
	bpf_map_lookup_elem(map(w, BPF_MAP_backend_stats), &who, &stats);
	stats.active++;
	stats.total++;
	must(bpf_map_update_elem(map(w, BPF_MAP_backend_stats), &who, &stats, BPF_ANY), "stats");
}

static void put_flow(struct reap_world *w, uint16_t client_port, uint32_t idle_s)
{
	put_flow_with(w, client_port, idle_s, 0);
}

static bool has_flow(struct reap_world *w, uint16_t client_port)
{
	struct ov_flow_key key = flow_key(client_port);
	struct ov_flow flow;

	return !bpf_map_lookup_elem(map(w, BPF_MAP_flows), &key, &flow);
}

static int64_t active(struct reap_world *w)
{
	struct ov_backend_stats_key who = { addr_from_v4(VIP), addr_from_v4(BACKEND), VNI };
	struct ov_backend_stats stats = { .active = -1000 };

	bpf_map_lookup_elem(map(w, BPF_MAP_backend_stats), &who, &stats);
	return stats.active;
}

static uint64_t flow_counter(struct reap_world *w, uint32_t which)
{
	int cpus = libbpf_num_possible_cpus();
	_cleanup_(freep) uint64_t *each = calloc((size_t)cpus, sizeof(*each));
	uint64_t sum = 0;

	must(bpf_map_lookup_elem(map(w, BPF_MAP_flow_counters), &which, each), "flow counter");
	for (int i = 0; i < cpus; i++)
		sum += each[i];
	return sum;
}

static const struct reap_stats *whole_round(struct reap_world *w)
{
	bool done = false;

	for (int i = 0; i < 1000 && !done; i++)
		must(reap_step(w->r, w->now_ns, &done), "reap_step");
	cr_assert(done);
	return reap_round(w->r);
}

Test(reap, removes_a_flow_that_was_idle_for_five_days_and_counts_it)
{
	struct reap_world w;

	open_world(&w);
	put_flow(&w, 1000, OV_IDLE_TCP + 10);
	put_flow(&w, 1001, OV_IDLE_TCP - 10);
	put_flow(&w, 1002, 0);
	cr_assert_eq(whole_round(&w)->expired, 1);
	cr_assert_eq(reap_round(w.r)->flows, 3);
	cr_assert_not(has_flow(&w, 1000));
	cr_assert(has_flow(&w, 1001) && has_flow(&w, 1002));
	cr_assert_eq(active(&w), 2);
	cr_assert_eq(flow_counter(&w, OV_FLOW_LEFT), 1);
	cr_assert_eq(w.orphans, 0);
	close_world(&w);
}

Test(reap, calls_for_an_orphan_once_a_round_and_removes_it_when_it_stays_silent)
{
	struct reap_world w;

	open_world(&w);
	put_flow(&w, 1000, 5);
	drop_endpoint(&w, BACKEND);
	cr_assert_eq(whole_round(&w)->orphans, 1);
	cr_assert_eq(w.orphans, 1);
	cr_assert_eq(w.orphan.client_port, htons(1000));
	whole_round(&w);
	cr_assert_eq(w.orphans, 2);
	cr_assert(has_flow(&w, 1000));
	put_flow(&w, 1001, OV_ORPHAN_IDLE + 5);
	cr_assert_eq(whole_round(&w)->expired, 1);
	cr_assert_not(has_flow(&w, 1001));
	cr_assert(has_flow(&w, 1000));
	close_world(&w);
}

Test(reap, an_heir_of_the_address_or_another_service_does_not_take_the_flow_over)
{
	struct ov_endpoint row = backend_row();
	struct reap_world w;

	open_world(&w);
	put_flow(&w, 1000, 1);
	cr_assert_eq(whole_round(&w)->orphans, 0);
	row.flags |= OV_ENDPOINT_CLOSED | OV_ENDPOINT_AWAY;
	put_endpoint(&w, BACKEND, &row);
	cr_assert_eq(whole_round(&w)->orphans, 0, "drained, it goes on with what it has");
	row.incarnation++;
	put_endpoint(&w, BACKEND, &row);
	cr_assert_eq(whole_round(&w)->orphans, 1);
	row.incarnation--;
	row.service = addr_from_v4(VIP + 1);
	put_endpoint(&w, BACKEND, &row);
	cr_assert_eq(whole_round(&w)->orphans, 1);
	close_world(&w);
}

Test(reap, a_client_that_left_without_a_word_leaves_no_flow)
{
	struct ov_endpoint elsewhere = { 0 };
	struct reap_world w;

	open_world(&w);
	put_flow(&w, 1000, OV_ORPHAN_IDLE + 5);
	put_flow(&w, 1001, 5);
	cr_assert_eq(whole_round(&w)->expired, 0);
	drop_endpoint(&w, CLIENT);
	cr_assert_eq(whole_round(&w)->expired, 1);
	cr_assert_not(has_flow(&w, 1000));
	cr_assert(has_flow(&w, 1001), "its device may only be made anew");
	put_flow(&w, 1002, OV_ORPHAN_IDLE + 5);
	put_endpoint(&w, CLIENT, &elsewhere);
	cr_assert_eq(whole_round(&w)->expired, 1);
	cr_assert_eq(active(&w), 1);
	cr_assert_eq(w.orphans, 0);
	close_world(&w);
}

/* By whom its flow entered, who has the address that it called. */
Test(reap, a_client_outside_is_not_missed_and_is_told_by_the_node_it_entered_by)
{
	static const uint32_t flags[] = { OV_FLOW_ENTRY, OV_FLOW_ENTRY | OV_FLOW_DIRECT,
					  OV_FLOW_TUNNEL, OV_FLOW_DSR };

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		struct reap_world w;

		open_world(&w);
		drop_endpoint(&w, CLIENT);
		put_flow_with(&w, (uint16_t)(1000 + i), 5, flags[i]);
		cr_assert_eq(whole_round(&w)->expired, 0);
		drop_endpoint(&w, BACKEND);
		cr_assert_eq(whole_round(&w)->orphans, 1);
		cr_assert_eq(w.orphans, flags[i] & OV_FLOW_ENTRY ? 1 : 0);
		must(kernel_detach(&place, &(struct err){ 0 }), "detach");
		close_world(&w);
	}
}

#define OTHER_END 0x0a0a0009u

/* Between CLIENT, which lives here, and OTHER_END; as the data path keys and marks it. */
static struct ov_flow_key judged_key(uint16_t port)
{
	struct ov_flow_key key = { .client = addr_from_v4(CLIENT), .vip = addr_from_v4(OTHER_END),
				   .vni = { 0, VNI >> 8, 0 }, .protocol = IPPROTO_TCP,
				   .client_port = htons(port), .backend_port = htons(80) };

	key.vip.b[0] = OV_FLOW_POLICY_MARK;
	return key;
}

static void put_judged(struct reap_world *w, uint16_t port, uint32_t idle_s, uint32_t incarnation)
{
	struct ov_flow_key key = judged_key(port);
	struct ov_flow flow = { .flags = OV_FLOW_REPLIED | OV_FLOW_POLICY, .incarnation = incarnation };

	flow.seen = (uint32_t)(w->now_ns >> OV_TICK_SHIFT) - OV_TICKS(idle_s);
	must(bpf_map_update_elem(map(w, BPF_MAP_flows), &key, &flow, BPF_NOEXIST), "flow");
}

static bool has_judged(struct reap_world *w, uint16_t port)
{
	struct ov_flow_key key = judged_key(port);
	struct ov_flow flow;

	return !bpf_map_lookup_elem(map(w, BPF_MAP_flows), &key, &flow);
}

static void put_end(struct reap_world *w, uint32_t addr, uint32_t incarnation, uint16_t flags,
		    uint32_t ifindex)
{
	struct ov_endpoint row = { .incarnation = incarnation, .flags = flags, .ifindex = ifindex };

	put_endpoint(w, addr, &row);
}

Test(reap, a_flow_that_policy_judged_stays_as_long_as_its_ends)
{
	struct reap_world w;

	open_world(&w);
	put_end(&w, CLIENT, 5, OV_ENDPOINT_POLICY, 1);
	put_end(&w, OTHER_END, 6, OV_ENDPOINT_POLICY, 0);
	put_judged(&w, 1000, OV_ORPHAN_IDLE + 5, 5 ^ 6);
	put_judged(&w, 1001, OV_IDLE_TCP + 10, 5 ^ 6);
	put_judged(&w, 1002, OV_ORPHAN_IDLE + 5, 5 ^ 7); /* of somebody before */
	put_judged(&w, 1003, 5, 5 ^ 7);
	cr_assert_eq(whole_round(&w)->expired, 2);
	cr_assert(has_judged(&w, 1000) && has_judged(&w, 1003));
	cr_assert_not(has_judged(&w, 1001) || has_judged(&w, 1002));
	drop_endpoint(&w, OTHER_END);
	cr_assert_eq(whole_round(&w)->expired, 1);
	cr_assert_not(has_judged(&w, 1000));
	cr_assert_eq(reap_round(w.r)->orphans + w.orphans, 0, "nobody is called for it");
	cr_assert_eq(flow_counter(&w, OV_FLOW_LEFT), 3);
	close_world(&w);
}

Test(reap, a_flow_with_the_outside_or_of_a_network_without_rules_now)
{
	struct reap_world w;

	open_world(&w);
	put_end(&w, CLIENT, 5, OV_ENDPOINT_POLICY, 1);
	put_judged(&w, 1000, OV_ORPHAN_IDLE + 5, 5);
	cr_assert_eq(whole_round(&w)->expired, 0);
	put_end(&w, CLIENT, 5, 0, 1);
	cr_assert_eq(whole_round(&w)->expired, 1);
	put_end(&w, CLIENT, 5, OV_ENDPOINT_POLICY, 0); /* it lives elsewhere */
	put_judged(&w, 1000, OV_ORPHAN_IDLE + 5, 5);
	cr_assert_eq(whole_round(&w)->expired, 1);
	close_world(&w);
}

/* How often the kernel ran it, while somebody counts. */
static uint64_t runs(struct reap_world *w, enum bpf_program_id id)
{
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);

	must(bpf_obj_get_info_by_fd(bpf_program_fd(kernel_bpf(w->k), id), &info, &len), "info");
	return info.run_cnt;
}

static void put_masq(struct reap_world *w, uint16_t port, uint32_t idle_s, uint32_t inside,
		     uint32_t flags)
{
	struct ov_masq_key key = { .remote = addr_from_v4(0xc6336401), .remote_port = htons(443),
				   .port = htons(port), .protocol = IPPROTO_TCP };
	struct ov_masq value = { .inside = addr_from_v4(inside), .vni = inside ? VNI : 0,
				 .incarnation = inside ? INCARNATION : 0,
				 .flags = OV_FLOW_REPLIED | flags };

	value.seen = (uint32_t)(w->now_ns >> OV_TICK_SHIFT) - OV_TICKS(idle_s);
	must(bpf_map_update_elem(map(w, BPF_MAP_masq), &key, &value, BPF_NOEXIST), "masq");
}

Test(reap, asks_about_connections_to_the_outside_that_look_over_and_no_others)
{
	struct ov_endpoint inside = { .ifindex = 1, .incarnation = INCARNATION };
	struct ov_endpoint heir = { .ifindex = 1, .incarnation = INCARNATION + 1 };
	int count = bpf_enable_stats(BPF_STATS_RUN_TIME);
	struct reap_world w;

	must(count, "bpf_enable_stats");
	open_world(&w);
	put_endpoint(&w, CLIENT, &inside);
	put_endpoint(&w, CLIENT + 50, &heir);
	put_masq(&w, 61000, 1000, CLIENT, 0);
	put_masq(&w, 61001, 1000, 0, 0);                      /* the host's own */
	put_masq(&w, 61002, 5, CLIENT + 51, 0);               /* gone a moment ago */
	put_masq(&w, 61003, 5, CLIENT, OV_FLOW_CLOSED);
	whole_round(&w);
	cr_assert_eq(reap_round(w.r)->masq, 4);
	cr_assert_eq(runs(&w, BPF_PROG_REAP_MASQ), 0);
	put_masq(&w, 61010, OV_IDLE_TCP + 10, CLIENT, 0);
	put_masq(&w, 61011, OV_IDLE_CLOSED + 10, CLIENT, OV_FLOW_CLOSED);
	put_masq(&w, 61012, OV_ORPHAN_IDLE + 10, CLIENT + 50, 0); /* another has its address */
	put_masq(&w, 61013, OV_ORPHAN_IDLE + 10, CLIENT + 51, 0); /* nobody has */
	whole_round(&w);
	cr_assert_eq(reap_round(w.r)->masq, 8);
	cr_assert_eq(runs(&w, BPF_PROG_REAP_MASQ), 4);
	close(count);
	close_world(&w);
}

Test(reap, reads_a_large_table_in_bounded_steps)
{
	unsigned int steps = 0;
	struct reap_world w;
	bool done = false;

	open_world(&w);
	for (uint16_t i = 0; i < 20000; i++)
		put_flow(&w, (uint16_t)(1000 + i), i % 2 ? 1 : OV_IDLE_TCP + 10);
	while (!done) {
		uint64_t before = reap_round(w.r)->flows;

		must(reap_step(w.r, w.now_ns, &done), "reap_step");
		cr_assert_leq(reap_round(w.r)->flows - (steps++ ? before : 0), REAP_BATCH);
	}
	cr_assert_geq(steps, 20000 / REAP_BATCH);
	cr_assert_eq(reap_round(w.r)->flows, 20000);
	cr_assert_eq(reap_round(w.r)->expired, 10000);
	cr_assert_eq(active(&w), 10000);
	close_world(&w);
}

Test(reap, a_round_can_begin_anew)
{
	struct reap_world w;
	bool done;

	open_world(&w);
	for (uint16_t i = 0; i < 6000; i++)
		put_flow(&w, (uint16_t)(1000 + i), 1);
	must(reap_step(w.r, w.now_ns, &done), "reap_step");
	reap_restart(w.r);
	cr_assert_eq(whole_round(&w)->flows, 6000);
	close_world(&w);
}

static void put_counts(struct reap_world *w, uint32_t vip, uint32_t backend, int64_t flows)
{
	struct ov_backend_stats_key who = { addr_from_v4(vip), addr_from_v4(backend), VNI };
	struct ov_backend_stats stats = { .active = flows, .total = 9 };
	struct ov_service_stats_key service = { addr_from_v4(vip), VNI };
	struct ov_service_stats turns = { .turn = 3, .flows = 9 };

	must(bpf_map_update_elem(map(w, BPF_MAP_backend_stats), &who, &stats, BPF_ANY), "stats");
	must(bpf_map_update_elem(map(w, BPF_MAP_service_stats), &service, &turns, BPF_ANY), "stats");
}

Test(reap, removes_counts_of_who_is_gone_once_there_is_no_flow_left)
{
	struct ov_backend_stats_key key = { addr_from_v4(VIP), addr_from_v4(BACKEND), VNI };
	struct ov_service_stats_key service = { addr_from_v4(VIP), VNI };
	struct ov_service_stats turns;
	struct ov_backend_stats stats;
	struct reap_world w;

	open_world(&w);
	put_counts(&w, VIP, BACKEND, 0);
	put_counts(&w, VIP, BACKEND + 1, 0);     /* no such backend */
	put_counts(&w, VIP, BACKEND + 2, 4);     /* neither, but it has flows */
	put_counts(&w, VIP + 9, BACKEND + 3, 0); /* no such VIP */
	cr_assert_eq(whole_round(&w)->leftovers, 3);
	cr_assert_eq(bpf_map_lookup_elem(map(&w, BPF_MAP_backend_stats), &key, &stats), 0);
	key.backend = addr_from_v4(BACKEND + 1);
	cr_assert_neq(bpf_map_lookup_elem(map(&w, BPF_MAP_backend_stats), &key, &stats), 0);
	key.backend = addr_from_v4(BACKEND + 2);
	cr_assert_eq(bpf_map_lookup_elem(map(&w, BPF_MAP_backend_stats), &key, &stats), 0);
	cr_assert_eq(bpf_map_lookup_elem(map(&w, BPF_MAP_service_stats), &service, &turns), 0);
	service.vip = addr_from_v4(VIP + 9);
	cr_assert_neq(bpf_map_lookup_elem(map(&w, BPF_MAP_service_stats), &service, &turns), 0);
	cr_assert_eq(whole_round(&w)->leftovers, 0);
	close_world(&w);
}

Test(reap, the_programs_leave_alone_what_is_alive_whoever_asks)
{
	struct ov_reap_stats counts = { .key = { addr_from_v4(VIP), addr_from_v4(BACKEND), VNI } };
	struct ov_reap run = { .key = flow_key(1000) };
	struct reap_world w;

	open_world(&w);
	put_flow(&w, 1000, 1);
	must(bpf_run(kernel_bpf(w.k), BPF_PROG_REAP, &run, sizeof(run)), "ov_reap");
	cr_assert_eq(run.result, OV_REAP_KEPT);
	must(bpf_run(kernel_bpf(w.k), BPF_PROG_REAP_STATS, &counts, sizeof(counts)), "ov_reap_stats");
	cr_assert_eq(counts.result, OV_REAP_KEPT);
	run.key.client_port = 0;
	must(bpf_run(kernel_bpf(w.k), BPF_PROG_REAP, &run, sizeof(run)), "ov_reap");
	cr_assert_eq(run.result, OV_REAP_NONE);
	cr_assert(has_flow(&w, 1000));
	close_world(&w);
}

/* ---- what balances ---- */

static void put_service(struct reap_world *w, uint32_t vip, uint16_t port, uint32_t backends)
{
	struct ov_service_key key = { .vip = addr_from_v4(vip), .vni = VNI, .port = htons(port),
				      .protocol = IPPROTO_TCP };
	struct ov_service value = { .backends = backends, .algorithm = OV_LB_RR };

	upsert(&w->d[PLAN_SERVICES], &key, &value, NULL);
}

Test(reap, lb_rows_join_backends_with_their_flows_and_show_old_and_empty_ones)
{
	struct ov_backend_key key = { .vip = addr_from_v4(VIP), .vni = VNI };
	struct ov_backend value = { .addr = addr_from_v4(BACKEND + 1), .weight = 5 };
	_cleanup_(freep) struct lb_row *row = NULL;
	struct reap_world w;
	struct err e = { 0 };
	size_t count = 0;

	open_world(&w);
	put_service(&w, VIP, 80, 2);
	put_service(&w, VIP, 81, 2);
	put_service(&w, VIP + 1, 80, 0);
	put_service(&w, VIP + 1, 81, 0);
	upsert(&w.d[PLAN_BACKENDS], &key, &value, NULL);
	key.index = 1;
	value = (struct ov_backend){ .addr = addr_from_v4(BACKEND), .weight = 1 };
	upsert(&w.d[PLAN_BACKENDS], &key, &value, NULL);
	key = (struct ov_backend_key){ .vip = addr_from_v4(VIP), .vni = VNI | OV_VNI_LOCAL };
	upsert(&w.d[PLAN_BACKENDS], &key, &value, NULL); /* as of host mode: no second row */
	put_counts(&w, VIP, BACKEND, 3);
	put_counts(&w, VIP, BACKEND + 7, 4);
	put_counts(&w, VIP, BACKEND + 8, 0);
	cr_assert_eq(kernel_read_lb(w.k, &row, &count, &e), 0, "%s", e.text);
	cr_assert_eq(count, 4);
	cr_assert_eq(addr_v4(&row[0].backend), BACKEND);
	cr_assert(row[0].weight == 1 && row[0].active == 3 && row[0].total == 9 && !row[0].is_old);
	cr_assert_eq(row[0].algorithm, OV_LB_RR);
	cr_assert_eq(addr_v4(&row[1].backend), BACKEND + 1);
	cr_assert(row[1].weight == 5 && row[1].active == 0 && row[1].total == 0);
	cr_assert_eq(addr_v4(&row[2].backend), BACKEND + 7);
	cr_assert(row[2].is_old && row[2].weight == 0 && row[2].active == 4);
	cr_assert_eq(addr_v4(&row[3].vip), VIP + 1);
	cr_assert(row[3].is_empty && addr_is_zero(&row[3].backend));
	close_world(&w);
}

Test(reap, flow_usage_is_what_entered_less_what_left)
{
	int cpus = libbpf_num_possible_cpus();
	_cleanup_(freep) uint64_t *each = calloc((size_t)cpus, sizeof(*each));
	uint32_t entered = OV_FLOW_ENTERED, overflow = OV_FLOW_OVERFLOW;
	struct flow_usage usage;
	struct reap_world w;

	open_world(&w);
	cr_assert_eq(kernel_flow_usage(w.k, &usage), 0);
	cr_assert(usage.used == 0 && usage.max == OV_FLOWS && usage.overflow == 0);
	for (int i = 0; i < cpus; i++)
		each[i] = 10;
	must(bpf_map_update_elem(map(&w, BPF_MAP_flow_counters), &entered, each, BPF_ANY), "entered");
	must(bpf_map_update_elem(map(&w, BPF_MAP_flow_counters), &overflow, each, BPF_ANY), "overflow");
	put_flow(&w, 1000, OV_IDLE_TCP + 10);
	whole_round(&w);
	cr_assert_eq(kernel_flow_usage(w.k, &usage), 0);
	cr_assert_eq(usage.used, 10 * (uint64_t)cpus - 1);
	cr_assert_eq(usage.overflow, 10 * (uint64_t)cpus);
	close_world(&w);
}

/* ---- poking ---- */

static const uint8_t client_mac[6] = { 0x02, 0x42, 10, 10, 0, 2 };
static const uint8_t vip_mac[6] = { 0x02, 0x42, 10, 10, 0, 100 };

Test(poke, is_an_empty_segment_in_the_vips_name_with_right_checksums)
{
	struct ov_flow_key key = flow_key(40000);
	struct pkt want = pkt_new();
	struct pkt_tcp *tcp;
	uint8_t frame[POKE_FRAME_LEN];

	pkt_eth(&want, vip_mac, client_mac, ETH_P_IP);
	pkt_ipv4(&want, VIP, CLIENT, IPPROTO_TCP);
	pkt_tcp(&want, 80, 40000);
	pkt_finish(&want);
	cr_assert_eq(want.len, POKE_FRAME_LEN);
	cr_assert_eq(poke_frame(&key, htons(80), client_mac, frame), 0);

	struct pkt_ipv4 *ip = (struct pkt_ipv4 *)(frame + 14), *like = pkt_find(&want, PKT_IPV4, 0);

	cr_assert_eq(memcmp(frame, want.data, 14), 0);
	cr_assert(ip->version == 4 && ip->ihl == 5 && ip->protocol == IPPROTO_TCP);
	cr_assert(ip->saddr == like->saddr && ip->daddr == like->daddr);
	cr_assert_eq(ntohs(ip->tot_len), 40);
	cr_assert_eq(pkt_checksum(ip, sizeof(*ip)), 0);
	tcp = (struct pkt_tcp *)(frame + 34);
	cr_assert(tcp->source == htons(80) && tcp->dest == htons(40000));
	cr_assert(tcp->seq == 0 && tcp->ack_seq == 0 && tcp->doff == 5 && tcp->flags == 0x10);
	cr_assert_eq(pkt_l4_checksum(ip, tcp, sizeof(*tcp)), 0);
}

Test(poke, is_refused_for_what_is_not_ipv4)
{
	struct ov_flow_key key = flow_key(40000);
	uint8_t frame[POKE_FRAME_LEN];

	memset(&key.vip, 0xfd, sizeof(key.vip));
	cr_assert_eq(poke_frame(&key, htons(80), client_mac, frame), -EAFNOSUPPORT);
}

#ifndef TCP_REPAIR_OFF_NO_WP
#define TCP_REPAIR_OFF_NO_WP (-1)
#endif

/* A connected client whose peer does not exist, inside the container. */
static int silent_client(uint16_t port)
{
	struct sockaddr_in from = { .sin_family = AF_INET, .sin_port = htons(port),
				    .sin_addr.s_addr = htonl(CLIENT) };
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(80),
				  .sin_addr.s_addr = htonl(VIP) };
	int self, there, fd, on = 1, off = TCP_REPAIR_OFF_NO_WP;
	uint32_t seq = 0x40000000;

	must(netns_open(CONTAINER, &there), CONTAINER);
	must(netns_open_self(&self), "own namespace");
	must(setns(there, CLONE_NEWNET), "setns");
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(fd, "socket");
	must(setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)), "TCP_REPAIR");
	for (int queue = TCP_RECV_QUEUE; queue <= TCP_SEND_QUEUE; queue++) {
		must(setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, &queue, sizeof(queue)), "queue");
		must(setsockopt(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, &seq, sizeof(seq)), "sequence");
	}
	must(bind(fd, (struct sockaddr *)&from, sizeof(from)), "bind");
	must(connect(fd, (struct sockaddr *)&to, sizeof(to)), "connect");
	must(setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &off, sizeof(off)), "TCP_REPAIR off");
	must(setns(self, CLONE_NEWNET), "setns");
	close(there);
	close(self);
	return fd;
}

static int listen_on(uint32_t ifindex)
{
	struct sockaddr_ll on = { .sll_family = AF_PACKET, .sll_ifindex = (int)ifindex,
				  .sll_protocol = htons(ETH_P_IP) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_IP));

	must(fd, "packet socket");
	must(bind(fd, (struct sockaddr *)&on, sizeof(on)), "bind");
	return fd;
}

/* Waits for a segment from one port to the other; its flags, or 0. */
static uint8_t heard(int fd, uint16_t from, uint16_t to)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint8_t frame[256];

	while (poll(&p, 1, 5000) > 0) {
		const struct pkt_tcp *tcp = (const struct pkt_tcp *)(frame + 34);

		if (recv(fd, frame, sizeof(frame), 0) >= POKE_FRAME_LEN && frame[23] == IPPROTO_TCP &&
		    tcp->source == htons(from) && tcp->dest == htons(to))
			return tcp->flags;
	}
	return 0;
}

Test(reap, a_poked_client_speaks_up)
{
	struct plan_device device = endpoint_row(CONTAINER);
	struct plan_device_key device_key = endpoint_key();
	struct ov_flow_key key = flow_key(40000);
	struct ov_endpoint client = { 0 };
	struct ov_flow flow = { .vip_port = htons(80) };
	struct poke_sockets out;
	int listener, client_fd;
	struct reap_world w;

	open_world(&w);
	upsert(&w.d[PLAN_DEVICES], &device_key, &device, NULL);
	sh("ip link set %s up", device.name);
	client.ifindex = if_nametoindex(device.name);
	memcpy(client.mac, client_mac, 6);
	must(poke_open(&out), "poke_open");
	drop_endpoint(&w, CLIENT);
	cr_assert_eq(poke_client(w.k, &out, &key, &flow), -ENOENT, "nobody there yet");
	put_endpoint(&w, CLIENT, &client);
	cr_assert(inside(CONTAINER, "ip neigh add 10.10.0.100 lladdr 02:42:0a:0a:00:64 dev eth0"));
	client_fd = silent_client(40000);
	listener = listen_on(client.ifindex);
	must(poke_client(w.k, &out, &key, &flow), "poke_client");
	cr_assert_eq(heard(listener, 40000, 80), 0x10, "an ACK, which the data path answers by a reset");
	close(client_fd);
	close(listener);
	poke_close(&out);
	close_world(&w);
}

/* By the device that has the address, wherever the routes lead. */
Test(reap, a_client_outside_is_poked_by_the_address_that_it_called)
{
	struct ov_address_key address = { addr_from_v4(0xc0000201) };
	struct ov_flow_key key = flow_key(40000);
	struct ov_flow flow = { .vip_port = htons(8000), .flags = OV_FLOW_ENTRY, .via = address.addr };
	struct ov_address at = { 0 };
	struct poke_sockets out;
	struct reap_world w;
	int listener;

	open_world(&w);
	key.client = addr_from_v4(0xc6336407);
	must(poke_open(&out), "poke_open");
	cr_assert_eq(poke_client(w.k, &out, &key, &flow), -ENOENT, "the address is no more");
	at.ifindex = if_nametoindex("up0");
	upsert(&w.d[PLAN_ADDRESSES], &address, &at, NULL);
	sh("ip neigh add 198.51.100.7 lladdr 02:00:00:00:00:07 dev up0");
	sh("ip link add away type veth peer name away1 && ip link set away up && "
	   "ip route add 198.51.100.0/24 dev away");
	listener = listen_on(if_nametoindex("up1"));
	must(poke_client(w.k, &out, &key, &flow), "poke_client");
	cr_assert_eq(heard(listener, 8000, 40000), 0x10);
	close(listener);
	poke_close(&out);
	close_world(&w);
}
