/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Many rows a call in the real kernel's maps, and what the maps weigh; needs root. */
#include <bpf/bpf.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sys/bpf.h"
#include "tests/lib/world.h"

#define PEERS_MAX 16384u /* of maps/schema.h */

TestSuite(kernel_maps, .init = make_world);

/* ---- many rows a call ---- */

struct peers {
	struct ov_peer_key key[PEERS_MAX + 16];
	struct ov_peer value[PEERS_MAX + 16];
	struct apply_row row[PEERS_MAX + 16];
};

static struct peers *new_peers(void)
{
	struct peers *p = calloc(1, sizeof(*p));

	cr_assert(p);
	for (uint32_t i = 0; i < ARRAY_SIZE(p->row); i++) {
		p->key[i].vtep = addr_from_v4(0x0a000000 + i);
		p->value[i].next_hop = addr_from_v4(0x0b000000 + i);
		p->row[i] = (struct apply_row){ (uint8_t *)&p->key[i], (uint8_t *)&p->value[i], false };
	}
	return p;
}

static void expect_peer(struct kernel *k, const struct ov_peer_key *key,
			const struct ov_peer *value)
{
	struct ov_peer got = { 0 };

	must(bpf_map_lookup_elem(bpf_map_fd(kernel_bpf(k), BPF_MAP_peers), key, &got), "a peer");
	cr_assert_eq(memcmp(&got, value, sizeof(got)), 0);
}

Test(kernel_maps, writes_and_removes_many_rows_a_call)
{
	struct driver d[PLAN_TABLE_COUNT], *peers = &d[PLAN_PEERS];
	struct kernel *k = open_kernel(d);
	_cleanup_(freep) struct peers *p = new_peers();

	cr_assert_eq(peers->upsert_many(peers->ctx, p->row, 10000), 10000);
	cr_assert_eq(rows(peers), 10000);
	expect_peer(k, &p->key[9999], &p->value[9999]);
	p->value[3] = p->value[0];
	cr_assert_eq(peers->upsert_many(peers->ctx, p->row, 10), 10, "also over what is there");
	expect_peer(k, &p->key[3], &p->value[0]);
	cr_assert_eq(peers->remove_many(peers->ctx, p->row + 1, 9999), 9999);
	cr_assert_eq(rows(peers), 1);
	cr_assert(holds(peers, &p->key[0], &p->value[0]));
	kernel_close(k);
}

Test(kernel_maps, says_how_many_rows_went_into_a_map_that_is_full)
{
	struct driver d[PLAN_TABLE_COUNT], *peers = &d[PLAN_PEERS];
	struct kernel *k = open_kernel(d);
	_cleanup_(freep) struct peers *p = new_peers();
	struct err e = { 0 };

	cr_assert_eq(peers->upsert_many(peers->ctx, p->row, ARRAY_SIZE(p->row)), PEERS_MAX);
	cr_assert_eq(rows(peers), PEERS_MAX);
	cr_assert_eq(upsert(peers, &p->key[PEERS_MAX], &p->value[PEERS_MAX], &e), -E2BIG);
	cr_assert(strstr(e.text, "peers is full"), "%s", e.text);
	kernel_close(k);
}

Test(kernel_maps, stops_at_a_row_that_is_gone_already)
{
	struct driver d[PLAN_TABLE_COUNT], *peers = &d[PLAN_PEERS];
	struct kernel *k = open_kernel(d);
	_cleanup_(freep) struct peers *p = new_peers();

	cr_assert_eq(peers->upsert_many(peers->ctx, p->row, 20), 20);
	remove_it(peers, &p->key[7], NULL);
	cr_assert_eq(peers->remove_many(peers->ctx, p->row, 20), 7);
	remove_it(peers, &p->key[7], NULL);
	cr_assert_eq(peers->remove_many(peers->ctx, p->row + 8, 12), 12);
	cr_assert_eq(rows(peers), 0);
	kernel_close(k);
}

/* ---- a trie ---- */

#define ALLOWED 5000u

static struct ov_allowed_key allowed_key(uint32_t i)
{
	struct ov_allowed_key key;

	memset(&key, 0, sizeof(key));
	key.prefix_len = OV_ALLOWED_PREFIX + 96 + 8 + i % 25; /* some within others */
	key.port = (__be16)(i % 7);
	key.client = addr_from_v4((0x0a000000 + i * 2654435761u) & ~0u << (24 - i % 25));
	return key;
}

/* Longest match, as a program has it: of 10.0.0.0/8 and 10.1.0.0/16 the latter. */
static uint32_t match(struct kernel *k, uint32_t client)
{
	struct ov_allowed_key key = { .prefix_len = OV_ALLOWED_PREFIX + 128,
				      .client = addr_from_v4(client) };
	uint32_t value = 0;

	bpf_map_lookup_elem(bpf_map_fd(kernel_bpf(k), BPF_MAP_allowed), &key, &value);
	return value;
}

Test(kernel_maps, keeps_prefixes_apart_that_lie_within_each_other)
{
	const struct ov_allowed_key wide = { .prefix_len = OV_ALLOWED_PREFIX + 104,
					     .client = addr_from_v4(0x0a000000) };
	const struct ov_allowed_key narrow = { .prefix_len = OV_ALLOWED_PREFIX + 112,
					       .client = addr_from_v4(0x0a010000) };
	struct driver d[PLAN_TABLE_COUNT], *allowed = &d[PLAN_ALLOWED];
	struct kernel *k = open_kernel(d);
	uint32_t one = 1, two = 2;

	upsert(allowed, &wide, &one, NULL);
	upsert(allowed, &narrow, &two, NULL);
	cr_assert_eq(match(k, 0x0a010203), 2);
	cr_assert_eq(match(k, 0x0a020304), 1);
	cr_assert_eq(match(k, 0x0b000001), 0);
	remove_it(allowed, &narrow, &two);
	remove_it(allowed, &narrow, &two);
	cr_assert_eq(match(k, 0x0a010203), 1);
	cr_assert(holds(allowed, &wide, &one));
	kernel_close(k);
}

Test(kernel_maps, writes_reads_and_removes_many_rows_of_a_trie)
{
	struct driver d[PLAN_TABLE_COUNT], *allowed = &d[PLAN_ALLOWED];
	struct kernel *k = open_kernel(d);
	_cleanup_(freep) struct ov_allowed_key *key = calloc(ALLOWED, sizeof(*key));
	_cleanup_(freep) struct apply_row *row = calloc(ALLOWED, sizeof(*row));
	uint32_t one = 1;
	struct plan_table t;
	size_t count, done = 0;

	for (uint32_t i = 0; i < ALLOWED; i++) {
		key[i] = allowed_key(i);
		row[i] = (struct apply_row){ (uint8_t *)&key[i], (uint8_t *)&one, false };
	}
	while (done < ALLOWED) { /* as apply does: one by one where the kernel cannot do many */
		size_t many = allowed->upsert_many(allowed->ctx, row + done, ALLOWED - done);

		if (!many)
			upsert(allowed, row[done].key, row[done].value, NULL);
		done += many ? many : 1;
	}
	t = look(allowed);
	count = t.count;
	cr_assert_gt(count, ALLOWED / 2, "some are alike");
	for (size_t i = 1; i < count; i++)
		cr_assert_lt(memcmp(plan_row(&t, i - 1), plan_row(&t, i), sizeof(key[0])), 0);
	for (size_t i = 0; i < count; i++)
		remove_it(allowed, plan_row(&t, i), NULL);
	free(t.rows);
	cr_assert_eq(rows(allowed), 0);
	kernel_close(k);
}

/* ---- memory ---- */

#define MEMORY_MAX (100u << 20) /* of all maps, while there is no endpoint */

/* What the kernel says a map takes. */
static uint64_t map_bytes(int fd)
{
	unsigned long long bytes = 0;
	char path[64], line[128];
	bool said = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	cr_assert(f);
	while (!said && fgets(line, sizeof(line), f))
		said = sscanf(line, "memlock: %llu", &bytes) == 1;
	fclose(f);
	cr_assert(said, "no \"memlock:\" in %s", path);
	return bytes;
}

static uint64_t all_bytes(struct kernel *k)
{
	uint64_t sum = 0;

	for (int id = 0; id < BPF_MAP_COUNT; id++)
		sum += map_bytes(bpf_map_fd(kernel_bpf(k), (enum bpf_map_id)id));
	return sum;
}

/* Before 6.4 it says what the map would take if it were full. */
static bool kernel_counts_bytes(void)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);
	_cleanup_(closep) int fd = bpf_map_create(BPF_MAP_TYPE_HASH, "probe", 64, 64, 1024, &opts);

	cr_assert_geq(fd, 0);
	return map_bytes(fd) < 1024 * 128;
}

static void fill_flows(struct kernel *k, enum bpf_map_id id, uint32_t count)
{
	struct ov_flow value = { 0 };

	for (uint32_t i = 0; i < count; i++) {
		struct ov_flow_key key = { .client = addr_from_v4(i) };

		must(bpf_map_update_elem(bpf_map_fd(kernel_bpf(k), id), &key, &value, 0), "a flow");
	}
}

Test(kernel_maps, take_no_more_than_100_MiB_while_empty_and_flows_add_nothing)
{
	struct driver d[PLAN_TABLE_COUNT];
	struct kernel *k = open_kernel(d);
	uint64_t empty = all_bytes(k);

	if (!kernel_counts_bytes())
		cr_skip_test("this kernel (before 6.4) does not say what a map takes");
	cr_assert_leq(empty, MEMORY_MAX, "%llu KiB", (unsigned long long)(empty >> 10));
	cr_assert_geq(OV_FLOWS + OV_BRIEF, 512u << 10);
	fill_flows(k, BPF_MAP_flows, OV_FLOWS);
	fill_flows(k, BPF_MAP_brief, OV_BRIEF);
	cr_assert_eq(all_bytes(k), empty);
	kernel_close(k);
}
