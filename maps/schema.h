/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every map in one list: X(name, TYPE, key type, value type, entries, owner).
 *
 * `name` is the pin name below PIN_DIR/v<OV_FORMAT>/. A CONTROL map is written
 * by apply/ alone and only read by programs; a DATAPATH map the other way round; the
 * LOADER map by sys/ when it loads programs.
 * HASH maps are not preallocated, so `entries` is a bound and costs only a bucket
 * of 16 bytes; TABLE (a preallocated HASH) and LRU_HASH take all memory at once.
 * CONTROL_FD is CONTROL of a map that holds maps, for which programs have no way to write
 * and the kernel no flag that forbids it.
 * A SLOT holds another map (a ring, a table of flows) while somebody watches, and
 * nothing else.
 * All maps together stay below 100 MiB when they are empty, `flows` and `brief`
 * full or not (tests/unit/test_kernel_maps.c asks the kernel). README.md says what
 * rows of the HASH maps add.
 */
#pragma once

#include "call.h"
#include "config.h"
#include "counter.h"
#include "endpoint.h"
#include "flow.h"
#include "masq.h"
#include "network.h"
#include "peer.h"
#include "policy.h"
#include "probe.h"
#include "publish.h"
#include "service.h"
#include "traffic.h"
#include "verdict.h"
#include "watch.h"

#define OV_FLOWS 393216 /* and with brief's: 512 Ki flows */
#define OV_BRIEF 131072

#define OV_MAPS(X)                                                                      \
	X(config, ARRAY, __u32, struct ov_config, 1, CONTROL)                           \
	X(networks, HASH, struct ov_network_key, struct ov_network, 16384, CONTROL)     \
	X(peers, HASH, struct ov_peer_key, struct ov_peer, 16384, CONTROL)              \
	X(peer_drops, LRU_HASH, struct ov_peer_key, struct ov_peer_drops, 4096, DATAPATH) \
	X(endpoints, HASH, struct ov_endpoint_key, struct ov_endpoint, 262144, CONTROL) \
	X(devices, HASH, struct ov_device_key, struct ov_device, 16384, CONTROL)        \
	X(services, HASH, struct ov_service_key, struct ov_service, 65536, CONTROL)     \
	X(backends, HASH, struct ov_backend_key, struct ov_backend, 131072, CONTROL)    \
	X(choices, HASH, struct ov_choices_key, struct ov_choices, 65536, CONTROL)      \
	X(counters, PERCPU_ARRAY, __u32, struct ov_counter, OV_VERDICT_COUNT, DATAPATH) \
	X(flows, TABLE, struct ov_flow_key, struct ov_flow, OV_FLOWS, DATAPATH)         \
	X(brief, LRU_HASH, struct ov_flow_key, struct ov_flow, OV_BRIEF, DATAPATH)      \
	X(affinity, LRU_HASH, struct ov_affinity_key, struct ov_affinity, 32768, DATAPATH) \
	X(fragments, LRU_HASH, struct ov_fragment_key, struct ov_fragment, 4096, DATAPATH) \
	X(service_stats, HASH, struct ov_service_stats_key, struct ov_service_stats, 65536, DATAPATH) \
	X(backend_stats, HASH, struct ov_backend_stats_key, struct ov_backend_stats, 131072, DATAPATH) \
	X(flow_counters, PERCPU_ARRAY, __u32, __u64, OV_FLOW_COUNTER_COUNT, DATAPATH)   \
	X(published, HASH, struct ov_published_key, struct ov_published, 16384, CONTROL) \
	X(allowed, LPM_TRIE, struct ov_allowed_key, __u32, 65536, CONTROL)              \
	X(addresses, HASH, struct ov_address_key, struct ov_address, 4096, CONTROL)     \
	X(links, HASH, struct ov_link_key, struct ov_link, 4096, CONTROL)               \
	X(masq, HASH, struct ov_masq_key, struct ov_masq, 131072, DATAPATH)             \
	X(masq_brief, LRU_HASH, struct ov_masq_key, struct ov_masq, 16384, DATAPATH)    \
	X(policy, HASH, struct ov_policy_key, struct ov_policy, 16384, CONTROL)         \
	X(policy_subjects, LPM_TRIE, struct ov_subject_key, struct ov_subject, 262144, CONTROL) \
	X(policy_rules, LPM_TRIE, struct ov_rule_key, struct ov_rule, 262144, CONTROL)  \
	X(policy_hits, LRU_HASH, struct ov_policy_hits_key, struct ov_policy_hits, 2048, DATAPATH) \
	X(probes, LRU_HASH, struct ov_probe_key, struct ov_probe_seen, 256, DATAPATH)   \
	X(passages, PERCPU_ARRAY, __u32, struct ov_counter, OV_PASSAGE_COUNT, DATAPATH)  \
	X(endpoint_slots, PERCPU_ARRAY, __u32, struct ov_endpoint_stats, OV_ENDPOINT_SLOTS, DATAPATH) \
	X(endpoint_stats, PERCPU_HASH, struct ov_endpoint_stats_key, struct ov_endpoint_stats, 2048, DATAPATH) \
	X(drop_stats, LRU_HASH, struct ov_drop_stats_key, struct ov_counter, 1024, DATAPATH) \
	X(watch, ARRAY, __u32, struct ov_watch, 1, CONTROL)                             \
	X(watch_ring, RING_SLOT, __u32, __u32, 1, CONTROL_FD)                           \
	X(watch_flows, FLOWS_SLOT, __u32, __u32, 1, CONTROL_FD)                         \
	X(watch_scratch, PERCPU_ARRAY, __u32, struct ov_watch_scratch, 1, DATAPATH)     \
	X(watch_rates, PERCPU_ARRAY, __u32, struct ov_watch_rate, OV_VERDICT_COUNT, DATAPATH) \
	X(watch_lost, PERCPU_ARRAY, __u32, __u64, OV_WATCH_KIND_COUNT, DATAPATH)        \
	X(calls, PROG_ARRAY, __u32, __u32, OV_CALL_COUNT, LOADER)
