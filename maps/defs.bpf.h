/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The maps of schema.h as a BPF object declares them. BPF side only; every
 * object declares all of them, and user space makes the objects share one set.
 *
 * Key and value types are in BTF, so that `bpftool map dump` prints names.
 * BPF_F_RDONLY_PROG lets the verifier hold us to the owner column: a program
 * that writes a CONTROL map does not load.
 */
#pragma once

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "schema.h"

#define OV_TYPE_ARRAY BPF_MAP_TYPE_ARRAY
#define OV_TYPE_PERCPU_ARRAY BPF_MAP_TYPE_PERCPU_ARRAY
#define OV_TYPE_PERCPU_HASH BPF_MAP_TYPE_PERCPU_HASH
#define OV_TYPE_HASH BPF_MAP_TYPE_HASH
#define OV_TYPE_TABLE BPF_MAP_TYPE_HASH
#define OV_TYPE_LRU_HASH BPF_MAP_TYPE_LRU_HASH
#define OV_TYPE_LPM_TRIE BPF_MAP_TYPE_LPM_TRIE
#define OV_TYPE_PROG_ARRAY BPF_MAP_TYPE_PROG_ARRAY
#define OV_TYPE_RING_SLOT BPF_MAP_TYPE_ARRAY_OF_MAPS
#define OV_TYPE_FLOWS_SLOT BPF_MAP_TYPE_ARRAY_OF_MAPS

#define OV_FLAGS_ARRAY 0
#define OV_FLAGS_PERCPU_ARRAY 0
#define OV_FLAGS_PERCPU_HASH BPF_F_NO_PREALLOC
#define OV_FLAGS_HASH BPF_F_NO_PREALLOC /* a large bound costs nothing until used */
#define OV_FLAGS_TABLE 0                /* preallocated: an insert never waits for memory */
#define OV_FLAGS_LRU_HASH 0
#define OV_FLAGS_LPM_TRIE BPF_F_NO_PREALLOC
#define OV_FLAGS_PROG_ARRAY 0
#define OV_FLAGS_RING_SLOT 0
#define OV_FLAGS_FLOWS_SLOT 0
#define OV_FLAGS_CONTROL BPF_F_RDONLY_PROG
#define OV_FLAGS_CONTROL_FD 0
#define OV_FLAGS_DATAPATH 0
#define OV_FLAGS_LOADER 0

/*
 * What a slot may hold. Sizes and not types: 6.1 takes a map that has no BTF, as the daemon makes
 * it, for another kind of map than one that has.
 */
struct ov_ring_map {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, OV_WATCH_RING_BYTES);
};
struct ov_flows_map {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, OV_WATCH_FLOWS);
	__uint(key_size, sizeof(struct ov_watch_flow_key));
	__uint(value_size, sizeof(struct ov_watch_flow));
};
#define OV_HOLDS_ARRAY
#define OV_HOLDS_PERCPU_ARRAY
#define OV_HOLDS_PERCPU_HASH
#define OV_HOLDS_HASH
#define OV_HOLDS_TABLE
#define OV_HOLDS_LRU_HASH
#define OV_HOLDS_LPM_TRIE
#define OV_HOLDS_PROG_ARRAY
#define OV_HOLDS_RING_SLOT __array(values, struct ov_ring_map);
#define OV_HOLDS_FLOWS_SLOT __array(values, struct ov_flows_map);

#define X(map_name, map_type, map_key, map_value, entries, owner)       \
	struct {                                                        \
		__uint(type, OV_TYPE_##map_type);                       \
		__uint(max_entries, entries);                           \
		__uint(map_flags, OV_FLAGS_##map_type | OV_FLAGS_##owner); \
		__type(key, map_key);                                   \
		__type(value, map_value);                               \
		OV_HOLDS_##map_type                                     \
	} map_name SEC(".maps");
OV_MAPS(X)
#undef X
