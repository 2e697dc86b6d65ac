/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules for prog_run: between the two endpoints here, none of which is about the packet. */
#pragma once

#include "prog_maps.h"

enum { CLASS_HERE = 1, CLASS_NEIGHBOUR, CLASS_COUNT };
#define RULE_PORT 10000 /* the first one's; PORT and what follows it is nobody's */

static void put_subject(struct bench *b, uint32_t set, uint32_t ip, uint32_t class)
{
	struct ov_subject_key key = { .prefix_len = OV_SUBJECT_PREFIX + 128, .vni = VNI, .set = set,
				      .addr = addr_from_v4(ip) };
	struct ov_subject value = { class };

	map_put(b, BPF_MAP_policy_subjects, &key, &value);
}

/* Denials, one a port, of each pair of classes in turn. */
static void put_rules(struct bench *b, uint32_t set, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct ov_rule_key key = {
			.prefix_len = OV_RULE_PREFIX_PROTOCOL + 16, .vni = VNI, .set = set,
			.from = i % CLASS_COUNT, .to = i / CLASS_COUNT % CLASS_COUNT,
			.protocol = IPPROTO_UDP, .port = htons((uint16_t)(RULE_PORT + i)),
		};
		struct ov_rule value = { .id = i + 1, .verdict = OV_POLICY_DENY };

		map_put(b, BPF_MAP_policy_rules, &key, &value);
	}
}

static void flag_devices(struct bench *b, uint16_t flags)
{
	struct ov_device_key key = { .ifindex = b->device };
	struct ov_device dev;

	if (bpf_map_lookup_elem(bpf_map_fd(b->objects, BPF_MAP_devices), &key, &dev))
		tool_die("the device has no row: %s", strerror(errno));
	dev.flags = flags;
	map_put(b, BPF_MAP_devices, &key, &dev);
}

/* A set of that many rules is in force; what none of them names passes. */
static void put_policy(struct bench *b, uint32_t set, uint32_t rules)
{
	struct ov_policy_key key = { VNI };
	struct ov_policy value = { .set = set, .verdict = OV_POLICY_ALLOW };

	put_subject(b, set, LOCAL_IP, CLASS_HERE);
	put_subject(b, set, LOCAL_IP + 1, CLASS_NEIGHBOUR);
	put_rules(b, set, rules);
	map_put(b, BPF_MAP_policies, &key, &value);
	flag_devices(b, OV_ENDPOINT_POLICY);
}
