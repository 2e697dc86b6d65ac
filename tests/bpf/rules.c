// SPDX-License-Identifier: GPL-2.0-or-later
#include "rules.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <string.h>

#include "base/addr.h"

static void put(struct env *env, enum env_map map, const void *key, const void *value)
{
	cr_assert_eq(bpf_map_update_elem(env->map[map], key, value, BPF_ANY), 0);
}

void rules_mark(struct env *env)
{
	struct ov_endpoint_key key, *at = NULL;
	struct ov_endpoint row;
	struct ov_device device;

	for (; bpf_map_get_next_key(env->map[MAP_endpoints], at, &key) == 0; at = &key) {
		cr_assert_eq(bpf_map_lookup_elem(env->map[MAP_endpoints], &key, &row), 0);
		if (key.vni != BLUE)
			continue;
		row.flags |= OV_ENDPOINT_POLICY;
		put(env, MAP_endpoints, &key, &row);
		if (!row.ifindex)
			continue;
		cr_assert_eq(bpf_map_lookup_elem(env->map[MAP_devices], &row.ifindex, &device), 0);
		device.flags |= OV_ENDPOINT_POLICY;
		put(env, MAP_devices, &row.ifindex, &device);
	}
}

void rules_put(struct env *env, uint32_t set, uint8_t verdict, uint8_t flags)
{
	struct ov_policy value = { .set = set, .verdict = verdict, .flags = flags };

	put(env, MAP_policy, &(struct ov_policy_key){ BLUE }, &value);
	rules_mark(env);
}

void rules_subject(struct env *env, uint32_t set, uint32_t addr, uint8_t bits, uint32_t class)
{
	struct ov_subject_key key = { .prefix_len = OV_SUBJECT_PREFIX + 96u + bits, .vni = BLUE,
				      .set = set, .addr = addr_from_v4(addr) };
	struct ov_subject value = { class };

	put(env, MAP_policy_subjects, &key, &value);
}

void rules_add(struct env *env, uint32_t set, const struct rule *r)
{
	struct ov_rule_key key = { .vni = BLUE, .set = set, .from = r->from, .to = r->to,
				   .protocol = r->protocol, .port = htons(r->port) };
	struct ov_rule value = { .id = r->id, .verdict = r->verdict };

	key.prefix_len = r->protocol ? OV_RULE_PREFIX_PROTOCOL + r->port_bits : OV_RULE_PREFIX;
	put(env, MAP_policy_rules, &key, &value);
}

void rules_subjects(struct env *env, uint32_t set)
{
	rules_subject(env, set, blue_one.ip, 32, CLASS_ONE);
	rules_subject(env, set, blue_two.ip, 32, CLASS_TWO);
	rules_subject(env, set, blue_far.ip, 32, CLASS_FAR);
}

void rules_only(struct env *env, uint8_t verdict, const struct rule *r)
{
	rules_subjects(env, 1);
	if (r)
		rules_add(env, 1, r);
	rules_put(env, 1, verdict, 0);
}

void rules_recount(struct env *env, uint8_t verdict)
{
	struct ov_policy value = { .set = 1, .verdict = verdict, .census = 1 };

	put(env, MAP_policy, &(struct ov_policy_key){ BLUE }, &value);
}

struct ov_policy_hits rules_hits(struct env *env, uint32_t rule)
{
	struct ov_policy_hits_key key = { .vni = BLUE, .rule = rule };
	struct ov_policy_hits hits = { 0 };

	bpf_map_lookup_elem(env->map[MAP_policy_hits], &key, &hits);
	return hits;
}

/* ---- flows ---- */

static struct ov_flow_key key_of(uint8_t protocol, uint32_t a, uint16_t a_port, uint32_t b,
				 uint16_t b_port)
{
	bool turned = a > b;
	struct ov_flow_key key = {
		.client = addr_from_v4(turned ? b : a),
		.vip = addr_from_v4(turned ? a : b),
		.vni = { 0, 0, BLUE },
		.protocol = protocol,
		.client_port = htons(turned ? b_port : a_port),
		.backend_port = htons(turned ? a_port : b_port),
	};

	key.vip.b[0] = OV_FLOW_POLICY_MARK;
	return key;
}

bool rules_flow(struct env *env, enum env_map map, uint8_t protocol, uint32_t a, uint16_t a_port,
		uint32_t b, uint16_t b_port, struct ov_flow *ret_flow)
{
	struct ov_flow_key key = key_of(protocol, a, a_port, b, b_port);

	return !bpf_map_lookup_elem(env->map[map], &key, ret_flow);
}

void rules_age(struct env *env, enum env_map map, uint8_t protocol, uint32_t a, uint16_t a_port,
	       uint32_t b, uint16_t b_port, uint32_t seconds)
{
	struct ov_flow_key key = key_of(protocol, a, a_port, b, b_port);
	struct ov_flow flow;

	cr_assert_eq(bpf_map_lookup_elem(env->map[map], &key, &flow), 0);
	flow.seen -= OV_TICKS(seconds);
	put(env, map, &key, &flow);
}

/* ---- packets ---- */

struct outcome rules_arrive_pkt(struct env *env, const struct actor *from, const struct actor *to,
				const struct pkt *inner)
{
	struct pkt p = pkt_new();

	pkt_outer(&p, from->vtep, to->vtep, from->vni);
	pkt_bytes(&p, inner->data, inner->len);
	pkt_finish(&p);
	return env_arrive(env, &p);
}

struct outcome rules_arrive(struct env *env, const struct actor *from, const struct actor *to,
			    uint8_t protocol, uint16_t sport, uint16_t dport, uint8_t flags)
{
	struct segment s = answer_of(from, to, protocol, sport, dport);
	struct pkt inner;

	s.flags = flags;
	inner = segment_pkt(&s);
	return rules_arrive_pkt(env, from, to, &inner);
}

struct pkt rules_icmp(const struct actor *from, const struct actor *to, uint8_t type, uint16_t id)
{
	struct pkt p = pkt_new();

	pkt_eth(&p, from->mac, to->mac, ETH_P_IP);
	pkt_ipv4(&p, from->ip, to->ip, IPPROTO_ICMP);
	pkt_icmp(&p, type, 0, id, 1);
	pkt_payload(&p, 56);
	pkt_finish(&p);
	return p;
}

struct pkt rules_error(const struct actor *from, const struct actor *to, const struct pkt *about)
{
	struct pkt p = pkt_new();

	pkt_eth(&p, from->mac, to->mac, ETH_P_IP);
	pkt_ipv4(&p, from->ip, to->ip, IPPROTO_ICMP);
	pkt_icmp(&p, 3, 3, 0, 0);
	pkt_bytes(&p, about->data + 14, 28);
	pkt_finish(&p);
	return p;
}

void rules_establish(struct env *env, const struct actor *client, const struct actor *server,
		     uint16_t sport, uint16_t dport)
{
	struct outcome o = rules_send(env, client, server, IPPROTO_TCP, sport, dport, TCP_SYN);

	expect_verdict(o, OV_FWD_LOCAL);
	o = rules_send(env, server, client, IPPROTO_TCP, dport, sport, TCP_SYN | TCP_ACK);
	expect_verdict(o, OV_FWD_LOCAL);
	o = rules_send(env, client, server, IPPROTO_TCP, sport, dport, TCP_ACK);
	expect_verdict(o, OV_FWD_LOCAL);
}

void expect_cut(struct outcome *o, uint32_t src, uint16_t sport, uint32_t dst, uint16_t dport,
		uint32_t seq)
{
	struct segment s;

	expect_verdict(*o, OV_FWD_CUT);
	expect_ends(o, 0, src, sport, dst, dport);
	s = segment_read(&o->out, 0);
	cr_assert_eq(s.flags, TCP_RST);
	cr_assert_eq(s.seq, seq, "sequence number %u, not %u", s.seq, seq);
	cr_assert_eq(o->out.len, 54);
}
