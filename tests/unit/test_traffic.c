/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Counts of traffic out of the real kernel's maps; needs root. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "apply/traffic.h"
#include "base/cleanup.h"
#include "sys/bpf.h"
#include "tests/lib/world.h"

TestSuite(traffic, .init = make_world, .timeout = 60);

#define ONE 77u
#define SECOND (ONE + OV_ENDPOINT_SLOTS) /* of the same slot */

static struct kernel *k;

static int map(enum bpf_map_id id)
{
	return bpf_map_fd(kernel_bpf(k), id);
}

/* On every CPU the endpoint has sent two packets. */
static void put_counts(enum bpf_map_id id, uint32_t key, uint32_t ifindex)
{
	size_t cpus = (size_t)libbpf_num_possible_cpus();
	_cleanup_(freep) struct ov_endpoint_stats *each = calloc(cpus, sizeof(*each));

	for (size_t i = 0; i < cpus; i++)
		each[i] = (struct ov_endpoint_stats){ .ifindex = ifindex, .sent = { 2, 200 } };
	must(bpf_map_update_elem(map(id), &key, each, BPF_ANY), "counts");
}

static void put_device(uint32_t ifindex)
{
	struct ov_device_key key = { ifindex };
	struct ov_device value = { .vni = 5 };

	must(bpf_map_update_elem(map(BPF_MAP_devices), &key, &value, BPF_ANY), "a device");
}

static void put_drop(uint32_t ifindex, uint64_t packets)
{
	struct ov_drop_stats_key key = { .vni = 5, .ifindex = ifindex, .reason = OV_DROP_SPOOFED_IP };
	struct ov_counter value = { packets, packets * 60 };

	must(bpf_map_update_elem(map(BPF_MAP_drop_stats), &key, &value, BPF_ANY), "drops");
}

static uint64_t sent_by(const struct fact_device *device)
{
	struct traffic t = { 0 };
	struct err e = { 0 };
	uint64_t packets;

	must(kernel_read_traffic(k, device, 1, &t, &e), e.text);
	cr_assert_eq(t.endpoint_count, 1);
	packets = t.endpoint[0].sent.packets;
	traffic_fini(&t);
	return packets;
}

static void make_counts(void)
{
	static struct driver d[PLAN_TABLE_COUNT];

	k = open_kernel(d);
	put_counts(BPF_MAP_endpoint_slots, ONE, ONE);
	put_counts(BPF_MAP_endpoint_stats, SECOND, SECOND);
}

Test(traffic, is_summed_over_cpus_and_both_maps_and_named)
{
	struct fact_device device = { .endpoint.b = { 9 }, .ifindex = SECOND };
	uint64_t cpus = (uint64_t)libbpf_num_possible_cpus();
	struct traffic t = { 0 };
	struct err e = { 0 };

	make_counts();
	put_drop(SECOND, 4);
	must(kernel_read_traffic(k, &device, 1, &t, &e), e.text);
	cr_assert_eq(t.endpoint[0].sent.packets, 2 * cpus);
	cr_assert_eq(t.endpoint[0].sent.bytes, 200 * cpus);
	cr_assert_eq(t.drop_count, 1);
	cr_assert(id_equal(&t.drop[0].endpoint, &device.endpoint));
	cr_assert_eq(t.drop[0].count.packets, 4);
	traffic_fini(&t);
	kernel_close(k);
}

Test(traffic, of_devices_that_are_gone_is_removed_and_no_other)
{
	struct fact_device one = { .ifindex = ONE }, other = { .ifindex = SECOND };

	make_counts();
	put_device(ONE);
	must(kernel_reap_traffic(k), "a round");
	cr_assert_gt(sent_by(&one), 0);
	cr_assert_eq(sent_by(&other), 0);
	cr_assert_neq(bpf_map_delete_elem(map(BPF_MAP_devices), &(struct ov_device_key){ SECOND }), 0);
	must(bpf_map_delete_elem(map(BPF_MAP_devices), &(struct ov_device_key){ ONE }), "the device");
	must(kernel_reap_traffic(k), "a round");
	cr_assert_eq(sent_by(&one), 0);
	kernel_close(k);
}
