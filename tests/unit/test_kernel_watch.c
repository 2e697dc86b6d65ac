/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The row of what is watched and the maps that come and go with it, in the real kernel; needs root. */
#include <bpf/bpf.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sys/bpf.h"
#include "tests/lib/world.h"

TestSuite(kernel_watch, .init = make_world);

static const struct ov_watch everything = { .until = UINT64_MAX, .flags = OV_WATCH_EVENTS, .snap = 100 };

/* The id of the map in a slot; 0: it is empty. */
static uint32_t in_slot(struct kernel *k, enum bpf_map_id slot)
{
	uint32_t id = 0;

	bpf_map_lookup_elem(bpf_map_fd(kernel_bpf(k), slot), &zero_key, &id);
	return id;
}

Test(kernel_watch, the_ring_and_the_flows_are_there_only_with_the_row)
{
	struct driver d[PLAN_TABLE_COUNT];
	struct kernel *k = open_kernel(d);
	struct ov_watch renewed = everything;
	uint32_t ring;

	cr_assert_eq(kernel_watch_ring(k), -1);
	upsert(&d[PLAN_WATCH], &zero_key, &everything, NULL);
	cr_assert(holds(&d[PLAN_WATCH], &zero_key, &everything));
	cr_assert_geq(kernel_watch_ring(k), 0);
	ring = in_slot(k, BPF_MAP_watch_ring);
	cr_assert(ring && in_slot(k, BPF_MAP_watch_flows));
	renewed.until--;
	upsert(&d[PLAN_WATCH], &zero_key, &renewed, NULL);
	cr_assert_eq(in_slot(k, BPF_MAP_watch_ring), ring, "what was told is not lost by a renewal");
	remove_it(&d[PLAN_WATCH], &zero_key, &renewed);
	cr_assert_eq(rows(&d[PLAN_WATCH]), 0);
	cr_assert_eq(kernel_watch_ring(k), -1);
	cr_assert_eq(in_slot(k, BPF_MAP_watch_ring), 0);
	cr_assert_eq(in_slot(k, BPF_MAP_watch_flows), 0);
	kernel_close(k);
}

Test(kernel_watch, it_ends_with_the_daemon_that_watched)
{
	struct driver d[PLAN_TABLE_COUNT];
	struct kernel *k = open_kernel(d);

	struct ov_config cfg = { .flags = OV_CONFIG_READY | OV_CONFIG_WATCHED };

	upsert(&d[PLAN_CONFIG], &zero_key, &cfg, NULL);
	upsert(&d[PLAN_WATCH], &zero_key, &everything, NULL);
	kernel_close(k);
	k = open_kernel(d);
	cfg.flags = OV_CONFIG_READY;
	cr_assert(holds(&d[PLAN_CONFIG], &zero_key, &cfg));
	cr_assert_eq(rows(&d[PLAN_WATCH]), 0);
	cr_assert_eq(in_slot(k, BPF_MAP_watch_ring), 0);
	kernel_close(k);
}

static void fill_slot(struct kernel *k, enum bpf_map_id slot, enum bpf_map_type type, uint32_t key,
		      uint32_t value, uint32_t entries)
{
	_cleanup_(closep) int fd = bpf_map_create(type, "left", key, value, entries, NULL);

	cr_assert_geq(fd, 0);
	must(bpf_map_update_elem(bpf_map_fd(kernel_bpf(k), slot), &zero_key, &fd, 0), "a slot");
}

Test(kernel_watch, what_a_killed_daemon_left_is_a_row_that_no_plan_has)
{
	struct driver d[PLAN_TABLE_COUNT];
	struct kernel *k = open_kernel(d);

	must(bpf_map_update_elem(bpf_map_fd(kernel_bpf(k), BPF_MAP_watch), &zero_key, &everything, 0), "a row");
	fill_slot(k, BPF_MAP_watch_ring, BPF_MAP_TYPE_RINGBUF, 0, 0, OV_WATCH_RING_BYTES);
	fill_slot(k, BPF_MAP_watch_flows, BPF_MAP_TYPE_LRU_HASH, sizeof(struct ov_watch_flow_key),
		  sizeof(struct ov_watch_flow), OV_WATCH_FLOWS);
	cr_assert(holds(&d[PLAN_WATCH], &zero_key, &everything));
	remove_it(&d[PLAN_WATCH], &zero_key, &everything);
	cr_assert_eq(rows(&d[PLAN_WATCH]), 0);
	cr_assert_eq(in_slot(k, BPF_MAP_watch_ring), 0);
	cr_assert_eq(in_slot(k, BPF_MAP_watch_flows), 0);
	kernel_close(k);
}

/* ---- flows that fell silent ---- */

#define NOW (1000ull * 1000000000u)

static struct ov_watch_record swept[8];
static int swept_count;

static void on_swept(void *arg, const struct ov_watch_record *r)
{
	(void)arg;
	swept[swept_count++ % 8] = *r;
}

static void put_flow(int flows, uint16_t port, uint8_t protocol, uint64_t age_ns, uint32_t flags)
{
	struct ov_watch_flow_key key = { .a = addr_from_v4(0x0a0a0002), .b = addr_from_v4(0x0a0a0003),
					 .a_port = port, .b_port = 80, .vni = 100, .protocol = protocol };
	struct ov_watch_flow f = { .seen = NOW - age_ns, .flags = flags, .bytes = { 10, 20 },
				   .packets = { 1, 2 } };

	must(bpf_map_update_elem(flows, &key, &f, 0), "a flow");
}

Test(kernel_watch, silent_flows_are_told_once_and_forgotten)
{
	struct driver d[PLAN_TABLE_COUNT];
	struct kernel *k = open_kernel(d);
	_cleanup_(closep) int flows = -1;

	upsert(&d[PLAN_WATCH], &zero_key, &everything, NULL);
	flows = bpf_map_get_fd_by_id(in_slot(k, BPF_MAP_watch_flows));
	cr_assert_geq(flows, 0);
	put_flow(flows, 1, IPPROTO_UDP, WATCH_IDLE_NS - 1, 0);
	put_flow(flows, 2, IPPROTO_UDP, WATCH_IDLE_NS, OV_WATCH_FLOW_FROM_B);
	put_flow(flows, 3, IPPROTO_TCP, WATCH_IDLE_NS, 0);
	put_flow(flows, 4, IPPROTO_TCP, WATCH_CLOSED_NS, OV_WATCH_FLOW_CLOSED);
	must(kernel_watch_sweep(k, NOW, on_swept, NULL), "a sweep");
	cr_assert_eq(swept_count, 1, "a closed one has been told already");
	cr_assert_eq(swept[0].kind, OV_WATCH_IDLE);
	cr_assert_eq(swept[0].dport, 2, "b began it");
	cr_assert_eq(swept[0].bytes[0], 20);
	cr_assert_eq(swept[0].packets[1], 1);
	must(kernel_watch_sweep(k, NOW, on_swept, NULL), "a sweep");
	cr_assert_eq(swept_count, 1);
	kernel_close(k);
}
