/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flows of format 2, carried over into this one's maps; needs root. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apply/kernel.h"
#include "base/cleanup.h"
#include "tests/lib/world.h"

TestSuite(kernel_formats, .init = make_world);

#define V2 PIN_ROOT "/v2"
#define MANY 20000u

/* As format 2 had it: bytes that a daemon of that format left. */
struct flow_v2 {
	struct ov_addr backend;
	__u32 incarnation, seen, flags;
	__be16 vip_port;
	__u16 pad;
};

static int older_map(const char *name, enum bpf_map_type type, uint32_t key, uint32_t value)
{
	int fd = bpf_map_create(type, name, key, value, 65536, NULL);
	char path[128];

	must(fd, name);
	snprintf(path, sizeof(path), V2 "/%s", name);
	must(bpf_obj_pin(fd, path), path);
	return fd;
}

static struct ov_flow_key flow_key(uint32_t i)
{
	return (struct ov_flow_key){ .client = addr_from_v4(0x0a0a0005), .vni = { 0, 0x10, 0 },
				     .vip = addr_from_v4(0x0a0a0064), .protocol = IPPROTO_TCP,
				     .client_port = (__be16)i, .backend_port = htons(80) };
}

static void put_flow(int fd, uint32_t i)
{
	struct ov_flow_key key = flow_key(i);
	struct flow_v2 flow = { .backend = addr_from_v4(0x0a0a0002 + i % 2), .incarnation = 7,
				.seen = 100 + i, .flags = OV_FLOW_REPLIED, .vip_port = htons(8000) };

	must(bpf_map_update_elem(fd, &key, &flow, BPF_NOEXIST), "an old flow");
}

/* `count` flows in each of the two, of two backends by turns; one was ever begun before. */
static void leave_format_2(uint32_t count)
{
	struct ov_backend_stats_key who = { .vip = addr_from_v4(0x0a0a0064), .vni = 4096,
					    .backend = addr_from_v4(0x0a0a0002) };
	struct ov_backend_stats stats = { .active = 999, .total = 12345 };
	int flows, brief, counts;

	sh("mkdir -p " V2 "/prog " V2 "/link");
	flows = older_map("flows", BPF_MAP_TYPE_HASH, 40, sizeof(struct flow_v2));
	brief = older_map("brief", BPF_MAP_TYPE_LRU_HASH, 40, sizeof(struct flow_v2));
	counts = older_map("backend_stats", BPF_MAP_TYPE_HASH, sizeof(who), sizeof(stats));
	for (uint32_t i = 0; i < count; i++) {
		put_flow(flows, i);
		put_flow(brief, 40000 + i);
	}
	must(bpf_map_update_elem(counts, &who, &stats, 0), "counts");
	close(flows);
	close(brief);
	close(counts);
}

static void attach(const struct driver *d)
{
	struct plan_attach_key key = { if_nametoindex("up0"), HOOK_TC_INGRESS };
	struct plan_attach row = { PROGRAM_UPLINK, OV_XDP_OFF };

	upsert(d, &key, &row, NULL);
}

static bool find_flow(struct kernel *k, enum bpf_map_id map, uint32_t i, struct ov_flow *ret_flow)
{
	struct ov_flow_key key = flow_key(i);

	return !bpf_map_lookup_elem(bpf_map_fd(kernel_bpf(k), map), &key, ret_flow);
}

static void expect_flow(struct kernel *k, enum bpf_map_id map, uint32_t i)
{
	struct ov_flow flow, want = { .backend = addr_from_v4(0x0a0a0002 + i % 2), .incarnation = 7,
				      .seen = 100 + i, .flags = OV_FLOW_REPLIED,
				      .vip_port = htons(8000) };

	cr_assert(find_flow(k, map, i, &flow), "flow %u", i);
	cr_assert_eq(memcmp(&flow, &want, sizeof(want)), 0, "flow %u, and no `via`", i);
}

static struct ov_backend_stats stats_of(struct kernel *k, uint32_t backend)
{
	struct ov_backend_stats_key who = { .vip = addr_from_v4(0x0a0a0064), .vni = 4096,
					    .backend = addr_from_v4(backend) };
	struct ov_backend_stats stats = { 0 };

	bpf_map_lookup_elem(bpf_map_fd(kernel_bpf(k), BPF_MAP_backend_stats), &who, &stats);
	return stats;
}

Test(kernel_formats, flows_go_on_before_the_first_program_is_replaced)
{
	struct driver d[PLAN_TABLE_COUNT];
	struct flow_usage usage;
	struct ov_flow flow;
	struct kernel *k;

	leave_format_2(MANY);
	k = open_kernel(d);
	cr_assert_not(find_flow(k, BPF_MAP_flows, 0, &flow), "packets are the old programs' still");
	cr_assert_eq(access(V2 "/flows", F_OK), 0);
	attach(&d[PLAN_ATTACH]);
	for (uint32_t i = 0; i < MANY; i++) {
		expect_flow(k, BPF_MAP_flows, i);
		expect_flow(k, BPF_MAP_brief, 40000 + i);
	}
	cr_assert_eq(stats_of(k, 0x0a0a0002).active, MANY / 2);
	cr_assert_eq(stats_of(k, 0x0a0a0002).total, 12345);
	cr_assert_eq(stats_of(k, 0x0a0a0003).active, MANY / 2);
	must(kernel_flow_usage(k, &usage), "usage");
	cr_assert_eq(usage.used, MANY);
	cr_assert_neq(access(V2 "/flows", F_OK), 0, "once is enough, also for the next daemon");
	kernel_close(k);
}

Test(kernel_formats, a_flow_that_is_here_already_stays_as_it_is)
{
	struct ov_flow_key key = flow_key(5);
	struct ov_flow mine = { .backend = addr_from_v4(0x0a0a0009), .flags = OV_FLOW_CLOSED }, flow;
	struct driver d[PLAN_TABLE_COUNT];
	struct kernel *k;

	leave_format_2(10);
	k = open_kernel(d);
	must(bpf_map_update_elem(bpf_map_fd(kernel_bpf(k), BPF_MAP_flows), &key, &mine, 0), "a flow");
	attach(&d[PLAN_ATTACH]);
	cr_assert(find_flow(k, BPF_MAP_flows, 5, &flow));
	cr_assert_eq(memcmp(&flow, &mine, sizeof(mine)), 0);
	expect_flow(k, BPF_MAP_flows, 4);
	expect_flow(k, BPF_MAP_flows, 6);
	cr_assert_eq(stats_of(k, 0x0a0a0002).active, 5);
	cr_assert_eq(stats_of(k, 0x0a0a0003).active, 4, "what was here is counted already");
	kernel_close(k);
}

Test(kernel_formats, a_map_of_another_layout_is_left_alone)
{
	struct driver d[PLAN_TABLE_COUNT];
	struct ov_flow flow;
	struct kernel *k;
	int fd;

	sh("mkdir -p " V2);
	fd = older_map("flows", BPF_MAP_TYPE_HASH, 40, 8);
	must(bpf_map_update_elem(fd, &(struct ov_flow_key){ 0 }, &(uint64_t){ 1 }, 0), "an entry");
	close(fd);
	k = open_kernel(d);
	attach(&d[PLAN_ATTACH]);
	cr_assert_not(find_flow(k, BPF_MAP_flows, 0, &flow));
	cr_assert_eq(bpf_map_get_next_key(bpf_map_fd(kernel_bpf(k), BPF_MAP_flows), NULL,
					  &(struct ov_flow_key){ 0 }), -ENOENT);
	kernel_close(k);
}
