/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules for lb_run: of the network, none of them about the packets, and flows that they have judged. */
#pragma once

#include "lb_maps.h"

enum { CLASS_CLIENT = 1, CLASS_BACKEND, CLASS_COUNT };
#define RULE_PORT 1000 /* the first one's; these end below PORT */

static void put_subject(struct bench *b, uint32_t ip, uint32_t class)
{
	struct ov_subject_key key = { .prefix_len = OV_SUBJECT_PREFIX + 128, .vni = VNI,
				      .set = b->policy.set, .addr = addr_from_v4(ip) };
	struct ov_subject value = { class };

	map_put(b, BPF_MAP_policy_subjects, &key, &value);
}

/* Denials, one a port and protocol, of each pair of classes in turn. */
static void put_rules(struct bench *b, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct ov_rule_key key = {
			.prefix_len = OV_RULE_PREFIX_PROTOCOL + 16, .vni = VNI, .set = b->policy.set,
			.from = i % CLASS_COUNT, .to = i / CLASS_COUNT % CLASS_COUNT,
			.protocol = i % 2 ? IPPROTO_UDP : IPPROTO_TCP,
			.port = htons((uint16_t)(RULE_PORT + i)),
		};
		struct ov_rule value = { .id = i + 1, .verdict = OV_POLICY_DENY };

		map_put(b, BPF_MAP_policy_rules, &key, &value);
	}
}

/* A set of that many rules; what none of them names passes. -1: no policy. */
static void put_policy(struct bench *b, int rules)
{
	b->is_judged = rules >= 0;
	if (!b->is_judged)
		return;
	b->policy = (struct ov_policy){ .set = b->policy.set + 1, .verdict = OV_POLICY_ALLOW };
	put_subject(b, CLIENT_IP, CLASS_CLIENT);
	put_subject(b, BACKEND_IP, CLASS_BACKEND);
	put_rules(b, (uint32_t)rules);
}

/* From now on that is in force. */
static void enforce(struct bench *b)
{
	struct ov_policy_key key = { VNI };

	put_device(b, b->client, CLIENT_IP, b->is_judged ? OV_ENDPOINT_POLICY : 0);
	if (b->is_judged)
		map_put(b, BPF_MAP_policy, &key, &b->policy);
}

/* From the client to the first backend, answered; the lower address comes first in the key. */
static void put_judged(struct bench *b, const struct lb_wrap *w, uint8_t protocol)
{
	for (uint32_t n = 0; n < w->flows; n++) {
		struct ov_flow_key key = {
			.client = addr_from_v4(BACKEND_IP), .vip = addr_from_v4(CLIENT_IP),
			.vni = { VNI >> 16, VNI >> 8 & 0xff, VNI & 0xff }, .protocol = protocol,
			.client_port = htons(LB_SERVICE_PORT(w, n)),
			.backend_port = htons(LB_CLIENT_PORT(w, n)),
		};
		struct ov_flow flow = {
			.judged = { .by = b->policy }, .incarnation = CLIENT_IP ^ BACKEND_IP, .seen = (uint32_t)(now_ns() >> OV_TICK_SHIFT),
			.flags = OV_FLOW_POLICY | OV_FLOW_SECOND | OV_FLOW_REPLIED,
		};

		key.vip.b[0] = OV_FLOW_POLICY_MARK;
		map_put(b, protocol == IPPROTO_UDP ? BPF_MAP_brief : BPF_MAP_flows, &key, &flow);
	}
}
