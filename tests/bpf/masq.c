// SPDX-License-Identifier: GPL-2.0-or-later
#include "masq.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>

#include "base/addr.h"

void masq_set_ports(struct env *env, uint16_t first, uint16_t last)
{
	struct ov_config cfg;
	uint32_t zero = 0;

	cr_assert_eq(bpf_map_lookup_elem(env->map[MAP_config], &zero, &cfg), 0);
	cfg.masq_first = first;
	cfg.masq_last = last;
	cr_assert_eq(bpf_map_update_elem(env->map[MAP_config], &zero, &cfg, BPF_ANY), 0);
}

struct segment masq_out_of(const struct actor *from, uint8_t protocol, uint16_t sport)
{
	return (struct segment){
		.src_mac = from->mac, .dst_mac = gateway_mac, .src = from->ip, .dst = REMOTE_IP,
		.sport = sport, .dport = REMOTE_PORT, .protocol = protocol,
		.flags = protocol == IPPROTO_TCP ? TCP_SYN : 0, .payload = 20,
	};
}

struct segment masq_back_to(uint8_t protocol, uint16_t port, uint8_t flags)
{
	return (struct segment){
		.src_mac = wire_mac, .dst_mac = uplink_mac, .src = REMOTE_IP, .dst = VTEP(NODE_A),
		.sport = REMOTE_PORT, .dport = port, .protocol = protocol, .flags = flags,
		.payload = 20,
	};
}

uint16_t masq_leave(struct env *env, const struct actor *from, const struct segment *s)
{
	struct outcome o = balance_send(env, from, s);
	struct segment out;

	expect_verdict(o, OV_FWD_OUTSIDE);
	out = segment_read(&o.out, 0);
	cr_assert_eq(out.src, VTEP(NODE_A));
	cr_assert_eq(out.dst, s->dst);
	cr_assert_eq(out.dport, s->dport);
	return out.sport;
}

void expect_masq_answer(struct env *env, uint8_t protocol, uint16_t port, uint8_t flags,
			const struct actor *to, uint16_t at)
{
	struct segment s = masq_back_to(protocol, port, flags);
	struct outcome o = mesh_enter(env, &s);

	expect_verdict(o, OV_FWD_LOCAL);
	expect_ends(&o, 0, REMOTE_IP, REMOTE_PORT, to->ip, at);
	expect_macs(&o, 0, gateway_mac, to->mac);
}

static struct ov_masq_key key_of(uint8_t protocol, uint16_t port)
{
	return (struct ov_masq_key){
		.remote = addr_from_v4(REMOTE_IP), .protocol = protocol,
		.remote_port = htons(REMOTE_PORT), .port = htons(port),
	};
}

bool masq_find(struct env *env, enum env_map map, uint8_t protocol, uint16_t port,
	       struct ov_masq *ret_masq)
{
	struct ov_masq_key key = key_of(protocol, port);

	return !bpf_map_lookup_elem(env->map[map], &key, ret_masq);
}

void masq_age(struct env *env, enum env_map map, uint8_t protocol, uint16_t port, uint32_t seconds)
{
	struct ov_masq_key key = key_of(protocol, port);
	struct ov_masq m;

	cr_assert(masq_find(env, map, protocol, port, &m), "no entry of port %u", port);
	m.seen -= OV_TICKS(seconds);
	cr_assert_eq(bpf_map_update_elem(env->map[map], &key, &m, BPF_ANY), 0);
}
